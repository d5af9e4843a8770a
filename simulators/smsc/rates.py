"""How many submit_sm an account may send in a second. Pure; the time is handed in."""

from __future__ import annotations


class Rates:
    """An allowance per account that fills at `a_second` and holds one second's worth."""

    def __init__(self, a_second: int) -> None:
        self._a_second = float(a_second)
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, account: str, now: float) -> bool:
        """One more submit_sm; False where it is one too many."""
        left, at = self._left.get(account, (self._a_second, now))
        left = min(self._a_second, left + (now - at) * self._a_second)
        within = left >= 1
        self._left[account] = (left - 1 if within else left, now)
        return within
