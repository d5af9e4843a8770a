"""Every kind of misbehaviour that a rule can ask for, as an ESME meets it; over real TCP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from smpp_network import SteppedClock
from smsc_kit import bound, premium, settings_of

from simulators.smsc.app import Simulator, running
from smsd.smpp.alphabet import Coding
from smsd.smpp.link import AnswerKind, LinkState
from smsd.smpp.pdu import CommandStatus, Tag, find
from smsd.smpp.receipt import read_receipt
from smsd.smpp.receipt_text import State


async def fault(control: httpx.AsyncClient, **rule: Any) -> None:
    answer = await control.post("/faults", json={"rules": [rule], "replace": True})
    assert answer.status_code == 200, answer.text


async def test_refuse_answers_with_that_status(simulator: Simulator, control: httpx.AsyncClient) -> None:
    await fault(control, refuse="0x0B", times=1)
    async with bound(simulator.port) as esme:
        statuses = [(await esme.send(premium())).status for _ in range(2)]

    assert statuses == [CommandStatus.ESME_RINVDSTADR, 0]


async def test_throttle_refuses_the_next_n(simulator: Simulator, control: httpx.AsyncClient) -> None:
    await fault(control, throttle=2)
    async with bound(simulator.port) as esme:
        statuses = [(await esme.send(premium())).status for _ in range(3)]

    assert statuses == [CommandStatus.ESME_RTHROTTLED] * 2 + [0]


@pytest.mark.parametrize(
    ("rule", "state", "words"),
    [
        ({"receipt": "EXPIRED"}, State.EXPIRED, "stat:EXPIRED err:0002"),
        ({"receipt": "REJECTD", "err": "777"}, State.REJECTED, "stat:REJECTD err:777"),
        ({"receipt": "ACCEPTD"}, State.ACCEPTED, "stat:ACCEPTD err:000"),
        ({"receipt": "UNKNOWN"}, State.UNKNOWN, "stat:UNKNOWN"),
        ({"receipt": "UNDELIV", "stat": "ZEROBAL"}, State.UNDELIVERABLE, "stat:ZEROBAL err:0001"),
        ({"receipt": "DELIVRD", "err": "0021"}, State.DELIVERED, "stat:DELIVRD err:0021"),
    ],
)
async def test_the_receipt_says_what_the_rule_says(
    simulator: Simulator, control: httpx.AsyncClient, rule: dict[str, Any], state: State, words: str
) -> None:
    await fault(control, **rule)
    async with bound(simulator.port) as esme:
        answer = await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 1)

    receipt = read_receipt(esme.receipts[0], Coding.GSM7)
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == (answer.message_id, state)
    assert words in esme.receipt_texts()[0]


async def test_network_error_travels_in_its_tlv(simulator: Simulator, control: httpx.AsyncClient) -> None:
    await fault(control, receipt="UNDELIV", network_error="030021")
    async with bound(simulator.port) as esme:
        await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 1)

    assert find(esme.receipts[0].tlvs, Tag.NETWORK_ERROR_CODE) == b"\x03\x00\x21"


async def test_no_receipt_comes_where_there_shall_be_none(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    await fault(control, receipt="none", times=1)
    async with bound(simulator.port) as esme:
        await esme.send(premium("4790000001"))
        second = await esme.send(premium("4790000002"))
        await esme.until(lambda: bool(esme.receipts))

    assert [text.split()[0] for text in esme.receipt_texts()] == [f"id:{second.message_id}"]


async def test_a_receipt_comes_twice(simulator: Simulator, control: httpx.AsyncClient) -> None:
    await fault(control, receipt_twice=True)
    async with bound(simulator.port) as esme:
        await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 2)

    assert esme.receipts[0] == esme.receipts[1]
    assert simulator.smsc.ledger.billed == 1


async def test_a_receipt_comes_before_the_response(simulator: Simulator, control: httpx.AsyncClient) -> None:
    await fault(control, receipt_first=True, response_delay_s=0.2)
    async with bound(simulator.port) as esme:
        await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 1)

    assert esme.order == ["receipt", "response"]


async def test_a_second_receipt_contradicts_the_first(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    await fault(control, receipt="UNDELIV", contradict="DELIVRD")
    async with bound(simulator.port) as esme:
        await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 2)

    assert ["UNDELIV" in text for text in esme.receipt_texts()] == [True, False]
    assert "stat:DELIVRD" in esme.receipt_texts()[1]


async def test_ids_differ_in_form_between_response_and_receipt(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    await fault(control, id_in_response="hex", id_in_receipt="decimal")
    async with bound(simulator.port) as esme:
        answer = await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 1)

    assert esme.receipt_texts()[0].startswith(f"id:{int(answer.message_id, 16)} ")


@pytest.mark.parametrize("form", ["standard", "short", "text-only", "tlv-only", "ucs2-flagged", "csv"])
async def test_receipts_come_in_the_form_asked_for(
    simulator: Simulator, control: httpx.AsyncClient, form: str
) -> None:
    await fault(control, receipt_form=form)
    async with bound(simulator.port) as esme:
        answer = await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 1)

    [pdu] = esme.receipts
    receipt = read_receipt(pdu, Coding.GSM7)
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == (answer.message_id, State.DELIVERED)
    assert (pdu.short_message == b"") is (form == "tlv-only")
    assert ("sub:001" in esme.receipt_texts()[0]) is (form in {"standard", "text-only", "ucs2-flagged"})
    assert (pdu.tlvs == ()) is (form in {"text-only", "csv"})
    assert pdu.data_coding == (8 if form == "ucs2-flagged" else 0)


async def test_a_dropped_response_bills_and_never_answers(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    await fault(control, drop_response=True, times=1)
    async with bound(simulator.port, response_timeout_s=0.3) as esme:
        answer = await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 1)

    assert answer.kind is AnswerKind.TIMED_OUT
    [row] = simulator.smsc.ledger.rows()
    assert row.event == "billed"
    assert esme.receipt_texts()[0].startswith(f"id:{row.message_id} ")


async def test_a_delayed_response_comes_after_later_ones(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    await fault(control, response_delay_s=0.1, times=1)
    async with bound(simulator.port) as esme:
        assert esme.link is not None
        assert esme.link.submit(premium(), "slow")
        assert esme.link.submit(premium(), "quick")
        await esme.until(lambda: len(esme.answers) == 2)

    assert [answer.tag for answer in esme.answers] == ["quick", "slow"]
    assert [answer.status for answer in esme.answers] == [0, 0]


async def test_the_link_closes_after_n_messages_and_the_last_is_billed(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    await fault(control, close_after=2, bill="on-accept")
    async with bound(simulator.port) as esme:
        answers = [await esme.send(premium()) for _ in range(2)]
        await esme.until(lambda: LinkState.DOWN in esme.states)
        await esme.until(lambda: esme.states[-1] is LinkState.BOUND)
        again = await esme.send(premium())

    assert [answer.kind for answer in answers] == [AnswerKind.ANSWERED, AnswerKind.LOST]
    assert again.status == 0
    assert simulator.smsc.ledger.billed == 3


async def test_a_deaf_link_answers_no_enquire_link(simulator: Simulator, control: httpx.AsyncClient) -> None:
    await fault(control, deaf=True)
    clock = SteppedClock()
    async with bound(simulator.port, clock=clock, enquire_link_s=20, response_timeout_s=3600) as esme:
        assert (await esme.send(premium())).status == 0
        assert esme.link is not None
        wire = esme.link._wire
        assert wire is not None
        clock.step(wire, 20)
        # it is there still, and answers all but enquiries
        assert (await esme.send(premium())).status == 0
        assert wire.session.enquiring
        clock.step(wire, 20)
        await esme.until(lambda: LinkState.DOWN in esme.states)
        await esme.until(lambda: esme.states[-1] is LinkState.BOUND)
        assert (await esme.send(premium())).status == 0


async def test_a_receipts_delay_is_kept(simulator: Simulator, control: httpx.AsyncClient) -> None:
    await fault(control, receipt_delay_s=0.2, times=1)
    async with bound(simulator.port) as esme:
        assert esme.link is not None
        # both in one write: what the machine does between them is not measured
        for tag in ("slow", "quick"):
            assert esme.link.submit(premium(), tag)
        await esme.until(lambda: len(esme.receipts) == len(esme.answers) == 2)

    ids = {answer.tag: answer.message_id for answer in esme.answers}
    told = [text.split()[0].removeprefix("id:") for text in esme.receipt_texts()]
    assert told == [ids["quick"], ids["slow"]]


@pytest.mark.parametrize(
    ("registered_delivery", "receipt", "wanted"),
    [(0, "DELIVRD", 0), (1, "UNDELIV", 1), (2, "DELIVRD", 0), (2, "UNDELIV", 1), (3, "UNDELIV", 0)],
)
async def test_receipts_are_sent_as_registered_delivery_asks(
    registered_delivery: int, receipt: str, wanted: int
) -> None:
    rules = [{"receipt": receipt, "number": "4790"}]
    async with running(settings_of(rules=rules)) as simulator, bound(simulator.port) as esme:
        await esme.send(premium("4790000001", registered_delivery=registered_delivery))
        await esme.send(premium("4795000001"))
        await esme.until(lambda: any(pdu.source_addr == "4795000001" for pdu in esme.receipts))

    assert len([pdu for pdu in esme.receipts if pdu.source_addr == "4790000001"]) == wanted
