"""What an SMSC has certainly heard of our answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smsd.heard import Heard
from smsd.smpp.own_requests import SEQUENCE_MAX, is_later


class Written:
    """A connection on which so much was written and read."""

    def __init__(self) -> None:
        self.mark = 0
        self.read = 0

    def has_read(self, mark: int) -> bool:
        return self.read > mark


def test_nothing_is_heard_of_a_connection_on_which_nothing_was_answered() -> None:
    assert not Heard(Written())(1)


def test_an_answer_is_heard_once_a_later_request_is_answered() -> None:
    written = Written()
    heard = Heard(written)
    heard.answered(10)
    assert not heard(10)
    written.read = 1
    assert heard(10)
    assert heard(9)
    assert not heard(11)


def test_after_the_clock_was_put_back_older_answers_count_as_unheard() -> None:
    written = Written()
    heard = Heard(written)
    heard.answered(100)
    written.mark = 1
    heard.answered(50)
    written.read = 1
    assert not heard(50)
    written.read = 2
    assert heard(50)
    assert not heard(100)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4))))
def test_only_answers_that_were_written_before_what_was_read_are_heard(steps: list[tuple[int, int]]) -> None:
    written = Written()
    heard = Heard(written)
    marks = []
    for at_us, (sent, read) in enumerate(steps):
        written.mark += sent
        heard.answered(at_us)
        marks.append(written.mark)
        written.read = min(written.mark, written.read + read)
        assert [heard(each) for each in range(at_us + 1)] == [written.read > mark for mark in marks]


@given(st.integers(1, SEQUENCE_MAX), st.integers(1, 1000))
def test_numbers_that_begin_anew_go_on(sequence: int, more: int) -> None:
    later = (sequence + more - 1) % SEQUENCE_MAX + 1
    assert is_later(later, sequence)
    assert not is_later(sequence, later)
    assert not is_later(sequence, sequence)
