"""The database file: opened with the settings that money needs, and brought to the code's revision.

Tables and migrations are SQLAlchemy's and alembic's. SQLite runs WAL with ``synchronous=FULL``.
"""

from __future__ import annotations

import importlib
import logging
import sqlite3
import zlib
from pathlib import Path

import msgspec
from sqlalchemy import MetaData
from sqlalchemy.exc import SQLAlchemyError

SQLITE_PREFIX = "sqlite:///"


class StoreRefused(Exception):
    """The store cannot be used as configured: wrong URL, no such folder, newer than the code, locked."""


class Schema(msgspec.Struct, frozen=True):
    """A program's tables: `package` holds alembic's migrations, `head` is the newest one's revision."""

    name: str
    package: str
    head: str
    metadata: MetaData


def sqlite_path(url: str, key: str = "store.url") -> Path:
    """The file an URL of the form ``sqlite:///path`` names (four slashes for an absolute path).

    Raises:
        StoreRefused: for any other URL, naming the key and what would be right.
    """
    if not url.startswith(SQLITE_PREFIX) or len(url) == len(SQLITE_PREFIX):
        scheme = url.partition("://")[0]
        raise StoreRefused(
            f"{key}: a store of kind {scheme!r} is not supported; write sqlite:///folder/file.db"
        )
    return Path(url.removeprefix(SQLITE_PREFIX))


def connect_sqlite(path: Path, *, busy_timeout_s: float = 5.0) -> sqlite3.Connection:
    """One connection with the settings that money needs: WAL, FULL, foreign keys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    try:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "wal_autocheckpoint=4000",
            "cache_size=-65536",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection, url: str, schema: Schema) -> None:
    """Bring a database to the code's newest revision.

    Raises:
        StoreRefused: where the database is newer than the code, or belongs to another program.
    """
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    ).fetchone()
    current = connection.execute("SELECT version_num FROM alembic_version").fetchone() if found else None
    owner = zlib.crc32(schema.name.encode()) & 0x7FFFFFFF
    marked = connection.execute("PRAGMA application_id").fetchone()[0]
    if marked not in (0, owner):
        raise StoreRefused(
            f"{url}: the database belongs to another program than {schema.name}; give each a file of its own"
        )
    if marked == 0:
        connection.execute(f"PRAGMA application_id={owner}")
    if current and current[0] == schema.head:
        return
    # its plugins' greetings are nobody's news
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    # alembic takes a tenth of a second to import; only a start that migrates pays for it
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    config = Config()
    folder = importlib.import_module(schema.package).__path__[0]
    config.set_main_option("script_location", folder.replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    if current and current[0] not in known:
        raise StoreRefused(
            f"{url}: the database is at revision {current[0]!r}, which this version of {schema.name} does "
            f"not know (its newest is {schema.head!r}); start the version that wrote it, or restore a copy"
        )
    # the driver's own transactions end before each DDL statement; so it has none, and all is one of ours
    engine = create_engine(
        SQLITE_PREFIX + str(sqlite_path(url)), poolclass=NullPool, connect_args={"isolation_level": None}
    )
    try:
        with engine.begin() as migrating:
            migrating.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = migrating
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def open_sqlite(
    url: str, schema: Schema, key: str = "store.url", *, create: bool = True
) -> sqlite3.Connection:
    """Open and migrate; for commands and for `Store`. `create`: a new one where there is none.

    Raises:
        StoreRefused: naming the key, the file and what is wrong with it.
    """
    path = sqlite_path(url, key)
    try:
        if not create and not path.exists():
            # an empty one in its place would say that nothing is in doubt or owed
            raise StoreRefused(
                f"{key}: there is no store {path.absolute()}; a path without a leading slash is meant from "
                f"the folder that {schema.name} runs in, which makes the store at its first start"
            )
        connection = connect_sqlite(path)
    except (sqlite3.Error, OSError) as error:
        raise StoreRefused(
            f"{key}: {path} cannot be opened ({error}); give a file in a writable folder"
        ) from error
    try:
        migrate(connection, url, schema)
    except (sqlite3.Error, SQLAlchemyError) as error:
        connection.close()
        raise StoreRefused(
            f"{key}: {path} cannot be brought to the form that {schema.name} needs ({error})"
        ) from error
    except StoreRefused:
        connection.close()
        raise
    return connection
