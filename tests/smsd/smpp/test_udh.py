"""User data headers: ours read by a stranger, anybody's read by us."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smspdudecoder.fields import UserDataHeader

from smsd.smpp.alphabet import Coding
from smsd.smpp.pdu import DeliverSm, SubmitSm
from smsd.smpp.segments import (
    UDHI,
    Content,
    PartOf,
    read_content,
)
from smsd.smpp.udh import concat8, concat16, read_header


@given(st.integers(0, 0xFFFF), st.integers(2, 255), st.data())
def test_headers_written_here_are_read_by_a_stranger(reference: int, total: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, total))
    for header, told in (
        (concat8(reference, total, number), reference & 0xFF),
        (concat16(reference, total, number), reference),
    ):
        theirs = UserDataHeader.decode(StringIO(header.hex().upper()))["elements"][0]["data"]
        assert (theirs["reference"], theirs["parts_count"], theirs["part_number"]) == (told, total, number)
        assert read_header(header + b"x").part == PartOf(told, total, number)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("050003AB0201", PartOf(0xAB, 2, 1)),
        ("060804ABCD0302", PartOf(0xABCD, 3, 2)),
        ("0B0504158A0000" + "0003AB0202", PartOf(0xAB, 2, 2)),  # port addressing before it
        ("0B0003AB0202" + "0504158A0000", PartOf(0xAB, 2, 2)),  # and behind it
        ("0A0003AB0201" + "0003AC0302", PartOf(0xAC, 3, 2)),  # twice: the last one counts
        ("0B0003AB0201" + "0804ABCD0302", PartOf(0xABCD, 3, 2)),  # 16 bits behind 8: the same
        ("0A240101" + "250101" + "70020000", None),
        ("00", None),
        ("0400020102", None),  # a concatenation element of the wrong length
        ("050003AB0200", None),  # number 0
        ("050003AB0000", None),  # total 0
        ("050003AB0203", None),  # number above total
        ("050003AB0101", None),  # one part is a whole message
        ("060804ABCD0004", None),
    ],
)
def test_headers_in_use_are_read(header: str, part: PartOf | None) -> None:
    content = read_content(
        DeliverSm(esm_class=UDHI, short_message=bytes.fromhex(header) + b"ORG1"),
        Coding.GSM7,
    )
    assert content.part == part


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x05\x00\x03\xab\x02\x00ORG1", "ORG1"),
        (b"\x05\x00\x03\xab\x00\x00ORG1", "ORG1"),
        (b"\x03\x00\x09\x01ORG1", "ORG1"),  # an element past the header's end: header skipped, no part
        (b"\x01\x00ORG1", "ORG1"),
        (b"\x00ORG1", "ORG1"),
        (b"ORG1", "ORG1"),  # 'O' octets of header are not there: no header
        (b"\x7fORG1", "\xe0ORG1"),
        (b"\x05\x00\x03\xab\x02\x01", ""),
        (b"", ""),
    ],
)
def test_a_malformed_header_leaves_unsegmented_text(octets: bytes, text: str) -> None:
    content = read_content(DeliverSm(esm_class=UDHI, short_message=octets), Coding.GSM7)
    assert content.text == text
    assert content.part is None or content.text == ""


def test_without_the_header_bit_the_same_octets_are_text() -> None:
    content = read_content(DeliverSm(short_message=b"\x05\x00\x03\xab\x02\x01A", data_coding=3), Coding.GSM7)
    assert content == Content(b"\x05\x00\x03\xab\x02\x01A", Coding.LATIN1)


def test_the_header_bit_is_found_beside_other_bits_of_esm_class() -> None:
    pdu = SubmitSm(esm_class=UDHI | 0x03 | 0x80, short_message=concat8(1, 2, 1) + b"A")
    assert read_content(pdu, Coding.GSM7) == Content(b"A", Coding.GSM7, PartOf(1, 2, 1))
