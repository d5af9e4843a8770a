"""The phone in the browser: a text sent, the replies and their cost seen, on small screens and large."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from playwright.async_api import Browser, Page, async_playwright, expect
from smsc_kit import bound, free, premium
from starlette.applications import Starlette

from simulators.handset.page import phone_routes
from simulators.smsc.app import Simulator
from smsd.smpp.pdu import DeliverSm, SubmitSm

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=60_000)

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium at /usr/bin/chromium"),
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, simulator: Simulator) -> AsyncIterator[Page]:
    page = await browser.new_page(viewport={"width": 320, "height": 568})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(simulator.control_url + "/")
    yield page
    assert complaints == []


def replies(mo: DeliverSm) -> list[SubmitSm]:
    number = mo.source_addr
    return [premium(number), free(number, short_message=b"Betalinga di er motteken <b>no</b>")]


async def text(page: Page, words: str) -> None:
    await page.get_by_label("Message", exact=True).fill(words)
    await page.keyboard.press("Enter")


async def test_a_text_is_answered_live_with_what_it_cost(page: Page, simulator: Simulator) -> None:
    async with bound(simulator.port) as esme:
        esme.reply = replies
        await expect(page.get_by_role("status")).to_have_text("Connected")

        await text(page, "ORG1 BETAL 50")

        messages = page.get_by_role("log").get_by_role("listitem")
        await expect(messages).to_have_count(3)
        await expect(messages.nth(0)).to_contain_text("ORG1 BETAL 50")
        await expect(messages.nth(0)).to_contain_text("Delivered")
        await expect(messages.nth(1)).to_contain_text("cost 50 kr")
        await expect(messages.nth(2)).to_contain_text("motteken <b>no</b>")
        await expect(messages.nth(2)).to_contain_text("free")
        await expect(page.locator("#spent")).to_have_text("50 kr")
        await expect(page.get_by_label("Message", exact=True)).to_have_value("")
        await expect(page.get_by_label("Message", exact=True)).to_be_focused()

        await page.reload()

        await expect(messages).to_have_count(3)
        await expect(page.locator("#spent")).to_have_text("50 kr")


async def test_a_text_waits_visibly_while_no_gateway_is_bound(page: Page, simulator: Simulator) -> None:
    await text(page, "hei")
    message = page.get_by_role("log").get_by_role("listitem")
    await expect(message).to_contain_text("Waiting for the gateway")

    async with bound(simulator.port) as esme:
        await esme.until(lambda: len(esme.mos) == 1)

        await expect(message).to_contain_text("Delivered")


async def test_another_phone_is_picked_and_remembered(page: Page, simulator: Simulator) -> None:
    async with bound(simulator.port) as esme:
        esme.reply = replies
        await page.get_by_text("Phones", exact=True).click()
        await page.get_by_role("button", name="prepaid, no credit").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("+47 400 00 001")

        await text(page, "ORG1 BETAL 50")

        messages = page.get_by_role("log").get_by_role("listitem")
        await expect(messages.nth(1)).to_contain_text("50 kr not charged")
        await expect(messages.nth(1)).to_contain_text("Not delivered")
        await expect(page.locator("#spent")).to_have_text("0 kr")

    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("+47 400 00 001")
    await page.get_by_text("Phones", exact=True).click()
    await page.get_by_label("Phone number").fill("911 22")
    await page.get_by_role("button", name="Use").click()
    await expect(page.get_by_text("Write a phone number")).to_be_visible()
    await page.get_by_label("Phone number").fill("911 22 333")
    await page.get_by_role("button", name="Use").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("+47 911 22 333")


async def test_the_page_works_from_a_server_of_its_own(browser: Browser, simulator: Simulator) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            Starlette(routes=phone_routes(simulator.control_url)),
            log_level="warning",
            lifespan="off",
            ws="none",
        )
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        page = await browser.new_page(viewport={"width": 360, "height": 740})
        await page.goto(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        async with bound(simulator.port) as esme:
            esme.reply = replies
            await text(page, "ORG1 BETAL 50")
            await expect(page.locator("#spent")).to_have_text("50 kr")
        await page.close()
        server.should_exit = True
        await serving


@pytest.mark.parametrize("width", [320, 360, 800, 1200])
async def test_nothing_overflows_sideways(browser: Browser, simulator: Simulator, width: int) -> None:
    async with httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as control:
        for words in ("x" * 300, "a word " * 60):
            await control.post("/mo", json={"from": "+4799999999", "to": "203012345678", "text": words})
    page = await browser.new_page(viewport={"width": width, "height": 640})
    await page.goto(simulator.control_url + "/")
    await expect(page.get_by_role("log").get_by_role("listitem")).to_have_count(2)

    assert await page.evaluate("document.documentElement.scrollWidth") == width
    buttons = page.get_by_role("button").and_(page.locator(":visible"))
    for place in range(await buttons.count()):
        box = await buttons.nth(place).bounding_box()
        assert box is not None
        assert box["height"] >= 44


async def test_the_page_loads_nothing_from_elsewhere(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    bodies = [(await control.get(path)) for path in ("/", "/phone.css", "/phone.js")]

    assert all(body.status_code == 200 for body in bodies)
    assert not any(word in body.text for body in bodies for word in ("http://", "https://", "//cdn", "{{"))
    assert "default-src 'none'" in bodies[0].headers["content-security-policy"]
