"""The SMSC calls, says who it is, and is bound to on its own connection."""

from __future__ import annotations

import asyncio
import random

import pytest
from smpp_network import BIND, PATIENCE_S, Listener, Smsc, on_both_loops
from smpp_samples import DELIVER, SUBMIT

from foundation.clock import SystemClock
from smsd.smpp import pdu as p
from smsd.smpp.codec import encode
from smsd.smpp.hosts import Address
from smsd.smpp.link import Link, LinkSettings, LinkState
from smsd.smpp.outbind import OutbindDoor, OutbindSettings
from smsd.smpp.server import ServerConnection, SmppServer


class Called:
    """A link that waits for a call, and an SMSC that can make one."""

    def __init__(self, links: int = 1, patience_s: float = 10.0) -> None:
        self.refused: list[str] = []
        self.listener = Listener()
        self.door = OutbindDoor(
            OutbindSettings(Address("127.0.0.1", 0), "SMSC", "smscpw", patience_s), self._on_refused
        )
        self.smsc = Smsc()
        self.server = SmppServer(self.smsc)
        self.links = [
            Link(
                LinkSettings(
                    f"test-{number}",
                    "127.0.0.1",
                    0,
                    BIND,
                    called=True,
                    backoff_first_s=0.01,
                    backoff_max_s=0.02,
                ),
                self.listener,
                clock=SystemClock(),
                random=random.Random(1),
                connect=self.door.connect,
            )
            for number in range(links)
        ]
        self._running: list[asyncio.Task[None]] = []

    def _on_refused(self, peer: str, why: str) -> None:
        self.refused.append(why)
        self.listener.changed()

    async def __aenter__(self) -> Called:
        self._running = [asyncio.create_task(link.run()) for link in self.links]
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        async with asyncio.timeout(PATIENCE_S):
            for link in self.links:
                await link.stop(0)
            await asyncio.gather(*self._running)

    async def open(self) -> None:
        """Until the door is open."""
        async with asyncio.timeout(PATIENCE_S):
            while self.door._server is None:
                await asyncio.sleep(0)

    async def call(self, first: bytes | None = None) -> ServerConnection:
        """Connect and say who we are."""
        conn = ServerConnection(self.server)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: conn.wire, "127.0.0.1", self.door.port)
        conn.send_octets(encode(p.Outbind("SMSC", "smscpw"), 1) if first is None else first)
        return conn


@on_both_loops
async def test_the_right_call_is_bound_to_on_the_same_connection():
    async with Called() as world:
        assert world.listener.states[0] == (LinkState.CONNECTING, "waits for a call at 127.0.0.1:0")
        conn = await world.call()
        await world.listener.until(lambda: world.links[0].state is LinkState.BOUND)
        assert world.smsc.conns == [conn]
        assert conn.system_id == "smsd"
        assert world.links[0].submit(SUBMIT, "tag")
        assert conn.request(DELIVER, "mo")
        await world.smsc.until(lambda: world.smsc.answers)
        await world.listener.until(lambda: world.listener.answers)
        assert [frame.pdu for frame in world.listener.frames] == [DELIVER]
        assert world.refused == []


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (encode(p.Outbind("SMSC", "wrong"), 1), "its outbind has a wrong system_id or password"),
        (encode(p.Outbind("smsd", "smscpw"), 1), "its outbind has a wrong system_id or password"),
        (encode(p.EnquireLink(), 1), "its first PDU is no outbind"),
        (b"\xff\xff\xff\xff\x00", "its first PDU is no outbind"),
        (b"GET / HTTP/1.0\r\n\r\n", "its first PDU is no outbind"),
        (b"\x00\x00\x00\x04", "its first PDU is no outbind"),
        (bytes(100), "its first PDU is no outbind"),
    ],
    ids=["password", "system_id", "no outbind", "length", "http", "short", "nothing but NULs"],
)
@on_both_loops
async def test_any_other_caller_is_sent_away_and_the_door_stays_open(first, why):
    async with Called() as world:
        stranger = await world.call(first)
        await world.listener.until(lambda: world.refused)
        assert world.refused == [why]
        await world.smsc.until(lambda: stranger.wire.gone or world.smsc.closed)
        await world.call()
        await world.listener.until(lambda: world.links[0].state is LinkState.BOUND)


@on_both_loops
async def test_a_caller_who_says_nothing_is_sent_away():
    async with Called(patience_s=0.01) as world:
        await world.call(b"\x00\x00")
        await world.listener.until(lambda: world.refused)
        assert world.refused == ["it said nothing"]


@on_both_loops
async def test_an_outbind_in_pieces_and_what_follows_it_are_read():
    async with Called() as world:
        octets = encode(p.Outbind("SMSC", "smscpw"), 1)
        conn = await world.call(octets[:7])
        conn.send_octets(octets[7:] + encode(p.EnquireLink(), 2))
        await world.listener.until(lambda: world.links[0].state is LinkState.BOUND)


@on_both_loops
async def test_nobody_listens_while_all_links_are_bound_and_again_once_one_is_lost():
    async with Called() as world:
        conn = await world.call()
        await world.listener.until(lambda: world.links[0].state is LinkState.BOUND)
        with pytest.raises(ConnectionRefusedError):
            await world.call()
        port = world.door.port
        world.door.settings = OutbindSettings(Address("127.0.0.1", port), "SMSC", "smscpw")
        conn.drop()
        await world.listener.until(lambda: LinkState.DOWN in world.listener.states_seen())
        await world.open()
        await world.call()
        await world.listener.until(lambda: world.links[0].binds == 2)


@on_both_loops
async def test_each_call_is_another_links():
    async with Called(links=2) as world:
        await world.call()
        await world.call()
        await world.listener.until(lambda: all(link.state is LinkState.BOUND for link in world.links))
        assert len(world.smsc.conns) == 2


@on_both_loops
async def test_a_crowd_of_strangers_does_not_fill_the_memory():
    async with Called() as world:
        for _ in range(20):
            await world.call(b"\x00")
        await world.listener.until(lambda: len(world.refused) >= 4)
        assert len(world.door._callers) <= 16


@on_both_loops
async def test_an_address_that_cannot_be_listened_at_is_told():
    async with Called() as world:
        taken = OutbindDoor(
            OutbindSettings(Address("127.0.0.1", world.door.port), "SMSC", "smscpw"), world._on_refused
        )
        listener = Listener()
        link = Link(
            LinkSettings("x", "127.0.0.1", world.door.port, BIND, called=True, backoff_first_s=60),
            listener,
            clock=SystemClock(),
            random=random.Random(1),
            connect=taken.connect,
        )
        running = asyncio.create_task(link.run())
        await listener.until(lambda: LinkState.DOWN in listener.states_seen())
        assert link.last_error.startswith(f"cannot listen at 127.0.0.1:{world.door.port}: ")
        await link.stop(0)
        await running


def test_the_password_shows_nowhere():
    settings = OutbindSettings(Address("127.0.0.1", 1), "SMSC", "smscpw")
    assert "smscpw" not in repr(settings)
