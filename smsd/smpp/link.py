"""One supervised bind of an ESME over TCP or TLS: connect, bind, keep, connect again, until stopped.

The protocol is `smsd.smpp.session`'s, the flow `smsd.smpp.wire`'s; here are supervision and the words that
an operator of the gateway reads. Nothing here decides what a message means. Passwords appear in no text.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

import msgspec

from foundation.clock import Clock
from smsd.smpp import pdu as p
from smsd.smpp.answers import Answer, AnswerKind, answers_of
from smsd.smpp.codec import BARE_RESPONSES, encode
from smsd.smpp.constants import RESPONSE, CommandId, describe
from smsd.smpp.events import BindRefused, Bound, Closed, Event, Faulted, Requested
from smsd.smpp.session import Role, SessionSettings
from smsd.smpp.supervise import Backoff
from smsd.smpp.wire import Wire

__all__ = [
    "Answer",
    "AnswerKind",
    "Connector",
    "Link",
    "LinkListener",
    "LinkSettings",
    "LinkState",
    "Tls",
]

_UNBIND_WAIT_S: Final = 5.0


class Tls(Protocol):
    """TLS to the SMSC as a settings file gives it. `server_name` is checked and sent; None: the host's."""

    @property
    def server_name(self) -> str | None: ...

    def context(self) -> ssl.SSLContext:
        """Read the files; OSError (of which ssl.SSLError is one) where they cannot be used."""


class LinkSettings(msgspec.Struct, frozen=True):
    """One bind; times in seconds, see `SessionSettings` for those of the session."""

    name: str
    host: str
    port: int
    bind: p.Bind
    tls: Tls | None = None
    window: int = 10
    enquire_link_s: float | None = 20.0
    response_timeout_s: float = 60.0
    bind_timeout_s: float = 30.0
    connect_timeout_s: float = 15.0
    inactivity_s: float | None = None
    pdu_limit_octets: int = 65536
    late_answers: int = 1000
    requests_limit: int = 1000
    backoff_first_s: float = 1.0
    backoff_max_s: float = 60.0
    stable_s: float = 30.0
    """A bind that held this long makes the next back-off begin at its first wait."""

    def session(self) -> SessionSettings:
        """The session's part."""
        return SessionSettings(
            window=self.window,
            enquire_link_s=self.enquire_link_s,
            response_timeout_s=self.response_timeout_s,
            bind_timeout_s=self.bind_timeout_s,
            inactivity_s=self.inactivity_s,
            late_answers=self.late_answers,
            pdu_limit_octets=self.pdu_limit_octets,
        )


class LinkState(StrEnum):
    """Where a link stands."""

    DOWN = "down"
    CONNECTING = "connecting"
    BINDING = "binding"
    BOUND = "bound"
    UNBINDING = "unbinding"


class LinkListener(Protocol):
    """Who hears of a link; called on the event loop, in batches of one socket read."""

    def on_state(self, link: Link, state: LinkState, detail: str) -> None: ...

    def on_requests(self, link: Link, frames: list[p.Frame]) -> None: ...

    def on_answers(self, link: Link, answers: list[Answer]) -> None: ...


Connector: TypeAlias = Callable[[Callable[[], asyncio.Protocol], LinkSettings], Awaitable[object]]
"""Opens a connection for a protocol; raises OSError or TimeoutError where that fails."""


async def connect_tcp(factory: Callable[[], asyncio.Protocol], settings: LinkSettings) -> object:
    """The connector used by default: TCP, with TLS where the settings say so."""
    loop = asyncio.get_running_loop()
    if settings.tls is None:
        return await loop.create_connection(factory, settings.host, settings.port)
    return await loop.create_connection(
        factory,
        settings.host,
        settings.port,
        ssl=settings.tls.context(),
        server_hostname=settings.tls.server_name or settings.host,
        ssl_handshake_timeout=settings.connect_timeout_s,
    )


