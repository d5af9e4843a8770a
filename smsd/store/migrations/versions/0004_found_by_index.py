"""What an SMSC called a message, and parts that wait for others, are found without reading all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0004_found_by_index"
down_revision = "0003_disputed"


def upgrade() -> None:
    op.create_index("ix_submissions_message", "submissions", ["message"], unique=False)
    op.create_index(
        "ix_fragments_waiting",
        "fragments",
        ["at_us"],
        unique=False,
        sqlite_where=sa.text("whole_us = 0"),
        postgresql_where=sa.text("whole_us = 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_fragments_waiting")
    op.drop_index("ix_submissions_message")
