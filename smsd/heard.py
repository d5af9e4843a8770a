"""Which answers to MOs an SMSC has certainly heard, by the order of the octets on a connection.

An SMSC that has answered a request of ours has read all that we wrote before it. A text that comes again
after that was sent again by a person; one that comes again before that may be the SMSC's repetition.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol


class Stream(Protocol):
    """One connection, as a link shows it."""

    @property
    def mark(self) -> int:
        """The place reached in what is written."""

    def has_read(self, mark: int) -> bool:
        """Whether the other side has read all that was written up to a mark."""


class Heard:
    """Of one connection: up to when the answers that we gave were heard."""

    __slots__ = ("_given", "_stream", "_until_us")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        # answers not known to be heard: the place in the stream, when their MOs came (UTC µs)
        self._given: deque[tuple[int, int]] = deque()
        self._until_us = -1

    def answered(self, at_us: int) -> None:
        """MOs that came at this moment were answered just now."""
        self._look()
        given = self._given
        if at_us < max(self._until_us, given[-1][1] if given else 0):
            # the clock was put back: which of them is meant by a time cannot be told any more
            given.clear()
            self._until_us = -1
        mark = self._stream.mark
        if given and given[-1][0] == mark:
            given.pop()
        given.append((mark, at_us))

    def __call__(self, at_us: int) -> bool:
        """Whether the answer to an MO that came at this moment was certainly heard."""
        self._look()
        return at_us <= self._until_us

    def _look(self) -> None:
        given = self._given
        while given and self._stream.has_read(given[0][0]):
            self._until_us = given.popleft()[1]
