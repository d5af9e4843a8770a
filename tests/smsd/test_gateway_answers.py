"""What every kind of answer to a submit_sm does to charges and free messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playbook import OLA, Play, operator

from foundation.contract import ChargeSettled, MessageFate, MessageState, Outcome, Reason, SmsSettled
from smsd.charging.states import ChargeState
from smsd.smpp.link import AnswerKind

THROTTLED, QUEUE_FULL, SYSTEM_ERROR, SUBMIT_FAILED, WRONG_ADDRESS = 0x58, 0x14, 0x08, 0x45, 0x0B
UNSURE = [AnswerKind.TIMED_OUT, AnswerKind.LOST]
LONG = "Dette er ein lang tekst. " * 12


# premium --------------------------------------------------------------------------------------------------


def test_sending_is_committed_in_the_transaction_that_yields_the_submit(play: Play) -> None:
    wish = play.charge()
    plan = play.decide(play.parcel_came(wish))
    assert [piece.outgoing.charge for _, piece in plan.submits] == [wish.id]
    assert play.state(wish) is ChargeState.SENDING
    assert play.link.submitted == []


def test_a_charge_without_room_stays_intended(play: Play) -> None:
    play.link.can_submit = False
    wish = play.charge()
    play.parcel(wish)
    assert play.state(wish) is ChargeState.INTENDED
    play.link.can_submit = True
    play.turn()
    assert play.state(wish) is ChargeState.SENDING


def test_an_accepted_charge_awaits_its_receipt(play: Play) -> None:
    wish = play.start_charge()
    play.answer()
    assert play.state(wish) is ChargeState.ACCEPTED
    assert play.fate() == MessageFate.ACCEPTED
    assert play.told(ChargeSettled) == []


@pytest.mark.parametrize("status", [THROTTLED, QUEUE_FULL])
def test_later_keeps_the_same_attempt_and_pauses_the_account(play: Play, status: int) -> None:
    wish = play.start_charge()
    plan = play.decide(play.answered(play.submitted[0], status))
    assert plan.paused == {"telco"}
    assert play.state(wish) is ChargeState.INTENDED
    play.carry_out(plan)
    play.turn()
    assert play.state(wish) is ChargeState.SENDING
    first, second = play.submitted
    assert first.pdu == second.pdu
    assert second.pdu.registered_delivery == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [(WRONG_ADDRESS, Reason.WRONG_OPERATOR), (SUBMIT_FAILED, Reason.REJECTED), (0x0400, Reason.REJECTED)],
)
def test_a_refused_charge_is_settled_with_the_tables_reason(play: Play, status: int, reason: Reason) -> None:
    wish = play.start_charge()
    play.answer(status=status)
    assert play.state(wish) is ChargeState.REFUSED
    (settled,) = play.told(ChargeSettled)
    assert (settled.charge, settled.outcome, settled.reason) == (wish.id, Outcome.NOT_CHARGED, reason)
    assert settled.conversation == wish.conversation
    assert play.fate() == MessageFate.REFUSED


def test_a_refused_charge_is_never_sent_again(play: Play) -> None:
    play.start_charge()
    play.answer(status=SUBMIT_FAILED)
    play.tick(30)
    play.crash()
    play.tick(30)
    assert len(play.submitted) == 1


def test_an_answer_that_the_profile_does_not_trust_leaves_the_charge_in_doubt(play: Play) -> None:
    wish = play.start_charge()
    play.answer(status=SYSTEM_ERROR)
    assert play.state(wish) is ChargeState.IN_DOUBT
    assert play.told(ChargeSettled) == []


@pytest.mark.parametrize("kind", UNSURE)
def test_a_charge_without_an_answer_is_in_doubt_listed_and_alarmed(play: Play, kind: AnswerKind) -> None:
    wish = play.start_charge()
    play.answer(kind=kind)
    assert play.state(wish) is ChargeState.IN_DOUBT
    assert play.fate() == MessageFate.IN_DOUBT
    assert ("charge.in_doubt", {"charge": wish.id, "conversation": wish.conversation}) in play.alarms
    assert play.told(ChargeSettled) == []


@pytest.mark.parametrize("kind", UNSURE)
def test_a_charge_in_doubt_is_never_sent_again(play: Play, kind: AnswerKind) -> None:
    wish = play.start_charge()
    play.answer(kind=kind)
    for _ in range(3):
        play.tick(400)
        play.crash()
    assert len(play.submitted) == 1
    assert play.state(wish) is ChargeState.IN_DOUBT


def test_a_charge_of_which_no_octet_was_written_is_sent_again(play: Play) -> None:
    wish = play.start_charge()
    play.answer(kind=AnswerKind.NEVER_WRITTEN)
    assert play.state(wish) is ChargeState.SENDING
    assert len(play.submitted) == 2
    assert play.evidence(wish) == ["start", "not_written", "start"]


def test_a_charge_never_written_after_its_time_is_not_sent(play: Play) -> None:
    wish = play.start_charge(expires_s=60)
    play.link.can_submit = False
    play.clock.advance(61)
    play.answer(kind=AnswerKind.NEVER_WRITTEN)
    play.link.can_submit = True
    play.tick()
    assert len(play.submitted) == 1
    assert play.state(wish) is ChargeState.NOT_CHARGED
    (settled,) = play.told(ChargeSettled)
    assert settled.reason == Reason.EXPIRED


def test_a_late_acceptance_lifts_the_doubt_and_finds_the_receipt(play: Play) -> None:
    wish = play.start_charge()
    play.answer(kind=AnswerKind.TIMED_OUT)
    play.answer(kind=AnswerKind.LATE, message_id="late-1")
    assert play.state(wish) is ChargeState.ACCEPTED
    play.receipt("late-1")
    assert play.state(wish) is ChargeState.CHARGED


def test_a_late_refusal_ends_the_doubt_without_a_charge(play: Play) -> None:
    wish = play.start_charge()
    play.answer(kind=AnswerKind.TIMED_OUT)
    play.answer(kind=AnswerKind.LATE, status=WRONG_ADDRESS)
    assert play.state(wish) is ChargeState.NOT_CHARGED
    assert [(each.outcome, each.reason) for each in play.told(ChargeSettled)] == [
        (Outcome.NOT_CHARGED, Reason.WRONG_OPERATOR)
    ]


@pytest.mark.parametrize("status", [THROTTLED, QUEUE_FULL])
def test_a_late_word_later_does_not_send_a_doubtful_charge_again(play: Play, status: int) -> None:
    wish = play.start_charge()
    play.answer(kind=AnswerKind.TIMED_OUT)
    play.answer(kind=AnswerKind.LATE, status=status)
    play.tick(10)
    assert play.state(wish) is ChargeState.IN_DOUBT
    assert len(play.submitted) == 1


def test_a_late_acceptance_of_a_charge_settled_meanwhile_changes_neither_charge_nor_message(
    play: Play,
) -> None:
    wish = play.start_charge()
    play.answer(kind=AnswerKind.TIMED_OUT)
    play.receipt("unknown-1")
    assert play.state(wish) is ChargeState.CHARGED
    assert play.fate() == MessageFate.DELIVERED
    play.answer(kind=AnswerKind.LATE, message_id="unknown-1")
    assert play.state(wish) is ChargeState.CHARGED
    assert play.fate() == MessageFate.DELIVERED
    assert not play.contradicted(wish)


def test_a_late_acceptance_of_a_charge_that_a_human_called_not_charged_is_a_contradiction(play: Play) -> None:
    wish = play.start_charge()
    play.answer(kind=AnswerKind.TIMED_OUT)
    play.parcel(play.resolve(wish.id, "not_charged"))
    play.answer(kind=AnswerKind.LATE, message_id="late-1")
    assert play.state(wish) is ChargeState.NOT_CHARGED
    assert play.contradicted(wish)
    assert "charge.contradicted" in [name for name, _ in play.alarms]


def test_a_charge_put_off_by_a_stray_nack_and_accepted_after_all_is_not_sent_twice(play: Play) -> None:
    wish = play.start_charge()
    piece = play.submitted[0]
    play.link.can_submit = False
    play.answer(piece, status=THROTTLED)
    assert play.state(wish) is ChargeState.INTENDED
    play.answer(piece, kind=AnswerKind.LATE, message_id="after-all")
    play.link.can_submit = True
    play.tick(5)
    assert play.state(wish) is ChargeState.ACCEPTED
    assert len(play.submitted) == 1


def test_an_answer_given_twice_puts_nothing_twice_into_the_queue(play: Play) -> None:
    play.start_charge()
    piece = play.submitted[0]
    play.link.can_submit = False
    play.answer(piece, status=THROTTLED)
    play.answer(piece, kind=AnswerKind.LATE, status=WRONG_ADDRESS)
    assert len(play.queues["telco"]) == 1


@pytest.mark.parametrize("kind", [*UNSURE, AnswerKind.NEVER_WRITTEN])
def test_answers_for_several_charges_in_one_batch_are_told_apart(play: Play, kind: AnswerKind) -> None:
    sure, unsure = play.charge(kr=50), play.charge(kr=100)
    play.parcel(sure, unsure)
    first, second = play.submitted
    play.link.can_submit = False
    play.turn(play.answered(second, kind=kind), play.answered(first))
    assert play.state(sure) is ChargeState.ACCEPTED
    expected = ChargeState.INTENDED if kind is AnswerKind.NEVER_WRITTEN else ChargeState.IN_DOUBT
    assert play.state(unsure) is expected


def test_a_premium_message_of_several_segments_is_not_sent_at_all(plays: Callable[..., Play]) -> None:
    """Latin-1 takes 140 characters a segment; some operators bill each part."""
    from playbook import organisation

    play = plays(
        operators=[operator(data_coding_default="latin1")],
        organisations=[organisation(replies={"processing": "a" * 150})],
    )
    wish = play.charge()
    play.parcel(wish)
    assert play.submitted == []
    assert play.state(wish) is ChargeState.NOT_CHARGED
    assert "charge.not_sendable" in [name for name, _ in play.alarms]


# free -----------------------------------------------------------------------------------------------------


def test_a_free_message_is_accepted_and_told(play: Play) -> None:
    play.parcel(play.reply())
    play.answer()
    assert play.fate() == MessageFate.ACCEPTED
    assert [(state.message, state.fate) for state in play.told(MessageState)] == [
        (play.submitted[0].outgoing.message, MessageFate.ACCEPTED)
    ]


@pytest.mark.parametrize("kind", [*UNSURE, AnswerKind.NEVER_WRITTEN])
def test_a_free_message_without_an_answer_is_sent_again(play: Play, kind: AnswerKind) -> None:
    play.parcel(play.reply())
    play.answer(kind=kind)
    assert len(play.submitted) == 2
    assert play.submitted[0].pdu == play.submitted[1].pdu


@pytest.mark.parametrize("kind", UNSURE)
def test_a_free_message_is_given_up_after_three_unanswered_attempts(play: Play, kind: AnswerKind) -> None:
    play.parcel(play.reply())
    for _ in range(3):
        play.answer(kind=kind)
    play.tick(60)
    assert len(play.submitted) == 3
    assert play.fate() == MessageFate.IN_DOUBT


def test_a_free_message_never_written_is_tried_until_it_expires(play: Play) -> None:
    play.parcel(play.reply())
    for _ in range(10):
        play.answer(kind=AnswerKind.NEVER_WRITTEN)
    assert len(play.submitted) == 11
    play.link.can_submit = False
    play.answer(kind=AnswerKind.NEVER_WRITTEN)
    play.tick(86_401)
    play.link.can_submit = True
    play.tick()
    assert len(play.submitted) == 11
    assert play.fate() == MessageFate.EXPIRED


@pytest.mark.parametrize("status", [THROTTLED, QUEUE_FULL])
def test_throttling_is_no_attempt_so_a_link_lost_later_does_not_give_a_message_up(
    play: Play, status: int
) -> None:
    play.parcel(play.reply())
    for _ in range(5):
        play.answer(status=status)
        play.turn()
    assert len(play.submitted) == 6
    play.answer(kind=AnswerKind.LOST)
    assert len(play.submitted) == 7


def test_a_refused_free_message_is_told_once_and_not_repeated(play: Play) -> None:
    play.parcel(play.reply())
    play.answer(status=SUBMIT_FAILED)
    play.tick(60)
    assert len(play.submitted) == 1
    assert [state.fate for state in play.told(MessageState)] == [MessageFate.REFUSED]


def test_a_refused_text_of_the_bridges_is_settled(play: Play) -> None:
    wish = play.send()
    play.parcel(wish)
    play.answer(status=SUBMIT_FAILED)
    assert [(each.sms, each.fate) for each in play.told(SmsSettled)] == [(wish.id, MessageFate.REFUSED)]


def test_a_late_answer_of_a_repeated_free_message_is_heard(play: Play) -> None:
    play.parcel(play.reply())
    first = play.submitted[0]
    play.answer(first, kind=AnswerKind.TIMED_OUT)
    play.answer(first, kind=AnswerKind.LATE, message_id="late-free")
    play.receipt("late-free")
    assert play.fate(first) == MessageFate.DELIVERED


def test_a_late_acceptance_does_not_take_a_delivered_message_back(play: Play) -> None:
    play.parcel(play.send())
    first = play.submitted[0]
    play.answer(first, kind=AnswerKind.TIMED_OUT)
    play.answer(play.submitted[1], message_id="second")
    play.receipt("second")
    play.answer(first, kind=AnswerKind.LATE, message_id="first")
    assert play.fate(first) == MessageFate.DELIVERED


# long free ones -------------------------------------------------------------------------------------------


def test_a_long_text_is_accepted_when_its_last_part_is(play: Play) -> None:
    play.parcel(play.send(LONG))
    assert [piece.part for piece in play.submitted] == [1, 2]
    play.answer(play.submitted[0])
    assert play.fate() == MessageFate.QUEUED
    play.answer(play.submitted[1])
    assert play.fate() == MessageFate.ACCEPTED


def test_a_long_text_of_which_the_first_part_is_refused_stays_refused(play: Play) -> None:
    wish = play.send(LONG)
    play.parcel(wish)
    first, last = play.submitted
    play.answer(first, status=SUBMIT_FAILED)
    play.answer(last)
    assert play.fate() == MessageFate.REFUSED
    assert [each.fate for each in play.told(SmsSettled)] == [MessageFate.REFUSED]
    assert [each.fate for each in play.told(MessageState)] == [MessageFate.REFUSED]


def test_a_long_text_refused_part_by_part_is_settled_once(play: Play) -> None:
    play.parcel(play.send(LONG))
    first, last = play.submitted
    play.answer(first, status=SUBMIT_FAILED)
    play.answer(last, status=SUBMIT_FAILED)
    assert [each.fate for each in play.told(SmsSettled)] == [MessageFate.REFUSED]


def test_a_long_text_refused_part_by_part_in_one_batch_is_settled_once(play: Play) -> None:
    play.parcel(play.send(LONG))
    first, last = play.submitted
    play.turn(
        play.answered(first, status=SUBMIT_FAILED),
        play.answered(last, status=SUBMIT_FAILED),
    )
    assert [each.fate for each in play.told(SmsSettled)] == [MessageFate.REFUSED]


def test_parts_that_wait_behind_a_refused_one_are_not_sent(plays: Callable[..., Play]) -> None:
    play = plays(window=1)
    play.parcel(play.send(LONG))
    assert len(play.submitted) == 1
    play.answer(status=SUBMIT_FAILED)
    play.turn()
    assert len(play.submitted) == 1


def test_a_long_text_lost_with_its_link_is_sent_again_whole_and_in_order(play: Play) -> None:
    play.parcel(play.send(LONG))
    first, last = play.submitted
    play.turn(
        play.answered(first, kind=AnswerKind.LOST),
        play.answered(last, kind=AnswerKind.LOST),
    )
    assert [piece.part for piece in play.submitted] == [1, 2, 1, 2]


def test_a_long_text_whose_last_part_expires_is_told_so(plays: Callable[..., Play]) -> None:
    play = plays(window=1)
    wish = play.send(LONG)
    play.parcel(wish)
    play.link.can_submit = False
    play.answer(play.submitted[0])
    play.clock.advance(86_401)
    play.link.can_submit = True
    play.tick()
    assert len(play.submitted) == 1
    assert play.fate() == MessageFate.EXPIRED
    assert [each.fate for each in play.told(SmsSettled)] == [MessageFate.EXPIRED]


def test_every_part_asks_for_a_receipt_where_the_bridge_wants_to_know(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator(request_receipts="premium")])
    play.parcel(play.send(LONG), play.reply())
    asked = [(piece.outgoing.purpose, piece.pdu.registered_delivery) for piece in play.submitted]
    assert asked == [("reply", 0), ("send", 1), ("send", 1)]


def test_an_answer_counts_by_operator_and_meaning(play: Play) -> None:
    play.parcel(play.send(), play.send(), play.send())
    one, two, three = play.submitted
    play.answer(one)
    play.answer(two, status=SUBMIT_FAILED)
    play.answer(three, kind=AnswerKind.LOST)
    assert play.counts["answers", "telco", "accepted"] == 1
    assert play.counts["answers", "telco", "refused"] == 1
    assert play.counts["answers", "telco", "lost"] == 1


def test_answers_to_two_numbers_do_not_meet(play: Play) -> None:
    from playbook import KARI

    his, hers = play.charge(number=OLA), play.charge(number=KARI)
    play.parcel(his, hers)
    one, two = play.submitted
    play.answer(one, message_id="1")
    play.answer(two, message_id="2")
    play.receipt("2", number=KARI)
    assert play.state(his) is ChargeState.ACCEPTED
    assert play.state(hers) is ChargeState.CHARGED
