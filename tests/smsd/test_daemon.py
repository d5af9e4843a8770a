"""The whole gateway over real TCP against the simulated operator, the bridge in the same process."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from handoff import eventually
from mosquitto import free_port

from simulators.smsc.app import Simulator, running
from simulators.smsc.origination import Text
from simulators.smsc.phones import Direction
from simulators.smsc.settings import Script, SmscSettings
from smsd.daemon import Daemon
from smsd.settings import load

OLA = "4742000001"
PATIENCE_S = 60
CONFIG = """
[store]
url = "sqlite:///{folder}/smsd.db"
[handoff]
carrier = "local"
[bridge]
store = "sqlite:///{folder}/billing.db"
[web]
listen = "127.0.0.1:{web}"
[metrics]
listen = "127.0.0.1:{metrics}"
[limits]
stop_grace_s = 5
[[operators]]
name = "telco"
host = "127.0.0.1"
port = {port}
system_id = "smsd"
password = "secret"
reconnect_first_s = 0.05
reconnect_max_s = 0.1
rate = 1000
bind = "{bind}"
[operators.price]
carrier = "tlv"
tag = 0x1403
[operators.outcomes]
"0021" = "no_credit"
[[short_codes]]
number = "2030"
operators = ["telco"]
[[organisations]]
name = "Organisasjon1"
codeword = "ORG1"
site = "https://org1.hypersys.no"
join = "{join}"
[organisations.subcodewords]
BETAL = "pay"
MEDLEM = "status"
[organisations.billing]
account = "9999.00.00014"
organisation_number = "999 000 010"
[[organisations.billing.fees]]
category = "Medlem"
amount_kr = 50
"""


class Site:
    """A gateway on this machine, and the operator it is bound to."""

    def __init__(self, folder: Path, port: int, join: str = "join", bind: str = "transceiver") -> None:
        self.folder = folder
        self.metrics = free_port()
        self.config = folder / "smsd.toml"
        self.config.write_text(
            CONFIG.format(
                folder=folder, port=port, web=free_port(), metrics=self.metrics, join=join, bind=bind
            )
        )
        self.daemon = Daemon(load(self.config))
        self.running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.running = asyncio.create_task(self.daemon.run())
        await asyncio.wait_for(self.daemon.ready.wait(), PATIENCE_S)

    async def stop(self) -> None:
        if self.running is not None:
            self.daemon.stop()
            await asyncio.wait_for(self.running, PATIENCE_S)

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of the gateway's own."""

        def fetch() -> tuple[int, str]:
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{self.metrics}{path}", timeout=PATIENCE_S
                ) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

        return await asyncio.to_thread(fetch)

    async def bound(self) -> None:
        """Wait until the gateway says that it is ready."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.get("/readyz"))[0] != 200:
                await asyncio.sleep(0.02)

    def rows(self, query: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/smsd.db?mode=ro", uri=True)) as store:
            return store.execute(query).fetchall()


class Town:
    """The operator as the test sees it."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.smsc = simulator.smsc

    def text(self, text: str, number: str = OLA) -> None:
        self.smsc.send_mo(Text(number, "2030", text))

    def heard(self, number: str = OLA) -> list[str]:
        """The texts that a phone got, in order."""
        phone = self.smsc.phones.find(number)
        return [each.text for each in phone.messages if each.direction == Direction.MT] if phone else []

    async def hears(self, beginning: str, number: str = OLA) -> None:
        await eventually(lambda: any(text.startswith(beginning) for text in self.heard(number)))

    @property
    def billed(self) -> tuple[int, int]:
        """Rows billed, and the sum in øre."""
        return self.smsc.ledger.billed, self.smsc.ledger.amount_ore


def script(**fields: Any) -> Script:
    return Script.model_validate({"receipts": {"delay_s": 0}, **fields})


