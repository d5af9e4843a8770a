"""The courier of a mailbox: offers what waits in the outbox, in order, until the other side acknowledges it.

Knows carriers and the clock, but nothing of what a parcel says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from functools import partial

import msgspec
import structlog

from foundation.clock import SECOND_US, Clock
from foundation.ids import uuid7_time_us
from foundation.mailbox import Carrier, Outbox, Posted
from foundation.store import Store, StoreFailed

log = structlog.get_logger(__name__)

_LOOK_ROWS = 1000


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
        self._looked_seq = 0
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
            self._looked_seq = max(self._looked_seq, newest)
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

    async def look(self) -> None:
        """Take up parcels that a command put into the outbox beside this process; reads what is newer than at
        the last look.

        Raises:
            StoreFailed: nothing is taken up; call again.
        """
        if not self._started:
            return
        while True:
            after = self._looked_seq
            found = await self._store.run(partial(self._outbox.newer, after_seq=after, limit=_LOOK_ROWS))
            for seq, parcel, name in found:
                self._see(self._peers.setdefault(name, _Peer()), seq, parcel)
            if found:
                self._looked_seq = max(self._looked_seq, found[-1][0])
            if len(found) < _LOOK_ROWS:
                break
        await self._refill()

    def _see(self, peer: _Peer, seq: int, parcel: str) -> None:
        """A parcel that is in the store: where nobody told of it, read it in its place."""
        if self._has(peer, parcel):
            return
        comes = peer.behind and seq > peer.last_seq
        if comes and seq <= peer.told_seq:
            return
        peer.waiting += 1
        # whoever tells of it after all is not to count it again
        peer.counted_seq = max(peer.counted_seq, seq)
        peer.told_seq = max(peer.told_seq, seq)
        if not comes:
            peer.rewind(seq)

    def _has(self, peer: _Peer, parcel: str) -> bool:
        return (
            parcel in peer.flight
            or parcel in self._unsettled
            or any(parcel == other.id for other in peer.line)
        )

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
