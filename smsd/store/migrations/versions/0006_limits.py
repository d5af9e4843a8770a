"""Limits: what is counted, the stop switch, confirmations, reported ages."""

import sqlalchemy as sa
from alembic import op

revision = "0006_limits"
down_revision = "0005_proposals"

_COUNTED = "CASE WHEN contradicted = 1 THEN true ELSE state NOT IN ('refused', 'not_charged', 'refunded') END"


def upgrade() -> None:
    op.create_index(
        "ix_charges_counted",
        "charges",
        ["number", "created_us"],
        unique=False,
        sqlite_where=sa.text(_COUNTED),
        postgresql_where=sa.text(_COUNTED),
    )
    op.create_table(
        "charge_hours",
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("amount_ore", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org", "hour"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO charge_hours (org, hour, amount_ore) "  # noqa: S608 - a constant of this file
        "SELECT org, created_us / 3600000000, SUM(amount_ore) FROM charges "
        f"WHERE {_COUNTED} GROUP BY 1, 2"
    )
    op.create_table(
        "charge_pauses",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("paused_us", sa.BigInteger(), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("resumed_us", sa.BigInteger(), nullable=False),
        sa.Column("resumed_by", sa.Text(), nullable=False),
        sa.Column("resumed_why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_charge_pauses_set",
        "charge_pauses",
        ["org"],
        unique=True,
        sqlite_where=sa.text("resumed_us = 0"),
        postgresql_where=sa.text("resumed_us = 0"),
    )
    op.execute(
        "CREATE TRIGGER charge_pauses_no_delete BEFORE DELETE ON charge_pauses BEGIN "
        "SELECT RAISE(ABORT, 'rows of charge_pauses are kept as they are'); END"
    )
    op.create_table(
        "confirmations",
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("short_code", sa.Text(), nullable=False),
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("amount_ore", sa.BigInteger(), nullable=False),
        sa.Column("asked_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_us", sa.BigInteger(), nullable=False),
        sa.Column("mo", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("charge"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_confirmations_number", "confirmations", ["number", "charge"], unique=False)
    op.create_index(
        "ix_confirmations_open",
        "confirmations",
        ["until_us"],
        unique=False,
        sqlite_where=sa.text("answer = ''"),
        postgresql_where=sa.text("answer = ''"),
    )
    op.create_table(
        "reported_ages",
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("age", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reported_ages_at", "reported_ages", ["at_us"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_reported_ages_at", table_name="reported_ages")
    op.drop_table("reported_ages")
    op.drop_index("ix_confirmations_open", table_name="confirmations", sqlite_where=sa.text("answer = ''"))
    op.drop_index("ix_confirmations_number", table_name="confirmations")
    op.drop_table("confirmations")
    op.drop_index("ix_charge_pauses_set", table_name="charge_pauses", sqlite_where=sa.text("resumed_us = 0"))
    op.drop_table("charge_pauses")
    op.drop_table("charge_hours")
    op.drop_index("ix_charges_counted", table_name="charges")
