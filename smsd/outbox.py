"""MT out: texts made into messages and submit_sm, and the queue they wait in for an operator's window.

What is decided inside a transaction (`Sender`) is apart from what is remembered between transactions
(`OperatorQueue`): the latter changes only after a commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from foundation.clock import SECOND_US
from foundation.contract import Direction, Message, MessageFate, MessageState, Purpose, Reason, SmsSettled
from foundation.ids import Ids
from foundation.store import Row, Tx
from smsd.charging.desk import Desk
from smsd.charging.states import ChargeState, Evidence
from smsd.operators import OperatorProfile, PriceNotSendable
from smsd.smpp.codec import encode
from smsd.smpp.link import Link
from smsd.smpp.segments import split
from smsd.work import FINAL_FATES, Outgoing, Piece, Plan, Tariff


class Route(msgspec.Struct, frozen=True, gc=False):
    """The way to a phone: the account, the short code, the number it sees, the TLVs to repeat."""

    operator: str
    short_code: str
    address: str
    echo: bytes = b""


class Sender:
    """Makes MTs and picks those that may go now."""

    def __init__(self, profiles: Mapping[str, OperatorProfile], desk: Desk, ids: Ids) -> None:
        self._profiles = profiles
        self._desk = desk
        self._ids = ids

    def post(
        self,
        plan: Plan,
        *,
        message: str,
        conversation: str,
        org: str,
        route: Route,
        number: str,
        text: str,
        purpose: Purpose,
        expires_us: int,
        price_ore: int = 0,
        source: str = "",
        charge: str = "",
    ) -> None:
        """Write an MT, tell the dialog of it, and put it at the end of its operator's queue.

        Raises:
            PriceNotSendable: where the profile cannot send the price, or the premium text is longer than one
                segment; nothing is written.
            TooManySegments: where the text is too long for any number of parts.
            UnencodablePduError: where a number or a price does not fit its field.
        """
        outgoing = Outgoing(
            message=message,
            conversation=conversation,
            operator=route.operator,
            short_code=route.short_code,
            address=route.address,
            number=number,
            text=text,
            price_ore=price_ore,
            purpose=purpose,
            at_us=plan.at_us,
            expires_us=expires_us,
            source=source,
            echo=route.echo,
            charge=charge,
        )
        pieces = self.pieces(outgoing)
        plan.enqueued.extend(pieces)
        plan.rows.append(
            (
                message,
                conversation,
                Direction.OUT,
                route.operator,
                route.short_code,
                route.address,
                number,
                org,
                text,
                len(pieces),
                price_ore,
                purpose,
                MessageFate.QUEUED,
                "",
                plan.at_us,
                plan.at_us,
                expires_us,
                source,
                "",
                route.echo,
            )
        )
        plan.handoff.append(
            Message(
                id=message,
                conversation=conversation,
                at=plan.at_us,
                direction=Direction.OUT,
                number=number,
                short_code=route.short_code,
                org=org,
                text=text,
                segments=len(pieces),
                price=price_ore,
                purpose=purpose,
                fate=MessageFate.QUEUED,
            )
        )

    def pieces(self, outgoing: Outgoing) -> list[Piece]:
        """The submit_sm of an MT, in order."""
        profile = self._profiles[outgoing.operator]
        # the reference needs to differ between the texts one phone gets, not to be random
        parts = split(
            outgoing.text,
            default=profile.coding,
            method=profile.method,
            reference=int(outgoing.message[-4:], 16),
        )
        if outgoing.price_ore and len(parts) > 1:
            raise PriceNotSendable(
                f"operator {profile.name}: the premium text takes {len(parts)} segments; one may be sent"
            )
        echoes = profile.echoes(outgoing.echo)
        asked_for = outgoing.purpose == Purpose.SEND
        pieces = [
            Piece(
                outgoing,
                number,
                len(parts),
                profile.submit(
                    source=outgoing.address,
                    number=outgoing.number,
                    short_message=part.short_message,
                    esm_class=part.esm_class,
                    data_coding=part.data_coding,
                    tlvs=part.tlvs + echoes,
                    price_ore=outgoing.price_ore,
                    asked_for=asked_for,
                ),
            )
            for number, part in enumerate(parts, 1)
        ]
        for piece in pieces:
            # what SMPP cannot carry is refused here, not when its turn has come
            encode(piece.pdu, 1)
        return pieces

    def read_back(self, row: Row) -> list[Piece]:
        """The submit_sm of an MT that waits in the store (a row of `WAITING`)."""
        (
            message,
            conversation,
            short_code,
            address,
            number,
            text,
            price,
            purpose,
            at,
            expires,
            source,
            echo,
        ) = row[:12]
        operator, charge = row[13], row[12] or ""
        return self.pieces(
            Outgoing(
                message=message,
                conversation=conversation,
                operator=operator,
                short_code=short_code,
                address=address,
                number=number,
                text=text,
                price_ore=price,
                purpose=purpose,
                at_us=at,
                expires_us=expires,
                source=source,
                echo=echo,
                charge=charge,
            )
        )

    def tell(self, plan: Plan, conversation: str, message: str, fate: MessageFate, reason: str = "") -> None:
        """Write an MT's new fate and tell the bridge."""
        plan.fates.append((fate, reason, plan.at_us, message))
        if fate in FINAL_FATES:
            plan.ended.add(message)
        plan.handoff.append(
            MessageState(
                id=self._ids.new(),
                conversation=conversation,
                at=plan.at_us,
                message=message,
                fate=fate,
                reason=reason,
            )
        )

    def end(self, plan: Plan, outgoing: Outgoing, fate: MessageFate, reason: str = "") -> None:
        """Tell an MT's new fate; of one that the bridge asked for, also that it is settled."""
        self.tell(plan, outgoing.conversation, outgoing.message, fate, reason)
        if outgoing.purpose == Purpose.SEND and fate in (MessageFate.REFUSED, MessageFate.EXPIRED):
            plan.handoff.append(
                SmsSettled(
                    id=self._ids.new(),
                    conversation=outgoing.conversation,
                    at=plan.at_us,
                    sms=outgoing.source,
                    fate=fate,
                    reason=reason,
                )
            )

    def dispatch(
        self, tx: Tx, plan: Plan, queue: OperatorQueue, fresh: Iterable[Piece], rooms: list[tuple[Link, int]]
    ) -> None:
        """Take from the head of a queue what the links have room for; charges go to `sending` first.

        `rooms` holds each link with how many submit_sm it may take now.
        """
        free = {link: room for link, room in rooms if room > 0}
        taken = 0
        over = {id(outgoing) for outgoing in plan.over}
        for piece in queue.then(fresh):
            if not free:
                break
            taken += 1
            if piece.outgoing.over or id(piece.outgoing) in over or not self._may_go(tx, plan, piece):
                continue
            link = max(free, key=free.__getitem__)
            plan.submits.append((link, piece))
            free[link] -= 1
            if not free[link]:
                del free[link]
        if taken:
            plan.taken[queue.name] = taken

    def _may_go(self, tx: Tx, plan: Plan, piece: Piece) -> bool:
        outgoing = piece.outgoing
        if not outgoing.charge:
            if outgoing.expires_us > plan.at_us:
                return True
            if outgoing.message not in plan.ended:
                plan.over.append(outgoing)
                self.end(plan, outgoing, MessageFate.EXPIRED)
            return False
        if self._desk.start(tx, plan, outgoing.charge):
            return True
        charge = self._desk.find(tx, outgoing.charge)
        if charge is None or charge.state is not ChargeState.INTENDED:
            return False
        if charge.expires_us <= plan.at_us:
            self.give_up(tx, plan, outgoing)
            return False
        plan.held.append(piece)
        return False

    def give_up(self, tx: Tx, plan: Plan, outgoing: Outgoing) -> None:
        """A charge's time to start is over: it was not made."""
        charge = self._desk.find(tx, outgoing.charge)
        if charge and charge.state is ChargeState.INTENDED:
            self._desk.apply(tx, plan, charge, Evidence.TOO_LATE, reason=Reason.EXPIRED)
            self.end(plan, outgoing, MessageFate.EXPIRED, Reason.EXPIRED)


