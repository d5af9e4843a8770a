"""A month's statement: its borders, its rows that add up to the ledger, its words, its pages."""

from __future__ import annotations

import csv
import io
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bridge_world import NOON, OLA, World, bridge_settings, organisation, the_charge
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pypdf import PdfReader

from billing_bridge.invoicing import documents
from billing_bridge.invoicing.statement import Month, MonthStatement, StatementError, fee_of, month_statement
from billing_bridge.invoicing.statement_text import WORDS, as_csv, for_document, money, notices
from billing_bridge.records import GivenBy
from billing_bridge.settings import BridgeOrganisation, OperatorFee
from foundation.clock import DAY_US, SECOND_US, to_us
from foundation.contract import Charge, Outcome

NOVEMBER = Month.of("2026-11")
FEES = (
    OperatorFee(operator="telco", percent=12.5, per_charge_ore=33, vat_percent=25),
    OperatorFee(operator="telco", amount_kr=75, percent=10, vat_percent=25),
    OperatorFee(percent=7.777, vat_percent=12.345, returned_with_refund=True),
)


def with_fees(language: str = "nn", fees: tuple[OperatorFee, ...] = FEES) -> BridgeOrganisation:
    found = organisation()
    billing = found.billing.model_copy(update={"operator_fees": fees})
    return found.model_copy(update={"billing": billing, "language": language})


def charged(world: World, number: str = OLA, operator: str = "telco", kr: int = 50) -> Charge:
    """Somebody who joined and was charged, by this operator."""
    if kr == 50:
        world.take(world.join(number, f"N {number}"))
    else:
        world.take(world.join(number, f"N {number}", org="ORG1"))
    charge = the_charge(world.take(world.pay(kr, number)))
    world.take(replace(world.settled(charge), sequence=1, operator=operator))
    return charge


def november(
    world: World, found: BridgeOrganisation | None = None, month: Month = NOVEMBER
) -> MonthStatement:
    return month_statement(world.tx, found or with_fees(), month, world.clock.us)


