"""`billing-bridge payments | refunds | credits`: lists, and what people do to them, with who and why."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from billing_bridge.cli_tools import (
    DEFAULT,
    REFUSED,
    Config,
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
    write_file,
)
from billing_bridge.invoicing.credit_note import NoCreditNote, as_lines, credit_note, for_document
from billing_bridge.listing import CREDITS, PAYMENTS, REFUNDS
from billing_bridge.payments.by_hand import ByHand, CannotDo
from billing_bridge.records import GivenBy
from foundation.clock import SystemClock
from foundation.contract import Outcome
from foundation.ids import Ids
from foundation.store import SqliteTx

payments_app = typer.Typer(add_completion=False, help="Attempts to charge, with what became of them.")
refunds_app = typer.Typer(add_completion=False, help="What payers are to get back, or got.")
credits_app = typer.Typer(add_completion=False, help="Credit notes.")

Why = Annotated[str, typer.Option(help="The reason, kept for whoever audits the books.")]
Who = Annotated[str, typer.Option(help="Who does it; default: who runs this.")]
AmountKr = Annotated[str, typer.Option("--amount-kr", help="So much, as 20 or 20.50; default: all of it.")]
_AMOUNT = re.compile(r"([0-9]{1,7})(?:[.,]([0-9]{2}))?")
_MAX_WORDS = 500
T = TypeVar("T")


@payments_app.callback(invoke_without_command=True)
def payments(
    context: typer.Context,
    config: Config = DEFAULT,
    org: Org = "",
    only: Filter = "",
    excess: Annotated[bool, typer.Option("--excess", help="As --filter excess.")] = False,
    late: Annotated[bool, typer.Option("--late", help="As --filter late.")] = False,
    page: Page = None,
    page_size: PageSize = None,
    json: Json = False,
) -> None:
    """List attempts to charge, oldest first.

    excess: of invoices that were paid more than they ask for. late: charged after the invoice was due, or
    after the payer had been told that it failed.
    """
    if context.invoked_subcommand is not None:
        return
    named = [word for word, wanted in (("excess", excess), ("late", late), (only, bool(only))) if wanted]
    if len(named) > 1:
        fail(f"--filter: {' and '.join(named)} cannot go together; give one of them")
    show_list(PAYMENTS, config, org=org, only="".join(named), page=page, page_size=page_size, json=json)


@payments_app.command("settle")
def settle(
    payment: Annotated[str, typer.Argument(help="The payment's id.")],
    outcome: Annotated[str, typer.Argument(help="charged or not_charged")],
    why: Why,
    who: Who = "",
    config: Config = DEFAULT,
) -> None:
    """Say how a pending payment ended that its gateway will not tell of any more. The payer is told.

    Only after one of the two stores was restored from a copy: ask `smsd charges` first, for a charge that
    the gateway still knows is resolved there.
    """
    if outcome not in (Outcome.CHARGED, Outcome.NOT_CHARGED):
        fail(f"outcome: {outcome!r} cannot be said by hand; give charged or not_charged")
    _by_hand(config, lambda hand: hand.settle(payment, Outcome(outcome), _who(who), _words(why, "--why")))
    typer.echo(f"payment {payment} is {outcome}, by hand")


@refunds_app.callback(invoke_without_command=True)
def refunds(
    context: typer.Context,
    config: Config = DEFAULT,
    org: Org = "",
    only: Filter = "",
    page: Page = None,
    page_size: PageSize = None,
    json: Json = False,
) -> None:
    """List refunds, oldest first: how much, decided by whom and why, given back by whom, how and when."""
    if context.invoked_subcommand is None:
        show_list(REFUNDS, config, org=org, only=only, page=page, page_size=page_size, json=json)


@refunds_app.command("owe")
def owe(
    payment: Annotated[str, typer.Argument(help="The payment's id.")],
    why: Why,
    amount_kr: AmountKr = "",
    keep_invoice: Annotated[
        bool, typer.Option("--keep-invoice", help="Issue no credit note: the invoice is to be paid again.")
    ] = False,
    who: Who = "",
    config: Config = DEFAULT,
) -> None:
    """Decide that a payer gets money back; what the invoice then lacks is credited by a credit note."""
    amount_ore = _ore(amount_kr)
    refund, note = _by_hand(
        config,
        lambda hand: hand.refund(
            payment, amount_ore, _who(who), _words(why, "--why"), credit=not keep_invoice
        ),
    )
    typer.echo(f"refund {refund} is due{f'; credit note {note}' if note else ''}")


@refunds_app.command("made")
def made(
    refund: Annotated[str, typer.Argument(help="The refund's id.")],
    how: Annotated[str, typer.Option(help="How the payer got it, such as the bank's reference.")],
    by: Annotated[GivenBy, typer.Option(help="Who gave it back.")] = GivenBy.BANK,
    who: Who = "",
    config: Config = DEFAULT,
) -> None:
    """The payer has the money of a refund that was due."""
    _by_hand(config, lambda hand: hand.refunded(refund, by, _who(who), _words(how, "--how")))
    typer.echo(f"refund {refund} is refunded")


@refunds_app.command("cancel")
def cancel(
    refund: Annotated[str, typer.Argument(help="The refund's id.")],
    why: Why,
    who: Who = "",
    config: Config = DEFAULT,
) -> None:
    """A refund that a person decided is not to be made after all."""
    _by_hand(config, lambda hand: hand.cancel(refund, _who(who), _words(why, "--why")))
    typer.echo(f"refund {refund} is cancelled")


@credits_app.callback(invoke_without_command=True)
def credit_notes(
    context: typer.Context,
    config: Config = DEFAULT,
    org: Org = "",
    only: Filter = "",
    page: Page = None,
    page_size: PageSize = None,
    json: Json = False,
) -> None:
    """List credit notes in the order of their numbers."""
    if context.invoked_subcommand is None:
        show_list(CREDITS, config, org=org, only=only, page=page, page_size=page_size, json=json)


@credits_app.command("issue")
def issue(
    invoice: Annotated[str, typer.Argument(help="The invoice's id or KID.")],
    why: Why,
    amount_kr: AmountKr = "",
    who: Who = "",
    config: Config = DEFAULT,
) -> None:
    """Take back what is outstanding of an invoice. What is paid is not credited but refunded."""
    amount_ore = _ore(amount_kr)
    number = _by_hand(config, lambda hand: hand.credit(invoice, amount_ore, _who(who), _words(why, "--why")))
    typer.echo(f"credit note {number}")


@credits_app.command("show")
def show(
    note: Annotated[str, typer.Argument(help="The credit note's number, such as K1, or its id.")],
    org: Annotated[str, typer.Option("--org", help="Whose it is, where several have this number.")] = "",
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it there as PDF, for the payer.")] = None,
    config: Config = DEFAULT,
) -> None:
    """One credit note and the invoice that it names; with --pdf as the document that the payer gets."""
    settings = settings_of(config)
    with opened(settings) as connection:
        try:
            found = credit_note(SqliteTx(connection), note, org.upper())
        except NoCreditNote as error:
            fail(str(error), REFUSED)
    if pdf is not None:
        organisation = settings.organisation(found.org)
        if organisation is None:
            fail(
                f"{found.org} is not among the configured organisations, so its name and number are not known"
            )
        from billing_bridge.invoicing import documents  # noqa: PLC0415 - the typesetter is large

        octets = documents.pdf("credit_note", for_document(found, organisation), found.created_us)
        write_file(pdf, octets, "--pdf")
    for line in as_lines(found):
        typer.echo(line)


def _by_hand(config: Path, act: Callable[[ByHand], T]) -> T:
    settings = settings_of(config)
    clock = SystemClock()
    with opened(settings) as connection:
        try:
            return in_one_transaction(connection, lambda tx: act(ByHand(tx, settings, Ids(clock), clock)))
        except CannotDo as error:
            fail(f"{error}; nothing was changed", REFUSED)


def _who(given: str) -> str:
    return _words(given or getpass.getuser(), "--who")


def _words(text: str, option: str) -> str:
    # nothing that steers a terminal, or is not seen
    found = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if not found:
        fail(f"{option}: it is empty; say it in words, for whoever audits the books")
    return found[:_MAX_WORDS]


def _ore(text: str) -> int | None:
    if not text:
        return None
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or not int(match[1] + (match[2] or "00")):
        fail(f"--amount-kr: {text!r} is no amount; give kroner above zero, such as 20 or 20.50")
    return int(match[1]) * 100 + int(match[2] or 0)
