"""Issuing an invoice: the row that never changes, its standing, and its journal."""

from __future__ import annotations

from datetime import date

from billing_bridge.batch import Batch
from billing_bridge.invoicing import ledger
from billing_bridge.records import Invoice


def write_invoice(
    batch: Batch,
    invoice: Invoice,
    *,
    series: str,
    number: int,
    category: str,
    issued: date,
    source: str,
    conversation: str,
    journal: str,
    at_us: int,
) -> None:
    """Add an invoice to what a batch writes; `number` is the series' next one, `journal` a new id."""
    batch.rows["invoices"].append(
        (
            invoice.id,
            invoice.org,
            invoice.person,
            series,
            number,
            invoice.kid,
            invoice.account,
            invoice.kind,
            category,
            invoice.amount_ore,
            invoice.period,
            issued.isoformat(),
            invoice.due,
            source,
            conversation,
            at_us,
        )
    )
    batch.rows["standings"].append((invoice.id, 0, 0, 0, 0))
    lines = ledger.issue(invoice.kind, invoice.amount_ore)
    batch.book(
        journal,
        invoice,
        ledger.JournalKind.ISSUED.value,
        lines,
        payment=None,
        conversation=conversation,
        at_us=at_us,
    )
