"""What gateways told of their charges, kept for whoever handles a complaint."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_evidence"
down_revision = "0003_disputed"


def upgrade() -> None:
    op.create_table(
        "gateway_journals",
        sa.Column("charge", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("at_us", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("charge"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("gateway_journals")
