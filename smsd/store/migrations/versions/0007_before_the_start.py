"""A receipt that waits remembers which charges were on their way when it came, whatever the clock says."""

import sqlalchemy as sa
from alembic import op

revision = "0007_before_the_start"
down_revision = "0006_limits"


def upgrade() -> None:
    op.add_column(
        "unmatched_receipts", sa.Column("after_event", sa.BigInteger, nullable=False, server_default="0")
    )
    # of those that wait already nobody knows: they may speak of whatever was on its way by now
    op.execute("UPDATE unmatched_receipts SET after_event = (SELECT coalesce(max(id), 0) FROM charge_events)")


def downgrade() -> None:
    op.drop_column("unmatched_receipts", "after_event")
