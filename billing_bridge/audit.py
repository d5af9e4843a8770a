"""Derives every balance anew from the rows, and says what differs. Reads only.

Each check is one statement that finds nothing where all is well: what is wrong, the row it is wrong in,
what is kept, and what the rows say it should be.
"""

# what is put together here are this module's own words; there are no values in them
# ruff: noqa: S608

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
           sum(CASE WHEN e.account = 'refund_losses' THEN e.amount_ore ELSE 0 END) AS lost,
           sum(CASE WHEN e.account = 'receivable' AND j.kind = 'issued' THEN e.amount_ore ELSE 0 END)
               AS issued
    FROM journals j JOIN entries e ON e.journal = j.id GROUP BY j.invoice
"""
_CHARGED = "p.state IN ('charged', 'refund_due', 'refunded')"
_BILLED = f"CASE WHEN {_CHARGED} THEN p.amount_ore + p.overbilled_ore ELSE 0 END"
_RANK = (
    "CASE {} WHEN 'pending' THEN 0 WHEN 'not_charged' THEN 1 WHEN 'charged' THEN 2 "
    "WHEN 'refund_due' THEN 3 ELSE 4 END"
)
# before refunds were rows of their own, a refund had its payment's id and journals that name none
_OWED = (
    "CASE p.state WHEN 'charged' THEN p.overbilled_ore "
    f"WHEN 'refund_due' THEN {_BILLED} WHEN 'refunded' THEN {_BILLED} ELSE 0 END"
)
_REFUND_OF = "coalesce(j.refund, j.payment)"

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
            WHERE coalesce(l.issued, 0) <> i.amount_ore""",
    ),
    (
        "what an invoice has been paid",
        f"""SELECT i.id, coalesce(s.paid_ore + s.credited_ore, 'no standing'), i.amount_ore - l.receivable
            FROM invoices i JOIN ({_LEDGER_OF_INVOICE}) l ON l.invoice = i.id
            LEFT JOIN standings s ON s.invoice = i.id
            WHERE s.invoice IS NULL OR s.paid_ore + s.credited_ore <> i.amount_ore - l.receivable""",
    ),
    (
        "what was paid beyond an invoice",
        f"""SELECT s.invoice, s.excess_ore, -l.excess
            FROM standings s JOIN ({_LEDGER_OF_INVOICE}) l ON l.invoice = s.invoice
            WHERE s.excess_ore <> -l.excess""",
    ),
    (
        "what was given back without having come in",
        f"""SELECT s.invoice, s.lost_ore, l.lost
            FROM standings s JOIN ({_LEDGER_OF_INVOICE}) l ON l.invoice = s.invoice
            WHERE s.lost_ore <> l.lost""",
    ),
    (
        "paid and credited beyond the invoice, and not marked as excess",
        """SELECT i.id, s.paid_ore || ' + ' || s.credited_ore || ' øre, ' || s.excess_ore || ' excess',
                  i.amount_ore || ' øre at most, and excess only of a full one'
           FROM invoices i JOIN standings s ON s.invoice = i.id
           WHERE s.paid_ore + s.credited_ore > i.amount_ore
              OR (s.excess_ore > 0 AND s.paid_ore + s.credited_ore <> i.amount_ore)""",
    ),
    (
        "what has been credited",
        """SELECT s.invoice, s.credited_ore, coalesce(sum(n.amount_ore), 0)
           FROM standings s LEFT JOIN credit_notes n ON n.invoice = s.invoice
           GROUP BY s.invoice HAVING s.credited_ore <> coalesce(sum(n.amount_ore), 0)""",
    ),
    (
        "a credit note's journal",
        """SELECT n.id, n.amount_ore || ' øre', coalesce(c.credited, 0) || ' øre'
           FROM credit_notes n LEFT JOIN (
               SELECT j.credit_note AS note, sum(e.amount_ore) AS credited
               FROM journals j JOIN entries e ON e.journal = j.id
               WHERE j.kind = 'credited' AND e.account IN ('fee_income', 'donation_income')
               GROUP BY j.credit_note
           ) c ON c.note = n.id WHERE coalesce(c.credited, 0) <> n.amount_ore""",
    ),
    (
        "what was billed for an invoice and not given back",
        f"""SELECT s.invoice, s.paid_ore + s.excess_ore - s.lost_ore,
                   coalesce(b.billed, 0) - coalesce(r.back, 0)
            FROM standings s
            LEFT JOIN (SELECT p.invoice AS invoice, sum({_BILLED}) AS billed FROM payments p
                       GROUP BY p.invoice) b ON b.invoice = s.invoice
            LEFT JOIN (SELECT invoice, sum(amount_ore) AS back FROM refunds WHERE state <> 'cancelled'
                       GROUP BY invoice) r ON r.invoice = s.invoice
            WHERE s.paid_ore + s.excess_ore - s.lost_ore <> coalesce(b.billed, 0) - coalesce(r.back, 0)""",
    ),
    (
        "a payment's journals",
        f"""SELECT p.id, p.state || ' ' || p.amount_ore || ' + ' || p.overbilled_ore || ' øre',
                   coalesce(b.billed, 0) || ' øre billed'
            FROM payments p LEFT JOIN (
                SELECT j.payment AS payment, sum(e.amount_ore) AS billed
                FROM journals j JOIN entries e ON e.journal = j.id
                WHERE e.account = 'operator_receivable' AND j.kind IN ('charged', 'reversed', 'overbilled')
                GROUP BY j.payment
            ) b ON b.payment = p.id
            WHERE coalesce(b.billed, 0) <> {_BILLED}""",
    ),
    (
        "a refund's journals",
        f"""SELECT r.id, r.state || ' ' || r.amount_ore || ' øre',
                   coalesce(b.owed, 0) || ' øre owed, ' || coalesce(b.given, 0) || ' given'
            FROM refunds r LEFT JOIN (
                SELECT {_REFUND_OF} AS refund,
                       -sum(CASE WHEN e.account = 'refunds' THEN e.amount_ore ELSE 0 END) AS owed,
                       -sum(CASE WHEN e.account IN ('operator_receivable', 'bank')
                                 THEN e.amount_ore ELSE 0 END) AS given
                FROM journals j JOIN entries e ON e.journal = j.id
                WHERE j.kind IN ('refund_due', 'refunded', 'refund_cancelled')
                GROUP BY {_REFUND_OF}
            ) b ON b.refund = r.id
            WHERE coalesce(b.owed, 0) <> CASE r.state WHEN 'due' THEN r.amount_ore ELSE 0 END
               OR coalesce(b.given, 0) <> CASE r.state WHEN 'refunded' THEN r.amount_ore ELSE 0 END""",
    ),
    (
        "a refund's road",
        """SELECT r.id, r.state || ' by "' || r.by || '"', 'somebody gave it back where it is refunded'
           FROM refunds r WHERE (r.state = 'refunded' AND (r.by = '' OR r.ended_us IS NULL))
              OR (r.state = 'due' AND r.by <> '')""",
    ),
    (
        "what the gateway says is owed",
        f"""SELECT p.id, coalesce(r.owed, 0) || ' øre', {_OWED} || ' øre'
            FROM payments p LEFT JOIN (
                SELECT payment, sum(amount_ore) AS owed, sum(CASE by WHEN 'bank' THEN amount_ore END) AS bank
                FROM refunds WHERE cause = 'gateway' AND state <> 'cancelled' GROUP BY payment
            ) r ON r.payment = p.id
            LEFT JOIN (
                SELECT payment, sum(amount_ore) AS owed FROM refunds
                WHERE cause = 'by_hand' AND state <> 'cancelled' GROUP BY payment
            ) h ON h.payment = p.id
            WHERE coalesce(r.owed, 0) - coalesce(r.bank, 0) > {_OWED}
               -- what a person owes the payer already is not owed by the gateway's word too
               OR coalesce(r.owed, 0) < min({_OWED},
                  max({_BILLED} - coalesce(h.owed, 0), 0))""",
    ),
    (
        "what the operator owes for a payment",
        f"""SELECT p.id, {_BILLED} - coalesce(r.given, 0), coalesce(o.owed, 0)
            FROM payments p
            LEFT JOIN (SELECT payment, sum(amount_ore) AS given FROM refunds
                       WHERE state = 'refunded' AND by = 'operator' GROUP BY payment) r ON r.payment = p.id
            LEFT JOIN (
                SELECT j.payment AS payment, sum(e.amount_ore) AS owed
                FROM journals j JOIN entries e ON e.journal = j.id
                WHERE e.account = 'operator_receivable' GROUP BY j.payment
            ) o ON o.payment = p.id
            WHERE coalesce(o.owed, 0) <> {_BILLED} - coalesce(r.given, 0)""",
    ),
    (
        "a payment's evidence",
        f"""SELECT p.id, p.state || ' by word ' || p.sequence,
                   coalesce((SELECT group_concat(v.outcome || ' by word ' || v.sequence, ', ')
                             FROM evidence v WHERE v.payment = p.id), 'nothing')
            FROM payments p
            WHERE (p.state = 'pending') <> NOT EXISTS (SELECT 1 FROM evidence v WHERE v.payment = p.id)
               OR (p.state <> 'pending' AND (p.sequence, {_RANK.format("p.state")}, p.overbilled_ore,
                   p.given_back_ore) <> (SELECT v.sequence, {_RANK.format("v.outcome")}, v.overbilled_ore,
                   v.given_back_ore FROM evidence v WHERE v.payment = p.id
                   ORDER BY 1 DESC, 2 DESC, 3 DESC, 4 DESC LIMIT 1))""",
    ),
    (
        "a payment's mark that its evidence disagrees",
        f"""WITH words AS (
               SELECT v.payment AS payment, v.sequence AS sequence, v.outcome AS outcome,
                      v.contradiction AS contradiction, row_number() OVER (
                          PARTITION BY v.payment ORDER BY v.sequence DESC, {_RANK.format("v.outcome")} DESC,
                          v.overbilled_ore DESC, v.given_back_ore DESC,
                          CASE v.contradiction WHEN '' THEN 0 WHEN 'open' THEN 1 ELSE 2 END DESC) AS place
               FROM evidence v),
            marks AS (
               SELECT l.payment AS payment, CASE l.contradiction WHEN 'open' THEN 1 WHEN 'settled' THEN 0
                   ELSE (SELECT count(DISTINCT w.outcome = 'not_charged') > 1 FROM words w
                         WHERE w.payment = l.payment AND w.sequence = l.sequence) END AS mark
               FROM words l WHERE l.place = 1)
            SELECT p.id, p.contradicted, coalesce(m.mark, 0) FROM payments p
            LEFT JOIN marks m ON m.payment = p.id WHERE p.contradicted <> coalesce(m.mark, 0)""",
    ),
    (
        "numbers of credit notes of a series",
        """SELECT org || ' ' || series, min(number) || ' to ' || max(number), '1 to ' || count(*)
           FROM credit_notes GROUP BY org, series HAVING min(number) <> 1 OR max(number) <> count(*)""",
    ),
    (
        "a refund's organisation",
        """SELECT r.id, r.org || ' ' || r.invoice, i.org || ' ' || i.id FROM refunds r
           JOIN payments p ON p.id = r.payment JOIN invoices i ON i.id = p.invoice
           WHERE r.org <> i.org OR r.invoice <> i.id""",
    ),
    (
        "a credit note's organisation",
        """SELECT n.id, n.org, i.org FROM credit_notes n
           JOIN invoices i ON i.id = n.invoice WHERE n.org <> i.org""",
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
    text(
        "SELECT (SELECT count(*) FROM invoices), (SELECT count(*) FROM payments), "
        "(SELECT count(*) FROM refunds), (SELECT count(*) FROM credit_notes), count(*) FROM journals"
    )
)


class Audit(msgspec.Struct, frozen=True):
    """How much was looked at, and what differs."""

    invoices: int
    payments: int
    refunds: int
    credit_notes: int
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
    return Audit(counts[0], counts[1], counts[2], counts[3], counts[4], tuple(found))
