"""The SMSC itself: takes submit_sm, answers them, keeps the binds. Called by the SMPP server, on its loop.

A batch of submit_sm is decided, its ledger rows are written, and only then it is answered.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import partial
from typing import Protocol

import msgspec

from foundation.clock import Clock
from simulators.smsc.agenda import Agenda, Timer
from simulators.smsc.deliveries import Deliveries, Errand
from simulators.smsc.fates import Fates, Submitted, Taken
from simulators.smsc.identifiers import absolute_time, digits_of, rfc3339, write_id
from simulators.smsc.ledger import Ledger
from simulators.smsc.load import Loads
from simulators.smsc.origination import Originator, Text
from simulators.smsc.phones import Direction, MessageState, PhoneMessage, Phones, Watcher
from simulators.smsc.price import BadPriceError, PriceReader, Submission
from simulators.smsc.rates import Rates
from simulators.smsc.receipts import STATE
from simulators.smsc.rules import Behaviour, RuleBook
from simulators.smsc.settings import DEFAULT_RULES, ReceiptState, SmscSettings
from simulators.smsc.texts import Reassembly
from smsd.smpp.alphabet import Coding
from smsd.smpp.codec import BARE_RESPONSES
from smsd.smpp.constants import RESPONSE
from smsd.smpp.link import Answer, AnswerKind
from smsd.smpp.pdu import (
    Bind,
    CancelSm,
    CommandId,
    CommandStatus,
    DataSm,
    DataSmResp,
    Frame,
    GenericNack,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    SubmitSm,
    SubmitSmResp,
    command_of,
)
from smsd.smpp.segments import Content, read_content

_MOST_BINDS = 100
_FAILED = frozenset({ReceiptState.UNDELIV, ReceiptState.EXPIRED, ReceiptState.DELETED, ReceiptState.REJECTD})


class Connection(Protocol):
    """What the SMSC needs of one ESME's connection."""

    @property
    def room(self) -> int: ...
    @property
    def system_id(self) -> str: ...
    @property
    def bound_kind(self) -> CommandId | None: ...
    def respond(self, frame: Frame, pdu: Pdu, status: int = 0) -> bool: ...
    def request(self, pdu: Pdu, tag: object) -> bool: ...
    def pause_reading(self) -> None: ...
    def close(self) -> None: ...


class BindInfo(msgspec.Struct):
    """One bind, for `GET /binds`. Counts are since it bound; `bound_at` is UTC (RFC 3339)."""

    system_id: str
    kind: str
    bound_at: str
    submitted: int = 0
    delivered: int = 0


class _Reply(msgspec.Struct):
    frame: Frame
    pdu: Pdu
    status: int = 0
    delay_s: float = 0.0


class _Batch:
    """What one batch of requests is to be answered with, and how it ends."""

    __slots__ = ("closing", "deaf", "receipt_first", "replies")

    def __init__(self) -> None:
        self.replies: list[_Reply] = []
        self.receipt_first = False
        self.closing = False
        self.deaf = False


