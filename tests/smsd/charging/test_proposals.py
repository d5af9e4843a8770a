"""Above an amount two different people must say the same of a charge; every word is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import msgspec
import pytest
from playbook import Play

from foundation.contract import ChargeSettled, Outcome
from smsd.charging import proposals, worklist
from smsd.charging.proposals import Came, Person, Said
from smsd.charging.states import ChargeState
from smsd.smpp.link import AnswerKind

ALONE_ORE = 500_00


def say(play: Play, charge: str, outcome: str, who: str, why: str = "ringte Telco") -> Said:
    return worklist.say(
        play.connection,
        charge=charge,
        outcome=Outcome(outcome),
        person=Person(who, why, "command, as ola"),
        gateway="smsd",
        clock=play.clock,
        ids=play.ids,
        alone_ore=ALONE_ORE,
    )


def withdraw(play: Play, charge: str, who: str) -> proposals.Proposal:
    return worklist.withdraw(
        play.connection, charge=charge, person=Person(who, "feil", "command, as ola"), clock=play.clock
    )


def in_doubt(play: Play, kr: int = 900) -> str:
    wish = play.start_charge(kr=kr)
    play.answer(kind=AnswerKind.LOST)
    return wish.id


def settled(play: Play) -> list[tuple[str, Outcome]]:
    return [(each.charge, each.outcome) for each in play.waiting_parcels() if isinstance(each, ChargeSettled)]


def test_up_to_the_amount_one_person_is_enough(play: Play) -> None:
    charge = in_doubt(play, kr=500)
    assert say(play, charge, "charged", "Kari").came is Came.MOVED
    assert play.state(charge) is ChargeState.CHARGED
    assert play.rows("SELECT * FROM charge_proposals") == []


def test_above_it_the_first_word_is_kept_and_moves_nothing(play: Play) -> None:
    charge = in_doubt(play)
    said = say(play, charge, "charged", "Kari")
    assert (said.came, said.state) == (Came.PROPOSED, ChargeState.IN_DOUBT)
    assert play.state(charge) is ChargeState.IN_DOUBT
    assert settled(play) == []
    assert "human_charged" not in [each.evidence for each in worklist.events(play.connection, charge)]
    standing = proposals.waiting(play.tx, charge)
    assert standing is not None
    assert (standing.outcome, standing.who, standing.why, standing.via) == (
        "charged",
        "Kari",
        "ringte Telco",
        "command, as ola",
    )


def test_the_second_person_who_says_the_same_moves_it_and_both_are_kept(play: Play) -> None:
    charge = in_doubt(play)
    say(play, charge, "charged", "Kari")
    said = say(play, charge, "charged", "Ola", "står i rapporten")
    assert (said.came, said.state) == (Came.CONFIRMED, ChargeState.CHARGED)
    assert settled(play) == [(charge, Outcome.CHARGED)]
    last = worklist.events(play.connection, charge)[-1]
    assert last.detail == "Kari: ringte Telco; confirmed by Ola: står i rapporten"
    (kept,) = proposals.all_of(play.tx, charge)
    assert (kept.ended, kept.ended_by, kept.ended_why) == ("confirmed", "Ola", "står i rapporten")


@pytest.mark.parametrize(
    "again", ["Kåri", "kåri", "  KÅRI ", "Kåri\n", "Ka\u030ari", "Kåri\u200b", "\u2066Kåri\x1b", "Ｋåri"]
)
def test_the_same_person_again_is_not_a_second_one(play: Play, again: str) -> None:
    charge = in_doubt(play)
    say(play, charge, "charged", "Kåri")
    with pytest.raises(worklist.CannotResolve, match="waits for a second person: Kåri said charged already"):
        say(play, charge, "charged", again)
    assert play.state(charge) is ChargeState.IN_DOUBT


def test_another_who_says_otherwise_settles_nothing(play: Play) -> None:
    charge = in_doubt(play)
    say(play, charge, "charged", "Kari")
    with pytest.raises(worklist.CannotResolve, match="Kari proposed charged"):
        say(play, charge, "not_charged", "Ola")
    assert play.state(charge) is ChargeState.IN_DOUBT
    assert len(proposals.all_of(play.tx, charge)) == 1


def test_a_proposal_may_be_withdrawn_and_the_other_made(play: Play) -> None:
    charge = in_doubt(play)
    say(play, charge, "charged", "Kari")
    assert withdraw(play, charge, "Ola").who == "Kari"
    assert proposals.waiting(play.tx, charge) is None
    assert say(play, charge, "not_charged", "Kari").came is Came.PROPOSED
    assert say(play, charge, "not_charged", "Ola").state is ChargeState.NOT_CHARGED
    assert [each.ended for each in proposals.all_of(play.tx, charge)] == ["withdrawn", "confirmed"]


def test_there_may_be_nothing_to_withdraw(play: Play) -> None:
    with pytest.raises(worklist.CannotResolve, match="nothing is proposed"):
        withdraw(play, in_doubt(play), "Ola")


def test_a_proposal_made_in_another_state_no_longer_counts(play: Play) -> None:
    charge = in_doubt(play)
    say(play, charge, "not_charged", "Kari")
    play.receipt("unknown")
    assert play.state(charge) is ChargeState.CHARGED
    # to say now that it was not is another matter, and again two must
    said = say(play, charge, "not_charged", "Ola")
    assert (said.came, said.state) == (Came.PROPOSED, ChargeState.CHARGED)
    assert [each.ended for each in proposals.all_of(play.tx, charge)] == ["overtaken", ""]


def test_what_cannot_be_said_of_its_state_is_refused_and_leaves_no_proposal(play: Play) -> None:
    wish = play.start_charge(kr=900)
    with pytest.raises(worklist.CannotResolve, match=f"{wish.id} is sending"):
        say(play, wish.id, "charged", "Kari")
    assert proposals.all_of(play.tx, wish.id) == []


def test_over_the_hand_off_two_must_say_the_same_too(play: Play) -> None:
    charge = in_doubt(play)
    kari = play.resolve(charge)
    play.parcel(kari)
    assert play.state(charge) is ChargeState.IN_DOUBT
    play.parcel(msgspec.structs.replace(kari, id=play.ids.new()))
    assert play.state(charge) is ChargeState.IN_DOUBT
    assert [kind for kind, _ in play.alarms].count("charge.proposed") == 1
    play.parcel(msgspec.structs.replace(kari, id=play.ids.new(), who="Ola"))
    assert play.state(charge) is ChargeState.CHARGED
    assert [each.outcome for each in play.told(ChargeSettled)] == [Outcome.CHARGED]


def test_over_the_hand_off_a_word_that_moves_nothing_is_set_aside_and_told(play: Play) -> None:
    charge = in_doubt(play)
    play.parcel(play.resolve(charge))
    play.parcel(msgspec.structs.replace(play.resolve(charge, "not_charged"), who="Ola"))
    assert play.state(charge) is ChargeState.IN_DOUBT
    assert play.rows("SELECT kind FROM set_aside") == [("Resolve",)]
    assert "charge.proposals_differ" in [kind for kind, _ in play.alarms]


@pytest.mark.parametrize("who", ["", " \n", "\u200b"])
def test_over_the_hand_off_who_is_not_named_settles_nothing(play: Play, who: str) -> None:
    charge = in_doubt(play, kr=50)
    play.parcel(msgspec.structs.replace(play.resolve(charge), who=who))
    assert play.state(charge) is ChargeState.IN_DOUBT
    assert play.rows("SELECT kind, fault FROM set_aside") == [
        ("Resolve", "nobody is named who says it; give who")
    ]


def test_one_from_each_side_are_two(play: Play) -> None:
    charge = in_doubt(play)
    play.parcel(play.resolve(charge))
    assert say(play, charge, "charged", "Ola").came is Came.CONFIRMED


def test_a_charge_not_sent_is_called_off_by_two_and_its_message_ends(plays: Callable[..., Play]) -> None:
    play = plays(resolve_alone_kr=10)
    play.link.can_submit = False
    wish = play.charge()
    play.parcel(wish)
    play.parcel(play.resolve(wish.id, "not_charged"))
    assert play.value("SELECT fate FROM messages") == "queued"
    play.parcel(msgspec.structs.replace(play.resolve(wish.id, "not_charged"), who="Ola"))
    assert play.state(wish) is ChargeState.NOT_CHARGED
    assert play.value("SELECT fate FROM messages") == "refused"


def test_what_people_write_is_kept_on_one_line_and_bounded(play: Play) -> None:
    charge = in_doubt(play)
    say(play, charge, "charged", "K" * 300, "a\nb\t" * 2000)
    standing = proposals.waiting(play.tx, charge)
    assert standing is not None
    assert (len(standing.who), len(standing.why)) == (proposals.WHO_LENGTH, proposals.WHY_LENGTH)
    assert "\n" not in standing.why


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM charge_proposals",
        "UPDATE charge_proposals SET who = 'Per'",
        "UPDATE charge_proposals SET outcome = 'not_charged', ended = 'confirmed'",
    ],
)
def test_a_proposal_can_be_neither_changed_nor_deleted(play: Play, change: str) -> None:
    say(play, in_doubt(play), "charged", "Kari")
    with pytest.raises(sqlite3.IntegrityError, match="kept as they are"):
        play.connection.execute(change)


def test_an_ended_proposal_cannot_be_ended_otherwise(play: Play) -> None:
    charge = in_doubt(play)
    say(play, charge, "charged", "Kari")
    withdraw(play, charge, "Kari")
    with pytest.raises(sqlite3.IntegrityError, match="kept as they are"):
        play.connection.execute("UPDATE charge_proposals SET ended = 'confirmed'")


def test_the_store_holds_one_waiting_proposal_a_charge(play: Play) -> None:
    charge = in_doubt(play)
    say(play, charge, "charged", "Kari")
    with pytest.raises(sqlite3.IntegrityError):
        play.connection.execute(
            "INSERT INTO charge_proposals SELECT 'x', charge, state, outcome, who, why, via, at_us, ended, "
            "ended_by, ended_why, ended_us FROM charge_proposals"
        )
