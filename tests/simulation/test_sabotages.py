"""What the simulation is worth: every harm done to the programs on purpose is found, and soon."""

from __future__ import annotations

import pytest
from sabotages import SABOTAGES
from sim_run import run

_BOUND = 10_000
"""The most seeds a harm may stay hidden; see docs/simulation.md for how many each takes."""


def test_there_are_enough_of_them() -> None:
    assert len(SABOTAGES) >= 40


@pytest.mark.parametrize("name", list(SABOTAGES))
def test_the_simulation_finds_it(name: str) -> None:
    with SABOTAGES[name].applied():
        for seed in range(SABOTAGES[name].hidden, _BOUND):
            if run(seed).findings:
                return
    pytest.fail(f"{name}: {SABOTAGES[name].what}: not found in {_BOUND} seeds", pytrace=False)
