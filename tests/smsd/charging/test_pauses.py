"""The stop switch: set and lifted beside the gateway, heeded in its next transaction, and remembered."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from playbook import KARI, Play, organisation
from structlog.testing import capture_logs
from test_cli import Console

from foundation.contract import ChargeSettled, MessageState, Reason
from foundation.store import open_sqlite
from smsd.charging import pauses
from smsd.charging.states import ChargeState
from smsd.settings import ChargeLimits
from smsd.smpp.link import AnswerKind
from smsd.store import SCHEMA

TWO = (organisation("ORG1"), organisation("ORG2"))


class Switch:
    """The commands' own connection to a play's store."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.connection = open_sqlite(play.url, SCHEMA)

    def pause(self, org: str = "ORG1", why: str = "wrong price in print") -> pauses.Standing:
        now_us = self.play.clock.us
        return pauses.pause(self.connection, self.play.ids.new(), org=org, who="kari", why=why, now_us=now_us)

    def resume(self, org: str = "ORG1") -> pauses.Standing:
        return pauses.resume(
            self.connection, org=org, who="ola", why="new posters", now_us=self.play.clock.us
        )


@pytest.fixture(name="switch")
def _switch(plays: Callable[..., Play]) -> Switch:
    """A switch beside a play of two organisations."""
    return Switch(plays(organisations=TWO))


def reasons(play: Play) -> list[Reason]:
    return [each.reason for each in play.told(ChargeSettled)]


# new charges ----------------------------------------------------------------------------------------------


def test_a_charge_asked_for_while_paused_is_refused_and_told_why(switch: Switch) -> None:
    play = switch.play
    switch.pause()
    wish, other = play.charge(), play.charge(org="ORG2")
    play.parcel(wish, other)
    assert reasons(play) == [Reason.PAUSED]
    assert play.state(other) is ChargeState.SENDING
    play.parcel(play.reply(wish.conversation, "failed", amount="50", reason="paused"))
    assert play.texts()[-1].startswith("Du er ikkje belasta. Betaling på SMS til Organisasjon ORG1 er stengd")


def test_the_switch_of_all_stops_every_organisation(switch: Switch) -> None:
    play = switch.play
    switch.pause(pauses.ALL)
    play.parcel(play.charge(), play.charge(org="ORG2", number=KARI))
    assert reasons(play) == [Reason.PAUSED, Reason.PAUSED]
    switch.resume(pauses.ALL)
    wish = play.charge()
    play.parcel(wish)
    assert play.state(wish) is ChargeState.SENDING


def test_where_the_settings_say_so_a_new_charge_is_held_and_goes_when_resumed(
    plays: Callable[..., Play],
) -> None:
    play = plays(charges=ChargeLimits(while_paused="hold"))
    switch = Switch(play)
    switch.pause()
    wish = play.charge()
    play.parcel(wish)
    play.tick(1)
    play.turn()
    assert play.state(wish) is ChargeState.INTENDED
    switch.resume()
    play.tick(1)
    play.turn()
    assert play.state(wish) is ChargeState.SENDING


# charges that wait, and those under way -------------------------------------------------------------------


def waiting(play: Play) -> str:
    """A charge that waits for a bind."""
    play.link.can_submit = False
    wish = play.charge()
    play.parcel(wish)
    play.link.can_submit = True
    return wish.id


def test_a_charge_that_waits_does_not_start_while_paused_and_starts_once_afterwards(switch: Switch) -> None:
    play = switch.play
    charge = waiting(play)
    assert switch.pause() == pauses.Standing(waiting=1, in_flight=0)
    for _ in range(5):
        play.tick(1)
        play.turn()
    assert play.state(charge) is ChargeState.INTENDED
    assert play.submitted == []
    switch.resume()
    play.tick(1)
    play.turn()
    play.tick(1)
    play.turn()
    assert [piece.outgoing.charge for piece in play.submitted] == [charge]


