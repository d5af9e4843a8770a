"""What the gateway kept of answers and receipts, read back for people."""

from __future__ import annotations

import msgspec
import pytest

from foundation.asyncapi import EXAMPLES
from foundation.contract import ChargeEvidence
from foundation.evidence.case import part_of, read_detail, smsc_date

(ANSWER,) = [each for each in EXAMPLES if isinstance(each, ChargeEvidence)]


@pytest.mark.parametrize(
    ("detail", "read"),
    [
        ("", {}),
        ("id:4711", {"id": "4711"}),
        ("id:", {"id": ""}),
        (
            "no_credit id:a b stat:UNDELIV err:0021 submit:2611231200 done:2611231201",
            {"id": "a b", "stat": "UNDELIV", "err": "0021", "submit": "2611231200", "done": "2611231201"},
        ),
        (
            "id:7 stat:DELIVRD err: network:33 contradiction:message_state says EXPIRED, the text says id 9",
            {
                "id": "7",
                "stat": "DELIVRD",
                "err": "",
                "network": "33",
                "contradiction": "message_state says EXPIRED, the text says id 9",
            },
        ),
        ("state:DELIVERED error:0 done:261123120000000+", {
            "state": "DELIVERED", "error": "0", "done": "261123120000000+",
        }),
        ("Kari: ringte Telco", {}),
    ],
)  # fmt: skip
def test_details_are_read_by_name(detail: str, read: dict[str, str]) -> None:
    assert read_detail(detail) == read


@pytest.mark.parametrize(
    ("digits", "shown"),
    [
        ("2611231200", "2026-11-23 12:00"),
        ("261123120059", "2026-11-23 12:00:59"),
        ("20261123120059", "2026-11-23 12:00:59"),
        ("202611231200", "2026-11-23 12:00"),
        ("261123120059012+", "2026-11-23 12:00:59"),
        ("", ""),
        ("9999999999", "9999999999"),
        ("i går", "i går"),
    ],
)
def test_an_smscs_dates_are_shown_as_dates_where_they_are_some(digits: str, shown: str) -> None:
    assert smsc_date(digits) == shown


def test_a_journal_becomes_steps_messages_and_answers_in_order_of_time() -> None:
    journal = ANSWER.journal
    assert journal is not None
    part = part_of(journal, {journal.sms[0].id: "Betalinga di er under handsaming"})
    assert [step.evidence for step in part.steps] == ["start", "receipt_charged"]
    assert [sms.text for sms in part.sms] == ["Betalinga di er under handsaming"]
    assert [(answer.kind, answer.message_id, answer.stat, answer.done) for answer in part.answers] == [
        ("answer", "4711", "", ""),
        ("receipt", "4711", "DELIVRD", "2026-01-01 01:00"),
    ]


def test_a_journal_of_a_newer_gateway_is_read_all_the_same() -> None:
    wire = msgspec.to_builtins(ANSWER)
    wire["journal"] |= {"something": "new"}
    wire["journal"]["steps"][0] |= {"evidence": "asked_the_moon", "more": 1}
    read = msgspec.convert(wire, ChargeEvidence)
    assert read.journal is not None
    assert part_of(read.journal, {}).steps[0].evidence == "asked_the_moon"
