"""Every example profile in use: all that the gateway sends under it, read by tshark without a complaint."""

from __future__ import annotations

import asyncio
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
from capture import Proxy, sent
from gateway_process import Gateway
from smsc_kit import settings_of
from test_tshark import all_the_same, frames_of
from tshark_reading import Dissected, Reading, read

from simulators.smsc.app import running
from smsd.smpp import pdu as p
from smsd.smpp.constants import Tag

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("tshark")]

CONFIG = Path(__file__).parents[2] / "config"
PROFILES = sorted({path.stem for path in (CONFIG / "operators").glob("*.toml")} - {"free"})
"""All but the one that cannot charge: organisations that take payment are refused under it."""
IDS = {"resp-hex": ("hex", "decimal"), "receipt-hex": ("decimal", "hex"), "opaque": ("decimal", None)}
ECHOED = [{"tag": "0x1502", "text": "mo-1"}, {"tag": "0x1519", "hex": "00ff"}]
PAYER = "+4742000001"
TEXTS = {
    PAYER: "ORG1 BETAL 50",
    "+4742000003": "ORG1 MEDLEM",
    "+4742000005": "ORG1 BETAL 50",
    "+4742000009": "ORG1 Łukasz Ås lukasz@example.org " + "Smalgåshagen 2, 3120 Sandefjord. " * 6,
    "+4742000012": "hjelp",
}


def profile(name: str) -> dict[str, Any]:
    return tomllib.loads((CONFIG / "operators" / f"{name}.toml").read_text("utf-8"))


def configuration(folder: Path, name: str) -> Path:
    """The shipped configuration, its operator by this profile."""
    shutil.copytree(CONFIG, folder / "config")
    file = folder / "config" / "smsd.toml"
    lines = [
        "[[operators]]",
        f'file = "operators/{name}.toml"',
        'name = "telco"',
        'host = "127.0.0.1"',
        "port = 2775",
        'system_id = "smsd"',
        'password = "secret"',
        "tls = false",
        "enquire_link_s = 1",
    ]
    text, found = re.subn(
        r"\[\[operators\]\].*?(?=\[\[short_codes\]\])",
        "\n".join(lines) + "\n\n",
        file.read_text("utf-8"),
        flags=re.S,
    )
    assert found == 1
    file.write_text(text, "utf-8")
    return file


def script(of: dict[str, Any]) -> dict[str, Any]:
    """An SMSC that reads the price where the profile puts it, and spells ids as it says."""
    price = of["price"]
    response, receipt = IDS[of.get("message_id", "opaque")]
    known = {key: price[key] for key in ("carrier", "tag", "type", "unit", "prefix") if key in price}
    codes = {code: int(kroner) * 100 for kroner, code in price.get("codes", {}).items()}
    if codes:
        # a code is told by its digits, however they travel
        known.pop("type", None)
    return {
        "price": {**known, "codes": codes, "short_codes": ["2030"]},
        "ids": {"response": response, "receipt": receipt},
        "alphabet": of.get("data_coding_default", "gsm7"),
    }


def carried(seen: Dissected, pdu: p.SubmitSm, of: dict[str, Any]) -> bytes:
    """The price's octets where tshark sees them."""
    match of["price"]["carrier"]:
        case "service_type":
            return (seen.text("smpp.service_type") or "").encode()
        case "source_addr":
            return (seen.text("smpp.source_addr") or "").removeprefix("2030").encode()
        case "user_message_reference":
            number = seen.number("smpp.user_message_reference")
            return b"" if number is None else str(number).encode()
        case "billing_identification":
            return b"".join(seen.octets("smpp.billing_id"))
        case _:
            tags = [tlv.tag for tlv in pdu.tlvs if tlv.tag >= 0x1400]
            values = seen.octets("smpp.vendor_op")
            return dict(zip(tags, values, strict=True)).get(of["price"]["tag"], b"")


PRICE_OF_50_KR = {
    "age": b"5000\0",
    "billing-identification": b"\x8150",
    "service-type": b"3115",
    "source-address": b"50",
    "tlv": b"5000\0",
    "tlv-int": bytes.fromhex("00001388"),
    "user-message-reference": b"7050",
}


def test_every_example_profile_is_tried() -> None:
    assert set(PRICE_OF_50_KR) == set(PROFILES)


@pytest.mark.parametrize("name", PROFILES)
async def test_a_run_under_each_profile_is_read_without_a_complaint(tmp_path: Path, name: str) -> None:
    of = profile(name)
    async with (
        running(settings_of(**script(of))) as simulator,
        Proxy(simulator.port) as proxy,
        httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as control,
        Gateway(tmp_path, proxy.port, config=configuration(tmp_path, name)) as gateway,
    ):
        for number, text in TEXTS.items():
            body = {"from": number, "to": "2030", "text": text, "tlvs": ECHOED}
            assert (await control.post("/mo", json=body)).status_code == 200

        async def texts(number: str) -> list[str]:
            messages = (await control.get(f"/phones/{number}")).json()["messages"]
            return [each["text"] for each in messages if each["direction"] == "mt"]

        async with asyncio.timeout(120):
            for number in TEXTS:
                while not await texts(number):
                    await asyncio.sleep(0.02)
            while not any(text.startswith("Betalinga di er motteken") for text in await texts(PAYER)):
                await asyncio.sleep(0.02)
        assert await gateway.stop() == 0
        rows = (await control.get("/ledger")).json()["rows"]
        chunks = list(proxy.chunks)

    assert (await read(tmp_path, chunks)).complaints == []
    ours = sorted((chunk for chunk in chunks if chunk.from_esme), key=lambda chunk: chunk.connection)
    meant = frames_of(sent(ours, from_esme=True))
    reading = await read(tmp_path, ours)
    all_the_same(reading, meant)
    prices = _prices(reading, meant, of)
    assert [(row["number"], row["amount_ore"]) for row in rows] == [(PAYER, 5000)]
    assert prices == {PAYER: PRICE_OF_50_KR[name]}


def _prices(reading: Reading, meant: list[p.Frame], of: dict[str, Any]) -> dict[str, bytes]:
    """What tshark saw of a price, by number. TLVs go back where the profile says so, nowhere else."""
    found = {}
    for seen, frame in zip(reading.pdus, meant, strict=True):
        if not isinstance(frame.pdu, p.SubmitSm):
            continue
        if octets := carried(seen, frame.pdu, of):
            found[f"+{frame.pdu.destination_addr}"] = octets
        echoed = [tlv for tlv in frame.pdu.tlvs if tlv.tag in (0x1502, 0x1519)]
        wanted = [p.Tlv(0x1502, b"mo-1"), p.Tlv(0x1519, b"\0\xff")] if "echo_tlvs" in of else []
        assert [(tlv.tag, tlv.value.rstrip(b"\0")) for tlv in echoed] == [
            (tlv.tag, tlv.value) for tlv in wanted
        ]
        assert Tag.USER_MESSAGE_REFERENCE not in {
            tlv.tag for tlv in frame.pdu.tlvs if of["price"]["carrier"] != "user_message_reference"
        }
    return found
