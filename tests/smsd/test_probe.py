"""A probe tells what an SMSC is like, in words to act on; it sends no price and takes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playbook import operator
from programs import need
from typer.testing import CliRunner

from foundation.clock import SystemClock
from foundation.settings import ConfigurationError
from foundation.settings_tables import TlsSettings
from simulators.smsc.app import Simulator, running
from simulators.smsc.origination import Text
from simulators.smsc.settings import Script, SmscSettings
from simulators.stage import free_port
from smsd.cli import app
from smsd.probe import TEXT, Ask, probe
from smsd.probe_file import read_operator
from smsd.probe_words import Seen, advice, all_well, told
from smsd.settings import Operator, Price
from smsd.smpp import pdu as p
from smsd.smpp.alphabet import Coding, fits
from smsd.smpp.answers import Answer
from smsd.smpp.codec import encode
from smsd.smpp.constants import CommandId, CommandStatus, Tag
from smsd.smpp.server import ServerConnection, SmppServer
from smsd.smpp.session import SessionSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))
from smsc_kit import bound

OLA = "+4799999999"
ASK = Ask(OLA, "2030", wait_s=5)
ROOT = Path(__file__).parents[2]


def account(port: int, **settings: Any) -> Operator:
    given: dict[str, Any] = {"port": port, "system_id": "smsd", "bind_timeout_s": 1.0, **settings}
    return operator(price=Price(carrier="tlv", tag=0x1403, unit="ore"), **given)


async def visit(account: Operator, ask: Ask | None = None) -> Seen:
    async with asyncio.timeout(60):
        (seen,) = await probe(account, ask or Ask(), clock=SystemClock())
        return seen


def words(seen: Seen, account: Operator) -> str:
    return "\n".join(told(seen, account))


@contextlib.asynccontextmanager
async def simulated(**script: Any) -> AsyncIterator[Simulator]:
    made = Script.model_validate({"receipts": {"delay_s": 0}, **script})
    async with running(SmscSettings(port=0, control_port=0, script=made)) as simulator:
        yield simulator


# --- binding


async def test_a_good_profile_is_told_to_fit() -> None:
    async with simulated() as simulator:
        mine = account(simulator.port)
        seen = await visit(mine)
    shown = words(seen, mine)
    assert all_well(seen, mine)
    for line in (
        "the SMSC calls itself 'smsc-sim'",
        "announces sc_interface_version 3.4 (0x34)",
        "enquire_link answered in",
        "without TLS",
        "The profile fits what was seen.",
    ):
        assert line in shown
    assert simulator.smsc.submitted == 0


async def test_both_ways_are_probed_where_the_profile_has_two() -> None:
    async with simulated() as simulator:
        mine = account(simulator.port, bind="transmitter+receiver", binds=4)
        seen = await visit(mine)
    assert [bind.kind for bind in seen.binds] == ["bind_transmitter", "bind_receiver"]
    assert all_well(seen, mine)


@pytest.mark.parametrize(
    ("settings", "why", "to_do"),
    [
        ({"password": "wrong"}, "the password is wrong", "ask the operator for the password"),
        ({"system_id": "nobody"}, "the system_id is not known there", "compare system_id"),
    ],
)
async def test_refused_credentials_are_told_without_the_password(
    settings: dict[str, Any], why: str, to_do: str
) -> None:
    async with simulated() as simulator:
        mine = account(simulator.port, **settings)
        seen = await visit(mine)
    shown = words(seen, mine)
    assert why in shown
    assert to_do in shown
    assert not all_well(seen, mine)
    assert "secret" not in shown
    assert "'wrong'" not in shown


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("0x0A", "the short code is not open to this account as sender: ESME_RINVSRCADR"),
        ("0x58", "it takes no more just now: try again later, and lower rate: ESME_RTHROTTLED"),
        ("0x14", "its queue is full: try again later: ESME_RMSGQFUL"),
    ],
)
async def test_a_refused_message_is_told_in_words(status: str, why: str) -> None:
    async with simulated(rules=[{"refuse": status}]) as simulator:
        mine = account(simulator.port)
        seen = await visit(mine, ASK)
    assert f"the SMSC refused a message: {why}" in words(seen, mine)
    assert advice(seen, mine) == []


async def test_a_status_of_the_operators_own_is_asked_about_unless_the_profile_knows_it() -> None:
    async with simulated(rules=[{"refuse": "0x0401"}]) as simulator:
        mine = account(simulator.port)
        assert [line.key for line in advice(await visit(mine, ASK), mine)] == ['outcomes."0x00000401"']
        mine = account(simulator.port, outcomes={"0x401": "no_credit"})
        assert advice(await visit(mine, ASK), mine) == []


async def test_an_smsc_that_takes_a_bind_and_ends_it_is_told_as_that() -> None:
    async with asyncio.timeout(20):
        server = await asyncio.start_server(_binds_and_closes, "127.0.0.1", 0)
        mine = account(server.sockets[0].getsockname()[1])
        seen = await visit(mine)
        server.close()
    shown = words(seen, mine)
    assert "the SMSC unbound as soon as it had taken the bind: most often the account is in use" in shown
    assert "enquire_link was not answered" not in shown
    assert not all_well(seen, mine)


async def _binds_and_closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
    answer = p.BindResp(CommandId.BIND_TRANSCEIVER_RESP, "SMSC")
    writer.write(encode(answer, 1) + encode(p.Unbind(), 1))
    await reader.read()
    writer.close()


class Smsc:
    """A small SMSC of a test's own; submit_sm are answered with `message_id`, then `then` is called."""

    def __init__(self) -> None:
        self.status = 0
        self.message_id = "4711"
        self.submit_status = 0
        self.submits: list[p.SubmitSm] = []
        self.answers: list[Answer] = []
        self.before: list[p.Pdu] = []
        self.after: list[p.Pdu] = []
        self.closed = asyncio.Event()
        self.tlvs: tuple[p.Tlv, ...] | None = None

    def on_bind(self, conn: ServerConnection, frame: p.Frame) -> int | None:
        if self.tlvs is None or self.status:
            return self.status
        assert isinstance(frame.pdu, p.Bind)
        answer = p.BindResp(CommandId(frame.pdu.kind | 0x80000000), "Telco", self.tlvs)
        conn.respond(frame, answer)
        return None

    def on_requests(self, conn: ServerConnection, frames: list[p.Frame]) -> None:
        for frame in frames:
            assert isinstance(frame.pdu, p.SubmitSm)
            self.submits.append(frame.pdu)
            for pdu in self.before:
                conn.request(pdu, pdu)
            conn.respond(frame, p.SubmitSmResp(self.message_id), self.submit_status)
            for pdu in self.after:
                conn.request(pdu, pdu)

    def on_answers(self, conn: ServerConnection, answers: list[Answer]) -> None:
        self.answers += answers

    def on_closed(self, conn: ServerConnection, reason: str) -> None:
        self.closed.set()


