"""A month's statement in the organisation's language: as CSV, and as its template takes it. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from billing_bridge.invoicing.statement import MonthStatement, Sums
from foundation.clock import oslo

_MONTHS: Final = {
    "nn": "januar februar mars april mai juni juli august september oktober november desember",
    "nb": "januar februar mars april mai juni juli august september oktober november desember",
    "en": "January February March April May June July August September October November December",
}
_NO_BREAK: Final = "\u00a0"
_MINUS: Final = "\u2212"
_LONG_AMOUNT: Final = len("999 999,99")

WORDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "title": {"nn": "Månadsoppgjer", "nb": "Månedsoppgjør", "en": "Monthly statement"},
        "subject": {
            "nn": "SMS-betalingar over telefonrekninga",
            "nb": "SMS-betalinger over telefonregningen",
            "en": "SMS payments by phone bill",
        },
        "number": {"nn": "Org.nr.", "nb": "Org.nr.", "en": "Org. no."},
        "made": {"nn": "Laga", "nb": "Laget", "en": "Made"},
        "tariff": {"nn": "Takst", "nb": "Takst", "en": "Tariff"},
        "charges": {"nn": "Tal", "nb": "Antall", "en": "Count"},
        "billed": {"nn": "Fakturert", "nb": "Fakturert", "en": "Billed"},
        "back": {"nn": "Tilbakeført", "nb": "Tilbakeført", "en": "Given back"},
        "gross": {"nn": "Brutto", "nb": "Brutto", "en": "Gross"},
        "fee": {"nn": "Gebyr", "nb": "Gebyr", "en": "Fees"},
        "vat": {"nn": "Mva. av gebyr", "nb": "Mva. av gebyr", "en": "VAT on fees"},
        "net": {"nn": "Netto", "nb": "Netto", "en": "Net"},
        "total": {"nn": "Sum", "nb": "Sum", "en": "Total"},
        "total_all": {"nn": "I alt", "nb": "I alt", "en": "In all"},
        "unknown": {"nn": "ukjend operatør", "nb": "ukjent operatør", "en": "unknown operator"},
        "unit": {"nn": "Beløp i kroner", "nb": "Beløp i kroner", "en": "Amounts in NOK"},
        "nothing": {
            "nn": "Ingen betalingar denne månaden.",
            "nb": "Ingen betalinger denne måneden.",
            "en": "No payments this month.",
        },
        "payout": {
            "nn": "Til utbetaling frå operatørane",
            "nb": "Til utbetaling fra operatørene",
            "en": "To be paid out by the operators",
        },
        "books": {"nn": "Frå rekneskapen", "nb": "Fra regnskapet", "en": "From the books"},
        "issued": {
            "nn": "Utferda fakturaer i månaden ({count})",
            "nb": "Utstedte fakturaer i måneden ({count})",
            "en": "Invoices issued in the month ({count})",
        },
        "credited": {
            "nn": "Kreditnotaer i månaden ({count})",
            "nb": "Kreditnotaer i måneden ({count})",
            "en": "Credit notes in the month ({count})",
        },
        "by_bank": {
            "nn": "Tilbakebetalt over bank i månaden",
            "nb": "Tilbakebetalt over bank i måneden",
            "en": "Refunded by bank in the month",
        },
        "outstanding": {
            "nn": "Uteståande fakturaer ved slutten av månaden",
            "nb": "Utestående fakturaer ved slutten av måneden",
            "en": "Invoices outstanding at the end of the month",
        },
        "excess": {
            "nn": "Betalt for mykje, ikkje tilbakebetalt",
            "nb": "Betalt for mye, ikke tilbakebetalt",
            "en": "Paid in excess, not refunded",
        },
        "due": {
            "nn": "Skal betalast tilbake",
            "nb": "Skal betales tilbake",
            "en": "Refunds due",
        },
        "no_fees": {
            "nn": "Det er ikkje sett opp gebyr for {operators}; det er rekna som 0.",
            "nb": "Det er ikke satt opp gebyr for {operators}; det er regnet som 0.",
            "en": "No fees are set for {operators}; they are taken as 0.",
        },
        "not_over": {
            "nn": "Førebels: månaden var ikkje slutt då oppgjeret vart laga.",
            "nb": "Foreløpig: måneden var ikke slutt da oppgjøret ble laget.",
            "en": "Preliminary: the month was not over when this was made.",
        },
        "rounding": {
            "nn": "Gebyr og mva. er runda av til heile øre på summen og fordelte på linjene, "
            "så linjene summerer seg til totalen.",
            "nb": "Gebyr og mva. er rundet av til hele øre på summen og fordelt på linjene, "
            "så linjene summerer seg til totalen.",
            "en": "Fees and VAT are rounded to whole øre on the total and shared between the lines, "
            "so that the lines add up to it.",
        },
        "page": {
            "nn": "Side {page} av {pages}",
            "nb": "Side {page} av {pages}",
            "en": "Page {page} of {pages}",
        },
    }
)
"""name → language → words."""

COLUMNS: Final = (
    "row", "organisation", "period", "operator", "tariff_kr", "charges", "billed_kr", "given_back_kr",
    "gross_kr", "fee_kr", "vat_kr", "net_kr",
)  # fmt: skip
"""The CSV's header; `row` is `tariff`, `operator` or `total`."""


