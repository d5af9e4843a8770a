"""The gateway's decisions: all that has come → what is written and what is done, in one transaction.

`Gateway.handle` is a plain function of a `Tx`, the inputs and the room there is to send; it may be run
again from the start where the commit failed. It touches no socket and no clock of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec
import structlog

from foundation.clock import Clock
from foundation.contract import (
    BridgeParcel,
    Charge,
    FromBridge,
    FromGateway,
    GatewayParcel,
    MessageFate,
    Purpose,
    Reason,
    Reply,
    Resolve,
    Send,
    SmsSettled,
)
from foundation.ids import Ids
from foundation.mailbox import BRIDGE
from foundation.mailbox import Inbox as ParcelInbox
from foundation.mailbox import Outbox as ParcelOutbox
from foundation.numbers import from_operator
from foundation.store import Tx
from smsd.charging.correlation import Correlation
from smsd.charging.desk import ChargeRow, Desk
from smsd.charging.states import ChargeState, Evidence, Verdict
from smsd.inbox import Inbox
from smsd.links import pair_of
from smsd.operators import OperatorProfile, PriceNotSendable
from smsd.outbox import REPLY_EXPIRY_US, Route, Sender
from smsd.queues import Lane, OperatorQueue, lane_of
from smsd.replies import Replies, UnknownReply
from smsd.smpp.alphabet import NotEncodable
from smsd.smpp.faults import UnencodablePduError
from smsd.smpp.link import Answer, AnswerKind, Link
from smsd.smpp.pdu import DataSm, DeliverSm, Tag, Tlv, read_int
from smsd.smpp.receipt import read_receipt
from smsd.smpp.segments import TooManySegments
from smsd.store import statements as sql
from smsd.work import FINAL_FATES, Answered, Delivered, Input, Outgoing, ParcelCame, Piece, Plan

log = structlog.get_logger(__name__)

_PARCEL = msgspec.json.Decoder(BridgeParcel)
_ENCODER = msgspec.json.Encoder()
_Same: TypeAlias = tuple[str, bytes, tuple[Tlv, ...]]
_FREE_ATTEMPTS = 3
_NO_ROUTE = "no short code reaches this number"
_MESSAGE_TYPE = 0x3C
_INTERMEDIATE = 0x20
_REFUSED_TEXT = (PriceNotSendable, UnencodablePduError, TooManySegments, NotEncodable, UnknownReply)


class ReadBack(msgspec.Struct, frozen=True):
    """A page of an operator's queue from the store: up to which message, and whether there are more."""

    pieces: list[Piece]
    last: str
    more: bool
    plan: Plan


