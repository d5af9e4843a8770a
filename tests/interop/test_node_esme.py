"""node-smpp's client as an ESME of the simulated operator."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from node_stranger import Node
from smsc_kit import eventually

from simulators.smsc.app import Simulator
from smsd.smpp.constants import CommandStatus

pytestmark = pytest.mark.real
PHONE = "+4799999999"


async def asks(node: Node, command: str, **options: Any) -> dict[str, Any]:
    """Has node-smpp send a request; the answer."""
    node.tell(command=command, options=options)
    return await node.answered()


async def binds(node: Node, kind: str = "transceiver", **options: Any) -> dict[str, Any]:
    return await asks(node, f"bind_{kind}", **{"system_id": "smsd", "password": "secret", **options})


async def submits(node: Node, text: str = "hei", **options: Any) -> dict[str, Any]:
    usual = {
        "source_addr": "2030",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": "4799999999",
        "data_coding": 0,
        "short_message": {"message": text},
    }
    return await asks(node, "submit_sm", **{**usual, **options})


async def phone(control: httpx.AsyncClient) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await control.get(f"/phones/{PHONE}")).json()["messages"]
    return messages


@pytest.mark.parametrize("kind", ["transceiver", "transmitter", "receiver"])
async def test_node_smpp_binds_and_takes_leave(node_esme: Node, simulator: Simulator, kind: str) -> None:
    answer = await binds(node_esme, kind)
    assert (answer["command"], answer["command_status"]) == (f"bind_{kind}_resp", 0)
    assert (answer["system_id"], answer["sc_interface_version"]) == ("smsc-sim", 0x34)
    assert [info.kind for info in simulator.smsc.binds.values()] == [kind]
    assert (await asks(node_esme, "unbind"))["command_status"] == 0
    await node_esme.hears("closed")
    assert simulator.smsc.binds == {}


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [
        ("nobody", "secret", CommandStatus.ESME_RINVSYSID),
        ("smsd", "wrong", CommandStatus.ESME_RINVPASWD),
    ],
)
async def test_wrong_credentials_are_refused_by_their_status(
    node_esme: Node, system_id: str, password: str, status: int
) -> None:
    answer = await binds(node_esme, system_id=system_id, password=password)
    assert answer["command_status"] == status


async def test_what_comes_before_a_bind_is_refused(node_esme: Node) -> None:
    assert (await submits(node_esme))["command_status"] == CommandStatus.ESME_RINVBNDSTS
    assert (await binds(node_esme))["command_status"] == 0
    assert (await binds(node_esme))["command_status"] == CommandStatus.ESME_RALYBND


async def test_a_premium_message_is_billed_and_receipted(
    node_esme: Node, simulator: Simulator, control: httpx.AsyncClient
) -> None:
    await binds(node_esme)
    answer = await submits(node_esme, "Betalinga di er under handsaming", price="5000", registered_delivery=1)
    receipt = await node_esme.gets("deliver_sm")
    assert answer["command_status"] == 0
    assert receipt["esm_class"] == 4
    assert (receipt["receipted_message_id"], receipt["message_state"]) == (answer["message_id"], 2)
    text = receipt["short_message"]["message"]
    assert text.startswith(f"id:{answer['message_id']} sub:001 dlvrd:001 submit date:")
    assert "stat:DELIVRD err:000" in text
    assert (receipt["source_addr"], receipt["destination_addr"]) == ("4799999999", "2030")
    [row] = (await control.get("/ledger")).json()["rows"]
    assert (row["event"], row["amount_ore"], row["number"]) == ("billed", 5000, PHONE)
    [message] = await phone(control)
    assert (message["text"], message["price_ore"]) == ("Betalinga di er under handsaming", 5000)


async def test_a_number_without_credit_is_told_as_undelivered(node_esme: Node) -> None:
    await binds(node_esme)
    answer = await submits(node_esme, price="5000", registered_delivery=1, destination_addr="4740000001")
    receipt = await node_esme.gets("deliver_sm")
    assert (receipt["receipted_message_id"], receipt["message_state"]) == (answer["message_id"], 5)
    assert "stat:UNDELIV err:0021" in receipt["short_message"]["message"]


@pytest.mark.parametrize(
    ("data_coding", "text"),
    [(0, "Blåbær {€} ÆØÅ"), (3, "Blåbær § ÆØÅ"), (8, "Łukasz 🎉 你好")],
    ids=["gsm", "latin-1", "ucs2"],
)
async def test_a_message_arrives_on_the_phone_in_its_coding(
    node_esme: Node, control: httpx.AsyncClient, data_coding: int, text: str
) -> None:
    await binds(node_esme)
    await submits(node_esme, text, data_coding=data_coding)
    assert [message["text"] for message in await phone(control)] == [text]


@pytest.mark.parametrize("data_coding", [0, 8])
async def test_a_long_message_is_put_together_on_the_phone(
    node_esme: Node, control: httpx.AsyncClient, data_coding: int
) -> None:
    text = "Gjelder medlemskap i år. " * 16
    pieces = [text[at : at + 66] for at in range(0, len(text), 66)]
    await binds(node_esme)
    for number, piece in reversed(list(enumerate(pieces, 1))):
        header = bytes((6, 8, 4, 1, 2, len(pieces), number))
        message = {"udh": header, "message": piece}
        assert (await submits(node_esme, data_coding=data_coding, short_message=message))["message_id"]
    [message] = await phone(control)
    assert (message["text"], message["segments"]) == (text, len(pieces))


async def test_a_message_in_message_payload_arrives(node_esme: Node, control: httpx.AsyncClient) -> None:
    text = "æøå " * 100
    await binds(node_esme)
    await submits(node_esme, short_message=b"", message_payload={"message": text})
    assert [message["text"] for message in await phone(control)] == [text]


@pytest.mark.parametrize(
    "text",
    ["ORG1 BETAL 50 æøå {€}", "ORG1 Łukasz 🎉", "Smalgåshagen 2. " * 20, "Дякую 🎉 " * 20],
    ids=["gsm", "ucs2", "long gsm", "long ucs2"],
)
@pytest.mark.parametrize("method", ["udh8", "udh16", "sar", "payload"])
async def test_node_smpp_reads_what_a_phone_texts(
    node_esme: Node, control: httpx.AsyncClient, text: str, method: str
) -> None:
    await binds(node_esme)
    body = {"from": PHONE, "to": "2030", "text": text, "method": method}
    segments = (await control.post("/mo", json=body)).json()["segments"]
    mos = [await node_esme.gets("deliver_sm") for _ in range(segments)]
    whole = "".join((mo.get("message_payload") or mo["short_message"])["message"] for mo in mos)
    assert whole == text
    assert {(mo["source_addr"], mo["destination_addr"]) for mo in mos} == {("4799999999", "2030")}
    if method == "sar" and segments > 1:
        assert [mo["sar_segment_seqnum"] for mo in mos] == list(range(1, segments + 1))
    await eventually(lambda: phone(control), lambda messages: messages[0]["state"] == "delivered")


async def test_tlvs_of_a_text_travel_with_it(node_esme: Node, control: httpx.AsyncClient) -> None:
    await binds(node_esme)
    tlvs = [{"tag": "0x1502", "text": "mo-1"}, {"tag": "0x2150", "hex": "00005e89"}]
    await control.post("/mo", json={"from": PHONE, "to": "2030", "text": "hei", "tlvs": tlvs})
    mo = await node_esme.gets("deliver_sm")
    assert (mo["mo_message_id"], mo["operator"]) == ("mo-1", 24201)


async def test_query_sm_tells_the_state(node_esme: Node) -> None:
    await binds(node_esme)
    message_id = (await submits(node_esme, registered_delivery=1))["message_id"]
    await node_esme.gets("deliver_sm")
    answer = await asks(node_esme, "query_sm", message_id=message_id, source_addr="2030")
    assert (answer["message_id"], answer["message_state"]) == (message_id, 2)
    unknown = await asks(node_esme, "query_sm", message_id="12", source_addr="2030")
    assert unknown["command_status"] == CommandStatus.ESME_RQUERYFAIL


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("cancel_sm", CommandStatus.ESME_RINVMSGID),
        ("replace_sm", CommandStatus.ESME_RINVMSGID),
        ("submit_multi", CommandStatus.ESME_RINVCMDID),
    ],
)
async def test_what_the_simulator_does_not_do_is_refused_in_its_own_response(
    node_esme: Node, command: str, status: int
) -> None:
    await binds(node_esme)
    options = {"dest_address": [{"destination_addr": "4799999999"}]} if command == "submit_multi" else {}
    node_esme.tell(command=command, options={"message_id": "12", "data_coding": 0, **options})
    answer = (await node_esme.next(lambda said: said.get("event") in ("answer", "pdu")))["pdu"]
    assert (answer["command"], answer["command_status"]) == (f"{command}_resp", status)


async def test_a_command_of_smpp_5_gets_a_generic_nack(node_esme: Node) -> None:
    await binds(node_esme)
    answer = await asks(node_esme, "broadcast_sm", data_coding=0)
    assert (answer["command"], answer["command_status"]) == ("generic_nack", CommandStatus.ESME_RINVCMDID)
    assert (await asks(node_esme, "enquire_link"))["command"] == "enquire_link_resp"


async def test_many_messages_at_once_are_answered_in_order(node_esme: Node) -> None:
    await binds(node_esme)
    for number in range(200):
        options = {
            "source_addr": "2030",
            "destination_addr": f"4791{number:06d}",
            "data_coding": 0,
            "short_message": b"hei",
        }
        node_esme.tell(command="submit_sm", options=options)
    answers = [await node_esme.answered() for _ in range(200)]
    assert {answer["command_status"] for answer in answers} == {0}
    numbers = [answer["sequence_number"] for answer in answers]
    assert numbers == sorted(numbers)
    assert len({answer["message_id"] for answer in answers}) == 200


async def test_a_simulator_that_stops_closes_the_bind(node_esme: Node, simulator: Simulator) -> None:
    await binds(node_esme)
    await simulator.stop()
    await node_esme.hears("closed")
    await simulator.start()
