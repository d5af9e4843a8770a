"""What the kill trials run: a configuration, real processes that can be killed, a simulated SMSC.

Every process is a child of the trial, is ended by its own pid, and dies with the trial.
"""

from __future__ import annotations

import ctypes
import http.client
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulators.stage import free_port

_PR_SET_PDEATHSIG = 1
PATIENCE_S = 120.0
_COMMAND_S = 900.0
"""The bridge's audit over a long trial's books takes a while on a busy machine."""
SHORT_CODE = "2030"


class TrialError(RuntimeError):
    """The trial itself could not go on: a process did not start, stop or answer."""


def until(
    holds: Callable[[], bool], what: str, *, within_s: float = PATIENCE_S, every_s: float = 0.004
) -> float:
    """Wait for something outside this process; how long it took.

    Raises:
        TrialError: it did not come.
    """
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > within_s:
            raise TrialError(f"waited {within_s:g} s in vain: {what}")
        time.sleep(every_s)
    return time.monotonic() - started


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """One program as a process of its own, started as often as wanted.

    `warm` forks from this process, which has imported the program's module already, and calls the same
    entry: a start without the second that Python needs for imports. Otherwise ``python -m`` starts it.
    """

    def __init__(self, module: str, args: list[str], log: Path, *, warm: bool) -> None:
        self.module = module
        self.args = args
        self.log = log
        self.warm = warm
        self.pid = 0
        self.starts = 0
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self, *, cold: bool = False) -> None:
        """Start; returns at once."""
        assert not self.pid
        self.starts += 1
        if self.warm and not cold:
            self.pid = self._fork()
            return
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
            )
        self.pid = self._popen.pid

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone.

        Raises:
            TrialError: it had ended by itself.
        """
        os.kill(self.pid, signal.SIGKILL)
        status = self._wait()
        if status != -signal.SIGKILL:
            raise TrialError(f"{self.module} had ended by itself with {status}; see {self.log}")

    def stop(self, within_s: float = PATIENCE_S) -> int:
        """SIGTERM; the exit status."""
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            status = self._poll()
            if status is not None:
                return status
            time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        self._wait()
        raise TrialError(f"{self.module} did not stop within {within_s:g} s; see {self.log}")

    def ended(self, within_s: float = PATIENCE_S) -> int:
        """Wait until it ends by itself; the exit status.

        Raises:
            TrialError: it does not.
        """
        found: list[int] = []

        def over() -> bool:
            status = self._poll()
            if status is not None:
                found.append(status)
            return status is not None

        until(over, f"{self.module} to end by itself", within_s=within_s)
        return found[0]

    def end(self) -> None:
        """Make sure that it is gone, whatever happened."""
        if self.pid and self._poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self._wait()

    def status(self) -> int | None:
        """The exit status where it has ended, else None; asked again after that, None."""
        return self._poll() if self.pid else None

    def check(self) -> None:
        """Raises TrialError where it ended by itself."""
        if self.pid and (status := self._poll()) is not None:
            raise TrialError(f"{self.module} ended by itself with {status}; see {self.log}")

    def _fork(self) -> int:
        entry = importlib.import_module(self.module).main
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            return pid
        status = 70
        try:
            _die_with_parent()
            log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((nothing, 0), (log, 1), (log, 2)):
                os.dup2(source, target)
            os.closerange(3, 256)
            sys.argv = [self.module, *self.args]
            entry()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _poll(self) -> int | None:
        return self._reap(os.WNOHANG)

    def _wait(self) -> int:
        status = self._reap(0)
        assert status is not None
        return status

    def _reap(self, options: int) -> int | None:
        if self._popen is not None:
            status = self._popen.poll() if options else self._popen.wait()
        else:
            pid, raw = os.waitpid(self.pid, options)
            status = os.waitstatus_to_exitcode(raw) if pid else None
        if status is not None:
            self.pid = 0
            self._popen = None
        return status


def told(log: Path) -> list[dict[str, Any]]:
    """What a program has logged so far; a line that is being written is left for later."""
    whole = log.read_bytes().rpartition(b"\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]


class Phones:
    """The simulated SMSC's control API."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and what was answered."""
        sent = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"} if sent else {}
        for again in (True, False):
            try:
                self._connection.request(method, path, sent, headers)
                answer = self._connection.getresponse()
                return answer.status, json.loads(answer.read())
            except (http.client.HTTPException, ConnectionError):
                self._connection.close()
                if not again:
                    raise
        raise AssertionError

    def get(self, path: str) -> Any:
        """What is answered to a GET."""
        status, body = self.call("GET", path)
        if status != 200:
            raise TrialError(f"GET {path}: {status} {body}")
        return body

    @property
    def binds(self) -> int:
        """How many are bound."""
        return len(self.get("/binds")["binds"])

    def listens(self) -> bool:
        """Whether the control API can be reached."""
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True

    def wave(self, order: dict[str, Any]) -> str:
        """Have a crowd of phones text; the id of the run."""
        status, body = 409, {}
        while status == 409:
            status, body = self.call("POST", "/mo/bulk", order)
        if status != 200:
            raise TrialError(f"POST /mo/bulk: {status} {body}")
        return str(body["id"])

    def end_wave(self, wave: str) -> None:
        """No more texts of this run."""
        self.call("DELETE", f"/mo/bulk/{wave}")

    def unanswered(self) -> int:
        """MOs that no gateway has acknowledged."""
        health = self.get("/healthz")
        return int(health["deliver_sm_waiting"] + health["deliver_sm_under_way"])

    def all(self) -> dict[str, list[dict[str, Any]]]:
        """Every phone's messages by number."""
        found: dict[str, list[dict[str, Any]]] = {}
        offset: int | None = 0
        while offset is not None:
            page = self.get(f"/phones?limit=1000&offset={offset}")
            for row in page["phones"]:
                number = row["number"]
                found[number] = self.get(f"/phones/%2B{number[1:]}")["messages"]
            offset = page["next"]
        return found

    def ledger(self) -> list[dict[str, Any]]:
        """Every row of the operator's ledger."""
        rows: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = self.get(f"/ledger?after={after}&limit=100000&totals=false")
            rows += page["rows"]
            after = page["next"]
        return rows


