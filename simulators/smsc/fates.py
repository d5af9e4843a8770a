"""What becomes of an accepted message: billed or not, and the receipts that tell of it.

Rows are added to the ledger here and written by whoever ends the turn, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from foundation.clock import Clock, oslo
from simulators.smsc.agenda import Deed
from simulators.smsc.deliveries import Deliveries, Errand
from simulators.smsc.identifiers import rfc3339
from simulators.smsc.ledger import Event, Ledger, LedgerEntry
from simulators.smsc.phones import Phone, PhoneMessage
from simulators.smsc.price import Submission
from simulators.smsc.receipts import ReceiptFacts, write_receipt
from simulators.smsc.rules import Behaviour
from simulators.smsc.settings import Bill, ReceiptSettings, ReceiptState
from smsd.smpp.pdu import Tag, find

_ON_FAILURE_ONLY = 2
_ON_SUCCESS_ONLY = 3
_BETWEEN_CONTRADICTIONS_S = 0.05

Later = Callable[[float, Deed], None]


class Submitted(msgspec.Struct, frozen=True, gc=False):
    """One submit_sm or data_sm as it came; `digits` is its recipient, `at_us` UTC."""

    pdu: Submission
    account: str
    sequence: int
    digits: str
    price_ore: int
    at_us: int


class Taken(msgspec.Struct, gc=False):
    """One accepted message. `receipt_id` is its id as receipts write it; `length` octets of text."""

    submitted: Submitted
    behaviour: Behaviour
    message_id: str
    receipt_id: str
    length: int
    phone: Phone
    message: PhoneMessage
    settled: bool = False
    settled_us: int = 0


class Fates:
    """Decides and carries out each message's fate; `later(delay_s, deed)` waits."""

    def __init__(
        self, clock: Clock, ledger: Ledger, deliveries: Deliveries, later: Later, receipts: ReceiptSettings
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._deliveries = deliveries
        self._later = later
        self._receipts = receipts

    def begin(self, taken: Taken) -> None:
        """The message was accepted."""
        behaviour = taken.behaviour
        price = taken.submitted.price_ore
        if price and behaviour.bill is Bill.ON_ACCEPT:
            self._book(taken, Event.BILLED, "on accept")
        if behaviour.receipt_first:
            self._settle(taken)
        elif price or taken.submitted.pdu.registered_delivery & 3:
            self._later(behaviour.receipt_delay_s, partial(self._settle, taken))
        else:
            taken.settled = True

    def refused(self, submitted: Submitted, length: int, status: int) -> None:
        """The message was not accepted; one that should have cost something leaves a row."""
        if submitted.price_ore:
            reason = f"refused 0x{status:08X}"
            self._add(submitted, Event.NOT_BILLED, message_id="", length=length, reason=reason)

    def _settle(self, taken: Taken) -> None:
        behaviour = taken.behaviour
        taken.settled = True
        taken.settled_us = self._clock.now_us()
        if taken.submitted.price_ore:
            self._bill_what_is_due(taken)
        if behaviour.receipt is ReceiptState.NONE:
            return
        for _ in range(2 if behaviour.receipt_twice else 1):
            self._put_receipt(taken, behaviour.receipt, behaviour.stat, behaviour.err)
        if behaviour.contradict is not None:
            delay_s = max(behaviour.receipt_delay_s, _BETWEEN_CONTRADICTIONS_S)
            self._later(delay_s, partial(self._put_receipt, taken, behaviour.contradict, "", "000"))

    def _bill_what_is_due(self, taken: Taken) -> None:
        behaviour = taken.behaviour
        if behaviour.bill is Bill.ON_ACCEPT:
            return
        if behaviour.bill is Bill.NEVER or not behaviour.delivered:
            self._book(taken, Event.NOT_BILLED, f"{behaviour.receipt} {behaviour.err}")
        elif behaviour.bill is Bill.LATE:
            self._later(behaviour.bill_delay_s, partial(self._book, taken, Event.BILLED, "late"))
        else:
            self._book(taken, Event.BILLED, "on delivery")

    def _put_receipt(self, taken: Taken, state: ReceiptState, stat: str, err: str) -> None:
        pdu = taken.submitted.pdu
        wanted = pdu.registered_delivery & 3
        good = state is ReceiptState.DELIVRD
        if not wanted or (wanted == _ON_FAILURE_ONLY and good) or (wanted == _ON_SUCCESS_ONLY and not good):
            return
        facts = ReceiptFacts(
            message_id=taken.receipt_id,
            state=state,
            stat=stat,
            err=err,
            network_error=taken.behaviour.network_error,
            submitted=oslo(taken.submitted.at_us),
            done=oslo(self._clock.now_us()),
            date_digits=self._receipts.date_digits,
            id_nul=self._receipts.id_nul,
            number=taken.submitted.digits,
            short_code=pdu.source_addr,
            short_code_ton=pdu.source_addr_ton,
            short_code_npi=pdu.source_addr_npi,
        )
        receipt = write_receipt(facts, taken.behaviour.receipt_form)
        self._deliveries.put(Errand(receipt, taken.submitted.account))

    def _book(self, taken: Taken, event: Event, reason: str) -> None:
        self._add(taken.submitted, event, message_id=taken.message_id, length=taken.length, reason=reason)
        # of several billed parts one tells that the message cost something
        taken.message.billed = bool(taken.message.billed) or event is Event.BILLED
        taken.phone.tell(taken.message)

    def _add(self, submitted: Submitted, event: Event, *, message_id: str, length: int, reason: str) -> None:
        pdu = submitted.pdu
        reference = find(pdu.tlvs, Tag.USER_MESSAGE_REFERENCE)
        entry = LedgerEntry(
            event=event,
            at=rfc3339(self._clock.now_us()),
            message_id=message_id,
            number="+" + submitted.digits,
            amount_ore=submitted.price_ore,
            short_code=pdu.source_addr,
            account=submitted.account,
            sequence=submitted.sequence,
            reference=int.from_bytes(reference, "big") if reference else None,
            length=length,
            reason=reason,
        )
        self._ledger.add(entry)
