"""Who gets in at the simulated SMSC: TLS, versions of SMPP, crowds, and requests it has no use for."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from smsc_kit import Esme, bound, free, premium, settings_of
from test_simulator_commands import said, smsc_sim, started

from foundation.clock import SystemClock
from foundation.settings_tables import TlsSettings
from simulators.smsc.app import running
from simulators.smsc.origination import Text
from simulators.smsc.settings import InterfaceVersion
from smsd.smpp.codec import FrameReader, encode
from smsd.smpp.connecting import FIRST_WITH_TLVS
from smsd.smpp.link import Link, LinkSettings, LinkState
from smsd.smpp.pdu import (
    Bind,
    BindResp,
    CancelSm,
    CommandId,
    CommandStatus,
    DeliverSm,
    Destination,
    Frame,
    Pdu,
    ReplaceSm,
    SubmitMulti,
    Tag,
    Tlv,
    command_of,
    read_int,
)

BIND = Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret")
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Peers:
    """Raw connections, all of them gone when the block ends."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._peers: list[Peer] = []

    async def open(self) -> Peer:
        self._peers.append(await asyncio.open_connection("127.0.0.1", self._port))
        return self._peers[-1]

    async def __aenter__(self) -> Peers:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _, writer in self._peers:
            writer.transport.abort()
        for _, writer in self._peers:
            with suppress(ConnectionError):
                await writer.wait_closed()


async def heard(peer: Peer, count: int) -> list[Frame]:
    """The next PDUs that come."""
    frames, found = FrameReader(), []
    async with asyncio.timeout(60):
        while len(found) < count:
            octets = await peer[0].read(4096)
            assert octets, "the simulator closed the connection"
            frames.feed(octets)
            found += [item for item in frames.frames() if isinstance(item, Frame)]
    return found


async def closed(peer: Peer) -> bool:
    async with asyncio.timeout(60):
        try:
            return await peer[0].read() == b""
        except ConnectionError:
            return True


# --- TLS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


async def test_the_command_speaks_tls_where_it_is_given_a_certificate(authority: Authority) -> None:
    leaf = authority.leaf("smsc")
    async with (
        smsc_sim("--tls-cert", str(leaf.cert), "--tls-key", str(leaf.key)) as (_, port, _control),
        bound(port, tls=TlsSettings(ca_file=str(authority.ca), server_name="localhost")) as esme,
    ):
        assert (await esme.send(premium())).status == 0


async def test_with_a_client_authority_an_esme_needs_a_certificate_by_it(authority: Authority) -> None:
    leaf, client = authority.leaf("smsc"), authority.leaf("client", names="DNS:orgs.example")
    tls: dict[str, Any] = {"ca_file": str(authority.ca), "server_name": "localhost"}
    door = {"cert": leaf.cert, "key": leaf.key, "client_ca": authority.ca}
    settings = settings_of().model_validate({**settings_of().model_dump(), "tls": door})
    async with running(settings) as simulator:
        ours = {"cert_file": str(client.cert), "key_file": str(client.key)}
        async with bound(simulator.port, tls=TlsSettings(**tls, **ours)) as esme:
            assert (await esme.send(premium())).status == 0
        esme = Esme()
        without = LinkSettings("x", "127.0.0.1", simulator.port, BIND, tls=TlsSettings(**tls))
        link = Link(without, esme, clock=SystemClock(), random=random.Random(1))
        running_link = asyncio.create_task(link.run())
        await esme.until(lambda: LinkState.DOWN in esme.states)
        await link.stop(0)
        await running_link
        assert LinkState.BOUND not in esme.states
        assert simulator.smsc.binds == {}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--tls-cert", "x.pem"), "TLS needs --tls-cert and --tls-key"),
        (("--tls-client-ca", "x.pem"), "TLS needs --tls-cert and --tls-key"),
    ],
)
async def test_half_of_tls_is_refused(arguments: tuple[str, ...], told: str) -> None:
    code, _, error = await said(await started("simulators.smsc.cli", "--port", "0", *arguments))
    assert (code, told in error) == (2, True)


