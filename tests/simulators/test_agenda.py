"""Deeds for later: their order, their time, and the end of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

from simulators.smsc.agenda import Agenda, Timer


class HandLoop:
    """A loop whose time the test sets; `run_until` does what was asked for in between."""

    def __init__(self) -> None:
        self.now = 100.0
        self._calls: list[tuple[float, asyncio.TimerHandle, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, call, (), asyncio.get_running_loop())
        self._calls.append((when, handle, call))
        return handle

    def run_until(self, moment: float) -> None:
        self.now = moment
        due = [each for each in self._calls if each[0] <= moment]
        self._calls = [each for each in self._calls if each[0] > moment]
        for _, handle, call in sorted(due, key=lambda each: each[0]):
            if not handle.cancelled():
                call()


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
    loop = HandLoop()
    timer = Timer(Agenda(), cast("asyncio.AbstractEventLoop", loop), lambda: rounds.append(list(done)))
    timer.put(5.0, partial(done.append, "later"))
    timer.put(0.0, partial(done.append, "sooner"))
    loop.run_until(100.0)
    assert rounds == [["sooner"]]
    loop.run_until(104.9)
    assert rounds == [["sooner"]]
    loop.run_until(105.0)
    assert rounds == [["sooner"], ["sooner", "later"]]
    timer.stop()


async def test_nothing_is_done_after_the_stop() -> None:
    done: list[str] = []
    loop = asyncio.get_running_loop()
    stopped, running = Timer(Agenda(), loop, lambda: None), Timer(Agenda(), loop, lambda: None)
    finished = asyncio.Event()
    stopped.put(0.0, partial(done.append, "before"))
    stopped.stop()
    stopped.put(0.0, partial(done.append, "after"))
    running.put(0.02, finished.set)
    async with asyncio.timeout(60):
        await finished.wait()
    running.stop()

    assert done == []
