"""Slow, silent, rude and many peers over real TCP, on both sides; every test has a bounded count of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hostile_pdus import deliver, pdu_of
from published_pdus import PUBLISHED
from smpp_network import BIND, Network, SteppedClock, quick
from smsc_kit import bound, premium, settings_of

from simulators.smsc.app import running
from smsd.smpp import pdu as p
from smsd.smpp.answers import AnswerKind
from smsd.smpp.codec import FrameReader, encode
from smsd.smpp.constants import CommandId, CommandStatus
from smsd.smpp.link import LinkState

CROWD = 150
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BIND_RESP = encode(p.BindResp(CommandId.BIND_TRANSCEIVER_RESP, "SMSC"), 1)


class Crowd:
    """Raw connections, all of them gone when the block ends."""

    def __init__(self) -> None:
        self._peers: list[Peer] = []

    async def open(self, port: int) -> Peer:
        self._peers.append(await asyncio.open_connection("127.0.0.1", port))
        return self._peers[-1]

    async def __aenter__(self) -> Crowd:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _, writer in self._peers:
            writer.transport.abort()
        for _, writer in self._peers:
            with suppress(ConnectionError):
                await writer.wait_closed()


async def gone(peer: Peer) -> bytes:
    """Read until the other side closes; what came."""
    try:
        async with asyncio.timeout(60):
            return await peer[0].read(-1)
    except ConnectionError:
        return b""


# --- at a server


async def test_a_server_takes_a_bind_and_messages_octet_by_octet() -> None:
    async with Network() as network, Crowd() as crowd:
        reader, writer = await crowd.open(network.server.port)
        submits = [encode(p.SubmitSm(short_message=b"hei"), sequence) for sequence in (2, 3, 4)]
        for octet in b"".join((encode(BIND, 1), *submits)):
            writer.write(bytes((octet,)))
            await writer.drain()
        found: list[object] = []
        frames = FrameReader()
        async with asyncio.timeout(60):
            while len(found) < 4:
                frames.feed(await reader.read(1))
                found.extend(frames.frames())
        assert [frame.status for frame in found] == [0] * 4  # type: ignore[attr-defined]


async def test_a_crowd_that_says_nothing_is_sent_away_and_disturbs_nobody() -> None:
    clock = SteppedClock()
    settings = quick(bind_timeout_s=30, enquire_link_s=None)
    async with Network(clock=clock, settings=settings) as network, Crowd() as crowd:
        peers = [await crowd.open(network.server.port) for _ in range(CROWD)]
        half = encode(BIND, 1)
        for number, (_, writer) in enumerate(peers):
            writer.write(half[: number % len(half)])
        link = await network.bound(enquire_link_s=None)
        assert link.submit(p.SubmitSm(short_message=b"hei"), "charge")
        await network.listener.until(lambda: network.listener.answers)
        assert network.listener.answers[0].kind is AnswerKind.ANSWERED
        silent = [conn for conn in network.server.connections if conn.bound_kind is None]
        assert len(silent) == CROWD
        clock.step(silent[0].wire, 31)
        for conn in silent[1:]:
            conn.wire.tick()
        for peer in peers:
            assert await gone(peer) == b""
        await network.smsc.until(lambda: len(network.server.connections) == 1)
        assert link.state is LinkState.BOUND


async def test_connections_that_come_and_go_leave_nothing_behind() -> None:
    async with Network() as network, Crowd() as crowd:
        for number in range(CROWD):
            _, writer = await crowd.open(network.server.port)
            writer.write(encode(BIND, 1)[: number % 40])
            writer.transport.abort()
        link = await network.bound()
        await network.smsc.until(lambda: len(network.server.connections) == 1)
        assert link.state is LinkState.BOUND


async def test_a_crowd_with_wrong_passwords_gets_no_bind_and_the_account_keeps_its_own() -> None:
    async with running(settings_of()) as simulator, bound(simulator.port) as esme, Crowd() as crowd:
        wrong = encode(p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "guess"), 1)
        peers = [await crowd.open(simulator.port) for _ in range(CROWD)]
        for _ in range(5):
            for _, writer in peers:
                writer.write(wrong)
            for reader, _ in peers:
                octets = await asyncio.wait_for(reader.readexactly(16), 60)
                assert int.from_bytes(octets[8:12], "big") == CommandStatus.ESME_RINVPASWD
        answer = await esme.send(premium())
        assert answer.status == 0
        assert len(simulator.smsc.binds) == 1


async def test_what_brought_others_down_does_not_disturb_the_simulator() -> None:
    async with running(settings_of()) as simulator, bound(simulator.port) as esme, Crowd() as crowd:
        for case in PUBLISHED:
            _, writer = peer = await crowd.open(simulator.port)
            writer.write(encode(p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret"), 1))
            writer.write(case.octets)
            writer.write_eof()
            await gone(peer)
        assert (await esme.send(premium())).status == 0


async def test_a_peer_that_never_reads_is_not_written_to_without_end() -> None:
    async with Network() as network, Crowd() as crowd:
        _, writer = await crowd.open(network.server.port)
        writer.write(encode(BIND, 1))
        ask = pdu_of(CommandId.ENQUIRE_LINK, b"")
        await network.smsc.until(lambda: network.smsc.conns)
        session = network.smsc.conn.wire.session
        for _ in range(400):
            writer.write(ask * 1000)
            if writer.transport.get_write_buffer_size() > 1_000_000:
                # the server has stopped reading
                break
            await asyncio.sleep(0)
        assert session.waiting_octets < 1_000_000


# --- at a link


@asynccontextmanager
async def smsc_of(*behaviours: Behaviour) -> AsyncIterator[tuple[Network, int]]:
    """A port where the first connections meet these behaviours, one each, and later ones a good SMSC."""
    left = list(behaviours)
    busy: set[asyncio.Task[None]] = set()
    good = Network()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                if left:
                    await left.pop(0)(reader, writer)
                else:
                    await _relay(reader, writer, good.server.port)
        finally:
            writer.close()
            busy.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        async with good:
            yield good, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*busy), 60)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    there, onward = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while octets := await source.read(65_536):
                sink.write(octets)
        sink.close()

    await asyncio.gather(pump(reader, onward), pump(there, writer))


async def says_nothing_and_leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.transport.abort()


async def cuts_its_bind_resp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(BIND_RESP[:-1])


async def speaks_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await reader.read(-1)


async def speaks_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"\x15\x03\x03\x00\x02\x02\x46")
    await reader.read(-1)


async def binds_and_cuts_a_deliver_sm(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(BIND_RESP + deliver()[:20])


async def binds_octet_by_octet_and_leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    for octet in BIND_RESP:
        writer.write(bytes((octet,)))
        await writer.drain()


async def binds_and_floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(BIND_RESP)
    for number in range(500):
        writer.write(pdu_of(0x00000099, b"?" * 20, sequence=number))
        writer.write(pdu_of(CommandId.ENQUIRE_LINK, b"", sequence=number))
        writer.write(pdu_of(CommandId.SUBMIT_SM_RESP, b"\0", sequence=number))
        await writer.drain()
    # each enquire_link and each unknown command is answered
    await reader.readexactly(1000 * 16)


@pytest.mark.parametrize(
    "rude",
    [
        says_nothing_and_leaves,
        resets,
        cuts_its_bind_resp,
        speaks_http,
        speaks_tls,
        binds_and_cuts_a_deliver_sm,
        binds_octet_by_octet_and_leaves,
        binds_and_floods,
    ],
    ids=lambda rude: rude.__name__,
)
async def test_a_link_outlives_a_rude_smsc(rude: Behaviour) -> None:
    async with smsc_of(rude, rude) as (network, port):
        link = network.start_link(port=port)
        await network.listener.until(lambda: link.state is LinkState.BOUND and network.server.connections)
        assert link.submit(p.SubmitSm(short_message=b"hei"), "charge")
        await network.listener.until(lambda: network.listener.answers)
        assert network.listener.answers[0].kind is AnswerKind.ANSWERED
        assert network.listener.frames == []


async def test_a_message_out_when_an_smsc_cuts_its_answer_is_lost_not_failed() -> None:
    async def cuts_its_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(BIND_RESP)
        await reader.read(1000)
        writer.write(encode(p.SubmitSmResp("4711"), 2)[:-1])

    async with smsc_of(cuts_its_answer) as (network, port):
        link = network.start_link(port=port)
        await network.listener.until(lambda: link.state is LinkState.BOUND)
        assert link.submit(p.SubmitSm(short_message=b"hei"), "charge")
        await network.listener.until(lambda: network.listener.answers)
        assert [answer.kind for answer in network.listener.answers] == [AnswerKind.LOST]


async def test_a_silent_smsc_is_left_at_the_bind_timer() -> None:
    clock = SteppedClock()
    silent = asyncio.Event()

    async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        silent.set()
        await reader.read(-1)

    async with smsc_of(is_silent) as (network, port):
        link = network.start_link(port=port, clock=clock)
        await asyncio.wait_for(silent.wait(), 60)
        assert link._wire is not None
        clock.step(link._wire, 31)
        await network.listener.until(lambda: link.state is LinkState.BOUND)
        downs = [detail for state, detail in network.listener.states if state is LinkState.DOWN]
        assert [detail.partition(":")[0] for detail in downs] == ["not bound within 30 s"]


class Came:
    """A tap that tells when octets came."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def opened(self, mine: object, theirs: object) -> None: ...

    def came(self, octets: bytes) -> None:
        self.event.set()

    def went(self, octets: bytes) -> None: ...

    def gone(self) -> None: ...