async def test_files_that_are_no_certificates_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nothing")
    files = ("--tls-cert", str(tmp_path / "x.pem"), "--tls-key", str(tmp_path / "x.pem"))
    code, _, error = await said(await started("simulators.smsc.cli", "--port", "0", *files))
    assert (code, error.startswith("smsc-sim: ")) == (1, True)


# --- versions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theirs", list(InterfaceVersion))
@pytest.mark.parametrize("ours", [0x33, 0x34, 0x50])
async def test_tlvs_go_only_where_both_sides_speak_3_4_or_newer(theirs: InterfaceVersion, ours: int) -> None:
    settings = settings_of().model_copy(update={"interface_version": theirs})
    async with running(settings) as simulator, Peers(simulator.port) as peers:
        peer = await peers.open()
        peer[1].write(encode(Bind(CommandId.BIND_RECEIVER, "smsd", "secret", interface_version=ours), 1))
        (answer,) = await heard(peer, 1)
        assert isinstance(answer.pdu, BindResp)
        both = min(ours, theirs.number) >= FIRST_WITH_TLVS
        told = read_int(answer.pdu.tlvs, Tag.SC_INTERFACE_VERSION)
        assert told == (theirs.number if both else None)
        simulator.smsc.send_mo(Text("4799999999", "2030", "hei", tlvs=(Tlv(0x1502, b"mo"),)))
        (mo,) = await heard(peer, 1)
        assert isinstance(mo.pdu, DeliverSm)
        assert bool(mo.pdu.tlvs) is both


# --- crowds -------------------------------------------------------------------------------------------------


async def test_of_too_many_that_do_not_bind_the_oldest_goes_and_an_esme_gets_in() -> None:
    async with running(settings_of(limits={"unbound": 20})) as simulator, Peers(simulator.port) as peers:
        crowd = [await peers.open() for _ in range(30)]
        for peer in crowd[:10]:
            assert await closed(peer)
        async with bound(simulator.port) as esme:
            assert (await esme.send(free())).status == 0
            for _ in range(25):
                await peers.open()
            assert (await esme.send(free())).status == 0


async def test_a_connection_that_does_not_bind_is_closed_at_its_time() -> None:
    async with (
        running(settings_of(limits={"bind_timeout_s": 0.05})) as simulator,
        Peers(simulator.port) as peers,
    ):
        peer = await peers.open()
        assert await closed(peer)


# --- requests without use -----------------------------------------------------------------------------------

DESTINATION = (Destination(1, 1, "4799999999"),)


@pytest.mark.parametrize(
    ("pdu", "status"),
    [
        (CancelSm(message_id="no such"), CommandStatus.ESME_RINVMSGID),
        (CancelSm(message_id="1"), CommandStatus.ESME_RCANCELFAIL),
        (CancelSm(source_addr="2030", destination_addr="4799999999"), CommandStatus.ESME_RCANCELFAIL),
        (ReplaceSm(message_id="no such"), CommandStatus.ESME_RINVMSGID),
        (ReplaceSm(message_id=""), CommandStatus.ESME_RINVMSGID),
        (ReplaceSm(message_id="1"), CommandStatus.ESME_RREPLACEFAIL),
        (SubmitMulti(destinations=DESTINATION), CommandStatus.ESME_RINVCMDID),
    ],
)
async def test_what_has_no_use_here_is_refused_with_its_own_status(pdu: Pdu, status: int) -> None:
    async with (
        running(settings_of(ids={"first": 1})) as simulator,
        bound(simulator.port) as esme,
        Peers(simulator.port) as peers,
    ):
        answer = await esme.send(free())
        assert answer.message_id == "1"
        peer = await peers.open()
        peer[1].write(encode(Bind(CommandId.BIND_TRANSMITTER, "smsd", "secret"), 1))
        await heard(peer, 1)
        peer[1].write(encode(pdu, 2))
        (refusal,) = await heard(peer, 1)
        assert (refusal.status, command_of(refusal.pdu)) == (status, command_of(pdu) | 0x80000000)
