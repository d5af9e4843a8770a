"""One behaviour, two carriers: everything arrives, in order, and its effects happen once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from handoff import ManualClock, Side, eventually, numbers
from mosquitto import Mosquitto

from foundation.carriers.local import LocalCarrier
from foundation.carriers.mqtt import MqttCarrier, MqttSettings
from foundation.mailbox import BRIDGE

FAST = {"backoff_first_s": 0.02, "backoff_max_s": 0.1, "retry_s": 0.01, "retry_max_s": 0.05}


class Pair:
    """A gateway and a bridge over one carrier."""

    def __init__(self, kind: str, tmp_path: Path, broker: Mosquitto | None) -> None:
        self.clock = ManualClock()
        self.broker = broker
        self.kind = kind
        self.gateway = Side("smsd", tmp_path / "smsd.db", self.clock)
        self.bridge = Side("billing", tmp_path / "billing.db", self.clock)
        self.running: dict[str, asyncio.Task[None]] = {}
        if broker is None:
            self.ends = dict(zip(("gateway", "bridge"), LocalCarrier.pair(retry_s=0.01), strict=True))
        else:
            settings = MqttSettings(host="127.0.0.1", port=broker.port, **FAST)
            self.ends = {
                role: MqttCarrier(settings, role, name=name, clock=self.clock, random=random.Random(1))
                for role, name in (("gateway", "smsd"), ("bridge", "bridge-1"))
            }
        self.gateway.attach(self.ends["gateway"], in_flight=20, tick_s=0.02)
        self.bridge.attach(self.ends["bridge"], in_flight=20, tick_s=0.02)

    def start(self, role: str) -> None:
        side = self.gateway if role == "gateway" else self.bridge
        self.running[role] = asyncio.create_task(self.ends[role].run(side))

    async def stop(self, role: str) -> None:
        task = self.running.pop(role)
        task.cancel()
        await asyncio.wait([task])

    async def begin(self) -> None:
        for role, side in (("gateway", self.gateway), ("bridge", self.bridge)):
            await side.courier.start()
            self.start(role)
        await self.until_healthy()

    async def until_healthy(self) -> None:
        await eventually(lambda: all(end.healthy for end in self.ends.values()))

    async def repeat(self) -> None:
        """Let enough time pass that whatever is in the air is offered again."""
        self.clock.advance(100)
        await self.gateway.courier.tick()
        await self.bridge.courier.tick()

    def keep_repeating(self) -> None:
        """From now on the couriers look after what is in the air by themselves."""
        for side in (self.gateway, self.bridge):
            self.running[side.name] = asyncio.create_task(side.courier.run())

    async def let_time_run_until(self, holds: Callable[[], bool]) -> None:
        def look() -> bool:
            self.clock.advance(0.5)
            return holds()

        await eventually(look)

    async def end(self) -> None:
        for task in self.running.values():
            task.cancel()
        if self.running:
            await asyncio.wait(self.running.values())
        for side in (self.gateway, self.bridge):
            await side.store.close()


@pytest.fixture(
    params=[
        "local",
        pytest.param("mqtt", marks=pytest.mark.real),
        pytest.param("mqtt-kept", marks=pytest.mark.real),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def broker(kind: str, tmp_path: Path) -> Iterator[Mosquitto | None]:
    if kind == "local":
        yield None
        return
    broker = Mosquitto(tmp_path, persistence=kind == "mqtt-kept")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
async def pair(kind: str, broker: Mosquitto | None, tmp_path: Path) -> AsyncIterator[Pair]:
    pair = Pair(kind, tmp_path, broker)
    yield pair
    await pair.end()


async def test_everything_arrives_once_and_in_order_both_ways(pair: Pair) -> None:
    await pair.begin()
    for _ in range(10):
        await pair.gateway.post(10)
        await pair.bridge.post(10, peer="smsd")
    await pair.gateway.until_settled()
    await pair.bridge.until_settled()
    assert await pair.bridge.effects() == numbers("smsd", 100)
    assert await pair.gateway.effects() == numbers("billing", 100)
    assert pair.bridge.taken == 100


async def test_parcels_that_came_together_are_handed_over_together(pair: Pair) -> None:
    await pair.begin()
    await pair.gateway.post(15)
    await pair.gateway.until_settled()
    assert pair.bridge.calls == [15]


async def test_what_was_posted_before_the_start_is_taken_up(pair: Pair) -> None:
    await pair.gateway.post(50, tell=False)
    await pair.begin()
    await pair.gateway.post(5)
    await pair.repeat()
    await pair.gateway.until_settled()
    assert await pair.bridge.effects() == numbers("smsd", 55)


async def test_a_receiver_that_fails_before_its_commit_gets_the_parcels_again(pair: Pair) -> None:
    pair.bridge.faults = ["before", "before"]
    await pair.begin()
    await pair.gateway.post(30)
    await pair.gateway.until_settled()
    assert await pair.bridge.effects() == numbers("smsd", 30)
    assert len(pair.bridge.calls) >= 4


async def test_a_receiver_that_fails_after_its_commit_drops_what_it_has_seen(pair: Pair) -> None:
    pair.bridge.faults = ["after"]
    await pair.begin()
    await pair.gateway.post(30)
    await pair.gateway.until_settled()
    assert await pair.bridge.effects() == numbers("smsd", 30)
    assert pair.bridge.taken == 50


async def test_a_lost_acknowledgement_makes_the_sender_repeat_and_the_inbox_drop(pair: Pair) -> None:
    pair.gateway.lose_acks = 1
    await pair.begin()
    await pair.gateway.post(10)
    await pair.gateway.until(lambda: pair.gateway.lose_acks == 0)
    assert pair.gateway.courier.waiting == 10
    await pair.repeat()
    await pair.gateway.until_settled()
    assert await pair.bridge.effects() == numbers("smsd", 10)
    assert pair.bridge.taken == 20


async def test_a_slow_receiver_holds_the_sender_back(pair: Pair) -> None:
    pair.bridge.gate.clear()
    await pair.begin()
    await pair.gateway.post(500)
    await pair.bridge.until(lambda: bool(pair.bridge.calls))
    for _ in range(3):
        await pair.repeat()
    assert pair.gateway.courier.offered == 20
    assert pair.gateway.courier.waiting == 500
    pair.bridge.gate.set()
    await pair.gateway.until_settled()
    assert await pair.bridge.effects() == numbers("smsd", 500)
    assert max(pair.bridge.calls) <= 20


async def test_a_receiver_that_is_cut_off_in_the_middle_takes_them_after_its_return(pair: Pair) -> None:
    pair.bridge.gate.clear()
    await pair.begin()
    await pair.gateway.post(25)
    await pair.bridge.until(lambda: bool(pair.bridge.calls))
    await pair.stop("bridge")
    assert not pair.ends["bridge"].healthy
    pair.bridge.gate.set()
    pair.start("bridge")
    await pair.until_healthy()
    await pair.repeat()
    await pair.gateway.until_settled()
    assert await pair.bridge.effects() == numbers("smsd", 25)


async def test_a_sender_that_is_cut_off_is_told_after_its_return(pair: Pair) -> None:
    await pair.begin()
    pair.bridge.gate.clear()
    await pair.gateway.post(25)
    await pair.bridge.until(lambda: bool(pair.bridge.calls))
    await pair.stop("gateway")
    pair.bridge.gate.set()
    await pair.bridge.until(lambda: pair.bridge.taken == 20)
    pair.start("gateway")
    await pair.until_healthy()
    await pair.repeat()
    await pair.gateway.until_settled()
    assert await pair.bridge.effects() == numbers("smsd", 25)


async def test_a_killed_broker_loses_nothing_and_doubles_nothing(pair: Pair) -> None:
    if pair.broker is None:
        pytest.skip("the local carrier has no broker")
    await pair.begin()
    pair.keep_repeating()
    for round_ in range(4):
        await pair.gateway.post(40)
        await pair.bridge.post(40, peer="smsd")
        if round_ % 2:
            await pair.let_time_run_until(lambda: pair.bridge.taken > 0)
        pair.broker.kill()
        await pair.gateway.post(10)
        pair.broker.start()
    await pair.let_time_run_until(lambda: pair.gateway.courier.waiting + pair.bridge.courier.waiting == 0)
    assert await pair.bridge.effects() == numbers("smsd", 200)
    assert await pair.gateway.effects() == numbers("billing", 160)


async def test_the_oldest_parcel_is_aged_until_it_is_acknowledged(pair: Pair) -> None:
    pair.bridge.gate.clear()
    await pair.begin()
    await pair.gateway.post(3)
    pair.clock.advance(7)
    await pair.gateway.post(3)
    assert pair.gateway.courier.oldest_age_s == pytest.approx(7, abs=0.01)
    assert pair.gateway.courier.waiting_by_peer() == {BRIDGE: 6}
    pair.bridge.gate.set()
    await pair.gateway.until_settled()
    assert pair.gateway.courier.oldest_age_s == 0
