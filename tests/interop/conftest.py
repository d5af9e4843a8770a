"""Strangers to talk to: the simulated SMSC over real TCP, and node-smpp's programs, ended with their test."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("simulators", "smsd/smpp", "system")]

from node_stranger import Node  # noqa: E402 - found through the path above
from programs import need  # noqa: E402
from smsc_kit import settings_of  # noqa: E402

from simulators.smsc.app import Simulator, running  # noqa: E402


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running(settings_of()) as simulator:
        yield simulator


@pytest.fixture
async def control(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as client:
        yield client


@pytest.fixture
def tshark() -> str:
    """Known to be there before anything is started."""
    return need("tshark")


@pytest.fixture
async def node_smsc() -> AsyncIterator[Node]:
    """node-smpp's server on a free port; `port` of its first word."""
    async with Node("smsc.js") as node:
        yield node


@pytest.fixture
async def node_esme(simulator: Simulator) -> AsyncIterator[Node]:
    """node-smpp's client, connected to the simulated SMSC."""
    async with Node("esme.js", str(simulator.port)) as node:
        await node.hears("connected")
        yield node