@contextlib.asynccontextmanager
async def town(**fields: Any) -> AsyncIterator[Town]:
    async with running(SmscSettings(port=0, control_port=0, script=script(**fields))) as simulator:
        yield Town(simulator)


@pytest.fixture(name="site")
async def _site(tmp_path: Path) -> AsyncIterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(port: int, **settings: str) -> Site:
        folder = tmp_path / f"site{len(made)}"
        folder.mkdir()
        made.append(Site(folder, port, **settings))
        return made[-1]

    yield make
    for site in made:
        if site.running is not None and not site.running.done():
            await site.stop()


@pytest.mark.parametrize("bind", ["transceiver", "transmitter+receiver"])
async def test_joining_and_then_paying_by_sms_from_phone_to_ledger_and_back(
    site: Callable[..., Site], bind: str
) -> None:
    async with town() as operator:
        gateway = site(operator.simulator.port, bind=bind)
        await gateway.start()
        await gateway.bound()
        operator.text("ORG1 Ola Nordmann ola@example.org")
        await operator.hears("Takk for din støtte!")
        operator.text("ORG1 BETAL 50")
        await operator.hears("Betalinga di er motteken")
        assert [text[:24] for text in operator.heard()] == [
            "Takk for din støtte! Dit",
            "Betalinga di er under ha",
            "Betalinga di er motteken",
        ]
        assert operator.billed == (1, 5000)
        assert gateway.rows("SELECT state, amount_ore, contradicted FROM charges") == [("charged", 5000, 0)]
        operator.text("ORG1 BETAL 50")
        await operator.hears("Ingen uteståande fakturaer på beløpet 50kr.")
        assert operator.billed == (1, 5000)
        await gateway.stop()


async def test_joining_and_paying_by_one_text(site: Callable[..., Site]) -> None:
    async with town() as operator:
        gateway = site(operator.simulator.port, join="join-and-pay")
        await gateway.start()
        await gateway.bound()
        operator.text("ORG1 Ola Nordmann ola@example.org")
        await operator.hears("Betalinga di er motteken")
        assert operator.billed == (1, 5000)
        await gateway.stop()


async def test_a_phone_without_credit_is_told_so_and_not_billed(site: Callable[..., Site]) -> None:
    poor = "4740000123"
    async with town() as operator:
        gateway = site(operator.simulator.port, join="join-and-pay")
        await gateway.start()
        await gateway.bound()
        operator.text("ORG1 Ola Nordmann ola@example.org", poor)
        await operator.hears("SMS-betaling var ikkje mogleg", poor)
        assert operator.billed == (0, 0)
        assert gateway.rows("SELECT state, reason FROM charges") == [("not_charged", "no_credit")]
        await gateway.stop()


async def test_an_answer_that_never_comes_leaves_a_doubt_and_its_receipt_settles_it(
    site: Callable[..., Site],
) -> None:
    rules = ({"premium": True, "close_after": 1},)
    async with town(rules=rules) as operator:
        gateway = site(operator.simulator.port, join="join-and-pay")
        await gateway.start()
        await gateway.bound()
        operator.text("ORG1 Ola Nordmann ola@example.org")
        await eventually(
            lambda: gateway.rows("SELECT state FROM charges") in ([("in_doubt",)], [("charged",)])
        )
        billed = operator.billed[0]
        assert billed <= 1
        if billed:
            await operator.hears("Betalinga di er motteken")
        await gateway.stop()
        assert operator.billed[0] == billed


async def test_the_gateway_starts_without_its_operator_and_binds_when_it_comes(
    site: Callable[..., Site],
) -> None:
    port = free_port()
    gateway = site(port)
    await gateway.start()
    status, body = await gateway.get("/readyz")
    assert status == 503
    assert "not bound: telco-trx-1" in body
    assert (await gateway.get("/healthz"))[0] == 200
    async with running(SmscSettings(port=port, control_port=0, script=script())) as simulator:
        await gateway.bound()
        operator = Town(simulator)
        operator.text("HJELP")
        await operator.hears("Send eit kodeord")
        await gateway.stop()


