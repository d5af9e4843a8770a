"""What a probe saw of an SMSC, in words that an operator's support desk uses, and what a profile should say.

Pure: no I/O, no clock. Passwords and whole numbers appear in no text.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from foundation.contract import Reason
from foundation.redaction import redact_text
from smsd.operators import OperatorProfile
from smsd.settings_operators import Operator
from smsd.smpp.alphabet import Coding, coding_of
from smsd.smpp.constants import CommandStatus, Tag
from smsd.smpp.message_ids import IdForm, receipt_key, response_key
from smsd.smpp.pdu import DataSm, DeliverSm, Tlv, find
from smsd.smpp.receipt import Receipt, read_date
from smsd.smpp.segments import read_content
from smsd.smpp.submit_words import submit_refused

__all__ = ["Advice", "BindSeen", "MessageSeen", "ReceiptSeen", "Seen", "advice", "all_well", "told"]


class BindSeen(msgspec.Struct):
    """One bind: times in ms where it got so far; `first` the first octets read where it was never bound;
    `called`: the SMSC opens the connection."""

    kind: str
    called: bool = False
    failure: str = ""
    status: int = 0
    tls: str = ""
    tls_fault: str = ""
    ours: str = ""
    connect_ms: float | None = None
    bind_ms: float | None = None
    enquire_ms: float | None = None
    system_id: str = ""
    tlvs: tuple[Tlv, ...] = ()
    first: bytes = b""
    ended: str = ""
    faults: list[str] = []


class ReceiptSeen(msgspec.Struct, frozen=True):
    """A receipt of the test message, `after_ms` from its submit_sm."""

    after_ms: float
    pdu: DeliverSm | DataSm
    receipt: Receipt


class MessageSeen(msgspec.Struct):
    """The test message and what became of it."""

    source: str
    failure: str = ""
    answered: bool = False
    answer_ms: float = 0.0
    status: int = 0
    message_id: str = ""
    tlvs: tuple[Tlv, ...] = ()
    receipts: list[ReceiptSeen] = []

    @property
    def final(self) -> bool:
        """Whether a receipt says what became of it for good."""
        return any(each.receipt.final for each in self.receipts)


class Seen(msgspec.Struct):
    """All that a probe saw; `others` deliver_sm for somebody else were refused, to come again."""

    operator: str
    where: str
    binds: tuple[BindSeen, ...] = ()
    message: MessageSeen | None = None
    others: int = 0


class Advice(msgspec.Struct, frozen=True):
    """A line of the profile: its key, its value as TOML, and why."""

    key: str
    value: str
    why: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value}".ljust(36) + f" # {self.why}"


_TO_DO: Final[dict[int, str]] = {
    CommandStatus.ESME_RINVPASWD: "ask the operator for the password of this account (8 characters mostly)",
    CommandStatus.ESME_RINVSYSID: "compare system_id with what the operator gave, capitals too",
    CommandStatus.ESME_RINVSYSTYP: "ask the operator what system_type to give",
    CommandStatus.ESME_RALYBND: "stop smsd and probe again, or ask the operator for one more bind",
    CommandStatus.ESME_RBINDFAIL: "ask the operator whether the account is open, and to which addresses",
    CommandStatus.ESME_RINVCMDID: 'try bind = "transmitter+receiver"',
    CommandStatus.ESME_RTHROTTLED: "wait a minute before the next try",
}
_OLD, _NEW = 0x34, 0x50
_NOT_TOLD: Final = ("refused", Reason.REJECTED)
"""What a status means that stands in no table."""
_TLS_RECORDS: Final = (b"\x15\x03", b"\x16\x03")


def told(seen: Seen, operator: Operator) -> Iterator[str]:
    """The report, line by line."""
    yield f"{seen.operator} at {seen.where}"
    for bind in seen.binds:
        yield from _bind_told(bind)
    if seen.others:
        yield (
            f"  {seen.others} messages for others came down this bind; they were refused as 'try again', "
            "so that the SMSC gives them to the gateway"
        )
    if seen.message is not None:
        yield from _message_told(seen.message)
    lines = advice(seen, operator)
    yield ""
    if lines:
        yield "The profile should say:"
        yield from (f"  {line}" for line in lines)
    elif all_well(seen, operator):
        yield "The profile fits what was seen."


def all_well(seen: Seen, operator: Operator) -> bool:
    """Whether everything asked for worked and the profile needs no change."""
    message = seen.message
    bound = all(bind.bind_ms is not None and bind.enquire_ms is not None for bind in seen.binds)
    sent = message is None or (message.answered and not message.status and message.final)
    return bound and sent and not advice(seen, operator)


# --- binds


def _bind_told(bind: BindSeen) -> Iterator[str]:
    kind = bind.kind.removeprefix("bind_")
    if bind.connect_ms is not None:
        tls = f", {bind.tls}" if bind.tls else ", without TLS"
        if bind.called:
            yield f"  {kind}: called by the SMSC after {bind.connect_ms / 1000:.1f} s"
        else:
            yield f"  {kind}: connected in {bind.connect_ms:.0f} ms from {bind.ours or '?'}{tls}"
    if bind.bind_ms is None:
        yield f"  {kind}: not bound: {redact_text(bind.failure)}"
        for line in _to_do(bind):
            yield f"    → {line}"
        return
    yield f"  {kind}: bound in {bind.bind_ms:.0f} ms; the SMSC calls itself {bind.system_id!r}"
    yield f"    {_version_told(bind.tlvs)}"
    for tlv in bind.tlvs:
        if tlv.tag != Tag.SC_INTERFACE_VERSION:
            yield f"    TLV {_tag(tlv.tag)} = {_value(tlv.value)}"
    if bind.failure:
        yield f"    {redact_text(bind.failure)}"
    elif bind.enquire_ms is None:
        yield "    enquire_link was not answered; the gateway would take this link for dead"
    else:
        yield f"    enquire_link answered in {bind.enquire_ms:.0f} ms"
    for what in bind.faults:
        yield f"    the SMSC broke the protocol: {what}"


def _to_do(bind: BindSeen) -> Iterator[str]:
    if bind.status in _TO_DO:
        yield _TO_DO[bind.status]
    elif bind.connect_ms is not None and not bind.status and "TLS: " not in bind.failure:
        yield _unanswered(bind)


def _unanswered(bind: BindSeen) -> str:
    """The connection was there, yet no bind_resp came."""
    if bind.first[:2] in _TLS_RECORDS:
        return "this port speaks TLS: set tls = true"
    if bind.first[:4] == b"HTTP":
        return "this is a web server's port; ask the operator for the SMPP port"
    if bind.first:
        return "what came was no SMPP; ask the operator for host and port"
    if "within" in bind.failure:
        return "nothing was answered: the port may want TLS, or be another service's"
    return (
        "the SMSC ended the connection when asked to bind, without a word: most often our address"
        f"{' ' + bind.ours if bind.ours else ''} is not on the account's list (the operator "
        "may see another one); sometimes the port wants TLS"
    )


def _version_told(tlvs: tuple[Tlv, ...]) -> str:
    value = find(tlvs, Tag.SC_INTERFACE_VERSION)
    if value is None:
        return "it announces no sc_interface_version (many that speak 3.4 leave it out)"
    return f"it announces sc_interface_version {_version(value)}"


def _version(value: bytes) -> str:
    return f"{value[0] >> 4}.{value[0] & 15} (0x{value[0]:02x})" if len(value) == 1 else f"0x{value.hex()}"


def _tag(tag: int) -> str:
    names = {int(each): each.name.lower() for each in Tag}
    return f"0x{tag:04x} {names.get(tag, '(not of the specification)')}"


def _value(value: bytes) -> str:
    text = value.rstrip(b"\0")
    if text and text.isascii() and text.decode("ascii").isprintable():
        return redact_text(f'"{text.decode("ascii")}"{" and a NUL" if value.endswith(bytes(1)) else ""}')
    return f"0x{value.hex()}"


# --- the message


def _message_told(message: MessageSeen) -> Iterator[str]:
    if not message.answered:
        yield f"  message: {message.failure}"
        return
    if message.status:
        yield f"  message: refused in {message.answer_ms:.0f} ms: {submit_refused(message.status)}"
        return
    named = f"its id {message.message_id!r} is {_id_form(message.message_id)}"
    yield f"  message: accepted in {message.answer_ms:.0f} ms; {named}"
    for tlv in message.tlvs:
        yield f"    TLV {_tag(tlv.tag)} = {_value(tlv.value)}"
    if not message.receipts:
        yield "    no receipt came in time: is registered_delivery open for this account, the telephone on?"
    for number, seen in enumerate(message.receipts, 1):
        yield from _receipt_told(number, seen, early=seen.after_ms < message.answer_ms)
    if message.receipts:
        yield "    does the telephone show æøå ÆØÅ @ € as sent? If not, data_coding_default is another one"


def _id_form(message_id: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", message_id):
        return "a UUID"
    if re.fullmatch(r"[0-9]+", message_id):
        zeros = ", with leading zeros" if message_id.startswith("0") and len(message_id) > 1 else ""
        return f"{len(message_id)} digits: decimal, or hexadecimal without a letter by chance{zeros}"
    if re.fullmatch(r"(0x)?[0-9a-fA-F]+", message_id):
        return f"hexadecimal, {'lower' if message_id == message_id.lower() else 'upper'} case"
    return "neither decimal nor hexadecimal" if message_id else "empty"


def _receipt_told(number: int, seen: ReceiptSeen, *, early: bool) -> Iterator[str]:
    receipt, pdu = seen.receipt, seen.pdu
    when = "BEFORE its answer" if early else f"after {seen.after_ms / 1000:.1f} s"
    yield f"    receipt {number}, {when}: {receipt.state.name.lower()}, id {receipt.message_id!r}"
    value = find(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID)
    carried = []
    if value is not None:
        carried.append(f"receipted_message_id {'with' if value.endswith(bytes(1)) else 'without'} NUL")
    if find(pdu.tlvs, Tag.MESSAGE_STATE) is not None:
        carried.append("message_state")
    if receipt.network_error:
        carried.append(f"network_error_code {receipt.network_code}")
    yield f"      TLVs: {', '.join(carried) or 'none, all is in the text'}"
    yield f"      text: {_text_told(receipt, pdu)}"
    if receipt.contradiction:
        yield f"      TLVs and text contradict each other: {receipt.contradiction}"


def _text_told(receipt: Receipt, pdu: DeliverSm | DataSm) -> str:
    body = read_content(pdu, Coding.GSM7).payload
    if not body:
        return "none"
    parts = [f"stat {receipt.stat or 'missing'}", f"err {receipt.err or 'missing'}"]
    for name, date in (("submit", receipt.submit_date), ("done", receipt.done_date)):
        if not date:
            parts.append(f"no {name} date")
        else:
            read = "" if read_date(date) else ", which is no date"
            parts.append(f"{name} date of {len(date)} digits{read}")
    parts.extend(f"no {key}" for key in ("sub:", "dlvrd:") if key.encode() not in body)
    if coding_of(pdu.data_coding, Coding.GSM7) is Coding.UCS2 and b"\0" not in body:
        parts.append("flagged UCS-2 while ASCII")
    return ", ".join(parts)


# --- what the profile should say


def advice(seen: Seen, operator: Operator) -> list[Advice]:
    """Lines that the profile has otherwise or not at all."""
    found = [*_bind_advice(seen, operator), *_message_advice(seen, operator)]
    return list({line.key: line for line in found}.values())


def _bind_advice(seen: Seen, operator: Operator) -> Iterator[Advice]:
    for bind in seen.binds:
        if bind.status == CommandStatus.ESME_RINVCMDID and operator.bind == "transceiver":
            yield Advice("bind", '"transmitter+receiver"', "transceiver is not offered")
        if bind.first[:2] in _TLS_RECORDS and operator.tls is None:
            yield Advice("tls", "true", "the port speaks TLS")
        if "WRONG_VERSION_NUMBER" in bind.tls_fault:
            yield Advice("tls", "false", "the port does not speak TLS")
        version = find(bind.tlvs, Tag.SC_INTERFACE_VERSION)
        said = getattr(operator, "interface_version", "3.4")
        if version and version[0] < _OLD and said != "3.3":
            yield Advice("interface_version", '"3.3"', "what the SMSC announces; TLVs cannot be sent")


def _message_advice(seen: Seen, operator: Operator) -> Iterator[Advice]:
    message = seen.message
    if message is not None and message.status and message.status not in CommandStatus.__members__.values():
        told_of = OperatorProfile(operator).answer(message.status) != _NOT_TOLD
        if not told_of:
            code = f'outcomes."0x{message.status:08X}"'
            yield Advice(code, '"…"', "what a message refused with this status of theirs means")
    if message is None or not message.receipts:
        return
    form = _fitting_form(message)
    if form is None:
        yield Advice("message_id", f'"{operator.message_id}"', "NO form fits the two ids; ask the operator")
    elif form != operator.message_id:
        yield Advice("message_id", f'"{form}"', _FORMS[IdForm(form)])
    for each in message.receipts:
        pdu: Any = each.pdu
        if pdu.destination_addr == message.source and pdu.dest_addr_ton != operator.source_ton:
            yield Advice("source_ton", str(pdu.dest_addr_ton), "how the SMSC itself writes this short code")
        receipt = each.receipt
        code = receipt.err or receipt.stat
        if receipt.final and not receipt.state.success and code and code not in operator.outcomes:
            yield Advice(
                f'outcomes."{code}"', '"…"', f"what {receipt.state.name.lower()} with this code means"
            )


_FORMS: Final[dict[IdForm, str]] = {
    IdForm.OPAQUE: "answer and receipt write the id alike",
    IdForm.RESP_HEX: "hexadecimal in the answer, decimal in the receipt",
    IdForm.RECEIPT_HEX: "decimal in the answer, hexadecimal in the receipt",
    IdForm.DECIMAL: "decimal in both, with other leading zeros",
    IdForm.HEX: "hexadecimal in both, in other case or with other leading zeros",
}


def _fitting_form(message: MessageSeen) -> str | None:
    """The form of `message_id` under which every receipt matches; what the profile may say comes first."""
    allowed = typing.get_args(Operator.model_fields["message_id"].annotation)
    for form in _FORMS:
        wanted = response_key(message.message_id, form)
        if form in allowed and all(
            receipt_key(each.receipt.message_id, form) == wanted for each in message.receipts
        ):
            return str(form)
    return None