class RouteTable(msgspec.Struct, frozen=True):
    """Where messages go that answer no MO: an organisation's short codes, a short code's operators."""

    short_codes: Mapping[str, tuple[str, ...]]
    operators: Mapping[str, tuple[str, ...]]


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
        replies: Replies,
        routes: RouteTable,
        queues: Mapping[str, OperatorQueue],
        ids: Ids,
        clock: Clock,
        send_expiry_us: int = REPLY_EXPIRY_US,
    ) -> None:
        self.name = name
        self._profiles = profiles
        self._inbox = inbox
        self._sender = sender
        self._desk = desk
        self._correlation = correlation
        self._replies = replies
        self._routes = routes
        self._queues = queues
        self._ids = ids
        self._clock = clock
        self._send_expiry_us = send_expiry_us
        self._parcels_in = ParcelInbox()
        self._parcels_out = ParcelOutbox()
        self._bridge_handlers = {
            Reply: self._reply,
            Charge: self._charge,
            Send: self._send,
            Resolve: self._resolve,
        }

    def handle(
        self,
        tx: Tx,
        inputs: Sequence[Input],
        rooms: Mapping[str, list[tuple[Link, int]]],
        opened: Mapping[str, int],
    ) -> Plan:
        """Decide on all inputs, then send what there is room for.

        `rooms`: by operator, its links and how many submit_sm each may take now. `opened`: when each
        connection was bound, UTC µs.
        """
        plan = Plan(self._clock.now_us())
        plan.live = opened
        seen: set[_Same] = set()
        for item in inputs:
            if isinstance(item, Answered):
                self._answer(tx, plan, item)
            elif isinstance(item, Delivered):
                self._deliver(tx, plan, item, opened, seen)
            elif isinstance(item, ParcelCame):
                self._parcel(tx, plan, item)
            else:
                plan.alive = [(*quiet, plan.at_us) for quiet in item.quiet]
                self._inbox.expire(tx, plan)
                self._overdue(tx, plan)
                for queue in self._queues.values():
                    self._sender.expire(plan, queue)
        self._write(tx, plan)
        for operator, links in rooms.items():
            fresh = [piece for piece in plan.enqueued if piece.outgoing.operator == operator]
            self._sender.dispatch(tx, plan, self._queues[operator], fresh, links)
        self._finish(tx, plan)
        return plan

    def recover(self, tx: Tx) -> Plan:
        """What a start does first: charges found `sending` may have been sent, so they are in doubt.

        Free messages that wait may have been sent too, without their answer being known: receipts with
        unknown ids may be theirs.
        """
        plan = Plan(self._clock.now_us())
        for charge in self._desk.in_state(tx, ChargeState.IN_DOUBT):
            # the process may have died between the commit and the alarm
            plan.alarms.append(
                ("charge.in_doubt", {"charge": charge.id, "conversation": charge.conversation})
            )
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
            except _REFUSED_TEXT as error:
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
        self._keep_aside(tx, plan, type(item).__name__, fault, body)
        return plan

    # from operators

    def _deliver(
        self, tx: Tx, plan: Plan, item: Delivered, opened: Mapping[str, int], seen: set[_Same]
    ) -> None:
        pdu = item.frame.pdu
        plan.responses.append((item.link, item.frame, 0))
        if not isinstance(pdu, DeliverSm | DataSm):
            return
        profile = self._profiles[item.operator]
        receipt = read_receipt(pdu, profile.coding)
        if receipt is not None:
            number, short_code = self._ends(pdu)
            reading = profile.read(receipt)
            if pdu.esm_class & _MESSAGE_TYPE == _INTERMEDIATE:
                # on its way (SMPP 3.4 section 5.2.12): whatever its text says, it ends nothing
                reading = msgspec.structs.replace(
                    reading, evidence=Evidence.RECEIPT_PENDING, fate=MessageFate.ACCEPTED
                )
            self._correlation.receipt(tx, plan, profile, reading, number, short_code)
            return
        body = pdu.short_message if isinstance(pdu, DeliverSm) else b""
        same = (f"{item.operator} {pdu.source_addr} {pdu.destination_addr}", body, pdu.tlvs)
        if body and same in seen:
            # the SMSC grew impatient while the store was away: one text, two deliver_sm, on whatever bind
            plan.count("mo_again", profile.name)
            return
        seen.add(same)
        plan.binds[item.connection] = pair_of(item.link.name)
        self._inbox.deliver(tx, plan, profile, pdu, item.connection, opened.get(item.connection, 0))

    def _ends(self, pdu: DeliverSm | DataSm) -> tuple[str, str]:
        """A receipt's phone and short code: some operators swap the two ends."""
        code = self._inbox.short_code(pdu.destination_addr)
        if code:
            return from_operator(pdu.source_addr) or "", code
        return from_operator(pdu.destination_addr) or "", self._inbox.short_code(pdu.source_addr)

    def _answer(self, tx: Tx, plan: Plan, item: Answered) -> None:
        answer = item.answer
        piece = answer.tag
        assert isinstance(piece, Piece)
        outgoing = piece.outgoing
        profile = self._profiles[outgoing.operator]
        if answer.kind in (AnswerKind.ANSWERED, AnswerKind.LATE):
            if answer.tlvs:
                level = read_int(answer.tlvs, Tag.CONGESTION_STATE) or 0
                plan.congestion[profile.name] = max(level, plan.congestion.get(profile.name, 0))
            verdict, reason = profile.answer(answer.status)
            plan.count("answers", outgoing.operator, verdict)
            if verdict == "accepted":
                self._accepted(tx, plan, profile, piece, answer)
            elif outgoing.charge:
                self._charge_answered(
                    tx, plan, piece, _ANSWERS[verdict], reason, f"status:0x{answer.status:08x}"
                )
            elif answer.kind is AnswerKind.LATE:
                return
            elif verdict == "later":
                plan.retaken.append(piece)
            else:
                if verdict == "unclear" and piece.pdu.registered_delivery:
                    # the SMSC may have it all the same: a receipt with an unknown id may be its
                    self._correlation.stray(tx, plan, outgoing.operator, outgoing.message)
                self._give_up(plan, outgoing, MessageFate.REFUSED, reason)
            if verdict == "later":
                plan.paused.add(outgoing.operator)
            return
        plan.count("answers", outgoing.operator, answer.kind.name.lower())
        if outgoing.charge:
            evidence = Evidence.NOT_WRITTEN if answer.kind is AnswerKind.NEVER_WRITTEN else Evidence.NO_ANSWER
            self._charge_answered(tx, plan, piece, evidence, Reason.NONE, answer.kind.name.lower())
            return
        if answer.kind is not AnswerKind.NEVER_WRITTEN:
            if piece.pdu.registered_delivery:
                self._correlation.stray(tx, plan, outgoing.operator, outgoing.message)
            if outgoing.attempts + 1 >= _FREE_ATTEMPTS:
                self._give_up(plan, outgoing, MessageFate.IN_DOUBT)
                return
            if not any(each is outgoing for each in plan.unanswered):
                plan.unanswered.append(outgoing)
        plan.retaken.append(piece)

    def _give_up(self, plan: Plan, outgoing: Outgoing, fate: MessageFate, reason: str = "") -> None:
        """End a free message, once for all its parts."""
        if not _is_over(plan, outgoing):
            plan.over.append(outgoing)
            self._sender.end(plan, outgoing, fate, reason)

    def _accepted(self, tx: Tx, plan: Plan, profile: OperatorProfile, piece: Piece, answer: Answer) -> None:
        outgoing, message_id = piece.outgoing, answer.message_id
        charge = self._desk.find(tx, outgoing.charge) if outgoing.charge else None
        if charge:
            self._desk.apply(tx, plan, charge, Evidence.ANSWER_ACCEPTED, detail=f"id:{message_id}")
        if piece.part == piece.total and not _is_over(plan, outgoing):
            repeated = answer.kind is AnswerKind.LATE or outgoing.attempts
            if not (repeated and self._has_ended(tx, plan, outgoing.message)):
                # before any receipt is heard, which may say more
                self._sender.end(plan, outgoing, MessageFate.ACCEPTED)
        if piece.pdu.registered_delivery:
            key = profile.response_key(message_id)
            self._correlation.accepted(tx, plan, profile.name, key, outgoing.message, outgoing.number)

    def _charge_answered(
        self, tx: Tx, plan: Plan, piece: Piece, evidence: Evidence, reason: Reason, detail: str
    ) -> None:
        charge = self._desk.find(tx, piece.outgoing.charge)
        if charge is None:
            return
        step = self._desk.apply(tx, plan, charge, evidence, reason=reason, detail=detail)
        if step.verdict is not Verdict.MOVES:
            return
        if step.state is ChargeState.INTENDED:
            plan.retaken.append(piece)
        elif step.state in (ChargeState.REFUSED, ChargeState.NOT_CHARGED):
            self._sender.end(plan, piece.outgoing, MessageFate.REFUSED, reason)
        elif step.state is ChargeState.IN_DOUBT:
            self._sender.end(plan, piece.outgoing, MessageFate.IN_DOUBT)
            self._correlation.attribute(tx, plan, charge.operator, charge.number, charge.short_code)

    @staticmethod
    def _has_ended(tx: Tx, plan: Plan, message: str) -> bool:
        """Whether a message has a final fate, or gets one by this plan."""
        if message in plan.ended:
            return True
        row = tx.one(sql.MESSAGE_BY_ID, (message,))
        return row is not None and row[4] in FINAL_FATES

    def _overdue(self, tx: Tx, plan: Plan) -> None:
        for charge in self._desk.overdue(tx, plan.at_us):
            self._desk.apply(tx, plan, charge, Evidence.TOO_LATE, reason=Reason.EXPIRED)
            self._sender.tell(plan, charge.conversation, charge.message, MessageFate.EXPIRED, Reason.EXPIRED)

    # from the bridge

    def _parcel(self, tx: Tx, plan: Plan, item: ParcelCame) -> None:
        parcel = _PARCEL.decode(item.body)
        plan.parcels.append((item.done, parcel.id))
        if not self._parcels_in.unseen(tx, [parcel.id], plan.at_us):
            plan.count("parcels_again")
            return
        for message in parcel.messages:
            try:
                self._bridge_handlers[type(message)](tx, plan, message)  # type: ignore[operator]
            except _REFUSED_TEXT as error:
                self._refuse(tx, plan, message, str(error))

    def _route(self, tx: Tx, conversation: str, org: str, number: str) -> Route | None:
        """Back the way the MO came; else the way the number last wrote; else the organisation's first."""
        found = tx.one(sql.ROUTE_OF, (conversation,)) or tx.one(sql.LAST_ROUTE, (number,))
        if found and found[0] in self._profiles and found[1]:
            return Route(found[0], found[1], found[2] or found[1], found[3], found[4])
        for code in self._routes.short_codes.get(org, ()):
            for operator in self._routes.operators.get(code, ()):
                return Route(operator, code, code)
        return None

    def _reply(self, tx: Tx, plan: Plan, reply: Reply) -> None:
        route = self._route(tx, reply.conversation, reply.org, reply.recipient)
        if route is None:
            self._refuse(tx, plan, reply, _NO_ROUTE)
            return
        if reply.org not in self._routes.short_codes:
            self._refuse(tx, plan, reply, f"no organisation is named {reply.org!r}")
            return
        reason = reply.values.get("reason", "")
        self._inbox.answer(
            plan,
            conversation=reply.conversation,
            org=reply.org,
            route=route,
            number=reply.recipient,
            name=f"{reply.name}.{reason}" if reason else reply.name,
            values=reply.values,
        )

    def _send(self, tx: Tx, plan: Plan, send: Send) -> None:
        route = self._route(tx, send.conversation, send.org, send.recipient)
        if route is None:
            self._refuse(tx, plan, send, _NO_ROUTE)
            return
        message = self._ids.new()
        self._sender.post(
            plan,
            message=message,
            conversation=send.conversation,
            org=send.org,
            route=route,
            number=send.recipient,
            text=send.text,
            purpose=Purpose.SEND,
            expires_us=plan.at_us + self._send_expiry_us,
            source=send.id,
            lane=lane_of(Purpose.SEND, send.purpose),
        )
        if tx.one(sql.STOPPED, (send.recipient, send.org)):
            plan.over.append(plan.enqueued[-1].outgoing)
            self._sender.end(plan, plan.enqueued[-1].outgoing, MessageFate.REFUSED, Reason.STOPPED)

    def _charge(self, tx: Tx, plan: Plan, charge: Charge) -> None:
        if self._desk.find(tx, charge.id) is not None:
            plan.count("charges_again")
            return
        route = self._route(tx, charge.conversation, charge.org, charge.recipient)
        operator = route.operator if route else ""
        message = self._ids.new()
        row = ChargeRow(
            id=charge.id,
            conversation=charge.conversation,
            message=message,
            org=charge.org,
            invoice=charge.invoice,
            operator=operator,
            short_code=route.short_code if route else "",
            number=charge.recipient,
            amount_ore=charge.amount,
            state=ChargeState.INTENDED,
            expires_us=charge.expires,
        )
        tx.run(
            sql.ADD_CHARGE,
            [
                (
                    *msgspec.structs.astuple(row)[:10],
                    Reason.NONE,
                    0,
                    plan.at_us,
                    plan.at_us,
                    charge.expires,
                )
            ],
        )
        plan.count("charges", ChargeState.INTENDED)
        fault = "no route to this number" if route is None else ""
        if not charge.amount:
            fault = "an amount of 0 cannot be charged"
        if route is not None and not fault:
            try:
                self._sender.post(
                    plan,
                    message=message,
                    conversation=charge.conversation,
                    org=charge.org,
                    route=route,
                    number=charge.recipient,
                    text=self._replies.render(
                        charge.org, "processing", {"amount": str(charge.amount // 100)}
                    ),
                    purpose=Purpose.PREMIUM,
                    expires_us=charge.expires,
                    price_ore=charge.amount,
                    charge=charge.id,
                )
            except _REFUSED_TEXT as error:
                fault = str(error)
        if fault:
            plan.alarms.append(("charge.not_sendable", {"charge": charge.id, "fault": fault}))
            self._desk.apply(tx, plan, row, Evidence.TOO_LATE, reason=Reason.REJECTED, detail=fault)

    def _resolve(self, tx: Tx, plan: Plan, resolve: Resolve) -> None:
        charge = self._desk.find(tx, resolve.charge)
        if charge is None:
            self._keep_aside(tx, plan, "Resolve", "no such charge", _ENCODER.encode(resolve))
            return
        said = resolve.outcome == "charged"
        evidence = Evidence.HUMAN_CHARGED if said else Evidence.HUMAN_NOT_CHARGED
        reason = Reason.NONE if said else Reason.BY_HAND
        step = self._desk.apply(
            tx, plan, charge, evidence, reason=reason, detail=f"{resolve.who}: {resolve.why}"
        )
        if charge.state is ChargeState.INTENDED and step.verdict is Verdict.MOVES:
            self._sender.tell(plan, charge.conversation, charge.message, MessageFate.REFUSED, reason)

    def _refuse(self, tx: Tx, plan: Plan, message: FromBridge, fault: str) -> None:
        """Keep what cannot be sent; of a text that the bridge follows, tell its end."""
        self._keep_aside(tx, plan, type(message).__name__, fault, _ENCODER.encode(message))
        if isinstance(message, Send):
            plan.handoff.append(
                SmsSettled(
                    id=self._ids.new(),
                    conversation=message.conversation,
                    at=plan.at_us,
                    sms=message.id,
                    fate=MessageFate.REFUSED,
                    reason=Reason.REJECTED,
                )
            )

    # writing

    def _keep_aside(self, tx: Tx, plan: Plan, kind: str, fault: str, body: bytes) -> None:
        key = self._ids.new()
        tx.run(sql.ADD_SET_ASIDE, [(key, kind, fault, body, plan.at_us)])
        plan.count("set_aside", kind)
        plan.alarms.append(("input.set_aside", {"id": key, "kind": kind, "fault": fault}))

    def _write(self, tx: Tx, plan: Plan) -> None:
        tx.run(sql.ADD_MESSAGE, plan.rows)
        plan.rows = []

    def _finish(self, tx: Tx, plan: Plan) -> None:
        self._write(tx, plan)
        tx.run(sql.SET_FATE, plan.fates)
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


def _is_over(plan: Plan, outgoing: Outgoing) -> bool:
    """Whether a message was given up, by an earlier plan or by this one."""
    return outgoing.over or any(each is outgoing for each in plan.over)


_ANSWERS = {
    "refused": Evidence.ANSWER_REFUSED,
    "later": Evidence.ANSWER_LATER,
    "unclear": Evidence.ANSWER_UNCLEAR,
}
