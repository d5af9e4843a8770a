"""A hand-off carrier and its broker: what is offered may be lost, late or come twice; a broker may forget.

The broker outlives the programs at both ends; the ends are theirs and die with them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import partial

from sim_time import Agenda

from foundation.carriers.delivery import Delivery
from foundation.mailbox import Posted, Receiver

Parcels = list[tuple[str, bytes]]


class Broker:
    """Between a gateway and its bridge."""

    def __init__(self, agenda: Agenda, rng: random.Random, fired: Callable[[str], None]) -> None:
        self.agenda = agenda
        self.rng = rng
        self.fired = fired
        self.loses = 0.0
        self.repeats = 0.0
        self.slow_s = 0.0
        self.reorders = 0.0
        self.keeps = rng.random() < 0.5
        """Whether it holds what comes for an end that is not there."""
        self.ends: dict[str, SimCarrier | None] = {"gateway": None, "bridge": None}
        self._held: dict[str, list[tuple[Parcels, list[str]]]] = {"gateway": [], "bridge": []}
        self._last: dict[str, float] = {"gateway": 0.0, "bridge": 0.0}
        self._flights = 0
        self._forgotten_to = 0
        self._landed: set[int] = set()
        self._newest: dict[str, int] = {"gateway": 0, "bridge": 0}

    def send(self, to: str, parcels: Parcels, acks: list[str]) -> None:
        """One publish: whole or not at all."""
        if self.rng.random() < self.loses:
            self.fired("drop: a parcel is lost")
            return
        self._flights += 1
        at = self.agenda.now + self.rng.uniform(0.0005, 0.01) + self.rng.uniform(0, self.slow_s)
        if self.reorders and self.rng.random() < self.reorders:
            # held up alone: what is sent after it may come before it
            at += self.rng.uniform(0, 3)
        else:
            at = self._last[to] = max(self._last[to], at)
        if self.slow_s and parcels:
            self.fired("delay: parcels take long")
        self.agenda.at(at, partial(self._arrive, self._flights, to, parcels, acks))
        if self.rng.random() < self.repeats:
            self.fired("duplicate: a parcel comes again")
            again = at + self.rng.choice((0.0, self.rng.uniform(0, 1), self.rng.uniform(0, 60)))
            self.agenda.at(again, partial(self._arrive, self._flights, to, parcels, acks))

    def forget(self) -> bool:
        """The broker dies and comes back empty; whether it had anything."""
        had = self._flights > len(self._landed) or any(self._held.values())
        self._forgotten_to = self._flights
        self._landed.update(range(1, self._flights + 1))
        for held in self._held.values():
            held.clear()
        return had

    def attach(self, name: str, end: SimCarrier) -> None:
        """An end runs now."""
        self.ends[name] = end
        held, self._held[name] = self._held[name], []
        for parcels, acks in held:
            end.come(parcels, acks)

    def detach(self, end: SimCarrier) -> None:
        """An end is gone, unless another has taken its place already."""
        if self.ends[end.name] is end:
            self.ends[end.name] = None

    def _arrive(self, flight: int, to: str, parcels: Parcels, acks: list[str]) -> None:
        if flight <= self._forgotten_to:
            return
        if flight not in self._landed:
            self._landed.add(flight)
            if parcels and flight < self._newest[to]:
                self.fired("reorder: a parcel overtakes another")
            if parcels:
                self._newest[to] = max(flight, self._newest[to])
        end = self.ends[to]
        if end is not None:
            end.come(parcels, acks)
        elif self.keeps:
            self._held[to].append((parcels, acks))


class SimCarrier:
    """One program's end."""

    def __init__(self, broker: Broker, name: str, other: str, boundary: Callable[[str], None]) -> None:
        self._broker = broker
        self.name = name
        self._other = other
        self._boundary = boundary
        self._coming: list[Parcels] = []
        self._acks: list[str] = []
        self._came = asyncio.Event()
        self._acks_came = asyncio.Event()
        self.healthy = True

    def offer(self, posted: Sequence[Posted]) -> None:
        """Publish committed parcels."""
        self._boundary("before offer")
        self._broker.send(self._other, [(each.id, each.body) for each in posted], [])
        self._boundary("after offer")

    def come(self, parcels: Parcels, acks: list[str]) -> None:
        """The broker brings something."""
        if parcels:
            self._coming.append(parcels)
            self._came.set()
        if acks:
            self._acks.extend(acks)
            self._acks_came.set()

    async def run(self, receiver: Receiver) -> None:
        """Carry until cancelled."""
        delivery = Delivery(receiver)
        self._broker.attach(self.name, self)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._parcels(delivery))
                tasks.create_task(self._acknowledgements(delivery))
        finally:
            self._broker.detach(self)

    async def _parcels(self, delivery: Delivery) -> None:
        while True:
            while not self._coming:
                self._came.clear()
                await self._came.wait()
            group = self._coming.pop(0)
            while group:
                accepted = await delivery.parcels(group)
                self._boundary("before acknowledging")
                self._broker.send(self._other, [], accepted)
                group = [parcel for parcel in group if parcel[0] not in accepted]

    async def _acknowledgements(self, delivery: Delivery) -> None:
        while True:
            await self._acks_came.wait()
            self._acks_came.clear()
            ids, self._acks = self._acks, []
            if ids:
                await delivery.acks(ids)
