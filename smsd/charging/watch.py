"""Charges that wait too long, made visible: counted and aged for the metrics, and told in the log.

Reads only. A charge in doubt is told every hour until somebody or something settles it; so is one that an
operator accepted and never reported on, once its receipt can no longer be on its way.
"""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
import structlog

from foundation.clock import SECOND_US, Clock
from foundation.store import Store, StoreFailed, Tx
from smsd.charging.states import UNFINISHED, ChargeState
from smsd.metrics import Metrics
from smsd.store import statements as sql

log = structlog.get_logger(__name__)

_LOOK_S = 30.0
_TELL_S = 3600.0


class Waiting(msgspec.Struct, frozen=True):
    """Unfinished charges in one state: how many, and the age of the oldest in seconds."""

    count: int = 0
    oldest_s: float = 0.0


class Watch:
    """Looks every half minute; `receipt_wait_h` is how long a receipt may take."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics, receipt_wait_h: int) -> None:
        self.receipt_wait_h = receipt_wait_h
        self._store = store
        self._clock = clock
        self._found: dict[ChargeState, Waiting] = {}
        self._told: dict[ChargeState, float] = {}
        for state in sorted(UNFINISHED):
            metrics.gauge("charges_open", "Unfinished charges", partial(self._count, state), state=state)
            metrics.gauge(
                "charges_oldest_seconds",
                "Age of the oldest unfinished charge",
                partial(self._oldest_s, state),
                state=state,
            )

    def waiting(self, state: ChargeState) -> Waiting:
        """As of the last look."""
        return self._found.get(state, Waiting())

    def _count(self, state: ChargeState) -> float:
        return self.waiting(state).count

    def _oldest_s(self, state: ChargeState) -> float:
        return self.waiting(state).oldest_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except StoreFailed as error:
                log.warning("charges.not_looked_at", error=str(error))
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Count, age, and tell what is due.

        Raises:
            StoreFailed: the last look's figures stand.
        """
        self._found = await self._store.run(self._read)
        doubt = self.waiting(ChargeState.IN_DOUBT)
        if doubt.count:
            self._tell(ChargeState.IN_DOUBT, "charges.in_doubt", doubt)
        accepted = self.waiting(ChargeState.ACCEPTED)
        if accepted.oldest_s > self.receipt_wait_h * 3600:
            self._tell(ChargeState.ACCEPTED, "charges.without_receipt", accepted)

    def _read(self, tx: Tx) -> dict[ChargeState, Waiting]:
        now = self._clock.now_us()
        return {
            ChargeState(state): Waiting(count, (now - oldest) / SECOND_US)
            for state, count, oldest in tx.all(sql.OPEN_CHARGES)
        }

    def _tell(self, state: ChargeState, event: str, waiting: Waiting) -> None:
        now = self._clock.monotonic()
        if now - self._told.get(state, -_TELL_S) < _TELL_S:
            return
        self._told[state] = now
        log.warning(
            event,
            count=waiting.count,
            oldest_s=round(waiting.oldest_s),
            cure=f"smsd charges --state {state}; smsd charges resolve or reconcile",
        )
