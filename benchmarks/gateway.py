"""The whole gateway under load: the real daemon and the simulator in processes of their own, on loopback.

Prints a table and keeps it as JSON: CPU seconds of the daemon (gateway, hand-off, bridge, ledger and
fsync) per 1000 conversations, conversations a second, and reply latencies as the simulator's clock saw
them. Timing decides nothing here.

    python benchmarks/gateway.py [--count 5000] [--paced-s 20] [--json FILE]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from simulators.stage import free_port

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
PAY_PREFIX, HELP_PREFIX, PACED_PREFIX = "4791", "4792", "4793"
CONFIG = """
[store]
url = "sqlite:///{folder}/smsd.db"
[handoff]
carrier = "local"
[bridge]
store = "sqlite:///{folder}/billing.db"
[web]
listen = "127.0.0.1:0"
[metrics]
listen = "127.0.0.1:{metrics}"
[log]
level = "info"
format = "json"
[[operators]]
name = "telco"
host = "127.0.0.1"
port = {port}
system_id = "smsd"
password = "secret"
window = {window}
rate = 10000
request_receipts = "{receipts}"
[operators.price]
carrier = "tlv"
tag = 0x1403
[operators.outcomes]
"0021" = "no_credit"
[[short_codes]]
number = "2030"
operators = ["telco"]
[[organisations]]
file = "{root}/config/organisations/org1.toml"
"""


def call(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class System:
    """The simulator and the daemon, in a folder of their own, ended when left."""

    def __init__(self, *, window: int, mo_window: int, receipts: str, profile: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self.control = free_port()
        self.metrics = free_port()
        port = free_port()
        config = self.folder / "smsd.toml"
        config.write_text(
            CONFIG.format(
                folder=self.folder,
                port=port,
                window=window,
                receipts=receipts,
                root=ROOT,
                metrics=self.metrics,
            )
        )
        self.config = config
        script = self.folder / "script.json"
        script.write_text(json.dumps({"limits": {"window": mo_window}}))
        bin_ = Path(sys.executable).parent
        self.simulator = subprocess.Popen(
            [
                bin_ / "smsc-sim",
                "--port",
                str(port),
                "--control",
                str(self.control),
                "--quiet",
                "--script",
                str(script),
            ],
            cwd=self.folder,
        )
        self._until(lambda: call(f"{self.url}/healthz"))
        started = time.monotonic()
        command = [str(bin_ / "smsd"), "run", "--config", str(config)]
        if profile:
            command = [sys.executable, "-m", "cProfile", "-o", profile, str(bin_ / "smsd"), *command[1:]]
        with (self.folder / "smsd.log").open("wb") as log:
            self.daemon = subprocess.Popen(command, cwd=self.folder, stderr=log, stdout=log)
        self._until(lambda: call(f"{self.url}/binds")["binds"] or None)
        self.start_s = time.monotonic() - started

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.control}"

    def _until(self, look: Any, limit_s: float = 20) -> None:
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            try:
                if look():
                    return
            except (urllib.error.URLError, ConnectionError):
                pass
            time.sleep(0.005)
        raise SystemExit(f"not ready within {limit_s} s; see {self.folder}/smsd.log")

    def batches(self) -> tuple[float, float]:
        """Transactions of the gateway so far, and the inputs they took."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=5) as answer:
            lines = dict(
                line.rsplit(" ", 1)
                for line in answer.read().decode().splitlines()
                if not line.startswith("#")
            )
        return float(lines["smsd_batch_inputs_count"]), float(lines["smsd_batch_inputs_sum"])

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        turns, inputs = self.batches()
        before = cpu_s(self.daemon.pid)
        simulator_before = cpu_s(self.simulator.pid)
        load = call(f"{self.url}/mo/bulk", order)
        while load["state"] == "running":
            time.sleep(0.25)
            load = call(f"{self.url}/mo/bulk/{load['id']}")
        time.sleep(0.5)
        load["cpu_s"] = cpu_s(self.daemon.pid) - before
        more_turns, more_inputs = self.batches()
        load["inputs_a_commit"] = round((more_inputs - inputs) / max(1, more_turns - turns), 1)
        load["commits"] = more_turns - turns
        load["simulator_cpu_s"] = cpu_s(self.simulator.pid) - simulator_before
        return load

    def close(self) -> None:
        for process in (self.daemon, self.simulator):
            process.send_signal(signal.SIGTERM)
        for process in (self.daemon, self.simulator):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder)


