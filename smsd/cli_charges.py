"""`smsd charges`: the list, the worklist of what is in doubt, one charge's evidence, people's verdicts."""

from __future__ import annotations

import getpass
import random
import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from foundation.clock import SystemClock, oslo
from foundation.contract import Outcome
from foundation.ids import Ids
from smsd.cli_words import (
    DEFAULT,
    Config,
    Json,
    Org,
    Page,
    PageSize,
    fail,
    open_store,
    page_rows,
    read_settings,
)

charges_app = typer.Typer(add_completion=False, help="Charges and what became of them.")
_ORE_PER_KR = 100


@charges_app.callback(invoke_without_command=True)
def charges(
    context: typer.Context,
    config: Config = DEFAULT,
    state: Annotated[str, typer.Option(help="Only charges in this state, such as in_doubt.")] = "",
    org: Org = "",
    page: Page = 1,
    page_size: PageSize = 0,
    json: Json = False,
) -> None:
    """List charges, newest first."""
    from smsd.charging import worklist  # noqa: PLC0415
    from smsd.charging.states import ChargeState  # noqa: PLC0415

    if context.invoked_subcommand is not None:
        return
    if state and state not in set(ChargeState):
        fail(f"--state: {state!r} is no state of a charge; give one of {', '.join(ChargeState)}")
    settings = read_settings(config)
    rows = page_rows(page_size, settings, json=json)
    found = worklist.listed(open_store(settings), state=state, org=org.upper(), page=page, page_size=rows)
    if json:
        for charge in found:
            typer.echo(msgspec.json.encode(charge).decode())
        return
    table = Table(box=None)
    # what a next command needs is never cut
    table.add_column("charge", no_wrap=True, min_width=36)
    for heading in ("since", "organisation", "number", "kr", "state", "reason"):
        table.add_column(heading, overflow="fold")
    for charge in found:
        mark = " (contradicted)" if charge.contradicted else ""
        table.add_row(
            charge.id,
            oslo(charge.created_us).strftime("%Y-%m-%d %H:%M:%S"),
            charge.org,
            charge.number,
            str(charge.amount_ore // _ORE_PER_KR),
            charge.state + mark,
            charge.reason,
        )
    Console(width=None if sys.stdout.isatty() else 240).print(table)


@charges_app.command()
def show(charge: str, config: Config = DEFAULT) -> None:
    """All evidence of one charge, in the order it came."""
    from smsd.charging import worklist  # noqa: PLC0415

    found = worklist.events(open_store(read_settings(config)), charge)
    if not found:
        fail(f"there is no charge {charge}; `smsd charges` lists them")
    for event in found:
        at = oslo(event.at_us).strftime("%Y-%m-%d %H:%M:%S.%f")
        typer.echo(f"{at}  {event.evidence}  {event.before} → {event.after}  {event.detail}")


@charges_app.command()
def resolve(
    charge: str,
    outcome: Annotated[str, typer.Argument(help="charged or not_charged")],
    why: Annotated[str, typer.Option(help="The reason, kept with the charge.")],
    who: Annotated[str, typer.Option(help="Who says so; default: who runs this.")] = "",
    config: Config = DEFAULT,
) -> None:
    """Say what became of a charge that the operator left open."""
    from smsd.charging import worklist  # noqa: PLC0415

    if outcome not in (Outcome.CHARGED, Outcome.NOT_CHARGED):
        fail(f"outcome: {outcome!r} cannot be said by hand; give charged or not_charged")
    if not why.strip():
        fail("--why: it is empty; say how it is known, for whoever audits the charge")
    settings = read_settings(config)
    clock = SystemClock()
    try:
        state = worklist.resolve(
            open_store(settings),
            charge=charge,
            outcome=Outcome(outcome),
            who=who or getpass.getuser(),
            why=why,
            gateway=settings.handoff.name,
            clock=clock,
            ids=Ids(clock, random.SystemRandom().getrandbits),
        )
    except worklist.CannotResolve as error:
        fail(str(error))
    typer.echo(f"{charge} is {state}")
