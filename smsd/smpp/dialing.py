"""A TCP connection to a name that may have several addresses, IPv4 and IPv6 (RFC 8305, happy eyeballs).

asyncio's own way of it is not there on uvloop, and one address after the other would spend the whole time
to connect on the first that a firewall swallows.
"""

from __future__ import annotations

import asyncio
import socket
from itertools import chain, zip_longest
from typing import Final, TypeAlias

STAGGER_S: Final = 0.25
"""How long an address has before the next is tried beside it (RFC 8305 section 5)."""
_MOST: Final = 8

Place: TypeAlias = "tuple[int, tuple[object, ...]]"
"""An address family and an address of it, as getaddrinfo has them."""


async def dial(host: str, port: int, stagger_s: float = STAGGER_S) -> socket.socket:
    """A connected socket; whichever address of `host` answers first.

    Raises:
        OSError: none could be reached; the failure of the first.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    places = in_turns([(family, address) for family, _, _, _, address in found])
    return await _race(places, stagger_s)


def in_turns(places: list[Place]) -> list[Place]:
    """The families in turn, in the resolver's order, each address once (RFC 8305 section 4)."""
    rows: dict[int, list[Place]] = {}
    for place in dict.fromkeys(places):
        rows.setdefault(place[0], []).append(place)
    return [place for place in chain(*zip_longest(*rows.values())) if place is not None][:_MOST]


async def _race(places: list[Place], stagger_s: float) -> socket.socket:
    waiting = list(places)
    tries: list[asyncio.Task[socket.socket]] = []
    running: set[asyncio.Task[socket.socket]] = set()
    try:
        while waiting or running:
            if waiting:
                tries.append(asyncio.ensure_future(_connected(*waiting.pop(0))))
                running.add(tries[-1])
            done, running = await asyncio.wait(
                running, timeout=stagger_s if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            won = next((each for each in tries if each in done and each.exception() is None), None)
            if won is not None:
                tries.remove(won)
                return won.result()
        failure = tries[0].exception() if tries else None
        raise failure or OSError(f"no address of {len(places)}")
    finally:
        for each in tries:
            each.cancel()
        for late in await asyncio.gather(*tries, return_exceptions=True):
            if isinstance(late, socket.socket):
                late.close()


async def _connected(family: int, address: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made
