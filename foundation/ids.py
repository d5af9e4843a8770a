"""UUIDv7 (RFC 9562 section 5.7) from a handed-in clock and source of random bits."""

from __future__ import annotations

import random
from collections.abc import Callable

from foundation.clock import Clock

_HEX = 16
_VARIANT = 0b10 << 62


class Ids:
    """Makes ids that sort by the time they were made, strictly within one instance.

    The 12 bits after the version count within a millisecond (method 1 of section 6.2), so ids made
    together keep their order; a clock that goes back goes on counting from the last time seen.
    """

    def __init__(self, clock: Clock, random_bits: Callable[[int], int] | None = None) -> None:
        self._clock = clock
        self._bits = random_bits or random.SystemRandom().getrandbits
        self._last = 0
        # the beginning of all ids of one millisecond
        self._written = -1
        self._head = ""

    def after(self, value: str) -> None:
        """Go on behind this id, made before this start: the clock may have gone back since."""
        stamp = value[:8] + value[9:13] + value[15:18]
        self._last = max(self._last, int(stamp, _HEX))

    def new(self) -> str:
        """One id in the canonical 36-character form."""
        stamp = (self._clock.now_us() // 1000) << 12
        if stamp <= self._last:
            stamp = self._last + 1
        self._last = stamp
        if stamp >> 12 != self._written:
            self._written = stamp >> 12
            text = f"{self._written:012x}"
            self._head = f"{text[:8]}-{text[8:]}-7"
        text = f"{_VARIANT | self._bits(62):016x}"
        return f"{self._head}{stamp & 0xFFF:03x}-{text[:4]}-{text[4:]}"


def uuid7_time_us(value: str) -> int:
    """When an id was made, UTC microseconds (whole milliseconds)."""
    return int(value[:8] + value[9:13], _HEX) * 1000


def uuid7_floor(at_us: int) -> str:
    """No id made at this time or later, UTC microseconds, sorts before this; no id itself."""
    stamp = f"{max(0, at_us) // 1000:012x}"
    return f"{stamp[:8]}-{stamp[8:]}-"
