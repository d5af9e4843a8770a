"""A charge's journal: everything, without texts, bounded, and told to the bridge that asks."""

from __future__ import annotations

import sqlite3

import msgspec
import pytest
from playbook import Play

from foundation.contract import ChargeEvidence, EvidenceWanted, MessageFate, Reason
from foundation.evidence.words import NAMED
from smsd.charging.evidence import MOST_STEPS, journal_of
from smsd.charging.states import ChargeState, Evidence


def wanted(play: Play, charge: str) -> EvidenceWanted:
    return EvidenceWanted(id=play.ids.new(), conversation=play.ids.new(), at=play.clock.us, charge=charge)


def test_the_bridge_is_answered_with_the_journal(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="m1")
    question = wanted(play, wish.id)
    play.parcel(question)
    (answer,) = play.told(ChargeEvidence)
    assert (answer.charge, answer.wanted, answer.conversation) == (
        wish.id,
        question.id,
        question.conversation,
    )
    assert answer.journal == journal_of(play.tx, wish.id)
    assert [each.evidence for each in answer.journal.steps] == ["start", "answer_accepted"]


def test_of_an_unknown_charge_nothing_is_known(play: Play) -> None:
    play.parcel(wanted(play, "nobody"))
    (answer,) = play.told(ChargeEvidence)
    assert answer.journal is None


def test_asking_changes_nothing(play: Play) -> None:
    wish = play.start_charge()
    before = play.rows("SELECT * FROM charges"), play.rows("SELECT * FROM charge_events")
    play.parcel(wanted(play, wish.id))
    assert (play.rows("SELECT * FROM charges"), play.rows("SELECT * FROM charge_events")) == before


def test_a_journal_has_no_text(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    wish = play.start_charge(conversation=play.value("SELECT id FROM messages"))
    journal = journal_of(play.tx, wish.id)
    assert journal is not None
    assert len(journal.sms) == 2
    assert b"BETAL" not in msgspec.json.encode(journal)
    assert b"under handsaming" not in msgspec.json.encode(journal)


def test_proposals_are_part_of_it(play: Play) -> None:
    wish = play.start_charge(kr=900)
    play.answer()
    play.parcel(play.resolve(wish.id))
    journal = journal_of(play.tx, wish.id)
    assert journal is not None
    (proposal,) = journal.proposals
    assert (proposal.who, proposal.outcome, proposal.ended) == ("Kari", "charged", "")


def test_a_receipt_repeated_without_end_leaves_the_newest_steps(play: Play) -> None:
    wish = play.start_charge()
    play.answer(message_id="m1")
    rows = [(wish.id, at, "receipt_pending", "accepted", "accepted", "") for at in range(MOST_STEPS + 8)]
    play.connection.executemany(
        "INSERT INTO charge_events (charge, at_us, evidence, before, after, detail) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        rows,
    )
    journal = journal_of(play.tx, wish.id)
    assert journal is not None
    assert (len(journal.steps), journal.left_out) == (MOST_STEPS, 10)
    assert journal.steps[-1].at == MOST_STEPS + 7


def test_what_is_said_of_a_free_message_is_kept_beside_a_charge_alone(play: Play) -> None:
    play.text("HJELP")
    play.answer(message_id="free")
    play.receipt("free")
    assert play.rows("SELECT * FROM message_events") == []
    wish = play.start_charge()
    play.answer(message_id="m1")
    play.parcel(play.reply(wish.conversation, "paid"))
    play.answer(message_id="m2")
    play.clock.advance(3)
    play.receipt("m2")
    assert play.rows("SELECT what, detail FROM message_events ORDER BY id") == [
        ("accepted", "id:m2"),
        ("receipt", "id:m2 stat:DELIVERED err:000 submit:2611231200 done:2611231201"),
    ]


@pytest.mark.parametrize("change", ["DELETE FROM message_events", "UPDATE message_events SET detail = ''"])
def test_what_an_smsc_said_can_be_neither_changed_nor_deleted(play: Play, change: str) -> None:
    play.connection.execute(
        "INSERT INTO message_events (message, at_us, what, detail) VALUES ('m', 1, 'receipt', '')"
    )
    with pytest.raises(sqlite3.IntegrityError, match="kept as they are"):
        play.connection.execute(change)


def test_all_that_may_stand_in_a_journal_has_words_for_people() -> None:
    codes = {*Evidence, *ChargeState, *Reason, *MessageFate} - {""}
    assert {str(code) for code in codes} <= NAMED
