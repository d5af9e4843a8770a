"""A calm run, at whose end nothing is in doubt; then lost links, after each of which at most a window is.

Real processes on loopback: the operator's simulator with its ledger in a file, and the gateway with its
bridge, every commit synced. Members pay 50 kr each, in rounds; whoever pays is billed once. Then the
simulator, answering slowly so that windows are full, is killed in the middle of a round, as often as asked,
and started again on its ledger. What each side says is compared by number: the charges, the operator's
ledger, the bridge's payments. Ends with 1 where anything differs from what must be.

    python benchmarks/calm.py --payments 1000000 [--losses 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from gateway import CONFIG, call, cpu_s, free_port, import_people, order

ROOT = Path(__file__).resolve().parent.parent
ROUND = 100_000
FIRST_CALM, FIRST_LOSS = 0, 90
SLOW_S = 0.2
ORG = """
name = "Organisasjon1"
codeword = "ORG1"
site = "https://org1.example.org"
join = "off"
[subcodewords]
BETAL = "pay"
[billing]
account = "9999.00.00014"
organisation_number = "999 000 010"
[[billing.fees]]
category = "Medlem"
amount_kr = 50
"""


def prefix(place: int) -> str:
    """Numbers of one round: 4790000000 and on, 100 000 for each place."""
    return f"479{place:02d}"


class World:
    """The two programs in a folder of their own."""

    def __init__(self, window: int, mo_window: int, receipts: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="calm-"))
        self.window = window
        self.port, self.control, self.metrics = free_port(), free_port(), free_port()
        self.config = self.folder / "smsd.toml"
        config = CONFIG.replace("{root}/config/organisations/org1.toml", "{folder}/org1.toml")
        self.config.write_text(
            config.format(
                folder=self.folder, port=self.port, window=window, receipts=receipts, metrics=self.metrics
            )
        )
        (self.folder / "org1.toml").write_text(ORG)
        self.script = self.folder / "script.json"
        self.script.write_text(json.dumps({"limits": {"window": mo_window}}))
        self.ledger = self.folder / "ledger.jsonl"
        self.log = (self.folder / "smsd.log").open("wb")
        self.simulator = self._start_simulator()
        command = [sys.executable, "-m", "smsd.cli", "run", "--config", str(self.config)]
        self.daemon = subprocess.Popen(command, cwd=self.folder, stderr=self.log, stdout=self.log, env=_env())
        self.until_bound()

    def _start_simulator(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "simulators.smsc.cli", "--port", str(self.port)]
        command += ["--control", str(self.control), "--quiet", "--script", str(self.script)]
        command += ["--ledger", str(self.ledger)]
        started = subprocess.Popen(command, cwd=self.folder, env=_env())
        self.simulator = started
        until(lambda: call(f"{self.url}/healthz"), 120, "the simulator")
        return started

    @property
    def url(self) -> str:
        """The simulator's control."""
        return f"http://127.0.0.1:{self.control}"

    def until_bound(self) -> None:
        """The gateway is bound."""
        until(lambda: call(f"{self.url}/binds")["binds"], 300, "the bind")

    def rows(self, store: str, query: str) -> list[Any]:
        """Look into a store, past the programs."""
        connection = sqlite3.connect(f"file:{self.folder / store}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def states(self, where: str = "1 = 1") -> Counter[str]:
        """Charges by state."""
        return Counter(
            dict(self.rows("smsd.db", f"SELECT state, count(*) FROM charges WHERE {where} GROUP BY 1"))
        )

    def billed(self) -> Counter[str]:
        """The operator's ledger: how often each number was billed."""
        found: Counter[str] = Counter()
        with self.ledger.open() as lines:
            for line in lines:
                row = json.loads(line)
                found[row["number"]] += row["event"] == "billed"
        return found

    def begin(self, place: int, count: int) -> dict[str, Any]:
        """Members of a round text; the run's own record."""
        import_people(self, prefix(place), count)  # type: ignore[arg-type]
        return call(
            f"{self.url}/mo/bulk", order(prefix(place), count, "ORG1 BETAL 50", 2) | {"timeout_s": 3600}
        )

    def finish(self, load: dict[str, Any]) -> dict[str, Any]:
        """Until the run is over."""
        while load["state"] == "running":
            time.sleep(0.5)
            load = call(f"{self.url}/mo/bulk/{load['id']}")
        return load

    def lose(self, place: int, count: int, after_s: float) -> dict[str, Any]:
        """Kill the operator in the middle of a round; what is in doubt then, and what it may be at most."""
        before = self.states()["in_doubt"]
        started = call(f"{self.url}/binds")["binds"][0]["submitted"]
        rule = {"premium": True, "response_delay_s": SLOW_S}
        call(f"{self.url}/faults", {"rules": [rule]})
        self.begin(place, count)
        until(
            lambda: call(f"{self.url}/binds")["binds"][0]["submitted"] > started + count // 10, 300, "traffic"
        )
        time.sleep(after_s)
        self.simulator.kill()
        self.simulator.wait()
        until(lambda: self.states()["sending"] == 0, 300, "the lost link to be noticed")
        doubt = self.states()["in_doubt"] - before
        self._start_simulator()
        self.until_bound()
        until(lambda: self.states()["sending"] + self.states()["intended"] == 0, 300, "what waited to go")
        self.until_handed_off()
        return {"in_doubt": doubt, "at_most": self.window}

    def until_handed_off(self) -> None:
        """Both outboxes are empty."""
        query = "SELECT count(*) FROM handoff_outbox"
        until(
            lambda: not any(self.rows(store, query)[0][0] for store in ("smsd.db", "billing.db")),
            300,
            "the end of the hand-off",
        )

    def close(self, keep: bool) -> None:
        """End both."""
        for process in (self.daemon, self.simulator):
            process.send_signal(signal.SIGTERM)
        for process in (self.daemon, self.simulator):
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
        self.log.close()
        if not keep:
            shutil.rmtree(self.folder)


def until(look: Any, limit_s: float, what: str) -> None:
    """Wait for something.

    Raises:
        SystemExit: it did not come.
    """
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        try:
            if look():
                return
        except OSError:
            pass
        time.sleep(0.01)
    raise SystemExit(f"{what} did not come within {limit_s} s")


def _env() -> dict[str, str]:
    # the programs of this tree, whatever is installed
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def disagreements(world: World) -> list[str]:
    """Where charges, ledger and payments do not say the same, by number."""
    billed = world.billed()
    charges: dict[str, list[str]] = {}
    for number, state in world.rows("smsd.db", "SELECT number, state FROM charges"):
        charges.setdefault(number, []).append(state)
    found = [f"{number} was billed {times} times" for number, times in billed.items() if times > 1]
    found += [f"{number}: several charges" for number, states in charges.items() if len(states) > 1]
    settled = {"charged"}
    open_ = {"accepted", "in_doubt"}
    for number, states in charges.items():
        if states[0] in settled and not billed[number]:
            found.append(f"{number} is charged here and not billed there")
        elif states[0] not in settled | open_ and billed[number]:
            found.append(f"{number} is {states[0]} here and billed there")
    found += [f"{number} is billed there and unknown here" for number in billed.keys() - charges.keys()]
    paid = dict(world.rows("billing.db", "SELECT state, count(*) FROM payments GROUP BY 1"))
    if paid.get("charged", 0) != world.states()["charged"]:
        found.append(f"{world.states()['charged']} charges are charged, {paid.get('charged', 0)} payments")
    return found


def calm(world: World, payments: int, at_most_s: float) -> dict[str, Any]:
    """The calm rounds, none of them begun after `at_most_s`; what they came to."""
    before = cpu_s(world.daemon.pid), cpu_s(world.simulator.pid)
    started, done, spent = time.monotonic(), 0, 0.0
    place = FIRST_CALM
    while done < payments and time.monotonic() - started < at_most_s:
        count = min(ROUND, payments - done)
        load = world.begin(place, count)
        running = time.monotonic()
        load = world.finish(load)
        spent += time.monotonic() - running
        until(lambda: not (world.states() - Counter(charged=10**9)), 300, "the last receipts")
        world.until_handed_off()
        done, place = done + load["done"], place + 1
        print(f"{done} paid, {load['conversations_a_second']} a second", flush=True)
        if load["done"] != count:
            break
    states = world.states()
    return {
        "payments": payments,
        "paid": done,
        "states": dict(states),
        "in_doubt": states["in_doubt"],
        "wall_s": round(time.monotonic() - started, 1),
        "paying_s": round(spent, 1),
        "a_second": round(done / max(spent, 0.001)),
        "cpu_s_per_1000": round((cpu_s(world.daemon.pid) - before[0]) / max(1, done) * 1000, 3),
        "simulator_cpu_s_per_1000": round((cpu_s(world.simulator.pid) - before[1]) / max(1, done) * 1000, 3),
        "store_mb": round(sum(file.stat().st_size for file in world.folder.iterdir()) / 1_000_000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payments", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no round after so many")
    parser.add_argument("--losses", type=int, default=3, help="how often the operator is killed")
    parser.add_argument("--loss-round", type=int, default=2000, help="members who text in such a round")
    parser.add_argument("--window", type=int, default=50, help="unanswered submit_sm")
    parser.add_argument("--mo-window", type=int, default=50, help="unanswered MOs that the SMSC allows")
    parser.add_argument("--receipts", choices=("all", "premium"), default="premium")
    parser.add_argument("--keep", action="store_true", help="leave the stores, the ledger and the log")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "calm.json")
    asked = parser.parse_args()
    if not 0 < asked.payments <= FIRST_LOSS * ROUND or asked.losses > 10:
        raise SystemExit(f"--payments: 1 to {FIRST_LOSS * ROUND}; --losses: at most 10")
    world = World(asked.window, asked.mo_window, asked.receipts)
    faults: list[str] = []
    try:
        result: dict[str, Any] = {"calm": calm(world, asked.payments, asked.minutes * 60)}
        first = result["calm"]
        if first["states"] != {"charged": first["paid"]}:
            faults.append(f"of {first['paid']} payments the states are {first['states']}")
        faults += disagreements(world)
        result["losses"] = [
            world.lose(FIRST_LOSS + place, asked.loss_round, 0.05 * place) for place in range(asked.losses)
        ]
        faults += [
            f"{loss['in_doubt']} in doubt after a lost link, at most {loss['at_most']} may be"
            for loss in result["losses"]
            if not 0 <= loss["in_doubt"] <= loss["at_most"]
        ]
        if asked.losses:
            faults += disagreements(world)
    finally:
        world.close(asked.keep)
        if asked.keep:
            print(f"left in {world.folder}")
    result["faults"] = faults
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
