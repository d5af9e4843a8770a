"""The user data header (3GPP TS 23.040, 9.2.3.24): writing concatenation headers, reading any header without
raising.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from smsd.smpp.gsm0338 import Language

__all__ = ["UDHI", "Header", "Ie", "PartOf", "concat8", "concat16", "part_of", "read_header"]

UDHI = 0x40
"""The bit of esm_class that says the content begins with a header."""


class Ie(IntEnum):
    """Information element identifiers that are read here."""

    CONCAT8 = 0x00
    CONCAT16 = 0x08
    SINGLE_SHIFT = 0x24
    LOCKING_SHIFT = 0x25


class PartOf(msgspec.Struct, frozen=True, gc=False):
    """Which part of a longer message this is: `number` 1..`total`, `total` 2..255, `reference` 0..0xFFFF."""

    reference: int
    total: int
    number: int


class Header(msgspec.Struct, frozen=True, gc=False):
    """What a header says, and how many octets it takes, its length octet included (0: there is no header)."""

    octets: int = 0
    part: PartOf | None = None
    locking: int = Language.NONE.value
    single: int = Language.NONE.value


def concat8(reference: int, total: int, number: int) -> bytes:
    """A whole header with an 8-bit reference (the low octet of `reference`): 6 octets."""
    return bytes((5, Ie.CONCAT8, 3, reference & 0xFF, total, number))


def concat16(reference: int, total: int, number: int) -> bytes:
    """A whole header with a 16-bit reference (the low two octets of `reference`): 7 octets."""
    return bytes((6, Ie.CONCAT16, 4, (reference >> 8) & 0xFF, reference & 0xFF, total, number))


def part_of(reference: int, total: int, number: int) -> PartOf | None:
    """The part, or None where the numbers make no sense or the message has one part only.

    A message of one part is whole: waiting for others would only risk taking the next one with that reference
    for it.
    """
    return PartOf(reference, total, number) if total > 1 and 1 <= number <= total else None


def read_header(content: bytes) -> Header:
    """Read the header at the start of the content.

    A length that runs past the end means that there is no header. An element that runs past the header's end
    makes the header unreadable: its octets are skipped and the rest is unsegmented text.
    """
    if not content or content[0] >= len(content):
        return Header()
    end = 1 + content[0]
    at = 1
    part: PartOf | None = None
    locking = single = Language.NONE.value
    while at < end:
        if at + 2 > end or at + 2 + content[at + 1] > end:
            return Header(octets=end)
        element, value = content[at], content[at + 2 : at + 2 + content[at + 1]]
        at += 2 + len(value)
        # TS 23.040: where an element comes twice or contradicts another, the last one counts.
        if element == Ie.CONCAT8 and len(value) == 3:
            part = part_of(value[0], value[1], value[2])
        elif element == Ie.CONCAT16 and len(value) == 4:
            part = part_of(value[0] << 8 | value[1], value[2], value[3])
        elif element == Ie.SINGLE_SHIFT and len(value) == 1:
            single = value[0]
        elif element == Ie.LOCKING_SHIFT and len(value) == 1:
            locking = value[0]
    return Header(end, part, locking, single)
