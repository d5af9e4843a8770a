"""Receipts as the SMSC writes them, read by the gateway's own reader."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from simulators.smsc.identifiers import write_id
from simulators.smsc.receipts import STATE, ReceiptFacts, write_receipt
from simulators.smsc.settings import IdFormat, ReceiptForm, ReceiptState
from smsd.smpp.alphabet import Coding
from smsd.smpp.pdu import Tag, find
from smsd.smpp.receipt import is_receipt, read_receipt


def facts(**changes: Any) -> ReceiptFacts:
    usual: dict[str, Any] = {
        "message_id": "1234567890",
        "state": ReceiptState.UNDELIV,
        "stat": "",
        "err": "0021",
        "network_error": b"",
        "submitted": datetime(2026, 11, 22, 12, 30, 15),
        "done": datetime(2026, 11, 22, 12, 31),
        "date_digits": 10,
        "id_nul": True,
        "number": "4799999999",
        "short_code": "2030",
        "short_code_ton": 3,
        "short_code_npi": 0,
    }
    return ReceiptFacts(**{**usual, **changes})


@pytest.mark.parametrize("state", [state for state in ReceiptState if state is not ReceiptState.NONE])
@pytest.mark.parametrize("form", list(ReceiptForm))
def test_every_form_of_every_state_is_understood(form: ReceiptForm, state: ReceiptState) -> None:
    pdu = write_receipt(facts(state=state), form)

    receipt = read_receipt(pdu, Coding.GSM7)

    assert is_receipt(pdu.esm_class)
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == ("1234567890", STATE[state])
    assert (pdu.source_addr, pdu.destination_addr, pdu.dest_addr_ton) == ("4799999999", "2030", 3)


@pytest.mark.parametrize(
    ("digits", "date"), [(10, "2611221230"), (12, "261122123015"), (14, "20261122123015")]
)
def test_dates_have_the_digits_asked_for(digits: int, date: str) -> None:
    pdu = write_receipt(facts(date_digits=digits), ReceiptForm.STANDARD)

    assert f"submit date:{date} ".encode() in pdu.short_message


def test_an_operators_own_word_stands_in_place_of_the_state() -> None:
    pdu = write_receipt(facts(stat="ZEROBAL"), ReceiptForm.TEXT_ONLY)

    assert b"stat:ZEROBAL" in pdu.short_message
    assert pdu.tlvs == ()


def test_the_network_error_and_an_id_without_nul_travel_as_tlvs() -> None:
    pdu = write_receipt(facts(network_error=b"\x03\x00\x21", id_nul=False), ReceiptForm.STANDARD)

    assert find(pdu.tlvs, Tag.NETWORK_ERROR_CODE) == b"\x03\x00\x21"
    assert find(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID) == b"1234567890"


def test_ids_are_written_in_every_form_and_never_alike() -> None:
    assert write_id(255, IdFormat.DECIMAL) == "255"
    assert write_id(255, IdFormat.HEX) == "ff"
    assert write_id(255, IdFormat.HEX_UPPER) == "FF"
    assert write_id(255, IdFormat.PADDED) == "0" * 17 + "255"
    assert int(write_id(255, IdFormat.BIG)) > 2**63
    assert len({write_id(number, IdFormat.UUID) for number in range(1000)}) == 1000
    assert len(write_id(255, IdFormat.UUID)) == 36
