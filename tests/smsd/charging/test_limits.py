"""Whether a charge may be made: each bound at its edge, their order, and the calendar of Europe/Oslo."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foundation.clock import DAY_US, HOUR_US, OSLO, SECOND_US, oslo, to_us
from foundation.contract import Reason
from smsd.charging.limits import (
    NOTHING_SPENT,
    START_ROOM_US,
    Decision,
    Period,
    Rules,
    Spent,
    Verdict,
    answer_until,
    decide,
    period,
)

START = Decision(Verdict.START)
ASK = Decision(Verdict.ASK)


def refused(reason: Reason, ceiling_ore: int = 0) -> Decision:
    return Decision(Verdict.REFUSE, reason, ceiling_ore)


# ceilings -------------------------------------------------------------------------------------------------


def test_without_rules_every_charge_starts() -> None:
    assert decide(Rules(), 10**12, Spent(1, 2, 3, 4, 5)) == START


@pytest.mark.parametrize(
    ("rules", "spent", "reason"),
    [
        (Rules(per_charge_ore=500), NOTHING_SPENT, Reason.LIMIT_CHARGE),
        (Rules(per_number_day_ore=1500), Spent(number_day_ore=1000), Reason.LIMIT_DAY),
        (Rules(own_number_day_ore=1500), Spent(own_day_ore=1000), Reason.LIMIT_DAY),
        (Rules(per_number_month_ore=1500), Spent(number_month_ore=1000), Reason.LIMIT_MONTH),
        (Rules(own_number_month_ore=1500), Spent(own_month_ore=1000), Reason.LIMIT_MONTH),
        (Rules(per_organisation_day_ore=1500), Spent(organisation_day_ore=1000), Reason.LIMIT_ORGANISATION),
    ],
)
def test_a_ceiling_may_be_reached_and_not_passed(rules: Rules, spent: Spent, reason: Reason) -> None:
    ceiling_ore = rules.per_charge_ore or 1500
    assert decide(rules, 500, spent) == START
    assert decide(rules, 501, spent) == refused(reason, ceiling_ore)


@pytest.mark.parametrize("name", Spent.__struct_fields__)
def test_a_sum_counts_against_its_own_ceiling_alone(name: str) -> None:
    ceilings = {
        "number_day_ore": "per_number_day_ore",
        "number_month_ore": "per_number_month_ore",
        "own_day_ore": "own_number_day_ore",
        "own_month_ore": "own_number_month_ore",
        "organisation_day_ore": "per_organisation_day_ore",
    }
    spent = Spent(**{name: 10_000})
    for key in ceilings.values():
        allowed = decide(Rules(**{key: 5_000}), 100, spent).verdict is Verdict.START
        assert allowed == (key != ceilings[name]), key


def test_what_waiting_cannot_change_is_told_before_what_tomorrow_changes() -> None:
    rules = Rules(
        per_charge_ore=100, per_number_day_ore=100, per_number_month_ore=100, per_organisation_day_ore=100
    )
    full = Spent(100, 100, 100, 100, 100)
    told = []
    for key in ("per_charge_ore", "per_number_month_ore", "per_number_day_ore", "per_organisation_day_ore"):
        told.append(decide(rules, 200, full).reason)
        rules = msgspec.structs.replace(rules, **{key: 0})
    assert told == [Reason.LIMIT_CHARGE, Reason.LIMIT_MONTH, Reason.LIMIT_DAY, Reason.LIMIT_ORGANISATION]
    assert decide(rules, 200, full) == START


# age, switch, yes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "unknown_may", "decision"),
    [
        (14, True, refused(Reason.TOO_YOUNG)),
        (15, True, START),
        (0, True, refused(Reason.TOO_YOUNG)),
        (None, True, START),
        (None, False, refused(Reason.AGE_UNKNOWN)),
        (15, False, START),
    ],
)
def test_an_age_is_held_against_the_minimum_where_it_is_known(
    age: int | None, unknown_may: bool, decision: Decision
) -> None:
    rules = Rules(minimum_age=15, unknown_age_may_pay=unknown_may)
    assert decide(rules, 100, NOTHING_SPENT, age=age) == decision


@pytest.mark.parametrize("age", [None, 0, 99])
def test_without_a_minimum_every_age_may_pay(age: int | None) -> None:
    assert decide(Rules(unknown_age_may_pay=False), 100, NOTHING_SPENT, age=age) == START


def test_the_stop_switch_goes_before_all_and_holds_only_where_it_is_told_to() -> None:
    rules = Rules(per_charge_ore=1, minimum_age=15)
    assert decide(rules, 100, NOTHING_SPENT, paused=True, age=3) == refused(Reason.PAUSED)
    holding = Rules(hold_while_paused=True)
    assert decide(holding, 100, NOTHING_SPENT, paused=True) == START


def test_only_above_the_amount_a_yes_is_asked_for_and_only_of_what_may_be_charged() -> None:
    rules = Rules(confirm_above_ore=50_000, per_charge_ore=60_000)
    assert decide(rules, 50_000, NOTHING_SPENT) == START
    assert decide(rules, 50_001, NOTHING_SPENT) == ASK
    assert decide(rules, 60_001, NOTHING_SPENT) == refused(Reason.LIMIT_CHARGE, 60_000)


def test_a_yes_counts_in_its_time_and_while_the_charge_can_still_start() -> None:
    rules = Rules(confirm_within_us=900 * SECOND_US)
    assert answer_until(rules, 1_000, 1_000 + 86_400 * SECOND_US) == 1_000 + 900 * SECOND_US
    assert answer_until(rules, 1_000, 1_000 + 600 * SECOND_US) == 1_000 + 600 * SECOND_US - START_ROOM_US


@pytest.mark.parametrize(
    ("left_s", "minutes"),
    [(600, 9), (596, 9), (594, 8), (179, 2), (120, 1), (115, 1), (114, 0), (0, 0), (-9, 0)],
)
def test_a_yes_has_whole_minutes(left_s: int, minutes: int) -> None:
    until_us = answer_until(Rules(), 1_000, 1_000 + left_s * SECOND_US)
    assert until_us == 1_000 + minutes * 60 * SECOND_US


# the calendar ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 22), 24), (date(2026, 12, 31), 24)],
)
def test_a_day_is_as_long_as_the_clocks_make_it(day: date, hours: int) -> None:
    noon = to_us(datetime(day.year, day.month, day.day, 12, tzinfo=OSLO))
    now = period(noon)
    assert now.next_day_us - now.day_us == hours * HOUR_US
    assert period(now.day_us - 1).next_day_us == now.day_us
    assert period(now.next_day_us - 1) == now
    assert period(now.next_day_us).day_us == now.next_day_us


def test_new_year_s_eve_ends_the_month_and_the_year_at_midnight_in_oslo() -> None:
    last = to_us(datetime(2026, 12, 31, 23, 59, 59, tzinfo=OSLO))
    assert oslo(period(last).next_month_us).isoformat() == "2027-01-01T00:00:00+01:00"
    assert period(last + SECOND_US).month_us == period(last).next_month_us


@given(at_us=st.integers(to_us(datetime(2020, 1, 1, tzinfo=OSLO)), to_us(datetime(2040, 1, 1, tzinfo=OSLO))))
@example(at_us=to_us(datetime(2026, 10, 25, 1, 30, tzinfo=OSLO)))
def test_a_moment_lies_in_its_own_day_and_month(at_us: int) -> None:
    now, here = period(at_us), oslo(at_us)
    assert now.day_us <= at_us < now.next_day_us
    assert now.month_us <= now.day_us
    assert now.next_day_us <= now.next_month_us
    assert oslo(now.day_us).replace(tzinfo=None) == datetime(here.year, here.month, here.day)
    following = here.date() + timedelta(days=1)
    assert oslo(now.next_day_us).replace(tzinfo=None) == datetime(
        following.year, following.month, following.day
    )
    assert (oslo(now.month_us).month, oslo(now.month_us).day) == (here.month, 1)
    assert (oslo(now.next_month_us).month, oslo(now.next_month_us).day) == (here.month % 12 + 1, 1)
    assert isinstance(now, Period)
    assert 23 * HOUR_US <= now.next_day_us - now.day_us <= DAY_US + HOUR_US
