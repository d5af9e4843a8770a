"""What becomes of a message that a model operator took: when it is billed, and which receipts tell of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from sim_message import (
    MESSAGE_ID,
    MESSAGE_STATE,
    NETWORK_ERROR,
    STATES,
    Item,
    Sm,
)

from foundation.clock import oslo
from smsd.smpp import pdu as p

if TYPE_CHECKING:
    from sim_operator import ModelOperator


class IdSource:
    """What an SMSC calls messages: one form in its answers, maybe another in its receipts."""

    def __init__(self, form: str, *, big: bool, rng: random.Random) -> None:
        self._form = form
        self._big = big
        self._rng = rng
        self._next = 1
        self._epoch = 0
        self._used: dict[tuple[str, str], Sm] = {}
        self._by_id: dict[str, Sm] = {}

    def restart(self, *, anew: bool) -> None:
        """The SMSC comes up again; `anew`: it counts from the beginning."""
        self._epoch += 1
        if anew:
            self._next = 1

    def pair(self, number: str, *, may_share: bool) -> tuple[str, str]:
        """An id as the answer and as the receipts spell it.

        One that the same phone had before is given again where anybody could see that the message before is
        through: its last receipt was acknowledged; `may_share`: and receipts do not overtake answers.
        """
        while True:
            pair = self._pair()
            before = self._used.get((pair[1], number))
            if before is None or (may_share and before.final and before.receipt_heard):
                return pair

    def keep(self, sm: Sm) -> str:
        """This message has its id; which kind of use again that is, or nothing."""
        before, anybody = self._used.get((sm.receipt_id, sm.number)), self._by_id.get(sm.receipt_id)
        self._used[sm.receipt_id, sm.number] = self._by_id[sm.receipt_id] = sm
        if before is not None:
            before.shared_id = sm.shared_id = True
            return "an id is used again for the same phone"
        return "an id is used again for another phone" if anybody is not None else ""

    def _pair(self) -> tuple[str, str]:
        value, self._next = self._next, self._next + 1
        if self._form == "uuid":
            text = f"{value:08x}-{self._epoch:04x}-4000-8000-{self._rng.getrandbits(48):012x}"
            return (text, text.upper() if self._rng.random() < 0.3 else text)
        big = value + (1 << 62 if self._big else 250)
        return {
            "decimal": (str(big), str(big)),
            "padded": (f"{big:020d}", f"{big:020d}"),
            "hex": (f"{big:x}", f"{big:x}"),
            "resp-hex": (f"{big:X}", str(big)),
            "receipt-hex": (str(big), f"{big:x}"),
        }[self._form]


class Fates:
    """Lets a message be delivered, billed and told of, as the operator's traits and the dice say."""

    def __init__(self, operator: ModelOperator) -> None:
        self.operator = operator
        self.world = operator.world
        self.agenda = operator.agenda
        self.traits = operator.traits
        self.rng = operator.rng

    def free(self, sm: Sm) -> None:
        """A message that costs nothing."""
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

    def premium(self, sm: Sm) -> None:
        """A message that costs money."""
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
        if never:
            return
        self._receipt(sm, delay_s + 0.001, stat, err=err, final=True)
        if rng.random() < traits.receipt_twice:
            world.fired("receipt twice")
            self._receipt(sm, delay_s + rng.uniform(0.01, 200), stat, err=err)
        if rng.random() < traits.receipt_odd:
            world.fired("reorder: a pending receipt after the final one")
            self._receipt(sm, delay_s + rng.uniform(0.01, 20), rng.choice(("ENROUTE", "ACCEPTD")))
        if rng.random() < traits.lies:
            world.fired("contradictory receipts")
            sm.lied_about = True
            wrong = "DELIVRD" if fails else "UNDELIV"
            self._receipt(sm, delay_s + rng.choice((-0.05, 0.5, 100.0)), wrong, lie=True)

    def _bill(self, sm: Sm) -> None:
        sm.billed_at = self.agenda.now
        phone = self.world.phones[sm.number]
        if phone.credit_ore is not None:
            phone.credit_ore -= sm.price_ore
        self.world.fired(
            {"accept": "billed on accept", "delivery": "billed on delivery", "late": "billed late"}[
                self.traits.billing
            ]
        )
        self.world.tell(
            f"{self.traits.name}: BILLS {sm.number[-2:]} {sm.price_ore // 100} kr for {sm.response_id}"
        )

    def _receipt(
        self, sm: Sm, delay_s: float, stat: str, *, err: str = "000", final: bool = False, lie: bool = False
    ) -> None:

        def send() -> None:
            if sm.forgotten:
                return
            if not sm.price_ore and final:
                sm.final = True
            self.world.tell(f"{self.traits.name}: receipt {sm.receipt_id} {stat} err:{err}")
            if sm.price_ore and final:
                self._calendar(sm)

            def heard() -> None:
                sm.receipt_heard |= final
                sm.lie_heard |= lie

            self.operator.items.append(
                Item(self._receipt_pdu(sm, stat, err), f"receipt {sm.receipt_id}", heard)
            )
            self.operator.pump()

        self.agenda.after(max(0.0005, delay_s), send)

    def _calendar(self, sm: Sm) -> None:
        """Count what the calendar did between the text and its receipt."""
        mos = [mo for mo in self.world.mos if mo.number == sm.number and sm.mo in ("", mo.ref)]
        if not mos:
            return
        then, now = oslo(mos[-1].at_us), oslo(self.operator.clock.now_us())
        if then.year != now.year:
            self.world.fired("New Year between MO and receipt")
        if then.utcoffset() != now.utcoffset():
            self.world.fired("summer time begins or ends between MO and receipt")

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
