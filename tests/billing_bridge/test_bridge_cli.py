"""The command line: import, list, audit."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from bridge_world import World, the_charge
from msgspec.structs import replace
from typer.testing import CliRunner

from billing_bridge.cli import app
from billing_bridge.records import GivenBy
from foundation.clock import DAY_US, SECOND_US
from foundation.contract import Outcome, Reason

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration that the project ships, with a store of the test's own."""
    shutil.copytree(CONFIG, tmp_path / "config")
    file = tmp_path / "config" / "smsd.toml"
    text = file.read_text().replace("sqlite:///var/billing.db", f"sqlite:///{tmp_path / 'billing.db'}")
    assert str(tmp_path) in text
    file.write_text(text)
    return file


def run(*words: object, status: int = 0) -> str:
    found = CliRunner().invoke(app, [str(word) for word in words])
    assert found.exit_code == status, found.output
    return found.output


def rows(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def test_the_shipped_examples_are_imported_and_listed(config: Path) -> None:
    assert "9 people imported" in run("import", "people", config.parent / "people.csv", "--config", config)
    assert "7 invoices imported" in run("import", "invoices", config.parent / "invoices.csv", "-c", config)
    found = rows(run("invoices", "--json", "--config", config))
    assert len(found) == 7
    assert {row["status"] for row in found} == {"outstanding"}
    assert "7 were there already" in run("import", "invoices", config.parent / "invoices.csv", "-c", config)
    assert "all in order" in run("audit", "--config", config)


def test_listings_are_paged_and_filtered(config: Path) -> None:
    run("import", "people", config.parent / "people.csv", "--config", config)
    run("import", "invoices", config.parent / "invoices.csv", "--config", config)
    first = rows(run("invoices", "--json", "--page-size", 4, "-c", config))
    second = rows(run("invoices", "--json", "--page-size", 4, "--page", 2, "-c", config))
    assert (len(first), len(second)) == (4, 3)
    assert first + second == rows(run("invoices", "--json", "-c", config))
    assert {
        row["organisation"] for row in rows(run("invoices", "--json", "--org", "org2", "-c", config))
    } == {"ORG2"}
    assert rows(run("invoices", "--json", "--filter", "paid", "-c", config)) == []
    assert {row["kind"] for row in rows(run("invoices", "--json", "--filter", "donation", "-c", config))} == {
        "donation"
    }
    (kari,) = rows(run("people", "--json", "--filter", "KARI@", "-c", config))
    assert kari["name"] == "Kari Nordmann"
    assert "give one of" in run("payments", "--filter", "nonsense", "-c", config, status=2)
    assert "Kari Nordmann" in run("people", "-c", config)
    ledger = rows(run("ledger", "--json", "--filter", "receivable", "-c", config))
    assert len(ledger) == 7
    assert all(row["amount_ore"] > 0 for row in ledger)  # type: ignore[operator]


def test_a_refused_file_ends_with_status_1_and_says_why(config: Path) -> None:
    file = config.parent / "bad.csv"
    file.write_text("organisation,name,number\nORG1,Ola,+4799999901\nORG7,Per,12\n")
    output = run("import", "people", file, "--config", config, status=1)
    assert "2 faults; nothing was imported" in output
    assert "ORG7" in output
    # nor is an empty store made, here or by a list of what is in it
    for words in (("people",), ("refunds",), ("audit",), ("statement", "ORG1", "2026-11")):
        told = run(*words, "--config", config, status=2)
        assert f"bridge.store: there is no store {config.parent.parent / 'billing.db'}" in told
    assert not (config.parent.parent / "billing.db").exists()


def test_a_file_that_is_not_there_is_told(config: Path) -> None:
    assert "1 faults" in run("import", "people", config.parent / "none.csv", "--config", config, status=1)


def test_a_configuration_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "none.toml" in run("people", "--config", tmp_path / "none.toml", status=2)


def test_a_bridge_of_its_own_needs_a_broker(config: Path) -> None:
    assert "run smsd" in run("run", "--config", config, status=2)


def test_payments_are_listed_with_their_end(world: World, config: Path, tmp_path: Path) -> None:
    world.take(world.join())
    world.take(world.settled(the_charge(world.take(world.pay())), Outcome.NOT_CHARGED))
    world.take(world.pay())
    found = rows(run("payments", "--json", "--config", config))
    assert sorted(str(row["state"]) for row in found) == ["not_charged", "pending"]
    assert {row["amount_ore"] for row in found} == {5000}
    assert len(rows(run("payments", "--json", "--filter", "pending", "--config", config))) == 1
    shown = run("payments", "--config", config)
    assert "not_charged" in shown
    # a next command takes the id as it stands there
    assert {str(row["id"]) for row in found} <= set(shown.split())


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("UPDATE standings SET paid_ore = 4000", "what an invoice has been paid"),
        ("UPDATE standings SET excess_ore = 1", "what was paid beyond an invoice"),
        (
            "DROP TRIGGER entries_update_refused; UPDATE entries SET amount_ore = 1 WHERE line = 1",
            "sum to zero",
        ),
        (
            "DROP TRIGGER entries_delete_refused; DELETE FROM entries WHERE account = 'operator_receivable'",
            "operator",
        ),
        ("UPDATE payments SET state = 'refund_due'", "what the gateway says is owed"),
        ("UPDATE payments SET overbilled_ore = 100", "a payment's journals"),
        ("UPDATE payments SET sequence = 2", "a payment's evidence"),
        ("UPDATE payments SET contradicted = 1", "a payment's mark that its evidence disagrees"),
        ("UPDATE standings SET lost_ore = 1", "what was given back without having come in"),
        (
            "UPDATE standings SET paid_ore = 6000",
            "paid and credited beyond the invoice, and not marked as excess",
        ),
        ("UPDATE standings SET credited_ore = 1", "what has been credited"),
        ("DROP TRIGGER evidence_delete_refused; DELETE FROM evidence", "a payment's evidence"),
        (
            "DROP TRIGGER invoices_update_refused; UPDATE invoices SET number = 7",
            "invoice numbers of a series",
        ),
        ("DROP TRIGGER invoices_update_refused; UPDATE invoices SET kid = '123456'", "a KID's check digit"),
        ("DROP TRIGGER invoices_update_refused; UPDATE invoices SET amount_ore = 1", "booked as issued"),
        (
            "DROP TRIGGER invoices_update_refused; UPDATE invoices SET org = 'ORG2'",
            "an invoice's organisation",
        ),
        ("DROP TRIGGER journals_update_refused; UPDATE journals SET org = 'X'", "a journal's organisation"),
        ("UPDATE memberships SET org = 'X'", "a membership's organisation"),
        ("DROP TRIGGER standings_delete_refused; DELETE FROM standings", "has no standing"),
        (
            "PRAGMA foreign_keys=OFF; DROP TRIGGER journals_delete_refused; "
            "DELETE FROM journals WHERE kind = 'charged'",
            "entries without a journal",
        ),
        ("PRAGMA foreign_keys=OFF; DELETE FROM people", "a row that another one names is missing"),
    ],
)
def test_the_audit_finds(world: World, config: Path, damage: str, what: str) -> None:
    world.take(world.join())
    world.take(world.settled(the_charge(world.take(world.pay()))))
    assert "1 invoices, 1 payments, 0 refunds, 0 credit notes, 2 journals: all in order" in run(
        "audit", "--config", config
    )
    damaged = sqlite3.connect(world.url.removeprefix("sqlite:///"))
    damaged.executescript(damage)
    damaged.close()
    assert what in run("audit", "--config", config, status=1)
    assert json.loads(run("audit", "--json", "--config", config, status=1))["differences"]


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (
            "DROP TRIGGER refunds_update_states; UPDATE refunds SET state = 'due', by = ''",
            "a refund's journals",
        ),
        ("DROP TRIGGER refunds_update_states; UPDATE refunds SET by = ''", "a refund's road"),
        (
            "DROP TRIGGER refunds_update_decided; DROP TRIGGER refunds_update_states; "
            "UPDATE refunds SET org = 'X'",
            "a refund's organisation",
        ),
        (
            "DROP TRIGGER refunds_update_states; UPDATE refunds SET by = 'operator'",
            "what the operator owes for a payment",
        ),
        (
            "DROP TRIGGER credit_notes_update_refused; UPDATE credit_notes SET amount_ore = 100",
            "a credit note's journal",
        ),
        (
            "DROP TRIGGER credit_notes_update_refused; UPDATE credit_notes SET number = 2",
            "numbers of credit notes of a series",
        ),
        (
            "DROP TRIGGER credit_notes_update_refused; UPDATE credit_notes SET org = 'X'",
            "a credit note's organisation",
        ),
        (
            "PRAGMA foreign_keys=OFF; DROP TRIGGER refunds_delete_refused; DELETE FROM refunds",
            "what was billed for an invoice and not given back",
        ),
    ],
)
def test_the_audit_finds_in_refunds_and_credit_notes(
    world: World, config: Path, damage: str, what: str
) -> None:
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    world.take(world.settled(charge))
    refund = world.by_hand(lambda hand: hand.refund(charge.id, 2000, "Kari", "too much"))[0]
    world.by_hand(lambda hand: hand.refunded(refund, GivenBy.BANK, "Kari", "reference 17"))
    assert "1 refunds, 1 credit notes, 5 journals: all in order" in run("audit", "--config", config)
    damaged = sqlite3.connect(world.url.removeprefix("sqlite:///"))
    damaged.executescript(damage)
    damaged.close()
    assert what in run("audit", "--config", config, status=1)


