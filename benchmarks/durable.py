"""The durable gateway at window 10, texts out and texts in, beside bare commits of SQLite in the same run.

MT: the bridge's parcel → committed → submit_sm → answer → committed and told. MO: deliver_sm → committed with
its hand-off → deliver_sm_resp; the plainest disposition, a text for the bridge that the gateway answers not.
The SMSC is a process of its own; its CPU is told beside. Timing decides nothing.

    python benchmarks/durable.py [--count 20000] [--rounds 3] [--only mt mo] [--profile FILE] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import sqlite3
import statistics
import tempfile
from contextlib import nullcontext
from pathlib import Path

import uvloop
from stand.program import Stopwatch, gateway
from stand.smsc import SmscProcess

from foundation import logs
from foundation.store import connect_sqlite

ROOT = Path(__file__).resolve().parent.parent
WINDOW = 10
AHEAD = 2000
Figures = dict[str, float]


def bare(count: int, batch: int = WINDOW) -> Figures:
    """What SQLite alone takes to write `count` rows like ours and to change each once, `batch` a commit."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        connection = connect_sqlite(Path(folder) / "bare.db")
        connection.execute(
            "CREATE TABLE messages (id TEXT PRIMARY KEY, number TEXT, text TEXT, fate TEXT, at_us INTEGER, "
            "changed_us INTEGER) WITHOUT ROWID"
        )
        watch = Stopwatch()
        for first in range(0, count, batch):
            ids = [f"01a2016d-c193-7000-95e0-{number:012x}" for number in range(first, first + batch)]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO messages VALUES (?, '+4799999901', 'Hei! Dette er ein kort tekst til deg.', "
                "'queued', 1, 1)",
                [(each,) for each in ids],
            )
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "UPDATE messages SET fate = 'accepted' WHERE id = ?", [(each,) for each in ids]
            )
            connection.execute("COMMIT")
        figures = {
            "a_second": round(count / watch.wall_s),
            "cpu_s_per_1000": round(watch.cpu_s / count * 1000, 4),
        }
        connection.close()
    return figures


async def sending(count: int, answer_s: float, a_parcel: int, profile: cProfile.Profile | None) -> Figures:
    """MTs through the whole gateway."""
    with SmscProcess(answer_s) as smsc:
        async with gateway(smsc.port, WINDOW) as running:
            bodies = running.bridge.texts(count, a_parcel)
            commits = running.turns
            peer, watch = smsc.cpu_s(), Stopwatch()
            with profile or nullcontext():
                await running.bridge.ask(bodies, count, ahead=AHEAD)
            figures = {
                "a_second": round(count / watch.wall_s),
                "cpu_s_per_1000": round(watch.cpu_s / count * 1000, 4),
                "smsc_cpu_s_per_1000": round((smsc.cpu_s() - peer) / count * 1000, 4),
                "texts_a_commit": round(count / (running.turns - commits), 1),
            }
    return figures


async def taking(count: int, profile: cProfile.Profile | None) -> Figures:
    """MOs through the whole gateway."""
    with SmscProcess() as smsc:
        async with gateway(smsc.port, WINDOW) as running:
            commits = running.turns
            peer, watch = smsc.cpu_s(), Stopwatch()
            with profile or nullcontext():
                wall_s = await asyncio.to_thread(smsc.push, count, WINDOW)
            figures = {
                "a_second": round(count / wall_s),
                "cpu_s_per_1000": round(watch.cpu_s / count * 1000, 4),
                "smsc_cpu_s_per_1000": round((smsc.cpu_s() - peer) / count * 1000, 4),
                "texts_a_commit": round(count / (running.turns - commits), 1),
            }
    return figures


def median(rounds: list[Figures]) -> Figures:
    return {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--count", type=int, default=20_000, help="texts a round; a quarter where answers wait"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=("bare", "mt", "one", "slow", "mo"), default=[])
    parser.add_argument("--profile", help="write cProfile's figures of the gateway's part there")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "durable.json")
    asked = parser.parse_args()
    logs.configure("error", "json")
    profile = cProfile.Profile() if asked.profile else None
    count = asked.count
    runs = {
        "bare": ("SQLite alone, a row written and changed", lambda: bare(count)),
        "mt": (
            "MT, answered at once, 100 texts a parcel",
            lambda: uvloop.run(sending(count, 0, 100, profile)),
        ),
        "one": ("MT, answered at once, 1 text a parcel", lambda: uvloop.run(sending(count, 0, 1, profile))),
        "slow": (
            "MT, answered after 10 ms, 100 texts a parcel",
            lambda: uvloop.run(sending(count // 4, 0.010, 100, profile)),
        ),
        "mo": ("MO to response", lambda: uvloop.run(taking(count, profile))),
    }
    chosen = {key: run for key, run in runs.items() if not asked.only or key in asked.only}
    rounds: dict[str, list[Figures]] = {key: [] for key in chosen}
    for _ in range(asked.rounds):
        # in turns, so that what else the machine does falls on all
        for key, (_name, run) in chosen.items():
            rounds[key].append(run())
    if profile is not None:
        profile.dump_stats(asked.profile)
    results = {key: median(each) for key, each in rounds.items()}
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(results, indent=1))
    print(f"medians of {asked.rounds}; window {WINDOW}, SQLite {sqlite3.sqlite_version}")
    for key, figures in results.items():
        told = "  ".join(f"{name} {value:g}" for name, value in figures.items())
        print(f"{chosen[key][0]:<46} {told}")


if __name__ == "__main__":
    main()
