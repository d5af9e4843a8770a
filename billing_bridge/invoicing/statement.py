"""An organisation's month: what operators billed and gave back, their fees, the VAT on these, what is left.

Read from the ledger's journals alone, by when they were booked, Norwegian time; so a month that is over never
changes. What is rounded, and how, stands in docs/statements.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction

import msgspec
from sqlalchemy import text

from billing_bridge.invoicing.ledger import JournalKind
from billing_bridge.invoicing.period import PeriodError, bounds
from billing_bridge.invoicing.rounding import shares
from billing_bridge.settings import BridgeOrganisation, OperatorFee
from foundation.clock import OSLO, to_us
from foundation.store import Statement, Tx


class StatementError(ValueError):
    """There is no statement: what was asked for is no month, or the rows do not add up to the ledger."""


class Month(msgspec.Struct, frozen=True):
    """A calendar month in Europe/Oslo; UTC microseconds, `until_us` not in it."""

    name: str
    since_us: int
    until_us: int

    @classmethod
    def of(cls, name: str) -> Month:
        """From `2026-11`.

        Raises:
            StatementError: with what would be right.
        """
        try:
            first, last = bounds(name)
        except PeriodError:
            first, last = date.max, date.max
        # the calendar ends with the year 9999
        if len(name) != 7 or (first.year, first.month) != (last.year, last.month) or last == date.max:
            raise StatementError(f"{name!r} is no month; write 2026-11")
        after = last + timedelta(days=1)
        since = datetime(first.year, first.month, 1, tzinfo=OSLO)
        return cls(name, to_us(since), to_us(datetime(after.year, after.month, 1, tzinfo=OSLO)))


class Sums(msgspec.Struct, frozen=True):
    """Øre, but for `charges`. `billed` what phones were billed, `back` what operators gave back of it,
    `gross` what is left of that; less `fee` and the `vat` on it, `net`."""

    charges: int = 0
    billed_ore: int = 0
    back_ore: int = 0
    fee_ore: int = 0
    vat_ore: int = 0

    @property
    def gross_ore(self) -> int:
        """What operators owe before their fees."""
        return self.billed_ore - self.back_ore

    @property
    def net_ore(self) -> int:
        """What they pay out."""
        return self.gross_ore - self.fee_ore - self.vat_ore

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.charges + other.charges,
            self.billed_ore + other.billed_ore,
            self.back_ore + other.back_ore,
            self.fee_ore + other.fee_ore,
            self.vat_ore + other.vat_ore,
        )


class Row(msgspec.Struct, frozen=True):
    """One operator and tariff; `operator` is empty where the gateway did not name it."""

    operator: str
    tariff_ore: int
    sums: Sums


class Books(msgspec.Struct, frozen=True):
    """The organisation's own books: what the month brought, and where they stand at its end. Øre."""

    issued: int
    issued_ore: int
    credited: int
    credited_ore: int
    outstanding_ore: int
    excess_ore: int
    refunds_due_ore: int
    refunds_by_bank_ore: int


class MonthStatement(msgspec.Struct, frozen=True):
    """All of it. `over` tells whether the month is; `without_fees` names operators that no fee is set for."""

    organisation: BridgeOrganisation
    month: Month
    rows: tuple[Row, ...]
    operators: tuple[tuple[str, Sums], ...]
    total: Sums
    books: Books
    over: bool
    without_fees: tuple[str, ...]


