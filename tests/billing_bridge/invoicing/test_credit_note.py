"""A credit note as a document: what it names, in which words, where on the sheet, what it keeps to itself."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bridge_world import KARI, OLA, World, bridge_settings, organisation, the_charge
from pypdf import PdfReader

from billing_bridge.cli_tools import in_one_transaction
from billing_bridge.invoicing import documents
from billing_bridge.invoicing.credit_note import (
    WORDS,
    CreditNote,
    NoCreditNote,
    as_lines,
    credit_note,
    for_document,
)
from billing_bridge.payments.by_hand import ByHand
from billing_bridge.settings import BridgeOrganisation
from foundation.clock import DAY_US

MM_PER_POINT = 25.4 / 72
SHEET_MM = 297


def in_language(language: str = "nn", **values: Any) -> BridgeOrganisation:
    return organisation().model_copy(update={"language": language, **values})


def by_hand(world: World, act: Callable[[ByHand], object]) -> None:
    """What a person does, in one transaction."""
    in_one_transaction(world.connection, lambda tx: act(ByHand(tx, world.settings, world.ids, world.clock)))


def credited(world: World, kid: str, amount_ore: int | None = None) -> None:
    by_hand(world, lambda hand: hand.credit(kid, amount_ore, "Kari", "the treasurer's private reason"))


def owed(world: World, number: str = OLA, org: str = "ORG1") -> str:
    """The KID of an invoice of 50 kr that nobody has paid."""
    world.take(world.join(number, f"N {number[-2:]}", org=org))
    return str(world.rows("SELECT kid FROM invoices ORDER BY id DESC LIMIT 1")[0][0])


def page_of(note: CreditNote, found: BridgeOrganisation) -> str:
    octets = documents.pdf("credit_note", for_document(note, found), note.created_us)
    (page,) = PdfReader(io.BytesIO(octets)).pages
    return page.extract_text().replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("nn", ["Kreditnota", "Gjeld faktura nr.", "Medlemskontingent", "−20,50", "skal ikkje betalast"]),
        ("nb", ["Kreditnota", "Gjelder faktura nr.", "Medlemskontingent", "−20,50", "skal ikke betales"]),
        ("en", ["Credit note", "For invoice no.", "Membership fee", "−20.50", "is not to be paid"]),
    ],
)
def test_it_names_its_number_the_invoice_and_the_amount(
    world: World, language: str, words: list[str]
) -> None:
    kid = owed(world)
    credited(world, kid, 2050)
    note = credit_note(world.tx, "K1")
    page = page_of(note, in_language(language))
    for word in (*words, "K1", kid, "N 01", "Organisasjon ORG1", "974 760 673", note.invoice_number):
        assert word in page, word
    assert "private reason" not in page
    assert "private reason" not in " ".join(as_lines(note))


def test_the_same_note_makes_the_same_document_whatever_comes_after_it(world: World) -> None:
    kid = owed(world)
    credited(world, kid, 1000)
    first = for_document(credit_note(world.tx, "K1"), in_language())
    world.clock.us += 40 * DAY_US
    credited(world, kid, 3000)
    assert for_document(credit_note(world.tx, "K1"), in_language()) == first
    octets = documents.pdf("credit_note", first, 1)
    assert documents.pdf("credit_note", first, 1) == octets
    second = credit_note(world.tx, "K2")
    assert (second.amount_ore, second.before_ore, second.invoice_ore) == (3000, 1000, 5000)
    assert "kr 10,00 kreditert frå før" in page_of(second, in_language())


def test_of_what_was_paid_it_says_that_it_is_paid_back(world: World) -> None:
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    world.take(world.settled(charge))
    by_hand(world, lambda hand: hand.refund(charge.id, None, "Kari", "x"))
    note = credit_note(world.tx, "K1")
    assert note.refund
    assert "blir betalt tilbake" in page_of(note, in_language())


def test_the_payer_s_name_stands_in_the_window_and_nothing_else_does(world: World) -> None:
    credited(world, owed(world))
    octets = documents.pdf("credit_note", for_document(credit_note(world.tx, "K1"), in_language()), 1)
    (page,) = PdfReader(io.BytesIO(octets)).pages
    placed: list[tuple[str, float, float]] = []

    def visit(text: str, cm: list[float], tm: list[float], *_: Any) -> None:
        if text.strip():
            # the sheet's matrix may turn y around; both are resolved here
            x, y = (tm[4] * cm[0] + cm[4]) * MM_PER_POINT, (tm[5] * cm[3] + cm[5]) * MM_PER_POINT
            placed.append((text.strip(), x, SHEET_MM - y))

    page.extract_text(visitor_text=visit)
    window = [text for text, x, y in placed if x < 105 and 37 < y < 85]
    assert window == ["N 01"]
    ((_, x, y),) = [each for each in placed if each[0] == "N 01"]
    assert 19.9 < x < 21
    assert 47 <= y < 52


def test_names_are_no_markup_and_long_ones_stay_on_one_sheet(world: World) -> None:
    credited(world, owed(world))
    world.connection.execute("UPDATE people SET name = '#panic() *Åse* $x$ ' || hex(zeroblob(300))")
    found = in_language(name="#lorem(9) " + "O" * 90)
    assert "#panic() *Åse* $x$" in page_of(credit_note(world.tx, "K1"), found)


def test_a_number_that_several_organisations_have_is_asked_about(tmp_path: Path) -> None:
    both = (organisation(), organisation("ORG2", account="12345678911", series="2"))
    world = World(tmp_path, bridge_settings(*both, store=f"sqlite:///{tmp_path / 'billing.db'}"))
    for org, number in (("ORG1", OLA), ("ORG2", KARI)):
        credited(world, owed(world, number, org))
    with pytest.raises(NoCreditNote, match="of each of ORG1, ORG2; name one with --org"):
        credit_note(world.tx, "K1")
    assert credit_note(world.tx, "K1", "ORG2").org == "ORG2"
    note = world.rows("SELECT id FROM credit_notes WHERE org = 'ORG2'")[0][0]
    assert credit_note(world.tx, note).org == "ORG2"
    with pytest.raises(NoCreditNote, match="there is no credit note K2; `billing-bridge credits` lists them"):
        credit_note(world.tx, "K2")
    world.close()


def test_every_word_is_there_in_every_language() -> None:
    assert all(set(each) == {"nn", "nb", "en"} and all(each.values()) for each in WORDS.values())