def paid(world: World) -> str:
    """The id of a payment that was charged."""
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    world.take(world.settled(charge))
    return charge.id


def test_a_refund_goes_from_due_to_refunded_with_who_when_and_how(world: World, config: Path) -> None:
    payment = paid(world)
    said = run(
        "refunds",
        "owe",
        payment,
        "--why",
        "left the club",
        "--who",
        "Kari",
        "--amount-kr",
        "20,50",
        "-c",
        config,
    )
    assert "credit note K1" in said
    (due,) = rows(run("refunds", "--json", "--filter", "due", "-c", config))
    assert (due["amount_ore"], due["decided_by"], due["why"], due["ended"]) == (
        2050,
        "Kari",
        "left the club",
        None,
    )
    run("refunds", "made", due["id"], "--how", "bank reference 17", "--who", "Per", "-c", config)
    (made,) = rows(run("refunds", "--json", "-c", config))
    assert (made["state"], made["given_by"], made["ended_by"], made["how"]) == (
        "refunded",
        "bank",
        "Per",
        "bank reference 17",
    )
    assert made["ended"]
    assert "only one that is due" in run("refunds", "made", due["id"], "--how", "x", "-c", config, status=1)
    (note,) = rows(run("credits", "--json", "-c", config))
    assert (note["number"], note["amount_ore"], note["refund"]) == ("K1", 2050, due["id"])
    (invoice,) = rows(run("invoices", "--json", "-c", config))
    assert (invoice["paid_ore"], invoice["credited_ore"], invoice["outstanding_ore"]) == (2950, 2050, 0)
    assert "all in order" in run("audit", "--config", config)