@contextlib.asynccontextmanager
async def served(smsc: Smsc, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = SmppServer(smsc, settings=SessionSettings(window=50), tls=tls)
    await server.start()
    try:
        yield server.port
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("status", "to_do"),
    [
        (CommandStatus.ESME_RALYBND, "stop smsd and probe again"),
        (CommandStatus.ESME_RBINDFAIL, "whether the account is open"),
        (CommandStatus.ESME_RINVSYSTYP, "what system_type to give"),
        (CommandStatus.ESME_RINVCMDID, 'bind = "transmitter+receiver"'),
        (CommandStatus.ESME_RTHROTTLED, "wait a minute"),
        (0x00000421, "status 0x00000421 (not one of SMPP 3.4's)"),
    ],
)
async def test_each_refusal_says_what_to_do(status: int, to_do: str) -> None:
    smsc = Smsc()
    smsc.status = status
    async with served(smsc) as port:
        mine = account(port)
        seen = await visit(mine)
    assert to_do in words(seen, mine)
    assert not all_well(seen, mine)


async def test_what_the_smsc_announces_beside_its_version_is_told() -> None:
    smsc = Smsc()
    smsc.tlvs = (
        p.Tlv(Tag.SC_INTERFACE_VERSION, b"\x50"),
        p.Tlv(0x1501, b"node 7\0"),
        p.Tlv(0x1502, b"\xff\0"),
    )
    async with served(smsc) as port:
        mine = account(port)
        shown = words(await visit(mine), mine)
    assert "sc_interface_version 5.0 (0x50)" in shown
    assert '0x1501 (not of the specification) = "node 7" and a NUL' in shown
    assert "0x1502 (not of the specification) = 0xff00" in shown


