"""The requests we sent that the other side has not answered yet. No clock, no I/O.

What its snapshot holds when a link is lost is what nobody knows the fate of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec


class Pending(msgspec.Struct, frozen=True, gc=False):
    """One request: the user's `tag`, the response's command id that would answer it, when to give up."""

    sequence: int
    answer: int
    tag: object
    expires_at: float


class Window:
    """At most `size` pending requests, by sequence number, oldest first.

    Expiry times must not go back from one offer to the next; one timeout for all gives that.
    """

    __slots__ = ("_pending", "_queue", "size")

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"a window of {size} could never send; give 1 or more")
        self.size = size
        self._pending: dict[int, Pending] = {}
        # in order of expiry, with those already answered still in it until they come to the front
        self._queue: deque[Pending] = deque()

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._pending

    def __iter__(self) -> Iterator[Pending]:
        return iter(self.snapshot())

    @property
    def room(self) -> int:
        """Free places."""
        return self.size - len(self._pending)

    def offer(self, pending: Pending) -> bool:
        """Take a place; False where there is none or the sequence number is pending already."""
        if len(self._pending) >= self.size or pending.sequence in self._pending:
            return False
        self._pending[pending.sequence] = pending
        self._queue.append(pending)
        return True

    def complete(self, sequence: int, answer: int) -> Pending | None:
        """Free the place of the request that this response answers; None where there is no such request."""
        pending = self._pending.get(sequence)
        if pending is None or pending.answer != answer:
            return None
        del self._pending[sequence]
        self._tidy()
        return pending

    def fail(self, sequence: int) -> Pending | None:
        """Free a place whatever was asked (a generic_nack, an unreadable response)."""
        pending = self._pending.pop(sequence, None)
        if pending is not None:
            self._tidy()
        return pending

    def oldest(self) -> Pending | None:
        """The request that has waited longest."""
        return self._queue[0] if self._queue else None

    def expired(self, now: float) -> list[Pending]:
        """Free the places of those that nobody answered in time."""
        found = []
        while self._queue and self._queue[0].expires_at <= now:
            pending = self._queue.popleft()
            del self._pending[pending.sequence]
            found.append(pending)
            self._tidy()
        return found

    def next_expiry(self) -> float | None:
        """When the oldest gives up."""
        return self._queue[0].expires_at if self._queue else None

    def snapshot(self) -> tuple[Pending, ...]:
        """All that is pending, oldest first."""
        return tuple(pending for pending in self._queue if self._pending.get(pending.sequence) is pending)

    def clear(self) -> tuple[Pending, ...]:
        """The snapshot, and an empty window."""
        found = self.snapshot()
        self._pending.clear()
        self._queue.clear()
        return found

    def _tidy(self) -> None:
        queue, pending = self._queue, self._pending
        while queue and pending.get(queue[0].sequence) is not queue[0]:
            queue.popleft()
        if len(queue) > 2 * self.size + 16:
            self._queue = deque(one for one in queue if pending.get(one.sequence) is one)


class LateAnswers:
    """Requests given up whose answer may still come; at most `limit`, the oldest go first."""

    __slots__ = ("_limit", "_pending")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: dict[int, Pending] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._pending

    def remember(self, pending: Pending) -> None:
        """Recognise its answer from now on."""
        if self._limit <= 0:
            return
        if len(self._pending) >= self._limit:
            del self._pending[next(iter(self._pending))]
        self._pending[pending.sequence] = pending

    def recognise(self, sequence: int, answer: int | None = None) -> Pending | None:
        """The request that this answers, forgotten with that; any kind of answer where none is named."""
        pending = self._pending.get(sequence)
        if pending is None or (answer is not None and pending.answer != answer):
            return None
        return self._pending.pop(sequence)

    def clear(self) -> None:
        """Forget all."""
        self._pending.clear()
