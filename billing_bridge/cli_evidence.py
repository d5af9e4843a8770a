"""`billing-bridge evidence`: one charge's evidence, from the bridge's own books and the gateway's answer."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from billing_bridge import evidence as books
from billing_bridge.cli_tools import DEFAULT, REFUSED, Config, fail, in_one_transaction, opened, settings_of
from foundation.clock import SECOND_US, SystemClock, oslo
from foundation.evidence.case import Case
from foundation.evidence.words import say
from foundation.ids import Ids
from foundation.store import SqliteTx

_LOOK_S = 0.1
_ORE_PER_KR = 100


def evidence(
    charge: Annotated[str, typer.Argument(help="The charge's id, as `billing-bridge payments` lists it.")],
    config: Config = DEFAULT,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, max=600, help="Seconds to wait for the gateway's answer.")
    ] = 10,
    ask: Annotated[
        bool, typer.Option("--ask/--no-ask", help="Ask the gateway, or take what it told last.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="All of it as one JSON object.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it as a page of its own, to print or keep.")
    ] = None,
    language: Annotated[
        str, typer.Option(help="The page's: nn, nb or en; default: the organisation's.")
    ] = "",
) -> None:
    """What a complaint handler asks for: SMSes, price, times, receipts, invoice and ledger of one charge.

    What happened at the operator is the gateway's to tell; it is asked, and where it does not answer in time
    the rest is shown and said to be incomplete. Run it again later: the answer is kept.
    """
    from foundation.evidence.page import LANGUAGES, render  # noqa: PLC0415 - only a page needs templates

    if language and language not in LANGUAGES:
        fail(f"--language: {language!r} is not known; give one of {', '.join(LANGUAGES)}")
    settings, clock = settings_of(config), SystemClock()
    with opened(settings) as connection:
        if ask:
            _ask(connection, charge, clock, wait_s)
        case = books.case_of(SqliteTx(connection), charge, settings, clock.now_us())
        known = books.told(SqliteTx(connection), charge)
    if case is None:
        fail(f"there is no charge {charge}; `billing-bridge payments` lists them", REFUSED)
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
        for line in told_plainly(case):
            typer.echo(line)
    _say_what_is_missing(case, known)


def _ask(connection: sqlite3.Connection, charge: str, clock: SystemClock, wait_s: float) -> None:
    """Put the question into the outbox, and wait until the running bridge has its answer."""
    wanted = in_one_transaction(connection, lambda tx: books.ask(tx, charge, Ids(clock), clock.now_us()))
    if wanted is None:
        return
    tx, end = SqliteTx(connection), clock.monotonic() + wait_s
    while clock.monotonic() < end:
        answer = books.told(tx, charge)
        if answer is not None and answer.wanted >= wanted:
            return
        time.sleep(_LOOK_S)


def told_plainly(case: Case) -> list[str]:
    """The case as lines for a terminal; times in Norway."""
    lines = [
        f"charge {case.charge}: {_kr(case.amount_ore)} kr from {case.number} to {case.org}, "
        f"{say(case.state)}" + (f" ({say(case.reason)})" if case.reason else ""),
    ]
    happened: list[tuple[int, str]] = []
    for sms in case.sms:
        way = "phone texts" if sms.direction == "in" else "phone is sent"
        price = f" [{_kr(sms.price_ore)} kr]" if sms.price_ore else ""
        happened.append((sms.at_us, f"{way}{price}: {_tame(sms.text or '')} ({say(sms.fate)})"))
    for step in case.steps:
        happened.append((step.at_us, f"{say(step.evidence)}  {step.detail}".rstrip()))
    for answer in case.answers:
        if answer.purpose != "premium":
            happened.append((answer.at_us, f"{answer.kind} on the {answer.purpose}: {answer.raw}"))
    for entry in case.ledger or ():
        happened.append(
            (entry.at_us, f"booked, {say(entry.kind)}: {say(entry.account)} {_kr(entry.amount_ore)} kr")
        )
    for proposal in case.proposals:
        end = f", {proposal.ended} by {proposal.ended_by}" if proposal.ended else ", waits for another person"
        happened.append((proposal.at_us, f"{proposal.who} proposes {proposal.outcome}: {proposal.why}{end}"))
    happened.sort(key=lambda each: each[0])
    lines += [f"{_at(at_us)}  {what}" for at_us, what in happened]
    if case.invoice:
        invoice = case.invoice
        lines.append(
            f"invoice {invoice.number}: {_kr(invoice.amount_ore)} kr, paid {_kr(invoice.paid_ore)}, "
            f"credited {_kr(invoice.credited_ore)}, in excess {_kr(invoice.excess_ore)}"
        )
    return lines


def _say_what_is_missing(case: Case, known: books.Told | None) -> None:
    if known is None:
        typer.echo(
            "note: the gateway has not answered yet, so what happened at the operator is missing; "
            "is the bridge running? Run this again later, with a longer --wait",
            err=True,
        )
    elif known.journal is None:
        typer.echo(f"note: the gateway {known.gateway} says that it knows no such charge", err=True)
    elif case.made_us - known.at_us > 60 * SECOND_US:
        typer.echo(f"note: the gateway's part is as it told it {_at(known.at_us)}", err=True)


def _at(at_us: int) -> str:
    return oslo(at_us).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _kr(amount_ore: int) -> str:
    whole, rest = divmod(abs(amount_ore), _ORE_PER_KR)
    return ("-" if amount_ore < 0 else "") + (f"{whole},{rest:02d}" if rest else str(whole))


def _tame(text: str) -> str:
    """What a phone wrote, on one line, unable to steer the terminal it is shown on."""
    return "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(text.split())
    )
