"""When a session must act although nothing comes: all of its times, set and read by a handed-in `now` (s)."""

from __future__ import annotations

from typing import Final

import msgspec

CATCH_UP_S: Final = 5.0
"""How long what lay unread may take to be read once we listen again."""


class SessionSettings(msgspec.Struct, frozen=True):
    """How a session behaves; times in seconds.

    `window` unanswered requests at most; `enquire_link_s` of silence before an enquire_link, None never;
    `response_timeout_s` for each request; `bind_timeout_s` from the connection to the bind's acceptance;
    `inactivity_s` without any short message before we unbind, None never; `late_answers` requests given up
    whose answer is still recognised; `pdu_limit_octets` of one PDU.
    """

    window: int = 10
    enquire_link_s: float | None = 30.0
    response_timeout_s: float = 60.0
    bind_timeout_s: float = 30.0
    inactivity_s: float | None = None
    late_answers: int = 1000
    pdu_limit_octets: int = 65536


class Timers:
    """The times of one session. `bind` and `unbind` are deadlines, set while they matter.

    An enquire_link unanswered for the response timer, but for one interval at most, means a dead link,
    unless something else was heard since it was sent. While we do not listen nobody is judged by their
    silence, nor for a moment after: what they said may lie unread in the socket.
    """

    __slots__ = (
        "_active",
        "_deaf",
        "_enquired",
        "_heard",
        "_judge_from",
        "_settings",
        "bind",
        "bound",
        "unbind",
    )

    def __init__(self, settings: SessionSettings, now: float) -> None:
        self._settings = settings
        self._heard = now
        self._active = now
        self._enquired: float | None = None
        self._deaf = False
        self._judge_from = now
        self.bind: float | None = now + settings.bind_timeout_s
        self.unbind: float | None = None
        self.bound = False

    def heard(self, now: float) -> None:
        """A whole PDU came."""
        self._heard = now
        self._enquired = None

    def stop_listening(self) -> None:
        """From now on nothing is read."""
        self._deaf = True

    def listen_again(self, now: float) -> None:
        """Reading goes on."""
        self._deaf = False
        self._judge_from = now + min(CATCH_UP_S, self._settings.response_timeout_s)
        self.heard(now)

    def overdue(self, deadline: float | None) -> float | None:
        """When somebody's silence until this deadline may be held against them; None not now."""
        return None if deadline is None or self._deaf else max(deadline, self._judge_from)

    def active(self, now: float) -> None:
        """A short message or its answer went or came."""
        self._active = now

    def enquired(self, now: float) -> None:
        """An enquire_link was sent."""
        self._enquired = now

    def start(self, now: float) -> None:
        """The session is bound."""
        self.bind = None
        self.bound = True
        self._heard = self._active = now

    def unbinding(self, now: float) -> None:
        """An unbind was sent."""
        self.bound = False
        self._enquired = None
        self.unbind = now + self._settings.response_timeout_s

    @property
    def patience_s(self) -> float:
        """How long an enquire_link may stay unanswered."""
        interval_s = self._settings.enquire_link_s
        return (
            self._settings.response_timeout_s
            if interval_s is None
            else min(interval_s, self._settings.response_timeout_s)
        )

    @property
    def dead(self) -> float | None:
        """When the link is dead, where an enquire_link is out."""
        return self.overdue(None if self._enquired is None else self._enquired + self.patience_s)

    @property
    def enquire(self) -> float | None:
        """When to send an enquire_link."""
        interval_s = self._settings.enquire_link_s
        if interval_s is None or self._enquired is not None or not self.bound:
            return None
        return self._heard + interval_s

    @property
    def inactive(self) -> float | None:
        """When to unbind for want of work."""
        if self._settings.inactivity_s is None or not self.bound:
            return None
        return self._active + self._settings.inactivity_s

    def next(self) -> float | None:
        """The earliest of all."""
        times = (self.overdue(self.bind), self.unbind, self.dead, self.enquire, self.inactive)
        return min((time for time in times if time is not None), default=None)
