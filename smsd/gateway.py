"""The gateway's decisions: all that has come → what is written and what is done, in one transaction.

`Gateway.handle` is a plain function of a `Tx`, the inputs and the room there is to send; it may be run
again from the start where the commit failed. It touches no socket and no clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import msgspec
import structlog

from foundation.clock import SECOND_US, Clock
from foundation.contract import (
    FromGateway,
    GatewayParcel,
    MessageFate,
    Reason,
)
from foundation.ids import Ids
from foundation.mailbox import BRIDGE
from foundation.mailbox import Inbox as ParcelInbox
from foundation.mailbox import Outbox as ParcelOutbox
from foundation.store import Tx
from smsd.bridge_desk import BridgeDesk, RouteTable, keep_aside
from smsd.charge_desk import REFUSED_TEXT, ChargeDesk
from smsd.charging import pauses
from smsd.charging.correlation import Correlation
from smsd.charging.desk import Desk
from smsd.charging.proposals import ALONE_ORE
from smsd.charging.query import Queries
from smsd.charging.states import ChargeState, Evidence
from smsd.inbox import TAIL_US, Inbox
from smsd.operator_desk import OperatorDesk, Same, Seen
from smsd.operators import OperatorProfile
from smsd.outbox import REPLY_EXPIRY_US, Sender
from smsd.queues import Lane, OperatorQueue, is_plain
from smsd.smpp.link import Link
from smsd.store import limit_statements as limit_sql
from smsd.store import statements as sql
from smsd.work import Answered, Delivered, Input, Outgoing, ParcelCame, Piece, Plan

log = structlog.get_logger(__name__)

_ENCODER = msgspec.json.Encoder()


class ReadBack(msgspec.Struct, frozen=True):
    """A page of an operator's queue from the store: up to which message, and whether there are more."""

    pieces: list[Piece]
    last: str
    more: bool
    plan: Plan


