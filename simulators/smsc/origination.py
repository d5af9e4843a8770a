"""Texts that phones send: cut into deliver_sm, shown on the phone, followed until the ESME answers.

It sends nothing itself; what it puts leaves with the next pump of the deliveries.
"""

from __future__ import annotations

import msgspec

from foundation.clock import Clock
from simulators.smsc.deliveries import ANY_ACCOUNT, Deliveries, Errand
from simulators.smsc.identifiers import rfc3339
from simulators.smsc.load import Load
from simulators.smsc.phones import Direction, MessageState, Phone, PhoneMessage, Phones
from simulators.smsc.settings import Limits
from simulators.smsc.texts import Wish, cut, deliver_sm
from smsd.smpp.alphabet import Coding
from smsd.smpp.pdu import Tlv


class QueueFullError(Exception):
    """No more MOs are taken until the ESME has taken some."""


class Text(msgspec.Struct, frozen=True):
    """A text to send from a phone (international digits) to a short code."""

    digits: str
    recipient: str
    text: str
    wish: Wish = Wish()
    tlvs: tuple[Tlv, ...] = ()


class _Mo:
    """An MO until its last segment is answered."""

    __slots__ = ("clock", "left", "load", "message", "phone", "place", "refused", "unsent")

    def __init__(self, clock: Clock, phone: Phone, message: PhoneMessage) -> None:
        self.clock = clock
        self.phone = phone
        self.message = message
        self.unsent = self.left = message.segments
        self.refused = False
        self.load: Load | None = None
        self.place = 0

    def on_sent(self) -> None:
        self.unsent -= 1
        if self.unsent:
            return
        if self.load is not None:
            self.load.on_sent(self.place, self.clock.monotonic())
        self._become(MessageState.SENT)

    def on_done(self, accepted: bool) -> None:
        self.left -= 1
        self.refused = self.refused or not accepted
        if self.left:
            return
        if self.load is not None:
            self.load.on_answered(not self.refused, self.clock.monotonic())
        self._become(MessageState.REFUSED if self.refused else MessageState.DELIVERED)

    def _become(self, state: MessageState) -> None:
        self.message.state = state
        self.phone.tell(self.message)


class Originator:
    """Makes MOs. `default` is what data_coding 0 means on this SMSC."""

    def __init__(
        self, clock: Clock, phones: Phones, deliveries: Deliveries, *, limits: Limits, default: Coding
    ) -> None:
        self._clock = clock
        self._phones = phones
        self._deliveries = deliveries
        self._limits = limits
        self._default = default
        self._reference = 0
        self._count = 0

    def put(self, text: Text, load: Load | None = None, place: int = 0) -> PhoneMessage:
        """Puts a text's deliver_sm on their way; `load` and `place` where it is one of a run.

        Raises:
            QueueFullError: too many wait already.
            CannotCutError: the text cannot be cut as wished.
        """
        under_way = self._deliveries.under_way
        if under_way >= self._limits.queue:
            raise QueueFullError(
                f"{under_way} deliver_sm wait for the ESME; try again when it has taken some"
            )
        self._reference = self._reference % 0xFFFF + 1
        parts = cut(text.text, text.wish, self._default, self._reference)
        self._count += 1
        phone = self._phones.touch(text.digits)
        message = PhoneMessage(
            f"mo-{self._count}",
            Direction.MO,
            text.text,
            0,
            None,
            rfc3339(self._clock.now_us()),
            phone.number,
            text.recipient,
            MessageState.WAITING,
            len(parts),
        )
        phone.add(message)
        mo = _Mo(self._clock, phone, message)
        mo.load, mo.place = load, place
        for part in parts:
            pdu = deliver_sm(part, text.digits, text.recipient, text.tlvs)
            self._deliveries.put(Errand(pdu, ANY_ACCOUNT, mo))
        return message

    def put_for_load(self, load: Load, place: int, digits: str, text: str) -> None:
        """Puts the text of one phone of a run."""
        self.put(Text(digits, load.order.to, text), load, place)

    def load_room(self, binds: int) -> int:
        """How many texts a run may put now: what the windows take in a few turns, never all the queue."""
        room = 20 * self._limits.window * max(1, binds) - self._deliveries.mo_waiting
        return min(room, (self._limits.queue - self._deliveries.under_way) // 8)