def test_a_charge_that_expires_while_paused_is_told_so(switch: Switch) -> None:
    play = switch.play
    charge = waiting(play)
    switch.pause()
    play.tick(1)
    play.turn()
    play.tick(700)
    switch.resume()
    play.tick(1)
    play.turn()
    assert play.state(charge) is ChargeState.NOT_CHARGED
    assert reasons(play) == [Reason.PAUSED]
    assert [each.reason for each in play.told(MessageState)][-1] == "paused"
    assert play.submitted == []


def test_a_pause_outlives_a_restart(switch: Switch) -> None:
    play = switch.play
    charge = waiting(play)
    switch.pause()
    play.crash()
    play.turn()
    play.tick(1)
    assert play.state(charge) is ChargeState.INTENDED
    switch.resume()
    play.tick(1)
    play.turn()
    assert play.state(charge) is ChargeState.SENDING


def test_charges_under_way_finish(switch: Switch) -> None:
    play = switch.play
    sending = play.start_charge()
    accepted = play.start_charge(kr=60)
    play.answer(message_id="60")
    assert switch.pause() == pauses.Standing(waiting=0, in_flight=2)
    play.answer(play.submitted[0], message_id="50")
    play.receipt("50")
    play.receipt("60")
    assert play.state(sending) is ChargeState.CHARGED
    assert play.state(accepted) is ChargeState.CHARGED


def test_what_the_smsc_wants_later_stays_put_until_resumed(switch: Switch) -> None:
    play = switch.play
    wish = play.start_charge()
    switch.pause()
    play.answer(status=0x58)
    play.tick(30)
    play.turn()
    assert play.state(wish) is ChargeState.INTENDED
    assert len(play.submitted) == 1
    switch.resume()
    play.tick(30)
    play.turn()
    assert len(play.submitted) == 2


def test_free_texts_go_on(switch: Switch) -> None:
    play = switch.play
    switch.pause(pauses.ALL)
    waiting_for = len(play.submitted)
    play.parcel(play.reply(), play.send("Hei"))
    assert len(play.submitted) == waiting_for + 2


def test_a_yes_while_paused_is_refused_at_once(plays: Callable[..., Play]) -> None:
    play = plays(charges=ChargeLimits(confirm_above_kr=10))
    wish = play.charge()
    play.parcel(wish)
    Switch(play).pause()
    play.text("JA")
    assert reasons(play) == [Reason.PAUSED]
    assert all(piece.outgoing.price_ore == 0 for piece in play.submitted)


def test_a_pause_in_the_middle_of_everything_loses_no_charge(switch: Switch) -> None:
    play = switch.play
    lost = play.start_charge()
    play.answer(kind=AnswerKind.TIMED_OUT)
    second = play.charge()
    play.parcel(second)
    switch.pause()
    play.parcel(play.resolve(lost.id, "not_charged"))
    play.tick(1)
    play.turn()
    assert play.state(second) is ChargeState.INTENDED
    switch.resume()
    play.tick(1)
    play.turn()
    assert play.state(second) is ChargeState.SENDING


# the record -----------------------------------------------------------------------------------------------


def test_who_when_and_why_are_kept_after_resuming(switch: Switch) -> None:
    switch.pause()
    switch.play.clock.advance(60)
    switch.resume()
    (row,) = pauses.listed(switch.connection, history=True)
    assert (row.org, row.paused_by, row.why, row.resumed_by, row.resumed_why) == (
        "ORG1",
        "kari",
        "wrong price in print",
        "ola",
        "new posters",
    )
    assert row.resumed_us - row.paused_us == 60_000_000
    assert pauses.listed(switch.connection) == []
    with pytest.raises(sqlite3.IntegrityError, match="kept as they are"):
        switch.connection.execute("DELETE FROM charge_pauses")


def test_a_switch_that_is_set_cannot_be_set_again_nor_one_lifted_that_is_not(switch: Switch) -> None:
    switch.pause()
    with pytest.raises(pauses.CannotPause, match="by kari: wrong price in print"):
        switch.pause()
    switch.pause(pauses.ALL)
    switch.resume(pauses.ALL)
    with pytest.raises(pauses.CannotPause, match="not paused"):
        switch.resume("ORG2")
    assert [each.org for each in pauses.listed(switch.connection)] == ["ORG1"]


