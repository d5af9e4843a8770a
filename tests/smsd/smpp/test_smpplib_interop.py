"""smpplib as the stranger: its client against our server, its PDUs against our codec."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from smpp_network import Network, SteppedClock, on_both_loops
from smpplib import client as smpplib_client
from smpplib import consts, exceptions, smpp

from smsd.smpp import pdu as p
from smsd.smpp.answers import Answer, AnswerKind
from smsd.smpp.codec import decode, encode
from smsd.smpp.constants import CommandId, CommandStatus, Tag


class Numbered:
    """What smpplib wants of a client in order to make a PDU."""

    sequence = 77

    def next_sequence(self) -> int:
        return self.sequence


def theirs(octets: bytes) -> object:
    return smpp.parse_pdu(octets, client=Numbered(), allow_unknown_opt_params=True)


def made(command: str, **fields: object) -> p.Frame:
    """A PDU that smpplib builds, read by us."""
    pdu = smpp.make_pdu(command, client=Numbered(), **fields)
    pdu.sequence = 77
    return decode(pdu.generate())


SM = {
    "service_type": "3115",
    "source_addr_ton": 1,
    "source_addr_npi": 2,
    "source_addr": "4790000001",
    "dest_addr_ton": 3,
    "dest_addr_npi": 4,
    "destination_addr": "2030",
    "esm_class": 5,
    "protocol_id": 6,
    "priority_flag": 7,
    "schedule_delivery_time": "260102030405000+",
    "validity_period": "000002000000000R",
    "registered_delivery": 8,
    "replace_if_present_flag": 9,
    "data_coding": 10,
    "sm_default_msg_id": 11,
}


def seen(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("cls", [p.SubmitSm, p.DeliverSm], ids=["submit_sm", "deliver_sm"])
def test_smpplib_reads_the_short_messages_we_write(cls):
    read = theirs(encode(cls(**SM, short_message=b"ORG1 BETAL 50"), 77))
    assert {name: seen(getattr(read, name)) for name in SM} == SM
    assert (read.short_message, read.sequence, read.status) == (b"ORG1 BETAL 50", 77, 0)


@pytest.mark.parametrize("command", ["submit_sm", "deliver_sm"])
def test_we_read_the_short_messages_that_smpplib_writes(command):
    frame = made(command, **SM, short_message=b"ORG1 BETAL 50", user_message_reference=258)
    assert (frame.sequence, p.command_of(frame.pdu).name.lower()) == (77, command)
    assert {name: getattr(frame.pdu, name) for name in SM} == SM
    assert frame.pdu.short_message == b"ORG1 BETAL 50"
    assert frame.pdu.tlvs == (p.Tlv(Tag.USER_MESSAGE_REFERENCE, b"\x01\x02"),)


def test_smpplib_reads_the_tlvs_that_it_knows_among_ours():
    tlvs = (
        p.Tlv.of_text(Tag.RECEIPTED_MESSAGE_ID, "0123456789"),
        p.Tlv(0x1403, b"vendor"),
        p.Tlv.of_int(Tag.MESSAGE_STATE, 2, 1),
        p.Tlv(Tag.NETWORK_ERROR_CODE, b"\x03\x00\x15"),
        p.Tlv.of_int(Tag.USER_MESSAGE_REFERENCE, 258, 2),
    )
    read = theirs(encode(p.DeliverSm(tlvs=tlvs), 77))
    assert read.receipted_message_id == b"0123456789"
    assert (read.message_state, read.network_error_code) == (2, b"\x03\x00\x15")
    assert read.user_message_reference == 258


@pytest.mark.parametrize("kind", ["transceiver", "transmitter", "receiver"])
def test_binds_are_read_both_ways(kind):
    frame = made(
        f"bind_{kind}",
        system_id="smsd",
        password="secret",
        system_type="VMA",
        interface_version=0x34,
        addr_ton=1,
        addr_npi=2,
        address_range="^20",
    )
    command = CommandId[f"BIND_{kind.upper()}"]
    bind = p.Bind(command, "smsd", "secret", "VMA", 0x34, 1, 2, "^20")
    assert frame == p.Frame(77, 0, bind)
    read = theirs(encode(bind, 77))
    assert (read.system_id, read.password, read.addr_npi) == (b"smsd", b"secret", 2)
    answer = theirs(encode(p.BindResp(CommandId(command | 0x80000000), "SMSC"), 77))
    assert (answer.command, answer.system_id) == (f"bind_{kind}_resp", b"SMSC")


@pytest.mark.parametrize(
    ("command", "pdu"),
    [
        ("unbind", p.Unbind()),
        ("unbind_resp", p.UnbindResp()),
        ("enquire_link", p.EnquireLink()),
        ("enquire_link_resp", p.EnquireLinkResp()),
        ("generic_nack", p.GenericNack()),
    ],
)
def test_bodyless_pdus_are_the_same_octets(command, pdu):
    assert made(command).pdu == pdu
    assert theirs(encode(pdu, 77)).command == command


def test_query_sm_and_its_answer_are_read_both_ways():
    fields = {"message_id": "id", "source_addr_ton": 1, "source_addr_npi": 2, "source_addr": "2030"}
    assert made("query_sm", **fields).pdu == p.QuerySm("id", 1, 2, "2030")
    read = theirs(encode(p.QuerySmResp("id", "2601020304050000", 2, 3), 77))
    assert (read.message_id, read.message_state, read.error_code) == (b"id", 2, 3)


# --- its client against our server -------------------------------------------------------------------------


class Phone:
    """smpplib's blocking client, driven from a thread; `received` are the deliver_sm it got."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.client = smpplib_client.Client(
            "127.0.0.1", port, timeout=60, ssl_context=tls, allow_unknown_opt_params=True
        )
        self.received: list[object] = []
        self.sent: list[object] = []
        self.client.set_message_received_handler(self._receive)
        self.client.set_message_sent_handler(self._answered)

    def _receive(self, pdu: object) -> None:
        self.received.append(pdu)

    def _answered(self, pdu: object) -> None:
        self.sent.append(pdu)

    def bind(self, kind: str = "transceiver", password: str = "secret") -> None:
        self.client.connect()
        getattr(self.client, f"bind_{kind}")(system_id="stranger", password=password)

    def submit(self, text: bytes) -> object:
        self.client.send_message(
            source_addr_ton=3,
            source_addr="2030",
            dest_addr_ton=1,
            dest_addr_npi=1,
            destination_addr="4790000001",
            short_message=text,
            registered_delivery=1,
        )
        before = len(self.sent)
        while len(self.sent) == before:
            self.client.read_once()
        return self.sent[-1]

    def leave(self) -> object:
        answer = self.client.unbind()
        self.client.disconnect()
        return answer


