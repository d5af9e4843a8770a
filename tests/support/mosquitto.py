"""A mosquitto broker of the test's own, on a free loopback port, which can be killed and started again."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from programs import need

from simulators.stage import free_port


class Mosquitto:
    """One broker, its configuration and its memory in `folder`. `lines` are added to its configuration."""

    def __init__(self, folder: Path, *, persistence: bool = False, lines: tuple[str, ...] = ()) -> None:
        self._program = need("mosquitto")
        self.port = free_port()
        self.log = folder / "mosquitto.log"
        self._config = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        anonymous = (
            () if any(line.startswith("allow_anonymous") for line in lines) else ("allow_anonymous true",)
        )
        self._config.write_text(
            "\n".join(
                (
                    f"listener {self.port} 127.0.0.1",
                    f"persistence {'true' if persistence else 'false'}",
                    f"persistence_location {folder}/",
                    "autosave_interval 1",
                    "autosave_on_changes true",
                    "user root",
                    *anonymous,
                    *lines,
                    "",
                )
            )
        )

    def start(self) -> None:
        """Start and wait until it listens."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._config)], stdout=log, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"mosquitto did not start:\n{self.log.read_text()}") from None
                time.sleep(0.01)

    @property
    def pid(self) -> int:
        """The running broker's process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As a power cut would."""
        self._end(kill=True)

    def stop(self) -> None:
        """As an administrator would."""
        self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(60)
        self._process = None
