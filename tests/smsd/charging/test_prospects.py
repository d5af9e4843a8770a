"""What may still decide a charge, in the order of likelihood; the last resort is a person."""

from __future__ import annotations

import msgspec
import pytest
from playbook import NOON, operator

from foundation.clock import SECOND_US
from smsd.charging.proposals import Proposal
from smsd.charging.prospects import Known, Source, age, prospects
from smsd.charging.states import FINAL, ChargeState

HOUR = 3600 * SECOND_US
DOUBT = Known(state=ChargeState.IN_DOUBT, now_us=NOON + HOUR, sent_us=NOON, expires_us=NOON + 600 * SECOND_US)
ASKING = operator(query=True)


def sources(known: Known, account: object = None, wait_h: int = 48) -> list[Source]:
    return [each.source for each in prospects(known, account, wait_h)]  # type: ignore[arg-type]


def test_what_waits_for_its_turn_says_until_when() -> None:
    (only,) = prospects(msgspec.structs.replace(DOUBT, state=ChargeState.INTENDED), ASKING, 48)
    assert (only.source, only.until_us) == (Source.TURN, DOUBT.expires_us)
    assert "2026-11-23 13:10" in only.words


def test_what_waits_for_its_payer_s_yes_says_so() -> None:
    waits = msgspec.structs.replace(DOUBT, state=ChargeState.INTENDED, yes_until_us=NOON + 540 * SECOND_US)
    (only,) = prospects(waits, ASKING, 48)
    assert (only.source, only.until_us) == (Source.YES, waits.yes_until_us)
    assert only.words == "the payer's yes, until 2026-11-23 13:09"


def test_what_is_being_sent_waits_for_its_answer() -> None:
    (only,) = prospects(msgspec.structs.replace(DOUBT, state=ChargeState.SENDING), operator(), 48)
    assert (only.source, only.until_us) == (Source.ANSWER, NOON + 60 * SECOND_US)


def test_a_doubt_without_an_id_may_get_a_receipt_that_can_mean_nothing_else() -> None:
    receipt, report = prospects(DOUBT, ASKING, 48)
    assert (receipt.source, receipt.until_us) == (Source.RECEIPT, NOON + 48 * HOUR)
    assert "its id is unknown" in receipt.words
    assert report.source is Source.REPORT


def test_an_id_that_is_known_may_be_asked_about_where_the_profile_says_so() -> None:
    known = msgspec.structs.replace(DOUBT, answered_us=NOON)
    assert sources(known, operator()) == [Source.RECEIPT, Source.REPORT]
    assert sources(known, ASKING) == [Source.RECEIPT, Source.QUERY, Source.REPORT]


def test_queries_end_with_their_number_and_with_time() -> None:
    known = msgspec.structs.replace(DOUBT, answered_us=NOON)
    tries = ASKING.queries.tries
    assert Source.QUERY not in sources(msgspec.structs.replace(known, asked=tries), ASKING)
    assert Source.QUERY in sources(msgspec.structs.replace(known, asked=tries - 1), ASKING)
    assert Source.QUERY not in sources(msgspec.structs.replace(known, now_us=NOON + 48 * HOUR), ASKING)


def test_an_accepted_charge_is_asked_about_once_its_receipt_is_overdue() -> None:
    known = msgspec.structs.replace(
        DOUBT, state=ChargeState.ACCEPTED, answered_us=NOON, now_us=NOON + 60 * SECOND_US
    )
    (query,) = [each for each in prospects(known, ASKING, 48) if each.source is Source.QUERY]
    assert "next at 2026-11-23 14:00" in query.words
    never = operator(query=True, queries={"overdue_s": 0})
    assert Source.QUERY not in sources(known, never)


def test_after_the_last_receipt_a_person_must_decide() -> None:
    late = msgspec.structs.replace(DOUBT, now_us=NOON + 48 * HOUR)
    assert sources(late, operator()) == [Source.REPORT, Source.PERSON]


def test_a_proposal_that_waits_comes_first() -> None:
    proposal = Proposal("p", "c", "in_doubt", "charged", "Kari", "x", "command", NOON)
    first = prospects(msgspec.structs.replace(DOUBT, proposal=proposal), operator(), 48)[0]
    assert (first.source, first.words) == (
        Source.SECOND_PERSON,
        "a second person's word: Kari proposed charged",
    )


def test_an_operator_that_is_gone_from_the_settings_can_still_send_a_receipt() -> None:
    assert sources(msgspec.structs.replace(DOUBT, answered_us=NOON)) == [Source.RECEIPT, Source.REPORT]


@pytest.mark.parametrize("state", sorted(FINAL))
def test_of_what_is_settled_nothing_is_awaited(state: str) -> None:
    assert prospects(msgspec.structs.replace(DOUBT, state=ChargeState(state)), ASKING, 48) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 min"), (725, "12 min"), (3 * 3600 + 300, "3 h 5 min"), (100 * 3600, "4 d 4 h")],
)
def test_ages_are_told_in_two_units(seconds: float, words: str) -> None:
    assert age(seconds) == words
