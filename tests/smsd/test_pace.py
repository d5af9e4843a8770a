"""How fast an account and an organisation may send, and how an account comes back to speed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.clock import SECOND_US
from smsd.pace import OrganisationRates, Pace


def pace_of(rate: float = 100, pause_s: float = 1, recover_s: float = 10) -> Pace:
    return Pace(rate=rate, pause_s=pause_s, recover_s=recover_s)


def run_second(pace: Pace, start: float, wish: int = 1000) -> int:
    """Send all that is permitted for a second, in steps of a fiftieth; how much that was."""
    sent = 0
    for step in range(50):
        permits = min(wish - sent, pace.permits(start + step / 50))
        pace.spend(permits)
        sent += permits
    return sent


# rests and the way back -----------------------------------------------------------------------------------


def test_after_a_rest_it_goes_on_at_half_of_what_it_sent_before() -> None:
    pace = pace_of(rate=1000)
    run_second(pace, 100.0, wish=200)
    pace.pause(101.0)
    assert pace.rate(102.0) == pytest.approx(100, rel=0.1)


def test_speed_comes_back_in_even_steps_until_it_is_whole() -> None:
    pace = pace_of(rate=100, recover_s=10)
    run_second(pace, 100.0, wish=100)
    pace.pause(101.0)
    rates = [pace.rate(102.0 + second) for second in range(8)]
    steps = [after - before for before, after in pairwise(rates)]
    assert rates[0] == pytest.approx(50, abs=3)
    assert all(step == pytest.approx(10) for step in steps[:4])
    assert rates[-1] == 100
    assert pace.rate(1000.0) == 100


def test_a_rest_is_not_followed_by_a_burst() -> None:
    pace = pace_of(rate=100, pause_s=30)
    run_second(pace, 100.0, wish=100)
    pace.pause(101.0)
    assert pace.permits(131.0) <= 10
    assert run_second(pace, 131.0) < 70


def test_complaints_one_after_the_other_slow_it_further_but_never_to_nothing() -> None:
    pace, now = pace_of(rate=100), 100.0
    for _ in range(30):
        now += pace.pause(now)
    assert 1 <= pace.rate(now) <= 100 * 0.05 + 1
    assert pace.permits(now) >= 1


def test_rests_stay_long_while_old_answers_still_come_in() -> None:
    pace = pace_of(pause_s=1)
    pace.pause(100.0)
    pace.went_well(100.5)
    assert pace.pause(101.0) == 2
    pace.went_well(104.9)
    assert pace.pause(105.0) == 4


def test_rests_begin_small_again_when_it_has_gone_well_for_a_while() -> None:
    pace = pace_of(pause_s=1)
    pace.pause(100.0)
    pace.went_well(102.1)
    assert pace.pause(103.0) == 1


def test_a_first_rest_longer_than_a_minute_is_kept() -> None:
    pace = pace_of(pause_s=90)
    assert pace.pause(100.0) == 90
    assert pace.pause(190.0) == 90


def test_new_settings_hold_at_once() -> None:
    pace = pace_of(rate=100)
    pace.use(rate=20, pause_s=3, recover_s=10)
    assert pace.rate(100.0) == 20
    assert pace.permits(100.0) <= 20
    pace.use(rate=200, pause_s=3, recover_s=10)
    assert pace.rate(100.0) == 200


# congestion_state -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "part"), [(0, 1), (50, 1), (79, 1), (90, 0.75), (99, 0.75), (100, 0.5)])
def test_congestion_is_heeded_by_its_degree(level: int, part: float) -> None:
    pace = pace_of(rate=100)
    run_second(pace, 100.0, wish=100)
    pace.hint(level, 101.0)
    assert pace.rate(101.0) == pytest.approx(100 * part, rel=0.05)


def test_near_congestion_it_gets_no_faster() -> None:
    pace = pace_of(rate=100, recover_s=10)
    run_second(pace, 100.0, wish=100)
    pace.pause(101.0)
    before = pace.rate(103.0)
    pace.hint(85, 103.0)
    assert pace.rate(103.0) == pytest.approx(before)
    for second in range(104, 110):
        pace.hint(85, float(second))
    assert pace.rate(110.0) <= before + 10 * 7


def test_many_hints_of_one_second_count_once() -> None:
    pace = pace_of(rate=100)
    run_second(pace, 100.0, wish=100)
    for _ in range(50):
        pace.hint(100, 101.0)
    assert pace.rate(101.0) == pytest.approx(50, rel=0.05)


@given(
    st.lists(
        st.tuples(st.floats(0, 3), st.sampled_from(["send", "pause", "hint", "well"]), st.integers(0, 120)),
        max_size=60,
    ),
    st.integers(1, 200),
)
def test_whatever_happens_the_rate_stays_within_its_bounds_and_the_account_is_never_stuck(
    steps: list[tuple[float, str, int]], rate: int
) -> None:
    pace, now, sent = pace_of(rate=rate), 1000.0, 0
    for wait, what, number in steps:
        now += wait
        if what == "pause":
            pace.pause(now)
        elif what == "hint":
            pace.hint(number, now)
        elif what == "well":
            pace.went_well(now)
        else:
            spent = min(number, pace.permits(now))
            pace.spend(spent)
            sent += spent
        assert 0 < pace.rate(now) <= rate
    assert sent <= rate + (now - 1000.0) * rate + 1e-6
    for _ in range(100):
        now = max(now + 1e-6, pace.next_permit(now))
        if pace.permits(now):
            break
    assert pace.permits(now) >= 1


# organisations --------------------------------------------------------------------------------------------


def test_without_a_bound_nothing_is_limited() -> None:
    assert not OrganisationRates().limited


def test_an_organisation_has_a_rate_of_its_own() -> None:
    rates = OrganisationRates(5)
    rates.spend("ORG1", 5, 0)
    assert (rates.left("ORG1", 0), rates.left("ORG2", 0)) == (0, 5)
    assert rates.left("ORG1", SECOND_US // 5) == pytest.approx(1)
    assert rates.left("ORG1", 100 * SECOND_US) == 5


def test_the_time_of_the_next_is_told() -> None:
    rates = OrganisationRates(4)
    rates.spend("ORG1", 4, 0)
    when = rates.next_us("ORG1", 0)
    assert when == pytest.approx(SECOND_US / 4, abs=2)
    assert rates.left("ORG1", when) >= 1


def test_a_clock_set_back_gives_nothing_away() -> None:
    rates = OrganisationRates(5)
    rates.spend("ORG1", 5, 100 * SECOND_US)
    assert rates.left("ORG1", 50 * SECOND_US) == 0


def test_after_a_clock_was_set_back_an_organisation_goes_on_at_its_rate() -> None:
    rates = OrganisationRates(5)
    rates.spend("ORG1", 5, 3700 * SECOND_US)
    when = rates.next_us("ORG1", 100 * SECOND_US)
    assert when == pytest.approx(100.2 * SECOND_US, abs=2)
    assert rates.left("ORG1", when) >= 1
