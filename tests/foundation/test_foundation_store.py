"""The store: group commit, isolation of a failing unit, failures of the database, opening and migrating."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, insert, select

from foundation.store import (
    Row,
    Schema,
    SqliteTx,
    Statement,
    Store,
    StoreFailed,
    StoreRefused,
    Tx,
    connect_sqlite,
    open_sqlite,
    sqlite_path,
)

METADATA = MetaData()
THINGS = Table(
    "things", METADATA, Column("id", Integer, primary_key=True), Column("name", Text, nullable=False)
)
ADD = Statement(insert(THINGS).values(id=bindparam("id"), name=bindparam("name")), "id", "name")
ALL = Statement(select(THINGS.c.id, THINGS.c.name).order_by(THINGS.c.id))
STRANGE = Statement(select(Table("nowhere", MetaData(), Column("id", Integer)).c.id))


def prepared(path: Path, **settings: float) -> sqlite3.Connection:
    connection = connect_sqlite(path, **settings)
    connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    return connection


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(prepared(tmp_path / "store.db"), locked_s=0.02)
    yield store
    await store.close()


def adding(number: int, name: str | None = "thing") -> object:
    return lambda tx: tx.run(ADD, [(number, name)])


async def together(store: Store, *units: object) -> list[object]:
    """Run units so that they meet in one transaction: the first keeps the writer busy meanwhile."""
    commits = store.commits
    first = asyncio.ensure_future(store.run(lambda _tx: None))
    await asyncio.sleep(0)
    results = await asyncio.gather(*(store.run(unit) for unit in units), return_exceptions=True)  # type: ignore[arg-type]
    await first
    assert store.commits - commits <= 2
    return results


async def names(store: Store) -> list[Row]:
    return await store.run(lambda tx: tx.all(ALL))


async def test_a_unit_returns_its_result_after_the_commit(store: Store, tmp_path: Path) -> None:
    assert await store.run(adding(1)) == 1  # type: ignore[arg-type]
    other = sqlite3.connect(tmp_path / "store.db")
    assert other.execute("SELECT id, name FROM things").fetchall() == [(1, "thing")]
    other.close()


async def test_many_rows_run_at_once_and_no_rows_are_no_work(store: Store) -> None:
    assert await store.run(lambda tx: tx.run(ADD, [(n, "x") for n in range(5)])) == 5
    assert await store.run(lambda tx: tx.run(ADD, [])) == 0
    assert await store.run(lambda tx: tx.one(ALL)) == (0, "x")


async def test_units_that_wait_are_committed_together(store: Store) -> None:
    await together(store, *(adding(number) for number in range(50)))
    assert (store.units, store.commits) == (51, 2)
    assert len(await names(store)) == 50


@pytest.mark.parametrize(
    ("failing", "error"),
    [
        (lambda tx: (tx.run(ADD, [(8, "x")]), 1 / 0), ZeroDivisionError),
        (lambda tx: (tx.run(ADD, [(8, "x")]), tx.run(ADD, [(8, "twice")])), sqlite3.IntegrityError),
        (lambda tx: (tx.run(ADD, [(8, "x")]), tx.all(STRANGE)), sqlite3.OperationalError),
        (lambda tx: (tx.run(ADD, [(8, "x")]), tx.run(ADD, [(9,)])), sqlite3.ProgrammingError),
    ],
    ids=["exception", "constraint", "no such table", "too few values"],
)
@pytest.mark.parametrize("alone", [True, False])
async def test_a_failing_unit_leaves_nothing_and_its_neighbours_alone(
    store: Store, failing: object, error: type[Exception], alone: bool
) -> None:
    if alone:
        with pytest.raises(error):
            await store.run(failing)  # type: ignore[arg-type]
        assert await names(store) == []
    else:
        results = await together(store, adding(1), failing, adding(2), failing, adding(3))
        assert [type(result) for result in results] == [int, error, int, error, int]
        assert await names(store) == [(1, "thing"), (2, "thing"), (3, "thing")]
    assert store.healthy


async def test_a_unit_that_swallows_a_constraint_keeps_its_other_rows(store: Store) -> None:
    def unit(tx: Tx) -> str:
        tx.run(ADD, [(1, "first")])
        try:
            tx.run(ADD, [(1, "again")])
        except sqlite3.IntegrityError:
            tx.run(ADD, [(2, "second")])
        return "done"

    assert await store.run(unit) == "done"
    assert await names(store) == [(1, "first"), (2, "second")]


@pytest.mark.parametrize("alone", [True, False])
async def test_a_full_disk_fails_every_unit_of_the_transaction_and_heals(store: Store, alone: bool) -> None:
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")

    def large(tx: Tx) -> None:
        tx.run(ADD, [(number, "x" * 4000) for number in range(100, 200)])

    if alone:
        with pytest.raises(StoreFailed, match="full"):
            await store.run(large)
    else:
        results = await together(store, adding(1), large, adding(2))
        assert [type(result) for result in results] == [StoreFailed] * 3
    assert not store.healthy
    store._connection.execute("PRAGMA max_page_count=100000")
    assert await names(store) == []
    assert store.healthy


async def test_a_unit_that_swallows_a_full_disk_is_not_taken_for_committed(store: Store) -> None:
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")

    def unit(tx: Tx) -> str:
        tx.run(ADD, [(1, "before")])
        try:
            tx.run(ADD, [(number, "x" * 4000) for number in range(100, 200)])
        except sqlite3.OperationalError:
            return "all is well"
        return "no error"

    try:
        result = await store.run(unit)
    except StoreFailed:
        assert await names(store) == []
    else:
        assert result == "all is well"
        assert (1, "before") in await names(store)


async def test_a_transaction_that_the_database_ended_by_itself_is_a_failure(store: Store) -> None:
    assert isinstance(store._tx, SqliteTx)
    connection = store._tx.connection

    def unit(tx: Tx) -> str:
        tx.run(ADD, [(1, "before")])
        connection.execute("ROLLBACK")
        return "all is well"

    with pytest.raises(StoreFailed, match="ended the transaction"):
        await store.run(unit)
    assert await names(store) == []


async def test_a_database_that_another_process_locks_fails_and_heals(store: Store, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed, match="locked"):
        await store.run(adding(1))  # type: ignore[arg-type]
    assert not store.healthy
    other.execute("ROLLBACK")
    other.close()
    assert await store.run(adding(1)) == 1  # type: ignore[arg-type]
    assert store.healthy


async def test_an_io_error_at_the_commit_is_told_to_every_unit(tmp_path: Path) -> None:
    class Broken(sqlite3.Connection):
        breaks = False

        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql == "COMMIT" and self.breaks:
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            return super().execute(sql, *values)  # type: ignore[arg-type]

    prepared(tmp_path / "store.db").close()
    connection = sqlite3.connect(
        tmp_path / "store.db", isolation_level=None, check_same_thread=False, factory=Broken
    )
    store = Store(connection)
    connection.breaks = True
    results = await asyncio.gather(*(store.run(adding(n)) for n in (1, 2)), return_exceptions=True)  # type: ignore[arg-type]
    assert [str(result) for result in results] == ["the store did not commit: disk I/O error"] * 2
    assert not store.healthy
    connection.breaks = False
    assert await names(store) == []
    await store.close()


async def test_closing_finishes_what_waits_and_refuses_what_comes_later(tmp_path: Path) -> None:
    store = Store(prepared(tmp_path / "store.db"))
    waiting = [asyncio.ensure_future(store.run(adding(number))) for number in range(3)]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await store.close()
    assert [await task for task in waiting] == [1, 1, 1]
    with pytest.raises(StoreFailed, match="closed"):
        await store.run(adding(9))  # type: ignore[arg-type]
    await store.close()
    other = sqlite3.connect(tmp_path / "store.db")
    assert other.execute("SELECT count(*) FROM things").fetchone() == (3,)
    other.close()


async def test_a_cancelled_caller_does_not_disturb_its_neighbours(store: Store) -> None:
    first = asyncio.ensure_future(store.run(adding(1)))  # type: ignore[arg-type]
    second = asyncio.ensure_future(store.run(adding(2)))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1
    assert [row[0] for row in await names(store)] == [1, 2]


async def test_more_units_than_the_limit_are_refused_at_once(tmp_path: Path) -> None:
    store = Store(prepared(tmp_path / "store.db"), limit=2)
    tasks = [asyncio.ensure_future(store.run(adding(number))) for number in range(3)]  # type: ignore[arg-type]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [int, int, StoreFailed]
    await store.close()


def test_a_connection_is_durable(tmp_path: Path) -> None:
    connection = connect_sqlite(tmp_path / "new" / "store.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    connection.close()


def test_a_statement_names_its_parameters_in_the_order_of_the_text() -> None:
    with pytest.raises(TypeError, match=r"parameters are \('id', 'name'\), declared as \('name', 'id'\)"):
        Statement(insert(THINGS).values(id=bindparam("id"), name=bindparam("name")), "name", "id")


@pytest.mark.parametrize(
    "url",
    ["postgresql://smsd:secret@db/smsd", "sqlite:///", "sqlite://var/smsd.db", "mysql://x", "smsd.db", ""],
)
def test_a_wrong_url_is_refused_with_the_key_and_the_cure_and_without_credentials(url: str) -> None:
    with pytest.raises(StoreRefused, match=r"bridge\.store: .*write sqlite:///folder/file\.db") as refused:
        sqlite_path(url, "bridge.store")
    assert "secret" not in str(refused.value)


def test_an_url_names_a_relative_or_an_absolute_file() -> None:
    assert sqlite_path("sqlite:///var/smsd.db") == Path("var/smsd.db")
    assert sqlite_path("sqlite:////srv/smsd.db") == Path("/srv/smsd.db")


ENV = """
from alembic import context
context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
"""
REVISION = """
from alembic import op
import sqlalchemy as sa
revision, down_revision = {revision!r}, {down!r}
def upgrade() -> None:
    op.create_table({table!r}, sa.Column("id", sa.Integer, primary_key=True))
    {more}
