"""SMPP 3.4's octets to frames and back, both directions, strictly, and the cutting of a stream into PDUs.

Errors are drawn in `smsd.smpp.faults`: `encode` raises `UnencodablePduError` for what we built wrongly;
`decode` raises `RecoverablePduError` or `UnrecoverablePduError` for what the other side did, each with
the status to answer with; `FrameReader` never raises and yields `PduFault`s. Nothing here does I/O.

submit_sm, deliver_sm and their responses, which are nearly all of the traffic, have readers and writers
of their own; the others go by the tables of `smsd.smpp.layouts`. A message_id has at most 64 characters
(65 octets with its NUL). schedule_delivery_time and the like may be shorter than the 17 octets of §7.1.1.
A response whose status is not zero may have no body at all (§4.4.2), whatever its command. Up to three NULs
behind a PDU's last parameter are passed over: they cannot be a TLV, and there are SMSCs that send them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from struct import Struct
from struct import error as struct_error
from typing import Final

from smsd.smpp import pdu as p
from smsd.smpp.constants import RESPONSE, CommandId, CommandStatus
from smsd.smpp.faults import (
    PduError,
    PduFault,
    RecoverablePduError,
    RemotePduError,
    UnencodablePduError,
    UnrecoverablePduError,
)
from smsd.smpp.layouts import (
    LAYOUTS,
    BodyError,
    Reader,
    Writer,
    bind_reader,
    bind_resp_reader,
    no_rest,
    read_replace_sm,
    read_submit_multi,
    read_submit_multi_resp,
    reader_of,
    write_bind,
    write_bind_resp,
    write_replace_sm,
    write_submit_multi,
    write_submit_multi_resp,
    writer_of,
)
from smsd.smpp.short_messages import id_reader, sm_reader, write_id, write_sm

__all__ = [
    "BARE_RESPONSES",
    "HEADER_OCTETS",
    "LIMIT_OCTETS",
    "FrameReader",
    "PduError",
    "PduFault",
    "RecoverablePduError",
    "RemotePduError",
    "UnencodablePduError",
    "UnrecoverablePduError",
    "decode",
    "encode",
]

HEADER_OCTETS: Final = 16
LIMIT_OCTETS: Final = 65536

_HEADER = Struct(">IIII")
_read_header = _HEADER.unpack_from
_pack_header = _HEADER.pack
_Frame = p.Frame


_BINDS: Final = (CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER)
_BIND_RESPS: Final = tuple(CommandId(kind | RESPONSE) for kind in _BINDS)

_BODILESS: Final = {
    command: layout for command, layout in LAYOUTS.items() if not layout.fields and not layout.tlvs
}


def _bare_reader(pdu: p.Pdu) -> Reader:
    """Of a PDU that is its header alone: all of them are the same value."""

    def read(octets: bytes, at: int, end: int) -> p.Pdu:
        if at != end:
            no_rest(octets, at, end)
        return pdu

    return read


_READERS: Final[dict[int, Reader]] = {
    **{int(command): reader_of(layout) for command, layout in LAYOUTS.items()},
    **{int(command): _bare_reader(layout.cls()) for command, layout in _BODILESS.items()},
    **{int(kind): bind_reader(kind) for kind in _BINDS},
    **{int(kind): bind_resp_reader(kind) for kind in _BIND_RESPS},
    int(CommandId.SUBMIT_SM): sm_reader(p.SubmitSm),
    int(CommandId.DELIVER_SM): sm_reader(p.DeliverSm),
    int(CommandId.SUBMIT_SM_RESP): id_reader(p.SubmitSmResp),
    int(CommandId.DELIVER_SM_RESP): id_reader(p.DeliverSmResp),
    int(CommandId.REPLACE_SM): read_replace_sm,
    int(CommandId.SUBMIT_MULTI): read_submit_multi,
    int(CommandId.SUBMIT_MULTI_RESP): read_submit_multi_resp,
}

BARE_RESPONSES: Final[dict[int, p.Pdu]] = {
    **{int(command): layout.cls() for command, layout in LAYOUTS.items() if command & RESPONSE},
    **{int(kind): p.BindResp(kind) for kind in _BIND_RESPS},
    int(CommandId.SUBMIT_MULTI_RESP): p.SubmitMultiResp(),
}
"""What a response without a body reads as, where its status allows that."""


def decode(octets: bytes, start: int = 0, end: int | None = None) -> p.Frame:
    """One whole PDU.

    Raises:
        RecoverablePduError: the body is wrong, or the command unknown.
        UnrecoverablePduError: command_length is not what lies between `start` and `end`.
    """
    if end is None:
        end = len(octets)
    try:
        length, command, status, sequence = _read_header(octets, start)
    except struct_error:
        raise _misfit(octets, start, end) from None
    if length != end - start or length < HEADER_OCTETS:
        raise _misfit(octets, start, end)
    if status and length == HEADER_OCTETS and command in BARE_RESPONSES:
        return _Frame(sequence, status, BARE_RESPONSES[command])
    try:
        return _Frame(sequence, status, _READERS[command](octets, start + HEADER_OCTETS, end))
    except (KeyError, BodyError) as fault:
        raise _body_fault(fault, sequence, command) from None


def _misfit(octets: bytes, start: int, end: int) -> UnrecoverablePduError:
    size = end - start
    if size < HEADER_OCTETS:
        return UnrecoverablePduError(
            CommandStatus.ESME_RINVCMDLEN, 0, 0, f"a PDU of {size} octets; its header has {HEADER_OCTETS}"
        )
    length, command, _, sequence = _read_header(octets, start)
    return UnrecoverablePduError(
        CommandStatus.ESME_RINVCMDLEN, sequence, command, f"command_length is {length}, the PDU's {size}"
    )


def _body_fault(fault: Exception, sequence: int, command: int) -> RecoverablePduError:
    if isinstance(fault, BodyError):
        return RecoverablePduError(fault.status, sequence, command, fault.what)
    return RecoverablePduError(
        CommandStatus.ESME_RINVCMDID, sequence, command, f"command 0x{command:08X} is not known"
    )


def encode(pdu: p.Pdu, sequence: int, status: int = 0) -> bytes:
    """A whole PDU; `sequence` and `status` are 0..0xFFFFFFFF.

    Raises:
        UnencodablePduError: naming the field and its limit.
    """
    cls = type(pdu)
    if cls is p.SubmitSm:
        command = 0x00000004
        body = write_sm(pdu)  # type: ignore[arg-type]
    elif cls is p.DeliverSmResp:
        command = 0x80000005
        body = b"\0" if pdu == _DELIVER_SM_RESP else _WRITERS[command](pdu)
    elif cls is p.SubmitSmResp and not status:
        command = 0x80000004
        body = write_id(pdu)  # type: ignore[arg-type]
    elif cls in _BODILESS_COMMANDS:
        command = _BODILESS_COMMANDS[cls]
        body = b""
    elif cls is p.DeliverSm:
        command = 0x00000005
        body = write_sm(pdu)  # type: ignore[arg-type]
    else:
        command = p.command_of(pdu)
        if status and command in _OMITTED and pdu == _OMITTED[command]:
            body = b""
        elif command not in _KINDS.get(cls, (command,)):
            raise UnencodablePduError(f"{cls.__name__} cannot be of kind {command!r}")
        else:
            body = _WRITERS[command](pdu)
    try:
        return _pack_header(HEADER_OCTETS + len(body), command, status, sequence) + body
    except struct_error:
        raise UnencodablePduError(f"sequence {sequence} or status {status} is not within 32 bits") from None


_KINDS: Final = {p.Bind: _BINDS, p.BindResp: _BIND_RESPS}
_DELIVER_SM_RESP = p.DeliverSmResp()
_BODILESS_COMMANDS: Final[dict[type, int]] = {
    layout.cls: int(command) for command, layout in _BODILESS.items()
}

_WRITERS: Final[dict[int, Writer]] = {
    **{int(command): writer_of(layout) for command, layout in LAYOUTS.items()},
    **{int(kind): write_bind for kind in _BINDS},
    **{int(kind): write_bind_resp for kind in _BIND_RESPS},
    int(CommandId.SUBMIT_SM): write_sm,
    int(CommandId.DELIVER_SM): write_sm,
    int(CommandId.REPLACE_SM): write_replace_sm,
    int(CommandId.SUBMIT_MULTI): write_submit_multi,
    int(CommandId.SUBMIT_MULTI_RESP): write_submit_multi_resp,
}

_OMITTED: Final[dict[int, p.Pdu]] = {
    **{int(kind): p.BindResp(kind) for kind in _BIND_RESPS},
    **{int(command): layout.cls() for command, layout in LAYOUTS.items() if layout.bare_when_refused},
}
"""Responses that §4.1 and §4.4.2 send without a body where the status is not zero."""


class FrameReader:
    """Cuts a stream into PDUs. It never raises and never buffers more than one PDU's octets beyond a feed.

    After a fault that is not recoverable it is `dead`: what is fed is dropped.
    """

    __slots__ = ("_at", "_chunks", "_have", "_limit", "_need", "dead")

    def __init__(self, limit_octets: int = LIMIT_OCTETS) -> None:
        self._limit = limit_octets
        self._chunks: deque[bytes] = deque()
        self._at = 0
        self._have = 0
        self._need = 4
        self.dead = False

    @property
    def waiting_octets(self) -> int:
        """Octets held that are not yet a PDU."""
        return self._have

    def feed(self, data: bytes) -> None:
        """Take what came; `frames` gives what became whole."""
        if data and not self.dead:
            self._chunks.append(data)
            self._have += len(data)

    def frames(self) -> Iterator[p.Frame | PduFault]:
        """All that is whole now, in order. To be drained before the next `feed`."""
        while self._have >= self._need:
            octets = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            self._chunks.clear()
            at = 0
            end = len(octets)
            while True:
                left = end - at
                if left < HEADER_OCTETS:
                    fault = self._short(octets, at, left)
                    if fault is not None:
                        yield self._die(fault)
                        return
                    break
                length, command, status, sequence = _read_header(octets, at)
                if length < HEADER_OCTETS or length > self._limit:
                    yield self._die(_length_fault(length, self._limit, sequence, command))
                    return
                if length > left:
                    self._need = length
                    break
                body_at = at + HEADER_OCTETS
                at += length
                # the same as in `decode`, whose call would cost a tenth of the work
                try:
                    if status and at == body_at and command in BARE_RESPONSES:
                        yield _Frame(sequence, status, BARE_RESPONSES[command])
                    else:
                        yield _Frame(sequence, status, _READERS[command](octets, body_at, at))
                except (KeyError, BodyError) as fault:
                    yield PduFault.of(_body_fault(fault, sequence, command))
            self._have = left
            if left:
                self._chunks.append(octets[at:])

    def _short(self, octets: bytes, at: int, left: int) -> PduFault | None:
        """Less than a header: its length is judged as soon as it is there."""
        if left < 4:
            self._need = 4
            return None
        length = int.from_bytes(octets[at : at + 4], "big")
        if length < HEADER_OCTETS or length > self._limit:
            return _length_fault(length, self._limit, 0, 0)
        self._need = length
        return None

    def _die(self, fault: PduFault) -> PduFault:
        self.dead = True
        self._chunks.clear()
        self._have = 0
        self._need = 4
        return fault


def _length_fault(length: int, limit: int, sequence: int, command: int) -> PduFault:
    return PduFault(
        int(CommandStatus.ESME_RINVCMDLEN),
        sequence,
        command,
        False,
        f"command_length is {length}; {HEADER_OCTETS} to {limit} octets are taken",
    )
