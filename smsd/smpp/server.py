"""The SMSC's half over TCP or TLS, for simulators and tests; the same sessions and wires as the link's.

It decides nothing: binds, requests and what is delivered are its handler's.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, Protocol

import msgspec

from foundation.clock import Clock, SystemClock
from smsd.smpp import pdu as p
from smsd.smpp.answers import Answer, answers_of
from smsd.smpp.connecting import FIRST_WITH_TLVS
from smsd.smpp.constants import RESPONSE, CommandId, Tag
from smsd.smpp.events import BindRequested, Closed, Event, Requested
from smsd.smpp.session import Role, SessionSettings
from smsd.smpp.wire import Wire

__all__ = ["ServerConnection", "ServerHandler", "SmppServer"]

_VERSION: Final = 0x34


class ServerHandler(Protocol):
    """What a simulated SMSC does; called on the event loop, in batches of one socket read."""

    def on_bind(self, conn: ServerConnection, frame: p.Frame) -> int | None:
        """The status to answer a bind with, 0 to accept; None to answer later by `accept_bind` or
        `refuse_bind`."""

    def on_requests(self, conn: ServerConnection, frames: list[p.Frame]) -> None:
        """submit_sm and the like, to be answered by `conn.respond`."""

    def on_answers(self, conn: ServerConnection, answers: list[Answer]) -> None:
        """How requests made by `conn.request` ended."""

    def on_closed(self, conn: ServerConnection, reason: str) -> None:
        """The session is over."""


class ServerConnection:
    """One ESME's connection. `system_id` is the bind's, `bound_kind` None until it is accepted.

    `takes_tlvs`: whether both sides speak SMPP 3.4 or newer; otherwise none are sent (3.4 §5.2.4).
    """

    def __init__(self, server: SmppServer) -> None:
        self._server = server
        self._wire = Wire(Role.SMSC, server.settings, server.clock, self, server.requests_limit)
        self._bind: p.Frame | None = None
        self.system_id = ""
        self.takes_tlvs = True

    @property
    def wire(self) -> Wire:
        """The protocol that asyncio drives."""
        return self._wire

    @property
    def bound_kind(self) -> CommandId | None:
        """BIND_TRANSCEIVER, BIND_TRANSMITTER or BIND_RECEIVER, or None."""
        return self._wire.session.bound_kind

    @property
    def room(self) -> int:
        """Requests that `request` would take now."""
        return self._wire.room

    @property
    def peer(self) -> str:
        """The ESME's address."""
        return self._wire.peer

    def accept_bind(self) -> bool:
        """Answer the bind that waits; False where none does."""
        if self._bind is None:
            return False
        kind = p.command_of(self._bind.pdu)
        version = p.Tlv.of_int(Tag.SC_INTERFACE_VERSION, self._server.interface_version, 1)
        tlvs = (version,) if self.takes_tlvs else ()
        answer = p.BindResp(CommandId(kind | RESPONSE), self._server.system_id, tlvs)
        frame, self._bind = self._bind, None
        self._server.bound(self)
        return self._wire.respond(frame, answer)

    def refuse_bind(self, status: int) -> bool:
        """Refuse the bind that waits; the connection stays open for another try, up to the bind timer."""
        if self._bind is None:
            return False
        kind = p.command_of(self._bind.pdu)
        frame, self._bind = self._bind, None
        return self._wire.respond(frame, p.BindResp(CommandId(kind | RESPONSE)), status)

    def respond(self, frame: p.Frame, pdu: p.Pdu, status: int = 0) -> bool:
        """Answer a request; False where the connection is gone or it was answered before."""
        return self._wire.respond(frame, pdu, status)

    def request(self, pdu: p.Pdu, tag: object) -> bool:
        """Send deliver_sm or the like; False where the bind or the window does not allow it."""
        if not self.takes_tlvs and isinstance(pdu, p.DeliverSm) and pdu.tlvs:
            pdu = msgspec.structs.replace(pdu, tlvs=())
        return self._wire.request(pdu, tag)

    def send_octets(self, octets: bytes) -> None:
        """Octets as they are, past the session: for faults."""
        self._wire.send_octets(octets)

    def pause_reading(self) -> None:
        """Let the ESME wait."""
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._wire.resume_reading()

    def unbind(self) -> None:
        """Take leave of the ESME."""
        self._wire.unbind()

    def close(self, reason: str = "the SMSC closed the connection") -> None:
        """Close, delivering what is written."""
        self._wire.close(reason)

    def drop(self, reason: str = "the SMSC dropped the connection") -> None:
        """Break the connection off."""
        self._wire.abort(reason)

    def on_wire_made(self, wire: Wire) -> None:
        """The connection is there; see `smsd.smpp.wire.WireUser`."""
        self._server.remember(self)

    def on_wire_events(self, wire: Wire, events: list[Event]) -> None:
        """What the session told; see `smsd.smpp.wire.WireUser`."""
        handler = self._server.handler
        requests: list[p.Frame] = []
        answers: list[Answer] = []
        for event in events:
            match event:
                case BindRequested(frame):
                    self._on_bind(frame)
                case Requested(frame):
                    requests.append(frame)
                case _:
                    answers.extend(answers_of(event))
        if answers:
            handler.on_answers(self, answers)
        if requests:
            handler.on_requests(self, requests)
        if isinstance(events[-1], Closed):
            handler.on_closed(self, events[-1].reason)

    def on_wire_gone(self, wire: Wire) -> None:
        """The connection is gone; see `smsd.smpp.wire.WireUser`."""
        self._server.forget(self)

    def _on_bind(self, frame: p.Frame) -> None:
        self._bind = frame
        if isinstance(frame.pdu, p.Bind):
            self.system_id = frame.pdu.system_id
            versions = (frame.pdu.interface_version, self._server.interface_version)
            self.takes_tlvs = min(versions) >= FIRST_WITH_TLVS
        status = self._server.handler.on_bind(self, frame)
        if status == 0:
            self.accept_bind()
        elif status is not None:
            self.refuse_bind(status)


