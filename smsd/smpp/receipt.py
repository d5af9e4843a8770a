"""Delivery receipts: from a deliver_sm or data_sm to what it says of one message, and for an SMSC's part, the
other way.

A receipt says whether a message was delivered. What that means for a charge is the operator profile's table;
nothing here knows of money. Never raises on what a peer sends.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from smsd.smpp.alphabet import Coding
from smsd.smpp.message_ids import IdForm, receipt_key, response_key, same_number
from smsd.smpp.pdu import DataSm, DeliverSm, Tag, Tlv, find
from smsd.smpp.receipt_text import (
    ReceiptForm,
    ReceiptText,
    State,
    body_of,
    format_text,
    read_date,
    read_text,
    state_of_word,
)
from smsd.smpp.segments import read_content

__all__ = [
    "IdForm",
    "Receipt",
    "ReceiptForm",
    "State",
    "format_receipt",
    "is_receipt",
    "network_code",
    "read_date",
    "read_receipt",
    "receipt_key",
    "receipt_tlvs",
    "response_key",
    "state_of_word",
]

RECEIPT_ESM_CLASS: Final = 0x04
_MESSAGE_TYPE: Final = 0x3C
_RECEIPT_TYPES: Final = frozenset({0x04, 0x08, 0x20})


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What a receipt says of the message `message_id`; what it leaves out is empty, an unknown state is
    UNKNOWN.

    `stat` is the state's word as written, `err` as written (3 or 4 characters, not always digits),
    `network_error` the TLV's octets, the dates the SMSC's digits, `text` the whole body. `final` is whether
    nothing more can follow; `contradiction` tells where TLVs and text disagree on id or outcome (the TLVs
    were believed). `own_word`: the state is UNKNOWN because `stat` is a word of the operator's own.
    """

    message_id: str
    state: State
    err: str = ""
    network_error: bytes = b""
    final: bool = False
    submit_date: str = ""
    done_date: str = ""
    text: str = ""
    stat: str = ""
    echo: str = ""
    contradiction: str = ""
    own_word: bool = False

    @property
    def network_code(self) -> str:
        """The network error as a profile's table names it; empty where the TLV is missing."""
        return network_code(self.network_error)


def is_receipt(esm_class: int) -> bool:
    """Whether the message type bits mark a receipt: SMSC receipt, SME acknowledgement, intermediate
    notification.
    """
    return esm_class & _MESSAGE_TYPE in _RECEIPT_TYPES


def read_receipt(pdu: DeliverSm | DataSm, default: Coding, *, id_in_text: bool = False) -> Receipt | None:
    """The receipt the PDU carries, or None where it is an MO.

    `id_in_text`: the text's id goes before receipted_message_id's.

    A receipt is marked in esm_class; unmarked, it is one only where both the receipted_message_id and
    message_state TLVs are there and say something, which no telephone can send — never by its text, which
    anyone can. A marked PDU in which nothing can be read is a receipt of no id and state UNKNOWN. `stat`
    decides: an `err` beside DELIVRD changes nothing.
    """
    tlv_id = find(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID) if pdu.tlvs else None
    tlv_state = find(pdu.tlvs, Tag.MESSAGE_STATE) if pdu.tlvs else None
    if not is_receipt(pdu.esm_class) and not (tlv_state and tlv_id and _id_of(tlv_id)):
        return None
    content = read_content(pdu, default)
    body = body_of(content.payload, content.coding)
    told = read_text(body) if body else ReceiptText()
    first, second = _id_of(tlv_id), told.message_id
    message_id = (second or first) if id_in_text else (first or second)
    named = _state_of(tlv_state)
    state = next((known for known in (named, told.state) if known is not None), State.UNKNOWN)
    return Receipt(
        message_id=message_id,
        state=state,
        err=told.err,
        network_error=(find(pdu.tlvs, Tag.NETWORK_ERROR_CODE) or b"") if pdu.tlvs else b"",
        final=state.final and (state.success or not told.will_retry),
        submit_date=told.submit_date,
        done_date=told.done_date,
        text=body,
        stat=told.stat,
        echo=told.text,
        contradiction=_contradiction(first, told, named) if pdu.tlvs else "",
        own_word=named is None and told.state is None and told.stat != "" and not told.will_retry,
    )


def _id_of(value: bytes | None) -> str:
    return "" if value is None else value.split(b"\0", 1)[0].decode("latin-1").strip()


def _state_of(value: bytes | None) -> State | None:
    """message_state is one octet; integers of more octets and an ASCII digit are understood too."""
    if value is None:
        return None
    digits = value.rstrip(b"\0")
    if len(digits) == 1 and digits.isdigit():
        return State(int(digits))
    number = int.from_bytes(value, "big")
    return State(number) if value and number <= State.SKIPPED else None


def _contradiction(tlv_id: str, told: ReceiptText, named: State | None) -> str:
    said: list[str] = []
    if tlv_id and told.message_id not in ("", tlv_id) and not same_number(tlv_id, told.message_id):
        said.append(f"receipted_message_id says {tlv_id}, the text says id {told.message_id}")
    if named is not None and told.state is not None and _outcome(named) != _outcome(told.state):
        said.append(f"message_state says {named.name}, the text says {told.stat}")
    return "; ".join(said)


def _outcome(state: State) -> tuple[bool, bool]:
    return state.final, state.success


def network_code(value: bytes) -> str:
    """A network_error_code as text: three ASCII digits as they are, else the 16-bit code in decimal without
    its network type octet; hex where the length is another, empty where there is none (SMPP 3.4, 5.3.2.31).
    """
    if value and value.isdigit():
        return value.decode("ascii")
    if len(value) == 3:
        return str(int.from_bytes(value[1:], "big"))
    return value.hex()


# --- the SMSC's side ----------------------------------------------------------------------------------------


def format_receipt(
    message_id: str,
    state: State,
    *,
    submitted: datetime,
    done: datetime,
    form: ReceiptForm = ReceiptForm.STANDARD,
    err: str = "000",
    text: str = "",
    date_digits: int = 10,
    stat: str = "",
) -> bytes:
    """short_message of a receipt in one of the forms in use (ASCII; other characters of `text` become `?`).

    TLV_ONLY gives no octets: `receipt_tlvs` is the receipt then. Raises ValueError for other `date_digits`
    than 10, 12, 14.
    """
    return format_text(
        message_id,
        state,
        submitted=submitted,
        done=done,
        form=form,
        err=err,
        text=text,
        date_digits=date_digits,
        stat=stat,
    ).encode("ascii", "replace")


def receipt_tlvs(
    message_id: str, state: State, *, network_error: bytes = b"", nul: bool = True
) -> tuple[Tlv, ...]:
    """receipted_message_id (with its NUL or without), message_state and, where given, network_error_code."""
    tlvs = (
        Tlv(Tag.RECEIPTED_MESSAGE_ID, message_id.encode("latin-1") + (b"\0" if nul else b"")),
        Tlv(Tag.MESSAGE_STATE, bytes((state,))),
    )
    return (*tlvs, Tlv(Tag.NETWORK_ERROR_CODE, network_error)) if network_error else tlvs