def test_what_was_set_and_lifted_is_told_in_the_log() -> None:
    with capture_logs() as heard:
        pauses.tell_switched(frozenset({"ORG1"}), frozenset({"", "ORG2"}))
    assert [(line["event"], line["organisation"]) for line in heard] == [
        ("charges.paused", "all"),
        ("charges.paused", "ORG2"),
        ("charges.resumed", "ORG1"),
    ]


@pytest.mark.parametrize(
    ("switched", "words"),
    [
        (frozenset[str](), "not paused"),
        (frozenset({"ORG2", "ORG1"}), "paused: ORG1, ORG2; smsd charges pauses tells why"),
        (frozenset({"", "ORG1"}), "paused: all; smsd charges pauses tells why"),
    ],
)
def test_health_names_what_is_paused(switched: frozenset[str], words: str) -> None:
    assert pauses.in_words(switched) == words


# the commands ---------------------------------------------------------------------------------------------


@pytest.fixture(name="smsd")
def _smsd(switch: Switch) -> Callable[..., Result]:
    store = switch.play.url.removeprefix("sqlite:///")
    return Console(Path(store).parent, switch.play)


def test_the_commands_pause_list_and_resume(smsd: Callable[..., Result], switch: Switch) -> None:
    waiting(switch.play)
    done = smsd("charges", "pause", "--org", "org1", "--why", "wrong price", "--who", "kari")
    assert done.exit_code == 0
    assert done.stdout == "ORG1: charges are paused; 1 wait and do not start, 0 are under way and finish\n"
    assert smsd("charges", "pause", "--all", "--why", "storm", "--who", "kari").exit_code == 0
    listed = smsd("charges", "pauses").stdout
    assert "ORG1" in listed
    assert "all" in listed
    assert "storm" in listed
    done = smsd("charges", "resume", "--org", "ORG1", "--why", "mended", "--who", "ola")
    assert done.stdout == "ORG1: charges are resumed; 1 wait\nstill paused: all organisations\n"
    rows = [json.loads(line) for line in smsd("charges", "pauses", "--history", "--json").stdout.splitlines()]
    assert [(row["org"], row["paused_by"], row["resumed_by"]) for row in rows] == [
        ("ORG1", "kari", "ola"),
        ("", "kari", ""),
    ]
    assert smsd("charges", "resume", "--all", "--why", "over").exit_code == 0
    assert smsd("charges", "pauses").stdout == "nothing is paused\n"


def test_what_people_write_is_shown_as_it_is_and_steers_no_terminal(smsd: Callable[..., Result]) -> None:
    why = "see [red]list[/red] \x1b[31m" + "x" * 2000
    assert smsd("charges", "pause", "--all", "--why", why, "--who", "ka\x07ri\n").exit_code == 0
    (row,) = [json.loads(line) for line in smsd("charges", "pauses", "--json").stdout.splitlines()]
    assert (row["paused_by"], row["why"]) == ("ka ri", ("see [red]list[/red] [31m" + "x" * 2000)[:1000])
    assert "[red]list[/red]" in smsd("charges", "pauses").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("pause", "--why", "x"), "--org or --all"),
        (("pause", "--all", "--org", "ORG1", "--why", "x"), "--org or --all"),
        (("pause", "--org", "ORG9", "--why", "x"), "there is no organisation 'ORG9'; give one of ORG1"),
        (("pause", "--all", "--why", "  "), "--why: it is empty"),
        (("resume", "--all", "--why", ""), "--why: it is empty"),
        (("pause", "--all", "--why", "x", "--who", " "), "--who: it is blank"),
        (("resume", "--org", "ORG1", "--why", "x"), "not paused"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_cure(
    smsd: Callable[..., Result], words: tuple[str, ...], told: str
) -> None:
    result = smsd("charges", *words)
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stdout == ""
