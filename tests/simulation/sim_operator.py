"""A model operator: takes, bills, delivers, forgets and lies as its traits say, and keeps its own ledger.

Written for the oracle: it shares the SMPP session with the gateway, and none of what decides about money.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from sim_fates import Fates, IdSource
from sim_message import (
    BAD_NUMBER,
    MO_TAG,
    NO_CREDIT,
    PRICE_TAG,
    QUEUE_FULL,
    SYSTEM_ERROR,
    TARIFFS,
    THROTTLED,
    Item,
    Mo,
    Sm,
    Traits,
)
from sim_network import Transport
from sim_time import SimLoop

from smsd.smpp import pdu as p
from smsd.smpp.answers import Answer, AnswerKind
from smsd.smpp.constants import CommandId
from smsd.smpp.server import ServerConnection, SmppServer
from smsd.smpp.session import SessionSettings
from smsd.smpp.wire import Wire

if TYPE_CHECKING:
    from sim_world import World

_RECEIVES = (CommandId.BIND_TRANSCEIVER, CommandId.BIND_RECEIVER)


class ModelOperator:
    """One SMSC with its phones' money."""

    def __init__(self, world: World, traits: Traits, rng: random.Random) -> None:
        self.world = world
        self.agenda = world.agenda
        self.traits = traits
        self.rng = rng
        self.loop = SimLoop(world.agenda, f"operator {traits.name}")
        self.clock = world.clock_of(traits.name)
        self.server = SmppServer(
            self,
            clock=self.clock,
            settings=SessionSettings(
                window=10, enquire_link_s=30.0, response_timeout_s=traits.patience_s, bind_timeout_s=30.0
            ),
        )
        self.ledger: list[Sm] = []
        self.items: list[Item] = []
        self.conns: list[ServerConnection] = []
        self.down_until = 0.0
        self.hangs_until = 0.0
        self.throttling_until = 0.0
        self._ids = IdSource(traits.ids, big=traits.receipts == "both", rng=rng)
        self._fates = Fates(self)

    # connections

    def accept(self) -> Wire:
        """A connection comes in."""
        return ServerConnection(self.server).wire

    def on_bind(self, conn: ServerConnection, frame: p.Frame) -> int | None:
        self.conns.append(conn)
        self.agenda.after(0.001, self.pump)
        return 0

    def on_closed(self, conn: ServerConnection, reason: str) -> None:
        self.conns = [each for each in self.conns if each is not conn]
        self.world.tell(f"{self.traits.name}: a bind ended: {reason}")

    def restart(self, down_s: float, *, resets_ids: bool, forgets: float) -> None:
        """All binds end at once; what was in memory may be gone."""
        self.down_until = self.agenda.now + down_s
        self.world.tell(
            f"{self.traits.name}: restarts, down for {down_s:.0f} s" + (", ids anew" if resets_ids else "")
        )
        for conn in list(self.conns):
            conn.drop()
        self._ids.restart(anew=resets_ids)
        for sm in self.ledger:
            if not sm.final and self.rng.random() < forgets:
                sm.forgotten = True
                self.world.fired("operator forgets a message")

    # to the ESME

    def text_from_phone(self, mo: Mo) -> None:
        """A phone has sent a text."""
        for part, pdu in enumerate(mo.pdus):

            def acked(part: int = part) -> None:
                mo.acked_parts.add(part)
                if mo.acked and mo.acked_at is None:
                    mo.acked_at = self.agenda.now

            self.items.append(Item(pdu, f"MO {mo.ref}", acked, mo))
        self.pump()

    def pump(self) -> None:
        """Send what can go, oldest first."""
        now = self.agenda.now
        ready = [conn for conn in self.conns if conn.bound_kind in _RECEIVES and conn.room]
        for item in self.items:
            if item.under_way or item.done or item.waits_until > now:
                continue
            if not ready:
                return
            conn = self.rng.choice(ready)
            if conn.request(item.pdu, item):
                item.under_way = True
                if item.mo is not None:
                    item.mo.sent += 1
                    again_here = any(each is conn for each in item.mo.conns) and len(item.mo.pdus) == 1
                    item.mo.conns.append(conn)
                    if item.mo.sent > len(item.mo.pdus):
                        self.world.fired("duplicate: an MO is sent again")
                        if again_here:
                            self.world.fired("duplicate: an MO is sent again on the same bind")
                        self.world.tell(f"{self.traits.name}: sends {item.what} again")
            if not conn.room:
                ready.remove(conn)

    def on_answers(self, conn: ServerConnection, answers: list[Answer]) -> None:
        for answer in answers:
            item = answer.tag
            assert isinstance(item, Item)
            if answer.kind in (AnswerKind.ANSWERED, AnswerKind.LATE) and answer.status == 0:
                if not item.done:
                    item.done = True
                    item.on_acked()
                continue
            if answer.kind is AnswerKind.LATE or item.done:
                continue
            item.under_way = False
            wait_s = 0.0
            if answer.kind is AnswerKind.TIMED_OUT:
                if self.traits.closes_on_silence:
                    self.agenda.after(0, conn.drop)
                else:
                    wait_s = self.rng.choice((0.0, self.rng.uniform(0, 5)))
                    if item.mo is not None and _in_trouble(conn, self.agenda.now - self.traits.patience_s):
                        # on the same bind again, and our answer is still on its way: nobody at the other
                        # end can tell that from a second text
                        item.mo.unsure = True
            elif answer.kind is AnswerKind.ANSWERED:
                wait_s = self.rng.uniform(1, 5)
                self.world.tell(f"{self.traits.name}: {item.what} was refused with 0x{answer.status:x}")
            item.waits_until = self.agenda.now + wait_s
            self.agenda.after(wait_s + 0.001, self.pump)
        self.items = [item for item in self.items if not item.done]
        if self.items:
            self.agenda.after(0.001, self.pump)

    # from the ESME

    def on_requests(self, conn: ServerConnection, frames: list[p.Frame]) -> None:
        for frame in frames:
            if isinstance(frame.pdu, p.SubmitSm):
                self._submit(conn, frame, frame.pdu)
            else:
                conn.respond(frame, p.GenericNack(), 3)

    def price_of(self, pdu: p.SubmitSm) -> int:
        """What the message says it costs, in øre."""
        if self.traits.price == "service_type":
            return next((int(kr) * 100 for kr, code in TARIFFS.items() if code == pdu.service_type), 0)
        value = p.find(pdu.tlvs, PRICE_TAG)
        if value is None:
            return 0
        if self.traits.price == "int":
            return int.from_bytes(value, "big")
        word = int(value.rstrip(b"\0"))
        return word * 100 if self.traits.price == "kroner" else word

    def _submit(self, conn: ServerConnection, frame: p.Frame, pdu: p.SubmitSm) -> None:
        traits, rng, world = self.traits, self.rng, self.world
        price_ore = self.price_of(pdu)
        number = "+" + pdu.destination_addr
        what = f"{'premium ' + str(price_ore // 100) + ' kr' if price_ore else 'free'} to {number[-2:]}"
        calm = world.calm
        draw = rng.random() + (1.0 if calm else 0.0)
        if self.agenda.now < self.throttling_until and not calm:
            self._answer(conn, frame, "", THROTTLED)
            return
        for odds, act in (
            (traits.throttles, self._throttle),
            (traits.refuses, self._refuse),
            (traits.unclear, self._unclear),
            (traits.nacks, self._nack),
            (traits.swallows, self._swallow),
        ):
            if draw < odds:
                world.fired(f"operator: {_ACTS[act.__name__]}")
                world.tell(f"{traits.name}: {_ACTS[act.__name__]}: {what}")
                act(conn, frame, pdu, price_ore)
                return
            draw -= odds
        phone = world.phones[number]
        if price_ore and phone.credit_ore is not None and phone.credit_ore < price_ore and rng.random() < 0.5:
            world.fired("prepaid refusal")
            world.tell(f"{traits.name}: refuses {what}: no credit")
            self._answer(conn, frame, "", NO_CREDIT)
            return
        self._take(conn, frame, pdu, price_ore)

    def _throttle(self, conn: ServerConnection, frame: p.Frame, pdu: p.SubmitSm, price_ore: int) -> None:
        self.throttling_until = self.agenda.now + self.rng.choice((0.0, 0.0, 3.0, 8.0))
        self._answer(conn, frame, "", self.rng.choice((THROTTLED, QUEUE_FULL)))

    def _refuse(self, conn: ServerConnection, frame: p.Frame, pdu: p.SubmitSm, price_ore: int) -> None:
        self._answer(conn, frame, "", BAD_NUMBER)

    def _unclear(self, conn: ServerConnection, frame: p.Frame, pdu: p.SubmitSm, price_ore: int) -> None:
        """A status that the profile does not trust: the message may have been taken."""
        if self.rng.random() < 0.5:
            self._accept(frame, pdu, price_ore)
        self._answer(conn, frame, "", SYSTEM_ERROR)

    def _nack(self, conn: ServerConnection, frame: p.Frame, pdu: p.SubmitSm, price_ore: int) -> None:
        conn.respond(frame, p.GenericNack(), 3)

    def _swallow(self, conn: ServerConnection, frame: p.Frame, pdu: p.SubmitSm, price_ore: int) -> None:
        """Lost inside the SMSC."""

    def _take(self, conn: ServerConnection, frame: p.Frame, pdu: p.SubmitSm, price_ore: int) -> None:
        traits, rng, world = self.traits, self.rng, self.world
        sm = self._accept(frame, pdu, price_ore)
        delay_s = rng.uniform(0.001, 0.2)
        draw = rng.random() + (1.0 if world.calm else 0.0)
        if draw < traits.silent:
            world.fired("operator: never answers")
            world.tell(f"{traits.name}: never answers {sm.response_id}")
            return
        draw -= traits.silent
        if draw < traits.drops_link:
            world.fired("operator: drops the link instead of an answer")
            world.tell(f"{traits.name}: drops the link instead of answering {sm.response_id}")
            self.agenda.after(0, conn.drop)
            return
        draw -= traits.drops_link
        if draw < traits.answers_late:
            world.fired("operator: answers late")
            delay_s = world.response_timeout_s + rng.uniform(0.1, 20)
        self.agenda.after(delay_s, lambda: self._say_taken(conn, frame, sm))

    def _say_taken(self, conn: ServerConnection, frame: p.Frame, sm: Sm) -> None:
        sm.answered = True
        self._answer(conn, frame, sm.response_id, 0)

    def _answer(self, conn: ServerConnection, frame: p.Frame, message_id: str, status: int) -> None:
        conn.respond(frame, p.SubmitSmResp(message_id), status)

    def _accept(self, frame: p.Frame, pdu: p.SubmitSm, price_ore: int) -> Sm:
        number = "+" + pdu.destination_addr
        may_share = not self.traits.receipt_first
        response_id, receipt_id = self._ids.pair(number, may_share=may_share)
        mo = (p.find(pdu.tlvs, MO_TAG) or b"").decode()
        sm = Sm(
            len(self.ledger), number, price_ore, pdu.short_message, mo, self.agenda.now, response_id,
            receipt_id,
        )  # fmt: skip
        self.ledger.append(sm)
        again = self._ids.keep(sm)
        if again:
            self.world.fired(again)
        kind = f"premium {price_ore // 100} kr" if price_ore else "free"
        self.world.tell(
            f"{self.traits.name}: takes {kind} to {sm.number[-2:]} as {response_id} for {mo or '?'}: "
            f"{pdu.short_message[:24]!r}"
        )
        if price_ore:
            self.world.fired(f"ids: {self.traits.ids}")
            self._fates.premium(sm)
        else:
            self._fates.free(sm)
        return sm

    # the oracle's questions

    @property
    def billed(self) -> list[Sm]:
        """Every row of the ledger that somebody pays for."""
        return [sm for sm in self.ledger if sm.billed_at is not None]

    @property
    def busy(self) -> bool:
        """Whether something for the ESME still waits."""
        return bool(self.items)


def _in_trouble(conn: ServerConnection, since: float) -> bool:
    transport = conn.wire._transport
    return not isinstance(transport, Transport) or transport.connection.in_trouble(since)


_ACTS = {
    "_throttle": "throttles",
    "_refuse": "refuses",
    "_unclear": "answers unclearly",
    "_nack": "answers by generic_nack",
    "_swallow": "loses a message inside",
}
