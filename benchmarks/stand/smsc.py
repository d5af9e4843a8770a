"""An SMSC in a process of its own that does as little as it can, so that it is not what is measured.

It takes every bind, answers every submit_sm after a given time, and sends MOs with a given number unanswered.
It reads no more of a PDU than its header; the ids it gives are the sequence numbers of one count.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from struct import Struct
from typing import IO

import uvloop

from smsd.smpp import pdu as p
from smsd.smpp.codec import encode

_HEADER = Struct(">IIII")
_SUBMIT_SM, _DELIVER_SM, _DELIVER_SM_RESP = 0x4, 0x5, 0x80000005
_BINDS = (0x1, 0x2, 0x9)
_RESPONSE = 0x80000000
_TICKS = os.sysconf("SC_CLK_TCK")


class _Connection(asyncio.Protocol):
    """One bind. `answer_s` after a submit_sm comes its response; 0 in the same turn of the loop."""

    def __init__(self, smsc: _Smsc) -> None:
        self._smsc = smsc
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self._left = self._unanswered = self._sequence = 0
        self._held: list[bytes] = []
        self._done: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._smsc.connections.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._smsc.connections.remove(self)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        answers: list[bytes] = []
        now: list[bytes] = []
        while end - at >= 16:
            length, command, _, sequence = _HEADER.unpack_from(data, at)
            if end - at < length:
                break
            at += length
            if command == _SUBMIT_SM:
                self._smsc.taken += 1
                name = b"%d\0" % self._smsc.taken
                answers.append(_HEADER.pack(16 + len(name), command | _RESPONSE, 0, sequence) + name)
            elif command == _DELIVER_SM_RESP:
                self._unanswered -= 1
            elif not command & _RESPONSE:
                name = b"smsc\0" if command in _BINDS else b""
                now.append(_HEADER.pack(16 + len(name), command | _RESPONSE, 0, sequence) + name)
        self._rest = data[at:]
        if self._left or self._done is not None:
            self._push()
        if self._smsc.holds:
            self._held += answers
        elif answers and self._smsc.answer_s:
            self._loop.call_later(self._smsc.answer_s, self._write, b"".join(answers))
        elif answers:
            now += answers
        if now:
            self._write(b"".join(now))

    def go(self) -> None:
        """Give the answers that were held."""
        held, self._held = self._held, []
        if held:
            self._write(b"".join(held))

    def send(self, count: int, window: int, done: Callable[[], None]) -> None:
        """Send so many MOs, so many of them unanswered at a time."""
        self._left, self._window, self._done = count, window, done
        self._push()

    def _push(self) -> None:
        pdus = []
        while self._left and self._unanswered < self._window:
            self._left -= 1
            self._unanswered += 1
            self._sequence += 1
            body = self._smsc.mos[self._sequence % len(self._smsc.mos)]
            pdus.append(_HEADER.pack(16 + len(body), _DELIVER_SM, 0, self._sequence) + body)
        if pdus:
            self._write(b"".join(pdus))
        elif not self._left and not self._unanswered and self._done is not None:
            done, self._done = self._done, None
            done()

    def _write(self, octets: bytes) -> None:
        if self.transport is not None:
            self.transport.write(octets)


class _Smsc:
    def __init__(self, answer_s: float, text: str, numbers: int) -> None:
        self.answer_s = answer_s
        self.holds = False
        self.taken = 0
        self.connections: list[_Connection] = []
        self.mos = [
            encode(
                p.DeliverSm(
                    source_addr=f"479{number:07d}",
                    destination_addr="2030",
                    short_message=text.encode("latin-1"),
                ),
                1,
            )[16:]
            for number in range(numbers)
        ]

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := (await lines.readline()).decode().split():
            if line in (["hold"], ["go"]):
                self.holds = line == ["hold"]
                for each in self.connections:
                    each.go()
                continue
            count, window = map(int, line)
            done = asyncio.Event()
            started = time.perf_counter()
            self.connections[-1].send(count, window, done.set)
            await done.wait()
            print(time.perf_counter() - started, flush=True)


class SmscProcess:
    """The process, from outside. A context manager."""

    def __init__(self, answer_s: float = 0.0, *, text: str = "ORG1 STATUS", numbers: int = 1000) -> None:
        command = [sys.executable, __file__, str(answer_s), text, str(numbers)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.port = int(self._said.readline())

    @property
    def _said(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def __enter__(self) -> SmscProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def cpu_s(self) -> float:
        """What the process has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def push(self, count: int, window: int) -> float:
        """Send MOs; the seconds until the last was answered. Waits: run it in a thread."""
        self._tell(f"{count} {window}")
        return float(self._said.readline())

    def hold(self) -> None:
        """Answer no submit_sm until `go`."""
        self._tell("hold")

    def go(self) -> None:
        """Answer all, from now on at once."""
        self._tell("go")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


if __name__ == "__main__":
    uvloop.run(_Smsc(float(sys.argv[1]), sys.argv[2], int(sys.argv[3])).serve())
