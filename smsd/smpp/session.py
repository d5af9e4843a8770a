"""One SMPP session without I/O, in either role: octets in, events and octets out, time handed in.

The user feeds `receive_data`, `receive_eof` and `tick`, then drains `events` and `data_to_send`. What a
peer sends never raises; a call of the user's own that the state does not allow raises `NotAllowedError`.
enquire_link and unbind are answered here. Octets count as handed out once `data_to_send` gave them.

Rules that money rests on:

- An ESME sends nothing before its bind is accepted.
- A request ends in exactly one of `Answered`, `TimedOut`, `NotSent` or `Closed`; after `TimedOut`, or an
  answer by a generic_nack that had to be guessed at, one `LateAnswer` may follow.
- A generic_nack answers the request of its sequence number. One under 0 or an unknown number fails the
  oldest pending request: as `Answered` where the number is 0 and only one is pending, else, since it may
  have been about another one or about an answer of ours, as `TimedOut`.
- A response that cannot be read leaves its request's fate unknown: `TimedOut` at once.
- An ESME leaves a request that comes at the wrong time unanswered, so that it comes again; an SMSC refuses
  it with ESME_RINVBNDSTS, so that the ESME knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from smsd.smpp import pdu as p
from smsd.smpp.codec import BARE_RESPONSES, FrameReader, encode
from smsd.smpp.constants import RESPONSE, CommandId, CommandStatus, describe
from smsd.smpp.events import (
    Answered,
    BindRefused,
    BindRequested,
    Bound,
    Closed,
    Event,
    Faulted,
    LateAnswer,
    NotSent,
    Requested,
    TimedOut,
)
from smsd.smpp.faults import PduFault
from smsd.smpp.outgoing import Outgoing
from smsd.smpp.states import (
    ACCEPTED,
    BOUND,
    NEXT,
    PERMITTED,
    SENDS_MESSAGES,
    UNBOUND,
    Cause,
    Role,
    State,
)
from smsd.smpp.timers import SessionSettings, Timers
from smsd.smpp.window import LateAnswers, Pending, Window

__all__ = ["GOODBYE", "NotAllowedError", "Role", "Session", "SessionSettings", "State"]

SEQUENCE_MAX: Final = 0x7FFFFFFF
GOODBYE: Final = "unbound"
"""The reason of a close after our unbind was answered."""
_ANSWERLESS: Final = frozenset({CommandId.OUTBIND, CommandId.ALERT_NOTIFICATION})
_ENQUIRE: Final = CommandId.ENQUIRE_LINK
_UNKNOWN_ERROR: Final = int(CommandStatus.ESME_RUNKNOWNERR)


class NotAllowedError(Exception):
    """The session's state or window does not allow what its user asked for; nothing was done."""


