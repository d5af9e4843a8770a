"""The SMSC itself: takes submit_sm, bills them, sends receipts and MOs. Called by the SMPP server, on its loop.

A batch of submit_sm is decided, its ledger rows are written, and only then it is answered.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Protocol

import msgspec

from foundation.clock import Clock, oslo, utc
from simulators.smsc.agenda import Agenda, Timer
from simulators.smsc.deliveries import Deliveries, Errand
from simulators.smsc.identifiers import digits_of, write_id
from simulators.smsc.ledger import Event, Ledger
from simulators.smsc.load import Load, Loads
from simulators.smsc.phones import Direction, MessageState, Phone, PhoneMessage, Phones
from simulators.smsc.price import USER_MESSAGE_REFERENCE, BadPrice, PriceReader, Submission
from simulators.smsc.receipts import STATE, ReceiptFacts, write_receipt
from simulators.smsc.rules import Behaviour, RuleBook
from simulators.smsc.settings import DEFAULT_RULES, Bill, ReceiptState, SmscSettings
from simulators.smsc.texts import Reassembly, Wish, cut, deliver_sm
from smsd.smpp.alphabet import Coding
from smsd.smpp.link import Answer, AnswerKind
from smsd.smpp.pdu import (
    Bind,
    CommandId,
    CommandStatus,
    DataSm,
    DataSmResp,
    Frame,
    Pdu,
    QuerySm,
    QuerySmResp,
    SubmitSm,
    SubmitSmResp,
    Tlv,
    find,
)
from smsd.smpp.segments import read_content

_RECEIPT_WANTED = 0x03
_ON_FAILURE_ONLY = 0x02
_ON_SUCCESS_ONLY = 0x03
_MOST_BINDS = 100


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
    def close(self) -> None: ...


class BindInfo(msgspec.Struct):
    """One bind, for `GET /binds`. Counts are since it bound; `bound_at` is UTC (RFC 3339)."""

    system_id: str
    kind: str
    bound_at: str
    submitted: int = 0
    delivered: int = 0


class QueueFull(Exception):
    """No more MOs are taken until the ESME has taken some."""


class Taken(msgspec.Struct):
    """One accepted submit_sm until its receipt is written."""

    behaviour: Behaviour
    message_id: str
    receipt_id: str
    digits: str
    price_ore: int
    short_code: str
    short_code_ton: int
    short_code_npi: int
    account: str
    sequence: int
    reference: int | None
    length: int
    wants: int
    at_us: int
    phone: Phone
    message: PhoneMessage
    settled: bool = False


class _Reply(msgspec.Struct):
    frame: Frame
    pdu: Pdu
    status: int
    delay_s: float


class _Mo:
    """An MO until its last segment is answered."""

    __slots__ = ("_smsc", "left", "load", "message", "phone", "place", "refused", "unsent")

    def __init__(
        self, smsc: Smsc, phone: Phone, message: PhoneMessage, segments: int, load: Load | None, place: int
    ) -> None:
        self._smsc = smsc
        self.phone = phone
        self.message = message
        self.unsent = segments
        self.left = segments
        self.refused = False
        self.load = load
        self.place = place

    def on_sent(self) -> None:
        self.unsent -= 1
        if self.unsent:
            return
        if self.load is not None:
            self.load.on_sent(self.place, self._smsc.monotonic())
        self._become(MessageState.SENT)

    def on_done(self, accepted: bool) -> None:
        self.left -= 1
        self.refused = self.refused or not accepted
        if self.left:
            return
        if self.load is not None:
            self.load.on_answered(not self.refused, self._smsc.monotonic())
        self._become(MessageState.REFUSED if self.refused else MessageState.DELIVERED)

    def _become(self, state: MessageState) -> None:
        self.message.state = state
        if self.phone.watchers:
            self.phone.tell(self.message)


class Smsc:
    """Implements the SMPP server's handler. `ledger` is closed by whoever opened it.

    Args:
        settings: all of this SMSC.
        clock: wall time for receipts and rows, monotonic for measuring.
        loop: whose timers receipts and retries wait on.
    """

    def __init__(
        self, settings: SmscSettings, ledger: Ledger, clock: Clock, loop: asyncio.AbstractEventLoop
    ) -> None:
        script = settings.script
        self.settings = settings
        self.ledger = ledger
        self.clock = clock
        self.monotonic = clock.monotonic
        self.rules = RuleBook(script, DEFAULT_RULES if script.default_rules else ())
        self.phones = Phones(script.limits.phones, script.limits.messages_a_phone, self._spent)
        self.binds: dict[Connection, BindInfo] = {}
        self.broken = ""
        self.submitted = 0
        self._loop = loop
        self._agenda = Agenda()
        self._timer = Timer(self._agenda, loop, self._end_turn)
        self.deliveries = Deliveries(script.limits.retry_s, self._timer.put)
        self.loads = Loads(clock.monotonic, self._timer.put, self._send_for_load, self._load_room)
        self._limits = script.limits
        self._price = PriceReader(script.price)
        self._short_codes = script.price.short_codes
        self._default = Coding(script.alphabet.value)
        self._next_id = script.ids.first or clock.now_us() // 1000 << 12
        self._reassembly = Reassembly()
        self._recent: OrderedDict[str, Taken] = OrderedDict()
        self._reference = 0
        self._mo_count = 0
        self._allowance: dict[str, float] = {}
        self._allowance_at: dict[str, float] = {}

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
        self.binds[conn] = BindInfo(bind.system_id, kind, _rfc3339(self.clock.now_us()))
        if bind.kind is not CommandId.BIND_TRANSMITTER:
            # the bind_resp must leave before the first deliver_sm
            self._loop.call_soon(self._begin_delivering, conn)
        return CommandStatus.ESME_ROK

    def on_requests(self, conn: Connection, frames: list[Frame]) -> None:
        """Takes a batch, writes the ledger, answers."""
        at_us = self.clock.now_us()
        replies: list[_Reply] = []
        closing = receipt_first = False
        for frame in frames:
            pdu = frame.pdu
            if isinstance(pdu, SubmitSm | DataSm):
                behaviour = self._submit(conn, frame.sequence, frame, pdu, at_us, replies)
                if behaviour is not None:
                    receipt_first = receipt_first or behaviour.receipt_first
                    closing = behaviour.close
                    if closing:
                        break
            elif isinstance(pdu, QuerySm):
                replies.append(self._query(frame, pdu))
            else:
                conn.respond(frame, pdu, CommandStatus.ESME_RINVCMDID)
        if not self._flush():
            return
        if receipt_first:
            self.deliveries.pump()
        for reply in replies:
            if reply.delay_s:
                self._timer.put(reply.delay_s, partial(conn.respond, reply.frame, reply.pdu, reply.status))
            else:
                conn.respond(reply.frame, reply.pdu, reply.status)
        self.deliveries.pump()
        if closing:
            conn.close()

    def on_answers(self, conn: Connection, answers: list[Answer]) -> None:
        """Notes what became of deliver_sm."""
        lost: list[Errand] = []
        timed_out: list[Errand] = []
        deliveries = self.deliveries
        info = self.binds.get(conn)
        for answer in answers:
            errand = answer.tag
            if not isinstance(errand, Errand):
                continue
            if answer.kind is AnswerKind.ANSWERED:
                if info is not None:
                    info.delivered += 1
                deliveries.answered(errand, answer.status)
            elif answer.kind is AnswerKind.TIMED_OUT:
                timed_out.append(errand)
            else:
                lost.append(errand)
        deliveries.unanswered(lost, at_once=True)
        deliveries.unanswered(timed_out, at_once=False)
        deliveries.pump()

    def on_closed(self, conn: Connection, reason: str) -> None:
        """The connection is gone."""
        self.binds.pop(conn, None)
        self.deliveries.detach(conn)
        self.deliveries.pump()

    # --- texts from phones

    def send_mo(
        self, digits: str, recipient: str, text: str, wish: Wish, tlvs: tuple[Tlv, ...]
    ) -> PhoneMessage:
        """Sends a text from a phone (international digits) to a short code.

        Raises:
            QueueFull: too many wait already.
            Cannot: the text cannot be cut as wished.
        """
        message = self._mo(digits, recipient, text, wish, tlvs)
        self.deliveries.pump()
        return message

    def _mo(
        self,
        digits: str,
        recipient: str,
        text: str,
        wish: Wish,
        tlvs: tuple[Tlv, ...] = (),
        load: Load | None = None,
        place: int = 0,
    ) -> PhoneMessage:
        if self.deliveries.under_way >= self._limits.queue:
            raise QueueFull(
                f"{self.deliveries.under_way} deliver_sm wait for the ESME; try again when it is bound"
            )
        self._reference = self._reference % 0xFFFF + 1
        parts = cut(text, wish, self._default, self._reference)
        self._mo_count += 1
        phone = self.phones.touch(digits)
        message = PhoneMessage(
            f"mo-{self._mo_count}",
            Direction.MO,
            text,
            0,
            None,
            _rfc3339(self.clock.now_us()),
            phone.number,
            recipient,
            MessageState.WAITING,
            len(parts),
        )
        phone.add(message)
        mo = _Mo(self, phone, message, len(parts), load, place)
        for part in parts:
            self.deliveries.put(Errand(deliver_sm(part, digits, recipient, tlvs), "", mo))
        return message

    def _send_for_load(self, load: Load, place: int, digits: str, recipient: str, text: str) -> None:
        self._mo(digits, recipient, text, _AS_A_PHONE, load=load, place=place)

    def _load_room(self) -> int:
        """How many more texts a load may put: what the windows take in a few turns, never all the queue."""
        room = 20 * self._limits.window * max(1, len(self.binds)) - self.deliveries.mo_waiting
        return min(room, (self._limits.queue - self.deliveries.under_way) // 8)

    # --- messages to phones

    def _submit(
        self,
        conn: Connection,
        sequence: int,
        frame: Frame,
        pdu: Submission,
        at_us: int,
        replies: list[_Reply],
    ) -> Behaviour | None:
        account = conn.system_id
        digits = digits_of(pdu.destination_addr)
        info = self.binds.get(conn)
        if info is not None:
            info.submitted += 1
        self.submitted += 1
        try:
            price = self._price(pdu)
        except BadPrice:
            replies.append(_refusal(frame, CommandStatus.ESME_RINVOPTPARAMVAL))
            return None
        status = self._obstacle(conn, account, pdu, digits, price)
        if status:
            replies.append(_refusal(frame, status))
            return None
        behaviour = self.rules.decide(digits, pdu.source_addr, price > 0)
        if behaviour.refuse:
            self._book_refusal(pdu, account, sequence, digits, price, behaviour, at_us)
            replies.append(_refusal(frame, behaviour.refuse, behaviour.response_delay_s))
            return behaviour
        taken = self._take(pdu, account, sequence, digits, price, behaviour, at_us)
        if not (behaviour.drop_response or behaviour.close):
            response = (DataSmResp if isinstance(pdu, DataSm) else SubmitSmResp)(message_id=taken.message_id)
            replies.append(_Reply(frame, response, 0, behaviour.response_delay_s))
        return behaviour

    def _obstacle(self, conn: Connection, account: str, pdu: Submission, digits: str, price: int) -> int:
        if conn.bound_kind is CommandId.BIND_RECEIVER:
            return CommandStatus.ESME_RINVBNDSTS
        if not digits.isdigit() or not 6 <= len(digits) <= 15:
            return CommandStatus.ESME_RINVDSTADR
        if price and not pdu.source_addr.isdigit():
            return CommandStatus.ESME_RINVSRCADR
        if self._short_codes and price and not pdu.source_addr.startswith(self._short_codes):
            return CommandStatus.ESME_RINVSRCADR
        if len(self._agenda) + self.deliveries.under_way >= self._limits.pending:
            return CommandStatus.ESME_RMSGQFUL
        if self._limits.rate and not self._within_rate(account):
            return CommandStatus.ESME_RTHROTTLED
        return CommandStatus.ESME_ROK

    def _within_rate(self, account: str) -> bool:
        rate = float(self._limits.rate)
        now = self.monotonic()
        allowance = self._allowance.get(account, rate) + (now - self._allowance_at.get(account, now)) * rate
        allowance = min(allowance, rate)
        self._allowance_at[account] = now
        within = allowance >= 1
        self._allowance[account] = allowance - 1 if within else allowance
        return within

    def _take(
        self,
        pdu: Submission,
        account: str,
        sequence: int,
        digits: str,
        price: int,
        behaviour: Behaviour,
        at_us: int,
    ) -> Taken:
        number = self._next_id
        self._next_id += 1
        message_id = write_id(number, behaviour.id_in_response)
        content = read_content(pdu, self._default)
        phone = self.phones.touch(digits)
        message = self._reassembly.earlier(digits, pdu.source_addr, content) if content.part else None
        if message is None:
            message = PhoneMessage(
                message_id,
                Direction.MT,
                content.text,
                price,
                None,
                _rfc3339(at_us),
                pdu.source_addr,
                phone.number,
                MessageState.RECEIVED if behaviour.delivered else MessageState.UNDELIVERED,
            )
            phone.add(message)
            self._reassembly.begin(digits, pdu.source_addr, content, message)
        else:
            message.price_ore += price
            phone.tell(message)
        if (
            behaviour.delivered
            and self.loads.current is not None
            and self._reassembly.is_whole(message, content)
        ):
            self.loads.current.on_reply(digits, self.monotonic())
        taken = Taken(
            behaviour,
            message_id,
            write_id(number, behaviour.id_in_receipt),
            digits,
            price,
            pdu.source_addr,
            pdu.source_addr_ton,
            pdu.source_addr_npi,
            account,
            sequence,
            _reference(pdu) if price else None,
            len(content.payload),
            pdu.registered_delivery & _RECEIPT_WANTED,
            at_us,
            phone,
            message,
        )
        self._recent[message_id] = taken
        if len(self._recent) > self._limits.recent_ids:
            self._recent.popitem(last=False)
        if price and behaviour.bill is Bill.ON_ACCEPT:
            self._book(taken, Event.BILLED, "on accept")
        if behaviour.receipt_first:
            self._settle(taken)
        elif price or taken.wants:
            self._timer.put(behaviour.receipt_delay_s, partial(self._settle, taken))
        else:
            taken.settled = True
        return taken

    def _settle(self, taken: Taken) -> None:
        """The message's fate is known: bill it where that is due now, and write the receipts."""
        behaviour = taken.behaviour
        taken.settled = True
        if taken.price_ore:
            self._bill_on_delivery(taken)
        if behaviour.receipt is not ReceiptState.NONE:
            for _ in range(2 if behaviour.receipt_twice else 1):
                self._put_receipt(taken, behaviour.receipt, behaviour.stat, behaviour.err)
            if behaviour.contradict is not None:
                later = partial(self._put_receipt, taken, behaviour.contradict, "", "000")
                self._timer.put(max(behaviour.receipt_delay_s, 0.05), later)

    def _bill_on_delivery(self, taken: Taken) -> None:
        behaviour = taken.behaviour
        if behaviour.bill is Bill.ON_ACCEPT:
            return
        if behaviour.bill is Bill.NEVER or not behaviour.delivered:
            self._book(taken, Event.NOT_BILLED, f"{behaviour.receipt} {behaviour.err}")
        elif behaviour.bill is Bill.LATE:
            self._timer.put(behaviour.bill_delay_s, partial(self._book, taken, Event.BILLED, "late"))
        else:
            self._book(taken, Event.BILLED, "on delivery")

    def _put_receipt(self, taken: Taken, state: ReceiptState, stat: str, err: str) -> None:
        good = state is ReceiptState.DELIVRD
        if not taken.wants or (taken.wants == _ON_FAILURE_ONLY and good):
            return
        if taken.wants == _ON_SUCCESS_ONLY and not good:
            return
        receipts = self.settings.script.receipts
        facts = ReceiptFacts(
            taken.receipt_id,
            state,
            stat,
            err,
            taken.behaviour.network_error,
            oslo(taken.at_us),
            oslo(self.clock.now_us()),
            receipts.date_digits,
            receipts.id_nul,
            taken.digits,
            taken.short_code,
            taken.short_code_ton,
            taken.short_code_npi,
        )
        self.deliveries.put(Errand(write_receipt(facts, taken.behaviour.receipt_form), taken.account))

    def _book(self, taken: Taken, event: Event, reason: str) -> None:
        self.ledger.add(
            event,
            at=_rfc3339(self.clock.now_us()),
            message_id=taken.message_id,
            number=taken.phone.number,
            amount_ore=taken.price_ore,
            short_code=taken.short_code,
            account=taken.account,
            sequence=taken.sequence,
            reference=taken.reference,
            length=taken.length,
            reason=reason,
        )
        billed = event is Event.BILLED
        taken.message.billed = billed if taken.message.billed is None else taken.message.billed or billed
        taken.phone.tell(taken.message)

    def _book_refusal(
        self,
        pdu: Submission,
        account: str,
        sequence: int,
        digits: str,
        price: int,
        behaviour: Behaviour,
        at_us: int,
    ) -> None:
        if price:
            self.ledger.add(
                Event.NOT_BILLED,
                at=_rfc3339(at_us),
                message_id="",
                number="+" + digits,
                amount_ore=price,
                short_code=pdu.source_addr,
                account=account,
                sequence=sequence,
                reference=_reference(pdu),
                length=len(read_content(pdu, self._default).payload),
                reason=f"refused 0x{behaviour.refuse:08X}",
            )

    def _query(self, frame: Frame, pdu: QuerySm) -> _Reply:
        taken = self._recent.get(pdu.message_id)
        if taken is None:
            return _Reply(frame, QuerySmResp(), CommandStatus.ESME_RQUERYFAIL, 0)
        state = taken.behaviour.receipt if taken.settled else ReceiptState.ENROUTE
        state = ReceiptState.DELIVRD if state is ReceiptState.NONE else state
        return _Reply(frame, QuerySmResp(taken.message_id, "", STATE[state], 0), 0, 0)

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

    def _spent(self, number: str) -> int:
        total = self.ledger.totals.get(number)
        return total.amount_ore if total is not None else 0

    def stop(self) -> None:
        """No more receipts, retries or loads; messages not yet delivered stay unbilled."""
        self._timer.stop()


_AS_A_PHONE = Wish()


def _refusal(frame: Frame, status: int, delay_s: float = 0.0) -> _Reply:
    pdu = DataSmResp() if isinstance(frame.pdu, DataSm) else SubmitSmResp()
    return _Reply(frame, pdu, status, delay_s)


def _reference(pdu: Submission) -> int | None:
    raw = find(pdu.tlvs, USER_MESSAGE_REFERENCE)
    return int.from_bytes(raw, "big") if raw else None


@lru_cache(maxsize=4)
def _rfc3339(at_us: int) -> str:
    return utc(at_us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def open_binds(binds: Sequence[BindInfo]) -> list[BindInfo]:
    """The binds, oldest first."""
    return sorted(binds, key=lambda bind: bind.bound_at)
