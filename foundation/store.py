"""The store: one database, one writer, transactions that take all that has come.

A *unit of work* is a plain function of a `Tx`; it runs inside a transaction.
Units that wait are committed together (group commit): one fsync for all of them. Where one unit fails,
its own changes are rolled back to a savepoint and only it gets the error; where the commit fails,
nothing of the batch happened and every unit gets `StoreFailed`.

Statements are compiled once to the driver's own text and run many rows at a time. How the database is
opened and migrated is `foundation.database`'s.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeAlias, TypeVar

import structlog
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.sql import ClauseElement

from foundation.database import (
    SQLITE_PREFIX,
    Schema,
    StoreRefused,
    connect_sqlite,
    open_sqlite,
    sqlite_path,
)

__all__ = [
    "SQLITE_PREFIX",
    "Owner",
    "Row",
    "Runner",
    "Schema",
    "SqliteTx",
    "Statement",
    "Store",
    "StoreFailed",
    "StoreLost",
    "StoreRefused",
    "Tx",
    "Unit",
    "Value",
    "WriterThread",
    "connect_sqlite",
    "open_sqlite",
    "run_at_once",
    "sqlite_path",
]

log = structlog.get_logger(__name__)

T = TypeVar("T")
Value: TypeAlias = "str | int | bytes | None"
Row: TypeAlias = "tuple[Any, ...]"
_SQLITE = sqlite_dialect.dialect(paramstyle="qmark")
# what a statement or its values did wrong; every other code is the database's own trouble
_THE_UNITS_FAULT = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_RANGE,
    }
)


class StoreFailed(Exception):
    """The store could not read or commit; nothing of the unit of work happened. Try again later."""


class StoreLost(Exception):
    """Another program has taken the store over: nothing of the unit of work happened, nothing more will.

    Not a `StoreFailed`: whoever gets it is to end, not to try again.
    """


class Statement:
    """A SQLAlchemy Core statement, compiled once; parameters are tuples in the order of `names`.

    Only plain values travel (str, int, bytes, None), so a row needs no conversion.
    """

    __slots__ = ("names", "sql")

    def __init__(self, clause: ClauseElement, *names: str) -> None:
        compiled = clause.compile(dialect=_SQLITE)
        order = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]
        constants = {
            name: value for name, value in compiled.params.items() if name not in names and value is not None
        }
        if tuple(name for name in order if name not in constants) != names:
            raise TypeError(f"parameters are {order}, declared as {names}: {compiled}")
        pieces = str(compiled).split("?")
        if len(pieces) != len(order) + 1:
            raise TypeError(f"a question mark stands in the statement's own text: {compiled}")
        self.sql = pieces[0] + "".join(
            (_literal(constants[name]) if name in constants else "?") + piece
            for name, piece in zip(order, pieces[1:], strict=True)
        )
        self.names = names


def _literal(value: object) -> str:
    """A constant of the statement itself, such as the offset that SQLAlchemy adds to a limit."""
    if isinstance(value, int):
        return str(int(value))
    return "'" + str(value).replace("'", "''") + "'"


class Tx(Protocol):
    """What a unit of work may do."""

    def run(self, statement: Statement, rows: Sequence[Row]) -> int:
        """Run for many rows; how many rows changed. No rows, no work."""

    def one(self, statement: Statement, row: Row = ()) -> Row | None:
        """The first row found."""

    def all(self, statement: Statement, row: Row = ()) -> list[Row]:
        """Every row found."""


class SqliteTx:
    """`Tx` on one sqlite3 connection; also what a command line uses on its own, without a loop."""

    __slots__ = ("connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def run(self, statement: Statement, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        if len(rows) == 1:
            return self.connection.execute(statement.sql, rows[0]).rowcount
        return self.connection.executemany(statement.sql, rows).rowcount

    def one(self, statement: Statement, row: Row = ()) -> Row | None:
        found: Row | None = self.connection.execute(statement.sql, row).fetchone()
        return found

    def all(self, statement: Statement, row: Row = ()) -> list[Row]:
        return self.connection.execute(statement.sql, row).fetchall()


Unit: TypeAlias = "Callable[[Tx], Any]"


_LOCK_LOOK_S = 0.005

Runner: TypeAlias = Callable[[Callable[[], None]], None]
"""Runs a job, elsewhere or at once, one after the other in the order given; None of them raises."""


def run_at_once(job: Callable[[], None]) -> None:
    """The runner of a simulation: on the loop itself."""
    job()


class Owner(Protocol):
    """A program's hold on its store (`foundation.ownership`)."""

    def holds(self, connection: sqlite3.Connection) -> bool:
        """Whether the store is still ours; within a transaction of this connection."""

    def holds_now(self) -> bool:
        """The same outside any transaction."""

    def words(self) -> str:
        """Who has it now."""

    def give_back(self, connection: sqlite3.Connection) -> None:
        """At a stop: nobody runs on it any more."""

    def close(self) -> None:
        """Let go."""


