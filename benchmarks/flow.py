"""How well windows are used: an SMSC in a process of its own that answers every submit_sm after 10 ms.

First a bare link at several windows, as a share of the most that window and answering time allow; then the
whole gateway sending texts that the bridge asks for, each durable before it goes. Timing decides nothing.

    python benchmarks/flow.py [--count 3000] [--seconds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from foundation import logs
from foundation.clock import SystemClock
from foundation.contract import BridgeParcel, GatewayParcel, MessageFate, MessageState, Send
from foundation.ids import Ids
from foundation.mailbox import Posted, Receiver
from smsd.daemon import Daemon
from smsd.settings import load
from smsd.smpp import pdu as p
from smsd.smpp.answers import Answer
from smsd.smpp.constants import CommandId
from smsd.smpp.link import Link, LinkSettings, LinkState
from smsd.smpp.server import ServerConnection, SmppServer
from smsd.smpp.session import SessionSettings

ROOT = Path(__file__).resolve().parent.parent
ANSWER_S = 0.010
WINDOWS = (1, 10, 50, 100)
CONFIG = """
[store]
url = "sqlite:///{folder}/smsd.db"
[handoff]
carrier = "local"
[bridge]
store = "sqlite:///{folder}/billing.db"
[web]
listen = "127.0.0.1:0"
[log]
level = "error"
format = "json"
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


class SlowSmsc:
    """Takes every bind and answers every submit_sm after `ANSWER_S`."""

    def __init__(self) -> None:
        self._number = 0

    def on_bind(self, conn: ServerConnection, frame: p.Frame) -> int:
        return 0

    def on_requests(self, conn: ServerConnection, frames: list[p.Frame]) -> None:
        asyncio.get_running_loop().call_later(ANSWER_S, self._answer, conn, frames)

    def _answer(self, conn: ServerConnection, frames: list[p.Frame]) -> None:
        for frame in frames:
            self._number += 1
            conn.respond(frame, p.SubmitSmResp(str(self._number)))

    def on_answers(self, conn: ServerConnection, answers: list[Answer]) -> None: ...

    def on_closed(self, conn: ServerConnection, reason: str) -> None: ...


async def serve() -> None:
    """Be the SMSC; tells its port on standard output."""
    server = SmppServer(SlowSmsc(), settings=SessionSettings(window=1000))
    await server.start()
    print(server.port, flush=True)
    await asyncio.Event().wait()


class Pusher:
    """Keeps a link's window full and counts answers."""

    def __init__(self) -> None:
        self.answered = 0
        self.bound = asyncio.Event()
        self._pdu = p.SubmitSm(source_addr="2030", destination_addr="4799999901", short_message=b"a" * 70)

    def on_state(self, link: Link, state: LinkState, detail: str) -> None:
        if state is LinkState.BOUND:
            self.bound.set()
            self.fill(link)

    def on_requests(self, link: Link, frames: list[p.Frame]) -> None: ...

    def on_answers(self, link: Link, answers: list[Answer]) -> None:
        self.answered += len(answers)
        self.fill(link)

    def fill(self, link: Link) -> None:
        while link.submit(self._pdu, None):
            pass


async def bare(port: int, window: int, seconds: float) -> dict[str, float]:
    """submit_sm a second of a link that always has something to send."""
    pusher = Pusher()
    bind = p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret")
    link = Link(
        LinkSettings("bench", "127.0.0.1", port, bind, window=window),
        pusher,
        clock=SystemClock(),
        random=random.Random(1),
    )
    running = asyncio.create_task(link.run())
    await pusher.bound.wait()
    await asyncio.sleep(0.2)
    before, started, cpu = pusher.answered, time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    passed = time.perf_counter() - started
    sent = pusher.answered - before
    spent = time.process_time() - cpu
    await link.stop(1)
    await running
    most = window / ANSWER_S
    return {
        "window": window,
        "a_second": round(sent / passed),
        "percent_of_window": round(100 * sent / passed / most, 1),
        "cpu_s_per_1000": round(spent / sent * 1000, 4),
    }


