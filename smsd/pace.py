"""How fast one account and one organisation may send: token buckets, rests, and the way back to full speed.

No clock of its own: `now` is on the monotonic clock in seconds, `at_us` UTC microseconds.
"""

from __future__ import annotations

from typing import Final

from foundation.clock import SECOND_US

_PAUSE_MAX_S: Final = 60.0
_SLOWEST: Final = 1.0
_SLOWEST_PART: Final = 0.05
_FIRST_S: Final = 0.1
_SEEN_OVER_S: Final = 1.0
_NEARING: Final = 80
_CONGESTED: Final = 90
_FULL: Final = 100


class Pace:
    """An account's. Throttled, it rests, longer each time; then it sends half as fast as before the rest and
    adds in even steps until its whole `rate` is back after `recover_s`.
    """

    def __init__(self, *, rate: float, pause_s: float, recover_s: float = 20.0) -> None:
        self._pause_s = pause_s
        self._resume = 0.0
        self._tokens = max(1.0, rate)
        self._filled = 0.0
        self._base = rate
        self._since = 0.0
        self._hinted = float("-inf")
        self._sent = self._sent_before = 0.0
        self._mark = 0.0
        self.use(rate=rate, pause_s=pause_s, recover_s=recover_s)

    def use(self, *, rate: float, pause_s: float, recover_s: float) -> None:
        """Take new settings: submit_sm a second, seconds of the first rest and of the way back."""
        if self._base >= getattr(self, "_rate", rate):
            self._base = rate
        self._rate = rate
        self._step = rate / recover_s
        self._first_pause_s = pause_s

    def rate(self, now: float) -> float:
        """submit_sm a second at this time."""
        if self._base >= self._rate:
            return self._rate
        rate = self._base + max(0.0, now - self._since) * self._step
        if rate >= self._rate:
            self._base = self._rate
        return min(rate, self._rate)

    def effective(self, now: float) -> float:
        """submit_sm a second at this time, 0 while the account rests; for a gauge."""
        return 0.0 if now < self._resume else self.rate(now)

    def permits(self, now: float) -> int:
        """How many submit_sm may go now; 0 while the account rests."""
        if now < self._resume:
            return 0
        rate = self.rate(now)
        self._tokens = min(max(1.0, rate), self._tokens + (now - self._filled) * rate)
        self._filled = now
        if now - self._mark >= _SEEN_OVER_S:
            self._sent_before = self._sent / (now - self._mark)
            self._sent, self._mark = 0.0, now
        return int(self._tokens)

    def next_permit(self, now: float) -> float:
        """When `permits` will be above zero again."""
        if now < self._resume:
            return self._resume
        return now + max(0.0, (1.0 - self._tokens) / self.rate(now))

    def spend(self, submits: int) -> None:
        """These went."""
        self._tokens -= submits
        self._sent += submits

    def pause(self, now: float) -> float:
        """Throttled or full: the account rests; for how many seconds."""
        if now < self._resume:
            return self._resume - now
        pause = self._pause_s
        self._resume = now + pause
        self._pause_s = min(self._pause_s * 2, max(_PAUSE_MAX_S, self._first_pause_s))
        self._slow(now, 0.5, self._resume)
        # what the rest would have gathered is not sent in one go after it
        first = max(1.0, self._base * _FIRST_S)
        self._tokens, self._filled = min(self._tokens, first), self._resume
        return pause

    def went_well(self, now: float) -> None:
        """An answer without complaint: some time after the last rest, rests start small again."""
        if self._pause_s != self._first_pause_s and now >= self._resume + self._pause_s / 2:
            self._pause_s = self._first_pause_s

    def hint(self, congestion: int, now: float) -> None:
        """Heed congestion_state (SMPP 5.0 section 4.8.4.18), 0 idle to 100, once a second at most.

        From 80 on it gets no faster, from 90 on slower, at 100 half as fast.
        """
        if congestion < _NEARING or now - self._hinted < 1.0 or now < self._resume:
            return
        self._hinted = now
        self._slow(now, 0.5 if congestion >= _FULL else 0.75 if congestion >= _CONGESTED else 1.0, now)

    def _slow(self, now: float, factor: float, since: float) -> None:
        """Go on at this part of what was sent of late, and of what was allowed."""
        rate = self.rate(now)
        seen = max(self._sent, self._sent_before)
        if seen:
            rate = min(rate, seen)
        self._base = max(rate * factor, min(self._rate, _SLOWEST), self._rate * _SLOWEST_PART)
        self._since = since


class OrganisationRates:
    """How many submit_sm a second each organisation may send over all accounts; 0 is no bound."""

    def __init__(self, rate: float = 0.0) -> None:
        self._buckets: dict[str, tuple[float, int]] = {}
        self.rate = rate

    @property
    def limited(self) -> bool:
        """Whether there is any bound."""
        return self.rate > 0

    def left(self, org: str, at_us: int) -> float:
        """How many may go now."""
        most = max(1.0, self.rate)
        tokens, filled_us = self._buckets.get(org, (most, at_us))
        if at_us < filled_us:
            # the clock was put back: nothing is given away, and it fills from now on
            filled_us = at_us
            self._buckets[org] = tokens, at_us
        return min(most, tokens + (at_us - filled_us) / SECOND_US * self.rate)

    def next_us(self, org: str, at_us: int, spent: int = 0) -> int:
        """When one more may go, `spent` of those left being spent."""
        missing = max(0.0, 1.0 - (self.left(org, at_us) - spent))
        return at_us + int(missing / self.rate * SECOND_US) + 1

    def spend(self, org: str, submits: int, at_us: int) -> None:
        """These went."""
        self._buckets[org] = (self.left(org, at_us) - submits, at_us)
