"""A crowd of phones for benchmarks: texts at a rate, and how long their replies take.

Bounded in count and in time; measured on the simulator's own monotonic clock.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.smsc.agenda import Deed

MAX_COUNT = 500_000
NUMBER_DIGITS = 10
KEPT_RUNS = 20


class LoadOrder(BaseModel):
    """A run: `count` phones, numbered on from `from_prefix`, each texting `texts[i % len]` to `to` once.

    Numbers are the prefix and a count filled with zeros to ten digits (`47910` → 4791000000, 4791000001, …).
    `{i}` in a text stands for the phone's place. `rate` is texts a second, 0 as fast as the binds take them.
    A conversation is done with its reply number `replies`; the run ends with all done, or at `timeout_s`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_prefix: str = Field(pattern=r"^\+?[1-9][0-9]{1,8}$")
    count: int = Field(ge=1, le=MAX_COUNT)
    to: str = Field(pattern=r"^[0-9]{2,15}$")
    texts: tuple[str, ...] = Field(min_length=1, max_length=1000)
    rate: float = Field(default=100.0, ge=0, le=100_000)
    replies: int = Field(default=1, ge=0, le=100)
    timeout_s: float = Field(default=600.0, gt=0, le=3600)

    @model_validator(mode="after")
    def _fits(self) -> LoadOrder:
        room = 10 ** (NUMBER_DIGITS - len(self.prefix))
        if self.count > room:
            raise ValueError(
                f"from_prefix leaves room for {room} numbers, {self.count} are asked for; shorten it"
            )
        if any(not text or len(text) > 2000 for text in self.texts):
            raise ValueError("a text has 1 to 2000 characters")
        return self

    @property
    def prefix(self) -> str:
        """The digits that all numbers of the run begin with."""
        return self.from_prefix.lstrip("+")


class LoadState(StrEnum):
    """Whether a run goes on."""

    RUNNING = "running"
    DONE = "done"
    TIMED_OUT = "timed_out"
    STOPPED = "stopped"