def test_a_refund_that_is_decided_by_mistake_is_cancelled_where_no_credit_note_stands(
    world: World, config: Path
) -> None:
    payment = paid(world)
    run("refunds", "owe", payment, "--why", "mistake", "--keep-invoice", "-c", config)
    (due,) = rows(run("refunds", "--json", "-c", config))
    run("refunds", "cancel", due["id"], "--why", "was none", "-c", config)
    assert world.balances() == {"operator_receivable": 5000, "fee_income": -5000}
    run("refunds", "owe", payment, "--why", "with a note", "-c", config)
    (_, noted) = rows(run("refunds", "--json", "-c", config))
    assert "credit note" in run("refunds", "cancel", noted["id"], "--why", "x", "-c", config, status=1)
    assert "all in order" in run("audit", "--config", config)


def test_an_unpaid_invoice_is_credited_and_then_asks_for_nothing(world: World, config: Path) -> None:
    world.take(world.join())
    kid = world.value("SELECT kid FROM invoices")
    assert "credit note K1" in run("credits", "issue", kid, "--why", "joined twice", "-c", config)
    assert world.replies(world.pay()) == ["nothing_outstanding"]
    assert "0 kr are outstanding" in run("credits", "issue", kid, "--why", "again", "-c", config, status=1)
    assert "all in order" in run("audit", "--config", config)


