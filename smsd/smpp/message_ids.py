"""Message ids of one SMSC in its two spellings, response and receipt, brought to one key (DOMAIN section 3).

Equal keys mean the same message: only spellings of one number, or of one UUID, are made equal. An id that is
not of the form its operator's profile says stays as it is, letter by letter.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

__all__ = ["IdForm", "receipt_key", "response_key", "same_number"]


class IdForm(StrEnum):
    """How an SMSC spells its ids: alike in both, or as hex in one and as a decimal number in the other.

    DECIMAL and HEX: a number in both, whose case and leading zeros differ.
    """

    OPAQUE = "opaque"
    RESP_HEX = "resp-hex"
    RECEIPT_HEX = "receipt-hex"
    DECIMAL = "decimal"
    HEX = "hex"


_HEX: Final = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,64})")
_DECIMAL: Final = re.compile(r"[0-9]{1,64}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# A number's key is digits alone. What is no number under a numeric form, yet looks like such a key, is set
# apart.
_AMBIGUOUS: Final = re.compile(r"=|[0-9]+\Z")
_BLANK: Final = " \t\r\n\0"


def response_key(message_id: str, form: IdForm) -> str:
    """The key of an id as submit_sm_resp had it."""
    return _key(message_id, _RESPONSE_BASE[form])


def receipt_key(message_id: str, form: IdForm) -> str:
    """The key of an id as a receipt had it."""
    return _key(message_id, _RECEIPT_BASE[form])


_OPAQUE: Final = 0
_RESPONSE_BASE: Final = {
    IdForm.OPAQUE: _OPAQUE,
    IdForm.RESP_HEX: 16,
    IdForm.RECEIPT_HEX: 10,
    IdForm.DECIMAL: 10,
    IdForm.HEX: 16,
}
_RECEIPT_BASE: Final = {
    IdForm.OPAQUE: _OPAQUE,
    IdForm.RESP_HEX: 10,
    IdForm.RECEIPT_HEX: 16,
    IdForm.DECIMAL: 10,
    IdForm.HEX: 16,
}


def _key(message_id: str, base: int) -> str:
    message_id = message_id.strip(_BLANK)
    if base == 16:
        match = _HEX.fullmatch(message_id)
        if match:
            return str(int(match[1], 16))
    elif base == 10 and _DECIMAL.fullmatch(message_id):
        return str(int(message_id))
    if _UUID.fullmatch(message_id):
        return message_id.lower()
    if base != _OPAQUE and _AMBIGUOUS.match(message_id):
        return "=" + message_id
    return message_id


def same_number(one: str, other: str) -> bool:
    """Whether two ids may be spellings of one: equal but for case and leading zeros, or one hex and one
    decimal.

    For telling a contradiction from a spelling; too generous to match messages by.
    """
    return bool(_readings(one) & _readings(other))


def _readings(message_id: str) -> set[str]:
    plain = message_id.strip(_BLANK)
    readings = {plain.lower().lstrip("0")}
    if match := _HEX.fullmatch(plain):
        readings.add("#" + str(int(match[1], 16)))
    if _DECIMAL.fullmatch(plain):
        readings.add("#" + str(int(plain)))
    return readings
