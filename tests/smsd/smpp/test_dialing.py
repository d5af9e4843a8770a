"""Names with several addresses, IPv4 and IPv6, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest
from smpp_network import Network, on_both_loops

from simulators.stage import free_port
from smsd.smpp.dialing import dial, in_turns
from smsd.smpp.link import LinkState
from smsd.smpp.server import SmppServer

V4, V6 = socket.AF_INET, socket.AF_INET6


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=V6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")


@contextlib.contextmanager
def swallowing() -> Iterator[int]:
    """A port of 127.0.0.1 whose queue is full: it answers no SYN, as a firewall that drops."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield int(listening.getsockname()[1])


def found(address: str, port: int) -> tuple[object, ...]:
    """As getaddrinfo has it."""
    if ":" in address:
        return (V6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
    return (V4, socket.SOCK_STREAM, 6, "", (address, port))


def named(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """`smsc.example` has these addresses, in this order."""
    real = socket.getaddrinfo

    def resolve(host, port, *args, **kwargs):
        if host != "smsc.example":
            return real(host, port, *args, **kwargs)
        return [found(*each) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", _through(resolve))


def _through(resolve):
    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        return resolve(host, port, family, type, proto, flags)

    return getaddrinfo


def test_families_take_turns_and_every_address_stands_once():
    a, b, c, d = (V6, ("a",)), (V6, ("b",)), (V4, ("c",)), (V4, ("d",))
    assert in_turns([a, b, a, c, d]) == [a, c, b, d]
    assert in_turns([c]) == [c]
    assert in_turns([]) == []
    assert len(in_turns([(V4, (str(number),)) for number in range(50)])) == 8


@needs_ipv6
@on_both_loops
async def test_a_link_binds_to_an_ipv6_address():
    async with Network() as net:
        server = SmppServer(net.smsc)
        await server.start(host="::1")
        link = await net.bound(host="::1", port=server.port)
        assert net.smsc.conn.peer.startswith("[::1]:")
        await link.stop(0)
        await server.stop()


@needs_ipv6
async def test_a_name_that_answers_on_one_family_only_is_reached(monkeypatch):
    async with Network() as net:
        only_v4 = net.server.port
        named(monkeypatch, ("::1", only_v4), ("127.0.0.1", only_v4))
        link = await net.bound(host="smsc.example")
        assert net.smsc.conn.peer.startswith("127.0.0.1:")
        await link.stop(0)
    async with Network() as net:
        server = SmppServer(net.smsc)
        # one where nobody listens on the other family
        await server.start(host="::1", port=free_port())
        named(monkeypatch, ("127.0.0.1", server.port), ("::1", server.port))
        link = await net.bound(host="smsc.example", port=server.port)
        assert net.smsc.conn.peer.startswith("[::1]:")
        await link.stop(0)
        await server.stop()


async def test_an_address_that_swallows_the_call_costs_a_moment_only(monkeypatch):
    async with Network() as net:
        with swallowing() as silent:
            named(monkeypatch, ("127.0.0.1", silent), ("127.0.0.1", net.server.port))
            loop = asyncio.get_running_loop()
            began = loop.time()
            link = await net.bound(host="smsc.example", connect_timeout_s=3600)
            # not the whole time that connecting may take
            assert loop.time() - began < 1800
            await link.stop(0)


async def test_the_failure_of_the_first_address_is_told(monkeypatch):
    first, second = free_port(), free_port()
    named(monkeypatch, ("127.0.0.1", first), ("127.0.0.1", second))
    with pytest.raises(ConnectionRefusedError):
        await dial("smsc.example", 1)


@on_both_loops
async def test_a_name_that_nobody_knows_is_told():
    async with Network() as net:
        link = net.start_link(host="no-such-name.invalid")
        await net.listener.until(lambda: LinkState.DOWN in net.listener.states_seen())
        assert "the name is not known" in link.last_error


async def test_a_call_that_is_given_up_leaves_no_socket(monkeypatch):
    with swallowing() as silent:
        named(monkeypatch, ("127.0.0.1", silent), ("127.0.0.1", silent))
        task = asyncio.ensure_future(dial("smsc.example", 1, stagger_s=0))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
