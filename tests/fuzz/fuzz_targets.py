"""What must hold of every parser whatever octets it is given; the fuzzing programs and the tests share these.

A target takes octets and raises where a promise is broken. None of them does I/O or looks at a clock.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from struct import pack
from typing import Any

from smsd.charging.states import Evidence
from smsd.codewords import Codebook, Codeword, Function
from smsd.operators import OperatorProfile
from smsd.settings_operators import Operator
from smsd.smpp import pdu as p
from smsd.smpp.alphabet import (
    Coding,
    NotEncodable,
    choose,
    coding_of,
    decode,
    encode,
    fits,
    length_in_units,
    to_gsm,
)
from smsd.smpp.codec import FrameReader, RemotePduError
from smsd.smpp.codec import decode as decode_pdu
from smsd.smpp.codec import encode as encode_pdu
from smsd.smpp.constants import CommandId, describe
from smsd.smpp.events import Answered, Closed, NotSent, Requested, TimedOut
from smsd.smpp.faults import PduFault
from smsd.smpp.layouts import SM_FIELDS, BodyError, read_fields, read_short_message, read_tlvs
from smsd.smpp.message_ids import IdForm, same_number
from smsd.smpp.private import veiled
from smsd.smpp.receipt import State, network_code, read_date, read_receipt, receipt_key, response_key
from smsd.smpp.segments import Method, TooManySegments, assemble, count, read_content, split
from smsd.smpp.session import NotAllowedError, Role, Session, SessionSettings
from smsd.smpp.trace import Direction
from smsd.smpp.udh import UDHI, read_header

COMMANDS = tuple(CommandId)
CODINGS = tuple(Coding)
LIMIT_OCTETS = 4096
_SM = (CommandId.SUBMIT_SM, CommandId.DELIVER_SM)
_WITH_PASSWORD = {at for at, command in enumerate(COMMANDS) if "BIND" in command.name}
_HALVES = {0xFFFD: "\ud83d"}


def pdu_of(command: int, body: bytes, *, status: int = 0, sequence: int = 1) -> bytes:
    """A PDU whose command_length is right, whatever its body is."""
    return pack(">IIII", 16 + len(body), command, status, sequence) + body


def _outcome(octets: bytes, start: int = 0, end: int | None = None) -> object:
    try:
        return decode_pdu(octets, start, end)
    except RemotePduError as error:
        describe(error.status)
        return type(error), error.status, error.sequence, error.command_id, error.what


def pdu(data: bytes) -> None:
    """One PDU is a frame or a `RemotePduError`; what lies around it does not matter; a frame writes back."""
    if len(data) < 2:
        _outcome(data)
        return
    command = COMMANDS[data[0] % len(COMMANDS)] if data[0] < 240 else int.from_bytes(data[:4], "big")
    octets = pdu_of(command, data[2:], status=data[1] if data[1] < 128 else 0)
    alone = _outcome(octets)
    assert _outcome(b"\0\1\2" + octets + b"\0" * 64, 3, 3 + len(octets)) == alone
    _outcome(data)
    if command in _SM:
        _agrees_with_the_tables(octets, alone)
    if isinstance(alone, p.Frame):
        again = encode_pdu(alone.pdu, alone.sequence, alone.status)
        assert _outcome(again) == alone


def _agrees_with_the_tables(octets: bytes, alone: object) -> None:
    """The straight road for short messages takes what the tables take, and nothing else."""
    end = len(octets)
    try:
        values, at = read_fields(octets, 16, end, SM_FIELDS)
        message, at = read_short_message(octets, at, end)
        tlvs = read_tlvs(octets, at, end)
    except BodyError as fault:
        assert isinstance(alone, tuple), alone
        assert alone[1] == fault.status  # noqa: PT017
        return
    assert isinstance(alone, p.Frame), alone
    cls: Any = type(alone.pdu)
    assert alone.pdu == cls(*values, message, tlvs)


def trace(data: bytes) -> None:
    """Any PDU can be shown without what is private; a stream is written down however it is cut."""
    if len(data) < 2:
        return
    octets = pdu_of(COMMANDS[data[0] % len(COMMANDS)], data[1:])
    shown = veiled(octets)
    veiled(shown)
    assert shown[8:16] == octets[8:16]
    if data[0] % len(COMMANDS) not in _WITH_PASSWORD:
        assert len(shown) == len(octets)
    one, whole = Direction(), b"".join((octets, octets, data))
    step = data[0] % 23 + 1
    pieces = [piece for at in range(0, len(whole), step) for piece in one.pdus(whole[at : at + step])]
    assert whole.startswith(b"".join(piece for piece, _ in pieces))
    assert [piece for piece, _ in pieces[:2]] == [octets, octets]


def stream(data: bytes) -> None:
    """A stream gives the same PDUs however it is cut, and never holds more than a PDU's length allows."""
    if not data:
        return
    step, octets = data[0] % 19 + 1, data[1:]
    whole = FrameReader(LIMIT_OCTETS)
    whole.feed(octets)
    found = list(whole.frames())
    cut = FrameReader(LIMIT_OCTETS)
    pieces = []
    for at in range(0, len(octets), step):
        cut.feed(octets[at : at + step])
        pieces.extend(cut.frames())
        assert cut.waiting_octets < LIMIT_OCTETS
    if not whole.dead:
        assert pieces == found
    else:
        # a length is judged as soon as its four octets are there, before the rest of the header
        assert cut.dead
        assert pieces[:-1] == found[:-1]
        assert isinstance(pieces[-1], PduFault)
    cut.feed(octets)
    assert not cut.dead or (not list(cut.frames()) and cut.waiting_octets == 0)


