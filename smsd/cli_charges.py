"""`smsd charges`: the list, the worklist of what is in doubt, one charge's evidence, people's verdicts."""

from __future__ import annotations

import getpass
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from foundation.clock import SECOND_US, SystemClock, oslo
from foundation.contract import Outcome
from foundation.ids import Ids
from smsd.charging.states import UNFINISHED, ChargeState
from smsd.cli_limits import limits_app
from smsd.cli_words import (
    DEFAULT,
    Config,
    Json,
    Org,
    Page,
    PageSize,
    fail,
    number,
    open_store,
    page_rows,
    read_settings,
)

if TYPE_CHECKING:
    from smsd.charging.proposals import Person
    from smsd.charging.worklist import Listed, Open

charges_app = typer.Typer(add_completion=False, help="Charges and what became of them.")
Why = Annotated[str, typer.Option(help="The reason, kept with the charge.")]
Who = Annotated[str, typer.Option(help="Who says so; default: who runs this.")]
charges_app.add_typer(limits_app)
_ORE_PER_KR = 100
_HOUR_US = 3600 * SECOND_US
_WIDE = 240
_PLAIN_LINES = 3


@charges_app.callback(invoke_without_command=True)
def charges(
    context: typer.Context,
    config: Config = DEFAULT,
    state: Annotated[str, typer.Option(help="Only charges in this state, such as in_doubt.")] = "",
    org: Org = "",
    operator: Annotated[str, typer.Option(help="Only those at this operator.")] = "",
    phone: Annotated[str, typer.Option("--number", help="Only this phone number.")] = "",
    older_h: Annotated[
        float, typer.Option(min=0, max=1_000_000, help="Only those made so many hours ago or earlier.")
    ] = 0,
    min_kr: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Only amounts of so many kroner or more.")
    ] = 0,
    proposed: Annotated[
        bool, typer.Option("--proposed", help="Only those that wait for a second person's word.")
    ] = False,
    page: Page = 1,
    page_size: PageSize = 0,
    json: Json = False,
) -> None:
    """List charges, newest first; of one state that is not final, a worklist: oldest first.

    A worklist tells the age, the evidence so far, and what may still come.
    """
    from smsd.charging import worklist  # noqa: PLC0415

    if context.invoked_subcommand is not None:
        return
    if state and state not in set(ChargeState):
        fail(f"--state: {state!r} is no state of a charge; give one of {', '.join(ChargeState)}")
    settings = read_settings(config)
    if operator and settings.operator(operator) is None:
        names = ", ".join(each.name for each in settings.operators)
        fail(f"--operator: there is no operator {operator!r}; give one of {names}")
    now_us = SystemClock().now_us()
    which = worklist.Which(
        state=state,
        org=org.upper(),
        operator=operator,
        number=number(phone),
        made_before_us=round(now_us - older_h * _HOUR_US) if older_h else 0,
        least_ore=min_kr * _ORE_PER_KR,
        proposed=proposed,
        oldest_first=proposed or state in UNFINISHED,
    )
    store = open_store(settings)
    rows = page_rows(page_size, settings, json=json)
    found = [
        (charge, worklist.opened(store, charge, settings, now_us))
        for charge in worklist.listed(store, which, page=page, page_size=rows)
    ]
    if not found and org and settings.organisation(org.upper()) is None:
        # one that is gone from the settings may still have charges
        names = ", ".join(each.org for each in settings.organisations)
        fail(f"--org: there is no organisation {org!r}, and no charge of it; give one of {names}")
    if json:
        for charge, still_open in found:
            row = msgspec.structs.asdict(charge)
            if still_open is not None:
                row |= msgspec.structs.asdict(still_open)
            typer.echo(msgspec.json.encode(row).decode())
        return
    Console(width=None if sys.stdout.isatty() else _WIDE).print(_table(found, as_worklist=which.oldest_first))


def _table(found: Sequence[tuple[Listed, Open | None]], *, as_worklist: bool) -> Table:
    from smsd.charging.prospects import age  # noqa: PLC0415

    table = Table(box=None)
    # what a next command needs is never cut
    table.add_column("charge", no_wrap=True, min_width=36)
    headings = ["since", "organisation", "number", "kr", "state", "reason"]
    if as_worklist:
        headings = ["since", "age", "organisation", "number", "kr", "state", "known so far", "may still come"]
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for charge, still_open in found:
        mark = " (contradicted)" if charge.contradicted else ""
        since = oslo(charge.created_us).strftime("%Y-%m-%d %H:%M:%S")
        told = [charge.org, charge.number, _kr(charge.amount_ore), charge.state + mark]
        if not as_worklist:
            proposal = still_open.proposal if still_open else None
            reason = f"{proposal.who} proposes {proposal.outcome}" if proposal else charge.reason
            table.add_row(charge.id, since, *map(escape, (*told, reason)))
            continue
        assert still_open is not None, "a worklist has open charges alone"
        coming = "; ".join(each.words for each in still_open.may_come)
        known = " → ".join(still_open.known[-_PLAIN_LINES:])
        table.add_row(charge.id, since, age(still_open.age_s), *map(escape, (*told, known, coming)))
    return table


