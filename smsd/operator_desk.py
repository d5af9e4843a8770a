"""What comes from operators, decided: answers to submit_sm, receipts and MOs of deliver_sm and data_sm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from foundation.contract import MessageFate, Reason
from foundation.numbers import from_operator
from foundation.store import Tx
from smsd.charging.correlation import Correlation
from smsd.charging.desk import Desk
from smsd.charging.query import Queries
from smsd.charging.states import ChargeState, Evidence, Verdict
from smsd.inbox import Inbox
from smsd.links import pair_of
from smsd.operators import OperatorProfile
from smsd.outbox import Sender
from smsd.smpp.link import Answer, AnswerKind
from smsd.smpp.pdu import AlertNotification, DataSm, DeliverSm, Outbind, Tag, Tlv, read_int
from smsd.smpp.receipt import read_receipt
from smsd.store import statements as sql
from smsd.work import FINAL_FATES, Answered, Delivered, Outgoing, Piece, Plan, Query

Same: TypeAlias = tuple[str, bytes, tuple[Tlv, ...]]
"""What makes two deliver_sm of one batch the same text: the way they came, their octets and TLVs."""
Seen: TypeAlias = tuple[str, float]
"""The connection that a text came on, and when by the monotonic clock."""

_FREE_ATTEMPTS = 3
_MESSAGE_TYPE = 0x3C
_INTERMEDIATE = 0x20


class OperatorDesk:
    """Takes what SMSCs say, each account by its profile. Writes to the plan and the transaction only."""

    def __init__(
        self,
        profiles: Mapping[str, OperatorProfile],
        inbox: Inbox,
        sender: Sender,
        desk: Desk,
        correlation: Correlation,
        queries: Queries,
    ) -> None:
        self._profiles = profiles
        self._inbox = inbox
        self._sender = sender
        self._desk = desk
        self._correlation = correlation
        self._queries = queries

    def deliver(
        self, tx: Tx, plan: Plan, item: Delivered, opened: Mapping[str, int], seen: dict[Same, Seen]
    ) -> None:
        pdu = item.frame.pdu
        if isinstance(pdu, AlertNotification | Outbind):
            # there is no answer to these (SMPP 3.4 sections 4.12 and 4.1.7), so none can be lost either
            return
        plan.responses.append((item.link, item.frame, 0))
        if not isinstance(pdu, DeliverSm | DataSm):
            return
        profile = self._profiles[item.operator]
        receipt = read_receipt(pdu, profile.coding, id_in_text=profile.id_in_text)
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
        before = seen.setdefault(same, (item.connection, item.came_s))
        impatient = item.came_s - before[1] >= self._inbox.repeat_after_s
        if body and before != (item.connection, item.came_s) and (impatient or before[0] != item.connection):
            # the SMSC grew impatient while the store was away: one text, two deliver_sm
            plan.count("mo_again", profile.name)
            return
        plan.came.setdefault(item.connection, item.came_s)
        plan.binds[item.connection] = pair_of(item.link.name)
        self._inbox.deliver(tx, plan, profile, pdu, item.connection, opened.get(item.connection, 0))

    def _ends(self, pdu: DeliverSm | DataSm) -> tuple[str, str]:
        """A receipt's phone and short code: some operators swap the two ends."""
        code = self._inbox.short_code(pdu.destination_addr)
        swapped = "" if code else self._inbox.short_code(pdu.source_addr)
        if swapped:
            return from_operator(pdu.destination_addr) or "", swapped
        # neither end is ours where the message had a name for its sender
        return from_operator(pdu.source_addr) or from_operator(pdu.destination_addr) or "", code

    def answer(self, tx: Tx, plan: Plan, item: Answered) -> None:
        answer = item.answer
        piece = answer.tag
        if isinstance(piece, Query):
            self._queries.answer(tx, plan, piece, answer)
            return
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
        if not charge:
            self._correlation.trace(
                tx, plan, outgoing.message, outgoing.conversation, "accepted", f"id:{message_id}"
            )
        if piece.pdu.registered_delivery or profile.settings.query:
            # where the SMSC may be asked, every id counts: it may be given again
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


def _is_over(plan: Plan, outgoing: Outgoing) -> bool:
    """Whether a message was given up, by an earlier plan or by this one."""
    return outgoing.over or any(each is outgoing for each in plan.over)


_ANSWERS = {
    "refused": Evidence.ANSWER_REFUSED,
    "later": Evidence.ANSWER_LATER,
    "unclear": Evidence.ANSWER_UNCLEAR,
}
