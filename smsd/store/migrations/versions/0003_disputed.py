"""Charges whose state is contradicted are found by their invoice."""

import sqlalchemy as sa
from alembic import op

revision = "0003_disputed"
down_revision = "0002_ownership"


def upgrade() -> None:
    op.create_index(
        "ix_charges_disputed",
        "charges",
        ["invoice"],
        unique=False,
        sqlite_where=sa.text("contradicted = 1"),
        postgresql_where=sa.text("contradicted = 1"),
    )


def downgrade() -> None:
    op.drop_index("ix_charges_disputed")
