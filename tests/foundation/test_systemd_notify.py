"""systemd is told how the service fares, over a real socket, and its absence does no harm."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.systemd import Notifier


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(60)
        yield receiver


def notifier(address: str, **more: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": address, **more})


def test_each_message_is_one_datagram_of_lines(listening: socket.socket) -> None:
    told = notifier(listening.getsockname())
    assert told.ready("2 of 2 bound")
    assert listening.recv(500) == b"READY=1\nSTATUS=2 of 2 bound"
    assert told.status("many\nlines\nin one")
    assert listening.recv(500) == b"STATUS=many lines in one"
    assert told.alive()
    assert listening.recv(500) == b"WATCHDOG=1"
    assert told.reloading(5_000)
    assert listening.recv(500) == b"RELOADING=1\nMONOTONIC_USEC=5000"
    assert told.stopping()
    assert listening.recv(500) == b"STOPPING=1"


def test_an_abstract_socket_is_spoken_to() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("")  # the kernel picks an abstract name
        receiver.settimeout(60)
        name = receiver.getsockname().decode()
        assert name.startswith("\0")
        assert notifier("@" + name[1:]).ready()
        assert receiver.recv(500) == b"READY=1"


@pytest.mark.parametrize("address", ["", "relative/path", "/nobody/listens/here"])
def test_without_a_listener_nothing_is_sent_and_nothing_fails(address: str) -> None:
    assert not notifier(address).ready()
    assert not notifier(address).status("x")


def test_an_empty_status_is_not_sent(listening: socket.socket) -> None:
    assert not notifier(listening.getsockname()).status("  ")


@pytest.mark.parametrize(
    ("variables", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getppid())}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_s_interval_is_the_one_meant_for_this_process(
    variables: dict[str, str], interval_s: float | None
) -> None:
    assert notifier("", **variables).watchdog_s == interval_s


async def test_signs_of_life_are_sent_only_while_healthy(listening: socket.socket) -> None:
    told = notifier(listening.getsockname(), WATCHDOG_USEC="2000")
    listening.setblocking(False)
    loop = asyncio.get_running_loop()
    states = iter([True, False, False, True])
    asked = 0
    enough = asyncio.Event()

    def healthy() -> bool:
        nonlocal asked
        asked += 1
        state = next(states, None)
        if state is None:
            enough.set()
        return bool(state)

    running = loop.create_task(told.keep_alive(healthy))
    async with asyncio.timeout(60):
        await enough.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    received = []
    while True:
        try:
            received.append(listening.recv(500))
        except BlockingIOError:
            break
    assert received == [b"WATCHDOG=1", b"WATCHDOG=1"]
    assert asked >= 5


async def test_without_a_watchdog_no_signs_are_sent() -> None:
    async with asyncio.timeout(60):
        await notifier("").keep_alive(lambda: True)
