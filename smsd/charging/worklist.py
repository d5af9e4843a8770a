"""Charges read and settled by people: what `smsd charges` shows and does, on the store itself.

Works beside a running daemon: one short transaction, the hand-off's parcel in the outbox, which the
daemon finds by itself.
"""

from __future__ import annotations

import sqlite3

import msgspec

from foundation.clock import Clock
from foundation.contract import GatewayParcel, MessageFate, MessageState, Outcome, Reason
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Outbox
from foundation.store import SqliteTx
from smsd.charging.desk import Desk
from smsd.charging.states import ChargeState, Evidence, Verdict
from smsd.store import statements as sql
from smsd.work import Plan

_COLUMNS = (
    "id, conversation, message, org, invoice, operator, short_code, number, amount_ore, state, reason, "
    "contradicted, created_us, changed_us, expires_us"
)


class CannotResolve(ValueError):
    """The charge is unknown, or its state does not allow what was said; nothing changed."""


class Listed(msgspec.Struct, frozen=True):
    """A charge as people see it; amounts in øre, times UTC microseconds."""

    id: str
    conversation: str
    message: str
    org: str
    invoice: str
    operator: str
    short_code: str
    number: str
    amount_ore: int
    state: str
    reason: str
    contradicted: int
    created_us: int
    changed_us: int
    expires_us: int


class Event(msgspec.Struct, frozen=True):
    """One piece of evidence, as it was kept."""

    at_us: int
    evidence: str
    before: str
    after: str
    detail: str


def listed(
    connection: sqlite3.Connection, *, state: str = "", org: str = "", page: int = 1, page_size: int = 50
) -> list[Listed]:
    """A page of charges, newest first; filtered by state and organisation where given."""
    wanted, values = ["1 = 1"], []
    for column, value in (("state", state), ("org", org)):
        if value:
            wanted.append(f"{column} = ?")
            values.append(value)
    query = f"SELECT {_COLUMNS} FROM charges WHERE {' AND '.join(wanted)} ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608
    return [Listed(*row) for row in connection.execute(query, (*values, page_size, (page - 1) * page_size))]


def events(connection: sqlite3.Connection, charge: str) -> list[Event]:
    """All evidence of a charge, in the order it came."""
    query = "SELECT at_us, evidence, before, after, detail FROM charge_events WHERE charge = ? ORDER BY id"
    return [Event(*row) for row in connection.execute(query, (charge,))]


def resolve(
    connection: sqlite3.Connection,
    *,
    charge: str,
    outcome: Outcome,
    who: str,
    why: str,
    gateway: str,
    clock: Clock,
    ids: Ids,
) -> ChargeState:
    """A named human says what became of a charge; its new state.

    Raises:
        CannotResolve: with the state the charge is in and what may be said of it.
    """
    tx = SqliteTx(connection)
    plan = Plan(clock.now_us())
    desk = Desk(ids)
    said = outcome is Outcome.CHARGED
    connection.execute("BEGIN IMMEDIATE")
    try:
        row = desk.find(tx, charge)
        if row is None:
            raise CannotResolve(f"there is no charge {charge}; `smsd charges` lists them")
        step = desk.apply(
            tx,
            plan,
            row,
            Evidence.HUMAN_CHARGED if said else Evidence.HUMAN_NOT_CHARGED,
            reason=Reason.NONE if said else Reason.BY_HAND,
            detail=f"{who}: {why}",
        )
        if step.verdict not in (Verdict.MOVES, Verdict.SETTLES):
            raise CannotResolve(
                f"charge {charge} is {row.state}: that cannot be made {outcome} by hand; "
                "wait until it is accepted, in_doubt or settled otherwise"
            )
        if row.state is ChargeState.INTENDED:
            # its message will not be sent any more
            tx.run(sql.SET_FATE, [(MessageFate.REFUSED, Reason.BY_HAND, plan.at_us, row.message)])
            plan.handoff.append(
                MessageState(
                    id=ids.new(),
                    conversation=row.conversation,
                    at=plan.at_us,
                    message=row.message,
                    fate=MessageFate.REFUSED,
                    reason=Reason.BY_HAND,
                )
            )
        parcel = ids.new()
        body = msgspec.json.encode(GatewayParcel(id=parcel, sender=gateway, messages=plan.handoff))
        Outbox().post(tx, BRIDGE, [(parcel, body)])
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return step.state
