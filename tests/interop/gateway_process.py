"""The whole gateway, bridge within, as `smsd run` in a process of its own, bound to a port of a test's."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from pathlib import Path
from types import TracebackType

from simulators.stage import Stage, free_port, import_register

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """For a new process: to be killed where the test that started it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Gateway:
    """`config/smsd.toml`, or another, with the example people and invoices, and its operator on this port.

    `more` are further settings as environment variables. `async with` starts it and ends it by its id.
    """

    def __init__(self, folder: Path, smpp_port: int, config: Path | None = None, **more: str) -> None:
        self.log = folder / "smsd.log"
        self._config = config or ROOT / "config" / "smsd.toml"
        self._stage = Stage(
            self._config, folder / "var", smpp_port, control=0, metrics=free_port(), web=free_port()
        )
        self._more = more
        (folder / "var").mkdir()

    async def __aenter__(self) -> Gateway:
        _, variables = self._stage.settle(**self._more)
        for what in ("people", "invoices"):
            file = ROOT / "config" / f"{what}.csv"
            await asyncio.to_thread(import_register, what, file, self._config, variables)
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "smsd.cli", "run", "--config", str(self._config)),
                env={**os.environ, **variables},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> int:
        """Ask it to end, which unbinds; its exit status."""
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            return await self._process.wait()
