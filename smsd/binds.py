"""How each bind fares: counted and timed beside the engine, told as JSON at ``/binds`` and as metrics.

Nothing here decides anything: a watched link is a link, and its listener hears what it would hear.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
import structlog

from foundation.clock import SECOND_US, Clock, utc
from foundation.redaction import redact_text
from smsd.links import Seldom
from smsd.metrics import BindMeter, Metrics
from smsd.queues import OperatorQueue
from smsd.settings_operators import Operator
from smsd.smpp.constants import CommandStatus
from smsd.smpp.link import Answer, AnswerKind, Connector, Link, LinkListener, LinkSettings, LinkState
from smsd.smpp.pdu import DeliverSm, Frame, Pdu
from smsd.smpp.submit_words import submit_refused
from smsd.smpp.trace import Trace, TraceSettings, traced

__all__ = [
    "BindView",
    "BindsView",
    "Recent",
    "Tracing",
    "WatchedLink",
    "account_gauges",
    "bind_gauges",
    "look",
    "watching",
]

log = structlog.get_logger(__name__)
_RECENT_S: Final = 10
_THROTTLED: Final = frozenset({CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL})


class BindView(msgspec.Struct, frozen=True):
    """One bind as it stands. Counts are since the program began; rates and `answer_ms` of the last 10 s."""

    operator: str
    bind: str
    state: str
    since: str
    since_s: int
    window: int
    pending: int
    submits: int
    delivers: int
    throttled: int
    reconnects: int
    faults: int
    submits_per_s: float
    delivers_per_s: float
    answer_ms: float | None
    queue: int
    last_error: str
    last_fault: str


class BindsView(msgspec.Struct, frozen=True):
    """All binds of one gateway, at one moment (UTC, RFC 3339)."""

    gateway: str
    at: str
    binds: tuple[BindView, ...]


class Recent:
    """What happened in the last seconds, second by second: how often, and what it added up to."""

    __slots__ = ("_counts", "_seconds", "_totals")

    def __init__(self) -> None:
        self._seconds = [-1] * _RECENT_S
        self._counts = [0] * _RECENT_S
        self._totals = [0.0] * _RECENT_S

    def add(self, now: float, count: int = 1, total: float = 0.0) -> None:
        """It happened `count` times at this moment (monotonic seconds)."""
        second = int(now)
        at = second % _RECENT_S
        if self._seconds[at] != second:
            self._seconds[at], self._counts[at], self._totals[at] = second, 0, 0.0
        self._counts[at] += count
        self._totals[at] += total

    def _sums(self, now: float) -> tuple[int, float]:
        first = int(now) - _RECENT_S
        fresh = [at for at in range(_RECENT_S) if first < self._seconds[at] <= int(now)]
        return sum(self._counts[at] for at in fresh), sum(self._totals[at] for at in fresh)

    def per_s(self, now: float) -> float:
        """How often a second."""
        return self._sums(now)[0] / _RECENT_S

    def mean(self, now: float) -> float | None:
        """What one came to; None where there was none."""
        count, total = self._sums(now)
        return total / count if count else None


class _Watch:
    """Stands between a link and its listener."""

    def __init__(self, listener: LinkListener, meter: BindMeter, clock: Clock) -> None:
        self._listener = listener
        self.meter = meter
        self._clock = clock
        self._sent: dict[int, float] = {}
        self.submits = Recent()
        self.delivers = Recent()
        self.waits = Recent()
        self.refusal = ""
        self._told = Seldom()

    def submitted(self, tag: object) -> None:
        now = self._clock.monotonic()
        # the window holds the tag until its answer, so that its identity is its own
        self._sent[id(tag)] = now
        self.submits.add(now)
        self.meter.submits += 1

    def on_state(self, link: Link, state: LinkState, detail: str) -> None:
        if state is LinkState.BOUND:
            self._told.forget()
        if state is LinkState.BOUND and link.binds > 1:
            self.meter.reconnects += 1
        self._listener.on_state(link, state, detail)

    def on_requests(self, link: Link, frames: list[Frame]) -> None:
        count = sum(isinstance(frame.pdu, DeliverSm) for frame in frames)
        self.delivers.add(self._clock.monotonic(), count)
        self.meter.delivers += count
        self._listener.on_requests(link, frames)

    def on_answers(self, link: Link, answers: list[Answer]) -> None:
        now = self._clock.monotonic()
        count, total = 0, 0.0
        for answer in answers:
            at = self._sent.pop(id(answer.tag), None)
            if answer.kind is not AnswerKind.ANSWERED or at is None:
                continue
            count += 1
            total += now - at
            self.meter.answered(now - at)
            if answer.status in _THROTTLED:
                self.meter.throttled += 1
            elif answer.status:
                self._refused(link, answer)
        self.waits.add(now, count, total)
        self._listener.on_answers(link, answers)

    def _refused(self, link: Link, answer: Answer) -> None:
        pdu = getattr(answer.tag, "pdu", None)
        self.refusal = submit_refused(answer.status, getattr(pdu, "tlvs", ()))
        if times := self._told.tell(self.refusal):
            log.warning("submit.refused", link=link.name, why=self.refusal, times=times)


class WatchedLink(Link):
    """A link that counts and times what goes over it."""

    def __init__(
        self,
        settings: LinkSettings,
        listener: LinkListener,
        *,
        clock: Clock,
        random: random.Random,
        connect: Connector | None = None,
        meter: BindMeter,
    ) -> None:
        self.watch = _Watch(listener, meter, clock)
        super().__init__(settings, self.watch, clock=clock, random=random, connect=connect)

    def submit(self, pdu: Pdu, tag: object) -> bool:
        """As `Link.submit`, counted."""
        done = super().submit(pdu, tag)
        if done:
            self.watch.submitted(tag)
        return done


def watching(operator: str, metrics: Metrics) -> Callable[..., Link]:
    """What makes this account's links watched."""

    def make(
        settings: LinkSettings,
        listener: LinkListener,
        *,
        clock: Clock,
        random: random.Random,
        connect: Connector | None = None,
    ) -> Link:
        meter = metrics.bind(operator, settings.name)
        return WatchedLink(settings, listener, clock=clock, random=random, connect=connect, meter=meter)

    return make


