"""Two real gateways on one store: one is refused, or takes over from one that hangs, which then ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from trial_kinds import hang
from trial_world import Program, World, told, until

from foundation.ownership import EXIT_LOST, EXIT_NOT_NOW


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, carrier="local", warm=False)
    try:
        yield world
    finally:
        world.end()


def second_gateway(world: World, *more: str) -> Program:
    """Another process on the same store; ended with the world."""
    program = Program("smsd.cli", [*world.smsd.args, *more], world.folder / "second.log", warm=False)
    world.programs.append(program)
    program.start()
    return program


def events(log: Path) -> list[str]:
    return [line["event"] for line in told(log)]


def test_a_second_gateway_is_refused_and_commands_are_not(world: World) -> None:
    world.smsc.start()
    until(world.phones.listens, "the simulator to listen")
    world.smsd.start()
    until(lambda: world.phones.binds == 1, "the gateway to bind")
    refused = world.command("smsd.cli", "run")
    assert refused.returncode == EXIT_NOT_NOW
    assert f"{world.store} is in use: process {world.smsd.pid} on " in refused.stderr
    assert "--take-over" in refused.stderr
    for command in (["charges"], ["dialog"]):
        assert world.command("smsd.cli", *command).returncode == 0
    assert world.command("billing_bridge.cli", "payments").returncode == 0
    assert world.smsd.stop() == 0


def test_a_hung_gateway_is_taken_over_from_and_ends_when_it_wakes(world: World) -> None:
    world.smsc.start()
    until(world.phones.listens, "the simulator to listen")
    world.smsd.start()
    until(lambda: world.phones.binds == 1, "the gateway to bind")
    # the bridge runs in the same process: neither store may be in the middle of a commit
    hang(world.smsd.pid, world.store, world.billing)
    second = second_gateway(world, "--take-over")

    def started() -> bool:
        second.check()
        return "smsd.started" in events(second.log)

    until(started, "the second gateway to start")
    ended = world.smsd
    os.kill(ended.pid, signal.SIGCONT)
    assert ended.ended() == EXIT_LOST
    said = events(ended.log)
    # told once of a store, of the second where it was looked at before the end came
    assert said.count("store.lost") in (1, 2)
    # its link was cut, not unbound: nothing left it any more
    assert "bind.ended" not in said
    until(lambda: world.phones.binds == 1, "the second gateway alone to be bound")
    assert second.stop() == 0
    # and after a stop there is nobody to take it from
    world.smsd.start()
    until(lambda: world.phones.binds == 1, "the gateway to bind")
    assert world.smsd.stop() == 0
