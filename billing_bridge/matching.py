"""Which invoice a text pays. Pure: people and invoices in, one verdict out (DOMAIN section 1).

Membership fees only, the exact amount; of several the current period first, then the oldest due.
While any of them is being charged, the answer is *processing* and nothing more is charged; while nobody
knows whether an earlier charge of one was billed, nothing is charged either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TypeAlias

import msgspec

from billing_bridge.invoicing.period import is_current
from billing_bridge.records import Invoice, Kind, Person

UNKNOWN_NUMBER = "unknown_number"
SEVERAL_PERSONS = "several_persons"
NOTHING_OUTSTANDING = "nothing_outstanding"


class Found(msgspec.Struct, frozen=True):
    """Charge this invoice."""

    person: Person
    invoice: Invoice


class UnderWay(msgspec.Struct, frozen=True):
    """An invoice of this amount is being charged already."""

    person: Person
    invoice: Invoice


class Disputed(msgspec.Struct, frozen=True):
    """Evidence contradicts itself on whether this invoice was charged before."""

    person: Person
    invoice: Invoice


class NoMatch(msgspec.Struct, frozen=True):
    """Nothing to charge; `reply` names the text that says so."""

    reply: str


Verdict: TypeAlias = Found | UnderWay | Disputed | NoMatch


def match_payment(people: Sequence[Person], amount_ore: int, today: date) -> Verdict:
    """What a payment of `amount_ore` from a number pays, given the people of the organisation who have it."""
    if len(people) != 1:
        return NoMatch(SEVERAL_PERSONS if people else UNKNOWN_NUMBER)
    person = people[0]
    fitting = [invoice for invoice in outstanding_fees(person) if invoice.outstanding_ore == amount_ore]
    if not fitting:
        return NoMatch(NOTHING_OUTSTANDING)
    for invoice in fitting:
        if invoice.pending is not None:
            return UnderWay(person, invoice)
    for invoice in fitting:
        if invoice.disputed is not None:
            return Disputed(person, invoice)
    return Found(person, first_to_pay(fitting, today))


def outstanding_fees(person: Person) -> list[Invoice]:
    """The person's membership fees that are not fully paid."""
    return [
        invoice
        for invoice in person.invoices
        if invoice.kind == Kind.MEMBERSHIP_FEE and invoice.outstanding_ore > 0
    ]


def first_to_pay(invoices: Iterable[Invoice], today: date) -> Invoice:
    """The current period's invoice first, then the oldest due, then the oldest."""
    found = list(invoices)
    if len(found) == 1:
        return found[0]
    return min(found, key=lambda invoice: (not is_current(invoice.period, today), invoice.due, invoice.id))
