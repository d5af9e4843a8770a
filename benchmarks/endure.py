"""Whether the gateway stays as fast and as small: with 100 000 texts waiting, with 10 million messages in the
store, over a million texts. The store is made once, 3.5 GB, in the folder of `--store`.

    python benchmarks/endure.py [--only waiting log memory] [--rows 10000000] [--store FILE] [--texts 1000000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import uvloop
from stand.filled import filled
from stand.program import Running, Stopwatch, gateway
from stand.smsc import SmscProcess

from foundation import logs

ROOT = Path(__file__).resolve().parent.parent
WINDOW = 10
AHEAD = 2000
A_PARCEL = 100
Figures = dict[str, float]


def _figures(count: int, wall_s: float, cpu_s: float) -> Figures:
    return {"a_second": round(count / wall_s), "cpu_s_per_1000": round(cpu_s / count * 1000, 4)}


async def _mt(running: Running, count: int) -> Figures:
    bodies = running.bridge.texts(count, A_PARCEL)
    watch = Stopwatch()
    await running.bridge.ask(bodies, count, ahead=AHEAD)
    return _figures(count, watch.wall_s, watch.cpu_s)


async def _mo(running: Running, smsc: SmscProcess, count: int) -> Figures:
    watch = Stopwatch()
    wall_s = await asyncio.to_thread(smsc.push, count, WINDOW)
    return _figures(count, wall_s, watch.cpu_s)


async def waiting(count: int) -> dict[str, Figures]:
    """Texts a second while so many wait, a fifth at a time, and texts from phones beside them."""
    results: dict[str, Figures] = {}
    with SmscProcess() as smsc:
        async with gateway(smsc.port, WINDOW, queue=2 * count) as running:
            results["MO, nothing waits"] = await _mo(running, smsc, 10_000)
            smsc.hold()
            bodies = running.bridge.texts(count, A_PARCEL)
            asking = asyncio.create_task(running.bridge.ask(bodies, count, ahead=2 * count))
            while running.waiting < count - WINDOW:
                await asyncio.sleep(0.01)
            results[f"MO, {count} wait"] = await _mo(running, smsc, 10_000)
            before = running.bridge.accepted
            smsc.go()
            for fifth in range(5):
                watch = Stopwatch()
                at = running.bridge.accepted
                end = before + (fifth + 1) * count // 5
                while running.bridge.accepted < end:
                    await asyncio.sleep(0.002)
                sent = running.bridge.accepted - at
                left = count - fifth * count // 5
                results[f"MT, from {left} waiting on"] = _figures(sent, watch.wall_s, watch.cpu_s)
            await asking
    return results


async def on_store(store: Path | None, count: int) -> dict[str, Figures]:
    """MT and MO on an empty store, or on one that is there already."""
    with SmscProcess() as smsc:
        started = time.perf_counter()
        async with gateway(smsc.port, WINDOW, store=store) as running:
            start_s = time.perf_counter() - started
            return {
                "MT": await _mt(running, count),
                "MO": await _mo(running, smsc, count),
                "start to bound and ready": {"s": round(start_s, 2)},
            }


def log_rows(rows: int, store: Path, count: int, rounds: int) -> dict[str, Figures]:
    """The same work on an empty store and on one of so many messages, in turns."""
    filled(store, rows)
    found: dict[str, list[Figures]] = {}
    for _ in range(rounds):
        for name, path in ((f"{rows} rows", store), ("empty", None)):
            for what, figures in uvloop.run(on_store(path, count)).items():
                found.setdefault(f"{what}, {name}", []).append(figures)
    return {
        name: {key: statistics.median(each[key] for each in several) for key in several[0]}
        for name, several in found.items()
    }


def _rss_mb() -> float:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096 / 1e6


async def memory(texts: int) -> dict[str, Figures]:
    """Resident memory of this process after each tenth of so many texts."""
    results: dict[str, Figures] = {}
    with SmscProcess() as smsc:
        async with gateway(smsc.port, WINDOW) as running:
            results["0 texts"] = {"rss_mb": round(_rss_mb(), 1)}
            for tenth in range(1, 11):
                figures = await _mt(running, texts // 10)
                results[f"{tenth * texts // 10} texts"] = {"rss_mb": round(_rss_mb(), 1), **figures}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=("waiting", "log", "memory"), default=[])
    parser.add_argument("--waiting", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1_000_000, help="messages in the store")
    parser.add_argument("--store", type=Path, help="keep that store here, for the next time")
    parser.add_argument("--texts", type=int, default=200_000, help="over which memory is watched")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "endure.json")
    asked = parser.parse_args()
    logs.configure("error", "json")
    results: dict[str, Figures] = {}
    if not asked.only or "waiting" in asked.only:
        results |= uvloop.run(waiting(asked.waiting))
    if not asked.only or "log" in asked.only:
        folder = tempfile.mkdtemp(prefix="bench-")
        store = asked.store or Path(folder) / "filled.db"
        try:
            results |= log_rows(asked.rows, store.resolve(), asked.count, asked.rounds)
        finally:
            shutil.rmtree(folder)
    if not asked.only or "memory" in asked.only:
        results |= uvloop.run(memory(asked.texts))
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(results, indent=1))
    for name, figures in results.items():
        told = "  ".join(f"{key} {value:g}" for key, value in figures.items())
        print(f"{name:<34} {told}")


if __name__ == "__main__":
    main()