@pytest.mark.parametrize(
    ("name", "since", "until"),
    [
        # summer time ends in October and begins in March
        ("2026-11", "2026-10-31T23:00", "2026-11-30T23:00"),
        ("2026-10", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("2026-03", "2026-02-28T23:00", "2026-03-31T22:00"),
        ("2026-12", "2026-11-30T23:00", "2026-12-31T23:00"),
    ],
)
def test_a_month_begins_and_ends_at_midnight_in_norway(name: str, since: str, until: str) -> None:
    month = Month.of(name)
    moments = [to_us(datetime.fromisoformat(each).replace(tzinfo=UTC)) for each in (since, until)]
    assert [month.since_us, month.until_us] == moments


@pytest.mark.parametrize(
    "name",
    [
        "2026",
        "2026-13",
        "2026-H1",
        "2026-Q1",
        "26-11",
        "november",
        "",
        "2026-11-01",
        "9999-12",
        "２０２６-11",
    ],
)
def test_what_is_no_month_is_told(name: str) -> None:
    with pytest.raises(StatementError, match="write 2026-11"):
        Month.of(name)


def test_a_month_names_what_was_billed_the_fees_the_vat_and_the_rest(world: World) -> None:
    charged(world)
    charged(world, "+4799999902", "nordtel")
    found = november(world)
    assert [(row.operator, row.tariff_ore) for row in found.rows] == [("nordtel", 5000), ("telco", 5000)]
    nordtel, telco = (row.sums for row in found.rows)
    # 12.5 % of 50 kr and 33 øre; 7.777 % of 50 kr
    assert (telco.gross_ore, telco.fee_ore, telco.vat_ore, telco.net_ore) == (5000, 658, 165, 4177)
    assert (nordtel.gross_ore, nordtel.fee_ore, nordtel.vat_ore, nordtel.net_ore) == (5000, 389, 48, 4563)
    assert found.total.net_ore == telco.net_ore + nordtel.net_ore
    assert (found.books.issued, found.books.issued_ore) == (2, 10_000)


def test_what_is_booked_after_the_month_is_in_the_next(world: World) -> None:
    charged(world)
    world.clock.us = NOVEMBER.until_us
    charge = charged(world, "+4799999902")
    world.take(replace(world.settled(charge, Outcome.NOT_CHARGED), sequence=2))
    assert november(world).total.billed_ore == 5000
    december = november(world, month=Month.of("2026-12"))
    assert (december.total.charges, december.total.billed_ore) == (0, 0)
    assert november(world).over


def test_what_was_given_back_is_taken_off_and_the_fee_with_it_where_that_is_set(world: World) -> None:
    for place, operator in enumerate(("telco", "nordtel")):
        charge = charged(world, f"+479999990{place}", operator)
        world.take(replace(world.settled(charge, Outcome.REFUNDED), sequence=2, operator=operator))
    nordtel, telco = (row.sums for row in november(world).rows)
    assert (telco.billed_ore, telco.back_ore, telco.gross_ore, telco.fee_ore) == (5000, 5000, 0, 658)
    assert (nordtel.gross_ore, nordtel.fee_ore) == (0, 0)


def test_a_refund_by_the_bank_is_no_business_of_the_operator(world: World) -> None:
    charge = charged(world)
    refund = world.by_hand(lambda hand: hand.refund(charge.id, 2000, "Kari", "too much"))[0]
    assert november(world).books.refunds_due_ore == 2000
    world.by_hand(lambda hand: hand.refunded(refund, GivenBy.BANK, "Kari", "reference 17"))
    found = november(world)
    assert found.total.gross_ore == 5000
    books = found.books
    assert (books.refunds_due_ore, books.refunds_by_bank_ore, books.credited, books.credited_ore) == (
        0,
        2000,
        1,
        2000,
    )


def test_a_fee_that_is_not_set_is_nothing_and_that_is_told(world: World) -> None:
    charged(world, operator="")
    found = november(world, with_fees(fees=()))
    assert (found.total.fee_ore, found.total.net_ore) == (0, 5000)
    assert "ukjend operatør" in " ".join(notices(found, "nn"))
    assert len(notices(found, "nn")) == 2
    world.clock.us = NOVEMBER.until_us
    assert notices(november(world), "nn") == []


@pytest.mark.parametrize(
    ("operator", "kr", "percent"),
    [("telco", 50, 12.5), ("telco", 75, 10), ("nordtel", 75, 7.777), ("", 1, 7.777)],
)
def test_the_fee_that_names_most_is_taken(operator: str, kr: int, percent: float) -> None:
    assert fee_of(FEES, operator, kr * 100).percent == percent


def test_rows_that_do_not_come_to_the_ledger_make_no_statement(world: World) -> None:
    charged(world)
    world.connection.execute("PRAGMA foreign_keys=OFF")
    world.connection.execute("DROP TRIGGER payments_delete_refused")
    world.connection.execute("DELETE FROM payments")
    with pytest.raises(StatementError, match="billing-bridge audit"):
        november(world)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["charge", "charge", "charge", "reverse", "refund", "overbill", "bank"]),
        st.sampled_from(["telco", "nordtel", ""]),
        st.integers(0, 70),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=40)
