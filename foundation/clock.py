"""Time, handed in. Nothing else in the project may read a clock of its own.

Wall time is UTC, as whole microseconds since 1970 (``_us``); people read Europe/Oslo.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

OSLO = ZoneInfo("Europe/Oslo")
SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US


class Clock(Protocol):
    """Where the time comes from."""

    def now_us(self) -> int:
        """Wall time, UTC, microseconds since 1970; may jump."""

    def monotonic(self) -> float:
        """Seconds that only go forward, for timers; no meaning across processes."""


class SystemClock:
    """The machine's own clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


def to_us(moment: datetime) -> int:
    """An aware moment as UTC microseconds."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; give an aware datetime")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND_US + delta.microseconds


def utc(at_us: int) -> datetime:
    """UTC microseconds as an aware datetime."""
    seconds, rest = divmod(at_us, SECOND_US)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def oslo(at_us: int) -> datetime:
    """UTC microseconds as people in Norway read them."""
    return utc(at_us).astimezone(OSLO)


def oslo_year(at_us: int) -> int:
    """The calendar year in Europe/Oslo: the year of a membership (DOMAIN section 1)."""
    return oslo(at_us).year
