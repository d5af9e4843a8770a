"""Waits for an SMSC that calls us: outbind, after which we bind on the same connection (SMPP 3.4 §2.2.1).

Listens only while a link waits for a call. What calls and is not the SMSC is sent away unanswered.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Final, cast

import msgspec

from smsd.smpp import pdu as p
from smsd.smpp.codec import HEADER_OCTETS, FrameReader
from smsd.smpp.connecting import LinkSettings
from smsd.smpp.hosts import Address

_MOST_CALLERS: Final = 16
_PATIENCE_S: Final = 10.0
_LIMIT_OCTETS: Final = 1024


class OutbindSettings(msgspec.Struct, frozen=True):
    """Where to listen, and who the SMSC must say it is. The password shows in no text of ours."""

    listen: Address
    system_id: str
    password: str
    patience_s: float = _PATIENCE_S

    def __repr__(self) -> str:
        return f"OutbindSettings({self.listen}, {self.system_id!r})"


class _Caller(asyncio.Protocol):
    """A connection until its first PDU; then it is a link's, or gone."""

    def __init__(self, door: OutbindDoor) -> None:
        self._door = door
        self._octets = b""
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None

    @property
    def peer(self) -> str:
        name = self.transport.get_extra_info("peername") if self.transport is not None else None
        return str(Address(name[0], name[1])) if isinstance(name, tuple) else "an unknown address"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._door.settings.patience_s, self.send_away, "it said nothing")
        self._door.came(self)

    def data_received(self, data: bytes) -> None:
        self._octets += data
        if len(self._octets) < 4:
            return
        length = int.from_bytes(self._octets[:4], "big")
        if not HEADER_OCTETS <= length <= _LIMIT_OCTETS:
            self.send_away("its first PDU is no outbind")
        elif len(self._octets) >= length:
            reader = FrameReader(_LIMIT_OCTETS)
            reader.feed(self._octets[:length])
            first = next(iter(reader.frames()), None)
            if isinstance(first, p.Frame) and isinstance(first.pdu, p.Outbind):
                self._door.said(self, first.pdu, self._octets[length:])
            else:
                self.send_away("its first PDU is no outbind")

    def connection_lost(self, exc: Exception | None) -> None:
        self.end()

    def send_away(self, why: str) -> None:
        """It is not who we wait for."""
        self._door.refuse(self.peer, why)
        if self.transport is not None:
            self.transport.abort()
        self.end()

    def end(self) -> None:
        """It is no caller any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._door.went(self)


class OutbindDoor:
    """One account's. `connect` is a link's connector; `on_refused` hears who was sent away and why."""

    def __init__(self, settings: OutbindSettings, on_refused: Callable[[str, str], None]) -> None:
        self.settings = settings
        self.port = 0
        self._on_refused = on_refused
        self._server: asyncio.Server | None = None
        self._callers: set[_Caller] = set()
        self._waiters: list[tuple[Callable[[], asyncio.Protocol], asyncio.Future[asyncio.Transport]]] = []
        self._opening = asyncio.Lock()

    async def connect(self, factory: Callable[[], asyncio.Protocol], settings: LinkSettings) -> object:
        """Wait for the SMSC's call; see `smsd.smpp.connecting.Connector`.

        Raises:
            OSError: where it is not possible to listen.
        """
        del settings
        loop = asyncio.get_running_loop()
        waiter = (factory, loop.create_future())
        self._waiters.append(waiter)
        try:
            async with self._opening:
                if self._server is None:
                    listen = self.settings.listen
                    self._server = await loop.create_server(lambda: _Caller(self), listen.host, listen.port)
                    self.port = self._server.sockets[0].getsockname()[1]
            return await waiter[1]
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            if not self._waiters:
                self._close()

    def came(self, caller: _Caller) -> None:
        """Somebody calls."""
        self._callers.add(caller)
        if len(self._callers) > _MOST_CALLERS:
            caller.send_away(f"{_MOST_CALLERS} others have not said who they are")

    def went(self, caller: _Caller) -> None:
        """A caller is gone, or a caller no more."""
        self._callers.discard(caller)

    def refuse(self, peer: str, why: str) -> None:
        """Tell of a caller who is sent away."""
        self._on_refused(peer, why)

    def said(self, caller: _Caller, outbind: p.Outbind, rest: bytes) -> None:
        """A caller says who it is: it becomes a link's connection where that is right."""
        right = hmac.compare_digest(outbind.system_id.encode(), self.settings.system_id.encode())
        right &= hmac.compare_digest(outbind.password.encode(), self.settings.password.encode())
        transport = caller.transport
        self._waiters = [each for each in self._waiters if not each[1].done()]
        if not right:
            caller.send_away("its outbind has a wrong system_id or password")
        elif not self._waiters or transport is None:
            caller.send_away("no bind waits for it")
        else:
            factory, called = self._waiters.pop(0)
            caller.end()
            protocol = factory()
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            if rest:
                protocol.data_received(rest)
            called.set_result(transport)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for caller in list(self._callers):
            caller.send_away("no bind waits for it")
