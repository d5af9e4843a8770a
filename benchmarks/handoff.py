"""What the hand-off costs: CPU seconds per 1000 messages through mailbox and carrier, by messages a parcel.

``python benchmarks/handoff.py [--messages 20000] [--carrier local mqtt]`` prints one table. A message is a
`Message` of the contract; sender and receiver are real SQLite stores in one process, each parcel is a
commit of its own at the sender (as much as group commit leaves of it), encoded, sent, decoded, recorded
as seen and settled. The broker's CPU time is a column of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import MetaData, create_engine
from sqlalchemy.pool import NullPool

from foundation.carriers.local import LocalCarrier
from foundation.carriers.mqtt import MqttCarrier, MqttSettings
from foundation.clock import SystemClock
from foundation.contract import Direction, GatewayParcel, Message, MessageFate, Purpose
from foundation.courier import Courier
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Carrier, Inbox, Outbox, mailbox_tables
from foundation.store import SQLITE_PREFIX, Store, connect_sqlite

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

CLOCK = SystemClock()


def make_store(path: Path) -> Store:
    metadata = MetaData()
    mailbox_tables(metadata)
    engine = create_engine(SQLITE_PREFIX + str(path), poolclass=NullPool)
    metadata.create_all(engine)
    engine.dispose()
    return Store(connect_sqlite(path))


class Gateway:
    """Posts messages; told when all are settled."""

    def __init__(self, store: Store, carrier: Carrier) -> None:
        self.store = store
        self.outbox = Outbox()
        self.ids = Ids(CLOCK)
        self.courier = Courier(store, self.outbox, carrier, CLOCK)
        self.settled = asyncio.Event()

    async def on_parcels(self, bodies: list[bytes]) -> list[str]:
        raise AssertionError(f"{len(bodies)} parcels that nobody sent")

    async def on_acks(self, ids: list[str]) -> None:
        await self.courier.on_acks(ids)
        if self.courier.waiting == 0:
            self.settled.set()

    async def post(self, count: int) -> None:
        messages = [self._message() for _ in range(count)]
        parcel = GatewayParcel(id=self.ids.new(), sender="smsd", messages=messages)
        body = msgspec.json.encode(parcel)
        self.courier.committed(
            await self.store.run(lambda tx: self.outbox.post(tx, BRIDGE, [(parcel.id, body)]))
        )

    def _message(self) -> Message:
        return Message(
            id=self.ids.new(),
            conversation=self.ids.new(),
            at=CLOCK.now_us(),
            direction=Direction.IN,
            number="+4799999999",
            short_code="2030",
            org="ORG1",
            text="ORG1 Ola Nordmann ola@example.org",
            segments=1,
            price=0,
            purpose=Purpose.MO,
            fate=MessageFate.RECEIVED,
        )


class Bridge:
    """Decodes and records parcels as seen."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.inbox = Inbox()
        self.messages = 0
        self._read = msgspec.json.Decoder(GatewayParcel).decode

    async def on_parcels(self, bodies: list[bytes]) -> list[str]:
        parcels = [self._read(body) for body in bodies]
        ids = [parcel.id for parcel in parcels]
        new = await self.store.run(lambda tx: self.inbox.unseen(tx, ids, CLOCK.now_us()))
        self.messages += sum(len(parcel.messages) for parcel in parcels if parcel.id in new)
        return ids

    async def on_acks(self, ids: list[str]) -> None:
        raise AssertionError(f"{len(ids)} acknowledgements that nobody asked for")


async def measure(
    ends: tuple[Carrier, Carrier],
    folder: Path,
    messages: int,
    to_a_parcel: int,
    broker: psutil.Process | None,
) -> tuple[float, float, float]:
    """CPU seconds of this process and of the broker, and seconds by the wall, per 1000 messages."""
    gateway = Gateway(make_store(folder / "gateway.db"), ends[0])
    bridge = Bridge(make_store(folder / "bridge.db"))
    await gateway.courier.start()
    carrying = [
        asyncio.create_task(ends[0].run(gateway)),
        asyncio.create_task(ends[1].run(bridge)),
        asyncio.create_task(gateway.courier.run()),
    ]
    while not all(end.healthy for end in ends):
        await asyncio.sleep(0.01)
    parcels = messages // to_a_parcel
    usage, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    brokers = _cpu_s(broker)
    room = asyncio.Semaphore(64)

    async def post() -> None:
        async with room:
            await gateway.post(to_a_parcel)

    await asyncio.gather(*(post() for _ in range(parcels)))
    if gateway.courier.waiting:
        gateway.settled.clear()
        while gateway.courier.waiting:
            await gateway.settled.wait()
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    figures = (spent, _cpu_s(broker) - brokers, time.perf_counter() - wall)
    assert bridge.messages == parcels * to_a_parcel, "not everything arrived once"
    for task in carrying:
        task.cancel()
    await asyncio.wait(carrying)
    await gateway.store.close()
    await bridge.store.close()
    thousands = parcels * to_a_parcel / 1000
    return figures[0] / thousands, figures[1] / thousands, figures[2] / thousands


def _cpu_s(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--carrier", nargs="+", choices=("local", "mqtt"), default=("local", "mqtt"))
    options = parser.parse_args()
    table = Table(title=f"hand-off, {options.messages} messages, {os.cpu_count()} cores")
    for title in ("carrier", "messages a parcel", "CPU s / 1000", "broker's CPU s / 1000", "wall s / 1000"):
        table.add_column(title, justify="right")
    for kind in options.carrier:
        for to_a_parcel in (1, 10, 100):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                if kind == "local":
                    figures = asyncio.run(
                        measure(LocalCarrier.pair(), folder, options.messages, to_a_parcel, None)
                    )
                else:
                    figures = with_broker(folder, options.messages, to_a_parcel)
            table.add_row(kind, str(to_a_parcel), *(f"{figure:.4f}" for figure in figures))
    Console().print(table)


def with_broker(folder: Path, messages: int, to_a_parcel: int) -> tuple[float, float, float]:
    from mosquitto import Mosquitto

    broker = Mosquitto(folder)
    broker.start()
    try:
        settings = MqttSettings(host="127.0.0.1", port=broker.port)

        async def run() -> tuple[float, float, float]:
            ends = (
                MqttCarrier(settings, "gateway", name="smsd", clock=CLOCK, random=random.Random(1)),
                MqttCarrier(settings, "bridge", name="billing", clock=CLOCK, random=random.Random(2)),
            )
            return await measure(ends, folder, messages, to_a_parcel, psutil.Process(broker.pid))

        return asyncio.run(run())
    finally:
        broker.stop()


if __name__ == "__main__":
    main()