_SCRIPT = {
    "default_rules": False,
    "limits": {"retry_s": 0.5, "response_timeout_s": 5.0, "window": 3},
    "receipts": {"delay_s": 0.08},
}
# phones are +47 9kkkk tt d: wave k, tens digit t, last digit d (see kill_trial.TEXTS)
_RULES: list[dict[str, Any]] = [
    {"number_regex": r"479\d{5}13", "premium": True, "refuse": 0x45},
    {"number_regex": r"479\d{5}1\d", "premium": True, "receipt": "UNDELIV", "err": "0021", "bill": "never"},
    {"number_regex": r"479\d{5}2\d", "premium": True, "receipt_delay_s": 1.5},
    {"number_regex": r"479\d{5}3[0-4]", "premium": True, "receipt_first": True},
    {"number_regex": r"479\d{5}37", "premium": True, "drop_response": True, "bill": "on-accept"},
    {"number_regex": r"479\d{5}0[05]", "premium": True, "receipt_twice": True, "bill": "on-accept"},
    {"number_regex": r"479\d{5}01", "premium": True, "receipt_delay_s": 0.0},
]

_CONFIG = """
[store]
url = "sqlite:///{folder}/smsd.db"
[handoff]
carrier = "{carrier}"
retry_s = 0.5
{mqtt}
[bridge]
store = "sqlite:///{folder}/billing.db"
[web]
listen = "127.0.0.1:{web}"
[limits]
reassembly_expiry_s = 600
stop_grace_s = 3
charge_expiry_s = 3600
[[operators]]
name = "telco"
host = "127.0.0.1"
port = {port}
system_id = "smsd"
password = "secret"
window = 10
{operator}
rate = 5000
response_timeout_s = 2
reconnect_first_s = 0.05
reconnect_max_s = 0.2
[operators.price]
carrier = "tlv"
tag = 0x1403
[operators.outcomes]
"0021" = "no_credit"
[[short_codes]]
number = "2030"
operators = ["telco"]
[[organisations]]
name = "Organisasjon1"
codeword = "ORG1"
site = "https://org1.example.org"
join = "join"
subcodewords = {{ BETAL = "pay", MEDLEM = "status" }}
billing.account = "99990000014"
billing.organisation_number = "999000010"
billing.fees = [{{ category = "Medlem", amount_kr = 50 }}]
[[organisations]]
name = "Organisasjon2"
codeword = "ORG2"
site = "https://org2.example.org"
join = "join-and-pay"
billing.account = "99990000022"
billing.organisation_number = "999000029"
billing.fees = [{{ category = "Medlem", amount_kr = 100 }}]
{tables}
"""


