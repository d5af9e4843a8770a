"""Who wants nothing more gets nothing more, until they themselves want something again."""

from __future__ import annotations

from collections.abc import Callable

from playbook import OLA, Play, organisation


def stops(play: Play) -> list[str]:
    return [org for (org,) in play.rows("SELECT org FROM stops WHERE number = ? ORDER BY org", OLA)]


def two(plays: Callable[..., Play]) -> Play:
    return plays(organisations=(organisation(), organisation("ORG2")))


def test_joining_one_organisation_after_stopping_all_leaves_the_others_stopped(
    plays: Callable[..., Play],
) -> None:
    play = two(plays)
    play.text("STOPP")
    assert stops(play) == [""]
    play.text("ORG1 Ola Nordmann ola@example.org")
    assert stops(play) == ["ORG2"]


def test_joining_the_organisation_that_was_stopped_lifts_the_stop_alone(plays: Callable[..., Play]) -> None:
    play = two(plays)
    play.text("STOPP ORG1")
    play.text("STOPP ORG2")
    play.text("ORG1 Ola Nordmann ola@example.org")
    assert stops(play) == ["ORG2"]


def test_a_text_that_joins_nobody_lifts_nothing(plays: Callable[..., Play]) -> None:
    play = two(plays)
    play.text("STOPP")
    play.text("ORG1 BETAL 50")
    assert stops(play) == [""]


def test_a_reply_of_an_organisation_that_nobody_knows_is_set_aside(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    before = len(play.texts())
    play.parcel(play.reply(org="NOBODY"))
    assert len(play.texts()) == before
    assert play.value("SELECT count(*) FROM set_aside") == 1
