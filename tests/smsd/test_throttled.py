"""The whole gateway against an operator that takes less than it sends, over real TCP."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from handoff import eventually
from test_daemon import Site, town

from smsd.daemon import Daemon
from smsd.settings import load
from smsd.smpp.answers import Answer
from smsd.smpp.pdu import DeliverSm, Frame, SubmitSmResp, Tag, Tlv
from smsd.smpp.server import ServerConnection, SmppServer

NUMBERS = [f"47420{number:05d}" for number in range(60)]


async def metric(site: Site, name: str) -> float:
    (value,) = await metrics(site, name)
    return value


async def metrics(site: Site, *names: str) -> list[float]:
    """Of one look at the page."""
    _, page = await site.get("/metrics")
    found = [re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE) for name in names]
    return [float(each[1]) if each else 0.0 for each in found]


RATE = 'smsd_account_rate{operator="telco"}'
LATER = 'smsd_answers_total{operator="telco",verdict="later"}'


@pytest.mark.parametrize(
    "limits",
    [
        {"limits": {"rate": 20}},
        {"rules": [{"name": "throttled", "throttle": 13}]},
        {"rules": [{"name": "queue full", "refuse": "0x14", "times": 13}]},
    ],
    ids=["a rate", "throttled", "queue full"],
)
async def test_the_account_rests_and_every_text_comes_once(tmp_path: Path, limits: dict[str, Any]) -> None:
    """ESME_RTHROTTLED and ESME_RMSGQFUL rest the account; nothing is lost, doubled or sent in a flood."""
    async with town(**limits) as operator:
        site = Site(tmp_path, operator.simulator.port)
        quick = "rate = 1000\nthrottle_pause_s = 0.1\nthrottle_recover_s = 1\n"
        site.config.write_text(site.config.read_text().replace("rate = 1000\n", quick))
        site.daemon = Daemon(load(site.config))
        await site.start()
        try:
            await site.bound()
            for number in NUMBERS:
                operator.text("HJELP", number)
            async with asyncio.timeout(60):
                # of one moment: a little later the account may have recovered
                later, rate = await metrics(site, LATER, RATE)
                while not later:
                    await asyncio.sleep(0.01)
                    later, rate = await metrics(site, LATER, RATE)
                assert rate < 1000
                await eventually(lambda: all(operator.heard(number) for number in NUMBERS))
                while await metric(site, RATE) < 1000:
                    await asyncio.sleep(0.05)
            assert await metric(site, LATER) < 60
        finally:
            await site.stop()
    assert Counter(len(operator.heard(number)) for number in NUMBERS) == {1: len(NUMBERS)}
    assert {fate for (fate,) in site.rows("SELECT fate FROM messages WHERE direction = 'out'")} <= {
        "accepted",
        "delivered",
    }


class Congested:
    """An SMSC that accepts everything and says how near its limit it is (congestion_state, 0x0428)."""

    def __init__(self) -> None:
        self.level: int | None = None
        self.conns: list[ServerConnection] = []
        self.submits = 0

    def on_bind(self, conn: ServerConnection, frame: Frame) -> int:
        self.conns.append(conn)
        return 0

    def on_requests(self, conn: ServerConnection, frames: list[Frame]) -> None:
        for frame in frames:
            self.submits += 1
            tlvs = () if self.level is None else (Tlv.of_int(Tag.CONGESTION_STATE, self.level, 1),)
            conn.respond(frame, SubmitSmResp(str(self.submits), tlvs))

    def on_answers(self, conn: ServerConnection, answers: list[Answer]) -> None:
        """Nothing to see to."""

    def on_closed(self, conn: ServerConnection, reason: str) -> None:
        """Nothing to see to."""


async def test_congestion_state_slows_the_account_before_anything_is_refused(tmp_path: Path) -> None:
    smsc = Congested()
    server = SmppServer(smsc)
    await server.start()
    site = Site(tmp_path, server.port)
    site.config.write_text(
        site.config.read_text().replace("rate = 1000\n", "rate = 1000\nthrottle_recover_s = 1\n")
    )
    site.daemon = Daemon(load(site.config))
    await site.start()

    async def asks(number: str) -> None:
        before = smsc.submits
        mo = DeliverSm(source_addr=number, destination_addr="2030", short_message=b"HJELP")
        assert smsc.conns[0].request(mo, number)
        await eventually(lambda: smsc.submits > before)

    try:
        await site.bound()
        await asks(NUMBERS[0])
        assert await metric(site, RATE) == 1000
        smsc.level = 100
        numbers = iter(NUMBERS[1:])
        async with asyncio.timeout(60):
            # said again and again: it recovers within a second of the last time
            await asks(next(numbers))
            while await metric(site, RATE) == 1000:
                await asks(next(numbers))
            smsc.level = 0
            while await metric(site, RATE) < 1000:
                await asyncio.sleep(0.05)
        assert await metric(site, LATER) == 0
    finally:
        await site.stop()
        await server.stop()
