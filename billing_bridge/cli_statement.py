"""`billing-bridge statement`: an organisation's month for its bookkeeper, as a table, CSV and PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from billing_bridge.cli_tools import DEFAULT, REFUSED, Config, fail, opened, settings_of, write_file
from billing_bridge.invoicing.statement import Month, StatementError, Sums, month_statement
from billing_bridge.invoicing.statement_text import WORDS, as_csv, for_document, money, notices
from foundation.clock import SystemClock
from foundation.store import SqliteTx

_PIPE_COLUMNS = 160
_SHOWN = ("tariff", "charges", "billed", "back", "gross", "fee", "vat", "net")


def statement(
    organisation: Annotated[str, typer.Argument(help="Its codeword.")],
    month: Annotated[str, typer.Argument(help="As 2026-11; it begins and ends at midnight, Norwegian time.")],
    csv: Annotated[Path | None, typer.Option("--csv", help="Write it there as CSV.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it there as PDF.")] = None,
    config: Config = DEFAULT,
) -> None:
    """What operators billed and gave back in a month, their fees, the VAT on these, and what is left."""
    settings = settings_of(config)
    found = settings.organisation(organisation.upper())
    if found is None:
        names = ", ".join(each.code for each in settings.organisations)
        fail(f"there is no organisation {organisation!r}; give one of {names}")
    now_us = SystemClock().now_us()
    with opened(settings) as connection:
        try:
            made = month_statement(SqliteTx(connection), found, Month.of(month), now_us)
        except StatementError as error:
            fail(str(error), REFUSED)
    language = found.language
    for notice in notices(made, language):
        typer.echo(f"note: {notice}", err=True)
    if csv is not None:
        write_file(csv, as_csv(made).encode(), "--csv")
    if pdf is not None:
        from billing_bridge.invoicing import documents  # noqa: PLC0415 - the typesetter is large

        write_file(pdf, documents.pdf("statement", for_document(made, now_us), now_us), "--pdf")
    table = Table(box=None)
    for name in _SHOWN:
        table.add_column(WORDS[name][language], justify="left" if name == "tariff" else "right")

    def add(name: str, sums: Sums, style: str = "") -> None:
        amounts = (
            sums.billed_ore, -sums.back_ore, sums.gross_ore, -sums.fee_ore, -sums.vat_ore, sums.net_ore,
        )  # fmt: skip
        shown = (money(each, language) for each in amounts)
        table.add_row(name, str(sums.charges), *shown, style=style or None)

    for operator, sums in made.operators:
        for row in made.rows:
            if row.operator == operator:
                add(f"  {money(row.tariff_ore, language)}", row.sums)
        add(operator or WORDS["unknown"][language], sums)
    add(WORDS["total"][language], made.total, "bold")
    console = Console()
    # in a pipe there is no edge to fold at
    console.width = console.width if console.is_terminal else _PIPE_COLUMNS
    console.print(table)
