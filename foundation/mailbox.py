"""Outbox and inbox of the hand-off: parcels wait in the sender's store until the other side committed them.

A parcel is posted in the transaction that produced it, offered to a carrier after the commit, offered
again until its id is acknowledged, and dropped by the receiver's inbox where it was seen before. So a
carrier may lose, delay and repeat what it is given; the effects happen once and, per sender, in order.
Nothing here reads what a parcel says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec
import structlog
from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.sqlite import insert

from foundation.clock import SECOND_US, Clock
from foundation.ids import uuid7_time_us
from foundation.store import Statement, Store, StoreFailed, Tx

BRIDGE = "bridge"
"""The peer of a gateway's outbox. The bridge's outbox names its peers as the gateways name themselves."""

LIMIT_OCTETS = 1_000_000
"""The largest parcel an outbox takes."""

log = structlog.get_logger(__name__)


class ParcelTooLargeError(ValueError):
    """The parcel is larger than the carriers take; hand its messages off in several parcels."""

    def __init__(self, parcel: str, octets: int, limit_octets: int) -> None:
        super().__init__(
            f"parcel {parcel} has {octets} octets, the limit is {limit_octets}; "
            "hand its messages off in several parcels"
        )


class Posted(msgspec.Struct, frozen=True, gc=False):
    """One parcel in the outbox. `seq` grows with every parcel posted; `body` is the parcel as JSON."""

    seq: int
    id: str
    peer: str
    body: bytes


class Receiver(Protocol):
    """The program's end of a carrier."""

    async def on_parcels(self, bodies: list[bytes]) -> list[str]:
        """Take parcels (JSON) in the order given; the ids that are committed, now or before.

        The carrier acknowledges these ids. What is not returned comes again after a while, and so does
        everything where this raises; nothing newer from the same carrier comes before it. It must not
        wait for acknowledgements of its own parcels.
        """

    async def on_acks(self, ids: list[str]) -> None:
        """The other side committed these parcels of ours. Unknown ids are to be ignored."""


class Carrier(Protocol):
    """Brings parcels to the other side and acknowledgements back; may lose, delay and repeat both.

    What one `offer` hands over travels to one peer whole or not at all and keeps its order.
    """

    @property
    def healthy(self) -> bool:
        """Connected, and the receiver takes what comes."""

    async def run(self, receiver: Receiver) -> None:
        """Carry until cancelled; reconnects by itself."""

    def offer(self, posted: Sequence[Posted]) -> None:
        """Send these committed parcels of one peer. Returns at once; what has no room is dropped."""


def mailbox_tables(metadata: MetaData) -> None:
    """Add ``handoff_outbox`` and ``handoff_inbox`` to a program's tables.

    A migration makes them by ``mailbox_tables(fresh := MetaData()); fresh.create_all(op.get_bind())``.
    """
    _outbox_table(metadata)
    _inbox_table(metadata)


