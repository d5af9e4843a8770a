"""Who runs on a store: one program at a time, known by an epoch in the store and a lock beside it.

The lock (flock on ``FILE.lock``) is held by the living process and dies with it, so a crashed owner delays
nobody. The epoch grows with every owner and is looked at in every transaction, so a program that was
paused while another took over commits nothing any more. Commands that open a store beside its owner take
neither.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, MetaData, Table, Text

from foundation.clock import SECOND_US, Clock, oslo
from foundation.store import (
    Runner,
    Schema,
    SqliteTx,
    Statement,
    Store,
    StoreFailed,
    StoreLost,
    StoreRefused,
    Tx,
    connect_sqlite,
    open_sqlite,
    sqlite_path,
)
from foundation.store_lock import FileLock, Lock

log = structlog.get_logger(__name__)

EXIT_NOT_NOW = 75
"""Exit status of a program that could not come by its store for now: worth another try."""
EXIT_LOST = 76
"""Exit status of a program whose store another one has taken over."""
LOCKED_S = 5.0
"""How long a start waits for another process that writes to the store, seconds."""
_BEATS = 3
"""So many beats are to fall into the age at which an owner on another machine counts as gone."""


_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class StoreNotNow(StoreRefused):
    """The store cannot be used at this moment: its disk is full or fails, or another process writes to it."""


class StoreTaken(StoreNotNow):
    """Another program runs on the store."""


def exit_status(group: BaseExceptionGroup[BaseException], otherwise: int) -> int:
    """The exit status of a start that was refused: `EXIT_NOT_NOW` where another try may do."""
    return EXIT_NOT_NOW if group.subgroup(StoreNotNow) is not None else otherwise


def ownership_table(metadata: MetaData) -> Table:
    """Add the table to a program's own: one row, the last owner. `released_us` is 0 while it runs."""
    return Table(
        "ownership",
        metadata,
        Column("id", Integer, CheckConstraint("id = 1", name="only_one"), primary_key=True),
        Column("epoch", BigInteger, nullable=False),
        Column("host", Text, nullable=False),
        Column("pid", Integer, nullable=False),
        Column("since_us", BigInteger, nullable=False),
        Column("beat_us", BigInteger, nullable=False),
        Column("released_us", BigInteger, nullable=False),
    )


_TABLE = ownership_table(MetaData())
_ROW = Statement(_TABLE.select())
_EPOCH = "SELECT epoch FROM ownership WHERE id = 1"
_FIRST = Statement(
    _TABLE.insert().values(id=1, epoch=0, host="", pid=0, since_us=0, beat_us=0, released_us=1)
)
_TAKE = (
    "UPDATE ownership SET epoch = epoch + 1, host = ?, pid = ?, since_us = ?, beat_us = ?, released_us = 0"
)
_BEAT = "UPDATE ownership SET beat_us = ? WHERE epoch = ?"
_RELEASE = "UPDATE ownership SET released_us = ? WHERE epoch = ?"


class Terms(msgspec.Struct, frozen=True):
    """How a program comes by its store.

    `silent_s`: how long an owner on another machine must have been silent until it counts as gone.
    `take_over`: take the store from an owner that lives. `key`: where the settings name the store.
    """

    key: str = "store.url"
    silent_s: float = 30.0
    take_over: bool = False


class Owner(msgspec.Struct, frozen=True):
    """The row: who has or had the store."""

    id: int
    epoch: int
    host: str
    pid: int
    since_us: int
    beat_us: int
    released_us: int

    def told(self, now_us: int) -> str:
        """In words: process, machine, since when, last sign of life."""
        ago_s = max(0, now_us - self.beat_us) // SECOND_US
        return (
            f"process {self.pid} on {self.host} has run on it since "
            f"{oslo(self.since_us):%Y-%m-%d %H:%M:%S}, last sign of life {ago_s} s ago"
        )