@given(EVENTS)
def test_every_month_adds_up_to_the_ore_and_the_months_to_what_operators_owe(
    events: list[tuple[str, str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), bridge_settings(with_fees()))
        chance = random.Random(len(events))
        charges: list[Charge] = []
        for place, (what, operator, days) in enumerate(events):
            world.clock.us = NOON + days * DAY_US + place * SECOND_US
            if what == "charge" or not charges:
                charges.append(charged(world, f"+479000{place:04d}", operator))
                continue
            charge = chance.choice(charges)
            word = replace(world.settled(charge), sequence=place + 2)
            if what == "reverse":
                world.take(replace(word, outcome=Outcome.NOT_CHARGED))
            elif what == "refund":
                world.take(replace(word, outcome=Outcome.REFUNDED))
            elif what == "overbill":
                world.take(replace(word, overbilled=5000, given_back=2500 if days % 2 else 0))
            elif world.value(
                "SELECT state FROM payments WHERE id = ?", charge.id
            ) == "charged" and not world.value("SELECT count(*) FROM refunds WHERE payment = ?", charge.id):
                world.by_hand(lambda hand, charge=charge: hand.refund(charge.id, 100, "K", "x"))
        owed = 0
        for name in ("2026-11", "2026-12", "2027-01", "2027-02"):
            found = november(world, month=Month.of(name))
            for each in (*(row.sums for row in found.rows), *(sums for _, sums in found.operators)):
                assert each.billed_ore - each.back_ore - each.fee_ore - each.vat_ore == each.net_ore
            for field in ("charges", "billed_ore", "back_ore", "gross_ore", "fee_ore", "vat_ore", "net_ore"):
                total = getattr(found.total, field)
                assert sum(getattr(row.sums, field) for row in found.rows) == total
                assert sum(getattr(sums, field) for _, sums in found.operators) == total
            owed += found.total.gross_ore
            adds_up(as_csv(found))
        assert owed == world.balances().get("operator_receivable", 0)
        world.close()


def adds_up(text: str) -> None:
    """What a spreadsheet would find in the file."""
    sums: dict[tuple[str, str], int] = {}
    for row in csv.DictReader(io.StringIO(text)):
        for column in ("billed_kr", "given_back_kr", "gross_kr", "fee_kr", "vat_kr", "net_kr"):
            key = (row["row"], column)
            sums[key] = sums.get(key, 0) + int(row[column].replace(".", ""))
    for kind, column in list(sums):
        assert sums[kind, column] == sums["total", column]


def test_the_csv_has_one_line_a_tariff_an_operator_and_the_whole(world: World) -> None:
    charged(world)
    assert as_csv(november(world)) == (
        "row,organisation,period,operator,tariff_kr,charges,billed_kr,given_back_kr,gross_kr,fee_kr,vat_kr,net_kr\n"
        "tariff,ORG1,2026-11,telco,50.00,1,50.00,0.00,50.00,6.58,1.65,41.77\n"
        "operator,ORG1,2026-11,telco,,1,50.00,0.00,50.00,6.58,1.65,41.77\n"
        "total,ORG1,2026-11,,,1,50.00,0.00,50.00,6.58,1.65,41.77\n"
    )


@pytest.mark.parametrize(
    ("ore", "norwegian", "english"),
    [
        (0, "0,00", "0.00"),
        (5, "0,05", "0.05"),
        (-4990, "−49,90", "−49.90"),
        (123_456_789, "1\u00a0234\u00a0567,89", "1,234,567.89"),
    ],
)
def test_amounts_are_written_as_the_language_has_them(ore: int, norwegian: str, english: str) -> None:
    assert (money(ore, "nn"), money(ore, "nb"), money(ore, "en")) == (norwegian, norwegian, english)


def test_every_word_is_there_in_every_language() -> None:
    assert all(set(each) == {"nn", "nb", "en"} and all(each.values()) for each in WORDS.values())


def words_of(octets: bytes) -> list[str]:
    """The text of each page, by a reader that is not the typesetter's; no-break blanks as blanks."""
    return [page.extract_text().replace("\u00a0", " ") for page in PdfReader(io.BytesIO(octets)).pages]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("nn", ["Månadsoppgjer", "november 2026", "Side 1 av 1", "41,77", "ukjend", "Førebels"]),
        ("nb", ["Månedsoppgjør", "november 2026", "Side 1 av 1", "41,77", "ukjent", "Foreløpig"]),
        ("en", ["Monthly statement", "November 2026", "Page 1 of 1", "41.77", "unknown", "Preliminary"]),
    ],
)
def test_the_pdf_speaks_the_organisations_language(world: World, language: str, words: list[str]) -> None:
    charged(world)
    charged(world, "+4799999902", "")
    found = november(world, with_fees(language, FEES[:2]))
    (page,) = words_of(documents.pdf("statement", for_document(found, NOON), NOON))
    for word in (*words, "Organisasjon ORG1", "974 760 673", "telco"):
        assert word in page, word


def test_the_same_month_makes_the_same_pdf(world: World) -> None:
    charged(world)
    data = for_document(november(world), NOON)
    assert documents.pdf("statement", data, NOON) == documents.pdf("statement", data, NOON)


def test_a_month_without_payments_says_so(world: World) -> None:
    (page,) = words_of(documents.pdf("statement", for_document(november(world), NOON), NOON))
    assert "Ingen betalingar" in page


def test_a_long_table_goes_on_with_its_header_and_operator_on_every_page(world: World) -> None:
    charged(world)
    data: dict[str, Any] = for_document(november(world), NOON)
    (group,) = data["groups"]
    group["rows"] *= 80
    pages = words_of(documents.pdf("statement", data, NOON))
    assert len(pages) == 3
    for place, page in enumerate(pages[:2], 1):
        assert "Fakturert" in page
        assert "telco" in page
        assert f"Side {place} av 3" in page
    assert len(documents.pictures("statement", data, NOON)) == 3


def test_words_of_an_organisation_are_no_markup(world: World) -> None:
    charged(world)
    name = "#panic() *Lag* $x$ <b> [Ås]"
    found = november(world, with_fees().model_copy(update={"name": name}))
    (page,) = words_of(documents.pdf("statement", for_document(found, NOON), NOON))
    assert name in page
