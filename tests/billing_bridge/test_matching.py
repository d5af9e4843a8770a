"""Which invoice a text pays: a table of registers and verdicts."""

from __future__ import annotations

from datetime import date

import pytest

from billing_bridge.matching import Disputed, Found, NoMatch, UnderWay, match_payment
from billing_bridge.records import Invoice, Person

TODAY = date(2026, 11, 23)


def bill(
    name: str,
    kr: int = 50,
    *,
    kind: str = "membership_fee",
    period: str = "2026",
    due: str = "2026-12-01",
    paid_kr: int = 0,
    pending: str | None = None,
) -> Invoice:
    return Invoice(
        id=name, org="ORG1", person="p", kind=kind, amount_ore=kr * 100, period=period, due=due, kid="",
        account="", paid_ore=paid_kr * 100, pending=pending,
    )  # fmt: skip


def person(*invoices: Invoice) -> Person:
    return Person(id="p", org="ORG1", number="+4799999901", name="Ola", email="", invoices=list(invoices))


TABLE = [
    ("nobody has the number", [], "unknown_number"),
    ("two persons share it", [person(bill("a")), person()], "several_persons"),
    ("no invoice at all", [person()], "nothing_outstanding"),
    ("the one invoice", [person(bill("a"))], "a"),
    ("another amount", [person(bill("a", 100))], "nothing_outstanding"),
    ("paid already", [person(bill("a", paid_kr=50))], "nothing_outstanding"),
    ("a donation of the amount", [person(bill("a", kind="donation"))], "nothing_outstanding"),
    ("a donation beside a fee", [person(bill("a", kind="donation"), bill("b"))], "b"),
    ("what is left of a part payment", [person(bill("a", 80, paid_kr=30))], "a"),
    ("the whole of a part payment", [person(bill("a", paid_kr=30))], "nothing_outstanding"),
    (
        "the current period before one due longer ago",
        [person(bill("old", period="2025", due="2025-12-01"), bill("now"))],
        "now",
    ),
    (
        "a half-year that runs is current",
        [person(bill("a", period="2025", due="2025-01-01"), bill("b", period="2026-H2", due="2026-12-31"))],
        "b",
    ),
    (
        "of two old ones the oldest due",
        [person(bill("x", period="2025", due="2025-12-01"), bill("y", period="2024", due="2024-12-01"))],
        "y",
    ),
    (
        "of two current ones the oldest due",
        [person(bill("x", due="2026-12-31"), bill("y", due="2026-06-01"))],
        "y",
    ),
    ("same due: the oldest invoice", [person(bill("b"), bill("a"))], "a"),
    ("a future period is not current", [person(bill("f", period="2027", due="2026-01-01"), bill("n"))], "n"),
    ("charged just now", [person(bill("a", pending="c"))], "under way: a"),
    (
        "another of the amount is being charged",
        [person(bill("a"), bill("b", period="2025", pending="c"))],
        "under way: b",
    ),
    ("one of another amount is being charged", [person(bill("a"), bill("b", 100, pending="c"))], "a"),
    ("a former member's old invoice", [person(bill("a", period="2023", due="2023-05-01"))], "a"),
]


@pytest.mark.parametrize(("people", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_payment_of_50_kr_pays(people: list[Person], expected: str) -> None:
    verdict = match_payment(people, 5000, TODAY)
    if isinstance(verdict, Found):
        assert verdict.invoice.id == expected
    elif isinstance(verdict, UnderWay):
        assert f"under way: {verdict.invoice.id}" == expected
    else:
        assert isinstance(verdict, NoMatch)
        assert verdict.reply == expected


def test_matching_changes_nothing() -> None:
    someone = person(bill("a"), bill("b", 100))
    before = repr(someone)
    match_payment([someone], 5000, TODAY)
    assert repr(someone) == before


def test_while_one_invoice_of_the_amount_is_disputed_none_is_charged() -> None:
    disputed = bill("a")
    disputed.disputed = "charge"
    assert match_payment([person(bill("b"), disputed)], 5000, TODAY) == Disputed(
        person(bill("b"), disputed), disputed
    )
