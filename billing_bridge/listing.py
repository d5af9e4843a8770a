"""Invoices, payments, people and the ledger as people and scripts list them. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import text

from billing_bridge.invoicing.ledger import Account, JournalKind
from foundation.clock import oslo
from foundation.store import SqliteTx, Statement, Tx

Value: TypeAlias = "str | int | bool | None"
NO_LIMIT = -1


class View(msgspec.Struct, frozen=True):
    """One listing: its columns (`brief`: those that people see), its filters by name, what words search."""

    name: str
    columns: tuple[str, ...]
    brief: tuple[str, ...]
    sql: str
    filters: Mapping[str, str]
    search: str = ""
    order: str = ""


class UnknownFilterError(ValueError):
    """The listing has no such filter."""

    def __init__(self, view: View, given: str) -> None:
        super().__init__(f"--filter {given!r} is not known; give one of {', '.join(view.filters)}")


_STATUS = """CASE WHEN s.excess_ore > 0 THEN 'excess' WHEN i.amount_ore = s.credited_ore THEN 'credited'
     WHEN i.amount_ore = s.paid_ore + s.credited_ore THEN 'paid'
     WHEN s.paid_ore + s.credited_ore > 0 THEN 'partly_paid' ELSE 'outstanding' END"""

INVOICES = View(
    name="invoices",
    columns=(
        "id", "organisation", "number", "kid", "account", "kind", "category", "amount_ore", "paid_ore",
        "credited_ore", "excess_ore", "lost_ore", "outstanding_ore", "status", "period", "issued", "due",
        "person", "name", "phone",
    ),
    brief=(
        "organisation", "number", "kid", "kind", "amount_ore", "outstanding_ore", "credited_ore",
        "excess_ore", "status",
        "period", "due", "name", "phone",
    ),
    sql=f"""SELECT i.id, i.org, i.series || i.number, i.kid, i.account, i.kind, i.category, i.amount_ore,
        s.paid_ore, s.credited_ore, s.excess_ore, s.lost_ore, i.amount_ore - s.paid_ore - s.credited_ore,
        {_STATUS}, i.period, i.issued, i.due, p.id, p.name, p.number
        FROM invoices i JOIN standings s ON s.invoice = i.id JOIN people p ON p.id = i.person
        WHERE (:org = '' OR i.org = :org)""",  # noqa: S608 - no values in it
    filters={
        "outstanding": "i.amount_ore > s.paid_ore + s.credited_ore",
        "paid": "i.amount_ore = s.paid_ore + s.credited_ore",
        "excess": "s.excess_ore > 0",
        "credited": "s.credited_ore > 0",
        "lost": "s.lost_ore > 0",
        "membership_fee": "i.kind = 'membership_fee'",
        "donation": "i.kind = 'donation'",
    },
    order="i.org, i.series, i.number",
)  # fmt: skip

PAYMENTS = View(
    name="payments",
    columns=(
        "id", "organisation", "invoice", "invoice_number", "kid", "phone", "amount_ore", "overbilled_ore",
        "invoice_excess_ore", "state", "reason", "contradicted", "by_hand", "evidence", "asked", "settled",
        "operator", "gateway", "conversation",
    ),
    brief=(
        "id", "organisation", "invoice_number", "phone", "amount_ore", "invoice_excess_ore", "state",
        "reason", "contradicted", "by_hand", "asked", "settled",
    ),
    sql="""SELECT a.id, i.org, i.id, i.series || i.number, i.kid, a.number, a.amount_ore,
        a.overbilled_ore, s.excess_ore, a.state, a.reason, a.contradicted, EXISTS
            (SELECT 1 FROM evidence v WHERE v.payment = a.id AND v.who <> '' AND v.outcome = a.state),
        a.evidence, a.asked_us, a.settled_us, a.operator, a.gateway, a.conversation
        FROM payments a JOIN invoices i ON i.id = a.invoice JOIN standings s ON s.invoice = i.id
        WHERE (:org = '' OR i.org = :org)""",
    filters={
        **{
            state: f"a.state = '{state}'"
            for state in ("pending", "not_charged", "charged", "refund_due", "refunded")
        },
        "contradicted": "a.contradicted = 1",
        "excess": "s.excess_ore > 0 AND a.state = 'charged'",
        # charged after it was due, or after the payer was told that it failed
        "late": "a.state IN ('charged', 'refund_due', 'refunded') "
        "AND (oslo_day(a.settled_us) > i.due OR EXISTS "
        "(SELECT 1 FROM evidence v WHERE v.payment = a.id AND v.outcome = 'not_charged'))",
        "by_hand": "EXISTS (SELECT 1 FROM evidence v WHERE v.payment = a.id AND v.who <> '')",
    },
    order="a.asked_us, a.id",
)  # fmt: skip

REFUNDS = View(
    name="refunds",
    columns=(
        "id", "organisation", "invoice_number", "kid", "payment", "phone", "name", "amount_ore", "state",
        "cause", "decided", "decided_by", "why", "credit_note", "given_by", "ended", "ended_by", "how",
    ),
    brief=(
        "id", "organisation", "invoice_number", "phone", "amount_ore", "state", "cause", "decided",
        "decided_by", "why", "given_by", "ended", "ended_by", "how",
    ),
    sql="""SELECT r.id, r.org, i.series || i.number, i.kid, r.payment, a.number, p.name, r.amount_ore,
        r.state, r.cause, r.due_us, r.who, r.why,
        (SELECT n.series || n.number FROM credit_notes n WHERE n.refund = r.id),
        r.by, r.ended_us, r.ended_who, r.ended_how
        FROM refunds r JOIN invoices i ON i.id = r.invoice JOIN payments a ON a.id = r.payment
        JOIN people p ON p.id = i.person WHERE (:org = '' OR r.org = :org)""",
    filters={
        **{state: f"r.state = '{state}'" for state in ("due", "refunded", "cancelled")},
        **{cause: f"r.cause = '{cause}'" for cause in ("gateway", "by_hand")},
    },
    order="r.due_us, r.id",
)  # fmt: skip

CREDITS = View(
    name="credits",
    columns=(
        "id", "organisation", "number", "issued", "invoice_number", "kid", "amount_ore", "name", "who", "why",
        "refund",
    ),
    brief=("organisation", "number", "issued", "invoice_number", "kid", "amount_ore", "name", "who", "why"),
    sql="""SELECT n.id, n.org, n.series || n.number, n.issued, i.series || i.number, i.kid, n.amount_ore,
        p.name, n.who, n.why, n.refund
        FROM credit_notes n JOIN invoices i ON i.id = n.invoice JOIN people p ON p.id = i.person
        WHERE (:org = '' OR n.org = :org)""",
    filters={"refund": "n.refund IS NOT NULL"},
    order="n.org, n.series, n.number",
)  # fmt: skip

PEOPLE = View(
    name="people",
    columns=("id", "organisation", "name", "phone", "email", "years", "outstanding_ore", "source"),
    brief=("organisation", "name", "phone", "email", "years", "outstanding_ore", "source"),
    sql="""SELECT p.id, p.org, p.name, p.number, p.email,
        coalesce((SELECT group_concat(year) FROM
            (SELECT m.year AS year FROM memberships m WHERE m.person = p.id ORDER BY m.year)), ''),
        coalesce((SELECT sum(i.amount_ore - s.paid_ore - s.credited_ore) FROM invoices i
            JOIN standings s ON s.invoice = i.id WHERE i.person = p.id), 0),
        p.source FROM people p WHERE (:org = '' OR p.org = :org)""",
    filters={},
    search="p.name || ' ' || p.number || ' ' || p.email",
    order="p.org, p.name, p.id",
)

LEDGER = View(
    name="ledger",
    columns=(
        "journal", "organisation", "at", "kind", "account", "amount_ore", "invoice_number", "payment",
        "refund", "credit_note", "conversation",
    ),
    brief=("organisation", "at", "kind", "account", "amount_ore", "invoice_number", "journal"),
    sql="""SELECT j.id, j.org, j.at_us, j.kind, e.account, e.amount_ore, i.series || i.number, j.payment,
        j.refund, (SELECT n.series || n.number FROM credit_notes n WHERE n.id = j.credit_note), j.conversation
        FROM journals j JOIN entries e ON e.journal = j.id JOIN invoices i ON i.id = j.invoice
        WHERE (:org = '' OR j.org = :org)""",
    filters={
        **{kind.value: f"j.kind = '{kind.value}'" for kind in JournalKind},
        **{account.value: f"e.account = '{account.value}'" for account in Account},
    },
    order="j.at_us, j.id, e.line",
)  # fmt: skip

REFUSED = View(
    name="refused",
    columns=("id", "gateway", "error", "octets", "at"),
    brief=("id", "gateway", "error", "octets", "at"),
    # of no organisation: what could not be read names none
    sql="""SELECT id, gateway, error, length(body), at_us FROM refused_messages
        WHERE (:org = '' OR :org = gateway)""",
    filters={"unknown_charge": "error = 'unknown_charge'"},
    order="at_us, id",
)

VIEWS: Mapping[str, View] = {
    view.name: view for view in (INVOICES, PAYMENTS, REFUNDS, CREDITS, PEOPLE, LEDGER, REFUSED)
}
_MOMENTS = frozenset({"at", "asked", "settled", "decided", "ended"})
_FLAGS = frozenset({"contradicted", "by_hand"})


def listed(
    tx: Tx, view: View, *, org: str = "", only: str = "", page: int = 1, page_size: int = NO_LIMIT
) -> list[dict[str, Value]]:
    """Rows of a view in its order, as columns and values; `page_size` -1 is all of them.

    Raises:
        UnknownFilterError: `only` names no filter of a view that cannot be searched.
    """
    if isinstance(tx, SqliteTx):
        tx.connection.create_function("oslo_day", 1, _oslo_day, deterministic=True)
    sql, names, values = view.sql, ["org", "org"], [org, org]
    if only and only in view.filters:
        sql += f" AND {view.filters[only]}"
    elif only and view.search:
        sql += f" AND instr(lower({view.search}), lower(:search)) > 0"
        names.append("search")
        values.append(only)
    elif only:
        raise UnknownFilterError(view, only)
    sql += f" ORDER BY {view.order} LIMIT :limit OFFSET :offset"
    offset = (page - 1) * page_size if page_size > 0 else 0
    statement = Statement(text(sql), *names, "limit", "offset")
    return [_told(view.columns, row) for row in tx.all(statement, (*values, page_size, offset))]


def _oslo_day(at_us: int | None) -> str | None:
    return None if at_us is None else oslo(at_us).date().isoformat()


def _told(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Value]:
    told: dict[str, Value] = {}
    for column, value in zip(columns, row, strict=True):
        if column in _MOMENTS and value is not None:
            told[column] = oslo(value).isoformat(timespec="seconds")
        elif column in _FLAGS:
            told[column] = bool(value)
        else:
            told[column] = value
    return told
