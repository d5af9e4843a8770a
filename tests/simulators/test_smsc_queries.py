"""query_sm: the simulator tells the truth of its ledger, whatever its receipts said."""

from __future__ import annotations

from typing import Any

import pytest
from smsc_kit import Esme, bound, free, premium, settings_of

from simulators.smsc.app import running
from smsd.smpp.link import Answer
from smsd.smpp.pdu import CommandStatus, QuerySm

DELIVERED, EXPIRED, UNDELIVERABLE, ENROUTE = 2, 3, 5, 1


async def ask(esme: Esme, message_id: str, source: str = "2030") -> Answer:
    return await esme.send(QuerySm(message_id, 0, 0, source), "query")  # type: ignore[arg-type]


def rule(**effects: Any) -> dict[str, Any]:
    return {"rules": [{"premium": True, **effects}]}


@pytest.mark.parametrize(
    ("script", "state", "error"),
    [
        ({}, DELIVERED, 0),
        (rule(receipt="EXPIRED", err="021"), EXPIRED, 21),
        # it says UNDELIV and bills all the same
        (rule(receipt="UNDELIV", bill="on-accept"), DELIVERED, 0),
        # it says DELIVRD and bills nobody
        (rule(bill="never", err="0021"), UNDELIVERABLE, 21),
    ],
)
async def test_a_premium_message_is_as_its_ledger_says(script: Any, state: int, error: int) -> None:
    async with running(settings_of(**script)) as simulator, bound(simulator.port) as esme:
        sent = await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 1)
        said = (await ask(esme, sent.message_id)).query
        assert said is not None
        assert (said.message_id, said.message_state, said.error_code) == (sent.message_id, state, error)
        assert len(said.final_date) == 16
        again = (await ask(esme, sent.message_id)).query
        assert again == said


async def test_what_is_not_billed_yet_is_under_way() -> None:
    script = rule(bill="late", bill_delay_s=3600)
    async with running(settings_of(**script)) as simulator, bound(simulator.port) as esme:
        sent = await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 1)
        said = (await ask(esme, sent.message_id)).query
        assert said is not None
        assert (said.message_state, said.final_date) == (ENROUTE, "")


async def test_a_lost_receipt_leaves_the_truth_to_be_asked_for() -> None:
    async with running(settings_of(**rule(receipt="none"))) as simulator, bound(simulator.port) as esme:
        sent = await esme.send(premium())
        while simulator.smsc.ledger.billed == 0:
            await esme.send(free("4799999998"))
        said = (await ask(esme, sent.message_id)).query
        assert said is not None
        assert said.message_state == DELIVERED


@pytest.mark.parametrize(("message_id", "source"), [("12", "2030"), ("", "2031")])
async def test_what_it_does_not_know_or_another_sent_is_refused(message_id: str, source: str) -> None:
    async with running(settings_of()) as simulator, bound(simulator.port) as esme:
        sent = await esme.send(premium())
        answer = await ask(esme, message_id or sent.message_id, source)
        assert answer.status == CommandStatus.ESME_RQUERYFAIL


async def test_another_accounts_message_is_none_of_the_askers() -> None:
    settings = settings_of().model_copy(update={"accounts": {"smsd": "secret", "other": "secret"}})
    async with running(settings) as simulator, bound(simulator.port) as one:
        sent = await one.send(premium())
        async with bound(simulator.port, system_id="other") as other:
            assert (await ask(other, sent.message_id)).status == CommandStatus.ESME_RQUERYFAIL
