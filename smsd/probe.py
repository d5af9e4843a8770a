"""`smsd operators probe`: binds to an SMSC as a profile says, looks, sends at most one free message, leaves.

It never sends a price. What comes down its binds for others is refused as *try again*, so that the SMSC gives
it to the gateway; only the receipt of its own message is taken. What was seen is for `smsd.probe_words` to
tell.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from typing import Any, Final

import msgspec

from foundation.clock import Clock
from smsd.links import account_links
from smsd.operators import OperatorProfile
from smsd.probe_words import BindSeen, MessageSeen, ReceiptSeen, Seen
from smsd.settings import Limits
from smsd.settings_operators import Operator
from smsd.smpp import bind_words as words
from smsd.smpp import pdu as p
from smsd.smpp.alphabet import Coding
from smsd.smpp.codec import FrameReader, encode
from smsd.smpp.connecting import Connector, LinkSettings, connect_tcp
from smsd.smpp.constants import CommandStatus
from smsd.smpp.events import (
    Answered,
    BindRefused,
    Bound,
    Closed,
    Event,
    Faulted,
    LateAnswer,
    NotSent,
    Requested,
    TimedOut,
)
from smsd.smpp.hosts import Address
from smsd.smpp.message_ids import same_number
from smsd.smpp.receipt import read_receipt
from smsd.smpp.segments import split
from smsd.smpp.session import Role
from smsd.smpp.wire import Wire

__all__ = ["TEXT", "Ask", "probe"]

TEXT: Final = "Prøve frå smsd: æøå ÆØÅ @ €"
"""One segment in every alphabet; on the telephone one sees whether data_coding_default is right."""
_TRY_AGAIN: Final = CommandStatus.ESME_RX_T_APPN
_ENQUIRY: Final = 0x7FFFFF00
"""Above all sequence numbers of a session this short."""
_LEAVE_S: Final = 5.0
_MOST_OTHERS: Final = 1000


class Ask(msgspec.Struct, frozen=True):
    """What to do beside binding: a message from `source` to `number` (E.164); none where that is empty.

    `wait_s` is how long to wait for its answer and receipt, and for an SMSC that calls us (outbind).
    """

    number: str = ""
    source: str = ""
    wait_s: float = 30.0


async def probe(
    operator: Operator, ask: Ask, *, clock: Clock, connect: Connector = connect_tcp
) -> tuple[Seen, ...]:
    """Bind at each host once in each way that the profile has; what was seen, host by host. The message goes
    by the first that takes one. Raises nothing that an SMSC can cause."""
    found: list[Seen] = []
    for place, address in enumerate(operator.addresses):
        if place and operator.outbind_listen is not None and operator.bind == "transceiver":
            # the SMSC calls, from wherever it likes: there is no second host to go to
            break
        host, port = address
        here = operator.model_copy(update={"host": host, "port": port, "hosts": (), "standby_hosts": ()})
        sent = any(each.message is not None for each in found)
        wanted = msgspec.structs.replace(ask, number="") if sent else ask
        found.append(await _Probe(here, wanted, clock, connect, first=not place).run())
    return tuple(found)


class _Bind:
    """One connection and its bind. A `WireUser` and a `Tap`."""

    def __init__(self, whole: _Probe, settings: LinkSettings, connect: Connector) -> None:
        self.settings = settings
        self.connect = connect
        self.seen = BindSeen(kind=settings.bind.kind.name.lower())
        self.wire: Wire | None = None
        self.bound = False
        self.over = False
        self.first = b""
        self._whole = whole
        self._reader = FrameReader(settings.pdu_limit_octets)
        self._clock = whole.clock
        self._enquired_at = 0.0

    def make(self) -> Wire:
        self.wire = Wire(Role.ESME, self.settings.session(), self._clock, self, 100)
        self.wire.tap = self
        return self.wire

    # what the wire tells

    def on_wire_made(self, wire: Wire) -> None:
        """See `WireUser`."""

    def on_wire_gone(self, wire: Wire) -> None:
        """See `WireUser`."""
        self.over = True
        self._whole.changed.set()

    def on_wire_events(self, wire: Wire, events: list[Event]) -> None:
        """See `WireUser`."""
        for event in events:
            match event:
                case Bound(frame):
                    self.bound = True
                    if isinstance(frame.pdu, p.BindResp):
                        self.seen.system_id, self.seen.tlvs = frame.pdu.system_id, frame.pdu.tlvs
                case BindRefused(status):
                    self.seen.status = status
                    self.seen.failure = words.refused(status, self.settings.bind.system_id)
                    wire.close("the bind was refused")
                case Requested(frame):
                    self._whole.requested(self, frame)
                case Answered(_, frame) | LateAnswer(_, frame):
                    self._whole.answered(frame)
                case TimedOut() | NotSent():
                    self._whole.unanswered()
                case Faulted(_, _, sequence, what) if sequence != _ENQUIRY:
                    self.seen.faults.append(what)
                case Closed(reason):
                    self.over = True
                    self.seen.ended = reason
                case _:
                    pass
        self._whole.changed.set()

    # what goes over it

    def opened(self, mine: Any, theirs: Any) -> None:
        """See `Tap`."""
        self.seen.ours = str(mine[0]) if isinstance(mine, tuple) else ""

    def went(self, octets: bytes) -> None:
        """See `Tap`."""

    def gone(self) -> None:
        """See `Tap`."""

    def came(self, octets: bytes) -> None:
        """See `Tap`."""
        self.first = (self.first + octets[:16])[:16]
        if self.seen.enquire_ms is None:
            self._reader.feed(octets)
            for item in self._reader.frames():
                if isinstance(item, p.Frame) and isinstance(item.pdu, p.EnquireLinkResp):
                    self.seen.enquire_ms = self._whole.since_ms(self._enquired_at)

    def enquire(self) -> None:
        self._enquired_at = self._clock.monotonic()
        if self.wire is not None:
            self.wire.send_octets(encode(p.EnquireLink(), _ENQUIRY))


class _Probe:
    """One visit to one SMSC."""

    def __init__(
        self, operator: Operator, ask: Ask, clock: Clock, connect: Connector, *, first: bool
    ) -> None:
        self.operator = operator
        self._first = first
        self.ask = ask
        self.clock = clock
        self.changed = asyncio.Event()
        self._connect = connect
        self._message: MessageSeen | None = None
        self._submitted_at = 0.0
        self._waiting: list[tuple[_Bind, p.Frame]] = []
        self._seen = Seen(operator.name, str(Address(operator.host, operator.port)))

    def since_ms(self, at: float) -> float:
        """Milliseconds since a monotonic moment."""
        return (self.clock.monotonic() - at) * 1000

    async def run(self) -> Seen:
        one = self.operator.model_copy(update={"binds": 1})
        binds: list[_Bind] = []

        def make(settings: LinkSettings, *_: object, connect: Connector | None, **__: object) -> Any:
            if self._first or not settings.called:
                binds.append(_Bind(self, settings, connect or self._connect))

        account_links(one, Limits(), _Nobody(), clock=self.clock, rng=random.Random(0), make=make)  # noqa: S311
        self._seen.binds = tuple(bind.seen for bind in binds)
        try:
            for bind in binds:
                await self._bind(bind)
            if self.ask.number:
                await self._send(binds)
        finally:
            for bind in binds:
                await self._leave(bind)
        return self._seen

    # --- binding

    async def _bind(self, bind: _Bind) -> None:
        settings, seen = bind.settings, bind.seen
        where = f"cannot connect to {Address(settings.host, settings.port)}"
        seen.called = settings.called
        if settings.called:
            where = f"cannot listen at {Address(settings.host, settings.port)}"
        began = self.clock.monotonic()
        try:
            async with asyncio.timeout(self.ask.wait_s if settings.called else settings.connect_timeout_s):
                made = await bind.connect(bind.make, settings)
        except OSError as error:
            if settings.called and isinstance(error, TimeoutError):
                seen.failure = f"the SMSC did not call within {self.ask.wait_s:g} s"
                return
            # never connected, so there is nothing to take leave of
            bind.wire = None
            seen.failure = words.not_connected(where, error)
            seen.tls_fault = (error.reason or "TLS") if isinstance(error, ssl.SSLError) else ""
            return
        seen.connect_ms = self.since_ms(began)
        seen.tls = _tls_words(made)
        began = self.clock.monotonic()
        assert bind.wire is not None
        bind.wire.bind(settings.bind)
        await self._until(lambda: bind.bound or bind.over, settings.bind_timeout_s + 1)
        if bind.bound:
            seen.bind_ms = self.since_ms(began)
            bind.enquire()
            await self._until(lambda: seen.enquire_ms is not None or bind.over, settings.bind_timeout_s)
            if bind.over:
                seen.failure = words.soon_lost(seen.ended)
        elif not seen.failure:
            seen.first = bind.first
            seen.failure = seen.ended or "no answer to bind"

    async def _leave(self, bind: _Bind) -> None:
        wire = bind.wire
        if wire is None or wire.gone:
            return
        wire.unbind()
        await self._until(lambda: wire.gone, _LEAVE_S)
        wire.abort("the probe is over")
        await self._until(lambda: wire.gone, _LEAVE_S)

    async def _until(self, holds: Any, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            return

    # --- the message

    async def _send(self, binds: list[_Bind]) -> None:
        bind = next((each for each in binds if each.bound and each.wire and each.wire.room), None)
        if bind is None or bind.wire is None:
            return
        message = self._message = self._seen.message = MessageSeen(self.ask.source)
        self._submitted_at = self.clock.monotonic()
        if not bind.wire.request(self._free_message(), "probe"):
            message.failure = "the message could not be sent: the bind has no room"
            return
        wait_s = self.ask.wait_s
        await self._until(lambda: message.answered or bind.over, wait_s)
        if message.answered and not message.status:
            await self._until(lambda: message.final or all(each.over for each in binds), wait_s)
        elif not message.answered:
            message.failure = bind.seen.ended or f"no answer to submit_sm within {wait_s:g} s"
        self._judge()

    def _free_message(self) -> p.SubmitSm:
        profile = OperatorProfile(self.operator)
        (part,) = split(TEXT, default=Coding(self.operator.data_coding_default), reference=1)
        pdu = profile.submit(
            source=self.ask.source,
            number=self.ask.number,
            short_message=part.short_message,
            esm_class=part.esm_class,
            data_coding=part.data_coding,
            tlvs=(),
            price_ore=0,
            asked_for=True,
        )
        assert not pdu.tlvs, "a probe carries no TLV, so no price"
        return pdu

    def answered(self, frame: p.Frame) -> None:
        message = self._message
        if message is None or message.answered:
            return
        message.answered = True
        message.answer_ms = self.since_ms(self._submitted_at)
        message.status = frame.status
        message.message_id = getattr(frame.pdu, "message_id", "")
        message.tlvs = getattr(frame.pdu, "tlvs", ())
        self._judge()

    def unanswered(self) -> None:
        if self._message is not None:
            self._message.failure = "the SMSC did not answer submit_sm in time"

    def requested(self, bind: _Bind, frame: p.Frame) -> None:
        """Something came down a bind of ours; it is judged once our message's id is known."""
        self._waiting.append((bind, frame))
        if self._message is None or self._message.answered or len(self._waiting) > _MOST_OTHERS:
            self._judge()

    def _judge(self) -> None:
        waiting, self._waiting = self._waiting, []
        for bind, frame in waiting:
            ours = self._receipt(frame)
            status = int(CommandStatus.ESME_ROK if ours else _TRY_AGAIN)
            if not ours:
                self._seen.others += 1
            if bind.wire is not None and not bind.over:
                bind.wire.respond(frame, _answer_to(frame.pdu), status)

    def _receipt(self, frame: p.Frame) -> bool:
        message, pdu = self._message, frame.pdu
        if message is None or not isinstance(pdu, p.DeliverSm | p.DataSm):
            return False
        in_text = self.operator.receipt_id == "text"
        receipt = read_receipt(pdu, Coding(self.operator.data_coding_default), id_in_text=in_text)
        if receipt is None or not receipt.message_id or not message.message_id:
            return False
        if not same_number(receipt.message_id, message.message_id):
            return False
        message.receipts.append(ReceiptSeen(self.since_ms(self._submitted_at), pdu, receipt))
        return True


def _answer_to(pdu: p.Pdu) -> p.Pdu:
    match pdu:
        case p.DeliverSm():
            return p.DeliverSmResp()
        case p.DataSm():
            return p.DataSmResp()
        case _:
            return p.GenericNack()


class _Nobody:
    """For links that are never run, only asked for their settings."""

    def on_state(self, *_: object) -> None: ...

    def on_requests(self, *_: object) -> None: ...

    def on_answers(self, *_: object) -> None: ...


def _tls_words(made: object) -> str:
    """What a TLS connection agreed on; empty without TLS."""
    transport = made[0] if isinstance(made, tuple) and made else None
    talk = transport.get_extra_info("ssl_object") if isinstance(transport, asyncio.BaseTransport) else None
    if talk is None:
        return ""
    cipher, certificate = talk.cipher(), talk.getpeercert() or {}
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    told = [str(talk.version()), cipher[0] if cipher else ""]
    if names:
        told.append(f"certificate for {', '.join(names[:3])} until {certificate.get('notAfter', '?')}")
    return ", ".join(part for part in told if part)
