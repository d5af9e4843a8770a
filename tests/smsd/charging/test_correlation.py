"""Receipts find their message, or wait; one without settles a charge only where it means nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playbook import KARI, OLA, Play, operator, receipt

from foundation.contract import Charge, ChargeSettled, MessageFate, MessageState, Outcome, Reason, SmsSettled
from smsd.charging.states import ChargeState
from smsd.smpp.link import AnswerKind
from smsd.smpp.pdu import Tag, Tlv

INTERMEDIATE = 0x20


def unmatched(play: Play) -> int:
    count: int = play.value("SELECT count(*) FROM unmatched_receipts")
    return count


# a receipt whose message is known -------------------------------------------------------------------------


@pytest.mark.parametrize("err", ["000", "0021", "999", "ABC", "0013"])
def test_delivered_is_charged_whatever_the_error_code(play: Play, err: str) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", err=err)
    assert play.state(wish) is ChargeState.CHARGED
    (settled,) = play.told(ChargeSettled)
    assert (settled.charge, settled.outcome, settled.reason) == (wish.id, Outcome.CHARGED, Reason.NONE)
    assert play.fate() == MessageFate.DELIVERED


@pytest.mark.parametrize(
    ("stat", "err", "reason"),
    [
        ("UNDELIV", "000", Reason.REJECTED),
        ("UNDELIV", "0021", Reason.NO_CREDIT),
        ("REJECTD", "0021", Reason.NO_CREDIT),
        ("EXPIRED", "000", Reason.EXPIRED),
        ("DELETED", "000", Reason.REJECTED),
        ("REJECTD", "001", Reason.REJECTED),
        ("FAILED", "001", Reason.REJECTED),
    ],
)
def test_a_final_failure_is_not_charged_and_says_why(play: Play, stat: str, err: str, reason: Reason) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", stat, err=err)
    assert play.state(wish) is ChargeState.NOT_CHARGED
    (settled,) = play.told(ChargeSettled)
    assert (settled.outcome, settled.reason) == (Outcome.NOT_CHARGED, reason)


@pytest.mark.parametrize(
    "stat", ["ACCEPTD", "UNKNOWN", "ENROUTE", "BUFFRED", "ACKED", "SCHEDLD", "WHATEVR", ""]
)
def test_what_is_not_final_never_settles_money(play: Play, stat: str) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", stat)
    assert play.state(wish) is ChargeState.ACCEPTED
    assert play.told(ChargeSettled) == []
    play.receipt("1")
    assert play.state(wish) is ChargeState.CHARGED


@pytest.mark.parametrize("stat", ["DELIVRD", "UNDELIV", "EXPIRED"])
def test_an_intermediate_notification_never_settles_money(play: Play, stat: str) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", stat, esm_class=INTERMEDIATE)
    assert play.state(wish) is ChargeState.ACCEPTED
    assert play.fate() == MessageFate.ACCEPTED


@pytest.mark.parametrize("esm_class", [0x04, 0x08, 0x44])
def test_a_receipt_is_known_by_its_type_bits(play: Play, esm_class: int) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.turn(play.delivered(receipt("1", esm_class=esm_class & 0x3C)))
    assert play.state(wish) is ChargeState.CHARGED


def test_a_receipt_that_contradicts_itself_settles_nothing(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", "DELIVRD", tlvs=[Tlv(Tag.MESSAGE_STATE, b"\x05")])
    assert play.state(wish) is ChargeState.ACCEPTED


def test_a_receipt_is_answered_after_its_commit(play: Play) -> None:
    play.start_charge()
    play.answer(message_id="1")
    item = play.delivered(receipt("1"))
    plan = play.decide(item)
    assert play.link.responses == []
    play.carry_out(plan)
    assert play.link.responses == [(item.frame, 0)]


def test_a_receipt_comes_before_the_response(play: Play) -> None:
    wish = play.start_charge()
    play.receipt("1")
    assert play.state(wish) is ChargeState.SENDING
    assert unmatched(play) == 1
    play.answer(message_id="1")
    assert play.state(wish) is ChargeState.CHARGED
    assert play.fate() == MessageFate.DELIVERED
    assert unmatched(play) == 0


def test_a_receipt_and_its_response_come_in_one_batch(play: Play) -> None:
    wish = play.start_charge()
    play.turn(play.delivered(receipt("1")), play.answered(play.submitted[0], message_id="1"))
    assert play.state(wish) is ChargeState.CHARGED
    assert play.fate() == MessageFate.DELIVERED


def test_a_receipt_before_the_response_survives_a_restart(play: Play) -> None:
    wish = play.start_charge()
    play.receipt("1")
    play.crash()
    assert play.state(wish) is ChargeState.CHARGED


def test_a_receipt_twice_says_nothing_new(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1")
    play.receipt("1")
    assert play.state(wish) is ChargeState.CHARGED
    assert not play.contradicted(wish)
    assert len(play.told(ChargeSettled)) == 1
    assert play.evidence(wish)[-2:] == ["receipt_charged", "receipt_charged"]


def test_a_receipt_twice_in_one_batch_is_told_once(play: Play) -> None:
    wish = play.send()
    play.parcel(wish)
    play.answer(message_id="1")
    play.turn(play.delivered(receipt("1")), play.delivered(receipt("1")))
    assert [each.fate for each in play.told(SmsSettled)] == [MessageFate.DELIVERED]


@pytest.mark.parametrize(("first", "second"), [("DELIVRD", "UNDELIV"), ("UNDELIV", "DELIVRD")])
@pytest.mark.parametrize("together", [False, True])
def test_contradicting_receipts_keep_the_first_and_raise_an_alarm(
    play: Play, first: str, second: str, together: bool
) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    receipts = [play.delivered(receipt("1", first)), play.delivered(receipt("1", second))]
    for batch in [receipts] if together else [[each] for each in receipts]:
        play.turn(*batch)
    expected = ChargeState.CHARGED if first == "DELIVRD" else ChargeState.NOT_CHARGED
    assert play.state(wish) is expected
    assert play.contradicted(wish)
    assert [name for name, _ in play.alarms].count("charge.contradicted") == 1
    assert play.fate() == (MessageFate.DELIVERED if first == "DELIVRD" else MessageFate.UNDELIVERED)
    told = [(str(each.outcome), each.contradiction) for each in play.told(ChargeSettled)]
    assert told == [(expected, ""), (expected, "open")]


def test_an_id_that_one_phone_had_for_two_messages_decides_nothing(play: Play) -> None:
    first = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", "DELIVRD")
    second = play.start_charge(kr=100)
    play.answer(message_id="1")
    play.receipt("1", "UNDELIV")
    assert play.state(first) is ChargeState.CHARGED
    assert play.state(second) is ChargeState.ACCEPTED
    assert not play.contradicted(first)
    assert play.evidence(second)[-1] == "receipt_pending"
    assert unmatched(play) == 0


def test_an_id_used_again_for_a_free_message_decides_no_charge(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.parcel(play.send())
    play.answer(message_id="1")
    play.receipt("1")
    assert play.state(wish) is ChargeState.ACCEPTED


def test_enroute_after_a_final_state_changes_nothing(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1")
    play.receipt("1", "ENROUTE")
    assert play.state(wish) is ChargeState.CHARGED
    assert not play.contradicted(wish)
    assert play.fate() == MessageFate.DELIVERED


def test_a_receipt_that_delivers_a_refused_charge_is_a_contradiction(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="1", status=0x45)
    assert play.state(wish) is ChargeState.REFUSED
    assert not play.contradicted(wish)
    play.receipt("unheard-of")
    assert play.state(wish) is ChargeState.REFUSED


def test_an_id_used_again_for_another_number_finds_the_right_message(play: Play) -> None:
    his = play.start_charge(number=OLA)
    play.answer(message_id="7")
    hers = play.start_charge(number=KARI)
    play.answer(message_id="7")
    play.receipt("7", number=OLA)
    assert play.state(his) is ChargeState.CHARGED
    assert play.state(hers) is ChargeState.ACCEPTED
    play.receipt("7", "UNDELIV", number=KARI)
    assert play.state(hers) is ChargeState.NOT_CHARGED


def test_a_receipt_for_another_number_under_a_known_id_waits(play: Play) -> None:
    wish = play.start_charge(number=OLA)
    play.answer(message_id="7")
    play.receipt("7", number=KARI)
    assert play.state(wish) is ChargeState.ACCEPTED
    assert unmatched(play) == 1


def test_an_old_receipt_under_an_id_used_again_settles_no_new_message(play: Play) -> None:
    play.receipt("7")
    play.clock.advance(86_400)
    wish = play.start_charge()
    play.answer(message_id="7")
    assert play.state(wish) is ChargeState.ACCEPTED
    play.receipt("7", "UNDELIV")
    assert play.state(wish) is ChargeState.NOT_CHARGED


def waiting_for_a_link(play: Play) -> Charge:
    """A charge that is made and cannot leave yet."""
    play.link.can_submit = False
    wish = play.charge()
    play.parcel(wish)
    assert play.submitted == []
    return wish


def test_a_receipt_from_before_a_charge_was_sent_is_not_its_own_though_it_was_made_before(
    play: Play,
) -> None:
    """An SMSC that comes back counts its ids anew: the receipt is of a message whose answer was lost."""
    wish = waiting_for_a_link(play)
    play.receipt("7")
    play.link.can_submit = True
    play.tick(10)
    play.answer(message_id="7")
    assert play.state(wish) is ChargeState.ACCEPTED
    assert unmatched(play) == 1
    play.receipt("7", "UNDELIV")
    assert play.state(wish) is ChargeState.NOT_CHARGED


@pytest.mark.parametrize("later_s", [0, 7200])
def test_a_receipt_before_the_response_is_heard_though_the_clock_was_put_back_meanwhile(
    play: Play, later_s: int
) -> None:
    wish = play.start_charge()
    play.clock.us -= 3_600_000_000
    play.receipt("1")
    play.clock.advance(later_s)
    play.answer(message_id="1")
    assert play.state(wish) is ChargeState.CHARGED


def test_receipts_whose_ends_are_swapped_are_understood(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", swapped=True)
    assert play.state(wish) is ChargeState.CHARGED


@pytest.mark.parametrize("number", ["+4799999901", "004799999901", "99999901"])
def test_a_receipts_number_is_read_in_every_form(play: Play, number: str) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    pdu = receipt("1")
    play.turn(
        play.delivered(
            type(pdu)(**{**{f: getattr(pdu, f) for f in pdu.__struct_fields__}, "source_addr": number})
        )
    )
    assert play.state(wish) is ChargeState.CHARGED


def test_a_receipt_at_a_longer_shown_number_is_understood(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", to="2030517")
    assert play.state(wish) is ChargeState.CHARGED


def test_a_receipt_comes_on_any_bind_of_the_account(plays: Callable[..., Play]) -> None:
    play = plays(binds=2)
    wish = play.start_charge()
    play.answer(message_id="1")
    for link in play.links["telco"]:
        play.turn(play.delivered(receipt("1"), link))
    assert play.state(wish) is ChargeState.CHARGED


def test_a_receipt_of_another_account_is_not_this_ones(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator("telco"), operator("mobilia")])
    wish = play.start_charge()
    play.answer(message_id="1")
    play.turn(play.delivered(receipt("1"), play.links["mobilia"][0]))
    assert play.state(wish) is ChargeState.ACCEPTED
    assert unmatched(play) == 1


@pytest.mark.parametrize(
    ("form", "response", "said"),
    [
        ("resp-hex", "1A2B3C", "1715004"),
        ("resp-hex", "001a2b3c", "01715004"),
        ("receipt-hex", "1715004", "1A2B3C"),
        ("receipt-hex", "1715004", "1a2b3c"),
        ("opaque", "aB-9", "aB-9"),
        ("opaque", "6A1E0F6C-6F2B-4D7E-9B2A-0123456789AB", "6a1e0f6c-6f2b-4d7e-9b2a-0123456789ab"),
        ("resp-hex", "FFFFFFFFFFFFFFFFFF", "4722366482869645213695"),
    ],
)
def test_ids_match_in_every_form_that_a_profile_names(
    plays: Callable[..., Play], form: str, response: str, said: str
) -> None:
    play = plays(operators=[operator(message_id=form)])
    wish = play.start_charge()
    play.answer(message_id=response)
    play.receipt(said)
    assert play.state(wish) is ChargeState.CHARGED


def test_a_receipt_48_hours_late_is_heard(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    for _ in range(48):
        play.tick(3600)
    play.crash()
    play.receipt("1")
    assert play.state(wish) is ChargeState.CHARGED


def test_a_free_messages_receipt_is_told_as_its_fate(play: Play) -> None:
    wish = play.send()
    play.parcel(wish)
    play.answer(message_id="1")
    play.receipt("1", "UNDELIV", err="0021")
    assert [(each.fate, each.reason) for each in play.told(MessageState)][-1] == (
        MessageFate.UNDELIVERED,
        Reason.NO_CREDIT,
    )
    assert [(each.sms, each.fate) for each in play.told(SmsSettled)] == [(wish.id, MessageFate.UNDELIVERED)]


def test_a_free_message_touches_no_charge(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.parcel(play.reply())
    play.answer(message_id="2")
    play.receipt("2")
    assert play.state(wish) is ChargeState.ACCEPTED


# a receipt with an unknown id -----------------------------------------------------------------------------


def in_doubt(play: Play, **wishes: object) -> object:
    wish = play.start_charge(**wishes)
    play.answer(kind=AnswerKind.TIMED_OUT)
    assert play.state(wish) is ChargeState.IN_DOUBT
    return wish


@pytest.mark.parametrize(
    ("stat", "state"), [("DELIVRD", ChargeState.CHARGED), ("UNDELIV", ChargeState.NOT_CHARGED)]
)
def test_a_receipt_with_an_unknown_id_settles_the_one_charge_in_doubt(
    play: Play, stat: str, state: ChargeState
) -> None:
    wish = in_doubt(play)
    play.receipt("unknown", stat)
    assert play.state(wish) is state  # type: ignore[arg-type]
    assert unmatched(play) == 0
    assert len(play.told(ChargeSettled)) == 1


def test_a_receipt_that_waits_settles_the_charge_when_doubt_comes(play: Play) -> None:
    wish = play.start_charge()
    play.receipt("unknown")
    assert play.state(wish) is ChargeState.SENDING
    play.answer(kind=AnswerKind.LOST)
    assert play.state(wish) is ChargeState.CHARGED


def test_pending_and_final_receipts_of_one_unknown_id_are_one_story(play: Play) -> None:
    wish = in_doubt(play)
    play.receipt("unknown", "ENROUTE")
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]
    play.receipt("unknown")
    assert play.state(wish) is ChargeState.CHARGED  # type: ignore[arg-type]
    assert unmatched(play) == 0


@pytest.mark.parametrize("stat", ["ENROUTE", "ACCEPTD", "UNKNOWN"])
def test_a_receipt_that_decides_nothing_is_attributed_to_nothing(play: Play, stat: str) -> None:
    wish = in_doubt(play)
    play.receipt("unknown", stat)
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]


def test_an_intermediate_notification_is_attributed_to_nothing(play: Play) -> None:
    wish = in_doubt(play)
    play.receipt("unknown", esm_class=INTERMEDIATE)
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]


def test_two_contradicting_receipts_settle_nothing(play: Play) -> None:
    wish = play.start_charge()
    play.receipt("unknown")
    play.receipt("unknown", "UNDELIV")
    play.answer(kind=AnswerKind.TIMED_OUT)
    assert play.state(wish) is ChargeState.IN_DOUBT
    assert unmatched(play) == 2


@pytest.mark.parametrize("other", ["DELIVRD", "UNDELIV", "ENROUTE"])
def test_two_receipts_with_two_unknown_ids_settle_nothing(play: Play, other: str) -> None:
    wish = play.start_charge()
    play.receipt("one")
    play.receipt("other", other)
    play.answer(kind=AnswerKind.TIMED_OUT)
    assert play.state(wish) is ChargeState.IN_DOUBT


def test_a_receipt_that_could_mean_one_of_two_charges_settles_neither(play: Play) -> None:
    one, other = play.charge(kr=50), play.charge(kr=100)
    play.parcel(one, other)
    for piece in list(play.submitted):
        play.answer(piece, kind=AnswerKind.TIMED_OUT)
    play.receipt("unknown")
    assert [play.state(one), play.state(other)] == [ChargeState.IN_DOUBT] * 2


def test_a_receipt_could_be_an_accepted_charges_own_under_another_spelling(play: Play) -> None:
    one, other = play.charge(kr=50), play.charge(kr=100)
    play.parcel(one, other)
    first, second = play.submitted
    play.answer(first, message_id="known")
    play.answer(second, kind=AnswerKind.TIMED_OUT)
    play.receipt("unknown")
    assert [play.state(one), play.state(other)] == [ChargeState.ACCEPTED, ChargeState.IN_DOUBT]


def test_a_receipt_at_another_short_code_is_not_the_charges(plays: Callable[..., Play]) -> None:
    play = plays(short_codes={"2030": ("telco",), "1999": ("telco",)})
    wish = in_doubt(play)
    play.receipt("unknown", to="1999")
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]


def test_a_receipt_of_another_number_is_not_the_charges(play: Play) -> None:
    wish = in_doubt(play)
    play.receipt("unknown", number=KARI)
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]


def test_a_receipt_of_another_account_settles_no_charge_in_doubt(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator("telco"), operator("mobilia")])
    wish = in_doubt(play)
    play.turn(play.delivered(receipt("unknown"), play.links["mobilia"][0]))
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]


def test_a_receipt_from_before_the_charge_is_not_the_charges(play: Play) -> None:
    play.receipt("old")
    play.clock.advance(60)
    wish = in_doubt(play)
    play.receipt("unknown", "ENROUTE")
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]


def test_a_receipt_of_an_unknown_id_from_before_the_charge_was_sent_is_not_the_charges(play: Play) -> None:
    wish = waiting_for_a_link(play)
    play.receipt("unknown")
    play.link.can_submit = True
    play.tick(10)
    play.answer(kind=AnswerKind.TIMED_OUT)
    assert play.state(wish) is ChargeState.IN_DOUBT


@pytest.mark.parametrize("kind", [AnswerKind.TIMED_OUT, AnswerKind.LOST])
def test_a_free_message_without_an_answer_makes_an_unknown_receipt_ambiguous(
    play: Play, kind: AnswerKind
) -> None:
    wish = play.charge()
    play.parcel(wish, play.reply())
    premium, free = play.submitted
    play.answer(free, kind=kind)
    play.answer(play.submitted[-1], message_id="free-again")
    play.answer(premium, kind=AnswerKind.TIMED_OUT)
    play.receipt("unknown")
    assert play.state(wish) is ChargeState.IN_DOUBT


def test_a_free_message_in_the_air_makes_an_unknown_receipt_ambiguous(play: Play) -> None:
    wish = in_doubt(play)
    play.parcel(play.reply())
    play.receipt("unknown")
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]


def test_a_free_message_without_its_receipt_makes_an_unknown_receipt_ambiguous(play: Play) -> None:
    """Where a profile names the wrong form of ids, every receipt is unknown."""
    play.parcel(play.reply())
    play.answer(message_id="1A")
    wish = in_doubt(play)
    play.receipt("26")
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]


def test_a_free_message_with_its_receipt_does_not_stand_in_the_way(play: Play) -> None:
    play.parcel(play.reply())
    play.answer(message_id="free")
    play.receipt("free")
    wish = in_doubt(play)
    play.receipt("unknown")
    assert play.state(wish) is ChargeState.CHARGED  # type: ignore[arg-type]


def test_a_free_message_of_long_ago_does_not_stand_in_the_way(play: Play) -> None:
    play.parcel(play.reply())
    play.answer(message_id="free")
    play.clock.advance(4 * 86_400)
    wish = in_doubt(play)
    play.receipt("unknown")
    assert play.state(wish) is ChargeState.CHARGED  # type: ignore[arg-type]


def test_a_receipt_without_an_id_could_be_any_messages(play: Play) -> None:
    play.parcel(play.reply())
    play.answer(message_id="free")
    wish = in_doubt(play)
    play.receipt("")
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]


def test_a_free_message_that_waited_at_a_crash_makes_an_unknown_receipt_ambiguous(play: Play) -> None:
    wish = play.charge()
    play.parcel(wish, play.reply())
    play.crash()
    play.answer(play.submitted[-1], message_id="free-again")
    play.receipt("free-again")
    play.receipt("unknown")
    assert play.state(wish) is ChargeState.IN_DOUBT


def test_a_late_receipt_of_a_charge_that_a_human_settled_does_not_settle_the_next_one(play: Play) -> None:
    first = in_doubt(play)
    play.parcel(play.resolve(first.id, "not_charged"))  # type: ignore[attr-defined]
    second = in_doubt(play)
    play.receipt("whose")
    assert play.state(second) is ChargeState.IN_DOUBT  # type: ignore[arg-type]


def test_a_repeated_receipt_of_a_charge_found_by_it_does_not_settle_the_next_one(play: Play) -> None:
    first = in_doubt(play)
    play.receipt("unknown")
    assert play.state(first) is ChargeState.CHARGED  # type: ignore[arg-type]
    second = in_doubt(play)
    play.receipt("unknown")
    assert play.state(second) is ChargeState.IN_DOUBT  # type: ignore[arg-type]
    assert not play.contradicted(first)  # type: ignore[arg-type]


def test_a_receipt_for_nobody_waits_for_ever_and_hurts_nobody(play: Play) -> None:
    play.receipt("nobody's")
    play.tick(86_400)
    assert unmatched(play) == 1
    assert play.counts["receipts_unmatched", "telco"] == 1


def test_a_receipt_without_anything_in_it_is_kept(play: Play) -> None:
    pdu = receipt("x")
    empty = type(pdu)(esm_class=4, source_addr="4799999901", destination_addr="2030")
    item = play.delivered(empty)
    play.turn(item)
    assert unmatched(play) == 1
    assert play.link.responses == [(item.frame, 0)]


def test_a_receipt_that_waited_is_attributed_once_the_last_other_message_has_its_own(play: Play) -> None:
    play.parcel(play.reply())
    play.answer(message_id="free")
    wish = in_doubt(play)
    play.receipt("unknown")
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]
    play.receipt("free")
    assert play.state(wish) is ChargeState.CHARGED  # type: ignore[arg-type]


def test_a_stray_repeat_keeps_a_receipt_that_waited_from_being_attributed(play: Play) -> None:
    play.parcel(play.reply())
    play.answer(kind=AnswerKind.LOST)
    play.answer(message_id="free")
    wish = in_doubt(play)
    play.receipt("unknown")
    play.receipt("free")
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]


def test_a_charge_accepted_days_ago_without_its_receipt_makes_an_unknown_receipt_ambiguous(
    play: Play,
) -> None:
    old = play.start_charge(kr=100)
    play.answer(message_id="old")
    play.clock.advance(4 * 86_400)
    wish = in_doubt(play)
    play.receipt("unknown")
    assert play.state(wish) is ChargeState.IN_DOUBT  # type: ignore[arg-type]
    assert play.state(old) is ChargeState.ACCEPTED
