"""MT out: texts made into messages and submit_sm, and those picked that may go now.

All of it is decided inside a transaction; what is remembered in between is `smsd.queues`'.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from foundation.clock import SECOND_US
from foundation.contract import Direction, Message, MessageFate, MessageState, Purpose, SmsSettled
from foundation.ids import Ids
from foundation.store import Row, Tx
from smsd.charging import pauses
from smsd.charging.desk import Desk
from smsd.charging.states import ChargeState, Evidence
from smsd.links import pair_of
from smsd.operators import OperatorProfile, PriceNotSendable
from smsd.queues import Lane, OperatorQueue
from smsd.smpp.codec import encode
from smsd.smpp.link import Link
from smsd.smpp.segments import split
from smsd.work import FINAL_FATES, Outgoing, Piece, Plan


class Route(msgspec.Struct, frozen=True, gc=False):
    """The way to a phone: the account, the short code, the number it sees, the TLVs to repeat, and the
    pair of links its MO came on."""

    operator: str
    short_code: str
    address: str
    echo: bytes = b""
    bind: str = ""


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
        lane: Lane = Lane.FIRST,
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
            org=org,
            lane=lane,
            bind=route.bind if self._profiles[route.operator].same_bind else "",
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
                route.bind,
                lane,
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

    def read_back(self, row: Row, operator: str, lane: Lane) -> list[Piece]:
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
            charge,
            org,
            bind,
        ) = row
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
                charge=charge or "",
                org=org,
                lane=lane,
                bind=bind if self._profiles[operator].same_bind else "",
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

    def expire(self, plan: Plan, queue: OperatorQueue) -> None:
        """Give up what waited too long, whether or not there is a way to send; charges have their own end."""
        over = {id(outgoing) for outgoing in plan.over}
        taken = plan.taken.get(queue.name, {})
        for lane in queue.waiting((), taken):
            for stream, pieces in lane:
                for piece in pieces:
                    outgoing = piece.outgoing
                    ended = outgoing.over or id(outgoing) in over
                    if not ended and (outgoing.charge or outgoing.expires_us > plan.at_us):
                        break
                    taken[stream] = taken.get(stream, 0) + 1
                    if not ended:
                        over.add(id(outgoing))
                        plan.over.append(outgoing)
                        self.end(plan, outgoing, MessageFate.EXPIRED)
        if taken:
            plan.taken[queue.name] = taken

    def dispatch(
        self, tx: Tx, plan: Plan, queue: OperatorQueue, fresh: Iterable[Piece], rooms: list[tuple[Link, int]]
    ) -> None:
        """Take from a queue what the links have room for; charges go to `sending` first.

        Lane by lane, in each one of every organisation in turn. `rooms` holds each link that is up with how
        many submit_sm it may take now.
        """
        free = {link: room for link, room in rooms if room > 0}
        over = {id(outgoing) for outgoing in plan.over}
        taken = plan.taken.get(queue.name, {})
        waits: list[int | None] = []
        limited = queue.rates.limited
        link: Link | None
        allowed = sum(free.values()) if queue.allowed is None else queue.allowed
        for lane in queue.waiting(fresh, taken):
            ring = deque(lane)
            while ring and free and allowed > 0:
                stream, pieces = ring.popleft()
                piece = next(pieces, None)
                if piece is None:
                    continue
                outgoing = piece.outgoing
                if outgoing.over or id(outgoing) in over:
                    link = None
                elif not (outgoing.bind or limited):
                    link = max(free, key=free.__getitem__) if len(free) > 1 else next(iter(free))
                else:
                    link, may, wait_us = self._way(plan, queue, outgoing, free, rooms)
                    if not may:
                        waits.append(wait_us)
                        continue
                taken[stream] = taken.pop(stream, 0) + 1
                ring.append((stream, pieces))
                if link is None or not self._may_go(tx, plan, piece):
                    continue
                plan.submits.append((link, piece))
                if limited:
                    plan.spent[outgoing.org] = plan.spent.get(outgoing.org, 0) + 1
                allowed -= 1
                free[link] -= 1
                if not free[link]:
                    del free[link]
        if taken:
            plan.taken[queue.name] = taken
        known = [wait for wait in waits if wait is not None]
        plan.stalled[queue.name] = 0 if not waits or not free or allowed <= 0 else min(known, default=None)

    def _way(
        self,
        plan: Plan,
        queue: OperatorQueue,
        outgoing: Outgoing,
        free: Mapping[Link, int],
        rooms: list[tuple[Link, int]],
    ) -> tuple[Link | None, bool, int | None]:
        """The link for an MT and whether it may go now; else when to look again (UTC µs), if that is known.

        One that must go by its MO's bind waits for it while it is up, however full; where it is down, for
        `same_bind_wait_s` of its own age. Then any will do.
        """
        links = free
        if outgoing.bind:
            own = {link: room for link, room in free.items() if pair_of(link.name) == outgoing.bind}
            if own:
                links = own
            elif any(pair_of(link.name) == outgoing.bind for link, _ in rooms):
                return None, False, None
            else:
                until_us = outgoing.at_us + self._profiles[outgoing.operator].same_bind_wait_us
                if plan.at_us < until_us:
                    return None, False, until_us
        rates = queue.rates
        if rates.limited:
            spent = plan.spent.get(outgoing.org, 0)
            if rates.left(outgoing.org, plan.at_us) - spent < 1:
                return None, False, rates.next_us(outgoing.org, plan.at_us, spent)
        return max(links, key=links.__getitem__), True, None

    def _may_go(self, tx: Tx, plan: Plan, piece: Piece) -> bool:
        outgoing = piece.outgoing
        if not outgoing.charge:
            if outgoing.expires_us > plan.at_us:
                return True
            if outgoing.message not in plan.ended:
                plan.over.append(outgoing)
                self.end(plan, outgoing, MessageFate.EXPIRED)
            return False
        if not pauses.paused(tx, plan, outgoing.org) and self._desk.start(tx, plan, outgoing.charge):
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
            reason = pauses.why_too_late(tx, plan, charge.org)
            self._desk.apply(tx, plan, charge, Evidence.TOO_LATE, reason=reason)
            self.end(plan, outgoing, MessageFate.EXPIRED, reason)


REPLY_EXPIRY_US = 86_400 * SECOND_US
"""A free reply that could not be sent for a day says nothing to anybody any more."""
