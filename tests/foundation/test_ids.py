"""Ids: UUIDv7 that sort by the time they were made."""

from __future__ import annotations

import random
import uuid

from handoff import ManualClock
from hypothesis import given
from hypothesis import strategies as st

from foundation.clock import Clock, SystemClock
from foundation.ids import Ids, uuid7_time_us


def test_an_id_is_a_uuid_of_version_7_in_the_canonical_form() -> None:
    made = Ids(SystemClock()).new()
    parsed = uuid.UUID(made)
    assert str(parsed) == made
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122


def test_an_id_tells_when_it_was_made() -> None:
    clock = ManualClock()
    assert uuid7_time_us(Ids(clock).new()) == clock.now_us() // 1000 * 1000


def test_the_example_of_the_standard_is_read() -> None:
    # RFC 9562, appendix A.6: Tuesday, February 22, 2022 2:22:22.00 PM GMT-05:00
    assert uuid7_time_us("017f22e2-79b0-7cc3-98c4-dc0c0c07398f") == 1_645_557_742_000_000


@given(st.lists(st.integers(-5_000_000, 5_000_000), max_size=50), st.integers(0))
def test_ids_sort_as_they_were_made_whatever_the_clock_does(steps_us: list[int], seed: int) -> None:
    class Jumping(ManualClock):
        def jump(self, by_us: int) -> None:
            self._us += by_us

    clock = Jumping()
    ids = Ids(clock, random.Random(seed).getrandbits)
    made = [ids.new()]
    for step_us in steps_us:
        clock.jump(step_us)
        made.append(ids.new())
    assert made == sorted(set(made))


def test_more_ids_than_a_millisecond_has_places_for_still_sort() -> None:
    ids = Ids(ManualClock(), random.Random(1).getrandbits)
    made = [ids.new() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert all(uuid.UUID(one).version == 7 for one in made[::1000])


def test_ids_are_the_same_for_the_same_clock_and_bits() -> None:
    def ids(clock: Clock) -> list[str]:
        maker = Ids(clock, random.Random(5).getrandbits)
        return [maker.new() for _ in range(3)]

    assert ids(ManualClock()) == ids(ManualClock())


def test_ids_go_on_behind_one_of_an_earlier_start_though_the_clock_went_back() -> None:
    clock = ManualClock()
    before = Ids(clock)
    last = [before.new() for _ in range(3)][-1]
    clock.advance(-3600)
    again = Ids(clock)
    again.after(last)
    assert last < again.new() < again.new()
    again.after("00000000-0000-7000-8000-000000000000")
    assert again.new() > last
