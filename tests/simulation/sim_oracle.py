"""Compares what the operators' ledgers, the stores and the phones say: the invariants I1 to I8 of the design.

Shares no code with what decides about money.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import sqlite3
from collections import Counter, defaultdict

from sim_books import BILLED_HERE, OPEN, Books, ChargeSeen, read
from sim_oracle_texts import texts, words
from sim_report import reports
from sim_world import Finding, World

from billing_bridge.audit import audit
from foundation.store import SqliteTx
from smsd.audit import audit as audit_gateway

_SAYS_BILLED = ("receipt_charged", "report_charged", "human_charged")
_BETAL = re.compile(r"BETAL (\d+)( kr|,-)?$", re.IGNORECASE)
_NO_TIME_US = 2**62
_JOINING_ORE = 100_00
"""What ORG2 charges who joins."""


def look(world: World) -> Counter[str]:
    """Everything, before and after the operators' reports; findings go to the world."""
    books = read(world)
    _money(world, books, reported=False)
    _doubts(world, books)
    told = reports(world, {charge.id: bool(charge.billed) for charge in books.charges})
    world.end()
    books = read(world)
    _money(world, books, reported=True)
    _asked_for(world)
    _states(world, books)
    texts(world, books)
    words(world, books)
    _bridge(world, books)
    figures = Counter(
        runs=1,
        texts=len(world.mos),
        charges=len(books.charges),
        billed=sum(len(operator.billed) for operator in world.operators.values()),
        steps=world.agenda.steps,
        crashes=sum(sum(each.crashes.values()) for each in world.all_processes()),
    )
    figures.update(told)
    for charge in books.charges:
        figures[f"charge {charge.state}"] += 1
    world.tell(
        f"end: {sorted((charge.state, charge.number[-2:], charge.amount_ore) for charge in books.charges)}"
    )
    return figures


def _money(world: World, books: Books, *, reported: bool) -> None:
    """I1, I2, I3, I5, and I8 once the report is read."""

    def found(rule: str, what: str) -> None:
        world.find(rule, f"{what}{' (after the report)' if reported else ''}")

    for sm in books.unplaced:
        found(
            "I2",
            f"{sm.response_id} to {sm.number[-2:]} at {sm.price_ore} øre answers no charge (mo {sm.mo!r})",
        )
    for charge in books.charges:
        name = _name(charge)
        if len(charge.taken) > 1:
            found("I1", f"{name}: the operator took {len(charge.taken)} messages of it")
        # who is told two things about one message believes the first, and keeps the second
        lied = any(sm.lied_about for sm in charge.taken)
        excused = charge.contradicted and lied and not reported
        if charge.billed:
            if charge.state not in (*BILLED_HERE, "in_doubt", "accepted") and not excused:
                found("I2", f"{name}, but it was billed")
        elif charge.state in BILLED_HERE and not excused:
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
        if reported and charge.contradicted == 1:
            found("I8", f"{name}: a contradiction is not settled, though the report was read")
    _billed_once(books, found)


def _billed_once(books: Books, found: object) -> None:
    """No invoice is billed twice, unless its charge was called a failure until after the next one left."""
    assert callable(found)
    starts = {event[0]: place for place, event in enumerate(books.events) if event[2] == "start"}
    of_invoice: dict[str, list[ChargeSeen]] = defaultdict(list)
    for charge in books.charges:
        if charge.billed:
            of_invoice[charge.invoice].append(charge)
    for invoice, charges in of_invoice.items():
        charges.sort(key=lambda charge: starts.get(charge.id, 0))
        for before, after in itertools.pairwise(charges):
            told = [
                event
                for event in books.events[: starts.get(after.id, 0)]
                if event[0] == before.id and event[2] in _SAYS_BILLED
            ]
            misled = any(sm.lied_about for sm in before.taken)
            if told or not misled:
                found(
                    "I1",
                    f"invoice {invoice[-6:]} was billed {len(charges)} times"
                    + (", though it was known to be billed" if told else ""),
                )


