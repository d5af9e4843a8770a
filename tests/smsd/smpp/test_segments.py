"""Splitting and joining: whatever is split is read back, in any order, and every part fits the air."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from smpp_samples import CLUSTERS

from smsd.smpp.alphabet import Coding, encode, length_in_units
from smsd.smpp.graphemes import is_boundary
from smsd.smpp.gsm0338 import DEFAULT, EXTENSION
from smsd.smpp.pdu import DataSm, DeliverSm, Tag, Tlv, find
from smsd.smpp.segments import (
    UDHI,
    Content,
    Method,
    Part,
    PartOf,
    SegmentCount,
    TooManySegments,
    assemble,
    count,
    read_content,
    split,
)
from smsd.smpp.udh import concat8, concat16

GSM_CHARS = DEFAULT.replace("\x1b", "") + "".join(EXTENSION.values())

defaults = st.sampled_from([Coding.GSM7, Coding.LATIN1, Coding.LATIN9])
methods = st.sampled_from(Method)
texts = st.one_of(
    st.text(alphabet=GSM_CHARS, max_size=900),
    st.text(alphabet="€{}[]~a", min_size=100, max_size=700),
    st.text(alphabet=st.characters(max_codepoint=0xFF), max_size=600),
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff\ufffe"), max_size=400
    ),
    st.lists(st.sampled_from(CLUSTERS), max_size=200).map("".join),
)  # a byte order mark is not text


def carried(part: Part) -> DeliverSm:
    return DeliverSm(
        esm_class=part.esm_class,
        data_coding=part.data_coding,
        short_message=part.short_message,
        tlvs=part.tlvs,
    )


def read_back(parts: list[Part], default: Coding, order: random.Random) -> tuple[str, list[Content]]:
    shuffled = [read_content(carried(part), default) for part in parts]
    order.shuffle(shuffled)
    numbered = {content.part.number if content.part else 1: content.payload for content in shuffled}
    assert len(numbered) == len(parts)
    return assemble(numbered, shuffled[0].coding), shuffled


@given(texts, defaults, methods, st.integers(0, 0xFFFF), st.randoms(use_true_random=False))
def test_what_is_split_is_read_back_in_any_order(
    text: str, default: Coding, method: Method, reference: int, order: random.Random
) -> None:
    parts = split(text, default=default, method=method, reference=reference)
    joined, contents = read_back(parts, default, order)
    assert joined == text
    if len(parts) == 1:
        assert contents[0].part is None
        assert contents[0].text == text
    else:
        told = reference if method is Method.UDH16 else reference & 0xFF
        assert {content.part for content in contents} == {
            PartOf(told, len(parts), number) for number in range(1, len(parts) + 1)
        }


@given(texts, defaults, methods)
@example("a" * 160, Coding.GSM7, Method.UDH8)
@example("a" * 161, Coding.GSM7, Method.UDH8)
@example("€" * 80, Coding.GSM7, Method.UDH8)
@example("€" * 81, Coding.GSM7, Method.UDH8)
@example("я" * 70, Coding.GSM7, Method.SAR)
@example("я" * 71, Coding.GSM7, Method.SAR)
@example("😀" * 36, Coding.GSM7, Method.UDH16)
def test_count_is_the_number_of_parts_that_split_makes(text: str, default: Coding, method: Method) -> None:
    counted = count(text, default=default, method=method)
    assert counted.segments == len(split(text, default=default, method=method, reference=1))
    assert counted.units == length_in_units(text, counted.coding)


@given(texts, defaults, st.sampled_from([Method.UDH8, Method.UDH16, Method.SAR]))
def test_every_part_fits_what_a_telephone_gets(text: str, default: Coding, method: Method) -> None:
    parts = split(text, default=default, method=method, reference=7)
    for part in parts:
        header = part.short_message[0] + 1 if part.esm_class & UDHI else 0
        # SAR TLVs become a header of six octets at the SMSC.
        on_air = header or (6 if find(part.tlvs, Tag.SAR_TOTAL_SEGMENTS) else 0)
        content = read_content(carried(part), default)
        if content.coding is Coding.GSM7:
            assert (on_air * 8 + 6) // 7 + len(content.payload) <= 160
        else:
            assert on_air + len(content.payload) <= 140
        assert len(part.short_message) <= 254


@given(texts, defaults, methods)
def test_every_part_is_readable_by_itself(text: str, default: Coding, method: Method) -> None:
    parts = split(text, default=default, method=method, reference=7)
    pieces = [read_content(carried(part), default).text for part in parts]
    assert "".join(pieces) == text


@given(
    st.lists(st.sampled_from(CLUSTERS), max_size=200).map("".join),
    st.sampled_from([Method.UDH8, Method.UDH16]),
)
def test_no_part_ends_inside_what_a_reader_sees_as_one_character(text: str, method: Method) -> None:
    at = 0
    for part in split(text, default=Coding.GSM7, method=method, reference=1):
        assert is_boundary(text, at)
        at += len(read_content(carried(part), Coding.GSM7).text)
    assert at == len(text)


def test_a_character_longer_than_a_part_is_cut_between_code_points() -> None:
    text = "e" + "\u0301" * 150
    parts = split(text, default=Coding.GSM7, reference=1)
    assert [len(read_content(carried(part), Coding.GSM7).text) for part in parts] == [67, 67, 17]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", SegmentCount(Coding.GSM7, 1, 0)),
        ("a" * 160, SegmentCount(Coding.GSM7, 1, 160)),
        ("a" * 161, SegmentCount(Coding.GSM7, 2, 161)),
        ("a" * 306, SegmentCount(Coding.GSM7, 2, 306)),
        ("a" * 307, SegmentCount(Coding.GSM7, 3, 307)),
        ("æ" * 800, SegmentCount(Coding.GSM7, 6, 800)),
        ("я" * 800, SegmentCount(Coding.UCS2, 12, 800)),
        ("a" * 69 + "😀", SegmentCount(Coding.UCS2, 2, 71)),
        ("a" * 68 + "😀", SegmentCount(Coding.UCS2, 1, 70)),
        # an escape pair that would straddle the 153rd septet moves to the next part: 152 + 152 + 2
        ("a" * 152 + "€" + "a" * 152, SegmentCount(Coding.GSM7, 3, 306)),
    ],
)
def test_counts_are_those_the_numbers_promise(text: str, expected: SegmentCount) -> None:
    assert count(text) == expected


def test_counting_follows_the_route_and_the_method() -> None:
    assert count("ç" * 140, default=Coding.LATIN1) == SegmentCount(Coding.LATIN1, 1, 140)
    assert count("ç" * 268, default=Coding.LATIN1).segments == 2
    assert count("ç" * 268, default=Coding.LATIN1, method=Method.UDH16).segments == 3
    assert count("a" * 305, method=Method.UDH16).segments == 3
    assert count("я" * 134, method=Method.UDH16).segments == 3
    assert count("a" * 1000, method=Method.PAYLOAD).segments == 1


def test_an_escape_is_never_cut_from_its_character() -> None:
    parts = split("a" * 152 + "€" + "b" * 20, default=Coding.GSM7, reference=0x1FF)
    assert parts[0].short_message == b"\x05\x00\x03\xff\x02\x01" + b"a" * 152
    assert parts[1].short_message == b"\x05\x00\x03\xff\x02\x02\x1b\x65" + b"b" * 20


def test_a_surrogate_pair_is_never_cut() -> None:
    parts = split("я" * 66 + "😀" + "я" * 10, default=Coding.GSM7, reference=1)
    assert [len(part.short_message) - 6 for part in parts] == [66 * 2, 24]
    assert parts[1].short_message[6:10] == "😀".encode("utf-16-be")


def test_a_text_of_one_part_has_neither_header_nor_tlv() -> None:
    for method in Method:
        assert split("Takk", default=Coding.GSM7, method=method, reference=9) == [Part(b"Takk", 0, 0)]


def test_half_a_surrogate_pair_does_not_stop_a_message() -> None:
    part = split("a\ud83d", default=Coding.GSM7, reference=1)[0]
    assert read_content(carried(part), Coding.GSM7).text == "a\ufffd"
    assert count("a\ud83d") == SegmentCount(Coding.UCS2, 1, 2)


def test_more_than_255_parts_are_refused_before_anything_is_sent() -> None:
    assert len(split("a" * (153 * 255), default=Coding.GSM7, reference=1)) == 255
    with pytest.raises(TooManySegments) as caught:
        split("a" * (153 * 255 + 1), default=Coding.GSM7, reference=1)
    assert caught.value.segments == 256


def test_a_long_text_by_payload_is_one_message() -> None:
    text = "æ" * 500
    (part,) = split(text, default=Coding.GSM7, method=Method.PAYLOAD, reference=1)
    assert part == Part(b"", 0, 0, (Tlv(0x0424, encode(text, Coding.GSM7)),))


def test_sar_parts_carry_their_three_tlvs_and_no_header() -> None:
    first, second = split("a" * 200, default=Coding.GSM7, method=Method.SAR, reference=0x12A5)
    assert first == Part(
        b"a" * 153, 0, 0, (Tlv(0x020C, b"\x00\xa5"), Tlv(0x020E, b"\x02"), Tlv(0x020F, b"\x01"))
    )
    assert second.short_message == b"a" * 47
    assert find(second.tlvs, 0x020F) == b"\x02"


# --- SAR and payload ----------------------------------------------------------------------------------------


def sar(reference: bytes, total: bytes, number: bytes) -> tuple[Tlv, ...]:
    return Tlv(0x020F, number), Tlv(0x020C, reference), Tlv(0x1403, b"x\0"), Tlv(0x020E, total)


@pytest.mark.parametrize(
    ("tlvs", "part"),
    [
        (sar(b"\x12\x34", b"\x02", b"\x01"), PartOf(0x1234, 2, 1)),
        (sar(b"\x34", b"\x02", b"\x02"), PartOf(0x34, 2, 2)),
        (sar(b"\x12\x34", b"\x02", b"\x03"), None),
        (sar(b"\x12\x34", b"\x02", b"\x00"), None),
        (sar(b"\x12\x34", b"\x00", b"\x00"), None),
        (sar(b"\x12\x34", b"\x01", b"\x01"), None),
        (sar(b"", b"\x02", b"\x01"), None),
        (sar(b"\x12\x34", b"", b"\x01"), None),
        (sar(b"\x12\x34", b"\x02", b"\x00\x01"), None),
        (sar(b"\x12\x34", b"\x02", b"\x01")[1:], None),
    ],
)
def test_sar_tlvs_tell_the_part_where_they_make_sense(tlvs: tuple[Tlv, ...], part: PartOf | None) -> None:
    assert read_content(DeliverSm(short_message=b"A", tlvs=tlvs), Coding.GSM7) == Content(
        b"A", Coding.GSM7, part
    )


def test_the_header_comes_before_sar_tlvs() -> None:
    pdu = DeliverSm(
        esm_class=UDHI, short_message=concat8(9, 3, 2) + b"A", tlvs=sar(b"\x12\x34", b"\x02", b"\x01")
    )
    assert read_content(pdu, Coding.GSM7).part == PartOf(9, 3, 2)


def test_message_payload_is_read_with_its_header_where_short_message_is_empty() -> None:
    payload = Tlv(0x0424, concat16(0x1234, 2, 2) + "€".encode("utf-16-be"))
    for pdu in (
        DeliverSm(esm_class=UDHI, data_coding=8, tlvs=(payload,)),
        DataSm(esm_class=UDHI, data_coding=8, tlvs=(payload,)),
    ):
        content = read_content(pdu, Coding.GSM7)
        assert content == Content("€".encode("utf-16-be"), Coding.UCS2, PartOf(0x1234, 2, 2))
        assert content.text == "€"


def test_short_message_comes_before_message_payload() -> None:
    pdu = DeliverSm(short_message=b"A", tlvs=(Tlv(0x0424, b"B"),))
    assert read_content(pdu, Coding.GSM7).text == "A"


@given(
    st.binary(max_size=160),
    st.integers(0, 255),
    st.integers(0, 255),
    st.lists(
        st.builds(Tlv, st.sampled_from([0x020C, 0x020E, 0x020F, 0x0424, 0x1403]), st.binary(max_size=8))
    ),
    defaults,
)
def test_random_messages_are_read_without_raising(
    octets: bytes, esm_class: int, data_coding: int, tlvs: list[Tlv], default: Coding
) -> None:
    for pdu in (
        DeliverSm(esm_class=esm_class, data_coding=data_coding, short_message=octets, tlvs=tuple(tlvs)),
        DataSm(esm_class=esm_class, data_coding=data_coding, tlvs=(*tlvs, Tlv(0x0424, octets))),
    ):
        content = read_content(pdu, default)
        content.text.encode("utf-8")
        if content.part is not None:
            assert 1 <= content.part.number <= content.part.total <= 255
            assert content.part.total > 1


# --- national languages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "septets", "text"),
    [
        ("03240101", b"\x1bG\x1bI\x1bs", "Ğİş"),
        ("03250101", b"\x0b\x1c\x04", "ĞŞ€"),
        ("06240101250101", b"\x0b\x1bG", "ĞĞ"),
        ("03240102", b"\x1ba\x1bo", "áó"),
        ("06240103250103", b"\x0f\x1b\x05", "áê"),
        ("032401FF", b"\x1be", "€"),
        ("08240101" + "0003110201", b"\x1bG", "Ğ"),
    ],
)
def test_national_language_elements_are_obeyed(header: str, septets: bytes, text: str) -> None:
    content = read_content(
        DeliverSm(esm_class=UDHI, short_message=bytes.fromhex(header) + septets), Coding.GSM7
    )
    assert content.text == text
    assert content.coding is Coding.UCS2
    assert content.part == (PartOf(0x11, 2, 1) if header.startswith("08") else None)


def test_national_language_elements_mean_nothing_beside_other_codings() -> None:
    pdu = DeliverSm(esm_class=UDHI, data_coding=3, short_message=bytes.fromhex("03240101") + b"\xe6")
    assert read_content(pdu, Coding.GSM7) == Content(b"\xe6", Coding.LATIN1)


# --- assembling ---------------------------------------------------------------------------------------------


@given(st.text(alphabet=GSM_CHARS, max_size=300), st.lists(st.integers(0, 600), max_size=6))
def test_septets_cut_anywhere_by_a_foreign_smsc_come_together(text: str, cuts: list[int]) -> None:
    assert assemble(cut(encode(text, Coding.GSM7), cuts), Coding.GSM7) == text


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff\ufffe"), max_size=300
    ),
    st.lists(st.integers(0, 600), max_size=6),
)
def test_ucs2_cut_anywhere_even_inside_a_unit_comes_together(text: str, cuts: list[int]) -> None:
    assert assemble(cut(encode(text, Coding.UCS2), cuts), Coding.UCS2) == text


def cut(octets: bytes, cuts: list[int]) -> dict[int, bytes]:
    places = [0, *sorted(min(place, len(octets)) for place in cuts), len(octets)]
    pieces = {number: octets[places[number - 1] : places[number]] for number in range(1, len(places))}
    return dict(reversed(pieces.items()))


def test_parts_of_one_text_may_be_written_differently() -> None:
    parts = {1: encode("å{", Coding.GSM7), 2: encode("ş 😀", Coding.UCS2), 3: encode("}", Coding.GSM7)}
    codings = {1: Coding.GSM7, 2: Coding.UCS2, 3: Coding.GSM7}
    assert assemble(parts, codings) == "å{ş 😀}"
    halves = {1: b"a\xd8\x3d"[1:], 2: b"\xde\x00"}
    assert assemble(halves, dict.fromkeys(halves, Coding.UCS2)) == "😀"


def test_missing_parts_are_skipped_and_swallow_nothing_of_their_neighbours() -> None:
    assert assemble({1: b"ab", 3: b"cd"}, Coding.GSM7) == "abcd"
    assert assemble({1: b"a\x1b", 3: b"ecd"}, Coding.GSM7) == "a\ufffdecd"
    assert assemble({1: b"\x00a\xd8\x3d", 3: b"\x00b"}, Coding.UCS2) == "a\ufffdb"
    assert assemble({2: b"\x00a\x00", 4: b"\x00b"}, Coding.UCS2) == "a\ufffdb"
    assert assemble({}, Coding.GSM7) == ""


@given(st.dictionaries(st.integers(0, 300), st.binary(max_size=140), max_size=12), st.sampled_from(Coding))
def test_assembling_random_octets_never_raises(parts: dict[int, bytes], coding: Coding) -> None:
    assemble(parts, coding).encode("utf-8")
