"""The window's bookkeeping."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsd.smpp.outgoing import Outgoing
from smsd.smpp.window import LateAnswers, Pending, Window

SUBMIT_RESP = 0x80000004


def pending(sequence: int, expires_at: float = 60.0, answer: int = SUBMIT_RESP) -> Pending:
    return Pending(sequence, answer, f"tag-{sequence}", expires_at)


def filled(*sequences: int, size: int = 10) -> Window:
    window = Window(size)
    for sequence in sequences:
        assert window.offer(pending(sequence, 60.0 + sequence))
    return window


def test_a_full_window_takes_nothing():
    window = filled(1, 2, size=2)
    assert window.room == 0
    assert not window.offer(pending(3))
    assert len(window) == 2


def test_a_sequence_number_has_one_place():
    assert not filled(1).offer(pending(1))


def test_a_window_without_places_is_refused():
    with pytest.raises(ValueError, match="give 1 or more"):
        Window(0)


def test_an_answer_frees_the_place_of_its_request():
    window = filled(1, 2, 3)
    assert window.complete(2, SUBMIT_RESP) == pending(2, 62.0)
    assert window.complete(2, SUBMIT_RESP) is None
    assert (window.room, 2 in window, 3 in window) == (8, False, True)


def test_an_answer_of_another_kind_frees_nothing():
    window = filled(1)
    assert window.complete(1, 0x80000103) is None
    assert len(window) == 1


def test_a_failure_frees_a_place_whatever_was_asked():
    assert filled(1).fail(1) == pending(1, 61.0)


def test_those_not_answered_in_time_are_given_back_oldest_first():
    window = filled(1, 2, 3, 4)
    window.complete(2, SUBMIT_RESP)
    assert [one.sequence for one in window.expired(63.0)] == [1, 3]
    assert window.next_expiry() == 64.0
    assert window.expired(63.9) == []


def test_the_next_expiry_is_that_of_the_oldest_pending():
    window = filled(1, 2)
    assert window.next_expiry() == 61.0
    window.complete(1, SUBMIT_RESP)
    assert window.next_expiry() == 62.0
    window.complete(2, SUBMIT_RESP)
    assert window.next_expiry() is None
    assert window.oldest() is None


def test_the_snapshot_is_in_the_order_of_offering_also_when_numbers_wrap():
    window = filled(0x7FFFFFFE, 0x7FFFFFFF, 1, 2)
    window.complete(0x7FFFFFFF, SUBMIT_RESP)
    assert [one.sequence for one in window.snapshot()] == [0x7FFFFFFE, 1, 2]
    assert list(window) == list(window.snapshot())


def test_a_number_used_again_is_the_newest():
    window = filled(1, 2)
    window.complete(1, SUBMIT_RESP)
    window.offer(pending(1, 99.0))
    assert [one.sequence for one in window.snapshot()] == [2, 1]


def test_clearing_gives_the_snapshot_and_an_empty_window():
    window = filled(1, 2)
    assert [one.sequence for one in window.clear()] == [1, 2]
    assert (len(window), window.snapshot(), window.next_expiry()) == (0, (), None)


@given(st.lists(st.tuples(st.sampled_from(["offer", "complete", "fail", "expire"]), st.integers(1, 12))))
def test_a_window_does_as_a_plain_list_would(steps):
    window, model, now = Window(5), [], 0.0
    for step, sequence in steps:
        now += 1
        if step == "offer":
            fits = len(model) < 5 and sequence not in [one.sequence for one in model]
            one = pending(sequence, now + 8)
            assert window.offer(one) is fits
            model += [one] if fits else []
        elif step == "expire":
            assert window.expired(now) == [one for one in model if one.expires_at <= now]
            model = [one for one in model if one.expires_at > now]
        else:
            found = next((one for one in model if one.sequence == sequence), None)
            given_back = window.fail(sequence) if step == "fail" else window.complete(sequence, SUBMIT_RESP)
            assert given_back is found
            model = [one for one in model if one is not found]
        assert list(window.snapshot()) == model
        assert window.room == 5 - len(model)
        assert window.oldest() is (model[0] if model else None)


def test_one_stuck_request_does_not_make_the_window_grow():
    window = filled(1, size=3)
    for sequence in range(2, 1000):
        window.offer(pending(sequence, 60.0 + sequence))
        window.complete(sequence, SUBMIT_RESP)
    assert [one.sequence for one in window.snapshot()] == [1]
    assert len(window._queue) < 50


def test_late_answers_are_recognised_once():
    late = LateAnswers(10)
    late.remember(pending(1))
    assert late.recognise(1, 0x80000005) is None
    assert late.recognise(1, SUBMIT_RESP) == pending(1)
    assert late.recognise(1, SUBMIT_RESP) is None


def test_the_oldest_late_answers_are_forgotten_beyond_the_limit():
    late = LateAnswers(2)
    for sequence in (1, 2, 3):
        late.remember(pending(sequence))
    assert [sequence in late for sequence in (1, 2, 3)] == [False, True, True]


def test_no_late_answers_are_kept_where_none_are_wanted():
    late = LateAnswers(0)
    late.remember(pending(1))
    assert len(late) == 0


def test_a_request_can_be_taken_back_until_it_is_drained():
    out = Outgoing()
    out.add(b"a")
    out.add_request(1, b"b")
    out.add_request(2, b"c")
    assert (out.holds(1), out.held, out.take_back(1), out.take_back(1)) == (True, 2, True, False)
    assert out.drain() == b"ac"
    assert (out.holds(2), out.take_back(2), bool(out), out.drain()) == (False, False, False, b"")
