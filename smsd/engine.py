"""The gateway's one loop: takes all that has come, lets the gateway decide in one transaction, acts.

Nothing is answered, sent or handed off before the commit. Where the store fails, nothing is sent and
nothing acknowledged; what came waits, links are read no further than the limit, and the same work is
tried again until the store takes it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

import msgspec
import structlog

from foundation.clock import SECOND_US, Clock
from foundation.courier import Courier
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Outbox, Posted
from foundation.store import Store, StoreFailed, StoreLost, Tx
from smsd.charging.pauses import tell_switched
from smsd.gateway import Gateway
from smsd.heard import Heard
from smsd.inbox import TAIL_US
from smsd.links import BindLog
from smsd.metrics import Metrics
from smsd.pump import Pump
from smsd.queues import OperatorQueue
from smsd.smpp.link import Answer, AnswerKind, Link, LinkState
from smsd.smpp.pdu import Frame
from smsd.smpp.session import GOODBYE, IDLE
from smsd.store import statements as sql
from smsd.work import Answered, Delivered, Input, ParcelCame, Piece, Plan, Query, Tick

log = structlog.get_logger(__name__)

_PAGE = 1000
_MOST_ENDED = 1000
_QUIET_S = TAIL_US / SECOND_US + 1


class EngineLimits(msgspec.Struct, frozen=True):
    """How much is taken at once and how much may wait; seconds between ticks and store retries, and how long
    plain acceptances of free MTs, for which nobody waits, may gather before a transaction of their own.
    An MO that was answered after `repeat_after_s` may come again on the same bind.
    """

    batch: int = 200
    waiting: int = 1000
    read_back: int = 1000
    gather_s: float = 0.0
    tick_s: float = 1.0
    store_retry_s: float = 0.5
    repeat_after_s: float = 3.0


class Engine:
    """Runs one gateway. It is the listener of every link and the receiver of the hand-off."""

    def __init__(
        self,
        gateway: Gateway,
        store: Store,
        queues: Mapping[str, OperatorQueue],
        *,
        ids: Ids,
        clock: Clock,
        metrics: Metrics,
        limits: EngineLimits,
    ) -> None:
        self._gateway = gateway
        self._store = store
        self._queues = queues
        self._ids = ids
        self._clock = clock
        self._metrics = metrics
        self.limits = limits
        self._courier: Courier | None = None
        self._links: dict[str, list[Link]] = {name: [] for name in queues}
        self._pump = Pump(queues, self._links, clock)
        self._operator_of: dict[Link, str] = {}
        self._connections: dict[Link, str] = {}
        self._opened: dict[str, int] = {}
        self._late: dict[str, float] = {}
        self._heard: dict[str, Heard] = {}
        self._last_mo: dict[str, tuple[str, int]] = {}
        self._ticks = 0
        self._to_renew: set[str] = set()
        # what is older is forgotten by time alone
        self._ended_well: deque[str] = deque(maxlen=_MOST_ENDED)
        self._answers_lost = False
        self._inputs: deque[Input] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._bind_log = BindLog(clock)
        self._outbox = Outbox()
        self._last_seq = 0
        self._looked = False
        self._reading = True
        self._sending = True
        self._ending = False
        self.healthy = True
        self.trouble = ""
        """Why its last transaction did not commit; empty where it did."""
        self.paused: frozenset[str] = frozenset()
        """Organisations whose charges do not start, "" for all; as of the last tick."""

    def attach(self, operator: str, links: Sequence[Link]) -> None:
        """The links of an account; before `run`."""
        self._links[operator] = list(links)
        for link in links:
            self._operator_of[link] = operator

    def hand_off_by(self, courier: Courier) -> None:
        """Who is told of committed parcels; before `run`."""
        self._courier = courier

    def use(self, gateway: Gateway) -> None:
        """Decide by this gateway from the next transaction on; what waits is written as its profiles say."""
        self._to_renew |= gateway.changed(self._gateway)
        self._gateway = gateway
        self._take_up()

    @property
    def waiting(self) -> int:
        """Inputs that wait for a transaction."""
        return len(self._inputs)

    # what comes: LinkListener and Receiver

    def on_state(self, link: Link, state: LinkState, detail: str) -> None:
        if state is LinkState.BOUND:
            connection = self._ids.new()
            self._connections[link] = connection
            self._opened[connection] = self._clock.now_us()
            self._heard[connection] = Heard(link)
            if not self._reading:
                link.pause_reading()
        elif state is LinkState.DOWN:
            connection = self._connections.pop(link, "")
            self._opened.pop(connection, None)
            self._last_mo.pop(connection, None)
            self._late.pop(connection, None)
            self._heard.pop(connection, None)
            if detail in (GOODBYE, IDLE):
                self._ended_well.append(connection)
        if link in self._operator_of:
            self._queues[self._operator_of[link]].stall(0.0)
        self._bind_log.tell(link.name, state, detail)
        self._wake.set()

    def on_requests(self, link: Link, frames: list[Frame]) -> None:
        operator, connection = self._operator_of[link], self._connections.get(link, "")
        now_s = self._clock.monotonic()
        for frame in frames:
            self._inputs.append(Delivered(operator, link, connection, frame, now_s))
        if self._reading and len(self._inputs) > self.limits.waiting:
            self._reading = False
            for each in self._operator_of:
                each.pause_reading()
        self._take_up()

    def on_answers(self, link: Link, answers: list[Answer]) -> None:
        del link
        self._inputs.extend([Answered(answer) for answer in answers])
        self._pump.answered(answers)
        self._send_ready()
        if self.limits.gather_s and all(map(_can_wait, answers)):
            self._gather()
        else:
            self._take_up()

    async def on_parcels(self, bodies: list[bytes]) -> list[str]:
        """Parcels of the bridge; their ids once they are committed."""
        loop = asyncio.get_running_loop()
        coming = [ParcelCame(body, loop.create_future()) for body in bodies]
        self._inputs.extend(coming)
        self._take_up()
        return [await parcel.done for parcel in coming]

    async def on_acks(self, ids: list[str]) -> None:
        """The bridge committed these parcels of ours."""
        if self._courier is not None:
            await self._courier.on_acks(ids)

    # the loop

    async def run(self) -> None:
        """Work until `finish` is called and all that came is done."""
        posted = await self._until_stored(self._recover)
        if posted and self._courier is not None:
            # it may have read the outbox before this was in it
            self._courier.committed(posted)
        self._schedule_tick()
        while not (self._ending and not self._inputs):
            self._send_ready()
            if not self._has_work():
                self._wake.clear()
                self._wait_for_permit()
                await self._wake.wait()
                continue
            await self._turn()
        if self._timer is not None:
            self._timer.cancel()
        if not self._answers_lost:
            # the SMSC unbound after our last answer: it repeats nothing
            ended = [(connection,) for connection in self._ended_well]
            await self._until_stored(lambda tx: tx.run(sql.FORGET_CONNECTION, ended))

    def stop_sending(self) -> None:
        """No new submit_sm from now on; what comes is still taken and answered."""
        self._sending = False

    def finish(self) -> None:
        """Let `run` return once all that has come is committed."""
        self._ending = True
        self._take_up()

    def _has_work(self) -> bool:
        return (
            bool(self._to_renew)
            or bool(self._inputs and self._gathering is None)
            or (self._sending and self._pump.can_send())
        )

    def _wait_for_permit(self) -> None:
        wait_s = self._pump.wait_s() if self._sending else inf
        if wait_s < self.limits.tick_s:
            # beyond that the tick comes first
            asyncio.get_running_loop().call_later(max(0.001, wait_s), self._wake.set)

    def _gather(self) -> None:
        """Let what waits wait for more, but not for long, and not where anything else waits."""
        if len(self._inputs) > self.limits.batch // 2:
            self._take_up()
        elif self._gathering is None and all(map(_can_gather, self._inputs)):
            self._gathering = asyncio.get_running_loop().call_later(self.limits.gather_s, self._take_up)

    def _take_up(self) -> None:
        """What waits is to be taken up now."""
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        self._wake.set()

    async def _turn(self) -> None:
        if self._gathering is not None:
            self._take_up()
        while self._to_renew:
            self._queues[self._to_renew.pop()].renew(self._gateway.pieces)
        batch = [self._inputs.popleft() for _ in range(min(len(self._inputs), self.limits.batch))]
        started = self._clock.monotonic()
        try:
            plan = await self._store.run(lambda tx: self._decide(tx, batch))
        except StoreFailed as error:
            self._pump.go_on()
            self._inputs.extendleft(reversed(batch))
            await self._store_failed(error)
            return
        except StoreLost:
            raise
        except Exception:
            self._pump.go_on()
            if not batch:
                raise
            await self._one_by_one(batch)
            return
        self._recovered()
        self._metrics.batch.observe(len(batch))
        self._metrics.commit.observe(self._clock.monotonic() - started)
        self._apply(plan)
        self._pump.taken_up(batch)
        self._pump.go_on()
        self._send_ready()
        await self._read_back()
        if any(isinstance(item, Tick) for item in batch):
            for queue in self._queues.values():
                queue.retry_held()
            await self._look_for_parcels()

    def _decide(self, tx: Tx, batch: list[Input], *, send: bool = True) -> Plan:
        # read here, not sooner: until the transaction begins, the pump may fill what room there is
        rooms = self._pump.rooms() if send and self._sending else {}
        plan = self._gateway.handle(
            tx, batch, rooms, self._opened, self._pump.names(), self._late, self._heard
        )
        self._pump.keep_off(plan)
        return plan

    def _send_ready(self) -> None:
        """Send what needs no transaction, unless too much that was sent is not written down yet."""
        fit = self.healthy and not self._to_renew
        if self._sending and fit and len(self._inputs) <= self.limits.batch:
            self._pump.send(self._submit, self._store.ours)

    async def _one_by_one(self, batch: list[Input]) -> None:
        """One input of the batch cannot be handled: find it, set it aside, do the others.

        Nothing is sent meanwhile, so that a fault in sending accuses no input.
        """
        for item in batch:
            try:
                plan = await self._until_stored(lambda tx, item=item: self._decide(tx, [item], send=False))
            except StoreLost:
                raise
            except Exception as error:  # noqa: BLE001 - kept with the input, and logged
                words = f"{type(error).__name__} at {_place(error)}"
                log.error("input.refused", kind=type(item).__name__, fault=words)
                plan = await self._until_stored(
                    lambda tx, item=item, words=words: self._gateway.set_aside(tx, item, words)
                )
            self._apply(plan)
            self._pump.taken_up([item])
            self._pump.go_on()

    async def _until_stored(self, unit: Callable[..., Any]) -> Any:
        while True:
            try:
                return await self._store.run(unit)
            except StoreFailed as error:
                await self._store_failed(error)

    async def _store_failed(self, error: StoreFailed) -> None:
        self._metrics.store_failures.inc()
        if self.healthy:
            log.error(
                "store.failed", error=str(error), effect="nothing is sent or acknowledged until it works"
            )
        self.healthy = False
        self.trouble = str(error)
        await asyncio.sleep(self.limits.store_retry_s)

    def _recovered(self) -> None:
        if not self.healthy:
            log.warning("store.recovered")
            self.healthy = True
            self.trouble = ""

    def _recover(self, tx: Any) -> list[Posted]:
        plan = self._gateway.recover(tx)
        for queue in self._queues.values():
            queue.fall_behind()
        for event, fields in plan.alarms:
            log.warning(event, **fields)
        self._metrics.add(plan.counts)
        return plan.posted

    # effects

    def _apply(self, plan: Plan) -> None:
        if plan.submits and not self._store.ours():
            # paused between the commit and here: whoever took over has put these charges in doubt
            raise StoreLost("another program has taken the store over")
        for link, frame, status in plan.responses:
            if not link.respond(frame, status):
                self._answers_lost = True
        if plan.came:
            now_s = self._clock.monotonic()
            for connection, came_s in plan.came.items():
                if now_s - came_s >= self.limits.repeat_after_s:
                    self._late[connection] = now_s
                if connection in self._heard:
                    self._heard[connection].answered(plan.at_us)
        for connection, operator, _ in plan.last_mo.values():
            if connection in self._opened:
                self._last_mo[connection] = (operator, self._ticks)
        for done, parcel in plan.parcels:
            if not done.done():
                done.set_result(parcel)
        for outgoing in plan.over:
            outgoing.over = True
        self._move(plan)
        for link, piece in plan.submits:
            self._submit(link, piece)
        for link, query in plan.queries:
            self._queues[query.operator].pace.spend(1)
            if not link.submit(query.pdu, query):
                self._not_sent(query)
        if plan.posted:
            if self._courier is not None:
                self._courier.committed(plan.posted)
            if plan.posted[0].seq == self._last_seq + 1:
                self._last_seq = plan.posted[-1].seq
        self._metrics.add(plan.counts)
        for event, fields in plan.alarms:
            log.warning(event, **fields)
        if plan.switched is not None and plan.switched != self.paused:
            tell_switched(self.paused, plan.switched)
            self.paused = plan.switched
        if not self._reading and len(self._inputs) <= self.limits.waiting // 2:
            self._reading = True
            for link in self._operator_of:
                link.resume_reading()

    def _submit(self, link: Link, piece: Piece) -> None:
        if not link.submit(piece.pdu, piece):
            self._not_sent(piece)

    def _not_sent(self, tag: Piece | Query) -> None:
        answer = Answer(tag, AnswerKind.NEVER_WRITTEN)
        self._inputs.append(Answered(answer))
        self._pump.answered((answer,))

    def _move(self, plan: Plan) -> None:
        """Make the queues what the committed plan says."""
        now = self._clock.monotonic()
        for outgoing in plan.unanswered:
            outgoing.attempts += 1
        for name, queue in self._queues.items():
            enqueued = _of(plan.enqueued, name)
            retaken = _of(plan.retaken, name)
            taken = plan.taken.get(name, {})
            stalled_us = plan.stalled.get(name, 0)
            wait_s = inf if stalled_us is None else (stalled_us - plan.at_us) / SECOND_US
            queue.stall(now + wait_s if stalled_us != 0 else 0.0)
            if enqueued or retaken or taken:
                spent = sum(piece.outgoing.operator == name for _, piece in plan.submits)
                queue.apply(enqueued, taken, retaken, spent)
        for org, spent in plan.spent.items():
            next(iter(self._queues.values())).rates.spend(org, spent, plan.at_us)
        for piece in plan.held:
            self._queues[piece.outgoing.operator].hold(piece)
        for tariff in plan.released:
            for queue in self._queues.values():
                queue.release(tariff)
        for name in plan.paused:
            pause_s = self._queues[name].pace.pause(now)
            log.warning("account.paused", operator=name, pause_s=round(pause_s, 3))
        for name, level in plan.congestion.items():
            self._queues[name].pace.hint(level, now)
        for key in plan.counts:
            if key[0] == "answers" and key[2] == "accepted" and key[1] not in plan.paused:
                self._queues[key[1]].pace.went_well(now)

    async def _read_back(self) -> None:
        for name, queue in self._queues.items():
            most = self.limits.read_back
            while (wanted := queue.to_read(most // 2)) is not None:
                lane, after = wanted
                found = await self._until_stored(
                    lambda tx, name=name, lane=lane, after=after, most=most: self._gateway.read_queue(
                        tx, name, lane, after, most
                    )
                )
                queue.refill(lane, found.pieces, last=found.last, more=found.more)
                self._apply(found.plan)

    async def _look_for_parcels(self) -> None:
        """Offer parcels that a command of a system operator put into the outbox beside us."""
        while True:
            found = await self._until_stored(
                lambda tx: self._outbox.waiting(tx, BRIDGE, self._last_seq, _PAGE)
            )
            if not found:
                self._looked = True
                return
            if self._looked and self._courier is not None:
                self._courier.committed(found)
            self._last_seq = found[-1].seq

    def _schedule_tick(self) -> None:
        # counted in ticks: while the machine slept or its clock was put right, nobody watched over the binds
        self._ticks += 1
        enough = _QUIET_S / self.limits.tick_s
        quiet = tuple(
            (connection, operator)
            for connection, (operator, tick) in self._last_mo.items()
            if self._ticks - tick > enough
        )
        for connection, _ in quiet:
            del self._last_mo[connection]
        self._bind_log.look()
        self._inputs.append(Tick(quiet))
        for queue in self._queues.values():
            queue.forget_held(self._clock.now_us())
        self._take_up()
        self._timer = asyncio.get_running_loop().call_later(self.limits.tick_s, self._schedule_tick)


def _can_wait(answer: Answer) -> bool:
    """Whether nobody waits for this answer: an acceptance of a free MT that says nothing else."""
    piece = answer.tag
    return (
        answer.kind is AnswerKind.ANSWERED
        and not (answer.status or answer.tlvs)
        and isinstance(piece, Piece)
        and not piece.outgoing.charge
    )


def _can_gather(item: Input) -> bool:
    return isinstance(item, Answered) and _can_wait(item.answer)


def _of(pieces: list[Piece], operator: str) -> list[Piece]:
    return [piece for piece in pieces if piece.outgoing.operator == operator]


def _place(fault: Exception) -> str:
    """Where an error was raised, without any value that it held."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown place"
    return f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
