"""What the bridge asks for, charges that wait for each other, and inputs that cannot be handled."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from playbook import KARI, OLA, PRICE_TAG, Play, mo, operator

from foundation.contract import (
    BridgeParcel,
    ChargeSettled,
    Direction,
    GatewayParcel,
    Message,
    MessageFate,
    MessageState,
    Outcome,
    Purpose,
    Reason,
    SmsSettled,
)
from smsd.charging.states import ChargeState
from smsd.settings import ChargeLimits, Price
from smsd.smpp.link import AnswerKind
from smsd.smpp.pdu import EnquireLink, SubmitSm, Tlv
from smsd.work import Delivered


def settled(play: Play) -> list[tuple[str, Outcome, Reason]]:
    return [(each.charge, each.outcome, each.reason) for each in play.told(ChargeSettled)]


def set_aside(play: Play) -> list[str]:
    return [row[0] for row in play.rows("SELECT kind FROM set_aside ORDER BY id")]


# a whole conversation -------------------------------------------------------------------------------------


def test_paying_by_sms_from_the_text_to_the_last_reply(play: Play) -> None:
    plan = play.text("ORG1 BETAL 50")
    (message,) = play.told(Message)
    play.parcel(play.charge(message.conversation, kr=50))
    premium = play.submitted[-1]
    assert premium.pdu.tlvs == (Tlv(PRICE_TAG, b"5000\0"),)
    assert premium.pdu.destination_addr == "4799999901"
    assert premium.pdu.source_addr == "2030"
    play.answer(message_id="1")
    play.receipt("1")
    play.parcel(play.reply(message.conversation, "paid", amount="50"))
    assert play.submitted[-1].pdu.tlvs == ()
    assert {row[0] for row in play.rows("SELECT conversation FROM messages")} == {message.conversation}
    assert [row[0] for row in play.rows("SELECT purpose FROM messages ORDER BY id")] == [
        "mo",
        "premium",
        "reply",
    ]
    assert plan.at_us == message.at


def test_everything_handed_off_bears_the_conversation(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    conversation = play.told(Message)[0].conversation
    play.parcel(play.charge(conversation), play.reply(conversation))
    for piece in list(play.submitted):
        play.answer(piece, message_id=piece.outgoing.message)
        play.receipt(piece.outgoing.message)
    assert {message.conversation for message in play.handed} == {conversation}


def test_every_message_handed_off_has_an_id_of_its_own(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.start_charge()
    play.answer(message_id="1")
    play.receipt("1")
    kinds = [message for message in play.handed if not isinstance(message, Message)]
    assert len({message.id for message in kinds}) == len(kinds)


def test_an_mt_is_told_to_the_dialog_with_its_price(play: Play) -> None:
    play.start_charge(kr=50)
    (message,) = play.told(Message)
    assert (message.direction, message.purpose, message.price, message.segments, message.fate) == (
        Direction.OUT,
        Purpose.PREMIUM,
        5000,
        1,
        MessageFate.QUEUED,
    )


def test_what_is_handed_off_waits_in_the_outbox_of_the_same_commit(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    assert play.waiting_parcels() == play.handed


def test_many_messages_travel_in_several_parcels(play: Play) -> None:
    play.link.can_submit = False
    plan = play.turn(*[play.delivered(mo(f"ORG1 BETAL {n}", f"+479{n:07d}")) for n in range(1, 401)])
    parcels = [msgspec.json.decode(posted.body, type=GatewayParcel) for posted in plan.posted]
    assert sum(len(parcel.messages) for parcel in parcels) == 800
    assert max(len(parcel.messages) for parcel in parcels) <= 500
    assert {parcel.sender for parcel in parcels} == {"smsd"}


# charges --------------------------------------------------------------------------------------------------


def test_the_same_charge_twice_charges_once(play: Play) -> None:
    wish = play.start_charge()
    play.parcel(wish)
    play.answer(message_id="1")
    play.receipt("1")
    play.parcel(wish)
    assert len(play.submitted) == 1
    assert play.counts[("charges_again",)] == 2


def test_the_same_charge_twice_in_one_parcel_charges_once(play: Play) -> None:
    wish = play.charge()
    play.parcel(wish, wish)
    assert len(play.submitted) == 1


def test_the_same_charge_after_a_restart_charges_once(play: Play) -> None:
    wish = play.start_charge()
    play.crash()
    play.parcel(wish)
    play.tick(30)
    assert len(play.submitted) == 1
    assert play.state(wish) is ChargeState.IN_DOUBT


def test_a_parcel_twice_has_its_effects_once(play: Play) -> None:
    wish, reply = play.charge(), play.reply()
    play.parcel(wish, reply, id="parcel-1")
    play.parcel(wish, reply, id="parcel-1")
    play.crash()
    play.parcel(wish, reply, id="parcel-1")
    assert len([piece for piece in play.submitted if piece.outgoing.charge]) == 1
    assert len(play.texts()) == 2
    assert play.acknowledged == ["parcel-1"] * 3
    assert play.counts[("parcels_again",)] == 2


def test_a_parcel_twice_in_one_batch_has_its_effects_once(play: Play) -> None:
    reply = play.reply()
    play.turn(play.parcel_came(reply, id="p"), play.parcel_came(reply, id="p"))
    assert len(play.texts()) == 1


def test_a_parcel_is_acknowledged_after_its_commit(play: Play) -> None:
    item = play.parcel_came(play.reply(), id="p")
    plan = play.decide(item)
    assert not item.done.done()
    play.carry_out(plan)
    assert item.done.result() == "p"


def test_a_second_charge_of_a_tariff_waits_for_the_first(play: Play) -> None:
    first, second = play.charge(), play.charge()
    play.parcel(first, second)
    assert [piece.outgoing.charge for piece in play.submitted] == [first.id]
    play.answer(message_id="1")
    play.tick(5)
    assert play.state(second) is ChargeState.INTENDED
    play.receipt("1")
    assert [piece.outgoing.charge for piece in play.submitted] == [first.id, second.id]
    assert play.state(second) is ChargeState.SENDING


@pytest.mark.parametrize("ending", ["refused", "not charged", "resolved"])
def test_however_the_first_ends_the_second_goes(play: Play, ending: str) -> None:
    first, second = play.charge(), play.charge()
    play.parcel(first, second)
    if ending == "refused":
        play.answer(status=0x45)
    elif ending == "not charged":
        play.answer(message_id="1")
        play.receipt("1", "UNDELIV")
    else:
        play.answer(kind=AnswerKind.TIMED_OUT)
        play.parcel(play.resolve(first.id, "not_charged"))
    assert play.state(second) is ChargeState.SENDING


def test_a_charge_in_doubt_holds_the_next_one_until_it_expires(play: Play) -> None:
    first, second = play.charge(), play.charge(expires_s=60)
    play.parcel(first, second)
    play.answer(kind=AnswerKind.LOST)
    play.tick(59)
    assert play.state(second) is ChargeState.INTENDED
    play.tick(2)
    assert play.state(second) is ChargeState.NOT_CHARGED
    assert settled(play) == [(second.id, Outcome.NOT_CHARGED, Reason.EXPIRED)]
    assert play.value("SELECT fate FROM messages ORDER BY id DESC LIMIT 1") == MessageFate.EXPIRED
    assert len(play.submitted) == 1


def test_a_held_charge_goes_when_a_command_beside_the_daemon_ends_the_first(play: Play) -> None:
    first, second = play.charge(), play.charge()
    play.parcel(first, second)
    play.answer(kind=AnswerKind.LOST)
    play.connection.execute("UPDATE charges SET state = 'charged' WHERE id = ?", (first.id,))
    play.tick(1)
    play.tick(1)
    assert play.state(second) is ChargeState.SENDING


def test_a_held_charge_survives_a_restart(play: Play) -> None:
    first, second = play.charge(), play.charge()
    play.parcel(first, second)
    play.answer(message_id="1")
    play.crash()
    play.turn()
    assert play.state(second) is ChargeState.INTENDED
    play.receipt("1")
    assert play.state(second) is ChargeState.SENDING


def test_three_charges_of_a_tariff_go_one_after_the_other_in_order(play: Play) -> None:
    wishes = [play.charge() for _ in range(3)]
    play.parcel(*wishes)
    for number in range(3):
        play.answer(message_id=str(number))
        play.receipt(str(number))
    assert [piece.outgoing.charge for piece in play.submitted] == [wish.id for wish in wishes]


@pytest.mark.parametrize("other", [{"kr": 100}, {"number": KARI}])
def test_another_tariff_or_sender_does_not_wait(play: Play, other: dict[str, object]) -> None:
    play.parcel(play.charge(), play.charge(**other))  # type: ignore[arg-type]
    assert len(play.submitted) == 2


def test_another_short_code_does_not_wait(plays: Callable[..., Play]) -> None:
    play = plays(short_codes={"2030": ("telco",), "1999": ("telco",)})
    play.text("ORG1 BETAL 50", to="2030")
    play.text("ORG1 BETAL 50", to="1999")
    one, other = [message.conversation for message in play.told(Message)]
    play.parcel(play.charge(one), play.charge(other))
    assert [piece.pdu.source_addr for piece in play.submitted] == ["2030", "1999"]


def test_the_database_itself_holds_that_one_charge_of_a_tariff_is_unfinished(play: Play) -> None:
    import sqlite3

    play.start_charge()
    second = play.charge()
    play.parcel(second)
    with pytest.raises(sqlite3.IntegrityError):
        play.connection.execute("UPDATE charges SET state = 'sending' WHERE id = ?", (second.id,))


def test_a_charge_that_comes_after_its_time_is_not_sent(play: Play) -> None:
    wish = play.charge(expires_s=-1)
    play.parcel(wish)
    assert play.submitted == []
    assert settled(play) == [(wish.id, Outcome.NOT_CHARGED, Reason.EXPIRED)]
    assert [each.fate for each in play.told(MessageState)] == [MessageFate.EXPIRED]


def test_a_charge_expires_at_its_time_to_the_microsecond(play: Play) -> None:
    play.link.can_submit = False
    wish = play.charge(expires_s=10)
    play.parcel(wish)
    play.tick(9.999999)
    assert play.state(wish) is ChargeState.INTENDED
    play.tick(0.000001)
    assert play.state(wish) is ChargeState.NOT_CHARGED


def test_a_charge_that_waits_without_a_bind_expires_and_is_never_sent(play: Play) -> None:
    play.link.can_submit = False
    wish = play.charge(expires_s=60)
    play.parcel(wish)
    play.tick(61)
    play.link.can_submit = True
    play.tick()
    assert play.submitted == []
    assert settled(play) == [(wish.id, Outcome.NOT_CHARGED, Reason.EXPIRED)]


def test_a_charge_that_expired_while_the_daemon_was_away_is_never_sent(play: Play) -> None:
    play.link.can_submit = False
    wish = play.charge(expires_s=60)
    play.parcel(wish)
    play.clock.advance(61)
    play.crash()
    play.tick()
    assert play.submitted == []
    assert play.state(wish) is ChargeState.NOT_CHARGED


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"ore": 0}, "amount of 0"),
        ({"ore": 100_100}, "cannot be sent"),
        ({"ore": 100_000_000}, "cannot be sent"),
    ],
)
def test_a_price_that_cannot_travel_is_not_charged(
    plays: Callable[..., Play], wish: dict[str, int], why: str
) -> None:
    unbounded = ChargeLimits(per_charge_kr=0, per_number_day_kr=0, per_number_month_kr=0)
    play = plays(charges=unbounded)
    charge = play.charge(**wish)  # type: ignore[arg-type]
    play.parcel(charge)
    assert play.submitted == []
    assert settled(play) == [(charge.id, Outcome.NOT_CHARGED, Reason.REJECTED)]
    (fault,) = [fields["fault"] for name, fields in play.alarms if name == "charge.not_sendable"]
    assert why in fault
    assert play.rows("SELECT id FROM messages") == []


def test_kroner_that_are_not_whole_are_not_charged_where_the_operator_counts_kroner(
    plays: Callable[..., Play],
) -> None:
    play = plays(operators=[operator(price=Price(carrier="tlv", tag=PRICE_TAG, unit="kroner"))])
    wish = play.charge(ore=4950)
    play.parcel(wish)
    assert play.state(wish) is ChargeState.NOT_CHARGED


def test_an_account_that_cannot_charge_does_not(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator(price=Price(carrier="none"))])
    wish = play.charge()
    play.parcel(wish, play.reply())
    assert play.state(wish) is ChargeState.NOT_CHARGED
    assert [piece.outgoing.price_ore for piece in play.submitted] == [0]


def test_one_bad_charge_in_a_parcel_does_not_stop_its_neighbours(play: Play) -> None:
    bad, good = play.charge(ore=0), play.charge()
    play.parcel(bad, good, play.reply())
    assert play.state(bad) is ChargeState.NOT_CHARGED
    assert play.state(good) is ChargeState.SENDING
    assert len(play.submitted) == 2


def test_a_charge_to_an_organisation_nobody_knows_has_no_route(play: Play) -> None:
    wish = play.charge(org="NOBODY")
    play.parcel(wish)
    assert play.submitted == []
    assert settled(play) == [(wish.id, Outcome.NOT_CHARGED, Reason.REJECTED)]


# a human's word -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [("charged", ChargeState.CHARGED, Reason.NONE), ("not_charged", ChargeState.NOT_CHARGED, Reason.BY_HAND)],
)
def test_a_named_human_settles_a_charge_in_doubt(
    play: Play, outcome: str, state: ChargeState, reason: Reason
) -> None:
    wish = play.start_charge()
    play.answer(kind=AnswerKind.TIMED_OUT)
    play.parcel(play.resolve(wish.id, outcome))
    assert play.state(wish) is state
    assert settled(play) == [(wish.id, Outcome(outcome), reason)]
    detail = play.value("SELECT detail FROM charge_events WHERE charge = ? ORDER BY id DESC LIMIT 1", wish.id)
    assert "Kari: the operator said so on the phone" in detail


def test_a_human_cannot_say_that_a_charge_never_sent_was_charged(play: Play) -> None:
    play.link.can_submit = False
    wish = play.charge()
    play.parcel(wish)
    play.parcel(play.resolve(wish.id, "charged"))
    assert play.state(wish) is ChargeState.INTENDED
    assert play.contradicted(wish)


def test_a_charge_called_off_by_a_human_is_not_sent_and_its_message_ends(play: Play) -> None:
    play.link.can_submit = False
    wish = play.charge()
    play.parcel(wish)
    play.parcel(play.resolve(wish.id, "not_charged"))
    play.link.can_submit = True
    play.tick()
    assert play.submitted == []
    assert play.state(wish) is ChargeState.NOT_CHARGED
    assert play.rows("SELECT fate FROM messages") == [("refused",)]


def test_a_human_corrects_what_a_receipt_said(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", "UNDELIV")
    play.parcel(play.resolve(wish.id, "charged"))
    assert play.state(wish) is ChargeState.CHARGED
    assert [outcome for _, outcome, _ in settled(play)] == [Outcome.NOT_CHARGED, Outcome.CHARGED]


def test_a_word_on_a_charge_nobody_knows_is_kept(play: Play) -> None:
    play.parcel(play.resolve("no-such-charge"))
    assert set_aside(play) == ["Resolve"]


# replies and texts ----------------------------------------------------------------------------------------


def test_a_reply_goes_back_by_the_operator_and_address_of_its_mo(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator("telco"), operator("mobilia")])
    play.turn(play.delivered(mo("ORG1 MEDLEM", to="2030517"), play.links["mobilia"][0]))
    play.parcel(play.reply(play.told(Message)[0].conversation, "status_paid"))
    piece = play.submitted[-1]
    assert piece.outgoing.operator == "mobilia"
    assert piece.pdu.source_addr == "2030517"
    assert play.links["mobilia"][0].submitted == [piece]


def test_a_text_to_a_number_heard_from_goes_the_way_it_last_wrote(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator("telco"), operator("mobilia")])
    play.turn(play.delivered(mo("hei"), play.links["mobilia"][0]))
    play.parcel(play.send())
    assert play.submitted[-1].outgoing.operator == "mobilia"


def test_a_text_to_a_number_never_heard_from_goes_by_the_first_operator(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator("telco"), operator("mobilia")])
    play.parcel(play.send())
    assert play.submitted[-1].outgoing.operator == "telco"
    assert play.submitted[-1].pdu.source_addr == "2030"


def test_a_route_through_an_operator_that_is_gone_falls_back(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator("telco"), operator("mobilia")])
    play.turn(play.delivered(mo("hei"), play.links["mobilia"][0]))
    play.operators = play.operators[:1]
    play.short_codes = {"2030": ("telco",)}
    play.crash()
    play.parcel(play.send())
    assert play.submitted[-1].outgoing.operator == "telco"


def test_a_text_of_an_organisation_nobody_knows_is_kept_and_settled(play: Play) -> None:
    wish = play.send(org="NOBODY")
    play.parcel(wish)
    assert set_aside(play) == ["Send"]
    assert play.submitted == []
    assert [(each.sms, each.fate) for each in play.told(SmsSettled)] == [(wish.id, MessageFate.REFUSED)]
    assert "input.set_aside" in [name for name, _ in play.alarms]


def test_a_reply_of_an_organisation_nobody_knows_is_kept(play: Play) -> None:
    play.parcel(play.reply(org="NOBODY"))
    assert set_aside(play) == ["Reply"]


def test_a_reply_of_an_unknown_name_is_kept_and_its_neighbours_are_sent(play: Play) -> None:
    play.parcel(play.reply(name="no_such_text"), play.reply(name="joined"))
    assert set_aside(play) == ["Reply"]
    assert len(play.submitted) == 1


def test_a_text_of_more_than_255_segments_is_kept_and_settled(play: Play) -> None:
    wish = play.send("a" * 153 * 256)
    play.parcel(wish, play.reply())
    assert set_aside(play) == ["Send"]
    assert [each.sms for each in play.told(SmsSettled)] == [wish.id]
    assert len(play.submitted) == 1


@pytest.mark.parametrize("text", ["", "\0", "🎈" * 10, "\ud800", "ø" * 800, "a\nb\r\nc"])
def test_every_text_that_json_can_carry_is_sent(play: Play, text: str) -> None:
    if text != "\ud800":
        play.parcel(play.send(text))
        assert play.submitted


def test_a_reply_carries_its_values(play: Play) -> None:
    play.parcel(play.reply(name="nothing_outstanding", amount="50"))
    assert play.texts() == ["Ingen uteståande fakturaer på beløpet 50kr."]


def test_a_reply_may_have_a_text_for_a_reason(plays: Callable[..., Play]) -> None:
    from playbook import organisation

    play = plays(organisations=[organisation(replies={"failed.no_credit": "Ikkje dekning."})])
    play.parcel(play.reply(name="failed", reason="no_credit"), play.reply(name="failed", reason="rejected"))
    assert play.texts()[0] == "Ikkje dekning."
    assert play.texts()[1].startswith("SMS-betaling var ikkje mogleg")


def test_a_text_to_a_number_that_stopped_is_refused_and_settled(play: Play) -> None:
    play.text("STOPP ORG1")
    wish = play.send()
    before = len(play.submitted)
    play.parcel(wish)
    play.tick(5)
    assert len(play.submitted) == before
    assert [(each.sms, each.fate, each.reason) for each in play.told(SmsSettled)] == [
        (wish.id, MessageFate.REFUSED, Reason.STOPPED)
    ]


def test_a_long_text_to_a_number_that_stopped_is_refused_without_a_bind_too(play: Play) -> None:
    play.text("STOPP")
    play.answer()
    play.link.can_submit = False
    before = len(play.submitted)
    play.parcel(play.send("Hei. " * 60))
    play.link.can_submit = True
    play.tick()
    play.crash()
    play.tick()
    assert len(play.submitted) == before
    assert [each.fate for each in play.told(SmsSettled)] == [MessageFate.REFUSED]


def test_stopping_one_organisation_does_not_stop_another(plays: Callable[..., Play]) -> None:
    from playbook import organisation

    play = plays(organisations=[organisation("ORG1"), organisation("ORG2", name="B")])
    play.text("STOPP ORG1")
    before = len(play.submitted)
    play.parcel(play.send(org="ORG2"))
    assert len(play.submitted) == before + 1


def test_who_stopped_still_gets_answers_to_what_they_text(play: Play) -> None:
    play.text("STOPP ORG1")
    before = len(play.submitted)
    play.text("ORG1 HJELP")
    assert len(play.submitted) == before + 1


# inputs that cannot be handled ----------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\xfe", b"[]", b"{}", b'{"id":7}'])
def test_octets_that_are_no_parcel_are_set_aside_whole(play: Play, body: bytes) -> None:
    item = play.raw_parcel(body)
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        play.decide(item)
    plan = play.commit(lambda tx: play.gateway.set_aside(tx, item, "DecodeError"))
    play.carry_out(plan)
    assert play.rows("SELECT kind, body FROM set_aside") == [("ParcelCame", body)]
    assert item.done.done()


def test_a_parcel_of_an_unknown_kind_of_message_is_set_aside_and_acknowledged(play: Play) -> None:
    body = b'{"id":"p1","sender":"bridge","messages":[{"type":"telegram","id":"1"}]}'
    item = play.raw_parcel(body)
    with pytest.raises(msgspec.ValidationError):
        play.decide(item)
    play.carry_out(play.commit(lambda tx: play.gateway.set_aside(tx, item, "ValidationError")))
    assert item.done.result() == "p1"
    plan = play.decide(
        play.raw_parcel(msgspec.json.encode(BridgeParcel(id="p1", sender="bridge", messages=[])))
    )
    assert plan.counts == {("parcels_again",): 1}


def test_a_deliver_sm_set_aside_is_acknowledged_and_kept_whole(play: Play) -> None:
    item = play.delivered(mo("ORG1 BETAL 50"))
    play.carry_out(play.commit(lambda tx: play.gateway.set_aside(tx, item, "KeyError at somewhere")))
    assert play.link.responses == [(item.frame, 0)]
    ((kind, fault, body),) = play.rows("SELECT kind, fault, body FROM set_aside")
    assert (kind, fault) == ("Delivered", "KeyError at somewhere")
    assert b"ORG1 BETAL 50" in body


@pytest.mark.parametrize("pdu", [SubmitSm(), EnquireLink()])
def test_requests_that_are_no_messages_are_answered_and_change_nothing(play: Play, pdu: object) -> None:
    item = play.delivered(pdu)  # type: ignore[arg-type]
    assert isinstance(item, Delivered)
    play.turn(item)
    assert play.link.responses == [(item.frame, 0)]
    assert play.rows("SELECT id FROM messages") == []


def test_a_failed_transaction_leaves_nothing_behind(play: Play) -> None:
    """`handle` may be run again from the start: nothing outside the plan changes before the commit."""
    wish = play.charge()
    items = [play.delivered(mo("ORG1 BETAL 50")), play.parcel_came(wish)]

    def unit(tx: object) -> None:
        play.gateway.handle(tx, items, {"telco": [(play.link, 10)]}, play.opened)  # type: ignore[arg-type,list-item]
        raise OSError("the disk is full")

    for _ in range(3):
        with pytest.raises(OSError, match="disk"):
            play.commit(unit)
    assert play.rows("SELECT id FROM messages") == []
    assert play.link.submitted == []
    play.turn(*items)
    assert play.state(wish) is ChargeState.SENDING
    assert len(play.submitted) == 1
    assert len(play.rows("SELECT id FROM messages")) == 2


def test_a_batch_with_everything_in_it(play: Play) -> None:
    first = play.start_charge(number=KARI)
    play.turn(
        play.answered(play.submitted[-1], message_id="1"),
        play.delivered(mo("ORG1 BETAL 50", OLA)),
        play.parcel_came(play.reply(number=OLA), play.charge(number=OLA)),
        play.delivered(mo("ORG1 MEDLEM", KARI)),
    )
    assert play.state(first) is ChargeState.ACCEPTED
    assert len(play.submitted) == 3
    assert len(play.link.responses) == 2
