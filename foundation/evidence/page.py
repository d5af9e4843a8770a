"""A case as one page that stands by itself: for a complaint handler to read, print and keep.

Everything that a person or an operator wrote is escaped; the page loads nothing and runs nothing.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache, partial
from typing import Final, cast, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from foundation.clock import oslo, utc
from foundation.evidence.case import Case
from foundation.evidence.labels import LABELS
from foundation.evidence.words import Language, say

LANGUAGES: Final[tuple[str, ...]] = get_args(Language)
_ORE_PER_KR = 100
_GOOD = frozenset({"charged"})
_OPEN = frozenset({"intended", "sending", "accepted", "in_doubt", "pending", "refund_due"})


def render(case: Case, language: str = "en") -> str:
    """The page as HTML, in one of `LANGUAGES`; an unknown one is English."""
    chosen = cast("Language", language if language in LANGUAGES else "en")
    return _template().render(
        case=case,
        language=chosen,
        t=LABELS[chosen],
        say=partial(say, language=chosen),
        premium=next((sms for sms in case.sms if sms.purpose == "premium" and sms.price_ore), None),
        mood="good" if case.state in _GOOD else "open" if case.state in _OPEN else "bad",
    )


def day(at_us: int) -> str:
    """The date in Norway."""
    return oslo(at_us).strftime("%Y-%m-%d")


def time_in_oslo(at_us: int) -> str:
    """Date and time in Norway, to the millisecond."""
    return _shown(oslo(at_us))


def time_in_utc(at_us: int) -> str:
    """The same moment in UTC."""
    return f"{_shown(utc(at_us))} UTC"


def time_below(at_us: int) -> str:
    """The same moment in UTC, to stand below the Norwegian one: with the date where that is another."""
    if oslo(at_us).date() != utc(at_us).date():
        return time_in_utc(at_us)
    return f"{_shown(utc(at_us))[11:]} UTC"


def iso(at_us: int) -> str:
    """The same moment for machines, RFC 3339."""
    return utc(at_us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"


def kroner(amount_ore: int) -> str:
    """``50,00``; the sign is a real minus."""
    whole, rest = divmod(abs(amount_ore), _ORE_PER_KR)
    sign = "\N{MINUS SIGN}" if amount_ore < 0 else ""
    return f"{sign}{whole},{rest:02d}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("foundation.evidence", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        oslo=time_in_oslo, utc=time_in_utc, utc_below=time_below, iso=iso, kr=kroner, day=day
    )
    return environment.get_template("page.html")