def test_a_credit_note_is_shown_and_written_as_pdf(world: World, config: Path) -> None:
    world.take(world.join())
    (invoice,) = rows(run("invoices", "--json", "-c", config))
    run("credits", "issue", invoice["kid"], "--why", "moved", "-c", config)
    page = config.parent / "k1.pdf"
    assert "credit note K1 of ORG1" in run("credits", "show", "K1", "--pdf", page, "-c", config)
    assert page.read_bytes().startswith(b"%PDF-")
    assert "there is no credit note K1" in run(
        "credits", "show", "K1", "--org", "ORG2", "-c", config, status=1
    )
    told = run("credits", "show", "K1", "--pdf", "/nowhere/x.pdf", "-c", config, status=2)
    assert "--pdf: /nowhere/x.pdf cannot be written" in told


def test_an_invoice_is_not_credited_while_it_is_charged(world: World, config: Path) -> None:
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    refused = run("credits", "issue", charge.invoice, "--why", "x", "-c", config, status=1)
    assert "under way" in refused
    assert world.value("SELECT count(*) FROM credit_notes") == 0


def test_a_pending_payment_is_settled_by_hand_marked_and_the_payer_told(world: World, config: Path) -> None:
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    run(
        "payments",
        "settle",
        charge.id,
        "charged",
        "--why",
        "seen at the operator",
        "--who",
        "Kari",
        "-c",
        config,
    )
    (payment,) = rows(run("payments", "--json", "--filter", "by_hand", "-c", config))
    assert (payment["state"], payment["by_hand"]) == ("charged", True)
    assert payment["evidence"] == "by hand, Kari: seen at the operator"
    (body,) = world.rows("SELECT body FROM handoff_outbox WHERE peer = 'smsd'")
    (told,) = json.loads(body[0])["messages"]
    assert (told["type"], told["name"], told["recipient"]) == ("reply", "paid", charge.recipient)
    again = run("payments", "settle", charge.id, "not_charged", "--why", "x", "-c", config, status=1)
    assert "is charged" in again
    assert "all in order" in run("audit", "--config", config)


def test_the_gateways_later_word_counts_for_more_than_one_said_by_hand(world: World, config: Path) -> None:
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    run("payments", "settle", charge.id, "charged", "--why", "guessed", "-c", config)
    word = replace(world.settled(charge, Outcome.NOT_CHARGED, Reason.NO_CREDIT), sequence=1)
    assert world.replies(word) == ["reversed"]
    assert world.rows("SELECT state, contradicted FROM payments") == [("not_charged", 0)]
    assert "all in order" in run("audit", "--config", config)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("refunds", "owe", "nobody", "--why", "x"), "there is no payment nobody"),
        (("refunds", "made", "nobody", "--how", "x"), "there is no refund nobody"),
        (("credits", "issue", "nobody", "--why", "x"), "no invoice's id or KID"),
        (("payments", "settle", "nobody", "charged", "--why", "x"), "there is no payment nobody"),
    ],
)
@pytest.mark.usefixtures("world")
def test_what_is_not_there_is_told_and_changes_nothing(
    config: Path, words: tuple[str, ...], told: str
) -> None:
    assert told in run(*words, "-c", config, status=1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("refunds", "owe", "p", "--why", " "), "--why: it is empty"),
        (("refunds", "owe", "p", "--why", "x", "--amount-kr", "-5"), "is no amount"),
        (("refunds", "owe", "p", "--why", "x", "--amount-kr", "0"), "is no amount"),
        (("payments", "settle", "p", "refunded", "--why", "x"), "charged or not_charged"),
        (("refunds", "owe", "p", "--why", "x", "--amount-kr", "٢٠"), "is no amount"),
        (("refunds", "owe", "p", "--why", "x", "--who", "\u200b\x1b"), "--who: it is empty"),
        (("payments", "--excess", "--late"), "cannot go together"),
        (("payments", "--page", "9" * 20), "Invalid value for '--page'"),
        (("payments", "--page", str(2**62)), "Invalid value for '--page'"),
        (
            ("invoices", "--org", "org9"),
            "there is no organisation 'org9', and no row of it; give one of ORG1",
        ),
    ],
)
@pytest.mark.usefixtures("world")
def test_wrong_words_are_told(config: Path, words: tuple[str, ...], told: str) -> None:
    assert told in run(*words, "-c", config, status=2)