class _Play:
    """A session under play: what was asked, and how each of these ended."""

    def __init__(self, role: Role) -> None:
        self.session = Session(role, SessionSettings(window=4, pdu_limit_octets=LIMIT_OCTETS), 0.0)
        self.open: set[int] = set()
        self.closed = False
        self.tag = 0

    def settle(self) -> None:
        for event in self.session.events():
            assert not self.closed, "an event after Closed"
            match event:
                case Answered(tag, _) | TimedOut(tag) | NotSent(tag):
                    self.open.remove(tag)  # type: ignore[arg-type]
                case Closed(_, unanswered, unsent):
                    assert set(unanswered) | set(unsent) == self.open
                    assert len(unanswered) + len(unsent) == len(self.open)
                    self.open.clear()
                    self.closed = True
                case Requested(frame) if frame.sequence % 3:
                    self.session.respond(frame, p.DeliverSmResp())
                case _:
                    pass

    def ask(self, now: float) -> None:
        self.tag += 1
        kind = p.SubmitSm() if self.session.role is Role.ESME else p.DeliverSm()
        try:
            self.session.submit(kind, self.tag, now)
        except NotAllowedError:
            return
        self.open.add(self.tag)


def session(data: bytes) -> None:
    """Nothing a peer sends raises; every request ends exactly once; what waits to go out stays bounded."""
    if len(data) < 2:
        return
    play = _Play(Role.ESME if data[0] & 1 else Role.SMSC)
    if data[0] & 2:
        _bind(play)
    now, at = 1.0, 1
    while at < len(data):
        order = data[at]
        at += 1
        match order & 7:
            case 0:
                now += order
                play.session.tick(now)
            case 1:
                play.ask(now)
            case 2:
                play.session.data_to_send()
            case 3 if order == 0xFB:
                play.session.receive_eof(now)
            case 4 if order & 8:
                play.session.unbind(now)
            case 5 | 6:
                # a well-formed header, its sequence near those in use
                command = COMMANDS[(order >> 3) % len(COMMANDS)]
                size = data[at] if at < len(data) else 0
                body = data[at + 1 : at + 1 + size]
                octets = pdu_of(command, body, status=order >> 7, sequence=1 + order % 5)
                play.session.receive_data(octets, now)
                at += 1 + size
            case _:
                size = order
                play.session.receive_data(data[at : at + size], now)
                at += size
        play.settle()
        assert play.session.waiting_octets <= 64 * len(data) + 1024
        assert play.session.pending <= 4
    play.session.receive_eof(now)
    play.settle()
    assert play.closed
    assert not play.open


