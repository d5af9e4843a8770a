"""What is to happen later: a heap of moments and deeds, and one timer of the loop that serves it.

The heap holds no clock; `Timer` asks the loop's.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

Deed = Callable[[], object]


class Agenda:
    """Deeds by due time (seconds, monotonic); equal times keep the order they were put in."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Deed]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, due: float, deed: Deed) -> None:
        """Adds a deed."""
        heapq.heappush(self._heap, (due, next(self._order), deed))

    @property
    def next_due(self) -> float | None:
        """When the first deed is due."""
        return self._heap[0][0] if self._heap else None

    def run_due(self, now: float) -> int:
        """Does what is due by `now`, without what those deeds add; says how many."""
        due: list[Deed] = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        for deed in due:
            deed()
        return len(due)


class Timer:
    """Runs an agenda on the event loop; `after` is called when a round of deeds is done."""

    RESOLUTION_S = 0.001

    def __init__(self, agenda: Agenda, loop: asyncio.AbstractEventLoop, after: Deed) -> None:
        self._agenda = agenda
        self._loop = loop
        self._after = after
        self._handle: asyncio.TimerHandle | None = None
        self._at = 0.0
        self._stopped = False

    def put(self, delay_s: float, deed: Deed) -> None:
        """Has the deed done in `delay_s` seconds."""
        if self._stopped:
            return
        due = self._loop.time() + delay_s
        self._agenda.put(due, deed)
        if self._handle is None or due < self._at - self.RESOLUTION_S:
            self._arm(due)

    def stop(self) -> None:
        """No more deeds are done, nor taken."""
        self._stopped = True
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, due: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._at = due
        self._handle = self._loop.call_at(due, self._run)

    def _run(self) -> None:
        self._handle = None
        self._agenda.run_due(self._loop.time() + self.RESOLUTION_S)
        self._after()
        if self._stopped:
            return
        due = self._agenda.next_due
        if due is not None and self._handle is None:
            self._arm(due)