def _outbox_table(metadata: MetaData) -> Table:
    table = Table(
        "handoff_outbox",
        metadata,
        Column("seq", Integer, primary_key=True, autoincrement=True),
        Column("id", Text, nullable=False, unique=True),
        Column("peer", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    Index("handoff_outbox_peer_seq", table.c.peer, table.c.seq)
    return table


def _inbox_table(metadata: MetaData) -> Table:
    table = Table(
        "handoff_inbox",
        metadata,
        Column("id", Text, primary_key=True),
        Column("at_us", Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    Index("handoff_inbox_at", table.c.at_us)
    return table


_METADATA = MetaData()
_OUT = _outbox_table(_METADATA)
_IN = _inbox_table(_METADATA)

_POST = Statement(
    insert(_OUT).values(id=bindparam("id"), peer=bindparam("peer"), body=bindparam("body")),
    "id",
    "peer",
    "body",
)
_LAST = Statement(select(func.last_insert_rowid()))
_SETTLE = Statement(delete(_OUT).where(_OUT.c.id == bindparam("id")), "id")
_WAITING = Statement(
    select(_OUT.c.seq, _OUT.c.id, _OUT.c.peer, _OUT.c.body)
    .where(_OUT.c.peer == bindparam("peer"), _OUT.c.seq > bindparam("after"))
    .order_by(_OUT.c.seq)
    .limit(bindparam("limit")),
    "peer",
    "after",
    "limit",
)
_COUNTS = Statement(select(_OUT.c.peer, func.count(), func.max(_OUT.c.seq)).group_by(_OUT.c.peer))
_SEEN = Statement(
    insert(_IN).values(id=bindparam("id"), at_us=bindparam("at_us")).on_conflict_do_nothing(), "id", "at_us"
)
_FORGET = Statement(
    delete(_IN).where(
        _IN.c.id.in_(
            select(_IN.c.id)
            .where(_IN.c.at_us < bindparam("before"))
            .order_by(_IN.c.at_us)
            .limit(bindparam("limit"))
        )
    ),
    "before",
    "limit",
)


class Outbox:
    """Parcels that the other side has not acknowledged yet. Plain functions over a `Tx`."""

    def __init__(self, limit_octets: int = LIMIT_OCTETS) -> None:
        self._limit_octets = limit_octets

    def post(self, tx: Tx, peer: str, parcels: Sequence[tuple[str, bytes]]) -> list[Posted]:
        """Store parcels (id, body) for a peer, in this order; the courier gets the result after the commit.

        Raises:
            ParcelTooLargeError: before anything is stored.
        """
        for parcel, body in parcels:
            if len(body) > self._limit_octets:
                raise ParcelTooLargeError(parcel, len(body), self._limit_octets)
        if not parcels:
            return []
        tx.run(_POST, [(parcel, peer, body) for parcel, body in parcels])
        # one writer and AUTOINCREMENT: the rows of one statement are numbered without a gap
        last = tx.one(_LAST)
        assert last is not None
        first = last[0] - len(parcels) + 1
        return [Posted(first + place, parcel, peer, body) for place, (parcel, body) in enumerate(parcels)]

    def settle(self, tx: Tx, ids: Iterable[str]) -> int:
        """Forget acknowledged parcels; how many were waiting. Unknown ids are ignored."""
        return tx.run(_SETTLE, [(parcel,) for parcel in ids])

    def waiting(self, tx: Tx, peer: str, after_seq: int, limit: int) -> list[Posted]:
        """The oldest parcels that wait for a peer, with a `seq` above `after_seq`, in order."""
        return [Posted(*row) for row in tx.all(_WAITING, (peer, after_seq, limit))]

    def counts(self, tx: Tx) -> dict[str, tuple[int, int]]:
        """How many parcels wait and the newest one's `seq`, by peer."""
        return {peer: (count, newest) for peer, count, newest in tx.all(_COUNTS)}


class Inbox:
    """The ids of the parcels taken. Plain functions over a `Tx`."""

    def unseen(self, tx: Tx, ids: Sequence[str], at_us: int) -> set[str]:
        """Which of these ids were never seen before; they are recorded as seen with this transaction."""
        return {parcel for parcel in ids if tx.run(_SEEN, [(parcel, at_us)])}

    def forget(self, tx: Tx, before_us: int, limit: int = 10_000) -> int:
        """Forget at most `limit` ids seen before a moment, long settled by their senders; how many."""
        return tx.run(_FORGET, [(before_us, limit)])


class CourierSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a courier works; the bounds hold for each peer.

    `in_flight` parcels and about `flight_octets` octets are offered at once; acknowledged ones are settled
    in the store every `tick_s`, or as soon as there are `settle_at`; `retry_s` after an offer
    without any acknowledgement it is repeated, then after twice that, up to `retry_max_s`.
    """

    in_flight: int = 256
    flight_octets: int = 256 * 1024
    held_octets: int = 4 * 1024 * 1024
    retry_s: float = 5.0
    retry_max_s: float = 60.0
    tick_s: float = 0.5
    settle_at: int = 1


class _Peer:
    """What a courier knows of one peer: the flight in the air, and the parcels next in line.

    `last_seq` is the newest parcel taken into flight or line, `told_seq` the newest one heard of;
    `behind` means that the store has some which memory has not. Those up to `counted_seq` were counted
    at the start.
    """

    __slots__ = (
        "behind", "counted_seq", "due", "flight", "held", "last_seq", "line", "reading", "retry_s",
        "rewound", "told_seq", "waiting",
    )  # fmt: skip

    def __init__(self) -> None:
        self.flight: dict[str, Posted] = {}
        self.line: deque[Posted] = deque()
        self.held = 0
        self.last_seq = 0
        self.told_seq = 0
        self.counted_seq = 0
        self.behind = False
        self.reading = False
        self.rewound = False
        self.waiting = 0
        self.due = 0.0
        self.retry_s = 0.0

    def rewind(self, seq: int) -> None:
        """Read the line again from the store, from this parcel on."""
        self.line.clear()
        self.held = 0
        self.last_seq = min([seq - 1, *(parcel.seq for parcel in self.flight.values())])
        self.behind = True
        self.rewound = True

    def append(self, parcel: Posted) -> None:
        self.line.append(parcel)
        self.held += len(parcel.body)


class Courier:
    """Keeps one outbox moving, in order.

    Each peer has at most one *flight* in the air: the oldest parcels, handed to the carrier by one
    `offer`. The next flight starts when all of it is acknowledged, taking all that has come meanwhile;
    so a lost flight holds back what follows it, a lone parcel goes at once, and under load the flights
    grow by themselves. What does not fit in memory stays in the store and is read in bounded pages.

    One courier to a store. Run `run()` as a task; after each commit call `committed()`.
    """

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        carrier: Carrier,
        clock: Clock,
        settings: CourierSettings | None = None,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._carrier = carrier
        self._clock = clock
        self._settings = settings or CourierSettings()
        self._peers: dict[str, _Peer] = {}
        self._unsettled: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._started = False
        self.offered = 0
        self.repeated = 0
        self.settled = 0

    @property
    def waiting(self) -> int:
        """Parcels not acknowledged yet, in the store or in the air."""
        return sum(peer.waiting for peer in self._peers.values())

    @property
    def oldest_age_s(self) -> float:
        """How long ago the oldest unacknowledged parcel was made; 0 where none waits."""
        heads = [
            next(iter(peer.flight or [next(iter(peer.line)).id]))
            for peer in self._peers.values()
            if peer.flight or peer.line
        ]
        if not heads:
            return 0.0
        return max(0.0, (self._clock.now_us() - min(map(uuid7_time_us, heads))) / SECOND_US)

    def waiting_by_peer(self) -> dict[str, int]:
        """Parcels not acknowledged yet, by peer."""
        return {name: peer.waiting for name, peer in self._peers.items()}

    async def run(self) -> None:
        """Keep the parcels moving until cancelled."""
        while True:
            self._wake.clear()
            try:
                if not self._started:
                    await self.start()
                await self.tick()
            except StoreFailed as error:
                log.warning("handoff.store_failed", error=str(error))
            try:
                async with asyncio.timeout(self._settings.tick_s):
                    await self._wake.wait()
            except TimeoutError:
                continue
            except asyncio.CancelledError:
                with contextlib.suppress(StoreFailed):
                    await self._settle()
                raise

    async def start(self) -> None:
        """Take up what waits since before. `run()` calls it.

        Raises:
            StoreFailed: nothing is taken up; call again.
        """
        counts = await self._store.run(self._outbox.counts)
        for name, (waiting, newest) in counts.items():
            peer = self._peers.setdefault(name, _Peer())
            peer.waiting = waiting
            peer.counted_seq = newest
            peer.behind = True
        self._started = True
        await self._refill()

    def committed(self, posted: Sequence[Posted]) -> None:
        """These parcels were posted and are committed now; call it once, in the order of the commits."""
        for parcel in posted:
            peer = self._peers.get(parcel.peer)
            if peer is None:
                peer = self._peers[parcel.peer] = _Peer()
            self._take(peer, parcel)
        for name in {parcel.peer for parcel in posted}:
            self._depart(self._peers[name])

    async def on_acks(self, ids: Sequence[str]) -> None:
        """The other side committed these: start the next flight; they are settled in the store before long.

        Only what is in the air counts; the rest was settled before. Where the store fails, the ids are
        kept and settled later, so that the carrier need not bring them again.
        """
        for peer in self._peers.values():
            landed = [parcel for parcel in ids if peer.flight.pop(parcel, None) is not None]
            if landed:
                self._unsettled.update(dict.fromkeys(landed))
                peer.waiting -= len(landed)
                self._postpone(peer, self._settings.retry_s)
                self._depart(peer)
        try:
            # a row that stays a little longer does no harm: a commit of its own would cost more
            if len(self._unsettled) >= self._settings.settle_at:
                await self._settle()
            await self._refill()
        except StoreFailed as error:
            log.warning("handoff.store_failed", error=str(error))

    async def tick(self) -> None:
        """Repeat what is due, settle what could not be settled, read on where memory ran out.

        Raises:
            StoreFailed: the next tick tries again.
        """
        now = self._clock.monotonic()
        for peer in self._peers.values():
            if peer.flight and now >= peer.due:
                self._postpone(peer, min(peer.retry_s * 2, self._settings.retry_max_s))
                self.repeated += len(peer.flight)
                self._carrier.offer(list(peer.flight.values()))
        await self._settle()
        await self._refill()

    def _postpone(self, peer: _Peer, delay_s: float) -> None:
        peer.retry_s = delay_s
        peer.due = self._clock.monotonic() + delay_s

    def _take(self, peer: _Peer, parcel: Posted) -> None:
        peer.told_seq = max(peer.told_seq, parcel.seq)
        if not self._started:
            peer.behind = True
            return
        if parcel.seq > peer.counted_seq:
            peer.waiting += 1
        if parcel.seq <= peer.last_seq:
            if parcel.id not in peer.flight and all(parcel.id != other.id for other in peer.line):
                # told out of order, or read from the store and settled before it was told
                peer.rewind(parcel.seq)
                self._wake.set()
            return
        full = len(peer.line) >= self._settings.in_flight or peer.held >= self._settings.held_octets
        if peer.behind or full:
            peer.behind = True
            self._wake.set()
            return
        peer.append(parcel)
        peer.last_seq = parcel.seq

    def _depart(self, peer: _Peer) -> None:
        if peer.flight or not peer.line:
            return
        octets = 0
        while peer.line and len(peer.flight) < self._settings.in_flight:
            parcel = peer.line[0]
            octets += len(parcel.body) + 1
            if peer.flight and octets > self._settings.flight_octets:
                break
            peer.line.popleft()
            peer.held -= len(parcel.body)
            peer.flight[parcel.id] = parcel
        self._postpone(peer, self._settings.retry_s)
        self.offered += len(peer.flight)
        self._carrier.offer(list(peer.flight.values()))

    async def _settle(self) -> None:
        if not self._unsettled:
            return
        ids = list(self._unsettled)
        self._unsettled.clear()
        try:
            self.settled += await self._store.run(lambda tx: self._outbox.settle(tx, ids))
        except BaseException:
            self._unsettled.update(dict.fromkeys(ids))
            raise

    async def _refill(self) -> None:
        for name, peer in list(self._peers.items()):
            while peer.behind and not peer.line and not peer.reading:
                await self._read(name, peer)
                self._depart(peer)

    async def _read(self, name: str, peer: _Peer) -> None:
        """One page from the store to the line, which is empty."""
        limit = self._settings.in_flight
        after, told = peer.last_seq, peer.told_seq
        peer.reading = True
        peer.rewound = False
        try:
            page = await self._store.run(lambda tx: self._outbox.waiting(tx, name, after, limit))
        finally:
            peer.reading = False
        if peer.rewound:
            return
        for parcel in page:
            if parcel.id not in peer.flight and parcel.id not in self._unsettled:
                peer.append(parcel)
        if len(page) == limit:
            peer.last_seq = page[-1].seq
        else:
            peer.last_seq = max(after, told, *(parcel.seq for parcel in page[-1:]))
            peer.behind = peer.told_seq > peer.last_seq
