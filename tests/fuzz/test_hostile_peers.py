"""Slow, silent, rude and many peers over real TCP, on both sides; every test has a bounded count of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hostile_samples import PUBLISHED, deliver, pdu_of
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


async def gone(peer: Peer) -> bytes:
    """Read until the other side closes; what came."""
    reader, writer = peer
    try:
        async with asyncio.timeout(10):
            read = await reader.read(-1)
    except ConnectionError:
        read = b""
    writer.close()
    return read


# --- at a server


async def test_a_server_takes_a_bind_and_messages_octet_by_octet() -> None:
    async with Network() as network:
        reader, writer = await asyncio.open_connection("127.0.0.1", network.server.port)
        for octet in encode(BIND, 1) + encode(p.SubmitSm(short_message=b"hei"), 2) * 3:
            writer.write(bytes((octet,)))
            await writer.drain()
        found: list[object] = []
        frames = FrameReader()
        async with asyncio.timeout(10):
            while len(found) < 4:
                frames.feed(await reader.read(1))
                found.extend(frames.frames())
        assert [frame.status for frame in found] == [0] * 4  # type: ignore[attr-defined]
        writer.close()


async def test_a_crowd_that_says_nothing_is_sent_away_and_disturbs_nobody() -> None:
    clock = SteppedClock()
    async with Network(clock=clock, settings=quick(bind_timeout_s=30, enquire_link_s=None)) as network:
        crowd = [await asyncio.open_connection("127.0.0.1", network.server.port) for _ in range(CROWD)]
        half = encode(BIND, 1)
        for number, (_, writer) in enumerate(crowd):
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
        for peer in crowd:
            assert await gone(peer) == b""
        await network.smsc.until(lambda: len(network.server.connections) == 1)
        assert link.state is LinkState.BOUND


async def test_connections_that_come_and_go_leave_nothing_behind() -> None:
    async with Network() as network:
        for number in range(CROWD):
            _, writer = await asyncio.open_connection("127.0.0.1", network.server.port)
            writer.write(encode(BIND, 1)[: number % 40])
            writer.transport.abort()
        link = await network.bound()
        await network.smsc.until(lambda: len(network.server.connections) == 1)
        assert link.state is LinkState.BOUND


async def test_a_crowd_with_wrong_passwords_gets_no_bind_and_the_account_keeps_its_own() -> None:
    async with running(settings_of()) as simulator, bound(simulator.port) as esme:
        wrong = encode(p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "guess"), 1)
        crowd = [await asyncio.open_connection("127.0.0.1", simulator.port) for _ in range(CROWD)]
        for _, writer in crowd:
            writer.write(wrong * 5)
        for reader, writer in crowd:
            async with asyncio.timeout(10):
                octets = await reader.readexactly(5 * 16)
            assert int.from_bytes(octets[8:12], "big") == CommandStatus.ESME_RINVPASWD
            writer.close()
        answer = await esme.send(premium())
        assert answer.status == 0
        assert len(simulator.smsc.binds) == 1


async def test_what_brought_others_down_does_not_disturb_the_simulator() -> None:
    async with running(settings_of()) as simulator, bound(simulator.port) as esme:
        for case in PUBLISHED:
            _, writer = peer = await asyncio.open_connection("127.0.0.1", simulator.port)
            writer.write(encode(p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret"), 1))
            writer.write(case.octets)
            writer.write_eof()
            await gone(peer)
        assert (await esme.send(premium())).status == 0


async def test_a_peer_that_never_reads_is_not_written_to_without_end() -> None:
    async with Network() as network:
        _, writer = await asyncio.open_connection("127.0.0.1", network.server.port)
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
        writer.transport.abort()


# --- at a link


@asynccontextmanager
async def smsc_of(*behaviours: Behaviour) -> AsyncIterator[tuple[Network, int]]:
    """A port where the first connections meet these behaviours, one each, and later ones a good SMSC."""
    left = list(behaviours)
    async with Network() as network:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                if left:
                    await left.pop(0)(reader, writer)
                else:
                    await _relay(reader, writer, network.server.port)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            yield network, server.sockets[0].getsockname()[1]
        finally:
            server.close()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    there, onward = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
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
        await asyncio.wait_for(silent.wait(), 10)
        assert link._wire is not None
        clock.step(link._wire, 31)
        await network.listener.until(lambda: link.state is LinkState.BOUND)
        downs = [detail for state, detail in network.listener.states if state is LinkState.DOWN]
        assert downs == ["not bound within 30 s"]