def _asked_for(world: World) -> None:
    """Nobody is billed an amount more often than they texted for it."""
    asked: Counter[tuple[str, int]] = Counter()
    for mo in world.mos:
        match = _BETAL.search(mo.text)
        if match:
            asked[mo.number, int(match[1]) * 100] += 1
        elif mo.kind == "join":
            asked[mo.number, _JOINING_ORE] += 1
    billed = Counter(
        (sm.number, sm.price_ore) for operator in world.operators.values() for sm in operator.billed
    )
    for (number, ore), count in billed.items():
        if count > asked[number, ore]:
            world.find(
                "I1",
                f"{number[-2:]} was billed {ore // 100} kr {count} times, asked {asked[number, ore]} times",
            )


def _doubts(world: World, books: Books) -> None:
    """I6: what is in doubt, and what is contradicted, was alarmed; what a receipt decides is decided."""
    for charge in books.charges:
        heard = any(sm.receipt_heard and not sm.lied_about and not sm.shared_id for sm in charge.taken)
        if charge.state == "accepted" and heard:
            world.find("evidence", f"{_name(charge)}, though its receipt was acknowledged")
    alarmed = {fields.get("charge") for name, fields in world.alarms if name == "charge.in_doubt"}
    contradicted = {fields.get("charge") for name, fields in world.alarms if name == "charge.contradicted"}
    for charge in books.charges:
        if charge.state == "in_doubt" and charge.id not in alarmed:
            world.find("I6", f"{_name(charge)}: it was not alarmed")
        if charge.contradicted and charge.id not in contradicted:
            world.find("I6", f"{_name(charge)}: it was contradicted and not alarmed")


def _states(world: World, books: Books) -> None:
    """Final states do not go back by receipts, and of one tariff one charge at a time may be billed."""
    tariffs = {charge.id: (charge.number, charge.amount_ore) for charge in books.charges}
    started: dict[tuple[str, int], set[str]] = defaultdict(set)
    for charge, _, evidence, before, after, _ in books.events:
        if evidence.startswith("receipt") and before not in OPEN and before != after:
            world.find("states", f"charge {charge[-6:]} went from {before} to {after} by a receipt")
        going = started[tariffs[charge]]
        if after in ("sending", "accepted", "in_doubt"):
            going.add(charge)
        else:
            going.discard(charge)
        if len(going) > 1:
            world.find("states", f"{len(going)} charges of one tariff are undecided at once")


def _bridge(world: World, books: Books) -> None:
    """Payments and charges tell the same, and the bridge's own audit finds nothing."""
    charges = {charge.id: charge for charge in books.charges}
    for payment, (state, invoice, amount_ore) in books.payments.items():
        charge = charges.get(payment)
        if charge is None:
            world.find("bridge", f"payment {payment[-6:]} ({state}) has no charge")
            continue
        if (charge.invoice, charge.amount_ore) != (invoice, amount_ore):
            world.find("I5", f"payment {payment[-6:]} and its charge differ")
        expected = {"refused": "not_charged"}.get(charge.state, charge.state)
        if charge.state not in OPEN and state != expected:
            world.find("bridge", f"payment {payment[-6:]} is {state}, its charge {charge.state}")
    for charge in books.charges:
        if charge.id not in books.payments:
            world.find("bridge", f"charge {charge.id[-6:]} has no payment")
    with contextlib.closing(sqlite3.connect(world.bridge_store)) as connection:
        for difference in audit(SqliteTx(connection)).differences:
            world.findings.append(Finding("audit", str(difference)))
    with contextlib.closing(sqlite3.connect(world.gateway_store, isolation_level=None)) as connection:
        # clocks jump here, so nothing is said of the inbox's times
        for named in audit_gateway(connection, _NO_TIME_US).differences:
            world.findings.append(Finding("gateway audit", str(named)))


def _name(charge: ChargeSeen) -> str:
    return f"charge {charge.id[-6:]} of {charge.number[-2:]}, {charge.amount_ore // 100} kr, {charge.state}"
