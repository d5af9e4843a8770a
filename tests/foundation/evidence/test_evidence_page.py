"""The evidence page: whole, escaped, by itself, in three languages, and sound in a browser."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from programs import need

from foundation.evidence.case import (
    Case,
    CaseAnswer,
    CaseEntry,
    CaseInvoice,
    CaseProposal,
    CaseSms,
    CaseStep,
    CaseWord,
)
from foundation.evidence.labels import LABELS
from foundation.evidence.page import LANGUAGES, kroner, render, time_below, time_in_oslo
from foundation.evidence.words import say

AT = 1_795_388_399_123_456
"""2026-11-22 22:59:59.123456 UTC, a second before midnight in Norway."""
EVIL = '<script>alert("x")</script>&amp;'


def case(**changes: object) -> Case:
    whole = Case(
        charge="019b7622-c400-7000-8000-000000000009",
        conversation="019b7622-c400-7000-8000-000000000001",
        org="ORG1",
        org_name="Organisasjon1",
        language="nn",
        made_us=AT + 60_000_000,
        known_by="billing-bridge, smsd (smsd)",
        number="+4799999901",
        amount_ore=5000,
        state="charged",
        reason="",
        contradicted=False,
        asked_us=AT,
        settled_us=AT + 2_000_000,
        invoice_id="i",
        operator="telco",
        short_code="2030",
        journal_us=AT + 50_000_000,
        sms=(
            CaseSms("m0", AT, "in", "mo", "+4799999901", "2030", 1, 0, "received", AT, "", "ORG1 BETAL 50"),
            CaseSms(
                "m1", AT, "out", "premium", "+4799999901", "2030", 1, 5000, "delivered", AT, "", "Betalinga"
            ),
            CaseSms("m2", AT, "out", "reply", "+4799999901", "2030", 1, 0, "delivered", AT, "", None),
        ),
        steps=(
            CaseStep(AT, "start", "intended", "sending", ""),
            CaseStep(AT + 1, "no_answer", "sending", "in_doubt", "lost"),
            CaseStep(AT + 2_000_000, "receipt_charged", "in_doubt", "charged", "id:1 stat:DELIVRD err:000"),
        ),
        answers=(
            CaseAnswer(AT, "m1", "premium", "receipt", "1", "DELIVRD", "000", "", "2026-11-22 23:59", "", ""),
            CaseAnswer(AT, "m2", "reply", "receipt", "2", "DELIVRD", "000", "", "", "2026-11-23 00:00", ""),
        ),
        proposals=(CaseProposal(AT, "charged", "Kari", "ringte", "confirmed", "Ola", "rapporten", AT),),
        words=(CaseWord(AT, "charged", "", "receipt_charged id:1"),),
        invoice=CaseInvoice(
            "i",
            "1001",
            "membership_fee",
            "Ola Nordmann",
            5000,
            "2026",
            "2026-01-01",
            "2026-12-31",
            "1234567",
            "12345678903",
            5000,
            0,
            0,
        ),
        ledger=(
            CaseEntry(AT, "j", "charged", "operator_receivable", 5000, True),
            CaseEntry(AT, "j", "charged", "receivable", -5000, True),
        ),
    )
    return msgspec.structs.replace(whole, **changes)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_shows_all_that_a_complaint_handler_asks_for(language: str) -> None:
    page = render(case(), language)
    for shown in (
        "ORG1 BETAL 50",
        "Betalinga",
        "50,00 kr",
        "+4799999901",
        "2026-11-22 23:59",
        "2026-11-23 00:00",
        "DELIVRD",
        "1001",
        "1234567",
        "Ola Nordmann",
        "\N{MINUS SIGN}50,00",
        "Kari",
        LABELS[language]["title"],  # type: ignore[index]
        say("operator_receivable", language),  # type: ignore[arg-type]
    ):
        assert shown in page, shown
    assert f'<html lang="{language}">' in page


def test_times_are_norwegian_with_utc_below() -> None:
    assert time_in_oslo(AT) == "2026-11-22 23:59:59.123"
    assert time_below(AT) == "22:59:59.123 UTC"
    # past midnight the dates differ
    assert time_below(AT + 1_000_000) == "2026-11-22 23:00:00.123 UTC"


def test_nothing_that_anybody_wrote_becomes_markup() -> None:
    sms = CaseSms("m", AT, "in", "mo", EVIL, EVIL, 1, 0, EVIL, AT, EVIL, EVIL)
    page = render(
        case(
            charge=EVIL,
            conversation=EVIL,
            org=EVIL,
            org_name=EVIL,
            known_by=EVIL,
            number=EVIL,
            state=EVIL,
            reason=EVIL,
            operator=EVIL,
            invoice_id=EVIL,
            invoice=None,
            sms=(sms,),
            steps=(CaseStep(AT, EVIL, "a", EVIL, EVIL),),
            answers=(CaseAnswer(AT, "m", EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL),),
            proposals=(CaseProposal(AT, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, AT),),
            words=(CaseWord(AT, EVIL, EVIL, EVIL),),
            ledger=(CaseEntry(AT, EVIL, EVIL, EVIL, 1, True),),
        ),
        "en",
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 20


def test_the_page_stands_by_itself() -> None:
    page = render(case(), "nb")
    assert not re.search(r"<(script|link|img|iframe|object)\b|@import|url\(", page)
    assert not re.search(r"\b(?:src|href|action)=", page)
    assert "default-src 'none'" in page


def test_what_is_missing_is_said() -> None:
    bare = render(case(journal_us=0, ledger=None, steps=(), answers=(), proposals=(), settled_us=0), "en")
    assert LABELS["en"]["no_journal"] in bare
    assert LABELS["en"]["ledger_elsewhere"] in bare
    assert LABELS["en"]["not_settled"] in bare
    assert LABELS["en"]["no_ledger"] in render(case(ledger=()), "en")
    told = render(case(contradicted=True, answers=case().answers[:1]), "en")
    assert LABELS["en"]["contradicted"] in told
    assert LABELS["en"]["no_confirmation"] in told
    assert LABELS["en"]["no_confirmation"] not in render(case(), "en")


def test_every_language_has_every_label_and_a_stranger_gets_english() -> None:
    assert {frozenset(labels) for labels in LABELS.values()} == {frozenset(LABELS["en"])}
    assert '<html lang="en">' in render(case(), "fr")


@pytest.mark.parametrize(
    ("ore", "shown"), [(0, "0,00"), (5, "0,05"), (-5005, "\N{MINUS SIGN}50,05"), (100_000, "1000,00")]
)
def test_amounts_have_two_decimals(ore: int, shown: str) -> None:
    assert kroner(ore) == shown


@pytest.mark.real
@pytest.mark.parametrize(("width", "media"), [(1100, "screen"), (390, "screen"), (688, "print")])
def test_in_a_browser_nothing_sticks_out_on_a_desk_a_phone_or_a_sheet(
    tmp_path: Path, width: int, media: str
) -> None:
    chromium = need("chromium", "chromium-browser", "google-chrome")
    from playwright.sync_api import sync_playwright

    file = tmp_path / "page.html"
    file.write_text(render(case(), "nn"), "utf-8")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.emulate_media(media=media)  # type: ignore[arg-type]
        page.goto(file.as_uri())
        wide = page.evaluate(
            "[document.documentElement, ...document.querySelectorAll('.wide, dd, h1')]"
            ".map(one => one.scrollWidth - one.clientWidth).filter(over => over > 1)"
        )
        browser.close()
    assert wide == []
    assert said == []