def test_excess_and_late_payments_are_listed(world: World, config: Path) -> None:
    world.take(world.join())
    first = the_charge(world.take(world.pay()))
    world.take(world.settled(first, Outcome.NOT_CHARGED))
    second = the_charge(world.take(world.pay()))
    world.take(world.settled(second))
    assert rows(run("payments", "--json", "--excess", "-c", config)) == []
    world.take(world.settled(first))
    found = rows(run("payments", "--json", "--excess", "-c", config))
    assert {row["id"] for row in found} == {first.id, second.id}
    assert {row["invoice_excess_ore"] for row in found} == {5000}
    assert [row["id"] for row in rows(run("payments", "--json", "--late", "-c", config))] == [first.id]


def test_what_is_charged_on_the_day_it_is_due_is_not_late_and_the_day_after_is(
    world: World, config: Path
) -> None:
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    # due on 7 December, Norwegian time, which ends an hour before the day of UTC
    last = world.clock.us + 14 * DAY_US + 11 * 3600 * SECOND_US
    word = world.settled(charge)
    world.take(replace(word, at=last - 1))
    assert rows(run("payments", "--json", "--late", "-c", config)) == []
    world.take(replace(word, id="later", at=last, sequence=1))
    assert len(rows(run("payments", "--json", "--late", "-c", config))) == 1


def test_a_months_statement_is_shown_and_written_as_csv_and_pdf(world: World, config: Path) -> None:
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    world.take(replace(world.settled(charge), sequence=1, operator="telco"))
    table, sheet, page = (config.parent / name for name in ("x.txt", "x.csv", "x.pdf"))
    table.write_text(run("statement", "org1", "2026-11", "--csv", sheet, "--pdf", page, "-c", config))
    assert "Månad" not in table.read_text()
    assert "50,00" in table.read_text()
    assert sheet.read_text().splitlines()[-1].startswith("total,ORG1,2026-11,,,1,50.00")
    assert page.read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("ORG9", "2026-11"), 2, "there is no organisation 'ORG9'; give one of ORG1"),
        (("ORG1", "2026-13"), 1, "write 2026-11"),
        (("ORG1", "2026-11", "--csv", "/nowhere/x.csv"), 2, "cannot be written"),
    ],
)
@pytest.mark.usefixtures("world")
def test_a_statement_that_cannot_be_made_is_told(
    config: Path, words: tuple[str, ...], status: int, told: str
) -> None:
    assert told in run("statement", *words, "-c", config, status=status)


def test_what_could_not_be_taken_is_listed_and_shown_whole(world: World, config: Path) -> None:
    stray = world.settled("nobody-knows")
    world.take(stray)
    (row,) = rows(run("refused", "--json", "--filter", "unknown_charge", "-c", config))
    assert (row["id"], row["gateway"], row["error"]) == (stray.id, "smsd", "unknown_charge")
    assert "unknown_charge" in run("refused", "-c", config)
    assert "nobody-knows" in run("refused", "show", stray.id, "-c", config)
    assert "billing-bridge refused" in run("refused", "show", "x", "-c", config, status=1)
