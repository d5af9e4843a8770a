"""How long to wait before the next try to connect: exponential, with jitter from a handed-in random."""

from __future__ import annotations

import random

from tenacity import AsyncRetrying, RetryCallState
from tenacity.wait import wait_exponential


class _Jittered(wait_exponential):
    """Between half of the exponential wait and all of it, so that many links do not come back at once."""

    def __init__(self, first_s: float, max_s: float, rng: random.Random) -> None:
        super().__init__(multiplier=first_s, max=max_s)
        self._rng = rng

    def __call__(self, retry_state: RetryCallState) -> float:
        whole = super().__call__(retry_state)
        return self._rng.uniform(whole / 2, whole)


class Backoff:
    """Waits in seconds: `first_s`, twice that, and so on to `max_s`, each less up to half of it."""

    def __init__(self, first_s: float, max_s: float, rng: random.Random) -> None:
        self._wait = _Jittered(first_s, max_s, rng)
        self._tries = 0

    def next_s(self) -> float:
        """The wait after one more failure."""
        self._tries += 1
        state = RetryCallState(AsyncRetrying(), None, (), {})
        state.attempt_number = self._tries
        return self._wait(state)

    def reset(self) -> None:
        """It worked; the next wait is the first again."""
        self._tries = 0
