"""After a power cut all that was acknowledged is there, and what was not synced is nobody's loss."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from frail_disk import SECTOR, FrailDisk, Image, Unavailable
from power_trial import CUT, FAILED, IN_A_COMMIT, frail, play
from programs import leave_out

from foundation.clock import SystemClock
from foundation.ownership import StoreNotNow, open_owned
from foundation.store import StoreFailed, Tx, connect_sqlite, run_at_once
from smsd.store import SCHEMA

SEEDS = 100
_CHUNK = 25


@pytest.fixture(name="disk")
def _disk(request: pytest.FixtureRequest) -> Iterator[FrailDisk]:
    with contextlib.ExitStack() as stack:
        try:
            yield stack.enter_context(frail(*getattr(request, "param", ())))
        except Unavailable as error:
            leave_out(str(error))


@pytest.mark.parametrize("first", range(0, SEEDS, _CHUNK))
def test_power_cuts_and_failing_syncs_lose_nothing_that_was_acknowledged(disk: FrailDisk, first: int) -> None:
    fired: Counter[str] = Counter()
    for seed in range(first, first + _CHUNK):
        result = play(seed, disk)
        fired.update(result.faults)
        assert not result.findings, "\n".join([f"seed {seed}", *result.story, *map(str, result.findings)])
    # they met work under way, or they prove nothing
    assert fired[CUT] > 2 * _CHUNK
    assert fired[IN_A_COMMIT] > 5
    assert fired[FAILED] > 3
    assert disk.syncs > 1000


@pytest.mark.parametrize(
    ("disk", "rule"),
    [(("synchronous=NORMAL",), "I4"), (("synchronous=OFF",), "disk")],
    indirect=["disk"],
    ids=["normal", "off"],
)
def test_a_store_that_does_not_wait_for_the_disk_is_caught(disk: FrailDisk, rule: str) -> None:
    # an acknowledged MO is gone, or the database is damaged
    assert any(rule in {finding.rule for finding in play(seed, disk).findings} for seed in range(30))


def test_a_seed_cuts_the_power_at_the_same_places_again(disk: FrailDisk) -> None:
    assert play(7, disk).hash == play(7, disk).hash


def test_the_disk_keeps_what_was_synced_and_of_the_rest_what_it_likes(tmp_path: Path) -> None:
    try:
        disk = FrailDisk(random.Random(1))
    except Unavailable as error:
        leave_out(str(error))
    try:
        disk.watch(tmp_path)
        store = tmp_path / "a.db"
        with contextlib.closing(connect_sqlite(store)) as before:
            before.execute("CREATE TABLE t (a)")
            before.execute("PRAGMA synchronous=NORMAL")
            before.execute("INSERT INTO t VALUES (1)")
            assert before.execute("SELECT count(*) FROM t").fetchone() == (1,)
            disk.cut(store, keep=0.0)
            # who was there before the cut can do nothing any more
            with pytest.raises(sqlite3.OperationalError):
                before.execute("INSERT INTO t VALUES (2)")
        with contextlib.closing(connect_sqlite(store)) as after:
            assert after.execute("SELECT count(*) FROM t").fetchone() == (0,)
            after.execute("INSERT INTO t VALUES (3)")
            disk.cut(store, keep=0.0)
        with contextlib.closing(connect_sqlite(store)) as last:
            assert last.execute("SELECT a FROM t").fetchall() == [(3,)]
    finally:
        disk.remove()


async def test_a_start_on_a_disk_that_fails_is_put_off_and_then_succeeds(
    disk: FrailDisk, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/smsd.db"
    await open_owned(url, SCHEMA, SystemClock()).close()
    disk.watch(tmp_path)
    disk.sync_fails = lambda _path: True
    with pytest.raises(StoreNotNow, match="cannot be written"):
        open_owned(url, SCHEMA, SystemClock())
    disk.sync_fails = None
    await open_owned(url, SCHEMA, SystemClock()).close()


async def test_a_failed_sync_is_undone_and_the_database_is_opened_anew(
    disk: FrailDisk, tmp_path: Path
) -> None:
    store = open_owned(f"sqlite:///{tmp_path}/smsd.db", SCHEMA, SystemClock(), runner=run_at_once)
    disk.watch(tmp_path)
    await store.close()
    store = open_owned(f"sqlite:///{tmp_path}/smsd.db", SCHEMA, SystemClock(), runner=run_at_once)
    before = store._connection
    disk.sync_fails = lambda _path: True
    with pytest.raises(StoreFailed, match="disk I/O error"):
        await store.run(partial(stop, "ORG1"))
    assert not store.healthy
    assert "disk I/O error" in store.trouble
    disk.sync_fails = None
    await store.run(partial(stop, "ORG2"))
    assert store._connection is not before
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        before.execute("SELECT 1")
    assert (store.healthy, store.trouble) == (True, "")
    disk.cut(tmp_path / "smsd.db", keep=0.0)
    await store.close()
    with contextlib.closing(connect_sqlite(tmp_path / "smsd.db")) as after:
        assert after.execute("SELECT org FROM stops").fetchall() == [("ORG2",)]


def stop(org: str, tx: Tx) -> None:
    tx.connection.execute(  # type: ignore[attr-defined]
        "INSERT INTO stops (org, number, at_us) VALUES (?, '+4799999901', 1)", (org,)
    )


def test_unsynced_writes_are_torn_at_sectors() -> None:
    image = Image(bytes(4 * SECTOR))
    image.pending = [(100, b"\x01" * 3 * SECTOR), 5 * SECTOR]
    seen = set()
    for seed in range(40):
        after = image.settle(random.Random(seed), 0.5)
        assert after is not None
        assert len(after) in (4 * SECTOR, 5 * SECTOR)
        changed = tuple(after[at : at + 1] == b"\x01" for at in (100, SECTOR, 2 * SECTOR, 3 * SECTOR + 99))
        assert all(after[at] == changed[1] for at in range(SECTOR, 2 * SECTOR))
        seen.add((changed, len(after)))
    assert len(seen) > 10
    image.synced()
    assert image.settle(random.Random(0), 0.0) == bytes(100) + b"\x01" * 3 * SECTOR + bytes(2 * SECTOR - 100)
