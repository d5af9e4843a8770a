"""The queue of an account: order, rate, rests, what is held, and what waits in the store."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playbook import KARI, OLA, Play, operator

from foundation.contract import MessageFate
from smsd.queues import Lane, OperatorQueue
from smsd.smpp.pdu import SubmitSm
from smsd.smpp.segments import Method
from smsd.work import Outgoing, Piece


def piece(name: str, *, number: str = OLA, price_ore: int = 0, expires_us: int = 10**18) -> Piece:
    outgoing = Outgoing(
        message=name,
        conversation="c",
        operator="telco",
        short_code="2030",
        address="2030",
        number=number,
        text=name,
        price_ore=price_ore,
        purpose="reply",
        at_us=0,
        expires_us=expires_us,
        source="",
        echo=b"",
        charge=name if price_ore else "",
    )
    return Piece(outgoing, 1, 1, SubmitSm())


def queue_of(limit: int = 100, rate: float = 10, pause_s: float = 1.0) -> OperatorQueue:
    return OperatorQueue("telco", limit=limit, rate=rate, pause_s=pause_s)


def names(queue: OperatorQueue, fresh: tuple[Piece, ...] = ()) -> list[str]:
    return [each.outgoing.message for lane in queue.waiting(fresh) for _, pieces in lane for each in pieces]


# rate -----------------------------------------------------------------------------------------------------


def test_a_fresh_account_may_send_a_seconds_worth_at_once() -> None:
    assert queue_of(rate=10).pace.permits(100.0) == 10


def test_permits_come_back_with_time_at_the_accounts_rate() -> None:
    queue = queue_of(rate=8)
    assert queue.pace.permits(100.0) == 8
    queue.apply([], {}, [], 8)
    assert queue.pace.permits(100.0) == 0
    assert queue.pace.permits(100.0625) == 0
    assert queue.pace.permits(100.125) == 1
    assert queue.pace.permits(100.5) == 4
    assert queue.pace.permits(200.0) == 8


def test_the_next_permit_is_told() -> None:
    queue = queue_of(rate=10)
    queue.pace.permits(100.0)
    assert queue.pace.next_permit(100.0) == 100.0
    queue.apply([], {}, [], 10)
    assert queue.pace.permits(100.0) == 0
    assert queue.pace.next_permit(100.0) == pytest.approx(100.1)


def test_a_rate_below_one_a_second_sends_all_the_same() -> None:
    queue = queue_of(rate=0.5)
    assert queue.pace.permits(10.0) == 1
    queue.apply([], {}, [], 1)
    assert queue.pace.permits(11.0) == 0
    assert queue.pace.next_permit(11.0) == pytest.approx(12.0)
    assert queue.pace.permits(12.0) == 1


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), max_size=60), st.integers(1, 100))
def test_no_second_sees_more_than_the_rate_and_its_burst(steps: list[tuple[float, int]], rate: int) -> None:
    queue, now, sent = queue_of(rate=rate), 1000.0, 0
    for wait, wish in steps:
        now += wait
        spent = min(wish, queue.pace.permits(now))
        queue.apply([], {}, [], spent)
        sent += spent
    assert sent <= rate + (now - 1000.0) * rate + 1e-6


# rests ----------------------------------------------------------------------------------------------------


def test_a_throttled_account_rests() -> None:
    queue = queue_of(pause_s=2)
    assert queue.pace.pause(100.0) == 2
    assert queue.pace.permits(101.9) == 0
    assert queue.pace.next_permit(101.0) == 102.0
    assert queue.pace.permits(102.0) == 1


def test_rests_grow_while_throttling_goes_on_and_have_a_limit() -> None:
    queue, now, rests = queue_of(pause_s=1), 100.0, []
    for _ in range(9):
        rests.append(queue.pace.pause(now))
        now += rests[-1]
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_several_complaints_in_one_rest_are_one_rest() -> None:
    queue = queue_of(pause_s=4)
    queue.pace.pause(100.0)
    assert queue.pace.pause(101.0) == 3.0
    assert queue.pace.permits(104.0) == 1
    assert queue.pace.pause(104.0) == 8


def test_rests_begin_small_again_once_it_went_well() -> None:
    queue = queue_of(pause_s=1)
    queue.pace.pause(100.0)
    queue.pace.pause(101.0)
    queue.pace.went_well(105.0)
    assert queue.pace.pause(110.0) == 1


# order ----------------------------------------------------------------------------------------------------


def test_what_is_new_goes_to_the_end_what_was_taken_goes_away() -> None:
    queue = queue_of()
    queue.apply([piece("1"), piece("2")], {}, [], 0)
    queue.apply([piece("3")], {(0, "", ""): 2}, [], 2)
    assert names(queue) == ["3"]
    assert names(queue, (piece("4"),)) == ["3", "4"]


def test_what_comes_back_goes_to_the_head_in_its_old_order() -> None:
    queue = queue_of()
    queue.apply([piece("3"), piece("4")], {}, [], 0)
    queue.apply([piece("5")], {}, [piece("1"), piece("2")], 0)
    assert names(queue) == ["1", "2", "3", "4", "5"]


def test_what_was_enqueued_and_taken_in_one_plan_leaves_nothing() -> None:
    queue = queue_of()
    queue.apply([piece("1")], {(0, "", ""): 1}, [], 1)
    assert len(queue) == 0


# held -----------------------------------------------------------------------------------------------------


def test_held_charges_are_released_one_at_a_time_in_order() -> None:
    queue = queue_of()
    for name in ("2", "1", "3"):
        queue.hold(piece(name, price_ore=5000))
    queue.release((OLA, "2030", 5000))
    assert names(queue) == ["1"]
    queue.release((OLA, "2030", 5000))
    queue.release((OLA, "2030", 5000))
    queue.release((OLA, "2030", 5000))
    assert names(queue) == ["3", "2", "1"]
    assert queue.held == {}


@pytest.mark.parametrize("tariff", [(KARI, "2030", 5000), (OLA, "1999", 5000), (OLA, "2030", 10_000)])
def test_another_tariffs_end_releases_nothing(tariff: tuple[str, str, int]) -> None:
    queue = queue_of()
    queue.hold(piece("1", price_ore=5000))
    queue.release(tariff)
    assert len(queue) == 0


def test_held_charges_are_forgotten_when_their_time_is_over() -> None:
    queue = queue_of()
    queue.hold(piece("1", price_ore=5000, expires_us=100))
    queue.hold(piece("2", price_ore=5000, expires_us=200))
    queue.forget_held(100)
    queue.release((OLA, "2030", 5000))
    assert names(queue) == ["2"]
    queue.hold(piece("3", price_ore=5000, expires_us=100))
    queue.forget_held(100)
    assert queue.held == {}


def test_the_first_of_every_tariff_tries_again() -> None:
    queue = queue_of()
    for name, number in (("1", OLA), ("2", OLA), ("3", KARI)):
        queue.hold(piece(name, number=number, price_ore=5000))
    queue.retry_held()
    assert sorted(names(queue)) == ["1", "3"]


# overflow -------------------------------------------------------------------------------------------------


def test_beyond_its_limit_a_queue_leaves_new_ones_in_the_store() -> None:
    queue = queue_of(limit=2)
    queue.apply([piece("1"), piece("2"), piece("3")], {}, [], 0)
    assert queue.behind
    queue.apply([piece("4")], {}, [], 0)
    assert names(queue, (piece("5"),)) == ["1", "2", "3"]
    assert queue.to_read(100) == (Lane.FIRST, "3")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("window", [1, 3])
def test_an_overflowing_queue_sends_all_in_order_and_none_twice(
    plays: Callable[..., Play], limit: int, window: int
) -> None:
    play = plays(queue_limit=limit, window=window)
    for start in range(0, 40, 4):
        play.parcel(*[play.send(f"nummer {number}") for number in range(start, start + 4)])
        if start % 8 == 0:
            play.answer(play.link.pending[0])
    while play.link.pending:
        play.answer(play.link.pending[0])
        play.turn()
    assert [each.outgoing.text for each in play.submitted] == [f"nummer {number}" for number in range(40)]


@given(data=st.data())
def test_whatever_overflows_is_throttled_lost_or_restarted_nothing_free_is_forgotten(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    play = Play(tmp_path_factory.mktemp("flow"), queue_limit=3, window=2)
    try:
        posted = 0
        for _ in range(data.draw(st.integers(1, 12))):
            match data.draw(st.sampled_from(["post", "answer", "later", "crash"])):
                case "post":
                    play.parcel(*[play.send(f"{posted + extra}") for extra in range(3)])
                    posted += 3
                case "answer" if play.link.pending:
                    play.answer(play.link.pending[0])
                case "later" if play.link.pending:
                    play.answer(play.link.pending[0], status=0x58)
                case "crash":
                    play.crash()
        for _ in range(200):
            play.turn()
            if not play.link.pending:
                break
            play.answer(play.link.pending[0])
        fates = play.rows("SELECT fate, count(*) FROM messages GROUP BY fate")
        assert fates == ([(MessageFate.ACCEPTED, posted)] if posted else [])
        assert {each.outgoing.text for each in play.submitted} == {str(number) for number in range(posted)}
    finally:
        play.close()


# dispatching ----------------------------------------------------------------------------------------------


def test_no_more_is_sent_than_the_window_has_room_for(plays: Callable[..., Play]) -> None:
    play = plays(window=3)
    play.parcel(*[play.send(str(number)) for number in range(10)])
    assert len(play.submitted) == 3
    play.answer(play.link.pending[0])
    assert len(play.submitted) == 4


def test_several_binds_share_the_work(plays: Callable[..., Play]) -> None:
    play = plays(window=3, binds=2)
    play.parcel(*[play.send(str(number)) for number in range(10)])
    assert [len(link.submitted) for link in play.links["telco"]] == [3, 3]


def test_one_operators_full_window_does_not_stop_another(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator("telco"), operator("mobilia")], window=1)
    play.text("hei", OLA)
    from playbook import mo

    play.turn(play.delivered(mo("hei", KARI), play.links["mobilia"][0]))
    play.parcel(play.send("1", number=OLA), play.send("2", number=KARI))
    assert {name: len(links[0].submitted) for name, links in play.links.items()} == {"telco": 1, "mobilia": 1}


@pytest.mark.parametrize("method", ["udh8", "udh16", "sar", "payload"])
def test_a_long_text_travels_as_the_profile_says(plays: Callable[..., Play], method: str) -> None:
    play = plays(operators=[operator(segments_by=method)])
    play.parcel(play.send("a" * 200))
    if method == Method.PAYLOAD:
        (whole,) = play.submitted
        assert whole.pdu.tlvs[0].value == b"a" * 200
    else:
        assert len(play.submitted) == 2
        assert [each.part for each in play.submitted] == [1, 2]


def test_two_long_texts_to_one_phone_bear_different_references(play: Play) -> None:
    play.parcel(play.send("a" * 200), play.send("b" * 200))
    references = [each.pdu.short_message[3] for each in play.submitted]
    assert references[0] == references[1]
    assert references[2] == references[3]
    assert references[0] != references[2]


def test_a_repeated_long_text_bears_the_same_reference_after_a_restart(play: Play) -> None:
    play.parcel(play.send("a" * 200))
    play.crash()
    play.turn()
    assert [each.pdu for each in play.submitted[:2]] == [each.pdu for each in play.submitted[2:]]


def test_a_number_that_smpp_cannot_carry_is_refused_before_its_turn(play: Play) -> None:
    wish = play.charge(number="+" + "4" * 30)
    play.parcel(play.send(number="+" + "4" * 30), wish, play.send())
    assert len(play.submitted) == 1
    assert play.state(wish) == "not_charged"
    assert play.rows("SELECT kind FROM set_aside") == [("Send",)]


def test_what_todays_settings_cannot_send_is_settled_when_it_is_read_back(play: Play) -> None:
    play.link.can_submit = False
    wish = play.charge(kr=500)
    play.parcel(wish, play.send())
    play.operators = (operator(price=play.operators[0].price.model_copy(update={"max_kr": 100})),)
    play.crash()
    play.turn()
    assert play.state(wish) == "not_charged"
    assert [each.outgoing.text for each in play.submitted] == ["Hei!"]
