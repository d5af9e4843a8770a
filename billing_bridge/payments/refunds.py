"""Refunds as the gateway tells of them: sums that its latest word names, as rows of the refunds table. Pure.

A row's amount never changes: a sum that grows adds a row, one that shrinks cancels rows. Rows that people
made by hand are not touched here, yet count: by the gateway's word no more is owed than was billed and is not
owed by hand already, and what a person says that the operator gave back is no other money than the gateway's.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from billing_bridge.records import Cause, GivenBy, Payment, Refund, RefundState, State


class Keep(msgspec.Struct, frozen=True):
    """A row of this amount is to be added, in this state."""

    amount_ore: int
    state: RefundState


class Change(msgspec.Struct, frozen=True):
    """A row goes to this state."""

    refund: Refund
    state: RefundState


def owed(payment: Payment) -> tuple[int, int]:
    """By the gateway's latest word: øre that the payer is to get back in all, and how much of it he has."""
    if not payment.charged:
        return 0, 0
    whole = payment.billed_ore
    if payment.state == State.REFUNDED:
        return whole, whole
    owed_ore = whole if payment.state == State.REFUND_DUE else payment.overbilled_ore
    return owed_ore, min(payment.given_back_ore, owed_ore)


def changes(refunds: Sequence[Refund], owed_ore: int, given_ore: int, billed_ore: int) -> list[Change | Keep]:
    """What brings a payment's refunds that the gateway caused (oldest first) to these sums.

    `billed_ore` is all that was billed by this payment: refunds made by hand leave no more than the rest.
    """
    by_hand = [
        each for each in refunds if each.cause == Cause.BY_HAND and each.state != RefundState.CANCELLED
    ]
    by_operator = [
        each for each in by_hand if each.state == RefundState.REFUNDED and each.by == GivenBy.OPERATOR
    ]
    given_ore = min(given_ore, max(billed_ore - _sum(by_operator), 0))
    mine = [each for each in refunds if each.cause == Cause.GATEWAY]
    due = [each for each in mine if each.state == RefundState.DUE]
    given = [each for each in mine if each.state == RefundState.REFUNDED and each.by != GivenBy.BANK]
    # what a bank paid in the operator's place is owed no more, but the operator did not give it
    by_bank = [each for each in mine if each.state == RefundState.REFUNDED and each.by == GivenBy.BANK]
    owed_ore = max(min(owed_ore, billed_ore - _sum(by_hand)) - _sum(by_bank), given_ore)
    done: list[Change | Keep] = []

    def cancel(rows: list[Refund], place: int) -> None:
        done.append(Change(rows.pop(place), RefundState.CANCELLED))

    while _sum(given) > given_ore:
        cancel(given, -1)
    while _sum(due) + _sum(given) > owed_ore:
        cancel(due, -1)
    for row in list(due):
        if _sum(given) + row.amount_ore <= given_ore:
            due.remove(row)
            given.append(row)
            done.append(Change(row, RefundState.REFUNDED))
    rest_ore = given_ore - _sum(given)
    # a row is given back whole: where a part of one was, it is cut in two
    while rest_ore > owed_ore - _sum(due) - _sum(given):
        cancel(due, 0)
    if rest_ore:
        done.append(Keep(rest_ore, RefundState.REFUNDED))
    open_ore = owed_ore - _sum(due) - _sum(given) - rest_ore
    if open_ore:
        done.append(Keep(open_ore, RefundState.DUE))
    return done


def beyond_billed(refunds: Sequence[Refund], billed_ore: int) -> int:
    """Øre that payers have back, or are to get, beyond what was billed by this payment."""
    return max(_sum([each for each in refunds if each.state != RefundState.CANCELLED]) - billed_ore, 0)


def given(refunds: Sequence[Refund]) -> int:
    """Øre that the payer has back, from whom ever."""
    return _sum([each for each in refunds if each.state == RefundState.REFUNDED])


def _sum(refunds: Sequence[Refund]) -> int:
    return sum(each.amount_ore for each in refunds)
