"""A full disk: the real gateway stops sending, tells it, loses nothing, and recovers by itself."""

from __future__ import annotations

import contextlib
import json
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from trial_world import World, told, until

FULL = "store.failed"
TEXTS = 20


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, carrier="local", warm=False)
    try:
        yield world
    finally:
        world.end()


def replies(world: World, prefix: str) -> int:
    phones = world.phones.get(f"/phones?prefix={prefix}&limit=1000")["phones"]
    return sum(
        any(
            message["direction"] == "mt"
            for message in world.phones.get(f"/phones/{phone['number']}")["messages"]
        )
        for phone in phones
    )


def wave(world: World, prefix: str) -> None:
    world.phones.wave(
        {
            "from_prefix": prefix,
            "count": TEXTS,
            "to": "2030",
            "texts": ["ORG1 HJELP"],
            "replies": 1,
            "rate": 0,
            "timeout_s": 120,
        }
    )


@pytest.fixture(name="reader")
def _reader(world: World) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(world.store, isolation_level=None, timeout=60)) as reader:
        yield reader


def test_a_full_disk_stops_sending_and_acknowledging_until_there_is_room_again(
    world: World, reader: sqlite3.Connection
) -> None:
    world.smsc.start()
    until(world.phones.listens, "the simulator to listen")
    world.smsd.start()
    until(lambda: world.phones.binds == 1, "the gateway to bind")
    wave(world, "4791")
    until(lambda: replies(world, "4791") == TEXTS, "the first texts' answers")

    # no file of the process may grow beyond what the write-ahead log has now; whoever reads has it grow
    # instead of beginning anew
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM messages").fetchone()
    wal = world.store.with_name(world.store.name + "-wal").stat().st_size
    before = resource.prlimit(world.smsd.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(world.smsd.pid, resource.RLIMIT_FSIZE, (wal, before[1]))
    wave(world, "4792")
    until(
        lambda: FULL in [line["event"] for line in told(world.smsd.log)],
        "the gateway to say that it cannot commit",
    )
    world.smsd.check()
    answered = replies(world, "4792")

    resource.prlimit(world.smsd.pid, resource.RLIMIT_FSIZE, before)
    until(lambda: replies(world, "4792") == TEXTS, "the answers once there is room")
    said = told(world.smsd.log)
    assert answered < TEXTS
    assert [line["event"] for line in said if line["event"].startswith("store.")] == [FULL, "store.recovered"]
    assert world.smsd.stop() == 0
    shown = world.command("smsd.cli", "dialog", "--json", "--page-size", "1000")
    incoming = [row for row in map(json.loads, shown.stdout.splitlines()) if row["direction"] == "in"]
    assert len(incoming) == 2 * TEXTS