def _bind(play: _Play) -> None:
    if play.session.role is Role.ESME:
        play.session.bind(p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret"), 0.0)
        play.session.data_to_send()
        play.session.receive_data(encode_pdu(p.BindResp(CommandId.BIND_TRANSCEIVER_RESP, "SMSC"), 1), 0.5)
        play.session.events()
        return
    play.session.receive_data(encode_pdu(p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret"), 1), 0.5)
    for event in play.session.events():
        frame = event.frame  # type: ignore[union-attr]
        play.session.respond(frame, p.BindResp(CommandId.BIND_TRANSCEIVER_RESP, "SMSC"))


def _deliver_sm(data: bytes) -> p.DeliverSm:
    """Two octets say how the rest lies in the PDU: its classes, and what goes into which TLV."""
    esm_class, data_coding, rest = data[0], data[1], data[2:]
    size = rest[0] if rest else 0
    text, more = rest[1 : 1 + size], rest[1 + size :]
    tags = (p.Tag.RECEIPTED_MESSAGE_ID, p.Tag.MESSAGE_STATE, p.Tag.NETWORK_ERROR_CODE, p.Tag.MESSAGE_PAYLOAD)
    sar = (p.Tag.SAR_MSG_REF_NUM, p.Tag.SAR_TOTAL_SEGMENTS, p.Tag.SAR_SEGMENT_SEQNUM)
    tlvs = []
    while len(more) > 1:
        tag = (*tags, *sar)[more[0] % 7]
        length = more[1]
        tlvs.append(p.Tlv(tag, more[2 : 2 + length]))
        more = more[2 + length :]
    return p.DeliverSm(esm_class=esm_class, data_coding=data_coding, short_message=text, tlvs=tuple(tlvs))


_PLAIN, _OWN_WORDS = (
    OperatorProfile(
        Operator(name="fuzz", host="127.0.0.1", port=2775, system_id="smsd", password="secret", **more)
    )
    for more in ({}, {"outcomes": {"200": "charged", "DELIVRD:230": "rejected", "21": "no_credit"}})
)


def receipt(data: bytes) -> None:
    """A deliver_sm is a receipt or none; its id makes a key in every form; its dates are read or not.

    Without a table nothing but a delivery that nothing contradicts is a charge.
    """
    if len(data) < 3:
        return
    pdu = _deliver_sm(data)
    for default in (Coding.GSM7, Coding.LATIN1):
        found = read_receipt(pdu, default)
        other = read_receipt(pdu, default, id_in_text=True)
        if found is None or other is None:
            assert found is other
            continue
        assert (found.state, found.contradiction) == (other.state, other.contradiction)
        charged = _PLAIN.read(found).evidence is Evidence.RECEIPT_CHARGED
        assert charged == (found.state is State.DELIVERED and not found.contradiction)
        _OWN_WORDS.read(other)
        for form in IdForm:
            key = receipt_key(found.message_id, form)
            assert response_key(key, IdForm.OPAQUE) == key or form is not IdForm.OPAQUE
        same_number(found.message_id, found.text[:64])
        read_date(found.submit_date)
        read_date(found.done_date)
        network_code(found.network_error)
        assert not (found.state.success and not found.final)


def segments(data: bytes) -> None:
    """Any header and any SAR TLVs give content; parts that are told make sense; joining never raises."""
    if len(data) < 3:
        return
    header = read_header(data)
    assert 0 <= header.octets <= len(data)
    message = _deliver_sm(data)
    for esm_class in (message.esm_class, message.esm_class | UDHI):
        whole = p.DeliverSm(
            esm_class=esm_class,
            data_coding=message.data_coding,
            short_message=message.short_message,
            tlvs=message.tlvs,
        )
        content = read_content(whole, Coding.GSM7)
        assert len(content.text) <= 2 * len(content.payload) + 1
        if content.part is not None:
            assert 1 <= content.part.number <= content.part.total <= 255
    step = data[0] % 31 + 1
    parts = {at % 256: data[at : at + step] for at in range(0, len(data), step)}
    for coding in CODINGS:
        assemble(parts, coding)


def text(data: bytes) -> None:
    """Octets decode in every alphabet; text that fits comes back as it was; splitting loses nothing."""
    for value in range(256) if len(data) < 2 else (data[0],):
        assert isinstance(coding_of(value, Coding.GSM7), Coding)
    for coding in CODINGS:
        words = decode(data, coding)
        assert len(words) <= len(data) + 1
        if fits(words, coding):
            assert decode(encode(words, coding), coding) == words or words.startswith(("\ufeff", "\ufffe"))
            assert length_in_units(words, coding) >= len(words)
        else:
            _refuses(words, coding)
    _splits(codecs.decode(data, "utf-8", "replace"))
    _splits(codecs.decode(data[: len(data) & ~3], "utf-32-be", "replace").translate(_HALVES))


def _refuses(words: str, coding: Coding) -> None:
    try:
        encode(words, coding)
    except NotEncodable as error:
        assert error.char in words  # noqa: PT017
    else:
        raise AssertionError(f"{coding} does not fit, yet encodes")


def _splits(words: str) -> None:
    to_gsm(words)
    default = choose(words, Coding.GSM7)
    for method in Method:
        told = count(words, method=method)
        try:
            parts = split(words, method=method, reference=7)
        except TooManySegments as error:
            assert error.segments == told.segments > 255  # noqa: PT017
            continue
        assert len(parts) == told.segments
        joined = {}
        for number, part in enumerate(parts, 1):
            assert len(part.short_message) <= 160
            message = p.SubmitSm(
                esm_class=part.esm_class,
                data_coding=part.data_coding,
                short_message=part.short_message,
                tlvs=part.tlvs,
            )
            content = read_content(message, Coding.GSM7)
            assert (content.part is None) == (len(parts) == 1)
            joined[number] = content.payload
        if default is Coding.GSM7:
            assert assemble(joined, default) == words


_CODEBOOK = Codebook(
    [
        Codeword("ORG1", Function("join"), {"BETAL": Function("pay"), "MEDLEM": Function("status")}),
        Codeword("ORG2", Function("join-and-pay"), {"STOPP": Function("stop")}),
        Codeword("ÆØÅ", None, {}, dialog=False),
    ]
)


def command(data: bytes) -> None:
    """Whatever somebody writes to the short code is read as some command."""
    for coding in CODINGS:
        words = decode(data, coding)
        for prefix in ("", "ORG1 ", "ORG1 BETAL "):
            assert _CODEBOOK.read(prefix + words) is not None


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (pdu, stream, session, receipt, segments, text, command, trace)
}
