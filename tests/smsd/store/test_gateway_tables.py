"""The gateway's database: migrations make what the tables say, and what must be kept cannot be changed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

import smsd.store.migrations
from foundation.store import open_sqlite
from smsd.charging import worklist
from smsd.store import SCHEMA

CHARGE = (
    "INSERT INTO charges (id, conversation, message, org, invoice, operator, short_code, number, amount_ore, "
    "state, reason, contradicted, created_us, changed_us, expires_us) "
    "VALUES (?, 'c', ?, 'ORG1', 'i', 'telco', '2030', '+4799999901', 5000, ?, '', 0, 1, 1, 2)"
)


@pytest.fixture(name="db")
def _db(tmp_path: Path) -> sqlite3.Connection:
    return open_sqlite(f"sqlite:///{tmp_path}/smsd.db", SCHEMA)


def test_the_migrations_make_exactly_the_tables_that_the_code_speaks_of(tmp_path: Path) -> None:
    open_sqlite(f"sqlite:///{tmp_path}/smsd.db", SCHEMA).close()
    engine = create_engine(f"sqlite:///{tmp_path}/smsd.db")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SCHEMA.metadata) == []
    engine.dispose()


@pytest.mark.parametrize("change", ["UPDATE charge_events SET evidence = 'x'", "DELETE FROM charge_events"])
def test_evidence_can_be_neither_changed_nor_deleted(db: sqlite3.Connection, change: str) -> None:
    db.execute(
        "INSERT INTO charge_events (charge, at_us, evidence, before, after, detail) "
        "VALUES ('c', 1, 'e', 'a', 'b', '')"
    )
    with pytest.raises(sqlite3.IntegrityError, match="kept as they are"):
        db.execute(change)
    db.close()


def test_a_charge_cannot_be_deleted(db: sqlite3.Connection) -> None:
    db.execute(CHARGE, ("1", "m1", "charged"))
    with pytest.raises(sqlite3.IntegrityError, match="kept as they are"):
        db.execute("DELETE FROM charges")
    db.close()


@pytest.mark.parametrize("first", ["sending", "accepted", "in_doubt"])
@pytest.mark.parametrize("second", ["sending", "accepted", "in_doubt"])
def test_the_database_itself_refuses_a_second_unfinished_charge_of_a_tariff(
    db: sqlite3.Connection, first: str, second: str
) -> None:
    db.execute(CHARGE, ("1", "m1", first))
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(CHARGE, ("2", "m2", second))
    db.close()


@pytest.mark.parametrize("state", ["intended", "charged", "not_charged", "refused", "refund_due", "refunded"])
def test_charges_that_wait_or_are_over_stand_beside_an_unfinished_one(
    db: sqlite3.Connection, state: str
) -> None:
    db.execute(CHARGE, ("1", "m1", "accepted"))
    db.execute(CHARGE, ("2", "m2", state))
    db.close()


def test_a_page_of_the_worklist_reads_unfinished_charges_alone(db: sqlite3.Connection) -> None:
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    worklist.listed(db, worklist.Which(state="in_doubt", oldest_first=True))
    db.set_trace_callback(None)
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {asked[-1]}")]
    assert plan == ["SEARCH charges USING INDEX ix_charges_open (state=?)"]


def migrated(file: Path, revision: str) -> sqlite3.Connection:
    """A store that an older version left."""
    config = Config()
    config.set_main_option("script_location", smsd.store.migrations.__path__[0])
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    return sqlite3.connect(file, isolation_level=None)


def test_charges_that_were_there_before_limits_count_towards_them(tmp_path: Path) -> None:
    file = tmp_path / "smsd.db"
    before = migrated(file, "0005_proposals")
    for number, state in enumerate(
        ("charged", "in_doubt", "refused", "not_charged", "refunded", "not_charged")
    ):
        before.execute(CHARGE, (str(number), f"m{number}", state))
    before.execute("UPDATE charges SET created_us = 7200000001, contradicted = 1 WHERE id = '5'")
    before.close()
    db = open_sqlite(f"sqlite:///{file}", SCHEMA)
    assert db.execute("SELECT org, hour, amount_ore FROM charge_hours ORDER BY hour").fetchall() == [
        ("ORG1", 0, 10_000),
        ("ORG1", 2, 5_000),
    ]
    db.close()


def test_a_receipt_that_waited_before_the_upgrade_may_speak_of_what_was_on_its_way_then(
    tmp_path: Path,
) -> None:
    file = tmp_path / "smsd.db"
    before = migrated(file, "0006_limits")
    before.execute(CHARGE, ("a", "1", "sending"))
    before.execute(
        "INSERT INTO charge_events (charge, at_us, evidence, before, after, detail) "
        "VALUES ('a', 1, 'start', 'intended', 'sending', '')"
    )
    before.execute(
        "INSERT INTO unmatched_receipts VALUES ('r', 'telco', 'k', '+47', '2030', 'receipt_charged', "
        "'delivered', '', '', 2)"
    )
    before.commit()
    before.close()
    after = open_sqlite(f"sqlite:///{file}", SCHEMA)
    assert after.execute(
        "SELECT u.after_event >= e.id FROM unmatched_receipts u, charge_events e"
    ).fetchall() == [(1,)]
    after.close()


def test_a_pause_cannot_be_deleted_and_is_set_once_at_a_time(db: sqlite3.Connection) -> None:
    row = "INSERT INTO charge_pauses VALUES (?, 'ORG1', 1, 'kari', 'why', ?, '', '')"
    db.execute(row, ("1", 0))
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(row, ("2", 0))
    db.execute(row, ("3", 5))
    with pytest.raises(sqlite3.IntegrityError, match="kept as they are"):
        db.execute("DELETE FROM charge_pauses")
    db.close()
