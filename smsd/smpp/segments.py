"""Long texts as several short messages, and short messages as parts of long texts (DOMAIN section 4).

Splitting never cuts an escape or a surrogate pair, nor what a reader sees as one character where it fits into
a part. Reading takes whatever a peer sends and never raises. No waiting, no storing: who collects parts is
the inbox.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from smsd.smpp.alphabet import (
    Coding,
    choose,
    coding_of,
    data_coding_of,
    decode,
    decode_shifted,
    encode,
    length_in_units,
    to_gsm,
)
from smsd.smpp.graphemes import is_boundary
from smsd.smpp.gsm0338 import EXTENSION
from smsd.smpp.pdu import DataSm, DeliverSm, SubmitSm, Tag, Tlv, find
from smsd.smpp.udh import UDHI, Header, PartOf, concat8, concat16, part_of, read_header

__all__ = [
    "UDHI",
    "Content",
    "Method",
    "Part",
    "PartOf",
    "SegmentCount",
    "TooManySegments",
    "assemble",
    "count",
    "read_content",
    "split",
    "to_gsm",
]

MessagePdu: TypeAlias = SubmitSm | DeliverSm | DataSm


class Method(StrEnum):
    """How parts are tied together: a header with an 8-bit or 16-bit reference, SAR TLVs, or one
    message_payload.
    """

    UDH8 = "udh8"
    UDH16 = "udh16"
    SAR = "sar"
    PAYLOAD = "payload"


class TooManySegments(ValueError):
    """The text needs more than 255 parts."""

    def __init__(self, segments: int) -> None:
        super().__init__(f"the text takes {segments} segments, at most 255 can be tied together")
        self.segments = segments


class SegmentCount(msgspec.Struct, frozen=True, gc=False):
    """How a text is sent: its coding, the number of messages (at least 1), the units of the text."""

    coding: Coding
    segments: int
    units: int


class Part(msgspec.Struct, frozen=True, gc=False):
    """What goes into one submit_sm or deliver_sm; `esm_class` holds the UDHI bit alone, to be or-ed in."""

    short_message: bytes
    esm_class: int
    data_coding: int
    tlvs: tuple[Tlv, ...] = ()


class Content(msgspec.Struct, frozen=True, gc=False):
    """What an incoming message holds, its header taken off."""

    payload: bytes
    coding: Coding
    part: PartOf | None = None

    @property
    def text(self) -> str:
        """The payload as text; of a part, only its own piece."""
        return decode(self.payload, self.coding)


_WHOLE: Final = {
    Coding.GSM7: 160,
    Coding.UCS2: 70,
    Coding.LATIN1: 140,
    Coding.LATIN9: 140,
    Coding.BINARY: 140,
}
# 140 octets less a header of 6 octets; less one of 7. An SMSC that gets SAR TLVs writes the header itself:
# references are kept to one octet, so that its header need not be longer than ours.
_BESIDE_6: Final = {
    Coding.GSM7: 153,
    Coding.UCS2: 67,
    Coding.LATIN1: 134,
    Coding.LATIN9: 134,
    Coding.BINARY: 134,
}
_BESIDE_7: Final = {
    Coding.GSM7: 152,
    Coding.UCS2: 66,
    Coding.LATIN1: 133,
    Coding.LATIN9: 133,
    Coding.BINARY: 133,
}
_LIMITS: Final = {Method.UDH8: _BESIDE_6, Method.UDH16: _BESIDE_7, Method.SAR: _BESIDE_6}

_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")
_EXTENDED: Final = frozenset(EXTENSION.values())
_MOST_SEGMENTS: Final = 255


def count(text: str, *, default: Coding = Coding.GSM7, method: Method = Method.UDH8) -> SegmentCount:
    """How many messages `split` makes of the text, without making them. Never raises."""
    coding = choose(text, default)
    units = _ucs2_units(text) if coding is Coding.UCS2 else length_in_units(text, coding)
    if units <= _WHOLE[coding] or method is Method.PAYLOAD:
        return SegmentCount(coding, 1, units)
    return SegmentCount(coding, sum(1 for _ in _cut(text, coding, _LIMITS[method][coding])), units)


def split(
    text: str, *, default: Coding = Coding.GSM7, method: Method = Method.UDH8, reference: int
) -> list[Part]:
    """The text as one or more messages, in order; a text that fits one has neither header nor TLV.

    `default` is what data_coding 0 means on the route; where it lacks a character all parts go as UCS2.
    `reference` is cut to one octet (UDH8, SAR) or two (UDH16). Raises TooManySegments above 255 parts.
    Half a surrogate pair, which no coding holds, goes as U+FFFD.
    """
    text = _HALF_PAIR.sub("\ufffd", text)
    coding = choose(text, default)
    data_coding = data_coding_of(coding, default)
    whole = encode(text, coding)
    units = len(whole) // 2 if coding is Coding.UCS2 else len(whole)
    if units <= _WHOLE[coding]:
        return [Part(whole, 0, data_coding)]
    if method is Method.PAYLOAD:
        return [Part(b"", 0, data_coding, (Tlv(Tag.MESSAGE_PAYLOAD, whole),))]
    pieces = [encode(piece, coding) for piece in _cut(text, coding, _LIMITS[method][coding])]
    total = len(pieces)
    if total > _MOST_SEGMENTS:
        raise TooManySegments(total)
    return [
        _tied(piece, data_coding, method, reference=reference, total=total, number=number)
        for number, piece in enumerate(pieces, 1)
    ]


def _tied(piece: bytes, data_coding: int, method: Method, *, reference: int, total: int, number: int) -> Part:
    if method is Method.UDH8:
        return Part(concat8(reference, total, number) + piece, UDHI, data_coding)
    if method is Method.UDH16:
        return Part(concat16(reference, total, number) + piece, UDHI, data_coding)
    sar = (
        Tlv(Tag.SAR_MSG_REF_NUM, bytes((0, reference & 0xFF))),
        Tlv(Tag.SAR_TOTAL_SEGMENTS, bytes((total,))),
        Tlv(Tag.SAR_SEGMENT_SEQNUM, bytes((number,))),
    )
    return Part(piece, 0, data_coding, sar)


def _ucs2_units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)


def _cut(text: str, coding: Coding, limit: int) -> Iterator[str]:
    """Pieces of at most `limit` units, cut as late as a reader's character allows; whole characters in any
    case.
    """
    start = 0
    while start < len(text):
        end = _reach(text, start, coding, limit)
        fair = end
        while fair > start and not is_boundary(text, fair):
            fair -= 1
        end = fair if fair > start else end
        yield text[start:end]
        start = end


def _reach(text: str, start: int, coding: Coding, limit: int) -> int:
    """The index after the last character that fits into `limit` units from `start`."""
    end = start
    units = 0
    for char in text[start : start + limit]:
        if coding is Coding.GSM7:
            units += 2 if char in _EXTENDED else 1
        else:
            units += 2 if char > "\uffff" else 1
        if units > limit:
            break
        end += 1
    return end


def read_content(pdu: MessagePdu, default: Coding) -> Content:
    """What the message holds: short_message, or message_payload where that is empty, without its header.

    The part comes from the header, else from SAR TLVs; a part that makes no sense is none. GSM7 written with
    national language tables is handed on as UCS2, so that nobody after this needs to know. Never raises.
    """
    payload = b"" if isinstance(pdu, DataSm) else pdu.short_message
    if not payload:
        payload = find(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""
    coding = coding_of(pdu.data_coding, default)
    header = read_header(payload) if pdu.esm_class & UDHI else Header()
    payload = payload[header.octets :]
    part = header.part
    if part is None and pdu.tlvs:
        part = _sar(pdu.tlvs)
    if coding is Coding.GSM7 and (header.locking or header.single):
        text = decode_shifted(payload, locking=header.locking, single=header.single)
        payload, coding = text.encode("utf-16-be"), Coding.UCS2
    return Content(payload, coding, part)


def _sar(tlvs: tuple[Tlv, ...]) -> PartOf | None:
    reference = find(tlvs, Tag.SAR_MSG_REF_NUM)
    total = find(tlvs, Tag.SAR_TOTAL_SEGMENTS)
    number = find(tlvs, Tag.SAR_SEGMENT_SEQNUM)
    if reference is None or total is None or number is None:
        return None
    if not (1 <= len(reference) <= 2 and len(total) == 1 and len(number) == 1):
        return None
    return part_of(int.from_bytes(reference, "big"), total[0], number[0])


def assemble(parts: Mapping[int, bytes], coding: Coding | Mapping[int, Coding]) -> str:
    """The text of the parts, by number; missing numbers are skipped. Never raises.

    `coding`: of all parts, or of each. Neighbours are joined before decoding, so a pair or escape that a
    foreign SMSC cut through survives; where a part is missing between two, or the next one is written
    otherwise, each side is decoded by itself.
    """
    runs: list[tuple[Coding, list[bytes]]] = []
    previous: int | None = None
    for number in sorted(parts):
        own = coding if isinstance(coding, Coding) else coding[number]
        if previous is None or number != previous + 1 or own is not runs[-1][0]:
            runs.append((own, []))
        runs[-1][1].append(parts[number])
        previous = number
    return "".join(decode(b"".join(run), own) for own, run in runs)
