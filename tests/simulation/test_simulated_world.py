"""A thousand seeds in which nothing may be charged twice or lost; `make simulate` runs as many as wanted."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator

import pytest
from sim_kinds import KINDS, known, too_rare
from sim_plot import draw
from sim_run import Result, run

SEEDS = 1000
TAKE_OVER = "another gateway takes over"
_CHUNK = 25


@pytest.fixture(autouse=True)
def _rare_collections() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    yield
    gc.set_threshold(*before)
    gc.collect()


def _fail(results: list[Result]) -> None:
    wrong = [result for result in results if result.findings]
    if not wrong:
        return
    first = wrong[0]
    told = "\n".join(
        [
            *first.story,
            *(f"FOUND {finding}" for finding in first.findings),
            f"repeat with: make simulate SEED={first.seed}",
            f"seeds that failed: {[result.seed for result in wrong]}",
        ]
    )
    pytest.fail(told, pytrace=False)


@pytest.mark.parametrize("first", range(0, SEEDS, _CHUNK))
def test_no_invariant_is_broken(first: int) -> None:
    _fail([run(seed) for seed in range(first, first + _CHUNK)])


def test_every_kind_of_fault_fires_within_a_thousand_seeds() -> None:
    fired: Counter[str] = Counter()
    for seed in range(5000, 5000 + SEEDS):
        result = run(seed)
        _fail([result])
        fired.update(result.faults)
        if all(fired[kind] for kind in KINDS):
            return
    assert too_rare(fired, SEEDS) == {}


def test_in_a_kind_world_everything_ends_well_and_is_decided_without_a_report() -> None:
    results = [run(seed, faults=False) for seed in range(40)]
    _fail(results)
    figures = sum((result.figures for result in results), Counter[str]())
    assert figures["charge charged"] > 10
    assert not figures["report: resolved_charged"] + figures["report: resolved_not_charged"]
    assert figures["crashes"] == 0


def test_a_seed_replays_exactly() -> None:
    taken_over = (
        seed for seed in range(SEEDS) if any(fault.kind == TAKE_OVER for fault in draw(seed).faults)
    )
    for seed in (3, 17, 42, next(taken_over)):
        once, again = run(seed), run(seed)
        assert again.story == once.story
        assert again.hash == once.hash


@pytest.mark.parametrize("seed", [1190, 1532])
def test_a_seed_replays_exactly_wherever_things_lie_in_memory(seed: int) -> None:
    """In these a program ends by itself: what it had under way is cancelled in the order of a set."""
    kept, stories = [], set()
    for more in range(8):
        kept.append([object() for _ in range(977 * more)])
        stories.add(run(seed).hash)
    assert len(stories) == 1


def test_a_kind_of_fault_that_nobody_listed_is_refused() -> None:
    with pytest.raises(AssertionError, match="no kind of fault"):
        known("the moon falls down")


def test_kinds_that_fire_too_seldom_are_told() -> None:
    fired = Counter(dict.fromkeys(KINDS, 100))
    assert too_rare(fired, 100_000) == {}
    fired["receipt twice"] = 99
    assert too_rare(fired, 100_000) == {"receipt twice": (99, 100)}
    assert too_rare(Counter(), 999) == {}
