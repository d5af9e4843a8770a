"""`smsd audit`, and what waits aside for a person: `smsd set-aside`, `smsd receipts`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from foundation.clock import DAY_US, SystemClock, oslo
from smsd.cli_words import DEFAULT, Config, Json, Page, PageSize, fail, open_store, page_rows, read_settings

DIFFERS = 1
_PIPE_COLUMNS = 200
_SHOWN_OCTETS = 4000

set_aside_app = typer.Typer(add_completion=False, help="What could not be handled, kept whole.")
receipts_app = typer.Typer(add_completion=False, help="Receipts whose message is not known.")


class Aside(msgspec.Struct, frozen=True):
    """One input that could not be handled; times are Norwegian."""

    id: str
    kind: str
    fault: str
    octets: int
    at: str
    kept_until: str


class Unmatched(msgspec.Struct, frozen=True):
    """One receipt that fits no message; times are Norwegian."""

    id: str
    operator: str
    message_id: str
    number: str
    short_code: str
    evidence: str
    fate: str
    reason: str
    detail: str
    at: str
    kept_until: str


def audit(config: Config = DEFAULT, json: Json = False) -> None:
    """Replay every charge from its evidence and hold all rows against each other.

    Status 1 where anything differs. It reads as of one moment and may run beside the gateway.
    """
    from smsd.audit import audit as look_over  # noqa: PLC0415 - only this command needs it

    connection = open_store(read_settings(config))
    try:
        found = look_over(connection, SystemClock().now_us())
    except sqlite3.OperationalError as error:
        fail(f"store.url: it cannot be read now ({error}); try again")
    finally:
        connection.close()
    if json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        for difference in found.differences:
            typer.echo(str(difference))
        typer.echo(
            f"{found.messages} messages, {found.charges} charges, {found.evidence} pieces of evidence, "
            f"{found.waiting_parcels} parcels waiting, {found.set_aside} set aside, "
            f"{found.unmatched_receipts} receipts unmatched: "
            + (f"{len(found.differences)} differences" if found.differences else "all in order")
        )
    if found.differences:
        raise typer.Exit(DIFFERS)


@set_aside_app.callback(invoke_without_command=True)
def set_aside(
    context: typer.Context,
    config: Config = DEFAULT,
    page: Page = 1,
    page_size: PageSize = 0,
    json: Json = False,
) -> None:
    """List what was set aside, oldest first, and until when it is kept (limits.set_aside_days)."""
    if context.invoked_subcommand is not None:
        return
    settings = read_settings(config)
    rows = page_rows(page_size, settings, json=json)
    kept_us = settings.limits.set_aside_days * DAY_US
    found = open_store(settings).execute(
        "SELECT id, kind, fault, length(body), at_us FROM set_aside ORDER BY id LIMIT ? OFFSET ?",
        (rows, (page - 1) * rows),
    )
    _show(
        (
            Aside(id, kind, fault, octets, _moment(at_us), _moment(at_us + kept_us))
            for id, kind, fault, octets, at_us in found
        ),
        Aside.__struct_fields__,
        json=json,
    )


@set_aside_app.command("show")
def show(
    id: Annotated[str, typer.Argument(help="The id that the list or the log names.")],
    config: Config = DEFAULT,
) -> None:
    """One of them whole. It may hold numbers and texts of people."""
    row = (
        open_store(read_settings(config))
        .execute("SELECT kind, fault, at_us, body FROM set_aside WHERE id = ?", (id,))
        .fetchone()
    )
    if row is None:
        fail(f"nothing with the id {id} is set aside; `smsd set-aside` lists what is")
    kind, fault, at_us, body = row
    typer.echo(f"{kind}, {_moment(at_us)}: {fault}")
    try:
        typer.echo(body.decode("utf-8"))
    except UnicodeDecodeError:
        typer.echo(body[:_SHOWN_OCTETS].hex(" "))


@receipts_app.callback(invoke_without_command=True)
def receipts(config: Config = DEFAULT, page: Page = 1, page_size: PageSize = 0, json: Json = False) -> None:
    """List receipts that fit no message, oldest first, and until when they are kept."""
    settings = read_settings(config)
    rows = page_rows(page_size, settings, json=json)
    kept_us = settings.limits.unmatched_receipt_days * DAY_US
    found = open_store(settings).execute(
        "SELECT id, operator, key, number, short_code, evidence, fate, reason, detail, at_us "
        "FROM unmatched_receipts ORDER BY id LIMIT ? OFFSET ?",
        (rows, (page - 1) * rows),
    )
    shown = (
        Unmatched(
            id=row[0],
            operator=row[1],
            message_id=row[2],
            number=row[3],
            short_code=row[4],
            evidence=row[5],
            fate=row[6],
            reason=row[7],
            detail=row[8],
            at=_moment(row[9]),
            kept_until=_moment(row[9] + kept_us),
        )
        for row in found
    )
    _show(shown, Unmatched.__struct_fields__, json=json)


def _show(rows: Iterable[msgspec.Struct], columns: Iterable[str], *, json: bool) -> None:
    if json:
        for row in rows:
            typer.echo(msgspec.json.encode(row).decode())
        return
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*(escape(str(value)) for value in msgspec.structs.astuple(row)))
    console = Console()
    # in a pipe there is no edge to fold at
    console.width = console.width if console.is_terminal else _PIPE_COLUMNS
    console.print(table)


def _moment(at_us: int) -> str:
    return oslo(at_us).isoformat(sep=" ", timespec="seconds")
