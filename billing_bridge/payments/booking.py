"""What payments and refunds write: journals, refunds' rows, and the invoice's standing with them."""

from __future__ import annotations

import msgspec

from billing_bridge.invoicing import ledger
from billing_bridge.records import Cause, GivenBy, Invoice, Payment, Refund, RefundState
from billing_bridge.turn import Turn


class Said(msgspec.Struct, frozen=True):
    """Who decided or ended a refund, and why or how; `by` is the road the money took."""

    who: str
    words: str
    by: GivenBy = GivenBy.OPERATOR


def book(
    turn: Turn, payment: Payment, invoice: Invoice, posting: ledger.Posting, refund: str | None = None
) -> None:
    """Write one journal of a payment; its lines are in the invoice's standing already."""
    kind, lines = posting
    turn.batch.book(
        turn.new_id(),
        invoice,
        kind.value,
        lines,
        payment=payment.id,
        conversation=payment.conversation,
        at_us=turn.now_us,
        refund=refund,
    )
    turn.batch.touched(invoice)


def add_refund(
    turn: Turn,
    payment: Payment,
    invoice: Invoice,
    amount_ore: int,
    cause: Cause,
    said: Said,
    state: RefundState = RefundState.DUE,
) -> Refund:
    """A payer is to get money back, or got it; booked at once."""
    ended = state is not RefundState.DUE
    refund = Refund(
        id=turn.new_id(),
        payment=payment.id,
        amount_ore=amount_ore,
        cause=cause.value,
        state=state.value,
        by=said.by.value if ended else "",
        ended_who=said.who if ended else "",
        ended_how=said.words if ended else "",
        ended_us=turn.now_us if ended else None,
    )
    turn.batch.rows["refunds"].append(
        (
            refund.id,
            invoice.org,
            invoice.id,
            payment.id,
            amount_ore,
            refund.cause,
            refund.state,
            said.who,
            said.words,
            turn.now_us,
            refund.by,
            refund.ended_who,
            refund.ended_how,
            refund.ended_us,
        )
    )
    for posting in ledger.refund(invoice, amount_ore, "", state, refund.by):
        book(turn, payment, invoice, posting, refund.id)
    turn.batch.refunds(payment.id).append(refund)
    return refund


def end_refund(
    turn: Turn, payment: Payment, invoice: Invoice, refund: Refund, state: RefundState, said: Said
) -> None:
    """A refund reached the payer, or is none any more; booked at once."""
    if state is RefundState.REFUNDED:
        refund.by = said.by.value
    for posting in ledger.refund(invoice, refund.amount_ore, refund.state, state, refund.by):
        book(turn, payment, invoice, posting, refund.id)
    refund.state = state.value
    refund.ended_who, refund.ended_how, refund.ended_us = said.who, said.words, turn.now_us
    turn.batch.rows["refund_changes"].append(
        (refund.state, refund.by, refund.ended_who, refund.ended_how, refund.ended_us, refund.id)
    )