async def test_an_smsc_that_drips_octets_and_never_ends_a_pdu_is_a_dead_link() -> None:
    """Octets alone are no sign of life: only a whole PDU is."""
    clock = SteppedClock()
    drops: asyncio.Queue[int | None] = asyncio.Queue()

    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(BIND_RESP)
        while (octet := await drops.get()) is not None:
            writer.write(bytes((octet,)))
            await writer.drain()

    async with smsc_of(drips) as (network, port):
        link = network.start_link(port=port, clock=clock, enquire_link_s=20)
        await network.listener.until(lambda: link.state is LinkState.BOUND)
        wire, tap = link._wire, Came()
        assert wire is not None
        wire.tap = tap
        assert link.submit(p.SubmitSm(short_message=b"hei"), "charge")
        passed_s = 0
        for octet in deliver():
            drops.put_nowait(octet)
            await asyncio.wait_for(tap.event.wait(), 60)
            tap.event.clear()
            clock.step(wire, 7)
            passed_s += 7
            if not wire.alive:
                break
        drops.put_nowait(None)
        assert passed_s <= 2 * 20 + 7
        await network.listener.until(lambda: network.listener.answers and link.state is LinkState.BOUND)
        assert [answer.kind for answer in network.listener.answers] == [AnswerKind.LOST]
        downs = [detail for state, detail in network.listener.states if state is LinkState.DOWN]
        assert len(downs) == 1
