"""Who is billed, when, and what the ledger says of it; over real TCP."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import httpx
import pytest
from smsc_kit import bound, eventually, free, premium, settings_of

from simulators.smsc.app import Simulator, running
from simulators.smsc.ledger import Event, LedgerRow
from smsd.smpp.link import AnswerKind, LinkState
from smsd.smpp.pdu import CommandStatus, Tag, Tlv


async def rows_of(simulator: Simulator, count: int) -> list[LedgerRow]:
    """The ledger's rows, once there are so many."""
    await eventually(lambda: asyncio.sleep(0), lambda _: simulator.smsc.ledger.seq >= count)
    rows = simulator.smsc.ledger.rows()
    assert len(rows) == count
    return rows


async def test_a_delivered_premium_message_is_billed_once_before_its_receipt(simulator: Simulator) -> None:
    reference = Tlv(Tag.USER_MESSAGE_REFERENCE, b"\x01\x02")
    async with bound(simulator.port) as esme:
        answer = await esme.send(premium(tlvs=(Tlv(0x1403, b"5000\0"), reference)))
        await esme.until(lambda: len(esme.receipts) == 1)
        [row] = simulator.smsc.ledger.rows()

    assert (row.seq, row.event, row.number, row.amount_ore) == (1, Event.BILLED, "+4799999999", 5000)
    assert (row.message_id, row.short_code, row.account) == (answer.message_id, "2030", "smsd")
    assert (row.reference, row.length) == (0x0102, len("Betalinga di er under handsaming"))
    assert "stat:DELIVRD" in esme.receipt_texts()[0]


async def test_a_free_message_leaves_no_row(simulator: Simulator) -> None:
    async with bound(simulator.port) as esme:
        await esme.send(free())
        await esme.until(lambda: len(esme.receipts) == 1)

    assert simulator.smsc.ledger.seq == 0


@pytest.mark.parametrize(("number", "err"), [("4740000042", "0021"), ("4741111042", "0022")])
async def test_the_default_numbers_are_not_billed_and_the_receipt_says_why(
    simulator: Simulator, number: str, err: str
) -> None:
    async with bound(simulator.port) as esme:
        answer = await esme.send(premium(number))
        await esme.until(lambda: len(esme.receipts) == 1)

    [row] = simulator.smsc.ledger.rows()
    assert answer.status == 0
    assert f"stat:UNDELIV err:{err}" in esme.receipt_texts()[0]
    assert (row.event, row.number, row.amount_ore) == (Event.NOT_BILLED, "+" + number, 5000)
    assert simulator.smsc.ledger.spent_ore("+" + number) == 0


@pytest.mark.parametrize(
    ("rule", "events"),
    [
        ({"bill": "on-accept", "receipt": "UNDELIV"}, [Event.BILLED]),
        ({"bill": "on-delivery", "receipt": "UNDELIV"}, [Event.NOT_BILLED]),
        ({"bill": "on-delivery", "receipt": "none"}, [Event.BILLED]),
        ({"bill": "never"}, [Event.NOT_BILLED]),
        ({"bill": "late", "bill_delay_s": 0.01}, [Event.BILLED]),
        ({"receipt": "REJECTD"}, [Event.NOT_BILLED]),
        ({"receipt": "ACCEPTD"}, [Event.NOT_BILLED]),
        ({"refuse": "0x45"}, [Event.NOT_BILLED]),
    ],
)
async def test_a_rule_says_when_a_message_is_billed(rule: dict[str, Any], events: list[Event]) -> None:
    async with running(settings_of(rules=[rule])) as simulator, bound(simulator.port) as esme:
        await esme.send(premium())
        rows = await rows_of(simulator, len(events))

    assert [row.event for row in rows] == events


async def test_late_billing_comes_after_the_receipt() -> None:
    rule = {"bill": "late", "bill_delay_s": 3600}
    async with running(settings_of(rules=[rule])) as simulator, bound(simulator.port) as esme:
        await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 1)

        assert simulator.smsc.ledger.seq == 0


async def test_every_part_of_a_long_premium_message_is_billed(simulator: Simulator) -> None:
    async with bound(simulator.port) as esme:
        for number in (1, 2):
            header = bytes((5, 0, 3, 9, 2, number))
            await esme.send(premium(esm_class=0x40, short_message=header + b"part"))
        rows = await rows_of(simulator, 2)

    assert simulator.smsc.ledger.spent_ore("+4799999999") == 10_000
    assert {row.length for row in rows} == {4}


async def test_the_ledger_survives_a_restart(tmp_path: Path) -> None:
    settings = settings_of().model_copy(update={"ledger": tmp_path / "ledger.jsonl"})
    ids = []
    for _ in range(2):
        async with running(settings) as simulator, bound(simulator.port) as esme:
            ids.append((await esme.send(premium())).message_id)
            await esme.until(lambda: len(esme.receipts) == 1)

    async with (
        running(settings) as simulator,
        httpx.AsyncClient(base_url=simulator.control_url, timeout=60) as control,
    ):
        ledger = (await control.get("/ledger")).json()
        spent = (await control.get("/phones/+4799999999")).json()["spent_ore"]

    assert [row["seq"] for row in ledger["rows"]] == [1, 2]
    assert [row["message_id"] for row in ledger["rows"]] == ids
    assert len(set(ids)) == 2
    assert ledger["totals"] == {"+4799999999": {"billed": 2, "amount_ore": 10_000}}
    assert spent == 10_000


async def test_a_ledger_that_cannot_be_written_ends_all_binds_unanswered(
    simulator: Simulator, control: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with bound(simulator.port) as esme:
        monkeypatch.setattr(simulator.smsc.ledger, "flush", full)
        answer = await esme.send(premium())
        await esme.until(lambda: "RSYSERR" in (esme.link.last_error if esme.link else ""))
        health = await control.get("/healthz")
        monkeypatch.undo()

    assert answer.kind is AnswerKind.LOST
    assert LinkState.DOWN in esme.states
    assert (health.status_code, health.json()["status"]) == (
        503,
        "the ledger cannot be written: No space left on device",
    )


async def test_the_submit_is_not_answered_before_its_row_is_written(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    ledger = simulator.smsc.ledger
    flush = ledger.flush
    monkeypatch.setattr(ledger, "flush", lambda: (order.append("flush"), flush()))
    simulator.smsc.rules.add([_rule(bill="on-accept")])
    async with bound(simulator.port) as esme:
        [(conn, _)] = simulator.smsc.binds.items()
        respond = conn.respond
        monkeypatch.setattr(conn, "respond", lambda *given: (order.append("respond"), respond(*given))[1])
        assert (await esme.send(premium())).status == CommandStatus.ESME_ROK

    assert order[:2] == ["flush", "respond"]


def _rule(**fields: Any) -> Any:
    from simulators.smsc.settings import RuleSpec

    return RuleSpec.model_validate(fields)
