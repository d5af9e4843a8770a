"""`billing-bridge refused`: messages of gateways that could not be taken, kept whole for a time."""

from __future__ import annotations

from typing import Annotated

import typer

from billing_bridge.cli_tools import (
    DEFAULT,
    Config,
    Filter,
    Json,
    Page,
    PageSize,
    fail,
    opened,
    settings_of,
    show_list,
)
from billing_bridge.cli_tools import (
    REFUSED as NOT_THERE,
)
from billing_bridge.listing import REFUSED
from billing_bridge.store import statements as s
from foundation.store import SqliteTx

refused_app = typer.Typer(add_completion=False, help="Messages of gateways that could not be taken.")


@refused_app.callback(invoke_without_command=True)
def refused(
    context: typer.Context,
    config: Config = DEFAULT,
    only: Filter = "",
    page: Page = None,
    page_size: PageSize = None,
    json: Json = False,
) -> None:
    """List them, oldest first, with the kind of the error."""
    if context.invoked_subcommand is None:
        show_list(REFUSED, config, org="", only=only, page=page, page_size=page_size, json=json)


@refused_app.command("show")
def show(
    message: Annotated[str, typer.Argument(help="The id that the list or the log names.")],
    config: Config = DEFAULT,
) -> None:
    """One of them whole. It may hold numbers and texts of people."""
    with opened(settings_of(config)) as connection:
        found = SqliteTx(connection).one(s.REFUSED_BODY, (message,))
    if found is None:
        fail(f"no message {message} was refused; `billing-bridge refused` lists them", NOT_THERE)
    error, gateway, body = found
    typer.echo(f"{error}, from {gateway or 'somebody who gave no name'}")
    try:
        typer.echo(body.decode("utf-8"))
    except UnicodeDecodeError:
        typer.echo(body.hex(" "))
