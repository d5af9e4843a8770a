"""Charges: asked for once, settled by what the gateway says of them, in whatever order it says it.

Of all that is said of an attempt the latest word counts (`ChargeSettled.sequence`), whenever it comes. So
*charged* may follow *not charged* and the reverse: the ledger follows, and the payer is told. Where words
contradict each other without an order, or the gateway says that evidence does, it is marked for a human; such
an invoice is not charged again until the gateway says that this is settled.
"""

from __future__ import annotations

import msgspec
import structlog

from billing_bridge.invoicing import ledger
from billing_bridge.matching import Disputed, Found, UnderWay, match_payment
from billing_bridge.payments import refunds
from billing_bridge.payments.booking import Said, add_refund, book, end_refund
from billing_bridge.payments.words import contradicted, latest, of_message
from billing_bridge.records import Cause, GivenBy, Invoice, Kind, Payment, RefundState, State
from billing_bridge.turn import KRONE_ORE, NoteKind, Turn, kroner, oslo_day
from foundation.clock import SECOND_US
from foundation.contract import Charge, ChargeSettled, Contradiction, Join, Pay, Reply
from foundation.ids import uuid7_time_us

log = structlog.get_logger(__name__)


def pay(turn: Turn, message: Pay) -> None:
    """Charge the one invoice that fits, or say why none does."""
    if turn.organisation(message) is None or not _payable(turn, message):
        return
    people = turn.batch.people(message.org, message.sender)
    verdict = match_payment(people, message.amount, oslo_day(message.at))
    if isinstance(verdict, Found) and _paid_alike(verdict) and just_charged(turn, message, message.amount):
        turn.reply(message, "just_paid", amount=kroner(message.amount))
    elif isinstance(verdict, Found):
        turn.finish(message, "charge")
        ask_charge(turn, message, verdict.invoice)
    elif isinstance(verdict, UnderWay):
        turn.reply(message, "processing")
    elif isinstance(verdict, Disputed):
        turn.reply(message, "unsettled", amount=kroner(message.amount))
    else:
        turn.reply(message, verdict.reply, amount=kroner(message.amount))


def just_charged(turn: Turn, message: Join | Pay, amount_ore: int) -> bool:
    """Whether this may be a repetition of a text that so much is or was charged for a moment ago.

    An SMSC that did not hear our answer sends a text again: that must not pay a second invoice. By either
    clock, the gateway's or ours, as one of them may have been put right meanwhile.
    """
    if not message.again:
        return False
    last = turn.batch.last_charged(message.org, message.sender, amount_ore)
    if last is None:
        return False
    charge, asked_us = last
    gap_us = min(abs(message.at - asked_us), abs(turn.now_us - uuid7_time_us(charge)))
    return bool(gap_us < turn.limits.pay_again_s * SECOND_US)


def _paid_alike(found: Found) -> bool:
    """Whether the person has paid another fee of the same amount: most have not, and nothing is looked up."""
    amount_ore = found.invoice.outstanding_ore
    return any(
        each.kind == Kind.MEMBERSHIP_FEE and each.paid_ore >= amount_ore and each.id != found.invoice.id
        for each in found.person.invoices
    )


def ask_charge(turn: Turn, message: Join | Pay, invoice: Invoice) -> None:
    """One attempt for all that is outstanding of an invoice; no other may be pending."""
    charge = turn.new_id()
    expires_us = message.at + turn.limits.charge_expiry_s * SECOND_US
    amount_ore = invoice.outstanding_ore
    invoice.pending = charge
    turn.batch.rows["payments"].append(
        (
            charge,
            invoice.id,
            message.sender,
            amount_ore,
            State.PENDING.value,
            "",
            "",
            0,
            turn.gateway,
            message.conversation,
            message.at,
            expires_us,
            None,
            0,
            0,
            0,
            "",
        )
    )
    turn.answer(
        Charge(
            id=charge,
            conversation=message.conversation,
            at=turn.now_us,
            org=message.org,
            invoice=invoice.id,
            recipient=message.sender,
            amount=amount_ore,
            expires=expires_us,
        )
    )


