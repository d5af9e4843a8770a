"""Moments as UTC microseconds, and as people in Norway read them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.clock import DAY_US, SECOND_US, SystemClock, oslo, oslo_year, to_us, utc


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_a_moment_survives_both_ways(moment: datetime) -> None:
    assert utc(to_us(moment)) == moment


@given(st.integers(-(10**15), 10**16))
def test_microseconds_survive_both_ways(at_us: int) -> None:
    assert to_us(utc(at_us)) == at_us


def test_the_time_zone_of_a_moment_is_heeded() -> None:
    moment = datetime(1970, 1, 2, 1, tzinfo=timezone(timedelta(hours=1)))
    assert to_us(moment) == DAY_US


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="give an aware datetime"):
        to_us(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("moment", "hour"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), 1),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), 3),
        (datetime(2026, 10, 25, 0, 59, tzinfo=UTC), 2),
        (datetime(2026, 10, 25, 1, 0, tzinfo=UTC), 2),
    ],
)
def test_oslo_keeps_summer_time(moment: datetime, hour: int) -> None:
    assert oslo(to_us(moment)).hour == hour


@pytest.mark.parametrize(
    ("moment", "year"),
    [
        (datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC), 2026),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), 2027),
    ],
)
def test_a_membership_year_begins_at_midnight_in_oslo(moment: datetime, year: int) -> None:
    assert oslo_year(to_us(moment)) == year


def test_the_systems_clock_is_the_systems() -> None:
    clock = SystemClock()
    assert abs(clock.now_us() - time.time() * SECOND_US) < 60 * SECOND_US
    assert clock.monotonic() <= clock.monotonic()
