"""SMPP's optional parameters as values, and how those of a PDU are read. Nothing touches the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec


class Tlv(msgspec.Struct, frozen=True, gc=False):
    """One optional parameter: `tag` 0..0xFFFF, `value` up to 65535 octets (SMPP 3.4 §3.2.4.1)."""

    tag: int
    value: bytes

    @classmethod
    def of_int(cls, tag: int, value: int, octets: int) -> Tlv:
        """An integer in `octets` octets, most significant first; OverflowError where it does not fit."""
        return cls(tag, value.to_bytes(octets, "big"))

    @classmethod
    def of_text(cls, tag: int, text: str) -> Tlv:
        """A C-octet string, its NUL with it; UnicodeEncodeError outside ISO-8859-1."""
        return cls(tag, text.encode("latin-1") + b"\0")


Tlvs: TypeAlias = tuple[Tlv, ...]


def find(tlvs: Sequence[Tlv], tag: int) -> bytes | None:
    """The value of the first TLV with this tag, or None."""
    for tlv in tlvs:
        if tlv.tag == tag:
            return tlv.value
    return None


def read_int(tlvs: Sequence[Tlv], tag: int) -> int | None:
    """An integer TLV of 1 to 4 octets; None where it is missing or has another length."""
    value = find(tlvs, tag)
    return int.from_bytes(value, "big") if value is not None and 1 <= len(value) <= 4 else None


def read_text(tlvs: Sequence[Tlv], tag: int) -> str | None:
    """A text TLV up to its NUL, which in the field is there or not (DOMAIN section 3)."""
    value = find(tlvs, tag)
    return None if value is None else value.split(b"\0", 1)[0].decode("latin-1")
