"""The program's health for machines: ``/metrics``, ``/healthz`` and ``/readyz`` on one small HTTP server.

Runs on the program's own loop, takes no signals, and tells no more than the checks and pages it was given.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from foundation.redaction import redact_text
from foundation.settings_tables import address

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from uvicorn import Server

_CONNECTIONS = 64
_GRACE_S = 1
_NO_STORE = {"cache-control": "no-store"}


class CannotListenError(Exception):
    """The address is taken, not this machine's, or not allowed to this user."""


class Check(msgspec.Struct, frozen=True):
    """How one part fares; `detail` in words for people, without numbers of phones or secrets."""

    ok: bool
    detail: str = ""


class HealthServer:
    """Serves what the checks say at the time of asking.

    Args:
        listen: ``host:port``; port 0 takes any free one, see `port`.
        checks: each part's check, called on the loop; one that raises counts as not ok.
        registry: what /metrics tells.
        extra: further pages by name, each with what makes its JSON when it is asked for.
        alive: the checks that /healthz asks; /readyz asks all.
    """

    def __init__(
        self,
        listen: str,
        checks: Mapping[str, Callable[[], Check]],
        registry: CollectorRegistry = REGISTRY,
        *,
        alive: Collection[str] = ("store",),
        extra: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        self._listen = listen
        self._checks = checks
        self._registry = registry
        self._alive = alive
        self._extra = dict(extra or {})
        self._socket: socket.socket | None = None
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port listened on, once started; else 0."""
        return int(self._socket.getsockname()[1]) if self._socket else 0

    async def start(self) -> None:
        """Listen.

        Raises:
            CannotListenError: naming the address and why.
        """
        # takes some hundredths of a second to import, which a start without metrics is spared
        from uvicorn import Config, Server  # noqa: PLC0415
        from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415

        class Quiet(H11Protocol):
            """Logs no requests; `Config` could only silence every server of the process."""

            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(*args, **more)
                self.access_log = False

        listening = _bound(self._listen)
        config = Config(
            self.application(),
            lifespan="off",
            loop="none",
            http=Quiet,
            ws="none",
            log_config=None,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=_GRACE_S,
        )
        config.load()
        server = Server(config)
        # what `Server.serve` does, without taking the program's signals
        server.lifespan = config.lifespan_class(config)
        try:
            await server.startup(sockets=[listening])
        except BaseException:
            listening.close()
            raise
        self._socket, self._server = listening, server
        self._serving = asyncio.get_running_loop().create_task(server.main_loop())

    async def stop(self) -> None:
        """Answer what is being asked, then close. Stopping twice is nothing."""
        server, serving, listening = self._server, self._serving, self._socket
        self._server = self._serving = self._socket = None
        if server is None or serving is None or listening is None:
            return
        server.should_exit = True
        await serving
        await server.shutdown(sockets=[listening])

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            await self.start()
            await asyncio.Event().wait()
        finally:
            await self.stop()

    def application(self) -> Starlette:
        """The three pages and the further ones as an ASGI application."""
        from starlette.applications import Starlette  # noqa: PLC0415
        from starlette.routing import Route  # noqa: PLC0415

        return Starlette(
            routes=[
                Route("/metrics", self._metrics, methods=["GET"]),
                Route("/healthz", self._healthz, methods=["GET"]),
                Route("/readyz", self._readyz, methods=["GET"]),
                *(Route(f"/{name}", _page(make), methods=["GET"]) for name, make in self._extra.items()),
            ]
        )

    def ask(self, names: Collection[str] | None = None) -> dict[str, Check]:
        """What the checks of these names say now; all where none are named."""
        return {name: _ask(check) for name, check in self._checks.items() if names is None or name in names}

    async def _metrics(self, request: Request) -> Response:
        from starlette.responses import Response  # noqa: PLC0415

        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"content-type": kind, **_NO_STORE})

    async def _healthz(self, _request: Request) -> Response:
        return _told(self.ask(self._alive))

    async def _readyz(self, _request: Request) -> Response:
        return _told(self.ask())


def _page(make: Callable[[], object]) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def answer(_request: Request) -> Response:
        from starlette.responses import Response  # noqa: PLC0415

        return Response(
            msgspec.json.encode(make()) + b"\n", headers={"content-type": "application/json", **_NO_STORE}
        )

    return answer


def _ask(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that fails is an answer
        return Check(ok=False, detail=f"the check itself failed: {type(error).__name__}")


def _told(checks: Mapping[str, Check]) -> Response:
    from starlette.responses import Response  # noqa: PLC0415

    ok = all(check.ok for check in checks.values())
    parts: dict[str, Any] = {
        name: {"ok": check.ok, "detail": redact_text(check.detail)} for name, check in checks.items()
    }
    return Response(
        msgspec.json.encode({"ok": ok, "parts": parts}) + b"\n",
        status_code=200 if ok else 503,
        headers={"content-type": "application/json", **_NO_STORE},
    )


def _bound(listen: str) -> socket.socket:
    host, port = address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_CONNECTIONS)
    except OSError as error:
        listening.close()
        raise CannotListenError(
            f"metrics.listen: {listen} cannot be listened on ({error.strerror or error}); give a free address"
        ) from error
    listening.setblocking(False)
    return listening
