"""One program at a time runs on a store, and one that was taken over from does nothing any more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation import ownership
from foundation.ownership import (
    EXIT_NOT_NOW,
    Ownership,
    StoreNotNow,
    StoreTaken,
    Terms,
    end_where_lost,
    exit_status,
    keep,
    open_owned,
)
from foundation.store import Store, StoreFailed, StoreLost, Tx, run_at_once
from foundation.store_lock import FileLock
from smsd.store import SCHEMA

NOW_US = 1_700_000_000_000_000


class HandClock:
    """Stands where it was put."""

    def __init__(self, at_us: int = NOW_US) -> None:
        self.at_us = at_us

    def now_us(self) -> int:
        return self.at_us

    def monotonic(self) -> float:
        return self.at_us / 1e6


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "smsd.db"


@pytest.fixture(name="clock")
def _clock() -> HandClock:
    return HandClock()


def taken(path: Path, clock: HandClock, **terms: object) -> Store:
    return open_owned(f"sqlite:///{path}", SCHEMA, clock, Terms(**terms), runner=run_at_once)  # type: ignore[arg-type]


def row(path: Path) -> dict[str, int | str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute("SELECT * FROM ownership").fetchone())


def stops(path: Path, org: str) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("SELECT count(*) FROM stops WHERE org = ?", (org,)).fetchone()[0]
        return found


def write(org: str) -> object:
    def unit(tx: Tx) -> None:
        tx.connection.execute(  # type: ignore[attr-defined]
            "INSERT INTO stops (org, number, at_us) VALUES (?, '+4799999901', 1)", (org,)
        )

    return unit


@pytest.fixture(name="holder")
def _holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the store."""
    told = (
        "import sys; from foundation.clock import SystemClock; from foundation.ownership import open_owned; "
        "from smsd.store import SCHEMA; from foundation.store import run_at_once; "
        "store = open_owned(sys.argv[1], SCHEMA, SystemClock(), runner=run_at_once); "
        "print('mine', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", told, f"sqlite:///{path}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    yield process
    process.kill()
    process.communicate()


async def test_a_second_program_is_refused_and_told_who_where_and_what_would_be_right(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(StoreTaken) as refused:
        taken(path, HandClock(), key="store.url")
    words = str(refused.value)
    assert words.startswith(f"store.url: {path} is in use: process {holder.pid} on ")
    assert "last sign of life" in words
    assert "--take-over" in words
    assert row(path)["epoch"] == 1


async def test_a_killed_owner_delays_nobody(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    store = taken(path, HandClock())
    await store.run(write("ORG1"))  # type: ignore[arg-type]
    assert row(path)["epoch"] == 2
    await store.close()


async def test_a_paused_owner_is_taken_over_from_only_where_that_is_asked(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    os.kill(holder.pid, signal.SIGSTOP)
    with pytest.raises(StoreTaken):
        taken(path, HandClock(NOW_US * 2))
    store = taken(path, HandClock(), take_over=True)
    assert row(path)["epoch"] == 2
    # and a third one sees the second
    with pytest.raises(StoreTaken, match=f"process {os.getpid()} on "):
        taken(path, HandClock())
    await store.close()


async def test_after_a_stop_nothing_says_that_somebody_runs_on_it(path: Path, clock: HandClock) -> None:
    store = taken(path, clock)
    assert row(path)["released_us"] == 0
    await store.close()
    assert row(path)["released_us"] == clock.at_us
    again = taken(path, clock)
    assert row(path)["epoch"] == 2
    await again.close()


async def test_who_was_taken_over_from_writes_nothing_more(path: Path, clock: HandClock) -> None:
    first = taken(path, clock)
    await first.run(write("ORG1"))  # type: ignore[arg-type]
    second = taken(path, clock, take_over=True)
    with pytest.raises(StoreLost):
        await first.run(write("ORG2"))  # type: ignore[arg-type]
    assert (first.lost, first.healthy, first.ours()) == (True, False, False)
    with pytest.raises(StoreLost):
        await first.run(write("ORG2"))  # type: ignore[arg-type]
    await first.close()
    await second.run(write("ORG3"))  # type: ignore[arg-type]
    assert [stops(path, org) for org in ("ORG1", "ORG2", "ORG3")] == [1, 0, 1]
    # its end takes nothing from the one that runs
    assert row(path)["released_us"] == 0
    with pytest.raises(StoreTaken):
        taken(path, clock)
    await second.close()


async def test_all_units_of_a_group_are_lost_together_and_say_so_once(
    path: Path, clock: HandClock, capsys: pytest.CaptureFixture[str]
) -> None:
    first = taken(path, clock)
    second = taken(path, clock, take_over=True)
    ends = await asyncio.gather(*(first.run(write(f"ORG{n}")) for n in range(5)), return_exceptions=True)  # type: ignore[arg-type]
    assert [type(end) for end in ends] == [StoreLost] * 5
    assert capsys.readouterr().out.count("store.lost") == 1
    await first.close()
    await second.close()


async def test_before_what_cannot_be_taken_back_the_store_is_looked_at_again(
    path: Path, clock: HandClock
) -> None:
    first = taken(path, clock)
    assert first.ours()
    second = taken(path, clock, take_over=True)
    assert not first.ours()
    assert second.ours()
    await first.close()
    await second.close()


async def test_the_look_outside_a_transaction_does_not_wait_for_one(path: Path, clock: HandClock) -> None:
    store = taken(path, clock)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert store.ours()
    await store.close()


@pytest.mark.parametrize(("silent_s", "refused"), [(0.0, True), (29.9, True), (30.1, False), (-29.9, True)])
async def test_another_machine_counts_as_gone_once_it_has_been_silent(
    path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch, silent_s: float, refused: bool
) -> None:
    monkeypatch.setattr(ownership.socket, "gethostname", lambda: "elsewhere")
    first = taken(path, clock)
    monkeypatch.undo()
    clock.at_us += int(silent_s * 1e6)
    # a lock that does not reach from there to here
    (path.parent / "smsd.db.lock").unlink()
    if refused:
        with pytest.raises(StoreTaken, match=r"elsewhere.*30 s.*--take-over"):
            taken(path, clock, silent_s=30)
    store = taken(path, clock, silent_s=30, take_over=refused)
    assert row(path)["epoch"] == 2
    await store.close()
    await first.close()


async def test_an_owner_gives_signs_of_life_and_ends_where_it_is_taken_over_from(
    path: Path, clock: HandClock
) -> None:
    store = taken(path, clock)
    clock.at_us += 5_000_000
    async with asyncio.timeout(60):
        beating = asyncio.create_task(keep(store, 0.003))
        while row(path)["beat_us"] != clock.at_us:
            await asyncio.sleep(0)
        second = taken(path, clock, take_over=True)
        with pytest.raises(StoreLost):
            await beating
    await store.close()
    await second.close()


async def test_an_owner_that_cannot_write_takes_back_no_lock(
    path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = taken(path, clock)
    tried = asyncio.Event()

    async def fails(_unit: object) -> None:
        tried.set()
        raise StoreFailed("locked")

    monkeypatch.setattr(store, "run", fails)
    (path.parent / "smsd.db.lock").unlink()
    async with asyncio.timeout(60):
        beating = asyncio.create_task(keep(store, 0.003))
        await tried.wait()
        tried.clear()
        # whatever followed the first try is over
        await tried.wait()
        beating.cancel()
    assert not (path.parent / "smsd.db.lock").exists()
    await store.close()


async def test_a_lock_whose_file_was_removed_is_taken_anew(path: Path, clock: HandClock) -> None:
    store = taken(path, clock)
    (path.parent / "smsd.db.lock").unlink()
    assert isinstance(store.owner, Ownership)
    store.owner.renew()
    with pytest.raises(StoreTaken):
        taken(path, clock)
    await store.close()


def test_a_seized_lock_is_not_given_back_by_whom_it_was_seized_from(tmp_path: Path) -> None:
    first, second, third = (FileLock(tmp_path / "lock") for _ in range(3))
    assert first.take()
    assert not second.take()
    second.seize()
    first.renew()
    first.release()
    first.release()
    assert not third.take()
    second.release()
    assert third.take()
    third.release()
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]


async def test_a_store_that_another_process_writes_to_is_not_taken_and_may_be_tried_again(
    path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await taken(path, clock).close()
    monkeypatch.setattr(ownership, "LOCKED_S", 0.0)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreNotNow, match="locked") as refused:
            taken(path, clock)
    assert exit_status(ExceptionGroup("", [refused.value]), 2) == EXIT_NOT_NOW
    assert exit_status(ExceptionGroup("", [StoreFailed("x")]), 2) == 2
    await taken(path, clock).close()


def test_the_loss_is_found_among_whatever_else_ended() -> None:
    lost = StoreLost("x")
    with pytest.raises(StoreLost):
        end_where_lost(BaseExceptionGroup("", [KeyError(), ExceptionGroup("", [ValueError(), lost])]))
    end_where_lost(ExceptionGroup("", [KeyError()]))
