"""The stop switch: charges of an organisation, or of all, are not started while it is set.

It is kept in the store alone, with who set it, when and why; the daemon reads it in its own transactions,
so a command beside it is heeded at once. Rows stay when the switch is lifted.
"""

from __future__ import annotations

import sqlite3

import msgspec
import structlog

from foundation.contract import Reason
from foundation.store import SqliteTx, Tx
from smsd.store import limit_statements as sql
from smsd.work import Plan

log = structlog.get_logger(__name__)

ALL = ""
"""In an organisation's place: all of them."""


class CannotPause(ValueError):
    """The switch is set already, or not set; nothing changed."""


class Pause(msgspec.Struct, frozen=True):
    """One time that charges were paused; `resumed_us` is 0 while they still are. `org` is "" for all."""

    id: str
    org: str
    paused_us: int
    paused_by: str
    why: str
    resumed_us: int
    resumed_by: str
    resumed_why: str


class Standing(msgspec.Struct, frozen=True):
    """Charges that a switch concerns: those that wait and do not start, and those that go on to their end."""

    waiting: int
    in_flight: int


# in the daemon's transaction


def paused(tx: Tx, plan: Plan, org: str) -> bool:
    """Whether this organisation's charges may not start now; the store is asked once a transaction."""
    switched = plan.switched
    if switched is None:
        switched = look(tx, plan)
    return bool(switched) and (org in switched or ALL in switched)


def look(tx: Tx, plan: Plan) -> frozenset[str]:
    """Which switches are set, noted in the plan."""
    plan.switched = frozenset(row[0] for row in tx.all(sql.PAUSED))
    return plan.switched


def why_too_late(tx: Tx, plan: Plan, org: str) -> Reason:
    """Why a charge that waited did not start in time."""
    return Reason.PAUSED if paused(tx, plan, org) else Reason.EXPIRED


def tell_switched(before: frozenset[str], now: frozenset[str]) -> None:
    """Log what was set and lifted since the last look."""
    for org in sorted(now - before):
        log.warning(
            "charges.paused", organisation=org or "all", cure="smsd charges pauses; smsd charges resume"
        )
    for org in sorted(before - now):
        log.warning("charges.resumed", organisation=org or "all")


def in_words(switched: frozenset[str]) -> str:
    """How health tells it."""
    if not switched:
        return "not paused"
    named = "all" if ALL in switched else ", ".join(sorted(switched))
    return f"paused: {named}; smsd charges pauses tells why"


# beside the daemon


def pause(connection: sqlite3.Connection, key: str, *, org: str, who: str, why: str, now_us: int) -> Standing:
    """Set the switch of an organisation, or of all; `key` is the row's id.

    Raises:
        CannotPause: it is set already; says since when, by whom and why.
    """
    tx = SqliteTx(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = tx.one(sql.PAUSE_OF, (org,))
        if found is not None:
            raise CannotPause(_told(Pause(*found)))
        tx.run(sql.ADD_PAUSE, [(key, org, now_us, who, why, 0, "", "")])
        standing = _standing(tx, org)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return standing


def resume(connection: sqlite3.Connection, *, org: str, who: str, why: str, now_us: int) -> Standing:
    """Lift the switch of an organisation, or the one of all; other switches stay as they are.

    Raises:
        CannotPause: it is not set.
    """
    tx = SqliteTx(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if tx.run(sql.LIFT_PAUSE, [(now_us, who, why, org)]) != 1:
            raise CannotPause(f"charges of {_whose(org)} are not paused; `smsd charges pauses` lists what is")
        standing = _standing(tx, org)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return standing


def listed(connection: sqlite3.Connection, *, history: bool = False) -> list[Pause]:
    """Switches that are set, oldest first; with `history`, those that were lifted too."""
    return [Pause(*row) for row in SqliteTx(connection).all(sql.PAUSES if history else sql.PAUSES_SET)]


def _standing(tx: Tx, org: str) -> Standing:
    counts = {"intended": 0, "flight": 0}
    for state, count in tx.all(sql.OPEN_OF, (org, org)):
        counts["intended" if state == "intended" else "flight"] += count
    return Standing(counts["intended"], counts["flight"])


def _whose(org: str) -> str:
    return org or "all organisations"


def _told(pause: Pause) -> str:
    return f"charges of {_whose(pause.org)} are paused already, by {pause.paused_by}: {pause.why}"
