"""Charges that wait too long, made visible: counted and aged for the metrics, and told in the log.

Reads only. A charge in doubt is told every hour until somebody or something settles it, and as an error at
each age of `limits.in_doubt_alarm_s` that it reaches; one that an operator accepted and never reported on,
once its receipt can no longer be on its way; and what waits for a second person's word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import msgspec
import structlog

from foundation.clock import SECOND_US, Clock
from foundation.store import Store, StoreFailed, Tx
from smsd.charging.states import UNFINISHED, ChargeState
from smsd.metrics import Metrics
from smsd.store import charge_statements as charge_sql
from smsd.store import statements as sql

log = structlog.get_logger(__name__)

_LOOK_S = 30.0
_TELL_S = 3600.0
_CURE = "smsd charges --state {}; smsd charges resolve or reconcile"


class Waiting(msgspec.Struct, frozen=True):
    """Unfinished charges in one state: how many, and the age of the oldest in seconds."""

    count: int = 0
    oldest_s: float = 0.0


class Doubt(msgspec.Struct, frozen=True):
    """Charges in doubt at one moment: ages in seconds, oldest first, and their sum in øre."""

    ages_s: tuple[float, ...] = ()
    amount_ore: int = 0

    def older_than(self, seconds: float) -> int:
        """How many have reached this age."""
        return sum(age >= seconds for age in self.ages_s)


class Seen(msgspec.Struct, frozen=True):
    """What one look found. `proposals` wait for a second person, the oldest for so many seconds."""

    states: dict[ChargeState, Waiting] = {}
    doubt: Doubt = Doubt()
    proposals: Waiting = Waiting()


class Watch:
    """Looks every half minute; `receipt_wait_h` is how long a receipt may take, `alarm_s` the ages in seconds
    at which a charge in doubt is told louder."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        receipt_wait_h: int,
        alarm_s: Sequence[int] = (3600, 86_400, 172_800),
    ) -> None:
        self.receipt_wait_h = receipt_wait_h
        self.alarm_s = tuple(sorted(alarm_s))
        self._store = store
        self._clock = clock
        self._seen = Seen()
        self._told: dict[str, float] = {}
        self._crossed: dict[int, int] = {}
        for state in sorted(UNFINISHED):
            metrics.gauge("charges_open", "Unfinished charges", partial(self._count, state), state=state)
            metrics.gauge(
                "charges_oldest_seconds",
                "Age of the oldest unfinished charge",
                partial(self._oldest_s, state),
                state=state,
            )

        gauge = metrics.gauge
        gauge("in_doubt", "Charges in doubt", lambda: float(len(self._seen.doubt.ages_s)))
        gauge("in_doubt_ore", "What they add up to, øre", lambda: float(self._seen.doubt.amount_ore))
        gauge("in_doubt_oldest_seconds", "Age of the oldest charge in doubt", self._oldest_doubt_s)
        for seconds in self.alarm_s:
            gauge(
                "in_doubt_older",
                "Charges in doubt that reached an age of limits.in_doubt_alarm_s",
                partial(self._older, seconds),
                seconds=str(seconds),
            )
        gauge(
            "proposals_waiting",
            "Charges that wait for a second person's word",
            lambda: float(self._seen.proposals.count),
        )

    @property
    def seen(self) -> Seen:
        """What the last look found."""
        return self._seen

    def waiting(self, state: ChargeState) -> Waiting:
        """As of the last look."""
        return self._seen.states.get(state, Waiting())

    def _oldest_doubt_s(self) -> float:
        return max(self._seen.doubt.ages_s, default=0.0)

    def _older(self, seconds: int) -> float:
        return float(self._seen.doubt.older_than(seconds))

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
        self._seen = await self._store.run(self._read)
        doubt = self.waiting(ChargeState.IN_DOUBT)
        if doubt.count:
            self._tell("charges.in_doubt", doubt, _CURE.format(ChargeState.IN_DOUBT))
        self._tell_ages(doubt)
        accepted = self.waiting(ChargeState.ACCEPTED)
        if accepted.oldest_s > self.receipt_wait_h * 3600:
            self._tell("charges.without_receipt", accepted, _CURE.format(ChargeState.ACCEPTED))
        if self._seen.proposals.count:
            self._tell(
                "charges.proposed",
                self._seen.proposals,
                "smsd charges --proposed; another person: smsd charges resolve or withdraw",
            )

    def _read(self, tx: Tx) -> Seen:
        now = self._clock.now_us()
        states = {
            ChargeState(state): Waiting(count, (now - oldest) / SECOND_US)
            for state, count, oldest in tx.all(sql.OPEN_CHARGES)
        }
        doubtful = tx.all(charge_sql.IN_DOUBT_SINCE) if ChargeState.IN_DOUBT in states else []
        ages = sorted(((now - since) / SECOND_US for since, _ in doubtful), reverse=True)
        proposed, since = tx.one(charge_sql.PROPOSALS_WAITING) or (0, None)
        return Seen(
            states,
            Doubt(tuple(ages), sum(amount for _, amount in doubtful)),
            Waiting(proposed, (now - since) / SECOND_US) if proposed else Waiting(),
        )

    def _tell_ages(self, doubt: Waiting) -> None:
        """Tell at once when one more has reached an age, and every hour while there are any; the oldest age
        alone, so that one charge makes one alarm."""
        older = {seconds: self._seen.doubt.older_than(seconds) for seconds in self.alarm_s}
        grown = [seconds for seconds, count in older.items() if count > self._crossed.get(seconds, 0)]
        self._crossed = older
        reached = [seconds for seconds, count in older.items() if count]
        now = self._clock.monotonic()
        due = now - self._told.get("charges.in_doubt_old", -_TELL_S) >= _TELL_S
        if not reached or not (grown or due):
            return
        self._told["charges.in_doubt_old"] = now
        age_s = grown[-1] if grown else reached[-1]
        log.error(
            "charges.in_doubt_old",
            older_than_s=age_s,
            count=older[age_s],
            oldest_s=round(doubt.oldest_s),
            cure=_CURE.format(ChargeState.IN_DOUBT),
        )

    def _tell(self, event: str, waiting: Waiting, cure: str) -> None:
        now = self._clock.monotonic()
        if now - self._told.get(event, -_TELL_S) < _TELL_S:
            return
        self._told[event] = now
        log.warning(event, count=waiting.count, oldest_s=round(waiting.oldest_s), cure=cure)