class OperatorQueue:
    """What waits for one account, in order; changed only after a commit.

    `limit` bounds what is in memory; beyond it messages wait in the store and `behind` says so.
    """

    def __init__(
        self, name: str, *, limit: int, rate: float, pause_s: float, pause_max_s: float = 60.0
    ) -> None:
        self.name = name
        self.behind = False
        self.last_read = ""
        self.held: dict[Tariff, deque[Piece]] = {}
        self._pieces: deque[Piece] = deque()
        self._tokens = max(1.0, rate)
        self._filled = 0.0
        self._pause_s = pause_s
        self._pause_max_s = pause_max_s
        self._resume = 0.0
        self.use(limit=limit, rate=rate, pause_s=pause_s)

    def use(self, *, limit: int, rate: float, pause_s: float) -> None:
        """Take new settings: pieces in memory, submit_sm a second, seconds of the first rest."""
        self.limit = limit
        self._rate = rate
        self._burst = max(1.0, rate)
        self._first_pause_s = pause_s

    def __len__(self) -> int:
        return len(self._pieces)

    def then(self, fresh: Iterable[Piece]) -> Iterable[Piece]:
        """The queue as it will be once `fresh` is at its end."""
        yield from self._pieces
        if not self.behind:
            yield from fresh

    def permits(self, now: float) -> int:
        """How many submit_sm the account's rate allows now; 0 while it rests."""
        if now < self._resume:
            return 0
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        return int(self._tokens)

    def next_permit(self, now: float) -> float:
        """When `permits` will be above zero again, on the monotonic clock."""
        if now < self._resume:
            return self._resume
        return now + max(0.0, (1.0 - self._tokens) / self._rate)

    def pause(self, now: float) -> float:
        """Throttled or full: the account rests, longer each time; for how many seconds."""
        if now < self._resume:
            return self._resume - now
        pause = self._pause_s
        self._resume = now + pause
        self._pause_s = min(self._pause_s * 2, self._pause_max_s)
        return pause

    def went_well(self) -> None:
        """An answer without complaint: pauses start small again."""
        self._pause_s = self._first_pause_s

    def apply(self, enqueued: list[Piece], taken: int, retaken: list[Piece], spent: int) -> None:
        """Make a committed plan true: add at the end, take from the head, put back at the head.

        Where the store holds older ones that are not in memory, new ones wait there too.
        """
        if enqueued and not self.behind:
            self._pieces.extend(enqueued)
            self.last_read = enqueued[-1].outgoing.message
            self.behind = len(self._pieces) > self.limit
        for _ in range(taken):
            self._pieces.popleft()
        self._pieces.extendleft(reversed(retaken))
        self._tokens -= spent

    def hold(self, piece: Piece) -> None:
        """Keep a charge aside until its tariff is free again."""
        outgoing = piece.outgoing
        tariff = (outgoing.number, outgoing.short_code, outgoing.price_ore)
        waiting = [*self.held.get(tariff, ()), piece]
        self.held[tariff] = deque(sorted(waiting, key=lambda each: each.outgoing.message))

    def release(self, tariff: Tariff) -> None:
        """A charge of this tariff ended: the next one that waits for it goes to the head."""
        waiting = self.held.get(tariff)
        if not waiting:
            return
        self._pieces.appendleft(waiting.popleft())
        if not waiting:
            del self.held[tariff]

    def retry_held(self) -> None:
        """Let the first charge of every tariff try again: a command beside the daemon may have ended what
        held it.
        """
        for tariff in list(self.held):
            self.release(tariff)

    def forget_held(self, now_us: int) -> None:
        """Drop charges kept aside whose time to start is over; the store has settled them."""
        for tariff, waiting in list(self.held.items()):
            kept = deque(piece for piece in waiting if piece.outgoing.expires_us > now_us)
            if kept:
                self.held[tariff] = kept
            else:
                del self.held[tariff]

    def refill(self, pieces: list[Piece], *, last: str, more: bool) -> None:
        """Add what was read back from the store, up to message `last`; `more`: it holds still more."""
        self._pieces.extend(pieces)
        self.behind = more
        self.last_read = last


REPLY_EXPIRY_US = 86_400 * SECOND_US
"""A free reply that could not be sent for a day says nothing to anybody any more."""
