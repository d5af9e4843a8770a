"""MOs that wait and come again, MTs in parts, what is refused; over real TCP with the gateway's link."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import httpx
import pytest
from smsc_kit import bound, eventually, free, premium, settings_of

from simulators.smsc.app import Simulator, running
from smsd.smpp.alphabet import Coding
from smsd.smpp.link import AnswerKind, LinkState
from smsd.smpp.pdu import CommandId, CommandStatus, DataSm, Tag, Tlv
from smsd.smpp.segments import Method, assemble, read_content, split


async def mo(control: httpx.AsyncClient, text: str, **fields: Any) -> dict[str, Any]:
    answer = await control.post("/mo", json={"from": "+4799999999", "to": "2030", "text": text, **fields})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def phone(control: httpx.AsyncClient, number: str = "+4799999999") -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await control.get(f"/phones/{number}")).json()["messages"]
    return messages


async def test_texts_wait_for_a_bind_and_come_in_order(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    for number in range(25):
        await mo(control, f"text {number}")
    assert {message["state"] for message in await phone(control)} == {"waiting"}

    async with bound(simulator.port) as esme:
        await esme.until(lambda: len(esme.mos) == 25)
        assert esme.texts() == [f"text {number}" for number in range(25)]
        await esme.send(free())

    assert {message["state"] for message in await phone(control) if message["direction"] == "mo"} == {
        "delivered"
    }


async def test_a_text_left_unanswered_comes_again_with_the_next_bind(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    async with bound(simulator.port) as deaf:
        deaf.holds = True
        await mo(control, "ORG1 BETAL 50")
        await deaf.until(lambda: len(deaf.mos) == 1)
        assert [message["state"] for message in await phone(control)] == ["sent"]

    async with bound(simulator.port) as esme:
        await esme.until(lambda: len(esme.mos) == 1)

    assert esme.mos == deaf.mos


async def test_a_text_put_off_by_the_esme_comes_again() -> None:
    async with (
        running(settings_of(limits={"retry_s": 0.01})) as simulator,
        httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as control,
        bound(simulator.port) as esme,
    ):
        esme.status = CommandStatus.ESME_RX_T_APPN
        await mo(control, "again")
        await esme.until(lambda: len(esme.mos) >= 2)
        esme.status = CommandStatus.ESME_RX_R_APPN
        seen = len(esme.mos)
        await esme.until(lambda: len(esme.mos) > seen)
        await eventually(lambda: phone(control), lambda messages: messages[0]["state"] == "refused")


@pytest.mark.parametrize("seed", range(5))
async def test_no_text_is_lost_whatever_the_binds_do(
    simulator: Simulator, control: httpx.AsyncClient, seed: int
) -> None:
    chance = random.Random(seed)
    wanted = {f"text {number}" for number in range(60)}
    answered: set[str] = set()
    for text in sorted(wanted):
        await mo(control, text)
        if chance.random() < 0.15:
            async with bound(simulator.port) as esme:
                esme.holds = chance.random() < 0.5
                await esme.until(lambda: bool(esme.mos))
            answered.update(esme.taken_texts())
    async with bound(simulator.port) as esme:
        await esme.until(lambda: not simulator.smsc.deliveries.under_way or bool(esme.mos))
        await esme.send(free())
        await eventually(lambda: asyncio.sleep(0), lambda _: not simulator.smsc.deliveries.under_way)
    answered.update(esme.taken_texts())

    assert answered == wanted, f"seed {seed}"


async def test_no_more_than_the_window_is_unanswered() -> None:
    async with (
        running(settings_of(limits={"window": 3})) as simulator,
        httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as control,
        bound(simulator.port) as esme,
    ):
        esme.holds = True
        for number in range(5):
            await mo(control, f"text {number}")
        await esme.until(lambda: len(esme.mos) == 3)
        binds = (await control.get("/binds")).json()["binds"]

        assert [bind["window_free"] for bind in binds] == [0]
        assert (await control.get("/healthz")).json()["deliver_sm_waiting"] == 2


async def test_two_receivers_take_turns(simulator: Simulator, control: httpx.AsyncClient) -> None:
    async with bound(simulator.port) as one, bound(simulator.port, CommandId.BIND_RECEIVER) as other:
        for number in range(6):
            await mo(control, f"text {number}")
        await one.until(lambda: len(one.mos) == 3)
        await other.until(lambda: len(other.mos) == 3)

        assert sorted(one.texts() + other.texts()) == [f"text {number}" for number in range(6)]


@pytest.mark.parametrize(
    ("text", "fields", "segments", "coding"),
    [
        ("a" * 160, {}, 1, 0),
        ("a" * 161, {}, 2, 0),
        ("Ж" * 71, {}, 2, 8),
        ("€" * 100, {"method": "udh16"}, 2, 0),
        ("b" * 400, {"method": "sar"}, 3, 0),
        ("c" * 400, {"method": "payload"}, 1, 0),
        ("short", {"parts": 3}, 3, 0),
        ("latin", {"data_coding": 3}, 1, 3),
        ("ucs-2", {"data_coding": 8, "parts": 2}, 2, 8),
    ],
)
async def test_a_text_is_cut_as_a_phone_does_and_can_be_put_together(
    simulator: Simulator,
    control: httpx.AsyncClient,
    text: str,
    fields: dict[str, Any],
    segments: int,
    coding: int,
) -> None:
    async with bound(simulator.port) as esme:
        answer = await mo(control, text, **fields)
        await esme.until(lambda: len(esme.mos) == segments)

    contents = [read_content(pdu, Coding.GSM7) for pdu in esme.mos]
    assert answer["segments"] == segments
    assert {pdu.data_coding for pdu in esme.mos} == {coding}
    if segments == 1:
        assert contents[0].text == text
    else:
        parts = {content.part.number: content.payload for content in contents if content.part is not None}
        assert assemble(parts, contents[0].coding) == text
        assert {content.part.total for content in contents if content.part} == {segments}


async def test_tlvs_travel_with_the_text(simulator: Simulator, control: httpx.AsyncClient) -> None:
    async with bound(simulator.port) as esme:
        await mo(control, "hei", tlvs=[{"tag": "0x1502", "text": "abc"}, {"tag": 5121, "hex": "00ff"}])
        await esme.until(lambda: len(esme.mos) == 1)

    assert esme.mos[0].tlvs == (Tlv(0x1502, b"abc"), Tlv(5121, b"\x00\xff"))


@pytest.mark.parametrize("method", [Method.UDH8, Method.UDH16, Method.SAR])
async def test_a_long_message_is_put_together_on_the_phone(
    simulator: Simulator, control: httpx.AsyncClient, method: Method
) -> None:
    text = "Gjelder medlemskap. " * 16
    parts = split(text, method=method, reference=77)
    async with bound(simulator.port) as esme:
        for part in reversed(parts):
            pdu = free(
                short_message=part.short_message, esm_class=part.esm_class, data_coding=part.data_coding
            )
            await esme.send(type(pdu)(**{**_fields(pdu), "tlvs": part.tlvs}))

    [message] = await phone(control)
    assert (message["text"], message["segments"]) == (text, len(parts))


def _fields(pdu: Any) -> dict[str, Any]:
    return {name: getattr(pdu, name) for name in pdu.__struct_fields__}


async def test_data_sm_is_a_message_too(simulator: Simulator, control: httpx.AsyncClient) -> None:
    data = DataSm(
        source_addr="2030",
        destination_addr="4799999999",
        tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"by data sm"), Tlv(0x1403, b"5000\0")),
    )
    async with bound(simulator.port) as esme:
        assert esme.link is not None
        assert esme.link.submit(data, "data")
        await esme.until(lambda: bool(esme.answers))

    assert esme.answers[0].message_id
    assert [message["text"] for message in await phone(control)] == ["by data sm"]


@pytest.mark.parametrize(
    ("pdu", "status"),
    [
        (premium("short"), CommandStatus.ESME_RINVDSTADR),
        (premium("12"), CommandStatus.ESME_RINVDSTADR),
        (premium(price=b"many\0"), CommandStatus.ESME_RINVOPTPARAMVAL),
        (premium(price=b"100100\0"), CommandStatus.ESME_RINVOPTPARAMVAL),
        (premium(source_addr="ORG1"), CommandStatus.ESME_RINVSRCADR),
    ],
)
async def test_what_the_operator_cannot_take_is_refused_and_unbilled(
    simulator: Simulator, pdu: Any, status: int
) -> None:
    async with bound(simulator.port) as esme:
        answer = await esme.send(pdu)

    assert (answer.kind, answer.status) == (AnswerKind.ANSWERED, status)
    assert simulator.smsc.ledger.seq == 0
    assert len(simulator.smsc.phones) == 0


async def test_only_the_short_codes_named_may_charge() -> None:
    async with (
        running(settings_of(price={"short_codes": ["2030"]})) as simulator,
        bound(simulator.port) as esme,
    ):
        statuses = [
            (await esme.send(pdu)).status
            for pdu in (premium(source_addr="2020"), premium(source_addr="203077"), free(source_addr="2020"))
        ]

    assert statuses == [CommandStatus.ESME_RINVSRCADR, 0, 0]


async def test_an_account_above_its_rate_is_throttled() -> None:
    async with running(settings_of(limits={"rate": 3})) as simulator, bound(simulator.port) as esme:
        assert esme.link is not None
        for number in range(6):
            assert esme.link.submit(free(), number)
        await esme.until(lambda: len(esme.answers) == 6)

    assert [answer.status for answer in esme.answers] == [0] * 3 + [CommandStatus.ESME_RTHROTTLED] * 3


async def test_stopping_closes_the_binds(simulator: Simulator) -> None:
    async with bound(simulator.port) as esme:
        await simulator.stop()
        await esme.until(lambda: LinkState.DOWN in esme.states)
        down = esme.states.index(LinkState.DOWN)
        await simulator.start()
        await esme.until(lambda: LinkState.CONNECTING in esme.states[down:])
