"""What a session tells its user: outcomes, in the order they came about."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from smsd.smpp.pdu import Frame


class BindRequested(msgspec.Struct, frozen=True, gc=False):
    """An ESME asks to be bound; to be answered with `Session.respond`."""

    frame: Frame


class Bound(msgspec.Struct, frozen=True, gc=False):
    """Our bind was accepted; the frame is the bind_resp."""

    frame: Frame


class BindRefused(msgspec.Struct, frozen=True, gc=False):
    """Our bind was refused."""

    status: int


class Requested(msgspec.Struct, frozen=True, gc=False):
    """The other side asks something of the user, who answers with `Session.respond`.

    outbind and alert_notification come this way too and want no answer.
    """

    frame: Frame


class Answered(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request; a GenericNack in the frame is a refusal (its status is never 0)."""

    tag: object
    frame: Frame


class TimedOut(msgspec.Struct, frozen=True, gc=False):
    """No usable answer came: what became of the request is not known. A `LateAnswer` may follow."""

    tag: object


class NotSent(msgspec.Struct, frozen=True, gc=False):
    """The request's time was over before any octet of it was handed out; it was never sent."""

    tag: object


class LateAnswer(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request given up before: evidence of what became of it."""

    tag: object
    frame: Frame


class Faulted(msgspec.Struct, frozen=True, gc=False):
    """The other side broke the protocol and the session goes on; for the log and for counting.

    `status` is what it was answered with, or would have been where no answer is allowed.
    """

    status: int
    command_id: int
    sequence: int
    what: str


class Closed(msgspec.Struct, frozen=True, gc=False):
    """The last event. `unanswered` are the tags of requests handed out and not answered, `unsent` of those
    of which no octet was handed out; both oldest first."""

    reason: str
    unanswered: tuple[object, ...] = ()
    unsent: tuple[object, ...] = ()


Event: TypeAlias = (
    BindRequested
    | Bound
    | BindRefused
    | Requested
    | Answered
    | TimedOut
    | NotSent
    | LateAnswer
    | Faulted
    | Closed
)
