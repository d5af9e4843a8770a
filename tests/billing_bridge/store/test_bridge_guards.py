"""The store itself refuses what must never happen to money's rows."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from bridge_world import World, the_charge
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from billing_bridge.store import SCHEMA
from foundation.contract import Outcome
from foundation.store import open_sqlite


@pytest.fixture
def paid(world: World) -> World:
    """A member whose first charge failed and whose second one paid."""
    world.take(world.join())
    failed = the_charge(world.take(world.pay()))
    world.take(world.settled(failed, Outcome.NOT_CHARGED))
    world.take(world.settled(the_charge(world.take(world.pay()))), world.stop())
    return world


@pytest.mark.parametrize("table", ["invoices", "journals", "entries", "evidence", "withdrawals"])
def test_rows_of_the_record_are_neither_changed_nor_deleted(paid: World, table: str) -> None:
    before = paid.rows(f"SELECT * FROM {table}")
    assert before
    columns = [column.name for column in SCHEMA.metadata.tables[table].columns]
    for column in columns:
        with pytest.raises(sqlite3.IntegrityError, match=f"{table}: rows are never changed"):
            paid.connection.execute(f"UPDATE {table} SET {column} = {column}")
    with pytest.raises(sqlite3.IntegrityError, match=f"{table}: rows are never deleted"):
        paid.connection.execute(f"DELETE FROM {table}")
    assert paid.rows(f"SELECT * FROM {table}") == before


@pytest.mark.parametrize("table", ["payments", "standings"])
def test_payments_and_standings_are_never_deleted(paid: World, table: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="rows are never deleted"):
        paid.connection.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize(
    "table", ["invoices", "journals", "entries", "evidence", "withdrawals", "payments", "standings"]
)
def test_rows_are_not_replaced_either(paid: World, table: str) -> None:
    before = paid.rows(f"SELECT * FROM {table}")
    with pytest.raises(sqlite3.IntegrityError):
        paid.connection.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1")
    assert paid.rows(f"SELECT * FROM {table}") == before


@pytest.mark.parametrize("column", ["invoice", "number", "amount_ore", "gateway", "conversation", "asked_us"])
def test_what_a_payment_asked_for_is_never_changed(paid: World, column: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="what was asked is never changed"):
        paid.connection.execute(f"UPDATE payments SET {column} = {column}")


@pytest.mark.parametrize(
    ("state", "back"), [("charged", "not_charged"), ("charged", "pending"), ("not_charged", "pending")]
)
def test_a_payments_state_does_not_go_back(paid: World, state: str, back: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="states do not go back"):
        paid.connection.execute("UPDATE payments SET state = ? WHERE state = ?", (back, state))


def test_a_journal_that_does_not_sum_to_zero_is_refused(paid: World) -> None:
    invoice = paid.value("SELECT id FROM invoices")
    paid.connection.execute("BEGIN")
    paid.connection.execute(
        "INSERT INTO entries VALUES ('j', 1, 'receivable', 100), ('j', 2, 'refunds', -99)"
    )
    with pytest.raises(sqlite3.IntegrityError, match="sum to zero"):
        paid.connection.execute(
            "INSERT INTO journals VALUES ('j', 'ORG1', 'issued', ?, NULL, 'c', 1, NULL, NULL)", (invoice,)
        )
    paid.connection.execute("ROLLBACK")


def test_a_journal_without_entries_is_refused(paid: World) -> None:
    invoice = paid.value("SELECT id FROM invoices")
    with pytest.raises(sqlite3.IntegrityError, match="sum to zero"):
        paid.connection.execute(
            "INSERT INTO journals VALUES ('j', 'ORG1', 'issued', ?, NULL, 'c', 1, NULL, NULL)", (invoice,)
        )


def test_entries_without_a_journal_do_not_commit(paid: World) -> None:
    paid.connection.execute("BEGIN")
    paid.connection.execute(
        "INSERT INTO entries VALUES ('j', 1, 'receivable', 100), ('j', 2, 'refunds', -100)"
    )
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        paid.connection.execute("COMMIT")
    paid.connection.execute("ROLLBACK")


def test_a_closed_journal_takes_no_more_entries(paid: World) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="closed journals"):
        paid.connection.execute("INSERT INTO entries SELECT id, 9, 'receivable', 1 FROM journals LIMIT 1")


@pytest.mark.parametrize("number", [1, 3, 0, -1])
def test_an_invoice_number_with_a_gap_or_given_before_is_refused(paid: World, number: int) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="no gaps"):
        paid.connection.execute(
            "INSERT INTO invoices SELECT 'new', org, person, series, ?, 'other', account, kind, category, "
            "amount_ore, period, issued, due, source, conversation, created_us FROM invoices",
            (number,),
        )


def test_one_invoice_has_one_pending_charge_at_most(paid: World) -> None:
    copy = (
        "INSERT INTO payments SELECT ?, invoice, number, amount_ore, 'pending', '', '', 0, gateway, "
        "conversation, asked_us, expires_us, NULL, 0, 0, 0, '' FROM payments LIMIT 1"
    )
    paid.connection.execute(copy, ("one",))
    with pytest.raises(sqlite3.IntegrityError, match="one charge of an invoice at a time"):
        paid.connection.execute(copy, ("two",))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE standings SET paid_ore = -1",
        "UPDATE payments SET state = 'lost'",
        "UPDATE conversations SET state = 'half'",
        "INSERT INTO fee_categories VALUES ('ORG1', 'x', -1, 1, 0)",
    ],
)
def test_values_outside_their_kind_are_refused(paid: World, change: str) -> None:
    paid.take(paid.message())
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        paid.connection.execute(change)


def test_the_migrations_make_the_tables_that_the_code_names(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fresh.db'}"
    open_sqlite(url, SCHEMA).close()
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SCHEMA.metadata) == []
    engine.dispose()


def test_the_hot_statements_search_by_index(world: World) -> None:
    from billing_bridge.store import statements as s

    for statement in (s.INVOICES_OF_PEOPLE, s.INVOICES, s.PEOPLE_BY_NUMBER, s.PAYMENTS, s.SMS_KNOWN):
        plan = [row[3] for row in world.rows("EXPLAIN QUERY PLAN " + statement.sql, "[]")]
        scans = [
            step
            for step in plan
            if step.startswith("SCAN") and "json_each" not in step and "VIRTUAL TABLE" not in step
        ]
        assert scans == [], (statement.sql, plan)
    plan = str(world.rows("EXPLAIN QUERY PLAN " + s.INVOICES.sql, "[]"))
    assert "payments_one_pending" in plan
    assert "payments_disputed" in plan


def test_refunds_that_were_states_only_become_rows_and_the_books_stay_in_order(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    from billing_bridge.audit import audit
    from billing_bridge.store import migrations
    from foundation.store import SqliteTx

    path = tmp_path / "old.db"
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"isolation_level": None})
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003_disputed")
    old = sqlite3.connect(path)
    old.executescript("""
        INSERT INTO people VALUES ('p', 'ORG1', 'Ola', '', '+4799999901', 'import', 1);
        INSERT INTO invoices VALUES ('i', 'ORG1', 'p', '1', 1, '12344', 'a', 'membership_fee', '', 5000,
            '2026', '2026-01-01', '2026-01-15', 'import', 'c', 1);
        INSERT INTO standings VALUES ('i', 0, 0, 0);
        INSERT INTO payments VALUES ('due', 'i', '+4799999901', 5000, 'refund_due', '', 'words', 0, 'smsd',
            'c', 1, 2, 3);
        INSERT INTO evidence VALUES ('e', 'due', 'refund_due', '', 'words', 3);
        BEGIN;
        INSERT INTO entries VALUES ('j1', 1, 'receivable', 5000), ('j1', 2, 'fee_income', -5000),
            ('j2', 1, 'operator_receivable', 5000), ('j2', 2, 'receivable', -5000),
            ('j3', 1, 'refunds', -5000), ('j3', 2, 'receivable', 5000);
        INSERT INTO journals VALUES ('j1', 'ORG1', 'issued', 'i', NULL, 'c', 1),
            ('j2', 'ORG1', 'charged', 'i', 'due', 'c', 2), ('j3', 'ORG1', 'refund_due', 'i', 'due', 'c', 3);
        COMMIT;
    """)
    old.close()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
    new = open_sqlite(f"sqlite:///{path}", SCHEMA)
    assert new.execute("SELECT id, amount_ore, cause, state, who FROM refunds").fetchall() == [
        ("due", 5000, "gateway", "due", "smsd")
    ]
    assert audit(SqliteTx(new)).differences == ()
    new.close()
