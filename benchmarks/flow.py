"""How well windows are used: an SMSC in a process of its own that answers every submit_sm after 10 ms.

A bare link at several windows, as a share of the most that window and answering time allow, and smpplib's
client beside it in the same run, with as many requests ahead. Timing decides nothing.

    python benchmarks/flow.py [--seconds 3] [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from pathlib import Path

import smpplib.client
import smpplib.consts
import uvloop
from stand.smsc import SmscProcess

from foundation import logs
from foundation.clock import SystemClock
from smsd.smpp import pdu as p
from smsd.smpp.constants import CommandId
from smsd.smpp.link import Answer, Link, LinkSettings, LinkState

ROOT = Path(__file__).resolve().parent.parent
ANSWER_S = 0.010
WINDOWS = (1, 10, 50, 100)
_TEXT = b"a" * 70
Figures = dict[str, float]


class Pusher:
    """Keeps a link's window full and counts answers."""

    def __init__(self) -> None:
        self.answered = 0
        self.bound = asyncio.Event()
        self._pdu = p.SubmitSm(source_addr="2030", destination_addr="4799999901", short_message=_TEXT)

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


def _figures(window: int, sent: int, wall_s: float, cpu_s: float, smsc_cpu_s: float) -> Figures:
    return {
        "a_second": round(sent / wall_s),
        "percent_of_window": round(100 * sent / wall_s / (window / ANSWER_S), 1),
        "cpu_s_per_1000": round(cpu_s / sent * 1000, 4),
        "smsc_cpu_s_per_1000": round(smsc_cpu_s / sent * 1000, 4),
    }


async def ours(smsc: SmscProcess, window: int, seconds: float) -> Figures:
    """A link that always has something to send."""
    pusher = Pusher()
    bind = p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret")
    link = Link(
        LinkSettings("bench", "127.0.0.1", smsc.port, bind, window=window),
        pusher,
        clock=SystemClock(),
        random=random.Random(1),
    )
    running = asyncio.create_task(link.run())
    await pusher.bound.wait()
    await asyncio.sleep(0.2)
    before, started, cpu, peer = pusher.answered, time.perf_counter(), time.process_time(), smsc.cpu_s()
    await asyncio.sleep(seconds)
    figures = _figures(
        window,
        pusher.answered - before,
        time.perf_counter() - started,
        time.process_time() - cpu,
        smsc.cpu_s() - peer,
    )
    await link.stop(1)
    await running
    return figures


def smpplibs(smsc: SmscProcess, window: int, seconds: float) -> Figures:
    """smpplib's client, used as its windows allow: another request for each answer that was read."""
    client = smpplib.client.Client("127.0.0.1", smsc.port, allow_unknown_opt_params=True)
    client.connect()
    client.bind_transceiver(system_id="smsd", password="secret")

    def send() -> None:
        client.send_message(
            source_addr="2030",
            destination_addr="4799999901",
            short_message=_TEXT,
            source_addr_ton=smpplib.consts.SMPP_TON_UNK,
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
        )

    sent = 0
    for _ in range(window):
        send()
    started, cpu, peer = time.perf_counter(), time.process_time(), smsc.cpu_s()
    while time.perf_counter() - started < seconds:
        client.read_once()
        sent += 1
        send()
    figures = _figures(
        window, sent, time.perf_counter() - started, time.process_time() - cpu, smsc.cpu_s() - peer
    )
    client.disconnect()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each window and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "flow.json")
    asked = parser.parse_args()
    logs.configure("error", "json")
    rounds: dict[int, list[tuple[Figures, Figures]]] = {window: [] for window in WINDOWS}
    with SmscProcess(ANSWER_S) as smsc:
        for _ in range(asked.rounds):
            # in turns, so that what else the machine does falls on both
            for window in WINDOWS:
                mine = uvloop.run(ours(smsc, window, asked.seconds))
                rounds[window].append((mine, smpplibs(smsc, window, asked.seconds)))
    results = {}
    print(f"medians of {asked.rounds}; the SMSC answers after {ANSWER_S * 1000:g} ms")
    print("window |       | submit_sm/s | % of window x 100 | CPU s/1000 | SMSC's")
    for window, pairs in rounds.items():
        for name, at in (("ours", 0), ("smpplib", 1)):
            row = {key: statistics.median(each[at][key] for each in pairs) for key in pairs[0][at]}
            results[f"{name} {window}"] = row
            print(f"{window:>6} | {name:<7} | " + " | ".join(f"{value:>10g}" for value in row.values()))
        ratio = statistics.median(a["a_second"] / b["a_second"] for a, b in pairs)
        results[f"ratio {window}"] = {"a_second": round(ratio, 2)}
        print(f"{window:>6} | ratio   | {ratio:>10.2f}")
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
