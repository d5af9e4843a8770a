"""smpplib's client as an ESME of the simulated operator: long messages, prices, what it cannot read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
import pytest
import smpplib.client
import smpplib.consts
import smpplib.gsm
import smpplib.smpp
from smsc_kit import eventually, settings_of

from simulators.smsc.app import Simulator, running
from smsd.smpp.udh import read_header

T = TypeVar("T")
PHONE = "+4799999999"


class Esme:
    """smpplib's blocking client, bound, noting what comes; used in a thread."""

    def __init__(self, port: int) -> None:
        self.client = smpplib.client.Client("127.0.0.1", port, timeout=60, allow_unknown_opt_params=True)
        self.received: list[Any] = []
        self.sent: list[Any] = []
        self.client.set_message_received_handler(lambda pdu: self.received.append(pdu) or 0)
        self.client.set_message_sent_handler(self._note_answer)
        self.client.connect()
        self.client.bind_transceiver(system_id="smsd", password="secret")

    def _note_answer(self, pdu: Any) -> None:
        self.sent.append(pdu)

    def send(self, text: str, **fields: Any) -> None:
        """All parts as smpplib cuts them."""
        parts, data_coding, esm_class = smpplib.gsm.make_parts(text)
        for part in parts:
            self.client.send_message(
                source_addr="2030",
                dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
                dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
                destination_addr=PHONE[1:],
                short_message=part,
                data_coding=data_coding,
                esm_class=esm_class,
                **fields,
            )

    def read(self, pdus: int) -> None:
        for _ in range(pdus):
            self.client.read_once()


async def talk(port: int, say: Callable[[Esme], T]) -> T:
    """Binds, does what it is told, unbinds; the thread is given up with the test's own patience."""

    def run() -> T:
        esme = Esme(port)
        try:
            said = say(esme)
            esme.client.unbind()
            return said
        finally:
            esme.client.disconnect()

    return await asyncio.to_thread(run)


TEXTS = {
    "gsm": "Takk for støtta",
    "long gsm": "Betaling for medlemskap. " * 20,
    "ucs2": "Łukasz дякую",
    "long ucs2": "Дякую за підтримку. " * 12,
}


@pytest.mark.parametrize("name", TEXTS)
async def test_a_message_as_smpplib_cuts_it_arrives_whole(
    simulator: Simulator, control: httpx.AsyncClient, name: str
) -> None:
    parts = len(smpplib.gsm.make_parts(TEXTS[name])[0])

    def say(esme: Esme) -> list[Any]:
        esme.send(TEXTS[name], registered_delivery=1)
        esme.read(2 * parts)
        return esme.received

    receipts = await talk(simulator.port, say)

    [message] = (await control.get(f"/phones/{PHONE}")).json()["messages"]
    assert (message["text"], message["segments"]) == (TEXTS[name], parts)
    assert len(receipts) == parts
    assert {receipt.message_state for receipt in receipts} == {2}


async def test_a_price_in_a_tlv_that_smpplib_knows_is_billed() -> None:
    """smpplib's table of tags is fixed, so it cannot send a vendor's; user_message_reference it can."""
    price = {"carrier": "user_message_reference", "codes": {"14001": 5000}}

    def say(esme: Esme) -> Any:
        esme.send("Betalinga di er under handsaming", user_message_reference=14001, registered_delivery=1)
        esme.read(2)
        return esme.sent[0]

    async with running(settings_of(price=price)) as simulator:
        answer = await talk(simulator.port, say)
        async with httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as client:
            [row] = (await client.get("/ledger")).json()["rows"]

    assert answer.status == smpplib.consts.SMPP_ESME_ROK
    assert (row["event"], row["amount_ore"], row["message_id"]) == (
        "billed",
        5000,
        answer.message_id.decode(),
    )


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("method", ["udh8", "udh16", "sar", "payload"])
async def test_smpplib_reads_what_a_phone_texts(
    simulator: Simulator, control: httpx.AsyncClient, name: str, method: str
) -> None:
    body = {"from": PHONE, "to": "2030", "text": TEXTS[name], "method": method}
    segments = (await control.post("/mo", json=body)).json()["segments"]

    def say(esme: Esme) -> list[Any]:
        esme.read(segments)
        return esme.received

    mos = await talk(simulator.port, say)

    pieces = []
    for mo in mos:
        octets = mo.short_message or mo.message_payload
        if mo.esm_class & 0x40:
            octets = octets[read_header(octets).octets :]
        pieces.append(octets)
    coding = "utf-16-be" if mos[0].data_coding == 8 else None
    octets = b"".join(pieces)
    if coding:
        assert octets.decode(coding) == TEXTS[name]
    else:
        assert octets == b"".join(smpplib.gsm.gsm_encode(char) for char in TEXTS[name])

    async def states() -> list[str]:
        messages = (await control.get(f"/phones/{PHONE}")).json()["messages"]
        return [message["state"] for message in messages]

    await eventually(states, lambda found: found == ["delivered"])


async def test_each_side_answers_the_other_s_enquire_link() -> None:
    def say(esme: Esme) -> list[str]:
        esme.client.send_pdu(smpplib.smpp.make_pdu("enquire_link", client=esme.client))
        commands = []
        while commands.count("enquire_link") < 2:
            pdu = esme.client.read_pdu()
            commands.append(pdu.command)
            if pdu.command == "enquire_link":
                esme.client._enquire_link_received(pdu)
        esme.send("still here")
        while commands[-1] != "submit_sm_resp":
            commands.append(esme.client.read_pdu().command)
        return commands

    async with running(settings_of(limits={"enquire_link_s": 0.1, "response_timeout_s": 5})) as simulator:
        commands = await talk(simulator.port, say)

    assert commands.count("enquire_link_resp") == 1