async def test_an_smsc_of_an_older_version_is_told_to_the_profile() -> None:
    smsc = Smsc()
    smsc.tlvs = (p.Tlv(Tag.SC_INTERFACE_VERSION, b"\x33"),)
    async with served(smsc) as port:
        mine = account(port)
        lines = advice(await visit(mine), mine)
    assert [(line.key, line.value) for line in lines] == [("interface_version", '"3.3"')]


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def port_of(behaviour: Behaviour) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await behaviour(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.transport.abort()


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def wants_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"\x15\x03\x03\x00\x02\x02\x46")
    await reader.read(-1)


async def is_a_web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await reader.read(-1)


async def is_ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await reader.read(-1)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (hangs_up, "our address 127.0.0.1 is not on the account's list"),
        (resets, "our address 127.0.0.1 is not on the account's list"),
        (says_nothing, "nothing was answered: the port may want TLS"),
        (wants_tls, "this port speaks TLS: set tls = true"),
        (is_a_web_server, "this is a web server's port"),
        (is_ssh, "what came was no SMPP"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_port_that_does_not_bind_is_told_apart(behaviour: Behaviour, expected: str) -> None:
    async with port_of(behaviour) as port:
        mine = account(port)
        seen = await visit(mine)
    assert expected in words(seen, mine)
    assert not all_well(seen, mine)


async def test_a_port_where_nobody_listens_is_told() -> None:
    mine = account(1)
    assert "nothing listens there" in words(await visit(mine), mine)


async def test_tls_to_a_port_without_it_is_told() -> None:
    async with simulated() as simulator:
        mine = account(simulator.port, tls={"verify": False})
        seen = await visit(mine)
    shown = words(seen, mine)
    assert "no TLS is spoken at this port" in shown
    assert "tls = false" in shown


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    openssl = need("openssl")
    folder = tmp_path_factory.mktemp("tls")
    command = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=smsc.example",
    ]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    names = ["-addext", "subjectAltName=DNS:smsc.example"]
    subprocess.run([*command, *files, *names], check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


async def test_tls_is_told_with_its_version_and_certificate(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    async with served(Smsc(), context) as port:
        trusting = {"ca_file": str(certificate[0]), "server_name": "smsc.example"}
        mine = account(port, tls=trusting)
        seen = await visit(mine)
        assert all_well(seen, mine)
        assert "TLSv1.3" in seen.binds[0].tls
        assert "certificate for smsc.example until" in seen.binds[0].tls
        doubting = account(port, tls={})
        assert "as tls.ca_file" in words(await visit(doubting), doubting)


async def test_every_host_is_visited_and_the_message_goes_once() -> None:
    async with simulated() as first, simulated() as second:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            closed = taken.getsockname()[1]
        others = (f"127.0.0.1:{closed}", f"127.0.0.1:{second.port}")
        mine = account(first.port, standby_hosts=others)
        async with asyncio.timeout(60):
            seen = await probe(mine, ASK, clock=SystemClock())
        assert [each.where.rpartition(":")[2] for each in seen] == [
            str(port) for port in (first.port, closed, second.port)
        ]
        assert [all_well(each, mine) for each in seen] == [True, False, True]
        assert "nothing listens there" in words(seen[1], mine)
        assert [each.message is not None for each in seen] == [True, False, False]
        assert (first.smsc.submitted, second.smsc.submitted) == (1, 0)


async def test_the_message_goes_by_the_first_host_that_takes_it() -> None:
    async with simulated() as second:
        mine = account(1, standby_hosts=(f"127.0.0.1:{second.port}",))
        async with asyncio.timeout(60):
            seen = await probe(mine, ASK, clock=SystemClock())
        assert [each.message is not None for each in seen] == [False, True]
        assert second.smsc.submitted == 1


async def call(port: int, server: SmppServer, outbind: p.Outbind) -> ServerConnection:
    """Be an SMSC that calls, as soon as somebody listens."""
    conn = ServerConnection(server)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                await loop.create_connection(lambda: conn.wire, "127.0.0.1", port)
                break
            await asyncio.sleep(0)
    conn.send_octets(encode(outbind, 1))
    return conn


async def test_an_smsc_that_calls_is_waited_for() -> None:
    smsc = Smsc()
    server = SmppServer(smsc)
    port = free_port()
    mine = account(1, outbind_listen=f"127.0.0.1:{port}", outbind={"system_id": "SMSC", "password": "smscpw"})
    visiting = asyncio.create_task(visit(mine, Ask(wait_s=10)))
    conn = await call(port, server, p.Outbind("SMSC", "smscpw"))
    seen = await visiting
    assert all_well(seen, mine)
    assert "transceiver: called by the SMSC after" in words(seen, mine)
    assert "bound in" in words(seen, mine)
    assert conn.system_id == "smsd"


async def test_an_smsc_that_does_not_call_is_told() -> None:
    mine = account(1, outbind_listen=f"127.0.0.1:{free_port()}")
    seen = await visit(mine, Ask(wait_s=0.05))
    assert "the SMSC did not call within 0.05 s" in words(seen, mine)
    assert not all_well(seen, mine)


async def test_files_for_tls_that_are_not_there_are_told() -> None:
    mine = account(1).model_copy(update={"tls": TlsSettings(ca_file="/no/such/file")})
    seen = await visit(mine)
    assert "cannot connect" in words(seen, mine)
    assert not all_well(seen, mine)


# --- the message


async def test_one_free_message_goes_without_a_price_and_its_receipt_is_taken() -> None:
    async with simulated() as simulator:
        mine = account(simulator.port)
        seen = await visit(mine, ASK)
        phone = simulator.smsc.phones.find("4799999999")
        assert phone is not None
        assert [(sms.text, sms.price_ore) for sms in phone.messages] == [(TEXT, 0)]
        assert simulator.smsc.submitted == 1
    assert all_well(seen, mine)
    shown = words(seen, mine)
    for line in (
        "accepted in",
        "delivered, id",
        "receipted_message_id with NUL, message_state",
        "date of 10 digits",
    ):
        assert line in shown
    assert "99999999" not in shown


def test_the_text_fits_every_alphabet_a_profile_may_name_but_one_sign() -> None:
    assert fits(TEXT, Coding.GSM7)
    assert fits(TEXT, Coding.LATIN9)


@pytest.mark.parametrize("carrier", ["tlv", "service_type", "source_addr", "billing_identification"])
async def test_no_carrier_of_prices_is_used(carrier: Any) -> None:
    smsc = Smsc()
    tag = 0x1403 if carrier == "tlv" else None
    price = Price(carrier=carrier, tag=tag, tlvs=({"tag": 0x1502, "value": "14001"},))
    async with served(smsc) as port:
        mine = operator(price=price, port=port, system_id="smsd")
        await visit(mine, Ask(OLA, "2030", wait_s=0.2))
    (submit,) = smsc.submits
    assert submit.tlvs == ()
    assert submit.service_type == ""
    assert submit.source_addr == "2030"
    assert submit.registered_delivery == 1


@pytest.mark.parametrize(
    ("response", "receipt", "form"),
    [
        ({"response": "decimal", "receipt": "hex"}, "decimal", "receipt-hex"),
        ({"response": "hex", "receipt": "decimal"}, "hexadecimal", "resp-hex"),
        ({"response": "uuid"}, "a UUID", None),
    ],
)
async def test_how_ids_relate_is_found_out(response: dict[str, str], receipt: str, form: str | None) -> None:
    async with simulated(ids={**response, "first": 0xABCDEF01}) as simulator:
        mine = account(simulator.port)
        seen = await visit(mine, ASK)
    assert receipt in words(seen, mine)
    assert [(line.key, line.value) for line in advice(seen, mine)] == (
        [] if form is None else [("message_id", f'"{form}"')]
    )
    if form is not None:
        assert not all_well(seen, mine)
        assert all_well(seen, account(1, message_id=form))


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        ({"form": "text-only"}, "none, all is in the text"),
        ({"form": "tlv-only"}, "text: none"),
        ({"form": "short", "date_digits": 14}, "done date of 14 digits, no sub:, no dlvrd:"),
        ({"form": "ucs2-flagged"}, "flagged UCS-2 while ASCII"),
        ({"id_nul": False}, "receipted_message_id without NUL"),
    ],
)
async def test_how_receipts_are_written_is_told(receipts: dict[str, Any], expected: str) -> None:
    async with simulated(receipts={"delay_s": 0, **receipts}) as simulator:
        mine = account(simulator.port)
        assert expected in words(await visit(mine, ASK), mine)


