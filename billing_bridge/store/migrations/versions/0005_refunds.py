"""Refunds and credit notes as rows of their own; what a gateway says of a charge gets an order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_refunds"
down_revision = "0004_evidence"

_RANK = (
    "CASE {row}.state WHEN 'pending' THEN 0 WHEN 'not_charged' THEN 1 WHEN 'charged' THEN 2 "
    "WHEN 'refund_due' THEN 3 ELSE 4 END"
)
_NEW, _OLD = _RANK.format(row="NEW"), _RANK.format(row="OLD")
_BACK = "payments_update_states"
_BACK_BEFORE = (
    f"CREATE TRIGGER {_BACK} BEFORE UPDATE OF state ON payments WHEN {_NEW} < {_OLD} "
    "BEGIN SELECT RAISE(ABORT, 'payments: states do not go back'); END"
)
_ZERO = sa.text("0")
_EMPTY = sa.text("''")
_MORE: tuple[tuple[str, str, sa.TextClause], ...] = (
    ("standings", "lost_ore", _ZERO),
    ("payments", "sequence", _ZERO),
    ("payments", "overbilled_ore", _ZERO),
    ("payments", "given_back_ore", _ZERO),
    ("payments", "operator", _EMPTY),
    ("evidence", "sequence", _ZERO),
    ("evidence", "overbilled_ore", _ZERO),
    ("evidence", "given_back_ore", _ZERO),
    ("evidence", "who", _EMPTY),
    ("evidence", "contradiction", _EMPTY),
)
_REFUND_KEPT = ("id", "org", "invoice", "payment", "amount_ore", "cause", "who", "why", "due_us")


def _refuse(name: str, event: str, table: str, why: str, when: str = "") -> str:
    condition = f" WHEN {when}" if when else ""
    return (
        f"CREATE TRIGGER {name} BEFORE {event} ON {table}{condition} "
        f"BEGIN SELECT RAISE(ABORT, '{table}: {why}'); END"
    )


TRIGGERS = (
    # a later word may take back an earlier one; nothing makes an attempt pending again
    _refuse(
        _BACK,
        "UPDATE OF state, sequence",
        "payments",
        "states do not go back",
        f"NEW.sequence < OLD.sequence OR (NEW.state = 'pending' AND OLD.state <> 'pending') "
        f"OR (NEW.sequence = OLD.sequence AND {_NEW} < {_OLD})",
    ),
    _refuse("refunds_delete_refused", "DELETE", "refunds", "rows are never deleted"),
    _refuse(
        "refunds_insert_replacing",
        "INSERT",
        "refunds",
        "replacing a row is refused",
        "EXISTS (SELECT 1 FROM refunds WHERE id = NEW.id)",
    ),
    _refuse(
        "refunds_update_decided",
        f"UPDATE OF {', '.join(_REFUND_KEPT)}",
        "refunds",
        "what was decided is never changed",
    ),
    _refuse(
        "refunds_update_states",
        "UPDATE",
        "refunds",
        "an ended refund is only cancelled",
        "NOT (OLD.state = 'due' OR (OLD.state = 'refunded' AND NEW.state = 'cancelled'))",
    ),
    _refuse("credit_notes_update_refused", "UPDATE", "credit_notes", "rows are never changed"),
    _refuse("credit_notes_delete_refused", "DELETE", "credit_notes", "rows are never deleted"),
    _refuse(
        "credit_notes_insert_replacing",
        "INSERT",
        "credit_notes",
        "replacing a row is refused",
        "EXISTS (SELECT 1 FROM credit_notes WHERE id = NEW.id)",
    ),
    _refuse(
        "credit_notes_insert_numbers",
        "INSERT",
        "credit_notes",
        "numbers of a series have no gaps and no repetitions",
        "NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM credit_notes "
        "WHERE org = NEW.org AND series = NEW.series)",
    ),
    _refuse(
        "credit_notes_insert_more",
        "INSERT",
        "credit_notes",
        "more than the invoice cannot be credited",
        "NEW.amount_ore + (SELECT coalesce(sum(amount_ore), 0) FROM credit_notes "
        "WHERE invoice = NEW.invoice) > (SELECT amount_ore FROM invoices WHERE id = NEW.invoice)",
    ),
)


def upgrade() -> None:
    for table, name, default in _MORE:
        kind = sa.Integer() if default is _ZERO else sa.Text()
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
    op.create_index("payments_invoice", "payments", ["invoice"])
    op.create_index("evidence_payment", "evidence", ["payment"])
    op.create_index("journals_at", "journals", ["at_us"])
    op.create_table(
        "refunds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("invoice", sa.Text(), nullable=False),
        sa.Column("payment", sa.Text(), nullable=False),
        sa.Column("amount_ore", sa.Integer(), sa.CheckConstraint("amount_ore > 0"), nullable=False),
        sa.Column("cause", sa.Text(), sa.CheckConstraint("cause IN ('gateway', 'by_hand')"), nullable=False),
        sa.Column(
            "state",
            sa.Text(),
            sa.CheckConstraint("state IN ('due', 'refunded', 'cancelled')"),
            nullable=False,
        ),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("due_us", sa.Integer(), nullable=False),
        sa.Column("by", sa.Text(), sa.CheckConstraint("by IN ('', 'operator', 'bank')"), nullable=False),
        sa.Column("ended_who", sa.Text(), nullable=False),
        sa.Column("ended_how", sa.Text(), nullable=False),
        sa.Column("ended_us", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["invoice"], ["invoices.id"]),
        sa.ForeignKeyConstraint(["payment"], ["payments.id"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("refunds_payment", "refunds", ["payment"])
    op.create_table(
        "credit_notes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("invoice", sa.Text(), nullable=False),
        sa.Column("amount_ore", sa.Integer(), sa.CheckConstraint("amount_ore > 0"), nullable=False),
        sa.Column("issued", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("refund", sa.Text(), nullable=True),
        sa.Column("created_us", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["invoice"], ["invoices.id"]),
        sa.ForeignKeyConstraint(["refund"], ["refunds.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("org", "series", "number", name="credit_notes_number"),
        sqlite_with_rowid=False,
    )
    op.create_index("credit_notes_invoice", "credit_notes", ["invoice"])
    # added by hand: alembic's own form would copy a table whose rows are guarded
    op.execute("ALTER TABLE journals ADD COLUMN refund TEXT REFERENCES refunds (id)")
    op.execute("ALTER TABLE journals ADD COLUMN credit_note TEXT REFERENCES credit_notes (id)")
    op.execute(f"DROP TRIGGER {_BACK}")
    # a refund that the first tables only knew as a state gets its row; its journals stand as they are
    op.execute(
        "INSERT INTO refunds SELECT p.id, i.org, p.invoice, p.id, p.amount_ore, 'gateway', "
        "CASE p.state WHEN 'refunded' THEN 'refunded' ELSE 'due' END, p.gateway, p.evidence, "
        "coalesce(p.settled_us, p.asked_us), CASE p.state WHEN 'refunded' THEN 'operator' ELSE '' END, "
        "CASE p.state WHEN 'refunded' THEN p.gateway ELSE '' END, "
        "CASE p.state WHEN 'refunded' THEN p.evidence ELSE '' END, "
        "CASE p.state WHEN 'refunded' THEN p.settled_us END "
        "FROM payments p JOIN invoices i ON i.id = p.invoice WHERE p.state IN ('refund_due', 'refunded')"
    )
    for trigger in TRIGGERS:
        op.execute(sa.text(trigger.replace(":", "\\:")))


def downgrade() -> None:
    op.execute(f"DROP TRIGGER {_BACK}")
    for column in ("credit_note", "refund"):
        op.execute(f"ALTER TABLE journals DROP COLUMN {column}")
    op.drop_table("credit_notes")
    op.drop_table("refunds")
    for table, index in (
        ("journals", "journals_at"),
        ("evidence", "evidence_payment"),
        ("payments", "payments_invoice"),
    ):
        op.drop_index(index, table)
    for table, name, _ in _MORE:
        op.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
    op.execute(_BACK_BEFORE)
