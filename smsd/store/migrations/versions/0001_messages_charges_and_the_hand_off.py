"""Messages, charges, receipts and the hand-off."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEPT = (("charge_events", "UPDATE"), ("charge_events", "DELETE"), ("charges", "DELETE"))


def upgrade() -> None:
    op.create_table(
        "charge_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_charge_events_charge", "charge_events", ["charge"], unique=False)
    op.create_table(
        "charges",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("invoice", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("short_code", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("amount_ore", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("contradicted", sa.Integer(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_charges_conversation", "charges", ["conversation"], unique=False)
    op.create_index("ix_charges_message", "charges", ["message"], unique=True)
    op.create_index(
        "ix_charges_one_at_a_time",
        "charges",
        ["number", "short_code", "amount_ore"],
        unique=True,
        sqlite_where=sa.text("state IN ('sending', 'accepted', 'in_doubt')"),
        postgresql_where=sa.text("state IN ('sending', 'accepted', 'in_doubt')"),
    )
    op.create_index(
        "ix_charges_open",
        "charges",
        ["state", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('intended', 'sending', 'accepted', 'in_doubt')"),
        postgresql_where=sa.text("state IN ('intended', 'sending', 'accepted', 'in_doubt')"),
    )
    op.create_table(
        "connections",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("alive_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fragments",
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("reference", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("coding", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("echo", sa.LargeBinary(), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("whole_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("operator", "number", "address", "reference", "total", "part"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "guidance",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("short_code", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", "short_code"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "handoff_inbox",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at_us", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("handoff_inbox_at", "handoff_inbox", ["at_us"], unique=False)
    op.create_table(
        "handoff_outbox",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("handoff_outbox_peer_seq", "handoff_outbox", ["peer", "seq"], unique=False)
    op.create_table(
        "messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("short_code", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("price_ore", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("echo", sa.LargeBinary(), nullable=False),
        sa.Column("bind", sa.Text(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_messages_number", "messages", ["number", "id"], unique=False)
    op.create_index(
        "ix_messages_queued",
        "messages",
        ["operator", "lane", "id"],
        unique=False,
        sqlite_where=sa.text("fate = 'queued'"),
        postgresql_where=sa.text("fate = 'queued'"),
    )
    op.create_table(
        "set_aside",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stops",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", "org"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "submissions",
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("operator", "key", "message"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "unmatched_receipts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("short_code", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_unmatched_key", "unmatched_receipts", ["operator", "key"], unique=False)
    op.create_index("ix_unmatched_number", "unmatched_receipts", ["number"], unique=False)

    for table, event in _KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} BEGIN "
            f"SELECT RAISE(ABORT, 'rows of {table} are kept as they are'); END"
        )


def downgrade() -> None:
    op.drop_index("ix_unmatched_number", table_name="unmatched_receipts")
    op.drop_index("ix_unmatched_key", table_name="unmatched_receipts")
    op.drop_table("unmatched_receipts")
    op.drop_table("submissions")
    op.drop_table("stops")
    op.drop_table("set_aside")
    op.drop_index(
        "ix_messages_queued",
        table_name="messages",
        sqlite_where=sa.text("fate = 'queued'"),
        postgresql_where=sa.text("fate = 'queued'"),
    )
    op.drop_index("ix_messages_number", table_name="messages")
    op.drop_table("messages")
    op.drop_index("handoff_outbox_peer_seq", table_name="handoff_outbox")
    op.drop_table("handoff_outbox")
    op.drop_index("handoff_inbox_at", table_name="handoff_inbox")
    op.drop_table("handoff_inbox")
    op.drop_table("guidance")
    op.drop_table("fragments")
    op.drop_table("connections")
    op.drop_index(
        "ix_charges_open",
        table_name="charges",
        sqlite_where=sa.text("state IN ('intended', 'sending', 'accepted', 'in_doubt')"),
        postgresql_where=sa.text("state IN ('intended', 'sending', 'accepted', 'in_doubt')"),
    )
    op.drop_index(
        "ix_charges_one_at_a_time",
        table_name="charges",
        sqlite_where=sa.text("state IN ('sending', 'accepted', 'in_doubt')"),
        postgresql_where=sa.text("state IN ('sending', 'accepted', 'in_doubt')"),
    )
    op.drop_index("ix_charges_message", table_name="charges")
    op.drop_table("charges")
    op.drop_index("ix_charge_events_charge", table_name="charge_events")
    op.drop_table("charge_events")
