"""PDUs of our own that SMPP cannot carry."""

from __future__ import annotations

import pytest

from smsd.smpp import pdu as p
from smsd.smpp.codec import (
    BARE_RESPONSES,
    UnencodablePduError,
    encode,
)
from smsd.smpp.constants import RESPONSE, CommandId
from smsd.smpp.layouts import SM_FIELDS


@pytest.mark.parametrize("field", ["service_type", "source_addr", "destination_addr", "validity_period"])
@pytest.mark.parametrize("value", ["a\0b", "€", "\u0100"])
def test_a_text_with_a_nul_or_outside_latin_1_is_not_encoded(field, value):
    with pytest.raises(UnencodablePduError, match=field):
        encode(p.SubmitSm(**{field: value}), 1)


@pytest.mark.parametrize("field", [one.name for one in SM_FIELDS if not one.text])
@pytest.mark.parametrize("value", [-1, 256])
def test_a_number_outside_its_octet_is_not_encoded(field, value):
    with pytest.raises(UnencodablePduError, match=f"{field} is {value}"):
        encode(p.SubmitSm(**{field: value}), 1)


@pytest.mark.parametrize(
    "pdu",
    [
        p.SubmitSm(short_message=b"x" * 255),
        p.ReplaceSm(short_message=b"x" * 255),
        p.SubmitSm(tlvs=(p.Tlv(0x10000, b""),)),
        p.SubmitSm(tlvs=(p.Tlv(-1, b""),)),
        p.SubmitSm(tlvs=(p.Tlv(1, b"x" * 0x10000),)),
        p.SubmitSmResp(tlvs=(p.Tlv(1, b"x" * 0x10000),)),
        p.SubmitMulti(),
        p.SubmitMulti(destinations=(p.Destination(),) * 255),
        p.SubmitMultiResp(unsuccess=(p.UnsuccessSme(),) * 256),
        p.SubmitMultiResp(unsuccess=(p.UnsuccessSme(error_status_code=1 << 32),)),
        p.Bind(CommandId.SUBMIT_SM_RESP),
    ],
    ids=range(11),
)
def test_what_smpp_cannot_carry_is_not_encoded(pdu):
    with pytest.raises(UnencodablePduError):
        encode(pdu, 1)


@pytest.mark.parametrize(("sequence", "status"), [(-1, 0), (1 << 32, 0), (1, -1), (1, 1 << 32)])
def test_a_header_outside_32_bits_is_not_encoded(sequence, status):
    with pytest.raises(UnencodablePduError, match="32 bits"):
        encode(p.EnquireLink(), sequence, status)


def test_what_cannot_be_encoded_is_told_without_its_value():
    with pytest.raises(UnencodablePduError) as caught:
        encode(p.Bind(CommandId.BIND_RECEIVER, "smsd", "far too secret" * 3), 1)
    assert str(caught.value) == "password has 42 characters; at most 32 fit"


def test_a_response_is_its_requests_number_with_the_top_bit():
    assert all(command & RESPONSE for command in BARE_RESPONSES)
