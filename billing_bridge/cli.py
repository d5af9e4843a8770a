"""`billing-bridge`: run, import, list, audit. Status 1: input refused; 2: cannot work."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from billing_bridge.audit import audit as look_over
from billing_bridge.cli_evidence import evidence
from billing_bridge.importing.invoices import read_invoices, write_invoices
from billing_bridge.importing.people import read_people, write_people
from billing_bridge.importing.reader import Imported, ImportRefusedError, read_file
from billing_bridge.invoicing.kid import KidError
from billing_bridge.listing import (
    INVOICES,
    LEDGER,
    NO_LIMIT,
    PAYMENTS,
    PEOPLE,
    UnknownFilterError,
    Value,
    View,
    listed,
)
from billing_bridge.settings import BridgeSettings, load
from billing_bridge.store import SCHEMA
from billing_bridge.turn import kroner
from foundation.clock import SystemClock
from foundation.ids import Ids
from foundation.ownership import EXIT_LOST, exit_status
from foundation.settings import ConfigurationError
from foundation.store import SqliteTx, StoreFailed, StoreLost, StoreRefused, Tx, open_sqlite

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
importing = typer.Typer(add_completion=False, no_args_is_help=True, help="Take over people or invoices.")
app.add_typer(importing, name="import")
app.command()(evidence)

REFUSED = 1
CANNOT = 2
DEFAULT = Path("config/smsd.toml")
_BUSY_MS = 60_000
_PIPE_COLUMNS = 200
_SHOWN_FAULTS = 200
_LONG_OCTETS = 100_000

Config = Annotated[Path, typer.Option("--config", "-c", help="The bridge's TOML file, or the gateway's.")]
File = Annotated[Path, typer.Argument(help="The CSV file.")]
Org = Annotated[str, typer.Option("--org", help="Only this organisation's codeword.")]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object a line; all rows where no page is named.")
]
Page = Annotated[int | None, typer.Option(min=1, help="Which page, counted from 1.")]
PageSize = Annotated[int | None, typer.Option(min=1, max=10_000, help="Rows to a page.")]
TakeOver = Annotated[
    bool,
    typer.Option("--take-over", help="Take the store from a process that hangs and cannot be ended."),
]
Filter = Annotated[
    str, typer.Option("--filter", help="Only these; a wrong word is answered with the right ones.")
]


def _fail(words: str, status: int = CANNOT) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(status)


def _settings(path: Path) -> BridgeSettings:
    try:
        return load(path)
    except ConfigurationError as error:
        _fail(str(error))


@contextmanager
def _store(settings: BridgeSettings) -> Iterator[sqlite3.Connection]:
    try:
        connection = open_sqlite(settings.store, SCHEMA, key="bridge.store")
    except StoreRefused as error:
        _fail(str(error))
    try:
        yield connection
    except sqlite3.Error as error:
        _fail(f"bridge.store: {settings.store}: {error}; nothing was changed")
    finally:
        connection.close()


@app.command()
def run(config: Config = DEFAULT, *, take_over: TakeOver = False) -> None:
    """Run the bridge until SIGTERM or Ctrl-C; SIGHUP reads the settings again.

    Status 75: another process runs on its store; 76: another one has taken it over.
    """
    import uvloop  # noqa: PLC0415 - only a running daemon needs it

    from billing_bridge.program import CannotRunError, serve  # noqa: PLC0415
    from foundation.health import CannotListenError  # noqa: PLC0415
    from foundation.logs import configure  # noqa: PLC0415

    settings = _settings(config)
    configure(settings.log.level, settings.log.format)
    try:
        uvloop.run(serve(settings, lambda: load(config), take_over=take_over))
    except* StoreLost:
        # it has been logged
        raise typer.Exit(EXIT_LOST) from None
    except* (StoreRefused, StoreFailed, CannotListenError, CannotRunError) as group:
        _fail("\n".join(str(error) for error in group.exceptions), exit_status(group, CANNOT))


@importing.command("people")
def import_people(file: File, config: Config = DEFAULT) -> None:
    """organisation,name,number,email,comment. All rows or none; who is there already is skipped."""
    settings = _settings(config)
    _import(file, settings, partial(_people, settings=settings), "people")


@importing.command("invoices")
def import_invoices(file: File, config: Config = DEFAULT) -> None:
    """organisation,number,kind,amount_kr,period,due. All rows or none; what is there already is skipped."""
    settings = _settings(config)
    _import(file, settings, partial(_invoices, settings=settings), "invoices")


@app.command()
def invoices(
    config: Config = DEFAULT,
    org: Org = "",
    only: Filter = "",
    page: Page = None,
    page_size: PageSize = None,
    json: Json = False,
) -> None:
    """Invoices and what is outstanding."""
    _list(INVOICES, config, org=org, only=only, page=page, page_size=page_size, json=json)


@app.command()
def payments(
    config: Config = DEFAULT,
    org: Org = "",
    only: Filter = "",
    page: Page = None,
    page_size: PageSize = None,
    json: Json = False,
) -> None:
    """Attempts to charge, with what became of them."""
    _list(PAYMENTS, config, org=org, only=only, page=page, page_size=page_size, json=json)


@app.command()
def people(
    config: Config = DEFAULT,
    org: Org = "",
    only: Annotated[str, typer.Option("--filter", help="Part of a name, number or address.")] = "",
    page: Page = None,
    page_size: PageSize = None,
    json: Json = False,
) -> None:
    """People, the years of their memberships, and what they owe."""
    _list(PEOPLE, config, org=org, only=only, page=page, page_size=page_size, json=json)


@app.command()
def ledger(
    config: Config = DEFAULT,
    org: Org = "",
    only: Filter = "",
    page: Page = None,
    page_size: PageSize = None,
    json: Json = False,
) -> None:
    """Every entry of the ledger, oldest first; debit is positive."""
    _list(LEDGER, config, org=org, only=only, page=page, page_size=page_size, json=json)


@app.command()
def audit(config: Config = DEFAULT, json: Json = False) -> None:
    """Derive every balance anew from the rows; status 1 where anything differs."""
    with _store(_settings(config)) as connection:
        found = look_over(SqliteTx(connection))
    if json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        for difference in found.differences:
            typer.echo(str(difference))
        typer.echo(
            f"{found.invoices} invoices, {found.payments} payments, {found.journals} journals: "
            + (f"{len(found.differences)} differences" if found.differences else "all in order")
        )
    if found.differences:
        raise typer.Exit(REFUSED)


def main() -> None:
    """The console script."""
    app()


def _people(
    octets: bytes, step: Callable[[int], None], *, settings: BridgeSettings
) -> Callable[[Tx], Imported]:
    clock = SystemClock()
    file = read_people(octets, settings, step)
    return lambda tx: write_people(tx, file, Ids(clock), clock)


def _invoices(
    octets: bytes, step: Callable[[int], None], *, settings: BridgeSettings
) -> Callable[[Tx], Imported]:
    clock = SystemClock()
    file = read_invoices(octets, settings, step)
    return lambda tx: write_invoices(tx, file, settings, Ids(clock), clock)


def _import(
    path: Path,
    settings: BridgeSettings,
    read: Callable[[bytes, Callable[[int], None]], Callable[[Tx], Imported]],
    what: str,
) -> None:
    try:
        octets = read_file(path)
        with Progress(
            console=Console(stderr=True), transient=True, disable=len(octets) < _LONG_OCTETS
        ) as bar:
            task = bar.add_task(f"reading {path.name}", total=octets.count(b"\n"))
            write = read(octets, partial(bar.advance, task))
            with _store(settings) as connection:
                bar.update(task, description=f"writing {what}", total=None)
                done = _in_one_transaction(connection, write)
    except ImportRefusedError as error:
        _tell_faults(path, error)
    except KidError as error:
        _fail(f"billing.kid_length: {error}; nothing was imported", REFUSED)
    for notice in done.notices:
        typer.echo(f"note: {notice}", err=True)
    skipped = f"; {done.skipped} were there already and were skipped" if done.skipped else ""
    typer.echo(f"{done.added} {what} imported{skipped}")


def _in_one_transaction(connection: sqlite3.Connection, write: Callable[[Tx], Imported]) -> Imported:
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


def _tell_faults(path: Path, error: ImportRefusedError) -> NoReturn:
    table = Table("line", "column", "what is wrong", "what would be right", box=None)
    for fault in error.faults[:_SHOWN_FAULTS]:
        table.add_row(str(fault.line), *map(escape, (fault.column, fault.wrong, fault.right)))
    Console(stderr=True).print(table)
    more = len(error.faults) - _SHOWN_FAULTS
    rest = f" ({more} more are not shown)" if more > 0 else ""
    _fail(f"{path}: {len(error.faults)} faults{rest}; nothing was imported", REFUSED)


def _list(
    view: View, config: Path, *, org: str, only: str, page: int | None, page_size: int | None, json: bool
) -> None:
    settings = _settings(config)
    paged = not json or page is not None or page_size is not None
    size = (page_size or settings.limits.page_size) if paged else NO_LIMIT
    with _store(settings) as connection:
        try:
            rows = listed(
                SqliteTx(connection), view, org=org.upper(), only=only, page=page or 1, page_size=size
            )
        except UnknownFilterError as error:
            _fail(str(error))
    if json:
        for row in rows:
            typer.echo(msgspec.json.encode(row).decode())
        return
    table = Table(box=None)
    for column in view.brief:
        table.add_column(column.replace("_ore", "_kr"), overflow="fold")
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


if __name__ == "__main__":
    main()
