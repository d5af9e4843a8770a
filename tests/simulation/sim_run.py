"""Plays one seed and lets the oracle look at what it came to."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from sim_oracle import look
from sim_plot import Plot, draw
from sim_time import Died
from sim_world import Finding, World


@dataclass
class Result:
    """What a run came to."""

    seed: int
    findings: list[Finding]
    faults: Counter[str]
    story: list[str]
    hash: str
    figures: Counter[str]


@contextlib.contextmanager
def _listening(world: World) -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(
        processors=[world.note], wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING)
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def run(
    seed: int,
    *,
    faults: bool = True,
    plot: Plot | None = None,
    make: Callable[[Plot, Path], World] = World,
) -> Result:
    """Play one seed and look at it; `make` builds the world."""
    folder = Path(tempfile.mkdtemp(prefix="sim-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        world = make(plot or draw(seed, faults=faults), folder)
        with _listening(world):
            try:
                world.play()
                figures = look(world)
            except Died:
                raise RuntimeError("a process died outside of itself") from None
        world.close()
        told = "\n".join([*world.story, *map(str, world.findings)])
        return Result(
            seed,
            world.findings,
            world.faults,
            world.story,
            hashlib.sha256(told.encode()).hexdigest(),
            figures,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
