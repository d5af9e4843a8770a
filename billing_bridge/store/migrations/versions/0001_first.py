"""The first tables of the bridge, and the triggers that keep money's rows as they were written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import MetaData

from foundation.mailbox import mailbox_tables

revision = "0001"
down_revision = None

_RANK = (
    "CASE {row}.state WHEN 'pending' THEN 0 WHEN 'not_charged' THEN 1 WHEN 'charged' THEN 2 "
    "WHEN 'refund_due' THEN 3 ELSE 4 END"
)


def _refuse(table: str, event: str, why: str, when: str = "") -> str:
    name = f"{table}_{event.partition(' ')[0].lower()}_{why.partition(' ')[0] if when else 'refused'}"
    condition = f" WHEN {when}" if when else ""
    return (
        f"CREATE TRIGGER {name} BEFORE {event} ON {table}{condition} "
        f"BEGIN SELECT RAISE(ABORT, '{table}: {why}'); END"
    )


def _kept(table: str, key: str) -> list[str]:
    """Rows of the table are never changed, deleted or replaced."""
    return [
        _refuse(table, "UPDATE", "rows are never changed"),
        *_never_gone(table, key),
    ]


def _never_gone(table: str, key: str) -> list[str]:
    # REPLACE deletes without firing a DELETE trigger, so a second row with the key is refused as well
    return [
        _refuse(table, "DELETE", "rows are never deleted"),
        _refuse(table, "INSERT", "replacing a row is refused", f"EXISTS (SELECT 1 FROM {table} WHERE {key})"),  # noqa: S608
    ]


TRIGGERS = [
    *_kept("invoices", "id = NEW.id"),
    _refuse(
        "invoices",
        "INSERT",
        "KIDs of an account are given once",
        "EXISTS (SELECT 1 FROM invoices WHERE account = NEW.account AND kid = NEW.kid)",
    ),
    _refuse(
        "invoices",
        "INSERT",
        "numbers of a series have no gaps and no repetitions",
        "NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM invoices "
        "WHERE org = NEW.org AND series = NEW.series)",
    ),
    *_kept("journals", "id = NEW.id"),
    _refuse(
        "journals",
        "INSERT",
        "entries of a journal must be two or more and sum to zero",
        "(SELECT coalesce(sum(amount_ore), 1) <> 0 OR count(*) < 2 FROM entries WHERE journal = NEW.id)",
    ),
    _refuse("entries", "UPDATE", "rows are never changed"),
    _refuse("entries", "DELETE", "rows are never deleted"),
    _refuse(
        "entries",
        "INSERT",
        "closed journals take no more entries",
        "EXISTS (SELECT 1 FROM journals WHERE id = NEW.journal)",
    ),
    *_kept("evidence", "id = NEW.id"),
    *_kept("withdrawals", "number = NEW.number AND org = NEW.org AND id = NEW.id"),
    *_never_gone("payments", "id = NEW.id"),
    _refuse(
        "payments",
        "INSERT",
        "one charge of an invoice at a time",
        "NEW.state = 'pending' AND EXISTS "
        "(SELECT 1 FROM payments WHERE state = 'pending' AND invoice = NEW.invoice)",
    ),
    _refuse(
        "payments",
        "UPDATE OF id, invoice, number, amount_ore, gateway, conversation, asked_us",
        "what was asked is never changed",
        "1",
    ),
    _refuse(
        "payments",
        "UPDATE OF state",
        "states do not go back",
        f"{_RANK.format(row='NEW')} < {_RANK.format(row='OLD')}",
    ),
    *_never_gone("standings", "invoice = NEW.invoice"),
]


def upgrade() -> None:
    op.create_table(
        "commands",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("at_us", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "early_fates",
        sa.Column("sms", sa.Text(), nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("fate_us", sa.Integer(), nullable=False),
        sa.Column("fate_order", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("sms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fee_categories",
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("amount_ore", sa.Integer(), sa.CheckConstraint("amount_ore >= 0"), nullable=False),
        sa.Column("active", sa.Integer(), sa.CheckConstraint("active IN (0, 1)"), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("org", "category"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_us", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("people_number", "people", ["number", "org"], unique=False)
    op.create_table(
        "refused_messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at_us", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "withdrawals",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("at_us", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", "org", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "comments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("at_us", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"],
            ["people.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("comments_person", "comments", ["person"], unique=False)
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), sa.CheckConstraint("state IN ('open', 'done')"), nullable=False),
        sa.Column("opened_us", sa.Integer(), nullable=False),
        sa.Column("last_us", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"],
            ["people.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column(
            "kind", sa.Text(), sa.CheckConstraint("kind IN ('membership_fee', 'donation')"), nullable=False
        ),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("amount_ore", sa.Integer(), sa.CheckConstraint("amount_ore > 0"), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("issued", sa.Text(), nullable=False),
        sa.Column("due", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("created_us", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"],
            ["people.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "kid", name="invoices_kid"),
        sa.UniqueConstraint("org", "series", "number", name="invoices_number"),
        sqlite_with_rowid=False,
    )
    op.create_index("invoices_person", "invoices", ["person"], unique=False)
    op.create_table(
        "mail_due",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("due_us", sa.Integer(), nullable=False),
        sa.Column("sent_us", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person"],
            ["people.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "memberships",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("created_us", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"],
            ["people.id"],
        ),
        sa.PrimaryKeyConstraint("person", "org", "year"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at_us", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"],
            ["people.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("notes_conversation", "notes", ["conversation"], unique=False)
    op.create_table(
        "payments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("invoice", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("amount_ore", sa.Integer(), sa.CheckConstraint("amount_ore > 0"), nullable=False),
        sa.Column(
            "state",
            sa.Text(),
            sa.CheckConstraint("state IN ('pending', 'not_charged', 'charged', 'refund_due', 'refunded')"),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("contradicted", sa.Integer(), sa.CheckConstraint("contradicted IN (0, 1)"), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("asked_us", sa.Integer(), nullable=False),
        sa.Column("expires_us", sa.Integer(), nullable=False),
        sa.Column("settled_us", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["invoice"],
            ["invoices.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "payments_one_pending",
        "payments",
        ["invoice"],
        unique=True,
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "sms",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("short_code", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("price_ore", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("at_us", sa.Integer(), nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("fate_us", sa.Integer(), nullable=False),
        sa.Column("fate_order", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["conversations.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("sms_conversation", "sms", ["conversation"], unique=False)
    op.create_table(
        "standings",
        sa.Column("invoice", sa.Text(), nullable=False),
        sa.Column("paid_ore", sa.Integer(), sa.CheckConstraint("paid_ore >= 0"), nullable=False),
        sa.Column("credited_ore", sa.Integer(), sa.CheckConstraint("credited_ore >= 0"), nullable=False),
        sa.Column("excess_ore", sa.Integer(), sa.CheckConstraint("excess_ore >= 0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice"],
            ["invoices.id"],
        ),
        sa.PrimaryKeyConstraint("invoice"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("payment", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at_us", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["payment"],
            ["payments.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "journals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("invoice", sa.Text(), nullable=False),
        sa.Column("payment", sa.Text(), nullable=True),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("at_us", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice"],
            ["invoices.id"],
        ),
        sa.ForeignKeyConstraint(
            ["payment"],
            ["payments.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "entries",
        sa.Column("journal", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount_ore", sa.Integer(), sa.CheckConstraint("amount_ore <> 0"), nullable=False),
        sa.ForeignKeyConstraint(["journal"], ["journals.id"], initially="DEFERRED", deferrable=True),
        sa.PrimaryKeyConstraint("journal", "line"),
        sqlite_with_rowid=False,
    )
    fresh = MetaData()
    mailbox_tables(fresh)
    fresh.create_all(op.get_bind())
    for trigger in TRIGGERS:
        op.execute(sa.text(trigger.replace(":", "\\:")))


def downgrade() -> None:
    for table in (
        "handoff_outbox",
        "handoff_inbox",
        "entries",
        "journals",
        "evidence",
        "standings",
        "sms",
        "payments",
        "notes",
        "memberships",
        "mail_due",
        "invoices",
        "conversations",
        "comments",
        "withdrawals",
        "refused_messages",
        "people",
        "fee_categories",
        "early_fates",
        "commands",
    ):
        op.drop_table(table)
