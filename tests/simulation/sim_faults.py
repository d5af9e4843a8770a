"""What goes wrong in a simulated world, by name; each says where there was nothing to harm."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sim_operator import ModelOperator
from sim_plot import Fault
from sim_process import Process

if TYPE_CHECKING:
    from sim_world import World


def _dies(name: str) -> Callable[[World, Fault], bool]:
    def act(world: World, _fault: Fault) -> bool:
        process = world.processes[name]
        if not process.alive or process.replaced:
            return False
        process.die("at a moment of its own")
        return True

    return act


def _connection(world: World, fault: Fault) -> Any:
    order = world.network.order
    return order[int(fault.value * len(order))] if order else None


def _cut(world: World, fault: Fault) -> bool:
    connection = _connection(world, fault)
    if connection is None:
        return False
    rng = world.rng
    connection.cut(rng.choice((0.001, 0.5, 8.0)), rng.choice((0.001, 0.5, 8.0)))
    world.fired("cut: a connection breaks")
    return True


def _half_open(world: World, fault: Fault) -> bool:
    connection = _connection(world, fault)
    if connection is None:
        return False
    which = int(fault.more * 3)
    connection.silence(which != 0, which != 1)
    return True


def _slow(world: World, fault: Fault) -> None:
    world.fired("delay: octets take long")
    world.network.slow_until = world.agenda.now + 20 * fault.value
    world.network.slow_s = world.rng.choice((0.5, 5.0, 30.0))


def _buffer_full(world: World, fault: Fault) -> bool:
    connection = _connection(world, fault)
    if (
        connection is None
        or connection.client.lost
        or not connection.client.loop
        or connection.client.loop.dead
    ):
        return False
    connection.client.stop_writes(True)
    world.fired("send buffer full")
    if fault.more < 0.5:
        world.agenda.after(10 * fault.more + 0.01, partial(connection.client.stop_writes, False))
    else:
        world.agenda.after(10 * fault.value + 0.01, partial(connection.cut, 0.01, 0.01))
    return True


def _operator(world: World, fault: Fault) -> ModelOperator:
    operators = list(world.operators.values())
    return operators[int(fault.more * len(operators))]


def _hang(world: World, fault: Fault) -> None:
    _operator(world, fault).hangs_until = world.agenda.now + 30 * fault.value


def _restart(world: World, fault: Fault) -> None:
    world.fired("operator restarts")
    _operator(world, fault).restart(20 * fault.value, resets_ids=False, forgets=world.rng.choice((0.0, 0.5)))


def _restart_anew(world: World, fault: Fault) -> None:
    world.fired("operator restarts with ids anew")
    _operator(world, fault).restart(
        5 * fault.value, resets_ids=True, forgets=world.rng.choice((0.0, 0.0, 1.0))
    )


def _commits_fail(name: str) -> Callable[[World, Fault], None]:
    def act(world: World, fault: Fault) -> None:
        world.processes[name].fail_commits += 1 + int(4 * fault.value)

    return act


def _commits_slow(world: World, fault: Fault) -> None:
    world.fired("gateway commits slowly")
    world.gateway.slow_commits_s = 12 * fault.value
    world.agenda.after(10 * fault.more, partial(setattr, world.gateway, "slow_commits_s", 0.0))


def _locked(world: World, fault: Fault) -> bool:
    connection = sqlite3.connect(world.gateway_store, isolation_level=None, timeout=0)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        connection.close()
        return False

    world.fired("store locked")

    def release() -> None:
        connection.execute("ROLLBACK")
        connection.close()

    world.agenda.after(8 * fault.value, release)
    return True


def _broker(key: str, most: float) -> Callable[[World, Fault], bool]:
    def act(world: World, fault: Fault) -> bool:
        if world.together:
            return False
        setattr(world.broker, key, most * (0.2 + 0.8 * fault.value))
        world.agenda.after(1 + 20 * fault.more, partial(setattr, world.broker, key, 0.0))
        return True

    return act


def _forgets(world: World, _fault: Fault) -> bool:
    if world.together:
        return False
    if world.broker.forget():
        world.fired("the broker forgets")
    return True


def _clock(name: str) -> Callable[[World, Fault], None]:
    def act(world: World, fault: Fault) -> None:
        jump_s = world.rng.choice((-3600, -60, -1, 1, 60, 300, 3600, 90_000)) * fault.value
        world.clocks[name].jump(jump_s)
        world.fired(f"{name}'s clock jumps")
        world.tell(f"the {name}'s clock jumps by {jump_s:.1f} s")

    return act


def _suspended(world: World, fault: Fault) -> None:
    world.fired("machine suspended")
    world.agenda.stand_still(world.agenda.now + 120 * fault.value)


def _stops(world: World, _fault: Fault) -> bool:
    process = world.gateway
    if not process.alive or process.leaving or process.replaced:
        return False
    world.fired("gateway stops and starts")
    process.leaving = True
    daemon, main = world.daemon, process.main

    def again() -> None:
        if not main[0].done():
            world.agenda.after(0.2, again)
            return
        for task in main[1:]:
            task.cancel()
        if main[0].exception() is not None:
            world.find("program", f"the gateway ended: {main[0].exception()!r}")
        process.leaving = False
        process.gone()
        world.agenda.after(0.5, process._reborn)

    daemon.stop()
    world.agenda.after(0.2, again)
    return True


def _takes_over(world: World, fault: Fault) -> bool:
    """The gateway is paused, another is started on its store, and then the first wakes."""
    first = world.gateway
    if world.together or not first.alive or first.leaving or first.replaced:
        return False
    second = Process(world, f"{first.name}'", world.birth_of_gateway)
    second.takes_over = True
    second.rebirth_s = first.rebirth_s

    def start() -> None:
        if first.busy or world.store_is_locked():
            world.agenda.after(0.05, start)
            return
        world.fired("another gateway takes over")
        world.superseded.append(first)
        world.gateway = world.processes["gateway"] = second
        second.start()
        world.agenda.after(60 * fault.more**2 + 0.01, wake)

    def wake() -> None:
        world.fired("gateway wakes after another took over")
        first.wake()

    first.on_pause = lambda: world.agenda.after(20 * fault.value**2 + 0.01, start)
    if fault.more < 0.5:
        # between a commit and what was to follow from it
        first.pause_at = "after commit"
    else:
        first.pause("gateway paused")
    return True


FAULTS: dict[str, Callable[[World, Fault], bool | None]] = {
    "gateway dies": _dies("gateway"),
    "bridge dies": _dies("bridge"),
    "connection cut": _cut,
    "half open": _half_open,
    "network slow": _slow,
    "send buffer full": _buffer_full,
    "connections hang": _hang,
    "operator restarts": _restart,
    "operator restarts with ids anew": _restart_anew,
    "gateway commits fail": _commits_fail("gateway"),
    "bridge commits fail": _commits_fail("bridge"),
    "gateway commits slowly": _commits_slow,
    "store locked": _locked,
    "hand-off loses": _broker("loses", 0.9),
    "hand-off repeats": _broker("repeats", 0.9),
    "hand-off slow": _broker("slow_s", 10.0),
    "hand-off reorders": _broker("reorders", 0.9),
    "broker forgets": _forgets,
    "gateway's clock jumps": _clock("gateway"),
    "bridge's clock jumps": _clock("bridge"),
    "machine suspended": _suspended,
    "gateway stops and starts": _stops,
    "another gateway takes over": _takes_over,
}
