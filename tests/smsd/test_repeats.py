"""What an SMSC sends again because our answer was lost, and what a person sends again."""

from __future__ import annotations

from playbook import OLA, Play, mo

from smsd.smpp.alphabet import Coding
from smsd.smpp.pdu import DeliverSm
from smsd.smpp.segments import split
from smsd.work import Tick

LONG = "ORG1 Ola Nordmann ola@example.org " + "Verva av Stian i Fredrikstad. " * 12


def parts(text: str = LONG, reference: int = 7) -> list[DeliverSm]:
    return [
        mo("", OLA, short_message=part.short_message, esm_class=part.esm_class, data_coding=part.data_coding)
        for part in split(text, default=Coding.GSM7, reference=reference)
    ]


def taken(play: Play) -> list[str]:
    return [text for (text,) in play.rows("SELECT text FROM messages WHERE direction = 'in' ORDER BY id")]


def test_only_the_last_segment_sent_again_after_a_crash_makes_no_second_text(play: Play) -> None:
    *before, last = parts()
    assert len(before) >= 2
    for part in (*before, last):
        play.turn(play.delivered(part))
    play.crash()
    play.rebind()
    plan = play.turn(play.delivered(last))
    play.tick(600)
    assert [text.startswith("ORG1 Ola") for text in taken(play)] == [True]
    assert len(plan.responses) == 1
    assert play.counts["mo_again", "telco"] == 1


def test_all_segments_sent_again_after_a_crash_make_no_second_text(play: Play) -> None:
    for part in parts():
        play.turn(play.delivered(part))
    play.crash()
    play.rebind()
    for part in parts():
        play.turn(play.delivered(part))
    play.tick(600)
    assert len(taken(play)) == 1


def test_another_long_text_under_a_reference_used_before_is_a_new_text(play: Play) -> None:
    for part in parts():
        play.turn(play.delivered(part))
    play.crash()
    play.rebind()
    other = LONG.replace("Ola", "Kari")
    for part in parts(other):
        play.turn(play.delivered(part))
    assert taken(play) == [LONG, other]


def test_the_same_long_text_on_a_bind_that_lives_is_a_person_who_sends_it_again(play: Play) -> None:
    for reference in (7, 8):
        for part in parts(reference=reference):
            play.turn(play.delivered(part))
    assert taken(play) == [LONG, LONG]


def test_a_segment_sent_again_within_a_minute_is_no_second_text_on_any_bind(play: Play) -> None:
    for part in parts():
        play.turn(play.delivered(part))
    play.turn(play.delivered(parts()[-1]))
    play.tick(600)
    assert taken(play) == [LONG]


def test_a_text_answered_long_before_its_bind_ended_is_no_repeat(play: Play) -> None:
    play.text("ORG1 BETAL 75")
    connection = play.connections[play.link]
    play.clock.advance(90)
    play.turn(Tick(((connection, "telco"),)))
    play.crash()
    play.rebind()
    play.text("ORG1 BETAL 75")
    assert taken(play) == ["ORG1 BETAL 75"] * 2


def test_a_text_of_a_binds_last_minute_is_a_repeat(play: Play) -> None:
    play.text("ORG1 BETAL 75")
    play.clock.advance(59)
    play.text("ORG1 BETAL 100")
    play.crash()
    play.rebind()
    play.text("ORG1 BETAL 75")
    assert taken(play) == ["ORG1 BETAL 75", "ORG1 BETAL 100"]
