"""node-smpp's server as the operator: our link and the whole gateway bind to it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from node_stranger import Node
from smpp_network import Listener, SteppedClock
from smsc_kit import PATIENCE_S, bound, free, premium

from foundation.clock import SystemClock
from smsd.smpp.alphabet import Coding
from smsd.smpp.answers import AnswerKind
from smsd.smpp.link import Link, LinkSettings, LinkState
from smsd.smpp.pdu import (
    AlertNotification,
    Bind,
    CommandId,
    CommandStatus,
    DataSm,
    Npi,
    QuerySm,
    SubmitSm,
    Tag,
    Tlv,
    Ton,
    find,
)
from smsd.smpp.receipt import State, read_receipt
from smsd.smpp.segments import Method, assemble, read_content, split

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


# --- binding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [CommandId.BIND_TRANSCEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER]
)
async def test_we_bind_and_take_leave(node_smsc: Node, kind: CommandId) -> None:
    async with bound(await port_of(node_smsc), kind) as esme:
        bind = await node_smsc.gets(kind.name.lower())
        assert (bind["system_id"], bind["password"], bind["interface_version"]) == ("smsd", "secret", 0x34)
        assert esme.states == [LinkState.CONNECTING, LinkState.BINDING, LinkState.BOUND]
    await node_smsc.hears("closed")
    assert node_smsc.commands() == [kind.name.lower(), "unbind"]


async def test_a_refused_bind_is_told_by_its_status_and_tried_again(node_smsc: Node) -> None:
    listener = Listener()
    link = Link(
        LinkSettings(
            name="wrong",
            host="127.0.0.1",
            port=await port_of(node_smsc),
            bind=Bind(CommandId.BIND_TRANSCEIVER, "smsd", "wrong"),
            backoff_first_s=0.01,
            backoff_max_s=0.05,
        ),
        listener,
        clock=SystemClock(),
        random=random.Random(1),
    )
    running = asyncio.create_task(link.run())
    await listener.until(lambda: listener.states_seen().count(LinkState.DOWN) == 2)
    assert "ESME_RINVPASWD (invalid password)" in link.last_error
    await link.stop(0)
    await running
    assert LinkState.BOUND not in listener.states_seen()


async def test_an_smsc_that_unbinds_is_answered_and_bound_to_again(node_smsc: Node) -> None:
    async with bound(await port_of(node_smsc)) as esme:
        node_smsc.tell(do="unbind")
        answer = await node_smsc.answered()
        assert (answer["command"], answer["command_status"]) == ("unbind_resp", 0)
        await esme.until(lambda: esme.states.count(LinkState.BOUND) == 2)
        assert (await esme.send(free())).status == 0


async def test_each_side_answers_the_other_s_enquire_link(node_smsc: Node) -> None:
    async with bound(await port_of(node_smsc), enquire_link_s=0.05) as esme:
        for _ in range(3):
            await node_smsc.gets("enquire_link")
        node_smsc.tell(do="send", command="enquire_link", options={})
        answer = await node_smsc.answered()
        assert (answer["command"], answer["command_status"]) == ("enquire_link_resp", 0)
        assert esme.states[-1] is LinkState.BOUND


async def test_a_request_of_smpp_5_is_refused_and_the_link_goes_on(node_smsc: Node) -> None:
    """broadcast_sm is no command of 3.4: generic_nack with ESME_RINVCMDID (3.4 section 4.3)."""
    async with bound(await port_of(node_smsc)) as esme:
        node_smsc.tell(do="send", command="broadcast_sm", options={"sequence_number": 77})
        answer = await node_smsc.answered()
        assert (answer["command"], answer["command_status"], answer["sequence_number"]) == (
            "generic_nack",
            CommandStatus.ESME_RINVCMDID,
            77,
        )
        assert (await esme.send(free())).status == 0


async def test_a_request_that_only_an_esme_may_make_is_refused(node_smsc: Node) -> None:
    async with bound(await port_of(node_smsc)) as esme:
        node_smsc.tell(do="send", command="submit_sm", options={"short_message": b"hei"})
        answer = await node_smsc.answered()
        assert (answer["command"], answer["command_status"]) == (
            "submit_sm_resp",
            CommandStatus.ESME_RINVCMDID,
        )
        assert (await esme.send(free())).status == 0


# --- MT -----------------------------------------------------------------------------------------------------

PRICES = {
    "tlv": (Tlv.of_text(0x1403, "5000"), "price", "5000"),
    "octet string": (Tlv(0x1520, b"14001"), "product_code", "14001"),
    "number": (Tlv.of_int(0x2150, 24201, 4), "operator", 24201),
    "reference": (Tlv.of_int(Tag.USER_MESSAGE_REFERENCE, 14001, 2), "user_message_reference", 14001),
    "billing identification": (
        Tlv(Tag.BILLING_IDENTIFICATION, b"\x805000"),
        "billing_identification",
        {"format": 0x80, "data": {"hex": b"5000".hex()}},
    ),
    "unnamed": (Tlv(0x1519, b"\0\xff50"), str(0x1519), {"hex": "00ff3530"}),
}


@pytest.mark.parametrize("carrier", PRICES)
async def test_a_price_arrives_in_every_carrier(node_smsc: Node, carrier: str) -> None:
    tlv, name, value = PRICES[carrier]
    async with bound(await port_of(node_smsc)) as esme:
        mo_id = "0194f3a0-7b1e-7c55-8d5a-0f2b6f1e9a11"
        answer = await esme.send(premium(service_type="3115", tlvs=(tlv, Tlv(0x1502, mo_id.encode()))))
        seen = await node_smsc.gets("submit_sm")
    assert (answer.kind, answer.status, answer.message_id) == (AnswerKind.ANSWERED, 0, "1000")
    assert (seen[name], seen["mo_message_id"], seen["service_type"]) == (value, mo_id, "3115")


async def test_every_field_of_a_submit_sm_arrives(node_smsc: Node) -> None:
    sent = {
        "service_type": "CMT",
        "source_addr_ton": Ton.NETWORK_SPECIFIC.value,
        "source_addr_npi": Npi.PRIVATE.value,
        "source_addr": "2030",
        "dest_addr_ton": Ton.INTERNATIONAL.value,
        "dest_addr_npi": Npi.ISDN.value,
        "destination_addr": "4742000001",
        "esm_class": 3,
        "protocol_id": 0x41,
        "priority_flag": 1,
        "registered_delivery": 0x11,
        "replace_if_present_flag": 1,
        "data_coding": 0xF1,
        "sm_default_msg_id": 9,
    }
    async with bound(await port_of(node_smsc)) as esme:
        await esme.send(SubmitSm(**sent, short_message=b"hei"))
        seen = await node_smsc.gets("submit_sm")
    assert {name: seen[name] for name in sent} == sent


@pytest.mark.parametrize(
    "status",
    [CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL, CommandStatus.ESME_RINVDSTADR, 0x0401],
)
async def test_a_refusal_without_a_body_is_its_status(node_smsc: Node, status: int) -> None:
    """node-smpp leaves out the body of every response whose status is not 0 (3.4 section 4.4.2)."""
    async with bound(await port_of(node_smsc)) as esme:
        await node_smsc.sets(refusal=int(status))
        answer = await esme.send(premium())
        assert (answer.kind, answer.status, answer.message_id) == (AnswerKind.ANSWERED, status, "")
        await node_smsc.sets(refusal=0)
        assert (await esme.send(premium())).status == 0


async def test_an_unanswered_submit_sm_times_out_and_the_link_goes_on(node_smsc: Node) -> None:
    async with bound(await port_of(node_smsc), response_timeout_s=0.1) as esme:
        await node_smsc.sets(answering=False)
        assert (await esme.send(premium())).kind is AnswerKind.TIMED_OUT
        await node_smsc.sets(answering=True)
        # a slow machine may well let it time out again
        async with asyncio.timeout(PATIENCE_S):
            while (await esme.send(premium())).kind is not AnswerKind.ANSWERED:
                pass
        assert esme.states == [LinkState.CONNECTING, LinkState.BINDING, LinkState.BOUND]


async def test_a_full_window_is_answered_one_by_one(node_smsc: Node) -> None:
    async with bound(await port_of(node_smsc), window=50) as esme:
        assert esme.link is not None
        for number in range(50):
            assert esme.link.submit(premium(), number)
        assert not esme.link.submit(premium(), "no room")
        await esme.until(lambda: len(esme.answers) == len(esme.receipts) == 50)
    assert [(answer.tag, answer.message_id) for answer in esme.answers] == [
        (number, str(1000 + number)) for number in range(50)
    ]


@pytest.mark.parametrize("method", [Method.UDH8, Method.UDH16, Method.SAR, Method.PAYLOAD])
@pytest.mark.parametrize("text", ["Blåbærsyltetøy {€} " * 20, "Takk 🎉 " * 30], ids=["gsm", "ucs2"])
async def test_a_long_text_arrives_whole(node_smsc: Node, method: Method, text: str) -> None:
    parts = split(text, method=method, reference=9)
    async with bound(await port_of(node_smsc), window=len(parts)) as esme:
        for part in parts:
            await esme.send(
                premium(
                    short_message=part.short_message,
                    esm_class=part.esm_class,
                    data_coding=part.data_coding,
                    tlvs=part.tlvs,
                )
            )
        seen = [await node_smsc.gets("submit_sm") for _ in parts]
    key = "message_payload" if method is Method.PAYLOAD else "short_message"
    assert "".join(pdu[key]["message"] for pdu in seen) == text
    if method is Method.SAR:
        assert [
            (pdu["sar_msg_ref_num"], pdu["sar_total_segments"], pdu["sar_segment_seqnum"]) for pdu in seen
        ] == [(9, len(parts), number) for number in range(1, len(parts) + 1)]


async def test_an_smsc_that_stops_reading_is_left_and_bound_to_again(node_smsc: Node) -> None:
    """node-smpp takes PDUs of 16384 octets and reads no more after a longer one."""
    long = (Tlv(Tag.MESSAGE_PAYLOAD, b"x" * 20_000),)
    clock = SteppedClock()
    async with bound(
        await port_of(node_smsc), clock=clock, response_timeout_s=3600, enquire_link_s=20
    ) as esme:
        assert esme.link is not None
        assert esme.link.submit(premium(short_message=b"", tlvs=long), "long")
        assert "PDU length was too large" in (await node_smsc.hears("error"))["what"]
        wire = esme.link._wire
        assert wire is not None
        # the first asks, the second finds nobody
        for _ in range(2):
            clock.step(wire, 20)
        await esme.until(lambda: esme.states.count(LinkState.BOUND) == 2)
        assert [answer.kind for answer in esme.answers] == [AnswerKind.LOST]
        assert (await esme.send(free())).status == 0


async def test_query_sm_is_answered(node_smsc: Node) -> None:
    async with bound(await port_of(node_smsc)) as esme:
        assert esme.link is not None
        assert esme.link.submit(QuerySm("1000", 0, 0, "2030"), "query")
        await esme.until(lambda: bool(esme.answers))
        assert (await node_smsc.gets("query_sm"))["message_id"] == "1000"
    assert (esme.answers[0].kind, esme.answers[0].message_id) == (AnswerKind.ANSWERED, "1000")


# --- MO and receipts ----------------------------------------------------------------------------------------


async def test_a_receipt_names_its_message_and_is_answered(node_smsc: Node) -> None:
    async with bound(await port_of(node_smsc)) as esme:
        answer = await esme.send(premium())
        await esme.until(lambda: bool(esme.receipts))
        theirs = await node_smsc.answered()
    receipt = read_receipt(esme.receipts[0], Coding.GSM7)
    assert receipt is not None
    assert (receipt.message_id, receipt.state, receipt.final) == (answer.message_id, State.DELIVERED, True)
    assert (receipt.err, receipt.network_error, receipt.contradiction) == ("000", b"\x03\0\0", "")
    assert len(receipt.submit_date) == 10
    assert (theirs["command"], theirs["command_status"], theirs["message_id"]) == ("deliver_sm_resp", 0, "")


async def test_receipts_come_down_the_receiver_where_two_binds_share_the_work(node_smsc: Node) -> None:
    port = await port_of(node_smsc)
    async with (
        bound(port, CommandId.BIND_TRANSMITTER) as transmitter,
        bound(port, CommandId.BIND_RECEIVER) as receiver,
    ):
        answer = await transmitter.send(premium())
        await receiver.until(lambda: bool(receiver.receipts))
        assert receiver.link is not None
        assert not receiver.link.submit(premium(), "a receiver sends nothing")
    assert transmitter.receipts == []
    assert find(receiver.receipts[0].tlvs, Tag.RECEIPTED_MESSAGE_ID) == f"{answer.message_id}\0".encode()


MOS: dict[str, tuple[int, str]] = {
    "gsm": (0, "ORG1 Åse Bjørnæs {ase}@example.org €"),
    "latin-1": (3, "ORG1 Åse Bjørnæs ase@example.org"),
    "ucs2": (8, "ORG1 Łukasz 🎉 lukasz@example.org"),
}


@pytest.mark.parametrize("name", MOS)
async def test_a_text_from_a_phone_is_read_in_its_coding(node_smsc: Node, name: str) -> None:
    data_coding, text = MOS[name]
    async with bound(await port_of(node_smsc)) as esme:
        await deliver(node_smsc, data_coding=data_coding, short_message={"message": text})
        assert (await node_smsc.answered())["command_status"] == 0
    assert esme.texts() == [text]
    assert (esme.mos[0].source_addr, esme.mos[0].destination_addr) == ("4742000001", "2030")


async def test_a_long_text_from_a_phone_is_put_together(node_smsc: Node) -> None:
    text = "ORG1 Åse Bjørnæs ase@example.org " + "Smalgåshagen 2, 3120 Sandefjord. " * 8
    pieces = [text[at : at + 153] for at in range(0, len(text), 153)]
    async with bound(await port_of(node_smsc)) as esme:
        for number, piece in enumerate(pieces, 1):
            header = bytes((5, 0, 3, 200, len(pieces), number))
            await deliver(node_smsc, short_message={"udh": header, "message": piece})
        await esme.until(lambda: len(esme.mos) == len(pieces))
    contents = [read_content(mo, Coding.GSM7) for mo in esme.mos]
    parts = {content.part.number: content.payload for content in contents if content.part}
    assert assemble(parts, Coding.GSM7) == text


async def test_vendor_tlvs_of_a_text_are_kept_in_their_order(node_smsc: Node) -> None:
    async with bound(await port_of(node_smsc)) as esme:
        await deliver(node_smsc, short_message="hei", operator=24201, mo_message_id="mo-1", price="0")
        await esme.until(lambda: bool(esme.mos))
    assert esme.mos[0].tlvs == (
        Tlv.of_int(0x2150, 24201, 4),
        Tlv(0x1502, b"mo-1"),
        Tlv.of_text(0x1403, "0"),
    )


async def test_data_sm_and_alert_notification_are_taken(node_smsc: Node) -> None:
    listener = Listener()
    link = Link(
        LinkSettings(
            name="test",
            host="127.0.0.1",
            port=await port_of(node_smsc),
            bind=Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret"),
        ),
        listener,
        clock=SystemClock(),
        random=random.Random(1),
    )
    running = asyncio.create_task(link.run())
    await listener.until(lambda: link.state is LinkState.BOUND)
    options = {
        "source_addr": "4742000001",
        "destination_addr": "2030",
        "data_coding": 0,
        "message_payload": {"message": "by data_sm, æøå"},
    }
    node_smsc.tell(do="send", command="data_sm", options=options)
    answer = await node_smsc.answered()
    assert (answer["command"], answer["command_status"]) == ("data_sm_resp", 0)
    node_smsc.tell(do="send", command="alert_notification", options={"source_addr": "4742000001"})
    await listener.until(lambda: len(listener.frames) == 2)
    data, alert = (frame.pdu for frame in listener.frames)
    assert isinstance(data, DataSm)
    assert read_content(data, Coding.GSM7).text == "by data_sm, æøå"
    assert alert == AlertNotification(source_addr="4742000001")
    await link.stop(0)
    await running
