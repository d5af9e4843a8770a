"""Deeds for later: their order, their time, and the end of them."""

from __future__ import annotations

import asyncio
from functools import partial

from simulators.smsc.agenda import Agenda, Timer


def test_deeds_are_done_when_due_in_the_order_of_their_times() -> None:
    agenda, done = Agenda(), list[str]()
    for due, name in ((3.0, "third"), (1.0, "first"), (2.0, "second"), (2.0, "second too"), (9.0, "last")):
        agenda.put(due, partial(done.append, name))

    assert agenda.run_due(0.5) == 0
    assert agenda.run_due(3.0) == 4
    assert done == ["first", "second", "second too", "third"]
    assert (agenda.next_due, len(agenda)) == (9.0, 1)


def test_what_a_deed_adds_waits_for_the_next_round() -> None:
    agenda, done = Agenda(), list[str]()
    agenda.put(1.0, lambda: agenda.put(1.0, partial(done.append, "added")))

    assert agenda.run_due(5.0) == 1
    assert done == []
    assert agenda.run_due(5.0) == 1


async def test_an_earlier_deed_does_not_wait_for_a_later_one() -> None:
    rounds: list[list[str]] = []
    done: list[str] = []
    finished = asyncio.Event()

    def after() -> None:
        rounds.append(list(done))
        if len(done) == 2:
            finished.set()

    timer = Timer(Agenda(), asyncio.get_running_loop(), after)
    timer.put(0.05, partial(done.append, "later"))
    timer.put(0.0, partial(done.append, "sooner"))
    async with asyncio.timeout(5):
        await finished.wait()
    timer.stop()

    assert rounds == [["sooner"], ["sooner", "later"]]


async def test_nothing_is_done_after_the_stop() -> None:
    done: list[str] = []
    loop = asyncio.get_running_loop()
    stopped, running = Timer(Agenda(), loop, lambda: None), Timer(Agenda(), loop, lambda: None)
    finished = asyncio.Event()
    stopped.put(0.0, partial(done.append, "before"))
    stopped.stop()
    stopped.put(0.0, partial(done.append, "after"))
    running.put(0.02, finished.set)
    async with asyncio.timeout(5):
        await finished.wait()
    running.stop()

    assert done == []
