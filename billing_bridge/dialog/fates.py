"""Which of two fates of one SMS stands. Pure; the order in which they come does not matter."""

from __future__ import annotations

from foundation.contract import MessageFate

_RANK = {fate: rank for rank, fate in enumerate(MessageFate)}
FINAL = frozenset({MessageFate.DELIVERED, MessageFate.UNDELIVERED, MessageFate.REFUSED, MessageFate.EXPIRED})
_ORDER = {fate: (int(fate in FINAL) << 60) + rank for fate, rank in _RANK.items()}


def fate_order(fate: MessageFate, at_us: int) -> int:
    """Of several fates the one with the highest order stands: a final one, then the latest.

    Fits a signed 64-bit integer until the year 3100.
    """
    return _ORDER[fate] + (at_us << 4)
