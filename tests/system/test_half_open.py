"""An SMSC that vanishes without a word: what was in flight is in doubt, and nothing is sent twice."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_trial import Figures, Trial, registers
from relay import Relay
from trial_verdict import Books, compare
from trial_world import World, free_port, told, until

PREMIUM = b"\x14\x03\x00"
"""How the price's TLV begins: a charge went over the line."""


@pytest.fixture(name="relay")
def _relay() -> Iterator[Relay]:
    relay = Relay(free_port())
    yield relay
    relay.close()


@pytest.fixture(name="world")
def _world(tmp_path: Path, relay: Relay) -> Iterator[World]:
    billed = {"number_regex": r"479\d{5}0\d", "premium": True, "bill": "on-accept"}
    world = World(
        tmp_path,
        carrier="local",
        warm=False,
        port=relay.port,
        smsc_port=relay.target,
        operator="enquire_link_s = 1",
        rules=(billed,),
    )
    try:
        yield world
    finally:
        world.end()


def charges(world: World, where: str) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{world.store}?mode=ro", uri=True)) as store:
        found: int = store.execute(f"SELECT count(*) FROM charges WHERE {where}").fetchone()[0]
        return found


def test_what_was_in_flight_on_a_dead_line_is_in_doubt_and_sent_once(world: World, relay: Relay) -> None:
    figures = Figures("half-open", 1)
    trial = Trial(world, figures, 2, 60.0)
    world.import_registers(*registers(2))
    world.smsc.start()
    until(world.phones.listens, "the simulator to listen")
    world.smsd.start()
    until(lambda: world.phones.binds == 1, "the gateway to bind")
    relay.silence_after(PREMIUM)
    trial.text(0)
    until(lambda: charges(world, "state = 'in_doubt'") > 0, "a charge in doubt")
    until(lambda: relay.connections >= 2, "the gateway to find the line dead and to call again")
    lost, *_ = [line for line in told(world.smsd.log) if line["event"] == "bind.lost"]
    assert "enquire_link" in lost["detail"] or "no answer" in lost["detail"]
    trial.settle()
    books = Books.read(world)
    compare(books, figures)
    assert figures.differences == []
    assert figures.unanswered > 0
    premium = [row["number"] for row in books.ledger]
    assert len(premium) == len(set(premium))
    # all the others went through on the new line
    assert figures.charged > 10
