"""Cuts the power of the simulated world's machines, whose disks forget what was not synced.

Run on its own: ``python tests/system/power_trial.py --seeds 200``; exit status 1 where anything acknowledged
is gone, a charge was made twice, or a database is damaged. The simulation's operator is the judge.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / "support"), str(_TESTS / "simulation")]

from frail_disk import FrailDisk  # noqa: E402 - the folders are known from here on
from sim_plot import Plot, draw  # noqa: E402
from sim_process import Process  # noqa: E402
from sim_run import Result, run  # noqa: E402
from sim_world import Finding, World  # noqa: E402

from foundation import database, ownership  # noqa: E402

IN_A_COMMIT = "crash: in the middle of a commit"
CUT, FAILED = "power cut", "fsync fails"
KINDS = (IN_A_COMMIT, CUT, FAILED)
_ONE_MACHINE_EACH = "another gateway takes over"
"""Two gateways on one store would share the machine whose power is cut."""


class PoweredProcess(Process):
    """A process on a machine of its own: where it dies, the machine does, and its disk forgets."""

    world: PoweredWorld

    @property
    def _files(self) -> list[Path]:
        names = ["gateway.db", "bridge.db"] if self.world.together else [f"{self.name}.db"]
        return [self.world.folder / name for name in names]

    def die(self, where: str) -> None:
        if self.alive and not self.leaving:
            self.world.cut(self._files)
        super().die(where)

    def _reborn(self) -> None:
        for file in self._files:
            with contextlib.closing(sqlite3.connect(file)) as connection:
                try:
                    found = connection.execute("PRAGMA integrity_check").fetchall()
                except sqlite3.DatabaseError as error:
                    found = [(str(error),)]
                if found != [("ok",)]:
                    # it stays dead: there is nothing to live on
                    self.world.find("disk", f"{file.name} is damaged: {found[0][0]}")
                    raise sqlite3.DatabaseError(f"{file.name} is damaged")
        super()._reborn()

    def _commit(self, job: partial[None]) -> None:
        world, disk = self.world, self.world.disk
        if not self.leaving and not world.calm:
            world.provoke()
        super()._commit(job)
        disk.before_change = disk.sync_fails = None
        if self.alive and not self.leaving and any(map(disk.power_is_out, self._files)):
            self.die(IN_A_COMMIT.removeprefix("crash: "))


class PoweredWorld(World):
    """The simulated world on a frail disk."""

    make_process = PoweredProcess

    def __init__(self, plot: Plot, folder: Path, disk: FrailDisk) -> None:
        self.disk = disk
        disk.watch(folder)
        super().__init__(plot, folder)
        self._power = random.Random(f"power {plot.seed}")
        disk.rng = self._power

    def fired(self, kind: str) -> None:
        if kind in KINDS:
            self.faults[kind] += 1
        else:
            super().fired(kind)

    def provoke(self) -> None:
        """Perhaps something happens to the disk in the commit that comes."""
        draw = self._power.random()
        if draw < 0.06:
            # a commit has few writes; a checkpoint, which some commits end with, has many
            left = self._power.choice((1, 2, 3, self._power.randint(1, 12), self._power.randint(5, 60)))

            def goes(_path: Path) -> bool:
                nonlocal left
                left -= 1
                return left == 0

            self.disk.before_change = goes
        elif draw < 0.09:
            failing = self._power.choice((1, 1, 2, 3))

            def fails(_path: Path) -> bool:
                nonlocal failing
                failing -= 1
                if failing >= 0:
                    self.fired(FAILED)
                return failing >= 0

            self.disk.sync_fails = fails

    def cut(self, files: list[Path]) -> None:
        """The power goes."""
        self.fired(CUT)
        for file in files:
            self.disk.cut(file)
            reader = self._readers.pop(file.name, None)
            if reader is not None:
                reader.close()

    def close(self) -> None:
        super().close()
        self.disk.forget(self.folder)


def _plot(seed: int) -> Plot:
    """A seed's plot with more deaths, each of them the machine's."""
    plot, rng = draw(seed), random.Random(f"deaths {seed}")
    plot.dies_silently = True
    plot.faults = [fault for fault in plot.faults if fault.kind != _ONE_MACHINE_EACH]
    for name in ("gateway", "bridge"):
        places = {rng.randint(3, 150) for _ in range(rng.choice((1, 2, 3)))}
        plot.die_at[name] = plot.die_at.get(name, set()) | places
    plot.rebirth_s = min(plot.rebirth_s, 3.0)
    return plot


@contextlib.contextmanager
def pragmas(*more: str) -> Iterator[None]:
    """Have the programs open their stores with these settings on top of their own."""
    real: Callable[..., sqlite3.Connection] = database.connect_sqlite

    def connect(*given: Any, **named: Any) -> sqlite3.Connection:
        connection = real(*given, **named)
        for each in more:
            connection.execute(f"PRAGMA {each}")
        return connection

    with (
        patch.object(database, "connect_sqlite", connect),
        patch.object(ownership, "connect_sqlite", connect),
    ):
        yield


@contextlib.contextmanager
def frail(*more: str) -> Iterator[FrailDisk]:
    """A frail disk, with checkpoints so often that cuts fall into them too."""
    disk = FrailDisk(random.Random(0))
    try:
        with pragmas("wal_autocheckpoint=25", *more):
            yield disk
    finally:
        disk.remove()


def play(seed: int, disk: FrailDisk) -> Result:
    """One seed on this disk."""
    try:
        return run(seed, plot=_plot(seed), make=lambda plot, folder: PoweredWorld(plot, folder, disk))
    except sqlite3.DatabaseError as error:
        # so damaged that not even the look at the end can read it
        return Result(seed, [Finding("disk", str(error))], Counter(), [], "", Counter())


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--pragma", action="append", default=[], help="such as synchronous=NORMAL")
    given = parser.parse_args()
    started, faults, failed = time.monotonic(), Counter[str](), 0
    with frail(*given.pragma) as disk:
        for seed in range(given.first, given.first + given.seeds):
            result = play(seed, disk)
            faults.update(result.faults)
            failed += bool(result.findings)
            for finding in result.findings[:3]:
                print(f"seed {seed}: {finding}")
        print(
            f"{given.seeds} seeds in {time.monotonic() - started:.0f} s, {failed} with findings, "
            f"{faults[CUT]} power cuts, {faults[IN_A_COMMIT]} of them in the "
            f"middle of a commit; {faults[FAILED]} failed syncs, {disk.syncs} others"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
