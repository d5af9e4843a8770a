"""Playbooks for sessions: this comes in, expect that. What a playbook leaves unlooked at fails it."""

from __future__ import annotations

from types import TracebackType

from smsd.smpp import pdu as p
from smsd.smpp.codec import FrameReader, encode
from smsd.smpp.events import Event
from smsd.smpp.session import Role, Session, SessionSettings


class Playbook:
    """One session and a time of its own. `comes` feeds, `tells` expects events, `sends` expects frames."""

    def __init__(self, role: Role, **settings: object) -> None:
        self.now = 1000.0
        self.session = Session(role, SessionSettings(**settings), self.now)
        self._events: list[Event] = []
        self._reader = FrameReader()

    def __enter__(self) -> Playbook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.quiet()

    def comes(self, pdu: p.Pdu, sequence: int, status: int = 0) -> Playbook:
        return self.comes_raw(encode(pdu, sequence, status))

    def comes_raw(self, octets: bytes) -> Playbook:
        self.session.receive_data(octets, self.now)
        return self

    def after(self, seconds: float) -> Playbook:
        """Time passes and the session is told."""
        self.now += seconds
        self.session.tick(self.now)
        return self

    def tells(self, *events: Event) -> Playbook:
        """These events, and no other, since the last look."""
        assert self.session.events() == list(events)
        return self

    def told(self) -> list[Event]:
        return self.session.events()

    def sends(self, *frames: p.Frame) -> Playbook:
        """These frames, and no other, since the last look."""
        self._reader.feed(self.session.data_to_send())
        assert list(self._reader.frames()) == list(frames)
        return self

    def quiet(self) -> Playbook:
        """Nothing told and nothing sent."""
        return self.tells().sends()