async def test_a_receipt_before_its_answer_is_taken_and_told() -> None:
    async with simulated(rules=[{"receipt_first": True, "response_delay_s": 0.2}]) as simulator:
        mine = account(simulator.port)
        seen = await visit(mine, ASK)
    assert seen.message is not None
    assert len(seen.message.receipts) == 1
    assert seen.others == 0


async def test_a_failure_s_code_is_asked_for_in_the_outcomes() -> None:
    async with simulated(rules=[{"receipt": "UNDELIV", "err": "0077"}]) as simulator:
        mine = account(simulator.port)
        lines = advice(await visit(mine, ASK), mine)
    assert [line.key for line in lines] == ['outcomes."0077"']


def receipt_of(message_id: str, ton: int = 3) -> p.DeliverSm:
    text = f"id:{message_id} stat:DELIVRD err:000".encode()
    return p.DeliverSm(
        esm_class=4, source_addr="4799999999", destination_addr="2030", dest_addr_ton=ton, short_message=text
    )


async def test_what_is_not_ours_is_refused_so_that_the_gateway_gets_it() -> None:
    smsc = Smsc()
    mo = p.DeliverSm(source_addr="4788888888", destination_addr="2030", short_message=b"ORG1 BETAL 50")
    others, ours = receipt_of("9999"), receipt_of("4711")
    smsc.before, smsc.after = [mo], [others, ours]
    async with served(smsc) as port:
        mine = account(port)
        seen = await visit(mine, ASK)
        await asyncio.wait_for(smsc.closed.wait(), 60)
    statuses = {answer.tag: answer.status for answer in smsc.answers}
    assert statuses == {
        mo: CommandStatus.ESME_RX_T_APPN,
        others: CommandStatus.ESME_RX_T_APPN,
        ours: CommandStatus.ESME_ROK,
    }
    assert seen.others == 2
    shown = words(seen, mine)
    assert "2 messages for others" in shown
    assert "88888888" not in shown
    assert "ORG1" not in shown


