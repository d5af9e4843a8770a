"""Texts as a phone makes and shows them: an MO cut into deliver_sm, the parts of an MT put together again.

No I/O; the parts of MTs that never become whole are forgotten, the oldest first.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from simulators.smsc.phones import PhoneMessage
from smsd.smpp.alphabet import Coding, choose, coding_of, data_coding_of, encode
from smsd.smpp.pdu import DeliverSm, Tlv
from smsd.smpp.segments import UDHI, Content, Method, Part, assemble, split
from smsd.smpp.udh import concat8

_PART_OCTETS = {Coding.GSM7: 153}
_PART_OCTETS_OTHERS = 134
_PAYLOAD_OCTETS = 30_000
MAX_PARTS = 255


class CannotCutError(ValueError):
    """The text cannot be sent as asked; the words say why and what would do."""


class Wish(msgspec.Struct, frozen=True):
    """How an MO is to be cut: as a phone does, or into so many parts, or with this data_coding."""

    method: Method = Method.UDH8
    parts: int | None = None
    data_coding: int | None = None


def cut(text: str, wish: Wish, default: Coding, reference: int) -> list[Part]:
    """The parts of a text.

    Raises:
        CannotCutError: the alphabet lacks a character, or the number of parts asked for does not fit.
    """
    coding = default if wish.data_coding is None else coding_of(wish.data_coding, default)
    try:
        if wish.parts is not None and wish.parts > 1:
            return _cut_into(text, wish, choose(text, coding), default, reference)
        parts = split(text, default=coding, method=wish.method, reference=reference)
    except ValueError as error:
        raise CannotCutError(str(error)) from None
    if any(len(tlv.value) > _PAYLOAD_OCTETS for part in parts for tlv in part.tlvs):
        raise CannotCutError(
            f"a message_payload holds {_PAYLOAD_OCTETS} octets at most here; shorten the text"
        )
    if wish.data_coding is None:
        return parts
    if any(coding_of(part.data_coding, coding) is not coding for part in parts):
        raise _misfit(wish, coding)
    return [msgspec.structs.replace(part, data_coding=wish.data_coding) for part in parts]


def _misfit(wish: Wish, coding: Coding) -> CannotCutError:
    return CannotCutError(
        f"data_coding {wish.data_coding} ({coding}) cannot hold the text; leave data_coding out"
    )


def _cut_into(text: str, wish: Wish, coding: Coding, default: Coding, reference: int) -> list[Part]:
    parts = wish.parts or 1
    data_coding = data_coding_of(coding, default) if wish.data_coding is None else wish.data_coding
    if coding_of(data_coding, default) is not coding:
        raise _misfit(wish, coding_of(data_coding, default))
    if len(text) < parts:
        raise CannotCutError(f"{len(text)} characters do not make {parts} parts; ask for fewer")
    made = []
    for number in range(parts):
        piece = text[number * len(text) // parts : (number + 1) * len(text) // parts]
        octets = encode(piece, coding)
        if len(octets) > _PART_OCTETS.get(coding, _PART_OCTETS_OTHERS):
            raise CannotCutError(
                f"part {number + 1} of {parts} would be too long; ask for more parts, or leave parts out"
            )
        made.append(Part(concat8(reference, parts, number + 1) + octets, UDHI, data_coding))
    return made


def deliver_sm(part: Part, sender: str, recipient: str, tlvs: tuple[Tlv, ...]) -> DeliverSm:
    """The deliver_sm that brings one part from a phone (digits, international) to a short code."""
    return DeliverSm(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr=sender,
        dest_addr_ton=0,
        dest_addr_npi=1,
        destination_addr=recipient,
        esm_class=part.esm_class,
        data_coding=part.data_coding,
        short_message=part.short_message,
        tlvs=part.tlvs + tlvs,
    )


class _Gathering(msgspec.Struct):
    message: PhoneMessage
    parts: dict[int, bytes]
    total: int


class Reassembly:
    """Parts of MTs by recipient, sender and reference."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._gathering: OrderedDict[tuple[str, str, int, int], _Gathering] = OrderedDict()

    def earlier(self, digits: str, source: str, content: Content) -> PhoneMessage | None:
        """The message that this part belongs to, with its text so far; None where it is the first."""
        part = content.part
        if part is None:
            return None
        gathering = self._gathering.get((digits, source, part.reference, part.total))
        if gathering is None:
            return None
        if part.number not in gathering.parts:
            gathering.parts[part.number] = content.payload
            gathering.message.segments = len(gathering.parts)
            gathering.message.text = assemble(gathering.parts, content.coding)
        if len(gathering.parts) >= gathering.total:
            del self._gathering[(digits, source, part.reference, part.total)]
        return gathering.message

    def begin(self, digits: str, source: str, content: Content, message: PhoneMessage) -> None:
        """Remembers the first part of a message that has more."""
        part = content.part
        if part is None or part.total < 2:
            return
        key = (digits, source, part.reference, part.total)
        self._gathering[key] = _Gathering(message, {part.number: content.payload}, part.total)
        if len(self._gathering) > self._limit:
            self._gathering.popitem(last=False)

    @staticmethod
    def is_whole(message: PhoneMessage, content: Content) -> bool:
        """Whether this part completed the message."""
        return content.part is None or message.segments >= content.part.total
