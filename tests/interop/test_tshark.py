"""tshark's dissector as the reader of what we write: every kind of PDU, our links, the whole gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from capture import Chunk, Proxy, sent
from gateway_process import Gateway
from pdu_corpus import SEED, corpus
from smsc_kit import bound, eventually, free, premium, settings_of
from tshark_reading import Dissected, Reading, read

from simulators.smsc.app import Simulator, running
from smsd.smpp import pdu as p
from smsd.smpp.alphabet import Coding
from smsd.smpp.codec import FrameReader, encode
from smsd.smpp.constants import CommandId, CommandStatus, Tag
from smsd.smpp.link import LinkState
from smsd.smpp.segments import Method, read_content, split

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("tshark")]
UDHI = 0x40

_NUMBERS = {
    "source_addr_ton": "smpp.source_addr_ton",
    "source_addr_npi": "smpp.source_addr_npi",
    "dest_addr_ton": "smpp.dest_addr_ton",
    "dest_addr_npi": "smpp.dest_addr_npi",
    "esme_addr_ton": "smpp.esme_addr_ton",
    "esme_addr_npi": "smpp.esme_addr_npi",
    "protocol_id": "smpp.protocol_id",
    "priority_flag": "smpp.priority_flag",
    "data_coding": "smpp.data_coding",
    "sm_default_msg_id": "smpp.sm_default_msg_id",
    "interface_version": "smpp.interface_version",
    "error_code": "smpp.error_code",
}
_TEXTS = {
    "service_type": "smpp.service_type",
    "source_addr": "smpp.source_addr",
    "destination_addr": "smpp.destination_addr",
    "esme_addr": "smpp.esme_addr",
    "message_id": "smpp.message_id",
    "system_id": "smpp.system_id",
    "password": "smpp.password",
    "system_type": "smpp.system_type",
    "address_range": "smpp.address_range",
}


def frames_of(octets: bytes) -> list[p.Frame]:
    """The PDUs of one side, as we mean them."""
    reader = FrameReader()
    reader.feed(octets)
    found = list(reader.frames())
    assert all(isinstance(each, p.Frame) for each in found)
    assert reader.waiting_octets == 0
    return [each for each in found if isinstance(each, p.Frame)]


def same(seen: Dissected, meant: p.Frame) -> None:
    """tshark read the PDU as it was meant."""
    pdu = meant.pdu
    assert seen.number("smpp.command_id") == p.command_of(pdu)
    assert seen.number("smpp.sequence_number") == meant.sequence
    assert (seen.number("smpp.command_status") or 0) == meant.status
    if meant.status:
        # tshark does not look at what follows a status that is not 0
        return
    names = set(pdu.__struct_fields__)
    for name in names & _NUMBERS.keys():
        assert seen.number(_NUMBERS[name]) == getattr(pdu, name), name
    for name in names & _TEXTS.keys():
        assert (seen.text(_TEXTS[name]) or "") == getattr(pdu, name), name
    if isinstance(pdu, p.SubmitSm | p.DeliverSm | p.SubmitMulti | p.ReplaceSm):
        assert b"".join(seen.octets("smpp.message")) == pdu.short_message
        assert seen.number("smpp.sm_length") == len(pdu.short_message)
    if isinstance(pdu, p.SubmitMulti):
        listed = [one.list_name for one in pdu.destinations if one.list_name]
        assert [octets.rstrip(b"\0").decode() for octets in seen.octets("smpp.dl_name")] == listed
    tlvs = getattr(pdu, "tlvs", ())
    assert seen.octets("smpp.opt_param_tag") == [tlv.tag.to_bytes(2, "big") for tlv in tlvs]
    assert seen.octets("smpp.opt_param_len") == [len(tlv.value).to_bytes(2, "big") for tlv in tlvs]


def all_the_same(reading: Reading, meant: list[p.Frame]) -> None:
    assert reading.complaints == []
    assert len(reading.pdus) == len(meant)
    for seen, frame in zip(reading.pdus, meant, strict=True):
        same(seen, frame)


def without_header(frame: p.Frame) -> p.Frame:
    """Random octets are no user data header, so a PDU of random octets must not say that one is there."""
    esm_class = getattr(frame.pdu, "esm_class", 0) & ~UDHI
    pdu: Any = frame.pdu
    if "esm_class" not in pdu.__struct_fields__:
        return frame
    return msgspec.structs.replace(frame, pdu=msgspec.structs.replace(pdu, esm_class=esm_class))


# --- PDU by PDU ---------------------------------------------------------------------------------------------


async def test_every_kind_of_pdu_is_read_as_it_was_meant(tmp_path: Path) -> None:
    frames = [without_header(frame) for frame in corpus(8, SEED + 2)]
    chunks = [Chunk(0, True, encode(frame.pdu, frame.sequence)) for frame in frames]
    all_the_same(await read(tmp_path, chunks), frames)


async def test_a_pdu_of_several_packets_and_several_of_one_are_read(tmp_path: Path) -> None:
    frames = [without_header(frame) for frame in corpus(2, SEED + 3)]
    octets = b"".join(encode(frame.pdu, frame.sequence) for frame in frames)
    chunks = [Chunk(0, True, octets[at : at + 700]) for at in range(0, len(octets), 700)]
    all_the_same(await read(tmp_path, chunks), frames)


@pytest.mark.parametrize(
    "wrong",
    [
        encode(p.SubmitSm(short_message=b"hei"), 1)[:-1] + b"\0\x01\0\x09\xff",
        encode(p.SubmitSm(short_message=b"hei", tlvs=(p.Tlv(0x1403, b"5000\0"),)), 1)[:-3],
    ],
    ids=["a TLV that says too much", "a TLV cut short"],
)
async def test_what_is_wrong_is_complained_of(tmp_path: Path, wrong: bytes) -> None:
    """The proof that the other tests can fail."""
    octets = len(wrong).to_bytes(4, "big") + wrong[4:]
    assert (await read(tmp_path, [Chunk(0, True, octets)])).complaints


@pytest.mark.parametrize("text", ["Blåbær {€} ÆØÅ " * 20, "Дякую 🎉 " * 30], ids=["gsm", "ucs2"])
@pytest.mark.parametrize("method", [Method.UDH8, Method.UDH16])
async def test_the_headers_of_a_long_text_are_read_and_its_parts_put_together(
    tmp_path: Path, method: Method, text: str
) -> None:
    parts = split(text, method=method, reference=0x4D)
    frames = [
        p.Frame(
            number,
            0,
            p.SubmitSm(
                source_addr="2030",
                destination_addr="4742000001",
                esm_class=part.esm_class,
                data_coding=part.data_coding,
                short_message=part.short_message,
            ),
        )
        for number, part in enumerate(parts, 1)
    ]
    reading = await read(tmp_path, [Chunk(0, True, encode(frame.pdu, frame.sequence)) for frame in frames])
    assert [pdu.number("smpp.sequence_number") for pdu in reading.pdus] == list(range(1, len(parts) + 1))
    assert reading.complaints == []
    assert reading.headers == [(0x4D, len(parts), number) for number in range(1, len(parts) + 1)]


# --- our links ----------------------------------------------------------------------------------------------

PRICES = (
    p.Tlv.of_text(0x1403, "5000"),
    p.Tlv(0x1502, b"0194f3a0-7b1e-7c55-8d5a-0f2b6f1e9a11"),
    p.Tlv.of_int(0x2150, 24201, 4),
    p.Tlv.of_int(Tag.USER_MESSAGE_REFERENCE, 14001, 2),
    p.Tlv(Tag.BILLING_IDENTIFICATION, b"\x805000"),
)


FROM_ESME = {
    CommandId.BIND_TRANSCEIVER,
    CommandId.BIND_TRANSMITTER,
    CommandId.BIND_RECEIVER,
    CommandId.SUBMIT_SM,
    CommandId.DATA_SM,
    CommandId.QUERY_SM,
    CommandId.DELIVER_SM_RESP,
    CommandId.ENQUIRE_LINK,
    CommandId.UNBIND,
}
FROM_SMSC = {CommandId(command ^ 0x80000000) for command in FROM_ESME}


async def test_all_that_links_and_simulator_say_is_read_as_it_was_meant(tmp_path: Path) -> None:
    script = {"limits": {"enquire_link_s": 0.2, "response_timeout_s": 5, "retry_s": 0.01}}
    async with (
        running(settings_of(**script)) as simulator,
        Proxy(simulator.port) as proxy,
        httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as control,
    ):
        async with bound(proxy.port, enquire_link_s=0.05) as esme:
            assert esme.link is not None
            for tlv in PRICES:
                await esme.send(free(service_type="3115"))
                await esme.send(premium(tlvs=(PRICES[0], tlv) if tlv is not PRICES[0] else (tlv,)))
            for method in Method:
                for part in split("Blåbær {€} ÆØÅ " * 20, method=method, reference=9):
                    fields = {name: getattr(part, name) for name in part.__struct_fields__}
                    await esme.send(premium(**fields))
            await esme.send(premium(price=b"many\0"))
            await esme.send(free(source_addr="Org One", source_addr_ton=5, source_addr_npi=0))
            data = p.DataSm(
                source_addr="2030",
                destination_addr="4799999999",
                tlvs=(p.Tlv(Tag.MESSAGE_PAYLOAD, b"by data_sm"), PRICES[0]),
            )
            for pdu in (data, p.QuerySm("12", 0, 0, "2030")):
                before = len(esme.answers)
                assert esme.link.submit(pdu, pdu)
                await esme.until(lambda before=before: len(esme.answers) > before)
            esme.status = CommandStatus.ESME_RX_T_APPN
            await control.post("/mo", json={"from": "+4799999999", "to": "2030", "text": "put off"})
            await esme.until(lambda: bool(esme.mos))
            esme.status = 0
            for text in ("ORG1 BETAL 50", "Дякую 🎉 " * 30):
                await control.post("/mo", json={"from": "+4799999999", "to": "2030", "text": text})
            await esme.until(lambda: "ORG1 BETAL 50" in esme.taken_texts() and len(esme.taken) >= 6)

            async def enquiries() -> int:
                await asyncio.sleep(0)
                both = (frames_of_whole(proxy, from_esme=side) for side in (True, False))
                return sum(isinstance(frame.pdu, p.EnquireLink) for frames in both for frame in frames)

            await eventually(enquiries, lambda count: count >= 2)
        for kind in (CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER):
            async with bound(proxy.port, kind) as esme:
                assert esme.states[-1] is LinkState.BOUND
        chunks = list(proxy.chunks)

    for from_esme, wanted in ((True, FROM_ESME), (False, FROM_SMSC)):
        side = [chunk for chunk in chunks if chunk.from_esme is from_esme]
        side.sort(key=lambda chunk: chunk.connection)
        meant = frames_of(sent(side, from_esme=from_esme))
        assert {p.command_of(frame.pdu) for frame in meant} >= wanted
        all_the_same(await read(tmp_path, side), meant)
    assert (await read(tmp_path, chunks)).complaints == []


def frames_of_whole(proxy: Proxy, *, from_esme: bool) -> list[p.Frame]:
    """What became whole until now."""
    reader = FrameReader()
    reader.feed(sent(proxy.chunks, from_esme=from_esme))
    return [each for each in reader.frames() if isinstance(each, p.Frame)]


async def test_refusals_by_us_in_either_role_are_read(tmp_path: Path, simulator: Simulator) -> None:
    """A response whose status is not 0 has no body (3.4 sections 4.1.2 and 4.4.2)."""
    requests = [
        p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "wrong"),
        p.SubmitSm(short_message=b"before any bind"),
        p.Unbind(),
        p.DeliverSm(short_message=b"an SMSC's to send"),
    ]
    async with Proxy(simulator.port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        octets = [encode(pdu, number) for number, pdu in enumerate(requests, 1)]
        for request in (*octets, bytes.fromhex("00000010000001110000000000000063")):
            writer.write(request)
            await reader.readexactly(16)
        writer.close()
        chunks = [chunk for chunk in proxy.chunks if not chunk.from_esme]
    reading = await read(tmp_path, chunks)
    all_the_same(reading, frames_of(sent(chunks, from_esme=False)))
    assert [pdu.number("smpp.command_status") for pdu in reading.pdus] == [
        CommandStatus.ESME_RINVPASWD,
        CommandStatus.ESME_RINVBNDSTS,
        CommandStatus.ESME_RINVBNDSTS,
        CommandStatus.ESME_RINVCMDID,
        CommandStatus.ESME_RINVCMDID,
    ]


# --- the whole gateway --------------------------------------------------------------------------------------

CONVERSATIONS = {
    "+4742000001": "ORG1 BETAL 50",
    "+4742000002": "ORG1 BETAL 49.90",
    "+4742000003": "ORG1 MEDLEM",
    "+4742000005": "ORG1 BETAL 50",
    "+4742000009": "ORG1 Łukasz Ås lukasz@example.org " + "Smalgåshagen 2, 3120 Sandefjord. " * 6,
    "+4742000010": "ORG2 Åse Bjørnæs ase@example.org",
    "+4740000011": "ORG2 Uten Kreditt uten@example.org",
    "+4742000012": "hjelp",
    "+4742000013": "noko heilt anna",
    "+4742000014": "STOPP",
}


async def test_a_whole_run_of_the_gateway_is_read_without_a_complaint(tmp_path: Path) -> None:
    async with (
        running(settings_of()) as simulator,
        Proxy(simulator.port) as proxy,
        httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as control,
        Gateway(tmp_path, proxy.port, SMSD_OPERATORS__telco__ENQUIRE_LINK_S="1") as gateway,
    ):
        for number, text in CONVERSATIONS.items():
            answer = await control.post("/mo", json={"from": number, "to": "2030", "text": text})
            assert answer.status_code == 200

        async def answered() -> int:
            found = [(await control.get(f"/phones/{number}")).json()["messages"] for number in CONVERSATIONS]
            return sum(any(each["direction"] == "mt" for each in messages) for messages in found)

        async with asyncio.timeout(120):
            while await answered() < len(CONVERSATIONS):
                await asyncio.sleep(0.02)
            while len((await control.get("/ledger")).json()["rows"]) < 3:
                await asyncio.sleep(0.02)
        assert await gateway.stop() == 0
        chunks = list(proxy.chunks)
        rows = (await control.get("/ledger")).json()["rows"]

    assert (await read(tmp_path, chunks)).complaints == []
    ours = [chunk for chunk in chunks if chunk.from_esme]
    meant = frames_of(sent(ours, from_esme=True))
    reading = await read(tmp_path, ours)
    all_the_same(reading, meant)

    assert p.command_of(meant[0].pdu) is CommandId.BIND_TRANSCEIVER
    assert p.command_of(meant[-1].pdu) is CommandId.UNBIND
    requests = [frame for frame in meant if not p.command_of(frame.pdu) & 0x80000000]
    assert [frame.sequence for frame in requests] == list(range(1, len(requests) + 1))
    submits = [
        (seen, frame.pdu)
        for seen, frame in zip(reading.pdus, meant, strict=True)
        if isinstance(frame.pdu, p.SubmitSm)
    ]
    assert {f"+{seen.text('smpp.destination_addr')}" for seen, _ in submits} == set(CONVERSATIONS)
    assert {seen.text("smpp.source_addr") for seen, _ in submits} == {"2030"}
    priced = {
        (f"+{seen.text('smpp.destination_addr')}", seen.octets("smpp.vendor_op")[0])
        for seen, pdu in submits
        if pdu.tlvs
    }
    assert priced == {(row["number"], f"{row['amount_ore']}\0".encode()) for row in rows}
    assert {seen.shown("smpp.validity_period_r") != [] for seen, _ in submits} == {True}
    for seen, pdu in submits:
        assert read_content(pdu, Coding.GSM7).text.strip()
        assert seen.number("smpp.regdel.receipt") == 1 or not pdu.tlvs
