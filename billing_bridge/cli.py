"""`billing-bridge`: run, import, list, audit. Status 1: input refused; 2: cannot work."""

from __future__ import annotations

from collections.abc import Callable
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
from billing_bridge.cli_money import credits_app, payments_app, refunds_app
from billing_bridge.cli_refused import refused_app
from billing_bridge.cli_statement import statement
from billing_bridge.cli_tools import (
    CANNOT,
    DEFAULT,
    REFUSED,
    Config,
    File,
    Filter,
    Json,
    Org,
    Page,
    PageSize,
    fail,
    in_one_transaction,
    opened,
    settings_of,
    show_list,
)
from billing_bridge.importing.invoices import read_invoices, write_invoices
from billing_bridge.importing.people import read_people, write_people
from billing_bridge.importing.reader import Imported, ImportRefusedError, read_file
from billing_bridge.invoicing.kid import KidError
from billing_bridge.listing import INVOICES, LEDGER, PEOPLE
from billing_bridge.settings import BridgeSettings, load
from foundation.clock import SystemClock
from foundation.ids import Ids
from foundation.ownership import EXIT_LOST, exit_status
from foundation.store import SqliteTx, StoreFailed, StoreLost, StoreRefused, Tx

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
importing = typer.Typer(add_completion=False, no_args_is_help=True, help="Take over people or invoices.")
app.add_typer(importing, name="import")
app.command()(evidence)
app.add_typer(payments_app, name="payments")
app.add_typer(refunds_app, name="refunds")
app.add_typer(credits_app, name="credits")
app.command()(statement)
app.add_typer(refused_app, name="refused")

_SHOWN_FAULTS = 200
_LONG_OCTETS = 100_000

TakeOver = Annotated[
    bool,
    typer.Option("--take-over", help="Take the store from a process that hangs and cannot be ended."),
]


@app.command()
def run(config: Config = DEFAULT, *, take_over: TakeOver = False) -> None:
    """Run the bridge until SIGTERM or Ctrl-C; SIGHUP reads the settings again.

    Status 75: another process runs on its store; 76: another one has taken it over.
    """
    import uvloop  # noqa: PLC0415 - only a running daemon needs it

    from billing_bridge.program import CannotRunError, serve  # noqa: PLC0415
    from foundation.health import CannotListenError  # noqa: PLC0415
    from foundation.logs import configure  # noqa: PLC0415

    settings = settings_of(config)
    configure(settings.log.level, settings.log.format)
    try:
        uvloop.run(serve(settings, lambda: load(config), take_over=take_over))
    except* StoreLost:
        # it has been logged
        raise typer.Exit(EXIT_LOST) from None
    except* (StoreRefused, StoreFailed, CannotListenError, CannotRunError) as group:
        fail("\n".join(str(error) for error in group.exceptions), exit_status(group, CANNOT))


@importing.command("people")
def import_people(file: File, config: Config = DEFAULT) -> None:
    """organisation,name,number,email,comment. All rows or none; who is there already is skipped."""
    settings = settings_of(config)
    _import(file, settings, partial(_people, settings=settings), "people")


@importing.command("invoices")
def import_invoices(file: File, config: Config = DEFAULT) -> None:
    """organisation,number,kind,amount_kr,period,due. All rows or none; what is there already is skipped."""
    settings = settings_of(config)
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
    show_list(INVOICES, config, org=org, only=only, page=page, page_size=page_size, json=json)


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
    show_list(PEOPLE, config, org=org, only=only, page=page, page_size=page_size, json=json)


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
    show_list(LEDGER, config, org=org, only=only, page=page, page_size=page_size, json=json)


@app.command()
def audit(config: Config = DEFAULT, json: Json = False) -> None:
    """Derive every balance anew from the rows; status 1 where anything differs."""
    with opened(settings_of(config)) as connection:
        found = look_over(SqliteTx(connection))
    if json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        for difference in found.differences:
            typer.echo(str(difference))
        typer.echo(
            f"{found.invoices} invoices, {found.payments} payments, {found.refunds} refunds, "
            f"{found.credit_notes} credit notes, {found.journals} journals: "
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
            with opened(settings, create=True) as connection:
                bar.update(task, description=f"writing {what}", total=None)
                done = in_one_transaction(connection, write)
    except ImportRefusedError as error:
        _tell_faults(path, error)
    except KidError as error:
        fail(f"billing.kid_length: {error}; nothing was imported", REFUSED)
    for notice in done.notices:
        typer.echo(f"note: {notice}", err=True)
    skipped = f"; {done.skipped} were there already and were skipped" if done.skipped else ""
    typer.echo(f"{done.added} {what} imported{skipped}")


def _tell_faults(path: Path, error: ImportRefusedError) -> NoReturn:
    table = Table("line", "column", "what is wrong", "what would be right", box=None)
    for fault in error.faults[:_SHOWN_FAULTS]:
        table.add_row(str(fault.line), *map(escape, (fault.column, fault.wrong, fault.right)))
    Console(stderr=True).print(table)
    more = len(error.faults) - _SHOWN_FAULTS
    rest = f" ({more} more are not shown)" if more > 0 else ""
    fail(f"{path}: {len(error.faults)} faults{rest}; nothing was imported", REFUSED)


if __name__ == "__main__":
    main()
