"""What goes first, whose turn it is, down which bind, and what is given up; over all of it nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playbook import KARI, NOON, OLA, FakeLink, Play, mo, operator, organisation, receipt
from test_engine import Bench
from test_outbox import piece

from foundation.clock import SECOND_US
from foundation.contract import MessageFate, MessageState, Purpose, Send, SmsSettled
from smsd.charging.states import ChargeState
from smsd.queues import Lane, OperatorQueue, Shares, lane_of
from smsd.smpp.link import Answer, AnswerKind, LinkState
from smsd.smpp.pdu import Tlv
from smsd.work import Answered, Piece

TWO = (organisation("ORG1"), organisation("ORG2"))


def send(play: Play, text: str, purpose: str = "bulk", org: str = "ORG1", number: str = OLA) -> Send:
    return msgspec.structs.replace(play.send(text, org=org, number=number), purpose=purpose)


def in_lane(given: Piece, lane: Lane) -> Piece:
    given.outgoing.lane = lane
    return given


def drain(play: Play) -> list[str]:
    """Answer all that is in the air until nothing is left; the texts submitted, in order."""
    while any(link.pending for links in play.links.values() for link in links):
        link = next(link for links in play.links.values() for link in links if link.pending)
        play.answer(link.pending[0])
    return [each.outgoing.text for each in play.submitted]


# lanes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purpose", "said", "lane"),
    [
        (Purpose.PREMIUM, "", Lane.FIRST),
        (Purpose.REPLY, "", Lane.FIRST),
        (Purpose.SEND, "code", Lane.FIRST),
        (Purpose.SEND, "One_Time_Code", Lane.FIRST),
        (Purpose.SEND, "dialog", Lane.PERSONAL),
        (Purpose.SEND, "a word nobody knows", Lane.PERSONAL),
        (Purpose.SEND, "bulk", Lane.BULK),
        (Purpose.SEND, "invitation", Lane.BULK),
    ],
)
def test_purpose_decides_the_lane(purpose: Purpose, said: str, lane: Lane) -> None:
    assert lane_of(purpose, said) is lane


def test_who_waits_with_the_phone_in_hand_goes_before_the_crowd(plays: Callable[..., Play]) -> None:
    play = plays(window=1)
    play.parcel(*[send(play, f"bulk {number}") for number in range(3)])
    play.parcel(send(play, "dialog", "dialog"))
    play.parcel(send(play, "code", "code"))
    wish = play.charge(number=KARI)
    play.parcel(wish)
    order = drain(play)
    assert order[:2] == ["bulk 0", "code"]
    assert play.submitted[2].outgoing.charge == wish.id
    assert order[3:] == ["dialog", "bulk 1", "bulk 2"]


def test_the_lanes_outlive_a_restart(plays: Callable[..., Play]) -> None:
    play = plays(window=1)
    play.link.can_submit = False
    play.parcel(send(play, "bulk"), send(play, "dialog", "dialog"), send(play, "code", "code"))
    play.crash()
    play.turn()
    assert drain(play) == ["code", "dialog", "bulk"]
    assert play.rows("SELECT lane FROM messages ORDER BY id") == [(2,), (1,), (0,)]


def test_a_lane_that_overflows_does_not_keep_the_others_in_the_store(plays: Callable[..., Play]) -> None:
    play = plays(window=1, queue_limit=2)
    play.parcel(*[send(play, f"bulk {number}") for number in range(10)])
    queue = play.queues["telco"]
    assert queue.behind
    play.parcel(send(play, "code", "code"))
    assert queue.in_lane(Lane.FIRST) == 1
    assert drain(play)[:2] == ["bulk 0", "code"]


@pytest.mark.parametrize(("share", "most"), [(0.05, 21), (0.5, 3), (0.25, 5)])
def test_constant_urgent_work_leaves_the_crowd_its_share(
    plays: Callable[..., Play], share: float, most: int
) -> None:
    play = plays(window=1, lane_share=share)
    play.parcel(*[send(play, f"bulk {number}") for number in range(3)], send(play, "code 0", "code"))
    for number in range(3 * most):
        play.parcel(send(play, f"code {number + 1}", "code"))
        play.answer(play.link.pending[0])
    order = [each.outgoing.text for each in play.submitted]
    urgent_between = [run.count("code") for run in " ".join(order).split("bulk")[1:]]
    assert order.count("bulk 0") == order.count("bulk 2") == 1
    assert max(urgent_between[:-1]) <= most
    assert [each for each in order if "bulk" in each] == ["bulk 0", "bulk 1", "bulk 2"]
    assert sum("code" in each for each in order) >= 3 * most - 3


def test_without_a_share_the_crowd_waits_for_all_that_is_urgent(plays: Callable[..., Play]) -> None:
    play = plays(window=1, lane_share=0)
    play.parcel(*[send(play, f"bulk {number}") for number in range(3)])
    for number in range(100):
        play.parcel(send(play, f"code {number}", "code"), send(play, f"code {number}b", "code"))
        play.answer(play.link.pending[0])
    assert [each.outgoing.text for each in play.submitted if "bulk" in each.outgoing.text] == ["bulk 0"]


def test_a_share_is_not_saved_up_while_nothing_of_its_lane_waits() -> None:
    shares = Shares(0.5)
    for _ in range(100):
        shares.count([10, 0, 0], [True, False, False])
    assert [shares.due(lane) for lane in Lane] == [0, 0, 0]
    for _ in range(100):
        shares.count([10, 0, 0], [True, False, True])
    assert [shares.due(lane) for lane in Lane] == [0, 0, 10]


def test_what_needs_no_transaction_leaves_the_crowd_its_share_too() -> None:
    queue = OperatorQueue("telco", limit=1000, rate=100, pause_s=1, share=0.1)
    urgent = [piece(f"code {number}") for number in range(100)]
    crowd = [in_lane(piece(f"bulk {number}"), Lane.BULK) for number in range(100)]
    queue.apply([*crowd, *urgent], {}, [], 0)
    order = [each.outgoing.message for _ in range(66) for each in queue.take_plain(1, 0)]
    assert [number for number, each in enumerate(order) if "bulk" in each] == [10, 21, 32, 43, 54, 65]
    assert [each for each in order if "bulk" in each] == [f"bulk {number}" for number in range(6)]


def test_what_is_owed_and_may_not_go_yet_keeps_its_place(plays: Callable[..., Play]) -> None:
    """A bulk text of an organisation at its rate is owed a turn, waits, and goes in its order later."""
    play = plays(organisations=TWO, window=1, lane_share=0.5, rate_per_organisation=1)
    play.parcel(*[send(play, f"bulk {number}") for number in range(3)])
    for number in range(6):
        play.parcel(send(play, f"code {number}", "code", "ORG2"))
        while play.link.pending:
            play.answer(play.link.pending[0])
        play.tick(1)
    order = [each.outgoing.text for each in play.submitted]
    assert [each for each in order if "bulk" in each] == ["bulk 0", "bulk 1", "bulk 2"]
    assert [each for each in order if "code" in each] == [f"code {number}" for number in range(6)]


def test_what_is_owed_and_waited_too_long_is_given_up_once(plays: Callable[..., Play]) -> None:
    play = plays(window=1, lane_share=0.5)
    play.parcel(send(play, "in the air"), *[send(play, f"bulk {number}") for number in range(5)])
    for number in range(8):
        play.parcel(send(play, f"code {number}", "code"))
    play.queues["telco"]._shares._owed[Lane.BULK] = 3.0
    play.clock.advance(86_401)
    play.tick(0)
    settled = [each.sms for each in play.handed if isinstance(each, SmsSettled)]
    assert len(settled) == len(set(settled)) == 13
    assert len(play.queues["telco"]) == 0


# turns ----------------------------------------------------------------------------------------------------


def test_organisations_take_turns(plays: Callable[..., Play]) -> None:
    play = plays(organisations=TWO, window=1)
    play.parcel(*[send(play, f"1-{number}") for number in range(6)])
    play.parcel(*[send(play, f"2-{number}", org="ORG2") for number in range(3)])
    assert drain(play) == ["1-0", "1-1", "2-0", "1-2", "2-1", "1-3", "2-2", "1-4", "1-5"]


@pytest.mark.parametrize("window", [1, 2, 3, 10])
def test_ten_thousand_of_one_do_not_delay_one_of_another(plays: Callable[..., Play], window: int) -> None:
    play = plays(organisations=TWO, window=window, queue_limit=100_000)
    play.link.can_submit = False
    play.parcel(*[send(play, "mange", number=f"+479{number:07d}") for number in range(10_000)])
    play.parcel(send(play, "ein", org="ORG2"))
    play.link.can_submit = True
    play.decide()
    plan = play.decide()
    assert "ein" in [each.outgoing.text for _, each in plan.submits] or window == 1


def test_turns_go_on_from_one_transaction_to_the_next(plays: Callable[..., Play]) -> None:
    names = ("ORG1", "ORG2", "ORG3")
    play = plays(organisations=[organisation(each) for each in names], window=2)
    play.link.can_submit = False
    for org in names:
        play.parcel(*[send(play, org, org=org) for _ in range(10)])
    play.link.can_submit = True
    play.turn()
    counts = Counter(drain(play)[:15])
    assert counts == dict.fromkeys(names, 5)


def test_within_an_organisation_order_is_kept(plays: Callable[..., Play]) -> None:
    play = plays(organisations=TWO, window=2)
    for number in range(8):
        play.parcel(send(play, f"1-{number}"), send(play, f"2-{number}", org="ORG2"))
    order = drain(play)
    for org in "12":
        assert [each for each in order if each.startswith(org)] == [f"{org}-{number}" for number in range(8)]


def test_charges_still_go_one_at_a_time_a_tariff(plays: Callable[..., Play]) -> None:
    play = plays(organisations=TWO)
    first, second = play.charge(), play.charge(org="ORG2")
    play.parcel(first, second)
    assert [play.state(first), play.state(second)] == [ChargeState.SENDING, ChargeState.INTENDED]
    play.answer(message_id="1")
    play.receipt("1")
    assert play.state(second) is ChargeState.SENDING


# an organisation's rate -----------------------------------------------------------------------------------


def test_an_organisation_at_its_rate_waits_and_others_do_not(plays: Callable[..., Play]) -> None:
    play = plays(organisations=TWO, window=100)
    play.queues["telco"].rates.rate = 2
    play.parcel(*[send(play, f"1-{number}") for number in range(5)], send(play, "2-0", org="ORG2"))
    assert sorted(each.outgoing.text for each in play.submitted) == ["1-0", "1-1", "2-0"]
    plan = play.decide()
    assert plan.stalled["telco"] == pytest.approx(play.clock.us + SECOND_US / 2, abs=2)
    play.clock.advance(1.01)
    play.turn()
    assert sorted(each.outgoing.text for each in play.submitted)[:4] == ["1-0", "1-1", "1-2", "1-3"]


def test_an_organisations_rate_spans_its_operators(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator("telco"), operator("mobilia")], window=100)
    play.text("hei", OLA)
    play.turn(play.delivered(mo("hei", KARI), play.links["mobilia"][0]))
    drain(play)
    play.clock.advance(60)
    before = len(play.submitted)
    play.queues["telco"].rates.rate = 3
    play.parcel(*[send(play, "x", number=number) for number in (OLA, KARI) for _ in range(5)])
    assert len(play.submitted) - before == 3


# the bind an MO came on -----------------------------------------------------------------------------------


def pinned(plays: Callable[..., Play], **settings: object) -> Play:
    return plays(operators=[operator(reply_on_same_bind=True, **settings)], window=3, binds=3)


def test_an_answer_goes_down_the_bind_its_mo_came_on(plays: Callable[..., Play]) -> None:
    play = pinned(plays)
    for link in play.links["telco"]:
        play.turn(play.delivered(mo("HJELP", f"+4799900{play.links['telco'].index(link):03d}"), link))
    assert [len(link.submitted) for link in play.links["telco"]] == [1, 1, 1]


def test_so_do_the_bridges_replies_and_charges(plays: Callable[..., Play]) -> None:
    play = pinned(plays)
    third = play.links["telco"][2]
    play.turn(play.delivered(mo("ORG1 BETAL 50"), third))
    conversation = play.value("SELECT id FROM messages WHERE direction = 'in'")
    play.parcel(play.charge(conversation))
    play.parcel(play.reply(conversation), play.send(conversation=conversation))
    assert [len(link.submitted) for link in play.links["telco"]] == [0, 0, 3]


def test_without_the_setting_any_bind_will_do(plays: Callable[..., Play]) -> None:
    play = plays(window=3, binds=3)
    play.turn(play.delivered(mo("HJELP"), play.links["telco"][2]))
    assert play.links["telco"][2].submitted == []


def test_a_full_bind_is_waited_for_and_others_go_on(plays: Callable[..., Play]) -> None:
    play = pinned(plays)
    second = play.links["telco"][1]
    for number in range(5):
        play.turn(play.delivered(mo("HJELP", f"+479990000{number}"), second))
    assert len(second.submitted) == 3
    play.clock.advance(3600)
    play.turn()
    assert [len(link.submitted) for link in play.links["telco"]] == [0, 3, 0]
    assert play.decide().stalled == {"telco": None}
    play.parcel(play.send(number="+4799911111"))
    assert len(play.submitted) == 4
    play.answer(second.pending[0])
    assert len(second.submitted) == 4


def test_a_bind_that_is_down_is_waited_for_up_to_its_time_then_any_will_do(
    plays: Callable[..., Play],
) -> None:
    play = pinned(plays, same_bind_wait_s=30)
    second = play.links["telco"][1]
    second.can_submit = False
    play.turn(play.delivered(mo("HJELP"), second))
    assert play.submitted == []
    assert play.decide().stalled == {"telco": NOON + 30 * SECOND_US}
    play.tick(29)
    assert play.submitted == []
    play.tick(1)
    assert len(play.submitted) == 1
    assert second.submitted == []


def test_a_bind_that_comes_back_in_time_gets_its_answer(plays: Callable[..., Play]) -> None:
    play = pinned(plays)
    second = play.links["telco"][1]
    second.can_submit = False
    play.turn(play.delivered(mo("HJELP"), second))
    play.tick(20)
    second.can_submit = True
    play.turn()
    assert len(second.submitted) == 1


def test_the_bind_is_known_after_a_restart(plays: Callable[..., Play]) -> None:
    play = pinned(plays)
    for link in play.links["telco"]:
        link.can_submit = False
    play.turn(play.delivered(mo("HJELP"), play.links["telco"][2]))
    play.crash()
    play.turn()
    assert [len(link.submitted) for link in play.links["telco"]] == [0, 0, 1]


def test_what_came_on_a_receiver_goes_by_the_transmitter_of_its_pair(plays: Callable[..., Play]) -> None:
    play = pinned(plays)
    senders = [FakeLink(f"telco-tx-{number}", 3) for number in (1, 2)]
    receiver = FakeLink("telco-rx-2", 3)
    play.links["telco"] = [*senders, receiver]
    play.connections.update({link: play._bound() for link in play.links["telco"]})
    item = play.delivered(mo("HJELP"), receiver)
    receiver.can_submit = False
    play.turn(item)
    assert [len(link.submitted) for link in play.links["telco"]] == [0, 1, 0]


def test_a_receipt_is_taken_on_any_bind_of_the_account(plays: Callable[..., Play]) -> None:
    play = plays(binds=3)
    wish = play.start_charge()
    play.answer(message_id="7")
    first = play.submitted[0]
    other = next(link for link in play.links["telco"] if first not in link.submitted)
    play.turn(play.delivered(receipt("7"), other))
    assert play.state(wish) is ChargeState.CHARGED


# expiry ---------------------------------------------------------------------------------------------------


def test_what_waited_too_long_is_given_up_even_where_no_bind_is_up(plays: Callable[..., Play]) -> None:
    play = plays()
    play.link.can_submit = False
    wish = send(play, "for seint")
    play.parcel(wish, play.reply())
    play.tick(86_399)
    assert play.told(SmsSettled) == []
    play.tick(2)
    assert [(each.sms, each.fate) for each in play.told(SmsSettled)] == [(wish.id, MessageFate.EXPIRED)]
    assert len(play.queues["telco"]) == 0
    play.link.can_submit = True
    play.tick(1)
    assert play.submitted == []
    assert play.rows("SELECT DISTINCT fate FROM messages") == [("expired",)]


def test_what_waits_in_the_store_is_given_up_too(plays: Callable[..., Play]) -> None:
    play = plays(queue_limit=2)
    play.link.can_submit = False
    play.parcel(*[send(play, str(number)) for number in range(9)])
    play.tick(86_401)
    for _ in range(8):
        play.tick(1)
    assert play.value("SELECT count(*) FROM messages WHERE fate = 'expired'") == 9
    assert len(play.told(SmsSettled)) == 9
    assert not play.queues["telco"].behind


def test_a_charge_that_waits_for_a_bind_keeps_its_own_end(plays: Callable[..., Play]) -> None:
    play = plays()
    play.link.can_submit = False
    wish = play.charge(expires_s=60)
    play.parcel(wish)
    play.tick(61)
    assert play.state(wish) is ChargeState.NOT_CHARGED
    assert [each.fate for each in play.told(MessageState)] == [MessageFate.EXPIRED]
    play.link.can_submit = True
    play.tick(1)
    assert play.submitted == []


def test_what_is_given_up_and_what_goes_in_one_turn_do_not_meet(plays: Callable[..., Play]) -> None:
    play = plays(window=1)
    play.parcel(send(play, "in the air"), send(play, "old"))
    play.clock.advance(86_401)
    play.parcel(send(play, "new"))
    play.tick()
    assert drain(play) == ["in the air", "new"]


# congestion -----------------------------------------------------------------------------------------------


def test_the_highest_congestion_state_of_a_batch_is_heeded(play: Play) -> None:
    play.parcel(play.send("1"), play.send("2"))
    answers = [
        Answered(Answer(each, AnswerKind.ANSWERED, 0, f"id{level}", (Tlv(0x0428, bytes([level])),)))
        for each, level in zip(play.submitted, (100, 20), strict=True)
    ]
    assert play.decide(*answers).congestion == {"telco": 100}


# looking again --------------------------------------------------------------------------------------------


def test_a_queue_of_which_nothing_may_go_is_left_alone_until_something_comes() -> None:
    queue = OperatorQueue("telco", limit=10, rate=10, pause_s=1)
    assert not queue.may_send(1.0)
    queue.stall(50.0)
    assert queue.wakes_at(1.0) == 50.0
    queue.stall(0.0)
    assert queue.wakes_at(1.0) == 1.0


def test_an_old_one_that_goes_leaves_the_new_one_waiting() -> None:
    queue = OperatorQueue("telco", limit=10, rate=10, pause_s=1)
    stream = (Lane.FIRST, "", "")
    queue.apply([piece("old")], {}, [], 0)
    queue.apply([piece("new")], {stream: 1}, [], 1)
    (lane,) = queue.waiting()
    assert [each.outgoing.message for _, pieces in lane for each in pieces] == ["new"]
    queue.apply([piece("newer")], {stream: 2}, [], 2)
    assert len(queue) == 0


# over all of it -------------------------------------------------------------------------------------------


@given(data=st.data())
def test_whatever_the_lanes_organisations_and_bounds_nothing_is_lost_doubled_or_out_of_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    play = Play(
        tmp_path_factory.mktemp("flow"),
        organisations=TWO,
        queue_limit=data.draw(st.integers(1, 6)),
        lane_share=data.draw(st.sampled_from([0, 0.05, 0.5])),
        window=data.draw(st.integers(1, 4)),
        binds=data.draw(st.integers(1, 2)),
    )
    try:
        posted: list[str] = []
        for _ in range(data.draw(st.integers(1, 15))):
            match data.draw(st.sampled_from(["post", "answer", "written not", "full", "tick"])):
                case "post":
                    batch = []
                    for _ in range(data.draw(st.integers(1, 6))):
                        org = data.draw(st.sampled_from(["ORG1", "ORG2"]))
                        purpose = data.draw(st.sampled_from(["code", "dialog", "bulk"]))
                        posted.append(f"{org} {purpose} {len(posted):03d}")
                        batch.append(send(play, posted[-1], purpose, org))
                    play.parcel(*batch)
                case "answer" if play.link.pending:
                    play.answer(play.link.pending[0])
                case "written not" if play.link.pending:
                    last = play.link.pending[-1]
                    play.submitted.remove(last)
                    play.answer(last, kind=AnswerKind.NEVER_WRITTEN)
                case "full":
                    play.link.can_submit = not play.link.can_submit
                case _:
                    play.tick(1)
        for links in play.links.values():
            for link in links:
                link.can_submit = True
        play.turn()
        order = drain(play)
        assert Counter(order) == Counter(posted)
        assert play.rows("SELECT DISTINCT fate FROM messages") == ([("accepted",)] if posted else [])
    finally:
        play.close()


@given(data=st.data())
def test_without_disturbance_every_stream_keeps_its_order_however_small_the_memory(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    play = Play(
        tmp_path_factory.mktemp("order"),
        organisations=TWO,
        queue_limit=data.draw(st.integers(1, 5)),
        lane_share=data.draw(st.sampled_from([0, 0.05, 0.5])),
        window=data.draw(st.integers(1, 3)),
    )
    try:
        posted: list[str] = []
        for _ in range(data.draw(st.integers(1, 10))):
            batch = []
            for _ in range(data.draw(st.integers(1, 6))):
                org = data.draw(st.sampled_from(["ORG1", "ORG2"]))
                purpose = data.draw(st.sampled_from(["code", "dialog", "bulk"]))
                posted.append(f"{org} {purpose} {len(posted):03d}")
                batch.append(send(play, posted[-1], purpose, org))
            play.parcel(*batch)
            if play.link.pending and data.draw(st.booleans()):
                play.answer(play.link.pending[0])
        order = drain(play)
        assert sorted(order) == sorted(posted)
        for stream in {each[:-4] for each in posted}:
            assert [each for each in order if each.startswith(stream)] == [
                each for each in posted if each.startswith(stream)
            ]
    finally:
        play.close()


async def test_an_engine_does_not_turn_for_what_may_not_go_yet(tmp_path: Path) -> None:
    bench = Bench(Play(tmp_path, operators=[operator(reply_on_same_bind=True)]), binds=2)
    turns = []
    handle = bench.gateway.handle
    bench.gateway.handle = lambda *given: turns.append(1) or handle(*given)  # type: ignore[method-assign]
    second = bench.links[1]
    second.can_submit = False
    await bench.start()
    try:
        await bench.deliver(mo("HJELP"), link=second)
        before = len(turns)
        await bench.settle()
        assert len(turns) == before
        assert bench.link.submitted == []
        second.can_submit = True
        bench.engine.on_state(second, LinkState.BOUND, "bound")  # type: ignore[arg-type]
        await bench.settle()
        assert len(second.submitted) == 1
    finally:
        await bench.stop()
        bench.play.close()


async def test_an_engine_remembers_what_an_organisation_sent(tmp_path: Path) -> None:
    bench = await Bench(Play(tmp_path, organisations=TWO)).start()
    try:
        bench.queues["telco"].rates.rate = 2
        await bench.parcel(*[send(bench.play, str(number)) for number in range(5)])
        await bench.tick()
        assert len(bench.link.submitted) == 2
        bench.clock.advance(0.51)
        await bench.tick()
        assert len(bench.link.submitted) == 3
    finally:
        await bench.stop()
        bench.play.close()


async def test_an_engine_sends_the_reply_of_one_before_the_crowd_of_another(tmp_path: Path) -> None:
    bench = await Bench(Play(tmp_path, organisations=TWO), window=1).start()
    try:
        await bench.parcel(*[send(bench.play, "mange") for _ in range(20)])
        await bench.deliver(mo("HJELP", KARI))
        await bench.answer()
        assert [each.outgoing.purpose for each in bench.link.submitted] == ["send", "reply"]
    finally:
        await bench.stop()
        bench.play.close()
