"""Phone numbers as operators and people write them, and as logs may show them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.numbers import NotANumber, from_operator, from_person, mask


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("4799999999", "+4799999999"),
        ("+4799999999", "+4799999999"),
        ("004799999999", "+4799999999"),
        ("99999999", "+4799999999"),
        ("22334455", "+4722334455"),
        ("46701234567", "+46701234567"),
        ("0046701234567", "+46701234567"),
        ("+46701234567", "+46701234567"),
        ("4512345678", "+4512345678"),
    ],
)
def test_an_operators_address_becomes_e164(address: str, number: str) -> None:
    assert from_operator(address) == number


@pytest.mark.parametrize(
    "address", ["", "2030", "02030", "Organisasjon", "+", "47 99999999", "4799999999x", "1" * 16]
)
def test_what_is_no_phone_number_is_none(address: str) -> None:
    assert from_operator(address) is None


@pytest.mark.parametrize(
    "text", ["99999999", "999 99 999", "+47 999 99 999", "0047 99999999", "(+47) 99-99-99-99", " 4799999999 "]
)
def test_a_person_may_write_a_norwegian_number_in_many_ways(text: str) -> None:
    assert from_person(text) == "+4799999999"


def test_a_foreign_number_needs_its_country_code() -> None:
    assert from_person("+46 70 123 45 67") == "+46701234567"


@pytest.mark.parametrize("text", ["", "abc", "12", "999999999999999999"])
def test_what_cannot_be_a_number_is_refused_and_masked(text: str) -> None:
    with pytest.raises(NotANumber, match=r"write it as \+47 and eight digits") as refused:
        from_person(text)
    assert len(text) <= 5 or text not in str(refused.value)


@pytest.mark.parametrize(
    ("number", "shown"), [("+4799999999", "+47******99"), ("99999", "*****"), ("", ""), ("123456", "123*56")]
)
def test_a_mask_shows_the_first_three_and_the_last_two(number: str, shown: str) -> None:
    assert mask(number) == shown


@given(st.text(alphabet="+0123456789", max_size=20))
def test_every_number_of_an_operator_is_e164_and_stays_so(address: str) -> None:
    number = from_operator(address)
    if number is not None:
        assert number[0] == "+"
        assert number[1:].isdecimal()
        assert 8 <= len(number) <= 16
        assert from_operator(number) == number
