"""TLS with strangers: node-smpp's server, and OpenSSL's own with everything that may be wrong."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import structlog
from certificates import Authority, Leaf
from node_stranger import Node
from programs import need
from smpp_network import Listener
from smsc_kit import free

from foundation.clock import SystemClock
from foundation.settings_tables import TlsSettings
from smsd.links import BindLog
from smsd.smpp.answers import AnswerKind
from smsd.smpp.link import Link, LinkSettings, LinkState
from smsd.smpp.pdu import Bind, CommandId

pytestmark = pytest.mark.real


class World(msgspec.Struct, frozen=True):
    """Certificates: the operator's authority and another one, and what they signed."""

    ours: Authority
    other: Authority
    good: Leaf
    expired: Leaf
    elsewhere: Leaf
    client: Leaf
    strange: Leaf


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("tls")
    ours, other = Authority(folder), Authority(folder, "other")
    return World(
        ours,
        other,
        good=ours.leaf("good"),
        expired=ours.leaf("expired", days=-1),
        elsewhere=ours.leaf("elsewhere", names="DNS:smsc.example"),
        client=ours.leaf("client", names="DNS:orgs.example"),
        strange=other.leaf("strange", names="DNS:orgs.example"),
    )


def trusting(world: World, **more: Any) -> TlsSettings:
    return TlsSettings(**{"ca_file": str(world.ours.ca), "server_name": "localhost", **more})


class Telling(Listener):
    """A listener that writes the log as the gateway does."""

    def __init__(self) -> None:
        super().__init__()
        self.log = BindLog()

    def on_state(self, link: Link, state: LinkState, detail: str) -> None:
        self.log.tell(link.name, state, detail)
        super().on_state(link, state, detail)


@contextlib.asynccontextmanager
async def link_to(port: int, tls: TlsSettings | None) -> AsyncIterator[tuple[Link, Telling]]:
    listener = Telling()
    link = Link(
        LinkSettings(
            name="telco-trx-1",
            host="127.0.0.1",
            port=port,
            bind=Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret"),
            tls=tls,
            backoff_first_s=0.01,
            backoff_max_s=0.02,
            stable_s=0,
        ),
        listener,
        clock=SystemClock(),
        random=random.Random(1),
    )
    running = asyncio.create_task(link.run())
    try:
        yield link, listener
    finally:
        await link.stop(0)
        await running


# --- node-smpp ----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def node_smsc(leaf: Leaf, **more: object) -> AsyncIterator[tuple[Node, int]]:
    """node-smpp's server over TLS; `more` are options of Node's own tls.createServer."""
    options = msgspec.json.encode({"key": str(leaf.key), "cert": str(leaf.cert), **more}).decode()
    async with Node("smsc.js", options) as node:
        yield node, int((await node.hears("listening"))["port"])


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
async def test_we_bind_to_node_smpp_over_tls_and_messages_go(world: World, version: str) -> None:
    async with (
        node_smsc(world.good, minVersion=version, maxVersion=version) as (node, port),
        link_to(port, trusting(world)) as (link, listener),
    ):
        await listener.until(lambda: link.state is LinkState.BOUND)
        assert (await node.hears("secure"))["version"] == version
        assert (await node.gets("bind_transceiver"))["system_id"] == "smsd"
        assert link.submit(free(), "mt")
        await listener.until(lambda: listener.answers and listener.frames)
        assert (listener.answers[0].kind, listener.answers[0].status) == (AnswerKind.ANSWERED, 0)


async def test_node_smpp_is_told_the_name_and_gets_our_certificate(world: World) -> None:
    ours = {"cert_file": str(world.client.cert), "key_file": str(world.client.key)}
    wants = {"ca": str(world.ours.ca), "requestCert": True, "rejectUnauthorized": True}
    async with (
        node_smsc(world.good, **wants) as (node, port),
        link_to(port, trusting(world, **ours)) as (link, listener),
    ):
        await listener.until(lambda: link.state is LinkState.BOUND)
        secure = await node.hears("secure")
        assert (secure["servername"], secure["client"]) == ("localhost", "client")


