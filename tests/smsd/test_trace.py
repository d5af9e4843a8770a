"""A trace is a pcap that Wireshark reads, is bounded, hides what is private, and disturbs nothing."""

from __future__ import annotations

import asyncio
import json
import random
import stat
from asyncio.subprocess import PIPE
from pathlib import Path
from struct import unpack_from

import pytest
from playbook import HandClock, operator
from programs import need
from structlog.testing import capture_logs

from foundation.clock import SystemClock
from smsd.binds import Tracing
from smsd.links import account_links
from smsd.probe_file import read_operator
from smsd.settings import Limits
from smsd.smpp import pdu as p
from smsd.smpp.answers import Answer
from smsd.smpp.codec import encode
from smsd.smpp.connecting import LinkSettings, connect_tcp
from smsd.smpp.constants import CommandId
from smsd.smpp.link import Link, LinkState
from smsd.smpp.server import ServerConnection, SmppServer
from smsd.smpp.trace import PCAP_HEADER, Trace, TracedConnection, TraceSettings

NUMBER = "4798765432"
TEXT = b"hemmeleg tekst"
OURS, THEIRS = ("10.0.0.5", 40000), ("192.0.2.1", 2775)
RECORD = 16


def packets(path: Path) -> list[bytes]:
    """The packets of a pcap file, each from its IP header on."""
    octets = path.read_bytes()
    assert octets[:24] == PCAP_HEADER
    found, at = [], 24
    while at < len(octets):
        size, whole = unpack_from("<II", octets, at + 8)
        assert size == whole
        found.append(octets[at + RECORD : at + RECORD + size])
        at += RECORD + size
    assert at == len(octets)
    return found


def payloads(path: Path) -> list[bytes]:
    """What the packets carry, without those that carry nothing."""
    return [packet[40:] for packet in packets(path) if len(packet) > 40]


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return Trace(TraceSettings(str(tmp_path / "telco.pcap")), HandClock())


def opened(trace: Trace) -> TracedConnection:
    connection = trace.connection()
    connection.opened(OURS, THEIRS)
    return connection


def submit(words: bytes = TEXT, sequence: int = 2) -> bytes:
    return encode(p.SubmitSm(source_addr="2030", destination_addr=NUMBER, short_message=words), sequence)


def path_of(trace: Trace) -> Path:
    return Path(trace.settings.path)


def test_each_pdu_is_one_packet_however_it_was_read(trace: Trace) -> None:
    connection = opened(trace)
    octets = encode(p.SubmitSmResp("4711"), 2) + encode(p.EnquireLink(), 3)
    for octet in octets:
        connection.came(bytes((octet,)))
    connection.went(encode(p.EnquireLinkResp(), 3) + submit())
    trace.close()
    assert [int.from_bytes(payload[4:8], "big") for payload in payloads(path_of(trace))] == [
        CommandId.SUBMIT_SM_RESP,
        CommandId.ENQUIRE_LINK,
        CommandId.ENQUIRE_LINK_RESP,
        CommandId.SUBMIT_SM,
    ]


def test_private_content_stands_in_no_file_unless_asked_for(tmp_path: Path) -> None:
    for private in (False, True):
        path = tmp_path / f"{private}.pcap"
        trace = Trace(TraceSettings(str(path), private=private), HandClock())
        connection = opened(trace)
        connection.went(encode(p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "s3cret"), 1) + submit())
        connection.came(b"HTTP/1.1 200 OK\r\n\r\nnumber=4798765432 hemmeleg tekst")
        trace.close()
        octets = path.read_bytes()
        for word in (NUMBER.encode(), TEXT):
            assert (word in octets) is private
        assert b"s3cret" not in octets


def test_a_password_stands_in_no_trace_even_where_private_content_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "all.pcap"
    trace = Trace(TraceSettings(str(path), private=True), HandClock())
    connection = opened(trace)
    for kind in (CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER, CommandId.BIND_TRANSCEIVER):
        connection.went(encode(p.Bind(kind, "smsd", "hemmeleg"), 1))
    connection.came(encode(p.Outbind("SMSC", "hemmeleg"), 1))
    trace.close()
    octets = path.read_bytes()
    assert octets.count(b"smsd") == 3
    assert b"SMSC" in octets
    assert b"hemmeleg" not in octets


