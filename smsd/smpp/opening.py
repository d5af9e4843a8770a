"""One try to get a connection, within its time and unless its user is stopped meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from smsd.smpp import bind_words as words
from smsd.smpp.connecting import Connector, LinkSettings
from smsd.smpp.hosts import Address
from smsd.smpp.wire import Wire


async def open_wire(
    settings: LinkSettings, connect: Connector, make: Callable[[], Wire], stop: asyncio.Event
) -> tuple[Wire | None, str]:
    """Connect to the settings' host; the wire, or what went wrong, in words.

    From the return on nothing may be awaited until the wire is somebody's: it may be lost at any time.
    """
    made: list[Wire] = []

    def factory() -> Wire:
        made.append(make())
        return made[-1]

    opening = asyncio.ensure_future(connect(factory, settings))
    stopping = asyncio.ensure_future(stop.wait())
    wire: Wire | None = None
    error = ""
    try:
        await asyncio.wait(
            {opening, stopping},
            timeout=None if settings.called else settings.connect_timeout_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        error = _error(opening, settings, stop)
        if not error:
            wire = made[-1]
    finally:
        for task in (opening, stopping):
            task.cancel()
        await asyncio.gather(opening, stopping, return_exceptions=True)
        for one in made:
            if one is not wire:
                one.abort("not connected")
    if wire is None or wire.gone:
        where = Address(settings.host, settings.port)
        ended = wire.lost if wire is not None else ""
        return (
            None,
            error or f"cannot connect to {where}: {ended or 'the SMSC closed the connection at once'}",
        )
    return wire, ""


def _error(opening: asyncio.Future[object], settings: LinkSettings, stop: asyncio.Event) -> str:
    address = Address(settings.host, settings.port)
    where = f"cannot listen at {address}" if settings.called else f"cannot connect to {address}"
    if stop.is_set():
        return "the link was stopped"
    if not opening.done():
        return f"{where}: no connection within {settings.connect_timeout_s:g} s"
    failure = opening.exception()
    if isinstance(failure, OSError):
        return words.not_connected(where, failure)
    if failure is not None:
        raise failure
    return ""


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but not longer than this; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
