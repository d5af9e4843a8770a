"""What the bridge asks for, decided: replies, texts to send, charges, and human verdicts on charges."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from foundation.contract import (
    BridgeParcel,
    Charge,
    ChargeEvidence,
    EvidenceWanted,
    FromBridge,
    MessageFate,
    Outcome,
    Purpose,
    Reason,
    Reply,
    Resolve,
    Send,
    SmsSettled,
)
from foundation.ids import Ids
from foundation.mailbox import Inbox as ParcelInbox
from foundation.store import Tx
from smsd.charge_desk import REFUSED_TEXT, ChargeDesk
from smsd.charging.desk import Desk
from smsd.charging.evidence import journal_of
from smsd.charging.proposals import ALONE_ORE, WHO_LENGTH, Came, Person, Proposals, tidy
from smsd.charging.states import ChargeState
from smsd.inbox import Inbox
from smsd.operators import OperatorProfile
from smsd.outbox import REPLY_EXPIRY_US, Route, Sender
from smsd.queues import Lane, lane_of
from smsd.reply_texts import NOT_ALLOWED
from smsd.store import statements as sql
from smsd.work import ParcelCame, Plan

_PARCEL = msgspec.json.Decoder(BridgeParcel)
_ENCODER = msgspec.json.Encoder()
_NO_ROUTE = "no short code reaches this number"


class RouteTable(msgspec.Struct, frozen=True):
    """Where messages go that answer no MO: an organisation's short codes, a short code's operators; and the
    names that organisations have as senders."""

    short_codes: Mapping[str, tuple[str, ...]]
    operators: Mapping[str, tuple[str, ...]]
    sender_names: Mapping[str, str] = {}


class BridgeDesk:
    """Does what the bridge's parcels ask for; each parcel once, each charge id once."""

    def __init__(
        self,
        profiles: Mapping[str, OperatorProfile],
        inbox: Inbox,
        sender: Sender,
        desk: Desk,
        charges: ChargeDesk,
        routes: RouteTable,
        ids: Ids,
        send_expiry_us: int = REPLY_EXPIRY_US,
        alone_ore: int = ALONE_ORE,
    ) -> None:
        self._profiles = profiles
        self._inbox = inbox
        self._sender = sender
        self._desk = desk
        self._charges = charges
        self._routes = routes
        self._ids = ids
        self._send_expiry_us = send_expiry_us
        self._proposals = Proposals(desk, ids, alone_ore)
        self._parcels_in = ParcelInbox()
        self._handlers = {
            Reply: self._reply,
            Charge: self._charge,
            Send: self._send,
            Resolve: self._resolve,
            EvidenceWanted: self._evidence,
        }

    def parcel(self, tx: Tx, plan: Plan, item: ParcelCame) -> None:
        parcel = _PARCEL.decode(item.body)
        plan.parcels.append((item.done, parcel.id))
        if not self._parcels_in.unseen(tx, [parcel.id], plan.at_us):
            plan.count("parcels_again")
            return
        for message in parcel.messages:
            try:
                self._handlers[type(message)](tx, plan, message)  # type: ignore[operator]
            except REFUSED_TEXT as error:
                self._refuse(tx, plan, message, str(error))

    def _route(self, tx: Tx, conversation: str, org: str, number: str) -> Route | None:
        """Back the way the MO came; else the way the number last wrote; else the organisation's first."""
        found = tx.one(sql.ROUTE_OF, (conversation,)) or tx.one(sql.LAST_ROUTE, (number,))
        if found and found[0] in self._profiles and found[1]:
            # a sender's name is no address that anybody wrote to
            address = found[2] if found[2].isdigit() else found[1]
            return Route(found[0], found[1], address, found[3], found[4])
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
        name, values = reply.name, reply.values
        reason = values.get("reason", "")
        if name == "failed" and reason == Reason.STOPPED:
            # who wants nothing more was told so, and is told nothing more
            plan.count("replies_withheld")
            return
        if name == "failed" and reason in NOT_ALLOWED:
            values = {**self._charges.said_instead(tx, reply.conversation), **values}
        elif name == "processing":
            asked = self._charges.waits_for_yes(tx, reply.org, reply.recipient, route.short_code)
            if asked is not None:
                # nothing is under way before the payer's yes
                name, values = "confirm", self._charges.question(plan, asked)
        self._inbox.answer(
            plan,
            conversation=reply.conversation,
            org=reply.org,
            route=route,
            number=reply.recipient,
            name=f"{name}.{reason}" if reason else name,
            values=values,
        )

    def _send(self, tx: Tx, plan: Plan, send: Send) -> None:
        route = self._route(tx, send.conversation, send.org, send.recipient)
        if route is None:
            self._refuse(tx, plan, send, _NO_ROUTE)
            return
        message = self._ids.new()
        lane = lane_of(Purpose.SEND, send.purpose)
        name = self._routes.sender_names.get(send.org, "")
        if name and lane is Lane.BULK:
            route = msgspec.structs.replace(route, address=name)
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
            lane=lane,
        )
        if tx.one(sql.STOPPED, (send.recipient, send.org)):
            plan.over.append(plan.enqueued[-1].outgoing)
            self._sender.end(plan, plan.enqueued[-1].outgoing, MessageFate.REFUSED, Reason.STOPPED)

    def _charge(self, tx: Tx, plan: Plan, charge: Charge) -> None:
        if self._desk.find(tx, charge.id) is not None:
            plan.count("charges_again")
            return
        route = self._route(tx, charge.conversation, charge.org, charge.recipient)
        self._charges.ask(tx, plan, charge, route)

    def _resolve(self, tx: Tx, plan: Plan, resolve: Resolve) -> None:
        charge = self._desk.find(tx, resolve.charge)
        if charge is None:
            keep_aside(self._ids, tx, plan, "Resolve", "no such charge", _ENCODER.encode(resolve))
            return
        if not tidy(resolve.who, WHO_LENGTH):
            fault = "nobody is named who says it; give who"
            keep_aside(self._ids, tx, plan, "Resolve", fault, _ENCODER.encode(resolve))
            return
        person = Person(resolve.who, resolve.why, "hand-off")
        said = self._proposals.say(tx, plan, charge, Outcome(resolve.outcome), person)
        if said.came in (Came.SAID_BEFORE, Came.DISAGREES) and said.proposal:
            # nothing of it moves the charge, yet nobody's word is lost
            fault = f"{said.came}: a proposal waits for a second person who says the same"
            keep_aside(self._ids, tx, plan, "Resolve", fault, _ENCODER.encode(resolve))
        waited = charge.state is ChargeState.INTENDED and said.state is not charge.state
        if waited and tx.one(sql.MESSAGE_BY_ID, (charge.message,)) is not None:
            self._sender.tell(plan, charge.conversation, charge.message, MessageFate.REFUSED, Reason.BY_HAND)

    def _evidence(self, tx: Tx, plan: Plan, wanted: EvidenceWanted) -> None:
        plan.handoff.append(
            ChargeEvidence(
                id=self._ids.new(),
                conversation=wanted.conversation,
                at=plan.at_us,
                charge=wanted.charge,
                wanted=wanted.id,
                journal=journal_of(tx, wanted.charge),
            )
        )

    def _refuse(self, tx: Tx, plan: Plan, message: FromBridge, fault: str) -> None:
        """Keep what cannot be sent; of a text that the bridge follows, tell its end."""
        keep_aside(self._ids, tx, plan, type(message).__name__, fault, _ENCODER.encode(message))
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


def keep_aside(ids: Ids, tx: Tx, plan: Plan, kind: str, fault: str, body: bytes) -> None:
    """Keep what cannot be handled, whole, for a person to look at."""
    key = ids.new()
    tx.run(sql.ADD_SET_ASIDE, [(key, kind, fault, body, plan.at_us)])
    plan.count("set_aside", kind)
    plan.alarms.append(("input.set_aside", {"id": key, "kind": kind, "fault": fault}))
