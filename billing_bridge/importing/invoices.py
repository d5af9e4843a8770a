"""Taking over outstanding invoices: the machine gives numbers and KIDs; one that is there is skipped."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from billing_bridge.batch import Batch
from billing_bridge.importing.reader import (
    Checker,
    Imported,
    Line,
    one_of,
    read_date,
    read_kind,
    read_kroner,
    read_number,
    read_period,
    read_sheet,
)
from billing_bridge.invoicing.issue import write_invoice
from billing_bridge.invoicing.kid import make_kid
from billing_bridge.invoicing.period import bounds
from billing_bridge.records import Invoice, Kind, Person
from billing_bridge.settings import BridgeOrganisation, BridgeSettings
from billing_bridge.turn import KRONE_ORE, oslo_day
from foundation.clock import Clock
from foundation.ids import Ids
from foundation.numbers import mask
from foundation.store import Tx

NEEDED = ("organisation", "number", "kind", "amount_kr", "period", "due")
SOURCE = "import"


class InvoiceRow(msgspec.Struct, frozen=True):
    """One invoice as the file has it, checked."""

    line: Line
    org: str
    number: str
    kind: str
    amount_ore: int
    period: str
    due: str


class InvoiceFile(msgspec.Struct, frozen=True):
    """A file whose every row is well formed."""

    rows: tuple[InvoiceRow, ...]
    notices: tuple[str, ...]


def read_invoices(
    octets: bytes, settings: BridgeSettings, step: Callable[[int], None] = lambda _rows: None
) -> InvoiceFile:
    """The invoices of a CSV file; `step` is told of each thousand rows read.

    Raises:
        ImportRefusedError: with every fault of every row.
    """
    sheet = read_sheet(octets, NEEDED)
    checker = Checker(sheet.faults)
    organisation = one_of([each.code for each in settings.organisations])
    rows: list[InvoiceRow] = []
    for place, line in enumerate(sheet.lines, 1):
        org = checker.value(line, "organisation", organisation)
        number = checker.value(line, "number", read_number)
        kind = checker.value(line, "kind", read_kind)
        kr = checker.value(line, "amount_kr", read_kroner)
        period = checker.value(line, "period", read_period)
        due = checker.value(line, "due", read_date)
        if org and number and kind and kr and period and due:
            rows.append(InvoiceRow(line, org, number, kind, kr * KRONE_ORE, period, due))
        if place % 1000 == 0:
            step(1000)
    step(len(sheet.lines) % 1000)
    return InvoiceFile(_told_once(checker, rows), sheet.notices)


def write_invoices(tx: Tx, file: InvoiceFile, settings: BridgeSettings, ids: Ids, clock: Clock) -> Imported:
    """Issue the invoices that are not there; in the caller's transaction.

    Raises:
        ImportRefusedError: a number is nobody's, or several persons'.
        KidError: the organisation's KIDs have no room for more numbers.
    """
    checker = Checker()
    batch = Batch(tx, SOURCE)
    numbers = {row.number for row in file.rows}
    batch.read_people(numbers, numbers, numbers)
    organisations = {each.code: each for each in settings.organisations}
    fresh: list[tuple[InvoiceRow, Person]] = []
    skipped = 0
    for row in file.rows:
        person = _person(checker, batch, row)
        if person is None:
            continue
        if any(_same(row, invoice) for invoice in person.invoices):
            skipped += 1
        else:
            fresh.append((row, person))
    checker.refuse_if_wrong()
    conversation = ids.new()
    for row, person in fresh:
        if row.kind == Kind.MEMBERSHIP_FEE:
            _enrol(batch, row, person, conversation, clock.now_us())
        _issue(batch, row, person, organisations[row.org], ids=ids, clock=clock, conversation=conversation)
    batch.write()
    return Imported(len(fresh), skipped, file.notices)


def _told_once(checker: Checker, rows: list[InvoiceRow]) -> tuple[InvoiceRow, ...]:
    seen: dict[tuple[str, str, str, int, str, str], int] = {}
    for row in rows:
        key = (row.org, row.number, row.kind, row.amount_ore, row.period, row.due)
        first = seen.setdefault(key, row.line.number)
        if first != row.line.number:
            checker.fault(
                row.line,
                "",
                f"the same invoice stands in line {first}",
                "take one of them out, or give them different due dates",
            )
    checker.refuse_if_wrong()
    return tuple(rows)


def _person(checker: Checker, batch: Batch, row: InvoiceRow) -> Person | None:
    people = batch.people(row.org, row.number)
    if len(people) == 1:
        return people[0]
    if people:
        checker.fault(
            row.line,
            "number",
            f"{len(people)} persons of {row.org} share {mask(row.number)!r}",
            "give the person of this invoice a number of their own first",
        )
    else:
        checker.fault(
            row.line,
            "number",
            f"nobody of {row.org} has {mask(row.number)!r}",
            "import the person first, or mend the number",
        )
    return None


def _same(row: InvoiceRow, invoice: Invoice) -> bool:
    return (row.kind, row.amount_ore, row.period, row.due) == (
        invoice.kind,
        invoice.amount_ore,
        invoice.period,
        invoice.due,
    )


def _enrol(batch: Batch, row: InvoiceRow, person: Person, conversation: str, at_us: int) -> None:
    """Whoever is asked for a year's fee is a member of that year, and must not be asked again by joining."""
    first, last = bounds(row.period)
    for year in range(first.year, last.year + 1):
        if year not in person.years:
            person.years.add(year)
            batch.rows["memberships"].append((person.id, row.org, year, "", conversation, at_us))


def _issue(
    batch: Batch,
    row: InvoiceRow,
    person: Person,
    organisation: BridgeOrganisation,
    *,
    ids: Ids,
    clock: Clock,
    conversation: str,
) -> None:
    billing = organisation.billing
    number = batch.next_number(row.org, billing.series)
    invoice = Invoice(
        id=ids.new(),
        org=row.org,
        person=person.id,
        kind=row.kind,
        amount_ore=row.amount_ore,
        period=row.period,
        due=row.due,
        kid=make_kid(billing.series, number, billing.kid_length),
        account=billing.account,
    )
    now_us = clock.now_us()
    write_invoice(
        batch,
        invoice,
        series=billing.series,
        number=number,
        category="",
        issued=oslo_day(now_us),
        source=SOURCE,
        conversation=conversation,
        journal=ids.new(),
        at_us=now_us,
    )