def import_people(system: System, prefix: str, count: int) -> None:
    digits = 10 - len(prefix)
    people, invoices = system.folder / "people.csv", system.folder / "invoices.csv"
    with people.open("w", newline="") as one, invoices.open("w", newline="") as other:
        rows, bills = csv.writer(one), csv.writer(other)
        rows.writerow(["organisation", "name", "number", "email", "comment"])
        bills.writerow(["organisation", "number", "kind", "amount_kr", "period", "due"])
        for place in range(count):
            number = f"+{prefix}{place:0{digits}d}"
            rows.writerow(["ORG1", f"Medlem {place}", number, f"m{place}@example.org", ""])
            bills.writerow(["ORG1", number, "membership_fee", "50", "2026", "2026-12-31"])
    for kind, file in (("people", people), ("invoices", invoices)):
        subprocess.run(
            [
                Path(sys.executable).parent / "billing-bridge",
                "import",
                kind,
                file,
                "--config",
                system.config,
            ],
            check=True,
            cwd=system.folder,
            stdout=subprocess.DEVNULL,
        )


def order(prefix: str, count: int, text: str, replies: int, rate: float = 0) -> dict[str, Any]:
    return {
        "from_prefix": prefix,
        "count": count,
        "to": "2030",
        "texts": [text],
        "replies": replies,
        "rate": rate,
        "timeout_s": 300,
    }


def measure(
    count: int, paced_s: int, window: int, mo_window: int, receipts: str, profile: str
) -> dict[str, Any]:
    system = System(window=window, mo_window=mo_window, receipts=receipts, profile=profile)
    paced = 50 * paced_s
    try:
        import_people(system, PAY_PREFIX, count)
        import_people(system, PACED_PREFIX, paced)
        results = {"start_to_bound_s": round(system.start_s, 3)}
        for name, asked in (
            ("help", order(HELP_PREFIX, count, "HJELP", 1)),
            ("pay", order(PAY_PREFIX, count, "ORG1 BETAL 50", 2)),
            ("pay at 50/s", order(PACED_PREFIX, paced, "ORG1 BETAL 50", 2, 50)),
        ):
            load = system.run(asked)
            results[name] = {
                "conversations": load["done"],
                "of": load["count"],
                "a_second": load["conversations_a_second"],
                "cpu_s_per_1000": round(load["cpu_s"] / max(1, load["done"]) * 1000, 3),
                "simulator_cpu_s_per_1000": round(load["simulator_cpu_s"] / max(1, load["done"]) * 1000, 3),
                "inputs_a_commit": load["inputs_a_commit"],
                "first_reply_ms": load["first_reply_ms"]["from_sent"],
                "done_ms": load["done_ms"]["from_sent"],
            }
        return results
    finally:
        system.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="conversations of each kind at full speed")
    parser.add_argument("--paced-s", type=int, default=20, help="seconds at 50 conversations a second")
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--mo-window", type=int, default=10, help="unanswered MOs that the SMSC allows")
    parser.add_argument("--receipts", choices=("all", "premium"), default="premium")
    parser.add_argument("--profile", default="", help="write the daemon's cProfile here")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "gateway.json")
    asked = parser.parse_args()
    results = measure(
        asked.count, asked.paced_s, asked.window, asked.mo_window, asked.receipts, asked.profile
    )
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(results, indent=1))
    print(f"start to bound: {results['start_to_bound_s']} s; receipts for {asked.receipts}")
    columns = (("", 14), ("done", 7), ("a second", 10), ("CPU s/1000", 12), ("sim CPU", 9), ("in/commit", 11))
    latencies = (("first p50", 11), ("p99 ms", 9), ("whole p50", 11), ("p99 ms", 9))
    head = "".join(f"{name:>{width}}" for name, width in columns + latencies)
    print(head)
    for name, row in results.items():
        if isinstance(row, dict):
            first, done = row["first_reply_ms"], row["done_ms"]
            figures = (
                row["conversations"],
                row["a_second"],
                row["cpu_s_per_1000"],
                row["simulator_cpu_s_per_1000"],
                row["inputs_a_commit"],
                *(latency.get(rank, 0) for latency in (first, done) for rank in ("p50", "p99")),
            )
            widths = [width for _, width in (columns + latencies)[1:]]
            print(
                f"{name:>14}"
                + "".join(f"{each:>{width}}" for each, width in zip(figures, widths, strict=True))
            )


if __name__ == "__main__":
    main()
