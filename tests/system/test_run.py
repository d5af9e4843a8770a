"""`python -m simulators.run` as people start it: shows conversations, goes on where it was, ends cleanly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from trial_world import Phones, free_port, until

ROOT = Path(__file__).parents[2]
STOP_S = 4.0
pytestmark = pytest.mark.slow


class System:
    """One running system on ports of its own."""

    def __init__(self, var: Path, *arguments: str) -> None:
        self.control = free_port()
        self._output = (var.parent / f"{var.name}-{self.control}.txt").open("w+b")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "simulators.run", "--var", str(var), "--port", "0"),
                *("--control", str(self.control), "--metrics", "0", "--web", "0", *arguments),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        self.phones = Phones(self.control)

    @property
    def said(self) -> str:
        """All that stood in the terminal."""
        os.lseek(self._output.fileno(), 0, os.SEEK_CUR)
        return Path(self._output.name).read_text("utf-8")

    def until_bound(self) -> None:
        """Wait until a text would arrive."""
        until(
            lambda: self.process.poll() is not None or self.phones.listens(), "the control API", every_s=0.05
        )
        assert self.process.poll() is None, self.said
        until(lambda: self.phones.binds == 1, "a bind", every_s=0.05)

    def text(self, sender: str, text: str) -> None:
        status, body = self.phones.call("POST", "/mo", {"from": sender, "to": "2030", "text": text})
        assert status == 200, body

    def shows(self, words: str) -> None:
        until(lambda: words in self.said, f"{words!r} in the terminal", every_s=0.05)

    def end(self, number: int) -> tuple[int, float]:
        """Send a signal; exit status and how long it took, without the time it waited for a processor."""
        began, queued = time.monotonic(), self._queued_s()
        self.process.send_signal(number)
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        until(lambda: os.waitid(os.P_PID, self.process.pid, ended) is not None, "the end")
        took_s = time.monotonic() - began - (self._queued_s() - queued)
        return self.process.wait(), took_s

    def _queued_s(self) -> float:
        """How long it was ready to run and others ran (Linux's schedstat); also of one that has ended."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[1]) / 1e9

    def close(self) -> None:
        self.phones.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._output.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[type[System]]:
    """Starts systems in this test's folder, and ends what is left of them."""
    started: list[System] = []

    class Started(System):
        def __init__(self, *arguments: str, var: str = "var") -> None:
            super().__init__(tmp_path / var, *arguments)
            started.append(self)

    yield Started
    for system in started:
        system.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_conversation_is_shown_with_what_it_cost_and_a_signal_ends_all(
    start: type[System], number: int
) -> None:
    system = start()  # type: ignore[call-arg]
    system.until_bound()
    system.text("+4742000001", "ORG1 BETAL 50")
    system.shows("2030 → +4742000001  free  Betalinga di er motteken")
    children = psutil.Process(system.process.pid).children(recursive=True)
    status, took_s = system.end(number)
    said = system.said
    assert status == 0, said
    assert took_s < STOP_S
    assert "+4742000001 → 2030  ORG1 BETAL 50" in said
    assert "2030 → +4742000001  50 kr  Betalinga di er under handsaming" in said
    assert "50 kr billed" in said
    assert "Traceback" not in said
    assert not any(child.is_running() for child in children)


def test_a_second_start_goes_on_with_what_is_there(start: type[System]) -> None:
    first = start()  # type: ignore[call-arg]
    first.until_bound()
    first.shows("people.csv: 9 people imported")
    first.text("+4742000001", "ORG1 BETAL 50")
    first.shows("50 kr billed")
    first.shows("Betalinga di er motteken")
    assert first.end(signal.SIGTERM)[0] == 0

    second = start()  # type: ignore[call-arg]
    second.until_bound()
    second.text("+4742000001", "ORG1 BETAL 50 kr")
    second.shows("Ingen uteståande fakturaer på beløpet 50kr.")
    assert "imported" not in second.said
    assert second.phones.get("/ledger")["amount_ore"] == 5000
    assert second.end(signal.SIGTERM)[0] == 0


def test_the_same_text_after_a_restart_is_a_new_text(start: type[System]) -> None:
    first = start()  # type: ignore[call-arg]
    first.until_bound()
    first.text("+4742000001", "ORG1 BETAL 75")
    first.shows("Ingen uteståande fakturaer på beløpet 75kr.")
    assert first.end(signal.SIGTERM)[0] == 0

    second = start()  # type: ignore[call-arg]
    second.until_bound()
    second.text("+4742000001", "ORG1 BETAL 75")
    second.shows("Ingen uteståande fakturaer på beløpet 75kr.")


def test_two_systems_run_side_by_side(start: type[System]) -> None:
    one, other = start(var="one"), start(var="other")  # type: ignore[call-arg]
    one.until_bound()
    other.until_bound()
    one.text("+4742000001", "ORG1 BETAL 50")
    one.shows("50 kr billed")
    assert other.phones.get("/ledger")["billed"] == 0
    assert [system.end(signal.SIGINT)[0] for system in (one, other)] == [0, 0]


def test_a_taken_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "simulators.run", "--var", str(tmp_path), "--port", "0"),
                *("--control", str(port), "--metrics", "0", "--web", "0"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 1
    assert f"port {port} (the phones and their control API)" in done.stderr
    assert "--control" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
