"""A PDU as it may be shown: without texts, passwords and the middle digits of numbers. Pure; never raises.

Receipts keep what tells of their message (id, dates, state, error), never what follows `text:`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec.structs import replace

from foundation.numbers import mask
from smsd.smpp import pdu as p
from smsd.smpp.alphabet import Coding, coding_of
from smsd.smpp.codec import HEADER_OCTETS, RemotePduError, UnencodablePduError, decode, encode
from smsd.smpp.constants import Tag
from smsd.smpp.receipt import is_receipt
from smsd.smpp.udh import UDHI, read_header

__all__ = ["veiled", "without_private"]

PASSWORD: Final = "********"  # noqa: S105 - what stands in place of one
"""In place of any password, so that its length does not show either."""

_ADDRESSES: Final = frozenset({"source_addr", "destination_addr", "esme_addr"})
_SHOWN_LENGTH: Final = 6
"""Addresses up to this long are short codes."""
_HEADER_OCTETS: Final = 12
"""Headers up to this long are shown: parts, ports, languages."""
_NUMBERS: Final = frozenset({Tag.CALLBACK_NUM, Tag.SOURCE_SUBADDRESS, Tag.DEST_SUBADDRESS})
_HIDDEN: Final = frozenset({Tag.CALLBACK_NUM_ATAG, Tag.ADDITIONAL_STATUS_INFO_TEXT})
_KNOWN: Final = frozenset(Tag) - {Tag.BILLING_IDENTIFICATION}
_LONG_NUMBER: Final = re.compile(rb"(?<![0-9A-Za-z-])\d{8,15}(?![0-9A-Za-z-])")
_TOLD: Final = re.compile(
    rb"(?<![^\s,;])(?:id:[\w.@-]{1,64}|sub:\d{1,4}|dlvrd:\d{1,4}|(?:submit|done) date:\d{1,14}"
    rb"|stat:(?:[A-Za-z_]{1,12}|\w{1,6})|err:\w{1,6})(?![^\s,;])"
    rb"|^[\w.@-]{1,64},(?:\d{10,14},){0,2}[A-Za-z_]{1,12}(?:,\w{1,4})?(?=,|$)"
)
_ECHO: Final = re.compile(rb"(?:text|msg)\s?[:=]", re.IGNORECASE)


def veiled(octets: bytes) -> bytes:
    """One whole PDU's octets as they may be shown; of one that cannot be read, the header and stars."""
    try:
        frame = decode(octets)
        shown = without_private(frame.pdu)
        if shown == frame.pdu:
            return octets
        # NULs behind the last parameter are nobody's, yet they came
        padding = octets[len(encode(frame.pdu, frame.sequence, frame.status)) :]
        whole = encode(shown, frame.sequence, frame.status) + padding
        return len(whole).to_bytes(4, "big") + whole[4:]
    except (RemotePduError, UnencodablePduError):
        return octets[:HEADER_OCTETS] + b"*" * (len(octets) - HEADER_OCTETS)


def without_private(pdu: p.Pdu) -> p.Pdu:
    """The same PDU with what is private replaced, of the same length where it is not a password."""
    whole: Any = pdu
    changed: dict[str, Any] = {}
    for name in whole.__struct_fields__:
        value = getattr(whole, name)
        if not value:
            continue
        if name in _ADDRESSES:
            changed[name] = _number(value)
        elif name == "password":
            changed[name] = PASSWORD
        elif name == "short_message":
            changed[name] = _content(value, whole)
        elif name == "tlvs":
            changed[name] = tuple(p.Tlv(tlv.tag, _value(tlv, whole)) for tlv in value)
        elif name in ("destinations", "unsuccess"):
            changed[name] = tuple(
                replace(one, destination_addr=_number(one.destination_addr)) for one in value
            )
    shown: p.Pdu = replace(whole, **changed) if changed else whole
    return shown


def _number(address: str) -> str:
    named = len(address) <= _SHOWN_LENGTH or not any(char.isdigit() for char in address)
    return address if named else mask(address)


def _value(tlv: p.Tlv, pdu: Any) -> bytes:
    if tlv.tag == Tag.MESSAGE_PAYLOAD:
        return _content(tlv.value, pdu)
    if tlv.tag in _HIDDEN:
        return b"x" * len(tlv.value)
    if tlv.tag in _NUMBERS:
        return _hidden_middle(tlv.value)
    if tlv.tag in _KNOWN:
        return tlv.value
    # a price is what one looks for in a vendor's TLV; a subscriber's number is not
    return _LONG_NUMBER.sub(lambda found: _hidden_middle(found[0]), tlv.value)


def _hidden_middle(octets: bytes) -> bytes:
    return mask(octets.decode("latin-1")).encode("latin-1")


def _content(octets: bytes, pdu: Any) -> bytes:
    esm_class = getattr(pdu, "esm_class", 0)
    start = read_header(octets).octets if esm_class & UDHI else 0
    if start > _HEADER_OCTETS:
        # text that claims to be a header
        start = 0
    header, text = octets[:start], octets[start:]
    if coding_of(getattr(pdu, "data_coding", 0), Coding.GSM7) is Coding.UCS2 and b"\0" in text:
        return header + (b"\0x" * (len(text) // 2 + 1))[: len(text)]
    hidden = bytearray(b"x" * len(text))
    if is_receipt(esm_class):
        echo = _ECHO.search(text)
        for found in _TOLD.finditer(text, 0, echo.start() if echo else len(text)):
            hidden[found.start() : found.end()] = found[0]
        for at in (at for at, octet in enumerate(text) if octet in b" ,;"):
            hidden[at] = text[at]
    return header + bytes(hidden)
