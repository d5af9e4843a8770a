"""Harm to what is told and handed over: alarms, replies, amounts, parcels, texts, reports and the bridge."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from sabotage import sabotage

from billing_bridge import matching
from billing_bridge.daemon import BridgeDaemon
from billing_bridge.invoicing import ledger
from billing_bridge.payments import charging as bridge_charging
from billing_bridge.records import Invoice
from foundation import mailbox
from foundation.courier import Courier
from foundation.store import StoreFailed
from smsd.charging import reconciliation, worklist
from smsd.charging.desk import Desk
from smsd.charging.states import Evidence
from smsd.inbox import Inbox
from smsd.operators import OperatorProfile
from smsd.work import Plan

E = Evidence


# what is told


@sabotage("doubts are not alarmed")
def alarms_no_doubt() -> list[Any]:
    def apply(self: Desk, tx: Any, plan: Plan, *args: Any, **named: Any) -> Any:
        before = len(plan.alarms)
        result = real(self, tx, plan, *args, **named)
        del plan.alarms[before:]
        return result

    real = Desk.apply
    return [patch.object(Desk, "apply", apply)]


@sabotage("the bridge is not told how charges end")
def tells_the_bridge_nothing() -> list[Any]:
    def apply(self: Desk, tx: Any, plan: Plan, *args: Any, **named: Any) -> Any:
        before = len(plan.handoff)
        result = real(self, tx, plan, *args, **named)
        del plan.handoff[before:]
        return result

    real = Desk.apply
    return [patch.object(Desk, "apply", apply)]


@sabotage("payers are told nothing")
def tells_payers_nothing() -> list[Any]:
    return [patch.object(bridge_charging, "_tell", lambda *_args, **_named: None)]


@sabotage("who was told *failed* hears no correction")
def corrects_nothing() -> list[Any]:
    def move(turn: Any, message: Any, payment: Any, invoice: Any, after: Any) -> None:
        told = len(turn.answers)
        before = payment.state
        real(turn, message, payment, invoice, after)
        if before == "not_charged":
            del turn.answers[told:]

    real = bridge_charging._move
    return [patch.object(bridge_charging, "_move", move)]


# amounts and numbers


@sabotage("every price is ten kroner too high")
def charges_too_much() -> list[Any]:
    def word(self: OperatorProfile, price_ore: int) -> str:
        return real(self, price_ore + 1000 if self.settings.price.carrier != "service_type" else price_ore)

    real = OperatorProfile._price_word
    return [patch.object(OperatorProfile, "_price_word", word)]


@sabotage("the premium message goes to the next number")
def charges_somebody_else() -> list[Any]:
    def submit(self: OperatorProfile, **fields: Any) -> Any:
        if fields["price_ore"]:
            number = fields["number"]
            fields["number"] = number[:-1] + str(int(number[-1]) % 7 + 1)
        return real(self, **fields)

    real = OperatorProfile.submit
    return [patch.object(OperatorProfile, "submit", submit)]


# the hand-off


@sabotage("the gateway's and the bridge's inboxes forget")
def the_inbox_forgets() -> list[Any]:
    return [patch.object(mailbox.Inbox, "unseen", lambda _self, _tx, ids, _at_us: set(ids))]


@sabotage("parcels count as taken when they are sent")
def settles_before_the_acknowledgement() -> list[Any]:
    def depart(self: Any, peer: Any) -> None:
        real(self, peer)
        self._unsettled.update(dict.fromkeys(peer.flight))
        peer.flight.clear()

    real = Courier._depart
    return [patch.object(Courier, "_depart", depart)]


@sabotage("what is not acknowledged is not sent again")
def repeats_no_parcel() -> list[Any]:
    async def tick(self: Any) -> None:
        for peer in self._peers.values():
            peer.due = float("inf")
        await real(self)

    real = Courier.tick
    return [patch.object(Courier, "tick", tick)]


@sabotage("the bridge acknowledges what its store did not take")
def the_bridge_acknowledges_anyhow() -> list[Any]:
    async def on_parcels(self: BridgeDaemon, bodies: list[bytes]) -> list[str]:
        try:
            return await real(self, bodies)
        except StoreFailed:
            return list(self._decode(bodies)[0])

    real = BridgeDaemon.on_parcels
    return [patch.object(BridgeDaemon, "on_parcels", on_parcels)]


# the operator's report


@sabotage("the report's word stays in the gateway")
def keeps_the_report_to_itself() -> list[Any]:
    class Mute:
        def post(self, *_args: Any) -> list[Any]:
            return []

    return [patch.object(reconciliation, "Outbox", Mute), patch.object(worklist, "Outbox", Mute)]


@sabotage("a report settles no contradiction")
def settles_no_contradiction() -> list[Any]:
    def judge(state: Any, bill: Any, *, disputed: bool = False) -> Any:
        return real(state, bill)

    real = reconciliation.judge
    return [patch.object(reconciliation, "judge", judge)]


@sabotage("the ids of a report are not looked at")
def ignores_the_ids_of_reports() -> list[Any]:
    return [patch.object(reconciliation, "keys_of", lambda _message_id, _operator: set())]


@sabotage("a report tells the opposite")
def reads_reports_upside_down() -> list[Any]:
    def judge(state: Any, bill: Any, **named: Any) -> Any:
        judged = real(state, bill, **named)
        if judged is None:
            return None
        turned = {E.REPORT_CHARGED: E.REPORT_NOT_CHARGED, E.REPORT_NOT_CHARGED: E.REPORT_CHARGED}
        return judged[0], tuple(turned.get(each, each) for each in judged[1])

    real = reconciliation.judge
    return [patch.object(reconciliation, "judge", judge)]


# texts


@sabotage("an MO that an SMSC sends again on a new bind is a new one")
def takes_repeated_texts() -> list[Any]:
    return [patch.object(Inbox, "_came_before", lambda *_args: False)]


@sabotage("what comes again on a bind where we answered late is a new text", hidden=2200)
def forgets_being_late() -> list[Any]:
    def repeats(tx: Any, plan: Plan, mo: Any) -> bool:
        plan.tardy.clear()
        return real(tx, plan, mo)

    real = Inbox._repeats
    return [patch.object(Inbox, "_repeats", staticmethod(repeats))]


@sabotage("a text is left out now and then where two come together")
def loses_a_text_of_two() -> list[Any]:
    def take(self: Inbox, tx: Any, plan: Plan, mo: Any, segments: int) -> None:
        if any(row[2] == "in" for row in plan.rows):
            return
        real(self, tx, plan, mo, segments)

    real = Inbox.take
    return [patch.object(Inbox, "take", take)]


# the bridge


@sabotage("paid invoices are charged again")
def the_bridge_charges_paid_invoices() -> list[Any]:
    return [
        patch.object(Invoice, "outstanding_ore", property(lambda self: self.amount_ore)),
        patch.object(matching, "outstanding_fees", lambda person: person.invoices),
    ]


@sabotage("an invoice is charged again while its charge is under way")
def the_bridge_ignores_charges_under_way() -> list[Any]:
    return [patch.object(bridge_charging, "match_payment", _match_pending)]


def _match_pending(people: Any, amount_ore: int, today: Any) -> Any:
    for person in people:
        for invoice in matching.outstanding_fees(person):
            if invoice.outstanding_ore == amount_ore:
                return matching.Found(person, invoice)
    return matching.NoMatch(matching.NOTHING_OUTSTANDING)


@sabotage("every charge is booked twice")
def the_bridge_books_twice() -> list[Any]:
    def settle(*given: Any) -> Any:
        return real(*given) + real(*given)

    real = ledger.settle
    return [patch.object(ledger, "settle", settle)]
