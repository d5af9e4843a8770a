"""The command line: import, list, audit."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from bridge_world import World, the_charge
from typer.testing import CliRunner

from billing_bridge.cli import app
from foundation.contract import Outcome

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
    assert rows(run("people", "--json", "--config", config)) == []


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
    assert "not_charged" in run("payments", "--config", config)


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
        ("UPDATE payments SET state = 'refund_due'", "a payment's journals"),
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
    assert "1 invoices, 1 payments, 2 journals: all in order" in run("audit", "--config", config)
    damaged = sqlite3.connect(world.url.removeprefix("sqlite:///"))
    damaged.executescript(damage)
    damaged.close()
    assert what in run("audit", "--config", config, status=1)
    assert json.loads(run("audit", "--json", "--config", config, status=1))["differences"]