"""


class Program:
    """A package with migrations, made for one test."""

    def __init__(self, folder: Path, package: str) -> None:
        self.package = package
        self.versions = folder / package / "versions"
        self.versions.mkdir(parents=True)
        (folder / package / "__init__.py").touch()
        (folder / package / "env.py").write_text(textwrap.dedent(ENV))

    def revision(self, revision: str, down: str | None, table: str, more: str = "") -> None:
        text = REVISION.format(revision=revision, down=down, table=table, more=more)
        (self.versions / f"{revision}_x.py").write_text(text)

    def schema(self, head: str, name: str = "smsd") -> Schema:
        return Schema(name, self.package, head, MetaData())


@pytest.fixture
def program(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Program]:
    package = f"migrations_{abs(hash(request.node.name))}"
    monkeypatch.syspath_prepend(tmp_path)
    program = Program(tmp_path, package)
    program.revision("0001", None, "first")
    yield program
    sys.modules.pop(package, None)


def tables(connection: sqlite3.Connection) -> set[str]:
    found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    return found - {"alembic_version"}


def test_a_new_database_is_migrated_and_a_current_one_opened(program: Program, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    assert tables(open_sqlite(url, program.schema("0001"))) == {"first"}
    assert tables(open_sqlite(url, program.schema("0001"))) == {"first"}


def test_an_older_database_is_brought_up(program: Program, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    open_sqlite(url, program.schema("0001")).close()
    program.revision("0002", "0001", "second")
    assert tables(open_sqlite(url, program.schema("0002"))) == {"first", "second"}


def test_a_database_newer_than_the_code_is_refused(program: Program, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    program.revision("0002", "0001", "second")
    open_sqlite(url, program.schema("0002")).close()
    (program.versions / "0002_x.py").unlink()
    with pytest.raises(StoreRefused, match="revision '0002', which this version of smsd does not know"):
        open_sqlite(url, program.schema("0001"))


def test_a_database_of_another_program_is_refused_even_at_the_same_revision(
    program: Program, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    open_sqlite(url, program.schema("0001")).close()
    with pytest.raises(StoreRefused, match="belongs to another program than billing-bridge"):
        open_sqlite(url, program.schema("0001", "billing-bridge"))


def test_a_migration_that_fails_half_way_leaves_the_database_as_it_was(
    program: Program, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    open_sqlite(url, program.schema("0001")).close()
    program.revision("0002", "0001", "second", more='op.execute("INSERT INTO nowhere VALUES (1)")')
    with pytest.raises(StoreRefused, match=r"store\.url: .* cannot be brought to the form that smsd needs"):
        open_sqlite(url, program.schema("0002"))
    assert tables(open_sqlite(url, program.schema("0001"))) == {"first"}


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    file.write_text(
        "a shopping list, and a long one, so that it is longer than a header of a database\n" * 20
    )
    with pytest.raises(StoreRefused, match=r"store\.url: .*a\.db"):
        open_sqlite(f"sqlite:///{file}", program.schema("0001"))
    assert file.read_text().startswith("a shopping list")


def test_a_folder_in_the_place_of_the_file_is_refused(program: Program, tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="give a file in a writable folder"):
        open_sqlite(f"sqlite:///{tmp_path}", program.schema("0001"))
    (tmp_path / "file").touch()
    with pytest.raises(StoreRefused, match="give a file in a writable folder"):
        open_sqlite(f"sqlite:///{tmp_path}/file/a.db", program.schema("0001"))
