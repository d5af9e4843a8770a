"""Payments are found by their number; those whose end is contradicted, by their invoice."""

import sqlalchemy as sa
from alembic import op

revision = "0003_disputed"
down_revision = "0002_ownership"


def upgrade() -> None:
    op.create_index("payments_number", "payments", ["number"], unique=False)
    op.create_index(
        "payments_disputed",
        "payments",
        ["invoice"],
        unique=False,
        sqlite_where=sa.text("state = 'not_charged' AND contradicted = 1"),
    )


def downgrade() -> None:
    op.drop_index("payments_disputed")
    op.drop_index("payments_number")