class Feeder:
    """The bridge's end: asks for `count` texts, in parcels, and acknowledges what the gateway tells."""

    healthy = True

    def __init__(self, count: int, parcel: int) -> None:
        self._count, self._parcel = count, parcel
        self._told: asyncio.Queue[list[Posted]] = asyncio.Queue()
        self._ids = Ids(SystemClock(), random.Random(3).getrandbits)
        self.accepted = 0
        self.start = asyncio.Event()
        self.done = asyncio.Event()

    def offer(self, posted: Sequence[Posted]) -> None:
        self._told.put_nowait(list(posted))

    def _body(self, first: int) -> bytes:
        now = SystemClock().now_us()
        sends: list[Any] = [
            Send(
                id=self._ids.new(),
                conversation=self._ids.new(),
                at=now,
                org="ORG1",
                recipient=f"+479{number:07d}",
                text="Hei! Dette er ein kort tekst til deg.",
            )
            for number in range(first, min(first + self._parcel, self._count))
        ]
        return msgspec.json.encode(BridgeParcel(id=self._ids.new(), sender="bridge", messages=sends))

    async def _feed(self, receiver: Receiver) -> None:
        await self.start.wait()
        for first in range(0, self._count, self._parcel):
            await receiver.on_parcels([self._body(first)])

    async def run(self, receiver: Receiver) -> None:
        feeding = asyncio.create_task(self._feed(receiver))
        decoder = msgspec.json.Decoder(GatewayParcel)
        while True:
            posted = await self._told.get()
            for each in posted:
                for message in decoder.decode(each.body).messages:
                    if isinstance(message, MessageState) and message.fate is MessageFate.ACCEPTED:
                        self.accepted += 1
            await receiver.on_acks([each.id for each in posted])
            if self.accepted >= self._count:
                self.done.set()
                await feeding


async def durable(port: int, window: int, count: int, parcel: int) -> dict[str, float]:
    """Texts a second of the whole gateway, on a store that syncs every commit."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        config = Path(folder) / "smsd.toml"
        config.write_text(CONFIG.format(folder=folder, port=port, window=window))
        (Path(folder) / "org1.toml").write_text(ORG)
        feeder = Feeder(count, parcel)
        daemon = Daemon(load(config, {}), carrier=feeder)
        running = asyncio.create_task(daemon.run())
        await daemon.ready.wait()
        await asyncio.sleep(0.5)
        started, cpu = time.perf_counter(), time.process_time()
        feeder.start.set()
        await feeder.done.wait()
        passed, spent = time.perf_counter() - started, time.process_time() - cpu
        daemon.stop()
        await running
    return {
        "window": window,
        "texts_a_parcel": parcel,
        "a_second": round(count / passed),
        "percent_of_window": round(100 * count / passed / (window / ANSWER_S), 1),
        "cpu_s_per_1000": round(spent / count * 1000, 3),
    }


async def measure(port: int, seconds: float, count: int) -> dict[str, list[dict[str, float]]]:
    return {
        "bare link": [await bare(port, window, seconds) for window in WINDOWS],
        "durable": [await durable(port, 10, count, parcel) for parcel in (1, 100)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000, help="durable texts")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each window of the bare link")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "flow.json")
    parser.add_argument("--smsc", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.smsc:
        with suppress(KeyboardInterrupt):
            uvloop.run(serve())
        return
    logs.configure("error", "json")
    smsc = subprocess.Popen([sys.executable, __file__, "--smsc"], stdout=subprocess.PIPE, text=True)
    try:
        assert smsc.stdout is not None
        results = uvloop.run(measure(int(smsc.stdout.readline()), asked.seconds, asked.count))
    finally:
        smsc.terminate()
        smsc.wait(10)
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(results, indent=1))
    for name, rows in results.items():
        print(f"{name}: {' | '.join(rows[0])}")
        for row in rows:
            print("   " + " | ".join(f"{value:>10}" for value in row.values()))


if __name__ == "__main__":
    main()
