"""A credit note as its reader gets it: read from the books, and in words for its template.

It is made of what never changes, the note and the invoice that it names, so that the same note always makes
the same document; but for the payer's name, which is as it stands now. Why it was issued is the books' alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, Final

import msgspec
from sqlalchemy import text

from billing_bridge.invoicing.statement_text import day_in_words, money, registered
from billing_bridge.settings import BridgeOrganisation
from foundation.store import Statement, Tx


class CreditNote(msgspec.Struct, frozen=True):
    """A credit note and the invoice that it takes back, whole or in part. Amounts in øre, dates ISO.

    `before_ore` is what earlier notes took back of the invoice. `refund` is 1 where the amount was
    paid, and is paid back.
    """

    org: str
    number: str
    issued: str
    created_us: int
    amount_ore: int
    before_ore: int
    refund: int
    name: str
    invoice_number: str
    invoice_issued: str
    invoice_ore: int
    kid: str
    kind: str
    category: str
    period: str


class NoCreditNote(ValueError):
    """There is none of this id or number, or several; says which would be right."""


_FOUND = Statement(
    text(
        "SELECT n.org, n.series || n.number, n.issued, n.created_us, n.amount_ore, coalesce((SELECT "
        "sum(e.amount_ore) FROM credit_notes e WHERE e.invoice = n.invoice AND e.id < n.id), 0), "
        "n.refund IS NOT NULL, p.name, i.series || i.number, i.issued, i.amount_ore, i.kid, i.kind, "
        "i.category, i.period FROM credit_notes n JOIN invoices i ON i.id = n.invoice "
        "JOIN people p ON p.id = i.person "
        "WHERE (n.id = :id OR n.series || n.number = :number) AND (:org = '' OR n.org = :organisation) "
        "ORDER BY n.org"
    ),
    "id",
    "number",
    "org",
    "organisation",
)

WORDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "title": {"nn": "Kreditnota", "nb": "Kreditnota", "en": "Credit note"},
        "registered": {"nn": "Org.nr.", "nb": "Org.nr.", "en": "Org. no."},
        "number": {"nn": "Kreditnota nr.", "nb": "Kreditnota nr.", "en": "Credit note no."},
        "date": {"nn": "Dato", "nb": "Dato", "en": "Date"},
        "invoice": {"nn": "Gjeld faktura nr.", "nb": "Gjelder faktura nr.", "en": "For invoice no."},
        "invoice_date": {"nn": "Fakturadato", "nb": "Fakturadato", "en": "Invoice date"},
        "kid": {"nn": "KID på fakturaen", "nb": "KID på fakturaen", "en": "KID of the invoice"},
        "what": {"nn": "Kva", "nb": "Hva", "en": "Item"},
        "amount": {"nn": "Beløp i kroner", "nb": "Beløp i kroner", "en": "Amount in NOK"},
        "membership_fee": {"nn": "Medlemskontingent", "nb": "Medlemskontingent", "en": "Membership fee"},
        "donation": {"nn": "Gåve", "nb": "Gave", "en": "Donation"},
        "without_vat": {"nn": "Sum utan mva.", "nb": "Sum uten mva.", "en": "Total excluding VAT"},
        "vat": {"nn": "Mva. 0 %", "nb": "Mva. 0 %", "en": "VAT 0%"},
        "total": {
            "nn": "Kreditert i alt, inkl. mva.",
            "nb": "Kreditert i alt, inkl. mva.",
            "en": "Credited in all, including VAT",
        },
        "of_invoice": {
            "nn": "Fakturaen lyder på kr {amount}.",
            "nb": "Fakturaen lyder på kr {amount}.",
            "en": "The invoice amounts to NOK {amount}.",
        },
        "before": {
            "nn": "Av han var kr {amount} kreditert frå før.",
            "nb": "Av den var kr {amount} kreditert fra før.",
            "en": "Of it, NOK {amount} had been credited before.",
        },
        "refund": {
            "nn": "Beløpet er betalt og blir betalt tilbake.",
            "nb": "Beløpet er betalt og blir betalt tilbake.",
            "en": "The amount was paid and is paid back.",
        },
        "unpaid": {
            "nn": "Beløpet skal ikkje betalast.",
            "nb": "Beløpet skal ikke betales.",
            "en": "The amount is not to be paid.",
        },
    }
)
"""name → language → words."""


def credit_note(tx: Tx, named: str, org: str = "") -> CreditNote:
    """The credit note of this id or number, of this organisation's alone where one is named.

    Raises:
        NoCreditNote: there is none, or several organisations have one of this number.
    """
    found = [CreditNote(*row) for row in tx.all(_FOUND, (named, named, org, org))]
    if not found:
        raise NoCreditNote(f"there is no credit note {named}; `billing-bridge credits` lists them")
    if len(found) > 1:
        owners = ", ".join(each.org for each in found)
        raise NoCreditNote(f"there is a credit note {named} of each of {owners}; name one with --org")
    return found[0]


def for_document(note: CreditNote, organisation: BridgeOrganisation) -> dict[str, Any]:
    """What `documents/credit_note.typ` takes: words and amounts as they are to stand there."""
    language = organisation.language
    words = {name: each[language] for name, each in WORDS.items()}
    facts = [
        [words["number"], note.number],
        [words["date"], _day(note.issued, language)],
        [words["invoice"], note.invoice_number],
        [words["invoice_date"], _day(note.invoice_issued, language)],
        [words["kid"], note.kid],
    ]
    notes = [words["of_invoice"].format(amount=money(note.invoice_ore, language))]
    if note.before_ore:
        notes.append(words["before"].format(amount=money(note.before_ore, language)))
    notes.append(words["refund" if note.refund else "unpaid"])
    billing = organisation.billing
    return {
        "language": language,
        "words": words,
        "organisation": organisation.name,
        "registered": registered(billing.organisation_number, vat=billing.vat_registered),
        "name": note.name,
        "number": note.number,
        "facts": facts,
        "what": ", ".join(each for each in (words[note.kind], note.category, note.period) if each),
        # minus: it is taken back
        "amount": money(-note.amount_ore, language),
        "vat": money(0, language),
        "notes": notes,
    }


def as_lines(note: CreditNote) -> list[str]:
    """The same for a terminal."""
    return [
        f"credit note {note.number} of {note.org}, {note.issued}: {money(note.amount_ore, 'en')} kr "
        f"to {note.name}",
        f"of invoice {note.invoice_number}, {note.invoice_issued}, KID {note.kid}: "
        f"{money(note.invoice_ore, 'en')} kr, of which {money(note.before_ore, 'en')} were credited before",
        "it was paid and is refunded" if note.refund else "it was outstanding and is not to be paid",
    ]


def _day(iso: str, language: str) -> str:
    return day_in_words(date.fromisoformat(iso), language)