class Link:
    """A bind that is kept up. For each `submit` that returned True exactly one `Answer` with its tag comes,
    after which one of kind LATE may follow where the first was TIMED_OUT (see `AnswerKind`)."""

    def __init__(
        self,
        settings: LinkSettings,
        listener: LinkListener,
        *,
        clock: Clock,
        random: random.Random,
        connect: Connector | None = None,
    ) -> None:
        # raises where system_id, password or the like do not fit
        encode(settings.bind, 1)
        self.settings = settings
        self.name = settings.name
        self.state = LinkState.DOWN
        self.since_us = clock.now_us()
        self.last_error = ""
        self.last_fault = ""
        self.faults = 0
        self.binds = 0
        self._listener = listener
        self._clock = clock
        self._connect = connect or connect_tcp
        self._backoff = Backoff(settings.backoff_first_s, settings.backoff_max_s, random)
        self._wire: Wire | None = None
        self._bound_at: float | None = None
        self._paused = False
        self._stop = asyncio.Event()
        self._gone = asyncio.Event()
        self._drained = asyncio.Event()
        self._finished = asyncio.Event()
        self._finished.set()

    # --- what the user reads -------------------------------------------------------------------------

    @property
    def can_submit(self) -> bool:
        """Bound for sending and not about to stop; there may still be no room."""
        return (
            self.state is LinkState.BOUND
            and not self._stop.is_set()
            and self.settings.bind.kind is not CommandId.BIND_RECEIVER
        )

    @property
    def can_receive(self) -> bool:
        """Bound for receiving."""
        return self.state is LinkState.BOUND and self.settings.bind.kind is not CommandId.BIND_TRANSMITTER

    @property
    def room(self) -> int:
        """Requests that `submit` would take now."""
        return self._wire.room if self._wire is not None and self.can_submit else 0

    @property
    def pending(self) -> int:
        """Requests whose answer is awaited."""
        return self._wire.session.pending if self._wire is not None else 0

    # --- what the user does --------------------------------------------------------------------------

    def submit(self, pdu: p.Pdu, tag: object) -> bool:
        """Send a request. False: not bound or no room, nothing queued, the tag is not reported later.

        Raises:
            UnencodablePduError: as for False, and it will never go as it is.
        """
        return self._wire is not None and self.can_submit and self._wire.request(pdu, tag)

    def respond(self, frame: p.Frame, status: int = 0, message_id: str = "") -> bool:
        """Answer a request that came; False where its connection is gone or it was answered before."""
        if self._wire is None:
            return False
        answer: p.Pdu
        match frame.pdu:
            case p.DeliverSm():
                answer = p.DeliverSmResp(message_id)
            case p.DataSm():
                answer = p.DataSmResp(message_id)
            case other:
                answer = BARE_RESPONSES.get(p.command_of(other) | RESPONSE, p.GenericNack())
        return self._wire.respond(frame, answer, status)

    def pause_reading(self) -> None:
        """Take nothing more from the SMSC, on this connection and later ones, until `resume_reading`."""
        self._paused = True
        if self._wire is not None:
            self._wire.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._paused = False
        if self._wire is not None:
            self._wire.resume_reading()

    async def run(self) -> None:
        """Keep the bind up until `stop`, or until cancelled, which ends the connection at once."""
        self._finished.clear()
        try:
            while not self._stop.is_set():
                await self._once()
                if not self._stop.is_set():
                    await _within(self._stop, self._backoff.next_s())
        finally:
            if self._wire is not None:
                self._wire.abort("the link was cancelled")
            self._finished.set()

    async def stop(self, grace_s: float) -> None:
        """No new submits, answers awaited up to `grace_s`, unbind, close; `run` returns. Once, for good."""
        self._stop.set()
        wire = self._wire
        if wire is not None and self.state is LinkState.BOUND:
            if wire.session.pending:
                self._drained.clear()
                await _within(self._drained, grace_s)
            if wire.alive:
                self._become(LinkState.UNBINDING, "stopping")
                wire.unbind()
                await _within(self._gone, min(_UNBIND_WAIT_S, self.settings.response_timeout_s))
        if wire is not None and wire is self._wire:
            wire.abort("the link was stopped")
        await self._finished.wait()

    # --- one connection ------------------------------------------------------------------------------

    async def _once(self) -> None:
        settings = self.settings
        self._gone.clear()
        self._bound_at = None
        self._become(LinkState.CONNECTING, f"{settings.host}:{settings.port}")
        wire, error = await self._open()
        if wire is None:
            self.last_error = error
            self._become(LinkState.DOWN, error)
            return
        self._wire = wire
        if self._paused:
            wire.pause_reading()
        self._become(LinkState.BINDING, f"as {settings.bind.system_id}")
        wire.bind(settings.bind)
        await self._gone.wait()
        if self._held_s() >= settings.stable_s:
            self._backoff.reset()

    def _held_s(self) -> float:
        return 0.0 if self._bound_at is None else self._clock.monotonic() - self._bound_at

    async def _open(self) -> tuple[Wire | None, str]:
        """Connect, unless stopped meanwhile; the wire, or what went wrong, in words."""
        settings = self.settings
        made: list[Wire] = []

        def make() -> Wire:
            made.append(Wire(Role.ESME, settings.session(), self._clock, self, settings.requests_limit))
            return made[-1]

        opening = asyncio.ensure_future(self._connect(make, settings))
        stopping = asyncio.ensure_future(self._stop.wait())
        wire: Wire | None = None
        error = ""
        try:
            await asyncio.wait(
                {opening, stopping}, timeout=settings.connect_timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            error = self._opening_error(opening)
            if not error:
                wire = made[-1]
        finally:
            for task in (opening, stopping):
                task.cancel()
            await asyncio.gather(opening, stopping, return_exceptions=True)
            for one in made:
                if one is not wire:
                    one.abort("not connected")
        # it may have been lost in the meantime; from here on nothing is awaited until it is ours
        if wire is None or wire.gone:
            return None, error or "the SMSC closed the connection at once"
        return wire, ""

    def _opening_error(self, opening: asyncio.Future[object]) -> str:
        where = f"cannot connect to {self.settings.host}:{self.settings.port}"
        if self._stop.is_set():
            return "the link was stopped"
        if not opening.done():
            return f"{where}: no connection within {self.settings.connect_timeout_s:g} s"
        failure = opening.exception()
        if isinstance(failure, ssl.SSLError):
            return f"{where}: TLS: {getattr(failure, 'verify_message', '') or failure.reason or failure}"
        if isinstance(failure, OSError):
            return f"{where}: {failure.strerror or failure}"
        if failure is not None:
            raise failure
        return ""

    def on_wire_made(self, wire: Wire) -> None:
        """The connection is there; see `smsd.smpp.wire.WireUser`."""

    def on_wire_events(self, wire: Wire, events: list[Event]) -> None:
        """What a session told; see `smsd.smpp.wire.WireUser`."""
        requests: list[p.Frame] = []
        answers: list[Answer] = []
        for event in events:
            match event:
                case Requested(frame):
                    requests.append(frame)
                case Bound():
                    self.binds += 1
                    self.last_error = ""
                    self._bound_at = self._clock.monotonic()
                    self._become(LinkState.BOUND, f"as {self.settings.bind.system_id}")
                case BindRefused(status):
                    self.last_error = f"the SMSC refused bind: {describe(status)}"
                    wire.close(self.last_error)
                case Faulted(status, _, _, what):
                    self.faults += 1
                    self.last_fault = f"{describe(status)}: {what}"
                case Closed(reason):
                    answers.extend(answers_of(event))
                    if not self._stop.is_set():
                        self.last_error = reason
                case _:
                    answers.extend(answers_of(event))
        # answers first: a receipt read together with its submit_sm_resp then finds its message id
        if answers:
            self._listener.on_answers(self, answers)
        if requests:
            self._listener.on_requests(self, requests)
        if not wire.session.pending:
            self._drained.set()
        if isinstance(events[-1], Closed) and wire is self._wire:
            self._become(LinkState.DOWN, self.last_error or events[-1].reason)

    def on_wire_gone(self, wire: Wire) -> None:
        """The connection is gone; see `smsd.smpp.wire.WireUser`."""
        if wire is self._wire:
            self._wire = None
            self._drained.set()
            self._gone.set()

    def _become(self, state: LinkState, detail: str) -> None:
        if state is not self.state:
            self.state = state
            self.since_us = self._clock.now_us()
            self._listener.on_state(self, state, detail)


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but not longer than this."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