class WriterThread:
    """The default runner: one thread, fed through a queue; ends with `stop`."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()

    def __call__(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)

    def stop(self) -> None:
        """End the thread once all jobs are done; waits for it."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


_Waiting: TypeAlias = "list[tuple[Unit, asyncio.Future[Any]]]"
_Results: TypeAlias = "list[tuple[Any, Exception | None]] | Exception"


class Store:
    """One SQLite database and its one writer.

    Units run on the event loop, where nothing contends with them for the interpreter; only the commit,
    which waits for the disk, runs elsewhere: by `runner`, by default a thread of the store's own. A
    simulation hands in `run_at_once`. `limit` bounds how many units may wait, `locked_s` how long another
    process may hold the database. `owner` is asked in every transaction; where the store is another's,
    every unit gets `StoreLost`. After an I/O error the connection is replaced by what `reopen` makes.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        runner: Runner | None = None,
        limit: int = 10_000,
        locked_s: float = 5.0,
        owner: Owner | None = None,
        reopen: Callable[[], sqlite3.Connection] | None = None,
    ) -> None:
        # the loop must not stand still for a lock: it is asked for again
        connection.execute("PRAGMA busy_timeout=0")
        self.owner = owner
        self.lost = False
        self.trouble = ""
        """Why the last transaction did not commit; empty where it did."""
        self._reopen = reopen
        self._distrusted = False
        self._connection = connection
        self._tx = SqliteTx(connection)
        self._thread = WriterThread() if runner is None else None
        self._runner: Runner = runner or self._thread or run_at_once
        self._waiting: _Waiting = []
        self._limit = limit
        self._locked_s = locked_s
        self._busy = False
        self._idle = asyncio.Event()
        self._closed = False
        self.healthy = True
        self.commits = 0
        self.units = 0

    async def run(self, unit: Callable[[Tx], T]) -> T:
        """Run a unit of work in the next transaction and return its result once that is committed.

        Raises:
            StoreFailed: nothing of the unit happened.
            StoreLost: nor will it: the store is another program's.
            Whatever the unit itself raises: its changes are rolled back, its neighbours' are not.
        A caller that is cancelled does not stop its unit.
        """
        if self._closed:
            raise StoreFailed("the store is closed")
        if len(self._waiting) >= self._limit:
            raise StoreFailed(f"{len(self._waiting)} units of work wait already; the limit is {self._limit}")
        if self.lost:
            raise StoreLost("another program has taken the store over")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append((unit, future))
        if not self._busy:
            self._busy = True
            # after this turn of the loop, so that all that is asked for in it goes together
            loop.call_soon(self._next, loop)
        return await future

    def ours(self) -> bool:
        """Whether no other program has taken the store over: to be asked before what cannot be taken back."""
        if not self.lost and self.owner is not None and not self.owner.holds_now():
            self._lose()
        return not self.lost

    async def close(self) -> None:
        """Finish what waits, then close the database. Whoever comes later gets `StoreFailed`."""
        if self._closed:
            return
        self._closed = True
        if self._busy:
            await self._idle.wait()
        if self._thread is not None:
            self._thread.stop()
        if self.owner is not None and not self.lost:
            self.owner.give_back(self._connection)
        self._connection.close()
        if self.owner is not None:
            self.owner.close()

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._waiting:
            self._busy = False
            if self._closed:
                self._idle.set()
            return
        self._begin(loop, 0.0)

    def _begin(self, loop: asyncio.AbstractEventLoop, waited_s: float) -> None:
        try:
            self._trust()
            self._connection.execute("BEGIN IMMEDIATE")
            if self.owner is not None and not self.owner.holds(self._connection):
                self._connection.execute("ROLLBACK")
                self._lose()
                batch, self._waiting = self._waiting, []
                self._done(loop, batch, StoreLost("another program has taken the store over"))
                return
        except sqlite3.Error as error:
            self._roll_back()
            if _locked(error) and waited_s < self._locked_s:
                loop.call_later(_LOCK_LOOK_S, self._begin, loop, waited_s + _LOCK_LOOK_S)
                return
            batch, self._waiting = self._waiting, []
            self._done(loop, batch, error)
            return
        batch, self._waiting = self._waiting, []
        results: _Results
        try:
            results = [self._one(unit, alone=len(batch) == 1) for unit, _ in batch]
            if not self._connection.in_transaction:
                raise sqlite3.OperationalError("the database ended the transaction by itself")
        except Exception as error:  # noqa: BLE001 - told to all whose work it was
            self._roll_back()
            self._done(loop, batch, error)
            return
        if len(batch) == 1 and results[0][1] is not None:
            # a unit alone that failed leaves nothing to commit
            self._roll_back()
            self._done(loop, batch, results)
            return
        self._runner(partial(self._commit, loop, batch, results))

    def _commit(self, loop: asyncio.AbstractEventLoop, batch: _Waiting, results: _Results) -> None:
        try:
            self._connection.execute("COMMIT")
            self.commits += 1
            self.units += len(batch)
        except Exception as error:  # noqa: BLE001 - nobody may be left waiting
            self._roll_back()
            results = error
        try:
            loop.call_soon_threadsafe(self._done, loop, batch, results)
        except RuntimeError:
            # the loop is closed: nobody waits any more, and what is committed is committed
            self._busy = False
            self._idle.set()

    def _done(self, loop: asyncio.AbstractEventLoop, batch: _Waiting, results: _Results) -> None:
        self.healthy = not isinstance(results, Exception)
        self.trouble = str(results) if isinstance(results, Exception) else ""
        if isinstance(results, Exception):
            self._distrusted = self._distrusted or _broken(results)
            for _, future in batch:
                if not future.done():
                    future.set_exception(
                        StoreLost(str(results))
                        if isinstance(results, StoreLost)
                        else StoreFailed(f"the store did not commit: {results}")
                    )
        else:
            for (_, future), (result, failure) in zip(batch, results, strict=True):
                if future.done():
                    continue
                if failure is not None:
                    future.set_exception(failure)
                else:
                    future.set_result(result)
        self._next(loop)

    def _one(self, unit: Unit, *, alone: bool) -> tuple[Any, Exception | None]:
        connection = self._connection
        if not alone:
            connection.execute("SAVEPOINT unit")
        try:
            result = unit(self._tx)
        except Exception as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code is not None and code & 0xFF not in _THE_UNITS_FAULT:
                raise
            if not alone:
                connection.execute("ROLLBACK TO unit")
                connection.execute("RELEASE unit")
            return None, error
        if not alone:
            connection.execute("RELEASE unit")
        return result, None

    def _lose(self) -> None:
        self.lost = True
        self.healthy = False
        assert self.owner is not None
        log.critical(
            "store.lost",
            owner=self.owner.words(),
            effect="this program has written and sent nothing since, and ends",
        )

    def _trust(self) -> None:
        """After an I/O error, what this connection has in memory is not what is on the disk: open anew.

        Raises:
            sqlite3.Error: it cannot be opened; the old connection stays, to be tried again.
        """
        if not self._distrusted or self._reopen is None:
            return
        connection = self._reopen()
        connection.execute("PRAGMA busy_timeout=0")
        before, self._connection = self._connection, connection
        self._tx = SqliteTx(connection)
        self._distrusted = False
        with suppress(sqlite3.Error):
            before.close()

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # the connection is beyond use in this transaction; the next BEGIN tells
            return


def _broken(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_IOERR


def _locked(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
