"""Writes receipts the way operators do, tidy ones and the odd ones (DOMAIN section 3).

Pure; the time is handed in.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from simulators.smsc.settings import ReceiptForm, ReceiptState
from smsd.smpp.pdu import DeliverSm, Tag, Tlv
from smsd.smpp.receipt import format_receipt, receipt_tlvs
from smsd.smpp.receipt_text import ReceiptForm as TextForm
from smsd.smpp.receipt_text import State

_RECEIPT = 0x04
_INTERMEDIATE = 0x20
_UCS2 = 8

STATE = {
    ReceiptState.ENROUTE: State.ENROUTE,
    ReceiptState.DELIVRD: State.DELIVERED,
    ReceiptState.EXPIRED: State.EXPIRED,
    ReceiptState.DELETED: State.DELETED,
    ReceiptState.UNDELIV: State.UNDELIVERABLE,
    ReceiptState.ACCEPTD: State.ACCEPTED,
    ReceiptState.UNKNOWN: State.UNKNOWN,
    ReceiptState.REJECTD: State.REJECTED,
}


class ReceiptFacts(msgspec.Struct, frozen=True):
    """What a receipt tells. `number` is the phone's digits; times are the operator's local ones.

    `stat` replaces the state's word where it is not empty.
    """

    message_id: str
    state: ReceiptState
    stat: str
    err: str
    network_error: bytes
    submitted: datetime
    done: datetime
    date_digits: int
    id_nul: bool
    number: str
    short_code: str
    short_code_ton: int
    short_code_npi: int


_TEXT_FORMS: dict[ReceiptForm, TextForm] = {
    ReceiptForm.STANDARD: TextForm.STANDARD,
    ReceiptForm.SHORT: TextForm.SHORT,
    ReceiptForm.TEXT_ONLY: TextForm.STANDARD,
    ReceiptForm.TLV_ONLY: TextForm.TLV_ONLY,
    ReceiptForm.UCS2_FLAGGED: TextForm.STANDARD,
    ReceiptForm.CSV: TextForm.CSV,
}
_WITHOUT_TLVS = frozenset({ReceiptForm.TEXT_ONLY, ReceiptForm.CSV})


def write_receipt(facts: ReceiptFacts, form: ReceiptForm) -> DeliverSm:
    """The deliver_sm that carries a receipt. `ucs2-flagged` says data_coding 8 over plain ASCII."""
    state = STATE[facts.state]
    tlvs: tuple[Tlv, ...] = ()
    if form not in _WITHOUT_TLVS:
        tlvs = receipt_tlvs(facts.message_id, state, network_error=facts.network_error, nul=facts.id_nul)
    elif facts.network_error:
        tlvs = (Tlv(Tag.NETWORK_ERROR_CODE, facts.network_error),)
    return DeliverSm(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr=facts.number,
        dest_addr_ton=facts.short_code_ton,
        dest_addr_npi=facts.short_code_npi,
        destination_addr=facts.short_code,
        esm_class=_RECEIPT if state is not State.ENROUTE else _INTERMEDIATE,
        data_coding=_UCS2 if form is ReceiptForm.UCS2_FLAGGED else 0,
        short_message=format_receipt(
            facts.message_id,
            state,
            submitted=facts.submitted,
            done=facts.done,
            form=_TEXT_FORMS[form],
            err=facts.err,
            date_digits=facts.date_digits,
            stat=facts.stat,
        ),
        tlvs=tlvs,
    )
