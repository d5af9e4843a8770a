"""The gateway's own database: messages, charges, receipts, and its end of the hand-off."""

from foundation.store import Schema
from smsd.store.tables import metadata

SCHEMA = Schema(name="smsd", package="smsd.store.migrations", head="0007_before_the_start", metadata=metadata)
