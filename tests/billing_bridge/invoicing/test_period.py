"""Periods and their days."""

from __future__ import annotations

from datetime import date

import pytest

from billing_bridge.invoicing.period import PeriodError, bounds, is_current


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
        ("2026-H1", date(2026, 1, 1), date(2026, 6, 30)),
        ("2026-H2", date(2026, 7, 1), date(2026, 12, 31)),
        ("2026-Q1", date(2026, 1, 1), date(2026, 3, 31)),
        ("2026-Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2026-08-15/2027-08-14", date(2026, 8, 15), date(2027, 8, 14)),
    ],
)
def test_a_period_has_a_first_and_a_last_day(period: str, first: date, last: date) -> None:
    assert bounds(period) == (first, last)
    assert is_current(period, first)
    assert is_current(period, last)
    assert not is_current(period, first.replace(year=first.year - 1))


@pytest.mark.parametrize(
    "period",
    ["", "26", "2026-13", "2026-00", "2026-Q5", "2026-H3", "year 2026", "2027-01-01/2026-01-01", "0000"],
)
def test_what_is_no_period_says_what_would_be(period: str) -> None:
    with pytest.raises(PeriodError, match="write it as 2026"):
        bounds(period)
    assert not is_current(period, date(2026, 11, 23))
