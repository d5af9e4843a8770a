"""The double-entry ledger: which accounts move when an invoice is issued, charged, credited, refunded. Pure.

Debit is positive. Each posting sums to zero. What is applied to an invoice follows from the sum of what
was billed for it and not given back, so the order in which charges and refunds come never changes a balance.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias

from billing_bridge.records import GivenBy, Invoice, Kind, RefundState, State


class Account(StrEnum):
    """The accounts that each organisation has."""

    RECEIVABLE = "receivable"
    FEE_INCOME = "fee_income"
    DONATION_INCOME = "donation_income"
    OPERATOR_RECEIVABLE = "operator_receivable"
    BANK = "bank"
    EXCESS_PAYMENTS = "excess_payments"
    REFUNDS = "refunds"
    REFUND_LOSSES = "refund_losses"


class JournalKind(StrEnum):
    """What a journal books."""

    ISSUED = "issued"
    CREDITED = "credited"
    CHARGED = "charged"
    REVERSED = "reversed"
    OVERBILLED = "overbilled"
    REFUND_DUE = "refund_due"
    REFUNDED = "refunded"
    REFUND_CANCELLED = "refund_cancelled"


Lines: TypeAlias = list[tuple[str, int]]
"""Account and øre; debit positive."""
Posting: TypeAlias = tuple[JournalKind, Lines]

_INCOME = {Kind.MEMBERSHIP_FEE: Account.FEE_INCOME, Kind.DONATION: Account.DONATION_INCOME}
_RANK = {state: rank for rank, state in enumerate(State)}
PAID_FROM: Final = {
    "": Account.OPERATOR_RECEIVABLE,
    GivenBy.OPERATOR: Account.OPERATOR_RECEIVABLE,
    GivenBy.BANK: Account.BANK,
}
"""Where the money of a refund came from; `""` is told by the gateway, so the operator's."""


def rank(state: str) -> int:
    """How far an attempt has come; of equally late words the higher counts."""
    return _RANK[State(state)]


def issue(kind: str, amount_ore: int) -> Lines:
    """An invoice is issued: the person owes, the organisation has earned."""
    return [(Account.RECEIVABLE, amount_ore), (_INCOME[Kind(kind)], -amount_ore)]


def credit(invoice: Invoice, amount_ore: int) -> Lines:
    """A credit note takes back so much of an invoice; updates its standing. What was paid of it is excess."""
    invoice.credited_ore += amount_ore
    lines: Lines = [(_INCOME[Kind(invoice.kind)], amount_ore), (Account.RECEIVABLE, -amount_ore)]
    return _joined(lines + _apply(invoice, 0))


def settle(invoice: Invoice, charged_ore: int, overbilled_ore: int) -> list[Posting]:
    """The journals by which an attempt's charged and overbilled sums change; updates the invoice's standing.

    *Charged*: the operator owes us; the invoice is paid, and what it does not need is excess.
    *Reversed*: it was not charged after all; the invoice is outstanding again.
    *Overbilled*: the operator took more than the price, which is nobody's invoice.
    """
    postings: list[Posting] = []
    for amount_ore, kind in (
        (charged_ore, JournalKind.CHARGED if charged_ore > 0 else JournalKind.REVERSED),
        (overbilled_ore, JournalKind.OVERBILLED),
    ):
        if amount_ore:
            lines: Lines = [(Account.OPERATOR_RECEIVABLE, amount_ore)]
            postings.append((kind, lines + _apply(invoice, amount_ore)))
    return postings


def refund(invoice: Invoice, amount_ore: int, before: str, after: str, by: str = "") -> list[Posting]:
    """The journals of a refund that goes from one state (`""`: none yet) to a later; updates the standing.

    *Due*: we owe the payer, and the invoice (or the excess) gives it back. *Refunded*: the payer has it, from
    whom `by` names. *Cancelled*: none of it happened.
    """
    postings: list[Posting] = []
    source = PAID_FROM[by]
    if after == RefundState.CANCELLED:
        account = source if before == RefundState.REFUNDED else Account.REFUNDS
        return [(JournalKind.REFUND_CANCELLED, [(account, amount_ore), *_apply(invoice, amount_ore)])]
    if not before:
        postings.append(
            (JournalKind.REFUND_DUE, [(Account.REFUNDS, -amount_ore), *_apply(invoice, -amount_ore)])
        )
    if after == RefundState.REFUNDED:
        postings.append((JournalKind.REFUNDED, [(Account.REFUNDS, amount_ore), (source, -amount_ore)]))
    return postings


def _apply(invoice: Invoice, received_ore: int) -> Lines:
    """Share what was received for an invoice anew: for it, beyond it, or given back without cause."""
    net_ore = invoice.paid_ore + invoice.excess_ore - invoice.lost_ore + received_ore
    due_ore = invoice.amount_ore - invoice.credited_ore
    paid_ore = min(max(net_ore, 0), due_ore)
    excess_ore, lost_ore = max(net_ore - due_ore, 0), max(-net_ore, 0)
    lines: Lines = [
        (Account.RECEIVABLE, invoice.paid_ore - paid_ore),
        (Account.EXCESS_PAYMENTS, invoice.excess_ore - excess_ore),
        (Account.REFUND_LOSSES, lost_ore - invoice.lost_ore),
    ]
    invoice.paid_ore, invoice.excess_ore, invoice.lost_ore = paid_ore, excess_ore, lost_ore
    return [(account, moved_ore) for account, moved_ore in lines if moved_ore]


def _joined(lines: Lines) -> Lines:
    """One line an account; an account that does not move has none."""
    sums: dict[str, int] = {}
    for account, moved_ore in lines:
        sums[account] = sums.get(account, 0) + moved_ore
    return [(account, moved_ore) for account, moved_ore in sums.items() if moved_ore]
