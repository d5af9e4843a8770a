"""One supervised bind of an ESME over TCP or TLS: connect, bind, keep, connect again, until stopped.

The protocol is `smsd.smpp.session`'s, the flow `smsd.smpp.wire`'s; here are supervision and the words that
an operator of the gateway reads. Nothing here decides what a message means. Passwords appear in no text.
"""

from __future__ import annotations

import asyncio
import random
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from foundation.clock import Clock
from smsd.smpp import bind_words as words
from smsd.smpp import pdu as p
from smsd.smpp.answers import Answer, AnswerKind, answers_of
from smsd.smpp.codec import BARE_RESPONSES, encode
from smsd.smpp.connecting import Connector, LinkSettings, Tls, connect_tcp, takes_tlvs
from smsd.smpp.constants import RESPONSE, CommandId, describe
from smsd.smpp.events import BindRefused, Bound, Closed, Event, Faulted, Requested
from smsd.smpp.hosts import Address, Hosts
from smsd.smpp.opening import open_wire, within
from smsd.smpp.session import Role
from smsd.smpp.supervise import Backoff
from smsd.smpp.wire import Wire

__all__ = [
    "Address",
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
_SOON_S: Final = 3.0
"""A bind lost sooner than this was hardly meant to be given."""
_MOST_DOUBLINGS: Final = 4
_NO_TLVS: Final = (
    "the SMSC speaks a version of SMPP without TLVs (before 3.4), and this account's prices or long texts "
    "travel in TLVs"
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
        self._hosts = Hosts(settings.addresses)
        self._takes_tlvs = True
        self._leaving = False
        self._returns = 0
        self._repeatable = True
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
        """Bound for sending and not about to leave; there may still be no room."""
        return (
            self.state is LinkState.BOUND
            and not self._leaving
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
    def address(self) -> Address:
        """The host in use, or the one that is tried."""
        return self._hosts.now

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
        if self._wire is None or not self.can_submit:
            return False
        if not self._takes_tlvs and isinstance(pdu, p.SubmitSm) and pdu.tlvs:
            pdu = msgspec.structs.replace(pdu, tlvs=())
        return self._wire.request(pdu, tag)

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

    @property
    def mark(self) -> int:
        """The place reached in what is written on this connection, for `has_read`; 0 where there is none."""
        return self._wire.session.mark if self._wire is not None else 0

    def has_read(self, mark: int) -> bool:
        """Whether the SMSC has certainly read all that was written on this connection up to a mark."""
        return self._wire is not None and self._wire.session.has_read(mark)

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
                at_once = await self._once()
                if not at_once and not self._stop.is_set():
                    await within(self._stop, self._backoff.next_s())
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
                await within(self._drained, grace_s)
            if wire.alive:
                self._become(LinkState.UNBINDING, "stopping")
                wire.unbind()
                await within(self._gone, min(_UNBIND_WAIT_S, self.settings.response_timeout_s))
        if wire is not None and wire is self._wire:
            wire.abort("the link was stopped")
        await self._finished.wait()

    # --- one connection ------------------------------------------------------------------------------

    async def _once(self) -> bool:
        """One connection from its beginning to its end; whether to try again without a wait."""
        settings, address = self.settings, self._hosts.now
        self._gone.clear()
        self._bound_at = None
        self._repeatable = True
        self._become(
            LinkState.CONNECTING, f"waits for a call at {address}" if settings.called else str(address)
        )
        wire, error = await self._open(address)
        if wire is None:
            self.last_error = error
            self._become(LinkState.DOWN, error)
            return self._hosts.failed()
        self._wire = wire
        if self._paused:
            wire.pause_reading()
        self._become(LinkState.BINDING, f"as {settings.bind.system_id} at {address}")
        wire.bind(settings.bind)
        moving = await self._until_gone(wire)
        self._become(LinkState.DOWN, self.last_error)
        if moving:
            self._hosts.go_home()
            return True
        held_s = self._held_s()
        if held_s is None:
            return self._hosts.failed() and self._repeatable
        held = held_s >= settings.stable_s
        if held:
            self._backoff.reset()
        self._hosts.ended(held)
        return False

    def _held_s(self) -> float | None:
        """How long the last bind has lasted or lasted; None where it was never accepted."""
        return None if self._bound_at is None else self._clock.monotonic() - self._bound_at

    async def _until_gone(self, wire: Wire) -> bool:
        """Wait for the connection's end; whether we ended it to move to the preferred host."""
        look_s = self.settings.fail_back_s
        if look_s is not None:
            # a host that listens and then refuses our bind is not turned to so often
            look_s *= 2 ** min(self._returns, _MOST_DOUBLINGS)
        while look_s is not None and not self._hosts.at_home and not await within(self._gone, look_s):
            if self.state is LinkState.BOUND and await self._home_answers() and await self._leave(wire):
                return True
        await self._gone.wait()
        return False

    async def _home_answers(self) -> bool:
        """Whether a connection to the preferred host can be made; nothing is said on it."""
        wire, _ = await self._open(self._hosts.home)
        if wire is not None:
            wire.abort("only looked whether somebody listens")
        return wire is not None

    async def _leave(self, wire: Wire) -> bool:
        """Unbind with nothing in the window, so that no answer is lost; False where it ended otherwise."""
        self._leaving = True
        try:
            if wire.session.pending:
                self._drained.clear()
                await within(self._drained, self.settings.response_timeout_s)
            if self._gone.is_set() or self._stop.is_set() or wire.session.pending:
                return False
            self._returns += 1
            self._become(LinkState.UNBINDING, f"back to {self._hosts.home}")
            wire.unbind()
            if not await within(self._gone, min(_UNBIND_WAIT_S, self.settings.response_timeout_s)):
                wire.abort("no answer to unbind")
                await self._gone.wait()
            return True
        finally:
            self._leaving = False

    async def _open(self, address: Address) -> tuple[Wire | None, str]:
        """Connect, unless stopped meanwhile; the wire, or what went wrong, in words."""
        return await open_wire(self.settings.at(address), self._connect, self._make_wire, self._stop)

    def _make_wire(self) -> Wire:
        settings = self.settings
        return Wire(Role.ESME, settings.session(), self._clock, self, settings.requests_limit)

    def on_wire_made(self, wire: Wire) -> None:
        """The connection is there; see `smsd.smpp.wire.WireUser`."""

    def on_wire_events(self, wire: Wire, events: list[Event]) -> None:
        """What a session told; see `smsd.smpp.wire.WireUser`."""
        if wire is not self._wire:
            # not ours yet, or only a look whether somebody listens
            return
        requests: list[p.Frame] = []
        answers: list[Answer] = []
        for event in events:
            match event:
                case Requested(frame):
                    requests.append(frame)
                case Bound(frame):
                    self._on_bound(wire, frame)
                case BindRefused(status):
                    self._repeatable = status not in words.CREDENTIALS
                    wire.close(words.refused(status, self.settings.bind.system_id))
                case Faulted(status, _, _, what):
                    self.faults += 1
                    self.last_fault = f"{describe(status)}: {what}"
                case Closed(reason):
                    answers.extend(answers_of(event))
                    if not self._stop.is_set():
                        self.last_error = self._why(reason)
                case _:
                    answers.extend(answers_of(event))
        # answers first: a receipt read together with its submit_sm_resp then finds its message id
        if answers:
            self._listener.on_answers(self, answers)
        if requests:
            self._listener.on_requests(self, requests)
        if not wire.session.pending:
            self._drained.set()
        if isinstance(events[-1], Closed):
            self._become(LinkState.DOWN, self.last_error or events[-1].reason)

    def _on_bound(self, wire: Wire, frame: p.Frame) -> None:
        settings = self.settings
        self._takes_tlvs = takes_tlvs(settings.bind, frame.pdu)
        if settings.needs_tlvs and not self._takes_tlvs:
            wire.close(_NO_TLVS)
            return
        self.binds += 1
        if self._hosts.at_home:
            self._returns = 0
        self.last_error = ""
        self._bound_at = self._clock.monotonic()
        self._become(LinkState.BOUND, f"as {settings.bind.system_id} at {self._hosts.now}")

    def _why(self, reason: str) -> str:
        held_s = self._held_s()
        if self.state is LinkState.BOUND and held_s is not None and held_s < _SOON_S:
            return words.soon_lost(reason)
        if self.state is not LinkState.BINDING:
            return reason
        return words.not_bound(f"cannot connect to {self.address}", reason, self.settings.tls is not None)

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
