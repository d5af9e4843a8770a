"""deliver_sm on their way to ESMEs: kept while no bind is there, spread round-robin, resent when unanswered.

Nothing is given up but what the ESME refuses for good; so an ESME may see a message twice, as in life.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from simulators.smsc.agenda import Deed
from smsd.smpp.pdu import CommandStatus, DeliverSm

ANY_ACCOUNT = ""
_REFUSED_FOR_GOOD = frozenset({CommandStatus.ESME_RX_R_APPN, CommandStatus.ESME_RX_P_APPN})


class Receiver(Protocol):
    """A bind that deliver_sm can be sent down."""

    @property
    def room(self) -> int: ...
    @property
    def system_id(self) -> str: ...
    def request(self, pdu: DeliverSm, tag: object) -> bool: ...


class Errand(msgspec.Struct, gc=False):
    """One deliver_sm. `account` is whose it is, empty for anybody's; `subject` is told of its fate."""

    pdu: DeliverSm
    account: str
    subject: Subject | None = None
    serial: int = 0
    attempts: int = 0
    done: bool = False


class Subject(Protocol):
    """What an errand is about, where somebody wants to know."""

    def on_sent(self) -> None:
        """The deliver_sm left."""

    def on_done(self, accepted: bool) -> None:
        """The ESME answered: taken, or refused for good."""


class _Lane:
    """The errands and the receivers of one account, or of anybody."""

    __slots__ = ("next", "queue", "receivers")

    def __init__(self) -> None:
        self.queue: deque[Errand] = deque()
        self.receivers: list[Receiver] = []
        self.next = 0

    def pump(self) -> None:
        queue, receivers = self.queue, self.receivers
        without_room = 0
        while queue and without_room < len(receivers):
            self.next = (self.next + 1) % len(receivers)
            receiver = receivers[self.next]
            errand = queue[0]
            if errand.done:
                queue.popleft()
                continue
            if receiver.room <= 0 or not receiver.request(errand.pdu, errand):
                without_room += 1
                continue
            queue.popleft()
            without_room = 0
            errand.attempts += 1
            if errand.subject is not None and errand.attempts == 1:
                errand.subject.on_sent()


class Deliveries:
    """All lanes. `later(delay_s, deed)` runs a deed in a while and pumps after it."""

    def __init__(self, retry_s: float, later: Callable[[float, Deed], None]) -> None:
        self._retry_s = retry_s
        self._later = later
        self._lanes: dict[str, _Lane] = {ANY_ACCOUNT: _Lane()}
        self._serial = 0
        self.resent = 0
        self.refused = 0
        self.under_way = 0

    @property
    def mo_waiting(self) -> int:
        """Segments of MOs that wait for room or for a bind."""
        return len(self._lanes[ANY_ACCOUNT].queue)

    @property
    def waiting(self) -> int:
        """deliver_sm that wait for room or for a bind."""
        return sum(len(lane.queue) for lane in self._lanes.values())

    def attach(self, receiver: Receiver) -> None:
        """A bind that receives is there."""
        self._lanes[ANY_ACCOUNT].receivers.append(receiver)
        self._lane(receiver.system_id).receivers.append(receiver)

    def detach(self, receiver: Receiver) -> None:
        """That bind is gone; what it left unanswered comes back by `failed`."""
        for lane in (self._lanes[ANY_ACCOUNT], self._lanes.get(receiver.system_id)):
            if lane is not None and receiver in lane.receivers:
                lane.receivers.remove(receiver)
                lane.next = 0

    def put(self, errand: Errand) -> None:
        """Takes an errand; it leaves with the next `pump`."""
        self._serial += 1
        errand.serial = self._serial
        self.under_way += 1
        self._lane(errand.account).queue.append(errand)

    def pump(self) -> None:
        """Sends all that the windows have room for."""
        for lane in self._lanes.values():
            if lane.queue and lane.receivers:
                lane.pump()

    def answered(self, errand: Errand, status: int) -> None:
        """The ESME answered, late perhaps; a refusal that is not for good is tried again in a while."""
        if errand.done:
            return
        if status == CommandStatus.ESME_ROK or status in _REFUSED_FOR_GOOD:
            errand.done = True
            self.under_way -= 1
            accepted = status == CommandStatus.ESME_ROK
            self.refused += not accepted
            if errand.subject is not None:
                errand.subject.on_done(accepted)
        else:
            self.unanswered([errand], at_once=False)

    def unanswered(self, errands: Sequence[Errand], *, at_once: bool) -> None:
        """No answer came: they go first again, at once (the bind was lost) or in a while."""
        if not errands:
            return
        self.resent += len(errands)
        if at_once:
            self._put_back(errands)
        else:
            self._later(self._retry_s, lambda: self._put_back(errands))

    def _put_back(self, errands: Sequence[Errand]) -> None:
        for errand in sorted(errands, key=lambda one: one.serial, reverse=True):
            if not errand.done:
                self._lane(errand.account).queue.appendleft(errand)

    def _lane(self, account: str) -> _Lane:
        lane = self._lanes.get(account)
        if lane is None:
            lane = self._lanes[account] = _Lane()
        return lane
