"""Making of PDUs that are wrong in one place, by hand: each octet and each length as wanted."""

from __future__ import annotations

from struct import pack
from typing import Final

import msgspec
from fuzz_targets import pdu_of

from smsd.smpp.constants import CommandId, CommandStatus

CLOSES: Final = "closes"
REQUEST: Final = "request"
ANSWER: Final = "answer"


class Published(msgspec.Struct, frozen=True):
    """What an SMSC sends to a bound ESME whose one submit_sm has sequence number 2, and what must follow.

    `then` is `REQUEST`, `ANSWER`, `CLOSES`, or the status that the fault is answered with.
    """

    name: str
    source: str
    fault: str
    octets: bytes
    then: str | CommandStatus


def deliver_body(
    message: bytes = b"hei",
    *,
    esm_class: int = 0,
    protocol_id: int = 0,
    data_coding: int = 0,
    length: int | None = None,
    rest: bytes = b"",
    source: bytes = b"4799999999",
    ton: int = 1,
    npi: int = 1,
) -> bytes:
    """A deliver_sm's body, each octet of it to be had as wanted; `length` is sm_length as it is claimed."""
    head = b"\0" + bytes((ton, npi)) + source + b"\0" + b"\0\0" + b"2030\0"
    middle = bytes((esm_class, protocol_id, 0)) + b"\0\0" + bytes((0, 0, data_coding, 0))
    return head + middle + bytes((len(message) if length is None else length,)) + message + rest


def deliver(message: bytes = b"hei", *, sequence: int = 1, **more: int | bytes | None) -> bytes:
    """A whole deliver_sm with such a body."""
    body = deliver_body(message, **more)  # type: ignore[arg-type]
    return pdu_of(CommandId.DELIVER_SM, body, sequence=sequence)


def tlv(tag: int, value: bytes, length: int | None = None) -> bytes:
    """A TLV that may claim another length than it has."""
    return pack(">HH", tag, len(value) if length is None else length) + value


def resp(body: bytes, status: int, *, command: int = CommandId.SUBMIT_SM_RESP, sequence: int = 2) -> bytes:
    """A response to the one submit_sm."""
    return pdu_of(command, body, status=status, sequence=sequence)
