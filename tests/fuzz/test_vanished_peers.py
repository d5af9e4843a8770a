"""Peers that are there no more, or take nothing more, although their connection stands: over real TCP."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from smpp_network import BIND, PATIENCE_S, Network, SteppedClock, on_both_loops, quick
from smsc_kit import bound, free
from test_simulator_commands import smsc_sim

from smsd.smpp import pdu as p
from smsd.smpp.answers import AnswerKind
from smsd.smpp.codec import encode
from smsd.smpp.constants import CommandId
from smsd.smpp.link import LinkState

INTERVAL_S = 20.0
"""Between enquiries; what passes of it is the test's to say, however slow the machine is."""


class Proxy:
    """Relays between a port of its own and another, until it stops and leaves the connections open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._busy: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self.relaying = True
        self.swallowed = asyncio.Event()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, back]
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._relay(source, sink))
            self._busy.add(task)

    async def _relay(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while octets := await source.read(4096):
            if self.relaying:
                sink.write(octets)
                await sink.drain()
            else:
                self.swallowed.set()


async def some_turns() -> None:
    """Of the loop: what was to be written is."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_smsc_whose_process_stands_still_is_left_within_two_intervals_and_bound_to_again() -> None:
    clock = SteppedClock()
    async with (
        smsc_sim() as (process, port, _),
        bound(port, clock=clock, enquire_link_s=INTERVAL_S, response_timeout_s=3600.0) as esme,
    ):
        assert (await esme.send(free())).kind is AnswerKind.ANSWERED
        os.kill(process.pid, signal.SIGSTOP)
        try:
            assert esme.link is not None
            wire = esme.link._wire
            assert wire is not None
            assert esme.link.submit(free(), "into the void")
            # the first asks, the second finds nobody
            for _ in range(2):
                await some_turns()
                assert LinkState.DOWN not in esme.states
                clock.step(wire, INTERVAL_S)
            await esme.until(lambda: LinkState.DOWN in esme.states)
            assert esme.answers[-1].kind is AnswerKind.LOST
            assert "dead link" in esme.link.last_error
        finally:
            os.kill(process.pid, signal.SIGCONT)
        await esme.until(lambda: esme.states.count(LinkState.BOUND) == 2)
        assert (await esme.send(free())).kind is AnswerKind.ANSWERED


@on_both_loops
async def test_where_the_way_between_is_cut_without_a_word_both_ends_find_it_within_two_intervals():
    clock = SteppedClock()
    settings = quick(enquire_link_s=INTERVAL_S, response_timeout_s=3600)
    async with Network(settings=settings, clock=clock) as net, Proxy(net.server.port) as proxy:
        link = await net.bound(
            port=proxy.port, clock=clock, enquire_link_s=INTERVAL_S, response_timeout_s=3600
        )
        proxy.relaying = False
        assert link.submit(p.SubmitSm(short_message=b"hei"), "charge")
        ours, theirs = link._wire, net.smsc.conn.wire
        for _ in range(2):
            await proxy.swallowed.wait()
            proxy.swallowed.clear()
            assert LinkState.DOWN not in net.listener.states_seen()
            assert net.smsc.closed == []
            clock.step(ours, INTERVAL_S)
            clock.step(theirs, 0)
        await net.listener.until(lambda: LinkState.DOWN in net.listener.states_seen())
        await net.smsc.until(lambda: any("dead link" in reason for reason in net.smsc.closed))
        assert [answer.kind for answer in net.listener.answers] == [AnswerKind.LOST]
        proxy.relaying = True
        await net.listener.until(lambda: link.state is LinkState.BOUND)


@asynccontextmanager
async def talker(octets: bytes) -> AsyncIterator[int]:
    """A port where the first is bound, told `octets` again and again, and never heard."""
    open_writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        await reader.read(len(encode(BIND, 1)))
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(encode(p.BindResp(CommandId.BIND_TRANSCEIVER_RESP, "SMSC"), 1))
        try:
            while True:
                writer.write(octets)
                await writer.drain()
        except ConnectionError:
            return

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_writers:
            writer.transport.abort()


@on_both_loops
async def test_an_smsc_that_talks_and_never_listens_fills_no_memory_and_is_left():
    mo = encode(p.DeliverSm(source_addr="4799999901", destination_addr="2030", short_message=b"x" * 100), 7)
    async with Network() as net, talker(mo * 500) as port:
        link = net.start_link(port=port, response_timeout_s=0.5, enquire_link_s=60, backoff_first_s=30)
        most = 0

        def left() -> bool:
            nonlocal most
            wire = link._wire
            if wire is not None and wire._transport is not None:
                most = max(most, wire._transport.get_write_buffer_size() + wire.session.waiting_octets)
            return LinkState.DOWN in net.listener.states_seen()

        async with asyncio.timeout(PATIENCE_S):
            await net.listener.until(left)
        assert "the SMSC takes nothing" in link.last_error
        assert 256 * 1024 < most < 2 * 1024 * 1024