def money(amount_ore: int, language: str) -> str:
    """An amount as people read it: `1 234,50` with no-break blanks, in English `1,234.50`; a real minus."""
    whole, rest = divmod(abs(amount_ore), 100)
    group, point = (",", ".") if language == "en" else (_NO_BREAK, ",")
    sign = _MINUS if amount_ore < 0 else ""
    return f"{sign}{whole:,}".replace(",", group) + f"{point}{rest:02d}"


def as_csv(statement: MonthStatement) -> str:
    """Comma-separated, amounts in kroner with a point, one line a tariff, an operator and the whole."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)

    def line(kind: str, operator: str, tariff: str, sums: Sums) -> None:
        amounts = (
            sums.billed_ore, sums.back_ore, sums.gross_ore, sums.fee_ore, sums.vat_ore, sums.net_ore,
        )  # fmt: skip
        head = (kind, statement.organisation.code, statement.month.name, operator, tariff, sums.charges)
        writer.writerow((*head, *(_plain(each) for each in amounts)))

    for row in statement.rows:
        line("tariff", row.operator, _plain(row.tariff_ore), row.sums)
    for operator, sums in statement.operators:
        line("operator", operator, "", sums)
    line("total", "", "", statement.total)
    return out.getvalue()


def notices(statement: MonthStatement, language: str) -> list[str]:
    """What a reader must know of the figures."""
    found = []
    if not statement.over:
        found.append(WORDS["not_over"][language])
    if statement.without_fees:
        names = ", ".join(each or WORDS["unknown"][language] for each in statement.without_fees)
        found.append(WORDS["no_fees"][language].format(operators=names))
    return found


def for_document(statement: MonthStatement, made_us: int) -> dict[str, Any]:
    """What `documents/statement.typ` takes: words and amounts as they are to stand there."""
    organisation, language = statement.organisation, statement.organisation.language
    words = {name: each[language] for name, each in WORDS.items()}

    def cells(sums: Sums) -> list[str]:
        amounts = (
            sums.billed_ore, -sums.back_ore, sums.gross_ore, -sums.fee_ore, -sums.vat_ore, sums.net_ore,
        )  # fmt: skip
        return [f"{sums.charges}", *(money(each, language) for each in amounts)]

    groups = []
    for operator, sums in statement.operators:
        rows = [
            [money(row.tariff_ore, language), *cells(row.sums)]
            for row in statement.rows
            if row.operator == operator
        ]
        groups.append({"name": operator or words["unknown"], "rows": rows, "sums": cells(sums)})
    total = cells(statement.total)
    books = statement.books
    return {
        "language": language,
        "words": words,
        "organisation": organisation.name,
        "number": registered(
            organisation.billing.organisation_number, vat=organisation.billing.vat_registered
        ),
        "period": _month(statement.month.name, language),
        "made": day_in_words(oslo(made_us).date(), language),
        "made_iso": oslo(made_us).date().isoformat(),
        "groups": groups,
        "total": total,
        # millions need the sheet's longer side
        "wide": max(map(len, total)) > _LONG_AMOUNT,
        "payout": money(statement.total.net_ore, language),
        "notices": notices(statement, language),
        "books": [
            [words["issued"].format(count=books.issued), money(books.issued_ore, language)],
            [words["credited"].format(count=books.credited), money(-books.credited_ore, language)],
            [words["by_bank"], money(books.refunds_by_bank_ore, language)],
            [words["outstanding"], money(books.outstanding_ore, language)],
            [words["excess"], money(books.excess_ore, language)],
            [words["due"], money(books.refunds_due_ore, language)],
        ],
    }


def _plain(amount_ore: int) -> str:
    whole, rest = divmod(abs(amount_ore), 100)
    return f"{'-' if amount_ore < 0 else ''}{whole}.{rest:02d}"


def registered(digits: str, *, vat: bool) -> str:
    """An organisation number as people read it, with `MVA` where it is registered for VAT."""
    grouped = _NO_BREAK.join((digits[:3], digits[3:6], digits[6:]))
    return f"{grouped}{_NO_BREAK}MVA" if vat else grouped


def _month(name: str, language: str) -> str:
    year, month = name.split("-")
    return f"{_MONTHS[language].split()[int(month) - 1]} {year}"


def day_in_words(day: date, language: str) -> str:
    """A date as people read it: `7. november 2026`, in English `7 November 2026`."""
    month = _MONTHS[language].split()[day.month - 1]
    return f"{day.day} {month} {day.year}" if language == "en" else f"{day.day}. {month} {day.year}"
