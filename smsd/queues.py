"""What waits for an account's windows: lanes by urgency, in each the organisations in turn.

Nothing is decided here, and it changes only after a commit. What is beyond the bounds of memory waits in
the store and is read back in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import chain, islice
from typing import Final, TypeAlias

from foundation.contract import Purpose
from smsd.pace import OrganisationRates, Pace
from smsd.renewal import Make, renewed
from smsd.work import Outgoing, Piece, Stream, Tariff


class Lane(IntEnum):
    """How urgent an MT is: a lane is served when those before it have nothing that may go, or have had so
    much that its share is due (see `Shares`)."""

    FIRST = 0
    """Somebody waits with the phone in hand: premium messages, replies, one-time codes."""
    PERSONAL = 1
    """One person wrote to another."""
    BULK = 2
    """The same to many."""


_LANES: Final = {
    **dict.fromkeys(("code", "one-time-code", "otp", "login", "confirmation", "receipt"), Lane.FIRST),
    **dict.fromkeys(("bulk", "broadcast", "campaign", "newsletter", "invitation", "reminder"), Lane.BULK),
}

Waiting: TypeAlias = "list[list[tuple[Stream, Iterator[Piece]]]]"


def lane_of(purpose: Purpose, said: str = "") -> Lane:
    """The lane of an MT: by its purpose, and of a `send` by the purpose that the bridge gave."""
    if purpose is not Purpose.SEND:
        return Lane.FIRST
    return _lane_said(said)


@lru_cache(maxsize=256)
def _lane_said(said: str) -> Lane:
    return _LANES.get(said.casefold().replace("_", "-"), Lane.PERSONAL)


def stream_of(outgoing: Outgoing) -> Stream:
    """Where it waits: in order with those of the same lane, organisation and bind."""
    return (outgoing.lane, outgoing.org, outgoing.bind)


def is_plain(piece: Piece) -> bool:
    """Whether nothing need be written before it leaves, and any link will do."""
    outgoing = piece.outgoing
    return not (outgoing.charge or outgoing.bind)


class _LaneQueue:
    """One lane: its streams in the order of their turns. `behind`: the store has more after `last_read`;
    `special`: how many in it are not plain.
    """

    __slots__ = ("behind", "count", "last_read", "special", "streams")

    def __init__(self) -> None:
        self.behind = False
        self.last_read = ""
        self.count = 0
        self.special = 0
        self.streams: dict[Stream, deque[Piece]] = {}

    def append(self, piece: Piece) -> None:
        """At the end of its stream."""
        stream = stream_of(piece.outgoing)
        pieces = self.streams.get(stream)
        if pieces is None:
            pieces = self.streams[stream] = deque()
        pieces.append(piece)
        self.count += 1
        self.special += not is_plain(piece)

    def prepend(self, piece: Piece) -> None:
        """At the head of its stream, whose turn is next."""
        stream = stream_of(piece.outgoing)
        pieces = self.streams.pop(stream, None) or deque()
        pieces.appendleft(piece)
        self.streams = {stream: pieces, **self.streams}
        self.count += 1
        self.special += not is_plain(piece)

    def take(self, stream: Stream, number: int) -> None:
        """Drop so many from a stream's head; its next turn comes after all others'."""
        pieces = self.streams.pop(stream)
        for _ in range(number):
            self.special -= not is_plain(pieces.popleft())
        self.count -= number
        if pieces:
            self.streams[stream] = pieces

    def take_plain(self, most: int, at_us: int) -> tuple[list[Piece], bool]:
        """At most so many from the heads, one of every stream in turn, and whether an expired one was met."""
        found: list[Piece] = []
        while self.streams and len(found) < most:
            stream, pieces = next(iter(self.streams.items()))
            # alone in its lane, a stream has every turn
            turns = most - len(found) if len(self.streams) == 1 else 1
            while pieces and turns:
                outgoing = pieces[0].outgoing
                if outgoing.over:
                    pieces.popleft()
                    self.count -= 1
                    continue
                if outgoing.expires_us <= at_us:
                    return found, True
                found.append(pieces.popleft())
                self.count -= 1
                turns -= 1
            del self.streams[stream]
            if pieces:
                self.streams[stream] = pieces
        return found, False


_Parts: TypeAlias = "tuple[Stream, Iterable[Piece], Iterable[Piece]]"
_MOST_OWED: Final = 10.0
_ROUNDING: Final = 1e-6


class Shares:
    """What less urgent lanes are owed: of what goes while one waits, `share` at least is its own, so that
    constant urgent work does not starve it. 0: nothing is owed."""

    __slots__ = ("_owed", "share")

    def __init__(self, share: float) -> None:
        self.share = share
        self._owed = [0.0] * len(Lane)

    def due(self, lane: int) -> int:
        """How many of this lane go before any other."""
        return int(self._owed[lane] + _ROUNDING)

    def owed(self) -> list[tuple[Lane, int]]:
        """The lanes that are owed some, the least urgent first, and how many."""
        return [(lane, self.due(lane)) for lane in reversed(Lane) if self.due(lane)]

    def count(self, went: Sequence[int], waiting: Sequence[bool]) -> None:
        """So many of each lane went; `waiting`: whether it still has some."""
        before = 0
        for lane, number in enumerate(went):
            owed = self._owed[lane] + before * self.share - number
            self._owed[lane] = min(max(owed, 0.0), _MOST_OWED) if waiting[lane] else 0.0
            before += number


class OperatorQueue:
    """What waits for one account. `limit` bounds what each lane has in memory."""

    def __init__(
        self,
        name: str,
        *,
        limit: int,
        rate: float,
        pause_s: float,
        recover_s: float = 20.0,
        rates: OrganisationRates | None = None,
        share: float = 0.0,
    ) -> None:
        self.name = name
        self.limit = limit
        self.pace = Pace(rate=rate, pause_s=pause_s, recover_s=recover_s)
        self.rates = rates or OrganisationRates()
        self.held: dict[Tariff, deque[Piece]] = {}
        self.allowed: int | None = None
        """How many submit_sm the account's rate allowed when it was last asked; None: no bound."""
        self._lanes = tuple(_LaneQueue() for _ in Lane)
        self._shares = Shares(share)
        self._stalled_until = 0.0
        self._spoiled = False

    def use(self, *, limit: int, rate: float, pause_s: float, recover_s: float, share: float = 0.0) -> None:
        """Take new settings; see `Pace.use` and `Shares`."""
        self.limit = limit
        self._shares.share = share
        self.pace.use(rate=rate, pause_s=pause_s, recover_s=recover_s)

    def renew(self, make: Make) -> None:
        """Write all that waits in memory anew; not between a plan and its `apply`."""
        for lane in self._lanes:
            lane.streams = {each: deque(renewed(pieces, make)) for each, pieces in lane.streams.items()}
            lane.count = sum(map(len, lane.streams.values()))
            lane.special = sum(not is_plain(piece) for each in lane.streams.values() for piece in each)
        self.held = {tariff: deque(renewed(pieces, make)) for tariff, pieces in self.held.items()}

    def __len__(self) -> int:
        return sum(lane.count for lane in self._lanes)

    def in_lane(self, lane: Lane) -> int:
        """submit_sm of a lane that are in memory."""
        return self._lanes[lane].count

    # what needs no transaction

    @property
    def plain(self) -> bool:
        """Whether all that is in memory is free, may go by any link and has not expired, as far as is known,
        and no organisation's rate is bounded.
        """
        return not (self._spoiled or self.rates.limited or any(lane.special for lane in self._lanes))

    def take_plain(self, most: int, at_us: int) -> list[Piece]:
        """Take at most so many from the heads of a queue that is plain, in the order of a dispatch.

        Where one has expired (`at_us`, UTC), the queue is plain no longer until a transaction saw to it.
        """
        found: list[Piece] = []
        went = [0] * len(self._lanes)
        for number, limit in (*self._shares.owed(), *((lane, most) for lane in Lane)):
            if len(found) == most or self._spoiled:
                break
            pieces, self._spoiled = self._lanes[number].take_plain(min(limit, most - len(found)), at_us)
            found += pieces
            went[number] += len(pieces)
        if found:
            self._count(went)
        return found

    def _count(self, went: Sequence[int]) -> None:
        if self._shares.share:
            self._shares.count(went, [lane.count > 0 or lane.behind for lane in self._lanes])

    # what a transaction reads

    def waiting(self, fresh: Iterable[Piece] = (), taken: Mapping[Stream, int] | None = None) -> Waiting:
        """Lane by lane, each stream with its pieces as they will stand once `taken` are gone from the heads
        and `fresh` are at the ends.

        A lane that is owed comes twice: first with no more than it is owed, and at its place again. `taken`
        is looked at again there, for what went the first time.
        """
        gone = {} if taken is None else taken
        added: dict[Stream, list[Piece]] = {}
        for piece in fresh:
            stream = stream_of(piece.outgoing)
            if not self._lanes[stream[0]].behind:
                added.setdefault(stream, []).append(piece)
        found: Waiting = []
        for number, lane in enumerate(self._lanes):
            parts: list[_Parts] = [
                (stream, pieces, added.pop(stream, ())) for stream, pieces in lane.streams.items()
            ]
            parts += [(stream, (), added.pop(stream)) for stream in [*added] if stream[0] == number]
            due = self._shares.due(number)
            if due and parts:
                found.insert(0, _owed(parts, gone, due))
                found.append([(stream, _rest(here, new, stream, gone)) for stream, here, new in parts])
            elif parts:
                found.append(
                    [
                        (stream, islice(chain(here, new), gone.get(stream, 0), None))
                        for stream, here, new in parts
                    ]
                )
        return found

    # what happens after a commit

    def apply(
        self, enqueued: list[Piece], taken: Mapping[Stream, int], retaken: list[Piece], spent: int
    ) -> None:
        """Make a committed plan true: add at the ends, take from the heads, put back at the heads.

        Where the store holds older ones of a lane that are not in memory, its new ones wait there too.
        """
        self._spoiled = False
        if enqueued and not retaken and self._passes(len(enqueued), taken):
            self.pace.spend(spent)
            return
        behind = [lane.behind for lane in self._lanes]
        for piece in enqueued:
            number = piece.outgoing.lane
            if not behind[number]:
                lane = self._lanes[number]
                lane.append(piece)
                lane.last_read = piece.outgoing.message
                lane.behind = lane.count > self.limit
        for stream, number in taken.items():
            self._lanes[stream[0]].take(stream, number)
        for piece in reversed(retaken):
            self._lanes[piece.outgoing.lane].prepend(piece)
        if retaken:
            self._stalled_until = 0.0
        if taken:
            went = [0] * len(self._lanes)
            for stream, number in taken.items():
                went[stream[0]] += number
            self._count(went)
        self.pace.spend(spent)

    def _passes(self, enqueued: int, taken: Mapping[Stream, int]) -> bool:
        """Whether nothing waits and all that is new was taken at once: the usual case."""
        return not any(lane.count or lane.behind for lane in self._lanes) and sum(taken.values()) == enqueued

    def hold(self, piece: Piece) -> None:
        """Keep a charge aside until its tariff is free again."""
        outgoing = piece.outgoing
        tariff = (outgoing.number, outgoing.short_code, outgoing.price_ore)
        waiting = [*self.held.get(tariff, ()), piece]
        self.held[tariff] = deque(sorted(waiting, key=lambda each: each.outgoing.message))

    def release(self, tariff: Tariff) -> None:
        """A charge of this tariff ended: the next one that waits for it goes to the head."""
        waiting = self.held.get(tariff)
        if not waiting:
            return
        piece = waiting.popleft()
        self._lanes[piece.outgoing.lane].prepend(piece)
        self._stalled_until = 0.0
        if not waiting:
            del self.held[tariff]

    def retry_held(self) -> None:
        """Let the first charge of every tariff try again: a command beside the daemon may have ended what
        held it.
        """
        for tariff in list(self.held):
            self.release(tariff)

    def forget_held(self, now_us: int) -> None:
        """Drop charges kept aside whose time to start is over; the store has settled them."""
        for tariff, waiting in list(self.held.items()):
            kept = deque(piece for piece in waiting if piece.outgoing.expires_us > now_us)
            if kept:
                self.held[tariff] = kept
            else:
                del self.held[tariff]

    # what waits in the store

    def fall_behind(self) -> None:
        """Memory is empty: all that waits is in the store."""
        for lane in self._lanes:
            lane.behind = True

    @property
    def behind(self) -> bool:
        """Whether the store holds any that memory has not."""
        return any(lane.behind for lane in self._lanes)

    def to_read(self, most: int) -> tuple[Lane, str] | None:
        """A lane of which the store holds more, with at most so many in memory, and after which message."""
        for number, lane in enumerate(self._lanes):
            if lane.behind and lane.count <= most:
                return Lane(number), lane.last_read
        return None

    def refill(self, lane: Lane, pieces: list[Piece], *, last: str, more: bool) -> None:
        """Add what was read back from the store, up to message `last`; `more`: it holds still more."""
        here = self._lanes[lane]
        for piece in pieces:
            here.append(piece)
        here.behind = more
        here.last_read = last
        self._stalled_until = 0.0

    # when it is no use to look again

    def stall(self, until: float) -> None:
        """Of what waits nothing may go before this time (monotonic) unless something comes; 0: it may."""
        self._stalled_until = until

    def wakes_at(self, now: float) -> float:
        """When something may go, as far as the account is concerned."""
        return max(self._stalled_until, self.pace.next_permit(now))

    def may_send(self, now: float) -> bool:
        """Whether a dispatch now could find something."""
        return now >= self._stalled_until and len(self) > 0 and self.pace.permits(now) > 0


def _rest(
    here: Iterable[Piece], new: Iterable[Piece], stream: Stream, gone: Mapping[Stream, int]
) -> Iterator[Piece]:
    # a generator: what is gone counts when the first is asked for
    yield from islice(chain(here, new), gone.get(stream, 0), None)


def _owed(
    parts: Sequence[_Parts], gone: Mapping[Stream, int], most: int
) -> list[tuple[Stream, Iterator[Piece]]]:
    # so many of their pieces, all together
    left = iter(range(most))

    def some(pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece, _ in zip(pieces, left, strict=False):
            yield piece

    return [(stream, some(_rest(here, new, stream, gone))) for stream, here, new in parts]
