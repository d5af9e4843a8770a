"""Receipts and the messages they speak of.

A receipt is matched by the account and the SMSC's message id, and only where its number fits too: ids
are reused. What matches nothing waits and is tried again at every answer. A receipt that never gets
its message settles a charge in doubt by itself only where it can mean nothing else.
"""

from __future__ import annotations

from collections.abc import Container

from foundation.clock import DAY_US
from foundation.contract import MessageFate, MessageState, Purpose, Reason, SmsSettled
from foundation.ids import Ids, uuid7_floor, uuid7_time_us
from foundation.store import Row, Tx
from smsd.charging.desk import ChargeRow, Desk
from smsd.charging.states import ChargeState, Evidence
from smsd.operators import OperatorProfile, ReceiptReading
from smsd.store import charge_statements as charge_sql
from smsd.store import statements as sql
from smsd.work import FINAL_FATES, Plan

STRAY = "no-answer"
"""The key of a submission whose answer never came: a receipt with an unknown id may be its."""

_RECEIPT_WAIT_US = 3 * DAY_US
"""Receipts come up to 48 hours late (DOMAIN section 3)."""
_DECISIVE = frozenset({Evidence.RECEIPT_CHARGED, Evidence.RECEIPT_NOT_CHARGED})


class Correlation:
    """Finds what a receipt is about and lets it speak."""

    def __init__(self, desk: Desk, ids: Ids, every_receipt: Container[str]) -> None:
        """`every_receipt`: names of the accounts on which all messages ask for a receipt."""
        self._desk = desk
        self._ids = ids
        self._every_receipt = every_receipt

    def receipt(
        self,
        tx: Tx,
        plan: Plan,
        profile: OperatorProfile,
        reading: ReceiptReading,
        number: str,
        short_code: str,
    ) -> None:
        """Take a receipt: settle what it matches, or keep it until that is known."""
        plan.count("receipts", profile.name, reading.stat)
        messages = self._match(tx, profile.name, reading.key, number)
        if len(messages) > 1 and any(row[-1] for row in messages):
            plan.count("receipts_unclear", profile.name)
            self._keep_unclear(tx, plan, messages, reading.detail)
            return
        if messages:
            message = messages[-1]
            self._speak(tx, plan, message, reading.evidence, reading.fate, reading.reason, reading.detail)
            if message[0] in plan.ended and self._any_unmatched(tx, plan):
                # now that this message has its receipt, one that waits may mean a single charge
                self.attribute(tx, plan, profile.name, number, short_code)
            return
        plan.count("receipts_unmatched", profile.name)
        plan.unmatched = True
        tx.run(
            sql.ADD_UNMATCHED,
            [
                (
                    self._ids.new(),
                    profile.name,
                    reading.key,
                    number,
                    short_code,
                    reading.evidence,
                    reading.fate,
                    reading.reason,
                    reading.detail,
                    plan.at_us,
                    tx.all(sql.LAST_CHARGE_EVENT)[0][0],
                )
            ],
        )
        self.attribute(tx, plan, profile.name, number, short_code)

    def accepted(self, tx: Tx, plan: Plan, operator: str, key: str, message: str, number: str) -> None:
        """An SMSC named a message: remember its key, and hear receipts that came before it."""
        tx.run(sql.ADD_SUBMISSION, [(operator, key, message, plan.at_us)])
        if not self._any_unmatched(tx, plan):
            return
        waiting = [
            row
            for row in tx.all(sql.UNMATCHED_BY_KEY, (operator, key))
            if number == (row[3] or number) and row[0] > message
        ]
        if not waiting:
            return
        charge = self._desk.of_message(tx, message)
        started = self._desk.started(tx, charge.id) if charge else 0
        for row in waiting:
            # ids are used again: what came before this message was made, or sent, speaks of another
            if row[-1] >= started:
                self._hear(tx, plan, row, message)

    def stray(self, tx: Tx, plan: Plan, operator: str, message: str) -> None:
        """A free message's answer never came: receipts with unknown ids may be its."""
        tx.run(sql.ADD_SUBMISSION, [(operator, STRAY, message, plan.at_us)])

    def attribute(self, tx: Tx, plan: Plan, operator: str, number: str, short_code: str) -> None:
        """Let a receipt with an unknown id settle the one charge in doubt that it can only mean.

        Nothing else of this number may be without an answer or without its receipt, and no second
        receipt may wait: otherwise a human decides.
        """
        charges = [ChargeRow.of(row) for row in tx.all(sql.DOUBTFUL_TO, (number, short_code, operator))]
        nameless = [
            charge
            for charge in charges
            if charge.state is ChargeState.IN_DOUBT and not tx.one(sql.HAS_ID, (charge.message,))
        ]
        if len(nameless) != 1 or len(charges) != 1:
            return
        charge = nameless[0]
        after = uuid7_floor(uuid7_time_us(charge.message) - _RECEIPT_WAIT_US)
        self._write(tx, plan)
        every = operator in self._every_receipt
        if tx.one(sql.OTHERS_UNANSWERED, (number, charge.message, operator, every, after)):
            return
        # what came before it was sent speaks of another
        started = self._desk.started(tx, charge.id)
        waiting = tx.all(sql.UNMATCHED_BY_NUMBER, (number, operator, short_code, started))
        decisive = [row for row in waiting if Evidence(row[5]) in _DECISIVE]
        if len({row[5] for row in decisive}) != 1 or len({row[2] for row in waiting}) != 1:
            return
        if waiting[0][2]:
            # what it says again is this charge's too, and no other's
            tx.run(sql.ADD_SUBMISSION, [(operator, waiting[0][2], charge.message, plan.at_us)])
        for row in waiting:
            self._hear(tx, plan, row, charge.message)

    @staticmethod
    def trace(tx: Tx, plan: Plan, message: str, conversation: str, what: str, detail: str) -> None:
        """Keep what an SMSC said of a free message where its conversation charged somebody."""
        if tx.one(charge_sql.CHARGED_CONVERSATION, (conversation,)):
            tx.run(charge_sql.ADD_TRACE, [(message, plan.at_us, what, detail)])

    @staticmethod
    def _write(tx: Tx, plan: Plan) -> None:
        """Let the store know what this plan says of messages so far."""
        tx.run(sql.ADD_MESSAGE, plan.rows)
        tx.run(sql.SET_FATE, plan.fates)
        plan.rows, plan.fates = [], []

    @staticmethod
    def _any_unmatched(tx: Tx, plan: Plan) -> bool:
        """Whether any receipt waits; asked once a plan."""
        if plan.unmatched is None:
            plan.unmatched = tx.one(sql.ANY_UNMATCHED) is not None
        return plan.unmatched

    def _match(self, tx: Tx, operator: str, key: str, number: str) -> list[Row]:
        """The messages that an id and a number mean, oldest first; one, unless the SMSC used the id again."""
        if not key:
            return []
        found = []
        for (message,) in tx.all(sql.SUBMITTED, (operator, key)):
            row = tx.one(sql.MESSAGE_BY_ID, (message,))
            if row and (not number or row[1] == number):
                found.append((message, *row))
        return sorted(found) if len(found) > 1 else found

    def _keep_unclear(self, tx: Tx, plan: Plan, messages: list[Row], detail: str) -> None:
        """An id that one phone had twice, once for money: nobody can say which message is meant.

        The receipt is kept with every charge it may be about, and decides none.
        """
        for message in messages:
            charge = self._desk.of_message(tx, message[0]) if message[-1] else None
            if charge:
                self._desk.apply(
                    tx, plan, charge, Evidence.RECEIPT_PENDING, detail=f"id used again: {detail}"
                )

    def _hear(self, tx: Tx, plan: Plan, unmatched: Row, message: str) -> None:
        row = tx.one(sql.MESSAGE_BY_ID, (message,))
        if row is None:
            return
        tx.run(sql.DROP_UNMATCHED, [(unmatched[0],)])
        self._speak(
            tx,
            plan,
            (message, *row),
            Evidence(unmatched[5]),
            MessageFate(unmatched[6]),
            Reason(unmatched[7]),
            unmatched[8],
        )

    def _speak(
        self,
        tx: Tx,
        plan: Plan,
        message: Row,
        evidence: Evidence,
        fate: MessageFate,
        reason: Reason,
        detail: str,
    ) -> None:
        sms, conversation, _number, _short_code, purpose, before, source, price_ore = message
        if price_ore:
            charge = self._desk.of_message(tx, sms)
            if charge:
                self._desk.apply(tx, plan, charge, evidence, reason=reason, detail=detail)
        else:
            self.trace(tx, plan, sms, conversation, "receipt", f"{reason} {detail}".strip())
        if fate is MessageFate.ACCEPTED or before in FINAL_FATES or sms in plan.ended:
            return
        plan.fates.append((fate, reason, plan.at_us, sms))
        if fate in FINAL_FATES:
            plan.ended.add(sms)
        plan.handoff.append(
            MessageState(
                id=self._ids.new(),
                conversation=conversation,
                at=plan.at_us,
                message=sms,
                fate=fate,
                reason=reason,
            )
        )
        if purpose == Purpose.SEND:
            plan.handoff.append(
                SmsSettled(
                    id=self._ids.new(),
                    conversation=conversation,
                    at=plan.at_us,
                    sms=source,
                    fate=fate,
                    reason=reason,
                )
            )
