"""Hands what came to the program until the program has it: what both carriers do with a failing receiver.

The waits are the event loop's, so that virtual time works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from foundation.mailbox import Receiver
from foundation.store import StoreFailed, StoreLost

log = structlog.get_logger(__name__)


class Delivery:
    """One receiver and the wait between two tries: `first_s`, doubled up to `max_s`."""

    def __init__(self, receiver: Receiver, *, first_s: float = 0.25, max_s: float = 10.0) -> None:
        self._receiver = receiver
        self._first_s = first_s
        self._max_s = max_s
        self.failing = False
        self.failures = 0

    async def parcels(self, parcels: Sequence[tuple[str, bytes]]) -> list[str]:
        """Hand over parcels (id, body) in order; the ids that were taken: at least one, in that order.

        Tries until then. The caller brings the rest again, before anything newer.
        """
        wait_s = self._first_s
        while True:
            taken = await self._parcels([body for _, body in parcels])
            accepted = [parcel for parcel, _ in parcels if parcel in taken]
            if accepted:
                self.failing = len(accepted) < len(parcels)
                return accepted
            wait_s = await self._pause(wait_s)

    async def acks(self, ids: list[str]) -> None:
        """Hand over acknowledgements; tries until they were taken."""
        wait_s = self._first_s
        while True:
            try:
                return await self._receiver.on_acks(ids)
            except StoreLost:
                raise
            except Exception as error:  # noqa: BLE001 - whatever ails the receiver, nothing is acknowledged
                self._tell("acks", len(ids), error)
            wait_s = await self._pause(wait_s)

    async def _parcels(self, bodies: list[bytes]) -> set[str]:
        try:
            return set(await self._receiver.on_parcels(bodies))
        except StoreLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever ails the receiver, nothing is acknowledged
            self._tell("parcels", len(bodies), error)
            return set()

    async def _pause(self, wait_s: float) -> float:
        self.failing = True
        self.failures += 1
        await asyncio.sleep(wait_s)
        return min(wait_s * 2, self._max_s)

    @staticmethod
    def _tell(what: str, count: int, error: Exception) -> None:
        # the text of an unknown error may hold what a parcel says
        detail = str(error) if isinstance(error, StoreFailed) else ""
        log.warning(
            "handoff.receiver_failed", what=what, count=count, error=type(error).__name__, detail=detail
        )
