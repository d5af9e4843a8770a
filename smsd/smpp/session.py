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
    Requested,
    TimedOut,
)
from smsd.smpp.faults import PduFault
from smsd.smpp.outgoing import Outgoing
from smsd.smpp.own_requests import OwnRequests, is_later
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
from smsd.smpp.window import Pending

__all__ = ["GOODBYE", "IDLE", "NotAllowedError", "Role", "Session", "SessionSettings", "State"]

GOODBYE: Final = "unbound"
"""The reason of a close after our unbind was answered."""
IDLE: Final = "unbound for want of work, to be made anew"
"""The same where the inactivity timer had asked for it."""
_ANSWERLESS: Final = frozenset({CommandId.OUTBIND, CommandId.ALERT_NOTIFICATION})
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
        self._sends_in = SENDS_MESSAGES[role]
        self._now = now
        # by identity: the other side may use a number again before its first request is answered
        self._asked: dict[int, p.Frame] = {}
        self._events: list[Event] = []
        self._out = Outgoing()
        self._goodbye = GOODBYE
        self._own = OwnRequests(settings.window, settings.late_answers, self._out)

    # --- what the user reads -------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """Requests that `submit` would take now; 0 unless bound for sending."""
        return self._own.window.room if self.state in self._sends_in else 0

    @property
    def pending(self) -> int:
        """Requests that wait for their answer."""
        return len(self._own.window)

    @property
    def asked(self) -> int:
        """Requests of the other side that the user has not answered."""
        return len(self._asked)

    @property
    def mark(self) -> int:
        """The place in what we write that has been reached, for `has_read`."""
        return self._own.sequence

    def has_read(self, mark: int) -> bool:
        """Whether the other side has certainly read all that was written up to a mark.

        It has answered a request that was written later, and octets arrive in order.
        """
        return is_later(self._own.proven, mark)

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
        ours, window = self._timers.next(), self._timers.overdue(self._own.window.next_expiry())
        if ours is None or window is None:
            return window if ours is None else ours
        return min(ours, window)

    # --- what the user does --------------------------------------------------------------------------

    def bind(self, pdu: p.Bind, now: float) -> int:
        """Ask to be bound (ESME); `Bound` or `BindRefused` follows. The sequence number."""
        if self.role is not Role.ESME or self.state is not State.OPEN:
            raise NotAllowedError(f"bind as {self.role.value} while {self.state.value}")
        sequence = self._own.next_sequence()
        octets = encode(pdu, sequence)
        self._move(Cause.BIND_ASKED)
        self._own.ask_control(octets, sequence, pdu.kind)
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
        own = self._own
        if own.window.room <= 0 and command not in _ANSWERLESS:
            raise NotAllowedError(f"the window of {own.window.size} is full")
        sequence = own.next_sequence()
        octets = encode(pdu, sequence)
        self._timers.active(now)
        if command in _ANSWERLESS:
            self._out.add(octets)
        else:
            expires_at = now + self._settings.response_timeout_s
            own.ask(octets, Pending(sequence, command | RESPONSE, tag, expires_at))
        return sequence

    def respond(self, request: p.Frame, pdu: p.Pdu, status: int = 0) -> bool:
        """Answer a `Requested` or `BindRequested`, once; False where it can no longer be answered.

        Raises:
            UnencodablePduError: the PDU cannot be written; the request still waits.
        """
        if self._asked.get(id(request)) is not request:
            return False
        self._out.add(encode(pdu, request.sequence, status))
        del self._asked[id(request)]
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
            sequence = self._own.next_sequence()
            self._own.ask_control(encode(p.Unbind(), sequence), sequence, CommandId.UNBIND)
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
        expiry = timers.overdue(self._own.window.next_expiry())
        if expiry is not None and expiry <= now:
            self._events.extend(self._own.expired(now))
        bind = timers.overdue(timers.bind)
        if bind is not None and bind <= now:
            self._close(f"not bound within {self._settings.bind_timeout_s:g} s")
        elif timers.unbind is not None and timers.unbind <= now:
            self._close(f"no answer to unbind within {self._settings.response_timeout_s:g} s")
        elif timers.dead is not None and timers.dead <= now:
            self._close(f"dead link: no answer to enquire_link within {timers.patience_s:g} s")
        elif timers.inactive is not None and timers.inactive <= now:
            if self._own.window or self._asked:
                # leaving now would lose answers: what waits for one is work
                timers.active(now)
            else:
                self._goodbye = IDLE
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
            self._asked[id(frame)] = frame
            self._events.append(BindRequested(frame))

    def _on_bind_resp(self, frame: p.Frame, now: float) -> None:
        pdu = frame.pdu
        if not isinstance(pdu, p.BindResp) or self._own.control.get(frame.sequence) != pdu.kind & ~RESPONSE:
            self._stray(frame)
        elif frame.status:
            self._bind_refused(frame.status)
        else:
            kind = self._own.control.pop(frame.sequence)
            self._accept(kind, now)
            self._events.append(Bound(frame))

    def _on_request(self, frame: p.Frame, now: float) -> None:
        command = p.command_of(frame.pdu)
        states = PERMITTED[command][self.role.peer]
        if self.state in states:
            self._timers.active(now)
            if command not in _ANSWERLESS:
                self._asked[id(frame)] = frame
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
        event = self._own.answered(frame)
        if event is None:
            self._stray(frame)
            return
        if type(event) is Answered:
            self._timers.active(now)
        self._events.append(event)

    def _on_nack(self, frame: p.Frame, now: float) -> None:
        if not frame.status:
            frame = p.Frame(frame.sequence, _UNKNOWN_ERROR, frame.pdu)
        event: Event | None = self._own.nacked(frame)
        if event is not None:
            self._events.append(event)
        elif not self._on_control_nack(frame):
            event = self._own.nacked_namelessly(frame)
            if event is None:
                self._stray(frame)
                return
            self._events.append(event)
            if isinstance(event, TimedOut):
                self._faulted(frame, frame.status, "a generic_nack that names no request of ours")

    def _on_control_nack(self, frame: p.Frame) -> bool:
        """Whether a generic_nack was about a bind, unbind or enquire_link of ours."""
        if self.state is State.BINDING and self.role is Role.ESME:
            self._bind_refused(frame.status)
            return True
        command = self._own.control.pop(frame.sequence, None)
        if command is CommandId.UNBIND:
            self._close("unbound (by a generic_nack)")
        return command is not None

    def _on_enquire_link(self, frame: p.Frame, now: float) -> None:
        if self._may_send():
            self._out.add(encode(p.EnquireLinkResp(), frame.sequence))

    def _on_enquire_link_resp(self, frame: p.Frame, now: float) -> None:
        if self._own.control.get(frame.sequence) is CommandId.ENQUIRE_LINK:
            del self._own.control[frame.sequence]
            self._own.read(frame.sequence)
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
        if self._own.control.pop(frame.sequence, None) is CommandId.UNBIND:
            self._close(self._goodbye)
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
        event = self._own.unreadable(fault.sequence)
        if event is not None:
            self._events.append(event)
        elif self._own.control.pop(fault.sequence, None) in (*ACCEPTED, CommandId.UNBIND):
            self._close(f"unreadable answer: {describe(fault.status)}: {fault.what}")

    # --- helpers -------------------------------------------------------------------------------------

    def _move(self, cause: Cause) -> None:
        self.state = NEXT[self.state, cause]

    def _may_send(self) -> bool:
        return self.role is Role.SMSC or self.state not in UNBOUND

    def _enquire(self, now: float) -> None:
        self._own.forget_enquiries()
        sequence = self._own.next_sequence()
        self._own.ask_control(encode(p.EnquireLink(), sequence), sequence, CommandId.ENQUIRE_LINK)
        self._timers.enquired(now)

    def _accept(self, kind: CommandId, now: float) -> None:
        self._move(ACCEPTED[kind])
        self.bound_kind = kind
        self._timers.start(now)

    def _bind_refused(self, status: int) -> None:
        self._own.control.clear()
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

    def _close(self, reason: str) -> None:
        if self.state is State.CLOSED:
            return
        self._move(Cause.ENDED)
        unanswered, unsent = self._own.end()
        self._asked.clear()
        self._events.append(Closed(reason, unanswered, unsent))


_Handler = Callable[[Session, p.Frame, float], None]

_REQUESTS: Final = (
    *(p.Outbind, p.SubmitSm, p.DeliverSm, p.DataSm, p.QuerySm, p.CancelSm, p.ReplaceSm, p.SubmitMulti),
    p.AlertNotification,
)
_ANSWERS: Final = (
    *(p.SubmitSmResp, p.DeliverSmResp, p.DataSmResp, p.QuerySmResp, p.CancelSmResp, p.ReplaceSmResp),
    p.SubmitMultiResp,
)
_HANDLERS: Final[dict[type[Any], _Handler]] = {
    **dict.fromkeys(_REQUESTS, Session._on_request),
    **dict.fromkeys(_ANSWERS, Session._on_answer),
    p.Bind: Session._on_bind,
    p.BindResp: Session._on_bind_resp,
    p.EnquireLink: Session._on_enquire_link,
    p.EnquireLinkResp: Session._on_enquire_link_resp,
    p.Unbind: Session._on_unbind,
    p.UnbindResp: Session._on_unbind_resp,
    p.GenericNack: Session._on_nack,
}
