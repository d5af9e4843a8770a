"""node-smpp's programs as child processes that speak JSON lines; each is ended by its own process id."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import pytest
from programs import need

FOLDER = Path(__file__).parent / "node"
PATIENCE_S = 60.0

Said = dict[str, Any]


def need_node() -> str:
    """Path of node; as `need`, also where the npm package is not installed."""
    node = need("node", "nodejs")
    if not (FOLDER / "node_modules" / "smpp" / "package.json").is_file():
        reason = "the npm package smpp is not installed; run: make strangers"
        if os.environ.get("REQUIRE_REAL") == "1":
            pytest.fail(f"{reason}; REQUIRE_REAL=1 demands it", pytrace=False)
        pytest.skip(reason)
    return node


def as_json(value: object) -> object:
    """Octets as the programs take them."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    return value


class Node:
    """One program; `said` is all that it said, in order."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._command = (need_node(), str(FOLDER / script), *arguments)
        self.said: list[Said] = []
        self._seen = 0
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Node:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, limit=1 << 24
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.said.append(msgspec.json.decode(line))
            self._changed.set()

    def tell(self, **order: object) -> None:
        """Say one line to the program."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(as_json(order)) + b"\n")

    async def asks(self, **order: object) -> Said:
        """Say one line and take the next that comes."""
        self.tell(**order)
        return await self.next(lambda said: True)

    async def sets(self, **how: object) -> None:
        """Tell the SMSC how to behave from now on."""
        self.tell(do="set", **how)
        await self.hears("set")

    async def next(self, wanted: Callable[[Said], bool]) -> Said:
        """The next line not looked at before that is wanted; those before it are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while self._seen < len(self.said):
                    self._seen += 1
                    if wanted(self.said[self._seen - 1]):
                        return self.said[self._seen - 1]
                self._changed.clear()
                await self._changed.wait()

    async def hears(self, event: str) -> Said:
        """The next event of this name."""
        return await self.next(lambda said: said.get("event") == event)

    async def gets(self, command: str) -> Said:
        """The next PDU of this command that came to the program."""
        said = await self.next(lambda said: said.get("event") == "pdu" and said["pdu"]["command"] == command)
        return dict(said["pdu"])

    async def answered(self) -> Said:
        """The next answer to a request of the program's."""
        return dict((await self.hears("answer"))["pdu"])

    def commands(self) -> list[str]:
        """Of all PDUs that came to it."""
        return [said["pdu"]["command"] for said in self.said if said.get("event") == "pdu"]