def _kr(amount_ore: int) -> str:
    whole, rest = divmod(amount_ore, _ORE_PER_KR)
    return f"{whole},{rest:02d}" if rest else str(whole)


@charges_app.command()
def show(
    charge: str,
    config: Config = DEFAULT,
    json: Annotated[bool, typer.Option("--json", help="All of it as one JSON object.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the evidence as a page of its own, to print or keep.")
    ] = None,
    language: Annotated[
        str, typer.Option(help="The page's: nn, nb or en; default: the organisation's.")
    ] = "",
) -> None:
    """All evidence of one charge, in the order it came."""
    from foundation.evidence.page import LANGUAGES, render  # noqa: PLC0415
    from foundation.store import SqliteTx  # noqa: PLC0415
    from smsd.charging import evidence, worklist  # noqa: PLC0415

    if language and language not in LANGUAGES:
        fail(f"--language: {language!r} is not known; give one of {', '.join(LANGUAGES)}")
    settings = read_settings(config)
    store = open_store(settings)
    case = evidence.case_of(SqliteTx(store), charge, settings, SystemClock().now_us())
    if case is None:
        fail(f"there is no charge {charge}; `smsd charges` lists them")
    if html is not None:
        try:
            html.write_text(render(case, language or case.language), "utf-8")
        except OSError as error:
            fail(
                f"--html: {html} cannot be written ({error.strerror}); give a file in a folder that is there"
            )
    if json:
        typer.echo(msgspec.json.encode(case).decode())
    elif html is None:
        for event in worklist.events(store, charge):
            at = oslo(event.at_us).strftime("%Y-%m-%d %H:%M:%S.%f")
            typer.echo(f"{at}  {event.evidence}  {event.before} → {event.after}  {event.detail}")


@charges_app.command()
def resolve(
    charge: str,
    outcome: Annotated[str, typer.Argument(help="charged or not_charged")],
    why: Why,
    who: Who = "",
    config: Config = DEFAULT,
) -> None:
    """Say what became of a charge that the operator left open.

    Above limits.resolve_alone_kr this is a proposal, until another person says the same.
    """
    from smsd.charging import worklist  # noqa: PLC0415
    from smsd.charging.proposals import Came  # noqa: PLC0415

    if outcome not in (Outcome.CHARGED, Outcome.NOT_CHARGED):
        fail(f"outcome: {outcome!r} cannot be said by hand; give charged or not_charged")
    settings = read_settings(config)
    person = _person(who, why)
    clock = SystemClock()
    try:
        said = worklist.say(
            open_store(settings),
            charge=charge,
            outcome=Outcome(outcome),
            person=person,
            gateway=settings.handoff.name,
            clock=clock,
            ids=Ids(clock, random.SystemRandom().getrandbits),
            alone_ore=settings.limits.resolve_alone_kr * _ORE_PER_KR,
        )
    except worklist.CannotResolve as error:
        fail(str(error))
    if said.came is Came.PROPOSED:
        typer.echo(
            f"{charge} is {said.state}: {person.who} proposes {outcome}. Above "
            f"{settings.limits.resolve_alone_kr} kr another person must say the same: "
            f"smsd charges resolve {charge} {outcome} --why … --who …"
        )
        return
    typer.echo(f"{charge} is {said.state}")


@charges_app.command()
def withdraw(charge: str, why: Why, who: Who = "", config: Config = DEFAULT) -> None:
    """Take back what somebody proposed for a charge and nobody has confirmed."""
    from smsd.charging import worklist  # noqa: PLC0415

    settings = read_settings(config)
    try:
        standing = worklist.withdraw(
            open_store(settings), charge=charge, person=_person(who, why), clock=SystemClock()
        )
    except worklist.CannotResolve as error:
        fail(str(error))
    typer.echo(f"{charge}: {standing.who}'s proposal, {standing.outcome}, is withdrawn")


def _person(who: str, why: str) -> Person:
    from smsd.charging.proposals import WHO_LENGTH, WHY_LENGTH, Person, tidy  # noqa: PLC0415

    if not tidy(why, WHY_LENGTH):
        fail("--why: it is empty; say how it is known, for whoever audits the charge")
    account = getpass.getuser()
    if who and not tidy(who, WHO_LENGTH):
        fail("--who: it is blank; give a name, or leave it out")
    return Person(who or account, why, f"command, as {account}")