class World:
    """A trial's folder and programs. `carrier` local: the bridge runs in the gateway's process.

    `port`: where the gateway connects, `smsc_port` where the simulator listens instead. `operator` and
    `tables` are added to the configuration, `rules` come before the simulator's others.
    """

    def __init__(
        self,
        folder: Path,
        *,
        carrier: str,
        mqtt_port: int = 0,
        warm: bool = True,
        port: int = 0,
        smsc_port: int = 0,
        operator: str = "",
        tables: str = "",
        rules: tuple[dict[str, Any], ...] = (),
    ) -> None:
        self.folder = folder
        self.config = folder / "smsd.toml"
        self.store = folder / "smsd.db"
        self.billing = folder / "billing.db"
        port = port or free_port()
        control = free_port()
        mqtt = f'mqtt = {{ host = "127.0.0.1", port = {mqtt_port} }}' if mqtt_port else ""
        self.config.write_text(
            _CONFIG.format(
                folder=folder,
                carrier=carrier,
                mqtt=mqtt,
                web=free_port(),
                port=port,
                operator=operator,
                tables=tables,
            ),
            "utf-8",
        )
        script = folder / "script.json"
        script.write_text(json.dumps({**_SCRIPT, "rules": [*rules, *_RULES]}), "utf-8")
        self.phones = Phones(control)
        options = [
            "--port",
            str(smsc_port or port),
            "--control",
            str(control),
            "--script",
            str(script),
            "--quiet",
        ]
        self.smsc = Program(
            "simulators.smsc.cli",
            [*options, "--ledger", str(folder / "smsc-ledger.jsonl")],
            folder / "smsc.log",
            warm=False,
        )
        arguments = ["run", "--config", str(self.config)]
        self.smsd = Program("smsd.cli", arguments, folder / "smsd.log", warm=warm)
        self.bridge = Program("billing_bridge.cli", arguments, folder / "bridge.log", warm=warm)
        self.programs = [self.smsd, self.bridge, self.smsc]
        if warm:
            for module in (
                "smsd.cli",
                "smsd.daemon",
                "uvloop",
                "billing_bridge.cli",
                "billing_bridge.daemon",
            ):
                importlib.import_module(module)

    def another_gateway(self, *more: str) -> Program:
        """A second gateway on the same store, not started; `more` is for its first start alone."""
        program = Program("smsd.cli", [*self.smsd.args, *more], self.smsd.log, warm=self.smsd.warm)
        self.programs.append(program)
        return program

    def swap_gateway(self, program: Program) -> None:
        """From now on this one is the gateway; the former has ended."""
        program.args = self.smsd.args
        self.programs.remove(self.smsd)
        self.smsd = program

    def command(self, module: str, *args: str) -> subprocess.CompletedProcess[str]:
        """Run a command of either program to its end."""
        return subprocess.run(
            [sys.executable, "-m", module, *args, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )

    def import_registers(self, people: str, invoices: str) -> None:
        """Take over people and invoices.

        Raises:
            TrialError: they were refused.
        """
        for what, rows in (("people", people), ("invoices", invoices)):
            file = self.folder / f"{what}.csv"
            file.write_text(rows, "utf-8")
            done = self.command("billing_bridge.cli", "import", what, str(file))
            if done.returncode:
                raise TrialError(f"import {what}: {done.stderr}")

    def end(self) -> None:
        """End every process that is left."""
        self.phones.close()
        for program in self.programs:
            program.end()
