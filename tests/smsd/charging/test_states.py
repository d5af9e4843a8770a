"""The table of a charge's states: total, and never twice the same money."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsd.charging.states import (
    CONTRADICTIONS,
    FINAL,
    MAY_BE_BILLED,
    MOVES,
    UNFINISHED,
    ChargeState,
    Evidence,
    Step,
    Verdict,
    step,
)

S, E = ChargeState, Evidence
EVERY_PAIR = list(itertools.product(ChargeState, Evidence))
RECEIPTS = (E.RECEIPT_CHARGED, E.RECEIPT_NOT_CHARGED, E.RECEIPT_PENDING)
QUERIES = (E.QUERY_CHARGED, E.QUERY_NOT_CHARGED, E.QUERY_PENDING)
ANSWERS = (E.ANSWER_ACCEPTED, E.ANSWER_REFUSED, E.ANSWER_LATER, E.ANSWER_UNCLEAR, E.NOT_WRITTEN, E.NO_ANSWER)
HUMANS_AND_REPORTS = (E.REPORT_CHARGED, E.REPORT_NOT_CHARGED, E.HUMAN_CHARGED, E.HUMAN_NOT_CHARGED)


def walk(state: ChargeState, evidence: list[Evidence]) -> list[ChargeState]:
    """The states that a run of evidence leads through, the first included."""
    states = [state]
    for each in evidence:
        states.append(step(states[-1], each).state)
    return states


@pytest.mark.parametrize(("state", "evidence"), EVERY_PAIR)
def test_every_evidence_has_an_outcome_in_every_state(state: ChargeState, evidence: Evidence) -> None:
    result = step(state, evidence)
    assert isinstance(result, Step)
    assert (result.verdict is Verdict.MOVES) == ((state, evidence) in MOVES)
    assert result.verdict is Verdict.MOVES or result.state is state


def test_unfinished_and_final_states_are_all_there_are() -> None:
    assert set(ChargeState) == UNFINISHED | FINAL
    assert not UNFINISHED & FINAL
    assert MAY_BE_BILLED < UNFINISHED


def test_no_evidence_both_moves_and_contradicts() -> None:
    assert not CONTRADICTIONS & MOVES.keys()


def test_a_move_leads_to_another_state() -> None:
    assert [pair for pair, after in MOVES.items() if pair[0] is after] == []


@pytest.mark.parametrize("state", sorted(FINAL))
@pytest.mark.parametrize("evidence", [*RECEIPTS, *QUERIES, *ANSWERS, E.START, E.TOO_LATE])
def test_nothing_that_comes_from_the_network_moves_a_charge_out_of_a_final_state(
    state: ChargeState, evidence: Evidence
) -> None:
    assert step(state, evidence).state is state


@given(
    st.sampled_from(sorted(FINAL)),
    st.lists(st.sampled_from([*RECEIPTS, *QUERIES, *ANSWERS, E.START, E.TOO_LATE])),
)
def test_no_run_of_receipts_and_answers_moves_a_final_state(state: str, evidence: list[Evidence]) -> None:
    assert set(walk(ChargeState(state), evidence)) == {ChargeState(state)}


@given(st.lists(st.sampled_from(list(Evidence))))
def test_from_doubt_nothing_is_ever_sent_again(evidence: list[Evidence]) -> None:
    after = walk(S.IN_DOUBT, evidence)
    assert not {S.SENDING, S.INTENDED} & set(after)


@pytest.mark.parametrize("state", [S.ACCEPTED, *sorted(FINAL)])
@given(evidence=st.lists(st.sampled_from(list(Evidence))))
def test_what_an_smsc_accepted_or_what_ended_is_never_sent_again(
    state: ChargeState, evidence: list[Evidence]
) -> None:
    assert not {S.SENDING, S.INTENDED} & set(walk(state, evidence))


@given(st.lists(st.sampled_from(list(Evidence))))
def test_between_two_sendings_stands_the_word_later_or_the_certainty_that_nothing_was_written(
    evidence: list[Evidence],
) -> None:
    states = walk(S.INTENDED, evidence)
    sendings = [
        place for place in range(1, len(states)) if states[place - 1 : place + 1] == [S.INTENDED, S.SENDING]
    ]
    for first, second in itertools.pairwise(sendings):
        assert {E.ANSWER_LATER, E.NOT_WRITTEN} & set(evidence[first:second])


def test_only_later_and_not_written_lead_back_to_intended() -> None:
    assert {pair for pair, after in MOVES.items() if after is S.INTENDED} == {
        (S.SENDING, E.ANSWER_LATER),
        (S.SENDING, E.NOT_WRITTEN),
    }


def test_only_a_start_leads_to_sending() -> None:
    assert {pair for pair, after in MOVES.items() if after is S.SENDING} == {(S.INTENDED, E.START)}


@pytest.mark.parametrize("evidence", Evidence)
@pytest.mark.parametrize("state", ChargeState)
def test_a_charge_becomes_charged_by_evidence_of_charging_alone(
    state: ChargeState, evidence: Evidence
) -> None:
    result = step(state, evidence)
    if result.verdict is Verdict.MOVES and result.state is S.CHARGED:
        assert evidence in (E.RECEIPT_CHARGED, E.QUERY_CHARGED, E.REPORT_CHARGED, E.HUMAN_CHARGED)


@pytest.mark.parametrize(
    "evidence", [E.NO_ANSWER, E.RECEIPT_PENDING, E.QUERY_PENDING, E.ANSWER_UNCLEAR, E.ANSWER_LATER]
)
@pytest.mark.parametrize("state", [S.ACCEPTED, S.IN_DOUBT])
def test_what_tells_nothing_settles_nothing(state: ChargeState, evidence: Evidence) -> None:
    assert step(state, evidence) == Step(Verdict.KEPT, state)


@pytest.mark.parametrize("state", [S.ACCEPTED, S.IN_DOUBT])
@pytest.mark.parametrize(
    ("evidence", "after"),
    [
        (E.RECEIPT_CHARGED, S.CHARGED),
        (E.QUERY_CHARGED, S.CHARGED),
        (E.REPORT_CHARGED, S.CHARGED),
        (E.HUMAN_CHARGED, S.CHARGED),
        (E.QUERY_NOT_CHARGED, S.NOT_CHARGED),
        (E.RECEIPT_NOT_CHARGED, S.NOT_CHARGED),
        (E.REPORT_NOT_CHARGED, S.NOT_CHARGED),
        (E.HUMAN_NOT_CHARGED, S.NOT_CHARGED),
    ],
)
def test_receipt_query_report_and_human_settle_what_may_be_billed(
    state: ChargeState, evidence: Evidence, after: ChargeState
) -> None:
    assert step(state, evidence) == Step(Verdict.MOVES, after)


@pytest.mark.parametrize("evidence", HUMANS_AND_REPORTS)
@pytest.mark.parametrize("state", [S.CHARGED, S.NOT_CHARGED, S.REFUSED])
def test_a_report_or_a_human_may_correct_what_was_settled(state: ChargeState, evidence: Evidence) -> None:
    says_charged = evidence in (E.REPORT_CHARGED, E.HUMAN_CHARGED)
    if says_charged == (state is S.CHARGED):
        assert step(state, evidence) == Step(Verdict.KEPT, state)
    elif says_charged:
        assert step(state, evidence) == Step(Verdict.MOVES, S.CHARGED)
    elif state is S.CHARGED:
        assert step(state, evidence) == Step(Verdict.MOVES, S.NOT_CHARGED)
    else:
        assert step(state, evidence) == Step(Verdict.KEPT, state)


@pytest.mark.parametrize(
    ("state", "evidence"),
    [
        (S.CHARGED, E.RECEIPT_NOT_CHARGED),
        (S.CHARGED, E.ANSWER_REFUSED),
        (S.NOT_CHARGED, E.RECEIPT_CHARGED),
        (S.NOT_CHARGED, E.ANSWER_ACCEPTED),
        (S.REFUSED, E.RECEIPT_CHARGED),
        (S.REFUSED, E.ANSWER_ACCEPTED),
        (S.INTENDED, E.RECEIPT_CHARGED),
        (S.INTENDED, E.HUMAN_CHARGED),
        (S.REFUND_DUE, E.RECEIPT_NOT_CHARGED),
        (S.REFUNDED, E.RECEIPT_NOT_CHARGED),
        (S.ACCEPTED, E.ANSWER_ACCEPTED),
    ],
)
def test_evidence_against_a_state_is_a_contradiction(state: ChargeState, evidence: Evidence) -> None:
    assert step(state, evidence) == Step(Verdict.CONTRADICTS, state)


def test_a_refund_follows_a_charge_and_nothing_else() -> None:
    assert {pair for pair, after in MOVES.items() if after is S.REFUND_DUE} == {(S.CHARGED, E.REFUND_OWED)}
    assert {pair for pair, after in MOVES.items() if after is S.REFUNDED} == {(S.REFUND_DUE, E.REFUND_MADE)}


def test_a_report_that_says_not_charged_of_a_refund_is_told_to_a_human() -> None:
    assert step(S.REFUND_DUE, E.REPORT_NOT_CHARGED).verdict is Verdict.CONTRADICTS
    assert step(S.REFUNDED, E.REPORT_NOT_CHARGED).verdict is Verdict.CONTRADICTS


def test_a_receipt_of_a_charge_not_answered_yet_waits_for_its_answer() -> None:
    """`sending` with a receipt: the answer is on its way, or doubt is, and either hears receipts."""
    assert step(S.SENDING, E.RECEIPT_CHARGED) == Step(Verdict.KEPT, S.SENDING)
