"""Whether a charge may be made: ceilings, age, the stop switch, and what the payer must confirm.

Pure: sums, settings and the state of the switch are handed in. Amounts are øre, and a bound of 0 is none.
Days and months are the calendar's in Europe/Oslo.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto
from functools import lru_cache
from typing import Final

import msgspec

from foundation.clock import HOUR_US, OSLO, SECOND_US, oslo, to_us
from foundation.contract import Reason

MINUTE_US: Final = 60 * SECOND_US
_MOMENT_US: Final = 5 * SECOND_US
START_ROOM_US: Final = 60 * SECOND_US
"""What is kept of a charge's time for starting it after the payer's yes."""


class Period(msgspec.Struct, frozen=True):
    """The calendar day and month of a moment in Europe/Oslo, as UTC µs; each ends before the next."""

    day_us: int
    next_day_us: int
    month_us: int
    next_month_us: int


class Rules(msgspec.Struct, frozen=True):
    """What holds for the charges of one organisation. `own_…` bound what it alone charges a number."""

    per_charge_ore: int = 0
    per_number_day_ore: int = 0
    per_number_month_ore: int = 0
    own_number_day_ore: int = 0
    own_number_month_ore: int = 0
    per_organisation_day_ore: int = 0
    confirm_above_ore: int = 0
    confirm_within_us: int = 600 * SECOND_US
    minimum_age: int = 0
    unknown_age_may_pay: bool = True
    hold_while_paused: bool = False

    @property
    def counts_number(self) -> bool:
        """Whether a number's sums decide anything."""
        return bool(
            self.per_number_day_ore
            or self.per_number_month_ore
            or self.own_number_day_ore
            or self.own_number_month_ore
        )


class Spent(msgspec.Struct, frozen=True):
    """What is or may be billed already: of the number in all, of the number by this organisation, and by this
    organisation of everybody."""

    number_day_ore: int = 0
    number_month_ore: int = 0
    own_day_ore: int = 0
    own_month_ore: int = 0
    organisation_day_ore: int = 0


NOTHING_SPENT: Final = Spent()


class Verdict(Enum):
    """What is to be done with a charge that is asked for."""

    START = auto()
    ASK = auto()
    REFUSE = auto()


class Decision(msgspec.Struct, frozen=True):
    """A verdict; of a refusal the reason, and the ceiling that it would have passed."""

    verdict: Verdict
    reason: Reason = Reason.NONE
    ceiling_ore: int = 0


_START: Final = Decision(Verdict.START)
_ASK: Final = Decision(Verdict.ASK)


def decide(
    rules: Rules, amount_ore: int, spent: Spent, *, paused: bool = False, age: int | None = None
) -> Decision:
    """Whether a charge of this amount may be made now.

    `age` in years as the operator reports it; ``None`` where it does not. The first bound that is passed
    is the reason: what no later day changes before what tomorrow changes.
    """
    if paused and not rules.hold_while_paused:
        return Decision(Verdict.REFUSE, Reason.PAUSED)
    if age is None:
        if rules.minimum_age and not rules.unknown_age_may_pay:
            return Decision(Verdict.REFUSE, Reason.AGE_UNKNOWN)
    elif age < rules.minimum_age:
        return Decision(Verdict.REFUSE, Reason.TOO_YOUNG)
    for ceiling_ore, before_ore, reason in (
        (rules.per_charge_ore, 0, Reason.LIMIT_CHARGE),
        (rules.per_number_month_ore, spent.number_month_ore, Reason.LIMIT_MONTH),
        (rules.own_number_month_ore, spent.own_month_ore, Reason.LIMIT_MONTH),
        (rules.per_number_day_ore, spent.number_day_ore, Reason.LIMIT_DAY),
        (rules.own_number_day_ore, spent.own_day_ore, Reason.LIMIT_DAY),
        (rules.per_organisation_day_ore, spent.organisation_day_ore, Reason.LIMIT_ORGANISATION),
    ):
        if ceiling_ore and before_ore + amount_ore > ceiling_ore:
            return Decision(Verdict.REFUSE, reason, ceiling_ore)
    return _ASK if rules.confirm_above_ore and amount_ore > rules.confirm_above_ore else _START


def answer_until(rules: Rules, now_us: int, expires_us: int) -> int:
    """Until when a yes counts (UTC µs): whole minutes from now, as the payer is told, within its time and
    early enough to start before the charge expires. Not after now where no minute is left.
    """
    left_us = min(rules.confirm_within_us, expires_us - START_ROOM_US - now_us)
    # on its way from the text to here the first minute lost a moment
    return now_us + max(0, left_us + _MOMENT_US) // MINUTE_US * MINUTE_US


def period(at_us: int) -> Period:
    """The day and the month that a moment lies in."""
    # Norway's clocks change on whole UTC hours, so an hour lies within one Norwegian day
    return _period(at_us // HOUR_US)


@lru_cache(maxsize=64)
def _period(hour: int) -> Period:
    here = oslo(hour * HOUR_US).date()
    first = here.replace(day=1)
    moments = (here, here + timedelta(days=1), first, (first + timedelta(days=32)).replace(day=1))
    return Period(*(to_us(datetime(day.year, day.month, day.day, tzinfo=OSLO)) for day in moments))
