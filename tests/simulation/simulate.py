"""Runs many seeds of the simulated world, on every core, and tells what went wrong in which.

    python tests/simulation/simulate.py --seeds 100000
    python tests/simulation/simulate.py --seed 4711 [--sabotage NAME]
    python tests/simulation/simulate.py --sabotages

A seed that finds something is told with its story and how to repeat it; the program then ends with 1.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import multiprocessing
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sabotages import SABOTAGES
from sim_kinds import GROUPS, too_rare
from sim_run import run

_CHUNK = 20


@dataclass
class Tally:
    """What a number of runs came to. `failed` holds the seed and what was found."""

    runs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[int, list[str]]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """And these."""
        self.runs += other.runs
        self.faults.update(other.faults)
        self.figures.update(other.figures)
        self.failed += other.failed


def play(seeds: range) -> Tally:
    """Play these seeds."""
    tally = Tally()
    for seed in seeds:
        tally.runs += 1
        try:
            result = run(seed)
        except Exception:  # noqa: BLE001 - told with its seed
            tally.failed.append((seed, traceback.format_exc().splitlines()[-3:]))
            continue
        tally.faults.update(result.faults)
        tally.figures.update(result.figures)
        if result.findings:
            tally.failed.append((seed, [str(finding) for finding in result.findings]))
    return tally


@contextlib.contextmanager
def _sabotaged(name: str | None) -> Iterator[None]:
    if name is None:
        yield
        return
    with SABOTAGES[name].applied():
        yield


def _quietly() -> None:
    # cycles of one run are garbage at its end; looking for them all the time costs a fifth of the run
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def many(first: int, seeds: int, jobs: int, most_failures: int) -> Tally:
    """Play so many seeds on so many processes, with a progress bar."""
    chunks = [range(at, min(at + _CHUNK, first + seeds)) for at in range(first, first + seeds, _CHUNK)]
    tally = Tally()
    console = Console(stderr=True)
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with (
        Progress(*columns, console=console) as progress,
        multiprocessing.get_context("fork").Pool(jobs, initializer=_quietly) as pool,
    ):
        task = progress.add_task("seeds", total=seeds)
        for part in pool.imap_unordered(play, chunks):
            tally.add(part)
            progress.update(task, advance=part.runs, description=f"seeds, {len(tally.failed)} failed")
            if len(tally.failed) >= most_failures:
                pool.terminate()
                break
    return tally


def found_at(name: str, most: int = 10_000) -> tuple[str, int, str]:
    """Which seed, counted from 1, is the first to find a sabotage, and what it finds; 0 for none."""
    with SABOTAGES[name].applied():
        for seed in range(most):
            found = run(seed).findings
            if found:
                return name, seed + 1, str(found[0])
    return name, 0, ""


def _sabotages(jobs: int, console: Console) -> int:
    """How soon each sabotage is found."""
    hidden = 0
    with multiprocessing.get_context("fork").Pool(jobs, initializer=_quietly) as pool:
        for name, seeds, found in pool.imap(found_at, SABOTAGES):
            hidden += not seeds
            console.print(f"| {SABOTAGES[name].what} | {seeds or 'never'} |", markup=False, soft_wrap=True)
            console.print(f"    {name}: {found}", markup=False, style="dim", soft_wrap=True)
    return 1 if hidden else 0


def _tell(tally: Tally, seconds: float, console: Console) -> None:
    fired = Table("times", "faults that fired", box=None)
    for group, kinds in GROUPS.items():
        fired.add_row("", f"[bold]{group}")
        for kind in kinds:
            fired.add_row(f"{tally.faults[kind]:,}", kind)
    figures = Table("times", "what happened", box=None)
    for name, count in tally.figures.most_common():
        figures.add_row(f"{count:,}", name)
    console.print(fired, figures)
    console.print(f"{tally.runs:,} seeds in {seconds:.0f} s, {tally.runs / seconds:.1f} a second")
    for kind, (count, floor) in too_rare(tally.faults, tally.runs).items():
        console.print(f"[red]{kind}: fired {count} times; so many runs ask for {floor}")
    for seed, found in sorted(tally.failed)[:20]:
        console.print(f"seed {seed}: {found[0]}", markup=False, highlight=False)
        console.print(f"    make simulate SEED={seed}")


def main() -> int:
    """The program; 1 where an invariant was broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=2000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, default=None, help="this one alone, with its whole story")
    parser.add_argument(
        "--sabotage", choices=sorted(SABOTAGES), default=None, help="with this harm done to it"
    )
    parser.add_argument("--sabotages", action="store_true", help="how soon each harm is found")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--most-failures", type=int, default=20, help="stop after so many failed seeds")
    given = parser.parse_args()
    console = Console()
    if given.sabotages:
        return _sabotages(given.jobs, console)
    with _sabotaged(given.sabotage):
        if given.seed is not None:
            result = run(given.seed)
            console.print("\n".join(result.story), markup=False, highlight=False, soft_wrap=True)
            for finding in result.findings:
                console.print(f"FOUND {finding}", markup=False, style="red")
            console.print(f"{len(result.findings)} findings, story {result.hash[:16]}")
            return 1 if result.findings else 0
        started = time.monotonic()
        tally = many(given.first, given.seeds, given.jobs, given.most_failures)
        _tell(tally, time.monotonic() - started, console)
        if not tally.failed:
            rare = too_rare(tally.faults, tally.runs)
            console.print(
                f"[red]No invariant was broken, but {len(rare)} kinds of fault fired too seldom."
                if rare
                else "[green]No invariant was broken, and every kind of fault fired."
            )
            return 1 if rare else 0
        seed = min(seed for seed, _ in tally.failed)
        console.print("\n".join(run(seed).story), markup=False, highlight=False, soft_wrap=True)
    console.print(f"[red]{len(tally.failed)} seeds failed; the story above is that of seed {seed}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
