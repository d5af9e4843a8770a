"""Charges read and settled by people: what `smsd charges` shows and does, on the store itself.

Works beside a running daemon: one short transaction, the hand-off's parcel in the outbox, which the
daemon finds by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from foundation.clock import SECOND_US, Clock
from foundation.contract import GatewayParcel, MessageFate, MessageState, Outcome, Reason
from foundation.evidence.words import say as in_words
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Outbox
from foundation.store import SqliteTx, Tx
from smsd.charging import proposals
from smsd.charging.desk import ChargeRow, Desk
from smsd.charging.proposals import Came, Person, Proposal, Proposals, Said
from smsd.charging.prospects import Known, Prospect, prospects
from smsd.charging.states import UNFINISHED, ChargeState, Evidence
from smsd.settings import Settings
from smsd.store import charge_statements as sql
from smsd.store import limit_statements as limit_sql
from smsd.store import statements as hot
from smsd.work import Plan

T = TypeVar("T")
_COLUMNS = (
    "id, conversation, message, org, invoice, operator, short_code, number, amount_ore, state, reason, "
    "contradicted, created_us, changed_us, expires_us"
)
_NO_BOUND = 2**62


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


class Open(msgspec.Struct, frozen=True):
    """What a worklist adds to a charge: its age, what is known so far, what may still come, who said what.

    `known` has one plain line for each piece of evidence, oldest first.
    """

    age_s: int
    known: tuple[str, ...]
    may_come: tuple[Prospect, ...]
    proposal: Proposal | None = None


class Event(msgspec.Struct, frozen=True):
    """One piece of evidence, as it was kept."""

    at_us: int
    evidence: str
    before: str
    after: str
    detail: str


class Which(msgspec.Struct, frozen=True):
    """Which charges are listed. `made_before_us` 0 and `least_ore` 0 are no bounds; `proposed`: only those
    that wait for a second person; `oldest_first` as a worklist is read."""

    state: str = ""
    org: str = ""
    operator: str = ""
    number: str = ""
    made_before_us: int = 0
    least_ore: int = 0
    proposed: bool = False
    oldest_first: bool = False


def listed(
    connection: sqlite3.Connection,
    which: Which | None = None,
    *,
    state: str = "",
    org: str = "",
    page: int = 1,
    page_size: int = 50,
) -> list[Listed]:
    """A page of charges, newest first unless `which` says otherwise."""
    which = which or Which(state=state, org=org)
    wanted: list[str] = ["1 = 1"]
    values: list[str | int] = []
    for condition, value in (
        ("state = ?", which.state),
        ("org = ?", which.org),
        ("operator = ?", which.operator),
        ("number = ?", which.number),
        ("created_us <= ?", which.made_before_us),
        ("amount_ore >= ?", which.least_ore),
    ):
        if value:
            wanted.append(condition)
            values.append(value)
    if which.state in UNFINISHED:
        # word for word what the index of unfinished charges holds: only then it is used
        wanted.append("state IN ('intended', 'sending', 'accepted', 'in_doubt')")
    if which.proposed:
        wanted.append("id IN (SELECT charge FROM charge_proposals WHERE ended = '')")
    order = "id" if which.oldest_first else "id DESC"
    query = f"SELECT {_COLUMNS} FROM charges WHERE {' AND '.join(wanted)} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
    return [Listed(*row) for row in connection.execute(query, (*values, page_size, (page - 1) * page_size))]


def opened(connection: sqlite3.Connection, charge: Listed, settings: Settings, now_us: int) -> Open | None:
    """What a worklist says of a charge; nothing of a settled one about which nobody proposes anything."""
    tx = SqliteTx(connection)
    proposal = proposals.waiting(tx, charge.id)
    if charge.state not in UNFINISHED and proposal is None:
        return None
    told = events(connection, charge.id)
    known = Known(
        state=ChargeState(charge.state),
        now_us=now_us,
        sent_us=_last(told, Evidence.START) or charge.created_us,
        expires_us=charge.expires_us,
        answered_us=_last(told, Evidence.ANSWER_ACCEPTED),
        proposal=proposal,
    )
    yes = tx.one(limit_sql.YES_UNTIL, (charge.id,))
    if yes is not None:
        known = msgspec.structs.replace(known, yes_until_us=yes[0])
    asked = tx.one(sql.QUERIED, (charge.id,))
    if asked is not None:
        known = msgspec.structs.replace(known, asked=asked[0], next_us=asked[2])
    coming = prospects(known, settings.operator(charge.operator), settings.limits.receipt_wait_h)
    return Open((now_us - charge.created_us) // SECOND_US, tuple(map(plain, told)), tuple(coming), proposal)


def plain(event: Event) -> str:
    """One piece of evidence in plain words."""
    words = in_words(event.evidence)
    detail = in_words(event.detail) if event.evidence == Evidence.NO_ANSWER else event.detail
    return f"{words} ({detail})" if detail else words


def _last(told: Iterable[Event], evidence: Evidence) -> int:
    return max((event.at_us for event in told if event.evidence == evidence), default=0)


def events(connection: sqlite3.Connection, charge: str) -> list[Event]:
    """All evidence of a charge, in the order it came."""
    query = "SELECT at_us, evidence, before, after, detail FROM charge_events WHERE charge = ? ORDER BY id"
    return [Event(*row) for row in connection.execute(query, (charge,))]


# people's words ------------------------------------------------------------------------------------------


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
    """A named human says what became of a charge, whatever its amount; its new state.

    Raises:
        CannotResolve: with the state the charge is in and what may be said of it.
    """
    person = Person(who, why, "command")
    return say(
        connection, charge=charge, outcome=outcome, person=person, gateway=gateway, clock=clock, ids=ids
    ).state


def say(
    connection: sqlite3.Connection,
    *,
    charge: str,
    outcome: Outcome,
    person: Person,
    gateway: str,
    clock: Clock,
    ids: Ids,
    alone_ore: int = _NO_BOUND,
) -> Said:
    """A named human says what became of a charge; above `alone_ore` two must say the same.

    Raises:
        CannotResolve: with the state the charge is in and what may be said of it; nothing changed.
    """
    plan = Plan(clock.now_us())
    desk = Desk(ids)

    def unit(tx: Tx) -> Said:
        row = _found(tx, desk, charge)
        said = Proposals(desk, ids, alone_ore).say(tx, plan, row, outcome, person)
        if said.came is Came.NOTHING:
            can = (
                "it waits to be sent; wait until it is, or give not_charged to call it off"
                if row.state is ChargeState.INTENDED
                else "wait until it is accepted, in_doubt or settled otherwise"
            )
            raise CannotResolve(
                f"charge {charge} is {row.state}: that cannot be made {outcome} by hand; {can}"
            )
        standing = said.proposal
        if said.came is Came.SAID_BEFORE and standing:
            raise CannotResolve(
                f"charge {charge} waits for a second person: {standing.who} said {standing.outcome} already; "
                "somebody else must say the same, with a --who of their own"
            )
        if said.came is Came.DISAGREES and standing:
            raise CannotResolve(
                f"charge {charge}: {standing.who} proposed {standing.outcome} ({standing.why}); "
                f"`smsd charges withdraw {charge} --why …` before proposing {outcome}"
            )
        if row.state is ChargeState.INTENDED and said.state is not row.state:
            _call_off(tx, plan, row, ids)
        _hand_off(tx, plan, ids, gateway)
        return said

    return _in_one_transaction(connection, unit)


def withdraw(connection: sqlite3.Connection, *, charge: str, person: Person, clock: Clock) -> Proposal:
    """A named human takes a waiting proposal back, their own or another's; the proposal as it was.

    Raises:
        CannotResolve: nothing is proposed for this charge.
    """

    def unit(tx: Tx) -> Proposal:
        standing = proposals.waiting(tx, charge)
        if standing is None:
            raise CannotResolve(
                f"nothing is proposed for charge {charge}; `smsd charges --proposed` lists all"
            )
        proposals.end(tx, standing, "withdrawn", person, clock.now_us())
        return standing

    return _in_one_transaction(connection, unit)


def _found(tx: Tx, desk: Desk, charge: str) -> ChargeRow:
    row = desk.find(tx, charge)
    if row is None:
        raise CannotResolve(f"there is no charge {charge}; `smsd charges` lists them")
    return row


def _call_off(tx: Tx, plan: Plan, row: ChargeRow, ids: Ids) -> None:
    """Its message will not be sent any more; one that waits for its payer's yes has none yet."""
    if tx.run(hot.SET_FATE, [(MessageFate.REFUSED, Reason.BY_HAND, plan.at_us, row.message)]) != 1:
        return
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


def _hand_off(tx: Tx, plan: Plan, ids: Ids, gateway: str) -> None:
    if not plan.handoff:
        return
    parcel = ids.new()
    body = msgspec.json.encode(GatewayParcel(id=parcel, sender=gateway, messages=plan.handoff))
    Outbox().post(tx, BRIDGE, [(parcel, body)])


def _in_one_transaction(connection: sqlite3.Connection, unit: Callable[[Tx], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = unit(SqliteTx(connection))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return done