def bind_gauges(metrics: Metrics, operator: str, link: Link) -> None:
    """Window and use of one bind, and its faults, read when scraped."""
    labels = {"operator": operator, "bind": link.name}
    metrics.gauge("bind_window", "Places in the window", lambda: link.settings.window, **labels)
    metrics.gauge("bind_pending", "Requests that wait for their answer", lambda: link.pending, **labels)
    metrics.gauge("bind_faults", "PDUs that broke the protocol", lambda: link.faults, **labels)


def account_gauges(metrics: Metrics, operator: str, queue: OperatorQueue, clock: Clock) -> None:
    """What waits for an account and how fast it may send, read when scraped."""
    metrics.gauge("queue", "MTs that wait for a window", queue.__len__, operator=operator)
    metrics.gauge(
        "account_rate",
        "submit_sm a second that the account may send now; 0 while it rests",
        lambda: queue.pace.effective(clock.monotonic()),
        operator=operator,
    )


def look(
    gateway: str, links: Mapping[str, Sequence[Link]], queued: Callable[[str], int], clock: Clock
) -> BindsView:
    """All binds as they stand; `queued` tells how many messages wait for an operator."""
    now_us, now = clock.now_us(), clock.monotonic()
    return BindsView(
        gateway,
        _moment(now_us),
        tuple(
            _view(operator, link, queued(operator), now_us, now)
            for operator, each in links.items()
            for link in each
        ),
    )


def _view(operator: str, link: Link, queue: int, now_us: int, now: float) -> BindView:
    watch = link.watch if isinstance(link, WatchedLink) else None
    waited_s = watch.waits.mean(now) if watch is not None else None
    meter = watch.meter if watch is not None else BindMeter()
    return BindView(
        operator=operator,
        bind=link.name,
        state=str(link.state),
        since=_moment(link.since_us),
        since_s=max(0, now_us - link.since_us) // SECOND_US,
        window=link.settings.window,
        pending=link.pending,
        submits=meter.submits,
        delivers=meter.delivers,
        throttled=meter.throttled,
        reconnects=max(0, link.binds - 1),
        faults=link.faults,
        submits_per_s=watch.submits.per_s(now) if watch is not None else 0.0,
        delivers_per_s=watch.delivers.per_s(now) if watch is not None else 0.0,
        answer_ms=None if waited_s is None else round(waited_s * 1000, 1),
        queue=queue,
        last_error=redact_text(link.last_error or (watch.refusal if watch is not None else "")),
        last_fault=redact_text(link.last_fault),
    )


def _moment(at_us: int) -> str:
    return utc(at_us).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Tracing:
    """The traces of all accounts; two that name the same file share it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._traces: dict[str, Trace] = {}

    def around(self, operator: Operator) -> Callable[[Connector], Connector] | None:
        """What an account's connectors are wrapped in; None where it has no trace."""
        path = operator.trace_file
        if path is None:
            return None
        if path not in self._traces:
            settings = TraceSettings(
                path, operator.trace_file_mb, operator.trace_files, operator.trace_private
            )
            self._traces[path] = Trace(settings, self._clock)
        return partial(traced, trace=self._traces[path])

    def close(self) -> None:
        """Close all files."""
        for trace in self._traces.values():
            trace.close()
