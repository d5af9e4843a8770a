"""Virtual time and processes: one agenda for the whole world, an asyncio event loop for each process.

No thread, no socket, no clock of the machine: what happens next follows from the agenda alone, so a seed
replays exactly. A process can die between any two of its steps, or inside one; its memory is gone then.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from foundation.clock import SECOND_US

_FAREWELLS = 5


class Died(BaseException):
    """This process is gone; raised where it was told so in the middle of a step. No program may catch it."""


def _is_commit(act: Callable[[], None]) -> bool:
    return getattr(getattr(act, "func", None), "__name__", "") == "_commit"


class Agenda:
    """What is to happen, in order; `now` in seconds since the world began."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self.ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._plot: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.graves: list[SimLoop] = []

    # what processes use

    def add_timer(self, handle: asyncio.TimerHandle) -> None:
        """A process's timer."""
        self._count += 1
        heapq.heappush(self._timers, (handle.when(), self._count, handle))

    def take(self, loop: SimLoop) -> deque[asyncio.Handle]:
        """All that a dead process still had to do."""
        mine = deque(handle for handle in self.ready if handle._loop is loop)  # type: ignore[attr-defined]
        mine.extend(loop.paused or ())
        loop.paused = None
        self.ready = deque(handle for handle in self.ready if handle._loop is not loop)  # type: ignore[attr-defined]
        return mine

    # the world's own events

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Something of the world itself: network, disk, faults, people. Not before now."""
        self._count += 1
        heapq.heappush(self._plot, (max(when, self.now), self._count, act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """The same, so much later."""
        self.at(self.now + seconds, act)

    def next_plot(self) -> float | None:
        """When the world itself next does something, the disks' ends of commits apart: those never cease."""
        return min((at for at, _, act in self._plot if not _is_commit(act)), default=None)

    def run_until(self, when: float) -> None:
        """Let everything up to this moment happen."""
        while True:
            while self.ready or self.graves:
                if self.graves:
                    self.graves.pop(0).bury()
                else:
                    self._step(self.ready.popleft())
            timers, plot = self._timers, self._plot
            first = timers[0][:2] if timers else None
            if plot and (first is None or plot[0][:2] < first):
                if plot[0][0] > when:
                    break
                at, _, act = heapq.heappop(plot)
                self.now = max(self.now, at)
                act()
            elif first is not None:
                if first[0] > when:
                    break
                handle = heapq.heappop(timers)[2]
                if not handle._cancelled and not handle._loop.dead:  # type: ignore[attr-defined]
                    self.now = max(self.now, first[0])
                    self._step(handle)
            else:
                break
        self.now = max(self.now, when)

    def run_while(self, holds: Callable[[], object], most_s: float, step_s: float = 0.25) -> bool:
        """Go on while something holds, but not longer; whether it ended."""
        end = self.now + most_s
        while holds():
            if self.now >= end:
                return False
            self.run_until(min(end, self.now + step_s))
        return True

    def stand_still(self, until: float) -> None:
        """All processes are suspended for a while: their timers fire late, together."""
        self.now = max(self.now, until)

    def _step(self, handle: asyncio.Handle) -> None:
        if handle._cancelled:
            return
        loop: SimLoop = handle._loop  # type: ignore[attr-defined]
        if loop.paused is not None:
            loop.paused.append(handle)
        elif not loop.dead:
            self.steps += 1
            loop.step(handle)


class SimTask(asyncio.Task[Any]):
    """Hashed by its number: a TaskGroup cancels in the order of a set, which else is that of addresses."""

    def __init__(self, number: int, coro: Any, **more: Any) -> None:
        self._number = number
        super().__init__(coro, **more)

    def __hash__(self) -> int:
        return self._number


class SimLoop(asyncio.AbstractEventLoop):
    """The event loop of one process's life."""

    def __init__(self, agenda: Agenda, name: str) -> None:
        self.agenda = agenda
        self.name = name
        self.dead = False
        self.steps = 0
        self._made = 0
        self.errors: list[str] = []
        self.before_step: Callable[[], None] | None = None
        self.paused: deque[asyncio.Handle] | None = None
        """What was to happen since the process was paused (SIGSTOP); None while it runs."""
        self._farewell: deque[asyncio.Handle] | None = None
        self._tasks: list[asyncio.Task[Any]] = []

    # what asyncio and the programs use

    def time(self) -> float:
        return self.agenda.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        handle = asyncio.Handle(callback, args, self, context)
        (self.agenda.ready if self._farewell is None else self._farewell).append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        return self.call_at(self.agenda.now + max(0.0, delay), callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if self._farewell is None:
            self.agenda.add_timer(handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Found cancelled when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        self._made += 1
        task = SimTask(self._made, coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        if len(self._tasks) > 200:
            self._tasks = [each for each in self._tasks if not each.done()]
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not self.dead and not isinstance(error, Died):
            self.errors.append(f"{context.get('message', '')}: {type(error).__name__}: {error}")

    # what the world uses

    def step(self, handle: asyncio.Handle) -> None:
        """One step of this process."""
        self.steps += 1
        events._set_running_loop(self)
        try:
            if self.before_step is not None and self._farewell is None:
                try:
                    self.before_step()
                except Died:
                    # not done any more; whoever waits for it is told by the burial
                    self.agenda.ready.appendleft(handle)
                    return
            handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]
        except Died:
            pass
        except Exception as error:  # noqa: BLE001 - as an event loop does
            self.call_exception_handler({"message": "in a callback", "exception": error})
        finally:
            events._set_running_loop(None)

    def start(self, program: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start a program as this process's main task."""
        return self.create_task(program, name=name)

    def pause(self) -> None:
        """No step from now on; what is to happen is kept."""
        if self.paused is None:
            self.paused = deque()

    def wake(self) -> None:
        """Go on with everything that came due meanwhile."""
        kept, self.paused = self.paused, None
        self.agenda.ready.extend(kept or ())

    def bury(self) -> None:
        """After death: end every task without effect on anything, so that nothing of it is left in memory."""
        assert self.dead
        self._farewell = self.agenda.take(self)
        tasks = [task for task in self._tasks if not task.done()]
        for _ in range(_FAREWELLS):
            for task in tasks:
                if not task.done():
                    task.cancel()
            while self._farewell:
                handle = self._farewell.popleft()
                if not handle._cancelled:
                    self.step(handle)
            tasks = [task for task in self._tasks if not task.done()]
            if not tasks:
                break
        left = [task.get_name() for task in self._tasks if not task.done()]
        assert not left, f"{self.name}: tasks that do not end when cancelled: {left}"
        for task in self._tasks:
            if not task.cancelled():
                task.exception()


class SimClock:
    """One process's clocks: monotonic is the world's time, wall time may jump."""

    def __init__(self, agenda: Agenda, started_us: int) -> None:
        self._agenda = agenda
        self._started_us = started_us
        self.ahead_us = 0
        self.ever_ahead_us = [0]

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.ahead_us += round(seconds * SECOND_US)
        self.ever_ahead_us.append(self.ahead_us)

    def now_us(self) -> int:
        return self._started_us + self.ahead_us + round(self._agenda.now * SECOND_US)

    def monotonic(self) -> float:
        return self._agenda.now
