"""Compares the SMSC's ledger and phones with both programs' stores after a trial: the design's invariants.

Reads stores with plain SQL and the ledger as it lies; nothing here is the programs' own reckoning.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trial_world import TrialError

if TYPE_CHECKING:
    from kill_trial import Figures
    from trial_world import World

FAILED = "SMS-betaling var ikkje mogleg."
PAID = "Betalinga di er motteken"
CORRECTED = "Retting: SMS-betalinga di"
_SHOWN = 20


@dataclass(frozen=True)
class ChargeRow:
    """A charge here."""

    id: str
    invoice: str
    number: str
    amount_ore: int
    state: str


@dataclass(frozen=True)
class Books:
    """Everybody's books when all is quiet."""

    phones: dict[str, list[dict[str, Any]]]
    ledger: list[dict[str, Any]]
    charges: list[ChargeRow]
    no_answer: Counter[str]
    texts_in: Counter[tuple[str, str]]
    set_aside: int
    listed_in_doubt: set[str]
    payments: dict[str, tuple[str, str, int]]
    standings: dict[str, tuple[int, int]]
    commands: Counter[str]
    dialog_in: Counter[str]
    refused_messages: int
    audit: dict[str, Any]
    resent: int

    @classmethod
    def read(cls, world: World) -> Books:
        """Read all of them; the programs have stopped, the SMSC has not."""
        with contextlib.closing(sqlite3.connect(world.store)) as gateway:
            charges = [
                ChargeRow(*row)
                for row in gateway.execute("SELECT id, invoice, number, amount_ore, state FROM charges")
            ]
            no_answer = Counter(
                detail
                for (detail,) in gateway.execute(
                    "SELECT detail FROM charge_events WHERE evidence = 'no_answer' AND after = 'in_doubt'"
                )
            )
            texts_in = Counter(
                gateway.execute("SELECT number, text FROM messages WHERE direction = 'in'").fetchall()
            )
            (set_aside,) = gateway.execute("SELECT count(*) FROM set_aside").fetchone()
        with contextlib.closing(sqlite3.connect(world.billing)) as bridge:
            payments = {
                row[0]: row[1:]
                for row in bridge.execute("SELECT id, state, invoice, amount_ore FROM payments")
            }
            standings = {
                row[0]: row[1:]
                for row in bridge.execute(
                    "SELECT i.id, i.amount_ore, s.paid_ore + s.excess_ore FROM invoices i "
                    "JOIN standings s ON s.invoice = i.id"
                )
            }
            commands = Counter(
                number
                for (number,) in bridge.execute(
                    "SELECT c.number FROM commands JOIN conversations c ON c.id = commands.conversation"
                )
            )
            dialog_in = Counter(
                number for (number,) in bridge.execute("SELECT number FROM sms WHERE direction = 'in'")
            )
            (refused,) = bridge.execute("SELECT count(*) FROM refused_messages").fetchone()
        listing = world.command(
            "smsd.cli", "charges", "--state", "in_doubt", "--json", "--page-size", "10000"
        )
        if listing.returncode:
            raise TrialError(f"smsd charges: {listing.stderr}")
        audit = world.command("billing_bridge.cli", "audit", "--json")
        if not audit.stdout:
            raise TrialError(f"billing-bridge audit: {audit.stderr}")
        return cls(
            phones=world.phones.all(),
            ledger=world.phones.ledger(),
            charges=charges,
            no_answer=no_answer,
            texts_in=texts_in,
            set_aside=set_aside,
            listed_in_doubt={json.loads(line)["id"] for line in listing.stdout.splitlines()},
            payments=payments,
            standings=standings,
            commands=commands,
            dialog_in=dialog_in,
            refused_messages=refused,
            audit=json.loads(audit.stdout),
            resent=world.phones.get("/healthz")["deliver_sm_resent"],
        )


