"""A disk that fails, a store that is locked: the gateway stops, says so, recovers, and the books agree."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from frail_disk import FrailDisk, Unavailable
from kill_trial import Figures, Trial, registers
from programs import leave_out
from trial_verdict import Books, compare
from trial_world import Program, World, free_port, until

SUPPORT = Path(__file__).parents[1] / "support"


class Faulty:
    """A gateway under load whose disk can be troubled, and what it says of itself."""

    def __init__(self, folder: Path) -> None:
        self.listen = free_port()
        self.world = World(
            folder, carrier="local", warm=False, tables=f'[metrics]\nlisten = "127.0.0.1:{self.listen}"'
        )
        self.figures = Figures("disk", 1)
        self.trial = Trial(self.world, self.figures, 2, 60.0)

    def start(self) -> None:
        world = self.world
        world.import_registers(*registers(2))
        world.smsc.start()
        until(world.phones.listens, "the simulator to listen")
        world.smsd.start()
        until(lambda: world.phones.binds == 1, "the gateway to bind")

    def page(self, name: str) -> tuple[int, str]:
        with contextlib.ExitStack() as stack:
            try:
                answer: Any = urllib.request.urlopen(f"http://127.0.0.1:{self.listen}/{name}", timeout=10)
            except urllib.error.HTTPError as error:
                answer = error
            stack.callback(answer.close)
            return answer.status, answer.read().decode()

    def failures(self) -> int:
        return self.counted("smsd_store_failures_total")

    def written(self) -> int:
        """submit_sm that the gateway wrote."""
        return self.counted("smsd_bind_submits_total")

    def counted(self, name: str) -> int:
        found = re.findall(rf"^{name}(?:{{.*}})? (\d+)", self.page("metrics")[1], re.M)
        assert found
        return sum(map(int, found))

    def received(self) -> int:
        """submit_sm that the SMSC read."""
        return int(self.world.phones.get("/healthz")["submitted"])

    def stands_still(self, cause: str) -> None:
        """While it cannot commit: health says so and why, nothing more is sent, nothing acknowledged."""
        until(lambda: self.failures() > 0, "a failed commit")
        for name in ("healthz", "readyz"):
            status, body = self.page(name)
            part = json.loads(body)["parts"]["store"]
            assert status == 503
            assert part["ok"] is False
            assert cause in part["detail"]
            assert "nothing is sent or acknowledged" in part["detail"]
        before, failures = self.written(), self.failures()
        until(lambda: self.received() == before, "the SMSC to read what was on its way")
        until(lambda: self.world.phones.unanswered() > 0, "a text that is not acknowledged")
        unanswered = self.world.phones.unanswered()
        until(lambda: self.failures() > failures, "another failed commit")
        assert self.written() == self.received() == before
        assert self.world.phones.unanswered() >= unanswered
        self.world.smsd.check()

    def recovers(self) -> None:
        """By itself; then everybody's books agree."""
        until(lambda: self.page("healthz")[0] == 200, "the gateway to commit again")
        self.trial.settle()
        compare(Books.read(self.world), self.figures)
        assert self.figures.differences == []
        assert self.figures.charged > 10
        said = [json.loads(line)["event"] for line in self.world.smsd.log.read_text().splitlines()]
        assert said.count("store.failed") == said.count("store.recovered") >= 1


@pytest.fixture(name="faulty")
def _faulty(tmp_path: Path) -> Iterator[Faulty]:
    faulty = Faulty(tmp_path)
    try:
        yield faulty
    finally:
        faulty.world.end()


def under_way(faulty: Faulty) -> Callable[[], bool]:
    """Whether the wave has come far enough for charges to be under way."""
    return lambda: bool(faulty.world.phones.ledger())


def test_a_failing_fsync_stops_everything_until_the_disk_works_again(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        FrailDisk.reachable()
    except Unavailable as error:
        leave_out(str(error))
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    world, trouble = faulty.world, faulty.world.folder / "trouble"
    plain = world.smsd
    world.smsd = Program("frail_gateway", [str(trouble), *plain.args], plain.log, warm=False)
    world.programs.append(world.smsd)
    faulty.start()
    faulty.trial.text(0)
    until(under_way(faulty), "a charge to be billed")
    trouble.touch()
    faulty.trial.text(1)
    faulty.stands_still("disk I/O error")
    trouble.unlink()
    faulty.recovers()


def test_a_store_locked_for_long_stops_everything_until_it_is_let_go(faulty: Faulty) -> None:
    faulty.start()
    faulty.trial.text(0)
    until(under_way(faulty), "a charge to be billed")
    with contextlib.closing(sqlite3.connect(faulty.world.store, isolation_level=None, timeout=30)) as another:
        another.execute("BEGIN IMMEDIATE")
        faulty.trial.text(1)
        faulty.stands_still("database is locked")
        another.execute("ROLLBACK")
    faulty.recovers()
