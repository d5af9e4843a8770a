"""query_sm: asked only where the profile says so, seldom, about an id that is surely the charge's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playbook import KARI, OLA, FakeLink, Play, operator, receipt

from foundation.contract import Charge, ChargeSettled, MessageState, Outcome
from smsd.charging.states import ChargeState
from smsd.smpp.link import Answer, AnswerKind
from smsd.work import Answered, Query

Make = Callable[..., Play]
DELIVERED, EXPIRED, UNDELIVERABLE, UNKNOWN, REJECTED, ENROUTE = 2, 3, 5, 7, 8, 1
HOUR = 3600.0


def asking(plays: Make, **queries: Any) -> Play:
    return plays(operators=(operator(query=True, queries=queries),))


def accepted(play: Play, message_id: str = "smsc-1", **wishes: Any) -> Charge:
    wish = play.start_charge(**wishes)
    play.answer(message_id=message_id)
    assert play.state(wish) is ChargeState.ACCEPTED
    return wish


def asked(play: Play) -> list[Query]:
    return play.link.asked


def overdue(play: Play) -> Query:
    """An accepted charge whose receipt did not come, asked about."""
    accepted(play)
    play.tick(HOUR)
    (query,) = asked(play)
    return query


def test_nothing_is_asked_unless_the_profile_says_so(play: Play) -> None:
    accepted(play)
    play.tick(40 * HOUR)
    assert asked(play) == []


def test_an_accepted_charge_is_asked_about_once_its_receipt_is_overdue(plays: Make) -> None:
    play = asking(plays)
    accepted(play, "4A")
    play.tick(HOUR - 1)
    assert asked(play) == []
    play.tick(10)
    (query,) = asked(play)
    assert (query.pdu.message_id, query.pdu.source_addr, query.pdu.source_addr_ton) == ("4A", "2030", 3)


@pytest.mark.parametrize(
    ("state", "after", "evidence"),
    [
        (DELIVERED, ChargeState.CHARGED, "query_charged"),
        (EXPIRED, ChargeState.NOT_CHARGED, "query_not_charged"),
        (UNDELIVERABLE, ChargeState.NOT_CHARGED, "query_not_charged"),
        (REJECTED, ChargeState.NOT_CHARGED, "query_not_charged"),
        (ENROUTE, ChargeState.ACCEPTED, "query_pending"),
        (UNKNOWN, ChargeState.ACCEPTED, "query_pending"),
        (6, ChargeState.ACCEPTED, "query_pending"),
        (0, ChargeState.ACCEPTED, "query_pending"),
        (77, ChargeState.ACCEPTED, "query_pending"),
    ],
)
def test_the_answer_says_what_a_receipt_of_that_state_would(
    plays: Make, state: int, after: ChargeState, evidence: str
) -> None:
    play = asking(plays)
    query = overdue(play)
    play.said(query, state)
    assert play.state(query.charge) is after
    assert play.rows("SELECT evidence FROM charge_events ORDER BY id DESC LIMIT 1") == [(evidence,)]


def test_the_bridge_is_told_of_the_end_and_of_the_messages_fate(plays: Make) -> None:
    play = asking(plays)
    query = overdue(play)
    play.said(query, DELIVERED, final_date="261123130500000+")
    assert [each.outcome for each in play.told(ChargeSettled)] == [Outcome.CHARGED]
    assert play.told(MessageState)[-1].fate == "delivered"
    assert play.fate() == "delivered"
    detail = play.value("SELECT detail FROM charge_events WHERE evidence = 'query_charged'")
    assert detail == "state:DELIVERED error:0 done:261123130500000+"


def test_the_profiles_billing_rule_holds_for_answers_too(plays: Make) -> None:
    outcomes = {"DELIVRD": "pending", "EXPIRED:021": "no_credit"}
    play = plays(operators=(operator(query=True, outcomes=outcomes),))
    query = overdue(play)
    play.said(query, DELIVERED)
    assert play.state(query.charge) is ChargeState.ACCEPTED
    play.said(query, EXPIRED, error_code=21)
    assert play.rows("SELECT state, reason FROM charges") == [("not_charged", "no_credit")]


@pytest.mark.parametrize(
    ("outcomes", "state", "after"),
    [
        ({"DELIVERED": "unknown"}, DELIVERED, ("accepted", "")),
        ({"UNDELIVERABLE": "charged"}, UNDELIVERABLE, ("charged", "")),
        ({"EXPIRED": "no_credit"}, EXPIRED, ("not_charged", "no_credit")),
        ({"EXPIRED": "unknown"}, EXPIRED, ("accepted", "")),
    ],
)
def test_a_table_of_the_profile_goes_before_it(
    plays: Make, outcomes: dict[str, str], state: int, after: tuple[str, str]
) -> None:
    play = asking(plays, outcomes=outcomes)
    play.said(overdue(play), state)
    assert play.rows("SELECT state, reason FROM charges") == [after]


def test_a_refusal_settles_nothing_and_is_kept(plays: Make) -> None:
    play = asking(plays)
    query = overdue(play)
    play.said(query, DELIVERED, status=0x67)
    assert play.state(query.charge) is ChargeState.ACCEPTED
    assert play.value("SELECT detail FROM charge_events WHERE evidence = 'query_pending'") == (
        "status:0x00000067"
    )


@pytest.mark.parametrize("kind", [AnswerKind.TIMED_OUT, AnswerKind.LOST, AnswerKind.NEVER_WRITTEN])
def test_silence_is_no_evidence(plays: Make, kind: AnswerKind) -> None:
    play = asking(plays)
    query = overdue(play)
    play.turn(Answered(Answer(query, kind)))
    assert play.state(query.charge) is ChargeState.ACCEPTED
    assert "query_pending" not in [each[0] for each in play.rows("SELECT evidence FROM charge_events")]


def test_throttled_rests_the_account_and_is_no_evidence(plays: Make) -> None:
    play = asking(plays)
    query = overdue(play)
    assert play.said(query, DELIVERED, status=0x58).paused == {"telco"}
    assert play.state(query.charge) is ChargeState.ACCEPTED


def test_the_same_charge_is_asked_about_ever_more_seldom_and_not_for_ever(plays: Make) -> None:
    play = asking(plays, pause_s=600, pause_max_s=2400, tries=5)
    accepted(play)
    start, times = play.clock.us, []
    for _ in range(47 * 6):
        play.tick(600)
        for query in asked(play)[len(times) :]:
            times.append((play.clock.us - start) // 600_000_000)
            play.said(query, ENROUTE)
    assert times == [6, 7, 9, 13, 17]


def test_a_restart_does_not_ask_sooner(plays: Make) -> None:
    play = asking(plays, pause_s=600)
    overdue(play)
    play.crash()
    play.tick(300)
    assert asked(play) == []
    play.tick(300)
    assert len(asked(play)) == 1


def test_an_id_that_the_smsc_gave_again_is_never_asked_about(plays: Make) -> None:
    play = asking(plays)
    accepted(play, "1")
    # the SMSC began its numbers anew: its answer would be about this one
    play.start_charge(number=KARI)
    play.answer(message_id="1")
    play.receipt("1", number=KARI)
    play.tick(10 * HOUR)
    assert asked(play) == []


def test_a_free_message_counts_for_that_too(plays: Make) -> None:
    account = operator(query=True, request_receipts="premium")
    play = plays(operators=(account,))
    accepted(play, "1")
    play.text("HJELP", KARI)
    play.answer(message_id="1")
    play.tick(10 * HOUR)
    assert asked(play) == []


def test_an_id_given_again_while_the_answer_was_on_its_way_settles_nothing(plays: Make) -> None:
    play = asking(plays)
    query = overdue(play)
    play.text("HJELP", KARI)
    play.answer(message_id="smsc-1")
    play.said(query, DELIVERED)
    assert play.state(query.charge) is ChargeState.ACCEPTED


def test_an_answer_about_another_id_settles_nothing(plays: Make) -> None:
    play = asking(plays)
    query = overdue(play)
    play.said(query, DELIVERED, message_id="9999")
    assert play.state(query.charge) is ChargeState.ACCEPTED


def test_an_answer_may_spell_the_id_as_the_response_did(plays: Make) -> None:
    play = plays(operators=(operator(query=True, message_id="resp-hex"),))
    accepted(play, "0AF")
    play.tick(HOUR)
    (query,) = asked(play)
    assert query.pdu.message_id == "0AF"
    play.said(query, DELIVERED, message_id="af")
    assert play.state(query.charge) is ChargeState.CHARGED


def test_what_has_no_id_cannot_be_asked_about(plays: Make) -> None:
    play = asking(plays)
    play.start_charge()
    play.answer(kind=AnswerKind.LOST)
    play.tick(10 * HOUR)
    assert asked(play) == []


def test_a_receipt_that_came_spares_the_question(plays: Make) -> None:
    play = asking(plays)
    accepted(play, "1")
    play.receipt("1")
    play.tick(10 * HOUR)
    assert asked(play) == []


def test_an_answer_that_came_after_a_receipt_said_otherwise_is_kept_and_told(plays: Make) -> None:
    play = asking(plays)
    query = overdue(play)
    play.receipt("smsc-1")
    play.said(query, EXPIRED)
    assert play.rows("SELECT state, contradicted FROM charges") == [("charged", 1)]
    assert "charge.contradicted" in [kind for kind, _ in play.alarms]


def test_questions_wait_for_room_that_nothing_else_wants(plays: Make) -> None:
    play = plays(operators=(operator(query=True),), window=1)
    accepted(play)
    play.clock.advance(HOUR)
    play.text("HJELP", KARI)
    assert len(play.link.pending) == 1
    play.tick(10)
    assert asked(play) == []
    play.answer(message_id="another")
    play.tick(10)
    assert len(asked(play)) == 1


def test_questions_keep_their_rate(plays: Make) -> None:
    play = asking(plays, rate=2)
    for number in range(1, 10):
        accepted(play, f"id{number}", number=f"+4799999{number:03d}")
    play.clock.advance(HOUR)
    counts = []
    for _ in range(6):
        play.tick(1)
        counts.append(len(asked(play)))
    assert counts == [2, 4, 6, 8, 9, 9]


def test_all_that_are_overdue_are_asked_about_the_longest_waiting_first(plays: Make) -> None:
    play = asking(plays, rate=1)
    first = accepted(play, "a", number=OLA)
    play.clock.advance(5)
    second = accepted(play, "b", number=KARI)
    for _ in range(3):
        play.tick(HOUR)
    assert [query.charge for query in asked(play)][:2] == [first.id, second.id]


def test_a_link_takes_a_question_only_where_it_has_room() -> None:
    link = FakeLink(window=0)
    query = Query("c", "telco", "m", "k", operator_query())
    assert not link.submit(query.pdu, query)


def operator_query() -> Any:
    from smsd.operators import OperatorProfile

    return OperatorProfile(operator()).query("1", "2030")


def test_a_late_receipt_after_the_answer_says_nothing_new(plays: Make) -> None:
    play = asking(plays)
    query = overdue(play)
    play.said(query, DELIVERED)
    play.turn(play.delivered(receipt("smsc-1")))
    assert play.state(query.charge) is ChargeState.CHARGED
    assert len(play.told(ChargeSettled)) == 1
