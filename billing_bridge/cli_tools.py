"""What the commands of `billing-bridge` share: settings, the store, one transaction, a listing as a table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from billing_bridge.listing import NO_LIMIT, UnknownFilterError, Value, View, listed
from billing_bridge.listing import REFUSED as REFUSED_VIEW
from billing_bridge.settings import BridgeSettings, load
from billing_bridge.store import SCHEMA
from billing_bridge.turn import kroner
from foundation.settings import ConfigurationError
from foundation.store import SqliteTx, StoreRefused, Tx, open_sqlite

REFUSED = 1
CANNOT = 2
DEFAULT = Path("config/smsd.toml")
_BUSY_MS = 60_000
_PIPE_COLUMNS = 200
T = TypeVar("T")

Config = Annotated[Path, typer.Option("--config", "-c", help="The bridge's TOML file, or the gateway's.")]
File = Annotated[Path, typer.Argument(help="The CSV file.")]
Org = Annotated[str, typer.Option("--org", help="Only this organisation's codeword.")]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object a line; all rows where no page is named.")
]
Page = Annotated[int | None, typer.Option(min=1, max=10_000_000, help="Which page, counted from 1.")]
PageSize = Annotated[int | None, typer.Option(min=1, max=10_000, help="Rows to a page.")]
Filter = Annotated[
    str, typer.Option("--filter", help="Only these; a wrong word is answered with the right ones.")
]


def fail(words: str, status: int = CANNOT) -> NoReturn:
    """End with these words on the error stream."""
    typer.echo(words, err=True)
    raise typer.Exit(status)


def settings_of(path: Path) -> BridgeSettings:
    """The settings, or the end with every fault told."""
    try:
        return load(path)
    except ConfigurationError as error:
        fail(str(error))


@contextmanager
def opened(settings: BridgeSettings, *, create: bool = False) -> Iterator[sqlite3.Connection]:
    """The bridge's store; a bridge may be at work on it. `create`: a new one where there is none."""
    try:
        connection = open_sqlite(settings.store, SCHEMA, key="bridge.store", create=create)
    except StoreRefused as error:
        fail(str(error))
    try:
        yield connection
    except sqlite3.Error as error:
        fail(f"bridge.store: {settings.store}: {error}; nothing was changed")
    finally:
        connection.close()


def in_one_transaction(connection: sqlite3.Connection, write: Callable[[Tx], T]) -> T:
    """All of it or nothing."""
    # a bridge at work on the same file holds the store for moments only
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = write(SqliteTx(connection))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return done


def write_file(path: Path, octets: bytes, option: str) -> None:
    """A document where the option says, or the end with what is wrong."""
    try:
        path.write_bytes(octets)
    except OSError as error:
        fail(f"{option}: {path} cannot be written ({error.strerror}); give a file in a writable folder")


def show_list(
    view: View, config: Path, *, org: str, only: str, page: int | None, page_size: int | None, json: bool
) -> None:
    settings = settings_of(config)
    paged = not json or page is not None or page_size is not None
    size = (page_size or settings.limits.page_size) if paged else NO_LIMIT
    with opened(settings) as connection:
        try:
            rows = listed(
                SqliteTx(connection), view, org=org.upper(), only=only, page=page or 1, page_size=size
            )
        except UnknownFilterError as error:
            fail(str(error))
    if not rows and org and view is not REFUSED_VIEW and settings.organisation(org.upper()) is None:
        # one that is gone from the settings may still have rows
        names = ", ".join(each.code for each in settings.organisations)
        fail(f"--org: there is no organisation {org!r}, and no row of it; give one of {names}")
    if json:
        for row in rows:
            typer.echo(msgspec.json.encode(row).decode())
        return
    table = Table(box=None)
    for column in view.brief:
        # what a next command needs is never cut
        table.add_column(column.replace("_ore", "_kr"), overflow="fold", no_wrap=column == "id")
    for row in rows:
        table.add_row(*(escape(_cell(column, row[column])) for column in view.brief))
    console = Console()
    # in a pipe there is no edge to fold at
    console.width = console.width if console.is_terminal else _PIPE_COLUMNS
    console.print(table)
    if len(rows) == size:
        typer.echo(f"page {page or 1}; --page {(page or 1) + 1} shows more, if there is more", err=True)


def _cell(column: str, value: Value) -> str:
    if value is None:
        return ""
    return kroner(value) if column.endswith("_ore") and isinstance(value, int) else str(value)
