"""One simulated SMSC whole: SMPP server, control API and phone page on one event loop.

Used by the command line, tests and the demo; binds its ports on `start`, so port 0 tells the real ones after.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn

from foundation.clock import Clock, SystemClock
from simulators.smsc.control import control_app
from simulators.smsc.ledger import Ledger
from simulators.smsc.settings import SmscSettings
from simulators.smsc.smsc import Smsc
from smsd.smpp.server import SmppServer
from smsd.smpp.session import SessionSettings


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: whoever runs the loop decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Simulator:
    """Start it, use `port`, `control_port` and `smsc`, stop it.

    Raises:
        LedgerDamagedError: on `start`, the ledger file is none or another process writes it.
        OSError: on `start`, a port is taken.
    """

    def __init__(self, settings: SmscSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.smsc: Smsc
        self.port = 0
        self.control_port = 0
        self._clock = clock or SystemClock()

    @property
    def control_url(self) -> str:
        """Where the control API and the phone's page are."""
        host = self.settings.control_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.control_port}"

    async def start(self) -> None:
        """Opens the ledger and both ports."""
        settings = self.settings
        limits = settings.script.limits
        self._ledger = Ledger(settings.ledger, settings.ledger_fsync)
        try:
            self.smsc = Smsc(settings, self._ledger, self._clock, asyncio.get_running_loop())
            self._smpp = SmppServer(
                self.smsc,
                settings=SessionSettings(
                    window=limits.window,
                    enquire_link_s=limits.enquire_link_s,
                    response_timeout_s=limits.response_timeout_s,
                    bind_timeout_s=limits.bind_timeout_s,
                    inactivity_s=limits.inactivity_s or None,
                ),
                clock=self._clock,
                system_id="smsc-sim",
                requests_limit=limits.unanswered,
                unbound_limit=limits.unbound,
                interface_version=settings.interface_version.number,
                tls=None if settings.tls is None else settings.tls.context(),
            )
            await self._smpp.start(settings.host, settings.port)
            self.port = self._smpp.port
            await self._start_control()
        except BaseException:
            self._ledger.close()
            raise

    async def _start_control(self) -> None:
        settings = self.settings
        # without the protocol named, asyncio leaves Nagle's algorithm on and answers take 40 ms
        family = socket.AF_INET6 if ":" in settings.control_host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.control_host, settings.control_port))
            listening.listen(128)
        except OSError:
            listening.close()
            await self._smpp.stop()
            raise
        self.control_port = listening.getsockname()[1]
        app = control_app(self.smsc, loopback=_is_loopback(settings.control_host))
        self._web = _Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws="websockets-sansio",
                timeout_graceful_shutdown=1,
            )
        )
        self._serving = asyncio.create_task(self._web.serve(sockets=[listening]))

    async def stop(self) -> None:
        """Closes binds, ports and ledger; what was not delivered stays unbilled."""
        self._web.should_exit = True
        self.smsc.stop()
        await self._smpp.stop()
        await self._serving
        self._ledger.close()


@contextlib.asynccontextmanager
async def running(settings: SmscSettings, clock: Clock | None = None) -> AsyncIterator[Simulator]:
    """A simulator that runs as long as the block."""
    simulator = Simulator(settings, clock)
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