def settle(turn: Turn, message: ChargeSettled) -> None:
    """A charge's end: evidence, attempt, ledger, and the answer to the payer."""
    if not turn.first_time(message):
        return
    payment = turn.batch.payments.get(message.charge)
    if payment is None:
        _unknown_charge(turn, message)
        return
    take_word(turn, message, payment)


def take_word(turn: Turn, message: ChargeSettled, payment: Payment, who: str = "") -> None:
    """What is said of an attempt, by its gateway or by hand (`who`): kept, and counted where it is latest."""
    word = of_message(message)
    turn.batch.rows["evidence"].append(
        (
            message.id,
            payment.id,
            word.outcome,
            message.reason.value,
            message.evidence,
            message.at,
            word.sequence,
            word.overbilled_ore,
            word.given_back_ore,
            who,
            word.contradiction,
        )
    )
    invoice = turn.batch.invoices[payment.invoice]
    before, after = payment.state, State(word.outcome)
    said = turn.batch.words(payment)
    later = not said or word.order > latest(said).order
    said.append(word)
    if later:
        _move(turn, message, payment, invoice, after)
    payment.contradicted = int(contradicted(said))
    _doubt(turn, message, payment, invoice, before)
    turn.batch.rows["settled"].append(
        (
            payment.state,
            payment.reason,
            payment.evidence,
            payment.contradicted,
            payment.settled_us,
            payment.sequence,
            payment.overbilled_ore,
            payment.given_back_ore,
            payment.operator,
            payment.id,
        )
    )


def _doubt(turn: Turn, message: ChargeSettled, payment: Payment, invoice: Invoice, before: str) -> None:
    """Tell people where words differ, and keep the invoice from being charged while it is open what is so."""
    if message.contradiction is Contradiction.OPEN:
        words = (
            f"The charge counts as {payment.state}, yet other evidence speaks against it: {message.evidence}"
        )
        reported = "both"
    else:
        words = (
            f"The charge was {before}, then reported {message.outcome.value}; it counts as {payment.state}"
        )
        reported = message.outcome.value
    differs = State.NOT_CHARGED in (before, message.outcome) and before not in (
        State.PENDING,
        message.outcome,
    )
    if differs or message.contradiction is Contradiction.OPEN:
        _see_to(turn, NoteKind.CONTRADICTION, words, payment, invoice)
        log.error("bridge.contradiction", payment=payment.id, before=before, reported=reported)
    if payment.state == State.NOT_CHARGED and payment.contradicted:
        invoice.disputed = payment.id
    elif invoice.disputed == payment.id:
        invoice.disputed = None


def _move(turn: Turn, message: ChargeSettled, payment: Payment, invoice: Invoice, after: State) -> None:
    before, excess_ore, owed = payment.state, invoice.excess_ore, refunds.owed(payment)
    price_ore, beyond_ore = payment.price_ore, payment.beyond_ore
    if before != after or message.reason:
        payment.reason = message.reason.value
    payment.state = after.value
    payment.evidence = message.evidence
    payment.settled_us = message.at
    payment.sequence = message.sequence
    payment.overbilled_ore = message.overbilled
    payment.given_back_ore = message.given_back
    payment.operator = message.operator or payment.operator
    if invoice.pending == payment.id:
        invoice.pending = None
    for posting in ledger.settle(invoice, payment.price_ore - price_ore, payment.beyond_ore - beyond_ore):
        book(turn, payment, invoice, posting)
    if refunds.owed(payment) != owed:
        follow_refunds(turn, payment, invoice)
    if invoice.excess_ore > excess_ore:
        _see_to(
            turn,
            NoteKind.EXCESS_PAYMENT,
            f"{kroner(invoice.excess_ore)} kr more than the invoice with KID {invoice.kid} asks for was paid",
            payment,
            invoice,
        )
        log.error("bridge.excess_payment", payment=payment.id, invoice=invoice.id)
    text = _TOLD.get((_MEANS[State(before)], _MEANS[after]))
    if text:
        _tell(turn, payment, invoice, text, **({"reason": payment.reason} if text == "failed" else {}))


