"""Free texts leave beside the transactions, charges never do; acceptances gather, nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playbook import KARI, OLA, FakeLink, Play, mo, operator, organisation
from test_engine import Bench, Rival
from test_flow import send

from foundation.clock import SECOND_US
from foundation.store import StoreLost
from smsd.outbox import REPLY_EXPIRY_US
from smsd.smpp.link import AnswerKind, LinkState
from smsd.smpp.pdu import QuerySm
from smsd.work import Piece, Plan, Query

TWO = [organisation("ORG1"), organisation("ORG2")]
Make = Callable[..., Bench]


@pytest.fixture(name="make")
def _make(tmp_path: Path) -> Iterator[Make]:
    made: list[Bench] = []

    def make(**given: Any) -> Bench:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        plays = {key: given.pop(key) for key in ("operators", "organisations") if key in given}
        made.append(Bench(Play(folder, **plays), **given))
        return made[-1]

    yield make
    for bench in made:
        bench.play.close()


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    await bench.start()
    try:
        yield bench
    finally:
        bench.store._runner = lambda job: job()
        await bench.stop()


class Held:
    """Commits that wait until they are let go."""

    def __init__(self, bench: Bench) -> None:
        self.jobs: list[Callable[[], None]] = []
        bench.store._runner = self.jobs.append

    def let_go(self) -> None:
        jobs, self.jobs[:] = list(self.jobs), []
        for job in jobs:
            job()


def texts(link: FakeLink) -> list[str]:
    return [piece.outgoing.text for piece in link.submitted]


async def some_turns() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


def accept(bench: Bench, piece: Piece, status: int = 0, kind: AnswerKind = AnswerKind.ANSWERED) -> None:
    """Tell the engine of an answer, without waiting for what it makes of it."""
    item = bench.play.answered(piece, status, kind=kind)
    bench.link.pending = [each for each in bench.link.pending if each is not piece]
    bench.engine.on_answers(bench.link, [item.answer])  # type: ignore[arg-type]


async def test_a_window_refills_before_the_answers_that_made_room_are_committed(make: Make) -> None:
    async with running(make(window=2)) as bench:
        await bench.parcel(*[send(bench.play, str(number)) for number in range(6)])
        held, commits = Held(bench), bench.store.commits
        for piece in list(bench.link.pending):
            accept(bench, piece)
        assert texts(bench.link) == ["0", "1", "2", "3"]
        await some_turns()
        assert (len(held.jobs), bench.store.commits) == (1, commits)
        for piece in list(bench.link.pending):
            accept(bench, piece)
        assert texts(bench.link) == ["0", "1", "2", "3", "4", "5"]
        held.let_go()
        bench.store._runner = lambda job: job()
        await bench.settle()
        assert bench.play.value("SELECT count(*) FROM messages WHERE fate = 'accepted'") == 4


async def test_no_charge_leaves_before_its_commit_and_nothing_passes_it_meanwhile(make: Make) -> None:
    async with running(make(window=1)) as bench:
        await bench.parcel(send(bench.play, "fyrst"))
        wish = bench.play.charge()
        await bench.parcel(send(bench.play, "lenge", "bulk"), wish)
        held = Held(bench)
        accept(bench, bench.link.pending[0])
        await some_turns()
        # the charge's turn has come, and its transaction is decided, not committed
        assert len(bench.link.submitted) == 1
        assert held.jobs
        held.let_go()
        await some_turns()
        assert [piece.outgoing.charge for piece in bench.link.submitted] == ["", wish.id]
        assert bench.play.state(wish) == "sending"


async def test_it_keeps_off_a_queue_while_a_transaction_has_taken_from_it(make: Make) -> None:
    async with running(make(window=3)) as bench:
        bench.link.can_submit = False
        await bench.parcel(*[send(bench.play, str(number)) for number in range(3)], bench.play.charge())
        held = Held(bench)
        bench.link.can_submit = True
        bench.engine._wake.set()
        await some_turns()
        assert held.jobs
        bench.engine._send_ready()
        assert bench.link.submitted == []
        held.let_go()
        await some_turns()
        assert len(bench.link.submitted) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0x58, AnswerKind.ANSWERED),
        (0x08, AnswerKind.ANSWERED),
        (0, AnswerKind.TIMED_OUT),
        (0, AnswerKind.LOST),
    ],
)
async def test_it_rests_until_an_answer_that_is_no_acceptance_is_heeded(
    make: Make, status: int, kind: AnswerKind
) -> None:
    async with running(make(window=1)) as bench:
        await bench.parcel(*[send(bench.play, str(number)) for number in range(4)])
        held = Held(bench)
        accept(bench, bench.link.pending[0], status, kind)
        await some_turns()
        assert texts(bench.link) == ["0"]
        held.let_go()
        bench.store._runner = lambda job: job()
        await bench.settle()
        # throttled, the account pauses; refused, the next one goes; unanswered, the same goes again
        after = {(0x58, AnswerKind.ANSWERED): [], (0x08, AnswerKind.ANSWERED): ["1"]}
        assert texts(bench.link)[1:] == after.get((status, kind), ["0"])


async def test_a_query_that_finds_its_link_gone_leaves_no_text_waiting_for_ever(make: Make) -> None:
    async with running(make(window=1)) as bench:
        await bench.parcel(*[send(bench.play, str(number)) for number in range(4)])
        plan = Plan(bench.clock.now_us())
        query = Query("charge", "telco", "message", "1", QuerySm("1"))
        plan.queries = [(bench.link, query)]  # type: ignore[list-item]
        # the link dies between the commit and its effects: one answer is lost, one query never leaves
        accept(bench, bench.link.pending[0], kind=AnswerKind.LOST)
        bench.link.can_submit = False
        bench.engine._apply(plan)
        await bench.settle()
        bench.link.can_submit = True
        bench.engine.on_state(bench.link, LinkState.BOUND, "bound")  # type: ignore[arg-type]
        await bench.settle()
        for _ in range(4):
            for piece in list(bench.link.pending):
                accept(bench, piece)
            await bench.settle()
        assert texts(bench.link) == ["0", "0", "1", "2", "3"]


async def test_what_may_be_sent_again_after_a_crash_is_bounded(make: Make) -> None:
    async with running(make(window=2, batch=5)) as bench:
        await bench.parcel(*[send(bench.play, str(number)) for number in range(40)])
        Held(bench)
        for _ in range(40):
            for piece in list(bench.link.pending):
                accept(bench, piece)
            await some_turns()
        # a batch under way, a batch and one answer that wait for the next, and the window
        assert len(bench.link.submitted) <= 5 + 5 + 2 + 2


async def test_nothing_leaves_while_the_store_fails(make: Make) -> None:
    async with running(make(window=1)) as bench:
        await bench.parcel(*[send(bench.play, str(number)) for number in range(4)])
        bench.store.failures = 10**6
        await bench.deliver(mo("HJELP"))
        await bench.until(lambda: not bench.engine.healthy)
        accept(bench, bench.link.pending[0])
        await some_turns()
        assert texts(bench.link) == ["0"]
        bench.store.failures = 0
        await bench.until(lambda: len(bench.link.submitted) == 2)


async def test_nothing_leaves_once_the_store_is_anothers(make: Make) -> None:
    async with running(make(window=1)) as bench:
        await bench.parcel(*[send(bench.play, str(number)) for number in range(4)])
        rival = Rival()
        rival.taken_over = True
        bench.store.owner = rival  # type: ignore[assignment]
        accept(bench, bench.link.pending[0])
        assert texts(bench.link) == ["0"]
        assert bench.running is not None
        with pytest.raises(StoreLost):
            await bench.running
        assert texts(bench.link) == ["0"]


async def test_nothing_leaves_after_the_order_to_stop_sending(make: Make) -> None:
    async with running(make(window=1)) as bench:
        await bench.parcel(*[send(bench.play, str(number)) for number in range(4)])
        bench.engine.stop_sending()
        await bench.answer()
        assert texts(bench.link) == ["0"]


async def test_what_has_expired_is_given_up_and_what_is_behind_it_goes(make: Make) -> None:
    async with running(make(window=1)) as bench:
        await bench.parcel(*[send(bench.play, f"gamal {number}") for number in range(3)])
        bench.clock.us += REPLY_EXPIRY_US - SECOND_US
        await bench.parcel(send(bench.play, "ny"))
        bench.clock.us += 2 * SECOND_US
        await bench.answer()
        assert texts(bench.link) == ["gamal 0", "ny"]
        assert bench.play.value("SELECT count(*) FROM messages WHERE fate = 'expired'") == 2


async def test_a_long_text_given_up_leaves_no_further_part(make: Make) -> None:
    async with running(make(window=1)) as bench:
        await bench.parcel(send(bench.play, "x" * 400), send(bench.play, "etter"))
        await bench.answer(status=0x0B)
        assert [piece.part for piece in bench.link.submitted] == [1, 1]
        assert texts(bench.link)[-1] == "etter"


async def test_the_rate_of_the_account_holds(make: Make) -> None:
    async with running(make(operators=[operator(rate=3)], window=10)) as bench:
        await bench.parcel(*[send(bench.play, str(number)) for number in range(9)])
        assert len(bench.link.submitted) == 3
        for piece in list(bench.link.pending):
            accept(bench, piece)
        await bench.settle()
        assert len(bench.link.submitted) == 3
        bench.clock.advance(1)
        await bench.tick()
        assert len(bench.link.submitted) == 6


async def test_binds_share_the_work(make: Make) -> None:
    async with running(make(binds=2, window=5)) as bench:
        bench.clock.advance(1)
        await bench.parcel(*[send(bench.play, str(number)) for number in range(8)])
        assert [len(link.submitted) for link in bench.links] == [4, 4]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    wanted=st.lists(
        st.tuples(st.sampled_from(["ORG1", "ORG2"]), st.sampled_from(["", "code", "bulk"])), max_size=25
    ),
    steps=st.lists(st.integers(1, 6), min_size=30, max_size=30),
)
def test_it_takes_in_the_order_of_a_transaction(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[tuple[str, str]], steps: list[int]
) -> None:
    orders = []
    for pumped in (False, True):
        play = Play(tmp_path_factory.mktemp("order"), organisations=TWO, window=100)
        try:
            play.link.can_submit = False
            play.parcel(
                *[send(play, str(place), purpose, org) for place, (org, purpose) in enumerate(wanted)]
            )
            play.link.can_submit = True
            queue = play.queues["telco"]
            order: list[str] = []
            for step in steps:
                if pumped:
                    assert queue.plain
                    order += [each.outgoing.text for each in queue.take_plain(step, play.clock.us)]
                else:
                    play.link.window = step + len(play.link.pending)
                    plan = play.decide()
                    play.carry_out(plan)
                    order += [piece.outgoing.text for _, piece in plan.submits]
            orders.append(order)
            assert len(queue) == 0
        finally:
            play.close()
    assert orders[0] == orders[1]
    assert sorted(orders[0], key=int) == [str(place) for place in range(len(wanted))]


# gathering ------------------------------------------------------------------------------------------------


async def test_acceptances_gather(make: Make) -> None:
    async with running(make(window=10, gather_s=3600.0)) as bench:
        await bench.parcel(*[send(bench.play, str(number)) for number in range(4)])
        commits = bench.store.commits
        for piece in list(bench.link.pending):
            accept(bench, piece)
            await some_turns()
        assert (bench.engine.waiting, bench.store.commits) == (4, commits)


async def test_what_gathered_is_written_after_a_moment_though_nothing_else_comes(make: Make) -> None:
    async with running(make(window=10, gather_s=0.001)) as bench:
        await bench.parcel(*[send(bench.play, str(number)) for number in range(4)])
        for piece in list(bench.link.pending):
            accept(bench, piece)
        assert bench.engine.waiting == 4
        async with asyncio.timeout(60):
            while bench.engine.waiting:
                await asyncio.sleep(0.001)
        await some_turns()
        assert bench.play.value("SELECT count(*) FROM messages WHERE fate = 'accepted'") == 4


async def test_a_text_from_a_phone_takes_what_gathered_with_it(make: Make) -> None:
    async with running(make(window=10, gather_s=3600.0)) as bench:
        await bench.parcel(send(bench.play, "ein", number=OLA), send(bench.play, "to", number=KARI))
        for piece in list(bench.link.pending):
            accept(bench, piece)
        await some_turns()
        assert bench.engine.waiting == 2
        (frame,) = await bench.deliver(mo("ORG1 STATUS"))
        assert bench.link.responses == [(frame, 0)]
        assert bench.play.value("SELECT count(*) FROM messages WHERE fate = 'accepted'") == 2


async def test_the_answer_to_a_charge_is_written_at_once(make: Make) -> None:
    async with running(make(window=10, gather_s=3600.0)) as bench:
        wish = bench.play.charge()
        await bench.parcel(wish)
        await bench.answer()
        assert bench.play.state(wish) == "accepted"


@pytest.mark.parametrize(("status", "kind"), [(0x0B, AnswerKind.ANSWERED), (0, AnswerKind.TIMED_OUT)])
async def test_what_is_no_acceptance_is_written_at_once(make: Make, status: int, kind: AnswerKind) -> None:
    async with running(make(window=10, gather_s=3600.0)) as bench:
        await bench.parcel(send(bench.play, "ein"))
        await bench.answer(status=status, kind=kind)
        assert bench.engine.waiting == 0


async def test_half_a_batch_is_written_at_once(make: Make) -> None:
    async with running(make(window=10, batch=6, gather_s=3600.0)) as bench:
        await bench.parcel(*[send(bench.play, str(number)) for number in range(6)])
        for piece in list(bench.link.pending)[:4]:
            accept(bench, piece)
        await bench.settle()
        assert bench.engine.waiting == 0


async def test_a_stop_writes_what_gathered(make: Make) -> None:
    async with running(make(window=10, gather_s=3600.0)) as bench:
        await bench.parcel(send(bench.play, "ein"))
        accept(bench, bench.link.pending[0])
        bench.engine.stop_sending()
        bench.engine.finish()
        assert bench.running is not None
        await asyncio.wait_for(bench.running, 60)
        assert bench.play.value("SELECT count(*) FROM messages WHERE fate = 'accepted'") == 1
