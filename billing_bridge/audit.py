"""Derives every balance anew from the rows, and says what differs. Reads only.

Each check is one statement that finds nothing where all is well: what is wrong, the row it is wrong in,
what is kept, and what the rows say it should be.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import text

from billing_bridge.invoicing.kid import is_kid
from foundation.store import Statement, Tx


class Difference(msgspec.Struct, frozen=True):
    """One thing that does not fit: what, in which row, what is kept, what it should be."""

    what: str
    where: str
    kept: str
    derived: str

    def __str__(self) -> str:
        return f"{self.what}: {self.where} has {self.kept}, the rows say {self.derived}"


_LEDGER_OF_INVOICE = """
    SELECT j.invoice AS invoice,
           sum(CASE WHEN e.account = 'receivable' THEN e.amount_ore ELSE 0 END) AS receivable,
           sum(CASE WHEN e.account = 'excess_payments' THEN e.amount_ore ELSE 0 END) AS excess,
           sum(CASE WHEN e.account = 'receivable' AND j.kind = 'issued' THEN e.amount_ore ELSE 0 END)
               AS issued
    FROM journals j JOIN entries e ON e.journal = j.id GROUP BY j.invoice
"""

_CHECKS: tuple[tuple[str, str], ...] = (
    (
        "a journal does not sum to zero",
        """SELECT j.id, coalesce(sum(e.amount_ore), 0) || ' øre in ' || count(e.line) || ' entries',
                  '0 øre in 2 entries or more'
           FROM journals j LEFT JOIN entries e ON e.journal = j.id
           GROUP BY j.id HAVING coalesce(sum(e.amount_ore), 0) <> 0 OR count(e.line) < 2""",
    ),
    (
        "entries without a journal",
        """SELECT e.journal, count(*) || ' entries', 'a journal' FROM entries e
           LEFT JOIN journals j ON j.id = e.journal WHERE j.id IS NULL GROUP BY e.journal""",
    ),
    (
        "an invoice is not booked as issued",
        f"""SELECT i.id, coalesce(l.issued, 0), i.amount_ore FROM invoices i
            LEFT JOIN ({_LEDGER_OF_INVOICE}) l ON l.invoice = i.id
            WHERE coalesce(l.issued, 0) <> i.amount_ore""",  # noqa: S608 - no values in it
    ),
    (
        "what an invoice has been paid",
        f"""SELECT i.id, coalesce(s.paid_ore + s.credited_ore, 'no standing'), i.amount_ore - l.receivable
            FROM invoices i JOIN ({_LEDGER_OF_INVOICE}) l ON l.invoice = i.id
            LEFT JOIN standings s ON s.invoice = i.id
            WHERE s.invoice IS NULL OR s.paid_ore + s.credited_ore <> i.amount_ore - l.receivable""",  # noqa: S608
    ),
    (
        "what was paid beyond an invoice",
        f"""SELECT s.invoice, s.excess_ore, -l.excess
            FROM standings s JOIN ({_LEDGER_OF_INVOICE}) l ON l.invoice = s.invoice
            WHERE s.excess_ore <> -l.excess""",  # noqa: S608
    ),
    (
        "what was charged for an invoice and not given back",
        """SELECT s.invoice, s.paid_ore + s.excess_ore, coalesce(p.charged, 0)
           FROM standings s
           LEFT JOIN (
               SELECT invoice, sum(amount_ore) AS charged
               FROM payments WHERE state = 'charged' GROUP BY invoice
           ) p ON p.invoice = s.invoice
           WHERE s.paid_ore + s.excess_ore <> coalesce(p.charged, 0)""",
    ),
    (
        "a payment's journals",
        """SELECT p.id, p.state || ' ' || p.amount_ore || ' øre',
                  coalesce((SELECT group_concat(j.kind, ', ') FROM journals j WHERE j.payment = p.id), 'none')
           FROM payments p
           LEFT JOIN (
               SELECT j.payment AS payment,
                      sum(j.kind = 'charged') AS charged,
                      sum(j.kind = 'refund_due') AS refund_due,
                      sum(j.kind = 'refunded') AS refunded
               FROM journals j WHERE j.payment IS NOT NULL GROUP BY j.payment
           ) c ON c.payment = p.id
           WHERE coalesce(c.charged, 0) <> (p.state IN ('charged', 'refund_due', 'refunded'))
              OR coalesce(c.refund_due, 0) <> (p.state IN ('refund_due', 'refunded'))
              OR coalesce(c.refunded, 0) <> (p.state = 'refunded')""",
    ),
    (
        "what the operator owes for a payment",
        """SELECT p.id, CASE WHEN p.state IN ('charged', 'refund_due') THEN p.amount_ore ELSE 0 END,
                  coalesce(o.owed, 0)
           FROM payments p
           LEFT JOIN (
               SELECT j.payment AS payment, sum(e.amount_ore) AS owed
               FROM journals j JOIN entries e ON e.journal = j.id
               WHERE e.account = 'operator_receivable' GROUP BY j.payment
           ) o ON o.payment = p.id
           WHERE coalesce(o.owed, 0)
                 <> CASE WHEN p.state IN ('charged', 'refund_due') THEN p.amount_ore ELSE 0 END""",
    ),
    (
        "a payment's evidence",
        """SELECT p.id, p.state, coalesce(v.outcomes, 'nothing')
           FROM payments p
           LEFT JOIN (
               SELECT payment, group_concat(outcome, ', ') AS outcomes FROM evidence GROUP BY payment
           ) v ON v.payment = p.id
           LEFT JOIN (SELECT DISTINCT payment, outcome FROM evidence) w
               ON w.payment = p.id AND w.outcome = p.state
           WHERE p.state <> 'pending' AND w.payment IS NULL""",
    ),
    (
        "invoice numbers of a series",
        """SELECT org || ' ' || series, min(number) || ' to ' || max(number), '1 to ' || count(*)
           FROM invoices GROUP BY org, series HAVING min(number) <> 1 OR max(number) <> count(*)""",
    ),
    (
        "a journal's organisation",
        """SELECT j.id, j.org, i.org FROM journals j
           JOIN invoices i ON i.id = j.invoice WHERE j.org <> i.org""",
    ),
    (
        "an invoice's organisation",
        """SELECT i.id, i.org, p.org FROM invoices i JOIN people p ON p.id = i.person WHERE i.org <> p.org""",
    ),
    (
        "a membership's organisation",
        """SELECT m.person || ' ' || m.year, m.org, p.org FROM memberships m
           JOIN people p ON p.id = m.person WHERE m.org <> p.org""",
    ),
)
_STATEMENTS = tuple((what, Statement(text(sql.replace(":", "\\:")))) for what, sql in _CHECKS)
_KIDS = Statement(text("SELECT id, kid FROM invoices"))
_BROKEN_KEYS = Statement(text("PRAGMA foreign_key_check"))
_COUNTS = Statement(
    text("SELECT (SELECT count(*) FROM invoices), (SELECT count(*) FROM payments), count(*) FROM journals")
)


class Audit(msgspec.Struct, frozen=True):
    """How much was looked at, and what differs."""

    invoices: int
    payments: int
    journals: int
    differences: tuple[Difference, ...]


def audit(tx: Tx) -> Audit:
    """Look at every row that money depends on."""
    found = [
        Difference(what, str(where), str(kept), str(derived))
        for what, statement in _STATEMENTS
        for where, kept, derived in tx.all(statement)
    ]
    found += [
        Difference("a KID's check digit", str(invoice), str(kid), "another one")
        for invoice, kid in tx.all(_KIDS)
        if not is_kid(kid)
    ]
    found += [
        Difference("a row that another one names is missing", str(table), "a reference", f"no {parent}")
        for table, _, parent, _ in tx.all(_BROKEN_KEYS)
    ]
    counts = tx.one(_COUNTS)
    assert counts is not None
    return Audit(counts[0], counts[1], counts[2], tuple(found))