async def test_the_gateway_binds_again_when_its_operator_was_away(site: Callable[..., Site]) -> None:
    port = free_port()
    gateway = site(port)
    await gateway.start()
    for word in ("HJELP", "INFO"):
        async with running(SmscSettings(port=port, control_port=0, script=script())) as simulator:
            await gateway.bound()
            operator = Town(simulator)
            operator.text(word)
            await operator.hears("Send eit kodeord")
        await eventually(lambda: not simulator.smsc.binds)
    await gateway.stop()


async def test_a_graceful_stop_hears_the_answers_under_way_and_unbinds(site: Callable[..., Site]) -> None:
    rules = ({"premium": True, "response_delay_s": 0.3},)
    async with town(rules=rules, receipts={"delay_s": 3600}) as operator:
        gateway = site(operator.simulator.port, join="join-and-pay")
        await gateway.start()
        await gateway.bound()
        operator.text("ORG1 Ola Nordmann ola@example.org")
        await eventually(lambda: gateway.rows("SELECT state FROM charges") == [("sending",)])
        await gateway.stop()
        assert gateway.rows("SELECT state FROM charges") == [("accepted",)]
        await eventually(lambda: not operator.smsc.binds)


async def test_a_stop_asked_for_twice_stops_once(site: Callable[..., Site]) -> None:
    async with town() as operator:
        gateway = site(operator.simulator.port)
        await gateway.start()
        gateway.daemon.stop()
        await gateway.stop()
        assert gateway.running is not None
        assert gateway.running.done()


async def test_a_stop_before_the_operator_is_there_ends_at_once(site: Callable[..., Site]) -> None:
    gateway = site(free_port())
    await gateway.start()
    await gateway.stop()


async def test_a_gateway_stopped_and_started_again_goes_on_where_it_was(site: Callable[..., Site]) -> None:
    rules = ({"premium": True, "receipt_delay_s": 0.5},)
    async with town(rules=rules) as operator:
        gateway = site(operator.simulator.port, join="join-and-pay")
        await gateway.start()
        await gateway.bound()
        operator.text("ORG1 Ola Nordmann ola@example.org")
        await eventually(lambda: gateway.rows("SELECT state FROM charges") == [("accepted",)])
        await gateway.stop()
        gateway.daemon = Daemon(load(gateway.config))
        await gateway.start()
        await operator.hears("Betalinga di er motteken")
        assert operator.billed == (1, 5000)
        assert len([text for text in operator.heard() if text.startswith("Betalinga di er under")]) == 1
        await gateway.stop()


async def test_the_metrics_tell_of_binds_and_charges(site: Callable[..., Site]) -> None:
    async with town() as operator:
        gateway = site(operator.simulator.port, join="join-and-pay")
        await gateway.start()
        await gateway.bound()
        operator.text("ORG1 Ola Nordmann ola@example.org")
        await operator.hears("Betalinga di er motteken")
        _, body = await gateway.get("/metrics")
        assert 'smsd_bind_up{bind="telco-trx-1",operator="telco"} 1.0' in body
        assert 'smsd_charges_total{state="charged"} 1.0' in body
        assert OLA[2:] not in body
        await gateway.stop()


async def test_a_hundred_members_pay_at_once_and_each_is_billed_once(site: Callable[..., Site]) -> None:
    numbers = [f"47420{number:05d}" for number in range(100)]
    async with town() as operator:
        gateway = site(operator.simulator.port, join="join-and-pay")
        await gateway.start()
        await gateway.bound()
        for number in numbers:
            operator.text("ORG1 Ola Nordmann ola@example.org", number)
        for number in numbers:
            await operator.hears("Betalinga di er motteken", number)
        assert operator.billed == (100, 500_000)
        assert gateway.rows("SELECT state, count(*) FROM charges GROUP BY state") == [("charged", 100)]
        await gateway.stop()
