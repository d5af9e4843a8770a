"""A simulated SMSC over real TCP, and a client of its control API."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from smsc_kit import settings_of

from simulators.smsc.app import Simulator, running


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running(settings_of()) as simulator:
        yield simulator


@pytest.fixture
async def control(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as client:
        yield client
