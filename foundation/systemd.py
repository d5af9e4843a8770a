"""Tells systemd how the service fares (sd_notify(3)); without ``NOTIFY_SOCKET`` it does nothing.

Never raises: a service is not to fail because nobody listens to it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping

_US_PER_S = 1_000_000


class Notifier:
    """Speaks to the socket that systemd gave, path or abstract.

    Args:
        environment: where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are looked up.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        variables = os.environ if environment is None else environment
        self._address = _address(variables.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(variables)
        """Seconds within which systemd wants a sign of life; ``None``: it wants none."""

    def ready(self, status: str = "") -> bool:
        """The service has started. Whether systemd was told."""
        return self._send("READY=1", *_status(status))

    def reloading(self, monotonic_us: int) -> bool:
        """The settings are being read again; `ready` ends it."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic_us}")

    def stopping(self, status: str = "") -> bool:
        """The service is on its way down."""
        return self._send("STOPPING=1", *_status(status))

    def status(self, text: str) -> bool:
        """One line for ``systemctl status``. Whether systemd was told."""
        return self._send(*_status(text))

    def alive(self) -> bool:
        """A sign of life for the watchdog."""
        return self._send("WATCHDOG=1")

    async def keep_alive(self, healthy: Callable[[], bool]) -> None:
        """Send signs of life, twice within each interval, while `healthy` says so; until cancelled.

        Returns at once where systemd wants none. Runs on the loop it vouches for: one that hangs is silent.
        """
        if self.watchdog_s is None or self._address is None:
            return
        while True:
            if healthy():
                self.alive()
            await asyncio.sleep(self.watchdog_s / 2)

    def _send(self, *lines: str) -> bool:
        if self._address is None or not lines:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True


def _address(given: str) -> str | None:
    if given.startswith("@"):
        return "\0" + given[1:]
    return given if given.startswith("/") else None


def _watchdog_s(variables: Mapping[str, str]) -> float | None:
    interval_us = variables.get("WATCHDOG_USEC", "")
    meant_for = variables.get("WATCHDOG_PID", "")
    if not interval_us.isdecimal() or int(interval_us) == 0 or meant_for not in ("", str(os.getpid())):
        return None
    return int(interval_us) / _US_PER_S


def _status(text: str) -> tuple[str, ...]:
    line = " ".join(text.split())
    return (f"STATUS={line}",) if line else ()
