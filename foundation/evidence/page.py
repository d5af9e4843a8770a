"""A case as one page that stands by itself: for a complaint handler to read, print and keep.

Everything that a person or an operator wrote is escaped; the page loads nothing and runs nothing.
"""

from __future__ import annotations

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
    """Date and time in Norway, to the millisecond, with the offset that was in force."""
    moment = oslo(at_us)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}{_offset(at_us)}"


def _offset(at_us: int) -> str:
    text = oslo(at_us).strftime("%z")
    return f" {text[:3]}:{text[3:]}"


def time_in_utc(at_us: int) -> str:
    """The same moment in UTC."""
    moment = utc(at_us)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"


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
    environment.filters.update(oslo=time_in_oslo, utc=time_in_utc, kr=kroner, day=day)
    return environment.get_template("page.html")