async def test_an_mo_that_waits_is_still_there_for_the_gateway_afterwards() -> None:
    async with simulated(limits={"retry_s": 0}) as simulator:
        simulator.smsc.send_mo(Text("4788888888", "2030", "ORG1 BETAL 50"))
        await visit(account(simulator.port))
        async with bound(simulator.port) as esme:
            await esme.until(lambda: esme.mos)
            assert esme.texts() == ["ORG1 BETAL 50"]


async def test_the_short_code_s_type_is_taken_from_the_receipt() -> None:
    smsc = Smsc()
    smsc.after = [receipt_of("4711", ton=1)]
    async with served(smsc) as port:
        mine = account(port)
        lines = advice(await visit(mine, ASK), mine)
    assert [(line.key, line.value) for line in lines] == [("source_ton", "1")]


async def test_a_refused_message_is_told() -> None:
    smsc = Smsc()
    smsc.submit_status = CommandStatus.ESME_RINVSRCADR
    async with served(smsc) as port:
        mine = account(port)
        seen = await visit(mine, ASK)
    assert "ESME_RINVSRCADR" in words(seen, mine)
    assert not all_well(seen, mine)


async def test_no_receipt_in_time_is_told() -> None:
    async with served(Smsc()) as port:
        mine = account(port)
        seen = await visit(mine, Ask(OLA, "2030", wait_s=0.2))
    assert "no receipt came in time" in words(seen, mine)
    assert not all_well(seen, mine)