class Session:
    """One connection's session, from its opening to its end."""

    def __init__(self, role: Role, settings: SessionSettings, now: float) -> None:
        self.role = role
        self.state = State.OPEN
        self.bound_kind: CommandId | None = None
        self._settings = settings
        self._reader = FrameReader(settings.pdu_limit_octets)
        self._timers = Timers(settings, now)
        self._window = Window(settings.window)
        self._sends_in = SENDS_MESSAGES[role]
        self._sequence = 0
        self._now = now
        self._control: dict[int, CommandId] = {}
        self._late = LateAnswers(settings.late_answers)
        self._asked: dict[int, p.Frame] = {}
        self._events: list[Event] = []
        self._out = Outgoing()

    # --- what the user reads -------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """Requests that `submit` would take now; 0 unless bound for sending."""
        return self._window.room if self.state in self._sends_in else 0

    @property
    def pending(self) -> int:
        """Requests that wait for their answer."""
        return len(self._window)

    @property
    def asked(self) -> int:
        """Requests of the other side that the user has not answered."""
        return len(self._asked)

    @property
    def enquiring(self) -> bool:
        """Whether an enquire_link is out and nothing was heard since."""
        return self._timers.dead is not None

    @property
    def has_data(self) -> bool:
        """Whether `data_to_send` would give anything."""
        return bool(self._out)

    @property
    def waiting_octets(self) -> int:
        """How much `data_to_send` would give."""
        return self._out.octets

    def events(self) -> list[Event]:
        """All that happened since the last call, in order."""
        found, self._events = self._events, []
        return found

    def data_to_send(self) -> bytes:
        """All octets since the last call; whoever takes them hands them to the transport at once."""
        return self._out.drain()

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, or None."""
        if self.state is State.CLOSED:
            return None
        ours, window = self._timers.next(), self._timers.overdue(self._window.next_expiry())
        if ours is None or window is None:
            return window if ours is None else ours
        return min(ours, window)

    # --- what the user does --------------------------------------------------------------------------

    def bind(self, pdu: p.Bind, now: float) -> int:
        """Ask to be bound (ESME); `Bound` or `BindRefused` follows. The sequence number."""
        if self.role is not Role.ESME or self.state is not State.OPEN:
            raise NotAllowedError(f"bind as {self.role.value} while {self.state.value}")
        sequence = self._next_sequence()
        octets = encode(pdu, sequence)
        self._move(Cause.BIND_ASKED)
        self._control[sequence] = pdu.kind
        self._out.add(octets)
        return sequence

    def submit(self, pdu: p.Pdu, tag: object, now: float) -> int:
        """Send any request of the user's that wants an answer; the sequence number.

        Raises:
            NotAllowedError: not in this state, or no room.
            UnencodablePduError: the PDU cannot be written.
        """
        command = p.command_of(pdu)
        allowed = PERMITTED.get(command)
        if allowed is None or command in ACCEPTED or command is CommandId.UNBIND:
            raise NotAllowedError(f"{command.name} is not the user's to send")
        if self.state not in allowed[self.role]:
            raise NotAllowedError(f"{command.name} as {self.role.value} while {self.state.value}")
        if self._window.room <= 0 and command not in _ANSWERLESS:
            raise NotAllowedError(f"the window of {self._window.size} is full")
        sequence = self._next_sequence()
        octets = encode(pdu, sequence)
        self._timers.active(now)
        if command in _ANSWERLESS:
            self._out.add(octets)
        else:
            expires_at = now + self._settings.response_timeout_s
            self._window.offer(Pending(sequence, command | RESPONSE, tag, expires_at))
            self._out.add_request(sequence, octets)
        return sequence

    def respond(self, request: p.Frame, pdu: p.Pdu, status: int = 0) -> bool:
        """Answer a `Requested` or `BindRequested`, once; False where it can no longer be answered.

        Raises:
            UnencodablePduError: the PDU cannot be written; the request still waits.
        """
        if self._asked.get(request.sequence) is not request:
            return False
        self._out.add(encode(pdu, request.sequence, status))
        del self._asked[request.sequence]
        if isinstance(request.pdu, p.Bind):
            if status:
                self._move(Cause.BIND_REFUSED)
            else:
                self._accept(request.pdu.kind, self._now)
        return True

    def unbind(self, now: float) -> None:
        """Take leave; `Closed` follows with the answer, or after the response timer."""
        if self.state in UNBOUND:
            self._close(f"{self.role.value} ended the session before it was bound")
        elif self.state in BOUND:
            sequence = self._next_sequence()
            self._control[sequence] = CommandId.UNBIND
            self._out.add(encode(p.Unbind(), sequence))
            self._move(Cause.UNBIND_ASKED)
            self._timers.unbinding(now)

    def stop_listening(self) -> None:
        """Nothing will be fed for a while, by our own choice: no timer runs against the other side."""
        self._timers.stop_listening()

    def listen_again(self, now: float) -> None:
        """What lies unread comes now; timers run against the other side again a moment later."""
        self._timers.listen_again(now)

    # --- what the transport tells --------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> None:
        """Octets from the other side; never raises for what they are."""
        self._now = now
        self._reader.feed(data)
        for item in self._reader.frames():
            if self.state is State.CLOSED:
                return
            self._timers.heard(now)
            if isinstance(item, PduFault):
                self._on_fault(item)
            else:
                _HANDLERS[type(item.pdu)](self, item, now)

    def receive_eof(self, now: float, reason: str | None = None) -> None:
        """The connection is gone, by the other side or, with a reason, otherwise."""
        self._close(reason or f"the {self.role.peer.value} closed the connection")

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        if self.state is State.CLOSED:
            return
        timers = self._timers
        expiry = timers.overdue(self._window.next_expiry())
        if expiry is not None and expiry <= now:
            for pending in self._window.expired(now):
                self._give_up(pending)
        if timers.bind is not None and timers.bind <= now:
            self._close(f"not bound within {self._settings.bind_timeout_s:g} s")
        elif timers.unbind is not None and timers.unbind <= now:
            self._close(f"no answer to unbind within {self._settings.response_timeout_s:g} s")
        elif timers.dead is not None and timers.dead <= now:
            self._close(f"dead link: no answer to enquire_link within {timers.patience_s:g} s")
        elif timers.inactive is not None and timers.inactive <= now:
            self.unbind(now)
        elif timers.enquire is not None and timers.enquire <= now:
            self._enquire(now)

    # --- what comes ----------------------------------------------------------------------------------

    def _on_bind(self, frame: p.Frame, now: float) -> None:
        if self.role is not Role.SMSC:
            self._refuse(frame, CommandStatus.ESME_RINVCMDID, "a bind to an ESME")
        elif self.state is not State.OPEN:
            self._refuse(frame, CommandStatus.ESME_RALYBND, f"a bind while {self.state.value}")
        else:
            self._move(Cause.BIND_ASKED)
            self._asked[frame.sequence] = frame
            self._events.append(BindRequested(frame))

    def _on_bind_resp(self, frame: p.Frame, now: float) -> None:
        pdu = frame.pdu
        if not isinstance(pdu, p.BindResp) or self._control.get(frame.sequence) != pdu.kind & ~RESPONSE:
            self._stray(frame)
        elif frame.status:
            self._bind_refused(frame.status)
        else:
            kind = self._control.pop(frame.sequence)
            self._accept(kind, now)
            self._events.append(Bound(frame))

    def _on_request(self, frame: p.Frame, now: float) -> None:
        command = p.command_of(frame.pdu)
        states = PERMITTED[command][self.role.peer]
        if self.state in states:
            self._timers.active(now)
            if command not in _ANSWERLESS:
                self._asked[frame.sequence] = frame
            self._events.append(Requested(frame))
        elif not states:
            self._refuse(
                frame, CommandStatus.ESME_RINVCMDID, f"{command.name} from the {self.role.peer.value}"
            )
        elif self.role is Role.SMSC:
            self._refuse(frame, CommandStatus.ESME_RINVBNDSTS, f"{command.name} while {self.state.value}")
        else:
            self._faulted(frame, CommandStatus.ESME_RINVBNDSTS, f"{command.name} while {self.state.value}")

    def _on_answer(self, frame: p.Frame, now: float) -> None:
        sequence, answer = frame.sequence, p.command_of(frame.pdu)
        pending = None if self._out.holds(sequence) else self._window.complete(sequence, answer)
        if pending is not None:
            self._timers.active(now)
            self._events.append(Answered(pending.tag, frame))
            return
        late = self._late.recognise(sequence, answer)
        if late is None:
            self._stray(frame)
        else:
            self._events.append(LateAnswer(late.tag, frame))

    def _on_nack(self, frame: p.Frame, now: float) -> None:
        if not frame.status:
            frame = p.Frame(frame.sequence, _UNKNOWN_ERROR, frame.pdu)
        sequence = frame.sequence
        if sequence in self._window and not self._out.holds(sequence):
            pending = self._window.fail(sequence)
            if pending is not None:
                self._events.append(Answered(pending.tag, frame))
        elif sequence in self._late:
            late = self._late.recognise(sequence)
            if late is not None:
                self._events.append(LateAnswer(late.tag, frame))
        elif not self._on_control_nack(frame):
            self._on_nameless_nack(frame)

    def _on_nameless_nack(self, frame: p.Frame) -> None:
        """A generic_nack that names no request of ours; see the rules above."""
        sent = len(self._window) - self._out.held
        oldest = self._window.oldest()
        if oldest is None or not sent:
            self._stray(frame)
            return
        self._window.fail(oldest.sequence)
        self._late.remember(oldest)
        if frame.sequence == 0 and sent == 1:
            self._events.append(Answered(oldest.tag, frame))
        else:
            self._events.append(TimedOut(oldest.tag))
            self._faulted(frame, frame.status, "a generic_nack that names no request of ours")

    def _on_control_nack(self, frame: p.Frame) -> bool:
        """Whether a generic_nack was about a bind, unbind or enquire_link of ours."""
        if self.state is State.BINDING and self.role is Role.ESME:
            self._bind_refused(frame.status)
            return True
        command = self._control.pop(frame.sequence, None)
        if command is CommandId.UNBIND:
            self._close("unbound (by a generic_nack)")
        return command is not None

    def _on_enquire_link(self, frame: p.Frame, now: float) -> None:
        if self._may_send():
            self._out.add(encode(p.EnquireLinkResp(), frame.sequence))

    def _on_enquire_link_resp(self, frame: p.Frame, now: float) -> None:
        if self._control.get(frame.sequence) is _ENQUIRE:
            del self._control[frame.sequence]
        else:
            self._stray(frame)

    def _on_unbind(self, frame: p.Frame, now: float) -> None:
        if self.state in UNBOUND:
            if self._may_send():
                self._refuse(frame, CommandStatus.ESME_RINVBNDSTS, "unbind while not bound")
            return
        self._out.add(encode(p.UnbindResp(), frame.sequence))
        self._close(f"the {self.role.peer.value} unbound")

    def _on_unbind_resp(self, frame: p.Frame, now: float) -> None:
        if self._control.pop(frame.sequence, None) is CommandId.UNBIND:
            self._close(GOODBYE)
        else:
            self._stray(frame)

    def _on_fault(self, fault: PduFault) -> None:
        if not fault.recoverable:
            if self._may_send():
                self._out.add(encode(p.GenericNack(), fault.sequence, fault.status))
            self._close(f"unreadable stream: {describe(fault.status)}: {fault.what}")
            return
        command = fault.command_id
        self._events.append(Faulted(fault.status, command, fault.sequence, fault.what))
        if not command & RESPONSE:
            if self._may_send():
                answer = BARE_RESPONSES.get(command | RESPONSE, p.GenericNack())
                self._out.add(encode(answer, fault.sequence, fault.status))
            return
        if self._out.holds(fault.sequence):
            return
        pending = self._window.fail(fault.sequence)
        if pending is not None:
            self._give_up(pending)
        elif self._control.pop(fault.sequence, None) in (*ACCEPTED, CommandId.UNBIND):
            self._close(f"unreadable answer: {describe(fault.status)}: {fault.what}")

    # --- helpers -------------------------------------------------------------------------------------

    def _move(self, cause: Cause) -> None:
        self.state = NEXT[self.state, cause]

    def _may_send(self) -> bool:
        return self.role is Role.SMSC or self.state not in UNBOUND

    def _next_sequence(self) -> int:
        sequence = self._sequence
        while True:
            sequence = sequence % SEQUENCE_MAX + 1
            if sequence not in self._window and sequence not in self._control and sequence not in self._late:
                self._sequence = sequence
                return sequence

    def _enquire(self, now: float) -> None:
        self._control = {one: asked for one, asked in self._control.items() if asked is not _ENQUIRE}
        sequence = self._next_sequence()
        self._control[sequence] = _ENQUIRE
        self._out.add(encode(p.EnquireLink(), sequence))
        self._timers.enquired(now)

    def _accept(self, kind: CommandId, now: float) -> None:
        self._move(ACCEPTED[kind])
        self.bound_kind = kind
        self._timers.start(now)

    def _bind_refused(self, status: int) -> None:
        self._control.clear()
        self._move(Cause.BIND_REFUSED)
        self._events.append(BindRefused(status))

    def _refuse(self, frame: p.Frame, status: CommandStatus, what: str) -> None:
        """Answer a request with a status of our own, where we may send at all."""
        if self._may_send():
            answer = BARE_RESPONSES.get(p.command_of(frame.pdu) | RESPONSE, p.GenericNack())
            self._out.add(encode(answer, frame.sequence, status))
        self._faulted(frame, status, what)

    def _stray(self, frame: p.Frame) -> None:
        self._faulted(frame, CommandStatus.ESME_RINVCMDID, "an answer to nothing we asked")

    def _faulted(self, frame: p.Frame, status: int, what: str) -> None:
        self._events.append(Faulted(int(status), int(p.command_of(frame.pdu)), frame.sequence, what))

    def _give_up(self, pending: Pending) -> None:
        if self._out.take_back(pending.sequence):
            self._events.append(NotSent(pending.tag))
        else:
            self._late.remember(pending)
            self._events.append(TimedOut(pending.tag))

    def _close(self, reason: str) -> None:
        if self.state is State.CLOSED:
            return
        self._move(Cause.ENDED)
        unanswered: list[object] = []
        unsent: list[object] = []
        for pending in self._window.clear():
            (unsent if self._out.take_back(pending.sequence) else unanswered).append(pending.tag)
        self._asked.clear()
        self._late.clear()
        self._events.append(Closed(reason, tuple(unanswered), tuple(unsent)))


_Handler = Callable[[Session, p.Frame, float], None]

_HANDLERS: Final[dict[type[Any], _Handler]] = {
    p.Bind: Session._on_bind,
    p.BindResp: Session._on_bind_resp,
    p.Outbind: Session._on_request,
    p.SubmitSm: Session._on_request,
    p.DeliverSm: Session._on_request,
    p.DataSm: Session._on_request,
    p.QuerySm: Session._on_request,
    p.CancelSm: Session._on_request,
    p.ReplaceSm: Session._on_request,
    p.SubmitMulti: Session._on_request,
    p.AlertNotification: Session._on_request,
    p.SubmitSmResp: Session._on_answer,
    p.DeliverSmResp: Session._on_answer,
    p.DataSmResp: Session._on_answer,
    p.QuerySmResp: Session._on_answer,
    p.CancelSmResp: Session._on_answer,
    p.ReplaceSmResp: Session._on_answer,
    p.SubmitMultiResp: Session._on_answer,
    p.EnquireLink: Session._on_enquire_link,
    p.EnquireLinkResp: Session._on_enquire_link_resp,
    p.Unbind: Session._on_unbind,
    p.UnbindResp: Session._on_unbind_resp,
    p.GenericNack: Session._on_nack,
}