@on_both_loops
@pytest.mark.parametrize("kind", ["transceiver", "transmitter", "receiver"])
async def test_smpplibs_client_binds_and_leaves(kind):
    async with Network() as net:
        phone = Phone(net.server.port)
        await asyncio.to_thread(phone.bind, kind)
        assert net.smsc.conn.system_id == "stranger"
        assert net.smsc.conn.bound_kind is CommandId[f"BIND_{kind.upper()}"]
        answer = await asyncio.to_thread(phone.leave)
        assert (answer.command, answer.status) == ("unbind_resp", 0)
        await net.smsc.until(lambda: net.smsc.closed)
        assert net.smsc.closed == ["the ESME unbound"]


@on_both_loops
async def test_smpplibs_client_is_refused_with_the_status_of_the_handler():
    async with Network() as net:
        net.smsc.bind_statuses = [CommandStatus.ESME_RINVPASWD]
        phone = Phone(net.server.port)
        with pytest.raises(exceptions.PDUError) as caught:
            await asyncio.to_thread(phone.bind)
        assert caught.value.args[1] == consts.SMPP_ESME_RINVPASWD
        await asyncio.to_thread(phone.client.disconnect)


@on_both_loops
async def test_smpplibs_client_submits_and_is_answered():
    async with Network() as net:
        phone = Phone(net.server.port)
        await asyncio.to_thread(phone.bind)
        for number in range(20):
            answer = await asyncio.to_thread(phone.submit, b"text %d" % number)
            assert answer.message_id == f"id-{answer.sequence}".encode()
        texts = [frame.pdu.short_message for frame in net.smsc.frames]
        assert texts == [b"text %d" % number for number in range(20)]
        assert net.smsc.frames[0].pdu.registered_delivery == 1
        await asyncio.to_thread(phone.leave)


@on_both_loops
async def test_smpplibs_client_receives_and_answers():
    async with Network() as net:
        phone = Phone(net.server.port)
        await asyncio.to_thread(phone.bind)
        receipt = p.DeliverSm(
            source_addr="4790000001",
            destination_addr="2030",
            esm_class=4,
            short_message=b"id:1 stat:DELIVRD err:000",
            tlvs=(p.Tlv.of_text(Tag.RECEIPTED_MESSAGE_ID, "1"), p.Tlv(0x1403, b"vendor")),
        )
        assert net.smsc.conn.request(receipt, "receipt")
        await asyncio.to_thread(phone.client.read_once)
        await net.smsc.until(lambda: net.smsc.answers)
        assert net.smsc.answers == [Answer("receipt", AnswerKind.ANSWERED)]
        assert phone.received[0].short_message == receipt.short_message
        assert phone.received[0].receipted_message_id == b"1"
        await asyncio.to_thread(phone.leave)


@on_both_loops
async def test_smpplibs_client_answers_our_enquire_link():
    clock = SteppedClock()
    async with Network(clock=clock) as net:
        phone = Phone(net.server.port)
        await asyncio.to_thread(phone.bind)
        wire = net.smsc.conn.wire
        clock.step(wire, 30)
        assert wire.session.enquiring
        await asyncio.to_thread(phone.client.read_once)
        answer = await asyncio.to_thread(phone.submit, b"still here")
        assert answer.status == 0
        assert not wire.session.enquiring
        assert net.smsc.closed == []
        await asyncio.to_thread(phone.leave)
