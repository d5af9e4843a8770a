"""What people propose for a charge, queries to SMSCs, and the traces of free SMSes beside a charge."""

import sqlalchemy as sa
from alembic import op

revision = "0005_proposals"
down_revision = "0004_found_by_index"

_KEPT = (("charge_proposals", "DELETE"), ("message_events", "UPDATE"), ("message_events", "DELETE"))


def upgrade() -> None:
    op.create_table(
        "charge_proposals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.Text(), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.Column("ended_why", sa.Text(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_charge_proposals_charge", "charge_proposals", ["charge"], unique=False)
    op.create_index(
        "ix_charge_proposals_open",
        "charge_proposals",
        ["charge"],
        unique=True,
        sqlite_where=sa.text("ended = ''"),
        postgresql_where=sa.text("ended = ''"),
    )
    op.create_table(
        "charge_queries",
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("asked_us", sa.BigInteger(), nullable=False),
        sa.Column("next_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("charge"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_message_events_message", "message_events", ["message"], unique=False)
    for table, event in _KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} BEGIN "
            f"SELECT RAISE(ABORT, 'rows of {table} are kept as they are'); END"
        )
    op.execute(
        "CREATE TRIGGER charge_proposals_ended BEFORE UPDATE ON charge_proposals "
        "WHEN OLD.ended <> '' OR NEW.id <> OLD.id OR NEW.charge <> OLD.charge OR NEW.outcome <> OLD.outcome "
        "OR NEW.state <> OLD.state OR NEW.who <> OLD.who OR NEW.why <> OLD.why OR NEW.via <> OLD.via "
        "OR NEW.at_us <> OLD.at_us "
        "BEGIN SELECT RAISE(ABORT, 'rows of charge_proposals are kept as they are'); END"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER charge_proposals_ended")
    for table, event in _KEPT:
        op.execute(f"DROP TRIGGER {table}_no_{event.lower()}")
    op.drop_index("ix_message_events_message", table_name="message_events")
    op.drop_table("message_events")
    op.drop_table("charge_queries")
    op.drop_index("ix_charge_proposals_open", table_name="charge_proposals")
    op.drop_index("ix_charge_proposals_charge", table_name="charge_proposals")
    op.drop_table("charge_proposals")
