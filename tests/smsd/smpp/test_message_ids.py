"""Ids in their two spellings: equal keys for one message, never for two."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsd.smpp.message_ids import same_number
from smsd.smpp.receipt import (
    IdForm,
    receipt_key,
    response_key,
)


@given(st.integers(0, 2**128), st.integers(0, 8), st.booleans())
def test_hex_in_the_response_and_decimal_in_the_receipt_meet(number: int, zeros: int, upper: bool) -> None:
    spelled = "0" * zeros + (f"{number:X}" if upper else f"{number:x}")
    assert response_key(spelled, IdForm.RESP_HEX) == receipt_key(str(number), IdForm.RESP_HEX)
    assert receipt_key(spelled, IdForm.RECEIPT_HEX) == response_key(str(number), IdForm.RECEIPT_HEX)
    assert response_key("0" * zeros + str(number), IdForm.DECIMAL) == receipt_key(str(number), IdForm.DECIMAL)
    assert response_key(spelled, IdForm.HEX) == receipt_key(f"{number:X}", IdForm.HEX)


@pytest.mark.parametrize(
    ("form", "response", "receipt"),
    [
        (IdForm.RESP_HEX, "4D2", "1234"),
        (IdForm.RESP_HEX, "0x4d2", "0001234"),
        (IdForm.RESP_HEX, "000004D2", "1234"),
        (IdForm.RESP_HEX, "FFFFFFFFFFFFFFFF", "18446744073709551615"),
        (IdForm.RECEIPT_HEX, "18446744073709551616", "10000000000000000"),
        (IdForm.RECEIPT_HEX, "1234", "4d2"),
        (IdForm.OPAQUE, "abc_DEF", "abc_DEF"),
        (IdForm.OPAQUE, "abc\0", " abc "),
        (IdForm.OPAQUE, "7D3E1F6C-8A4B-4C1D-9E2F-001122334455", "7d3e1f6c-8a4b-4c1d-9e2f-001122334455"),
        (IdForm.RESP_HEX, "7D3E1F6C-8A4B-4C1D-9E2F-001122334455", "7d3e1f6c-8a4b-4c1d-9e2f-001122334455"),
        (IdForm.RESP_HEX, "msg-17", "msg-17"),
    ],
)
def test_two_spellings_of_one_id_have_one_key(form: IdForm, response: str, receipt: str) -> None:
    assert response_key(response, form) == receipt_key(receipt, form)


@pytest.mark.parametrize(
    ("form", "response", "receipt"),
    [
        (IdForm.OPAQUE, "4D2", "1234"),
        (IdForm.OPAQUE, "0123", "123"),
        (IdForm.OPAQUE, "aBc", "abc"),
        (IdForm.OPAQUE, "abcd", "ABCD"),
        (IdForm.RESP_HEX, "1234", "1234"),
        (IdForm.RESP_HEX, "4D2", "4D2"),
        (IdForm.RECEIPT_HEX, "10", "10"),
        (IdForm.RESP_HEX, "msg-17", "MSG-17"),
        (IdForm.RESP_HEX, "9007199254740993", "9007199254740992"),
        (IdForm.DECIMAL, "1" * 65, "0" + "1" * 65),
        (IdForm.DECIMAL, "1_2", "12"),
        (IdForm.DECIMAL, "١٢", "12"),
        (IdForm.HEX, "+1A", "1A"),
    ],
)
def test_different_ids_keep_different_keys(form: IdForm, response: str, receipt: str) -> None:
    assert response_key(response, form) != receipt_key(receipt, form)


any_id = st.one_of(
    st.text(alphabet="0123456789abcdefABCDEFxX=-", max_size=80),
    st.text(alphabet="0123456789", min_size=60, max_size=80),
    st.uuids().map(str),
    st.uuids().map(lambda one: str(one).upper()),
)


def meaning(message_id: str, base: int) -> tuple[str, int | str]:
    """What an id is, by a road of its own: a number of the base, a UUID, or itself."""
    digits = message_id[2:] if base == 16 and message_id[:2] in ("0x", "0X") else message_id
    allowed = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    if base and 0 < len(digits) <= 64 and all(digit in allowed for digit in digits):
        return "number", int(digits, base)
    if len(message_id) == 36 and message_id.count("-") == 4:
        try:
            if str(uuid.UUID(message_id)) == message_id.lower():
                return "uuid", message_id.lower()
        except ValueError:
            pass
    return "itself", message_id


BASES = {
    IdForm.OPAQUE: (0, 0),
    IdForm.RESP_HEX: (16, 10),
    IdForm.RECEIPT_HEX: (10, 16),
    IdForm.DECIMAL: (10, 10),
    IdForm.HEX: (16, 16),
}


@given(any_id, any_id, st.sampled_from(IdForm))
def test_keys_are_equal_exactly_when_the_ids_mean_the_same(one: str, other: str, form: IdForm) -> None:
    response_base, receipt_base = BASES[form]
    responses = response_key(one, form), response_key(other, form)
    receipts = receipt_key(one, form), receipt_key(other, form)
    assert (responses[0] == responses[1]) == (meaning(one, response_base) == meaning(other, response_base))
    assert (receipts[0] == receipts[1]) == (meaning(one, receipt_base) == meaning(other, receipt_base))
    assert (responses[0] == receipts[1]) == (meaning(one, response_base) == meaning(other, receipt_base))


def test_a_long_id_of_digits_does_not_meet_the_number_another_spells() -> None:
    number = 10**70
    assert response_key(f"{number:x}", IdForm.RESP_HEX) == str(number)
    assert receipt_key(str(number), IdForm.RESP_HEX) != str(number)


def test_same_number_is_for_telling_spellings_from_contradictions() -> None:
    assert same_number("4D2", "1234")
    assert same_number("004d2", "4D2")
    assert not same_number("4D2", "1235")
    assert not same_number("a", "b")
