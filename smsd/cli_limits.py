"""`smsd charges pause|resume|pauses`: the stop switch, set and lifted beside a running gateway."""

from __future__ import annotations

import getpass
import random
import sqlite3
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from foundation.clock import SystemClock, oslo
from foundation.ids import Ids
from smsd.cli_words import DEFAULT, Config, Json, fail, open_store, read_settings
from smsd.settings import Settings

limits_app = typer.Typer(add_completion=False)

WhichOrg = Annotated[str, typer.Option("--org", help="This organisation's codeword.")]
All = Annotated[bool, typer.Option("--all", help="All organisations, with one switch of its own.")]
Why = Annotated[str, typer.Option(help="The reason, kept for whoever asks later.")]
Who = Annotated[str, typer.Option(help="Who says so; default: who runs this.")]


@limits_app.command()
def pause(why: Why, org: WhichOrg = "", all_: All = False, who: Who = "", config: Config = DEFAULT) -> None:
    """Start no more charges of an organisation, or of all, until `resume`; those under way finish."""
    from smsd.charging import pauses  # noqa: PLC0415 - tables are not needed to tell a wrong option

    settings = read_settings(config)
    which = _which(settings, org, all_=all_)
    who, why = _said(who, why)
    clock = SystemClock()
    key = Ids(clock, random.SystemRandom().getrandbits).new()
    try:
        standing = pauses.pause(
            open_store(settings),
            key,
            org=which,
            who=who,
            why=why,
            now_us=clock.now_us(),
        )
    except pauses.CannotPause as error:
        fail(str(error))
    except sqlite3.OperationalError as error:
        fail(f"store.url: it cannot be written now ({error}); nothing is paused; try again")
    typer.echo(
        f"{which or 'all organisations'}: charges are paused; {standing.waiting} wait and do not start, "
        f"{standing.in_flight} are under way and finish"
    )


@limits_app.command()
def resume(why: Why, org: WhichOrg = "", all_: All = False, who: Who = "", config: Config = DEFAULT) -> None:
    """Lift the switch of an organisation, or the one of all; what waits and has not expired starts."""
    from smsd.charging import pauses  # noqa: PLC0415

    settings = read_settings(config)
    which = _which(settings, org, all_=all_, configured=False)
    who, why = _said(who, why)
    store = open_store(settings)
    try:
        standing = pauses.resume(store, org=which, who=who, why=why, now_us=SystemClock().now_us())
    except pauses.CannotPause as error:
        fail(str(error))
    except sqlite3.OperationalError as error:
        fail(f"store.url: it cannot be written now ({error}); nothing is resumed; try again")
    typer.echo(f"{which or 'all organisations'}: charges are resumed; {standing.waiting} wait")
    others = [each.org or "all organisations" for each in pauses.listed(store)]
    if others:
        typer.echo(f"still paused: {', '.join(others)}")


@limits_app.command("pauses")
def listed(
    config: Config = DEFAULT,
    history: Annotated[bool, typer.Option("--history", help="Those that were lifted too.")] = False,
    json: Json = False,
) -> None:
    """List the switches that are set: since when, by whom, why."""
    from smsd.charging import pauses  # noqa: PLC0415

    found = pauses.listed(open_store(read_settings(config)), history=history)
    if json:
        for each in found:
            typer.echo(msgspec.json.encode(each).decode())
        return
    if not found:
        typer.echo("nothing was ever paused" if history else "nothing is paused")
        return
    table = Table(box=None)
    for heading in ("organisation", "paused", "by", "why", "resumed", "by", "why"):
        table.add_column(heading, overflow="fold")
    for each in found:
        cells = (
            each.org or "all",
            _moment(each.paused_us),
            each.paused_by,
            each.why,
            _moment(each.resumed_us),
            each.resumed_by,
            each.resumed_why,
        )
        table.add_row(*map(escape, cells))
    console = Console()
    (console if console.is_terminal else Console(width=240)).print(table)


def _which(settings: Settings, org: str, *, all_: bool, configured: bool = True) -> str:
    """The organisation's codeword, or "" for all; one that is gone from the settings can still be resumed."""
    if all_ == bool(org):
        fail("--org or --all: give one of them, and not both")
    if all_:
        return ""
    if configured and settings.organisation(org.upper()) is None:
        names = ", ".join(each.org for each in settings.organisations)
        fail(f"--org: there is no organisation {org!r}; give one of {names}, or --all")
    return org.upper()


def _said(who: str, why: str) -> tuple[str, str]:
    """Who says so and why, as they are kept."""
    from smsd.charging.proposals import WHO_LENGTH, WHY_LENGTH, tidy  # noqa: PLC0415

    name, words = tidy(who, WHO_LENGTH), tidy(why, WHY_LENGTH)
    if not words:
        fail("--why: it is empty; say why, for whoever looks at it later")
    if who and not name:
        fail("--who: it is blank; give a name, or leave it out")
    return name or getpass.getuser(), words


def _moment(at_us: int) -> str:
    return oslo(at_us).strftime("%Y-%m-%d %H:%M:%S") if at_us else ""