async def test_node_smpp_that_wants_a_certificate_is_told_in_words(world: World) -> None:
    wants = {"ca": str(world.ours.ca), "requestCert": True, "rejectUnauthorized": True}
    async with (
        node_smsc(world.good, **wants) as (_, port),
        link_to(port, trusting(world)) as (link, listener),
    ):
        await listener.until(lambda: listener.states_seen().count(LinkState.DOWN) >= 2)
        assert "wants a certificate of ours: give tls.cert_file and tls.key_file" in link.last_error


# --- OpenSSL's server ---------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def s_server(leaf: Leaf, *words: str) -> AsyncIterator[int]:
    """OpenSSL's own server, which speaks no SMPP: enough for what ends before a bind."""
    process = await asyncio.create_subprocess_exec(
        *(need("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", str(leaf.cert)),
        *("-key", str(leaf.key), *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = b""
            while not line.startswith(b"ACCEPT"):
                line = await process.stdout.readline()
                assert line, "openssl s_server ended"
        yield int(line.rpartition(b":")[2])
    finally:
        process.kill()
        await process.communicate()


ANY_CIPHER = ("-cipher", "ALL:@SECLEVEL=0")
UNKNOWN = "by an authority that we do not know: give the operator's as tls.ca_file"
WANTS = ("-Verify", "1", "-verify_return_error")


@pytest.mark.parametrize(
    ("leaf", "words", "tls", "told"),
    [
        ("good", (), {"ca_file": "other"}, UNKNOWN),
        ("good", (), {"ca_file": None}, UNKNOWN),
        ("expired", (), {}, "the SMSC's certificate has expired: the operator must renew it"),
        ("elsewhere", (), {}, "has another name: give the right one as tls.server_name"),
        ("good", (), {"server_name": None}, "has another address: give the certificate's name"),
        ("good", ("-tls1_1", *ANY_CIPHER), {}, "speaks only an older TLS than we take"),
        ("good", ("-tls1_2",), {"minimum": "1.3"}, "speaks only an older TLS than we take"),
        ("good", ("-tls1_3", *WANTS), {}, "wants a certificate of ours: give tls.cert_file and tls.key_file"),
        ("good", ("-tls1_2", *WANTS), {}, "wants a certificate of ours (tls.cert_file, tls.key_file)"),
        ("good", ("-tls1_3", *WANTS), {"client": "strange"}, "does not take our certificate (tls.cert_file)"),
        ("good", ("-tls1_2", *WANTS), {"client": "strange"}, "it does not know who signed it"),
        ("good", (), "none", "sometimes the port wants TLS"),
    ],
    ids=[
        *("another authority", "no authority", "expired", "another name", "an address"),
        *("TLS 1.1", "TLS 1.2 for 1.3", "wants ours, 1.3", "wants ours, 1.2"),
        *("not ours, 1.3", "not ours, 1.2", "in clear"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_tls_is_said_once_in_words_and_then_ever_more_seldom(
    world: World, leaf: str, words: tuple[str, ...], tls: dict[str, Any] | str, told: str
) -> None:
    settings: TlsSettings | None = None
    if isinstance(tls, dict):
        more = dict(tls)
        if "client" in more:
            client: Leaf = getattr(world, more.pop("client"))
            more |= {"cert_file": str(client.cert), "key_file": str(client.key)}
        if more.get("ca_file"):
            more["ca_file"] = str(getattr(world, more["ca_file"]).ca)
        settings = trusting(world, **more)
    trusts = ("-CAfile", str(world.ours.ca))
    with structlog.testing.capture_logs() as logged:
        async with (
            s_server(getattr(world, leaf), *words, *trusts) as port,
            link_to(port, settings) as (link, listener),
        ):
            await listener.until(lambda: listener.states_seen().count(LinkState.DOWN) >= 7)
            assert told in link.last_error
    failures = [line for line in logged if line["event"] == "bind.failed" and told in line["detail"]]
    assert [line["times"] for line in failures][:3] == [1, 2, 4]
    assert len(failures) < 5
    assert not [line for line in logged if line["log_level"] == "error"]


async def test_with_verify_off_anything_is_taken(world: World) -> None:
    async with (
        node_smsc(world.expired) as (_, port),
        link_to(port, TlsSettings(verify=False)) as (link, listener),
    ):
        await listener.until(lambda: link.state is LinkState.BOUND)