class _Verdict:
    """Gathers differences, the first of each kind in full."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = defaultdict(list)

    def unless(self, holds: bool, kind: str, which: object) -> None:
        if not holds:
            self._found[kind].append(str(which))

    def told(self) -> list[str]:
        lines = []
        for kind, found in self._found.items():
            shown = "; ".join(found[:_SHOWN])
            more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            lines.append(f"{kind} ({len(found)}): {shown}{more}")
        return lines


def compare(books: Books, figures: Figures) -> None:
    """Fill in the figures and whatever differs."""
    verdict = _Verdict()
    _texts(books, verdict)
    _money(books, verdict)
    _bridge(books, verdict)
    _words(books, verdict)
    _doubts(books, verdict)
    states = Counter(charge.state for charge in books.charges)
    billed = [row for row in books.ledger if row["event"] == "billed"]
    figures.mo = sum(message["direction"] == "mo" for each in books.phones.values() for message in each)
    figures.mo_resent = books.resent
    figures.charges = len(books.charges)
    figures.charged = states["charged"]
    figures.not_charged = states["not_charged"] + states["refused"]
    figures.in_doubt = states["in_doubt"]
    figures.found_sending = books.no_answer["restart"]
    figures.unanswered = sum(books.no_answer.values()) - books.no_answer["restart"]
    figures.billed = len(billed)
    figures.billed_kr = sum(row["amount_ore"] for row in billed) // 100
    figures.differences = verdict.told()
    if not figures.charged or not figures.mo:
        figures.differences.append("nothing was charged: the trial proves nothing")


def _texts(books: Books, verdict: _Verdict) -> None:
    """I4: every acknowledged MO has exactly one disposition, here and in the bridge."""
    seen: Counter[tuple[str, str]] = Counter()
    for number, messages in books.phones.items():
        sent = [message for message in messages if message["direction"] == "mo"]
        verdict.unless(len(sent) <= 1, "the trial texted twice from a number", number)
        for message in sent:
            verdict.unless(message["state"] == "delivered", "an MO was never acknowledged", number)
            key = (number, message["text"])
            seen[key] += 1
            count = books.texts_in[key]
            verdict.unless(count == 1, "an acknowledged MO has not one row", f"{number}: {count}")
            asks = not message["text"].startswith("HALLO")
            verdict.unless(
                books.commands[number] == asks,
                "an acknowledged MO has not one disposition at the bridge",
                f"{number}: {books.commands[number]} commands",
            )
            verdict.unless(
                books.dialog_in[number] == 1,
                "an MO is not once in the dialog",
                f"{number}: {books.dialog_in[number]}",
            )
    for key, count in books.texts_in.items():
        verdict.unless(seen[key] > 0, "a text came from nowhere", f"{key[0]}: {count}")
    verdict.unless(not books.set_aside, "inputs were set aside", books.set_aside)
    verdict.unless(not books.refused_messages, "messages were refused by the bridge", books.refused_messages)


def _money(books: Books, verdict: _Verdict) -> None:
    """I1, I2, I3, I5: the operator's ledger and the charges tell the same."""
    here = {charge.number: charge for charge in books.charges}
    per_number = Counter(charge.number for charge in books.charges)
    billed = Counter(row["number"] for row in books.ledger if row["event"] == "billed")
    for number, count in per_number.items():
        verdict.unless(count == 1, "a number was charged for more than its one invoice", f"{number}: {count}")
    for number, count in Counter(row["number"] for row in books.ledger).items():
        verdict.unless(count == 1, "a premium SMS was sent twice", f"{number}: {count} times")
    for number, count in billed.items():
        verdict.unless(count == 1, "I1: an invoice was billed twice", f"{number}: {count} times")
    for row in books.ledger:
        if row["event"] != "billed":
            continue
        charge = here.get(row["number"])
        where = f"{row['number']}: {charge.state if charge else 'no charge'}"
        verdict.unless(
            charge is not None and charge.state in ("charged", "refund_due", "refunded", "in_doubt"),
            "I2: billed there, not charged or in doubt here",
            where,
        )
        if charge is not None:
            verdict.unless(
                charge.amount_ore == row["amount_ore"], "I5: amounts differ", f"{where} {row['amount_ore']}"
            )
    for charge in books.charges:
        if charge.state == "charged":
            verdict.unless(billed[charge.number] == 1, "I3: charged here, not billed there", charge.number)
        verdict.unless(
            charge.state in ("charged", "not_charged", "refused", "in_doubt"),
            "a charge is not settled though all is quiet",
            f"{charge.number}: {charge.state}",
        )


_PAYMENT_OF = {
    "charged": "charged",
    "not_charged": "not_charged",
    "refused": "not_charged",
    "in_doubt": "pending",
}


def _bridge(books: Books, verdict: _Verdict) -> None:
    """Payments, invoices and charges tell the same, and the bridge's own audit finds nothing."""
    charges = {charge.id: charge for charge in books.charges}
    paid: Counter[str] = Counter()
    for payment, (state, invoice, amount_ore) in books.payments.items():
        charge = charges.get(payment)
        verdict.unless(charge is not None, "a payment without a charge", payment)
        if charge is not None:
            verdict.unless(
                _PAYMENT_OF.get(charge.state) == state,
                "payment and charge differ",
                f"{charge.number}: {state} there, {charge.state} here",
            )
            verdict.unless(
                (charge.invoice, charge.amount_ore) == (invoice, amount_ore),
                "I5: payment and charge differ in invoice or amount",
                charge.number,
            )
        if state == "charged":
            paid[invoice] += amount_ore
    for charge in books.charges:
        verdict.unless(charge.id in books.payments, "a charge without a payment", charge.number)
    for invoice, (amount_ore, paid_ore) in books.standings.items():
        verdict.unless(paid_ore == paid[invoice], "an invoice's standing is not what was charged", invoice)
        verdict.unless(paid_ore in (0, amount_ore), "an invoice is paid in part or over", invoice)
    for difference in books.audit["differences"]:
        verdict.unless(False, "the bridge's audit", difference)


def _words(books: Books, verdict: _Verdict) -> None:
    """I7: nobody was told *failed* while billed; and whoever was charged was told so."""
    billed = {row["number"] for row in books.ledger if row["event"] == "billed"}
    charged = {charge.number for charge in books.charges if charge.state == "charged"}
    for number, messages in books.phones.items():
        told = [message["text"] for message in messages if message["direction"] == "mt"]
        failed = any(text.startswith(FAILED) for text in told)
        corrected = any(text.startswith((CORRECTED, PAID)) for text in told)
        if failed and number in billed:
            verdict.unless(corrected, "I7: told failed while billed", number)
        paid = any(text.startswith(PAID) for text in told)
        verdict.unless(paid <= (number in charged), "told paid, though not charged", number)
        verdict.unless(paid >= (number in charged), "charged, but never told so", number)


def _doubts(books: Books, verdict: _Verdict) -> None:
    """I6: every charge in doubt is listed, and there are no more than an end without an answer explains."""
    doubts = {charge.id for charge in books.charges if charge.state == "in_doubt"}
    verdict.unless(
        doubts == books.listed_in_doubt,
        "I6: `smsd charges --state in_doubt` lists others",
        doubts ^ books.listed_in_doubt,
    )
    most = sum(books.no_answer.values())
    verdict.unless(len(doubts) <= most, "more in doubt than were in windows", f"{len(doubts)} of {most}")
