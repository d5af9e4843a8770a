"""Limits from phone to ledger and back: the whole gateway over TCP, the bridge and commands beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from handoff import eventually
from test_daemon import Site, Town, _site, town
from typer.testing import CliRunner

from smsd.cli import app
from smsd.daemon import Daemon
from smsd.settings import load

__all__ = ["_site"]
KARI = "4742000002"
LIMITS = """
[limits.charges]
per_number_day_kr = 60
confirm_above_kr = 40
"""


def limited(gateway: Site, limits: str) -> Site:
    """The same site with other limits."""
    text = gateway.config.read_text()
    gateway.config.write_text(text.replace("[[operators]]", f"{limits}\n[[operators]]", 1))
    gateway.daemon = Daemon(load(gateway.config))
    return gateway


async def started(gateway: Site, operator: Town, *numbers: str) -> None:
    """The gateway runs, and these phones have joined: each owes 50 kr."""
    await gateway.start()
    await gateway.bound()
    for number in numbers:
        operator.text("ORG1 Ola Nordmann ola@example.org", number)
        await operator.hears("Takk for din støtte!", number)


async def command(gateway: Site, *words: str) -> None:
    given = ["charges", *words, "--config", str(gateway.config)]
    done = await asyncio.to_thread(CliRunner().invoke, app, given)
    assert done.exit_code == 0, done.output


async def ready(gateway: Site, words: str) -> None:
    """The gateway is ready and says these words; it looks once a second."""
    async with asyncio.timeout(60):
        while True:
            status, body = await gateway.get("/readyz")
            assert status == 200
            if words in body:
                return
            await asyncio.sleep(0.02)


async def test_a_payment_is_confirmed_or_declined_by_reply(site: Callable[..., Site]) -> None:
    async with town() as operator:
        gateway = limited(site(operator.simulator.port), LIMITS)
        await started(gateway, operator, "4742000001", KARI)
        for number in ("4742000001", KARI):
            operator.text("ORG1 BETAL 50", number)
            await operator.hears("Svar ORG1 JA innan 9 minutt for å betale 50 kr", number)
        assert operator.billed == (0, 0)
        operator.text("ORG1 JA")
        await operator.hears("Betalinga di er motteken")
        operator.text("NEI", KARI)
        await operator.hears("Betalinga på 50 kr til Organisasjon1 er avbroten. Du er ikkje belasta.", KARI)
        assert operator.billed == (1, 5000)
        assert [text.split()[0] for text in operator.heard()] == ["Takk", "Svar", "Betalinga", "Betalinga"]
        # whose payment was declined owes it still, and may change their mind
        operator.text("ORG1 BETAL 50", KARI)
        await eventually(lambda: [text[:4] for text in operator.heard(KARI)].count("Svar") == 2)
        operator.text("ja", KARI)
        await operator.hears("Betalinga di er motteken", KARI)
        assert operator.billed == (2, 10000)
        await gateway.stop()


async def test_who_reached_the_day_s_ceiling_is_told_so_once_and_not_billed(
    site: Callable[..., Site],
) -> None:
    async with town() as operator:
        gateway = limited(site(operator.simulator.port), "[limits.charges]\nper_number_day_kr = 49")
        await started(gateway, operator, "4742000001")
        operator.text("ORG1 BETAL 50")
        await operator.hears("Du er ikkje belasta. Betalinga ville gått over grensa på 49 kr per dag på SMS.")
        operator.text("ORG1 MEDLEM")
        await operator.hears("Medlemskapet ditt i Organisasjon1 er ikkje betalt.")
        assert len(operator.heard()) == 3
        assert operator.billed == (0, 0)
        await gateway.stop()


async def test_the_stop_switch_works_on_a_running_gateway(site: Callable[..., Site]) -> None:
    async with town() as operator:
        gateway = site(operator.simulator.port)
        await started(gateway, operator, "4742000001")
        await ready(gateway, "not paused")
        await command(gateway, "pause", "--org", "ORG1", "--why", "wrong price", "--who", "kari")
        operator.text("ORG1 BETAL 50")
        await operator.hears("Du er ikkje belasta. Betaling på SMS til Organisasjon1 er stengd akkurat no.")
        await ready(gateway, "paused: ORG1")
        assert "smsd_charges_paused 1.0" in (await gateway.get("/metrics"))[1]
        assert (await gateway.get("/healthz"))[0] == 200
        assert operator.billed == (0, 0)
        await command(gateway, "resume", "--org", "ORG1", "--why", "mended")
        operator.text("ORG1 BETAL 50")
        await operator.hears("Betalinga di er motteken")
        await ready(gateway, "not paused")
        assert operator.billed == (1, 5000)
        assert json.loads((await gateway.get("/readyz"))[1])
        await gateway.stop()
