"""The statements of the hot road, compiled once. Sets of keys travel as one JSON array each.

Columns of each reading statement are in the order of the record it makes (`billing_bridge.records`).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Select, Table, and_, bindparam, func, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert

from billing_bridge.store import tables as t
from foundation.store import Statement


def keys(values: Iterable[str]) -> str:
    """Keys as the one parameter of a statement that takes a set of them."""
    return msgspec.json.encode(list(values)).decode()


def _among(name: str) -> Select[tuple[str]]:
    return select(func.json_each(bindparam(name)).table_valued("value").c.value)


def insert_into(table: Table) -> Statement:
    """Insert whole rows, values in the order of the table's columns."""
    names = [column.name for column in table.columns]
    return Statement(insert(table).values({name: bindparam(name) for name in names}), *names)


COMMANDS_SEEN = Statement(select(t.commands.c.id).where(t.commands.c.id.in_(_among("ids"))), "ids")
EVIDENCE_SEEN = Statement(select(t.evidence.c.id).where(t.evidence.c.id.in_(_among("ids"))), "ids")

PEOPLE_BY_NUMBER = Statement(
    select(t.people.c.id, t.people.c.org, t.people.c.number, t.people.c.name, t.people.c.email)
    .where(t.people.c.number.in_(_among("numbers")))
    .order_by(t.people.c.id),
    "numbers",
)
YEARS = Statement(
    select(t.memberships.c.person, t.memberships.c.year).where(t.memberships.c.person.in_(_among("people"))),
    "people",
)

_PENDING = t.payments.alias("pending")
_DISPUTED = t.payments.alias("disputed")
_INVOICE = (
    t.invoices.c.id,
    t.invoices.c.org,
    t.invoices.c.person,
    t.invoices.c.kind,
    t.invoices.c.amount_ore,
    t.invoices.c.period,
    t.invoices.c.due,
    t.invoices.c.kid,
    t.invoices.c.account,
    t.standings.c.paid_ore,
    t.standings.c.credited_ore,
    t.standings.c.excess_ore,
    t.standings.c.lost_ore,
    _PENDING.c.id,
    # the literals let SQLite use the partial indexes
    select(func.min(_DISPUTED.c.id))
    .where(
        _DISPUTED.c.invoice == t.invoices.c.id,
        literal_column("disputed.state = 'not_charged'"),
        literal_column("disputed.contradicted = 1"),
    )
    .scalar_subquery(),
)
_WITH_STANDING = t.invoices.join(t.standings, t.standings.c.invoice == t.invoices.c.id).outerjoin(
    _PENDING,
    and_(_PENDING.c.invoice == t.invoices.c.id, literal_column("pending.state = 'pending'")),
)
INVOICES_OF_PEOPLE = Statement(
    select(*_INVOICE).select_from(_WITH_STANDING).where(t.invoices.c.person.in_(_among("people"))),
    "people",
)
INVOICES = Statement(
    select(*_INVOICE).select_from(_WITH_STANDING).where(t.invoices.c.id.in_(_among("ids"))), "ids"
)
PAYMENTS = Statement(
    select(
        t.payments.c.id,
        t.payments.c.invoice,
        t.payments.c.number,
        t.payments.c.amount_ore,
        t.payments.c.state,
        t.payments.c.reason,
        t.payments.c.evidence,
        t.payments.c.contradicted,
        t.payments.c.conversation,
        t.payments.c.settled_us,
        t.payments.c.gateway,
        t.payments.c.sequence,
        t.payments.c.overbilled_ore,
        t.payments.c.given_back_ore,
        t.payments.c.operator,
    ).where(t.payments.c.id.in_(_among("ids"))),
    "ids",
)
LAST_CHARGED = Statement(
    select(t.payments.c.id, t.payments.c.asked_us)
    .select_from(t.payments.join(t.invoices, t.invoices.c.id == t.payments.c.invoice))
    .where(
        t.payments.c.number == bindparam("number"),
        t.payments.c.amount_ore == bindparam("amount"),
        t.payments.c.state.in_([literal_column("'pending'"), literal_column("'charged'")]),
        t.invoices.c.org == bindparam("org"),
    )
    .order_by(t.payments.c.id.desc())
    .limit(literal_column("1")),
    "number",
    "amount",
    "org",
)
REFUNDS_OF = Statement(
    select(
        t.refunds.c.id,
        t.refunds.c.payment,
        t.refunds.c.amount_ore,
        t.refunds.c.cause,
        t.refunds.c.state,
        t.refunds.c.by,
        t.refunds.c.ended_who,
        t.refunds.c.ended_how,
        t.refunds.c.ended_us,
    )
    .where(t.refunds.c.payment == bindparam("payment"))
    .order_by(t.refunds.c.due_us, t.refunds.c.id),
    "payment",
)
WORDS_OF = Statement(
    select(
        t.evidence.c.sequence,
        t.evidence.c.outcome,
        t.evidence.c.overbilled_ore,
        t.evidence.c.given_back_ore,
        t.evidence.c.contradiction,
    ).where(t.evidence.c.payment == bindparam("payment")),
    "payment",
)
PAYMENT_OF_REFUND = Statement(
    select(t.refunds.c.payment).where(t.refunds.c.id == bindparam("id")),
    "id",
)
CREDITED_BY = Statement(
    select(t.credit_notes.c.id).where(t.credit_notes.c.refund == bindparam("refund")), "refund"
)
INVOICE_NAMED = Statement(
    select(t.invoices.c.id).where(
        (t.invoices.c.id == bindparam("named")) | (t.invoices.c.kid == bindparam("kid"))
    ),
    "named",
    "kid",
)
LAST_CREDIT = Statement(
    select(func.coalesce(func.max(t.credit_notes.c.number), 0)).where(
        t.credit_notes.c.org == bindparam("org"), t.credit_notes.c.series == bindparam("series")
    ),
    "org",
    "series",
)
LAST_NUMBER = Statement(
    select(func.coalesce(func.max(t.invoices.c.number), 0)).where(
        t.invoices.c.org == bindparam("org"), t.invoices.c.series == bindparam("series")
    ),
    "org",
    "series",
)
SMS_KNOWN = Statement(select(t.sms.c.id, t.sms.c.fate_order).where(t.sms.c.id.in_(_among("ids"))), "ids")
EARLY_FATES = Statement(
    select(t.early_fates).where(t.early_fates.c.sms.in_(_among("ids"))),
    "ids",
)

