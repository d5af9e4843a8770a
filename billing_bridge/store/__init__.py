"""The bridge's store: tables, migrations, and the statements that run on them."""

from __future__ import annotations

from billing_bridge.store.tables import metadata
from foundation.store import Schema

SCHEMA = Schema(
    name="billing-bridge", package="billing_bridge.store.migrations", head="0005_refunds", metadata=metadata
)
