"""A simulated SMSC over real TCP, and a client of its control API."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "smsd/smpp"))

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
