"""The operators' billing reports: CSV files made of their ledgers, which the real reconciliation applies.

What a report leaves open because several charges fit is settled as a person would: by asking the operator.
"""

from __future__ import annotations

import csv
import io
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING

from sim_message import Sm
from sim_operator import ModelOperator

from foundation.clock import DAY_US, SECOND_US, oslo
from foundation.contract import Outcome
from foundation.ids import Ids
from smsd.charging.reconciliation import CannotReconcile, Line, Period, apply, reconcile
from smsd.charging.report_verdicts import Kind
from smsd.charging.reports import read_report
from smsd.charging.worklist import CannotResolve, resolve
from smsd.settings import Operator

if TYPE_CHECKING:
    from sim_world import World

_WAIT_S = 3.5 * 86_400
"""How long after all else the reports come: a message may be tried for a day, a receipt two days late."""


def reports(world: World, truths: dict[str, bool]) -> Counter[str]:
    """Let every operator's report come and be applied, then ask of what stays ambiguous; how much of each.

    `truths`: of every charge, whether it was billed; asked only where the report may leave it to people.
    """
    world.skip_to(world.agenda.now + _WAIT_S)
    counts: Counter[str] = Counter()
    for operator in world.operators.values():
        account = world.settings.operator(operator.traits.name)
        assert account is not None
        lines = _applied(world, operator, account)
        counts.update(f"report: {line.kind}" for line in lines)
        unclear = {
            line.charge
            for line in lines
            if line.charge
            and (line.kind is Kind.AMBIGUOUS or (line.kind is Kind.MISSING and not line.applied))
        }
        strangers = [line for line in lines if line.kind is Kind.UNKNOWN and line.theirs_ore]
        if strangers and not unclear:
            world.find("I8", f"{operator.traits.name} billed {len(strangers)} messages that are unknown here")
        by_hand = unclear if lines else _undecided(world, operator.traits.name)
        for charge in sorted(by_hand):
            counts["settled by hand"] += 1
            _ask(world, charge, billed=truths[charge])
    world.agenda.run_until(world.agenda.now + 3.0)
    world.settle()
    return counts


def report_of(operator: ModelOperator) -> bytes:
    """The operator's ledger as it writes it down for its customers; empty where it has nothing to tell."""
    traits, started_us = operator.traits, operator.clock.now_us() - round(operator.agenda.now * SECOND_US)
    rows = []
    for sm in _reported(operator):
        billed = sm.billed_at is not None
        at = sm.billed_at if sm.billed_at is not None else sm.taken_at
        row = {
            "message_id": sm.receipt_id if traits.report == "receipt-ids" else sm.response_id,
            "number": sm.number.removeprefix("+"),
            "amount": f"{sm.price_ore // 100},{sm.price_ore % 100:02d}",
            "at": oslo(started_us + round(at * SECOND_US)).isoformat(),
            "short_code": operator.world.short_code,
        }
        if traits.report != "billed":
            row["outcome"] = "charged" if billed else "not charged"
        rows.append(row)
    if not rows:
        return b""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _applied(world: World, operator: ModelOperator, account: Operator) -> list[Line]:
    """What the reconciliation says and does about a report, complete for all of the time."""
    octets = report_of(operator)
    if not octets:
        return []
    clock = world.clocks["true"]
    now_us = clock.now_us()
    report = read_report(octets, account.report)
    world.tell(f"{operator.traits.name}: reports {len(report.rows)} rows")
    connection = world.locked_store()
    try:
        try:
            lines = reconcile(connection, report, account, _period(world, now_us), now_us)
        except CannotReconcile as error:
            # rightly so where the id of nothing that it names was ever told
            if _any_named(connection, operator):
                world.find("I8", f"{operator.traits.name}'s report is refused: {error}")
            return []
        done = apply(
            connection,
            lines,
            report,
            who="the simulation",
            refunds=False,
            gateway=world.settings.handoff.name,
            clock=world.clocks["gateway"],
            ids=Ids(world.clocks["gateway"], world.rng.getrandbits),
        )
    finally:
        connection.close()
    for line in done:
        world.tell(f"report: {line.kind} {line.charge[-6:]} {line.state} → {line.after}")
    return done


def _any_named(connection: sqlite3.Connection, operator: ModelOperator) -> bool:
    query = (
        "SELECT e.detail FROM charge_events e JOIN charges c ON c.id = e.charge "
        "WHERE c.operator = ? AND e.evidence = 'answer_accepted'"
    )
    told = {detail for (detail,) in connection.execute(query, (operator.traits.name,))}
    return any(f"id:{sm.response_id}" in told for sm in _reported(operator))


def _reported(operator: ModelOperator) -> list[Sm]:
    """Which messages a report names."""
    billed_alone = operator.traits.report == "billed"
    return [sm for sm in operator.ledger if sm.price_ore and (sm.billed_at is not None or not billed_alone)]


def _period(world: World, now_us: int) -> Period:
    # days before the first text, as a clock may have gone back
    return Period(world.plot.started_us - 3 * DAY_US, now_us, complete=True)


def _undecided(world: World, operator: str) -> set[str]:
    """The charges that a report without any row says nothing about."""
    undecided = "(state IN ('accepted', 'in_doubt') OR contradicted = 1)"
    query = f"SELECT id FROM charges WHERE operator = ? AND {undecided}"
    connection = sqlite3.connect(world.gateway_store)
    try:
        return {row[0] for row in connection.execute(query, (operator,))}
    finally:
        connection.close()


def _ask(world: World, charge: str, *, billed: bool) -> None:
    """A person asks the operator about one charge and says what it answered."""
    world.tell(f"asked: {charge[-6:]} was {'billed' if billed else 'not billed'}")
    connection = world.locked_store()
    try:
        resolve(
            connection,
            charge=charge,
            outcome=Outcome.CHARGED if billed else Outcome.NOT_CHARGED,
            who="oracle",
            why="asked the operator",
            gateway=world.settings.handoff.name,
            clock=world.clocks["gateway"],
            ids=Ids(world.clocks["gateway"], world.rng.getrandbits),
        )
    except CannotResolve as error:
        if "wait until" not in str(error) or not _settled_already(world, charge, billed=billed):
            world.find("I8", f"what the operator answered is refused: {error}")
    finally:
        connection.close()


def _settled_already(world: World, charge: str, *, billed: bool) -> bool:
    state = world.rows("gateway.db", f"SELECT state FROM charges WHERE id = '{charge}'")[0][0]
    return (state in ("charged", "refund_due", "refunded")) == billed and state not in (
        "accepted",
        "in_doubt",
    )
