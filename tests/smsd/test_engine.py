"""The loop: commits before effects, a failing store, poison set aside, back-pressure, a graceful end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from playbook import OLA, FakeLink, HandClock, Play, mo, receipt, settings_of
from prometheus_client import CollectorRegistry, generate_latest

from foundation.contract import BridgeParcel, GatewayParcel, Message, Pay
from foundation.courier import Courier, CourierSettings
from foundation.health import Check
from foundation.ids import Ids
from foundation.mailbox import Outbox, Posted
from foundation.store import Store, StoreFailed, StoreLost, run_at_once
from smsd.assembly import make_gateway, make_queues
from smsd.daemon import Daemon
from smsd.engine import Engine, EngineLimits
from smsd.metrics import Metrics
from smsd.smpp.link import Answer, AnswerKind, LinkState
from smsd.smpp.pdu import Frame, Pdu
from smsd.smpp.session import GOODBYE
from smsd.work import Tick

TURNS = 3000


class FickleStore(Store):
    """A store that fails as often as it is told to; what it does is real."""

    failures = 0

    async def run(self, unit: Callable[..., Any]) -> Any:
        if self.failures:
            self.failures -= 1
            raise StoreFailed("the disk is full")
        return await super().run(unit)


class Rival:
    """An owner whose store is taken over between a commit and what follows from it."""

    taken_over = False

    def holds(self, connection: object) -> bool:
        """In the transaction: as if the other came right after it."""
        return True

    def holds_now(self) -> bool:
        return not self.taken_over

    def words(self) -> str:
        return "process 1 on elsewhere"

    def give_back(self, connection: object) -> None:
        """Nothing to give back."""

    def close(self) -> None:
        """Nothing to close."""


class Recorder:
    """A carrier that keeps what is offered."""

    healthy = True

    def __init__(self) -> None:
        self.offered: list[Posted] = []

    async def run(self, receiver: object) -> None:
        """Nothing comes from here."""

    def offer(self, posted: Any) -> None:
        self.offered.extend(posted)


class Bench:
    """An engine over a real store and links that take notes; time stands still."""

    def __init__(self, play: Play, *, binds: int = 1, window: int = 10, **limits: Any) -> None:
        self.play = play
        self.clock: HandClock = play.clock
        self.ids = Ids(self.clock, random.Random(9).getrandbits)
        settings = settings_of(play.url, play.operators, play.organisations, play.short_codes)
        self.queues = make_queues(settings)
        self.store = FickleStore(play.connection, runner=run_at_once)
        self.gateway = make_gateway(settings, self.queues, ids=self.ids, clock=self.clock)
        self.registry = CollectorRegistry()
        given = {"tick_s": 3600.0, "store_retry_s": 0.0, **limits}
        self.engine = Engine(
            self.gateway,
            self.store,
            self.queues,
            ids=self.ids,
            clock=self.clock,
            metrics=Metrics(self.registry),
            limits=EngineLimits(**given),
        )
        self.links = [FakeLink(f"telco-trx-{number}", window) for number in range(1, binds + 1)]
        self.engine.attach("telco", self.links)  # type: ignore[arg-type]
        self.carrier = Recorder()
        self.courier = Courier(self.store, Outbox(), self.carrier, self.clock, CourierSettings())  # type: ignore[arg-type]
        self.engine.hand_off_by(self.courier)
        self.running: asyncio.Task[None] | None = None
        self._sequence = 0

    @property
    def link(self) -> FakeLink:
        return self.links[0]

    async def start(self) -> Bench:
        await self.courier.start()
        for link in self.links:
            self.engine.on_state(link, LinkState.BOUND, "bound")  # type: ignore[arg-type]
        self.running = asyncio.create_task(self.engine.run())
        await self.settle()
        return self

    async def stop(self) -> None:
        if self.running is not None and not self.running.done():
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)

    async def settle(self) -> None:
        """Let the loop turn until all that can be done now is done."""
        for _ in range(60):
            await asyncio.sleep(0)
        for _ in range(TURNS):
            if not self.engine.waiting:
                break
            await asyncio.sleep(0)

    async def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(TURNS):
            if holds():
                return
            await asyncio.sleep(0)
        raise AssertionError("it did not come to pass")

    def frame(self, pdu: Pdu) -> Frame:
        self._sequence += 1
        return Frame(self._sequence, 0, pdu)

    async def deliver(self, *pdus: Pdu, link: FakeLink | None = None) -> list[Frame]:
        frames = [self.frame(pdu) for pdu in pdus]
        self.engine.on_requests(link or self.link, frames)  # type: ignore[arg-type]
        await self.settle()
        return frames

    async def parcel(self, *messages: Any, id: str | None = None) -> list[str]:
        body = msgspec.json.encode(
            BridgeParcel(id=id or self.ids.new(), sender="bridge", messages=list(messages))
        )
        taken = await self.engine.on_parcels([body])
        await self.settle()
        return taken

    async def answer(self, place: int = -1, status: int = 0, kind: AnswerKind = AnswerKind.ANSWERED) -> None:
        piece = self.link.submitted[place]
        self.link.pending = [each for each in self.link.pending if each is not piece]
        name = f"smsc-{len(self.link.submitted)}" if status == 0 else ""
        self.engine.on_answers(self.link, [Answer(piece, kind, status, name)])  # type: ignore[arg-type]
        await self.settle()

    async def tick(self) -> None:
        self.engine._inputs.append(Tick())
        self.engine._wake.set()
        await self.settle()

    def metric(self, name: str) -> float:
        for line in generate_latest(self.registry).decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0

    def handed(self) -> list[Any]:
        return [
            m
            for posted in self.carrier.offered
            for m in msgspec.json.decode(posted.body, type=GatewayParcel).messages
        ]


@pytest.fixture(name="bench")
async def _bench(play: Play) -> AsyncIterator[Bench]:
    bench = await Bench(play).start()
    yield bench
    await bench.stop()


@pytest.fixture(name="benches")
async def _benches(tmp_path: Path) -> AsyncIterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**settings: Any) -> Bench:
        folder = tmp_path / f"bench{len(made)}"
        folder.mkdir()
        plays = {key: settings.pop(key) for key in ("operators", "organisations") if key in settings}
        made.append(Bench(Play(folder, **plays), **settings))
        return made[-1]

    yield make
    for bench in made:
        await bench.stop()
        bench.play.close()


async def test_a_text_is_committed_answered_and_handed_off(bench: Bench) -> None:
    (frame,) = await bench.deliver(mo("ORG1 BETAL 50"))
    assert bench.link.responses == [(frame, 0)]
    assert [type(message) for message in bench.handed()] == [Message, Pay]


async def test_a_charge_is_sent_answered_and_settled(bench: Bench) -> None:
    wish = bench.play.charge()
    assert await bench.parcel(wish, id="p") == ["p"]
    await bench.answer()
    await bench.deliver(receipt("smsc-1"))
    assert bench.play.state(wish) == "charged"
    assert len(bench.link.submitted) == 1


async def test_nothing_is_answered_or_sent_while_the_store_fails(bench: Bench) -> None:
    bench.store.failures = 10**6
    bench.engine.on_requests(bench.link, [bench.frame(mo("ORG1 BETAL"))])  # type: ignore[arg-type]
    for _ in range(200):
        await asyncio.sleep(0)
    assert bench.link.responses == []
    assert bench.link.submitted == []
    assert not bench.engine.healthy
    assert bench.engine.waiting >= 0
    bench.store.failures = 0
    await bench.until(lambda: bool(bench.link.responses))
    await bench.until(lambda: bool(bench.link.submitted))
    assert bench.engine.healthy
    assert len(bench.play.rows("SELECT id FROM messages WHERE direction = 'in'")) == 1


async def test_health_says_why_though_another_s_transaction_went_well_meanwhile(bench: Bench) -> None:
    """Which writes nothing, and so needs no disk."""
    check = Daemon._checks(SimpleNamespace(), bench.store, bench.engine, SimpleNamespace())["store"]  # type: ignore[arg-type]
    bench.store.failures = 10**6
    bench.engine.on_requests(bench.link, [bench.frame(mo("ORG1 BETAL"))])  # type: ignore[arg-type]
    await bench.until(lambda: not bench.engine.healthy)
    assert bench.store.healthy
    assert check() == Check(False, "does not commit (the disk is full): nothing is sent or acknowledged")
    bench.store.failures = 0
    await bench.until(lambda: bench.engine.healthy)
    assert check() == Check(True, "commits")


@pytest.mark.parametrize("failures", [1, 2, 7])
async def test_a_store_that_fails_for_a_while_loses_and_doubles_nothing(bench: Bench, failures: int) -> None:
    wish = bench.play.charge()
    bench.store.failures = failures
    frames = [bench.frame(mo(f"ORG1 BETAL {kr}")) for kr in range(1, 6)]
    bench.engine.on_requests(bench.link, frames)  # type: ignore[arg-type]
    await bench.parcel(wish)
    await bench.settle()
    assert [frame for frame, _ in bench.link.responses] == frames
    assert [piece.outgoing.charge for piece in bench.link.submitted] == [wish.id]
    assert bench.play.value("SELECT count(*) FROM messages WHERE direction = 'in'") == 5
    assert bench.metric("smsd_store_failures_total") == failures


async def test_a_parcel_is_not_acknowledged_before_the_store_has_it(bench: Bench) -> None:
    bench.store.failures = 10**6
    body = msgspec.json.encode(BridgeParcel(id="p", sender="bridge", messages=[bench.play.reply()]))
    waiting = asyncio.create_task(bench.engine.on_parcels([body]))
    for _ in range(200):
        await asyncio.sleep(0)
    assert not waiting.done()
    bench.store.failures = 0
    assert await waiting == ["p"]


async def test_an_answer_that_came_while_the_store_failed_is_heard(bench: Bench) -> None:
    wish = bench.play.charge()
    await bench.parcel(wish)
    bench.store.failures = 3
    await bench.answer()
    await bench.until(lambda: bench.play.state(wish) == "accepted")


async def test_a_poisonous_input_is_set_aside_and_its_neighbours_are_done(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smsd.inbox import Inbox

    whole = Inbox.take

    def take(self: Any, tx: Any, plan: Any, text: Any, segments: int) -> None:
        if "gift" in text.text:
            raise ZeroDivisionError("a fault of ours")
        whole(self, tx, plan, text, segments)

    monkeypatch.setattr(Inbox, "take", take)
    texts = ["ORG1 BETAL 1", "ORG1 gift", "ORG1 BETAL 2", "gift gift", "ORG1 BETAL 3"]
    frames = await bench.deliver(*[mo(text) for text in texts])
    assert sorted(frame.sequence for frame, _ in bench.link.responses) == [frame.sequence for frame in frames]
    assert [row[0] for row in bench.play.rows("SELECT text FROM messages ORDER BY id")] == texts[::2]
    rows = bench.play.rows("SELECT kind, fault, body FROM set_aside ORDER BY id")
    assert [row[0] for row in rows] == ["Delivered", "Delivered"]
    assert all("ZeroDivisionError" in row[1] and "a fault of ours" not in row[1] for row in rows)
    assert [b"gift" in row[2] for row in rows] == [True, True]


async def test_a_lone_poisonous_input_is_set_aside_and_the_engine_lives(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smsd.inbox import Inbox

    def take(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "take", take)
        await bench.deliver(mo("ORG1 BETAL 1"))
    await bench.deliver(mo("ORG1 BETAL 2"))
    assert len(bench.link.responses) == 2
    assert bench.play.value("SELECT count(*) FROM set_aside") == 1
    assert [row[0] for row in bench.play.rows("SELECT text FROM messages")] == ["ORG1 BETAL 2"]


@pytest.mark.parametrize(
    "body", [b"", b"no json", b'{"id":"x","sender":"b","messages":[{"type":"telegram"}]}']
)
async def test_a_parcel_that_cannot_be_read_does_not_stop_the_engine(bench: Bench, body: bytes) -> None:
    await bench.engine.on_parcels([body])
    assert await bench.parcel(bench.play.reply(), id="next") == ["next"]
    assert bench.play.value("SELECT count(*) FROM set_aside") == 1


async def test_a_fault_while_sending_sets_no_innocent_input_aside(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smsd.outbox import Sender

    whole = Sender.dispatch
    faults = [True]

    def dispatch(self: Any, *given: Any) -> None:
        if faults:
            faults.pop()
            raise ZeroDivisionError
        whole(self, *given)

    monkeypatch.setattr(Sender, "dispatch", dispatch)
    await bench.deliver(mo("ORG1 BETAL 50"))
    assert bench.play.value("SELECT count(*) FROM set_aside") == 0
    assert len(bench.handed()) == 2


async def test_reading_stops_at_the_limit_and_goes_on_below_it(benches: Callable[..., Bench]) -> None:
    bench = await benches(binds=2, waiting=20, batch=5).start()
    bench.store.failures = 10**6
    for number in range(25):
        bench.engine.on_requests(bench.link, [bench.frame(mo(f"ORG1 BETAL {number + 1}"))])  # type: ignore[arg-type]
    assert [link.reading for link in bench.links] == [False, False]
    bench.store.failures = 0
    await bench.until(lambda: len(bench.link.responses) == 25)
    assert [link.reading for link in bench.links] == [True, True]


async def test_a_link_bound_while_reading_is_stopped_is_not_read(benches: Callable[..., Bench]) -> None:
    bench = await benches(waiting=1).start()
    bench.store.failures = 10**6
    bench.engine.on_requests(bench.link, [bench.frame(mo(str(n))) for n in range(3)])  # type: ignore[arg-type]
    bench.link.reading = True
    bench.engine.on_state(bench.link, LinkState.DOWN, "lost")  # type: ignore[arg-type]
    bench.engine.on_state(bench.link, LinkState.BOUND, "again")  # type: ignore[arg-type]
    assert not bench.link.reading
    bench.store.failures = 0
    await bench.until(lambda: bench.link.reading)


async def test_a_batch_grows_with_what_waits_and_has_a_limit(benches: Callable[..., Bench]) -> None:
    bench = await benches(batch=50).start()
    before = bench.store.commits
    await bench.deliver(*[mo(f"ORG1 BETAL {kr}", f"+479{kr:07d}") for kr in range(1, 201)])
    assert len(bench.link.responses) == 200
    assert bench.store.commits - before <= 8


async def test_a_link_that_takes_no_submit_after_all_leaves_the_charge_to_be_tried_again(
    bench: Bench,
) -> None:
    wish = bench.play.charge()
    refusals = [True]
    whole = bench.link.submit

    def submit(pdu: Pdu, tag: object) -> bool:
        return False if refusals and refusals.pop() else whole(pdu, tag)

    bench.link.submit = submit  # type: ignore[method-assign]
    await bench.parcel(wish)
    assert bench.play.state(wish) == "sending"
    assert bench.play.evidence(wish) == ["start", "not_written", "start"]
    assert len(bench.link.submitted) == 1


async def test_throttling_rests_the_account_until_its_time(benches: Callable[..., Bench]) -> None:
    bench = await benches().start()
    await bench.parcel(bench.play.send("en"))
    await bench.answer(status=0x58)
    await bench.parcel(bench.play.send("to"))
    assert len(bench.link.submitted) == 1
    bench.clock.advance(1)
    await bench.tick()
    assert [piece.outgoing.text for piece in bench.link.submitted] == ["en", "en", "to"]


async def test_no_more_goes_out_than_the_accounts_rate(benches: Callable[..., Bench]) -> None:
    from playbook import operator

    bench = await benches(window=100, operators=[operator(rate=5)]).start()
    await bench.parcel(*[bench.play.send(str(number)) for number in range(20)])
    assert len(bench.link.submitted) == 5
    bench.clock.advance(1)
    await bench.tick()
    assert len(bench.link.submitted) == 10


async def test_what_waits_in_the_store_is_read_back_in_order_and_once(benches: Callable[..., Bench]) -> None:
    bench = benches(window=3, read_back=10)
    bench.play.link.can_submit = False
    for start in range(0, 50, 10):
        bench.play.parcel(*[bench.play.send(f"{number}") for number in range(start, start + 10)])
    await bench.start()
    for _ in range(60):
        if bench.link.pending:
            await bench.answer(len(bench.link.submitted) - len(bench.link.pending))
    assert [piece.outgoing.text for piece in bench.link.submitted] == [str(number) for number in range(50)]


async def test_a_restart_makes_what_was_being_sent_doubtful(benches: Callable[..., Bench]) -> None:
    bench = benches()
    wish = bench.play.start_charge()
    await bench.start()
    assert bench.play.state(wish) == "in_doubt"
    assert bench.link.submitted == []


async def test_a_store_that_fails_at_the_start_is_waited_for(benches: Callable[..., Bench]) -> None:
    bench = benches()
    wish = bench.play.start_charge()
    await bench.courier.start()
    bench.store.failures = 5
    bench.running = asyncio.create_task(bench.engine.run())
    await bench.until(lambda: bench.play.state(wish) == "in_doubt")


async def test_a_graceful_end_takes_all_that_came_and_sends_nothing_new(bench: Bench) -> None:
    bench.engine.stop_sending()
    frames = [bench.frame(mo(f"ORG1 BETAL {kr}")) for kr in (1, 2)] + [bench.frame(mo("ORG1 BETAL"))]
    bench.engine.on_requests(bench.link, frames)  # type: ignore[arg-type]
    bench.engine.finish()
    assert bench.running is not None
    await asyncio.wait_for(bench.running, 60)
    assert [frame for frame, _ in bench.link.responses] == frames
    assert bench.link.submitted == []
    assert bench.play.value("SELECT count(*) FROM messages WHERE direction = 'out'") == 1


async def test_answers_that_come_at_the_end_are_still_heard(bench: Bench) -> None:
    wish = bench.play.charge()
    await bench.parcel(wish)
    bench.engine.stop_sending()
    piece = bench.link.submitted[0]
    bench.engine.on_answers(bench.link, [Answer(piece, AnswerKind.ANSWERED, 0, "1")])  # type: ignore[arg-type]
    bench.engine.finish()
    assert bench.running is not None
    await asyncio.wait_for(bench.running, 60)
    assert bench.play.state(wish) == "accepted"


async def test_a_parcel_that_a_command_posted_beside_us_is_offered(bench: Bench) -> None:
    def post(tx: Any) -> None:
        Outbox().post(tx, "bridge", [("beside", b"{}")])

    bench.play.commit(post)
    await bench.tick()
    assert [posted.id for posted in bench.carrier.offered] == ["beside"]
    await bench.engine.on_acks(["beside"])
    assert bench.play.value("SELECT count(*) FROM handoff_outbox") == 0


async def test_parcels_of_our_own_are_offered_once(bench: Bench) -> None:
    await bench.deliver(mo("ORG1 BETAL 50"))
    await bench.tick()
    assert len(bench.carrier.offered) == 1


async def test_an_acknowledgement_of_an_unknown_parcel_is_ignored(bench: Bench) -> None:
    await bench.engine.on_acks(["nobody's"])


async def test_a_connections_end_and_beginning_give_it_a_new_name(bench: Bench) -> None:
    await bench.deliver(mo("ORG1 BETAL 50"))
    bench.engine.on_state(bench.link, LinkState.DOWN, "lost")  # type: ignore[arg-type]
    bench.engine.on_state(bench.link, LinkState.BOUND, "again")  # type: ignore[arg-type]
    await bench.deliver(mo("ORG1 BETAL 50"))
    assert bench.play.value("SELECT count(*) FROM messages") == 1
    assert len(bench.link.responses) == 2


async def test_binds_made_anew_for_years_fill_no_memory(bench: Bench) -> None:
    for _ in range(1500):
        bench.engine.on_state(bench.link, LinkState.DOWN, GOODBYE)  # type: ignore[arg-type]
        bench.engine.on_state(bench.link, LinkState.BOUND, "bound")  # type: ignore[arg-type]
    assert len(bench.engine._ended_well) == 1000


async def test_counts_reach_the_metrics(bench: Bench) -> None:
    await bench.deliver(mo("ORG1 BETAL 50", OLA))
    assert bench.metric('smsd_mo_total{command="Paying",operator="telco"}') == 1


async def test_a_charge_committed_before_a_pause_is_not_sent_after_another_program_took_over(
    bench: Bench,
) -> None:
    rival = Rival()
    bench.store.owner = rival
    bench.link.can_submit = False
    wish = bench.play.charge()
    await bench.parcel(wish)
    assert bench.play.state(wish) == "intended"
    rival.taken_over = True
    bench.link.can_submit = True
    bench.engine._wake.set()
    await bench.settle()
    assert bench.play.state(wish) == "sending"
    assert bench.link.submitted == []
    assert bench.running is not None
    assert bench.running.done()
    assert isinstance(bench.running.exception(), StoreLost)


async def test_a_free_text_that_waits_for_a_window_does_not_leave_after_another_program_took_over(
    benches: Callable[..., Bench],
) -> None:
    bench = await benches(window=1).start()
    rival = Rival()
    bench.store.owner = rival
    await bench.deliver(mo("ORG1 HJELP"), mo("ORG2 HJELP", OLA))
    assert len(bench.link.submitted) == 1
    rival.taken_over = True
    await bench.answer()
    assert len(bench.link.submitted) == 1
    assert bench.store.lost
