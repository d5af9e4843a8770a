"""Whole øre that add up."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_bridge.invoicing.rounding import half_up, shares

PARTS = st.lists(st.fractions(-10_000, 10_000, max_denominator=1000), max_size=12)


@given(PARTS)
def test_shares_add_up_to_the_rounded_sum_and_none_is_a_whole_one_away(parts: list[Fraction]) -> None:
    found = shares(parts)
    assert sum(found) == half_up(sum(parts, Fraction(0)))
    assert all(abs(share - part) < 1 for share, part in zip(found, parts, strict=True))


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["1/3", "1/3", "1/3"], [1, 0, 0]),
        (["0.5", "0.5"], [1, 0]),
        (["0.5"], [1]),
        (["-0.5"], [0]),
        (["1.2", "2.7", "-0.9"], [1, 3, -1]),
        ([], []),
    ],
)
def test_what_the_sum_lacks_goes_to_who_lost_most_and_then_to_the_first(
    parts: list[str], whole: list[int]
) -> None:
    assert shares([Fraction(part) for part in parts]) == whole
