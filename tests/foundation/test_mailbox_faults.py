"""Whatever a carrier drops, repeats and delays, effects happen once and, per sender, in order."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from handoff import ManualClock, Side, numbers
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.mailbox import Posted, Receiver
from foundation.store import run_at_once


class FaultyCarrier:
    """Keeps what was offered until the plan says what becomes of it."""

    healthy = True

    def __init__(self, wire: list[list[Posted]]) -> None:
        self._wire = wire

    async def run(self, receiver: Receiver) -> None:
        raise NotImplementedError(receiver)

    def offer(self, posted: Sequence[Posted]) -> None:
        self._wire.append(list(posted))


STEP = st.one_of(
    st.tuples(st.just("post"), st.integers(1, 5)),
    st.tuples(
        st.sampled_from(("deliver", "drop", "repeat", "ack", "lose ack", "fail before", "fail after")),
        st.integers(0, 9),
    ),
    st.tuples(st.sampled_from(("later", "restart sender", "restart receiver")), st.integers(0, 1)),
)


class World:
    """Two gateways and a bridge; the wires between them are lists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.wire: list[list[Posted]] = []
        self.acks: list[tuple[int, list[str]]] = []
        self.posted = [0, 0]
        self.gateways = [self.side(f"smsd-{which}") for which in (0, 1)]
        self.bridge = self.side("billing")

    def side(self, name: str) -> Side:
        side = Side(name, self.folder / f"{name}.db", self.clock, runner=run_at_once)
        side.attach(FaultyCarrier(self.wire), in_flight=3, retry_s=1.0)
        return side

    async def deliver(self, flight: list[Posted], fault: str = "") -> None:
        self.bridge.faults = [fault]
        try:
            ids = await self.bridge.on_parcels([parcel.body for parcel in flight])
        except Exception:  # noqa: BLE001 - a carrier acknowledges nothing then, whatever it was
            return
        self.acks += [(which, ids) for which in (0, 1)]

    async def step(self, what: str, which: int) -> None:
        wire, acks = self.wire, self.acks
        match what:
            case "post":
                await self.gateways[which % 2].post(which)
                self.posted[which % 2] += which
            case "deliver" if wire:
                await self.deliver(wire.pop(which % len(wire)))
            case "repeat" if wire:
                await self.deliver(wire[which % len(wire)])
            case "fail before" | "fail after" if wire:
                await self.deliver(wire[which % len(wire)], what.removeprefix("fail "))
            case "drop" if wire:
                wire.pop(which % len(wire))
            case "ack" if acks:
                to, ids = acks.pop(which % len(acks))
                await self.gateways[to].courier.on_acks(ids)
            case "lose ack" if acks:
                acks.pop(which % len(acks))
            case "later":
                self.clock.advance(100)
                for gateway in self.gateways:
                    await gateway.courier.tick()
            case "restart sender":
                self.gateways[which].attach(FaultyCarrier(wire), in_flight=3, retry_s=1.0)
                await self.gateways[which].courier.start()
            case "restart receiver":
                await self.bridge.store.close()
                self.bridge = self.side("billing")
            case _:
                return

    async def heal(self) -> None:
        for _ in range(1000):
            if not any(gateway.courier.waiting for gateway in self.gateways):
                return
            await self.step("later", 0)
            while self.wire:
                await self.step("deliver", 0)
            while self.acks:
                await self.step("ack", 0)
        raise AssertionError("the parcels never arrived")


async def live(steps: list[tuple[str, int]], folder: Path) -> None:
    world = World(folder)
    for gateway in world.gateways:
        await gateway.courier.start()
    try:
        for what, which in steps:
            await world.step(what, which)
        await world.heal()
        effects = await world.bridge.effects()
        for which, gateway in enumerate(world.gateways):
            assert [effect for effect in effects if effect[0] == gateway.name] == numbers(
                gateway.name, world.posted[which]
            )
            await gateway.courier.tick()
            assert await gateway.store.run(gateway.outbox.counts) == {}
    finally:
        for side in (*world.gateways, world.bridge):
            await side.store.close()


@settings(max_examples=150)
@given(st.lists(STEP, max_size=60))
def test_effects_happen_once_and_in_order_whatever_the_carrier_does(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(steps, Path(folder)))
