"""The hand-off within one process: two ends, bounded, in order; acknowledged is what was committed.

Starts no thread and knows no time but the event loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

from foundation.carriers.delivery import Delivery
from foundation.mailbox import Posted, Receiver


class LocalCarrier:
    """One end; `pair()` makes both.

    `limit` bounds how many parcels may be on their way to this end. What is offered beyond it is
    dropped, and what is offered again while it is on its way travels once; the courier repeats.
    """

    def __init__(
        self, *, limit: int = 1024, batch: int = 256, retry_s: float = 0.25, retry_max_s: float = 10.0
    ) -> None:
        self._other: LocalCarrier = self
        self._limit = limit
        self._batch = batch
        self._retry_s = retry_s
        self._retry_max_s = retry_max_s
        self._coming: dict[str, bytes] = {}
        self._acks: dict[str, None] = {}
        self._something_came = asyncio.Event()
        self._acks_came = asyncio.Event()
        self._delivery: Delivery | None = None
        self.dropped = 0

    @classmethod
    def pair(
        cls, *, limit: int = 1024, batch: int = 256, retry_s: float = 0.25, retry_max_s: float = 10.0
    ) -> tuple[Self, Self]:
        """The gateway's end and the bridge's end."""
        gateway = cls(limit=limit, batch=batch, retry_s=retry_s, retry_max_s=retry_max_s)
        bridge = cls(limit=limit, batch=batch, retry_s=retry_s, retry_max_s=retry_max_s)
        gateway._other, bridge._other = bridge, gateway
        return gateway, bridge

    @property
    def healthy(self) -> bool:
        """Both ends run, and both receivers take what comes."""
        return all(end._delivery is not None and not end._delivery.failing for end in (self, self._other))

    @property
    def coming(self) -> int:
        """Parcels on their way to this end."""
        return len(self._coming)

    def offer(self, posted: Sequence[Posted]) -> None:
        """Put committed parcels on their way to the other end: all, or none where they have no room."""
        coming = self._other._coming
        new = {parcel.id: parcel.body for parcel in posted if parcel.id not in coming}
        if len(coming) + len(new) > self._limit and coming:
            self.dropped += len(new)
            return
        coming.update(new)
        self._other._something_came.set()

    async def run(self, receiver: Receiver) -> None:
        """Carry until cancelled. What was on its way to this end is lost then, as if a cable were cut."""
        self._delivery = delivery = Delivery(receiver, first_s=self._retry_s, max_s=self._retry_max_s)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._carry_parcels(delivery))
                tasks.create_task(self._carry_acks(delivery))
        finally:
            self._delivery = None
            self._coming.clear()
            self._acks.clear()

    async def _carry_parcels(self, delivery: Delivery) -> None:
        while True:
            await self._something_came.wait()
            batch = [parcel for parcel, _ in zip(self._coming.items(), range(self._batch), strict=False)]
            if not batch:
                self._something_came.clear()
                continue
            accepted = await delivery.parcels(batch)
            for parcel in accepted:
                self._coming.pop(parcel, None)
            self._other._acks.update(dict.fromkeys(accepted))
            self._other._acks_came.set()
            if len(accepted) < len(batch):
                await asyncio.sleep(self._retry_s)

    async def _carry_acks(self, delivery: Delivery) -> None:
        while True:
            await self._acks_came.wait()
            self._acks_came.clear()
            ids = list(self._acks)
            self._acks.clear()
            if ids:
                await delivery.acks(ids)
