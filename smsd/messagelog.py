"""Every SMS in and out with its fate, read for people: what `smsd dialog` shows. Reads only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from foundation.clock import oslo

_COLUMNS = (
    "id, conversation, direction, operator, short_code, number, org, text, segments, price_ore, purpose, "
    "fate, reason, at_us"
)
_ORE_PER_KR = 100
_JOINER = "\N{ZERO WIDTH JOINER}"


class Sms(msgspec.Struct, frozen=True):
    """One SMS; `at_us` UTC microseconds, `price_ore` what it costs its recipient."""

    id: str
    conversation: str
    direction: str
    operator: str
    short_code: str
    number: str
    org: str
    text: str
    segments: int
    price_ore: int
    purpose: str
    fate: str
    reason: str
    at_us: int


class Filter(msgspec.Struct, frozen=True):
    """Which SMS: by organisation, number, the oldest time, and the page (counted from 1)."""

    org: str = ""
    number: str = ""
    since_us: int = 0
    page: int = 1
    page_size: int = 50


def read(connection: sqlite3.Connection, which: Filter) -> Iterator[Sms]:
    """The newest page of SMS that match, oldest first within it."""
    wanted = ["at_us >= ?"]
    values: list[str | int] = [which.since_us]
    if which.org:
        # an MO without an organisation belongs to none; replies carry their own
        wanted.append("org = ?")
        values.append(which.org)
    if which.number:
        wanted.append("number = ?")
        values.append(which.number)
    # the columns and conditions are this module's own words; every value is a parameter
    query = (
        f"SELECT {_COLUMNS} FROM messages WHERE {' AND '.join(wanted)} "  # noqa: S608
        "ORDER BY id DESC LIMIT ? OFFSET ?"
    )
    rows = connection.execute(query, (*values, which.page_size, (which.page - 1) * which.page_size))
    for row in reversed(rows.fetchall()):
        yield Sms(*row)


def line(sms: Sms) -> str:
    """One SMS as a person reads it, in Norwegian time."""
    at = oslo(sms.at_us).strftime("%Y-%m-%d %H:%M:%S")
    ends = f"{sms.number} → {sms.short_code}" if sms.direction == "in" else f"{sms.short_code} → {sms.number}"
    price = f" [{sms.price_ore // _ORE_PER_KR} kr]" if sms.price_ore else ""
    reason = f" ({sms.reason})" if sms.reason else ""
    return f"{at}  {_tame(ends)}{price}  {sms.fate}{reason}  {_tame(sms.text)}"


def _tame(text: str) -> str:
    """What a phone wrote, on one line, unable to steer the terminal it is shown on."""
    return "".join(
        char if char.isprintable() or char == _JOINER else "\N{REPLACEMENT CHARACTER}"
        for char in " ".join(text.split())
    )
