"""A receipt that never comes: the gateway asks the operator, over real TCP, and the member is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from test_daemon import Site, _site, town

from smsd.daemon import Daemon
from smsd.settings import load

__all__ = ["_site"]


def asks(gateway: Site, overdue_s: int = 1) -> None:
    """Let the account be asked."""
    text = gateway.config.read_text()
    queries = f"query = true\nqueries = {{ overdue_s = {overdue_s} }}\n[operators.price]"
    gateway.config.write_text(text.replace("[operators.price]", queries, 1))
    gateway.daemon = Daemon(load(gateway.config))


@pytest.mark.parametrize(
    ("rules", "state", "said", "reply", "billed"),
    [
        (
            [{"premium": True, "receipt": "none"}],
            "charged",
            "state:DELIVERED error:0",
            "Betalinga di er motteken",
            (1, 5000),
        ),
        (
            # its receipts tell nothing, its ledger that nobody was billed
            [{"premium": True, "receipt": "UNKNOWN", "bill": "never"}],
            "not_charged",
            "state:UNDELIVERABLE",
            "SMS-betaling var ikkje mogleg",
            (0, 0),
        ),
    ],
)
async def test_the_operator_is_asked_and_its_ledger_decides(
    site: Callable[..., Site], rules: object, state: str, said: str, reply: str, billed: tuple[int, int]
) -> None:
    async with town(rules=rules) as operator:
        gateway = site(operator.simulator.port)
        asks(gateway)
        await gateway.start()
        await gateway.bound()
        operator.text("ORG1 Ola Nordmann ola@example.org")
        await operator.hears("Takk for din støtte!")
        operator.text("ORG1 BETAL 50")
        await operator.hears("Betalinga di er under handsaming")
        await operator.hears(reply)
        assert operator.billed == billed
        assert gateway.rows("SELECT state FROM charges") == [(state,)]
        ((kept,),) = gateway.rows("SELECT detail FROM charge_events WHERE evidence LIKE 'query_%'")
        assert said in kept
        assert (await gateway.get("/metrics"))[1].count('smsd_queries_total{operator="telco"') >= 1
        await gateway.stop()
