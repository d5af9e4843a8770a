"""The double-entry ledger: which accounts move when an invoice is issued, charged, refunded. Pure.

Debit is positive. Each posting sums to zero. What is applied to an invoice follows from the sum of what
was charged for it, so the order in which charges and refunds come never changes a balance.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from billing_bridge.records import Invoice, Kind, State


class Account(StrEnum):
    """The accounts that each organisation has."""

    RECEIVABLE = "receivable"
    FEE_INCOME = "fee_income"
    DONATION_INCOME = "donation_income"
    OPERATOR_RECEIVABLE = "operator_receivable"
    EXCESS_PAYMENTS = "excess_payments"
    REFUNDS = "refunds"


class JournalKind(StrEnum):
    """What a journal books."""

    ISSUED = "issued"
    CHARGED = "charged"
    REFUND_DUE = "refund_due"
    REFUNDED = "refunded"


Lines: TypeAlias = list[tuple[str, int]]
"""Account and øre; debit positive."""

_INCOME = {Kind.MEMBERSHIP_FEE: Account.FEE_INCOME, Kind.DONATION: Account.DONATION_INCOME}
_RANK = {state: rank for rank, state in enumerate(State)}


def rank(state: str) -> int:
    """How far an attempt has come; it never goes to a lower one."""
    return _RANK[State(state)]


def issue(kind: str, amount_ore: int) -> Lines:
    """An invoice is issued: the person owes, the organisation has earned."""
    return [(Account.RECEIVABLE, amount_ore), (_INCOME[Kind(kind)], -amount_ore)]


def settle(invoice: Invoice, amount_ore: int, before: str, after: str) -> list[tuple[JournalKind, Lines]]:
    """The journals of a payment attempt going from one state to a later one; updates the invoice's standing.

    *Charged*: the operator owes us; the invoice is paid, and what it does not need is excess.
    *Refund due*: we owe the payer, and the invoice (or the excess) gives it back.
    *Refunded*: the operator paid it back for us, and owes us less.
    """
    journals: list[tuple[JournalKind, Lines]] = []
    start, end = rank(before), rank(after)
    if start < _RANK[State.CHARGED] <= end:
        lines: Lines = [(Account.OPERATOR_RECEIVABLE, amount_ore)]
        lines += _apply(invoice, amount_ore)
        journals.append((JournalKind.CHARGED, lines))
    if start < _RANK[State.REFUND_DUE] <= end:
        lines = [(Account.REFUNDS, -amount_ore)]
        lines += _apply(invoice, -amount_ore)
        journals.append((JournalKind.REFUND_DUE, lines))
    if start < _RANK[State.REFUNDED] <= end:
        journals.append(
            (
                JournalKind.REFUNDED,
                [(Account.REFUNDS, amount_ore), (Account.OPERATOR_RECEIVABLE, -amount_ore)],
            )
        )
    return journals


def _apply(invoice: Invoice, received_ore: int) -> Lines:
    """Share what was received for an invoice anew between the invoice and the excess."""
    net_ore = invoice.paid_ore + invoice.excess_ore + received_ore
    paid_ore = min(invoice.amount_ore - invoice.credited_ore, net_ore)
    excess_ore = net_ore - paid_ore
    lines: Lines = [
        (Account.RECEIVABLE, invoice.paid_ore - paid_ore),
        (Account.EXCESS_PAYMENTS, invoice.excess_ore - excess_ore),
    ]
    invoice.paid_ore = paid_ore
    invoice.excess_ore = excess_ore
    return [(account, moved_ore) for account, moved_ore in lines if moved_ore]
