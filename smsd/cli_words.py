"""What the commands of `smsd` share: options, settings and store opened, refusals in words."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from foundation.clock import OSLO, to_us
from foundation.numbers import NotANumber, from_person
from foundation.settings import ConfigurationError
from foundation.store import StoreRefused, open_sqlite
from smsd.settings import Settings, load

Config = Annotated[Path, typer.Option("--config", "-c", help="The gateway's TOML file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Page = Annotated[int, typer.Option(min=1, max=10_000_000, help="Which page, counted from 1.")]
PageSize = Annotated[
    int, typer.Option(min=0, max=10_000, help="Rows to a page; 0: limits.page_size, or all with --json.")
]
Org = Annotated[str, typer.Option("--org", help="Only this organisation's codeword.")]
DEFAULT = Path("config/smsd.toml")
_ALL = 2**31


def fail(words: str, status: int = 2) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(status)


def read_settings(path: Path) -> Settings:
    try:
        return load(path)
    except ConfigurationError as error:
        fail(str(error))


def open_store(settings: Settings) -> sqlite3.Connection:
    from smsd.store import SCHEMA  # noqa: PLC0415 - tables are not needed to read a configuration

    try:
        return open_sqlite(settings.store.url, SCHEMA, create=False)
    except StoreRefused as error:
        fail(str(error))


def page_rows(asked: int, settings: Settings, *, json: bool) -> int:
    """Rows to a page: as asked, else for programs all of them and for people what the settings say."""
    return asked or (_ALL if json else settings.limits.page_size)


def number(text: str, option: str = "--number") -> str:
    if not text:
        return ""
    try:
        return from_person(text)
    except NotANumber as error:
        fail(f"{option}: {error}")


def moment(text: str, option: str = "--since") -> int:
    if not text:
        return 0
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option}: {text!r} is no date or time; write 2026-01-31 or 2026-01-31T18:00")
    return to_us(given if given.tzinfo else given.replace(tzinfo=OSLO))