INSERT_PERSON = insert_into(t.people)
INSERT_COMMENT = insert_into(t.comments)
INSERT_MEMBERSHIP = insert_into(t.memberships)
INSERT_INVOICE = insert_into(t.invoices)
INSERT_STANDING = insert_into(t.standings)
INSERT_PAYMENT = insert_into(t.payments)
INSERT_EVIDENCE = insert_into(t.evidence)
INSERT_REFUND = insert_into(t.refunds)
INSERT_CREDIT_NOTE = insert_into(t.credit_notes)
INSERT_JOURNAL = insert_into(t.journals)
INSERT_ENTRY = insert_into(t.entries)
INSERT_COMMAND = insert_into(t.commands)
INSERT_SMS = insert_into(t.sms)
INSERT_NOTE = insert_into(t.notes)
INSERT_MAIL_DUE = insert_into(t.mail_due)
INSERT_WITHDRAWAL = insert_into(t.withdrawals)

UPDATE_STANDING = Statement(
    update(t.standings)
    .where(t.standings.c.invoice == bindparam("of"))
    .values(
        paid_ore=bindparam("paid_ore"),
        credited_ore=bindparam("credited_ore"),
        excess_ore=bindparam("excess_ore"),
        lost_ore=bindparam("lost_ore"),
    ),
    "paid_ore",
    "credited_ore",
    "excess_ore",
    "lost_ore",
    "of",
)
SETTLE_PAYMENT = Statement(
    update(t.payments)
    .where(t.payments.c.id == bindparam("of"))
    .values(
        state=bindparam("state"),
        reason=bindparam("reason"),
        evidence=bindparam("evidence"),
        contradicted=bindparam("contradicted"),
        settled_us=bindparam("settled_us"),
        sequence=bindparam("sequence"),
        overbilled_ore=bindparam("overbilled_ore"),
        given_back_ore=bindparam("given_back_ore"),
        operator=bindparam("operator"),
    ),
    "state",
    "reason",
    "evidence",
    "contradicted",
    "settled_us",
    "sequence",
    "overbilled_ore",
    "given_back_ore",
    "operator",
    "of",
)
END_REFUND = Statement(
    update(t.refunds)
    .where(t.refunds.c.id == bindparam("of"))
    .values(
        state=bindparam("state"),
        by=bindparam("by"),
        ended_who=bindparam("ended_who"),
        ended_how=bindparam("ended_how"),
        ended_us=bindparam("ended_us"),
    ),
    "state",
    "by",
    "ended_who",
    "ended_how",
    "ended_us",
    "of",
)
UPDATE_FATE = Statement(
    update(t.sms)
    .where(t.sms.c.id == bindparam("of"))
    .values(
        fate=bindparam("fate"),
        reason=bindparam("reason"),
        fate_us=bindparam("fate_us"),
        fate_order=bindparam("fate_order"),
    ),
    "fate",
    "reason",
    "fate_us",
    "fate_order",
    "of",
)