class Smsc:
    """Implements the SMPP server's handler. `ledger` is closed by whoever opened it.

    `clock` gives wall time for receipts and rows; receipts and retries wait on the loop's timers.
    """

    def __init__(
        self, settings: SmscSettings, ledger: Ledger, clock: Clock, loop: asyncio.AbstractEventLoop
    ) -> None:
        script = settings.script
        self._limits = limits = script.limits
        self.settings = settings
        self.ledger = ledger
        self.monotonic = clock.monotonic
        self.rules = RuleBook(script, DEFAULT_RULES if script.default_rules else ())
        self.phones = Phones(limits.phones, limits.messages_a_phone, ledger.spent_ore)
        self.watched: set[Watcher] = set()
        self.binds: dict[Connection, BindInfo] = {}
        self.broken = ""
        self.submitted = 0
        self._clock = clock
        self._loop = loop
        self._agenda = Agenda()
        self._timer = Timer(self._agenda, loop, self._end_turn)
        self._default = Coding(script.alphabet.value)
        self.deliveries = Deliveries(limits.retry_s, self._timer.put)
        self._fates = Fates(clock, ledger, self.deliveries, self._timer.put, script.receipts)
        self._originator = Originator(
            clock, self.phones, self.deliveries, limits=limits, default=self._default
        )
        self.loads = Loads(
            self.monotonic,
            self._timer.put,
            send=self._originator.put_for_load,
            room=lambda: self._originator.load_room(len(self.binds)),
        )
        self._price = PriceReader(script.price)
        self._short_codes = script.price.short_codes
        self._rates = Rates(limits.rate)
        self._next_id = script.ids.first or (clock.now_us() // 1000) << 12
        self._reassembly = Reassembly()
        self._recent: OrderedDict[str, Taken] = OrderedDict()

    # --- the server's calls

    def on_bind(self, conn: Connection, frame: Frame) -> int:
        """Checks the credentials; the status to answer with."""
        bind = frame.pdu
        if not isinstance(bind, Bind):
            return CommandStatus.ESME_RINVCMDID
        password = self.settings.accounts.get(bind.system_id)
        if password is None:
            return CommandStatus.ESME_RINVSYSID
        if password != bind.password:
            return CommandStatus.ESME_RINVPASWD
        if self.broken:
            return CommandStatus.ESME_RSYSERR
        if len(self.binds) >= _MOST_BINDS:
            return CommandStatus.ESME_RBINDFAIL
        kind = bind.kind.name.removeprefix("BIND_").lower()
        self.binds[conn] = BindInfo(bind.system_id, kind, rfc3339(self._clock.now_us()))
        if bind.kind is not CommandId.BIND_TRANSMITTER:
            # the bind_resp must leave before the first deliver_sm
            self._loop.call_soon(self._begin_delivering, conn)
        return CommandStatus.ESME_ROK

    def on_requests(self, conn: Connection, frames: list[Frame]) -> None:
        """Takes a batch, writes the ledger, answers."""
        at_us = self._clock.now_us()
        batch = _Batch()
        for frame in frames:
            pdu = frame.pdu
            if isinstance(pdu, SubmitSm | DataSm):
                self._submit(conn, frame, pdu, at_us, batch)
            elif isinstance(pdu, QuerySm):
                batch.replies.append(self._query(conn, frame, pdu))
            else:
                refused = BARE_RESPONSES.get(command_of(pdu) | RESPONSE, GenericNack())
                conn.respond(frame, refused, self._no_service(pdu))
            if batch.closing:
                break
        if not self._flush():
            return
        if batch.receipt_first:
            self.deliveries.pump()
        for reply in batch.replies:
            if reply.delay_s:
                self._timer.put(reply.delay_s, partial(conn.respond, reply.frame, reply.pdu, reply.status))
            else:
                conn.respond(reply.frame, reply.pdu, reply.status)
        self.deliveries.pump()
        if batch.closing:
            conn.close()
        elif batch.deaf:
            conn.pause_reading()
            self.deliveries.detach(conn)

    def on_answers(self, conn: Connection, answers: list[Answer]) -> None:
        """Notes what became of deliver_sm."""
        lost: list[Errand] = []
        timed_out: list[Errand] = []
        info = self.binds.get(conn)
        for answer in answers:
            errand = answer.tag
            if not isinstance(errand, Errand):
                continue
            if answer.kind is AnswerKind.ANSWERED or (
                answer.kind is AnswerKind.LATE and answer.status == CommandStatus.ESME_ROK
            ):
                if info is not None:
                    info.delivered += 1
                self.deliveries.answered(errand, answer.status)
            elif answer.kind is AnswerKind.TIMED_OUT:
                timed_out.append(errand)
            elif answer.kind is not AnswerKind.LATE:
                lost.append(errand)
        self.deliveries.unanswered(lost, at_once=True)
        self.deliveries.unanswered(timed_out, at_once=False)
        self.deliveries.pump()

    def on_closed(self, conn: Connection, reason: str) -> None:
        """The connection is gone."""
        self.binds.pop(conn, None)
        self.deliveries.detach(conn)
        self.deliveries.pump()

    # --- the control's calls

    def send_mo(self, text: Text) -> PhoneMessage:
        """Sends a text from a phone; what `Originator.put` raises."""
        message = self._originator.put(text)
        self.deliveries.pump()
        return message

    def stop(self) -> None:
        """No more receipts, retries or runs; messages not yet delivered stay unbilled."""
        self._timer.stop()

    # --- messages to phones

    def _submit(self, conn: Connection, frame: Frame, pdu: Submission, at_us: int, batch: _Batch) -> None:
        self.submitted += 1
        info = self.binds.get(conn)
        if info is not None:
            info.submitted += 1
        digits = digits_of(pdu.destination_addr)
        try:
            price = self._price(pdu)
        except BadPriceError:
            batch.replies.append(_refusal(frame, CommandStatus.ESME_RINVOPTPARAMVAL))
            return
        submitted = Submitted(pdu, conn.system_id, frame.sequence, digits, price, at_us)
        status = self._obstacle(conn, submitted)
        if status:
            batch.replies.append(_refusal(frame, status))
            return
        behaviour = self.rules.decide(digits, pdu.source_addr, price > 0)
        content = read_content(pdu, self._default)
        if behaviour.refuse:
            self._fates.refused(submitted, len(content.payload), behaviour.refuse)
            batch.replies.append(_refusal(frame, behaviour.refuse, behaviour.response_delay_s))
            return
        message_id = self._take(submitted, content, behaviour)
        batch.receipt_first = batch.receipt_first or behaviour.receipt_first
        batch.closing = behaviour.close
        batch.deaf = batch.deaf or behaviour.deaf
        if not (behaviour.drop_response or behaviour.close):
            response = (DataSmResp if isinstance(pdu, DataSm) else SubmitSmResp)(message_id=message_id)
            batch.replies.append(_Reply(frame, response, 0, behaviour.response_delay_s))

    def _obstacle(self, conn: Connection, submitted: Submitted) -> int:
        source, digits = submitted.pdu.source_addr, submitted.digits
        if conn.bound_kind is CommandId.BIND_RECEIVER:
            return CommandStatus.ESME_RINVBNDSTS
        if not digits.isdigit() or not 6 <= len(digits) <= 15:
            return CommandStatus.ESME_RINVDSTADR
        if submitted.price_ore and not source.isdigit():
            return CommandStatus.ESME_RINVSRCADR
        if submitted.price_ore and self._short_codes and not source.startswith(self._short_codes):
            return CommandStatus.ESME_RINVSRCADR
        if len(self._agenda) + self.deliveries.under_way >= self._limits.pending:
            return CommandStatus.ESME_RMSGQFUL
        if self._limits.rate and not self._rates.take(submitted.account, self.monotonic()):
            return CommandStatus.ESME_RTHROTTLED
        return CommandStatus.ESME_ROK

    def _take(self, submitted: Submitted, content: Content, behaviour: Behaviour) -> str:
        number = self._next_id
        self._next_id += 1
        message_id = write_id(number, behaviour.id_in_response)
        digits, source = submitted.digits, submitted.pdu.source_addr
        phone = self.phones.touch(digits)
        message = self._reassembly.earlier(digits, source, content) if content.part else None
        if message is None:
            message = PhoneMessage(
                message_id,
                Direction.MT,
                content.text,
                submitted.price_ore,
                None,
                rfc3339(submitted.at_us),
                source,
                phone.number,
                MessageState.RECEIVED if behaviour.delivered else MessageState.UNDELIVERED,
            )
            self._reassembly.begin(digits, source, content, message)
            phone.add(message)
        else:
            message.price_ore += submitted.price_ore
            phone.tell(message)
        load = self.loads.current
        if load is not None and behaviour.delivered and Reassembly.is_whole(message, content):
            load.on_reply(digits, self.monotonic())
        taken = Taken(
            submitted,
            behaviour,
            message_id,
            write_id(number, behaviour.id_in_receipt),
            len(content.payload),
            phone,
            message,
        )
        self._recent[message_id] = taken
        if len(self._recent) > self._limits.recent_ids:
            self._recent.popitem(last=False)
        self._fates.begin(taken)
        return message_id

    def _query(self, conn: Connection, frame: Frame, pdu: QuerySm) -> _Reply:
        """The truth, whatever its receipts say: of a premium message what its ledger has. What another
        account or sender sent is none of the asker's."""
        taken = self._recent.get(pdu.message_id)
        if (
            taken is None
            or taken.submitted.account != conn.system_id
            or taken.submitted.pdu.source_addr != pdu.source_addr
        ):
            return _Reply(frame, QuerySmResp(), CommandStatus.ESME_RQUERYFAIL)
        state, error = _truth(taken)
        final = (
            absolute_time(taken.settled_us) if taken.settled_us and state is not ReceiptState.ENROUTE else ""
        )
        return _Reply(frame, QuerySmResp(taken.message_id, final, STATE[state], error))

    def _no_service(self, pdu: Pdu) -> int:
        """Why a request is refused that this SMSC has no use for (SMPP 3.4 section 5.1.3): whatever it took
        is on the telephone already, so that nothing can be cancelled or replaced."""
        if not isinstance(pdu, CancelSm | ReplaceSm):
            return CommandStatus.ESME_RINVCMDID
        cancels = isinstance(pdu, CancelSm)
        # cancel_sm without an id means every message of its two addresses (section 4.9.1)
        if pdu.message_id not in self._recent and (pdu.message_id or not cancels):
            return CommandStatus.ESME_RINVMSGID
        return CommandStatus.ESME_RCANCELFAIL if cancels else CommandStatus.ESME_RREPLACEFAIL

    # --- the turn of the loop

    def _begin_delivering(self, conn: Connection) -> None:
        if conn in self.binds:
            self.deliveries.attach(conn)
            self.deliveries.pump()

    def _end_turn(self) -> None:
        if self._flush():
            self.deliveries.pump()

    def _flush(self) -> bool:
        """Writes the ledger; where that fails, nobody is answered any more and every bind is closed."""
        try:
            self.ledger.flush()
        except OSError as error:
            self.broken = f"the ledger cannot be written: {error.strerror}"
        if self.broken:
            for conn in list(self.binds):
                conn.close()
        return not self.broken


def _refusal(frame: Frame, status: int, delay_s: float = 0.0) -> _Reply:
    pdu = DataSmResp() if isinstance(frame.pdu, DataSm) else SubmitSmResp()
    return _Reply(frame, pdu, status, delay_s)


def _truth(taken: Taken) -> tuple[ReceiptState, int]:
    """A message's state and error code: billed is delivered, not billed is not, not booked is under way."""
    behaviour = taken.behaviour
    good = (
        taken.message.billed
        if taken.submitted.price_ore
        else (behaviour.delivered if taken.settled else None)
    )
    if good is None:
        return ReceiptState.ENROUTE, 0
    if good:
        return ReceiptState.DELIVRD, 0
    error = int(behaviour.err) if behaviour.err.isdecimal() and int(behaviour.err) < 256 else 0
    return (behaviour.receipt if behaviour.receipt in _FAILED else ReceiptState.UNDELIV), error
