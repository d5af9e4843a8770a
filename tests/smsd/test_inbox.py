"""MO in: one disposition each, long texts made whole, repeats told from people who text the same again."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playbook import KARI, OLA, Play, mo, operator, organisation

from foundation.contract import Direction, Join, Message, MessageFate, Pay, Purpose, Status, Stop
from smsd.smpp.alphabet import Coding
from smsd.smpp.pdu import AlertNotification, DataSm, DeliverSm, Outbind, Pdu, Tag, Tlv
from smsd.smpp.segments import Method, split

LONG = (
    "ORG1 Ola Nordmann ola@example.org Smalgåshagen 2, 3120 Sandefjord. Verva av Stian. "
    "Eg vil gjerne hjelpe til på stand i sommar, og kan køyre bil, bake kake og spele trekkspel om det "
    "trengst."
)
ACTIONS = (Join, Pay, Status, Stop)


def parts(
    text: str = LONG, number: str = OLA, *, reference: int = 7, method: Method = Method.UDH8
) -> list[DeliverSm]:
    cut = split(text, default=Coding.GSM7, method=method, reference=reference)
    return [
        mo(
            "",
            number,
            short_message=part.short_message,
            esm_class=part.esm_class,
            data_coding=part.data_coding,
            tlvs=part.tlvs,
        )
        for part in cut
    ]


def actions(play: Play) -> list[object]:
    return [message for message in play.handed if isinstance(message, ACTIONS)]


def mos(play: Play) -> list[str]:
    return [row[0] for row in play.rows("SELECT text FROM messages WHERE direction = 'in' ORDER BY id")]


# one text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ORG1 Ola Nordmann ola@example.org", Join),
        ("org1   betal  50", Pay),
        ("ORG1 MEDLEM", Status),
        ("STOPP ORG1", Stop),
        ("STOPP", Stop),
    ],
)
def test_a_text_for_the_bridge_is_handed_off_after_its_own_record(play: Play, text: str, kind: type) -> None:
    play.text(text)
    message, action = play.handed[:2]
    assert isinstance(message, Message)
    assert isinstance(action, kind)
    assert (message.text, message.direction, message.number, message.fate) == (
        text,
        Direction.IN,
        OLA,
        MessageFate.RECEIVED,
    )
    assert (message.conversation, action.conversation) == (message.id, message.id)  # type: ignore[attr-defined]
    assert action.sender == OLA  # type: ignore[attr-defined]


def test_a_joining_text_carries_name_address_and_comment(play: Play) -> None:
    play.text("ORG1 Ola Nordmann ola@example.org Smalgåshagen 2, 3120 Sandefjord. Verva av Stian")
    (join,) = play.told(Join)
    assert (join.org, join.name, join.email, join.charge) == (
        "ORG1",
        "Ola Nordmann",
        "ola@example.org",
        False,
    )
    assert join.comment == "Smalgåshagen 2, 3120 Sandefjord. Verva av Stian"


def test_joining_and_paying_is_the_codewords_setting(plays: Callable[..., Play]) -> None:
    play = plays(organisations=[organisation(join="join-and-pay")])
    play.text("ORG1 Ola Nordmann ola@example.org")
    assert [join.charge for join in play.told(Join)] == [True]


def test_an_amount_travels_in_ore(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    assert [pay.amount for pay in play.told(Pay)] == [5000]


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("ORG1 BETAL 49.90", "49.90 er ikkje eit gyldig beløp."),
        ("ORG1 BETAL", "Ingen sum for betaling definert."),
        ("ORG1 Ola Nordmann", "Vi fant ikke en gyldig epostadresse i meldingen din."),
        ("ORG1 BETAL 5000", "5000 kr kan ikkje betalast på SMS. Beløpet må vere frå 1 til 1000 kroner."),
    ],
)
def test_a_text_misread_is_answered_at_once_and_charges_nothing(play: Play, text: str, reply: str) -> None:
    play.text(text)
    assert play.texts() == [reply]
    assert actions(play) == []
    assert [piece.outgoing.price_ore for piece in play.submitted] == [0]


def test_an_mo_is_acknowledged_only_after_its_commit(play: Play) -> None:
    item = play.delivered(mo("ORG1 BETAL 50"))
    plan = play.decide(item)
    assert play.link.responses == []
    assert mos(play) == ["ORG1 BETAL 50"]
    play.carry_out(plan)
    assert play.link.responses == [(item.frame, 0)]


def test_a_reply_of_the_gateways_own_belongs_to_the_conversation(play: Play) -> None:
    play.text("ORG1 BETAL")
    incoming, outgoing = play.told(Message)
    assert outgoing.conversation == incoming.id
    assert (outgoing.direction, outgoing.purpose, outgoing.price) == (Direction.OUT, Purpose.REPLY, 0)


def test_help_is_always_answered(play: Play) -> None:
    for _ in range(3):
        play.text("HJELP")
        play.text("ORG1 HJELP")
    assert len(play.submitted) == 6


def test_a_data_sm_is_a_text_too(play: Play) -> None:
    pdu = DataSm(
        source_addr="4799999901",
        destination_addr="2030",
        data_coding=3,
        tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"ORG1 BETAL 50"),),
    )
    play.turn(play.delivered(pdu))
    assert len(play.told(Pay)) == 1


def test_a_payload_takes_the_place_of_an_empty_short_message(play: Play) -> None:
    play.turn(play.delivered(mo("", tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"ORG1 BETAL 50"),))))
    assert len(play.told(Pay)) == 1


@pytest.mark.parametrize(
    ("coding", "octets"),
    [
        (0, b"ORG1 BETAL 50"),
        (1, b"ORG1 BETAL 50"),
        (3, b"ORG1 BETAL 50"),
        (8, "ORG1 BETAL 50".encode("utf-16-be")),
    ],
)
def test_a_text_is_read_in_its_coding(play: Play, coding: int, octets: bytes) -> None:
    play.text("", short_message=octets, data_coding=coding)
    assert [pay.amount for pay in play.told(Pay)] == [5000]


@pytest.mark.parametrize(
    ("sender", "number"),
    [
        ("4799999901", OLA),
        ("+4799999901", OLA),
        ("004799999901", OLA),
        ("99999901", OLA),
        ("46701234567", "+46701234567"),
    ],
)
def test_a_sender_is_told_as_e164(play: Play, sender: str, number: str) -> None:
    play.text("ORG1 BETAL 50", source_addr=sender)
    assert [pay.sender for pay in play.told(Pay)] == [number]


@pytest.mark.parametrize("sender", ["Telenor", "2030", "1999", "", "Ørsta", "12345"])
def test_a_sender_that_is_no_phone_is_recorded_and_never_answered(play: Play, sender: str) -> None:
    """Lest two machines talk to each other for ever."""
    for text in ("ORG1 BETAL 50", "STOPP", "HJELP", "hva er dette", "ORG1 BETAL"):
        play.text(text, source_addr=sender)
    assert play.submitted == []
    assert actions(play) == []
    assert len(mos(play)) == 5
    assert len(play.told(Message)) == 5


@pytest.mark.parametrize("shown", ["2030", "20301", "2030123456"])
def test_a_longer_shown_number_is_the_short_code_with_a_dialogue_id(play: Play, shown: str) -> None:
    play.text("ORG1 BETAL", to=shown)
    (incoming, _) = play.told(Message)
    assert incoming.short_code == "2030"
    assert play.submitted[0].pdu.source_addr == shown


def test_a_number_that_is_none_of_ours_is_recorded_and_not_answered(play: Play) -> None:
    play.text("ORG1 BETAL 50", to="1999")
    assert mos(play) == ["ORG1 BETAL 50"]
    assert play.submitted == []
    assert actions(play) == []


def test_of_two_short_codes_that_begin_alike_the_longer_is_meant(plays: Callable[..., Play]) -> None:
    play = plays(short_codes={"2030": ("telco",), "20301": ("telco",)})
    play.text("ORG1 BETAL 50", to="203015")
    play.text("ORG1 BETAL 50", to="203025")
    assert [message.short_code for message in play.told(Message)] == ["20301", "2030"]


# TLVs to be repeated --------------------------------------------------------------------------------------


def test_the_tlvs_that_a_profile_names_go_back_with_every_answer(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator(echo_tlvs=(0x1502, 0x1519))])
    session, mo_id = Tlv(0x1519, b"s-1\0"), Tlv(0x1502, b"0f0f")
    play.text("ORG1 BETAL 50", tlvs=(session, Tlv(0x1403, b"9"), mo_id))
    conversation = play.told(Message)[0].conversation
    play.parcel(play.charge(conversation), play.reply(conversation))
    premium, reply = play.submitted
    assert premium.pdu.tlvs == (session, mo_id, Tlv(0x1403, b"5000\0"))
    assert reply.pdu.tlvs == (session, mo_id)


def test_the_tlvs_of_a_long_text_go_back_too_and_survive_a_restart(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator(echo_tlvs=(0x1519,))])
    session = Tlv(0x1519, b"s-1\0")
    for part in parts():
        play.turn(
            play.delivered(
                mo("", OLA, short_message=part.short_message, esm_class=0x40, data_coding=0, tlvs=(session,))
            )
        )
    play.link.can_submit = False
    play.parcel(play.reply(play.told(Message)[0].conversation))
    play.crash()
    play.turn()
    assert play.submitted[-1].pdu.tlvs == (session,)


def test_no_tlv_goes_back_where_the_profile_names_none(play: Play) -> None:
    play.text("ORG1 BETAL", tlvs=(Tlv(0x1519, b"s-1"),))
    assert play.submitted[0].pdu.tlvs == ()


# stop and help --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["STOPP", "STOP", "stopp"])
def test_a_stop_is_answered_once_and_handed_off_each_time(play: Play, word: str) -> None:
    for _ in range(3):
        play.text(f"{word} ORG1")
    assert play.texts() == ["Du får ikkje fleire meldingar frå Organisasjon ORG1."]
    assert [(stop.org, stop.sender) for stop in play.told(Stop)] == [("ORG1", OLA)] * 3
    assert [piece.outgoing.price_ore for piece in play.submitted] == [0]


def test_a_stop_after_joining_again_is_answered_again(play: Play) -> None:
    play.text("STOPP ORG1")
    play.text("ORG1 Ola Nordmann ola@example.org")
    play.parcel(play.send())
    play.text("STOPP ORG1")
    assert play.texts().count("Du får ikkje fleire meldingar frå Organisasjon ORG1.") == 2
    assert "Hei!" in [piece.outgoing.text for piece in play.submitted]


def test_a_stop_is_answered_once_to_each_number(play: Play) -> None:
    play.text("STOPP", OLA)
    play.text("STOPP", KARI)
    assert len(play.submitted) == 2


def test_an_unknown_codeword_is_answered_once_a_day_and_number(play: Play) -> None:
    play.text("hva koster det")
    play.text("hallo?")
    play.text("hallo?", KARI)
    assert len(play.submitted) == 2
    play.clock.advance(86_399)
    play.text("er du der")
    assert len(play.submitted) == 2
    play.clock.advance(1)
    play.text("er du der no")
    assert len(play.submitted) == 3
    assert len(mos(play)) == 5


def test_the_daily_answer_is_remembered_over_a_restart(play: Play) -> None:
    play.text("hva koster det")
    play.answer()
    play.crash()
    play.text("hallo?")
    assert len(play.submitted) == 1


@pytest.mark.parametrize("pdu", [AlertNotification(), Outbind("SMSC", "word")])
def test_what_has_no_answer_in_smpp_is_not_answered(play: Play, pdu: Pdu) -> None:
    play.turn(play.delivered(pdu))
    assert play.link.responses == []


# long texts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Method.UDH8, Method.UDH16, Method.SAR])
def test_a_long_text_is_read_once_it_is_whole(play: Play, method: Method) -> None:
    first, last = parts(method=method)
    play.turn(play.delivered(first))
    assert play.handed == []
    assert play.link.responses[-1][1] == 0
    play.turn(play.delivered(last))
    assert mos(play) == [LONG]
    assert [message.segments for message in play.told(Message)] == [2]
    assert [join.email for join in play.told(Join)] == ["ola@example.org"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("together", [False, True])
def test_segments_come_in_any_order(play: Play, order: tuple[int, ...], together: bool) -> None:
    text = "ORG1 Ola Nordmann ola@example.org " + "abc æøå €{} " * 25
    cut = parts(text)
    assert len(cut) == 3
    batches = [[cut[place] for place in order]] if together else [[cut[place]] for place in order]
    for batch in batches:
        play.turn(*[play.delivered(pdu) for pdu in batch])
    assert mos(play) == [text]


def test_segments_survive_a_restart(play: Play) -> None:
    first, last = parts()
    play.turn(play.delivered(first))
    play.crash()
    play.turn(play.delivered(last))
    assert mos(play) == [LONG]


def test_a_text_whose_segments_are_written_in_different_alphabets_is_read_whole(play: Play) -> None:
    # Turkish by a single shift table in the first, nothing to shift in the second (TS 23.038, 6.2.1.2)
    segments = (b"\x08\x24\x01\x01\x00\x03\x07\x02\x01ORG1 \x1bs", b"\x05\x00\x03\x07\x02\x02eker")
    for octets in segments:
        play.turn(play.delivered(mo("", data_coding=0xF0, esm_class=0x40, short_message=octets)))
    assert mos(play) == ["ORG1 şeker"]


def test_a_segment_twice_counts_once(play: Play) -> None:
    first, last = parts()
    for pdu in (first, first, last):
        play.turn(play.delivered(pdu))
    assert mos(play) == [LONG]


def test_a_segment_twice_in_one_batch_counts_once(play: Play) -> None:
    first, last = parts()
    play.turn(*[play.delivered(pdu) for pdu in (first, first, last)])
    assert mos(play) == [LONG]


def test_segments_with_the_same_octets_are_told_apart_by_their_sar_tlvs(play: Play) -> None:
    text = "ORG1 " + "a" * 148 + "a" * 153 + "a" * 153
    cut = parts(text, method=Method.SAR)
    assert cut[1].short_message == cut[2].short_message
    play.turn(*[play.delivered(pdu) for pdu in cut])
    assert mos(play) == [text]


def test_long_texts_of_two_phones_with_one_reference_do_not_mix(play: Play) -> None:
    his, hers = parts(number=OLA), parts(LONG.replace("Ola", "Kari"), number=KARI)
    for pdu in (his[0], hers[0], his[1], hers[1]):
        play.turn(play.delivered(pdu))
    assert mos(play) == [LONG, LONG.replace("Ola", "Kari")]


def test_two_long_texts_of_one_phone_with_two_references_do_not_mix(play: Play) -> None:
    one, other = parts(reference=1), parts(LONG.replace("Ola", "Kari"), reference=2)
    for pdu in (one[0], other[0], one[1], other[1]):
        play.turn(play.delivered(pdu))
    assert mos(play) == [LONG, LONG.replace("Ola", "Kari")]


def test_what_came_of_an_incomplete_text_is_handed_on_after_five_minutes(play: Play) -> None:
    first, _ = parts()
    play.turn(play.delivered(first))
    play.tick(299)
    assert mos(play) == []
    play.tick(1)
    assert [LONG.startswith(text) for text in mos(play)] == [True]
    assert [join.email for join in play.told(Join)] == ["ola@example.org"]
    assert play.counts["mo_incomplete", "telco"] == 1
    play.tick(300)
    assert len(mos(play)) == 1
    assert play.value("SELECT count(*) FROM fragments WHERE whole_us = 0") == 0


def test_only_the_end_of_a_text_is_recorded_too(play: Play) -> None:
    play.turn(play.delivered(parts()[1]))
    play.tick(301)
    assert len(mos(play)) == 1
    assert actions(play) == []


def test_five_minutes_pass_while_the_daemon_is_away(play: Play) -> None:
    play.turn(play.delivered(parts()[0]))
    play.clock.advance(600)
    play.crash()
    play.tick()
    assert len(mos(play)) == 1


def test_a_reference_used_again_after_expiry_begins_a_new_text(play: Play) -> None:
    first, last = parts()
    play.turn(play.delivered(first))
    play.tick(301)
    for pdu in (first, last):
        play.turn(play.delivered(pdu))
    assert mos(play)[-1] == LONG


def test_a_whole_long_text_that_an_smsc_repeats_after_a_rebind_is_taken_once(play: Play) -> None:
    for pdu in parts():
        play.turn(play.delivered(pdu))
    play.rebind()
    play.clock.advance(30)
    for pdu in parts():
        play.turn(play.delivered(pdu))
    assert mos(play) == [LONG]
    assert len(play.told(Join)) == 1


def test_one_segment_of_a_whole_text_that_an_smsc_repeats_after_a_rebind_is_no_new_text(play: Play) -> None:
    for pdu in parts():
        play.turn(play.delivered(pdu))
    play.rebind()
    play.turn(play.delivered(parts()[0]))
    play.tick(301)
    assert mos(play) == [LONG]
    assert len(play.link.responses) == 3


def test_a_reference_used_again_on_the_same_bind_begins_a_new_text(play: Play) -> None:
    other = LONG.replace("Ola", "Kari")
    for pdu in (*parts(), *parts(other)):
        play.turn(play.delivered(pdu))
    assert mos(play) == [LONG, other]


@settings(max_examples=40)
@given(data=st.data())
def test_any_number_of_segments_in_any_order_makes_one_text(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=600)
    text = "ORG1 " + data.draw(words)
    cut = parts(text)
    order = data.draw(st.permutations(range(len(cut))))
    repeated = data.draw(st.lists(st.sampled_from(range(len(cut))), max_size=3))
    play = Play(tmp_path_factory.mktemp("segments"))
    try:
        sequence = [*order[:-1], *[place for place in repeated if place in order[:-1]], *order[-1:]]
        for place in sequence:
            play.turn(play.delivered(cut[place]))
        assert mos(play) == [text]
    finally:
        play.close()


# repeats --------------------------------------------------------------------------------------------------


def test_what_an_smsc_repeats_after_a_rebind_is_taken_once_and_acknowledged(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.rebind()
    play.clock.advance(5)
    play.text("ORG1 BETAL 50")
    assert len(play.told(Pay)) == 1
    assert len(mos(play)) == 1
    assert len(play.link.responses) == 2
    assert play.counts["mo_again", "telco"] == 1


def test_what_an_smsc_repeats_after_a_crash_is_taken_once(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.crash()
    play.text("ORG1 BETAL 50")
    assert len(play.waiting_parcels()) == 2


def test_a_person_who_texts_the_same_again_on_the_same_bind_is_heard_twice(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.clock.advance(5)
    play.text("ORG1 BETAL 50")
    assert len(play.told(Pay)) == 2


def test_a_person_who_texts_the_same_long_after_a_rebind_is_heard(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.rebind()
    play.clock.advance(301)
    play.text("ORG1 BETAL 50")
    assert len(play.told(Pay)) == 2


def test_a_text_from_well_before_the_end_of_the_old_bind_was_not_repeated_by_the_smsc(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.clock.advance(120)
    play.text("noko anna", KARI)
    play.rebind()
    play.text("ORG1 BETAL 50")
    assert len(play.told(Pay)) == 2


def test_what_a_bind_brought_long_before_it_ended_was_answered_there(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.tick(61, quiet=True)
    play.rebind()
    play.text("ORG1 BETAL 50")
    assert len(play.told(Pay)) == 2


def test_another_text_number_or_short_code_is_no_repeat(plays: Callable[..., Play]) -> None:
    play = plays(short_codes={"2030": ("telco",), "1999": ("telco",)})
    play.text("ORG1 BETAL 50")
    play.rebind()
    play.text("ORG1 BETAL 100")
    play.text("ORG1 BETAL 50", KARI)
    play.text("ORG1 BETAL 50", to="1999")
    assert len(play.told(Pay)) == 4


def test_a_person_who_texts_the_same_again_by_another_bind_that_lives_is_heard(
    plays: Callable[..., Play],
) -> None:
    """Two binds of an account: the operator gives texts to either."""
    play = plays(binds=2)
    one, other = play.links["telco"]
    play.turn(play.delivered(mo("ORG1 BETAL 50"), one))
    play.clock.advance(60)
    play.turn(play.delivered(mo("ORG1 BETAL 50"), other))
    assert len(play.told(Pay)) == 2


def test_an_impatient_smsc_in_one_batch_is_heard_once(play: Play) -> None:
    play.clock.advance(60)
    items = [play.delivered(mo("ORG1 BETAL 50"), ago_s=ago_s) for ago_s in (20, 15, 3)]
    play.turn(*items)
    assert len(play.told(Pay)) == 1
    assert [frame for frame, _ in play.link.responses] == [item.frame for item in items]


def test_two_texts_that_came_together_are_both_heard(play: Play) -> None:
    play.turn(play.delivered(mo("ORG1 BETAL 50"), ago_s=1), play.delivered(mo("ORG1 BETAL 50")))
    assert len(play.told(Pay)) == 2


def test_what_an_smsc_repeats_on_the_same_bind_after_a_late_answer_is_taken_once(play: Play) -> None:
    play.clock.advance(60)
    play.turn(play.delivered(mo("ORG1 BETAL 50"), ago_s=5))
    play.clock.advance(1)
    play.turn(play.delivered(mo("ORG1 BETAL 50")))
    assert len(play.told(Pay)) == 1
    play.clock.advance(61)
    play.turn(play.delivered(mo("ORG1 BETAL 50")))
    assert len(play.told(Pay)) == 2


def test_a_repeated_text_after_a_day_is_new(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.clock.advance(86_401)
    play.crash()
    play.text("ORG1 BETAL 50")
    assert len(mos(play)) == 2


# nothing is lost ------------------------------------------------------------------------------------------


@settings(max_examples=150)
@given(
    octets=st.binary(max_size=140),
    coding=st.integers(0, 255),
    esm_class=st.sampled_from([0, 0x40]),
    sender=st.sampled_from(["4799999901", "Telenor", ""]),
)
def test_whatever_a_phone_sends_has_exactly_one_disposition(
    tmp_path_factory: pytest.TempPathFactory, octets: bytes, coding: int, esm_class: int, sender: str
) -> None:
    play = Play(tmp_path_factory.mktemp("any"))
    try:
        item = play.delivered(
            mo("", source_addr=sender, short_message=octets, data_coding=coding, esm_class=esm_class)
        )
        play.turn(item)
        play.tick(301)
        assert play.link.responses == [(item.frame, 0)]
        assert len(mos(play)) == 1
        assert len(actions(play)) <= 1
        assert len(play.submitted) <= 1
        assert all(not piece.outgoing.price_ore for piece in play.submitted)
    finally:
        play.close()


def test_several_parts_that_wait_for_another_are_handed_on_once(play: Play) -> None:
    first, second, _ = parts("Ein lang tekst. " * 25)
    play.turn(play.delivered(first), play.delivered(second))
    play.tick(300)
    assert len(mos(play)) == 1
    assert play.counts["mo_incomplete", "telco"] == 1


# what may be an SMSC's repetition ---------------------------------------------------------------------------


def again(play: Play) -> list[bool]:
    return [message.again for message in play.handed if isinstance(message, Pay | Join)]


def test_the_same_payment_again_may_be_a_repetition_until_the_smsc_has_heard_our_answer(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.text("ORG1 BETAL 50")
    play.link.read = 1
    play.text("ORG1 BETAL 50")
    assert again(play) == [False, True, False]


def test_two_payments_that_come_together_may_be_one(play: Play) -> None:
    play.turn(play.delivered(mo("ORG1 BETAL 50")), play.delivered(mo("ORG1 BETAL 50")))
    assert again(play) == [False, True]


def test_other_words_and_other_phones_are_no_repetition(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.text("ORG1 BETAL 100")
    play.text("ORG1 BETAL 50", "+4799100099")
    assert again(play) == [False, False, False]


def test_a_payment_that_came_over_a_bind_that_is_gone_may_come_again_on_the_next(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.link.read = 1
    play.rebind()
    play.clock.us += 6 * 60 * 1_000_000
    play.text("ORG1 BETAL 50")
    assert again(play) == [False, True]
