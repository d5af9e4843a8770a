"""A model operator: takes, bills, delivers, forgets and lies as its traits say, and keeps its own ledger.

Written for the oracle: it shares the SMPP session with the gateway, and none of what decides about money.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim_time import SimLoop

from smsd.smpp import pdu as p
from smsd.smpp.answers import Answer, AnswerKind
from smsd.smpp.constants import CommandId
from smsd.smpp.server import ServerConnection, SmppServer
from smsd.smpp.session import SessionSettings
from smsd.smpp.wire import Wire

if TYPE_CHECKING:
    from sim_world import World

MO_TAG = 0x1502
PRICE_TAG = 0x1403
MESSAGE_ID, MESSAGE_STATE, NETWORK_ERROR = 0x001E, 0x0427, 0x0423
THROTTLED, QUEUE_FULL, SYSTEM_ERROR, BAD_NUMBER, NO_CREDIT = 0x58, 0x14, 0x08, 0x0B, 0x401
STATES = {
    "ENROUTE": 1, "DELIVRD": 2, "EXPIRED": 3, "DELETED": 4,
    "UNDELIV": 5, "ACCEPTD": 6, "UNKNOWN": 7, "REJECTD": 8,
}  # fmt: skip
_RECEIVES = (CommandId.BIND_TRANSCEIVER, CommandId.BIND_RECEIVER)
TARIFFS = {"50": "3115", "100": "3120", "150": "3125"}
"""Kroner → code, where the price travels as service_type."""


@dataclass(frozen=True)
class Traits:
    """What kind of operator this is; probabilities are per message."""

    name: str = "telco"
    port: int = 2775
    ids: str = "decimal"  # decimal padded hex uuid resp-hex receipt-hex
    price: str = "tlv"  # tlv int kroner service_type
    billing: str = "delivery"  # accept delivery late
    receipts: str = "text"  # text tlv both swapped
    echo: bool = True
    throttles: float = 0.0
    refuses: float = 0.0
    unclear: float = 0.0
    nacks: float = 0.0
    swallows: float = 0.0
    silent: float = 0.0
    answers_late: float = 0.0
    drops_link: float = 0.0
    undelivered: float = 0.15
    receipt_first: float = 0.0
    receipt_twice: float = 0.0
    receipt_never: float = 0.0
    receipt_late: float = 0.0
    receipt_odd: float = 0.0
    lies: float = 0.0
    closes_on_silence: bool = True
    patience_s: float = 20.0


@dataclass
class Sm:
    """A short message the operator took, and what became of the money."""

    place: int
    number: str
    price_ore: int
    text: bytes
    mo: str
    taken_at: float
    response_id: str
    receipt_id: str
    billed_at: float | None = None
    lied_about: bool = False
    forgotten: bool = False
    final: bool = False
    told_at: float | None = None
    receipt_heard: bool = False
    """Whether the receipt that decides was acknowledged."""


@dataclass
class Mo:
    """A text from a phone, on its way until it is acknowledged."""

    ref: str
    number: str
    text: str
    kind: str
    pdus: list[p.DeliverSm]
    acked_parts: set[int] = field(default_factory=set)
    sent: int = 0
    acked_at: float | None = None
    unsure: bool = False

    @property
    def acked(self) -> bool:
        return len(self.acked_parts) == len(self.pdus)


@dataclass(eq=False)
class Item:
    """Something for the ESME: a part of an MO or a receipt."""

    pdu: p.DeliverSm
    what: str
    on_acked: Callable[[], None]
    mo: Mo | None = None
    waits_until: float = 0.0
    under_way: bool = False
    done: bool = False


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
        self._next_id = 1
        self._epoch = 0
        self._used: dict[tuple[str, str], Sm] = {}

    # connections

    def accept(self) -> Wire:
        """A connection comes in."""
        return ServerConnection(self.server).wire

    def on_bind(self, conn: ServerConnection, frame: p.Frame) -> int | None:
        self.conns.append(conn)
        self.world.fired("bind")
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
        self._epoch += 1
        if resets_ids:
            self._next_id = 1
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
                    if item.mo.sent > len(item.mo.pdus):
                        self.world.fired("MO sent again")
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
                self.world.fired("deliver_sm not answered in time")
                if self.traits.closes_on_silence:
                    self.agenda.after(0, conn.drop)
                else:
                    wait_s = self.rng.uniform(0, 5)
                    if item.mo is not None:
                        # on the same bind again: whoever answered late cannot tell it from a second text
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
                world.fired(f"operator: {act.__name__.strip('_')}")
                world.tell(f"{traits.name}: {act.__name__.strip('_')}s {what}")
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
        self.agenda.after(delay_s, lambda: self._answer(conn, frame, sm.response_id, 0))

    def _answer(self, conn: ServerConnection, frame: p.Frame, message_id: str, status: int) -> None:
        conn.respond(frame, p.SubmitSmResp(message_id), status)

    # what becomes of a message

    def _accept(self, frame: p.Frame, pdu: p.SubmitSm, price_ore: int) -> Sm:
        response_id, receipt_id = self._new_ids("+" + pdu.destination_addr)
        mo = (p.find(pdu.tlvs, MO_TAG) or b"").decode()
        sm = Sm(
            len(self.ledger), "+" + pdu.destination_addr, price_ore, pdu.short_message, mo, self.agenda.now,
            response_id, receipt_id,
        )  # fmt: skip
        self.ledger.append(sm)
        self._used[receipt_id, sm.number] = sm
        kind = f"premium {price_ore // 100} kr" if price_ore else "free"
        self.world.tell(
            f"{self.traits.name}: takes {kind} to {sm.number[-2:]} as {response_id} for {mo or '?'}: "
            f"{pdu.short_message[:24]!r}"
        )
        if price_ore:
            self._premium(sm)
        else:
            self._free(sm)
        return sm

    def _new_ids(self, number: str) -> tuple[str, str]:
        while True:
            value, self._next_id = self._next_id, self._next_id + 1
            form = self.traits.ids
            if form == "uuid":
                text = f"{value:08x}-{self._epoch:04x}-4000-8000-{self.rng.getrandbits(48):012x}"
                pair = (text, text.upper() if self.rng.random() < 0.3 else text)
            else:
                big = value + (1 << 62 if self.traits.receipts == "both" else 250)
                pair = {
                    "decimal": (str(big), str(big)),
                    "padded": (f"{big:020d}", f"{big:020d}"),
                    "hex": (f"{big:x}", f"{big:x}"),
                    "resp-hex": (f"{big:X}", str(big)),
                    "receipt-hex": (str(big), f"{big:x}"),
                }[form]
            # the same id for the same phone again could not be told apart by anybody
            if (pair[1], number) not in self._used:
                return pair

    def _free(self, sm: Sm) -> None:
        rng = self.rng
        delay_s = rng.uniform(0.05, 2)
        if rng.random() < self.traits.receipt_first:
            delay_s = 0.0003
        delivered = rng.random() >= self.traits.undelivered * 0.3 or self.world.calm

        def deliver() -> None:
            if sm.forgotten:
                return
            if delivered:
                sm.told_at = self.agenda.now
                self.world.phones[sm.number].told.append((self.agenda.now, sm.mo, sm.text))
                self.world.tell(f"phone {sm.number[-2:]} reads {sm.text[:40]!r}")

        self.agenda.after(delay_s, deliver)
        self._receipt(sm, delay_s + 0.01, "DELIVRD" if delivered else "UNDELIV", final=True)

    def _premium(self, sm: Sm) -> None:
        traits, rng, world = self.traits, self.rng, self.world
        phone = world.phones[sm.number]
        poor = phone.credit_ore is not None and phone.credit_ore < sm.price_ore
        delay_s = rng.uniform(0.1, 3)
        if rng.random() < traits.receipt_late:
            delay_s = rng.choice(
                (rng.uniform(20, 90), rng.uniform(3600, 12 * 3600), rng.uniform(20 * 3600, 47 * 3600))
            )
            world.fired("receipt late")
        if rng.random() < traits.receipt_first:
            world.fired("receipt before the response")
            delay_s = 0.0003
        fails = poor or rng.random() < traits.undelivered
        if traits.billing == "accept" and not poor:
            fails = False
            self._bill(sm)
        never = rng.random() < traits.receipt_never
        if never:
            world.fired("receipt never")
        stat = rng.choice(("UNDELIV", "EXPIRED", "REJECTD", "DELETED")) if fails else "DELIVRD"
        if poor:
            stat = "UNDELIV"
        err = "0021" if poor else ("000" if rng.random() < 0.6 else rng.choice(("0021", "0022", "0099")))
        if rng.random() < traits.receipt_odd:
            world.fired("receipt pending before the final one")
            self._receipt(
                sm, delay_s * rng.random(), rng.choice(("ENROUTE", "ACCEPTD", "UNKNOWN")), err="0021"
            )
        if traits.billing == "late":
            # delivered first, billing is tried again and again
            self._receipt(sm, delay_s, "DELIVRD", err="0210")
            delay_s += rng.choice((rng.uniform(1, 5), rng.uniform(60, 9000)))

        def end() -> None:
            if sm.forgotten:
                return
            if not fails and sm.billed_at is None:
                self._bill(sm)
            sm.final = True

        self.agenda.after(delay_s, end)
        if not never:
            self._receipt(sm, delay_s + 0.001, stat, err=err, final=True)
            if rng.random() < traits.receipt_twice:
                world.fired("receipt twice")
                self._receipt(sm, delay_s + rng.uniform(0.01, 200), stat, err=err)
            if rng.random() < traits.receipt_odd:
                world.fired("receipt pending after the final one")
                self._receipt(sm, delay_s + rng.uniform(0.01, 20), rng.choice(("ENROUTE", "ACCEPTD")))
            if rng.random() < traits.lies:
                world.fired("contradictory receipt")
                sm.lied_about = True
                self._receipt(
                    sm, delay_s + rng.choice((-0.05, 0.5, 100.0)), "UNDELIV" if not fails else "DELIVRD"
                )

    def _bill(self, sm: Sm) -> None:
        sm.billed_at = self.agenda.now
        phone = self.world.phones[sm.number]
        if phone.credit_ore is not None:
            phone.credit_ore -= sm.price_ore
        self.world.tell(
            f"{self.traits.name}: BILLS {sm.number[-2:]} {sm.price_ore // 100} kr for {sm.response_id}"
        )

    # receipts

    def _receipt(self, sm: Sm, delay_s: float, stat: str, *, err: str = "000", final: bool = False) -> None:

        def send() -> None:
            if sm.forgotten:
                return
            if not sm.price_ore and final:
                sm.final = True
            self.world.tell(f"{self.traits.name}: receipt {sm.receipt_id} {stat} err:{err}")

            def heard() -> None:
                sm.receipt_heard |= final

            self.items.append(Item(self._receipt_pdu(sm, stat, err), f"receipt {sm.receipt_id}", heard))
            self.pump()

        self.agenda.after(max(0.0005, delay_s), send)

    def _receipt_pdu(self, sm: Sm, stat: str, err: str) -> p.DeliverSm:
        form = self.traits.receipts
        text, tlvs = b"", []
        if form != "tlv":
            stamp = "2611221200"
            text = (
                f"id:{sm.receipt_id} sub:001 dlvrd:001 submit date:{stamp} done date:{stamp} "
                f"stat:{stat} err:{err} text:"
            ).encode("ascii")
        if form in ("tlv", "both"):
            tlvs = [
                p.Tlv(MESSAGE_ID, sm.receipt_id.encode() + b"\0"),
                p.Tlv(MESSAGE_STATE, bytes((STATES[stat],))),
            ]
            if form == "tlv" and err != "000":
                tlvs.append(p.Tlv(NETWORK_ERROR, err[1:].encode()))
        phone, code = sm.number.removeprefix("+"), self.world.short_code
        if form == "swapped":
            phone, code = code, phone
        return p.DeliverSm(
            source_addr_ton=1, source_addr_npi=1, source_addr=phone, destination_addr=code, esm_class=0x04,
            short_message=text, tlvs=tuple(tlvs),
        )  # fmt: skip

    # the oracle's questions

    @property
    def billed(self) -> list[Sm]:
        """Every row of the ledger that somebody pays for."""
        return [sm for sm in self.ledger if sm.billed_at is not None]

    @property
    def busy(self) -> bool:
        """Whether something for the ESME still waits."""
        return bool(self.items)


def any_of(rng: random.Random, *choices: Any) -> Any:
    """One of these."""
    return rng.choice(choices)