class Gateway:
    """All decisions of `smsd`, over the parts that know each subject."""

    def __init__(
        self,
        *,
        name: str,
        profiles: Mapping[str, OperatorProfile],
        inbox: Inbox,
        sender: Sender,
        desk: Desk,
        correlation: Correlation,
        queries: Queries,
        charges: ChargeDesk,
        routes: RouteTable,
        queues: Mapping[str, OperatorQueue],
        ids: Ids,
        clock: Clock,
        send_expiry_us: int = REPLY_EXPIRY_US,
        alone_ore: int = ALONE_ORE,
    ) -> None:
        self.name = name
        self._profiles = profiles
        self._inbox = inbox
        self._sender = sender
        self._desk = desk
        self._correlation = correlation
        self._queues = queues
        self._ids = ids
        self._clock = clock
        self._parcels_in = ParcelInbox()
        self._parcels_out = ParcelOutbox()
        self._queries = queries
        self._operators = OperatorDesk(profiles, inbox, sender, desk, correlation, queries)
        self._charges = charges
        self._bridge = BridgeDesk(
            profiles, inbox, sender, desk, charges, routes, ids, send_expiry_us, alone_ore
        )

    def handle(
        self,
        tx: Tx,
        inputs: Sequence[Input],
        rooms: Mapping[str, list[tuple[Link, int]]],
        opened: Mapping[str, int],
        pumped: Container[str] = (),
        late: Mapping[str, float] | None = None,
        heard: Mapping[str, Callable[[int], bool]] | None = None,
    ) -> Plan:
        """Decide on all inputs, then send what there is room for.

        `rooms`: by operator, its links and how many submit_sm each may take now. `opened`: when each
        connection was bound, UTC µs. `pumped`: operators whose plain queues empty without a transaction.
        `late`: connections on which an MO was answered late, and when by the monotonic clock.
        `heard`: of a connection, whether the answer to an MO of a moment (UTC µs) was certainly heard.
        """
        plan = Plan(self._clock.now_us(), self._clock.monotonic())
        plan.live = opened
        plan.heard = heard or {}
        for connection, answered_s in (late or {}).items():
            if plan.now_s - answered_s < TAIL_US / SECOND_US:
                plan.tardy.add(connection)
        seen: dict[Same, Seen] = {}
        ticked = False
        for item in inputs:
            if isinstance(item, Answered):
                self._operators.answer(tx, plan, item)
            elif isinstance(item, Delivered):
                self._operators.deliver(tx, plan, item, opened, seen)
            elif isinstance(item, ParcelCame):
                self._bridge.parcel(tx, plan, item)
            else:
                ticked = True
                plan.alive = [(*quiet, plan.at_us) for quiet in item.quiet]
                pauses.look(tx, plan)
                self._inbox.expire(tx, plan)
                self._charges.expire(tx, plan)
                self._overdue(tx, plan)
                for queue in self._queues.values():
                    self._sender.expire(plan, queue)
        self._write(tx, plan)
        for operator, links in rooms.items():
            fresh = [piece for piece in plan.enqueued if piece.outgoing.operator == operator]
            if operator in pumped and all(map(is_plain, fresh)):
                continue
            self._sender.dispatch(tx, plan, self._queues[operator], fresh, links)
        if ticked:
            self._queries.ask(tx, plan, rooms)
        self._finish(tx, plan)
        return plan

    def changed(self, before: Gateway) -> set[str]:
        """The operators whose profile is another one than it was."""
        known = before._profiles
        return {
            name
            for name, profile in self._profiles.items()
            if name not in known or known[name].settings != profile.settings
        }

    def pieces(self, outgoing: Outgoing) -> list[Piece] | None:
        """The submit_sm of an MT that waits; None where the settings of today cannot send it any more."""
        try:
            return self._sender.pieces(outgoing)
        except REFUSED_TEXT:
            return None

    def recover(self, tx: Tx) -> Plan:
        """What a start does first: charges found `sending` may have been sent, so they are in doubt.

        Free messages that wait may have been sent too, without their answer being known: receipts with
        unknown ids may be theirs.
        """
        plan = Plan(self._clock.now_us())
        last = tx.one(sql.LAST_MESSAGE)
        if last is not None and last[0]:
            # what came first has the lower id, whatever was done to the clock between two lives
            self._ids.after(last[0])
        for charge in self._desk.in_state(tx, ChargeState.IN_DOUBT):
            # the process may have died between the commit and the alarm
            plan.alarms.append(
                ("charge.in_doubt", {"charge": charge.id, "conversation": charge.conversation})
            )
        for charge in self._desk.disputed(tx):
            plan.alarms.append(self._desk.contradiction(charge, "restart"))
        for charge in self._desk.in_state(tx, ChargeState.SENDING):
            self._desk.apply(tx, plan, charge, Evidence.NO_ANSWER, detail="restart")
            self._sender.tell(plan, charge.conversation, charge.message, MessageFate.IN_DOUBT)
            self._correlation.attribute(tx, plan, charge.operator, charge.number, charge.short_code)
        tx.run(
            sql.MARK_STRAYS,
            [(plan.at_us, name, profile.every_receipt) for name, profile in self._profiles.items()],
        )
        self._finish(tx, plan)
        return plan

    def read_queue(self, tx: Tx, operator: str, lane: Lane, after: str, most: int) -> ReadBack:
        """The next messages of a lane that wait for an operator in the store, as submit_sm.

        What the settings of today cannot send any more is settled as refused.
        """
        plan = Plan(self._clock.now_us())
        pieces: list[Piece] = []
        rows = tx.all(sql.WAITING, (operator, int(lane), after, most))
        for row in rows:
            try:
                pieces += self._sender.read_back(row, operator, lane)
            except REFUSED_TEXT as error:
                message, conversation, charge = row[0], row[1], row[12]
                found = self._desk.find(tx, charge) if charge else None
                if found:
                    self._desk.apply(
                        tx, plan, found, Evidence.TOO_LATE, reason=Reason.REJECTED, detail=str(error)
                    )
                self._sender.tell(plan, conversation, message, MessageFate.REFUSED, Reason.REJECTED)
                plan.alarms.append(("message.not_sendable", {"message": message, "fault": str(error)}))
        self._finish(tx, plan)
        return ReadBack(pieces, rows[-1][0] if rows else after, len(rows) == most, plan)

    def set_aside(self, tx: Tx, item: Input, fault: str) -> Plan:
        """Keep an input that cannot be handled, whole, so that it can be acknowledged and looked at."""
        plan = Plan(self._clock.now_us())
        body = b""
        if isinstance(item, Delivered):
            body = msgspec.msgpack.encode(item.frame.pdu)
            plan.responses.append((item.link, item.frame, 0))
        elif isinstance(item, ParcelCame):
            body = item.body
            parcel = _id_of(body)
            self._parcels_in.unseen(tx, [parcel], plan.at_us)
            plan.parcels.append((item.done, parcel))
        keep_aside(self._ids, tx, plan, type(item).__name__, fault, body)
        return plan

    def _overdue(self, tx: Tx, plan: Plan) -> None:
        for charge in self._desk.overdue(tx, plan.at_us):
            reason = pauses.why_too_late(tx, plan, charge.org)
            self._desk.apply(tx, plan, charge, Evidence.TOO_LATE, reason=reason)
            self._sender.tell(plan, charge.conversation, charge.message, MessageFate.EXPIRED, reason)

    # writing

    def _write(self, tx: Tx, plan: Plan) -> None:
        tx.run(sql.ADD_MESSAGE, plan.rows)
        plan.rows = []

    def _finish(self, tx: Tx, plan: Plan) -> None:
        self._write(tx, plan)
        tx.run(sql.SET_FATE, plan.fates)
        tx.run(limit_sql.ADD_TO_HOUR, [(*key, amount_ore) for key, amount_ore in plan.hours.items()])
        tx.run(sql.SET_CONNECTION, [*plan.last_mo.values(), *plan.alive])
        if plan.handoff:
            plan.posted = self._parcels_out.post(tx, BRIDGE, list(self._wrap(plan.handoff)))

    def _wrap(self, messages: list[FromGateway]) -> Iterable[tuple[str, bytes]]:
        """Parcels of a size that every carrier takes."""
        for start in range(0, len(messages), 500):
            parcel = self._ids.new()
            yield (
                parcel,
                _ENCODER.encode(
                    GatewayParcel(id=parcel, sender=self.name, messages=messages[start : start + 500])
                ),
            )


class _ParcelId(msgspec.Struct):
    id: str


def _id_of(body: bytes) -> str:
    """The id of a parcel that cannot be read otherwise; empty where not even that can be."""
    try:
        return msgspec.json.decode(body, type=_ParcelId).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