def test_numbers_of_tcp_run_on_as_if_it_had_been_seen(trace: Trace) -> None:
    connection = opened(trace)
    connection.went(submit())
    connection.came(encode(p.SubmitSmResp("4711"), 2))
    connection.went(encode(p.Unbind(), 3))
    connection.gone()
    trace.close()
    expected = {OURS[1]: 0, THEIRS[1]: 0}
    for packet in packets(path_of(trace)):
        source, target, sequence, acknowledged = unpack_from(">HHII", packet, 20)
        flags = packet[33]
        assert sequence == expected[source]
        assert not flags & 16 or acknowledged == expected[target]
        expected[source] += len(packet) - 40 + bool(flags & 2)


def test_ipv6_and_no_addresses_at_all_are_written_too(tmp_path: Path) -> None:
    for number, (mine, theirs, version) in enumerate(
        [(("::1", 4, 0, 0), ("fe80::1%eth0", 5, 0, 0), 6), (None, None, 4), ("/a/socket", "", 4)]
    ):
        path = tmp_path / f"{number}.pcap"
        trace = Trace(TraceSettings(str(path)), HandClock())
        trace.connection().opened(mine, theirs)
        trace.close()
        assert {packet[0] >> 4 for packet in packets(path)} == {version}


def test_a_pdu_longer_than_a_packet_may_be_is_several(trace: Trace) -> None:
    connection = opened(trace)
    long = encode(p.DataSm(tlvs=tuple(p.Tlv(0x1400, bytes(40_000)) for _ in range(4))), 1)
    connection.came(long)
    trace.close()
    assert b"".join(payloads(path_of(trace))) == long
    assert all(len(packet) < 65_536 for packet in packets(path_of(trace)))


def test_files_are_bounded_rotated_and_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "telco.pcap"
    trace = Trace(TraceSettings(str(path), file_mb=1, files=3), HandClock())
    connection = opened(trace)
    for sequence in range(1, 300):
        connection.went(encode(p.DataSm(tlvs=(p.Tlv(0x1400, bytes(20_000)),)), sequence))
    trace.close()
    kept = sorted(tmp_path.iterdir())
    assert [each.name for each in kept] == ["telco.pcap", "telco.pcap.1", "telco.pcap.2"]
    last = []
    for each in (path, *kept[1:]):
        assert each.stat().st_size <= 1_000_000
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
        last.append(int.from_bytes(payloads(each)[-1][12:16], "big"))
    assert last == sorted(last, reverse=True)
    assert last[0] == 299


def test_what_was_there_before_is_kept_as_an_older_file(tmp_path: Path) -> None:
    path = tmp_path / "telco.pcap"
    path.write_bytes(b"of the day before")
    trace = Trace(TraceSettings(str(path), files=2), HandClock())
    opened(trace)
    trace.close()
    assert (tmp_path / "telco.pcap.1").read_bytes() == b"of the day before"
    alone = tmp_path / "alone.pcap"
    alone.write_bytes(b"of the day before")
    trace = Trace(TraceSettings(str(alone), files=1), HandClock())
    opened(trace)
    trace.close()
    assert len(packets(alone)) == 3


def test_a_trace_that_cannot_be_written_is_told_once_and_off(tmp_path: Path) -> None:
    trace = Trace(TraceSettings(str(tmp_path / "no such folder" / "x.pcap")), HandClock())
    with capture_logs() as lines:
        connection = opened(trace)
        connection.went(submit())
        connection.gone()
    assert [line["event"] for line in lines] == ["trace.failed"]
    assert trace.failed


def test_a_full_disk_ends_the_trace_and_nothing_else() -> None:
    """`/dev/full` takes no octet; opening it for a trace fails, as it is there already."""
    trace = Trace(TraceSettings("/dev/full", files=1), HandClock())
    trace._begin = lambda: setattr(trace, "_file", open("/dev/full", "wb", buffering=0))  # type: ignore[method-assign] # noqa: PTH123, SIM115
    with capture_logs() as lines:
        opened(trace).went(submit())
    assert [line["event"] for line in lines] == ["trace.failed"]


