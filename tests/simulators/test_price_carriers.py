"""Where the SMSC finds the price of a submit_sm."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.smsc.price import BadPriceError, PriceReader
from simulators.smsc.settings import PriceSettings
from smsd.smpp.pdu import SubmitSm, Tag, Tlv


def price(settings: dict[str, Any], **pdu: Any) -> int:
    return PriceReader(PriceSettings.model_validate(settings))(SubmitSm(**pdu))


def tlv(tag: int, value: bytes) -> tuple[Tlv, ...]:
    return (Tlv(0x0204, b"\0\1"), Tlv(tag, value)) if tag != 0x0204 else (Tlv(tag, value),)


@pytest.mark.parametrize(
    ("settings", "pdu", "ore"),
    [
        ({}, {"tlvs": tlv(0x1403, b"5000\0")}, 5000),
        ({}, {"tlvs": tlv(0x1403, b"5000")}, 5000),
        ({}, {"tlvs": tlv(0x1403, b"0\0")}, 0),
        ({}, {"tlvs": tlv(0x1403, b"\0")}, 0),
        ({}, {}, 0),
        ({"tag": "0x1502", "unit": "kroner"}, {"tlvs": tlv(0x1502, b"50\0")}, 5000),
        ({"type": "octet"}, {"tlvs": tlv(0x1403, b"150")}, 150),
        ({"type": "int"}, {"tlvs": tlv(0x1403, b"\x00\x00\x13\x88")}, 5000),
        ({"carrier": "service_type", "unit": "kroner"}, {"service_type": "50"}, 5000),
        ({"carrier": "service_type"}, {"service_type": "CMT"}, 0),
        ({"carrier": "billing_identification"}, {"tlvs": tlv(Tag.BILLING_IDENTIFICATION, b"\x805000")}, 5000),
        ({"carrier": "billing_identification"}, {"tlvs": tlv(Tag.BILLING_IDENTIFICATION, b"5000")}, 5000),
        ({"carrier": "user_message_reference"}, {"tlvs": tlv(Tag.USER_MESSAGE_REFERENCE, b"\x13\x88")}, 5000),
        (
            {"carrier": "user_message_reference", "codes": {"7050": 5000}},
            {"tlvs": tlv(0x0204, b"\x1b\x8a")},
            5000,
        ),
        ({"carrier": "user_message_reference", "codes": {"7050": 5000}}, {}, 0),
        ({"carrier": "source_addr", "short_codes": ["2030"]}, {"source_addr": "20305000"}, 5000),
        ({"carrier": "source_addr", "short_codes": ["2030"]}, {"source_addr": "2030"}, 0),
        ({"carrier": "service_type", "codes": {"3115": 5000}}, {"service_type": "3115"}, 5000),
        ({"carrier": "service_type", "codes": {"3115": 5000}}, {"service_type": "CMT"}, 0),
        ({"codes": {"T50": 5000}}, {"tlvs": tlv(0x1403, b"T50\0")}, 5000),
        (
            {"carrier": "billing_identification", "prefix": "80ff"},
            {"tlvs": tlv(Tag.BILLING_IDENTIFICATION, b"\x80\xff5000")},
            5000,
        ),
        ({"carrier": "none"}, {"tlvs": tlv(0x1403, b"5000\0")}, 0),
    ],
)
def test_the_price_is_read_in_ore(settings: dict[str, Any], pdu: dict[str, Any], ore: int) -> None:
    assert price(settings, **pdu) == ore


def test_an_unknown_tariff_code_is_refused() -> None:
    with pytest.raises(BadPriceError):
        price({"codes": {"T50": 5000}}, tlvs=tlv(0x1403, b"T60\0"))


@pytest.mark.parametrize("value", [b"50,00\0", b"-5\0", b"fifty\0", b"100001\0", b"9999999999\0"])
def test_what_is_no_price_or_too_much_is_refused(value: bytes) -> None:
    with pytest.raises(BadPriceError):
        price({}, tlvs=tlv(0x1403, value))
