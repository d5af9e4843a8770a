"""TCP as it is: octets in order or cut, late, swallowed by a half-open bind; never twice, never changed.

Both ends are `asyncio.Protocol`s on loops of their own; the transports here stand where sockets would.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from sim_time import Agenda, SimLoop

_STUCK = 100_000


class Transport(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, connection: Connection, loop: SimLoop, boundary: Callable[[str], None]) -> None:
        super().__init__()
        self.connection = connection
        self.loop = loop
        self.peer: Transport
        self.protocol: asyncio.Protocol
        self._boundary = boundary
        self._closing = False
        self._lost = False
        self._paused = False
        self._unread: deque[bytes] = deque()
        self._eof: BaseException | None = None
        self._at_eof = False
        self.swallows = False
        self.told_swallowing = False
        self.writes_stopped = False
        # what is under way from here to the peer: arrival, octets
        self.flying: deque[list[Any]] = deque()
        self.last_arrival = 0.0

    # what a protocol uses

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 2775) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Taken as it is."""

    def get_write_buffer_size(self) -> int:
        """Octets that wait: some that do not move while the peer takes nothing."""
        return _STUCK if self.writes_stopped else 0

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self.loop.dead:
            return
        self.connection.network.watch(self.loop, data)
        self._boundary("before write")
        self.connection.send(self, bytes(data))
        self._boundary("after write")

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self.loop.call_soon(self._read)

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self.loop.dead:
            return
        self.connection.finish(self)
        self.loop.call_soon(self._gone, None)

    def abort(self) -> None:
        if self._lost or self.loop.dead:
            return
        if not self._closing:
            self._closing = True
            self.connection.reset(self)
        self.loop.call_soon(self._gone, None)

    # what the network does

    def arrive(self, data: bytes) -> None:
        """Octets have come to this end."""
        if self._lost or self._closing:
            return
        self._unread.append(data)
        self._read()

    def end(self, error: BaseException | None) -> None:
        """The other end is gone, or the network says so; what came before it is read first."""
        if self._lost or self._at_eof:
            return
        self._at_eof, self._eof = True, error
        if error is not None:
            self._unread.clear()
        if not self._paused or error is not None:
            self._read()

    def stop_writes(self, stopped: bool) -> None:
        """The send buffer is full, or has room again."""
        if self._lost or stopped is self.writes_stopped:
            return
        self.writes_stopped = stopped
        self.connection.troubled_at = self.connection.network.agenda.now
        if stopped:
            self.protocol.pause_writing()
        else:
            self.protocol.resume_writing()

    @property
    def lost(self) -> bool:
        return self._lost

    def _read(self) -> None:
        while self._unread and not self._paused and not self._closing:
            self.protocol.data_received(self._unread.popleft())
        if self._at_eof and not self._unread and not self._lost:
            self._closing = True
            self._gone(self._eof)

    def _gone(self, error: BaseException | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        self._unread.clear()
        self.connection.forget(self)
        self.protocol.connection_lost(error if isinstance(error, Exception) else None)


class Connection:
    """Two ends and what is under way between them."""

    def __init__(
        self,
        network: Network,
        client: SimLoop,
        server: SimLoop,
        client_boundary: Callable[[str], None],
    ) -> None:
        self.network = network
        self.client = Transport(self, client, client_boundary)
        self.server = Transport(self, server, lambda _where: None)
        self.client.peer, self.server.peer = self.server, self.client
        self.troubled_at = float("-inf")
        """When it last began or ceased to take nothing."""

    def in_trouble(self, since: float) -> bool:
        """Whether, since then, an answer may have been held up on its way and nowhere else."""
        ends = (self.client, self.server)
        return (
            any(end.swallows or end.writes_stopped for end in ends)
            or self.troubled_at >= since
            or self.network.slow_until + self.network.slow_s >= since
        )

    def send(self, sender: Transport, data: bytes) -> None:
        """Put octets on their way."""
        if sender.swallows:
            if not sender.told_swallowing:
                sender.told_swallowing = True
                self.network.fired("drop: a half-open bind swallows octets")
            return
        arrival = max(sender.last_arrival, self.network.agenda.now + self.network.latency())
        sender.last_arrival = arrival
        packet = [arrival, data]
        sender.flying.append(packet)
        peer = sender.peer
        peer.loop.call_at(arrival, self._land, sender, packet)

    def finish(self, sender: Transport) -> None:
        """An orderly end: after all octets."""
        if sender.swallows:
            return
        at = max(sender.last_arrival, self.network.agenda.now + self.network.latency())
        sender.peer.loop.call_at(at, sender.peer.end, None)

    def reset(self, sender: Transport) -> None:
        """A sudden end by one side: what it sent last may be lost."""
        if sender.swallows:
            return
        self._cut_short(sender)
        sender.peer.loop.call_later(self.network.latency(), sender.peer.end, ConnectionResetError("reset"))

    def cut(self, tells_client_s: float, tells_server_s: float) -> None:
        """The network breaks: of what is under way some arrives, and each end hears of it at its own time."""
        for end, tells_s in ((self.client, tells_client_s), (self.server, tells_server_s)):
            self._cut_short(end.peer)
            end.peer.swallows = end.peer.told_swallowing = True
            arrives = max(end.peer.last_arrival, self.network.agenda.now + tells_s)
            end.loop.call_at(arrives, end.end, ConnectionResetError("cut"))

    def silence(self, client: bool, server: bool) -> None:
        """Half open: what an end sends from now on is swallowed, and nobody is told."""
        self.client.swallows |= client
        self.server.swallows |= server

    def forget(self, end: Transport) -> None:
        """One end is gone."""
        if self.client.lost and self.server.lost:
            self.network.connections.discard(self)
            self.network.order = [each for each in self.network.order if each is not self]

    def _land(self, sender: Transport, packet: list[Any]) -> None:
        if packet in sender.flying:
            sender.flying.remove(packet)
            sender.peer.arrive(packet[1])

    def _cut_short(self, sender: Transport) -> None:
        """Only so many of the octets under way arrive."""
        total = sum(len(packet[1]) for packet in sender.flying)
        left = self.network.rng.choice((0, total, self.network.rng.randint(0, total)))
        for packet in sender.flying:
            if 0 < left < len(packet[1]):
                self.network.fired("cut: half a PDU arrives")
            packet[1] = packet[1][:left]
            left -= len(packet[1])


class Network:
    """All connections between a gateway and its operators."""

    def __init__(self, agenda: Agenda, rng: random.Random, fired: Callable[[str], None]) -> None:
        self.agenda = agenda
        self.rng = rng
        self.fired = fired
        self.watch: Callable[[SimLoop, bytes], None] = lambda _loop, _data: None
        """Sees everything that is written, and by whom."""
        self.connections: set[Connection] = set()
        self.order: list[Connection] = []
        self.slow_until = float("-inf")
        self.slow_s = 0.0

    def latency(self) -> float:
        """Seconds that the next octets take."""
        base = self.rng.uniform(0.0005, 0.02)
        return base + (self.rng.uniform(0, self.slow_s) if self.agenda.now < self.slow_until else 0.0)

    def connect(
        self,
        client: SimLoop,
        make_client: Callable[[], asyncio.Protocol],
        server: SimLoop,
        make_server: Callable[[], asyncio.Protocol],
        boundary: Callable[[str], None],
    ) -> Transport:
        """Open a connection; called in the client's loop, whose end it returns."""
        connection = Connection(self, client, server, boundary)
        self.connections.add(connection)
        self.order.append(connection)
        connection.client.protocol = make_client()

        def accept() -> None:
            connection.server.protocol = make_server()
            connection.server.protocol.connection_made(connection.server)

        server.call_soon(accept)
        connection.client.protocol.connection_made(connection.client)
        return connection.client

    def process_died(self, loop: SimLoop, *, silently: bool) -> None:
        """A process is gone: its kernel closes its connections, or its machine is gone with it."""
        for connection in list(self.order):
            for end in (connection.client, connection.server):
                if end.loop is loop and not end.lost:
                    if silently:
                        end.swallows = end.peer.swallows = True
                        end.told_swallowing = end.peer.told_swallowing = True
                        connection._cut_short(end)
                    else:
                        connection.finish(end)
                    end._closing = end._lost = True
                    connection.forget(end)
