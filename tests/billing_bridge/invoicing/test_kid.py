"""KID, account and organisation numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_bridge.invoicing.kid import (
    KidError,
    is_account,
    is_kid,
    is_organisation_number,
    kid_prefix,
    make_kid,
    mod10,
)


@pytest.mark.parametrize(
    ("digits", "check"), [("1234567", 4), ("0", 0), ("1", 8), ("7992739871", 3), ("234567", 6)]
)
def test_mod10_is_luhns(digits: str, check: int) -> None:
    assert mod10(digits) == check


def test_a_kid_is_series_digits_filled_number_and_check_digit() -> None:
    assert make_kid("A12", 345, 10) == "12000034" + "5" + str(mod10("120000345"))
    assert kid_prefix("FAKTURA-2026") == "2026"
    assert make_kid("", 1, 2) == "18"


@pytest.mark.parametrize(
    ("series", "number", "length"), [("1", 1000, 4), ("", 1, 1), ("", 1, 26), ("12345", 1, 6)]
)
def test_a_number_that_does_not_fit_is_refused(series: str, number: int, length: int) -> None:
    with pytest.raises(KidError, match="kid_length"):
        make_kid(series, number, length)


@given(st.integers(1, 10**9), st.integers(13, 25), st.sampled_from(["", "1", "A2", "77"]))
def test_every_kid_checks_and_no_single_wrong_digit_does(number: int, length: int, series: str) -> None:
    kid = make_kid(series, number, length)
    assert len(kid) == length
    assert is_kid(kid)
    for place in range(length):
        wrong = kid[:place] + str((int(kid[place]) + 1) % 10) + kid[place + 1 :]
        assert not is_kid(wrong)


@given(st.integers(1, 10**8), st.integers(1, 10**8))
def test_two_numbers_never_share_a_kid(one: int, other: int) -> None:
    assert (make_kid("1", one, 12) == make_kid("1", other, 12)) == (one == other)


@pytest.mark.parametrize("text", ["", "1", "12a4", "1" * 26, "１８"])
def test_what_is_no_kid(text: str) -> None:
    assert not is_kid(text)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("12345678903", True),
        ("1234.56.78903", True),
        ("12345678904", False),
        ("1234567890", False),
        ("", False),
    ],
)
def test_account_numbers_have_eleven_digits_and_mod11(text: str, right: bool) -> None:
    assert is_account(text) is right


@pytest.mark.parametrize(
    ("text", "right"), [("974760673", True), ("974 760 673", True), ("974760674", False), ("97476067", False)]
)
def test_organisation_numbers_have_nine_digits_and_mod11(text: str, right: bool) -> None:
    assert is_organisation_number(text) is right
