"""Compares what the operators' ledgers, the stores and the phones say: the invariants I1 to I8 of the design.

Reads the stores as a stranger would, by SQL; shares no code with what decides about money.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from sim_operator import MO_TAG, Mo, Sm
from sim_world import Finding, World

from billing_bridge.audit import audit
from foundation.clock import oslo_year
from foundation.store import SqliteTx

OPEN = ("intended", "sending", "accepted", "in_doubt")
BILLED_HERE = ("charged", "refund_due", "refunded")
_COMMANDS = ("pay", "join", "status", "stop")


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
    payments: dict[str, tuple[str, str, int, int]]
    invoices: dict[str, tuple[int, str]]
    commands: dict[str, list[tuple[str, str]]]
    dialog: Counter[str]
    refused: int
    memberships: list[tuple[str, int, str]]
    mo_of: dict[str, str]
    events: list[tuple[str, int, str, str, str, str]]
    unplaced: list[Sm] = field(default_factory=list)


def look(world: World) -> Counter[str]:
    """Everything, before and after the operator's report; findings go to the world."""
    books = _read(world)
    _place(world, books)
    _money(world, books, reported=False)
    _doubts(world, books)
    truths = _truths(books)
    world.report(truths)
    world.end()
    books = _read(world)
    _place(world, books)
    _money(world, books, reported=True)
    _states(world, books)
    _texts(world, books)
    _words(world, books)
    _bridge(world, books)
    figures = Counter(
        runs=1,
        texts=len(world.mos),
        charges=len(books.charges),
        billed=sum(len(operator.billed) for operator in world.operators.values()),
        reported=len(truths),
        steps=world.agenda.steps,
        crashes=world.gateway.lives + world.bridge.lives - (1 if world.together else 2),
    )
    for charge in books.charges:
        figures[f"charge {charge.state}"] += 1
    world.tell(
        f"end: {sorted((charge.state, charge.number[-2:], charge.amount_ore) for charge in books.charges)}"
    )
    return figures


