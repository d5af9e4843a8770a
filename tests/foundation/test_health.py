"""The health pages tell the truth of the moment, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge

from foundation.health import CannotListenError, Check, HealthServer


class World:
    """Parts whose health a test sets."""

    def __init__(self) -> None:
        self.checks = {"store": Check(ok=True, detail="commits"), "telco": Check(ok=True, detail="bound")}
        self.registry = CollectorRegistry()
        self.queue = Gauge("mo_waiting", "MO that wait for the store", registry=self.registry)
        self.server = HealthServer(
            "127.0.0.1:0", {name: lambda name=name: self.checks[name] for name in self.checks}, self.registry
        )


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.server.start()
    yield world
    await world.server.stop()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{world.server.port}", trust_env=False, timeout=60
    ) as client:
        yield client


async def test_metrics_are_those_of_the_registry_now(world: World, client: httpx.AsyncClient) -> None:
    world.queue.set(7)
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "mo_waiting 7.0" in answer.text
    world.queue.set(8)
    assert "mo_waiting 8.0" in (await client.get("/metrics")).text


async def test_metrics_come_as_openmetrics_where_asked(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_all_well_is_200_with_each_part(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "ok": True,
        "parts": {"store": {"ok": True, "detail": "commits"}, "telco": {"ok": True, "detail": "bound"}},
    }


async def test_a_part_that_is_not_well_is_503_and_named(world: World, client: httpx.AsyncClient) -> None:
    world.checks["telco"] = Check(ok=False, detail="not bound since 12:00")
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ok"] is False
    assert answer.json()["parts"]["telco"] == {"ok": False, "detail": "not bound since 12:00"}
    assert answer.json()["parts"]["store"]["ok"] is True


async def test_being_alive_asks_the_store_alone(world: World, client: httpx.AsyncClient) -> None:
    world.checks["telco"] = Check(ok=False)
    answer = await client.get("/healthz")
    assert (answer.status_code, list(answer.json()["parts"])) == (200, ["store"])
    world.checks["store"] = Check(ok=False, detail="does not commit")
    assert (await client.get("/healthz")).status_code == 503


async def test_a_check_that_raises_is_an_answer(world: World, client: httpx.AsyncClient) -> None:
    del world.checks["telco"]
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["telco"] == {"ok": False, "detail": "the check itself failed: KeyError"}


async def test_what_is_private_does_not_show(world: World, client: httpx.AsyncClient) -> None:
    world.checks["telco"] = Check(ok=False, detail="refused +4799999999")
    assert (await client.get("/readyz")).json()["parts"]["telco"]["detail"] == "refused +47******99"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/readyz", 405)])
async def test_nothing_else_is_served(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    assert (await client.request(method, path)).status_code == status


async def test_an_address_that_is_taken_is_told(world: World) -> None:
    other = HealthServer(f"127.0.0.1:{world.server.port}", {})
    with pytest.raises(
        CannotListenError, match=rf"metrics\.listen: 127\.0\.0\.1:{world.server.port} cannot be"
    ):
        await other.start()
    await other.stop()


async def test_after_a_stop_the_address_is_free_and_stopping_again_is_nothing() -> None:
    world = World()
    await world.server.start()
    port = world.server.port
    await world.server.stop()
    await world.server.stop()
    assert world.server.port == 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 20])
async def test_running_ends_whenever_it_is_cancelled(turns: int) -> None:
    world = World()
    running = asyncio.get_running_loop().create_task(world.server.run())
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert world.server.port == 0


async def test_the_program_s_signal_handlers_are_left_alone() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    world = World()
    await world.server.start()
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    await world.server.stop()


async def test_requests_are_not_logged_but_other_servers_may_log_theirs(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await client.get("/healthz")
        logging.getLogger("uvicorn.access").info("another server's")
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == [
        "another server's"
    ]


def test_importing_it_does_not_import_a_web_server() -> None:
    code = "import sys, json, foundation.health; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"uvicorn", "starlette", "fastapi"} & set(json.loads(done.stdout))
