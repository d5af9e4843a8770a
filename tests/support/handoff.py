"""Both ends of the hand-off as tests see them: a real store, mailbox and courier, and effects to count."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, create_engine, insert, select
from sqlalchemy.pool import NullPool

from foundation.courier import Courier, CourierSettings
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Inbox, Outbox, Posted, mailbox_tables
from foundation.store import SQLITE_PREFIX, Runner, Statement, Store, StoreFailed, Tx, connect_sqlite

LONG_S = 60.0
"""How long a test waits for what must happen, before it fails."""

METADATA = MetaData()
mailbox_tables(METADATA)
EFFECTS = Table(
    "effects",
    METADATA,
    Column("place", Integer, primary_key=True),
    Column("sender", Text),
    Column("number", Integer),
)
_ADD = Statement(
    insert(EFFECTS).values(sender=bindparam("sender"), number=bindparam("number")), "sender", "number"
)
_ALL = Statement(select(EFFECTS.c.sender, EFFECTS.c.number).order_by(EFFECTS.c.place))


class ManualClock:
    """A clock that the test sets forward."""

    def __init__(self, now_us: int = 1_767_225_600_000_000) -> None:
        self._us = now_us

    def advance(self, seconds: float) -> None:
        self._us += round(seconds * 1e6)

    def now_us(self) -> int:
        return self._us

    def monotonic(self) -> float:
        return self._us / 1e6


class Parcel(msgspec.Struct, frozen=True):
    """What the tests send: `number` counts up per sender."""

    id: str
    sender: str
    number: int


def make_store(path: Path, runner: Runner | None = None) -> Store:
    """A store with the mailbox's tables and the effects'."""
    engine = create_engine(SQLITE_PREFIX + str(path), poolclass=NullPool)
    METADATA.create_all(engine)
    engine.dispose()
    return Store(connect_sqlite(path), runner=runner)


class Side:
    """One program: posts numbers, and takes the other side's numbers as effects in its store.

    `faults` are taken one per call of `on_parcels`, `before` the commit or `after` it; `lose_acks` is how
    many acknowledgements are dropped unread.
    """

    def __init__(self, name: str, path: Path, clock: ManualClock, *, runner: Runner | None = None) -> None:
        self.name = name
        self.clock = clock
        self.store = make_store(path, runner)
        self.outbox = Outbox()
        self.inbox = Inbox()
        self.ids = Ids(clock, random.Random(name).getrandbits)
        self.courier: Courier
        self.faults: list[str] = []
        self.lose_acks = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls: list[int] = []
        self.taken = 0
        self._number = 0
        self._changed = asyncio.Condition()

    def attach(self, carrier: object, **settings: float) -> None:
        """Give the side its courier over a carrier."""
        self.courier = Courier(
            self.store,
            self.outbox,
            carrier,
            self.clock,
            msgspec.convert(settings, CourierSettings),  # type: ignore[arg-type]
        )

    async def post(self, count: int = 1, *, peer: str = BRIDGE, padding: int = 0, tell: bool = True) -> None:
        """Commit this many parcels, each one numbered, and tell the courier."""
        parcels = []
        for _ in range(count):
            self._number += 1
            parcel = Parcel(self.ids.new(), self.name, self._number)
            parcels.append((parcel.id, msgspec.json.encode(parcel)[:-1] + b" " * padding + b"}"))
        posted: Sequence[Posted] = await self.store.run(lambda tx: self.outbox.post(tx, peer, parcels))
        if tell:
            self.courier.committed(posted)

    async def on_parcels(self, bodies: list[bytes]) -> list[str]:
        self.calls.append(len(bodies))
        await self._notify()
        await self.gate.wait()
        parcels = [msgspec.json.decode(body, type=Parcel) for body in bodies]
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "before":
            raise StoreFailed("the disk is full")

        def unit(tx: Tx) -> None:
            new = self.inbox.unseen(tx, [parcel.id for parcel in parcels], self.clock.now_us())
            tx.run(_ADD, [(parcel.sender, parcel.number) for parcel in parcels if parcel.id in new])

        await self.store.run(unit)
        self.taken += len(parcels)
        await self._notify()
        if fault == "after":
            raise ZeroDivisionError("the program fails after its commit")
        return [parcel.id for parcel in parcels]

    async def on_acks(self, ids: list[str]) -> None:
        if self.lose_acks > 0:
            self.lose_acks -= 1
        else:
            await self.courier.on_acks(ids)
        await self._notify()

    async def effects(self) -> list[tuple[str, int]]:
        """What was taken from others, in the order of its effects."""
        rows: list[tuple[str, int]] = await self.store.run(
            lambda tx: [(row[0], row[1]) for row in tx.all(_ALL)]
        )
        return rows

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looked at whenever parcels or acknowledgements came."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(holds), LONG_S)

    async def until_settled(self) -> None:
        """Wait until the other side has acknowledged everything, and the store knows."""
        await self.until(lambda: self.courier.waiting == 0)
        await self.courier.tick()
        await self.courier.tick()
        assert await self.store.run(self.outbox.counts) == {}

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def numbers(sender: str, count: int) -> list[tuple[str, int]]:
    """The effects of the first parcels of a sender, each once and in order."""
    return [(sender, number) for number in range(1, count + 1)]


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what another program brings about and nobody tells; fails after `LONG_S`."""

    async def look() -> None:
        while not holds():
            await asyncio.sleep(0.005)

    await asyncio.wait_for(look(), LONG_S)