class Ownership:
    """One program's hold on a store; `foundation.store.Store` asks it in every transaction."""

    def __init__(self, reader: sqlite3.Connection, lock: Lock, epoch: int, clock: Clock) -> None:
        self.epoch = epoch
        self._reader = reader
        self._lock = lock
        self._clock = clock

    def holds(self, connection: sqlite3.Connection) -> bool:
        """Whether the store is still ours; within a transaction of this connection."""
        row = connection.execute(_EPOCH).fetchone()
        return row is not None and row[0] == self.epoch

    def holds_now(self) -> bool:
        """The same outside any transaction, right before something that cannot be taken back.

        By a connection of its own, as the store's may be busy with a commit. It also keeps the
        write-ahead log's index alive, so that a commit that failed stays undone where the store
        opens its own connection anew.
        """
        try:
            return self.holds(self._reader)
        except sqlite3.Error:
            # the transaction before has looked; a disk that cannot be read is the next one's trouble
            return True

    def words(self) -> str:
        """Who has it now, for the log."""
        try:
            found = _owner(SqliteTx(self._reader))
        except sqlite3.Error:
            return "the store cannot be read"
        return found.told(self._clock.now_us()) if found else "the store has no owner"

    def beat(self, tx: Tx) -> None:
        """A sign of life, as a unit of work."""
        assert isinstance(tx, SqliteTx)
        tx.connection.execute(_BEAT, (self._clock.now_us(), self.epoch))

    def renew(self) -> None:
        """Hold the lock again where somebody removed its file."""
        with suppress(OSError):
            self._lock.renew()

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Say in the store that nobody runs on it any more, where that can be said."""
        with suppress(sqlite3.Error):
            connection.execute(_RELEASE, (self._clock.now_us(), self.epoch))

    def close(self) -> None:
        """Let go of the lock."""
        self._reader.close()
        self._lock.release()


def end_where_lost(group: BaseExceptionGroup[BaseException]) -> None:
    """Raise the `StoreLost` in a group, alone; return where there is none."""
    found = group.subgroup(StoreLost)
    while found is not None:
        first = found.exceptions[0]
        if isinstance(first, StoreLost):
            raise first from None
        found = first if isinstance(first, BaseExceptionGroup) else None


async def keep(store: Store, silent_s: float) -> None:
    """Give signs of life until cancelled.

    Raises:
        StoreLost: another program has taken the store over.
    """
    owner = store.owner
    if not isinstance(owner, Ownership):
        return
    while True:
        await asyncio.sleep(silent_s / _BEATS)
        try:
            await store.run(owner.beat)
        except StoreFailed:
            # nor is it known whose the store is: the lock may be another's to take
            continue
        owner.renew()


def open_owned(
    url: str,
    schema: Schema,
    clock: Clock,
    terms: Terms | None = None,
    *,
    runner: Runner | None = None,
    locks: Callable[[Path], Lock] = FileLock,
) -> Store:
    """Take a store, bring it to the code's revision, and open it.

    Raises:
        StoreTaken: another program runs on it; who, and what would be right.
        StoreRefused: it cannot be used as configured.
    """
    terms = terms or Terms()
    path = sqlite_path(url, terms.key)
    lock = _locked(path, clock, terms, locks)
    try:
        connection, reader, epoch = _opened(path, url, schema, clock, terms)
    except BaseException:
        lock.release()
        raise
    return Store(
        connection,
        runner=runner,
        owner=Ownership(reader, lock, epoch, clock),
        reopen=lambda: connect_sqlite(path),
    )


def _opened(
    path: Path, url: str, schema: Schema, clock: Clock, terms: Terms
) -> tuple[sqlite3.Connection, sqlite3.Connection, int]:
    try:
        connection = open_sqlite(url, schema, terms.key)
    except StoreRefused as error:
        if _passes(error.__cause__):
            raise StoreNotNow(str(error)) from error
        raise
    try:
        epoch = _take(connection, path, clock, terms)
        reader = connect_sqlite(path, busy_timeout_s=0.1)
        reader.execute("PRAGMA query_only=ON")
    except sqlite3.Error as error:
        connection.close()
        raise StoreNotNow(
            f"{terms.key}: {path} cannot be written ({error}); where it is locked, see who has it open "
            "(fuser, lsof) and kill that one; where the disk is full, make room"
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection, reader, epoch


def _passes(cause: BaseException | None) -> bool:
    code = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _PASSING


def _locked(path: Path, clock: Clock, terms: Terms, locks: Callable[[Path], Lock]) -> Lock:
    file = path.with_name(path.name + ".lock")
    lock = locks(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if lock.take():
            return lock
        if terms.take_over:
            lock.seize()
            return lock
    except OSError as error:
        raise StoreRefused(
            f"{terms.key}: {file} cannot be locked ({error.strerror or error}); "
            "give the store a folder on a local disk that is this user's to write"
        ) from error
    raise StoreTaken(
        f"{terms.key}: {path} is in use: {_words_about(path, clock)}; stop that one first, "
        "or, where it hangs, kill it (kill -9) or start this one with --take-over"
    )


def _words_about(path: Path, clock: Clock) -> str:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.5)) as connection:
            found = _owner(SqliteTx(connection))
    except sqlite3.Error:
        found = None
    if found is None or found.released_us:
        return "a process that does not say who it is holds its lock"
    return found.told(clock.now_us())


def _owner(tx: Tx) -> Owner | None:
    row = tx.one(_ROW)
    return Owner(*row) if row is not None else None


def _take(connection: sqlite3.Connection, path: Path, clock: Clock, terms: Terms) -> int:
    """The new epoch; the lock is ours."""
    tx, now_us, here = SqliteTx(connection), clock.now_us(), socket.gethostname()
    connection.execute(f"PRAGMA busy_timeout={int(LOCKED_S * 1000)}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        before = _owner(tx)
        if before is None:
            tx.run(_FIRST, [()])
        elif (
            not before.released_us
            and before.host != here
            and abs(now_us - before.beat_us) < terms.silent_s * SECOND_US
            and not terms.take_over
        ):
            # a lock does not reach from one machine to another
            raise StoreTaken(
                f"{terms.key}: {path} is in use: {before.told(now_us)}; stop that one first, "
                f"wait until it has been silent for {terms.silent_s:g} s, or start this one with --take-over"
            )
        connection.execute(_TAKE, (here, os.getpid(), now_us, now_us))
        epoch: int = connection.execute(_EPOCH).fetchone()[0]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    if before is not None and not before.released_us:
        event = "store.taken_over" if terms.take_over else "store.was_not_closed"
        log.warning(event, store=str(path), epoch=epoch, before=before.told(now_us))
    return epoch
