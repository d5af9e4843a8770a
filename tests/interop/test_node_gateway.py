"""The whole gateway with node-smpp's server as its operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gateway_process import Gateway
from node_stranger import Node

from smsd.smpp.pdu import (
    CommandStatus,
)

pytestmark = pytest.mark.real


async def port_of(node: Node) -> int:
    return int((await node.hears("listening"))["port"])


async def deliver(node: Node, **options: Any) -> None:
    """Has node-smpp send an MO."""
    usual = {
        "source_addr_ton": 1,
        "source_addr_npi": 1,
        "source_addr": "4742000001",
        "destination_addr": "2030",
    }
    node.tell(do="deliver", options={"data_coding": 0, **usual, **options})


async def test_the_gateway_charges_a_member_through_node_smpp(node_smsc: Node, tmp_path: Path) -> None:
    async with Gateway(tmp_path, await port_of(node_smsc)) as gateway:
        await node_smsc.gets("bind_transceiver")
        await deliver(node_smsc, short_message="ORG1 BETAL 50")
        processing, paid = [await node_smsc.gets("submit_sm") for _ in range(2)]
        assert await gateway.stop() == 0
        await node_smsc.gets("unbind")
    assert (processing["price"], processing["destination_addr"], processing["source_addr"]) == (
        "5000",
        "4742000001",
        "2030",
    )
    assert processing["short_message"]["message"].startswith("Betalinga di er under handsaming")
    assert processing["registered_delivery"] == 1
    assert "price" not in paid
    assert paid["short_message"]["message"].startswith("Betalinga di er motteken")
    assert set(node_smsc.commands()) <= {
        "bind_transceiver",
        "submit_sm",
        "deliver_sm_resp",
        "enquire_link",
        "unbind",
    }


async def test_the_gateway_tells_of_a_failed_charge_that_node_smpp_refused(
    node_smsc: Node, tmp_path: Path
) -> None:
    async with Gateway(tmp_path, await port_of(node_smsc)):
        await node_smsc.gets("bind_transceiver")
        await node_smsc.sets(refusal=int(CommandStatus.ESME_RSUBMITFAIL))
        await deliver(node_smsc, short_message="ORG1 BETAL 50")
        premium_one = await node_smsc.gets("submit_sm")
        await node_smsc.sets(refusal=0)
        told = await node_smsc.gets("submit_sm")
    assert premium_one["price"] == "5000"
    assert "price" not in told
    assert told["short_message"]["message"].startswith("SMS-betaling var ikkje mogleg")
