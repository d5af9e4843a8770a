"""Charges: asked for once, settled by what the gateway says of them, in whatever order it says it.

An attempt's state only moves on (`records.State`). *Charged* after *not charged* counts, is told to the
payer and marked for a human; *not charged* after *charged* is kept as evidence and marked. What the gateway
says is contradicted is not charged again until it says that this is settled.
"""

from __future__ import annotations

import msgspec
import structlog

from billing_bridge.invoicing import ledger
from billing_bridge.matching import Disputed, Found, UnderWay, match_payment
from billing_bridge.records import Invoice, Kind, Payment, State
from billing_bridge.turn import KRONE_ORE, NoteKind, Turn, kroner, oslo_day
from foundation.clock import SECOND_US
from foundation.contract import Charge, ChargeSettled, Contradiction, Join, Outcome, Pay, Reply
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
    """Whether so much was charged of this number a moment ago, or is being charged.

    An SMSC that did not hear our answer sends a text again: that must not pay a second invoice. By either
    clock, the gateway's or ours, as one of them may have been put right meanwhile.
    """
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
    turn.batch.rows["evidence"].append(
        (
            message.id,
            payment.id,
            message.outcome.value,
            message.reason.value,
            message.evidence,
            message.at,
        )
    )
    invoice = turn.batch.invoices[payment.invoice]
    before, after = payment.state, State(message.outcome.value)
    if ledger.rank(after) > ledger.rank(before):
        _move(turn, message, payment, invoice, after)
    if State.NOT_CHARGED in (before, after) and before not in (State.PENDING, after):
        payment.contradicted = 1
        turn.note(
            NoteKind.CONTRADICTION,
            f"The charge was {before}, then reported {after.value}; it counts as {payment.state}",
            conversation=payment.conversation,
            org=invoice.org,
            person=invoice.person,
        )
        log.error("bridge.contradiction", payment=payment.id, before=before, reported=after.value)
    _dispute(turn, message, payment, invoice)
    turn.batch.rows["settled"].append(
        (
            payment.state,
            payment.reason,
            payment.evidence,
            payment.contradicted,
            payment.settled_us,
            payment.id,
        )
    )


def _dispute(turn: Turn, message: ChargeSettled, payment: Payment, invoice: Invoice) -> None:
    """Keep an invoice from being charged while evidence contradicts that an attempt at it failed."""
    if message.contradiction is Contradiction.OPEN:
        payment.contradicted = 1
        turn.note(
            NoteKind.CONTRADICTION,
            f"The charge counts as {payment.state}, yet other evidence speaks against it: {message.evidence}",
            conversation=payment.conversation,
            org=invoice.org,
            person=invoice.person,
        )
        log.error("bridge.contradiction", payment=payment.id, before=payment.state, reported="both")
    elif message.contradiction is Contradiction.SETTLED and payment.state == message.outcome:
        payment.contradicted = 0
    disputed = payment.state == State.NOT_CHARGED and payment.contradicted
    if disputed:
        invoice.disputed = payment.id
    elif invoice.disputed == payment.id:
        invoice.disputed = None


def _move(turn: Turn, message: ChargeSettled, payment: Payment, invoice: Invoice, after: State) -> None:
    excess_ore, before = invoice.excess_ore, payment.state
    for kind, lines in ledger.settle(invoice, payment.amount_ore, payment.state, after):
        turn.batch.book(
            turn.new_id(),
            invoice,
            kind.value,
            lines,
            payment=payment.id,
            conversation=payment.conversation,
            at_us=turn.now_us,
        )
        turn.batch.touched(invoice)
    payment.state = after.value
    payment.reason = message.reason.value
    payment.evidence = message.evidence
    payment.settled_us = message.at
    if invoice.pending == payment.id:
        invoice.pending = None
    if invoice.excess_ore > excess_ore:
        _see_to(
            turn,
            NoteKind.EXCESS_PAYMENT,
            f"{kroner(invoice.excess_ore)} kr more than the invoice with KID {invoice.kid} asks for was paid",
            payment,
            invoice,
        )
        log.error("bridge.excess_payment", payment=payment.id, invoice=invoice.id)
    if message.outcome is Outcome.CHARGED:
        # who was told that it failed is told that it did not
        _tell(turn, payment, invoice, "corrected" if before == State.NOT_CHARGED else "paid")
    elif message.outcome is Outcome.NOT_CHARGED:
        _tell(turn, payment, invoice, "failed", reason=message.reason.value)
    elif message.outcome is Outcome.REFUND_DUE:
        owed = f"{kroner(payment.amount_ore)} kr of a charge is to be paid back to the payer"
        _see_to(turn, NoteKind.REFUND_DUE, owed, payment, invoice)


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
