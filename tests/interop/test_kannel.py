"""Kannel as an ESME of the simulated operator, and as the judge of what texts and receipts arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kannel_esme import TX_AND_RX, Kannel
from smsc_kit import eventually

from simulators.smsc.app import Simulator
from smsd.smpp.gsm0338 import DEFAULT, EXTENSION

pytestmark = pytest.mark.real
PHONE = "+4799999999"
RECEIPT_DELIVERED, RECEIPT_FAILED, SMSC_TOOK_IT, SMSC_REFUSED = "1", "2", "8", "16"


@pytest.fixture
async def kannel(simulator: Simulator, tmp_path: Path) -> AsyncIterator[Kannel]:
    """Kannel, bound as a transceiver."""
    async with Kannel(tmp_path, simulator.port) as kannel:
        await binds(simulator, 1)
        yield kannel


async def binds(simulator: Simulator, count: int) -> list[str]:
    async def kinds() -> list[str]:
        async with httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as client:
            return [bind["kind"] for bind in (await client.get("/binds")).json()["binds"]]

    return await eventually(kinds, lambda found: len(found) == count)


async def texts(control: httpx.AsyncClient, **body: Any) -> int:
    """Sends a text from the phone; its number of parts."""
    answer = await control.post("/mo", json={"from": PHONE, "to": "2030", **body})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["segments"])


async def phone(control: httpx.AsyncClient, direction: str, number: str = PHONE) -> list[dict[str, Any]]:
    messages = (await control.get(f"/phones/{number}")).json()["messages"]
    return [message for message in messages if message["direction"] == direction]


async def on_phone(control: httpx.AsyncClient, number: str = PHONE, parts: int = 1) -> dict[str, Any]:
    """The one message that a phone got, once all its parts are there."""
    [message] = await eventually(
        lambda: phone(control, "mt", number), lambda found: bool(found) and found[0]["segments"] == parts
    )
    return message


# --- sessions -----------------------------------------------------------------------------------------------


async def test_kannel_binds_and_takes_leave(kannel: Kannel, simulator: Simulator) -> None:
    assert await binds(simulator, 1) == ["transceiver"]
    kannel.ask_to_end()
    assert await binds(simulator, 0) == []


async def test_kannel_binds_as_transmitter_and_receiver(
    simulator: Simulator, control: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with Kannel(tmp_path, simulator.port, mode=TX_AND_RX) as kannel:
        assert sorted(await binds(simulator, 2)) == ["receiver", "transmitter"]
        # two connections: a receipt at once may overtake the response, and Kannel forgets such a one
        await control.post("/faults", json={"rules": [{"receipt_delay_s": 1}]})
        await kannel.send("hei")
        await kannel.until(lambda: len(kannel.receipts) == 2)
        await texts(control, text="ORG1 BETAL 50")
        await kannel.until(lambda: bool(kannel.texts))
    assert [text["text"] for text in kannel.texts] == ["ORG1 BETAL 50"]


async def test_kannel_reads_why_it_was_refused(
    kannel: Kannel, simulator: Simulator, control: httpx.AsyncClient
) -> None:
    """Not at its first bind: a bearerbox refused before it is up aborts in an assertion of its own."""
    simulator.smsc.settings.accounts["smsd"] = "another"
    await control.post("/faults", json={"rules": [{"close_after": 1}]})
    await kannel.send("lost")
    await kannel.logs("SMSC rejected login to transmit, code 0x0000000e (Invalid Password)")


async def test_kannel_comes_back_after_a_lost_link(
    kannel: Kannel, simulator: Simulator, control: httpx.AsyncClient
) -> None:
    async def bound_at() -> list[str]:
        return [bind["bound_at"] for bind in (await control.get("/binds")).json()["binds"]]

    before = await bound_at()
    await control.post("/faults", json={"rules": [{"close_after": 1, "number": "+47911"}]})
    await kannel.send("lost", to="4791100000")
    # not a look at the moment between: it is short, and may be missed
    await eventually(bound_at, lambda found: len(found) == 1 and found != before)
    await kannel.send("hei")
    assert (await on_phone(control))["text"] == "hei"


# --- MO -----------------------------------------------------------------------------------------------------

ALPHABET = "".join(char for char in (*DEFAULT, *EXTENSION.values()) if char not in "\x1b\ufffd")
TEXTS = {
    "gsm": "ORG1 BETAL 50 æøå ÆØÅ",
    "escapes": "{[~]} ^|\\ €",
    "ucs2": "ORG1 Łukasz Дякую",
    "pairs": "takk 🎉🎉",
}


async def test_texts_arrive_in_kannel_as_they_were_written(
    kannel: Kannel, control: httpx.AsyncClient
) -> None:
    for text in TEXTS.values():
        assert await texts(control, text=text) == 1
    await kannel.until(lambda: len(kannel.texts) == len(TEXTS))
    assert {text["text"] for text in kannel.texts} == set(TEXTS.values())
    assert {(text["from"], text["to"]) for text in kannel.texts} == {(PHONE, "2030")}
    messages = await phone(control, "mo")
    await eventually(
        lambda: phone(control, "mo"), lambda found: {each["state"] for each in found} == {"delivered"}
    )
    assert len(messages) == len(TEXTS)


async def test_every_gsm_character_arrives_in_kannel(kannel: Kannel, control: httpx.AsyncClient) -> None:
    assert len(ALPHABET) == 127 + len(EXTENSION)
    await texts(control, text=ALPHABET)
    await kannel.until(lambda: bool(kannel.texts))
    assert kannel.texts[0]["text"] == ALPHABET


@pytest.mark.parametrize("method", ["udh8", "udh16", "sar", "payload"])
async def test_kannel_puts_long_texts_together(
    kannel: Kannel, control: httpx.AsyncClient, method: str
) -> None:
    long = {f"{text} " * 14 for text in TEXTS.values()}
    for text in sorted(long):
        assert (await texts(control, text=text, method=method) > 1) is (method != "payload")
    await kannel.until(lambda: len(kannel.texts) == len(long))
    assert {text["text"] for text in kannel.texts} == long


async def test_kannel_reads_the_tlvs_of_a_text(kannel: Kannel, control: httpx.AsyncClient) -> None:
    tlvs = [{"tag": "0x2150", "hex": "00005e89"}, {"tag": "0x1403", "hex": "3530303000"}]
    await texts(control, text="hei", tlvs=tlvs)
    await kannel.until(lambda: bool(kannel.texts))
    assert sorted(kannel.texts[0]["meta"].removeprefix("?smpp?").rstrip("&").split("&")) == [
        "operator=24201",
        "price=5000",
    ]


# --- MT and receipts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 14], ids=["short", "long"])
async def test_messages_of_kannel_s_arrive_on_the_phone_and_are_receipted(
    kannel: Kannel, control: httpx.AsyncClient, times: int
) -> None:
    wanted = {}
    for name, text in TEXTS.items():
        wanted[name] = f"{text} " * times
        answer = await kannel.send(
            wanted[name], coding=0 if name in ("gsm", "escapes") else 2, tag=name, to=f"4791{len(wanted):06d}"
        )
        assert answer.startswith("0: Accepted for delivery")
    await kannel.until(lambda: len(kannel.receipts) == 2 * len(TEXTS))
    for number, (name, text) in enumerate(wanted.items(), 1):
        [message] = await phone(control, "mt", f"+4791{number:06d}")
        told = {receipt["mask"]: receipt for receipt in kannel.receipts if receipt["tag"] == name}
        assert message["text"] == text
        assert (message["segments"] > 1) is (times > 1)
        assert told.keys() == {SMSC_TOOK_IT, RECEIPT_DELIVERED}
        delivered = told[RECEIPT_DELIVERED]
        assert delivered["answer"].startswith(f"id:{delivered['id']} sub:001 dlvrd:001 submit date:")
        assert told[SMSC_TOOK_IT]["id"] == delivered["id"] == message["id"]
        assert (delivered["from"], delivered["to"]) == (f"4791{number:06d}", "2030")


async def test_a_price_in_a_vendor_tlv_of_kannel_s_is_billed(
    kannel: Kannel, control: httpx.AsyncClient
) -> None:
    await kannel.send("Betalinga di er under handsaming", **{"meta-data": "?smpp?price=5000&operator=24201"})
    await kannel.until(lambda: len(kannel.receipts) == 2)
    [row] = (await control.get("/ledger")).json()["rows"]
    assert (row["event"], row["amount_ore"], row["number"]) == ("billed", 5000, PHONE)


async def test_kannel_reads_an_undelivered_message_s_receipt_as_a_failure(kannel: Kannel) -> None:
    await kannel.send("hei", to="4740000001", **{"meta-data": "?smpp?price=5000"})
    await kannel.until(lambda: len(kannel.receipts) == 2)
    told = {receipt["mask"]: receipt["answer"] for receipt in kannel.receipts}
    assert told.keys() == {SMSC_TOOK_IT, RECEIPT_FAILED}
    assert "stat:UNDELIV err:0021" in told[RECEIPT_FAILED]


async def test_kannel_finds_the_message_of_a_receipt_in_text_or_tlvs(
    kannel: Kannel, control: httpx.AsyncClient
) -> None:
    forms = {"standard": "47911", "text-only": "47912", "tlv-only": "47913"}
    rules = [{"receipt_form": form, "number": number} for form, number in forms.items()]
    await control.post("/faults", json={"rules": rules})
    for form, number in forms.items():
        await kannel.send("hei", tag=form, to=f"{number}00000")
    await kannel.until(lambda: len(kannel.receipts) == 2 * len(forms))
    told = sorted((receipt["tag"], receipt["mask"]) for receipt in kannel.receipts)
    assert told == sorted((form, mask) for form in forms for mask in (SMSC_TOOK_IT, RECEIPT_DELIVERED))


async def test_kannel_is_told_of_a_refusal(kannel: Kannel, control: httpx.AsyncClient) -> None:
    await control.post("/faults", json={"rules": [{"refuse": "0x0B"}]})
    await kannel.send("hei")
    await kannel.until(lambda: bool(kannel.receipts))
    assert [receipt["mask"] for receipt in kannel.receipts] == [SMSC_REFUSED]
    assert await phone(control, "mt") == []


async def test_kannel_sends_a_throttled_message_again(kannel: Kannel, control: httpx.AsyncClient) -> None:
    await control.post("/faults", json={"rules": [{"throttle": 1}]})
    await kannel.send("hei")
    assert (await on_phone(control))["text"] == "hei"
    await kannel.logs("returned error code 0x00000058")