class Esme:
    """A listener that waits."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.answers: list[Answer] = []

    def on_state(self, link: Link, state: LinkState, detail: str) -> None:
        self.changed.set()

    def on_requests(self, link: Link, frames: list[p.Frame]) -> None:
        for frame in frames:
            link.respond(frame)

    def on_answers(self, link: Link, answers: list[Answer]) -> None:
        self.answers.extend(answers)
        self.changed.set()

    async def until(self, holds: object) -> None:
        async with asyncio.timeout(60):
            while not holds():  # type: ignore[operator]
                self.changed.clear()
                await self.changed.wait()


class Smsc:
    """Takes all, and delivers one MO after the bind."""

    def on_bind(self, conn: ServerConnection, frame: p.Frame) -> int:
        return 0

    def on_requests(self, conn: ServerConnection, frames: list[p.Frame]) -> None:
        conn.request(p.DeliverSm(source_addr=NUMBER, destination_addr="2030", short_message=TEXT), "mo")
        for frame in frames:
            conn.respond(frame, p.SubmitSmResp("4711"))

    def on_answers(self, conn: ServerConnection, answers: list[Answer]) -> None: ...

    def on_closed(self, conn: ServerConnection, reason: str) -> None: ...


@pytest.fixture
async def traced_file(tmp_path: Path) -> Path:
    """What a whole visit to an SMSC leaves."""
    path = tmp_path / "telco.pcap"
    server = SmppServer(Smsc())
    await server.start()
    esme = Esme()
    tracing = Tracing(SystemClock())
    account = operator(port=server.port, trace_file=str(path))
    (link,) = account_links(
        account, Limits(), esme, clock=SystemClock(), rng=random.Random(1), around=tracing.around(account)
    )
    task = asyncio.create_task(link.run())
    await esme.until(lambda: link.can_submit)
    tlvs = (p.Tlv(0x1403, b"5000\0"),)
    premium = p.SubmitSm(source_addr="2030", destination_addr=NUMBER, short_message=TEXT, tlvs=tlvs)
    assert link.submit(premium, "charge")
    await esme.until(lambda: esme.answers)
    await link.stop(1)
    await task
    tracing.close()
    await server.stop()
    return path


async def test_a_link_s_whole_visit_is_in_its_trace(traced_file: Path) -> None:
    commands = [int.from_bytes(payload[4:8], "big") for payload in payloads(traced_file)]
    assert commands[:2] == [CommandId.BIND_TRANSCEIVER, CommandId.BIND_TRANSCEIVER_RESP]
    assert {CommandId.SUBMIT_SM, CommandId.SUBMIT_SM_RESP, CommandId.DELIVER_SM, CommandId.UNBIND} <= set(
        commands
    )
    assert TEXT not in traced_file.read_bytes()
    assert b"5000\0" in traced_file.read_bytes()


@pytest.mark.real
async def test_wireshark_dissects_it_as_smpp(traced_file: Path) -> None:
    tshark = need("tshark")
    options = ("-r", str(traced_file), "-T", "json", "-o", "tcp.check_checksum:TRUE")
    reading = await asyncio.create_subprocess_exec(tshark, *options, stdout=PIPE, stderr=PIPE)
    read, _ = await asyncio.wait_for(reading.communicate(), 60)
    assert reading.returncode == 0
    layers = [packet["_source"]["layers"] for packet in json.loads(read)]
    found = [layer["smpp"] for layer in layers if "smpp" in layer]
    assert len(found) == len(payloads(traced_file))
    submits = [each for each in found if each["smpp.command_id"] == "0x00000004"]
    assert [each["smpp.destination_addr"] for each in submits] == ["479*****32"]
    assert {layer["tcp"]["tcp.checksum.status"] for layer in layers} == {"1"}
    assert b"_ws.malformed" not in read


def test_the_file_of_a_trace_need_not_be_there_and_lies_where_the_gateway_runs(tmp_path: Path) -> None:
    profile = tmp_path / "telco.toml"
    profile.write_text(
        'host = "smsc.example"\nport = 2775\nsystem_id = "smsd"\npassword = "secret"\n'
        'trace_file = "var/telco.pcap"\ntrace_file_mb = 1\ntrace_files = 2\ntrace_private = true\n'
    )
    found = read_operator(profile)
    assert (found.trace_file, found.trace_file_mb, found.trace_files) == ("var/telco.pcap", 1, 2)
    assert found.trace_private
    assert not operator().trace_private


def test_an_account_without_a_trace_has_its_connector_as_it_is() -> None:
    tracing = Tracing(SystemClock())
    assert tracing.around(operator()) is None
    shared = [tracing.around(operator(name=name, trace_file="x.pcap")) for name in ("a", "b")]
    assert all(shared)
    assert len(tracing._traces) == 1


async def test_a_connector_for_other_protocols_is_left_alone(tmp_path: Path) -> None:
    account = operator(trace_file=str(tmp_path / "x.pcap"))
    around = Tracing(SystemClock()).around(account)
    assert around is not None
    made: list[asyncio.Protocol] = []

    async def connect(factory: object, settings: LinkSettings) -> object:
        made.append(factory())  # type: ignore[operator]
        return made[-1]

    (link,) = account_links(account, Limits(), Esme(), clock=SystemClock(), rng=random.Random(1))
    await around(connect)(asyncio.Protocol, link.settings)
    assert type(made[0]) is asyncio.Protocol
    assert connect_tcp is not connect
