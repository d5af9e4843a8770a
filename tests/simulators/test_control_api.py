"""The control API: what it answers, and how it refuses."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import httpx
import pytest
from smsc_kit import bound, eventually, free, premium, settings_of
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from simulators.smsc.app import Simulator, running
from simulators.smsc.phones import Direction, PhoneMessage, Watcher
from smsd.smpp.pdu import DeliverSm


async def test_a_phone_shows_its_conversation_and_what_it_cost(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    async with bound(simulator.port) as esme:
        esme.reply = lambda mo: [premium(mo.source_addr), free(mo.source_addr, short_message=b"Takk!")]
        sent = (
            await control.post("/mo", json={"from": "99999999", "to": "2030", "text": "ORG1 BETAL 50"})
        ).json()
        await esme.until(lambda: len(esme.receipts) == 2)
        phone = (await control.get("/phones/+4799999999")).json()
        listed = (await control.get("/phones", params={"prefix": "+47999"})).json()

    assert phone["number"] == "+4799999999"
    assert phone["spent_ore"] == 5000
    assert [
        {name: message[name] for name in ("direction", "text", "price_ore", "billed", "from", "to", "state")}
        for message in phone["messages"]
    ] == [
        {
            "direction": "mo",
            "text": "ORG1 BETAL 50",
            "price_ore": 0,
            "billed": None,
            "from": "+4799999999",
            "to": "2030",
            "state": "delivered",
        },
        {
            "direction": "mt",
            "text": "Betalinga di er under handsaming",
            "price_ore": 5000,
            "billed": True,
            "from": "2030",
            "to": "+4799999999",
            "state": "received",
        },
        {
            "direction": "mt",
            "text": "Takk!",
            "price_ore": 0,
            "billed": None,
            "from": "2030",
            "to": "+4799999999",
            "state": "received",
        },
    ]
    assert phone["messages"][0]["id"] == sent["id"]
    assert [(one["number"], one["messages"], one["spent_ore"]) for one in listed["phones"]] == [
        ("+4799999999", 3, 5000)
    ]


async def test_a_message_that_the_phone_did_not_get_is_shown_as_such(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    async with bound(simulator.port) as esme:
        await esme.send(premium("4740000001"))
        await esme.until(lambda: len(esme.receipts) == 1)

    phone = (await control.get("/phones/+4740000001")).json()
    [message] = phone["messages"]
    assert (message["state"], message["billed"], phone["spent_ore"]) == ("undelivered", False, 0)


async def test_the_api_can_be_reached_as_soon_as_the_simulator_has_started() -> None:
    simulator = Simulator(settings_of())
    await simulator.start()
    with socket.create_connection(("127.0.0.1", simulator.control_port), timeout=60) as early:
        assert early.getpeername()[1] == simulator.control_port
    await simulator.stop()


async def test_phones_are_listed_latest_first_in_pages(control: httpx.AsyncClient) -> None:
    for number in range(5):
        await control.post("/mo", json={"from": f"+479000000{number}", "to": "2030", "text": "hei"})

    first = (await control.get("/phones", params={"limit": 2})).json()
    last = (await control.get("/phones", params={"limit": 2, "offset": 4})).json()

    assert [phone["number"] for phone in first["phones"]] == ["+4790000004", "+4790000003"]
    assert (first["total"], first["next"]) == (5, 2)
    assert ([phone["number"] for phone in last["phones"]], last["next"]) == (["+4790000000"], None)


async def test_the_ledger_comes_in_pages_and_by_number(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    async with bound(simulator.port) as esme:
        for number in ("4799999999", "4798765432", "4799999999"):
            await esme.send(premium(number))
        await esme.until(lambda: len(esme.receipts) == 3)

    page = (await control.get("/ledger", params={"limit": 2})).json()
    mine = (await control.get("/ledger", params={"number": "98765432"})).json()

    assert [row["seq"] for row in page["rows"]] == [1, 2]
    assert (page["next"], page["billed"], page["amount_ore"]) == (2, 3, 15_000)
    assert page["totals"]["+4799999999"] == {"billed": 2, "amount_ore": 10_000}
    assert [row["seq"] for row in mine["rows"]] == [2]
    assert mine["totals"] == {"+4798765432": {"billed": 1, "amount_ore": 5000}}


async def test_faults_are_listed_replaced_and_cleared(control: httpx.AsyncClient) -> None:
    def names(answer: httpx.Response) -> list[str]:
        return [entry["rule"].get("name", "") for entry in answer.json()["rules"] if not entry["default"]]

    await control.post("/faults", json={"rules": [{"name": "one", "throttle": 2}]})
    added = await control.post("/faults", json={"rules": [{"name": "two", "err": "0001"}]})
    assert names(added) == ["two", "one"]
    assert added.json()["rules"][1]["left"] == 2

    replaced = await control.post("/faults", json={"rules": [{"name": "three", "err": "1"}], "replace": True})
    assert names(replaced) == ["three"]

    assert names(await control.delete("/faults")) == []
    assert len((await control.get("/faults")).json()["rules"]) == 2


async def test_binds_are_listed(simulator: Simulator, control: httpx.AsyncClient) -> None:
    async with bound(simulator.port) as esme:
        await esme.send(free())
        [bind] = (await control.get("/binds")).json()["binds"]

    assert (bind["system_id"], bind["kind"], bind["submitted"]) == ("smsd", "transceiver", 1)
    assert (await control.get("/binds")).json() == {"binds": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "/mo", {"from": "Ola", "to": "2030", "text": "a"}, "from: write a phone number"),
        ("POST", "/mo", {"from": "+4799999999", "to": "ORG", "text": "a"}, "to: write a short code"),
        ("POST", "/mo", {"from": "+4799999999", "to": "2030"}, "text: Field required"),
        ("POST", "/mo", {"from": "+4799999999", "to": "2030", "text": "a", "x": 1}, "x: Extra inputs"),
        (
            "POST",
            "/mo",
            {"from": "+4799999999", "to": "2030", "text": "a", "parts": 2},
            "do not make 2 parts",
        ),
        (
            "POST",
            "/mo",
            {"from": "+4799999999", "to": "2030", "text": "Ж", "data_coding": 3},
            "data_coding 3 (latin1) cannot hold",
        ),
        ("POST", "/mo", {"from": "+4799999999", "to": "2030", "text": "a" * 40000}, "at most 255"),
        (
            "POST",
            "/mo",
            {"from": "+4799999999", "to": "2030", "text": "a", "tlvs": [{"tag": 5}]},
            "either text or",
        ),
        ("POST", "/mo/bulk", {"from_prefix": "47910", "to": "2030", "texts": ["a"]}, "count: Field required"),
        ("POST", "/faults", {"rules": [{"receipt": "GONE"}]}, "rules.0.receipt: Input should be"),
        ("POST", "/faults", {"rules": [{}]}, "rules.0: the rule does nothing"),
        ("GET", "/phones/Ola", None, "number: write a phone number"),
        ("GET", "/ledger?limit=0", None, "limit: Input should be greater"),
        ("GET", "/phones?limit=1001", None, "limit: Input should be less"),
    ],
)
async def test_bad_input_is_refused_in_clear_words(
    control: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None, words: str
) -> None:
    answer = await control.request(method, path, json=body)

    assert answer.status_code == 422
    assert words in answer.json()["detail"]


async def test_a_body_that_is_no_json_is_refused(control: httpx.AsyncClient) -> None:
    answer = await control.post("/mo", content=b"{", headers={"content-type": "application/json"})

    assert answer.status_code == 422


async def test_rules_beyond_the_limit_are_refused_and_change_nothing() -> None:
    rules = [{"name": str(number), "err": "1"} for number in range(3)]
    async with (
        running(settings_of(limits={"rules": 4})) as simulator,
        httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as control,
    ):
        first = await control.post("/faults", json={"rules": rules})
        second = await control.post("/faults", json={"rules": rules})
        replaced = await control.post("/faults", json={"rules": rules * 2, "replace": True})
        left = [entry["rule"].get("name") for entry in (await control.get("/faults")).json()["rules"]]

    assert [answer.status_code for answer in (first, second, replaced)] == [200, 422, 422]
    assert "at most 4" in second.json()["detail"]
    assert left[:3] == ["0", "1", "2"]


async def test_a_full_queue_says_try_later() -> None:
    async with (
        running(settings_of(limits={"queue": 2})) as simulator,
        httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as control,
    ):
        body = {"from": "+4799999999", "to": "2030", "text": "hei"}
        statuses = [(await control.post("/mo", json=body)).status_code for _ in range(3)]

    assert statuses == [200, 200, 503]


async def test_the_phone_unseen_longest_is_forgotten_and_the_latest_messages_kept() -> None:
    async with (
        running(settings_of(limits={"phones": 2, "messages_a_phone": 3})) as simulator,
        httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as control,
    ):
        for number in ("+4790000001", "+4790000002", "+4790000003"):
            for text in "abcd":
                await control.post("/mo", json={"from": number, "to": "2030", "text": text})
        phones = [await control.get(f"/phones/+479000000{number}") for number in (1, 2, 3)]

    assert ["".join(one["text"] for one in phone.json()["messages"]) for phone in phones] == [
        "",
        "bcd",
        "bcd",
    ]


async def test_a_watcher_gets_the_phone_then_every_change(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    url = simulator.control_url.replace("http", "ws") + "/phones/+4799999999/live"
    async with bound(simulator.port) as esme, connect(url) as live, asyncio.timeout(60):
        first = json.loads(await live.recv())
        await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 1)
        news = [json.loads(await live.recv()) for _ in range(2)]

    assert (first["type"], first["messages"], first["spent_ore"]) == ("phone", [], 0)
    assert {one["type"] for one in news} == {"message"}
    assert len({one["message"]["id"] for one in news}) == 1
    assert (news[-1]["message"]["billed"], news[-1]["spent_ore"]) == (True, 5000)


async def test_a_watcher_that_leaves_is_forgotten(simulator: Simulator) -> None:
    url = simulator.control_url.replace("http", "ws") + "/phones/+4799999999/live"
    async with connect(url) as live:
        await live.recv()
        assert len(simulator.smsc.watched) == 1

    await eventually(lambda: asyncio.sleep(0), lambda _: not simulator.smsc.watched)


async def test_a_watcher_too_slow_to_follow_looks_anew() -> None:
    watcher = Watcher(limit=2)
    message = PhoneMessage("1", Direction.MT, "hei", 0, None, "", "2030", "+4799999999")
    watcher.offer(message)
    watcher.offer(message)
    assert await watcher.next() == [message, message]

    for _ in range(3):
        watcher.offer(message)

    assert await watcher.next() == []
    watcher.offer(message)
    assert await watcher.next() == [message]


async def test_stopping_ends_watching(simulator: Simulator) -> None:
    url = simulator.control_url.replace("http", "ws") + "/phones/+4799999999/live"
    async with connect(url) as live, asyncio.timeout(60):
        await live.recv()
        await simulator.stop()
        with pytest.raises(ConnectionClosed):
            await live.recv()
    await simulator.start()


async def test_other_web_sites_may_neither_watch_nor_ask(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    url = simulator.control_url.replace("http", "ws") + "/phones/+4799999999/live"

    with pytest.raises(InvalidStatus):
        async with connect(url, origin="https://elsewhere.example"):  # type: ignore[arg-type]
            pass
    rebound = await control.get("/phones", headers={"host": "elsewhere.example"})
    crossed = await control.get("/phones", headers={"origin": "https://elsewhere.example"})
    form = await control.post("/mo", content=b'{"from":"+4799999999","to":"2030","text":"a"}')

    assert rebound.status_code == 400
    assert "access-control-allow-origin" not in crossed.headers
    assert form.status_code == 422
    assert len(simulator.smsc.phones) == 0


async def test_a_crowd_texts_and_its_conversations_are_measured(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    def replies(mo: DeliverSm) -> list[Any]:
        return [premium(mo.source_addr), free(mo.source_addr)]

    async with bound(simulator.port, window=500) as esme:
        esme.reply = replies
        order = {"from_prefix": "47910", "count": 100, "to": "2030", "texts": ["ORG1 BETAL {i}"]}
        begun = (await control.post("/mo/bulk", json={**order, "rate": 0, "replies": 2})).json()
        second = await control.post("/mo/bulk", json=order)
        await esme.until(lambda: len(esme.receipts) == 200)
        answer = await eventually(
            lambda: control.get(f"/mo/bulk/{begun['id']}"), lambda got: got.json()["state"] != "running"
        )
        report = answer.json()

    assert second.status_code == 409
    assert (report["state"], report["sent"], report["answered"], report["done"]) == ("done", 100, 100, 100)
    assert report["replies"] == 200
    assert 0 < report["first_reply_ms"]["from_sent"]["p50"] <= report["done_ms"]["from_sent"]["max"]
    assert sorted(esme.texts(), key=lambda text: int(text.split()[-1]))[99] == "ORG1 BETAL 99"
    assert simulator.smsc.ledger.billed == 100


async def test_a_run_can_be_stopped_and_an_unknown_one_is_not_found(control: httpx.AsyncClient) -> None:
    order = {"from_prefix": "47910", "count": 100, "to": "2030", "texts": ["a"], "rate": 1}
    load_id = (await control.post("/mo/bulk", json=order)).json()["id"]

    stopped = (await control.delete(f"/mo/bulk/{load_id}")).json()

    assert stopped["state"] == "stopped"
    assert (await control.get("/mo/bulk/99")).status_code == 404