_MOVED = Statement(
    text(
        "SELECT p.operator, p.amount_ore, j.kind, count(*), sum(e.amount_ore) FROM journals j "
        "JOIN entries e ON e.journal = j.id JOIN payments p ON p.id = j.payment "
        "WHERE j.org = :org AND j.at_us >= :since AND j.at_us < :until "
        "AND e.account = 'operator_receivable' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ),
    "org",
    "since",
    "until",
)
_OWED = Statement(
    text(
        "SELECT coalesce(sum(e.amount_ore), 0) FROM entries e JOIN journals j ON j.id = e.journal "
        "WHERE e.account = 'operator_receivable' AND j.org = :org AND j.at_us >= :since AND j.at_us < :until"
    ),
    "org",
    "since",
    "until",
)
_NOTED = Statement(
    text(
        "SELECT j.kind, count(DISTINCT j.id), sum(CASE WHEN e.account IN ('fee_income', 'donation_income') "
        "THEN -e.amount_ore ELSE 0 END), sum(CASE e.account WHEN 'bank' THEN -e.amount_ore ELSE 0 END) "
        "FROM journals j JOIN entries e ON e.journal = j.id "
        "WHERE j.org = :org AND j.at_us >= :since AND j.at_us < :until GROUP BY 1"
    ),
    "org",
    "since",
    "until",
)
_STANDING = Statement(
    text(
        "SELECT e.account, sum(e.amount_ore) FROM journals j JOIN entries e ON e.journal = j.id "
        "WHERE j.org = :org AND j.at_us < :until GROUP BY 1"
    ),
    "org",
    "until",
)
_BILLING = frozenset({JournalKind.CHARGED, JournalKind.REVERSED, JournalKind.OVERBILLED})


def month_statement(tx: Tx, organisation: BridgeOrganisation, month: Month, now_us: int) -> MonthStatement:
    """An organisation's month, as the ledger has it now.

    Raises:
        StatementError: the rows do not come to what the ledger says that operators owe.
    """
    when = (organisation.code, month.since_us, month.until_us)
    found: dict[tuple[str, int], list[tuple[str, int, int]]] = defaultdict(list)
    for operator, tariff_ore, kind, count, moved_ore in tx.all(_MOVED, when):
        found[operator, tariff_ore].append((kind, count, moved_ore))
    keys = sorted(found)
    billed = [_billed(found[key]) for key in keys]
    fees = [fee_of(organisation.billing.operator_fees, *key) for key in keys]
    fee_ore = shares([_fee(fee, sums) for fee, sums in zip(fees, billed, strict=True)])
    vat_ore = shares([Fraction(ore) * fee.vat / 100 for fee, ore in zip(fees, fee_ore, strict=True)])
    rows = tuple(
        Row(*key, sums + Sums(fee_ore=of_fee, vat_ore=of_vat))
        for key, sums, of_fee, of_vat in zip(keys, billed, fee_ore, vat_ore, strict=True)
    )
    by_operator: dict[str, Sums] = {}
    for row in rows:
        by_operator[row.operator] = by_operator.get(row.operator, Sums()) + row.sums
    total = sum(by_operator.values(), Sums())
    owed = tx.one(_OWED, when)
    if owed is None or owed[0] != total.gross_ore:
        raise StatementError(
            f"{organisation.code} {month.name}: the rows come to {total.gross_ore} øre, the ledger to "
            f"{owed[0] if owed else 'nothing'}; run billing-bridge audit"
        )
    nothing = OperatorFee()
    return MonthStatement(
        organisation=organisation,
        month=month,
        rows=rows,
        operators=tuple(by_operator.items()),
        total=total,
        books=_books(tx, organisation.code, month),
        over=now_us >= month.until_us,
        without_fees=tuple(sorted({key[0] for key, fee in zip(keys, fees, strict=True) if fee == nothing})),
    )


def fee_of(fees: Sequence[OperatorFee], operator: str, tariff_ore: int) -> OperatorFee:
    """The fee that is set for an operator and tariff: the one that names most of both; else none."""
    by_key = {(fee.operator, fee.amount_kr * 100): fee for fee in fees}
    for key in ((operator, tariff_ore), (operator, 0), ("", tariff_ore), ("", 0)):
        if key in by_key:
            return by_key[key]
    return OperatorFee()


def _fee(fee: OperatorFee, sums: Sums) -> Fraction:
    base_ore = sums.gross_ore if fee.returned_with_refund else sums.billed_ore
    return base_ore * fee.share / 100 + sums.charges * fee.per_charge_ore


def _billed(moved: Sequence[tuple[str, int, int]]) -> Sums:
    charges = billed_ore = back_ore = 0
    for kind, count, moved_ore in moved:
        if kind in _BILLING:
            billed_ore += moved_ore
            charges += {JournalKind.CHARGED: count, JournalKind.REVERSED: -count}.get(JournalKind(kind), 0)
        else:
            back_ore -= moved_ore
    return Sums(charges, billed_ore, back_ore)


def _books(tx: Tx, org: str, month: Month) -> Books:
    noted: Mapping[str, tuple[int, int, int]] = {
        kind: (count, income_ore, bank_ore)
        for kind, count, income_ore, bank_ore in tx.all(_NOTED, (org, month.since_us, month.until_us))
    }
    stands: dict[str, int] = dict(tx.all(_STANDING, (org, month.until_us)))
    issued, issued_ore, _ = noted.get(JournalKind.ISSUED, (0, 0, 0))
    credited, credited_ore, _ = noted.get(JournalKind.CREDITED, (0, 0, 0))
    return Books(
        issued=issued,
        issued_ore=issued_ore,
        credited=credited,
        credited_ore=-credited_ore,
        outstanding_ore=stands.get("receivable", 0),
        excess_ore=-stands.get("excess_payments", 0),
        refunds_due_ore=-stands.get("refunds", 0),
        refunds_by_bank_ore=sum(bank_ore for _, _, bank_ore in noted.values()),
    )
