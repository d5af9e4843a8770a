"""What an invoice is for: a year, half-year, quarter, month, or two dates."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date

RIGHT = "2026, 2026-H1, 2026-Q1, 2026-01 or 2026-01-01/2026-06-30"
_PART = re.compile(r"([0-9]{4})(?:-(?:H([12])|Q([1-4])|(0[1-9]|1[0-2])))?\Z")


class PeriodError(ValueError):
    """The text names no period."""


def bounds(period: str) -> tuple[date, date]:
    """First and last day of a period.

    Raises:
        PeriodError: with what would be right.
    """
    match = _PART.match(period)
    if match:
        year = int(match[1])
        if year < 1900:
            raise PeriodError(f"write it as {RIGHT}")
        half, quarter, month = match[2], match[3], match[4]
        if half:
            return _months(year, int(half) * 6 - 5, 6)
        if quarter:
            return _months(year, int(quarter) * 3 - 2, 3)
        if month:
            return _months(year, int(month), 1)
        return _months(year, 1, 12)
    first, slash, last = period.partition("/")
    try:
        found = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise PeriodError(f"write it as {RIGHT}") from None
    if not slash or len(first) != 10 or len(last) != 10 or found[1] < found[0]:
        raise PeriodError(f"write it as {RIGHT}")
    return found


def is_current(period: str, day: date) -> bool:
    """Whether a day lies in the period; an unreadable period is never current."""
    if len(period) == 4:
        return period == f"{day.year:04d}"
    try:
        first, last = bounds(period)
    except PeriodError:
        return False
    return first <= day <= last


def _months(year: int, month: int, count: int) -> tuple[date, date]:
    end = month + count - 1
    return date(year, month, 1), date(year, end, monthrange(year, end)[1])
