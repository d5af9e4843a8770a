"""Both ends of a link over loopback TCP for the tests: what they hear is kept, and can be waited for."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from types import TracebackType

import pytest
import uvloop

from foundation.clock import Clock, SystemClock
from smsd.smpp import pdu as p
from smsd.smpp.answers import Answer
from smsd.smpp.constants import CommandId
from smsd.smpp.link import Link, LinkSettings, LinkState
from smsd.smpp.server import ServerConnection, SmppServer
from smsd.smpp.session import SessionSettings
from smsd.smpp.wire import Wire


def on_both_loops(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Run a coroutine test once on asyncio's own loop and once on uvloop."""

    def run(loop_factory: Callable[[], asyncio.AbstractEventLoop], **given: object) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(test(**given))

    run.__name__, run.__module__, run.__doc__ = test.__name__, test.__module__, test.__doc__
    parameter = inspect.Parameter("loop_factory", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([parameter, *inspect.signature(test).parameters.values()])
    run.pytestmark = list(getattr(test, "pytestmark", []))
    factories = [asyncio.new_event_loop, uvloop.new_event_loop]
    return pytest.mark.parametrize("loop_factory", factories, ids=["asyncio", "uvloop"])(run)


PATIENCE_S = 60.0
"""How long a test waits for what must come; never waited out where all is well."""

BIND = p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret")


class SteppedClock(SystemClock):
    """A clock that a test can put forward."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead_s

    def step(self, wire: Wire, seconds: float) -> None:
        """Put the clock forward and let a wire's timer fire."""
        self._ahead_s += seconds
        wire.tick()


class Watched:
    """Something that changes and can be waited for."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


class Listener(Watched):
    """What a link tells; deliver_sm are answered at once unless `answering` is off."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[tuple[LinkState, str]] = []
        self.frames: list[p.Frame] = []
        self.answers: list[Answer] = []
        self.answering = True

    def on_state(self, link: Link, state: LinkState, detail: str) -> None:
        self.states.append((state, detail))
        self.changed()

    def on_requests(self, link: Link, frames: list[p.Frame]) -> None:
        self.frames.extend(frames)
        if self.answering:
            for frame in frames:
                link.respond(frame)
        self.changed()

    def on_answers(self, link: Link, answers: list[Answer]) -> None:
        self.answers.extend(answers)
        self.changed()

    def states_seen(self) -> list[LinkState]:
        return [state for state, _ in self.states]


class Smsc(Watched):
    """A plain SMSC; submits are answered at once unless `answering` is off."""

    def __init__(self) -> None:
        super().__init__()
        self.bind_statuses: list[int | None] = []
        self.conns: list[ServerConnection] = []
        self.frames: list[p.Frame] = []
        self.answers: list[Answer] = []
        self.closed: list[str] = []
        self.answering = True

    @property
    def conn(self) -> ServerConnection:
        return self.conns[-1]

    def on_bind(self, conn: ServerConnection, frame: p.Frame) -> int | None:
        self.conns.append(conn)
        self.changed()
        return self.bind_statuses.pop(0) if self.bind_statuses else 0

    def on_requests(self, conn: ServerConnection, frames: list[p.Frame]) -> None:
        self.frames.extend(frames)
        if self.answering:
            for frame in frames:
                conn.respond(frame, p.SubmitSmResp(f"id-{frame.sequence}"))
        self.changed()

    def on_answers(self, conn: ServerConnection, answers: list[Answer]) -> None:
        self.answers.extend(answers)
        self.changed()

    def on_closed(self, conn: ServerConnection, reason: str) -> None:
        self.closed.append(reason)
        self.changed()


class Network:
    """An SMSC and, when asked for, a link to it. `async with` takes both down."""

    def __init__(self, **server: object) -> None:
        self.smsc = Smsc()
        self.server = SmppServer(self.smsc, **server)
        self.listener = Listener()
        self.link: Link | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Network:
        await self.server.start()
        self._stack.push_async_callback(self.server.stop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._stack.aclose()

    def start_link(self, *, connect: object = None, clock: Clock | None = None, **settings: object) -> Link:
        given = {
            "name": "test",
            "host": "127.0.0.1",
            "port": self.server.port,
            "bind": BIND,
            "backoff_first_s": 0.01,
            "backoff_max_s": 0.05,
            **settings,
        }
        link = Link(
            LinkSettings(**given),
            self.listener,
            clock=clock or SystemClock(),
            random=random.Random(1),
            connect=connect,
        )
        self.link = link
        running = asyncio.create_task(link.run())

        async def end() -> None:
            await link.stop(0)
            await running

        self._stack.push_async_callback(end)
        return link

    async def bound(self, **settings: object) -> Link:
        link = self.start_link(**settings)
        await self.listener.until(lambda: link.state is LinkState.BOUND)
        return link


def quick(**settings: object) -> SessionSettings:
    """An SMSC's settings for tests."""
    return SessionSettings(**settings)