_MEANS = {
    State.PENDING: "open",
    State.NOT_CHARGED: "failed",
    State.CHARGED: "paid",
    State.REFUND_DUE: "given back",
    State.REFUNDED: "given back",
}
"""What an attempt's state means to the payer."""
_TOLD = {
    ("open", "paid"): "paid",
    ("open", "failed"): "failed",
    ("failed", "paid"): "corrected",
    ("paid", "failed"): "reversed",
}
"""The text that tells a payer of a change; of a refund the operator or a person tells."""


def follow_refunds(turn: Turn, payment: Payment, invoice: Invoice) -> None:
    """Bring the refunds that the gateway caused to what its latest word says."""
    due_ore = 0
    for change in refunds.changes(turn.batch.refunds(payment.id), *refunds.owed(payment), payment.billed_ore):
        if isinstance(change, refunds.Keep):
            said = Said(payment.gateway, payment.evidence)
            add_refund(turn, payment, invoice, change.amount_ore, Cause.GATEWAY, said, change.state)
            due_ore += change.amount_ore if change.state is RefundState.DUE else 0
        else:
            said = Said(payment.gateway, payment.evidence, GivenBy.OPERATOR)
            end_refund(turn, payment, invoice, change.refund, change.state, said)
    if due_ore:
        owed = f"{kroner(due_ore)} kr of a charge is to be paid back to the payer"
        _see_to(turn, NoteKind.REFUND_DUE, owed, payment, invoice)
    beyond_ore = refunds.beyond_billed(turn.batch.refunds(payment.id), payment.billed_ore)
    if beyond_ore:
        twice = f"{kroner(beyond_ore)} kr more than was billed are paid back or to be: do not pay it again"
        _see_to(turn, NoteKind.REFUND_DUE, twice, payment, invoice)
        log.error("bridge.refunded_beyond", payment=payment.id, invoice=invoice.id)


def _tell(turn: Turn, payment: Payment, invoice: Invoice, text: str, **values: str) -> None:
    turn.answer(
        Reply(
            id=turn.new_id(),
            conversation=payment.conversation,
            at=turn.now_us,
            org=invoice.org,
            recipient=payment.number,
            name=text,
            values={"amount": kroner(payment.amount_ore), **values},
        )
    )


def _see_to(turn: Turn, kind: NoteKind, text: str, payment: Payment, invoice: Invoice) -> None:
    turn.note(kind, text, conversation=payment.conversation, org=invoice.org, person=invoice.person)


def _unknown_charge(turn: Turn, message: ChargeSettled) -> None:
    if turn.batch.refused_before(message.id):
        return
    turn.note(
        NoteKind.UNKNOWN_CHARGE,
        f"The gateway settled the charge {message.charge} as {message.outcome.value}; it is unknown here",
        conversation=message.conversation,
        org="",
    )
    turn.batch.rows["refused"].append(
        (
            message.id,
            turn.gateway,
            NoteKind.UNKNOWN_CHARGE.value,
            msgspec.json.encode(message),
            turn.now_us,
        )
    )
    log.error("bridge.unknown_charge", charge=message.charge, conversation=message.conversation)


def _payable(turn: Turn, message: Pay) -> bool:
    limits, amount_ore = turn.limits, message.amount
    if amount_ore % KRONE_ORE:
        text = "not_whole_number"
    elif not limits.min_kr * KRONE_ORE <= amount_ore <= limits.max_kr * KRONE_ORE:
        text = "amount_out_of_range"
    else:
        return True
    wanted = f"{limits.min_kr} to {limits.max_kr} whole kroner"
    turn.bad_value(message, f"{kroner(amount_ore)} kr is not {wanted}; the gateway should have refused it")
    turn.reply(message, text, amount=kroner(amount_ore), min=str(limits.min_kr), max=str(limits.max_kr))
    return False
