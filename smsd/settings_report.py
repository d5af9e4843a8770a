"""What ``[operators.report]`` may say: how an operator's billing report, a CSV file, is to be read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator

from foundation.contract import Reason
from foundation.settings import Table
from foundation.settings_words import one_of, told


class ReportColumns(Table):
    """[operators.report.columns]: what the report's header calls each column; letter case aside."""

    message_id: str = "message_id"
    """The SMSC's id of the message; without this column rows are matched by number, amount and time."""
    number: str = "number"
    """The phone that was billed."""
    amount: str = "amount"
    """What it was billed; below zero it was given back."""
    at: str = "at"
    """When."""
    outcome: str = "outcome"
    """What became of it; without this column every row was charged."""
    short_code: str = "short_code"
    """The short code; without this column rows of all of them are compared."""


SAID = ("charged", "not_charged", "refunded")
"""What a row of a billing report may come to."""
_REPORT_WORDS = {
    **dict.fromkeys(("charged", "billed", "ok", "fakturert", "belastet"), "charged"),
    **dict.fromkeys(("not_charged", "not_billed", "not charged", "not billed", "failed"), "not_charged"),
    **dict.fromkeys(("refunded", "credited", "kreditert"), "refunded"),
}
_FULL_MOMENT = datetime(2026, 11, 23, 22, 0)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise told(f'"{name}" is no time zone', 'give one such as "Europe/Oslo" or "UTC"') from None
    return name


def _date_form(form: str) -> str:
    try:
        read = datetime.strptime(_FULL_MOMENT.strftime(form), form) if form else _FULL_MOMENT
    except ValueError:
        read = None
    if read is None or read.date() != _FULL_MOMENT.date():
        raise told(f'"{form}" does not tell a date', 'give a form such as "%d.%m.%Y %H:%M", or leave it out')
    return form


class ReportForm(Table):
    """[operators.report]: how the operator's billing report, a CSV file, is to be read."""

    columns: ReportColumns = ReportColumns()
    """The columns' names."""
    delimiter: Literal["auto", ",", ";", "|", "\t"] = "auto"
    """What stands between values; `auto`: what the header has most of."""
    encoding: Literal["auto", "utf-8", "utf-16", "latin-1", "cp1252"] = "auto"
    """`auto`: UTF-8 or UTF-16 by what the file says, else Windows-1252."""
    decimal: Literal[",", "."] = ","
    """What stands before the øre in an amount in kroner."""
    unit: Literal["ore", "kroner"] = "kroner"
    """What amounts count."""
    id_form: Literal["either", "response", "receipt"] = "either"
    """Whether ids are spelt as in submit_sm_resp or as in receipts (see `message_id`)."""
    outcomes: dict[Annotated[str, Field(min_length=1)], str] = Field(default_factory=_REPORT_WORDS.copy)
    """Outcome word, letter case aside → one of `SAID` or the reason why it was not charged."""
    date_format: Annotated[str, AfterValidator(_date_form)] = ""
    """As Python's strptime has it; empty: ISO 8601, such as 2026-11-30T18:05:00+01:00."""
    time_zone: Annotated[str, AfterValidator(_zone)] = "Europe/Oslo"
    """Where times without a zone of their own are meant."""

    @field_validator("outcomes")
    @classmethod
    def _known_words(cls, outcomes: dict[str, str]) -> dict[str, str]:
        known = (*SAID, *(reason.value for reason in Reason if reason.value))
        for word, outcome in outcomes.items():
            if outcome not in known:
                raise told(f'"{word}" leads to "{outcome}", which is no outcome', one_of(known, outcome))
        return outcomes