async def test_a_link_that_ends_instead_of_an_answer_is_told() -> None:
    async with simulated(rules=[{"close_after": 1}]) as simulator:
        mine = account(simulator.port)
        seen = await visit(mine, ASK)
    assert "message: the SMSC closed the connection" in words(seen, mine)
    assert not all_well(seen, mine)


# --- which operator


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


TWO = """
[[operators]]
name = "telco"
host = "smsc.example"
port = 2775
system_id = "smsd"
password = "secret"
[[operators]]
name = "other"
host = "other.example"
port = 2776
system_id = "orgs"
password = "secret"
"""


def test_an_operator_of_a_configuration_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "smsd.toml", TWO)
    assert read_operator(path, "other").host == "other.example"
    for name in ("", "nobody"):
        with pytest.raises(ConfigurationError, match="give --name: telco, other"):
            read_operator(path, name)


def test_the_only_operator_needs_no_name() -> None:
    assert read_operator(ROOT / "config/smsd.toml").name == "telco"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config/operators").glob("*.toml")), ids=lambda path: path.stem
)
def test_each_profile_is_read_with_what_it_lacks_given(path: Path) -> None:
    given = {"host": "smsc.example", "port": 3550, "system_id": "smsd", "password": "secret"}
    found = read_operator(path, given=given)
    assert (found.name, found.host, found.port) == (path.stem, "smsc.example", 3550)


def test_what_is_wrong_with_a_profile_is_told_by_its_own_name(tmp_path: Path) -> None:
    path = write(tmp_path, "x.toml", 'host = "a b"\nport = 2775\nsystem_id = "smsd"\n')
    with pytest.raises(ConfigurationError) as caught:
        read_operator(path)
    assert {fault.file for fault in caught.value.faults} == {str(path)}
    assert "password" in str(caught.value)


def test_a_password_beside_a_profile_is_read(tmp_path: Path) -> None:
    secret = write(tmp_path, "pw", "s3cret\n")
    secret.chmod(0o600)
    lines = 'host = "a.example"\nport = 2775\nsystem_id = "smsd"\npassword_file = "pw"\n'
    assert read_operator(write(tmp_path, "x.toml", lines)).password.get_secret_value() == "s3cret"


# --- the command


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["operators", "probe", *arguments])
    return done.exit_code, done.stdout, done.stderr


async def test_the_command_ends_with_0_1_or_2(tmp_path: Path) -> None:
    secret = str(write(tmp_path, "pw", "secret\n"))
    profile = write(tmp_path, "x.toml", 'host = "127.0.0.1"\nsystem_id = "smsd"\n')
    async with simulated() as simulator:
        here = ("--port", str(simulator.port), "--password-file", secret)
        status, shown, _ = await asyncio.to_thread(run, str(profile), *here)
        assert (status, "fits what was seen" in shown) == (0, True)
        message = ("--to", "99999999", "--from", "2030", "--wait-s", "5")
        status, shown, _ = await asyncio.to_thread(run, str(profile), *here, *message)
        assert (status, "accepted in" in shown) == (0, True)
        status, shown, _ = await asyncio.to_thread(run, str(profile), *here, "--system-id", "nobody")
        assert (status, "not known there" in shown) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("no-such-file.toml",), "there is no file no-such-file.toml"),
        (("config/smsd.toml", "--name", "nobody"), 'there is no operator "nobody"'),
        (("config/operators/tlv.toml",), "password: is missing"),
        (("config/smsd.toml", "--to", "12", "--from", "2030"), "--to: '**' is no phone number"),
        (("config/smsd.toml", "--to", "99999999"), "--from: '' is no short code"),
        (
            ("config/smsd.toml", "--password-file", "no-such-file"),
            "--password-file: no-such-file cannot be read",
        ),
    ],
)
def test_wrong_input_is_told_and_ends_with_2(
    arguments: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    status, _, said = run(*arguments)
    assert status == 2
    assert expected in said
