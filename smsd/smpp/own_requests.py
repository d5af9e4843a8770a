"""What a session asked the other side, and how each request ends; sequence numbers come from here.

The rules that money rests on stand in `smsd.smpp.session`; those about a request's one end are kept here.
No clock, no I/O, no state of the session.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from smsd.smpp.constants import CommandId
from smsd.smpp.events import Answered, LateAnswer, NotSent, TimedOut
from smsd.smpp.outgoing import Outgoing
from smsd.smpp.pdu import Frame, command_of
from smsd.smpp.window import LateAnswers, Pending, Window

SEQUENCE_MAX: Final = 0x7FFFFFFF
"""The highest sequence number (SMPP 3.4 §3.2); 1 follows it."""


def is_later(sequence: int, other: int) -> bool:
    """Whether a number was given after another, also where the numbers began anew in between."""
    return 0 < (sequence - other) & SEQUENCE_MAX < SEQUENCE_MAX // 2


class OwnRequests:
    """The user's requests in `window`, those given up in `late`, the session's own (bind, enquire_link,
    unbind) in `control`; `sequence` is the last number given, `proven` the latest of those whose request the
    other side has read for certain. `out` holds what was not handed out yet."""

    __slots__ = ("control", "late", "out", "proven", "sequence", "window")

    def __init__(self, window: int, late_answers: int, out: Outgoing) -> None:
        self.window = Window(window)
        self.late = LateAnswers(late_answers)
        self.control: dict[int, CommandId] = {}
        self.out = out
        self.sequence = 0
        self.proven = 0

    def read(self, sequence: int) -> None:
        """An answer named this request of ours: all that was written before it was read."""
        if is_later(sequence, self.proven):
            self.proven = sequence

    def next_sequence(self) -> int:
        """The next number in a row that no request goes by whose answer may still come (SMPP 3.4 §2.7)."""
        sequence = self.sequence
        while True:
            sequence = sequence % SEQUENCE_MAX + 1
            if sequence not in self.window and sequence not in self.control and sequence not in self.late:
                self.sequence = sequence
                return sequence

    def ask(self, octets: bytes, pending: Pending) -> None:
        """Send a request of the user's; the window has room for it."""
        self.window.offer(pending)
        self.out.add_request(pending.sequence, octets)

    def ask_control(self, octets: bytes, sequence: int, command: CommandId) -> None:
        """Send a request of the session's own."""
        self.control[sequence] = command
        self.out.add(octets)

    def answered(self, frame: Frame) -> Answered | LateAnswer | None:
        """A response came; None where it answers nothing that was asked."""
        sequence, answer = frame.sequence, command_of(frame.pdu)
        pending = None if self.out.holds(sequence) else self.window.complete(sequence, answer)
        if pending is not None:
            self.read(sequence)
            return Answered(pending.tag, frame)
        late = self.late.recognise(sequence, answer)
        return None if late is None else LateAnswer(late.tag, frame)

    def nacked(self, frame: Frame) -> Answered | LateAnswer | None:
        """A generic_nack came; None where no request of the user's goes by its number."""
        sequence = frame.sequence
        if sequence in self.window and not self.out.holds(sequence):
            pending = self.window.fail(sequence)
            return None if pending is None else Answered(pending.tag, frame)
        late = self.late.recognise(sequence)
        return None if late is None else LateAnswer(late.tag, frame)

    def nacked_namelessly(self, frame: Frame) -> Answered | TimedOut | None:
        """A generic_nack that names no request: the oldest one fails; None where none was sent.

        `TimedOut` where it may have been about something else.
        """
        sent = len(self.window) - self.out.held
        oldest = self.window.oldest()
        if oldest is None or not sent:
            return None
        self.window.fail(oldest.sequence)
        self.late.remember(oldest)
        sure = frame.sequence == 0 and sent == 1
        return Answered(oldest.tag, frame) if sure else TimedOut(oldest.tag)

    def unreadable(self, sequence: int) -> TimedOut | None:
        """A response that could not be read came; None where it answers no request of the user's."""
        pending = None if self.out.holds(sequence) else self.window.fail(sequence)
        if pending is None:
            return None
        self.late.remember(pending)
        return TimedOut(pending.tag)

    def expired(self, now: float) -> Iterator[NotSent | TimedOut]:
        """Those whose time is over."""
        for pending in self.window.expired(now):
            if self.out.take_back(pending.sequence):
                yield NotSent(pending.tag)
            else:
                self.late.remember(pending)
                yield TimedOut(pending.tag)

    def forget_enquiries(self) -> None:
        """Of enquire_links only the next one's answer matters."""
        self.control = {
            sequence: asked for sequence, asked in self.control.items() if asked is not CommandId.ENQUIRE_LINK
        }

    def end(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        """Nothing more comes: the tags of requests unanswered, and of those never sent, oldest first."""
        unanswered: list[object] = []
        unsent: list[object] = []
        for pending in self.window.clear():
            (unsent if self.out.take_back(pending.sequence) else unanswered).append(pending.tag)
        self.late.clear()
        return tuple(unanswered), tuple(unsent)
