"""A session on an asyncio transport: octets across, writes gathered per turn of the loop, timers armed.

No decision is made here but about flow: nothing is drained from the session while the transport's buffer
is full; nothing is read while too much waits for that, or too many requests wait for their answer. A peer
that takes nothing for the response timer is left: while we do not read, no silence of theirs is judged.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final, Protocol, cast

from foundation.clock import Clock
from smsd.smpp import bind_words as words
from smsd.smpp import pdu as p
from smsd.smpp.events import Event
from smsd.smpp.hosts import Address
from smsd.smpp.session import NotAllowedError, Role, Session, SessionSettings, State

_WRITE_HIGH_OCTETS: Final = 256 * 1024
_LINGER_S: Final = 5.0
"""How long a closing transport may try to deliver its last octets."""


class WireUser(Protocol):
    """Who hears of what comes over a wire; called on the loop, one batch for each socket read or timer."""

    def on_wire_made(self, wire: Wire) -> None: ...

    def on_wire_events(self, wire: Wire, events: list[Event]) -> None: ...

    def on_wire_gone(self, wire: Wire) -> None: ...


class Tap(Protocol):
    """Who sees every octet of a connection, in order; never raises."""

    def opened(self, mine: Any, theirs: Any) -> None: ...

    def came(self, octets: bytes) -> None: ...

    def went(self, octets: bytes) -> None: ...

    def gone(self) -> None: ...


class Wire(asyncio.Protocol):
    """One connection. `requests_limit` unanswered requests of the other side stop the reading.

    `tap` may be set before the connection is made. `lost` says why a connection ended that nobody closed.
    """

    def __init__(
        self, role: Role, settings: SessionSettings, clock: Clock, user: WireUser, requests_limit: int = 1000
    ) -> None:
        self.session = Session(role, settings, clock.monotonic())
        self.gone = False
        self.lost = ""
        self._clock = clock
        self._user = user
        self.tap: Tap | None = None
        self._requests_limit = requests_limit
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._flushing = False
        self._writes_paused = False
        self._user_paused = False
        self._reading = True
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0
        self._linger: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._patience_s = settings.response_timeout_s

    @property
    def alive(self) -> bool:
        """Whether something sent now could still go out."""
        transport = self._transport
        return transport is not None and not transport.is_closing() and self.session.state is not State.CLOSED

    @property
    def room(self) -> int:
        """Requests that `request` would take now; 0 while the transport's buffer is full."""
        return 0 if self._writes_paused or not self.alive else self.session.room

    @property
    def peer(self) -> str:
        """The other end's address."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(Address(name[0], name[1])) if isinstance(name, tuple) else str(name or "")

    # --- what the user does --------------------------------------------------------------------------

    def bind(self, pdu: p.Bind) -> None:
        """Ask to be bound; nothing where the connection is on its way out."""
        if not self.alive:
            return
        self.session.bind(pdu, self._clock.monotonic())
        self._soon()

    def request(self, pdu: p.Pdu, tag: object) -> bool:
        """Send a request; False where the session or the window does not allow it.

        Raises:
            UnencodablePduError: nothing was queued.
        """
        if self._writes_paused or not self.alive:
            return False
        try:
            self.session.submit(pdu, tag, self._clock.monotonic())
        except NotAllowedError:
            return False
        self._soon()
        return True

    def respond(self, request: p.Frame, pdu: p.Pdu, status: int = 0) -> bool:
        """Answer a request of the other side; False where that connection or request is gone."""
        if not self.alive or not self.session.respond(request, pdu, status):
            return False
        self._soon()
        return True

    def unbind(self) -> None:
        """Take leave."""
        self.session.unbind(self._clock.monotonic())
        self._settle()

    def send_octets(self, octets: bytes) -> None:
        """Octets as they are, for those who test the other side with broken ones."""
        self._flush()
        if self._transport is not None:
            self._transport.write(octets)

    def close(self, reason: str) -> None:
        """End the session, let the transport deliver what it has, and close it."""
        self.session.receive_eof(self._clock.monotonic(), reason)
        self._settle()

    def abort(self, reason: str) -> None:
        """End the session and the connection at once."""
        self.session.receive_eof(self._clock.monotonic(), reason)
        if self._transport is not None:
            self._transport.abort()
        self._settle()

    def pause_reading(self) -> None:
        """Take no more from the socket until `resume_reading`."""
        self._user_paused = True
        self._heed()

    def resume_reading(self) -> None:
        """Read on."""
        self._user_paused = False
        self._heed()

    # --- what asyncio calls --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH_OCTETS)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tap is not None:
            self.tap.opened(transport.get_extra_info("sockname"), transport.get_extra_info("peername"))
        self._heed()
        self._arm()
        self._user.on_wire_made(self)

    def data_received(self, data: bytes) -> None:
        if self.tap is not None:
            self.tap.came(data)
        self.session.receive_data(data, self._clock.monotonic())
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        reason = None
        if exc is not None:
            reason = self.lost = words.lost(exc)
        self.session.receive_eof(self._clock.monotonic(), reason)
        self._settle()
        for handle in (self._timer, self._linger, self._stalled):
            if handle is not None:
                handle.cancel()
        self._timer = self._linger = self._stalled = None
        self._transport = None
        if self.tap is not None:
            self.tap.gone()
        self.gone = True
        self._user.on_wire_gone(self)

    def pause_writing(self) -> None:
        self._writes_paused = True
        self._watch_stall()
        self._heed()

    def resume_writing(self) -> None:
        self._writes_paused = False
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        self._heed()
        self._soon()

    # --- helpers -------------------------------------------------------------------------------------

    def _watch_stall(self) -> None:
        """Leave a peer that took nothing for the response timer."""
        if self._stalled is not None:
            self._stalled.cancel()
        self._stalled = None
        transport = self._transport
        if transport is None or not self._writes_paused:
            return
        before = transport.get_write_buffer_size()

        def look() -> None:
            self._stalled = None
            if transport.get_write_buffer_size() >= before:
                self.abort(
                    f"the {self.session.role.peer.value} takes nothing: {before} octets for it have waited "
                    f"for {self._patience_s:g} s"
                )
            else:
                self._watch_stall()

        self._stalled = self._loop.call_later(self._patience_s, look)

    def _settle(self) -> None:
        """Tell the user what happened, then see to what is to be written."""
        events = self.session.events()
        if events:
            self._user.on_wire_events(self, events)
        if self.session.state is State.CLOSED:
            self._flush()
        else:
            self._soon()

    def _soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._flushing = False
        self._flush()
        self._heed()
        self._arm()

    def _flush(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            # what is not drained is known never to have been written
            return
        closed = self.session.state is State.CLOSED
        if self.session.has_data and (closed or not self._writes_paused):
            octets = self.session.data_to_send()
            transport.write(octets)
            if self.tap is not None:
                self.tap.went(octets)
        if closed:
            transport.close()
            self._linger = self._loop.call_later(_LINGER_S, transport.abort)

    def _heed(self) -> None:
        """Read only where what comes can be dealt with."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        session = self.session
        wanted = not (
            self._user_paused
            or session.asked >= self._requests_limit
            or session.waiting_octets > _WRITE_HIGH_OCTETS
        )
        if wanted is not self._reading:
            self._reading = wanted
            if wanted:
                session.listen_again(self._clock.monotonic())
                transport.resume_reading()
                self._arm()
            else:
                session.stop_listening()
                transport.pause_reading()

    def _arm(self) -> None:
        deadline = self.session.next_deadline()
        if deadline is None or self._transport is None:
            return
        if self._timer is not None:
            if self._armed_for <= deadline:
                # fires early, finds nothing to do and is armed again: cheaper than moving it each time
                return
            self._timer.cancel()
        self._armed_for = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - self._clock.monotonic()), self.tick)

    def tick(self) -> None:
        """The timer fired; see to what is due by the clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.session.tick(self._clock.monotonic())
        self._settle()
        self._arm()
