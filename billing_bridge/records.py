"""People, invoices and payments as one batch works on them: read once, changed in memory, written once."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What an invoice asks money for."""

    MEMBERSHIP_FEE = "membership_fee"
    DONATION = "donation"


class State(StrEnum):
    """A payment attempt's state; it moves only down this list."""

    PENDING = "pending"
    NOT_CHARGED = "not_charged"
    CHARGED = "charged"
    REFUND_DUE = "refund_due"
    REFUNDED = "refunded"


class Invoice(msgspec.Struct, gc=False):
    """One invoice and what the ledger says of it. Amounts in øre.

    `pending` is the charge under way, `disputed` one that ended without money while other evidence says that
    it was billed.
    """

    id: str
    org: str
    person: str
    kind: str
    amount_ore: int
    period: str
    due: str
    kid: str
    account: str
    paid_ore: int = 0
    credited_ore: int = 0
    excess_ore: int = 0
    pending: str | None = None
    disputed: str | None = None

    @property
    def outstanding_ore(self) -> int:
        """What is still to be paid."""
        return self.amount_ore - self.paid_ore - self.credited_ore


class Person(msgspec.Struct):
    """One person of one organisation; `years` are those of the memberships, where they were read."""

    id: str
    org: str
    number: str
    name: str
    email: str
    invoices: list[Invoice] = []
    years: set[int] = set()


class Payment(msgspec.Struct, gc=False):
    """One attempt to charge an invoice."""

    id: str
    invoice: str
    number: str
    amount_ore: int
    state: str
    reason: str
    evidence: str
    contradicted: int
    conversation: str
    settled_us: int | None