class Load:
    """One run's books. Times are seconds, monotonic; a time of 0 means: not yet."""

    def __init__(self, load_id: str, order: LoadOrder, now: float) -> None:
        self.id = load_id
        self.order = order
        self.state = LoadState.RUNNING
        self.started = now
        self.ended = 0.0
        self.begun = 0
        self.sent = 0
        self.answered = 0
        self.refused = 0
        self.replies = 0
        self.replied = 0
        self.done = 0
        self._digits = NUMBER_DIGITS - len(order.prefix)
        self._due = array("d", bytes(8 * order.count))
        self._sent = array("d", bytes(8 * order.count))
        self._first = array("d", bytes(8 * order.count))
        self._last = array("d", bytes(8 * order.count))
        self._replies = array("L", bytes(array("L").itemsize * order.count))

    def take_due(self, now: float, room: int) -> Iterator[tuple[int, str, str]]:
        """Place, number and text of each phone that is to text now, `room` at most."""
        order = self.order
        left = order.count - self.begun
        wanted = int((now - self.started) * order.rate) + 1 - self.begun if order.rate else left
        for _ in range(max(0, min(left, wanted, room))):
            place = self.begun
            self.begun += 1
            self._due[place] = self.started + place / order.rate if order.rate else now
            text = order.texts[place % len(order.texts)].replace("{i}", str(place))
            yield place, f"{order.prefix}{place:0{self._digits}d}", text

    def on_sent(self, place: int, now: float) -> None:
        """The phone's text left for the ESME."""
        self.sent += 1
        self._sent[place] = now

    def on_answered(self, accepted: bool, now: float) -> None:
        """The ESME answered the text's last segment."""
        self.answered += 1
        self.refused += not accepted
        self._end_if_done(now)

    def on_reply(self, digits: str, now: float) -> None:
        """A whole message came to this number; others' numbers are none of the run's."""
        order = self.order
        rest = digits.removeprefix(order.prefix)
        if len(digits) != NUMBER_DIGITS or len(rest) != self._digits or not rest.isdigit():
            return
        place = int(rest)
        if place >= order.count or not self._sent[place]:
            return
        self.replies += 1
        self._replies[place] += 1
        count = self._replies[place]
        if count == 1:
            self.replied += 1
            self._first[place] = now
        if count == order.replies:
            self.done += 1
            self._last[place] = now
            self._end_if_done(now)

    def tick(self, now: float) -> None:
        """Ends the run where its time is over."""
        if self.state is LoadState.RUNNING and now - self.started >= self.order.timeout_s:
            self._end(LoadState.TIMED_OUT, now)

    def stop(self, now: float) -> None:
        """Ends the run before its time; texts already under way still go."""
        if self.state is LoadState.RUNNING:
            self._end(LoadState.STOPPED, now)

    def report(self, now: float) -> dict[str, Any]:
        """Counts, and once the run has ended the latencies in milliseconds.

        `from_due` measures from when the text was due by the rate, `from_sent` from when it left.
        """
        running = self.state is LoadState.RUNNING
        elapsed_s = (now if running else self.ended) - self.started
        return {
            "id": self.id,
            "state": self.state,
            "count": self.order.count,
            "sent": self.sent,
            "answered": self.answered,
            "refused": self.refused,
            "replies": self.replies,
            "replied": self.replied,
            "done": self.done,
            "elapsed_s": round(elapsed_s, 3),
            "conversations_a_second": round(self.done / elapsed_s, 1) if elapsed_s > 0 else 0.0,
            "first_reply_ms": None if running else self._latencies(self._first),
            "done_ms": None if running else self._latencies(self._last),
        }

    def _latencies(self, ends: array[float]) -> dict[str, dict[str, float]]:
        def since(starts: array[float]) -> dict[str, float]:
            return percentiles([end - start for start, end in zip(starts, ends, strict=True) if end])

        return {"from_sent": since(self._sent), "from_due": since(self._due)}

    def _end_if_done(self, now: float) -> None:
        count = self.order.count
        whole = self.answered >= count and (self.done >= count or not self.order.replies)
        if whole and self.state is LoadState.RUNNING:
            self._end(LoadState.DONE, now)

    def _end(self, state: LoadState, now: float) -> None:
        self.state = state
        self.ended = now


def percentiles(seconds: list[float]) -> dict[str, float]:
    """p50, p90, p99 and the most, in milliseconds (nearest rank); empty where there is nothing to measure."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    last = len(ordered) - 1
    ranks = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[round(rank * last)] * 1000, 3) for name, rank in ranks.items()}


class Loads:
    """The runs, one going on at a time and the latest ones kept for their reports."""

    TICK_S = 0.002

    def __init__(
        self,
        now: Callable[[], float],
        later: Callable[[float, Deed], None],
        *,
        send: Callable[[Load, int, str, str], None],
        room: Callable[[], int],
    ) -> None:
        self._now = now
        self._later = later
        self._send = send
        self._room = room
        self._runs: dict[str, Load] = {}
        self._count = 0
        self.current: Load | None = None

    def begin(self, order: LoadOrder) -> Load | None:
        """Starts a run; None where one is going on."""
        if self.current is not None and self.current.state is LoadState.RUNNING:
            return None
        self._count += 1
        load = Load(str(self._count), order, self._now())
        self._runs[load.id] = load
        while len(self._runs) > KEPT_RUNS:
            del self._runs[next(iter(self._runs))]
        self.current = load
        self._tick(load)
        return load

    def find(self, load_id: str) -> Load | None:
        """A run by its id, where it is still kept."""
        return self._runs.get(load_id)

    def _tick(self, load: Load) -> None:
        now = self._now()
        load.tick(now)
        if load.state is not LoadState.RUNNING:
            if self.current is load:
                self.current = None
            return
        for place, digits, text in load.take_due(now, self._room()):
            self._send(load, place, digits, text)
        self._later(self.TICK_S, lambda: self._tick(load))
