"""Every SMS as people read it."""

from __future__ import annotations

import pytest
from playbook import KARI, OLA, Play

from foundation.clock import SECOND_US
from smsd.messagelog import Filter, Sms, line, read


def sms(**fields: object) -> Sms:
    given: dict[str, object] = {
        "id": "1",
        "conversation": "1",
        "direction": "in",
        "operator": "telco",
        "short_code": "2030",
        "number": OLA,
        "org": "ORG1",
        "text": "ORG1 BETAL 50",
        "segments": 1,
        "price_ore": 0,
        "purpose": "mo",
        "fate": "received",
        "reason": "",
        "at_us": 1_795_435_200 * SECOND_US,
    }
    return Sms(**{**given, **fields})  # type: ignore[arg-type]


def texts(play: Play, **which: object) -> list[str]:
    return [each.text for each in read(play.connection, Filter(**which))]  # type: ignore[arg-type]


def talk(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.clock.advance(60)
    play.text("hei", KARI)
    play.clock.advance(60)
    play.start_charge()


def test_every_sms_in_and_out_is_read_oldest_first(play: Play) -> None:
    talk(play)
    found = list(read(play.connection, Filter()))
    assert [each.direction for each in found] == ["in", "in", "out", "out"]
    assert [each.text for each in found][:2] == ["ORG1 BETAL 50", "hei"]
    assert found[-1].price_ore == 5000


def test_sms_are_read_by_number_organisation_and_time(play: Play) -> None:
    talk(play)
    assert texts(play, number=KARI)[0] == "hei"
    assert len(texts(play, number=OLA)) == 2
    assert len(texts(play, org="ORG1")) == 2
    assert len(texts(play, since_us=play.clock.us)) == 1
    assert texts(play, since_us=play.clock.us + 1) == []


def test_the_newest_page_comes_first_and_is_oldest_first_within(play: Play) -> None:
    for number in range(5):
        play.text(f"ORG1 BETAL {number + 1}")
    assert texts(play, page_size=2) == ["ORG1 BETAL 4", "ORG1 BETAL 5"]
    assert texts(play, page_size=2, page=3) == ["ORG1 BETAL 1"]
    assert texts(play, page_size=2, page=4) == []


def test_words_given_are_values_never_sql(play: Play) -> None:
    talk(play)
    assert texts(play, number="' OR 1=1 --") == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "2026-11-23 13:00:00  +4799999901 → 2030  received  ORG1 BETAL 50"),
        (
            {"direction": "out", "price_ore": 5000, "fate": "refused", "reason": "no_credit", "text": "Hei"},
            "2026-11-23 13:00:00  2030 → +4799999901 [50 kr]  refused (no_credit)  Hei",
        ),
    ],
)
def test_a_line_tells_time_ends_price_fate_and_text(fields: dict[str, object], expected: str) -> None:
    assert line(sms(**fields)) == expected


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[2Ja", "a\x07", "a\u202eb", "a\u2028b", "\x9b31m"])
def test_a_text_from_a_phone_steers_no_terminal_and_stays_on_its_line(text: str) -> None:
    told = line(sms(text=text))
    assert told.isprintable()


def test_letters_signs_and_pictures_are_shown_as_they_are() -> None:
    assert line(sms(text="Smalgåshagen 2 – 50 € 🎈")).endswith("Smalgåshagen 2 – 50 € 🎈")
