"""People, invoices and payments as one batch works on them: read once, changed in memory, written once."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What an invoice asks money for."""

    MEMBERSHIP_FEE = "membership_fee"
    DONATION = "donation"


class State(StrEnum):
    """A payment attempt's state, by how far on; only a later word of the gateway takes one back."""

    PENDING = "pending"
    NOT_CHARGED = "not_charged"
    CHARGED = "charged"
    REFUND_DUE = "refund_due"
    REFUNDED = "refunded"


class RefundState(StrEnum):
    """Whether a payer still waits for the money."""

    DUE = "due"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"


class Cause(StrEnum):
    """Who decided a refund: what a gateway said, or a person here."""

    GATEWAY = "gateway"
    BY_HAND = "by_hand"


class GivenBy(StrEnum):
    """How a refund reached the payer: the operator took it off the phone bill, or a bank paid it."""

    OPERATOR = "operator"
    BANK = "bank"


class Invoice(msgspec.Struct, gc=False):
    """One invoice and what the ledger says of it. Amounts in øre.

    `excess_ore` was paid beyond it, `lost_ore` was given back though it never came in. `pending` is the
    charge under way, `disputed` one that ended without money while other evidence says that it was billed.
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
    lost_ore: int = 0
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
    """One attempt to charge an invoice, as the latest word of it has it (`ChargeSettled`)."""

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
    gateway: str = ""
    sequence: int = 0
    overbilled_ore: int = 0
    given_back_ore: int = 0
    operator: str = ""

    @property
    def charged(self) -> bool:
        """Whether the payer's phone was billed, given back or not."""
        return self.state in (State.CHARGED, State.REFUND_DUE, State.REFUNDED)

    @property
    def price_ore(self) -> int:
        """What the operator took of the payer for the invoice, given back or not."""
        return self.amount_ore if self.charged else 0

    @property
    def beyond_ore(self) -> int:
        """What it took beyond that, given back or not."""
        return self.overbilled_ore if self.charged else 0

    @property
    def billed_ore(self) -> int:
        """All that it took, given back or not."""
        return self.price_ore + self.beyond_ore


class Refund(msgspec.Struct, gc=False):
    """Money that a payer is to get back, or got. Amount in øre."""

    id: str
    payment: str
    amount_ore: int
    cause: str
    state: str
    by: str
    ended_who: str = ""
    ended_how: str = ""
    ended_us: int | None = None
