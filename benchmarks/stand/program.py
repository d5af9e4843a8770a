"""The gateway in this process, as `smsd run` tunes it, with a bridge that asks for texts and costs little."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from foundation.clock import SystemClock
from foundation.contract import BridgeParcel, Send
from foundation.ids import Ids
from foundation.mailbox import Posted, Receiver
from smsd.daemon import Daemon, run_until_signal
from smsd.settings import load

CONFIG = """
[store]
url = "sqlite:///{store}"
[handoff]
carrier = "local"
[bridge]
store = "sqlite:///{folder}/billing.db"
[web]
listen = "127.0.0.1:0"
[log]
level = "error"
format = "json"
[limits]
mt_queue = {queue}
[[operators]]
name = "telco"
host = "127.0.0.1"
port = {port}
system_id = "smsd"
password = "secret"
window = {window}
rate = 10000
request_receipts = "premium"
[[short_codes]]
number = "2030"
operators = ["telco"]
[[organisations]]
file = "{folder}/org1.toml"
"""
ORG = 'name = "Org"\ncodeword = "ORG1"\nsite = "https://org.example"\njoin = "off"\n'
_FLIGHT_OCTETS = 256 * 1024
_FLIGHT_PARCELS = 256
_ACCEPTED = b'"fate":"accepted"'


class Bridge:
    """The other end of the hand-off: asks for texts in flights as a courier would, with at most `ahead` of
    them not accepted yet, and acknowledges what the gateway tells. It counts what it is told, unread.
    """

    healthy = True

    def __init__(self) -> None:
        self._told: asyncio.Queue[list[Posted]] = asyncio.Queue()
        self._ids = Ids(SystemClock(), random.Random(3).getrandbits)
        self._receiver: Receiver | None = None
        self._heard = asyncio.Event()
        self.accepted = 0
        self.parcels = 0

    def offer(self, posted: Sequence[Posted]) -> None:
        self._told.put_nowait(list(posted))

    async def run(self, receiver: Receiver) -> None:
        self._receiver = receiver
        while True:
            posted = await self._told.get()
            self.parcels += len(posted)
            self.accepted += sum(each.body.count(_ACCEPTED) for each in posted)
            self._heard.set()
            await receiver.on_acks([each.id for each in posted])

    def texts(self, count: int, a_parcel: int) -> list[bytes]:
        """Parcels that ask for so many texts."""
        now = SystemClock().now_us()
        bodies = []
        for first in range(0, count, a_parcel):
            sends: list[Any] = [
                Send(
                    id=self._ids.new(),
                    conversation=self._ids.new(),
                    at=now,
                    org="ORG1",
                    recipient=f"+479{number % 10_000_000:07d}",
                    text="Hei! Dette er ein kort tekst til deg.",
                )
                for number in range(first, min(first + a_parcel, count))
            ]
            bodies.append(
                msgspec.json.encode(BridgeParcel(id=self._ids.new(), sender="bridge", messages=sends))
            )
        return bodies

    async def ask(self, bodies: list[bytes], count: int, *, ahead: int) -> None:
        """Hand parcels over; returns when all `count` texts that they ask for are accepted."""
        assert self._receiver is not None
        before, asked, at = self.accepted, 0, 0
        a_parcel = -(-count // len(bodies))
        while at < len(bodies):
            flight: list[bytes] = []
            octets = 0
            while (
                at < len(bodies)
                and len(flight) < _FLIGHT_PARCELS
                and octets < _FLIGHT_OCTETS
                and asked + len(flight) * a_parcel - (self.accepted - before) < ahead
            ):
                flight.append(bodies[at])
                octets += len(bodies[at])
                at += 1
            if flight:
                asked += len(flight) * a_parcel
                await self._receiver.on_parcels(flight)
            else:
                await self._something()
        while self.accepted - before < count:
            await self._something()

    async def _something(self) -> None:
        self._heard.clear()
        await self._heard.wait()


class Running:
    """A gateway that runs, and its bridge."""

    def __init__(self, daemon: Daemon, bridge: Bridge) -> None:
        self.daemon = daemon
        self.bridge = bridge

    @property
    def waiting(self) -> int:
        """submit_sm in memory."""
        return sum(map(len, self.daemon._queues.values()))

    @property
    def turns(self) -> float:
        """Transactions of the engine so far."""
        return self.daemon.metrics.registry.get_sample_value("smsd_batch_inputs_count") or 0.0


@asynccontextmanager
async def gateway(
    port: int, window: int, *, store: Path | None = None, queue: int = 10_000
) -> AsyncIterator[Running]:
    """A gateway bound to an SMSC at this port; with `store` on a database that is there already."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        config = Path(folder) / "smsd.toml"
        place = store or Path(folder) / "smsd.db"
        config.write_text(CONFIG.format(folder=folder, store=place, port=port, window=window, queue=queue))
        (Path(folder) / "org1.toml").write_text(ORG)
        bridge = Bridge()
        daemon = Daemon(load(config, {}), carrier=bridge)
        running = asyncio.create_task(run_until_signal(daemon))
        await daemon.ready.wait()
        async with asyncio.timeout(10):
            while not any(link.can_submit for each in daemon._links.values() for link in each):
                await asyncio.sleep(0.01)
        # its first tick and what else a start does
        await asyncio.sleep(0.3)
        yield Running(daemon, bridge)
        daemon.stop()
        await running


class Stopwatch:
    """Wall and CPU seconds of this process since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    @property
    def wall_s(self) -> float:
        return time.perf_counter() - self._wall

    @property
    def cpu_s(self) -> float:
        return time.process_time() - self._cpu
