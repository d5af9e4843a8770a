"""A thousand seeds in which nothing may be charged twice or lost; `make simulate` runs as many as wanted."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator

import pytest
from sim_plot import _KINDS
from sim_run import Result, run

SEEDS = 1000
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


def test_in_a_kind_world_everything_ends_well_and_is_decided_without_a_report() -> None:
    results = [run(seed, faults=False) for seed in range(40)]
    _fail(results)
    figures = sum((result.figures for result in results), Counter[str]())
    assert figures["charge charged"] > 10
    assert figures["reported"] == 0
    assert figures["crashes"] == 0


def test_a_seed_replays_exactly() -> None:
    for seed in (3, 17, 42, 77):
        once, again = run(seed), run(seed)
        assert again.story == once.story
        assert again.hash == once.hash


def test_every_kind_of_fault_fires() -> None:
    fired: Counter[str] = Counter()
    for seed in range(5000, 5300):
        fired.update(run(seed).faults)
    missing = [kind for kind in (*_KINDS, *_OTHERS) if not fired[kind]]
    assert not missing


_OTHERS = (
    "crash: before commit",
    "crash: after commit",
    "crash: before write",
    "crash: after write",
    "crash: before offer",
    "crash: after offer",
    "crash: between two steps",
    "receipt before the response",
    "receipt twice",
    "receipt never",
    "receipt late",
    "contradictory receipt",
    "prepaid refusal",
    "operator forgets a message",
    "operator: throttle",
    "operator: swallow",
    "operator: unclear",
    "operator: nack",
    "operator: never answers",
    "operator: answers late",
    "MO sent again",
    "commit fails",
    "hand-off lost",
    "hand-off repeated",
)
