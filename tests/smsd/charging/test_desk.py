"""The one place that writes a charge's state: every evidence kept, every end told once."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playbook import Play

from foundation.contract import ChargeSettled, Outcome, Reason
from foundation.ids import Ids
from smsd.charging.desk import ChargeRow, Desk
from smsd.charging.states import FINAL, ChargeState, Evidence, Verdict, step
from smsd.work import Plan


def desk_of(play: Play) -> Desk:
    return Desk(Ids(play.clock, random.Random(3).getrandbits))


def put(play: Play, state: ChargeState) -> ChargeRow:
    """A charge in a state of one's choice."""
    play.link.can_submit = False
    wish = play.charge()
    play.parcel(wish)
    play.connection.execute("UPDATE charges SET state = ? WHERE id = ?", (state, wish.id))
    row = desk_of(play).find(play.tx, wish.id)
    assert row is not None
    return row


@pytest.mark.parametrize(("state", "evidence"), list(itertools.product(ChargeState, Evidence)))
def test_every_evidence_in_every_state_is_kept_moved_and_told_as_the_table_says(
    play: Play, state: ChargeState, evidence: Evidence
) -> None:
    charge = put(play, state)
    plan = Plan(play.clock.us)
    before = len(play.rows("SELECT id FROM charge_events"))
    result = play.commit(
        lambda tx: desk_of(play).apply(tx, plan, charge, evidence, reason=Reason.EXPIRED, detail="why")
    )
    assert result == step(state, evidence)
    assert play.state(charge.id) is result.state
    events = play.rows("SELECT evidence, before, after, detail FROM charge_events ORDER BY id")[before:]
    assert events == [(evidence, state, result.state, "expired why")]
    settled = [message for message in plan.handoff if isinstance(message, ChargeSettled)]
    ended = result.verdict is Verdict.MOVES and result.state in FINAL
    contradicted = result.verdict is Verdict.CONTRADICTS
    assert len(settled) == (ended or (contradicted and state in FINAL))
    assert [each.contradiction for each in settled] == (["open"] if contradicted else [""])[: len(settled)]
    assert len(plan.released) == ended
    assert play.value("SELECT contradicted FROM charges") == contradicted
    assert ("charge.contradicted" in [name for name, _ in plan.alarms]) == contradicted


@pytest.mark.parametrize(
    ("state", "evidence", "outcome"),
    [
        (ChargeState.ACCEPTED, Evidence.RECEIPT_CHARGED, Outcome.CHARGED),
        (ChargeState.ACCEPTED, Evidence.RECEIPT_NOT_CHARGED, Outcome.NOT_CHARGED),
        (ChargeState.SENDING, Evidence.ANSWER_REFUSED, Outcome.NOT_CHARGED),
        (ChargeState.CHARGED, Evidence.REFUND_OWED, Outcome.REFUND_DUE),
        (ChargeState.REFUND_DUE, Evidence.REFUND_MADE, Outcome.REFUNDED),
    ],
)
def test_an_end_is_told_with_its_evidence(
    play: Play, state: ChargeState, evidence: Evidence, outcome: Outcome
) -> None:
    charge, plan = put(play, state), Plan(play.clock.us)
    play.commit(lambda tx: desk_of(play).apply(tx, plan, charge, evidence, detail="id:1"))
    (settled,) = plan.handoff
    assert isinstance(settled, ChargeSettled)
    assert (settled.charge, settled.conversation, settled.outcome, settled.evidence) == (
        charge.id,
        charge.conversation,
        outcome,
        f"{evidence} id:1",
    )


def test_an_alarm_names_no_number(play: Play) -> None:
    charge, plan = put(play, ChargeState.CHARGED), Plan(play.clock.us)
    play.commit(lambda tx: desk_of(play).apply(tx, plan, charge, Evidence.RECEIPT_NOT_CHARGED))
    assert charge.number not in str(plan.alarms)


@pytest.mark.parametrize("state", [each for each in ChargeState if each is not ChargeState.INTENDED])
def test_only_an_intended_charge_starts(play: Play, state: ChargeState) -> None:
    charge = put(play, state)
    assert not play.commit(lambda tx: desk_of(play).start(tx, Plan(play.clock.us), charge.id))
    assert play.state(charge.id) is state


def test_a_charge_starts_once(play: Play) -> None:
    charge, desk = put(play, ChargeState.INTENDED), desk_of(play)
    assert play.commit(lambda tx: desk.start(tx, Plan(play.clock.us), charge.id))
    assert not play.commit(lambda tx: desk.start(tx, Plan(play.clock.us), charge.id))
    assert play.evidence(play.charge(id=charge.id)) == ["start"]


def test_no_charge_starts_at_or_after_its_end(play: Play) -> None:
    charge, desk = put(play, ChargeState.INTENDED), desk_of(play)
    assert not play.commit(lambda tx: desk.start(tx, Plan(charge.expires_us), charge.id))
    assert play.commit(lambda tx: desk.start(tx, Plan(charge.expires_us - 1), charge.id))


def test_a_charge_nobody_knows_neither_starts_nor_is_found(play: Play) -> None:
    desk = desk_of(play)
    assert not play.commit(lambda tx: desk.start(tx, Plan(play.clock.us), "nobody"))
    assert desk.find(play.tx, "nobody") is None
    assert desk.of_message(play.tx, "nobody") is None


@given(st.lists(st.sampled_from(Evidence), max_size=12))
def test_the_events_tell_the_whole_story(
    tmp_path_factory: pytest.TempPathFactory, evidence: list[Evidence]
) -> None:
    folder: Path = tmp_path_factory.mktemp("desk")
    play = Play(folder)
    try:
        charge = put(play, ChargeState.INTENDED)
        desk = desk_of(play)
        for each in evidence:
            row = desk.find(play.tx, charge.id)
            assert row is not None
            play.commit(lambda tx, row=row, each=each: desk.apply(tx, Plan(play.clock.us), row, each))
        events = play.rows("SELECT evidence, before, after FROM charge_events ORDER BY id")
        assert [row[0] for row in events] == evidence
        assert [row[1] for row in events] == [ChargeState.INTENDED, *[row[2] for row in events[:-1]]][
            : len(events)
        ]
        assert play.state(charge.id) == (events[-1][2] if events else ChargeState.INTENDED)
    finally:
        play.close()
