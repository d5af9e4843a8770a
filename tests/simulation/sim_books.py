"""What the oracle compares: stores read as a stranger would, by SQL, beside the operators' ledgers.

Shares no code with what decides about money.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from sim_message import MO_TAG, Sm
from sim_world import World

OPEN = ("intended", "sending", "accepted", "in_doubt")
BILLED_HERE = ("charged", "refund_due", "refunded")
COMMANDS = ("pay", "join", "status", "stop")


@dataclass
class ChargeSeen:
    """A charge in the gateway's store."""

    id: str
    conversation: str
    invoice: str
    operator: str
    number: str
    amount_ore: int
    state: str
    contradicted: int
    mo: str = ""
    billed: list[Sm] = field(default_factory=list)
    taken: list[Sm] = field(default_factory=list)


@dataclass
class Books:
    """All that is compared."""

    charges: list[ChargeSeen]
    messages: list[tuple[Any, ...]]
    listed: set[str]
    set_aside: int
    payments: dict[str, tuple[str, str, int]]
    invoices: dict[str, tuple[int, str]]
    commands: dict[str, list[tuple[str, str]]]
    dialog: Counter[str]
    refused: int
    memberships: list[tuple[str, int, str]]
    mo_of: dict[str, str]
    events: list[tuple[str, int, str, str, str, str]]
    unplaced: list[Sm] = field(default_factory=list)


def read(world: World) -> Books:
    """Both stores as they are now, every message of the ledgers laid to its charge."""
    gateway, bridge = partial(world.rows, "gateway.db"), partial(world.rows, "bridge.db")
    messages = gateway(
        "SELECT id, conversation, direction, number, text, purpose, fate, price_ore, echo, operator "
        "FROM messages"
    )
    mo_of = {}
    for row in messages:
        if row[2] == "in" and row[8]:
            for tag, value in msgspec.msgpack.decode(row[8]):
                if tag == MO_TAG:
                    mo_of[row[0]] = value.decode()
    commands: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for kind, conversation, result in bridge("SELECT kind, conversation, result FROM commands"):
        commands[conversation].append((kind, result))
    books = Books(
        charges=[
            ChargeSeen(*row, mo=mo_of.get(row[1], ""))
            for row in gateway(
                "SELECT id, conversation, invoice, operator, number, amount_ore, state, contradicted "
                "FROM charges ORDER BY id",
            )
        ],
        messages=messages,
        listed={row[0] for row in gateway("SELECT id FROM charges WHERE state = 'in_doubt'")},
        set_aside=gateway("SELECT count(*) FROM set_aside")[0][0],
        payments={row[0]: row[1:] for row in bridge("SELECT id, state, invoice, amount_ore FROM payments")},
        invoices={
            row[0]: (row[1], row[2])
            for row in bridge(
                "SELECT i.id, i.amount_ore, p.number FROM invoices i JOIN people p ON p.id = i.person"
            )
        },
        commands=commands,
        dialog=Counter(row[0] for row in bridge("SELECT id FROM sms WHERE direction = 'in'")),
        refused=bridge("SELECT count(*) FROM refused_messages")[0][0],
        memberships=bridge("SELECT org, year, conversation FROM memberships"),
        mo_of=mo_of,
        events=gateway(
            "SELECT charge, at_us, evidence, before, after, detail FROM charge_events ORDER BY id"
        ),
    )
    _place(world, books)
    return books


def _place(world: World, books: Books) -> None:
    """Which charge each premium message of the operators' ledgers is: by the MO it answers, or its id."""
    named = {(row[0], row[5].removeprefix("id:")) for row in books.events if row[2] == "answer_accepted"}
    known = {charge for charge, _ in named}
    for operator in world.operators.values():
        name = operator.traits.name
        for sm in operator.ledger:
            if not sm.price_ore:
                continue
            fitting = [
                each
                for each in books.charges
                if each.operator == name
                and each.mo == sm.mo
                and (sm.mo or (each.number, each.amount_ore) == (sm.number, sm.price_ore))
            ]
            charge = min(
                fitting,
                key=lambda each: (
                    not sm.answered or (each.id, sm.response_id) not in named,
                    len(each.taken) + (each.id in known),
                    _differ(each, sm),
                    each.id,
                ),
                default=None,
            )
            if charge is None:
                books.unplaced.append(sm)
                continue
            charge.taken.append(sm)
            if sm.billed_at is not None:
                charge.billed.append(sm)


def _differ(charge: ChargeSeen, sm: Sm) -> int:
    """How badly a charge fits, where nothing names the one that is meant."""
    if charge.state == "refused":
        return 3
    if charge.state in OPEN:
        return 1
    return 0 if (charge.state in BILLED_HERE) == (sm.billed_at is not None) else 2
