"""How requests ended, as the users of a link or of a server's connection hear of it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec

from smsd.smpp.events import Answered, Closed, Event, LateAnswer, NotSent, TimedOut
from smsd.smpp.pdu import Frame, QuerySmResp, Tlv


class AnswerKind(Enum):
    """What is known of a request.

    ANSWERED: `status` tells (a generic_nack is one, its status is never 0). TIMED_OUT: sent, no usable
    answer in time. LOST: sent, the link ended first. NEVER_WRITTEN: no octet of it reached the transport.
    LATE: the answer after all, to a request that ended before as TIMED_OUT (or as ANSWERED by a
    generic_nack under sequence number 0): evidence of what became of it.
    """

    ANSWERED = "answered"
    TIMED_OUT = "timed out"
    LOST = "lost"
    NEVER_WRITTEN = "never written"
    LATE = "late"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The end of the request with this tag; status, message id and TLVs are the response's, else empty.

    `query` is the whole answer to a query_sm.
    """

    tag: object
    kind: AnswerKind
    status: int = 0
    message_id: str = ""
    tlvs: tuple[Tlv, ...] = ()
    query: QuerySmResp | None = None


def _of_frame(tag: object, kind: AnswerKind, frame: Frame) -> Answer:
    pdu = frame.pdu
    if isinstance(pdu, QuerySmResp):
        return Answer(tag, kind, frame.status, pdu.message_id, (), pdu)
    return Answer(tag, kind, frame.status, getattr(pdu, "message_id", ""), getattr(pdu, "tlvs", ()))


def answers_of(event: Event) -> Iterable[Answer]:
    """The answers that an event stands for; none for most kinds."""
    match event:
        case Answered(tag, frame):
            return (_of_frame(tag, AnswerKind.ANSWERED, frame),)
        case LateAnswer(tag, frame):
            return (_of_frame(tag, AnswerKind.LATE, frame),)
        case TimedOut(tag):
            return (Answer(tag, AnswerKind.TIMED_OUT),)
        case NotSent(tag):
            return (Answer(tag, AnswerKind.NEVER_WRITTEN),)
        case Closed(_, unanswered, unsent):
            return [
                *(Answer(tag, AnswerKind.LOST) for tag in unanswered),
                *(Answer(tag, AnswerKind.NEVER_WRITTEN) for tag in unsent),
            ]
        case _:
            return ()