def _read(world: World) -> Books:
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
    return Books(
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
        payments={
            row[0]: row[1:]
            for row in bridge("SELECT id, state, invoice, amount_ore, contradicted FROM payments")
        },
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
                    (each.id, sm.response_id) not in named,
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


def _money(world: World, books: Books, *, reported: bool) -> None:
    """I1, I2, I3, I5, and I8 once the report is read."""

    def found(rule: str, what: str) -> None:
        world.findings.append(Finding(rule, f"{what}{' (after the report)' if reported else ''}"))

    for sm in books.unplaced:
        found(
            "I2",
            f"{sm.response_id} to {sm.number[-2:]} at {sm.price_ore} øre answers no charge (mo {sm.mo!r})",
        )
    billed_invoices: Counter[str] = Counter()
    # where an operator said *not delivered* of what it billed, the invoice was rightly charged again
    misled = {charge.invoice for charge in books.charges if any(sm.lied_about for sm in charge.taken)}
    for charge in books.charges:
        name = (
            f"charge {charge.id[-6:]} of {charge.number[-2:]}, {charge.amount_ore // 100} kr, {charge.state}"
        )
        if len(charge.taken) > 1:
            found("I1", f"{name}: the operator took {len(charge.taken)} messages of it")
        lied = any(sm.lied_about for sm in charge.taken)
        if charge.billed:
            billed_invoices[charge.invoice] += len(charge.billed)
            if charge.state not in (*BILLED_HERE, "in_doubt", "accepted") and (reported or not lied):
                found("I2", f"{name}, but it was billed")
        elif charge.state in BILLED_HERE and (reported or not lied):
            found("I3", f"{name}, but it was not billed")
        for sm in charge.taken:
            if (sm.number, sm.price_ore) != (charge.number, charge.amount_ore):
                found("I5", f"{name}: the message was to {sm.number[-2:]} at {sm.price_ore} øre")
        amount_ore, number = books.invoices.get(charge.invoice, (0, ""))
        if (amount_ore, number) != (charge.amount_ore, charge.number):
            found("I5", f"{name}: its invoice is {amount_ore} øre of {number[-2:]}")
        if charge.state in ("intended", "sending"):
            found("settling", f"{name}, though all is quiet")
        if reported and charge.state in OPEN:
            found("I8", f"{name}, though the report was read")
    for invoice, count in billed_invoices.items():
        if count > 1 and invoice not in misled:
            found("I1", f"invoice {invoice[-6:]} was billed {count} times")


def _doubts(world: World, books: Books) -> None:
    """I6: what is in doubt is listed and was alarmed; so is what was contradicted."""
    no_clock_jumped = not any("clock" in kind for kind in world.faults)
    for charge in books.charges:
        heard = any(sm.receipt_heard and not sm.lied_about for sm in charge.taken)
        if charge.state == "accepted" and heard and no_clock_jumped:
            world.findings.append(
                Finding(
                    "evidence", f"charge {charge.id[-6:]} is undecided, though its receipt was acknowledged"
                )
            )
    alarmed = {fields.get("charge") for name, fields in world.alarms if name == "charge.in_doubt"}
    contradicted = {fields.get("charge") for name, fields in world.alarms if name == "charge.contradicted"}
    for charge in books.charges:
        if charge.state == "in_doubt" and charge.id not in alarmed:
            world.findings.append(Finding("I6", f"charge {charge.id[-6:]} is in doubt and was not alarmed"))
        # who dies between the commit and the alarm leaves the mark in the list alone
        if charge.contradicted and charge.id not in contradicted and world.gateway.lives == 1:
            world.findings.append(Finding("I6", f"charge {charge.id[-6:]} was contradicted and not alarmed"))


def _states(world: World, books: Books) -> None:
    """Final states do not go back by receipts, and of one tariff one charge at a time may be billed."""
    tariffs = {charge.id: (charge.number, charge.amount_ore) for charge in books.charges}
    started: dict[tuple[str, int], set[str]] = defaultdict(set)
    for charge, _, evidence, before, after, _ in books.events:
        if evidence.startswith("receipt") and before not in OPEN and before != after:
            world.findings.append(
                Finding("states", f"charge {charge[-6:]} went from {before} to {after} by a receipt")
            )
        going = started[tariffs[charge]]
        if after in ("sending", "accepted", "in_doubt"):
            going.add(charge)
        else:
            going.discard(charge)
        if len(going) > 1:
            world.findings.append(
                Finding("states", f"{len(going)} charges of one tariff are undecided at once")
            )


def _truths(books: Books) -> dict[str, bool]:
    """What the operators' report says of charges that are undecided, or decided otherwise."""
    truths = {}
    for charge in books.charges:
        billed = bool(charge.billed)
        if charge.state in ("accepted", "in_doubt") or (charge.state in BILLED_HERE) != billed:
            truths[charge.id] = billed
    return truths


def _texts(world: World, books: Books) -> None:
    """I4: every acknowledged MO has exactly one disposition."""

    def found(what: str) -> None:
        world.findings.append(Finding("I4", what))

    here: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for row in books.messages:
        if row[2] == "in":
            here[row[3], row[4]].append(row)
    sent: dict[tuple[str, str], list[Mo]] = defaultdict(list)
    for mo in world.mos:
        sent[mo.number, mo.text].append(mo)
        if not mo.acked:
            found(f"{mo.ref} {mo.text!r} was never acknowledged")
    # by a clock that jumped nobody knows how long ago something came, be it repeated or a part of a text
    jumped = world.faults["gateway's clock jumps"] or world.faults["machine suspended"]
    in_pieces: set[str] = set()
    for key, rows in here.items():
        if key in sent:
            continue
        # a segment again on the bind that brought it: the rest of it is waited for in vain
        whole = [
            mo for mo in world.mos if mo.number == key[0] and key[1] in mo.text and (mo.unsure or jumped)
        ]
        in_pieces.update(mo.ref for mo in whole)
        if not whole:
            found(f"{key} came from nowhere, {len(rows)} times")
    for key, mos in sent.items():
        rows = here[key]
        resent = any(mo.sent > len(mo.pdus) for mo in mos)
        # the same words twice from one phone, and a bind lost between: nobody can tell them from a repetition
        several = resent or world.faults or world.plot.binds > 1
        least = 1 if len(mos) > 1 and several else len(mos)
        least -= sum(mo.ref in in_pieces for mo in mos)
        most = sum(mo.sent if mo.unsure or jumped else 1 for mo in mos)
        if not least <= len(rows) <= most:
            found(f"{key} was sent {len(mos)} times and is here {len(rows)} times")
        kind = mos[0].kind
        for row in rows:
            asked = [command for command, _ in books.commands.get(row[0], ())]
            if asked != ([kind] if kind in _COMMANDS else []):
                found(f"{key} came to {asked} at the bridge")
            if books.dialog[row[0]] != 1:
                found(f"{key} is in the dialog {books.dialog[row[0]]} times")
    if books.set_aside:
        found(f"{books.set_aside} inputs were set aside")
    if books.refused:
        found(f"the bridge refused {books.refused} messages")
    if not any("clock" in kind for kind in world.faults):
        known = {row[0]: row for row in books.messages if row[2] == "in"}
        for org, year, conversation in books.memberships:
            if conversation not in known:
                continue
            mo = next(mo for mo in world.mos if (mo.number, mo.text) == known[conversation][3:5])
            years = {oslo_year(mo.at_us), oslo_year(mo.at_us + 120_000_000)}  # type: ignore[attr-defined]
            if year not in years:
                found(f"membership of {org} for {year}, though the text came in {years}")


def _words(world: World, books: Books) -> None:
    """I7: nobody is told *failed* while billed, without a correction; whoever is charged is told so."""
    said: dict[str, list[str]] = defaultdict(list)
    fates: dict[str, str] = {}
    for row in sorted(books.messages):
        if row[2] == "out" and row[5] == "reply":
            said[row[1]].append(row[4].split(" ")[0])
            fates[row[1]] = row[6]
    for conversation, words in said.items():
        twice = [
            word for word, count in Counter(words).items() if count > 1 and word in ("PAID", "FAILED", "Takk")
        ]
        if twice:
            world.findings.append(Finding("hand-off", f"{conversation[-6:]} is answered {words}"))
    for charge in books.charges:
        words = said[charge.conversation]
        name = f"{charge.number[-2:]}, charge {charge.id[-6:]}, {charge.state}"
        told = [word for word in words if word in ("PAID", "FAILED", "CORRECTED")]
        if world.faults["gateway's clock jumps"]:
            # ids are in the order of a clock that went back: take the best
            told.sort(key="FAILED".__ne__)
        last = told[-1] if told else ""
        if charge.billed and last not in ("PAID", "CORRECTED"):
            world.findings.append(Finding("I7", f"{name}: billed, told {words}"))
        if (
            not charge.billed
            and last == "PAID"
            and not charge.contradicted
            and not any(sm.lied_about for sm in charge.taken)
        ):
            world.findings.append(Finding("I7", f"{name}: not billed, told {words}"))
        if charge.mo and charge.billed:
            heard = [
                text.decode("latin-1").split(" ")[0]
                for _, mo, text in world.phones[charge.number].told
                if mo == charge.mo and text.startswith((b"PAID", b"FAILED", b"CORRECTED"))
            ]
            if heard and heard[-1] == "FAILED" and fates[charge.conversation] in ("delivered",):
                world.findings.append(Finding("I7", f"{name}: billed, the phone heard {heard}"))


def _bridge(world: World, books: Books) -> None:
    """Payments and charges tell the same, and the bridge's own audit finds nothing."""
    charges = {charge.id: charge for charge in books.charges}
    for payment, (state, invoice, amount_ore, contradicted) in books.payments.items():
        charge = charges.get(payment)
        if charge is None:
            world.findings.append(Finding("bridge", f"payment {payment[-6:]} ({state}) has no charge"))
            continue
        if (charge.invoice, charge.amount_ore) != (invoice, amount_ore):
            world.findings.append(Finding("I5", f"payment {payment[-6:]} and its charge differ"))
        expected = {"refused": "not_charged"}.get(charge.state, charge.state)
        if charge.state not in OPEN and state != expected and not contradicted:
            world.findings.append(
                Finding("bridge", f"payment {payment[-6:]} is {state}, its charge {charge.state}")
            )
    for charge in books.charges:
        if charge.id not in books.payments:
            world.findings.append(Finding("bridge", f"charge {charge.id[-6:]} has no payment"))
    with contextlib.closing(sqlite3.connect(world.bridge_store)) as connection:
        for difference in audit(SqliteTx(connection)).differences:
            world.findings.append(Finding("audit", str(difference)))
