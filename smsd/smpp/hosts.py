"""Which of an account's hosts a bind tries next. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Address(msgspec.Struct, frozen=True):
    """Where an SMSC listens; `host` is a name or an address, IPv6 without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Hosts:
    """Hosts in order of preference; the first is home.

    A round tries each once, without waits in between; after a whole round it is time to wait. A bind that
    held makes the next round begin at home; one that did not, at the host after it, so that an SMSC which
    takes binds only to end them is no trap.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        if not addresses:
            raise ValueError("no host to connect to; give at least one")
        self._addresses = tuple(addresses)
        self._place = 0
        self._tried = 0

    def __len__(self) -> int:
        return len(self._addresses)

    @property
    def now(self) -> Address:
        """The host to try, or the one in use."""
        return self._addresses[self._place]

    @property
    def home(self) -> Address:
        """The preferred host."""
        return self._addresses[0]

    @property
    def at_home(self) -> bool:
        """Whether the host in use is the preferred one."""
        return self._place == 0

    def failed(self) -> bool:
        """The host could not be bound to. Whether another one may be tried at once."""
        self._tried += 1
        if self._tried >= len(self._addresses):
            self.go_home()
            return False
        self._next()
        return True

    def ended(self, held: bool) -> None:
        """A bind ended; `held`: it had lasted."""
        self._tried = 0
        if held:
            self._place = 0
        else:
            self._next()

    def go_home(self) -> None:
        """Begin a round at home."""
        self._tried = self._place = 0

    def _next(self) -> None:
        self._place = (self._place + 1) % len(self._addresses)
