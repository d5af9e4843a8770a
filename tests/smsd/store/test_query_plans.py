"""No statement of the gateway reads all of a table that grows: it is as fast with millions of rows."""

from __future__ import annotations

import importlib
import pkgutil
import sqlite3
from pathlib import Path

import pytest

import smsd
from foundation import mailbox
from foundation.store import Statement, open_sqlite
from smsd.store import SCHEMA

SMALL = {
    "_COUNTS": "once at a start: the parcels that wait",
    "ANY_UNMATCHED": "the first row alone",
    "FORGET_FRAGMENTS": "once an hour: a day's parts of long texts",
    "FORGET_GUIDANCE": "once an hour: a day's unknown codewords",
    "FORGET_SET_ASIDE": "once an hour: what could not be handled",
    "FORGET_UNMATCHED": "once an hour: receipts that found no message",
    "FORGET_CONNECTIONS": "once an hour: the binds of two days",
    "PAUSES": "a person's list of the times that charging was paused",
    "PAUSES_SET": "a person's list of the times that charging was paused",
    "OTHER_CONNECTION": "once a transaction: the binds of two days",
}
"""What may scan, and why it is small."""
PARTIAL = (
    "ix_charges_open",
    "ix_charges_disputed",
    "ix_fragments_waiting",
    "ix_charge_pauses_set",
    "ix_charge_proposals_open",
    "ix_confirmations_open",
)
"""Indexes of what is not settled yet: reading all of one is reading little."""


def _statements() -> dict[str, Statement]:
    names = [each.name for each in pkgutil.walk_packages(smsd.__path__, "smsd.")]
    modules = [
        mailbox,
        *(
            importlib.import_module(name)
            for name in names
            if "migrations" not in name and "__main__" not in name
        ),
    ]
    found: dict[int, tuple[str, Statement]] = {}
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, Statement):
                found.setdefault(id(value), (name, value))
    return dict(found.values())


@pytest.fixture(name="db", scope="module")
def _db(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    path: Path = tmp_path_factory.mktemp("plans") / "smsd.db"
    return open_sqlite(f"sqlite:///{path}", SCHEMA)


def _scans(db: sqlite3.Connection, statement: Statement) -> list[str]:
    rows = db.execute("EXPLAIN QUERY PLAN " + statement.sql, [None] * len(statement.names)).fetchall()
    return [row[3] for row in rows if row[3].startswith("SCAN") and row[3] != "SCAN CONSTANT ROW"]


@pytest.mark.parametrize("name", sorted(set(_statements()) - set(SMALL)))
def test_a_statement_searches_by_index(db: sqlite3.Connection, name: str) -> None:
    steps = _scans(db, _statements()[name])
    assert [step for step in steps if not step.endswith(PARTIAL)] == []


@pytest.mark.parametrize("name", sorted(SMALL))
def test_what_may_scan_does(db: sqlite3.Connection, name: str) -> None:
    assert _scans(db, _statements()[name])


def test_all_statements_are_looked_at() -> None:
    assert len(_statements()) > 50