def _keep_early() -> Statement:
    names = [column.name for column in t.early_fates.columns]
    clause = insert(t.early_fates).values({name: bindparam(name) for name in names})
    changed = clause.excluded
    return Statement(
        clause.on_conflict_do_update(
            index_elements=["sms"],
            set_={name: changed[name] for name in names[1:]},
            where=changed.fate_order > t.early_fates.c.fate_order,
        ),
        *names,
    )


def _keep_conversation() -> Statement:
    names = [column.name for column in t.conversations.columns]
    clause = insert(t.conversations).values({name: bindparam(name) for name in names})
    changed, kept = clause.excluded, t.conversations.c
    return Statement(
        clause.on_conflict_do_update(
            index_elements=["id"],
            set_={
                "person": func.coalesce(kept.person, changed.person),
                "opened_us": func.min(kept.opened_us, changed.opened_us),
                "last_us": func.max(kept.last_us, changed.last_us),
            },
        ),
        *names,
    )


def _keep_fee() -> Statement:
    names = [column.name for column in t.fee_categories.columns]
    clause = insert(t.fee_categories).values({name: bindparam(name) for name in names})
    changed = clause.excluded
    return Statement(
        clause.on_conflict_do_update(
            index_elements=["org", "category"],
            set_={"amount_ore": changed.amount_ore, "active": changed.active, "place": changed.place},
        ),
        *names,
    )


def _keep_refused() -> Statement:
    names = [column.name for column in t.refused_messages.columns]
    clause = insert(t.refused_messages).values({name: bindparam(name) for name in names})
    return Statement(clause.on_conflict_do_nothing(), *names)


def _keep_journal() -> Statement:
    names = [column.name for column in t.gateway_journals.columns]
    clause = insert(t.gateway_journals).values({name: bindparam(name) for name in names})
    changed = clause.excluded
    return Statement(
        clause.on_conflict_do_update(
            index_elements=["charge"],
            set_={name: changed[name] for name in names[1:]},
            where=changed.at_us >= t.gateway_journals.c.at_us,
        ),
        *names,
    )


KEEP_GATEWAY_JOURNAL = _keep_journal()
KEEP_EARLY_FATE = _keep_early()
DROP_EARLY_FATE = Statement(t.early_fates.delete().where(t.early_fates.c.sms == bindparam("of")), "of")
KEEP_CONVERSATION = _keep_conversation()
KEEP_REFUSED = _keep_refused()
FORGET_REFUSED = Statement(
    t.refused_messages.delete().where(t.refused_messages.c.at_us < bindparam("before")), "before"
)
REFUSED_BODY = Statement(
    select(t.refused_messages.c.error, t.refused_messages.c.gateway, t.refused_messages.c.body).where(
        t.refused_messages.c.id == bindparam("id")
    ),
    "id",
)
KEEP_FEE = _keep_fee()
RETIRE_FEES = Statement(update(t.fee_categories).values(active=literal_column("0")))
REFUSED_SEEN = Statement(
    select(t.refused_messages.c.id).where(t.refused_messages.c.id == bindparam("id")), "id"
)