class SmppServer:
    """Listens for ESMEs. `port` is the one bound, where 0 was asked for."""

    def __init__(
        self,
        handler: ServerHandler,
        *,
        settings: SessionSettings | None = None,
        clock: Clock | None = None,
        system_id: str = "SMSC",
        tls: ssl.SSLContext | None = None,
        requests_limit: int = 10_000,
        unbound_limit: int = 1000,
        interface_version: int = _VERSION,
    ) -> None:
        self.handler = handler
        self.settings = settings or SessionSettings()
        self.clock = clock or SystemClock()
        self.system_id = system_id
        self.requests_limit = requests_limit
        self.unbound_limit = unbound_limit
        self.interface_version = interface_version
        self.port = 0
        self.connections: set[ServerConnection] = set()
        self._tls = tls
        # in the order of their coming
        self._unbound: dict[ServerConnection, None] = {}
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; OSError where that is not possible."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._make,
            host,
            port,
            ssl=self._tls,
            ssl_handshake_timeout=None if self._tls is None else self.settings.bind_timeout_s,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        if self._server is not None:
            self._server.close()
        for conn in list(self.connections):
            conn.close("the SMSC is stopping")
        await self._empty.wait()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def remember(self, conn: ServerConnection) -> None:
        """A connection is there. Of too many that are not bound the oldest goes, so that a crowd which
        says nothing keeps nobody out."""
        self.connections.add(conn)
        self._empty.clear()
        self._unbound[conn] = None
        if len(self._unbound) > self.unbound_limit:
            oldest = next(iter(self._unbound))
            del self._unbound[oldest]
            oldest.drop("too many connections that are not bound")

    def bound(self, conn: ServerConnection) -> None:
        """A connection's bind is accepted."""
        self._unbound.pop(conn, None)

    def forget(self, conn: ServerConnection) -> None:
        """A connection is gone."""
        self.connections.discard(conn)
        self._unbound.pop(conn, None)
        if not self.connections:
            self._empty.set()

    def _make(self) -> Wire:
        return ServerConnection(self).wire
