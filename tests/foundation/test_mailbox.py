"""Outbox, inbox and courier on a real SQLite file."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from handoff import ManualClock, make_store

from foundation.courier import Courier, CourierSettings
from foundation.ids import Ids
from foundation.mailbox import (
    BRIDGE,
    Inbox,
    Outbox,
    ParcelTooLargeError,
    Posted,
    Receiver,
)
from foundation.store import Store, StoreFailed, Tx


class RecordingCarrier:
    """Keeps what it is offered."""

    healthy = True

    def __init__(self) -> None:
        self.offers: list[list[Posted]] = []

    async def run(self, receiver: Receiver) -> None:
        raise NotImplementedError(receiver)

    def offer(self, posted: Sequence[Posted]) -> None:
        self.offers.append(list(posted))

    def take(self) -> list[list[str]]:
        taken = [[parcel.body.decode() for parcel in offer] for offer in self.offers]
        self.offers.clear()
        return taken


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = make_store(tmp_path / "store.db")
    yield store
    await store.close()


class Desk:
    """A courier with all that it needs, posting bodies `1`, `2`, …"""

    def __init__(self, store: Store, **settings: float) -> None:
        self.store = store
        self.clock = ManualClock()
        self.ids = Ids(self.clock, random.Random(1).getrandbits)
        self.outbox = Outbox()
        self.carrier = RecordingCarrier()
        self.number = 0
        self.by_body: dict[str, str] = {}
        self.renew(**settings)

    def renew(self, **settings: float) -> None:
        """As after a restart of the program."""
        self.carrier.offers.clear()
        self.settings = CourierSettings(**settings)  # type: ignore[arg-type]
        self.courier = Courier(self.store, self.outbox, self.carrier, self.clock, self.settings)

    async def post(self, count: int, peer: str = BRIDGE) -> list[Posted]:
        parcels = []
        for _ in range(count):
            self.number += 1
            parcel = self.ids.new()
            self.by_body[str(self.number)] = parcel
            parcels.append((parcel, str(self.number).encode()))
        return await self.store.run(lambda tx: self.outbox.post(tx, peer, parcels))

    async def send(self, count: int, peer: str = BRIDGE) -> None:
        self.courier.committed(await self.post(count, peer))

    async def ack(self, *bodies: str) -> None:
        await self.courier.on_acks([self.by_body[body] for body in bodies])

    async def stored(self, peer: str = BRIDGE) -> list[str]:
        """What waits in the store, after the courier settled what it may."""
        await self.courier.tick()
        return await self.unsettled(peer)

    async def unsettled(self, peer: str = BRIDGE) -> list[str]:
        """What waits in the store."""
        rows = await self.store.run(lambda tx: self.outbox.waiting(tx, peer, 0, 1000))
        return [row.body.decode() for row in rows]


async def test_posted_parcels_are_numbered_as_the_store_numbers_them(store: Store) -> None:
    desk = Desk(store)
    first = await desk.post(3)
    await desk.post(1, "another")
    second = await desk.post(2)
    found = await store.run(lambda tx: desk.outbox.waiting(tx, BRIDGE, 0, 100))
    assert first + second == found
    assert await store.run(lambda tx: desk.outbox.waiting(tx, BRIDGE, first[1].seq, 2)) == [
        first[2],
        second[0],
    ]
    assert await store.run(desk.outbox.counts) == {"another": (1, 4), BRIDGE: (5, second[-1].seq)}


async def test_numbers_of_settled_parcels_are_not_used_again(store: Store) -> None:
    desk = Desk(store)
    posted = await desk.post(3)
    assert (
        await store.run(lambda tx: desk.outbox.settle(tx, [parcel.id for parcel in posted] + ["unknown"]))
        == 3
    )
    assert (await desk.post(1))[0].seq > posted[-1].seq


async def test_no_parcels_post_nothing(store: Store) -> None:
    assert await store.run(lambda tx: Outbox().post(tx, BRIDGE, [])) == []


async def test_a_parcel_over_the_limit_is_refused_and_nothing_of_its_unit_is_stored(store: Store) -> None:
    outbox = Outbox(limit_octets=10)

    def unit(tx: Tx) -> None:
        outbox.post(tx, BRIDGE, [("a", b"x" * 10)])
        outbox.post(tx, BRIDGE, [("b", b"x" * 11)])

    with pytest.raises(ParcelTooLargeError, match="parcel b has 11 octets, the limit is 10"):
        await store.run(unit)
    assert await store.run(outbox.counts) == {}


async def test_the_inbox_tells_each_id_as_new_once_even_within_one_call(store: Store) -> None:
    inbox = Inbox()
    assert await store.run(lambda tx: inbox.unseen(tx, ["a", "b", "a"], 1)) == {"a", "b"}
    assert await store.run(lambda tx: inbox.unseen(tx, ["b", "c"], 2)) == {"c"}


async def test_an_id_of_a_failed_unit_is_still_new(store: Store) -> None:
    inbox = Inbox()

    def unit(tx: Tx) -> None:
        inbox.unseen(tx, ["a"], 1)
        raise KeyError("no such thing")

    with pytest.raises(KeyError):
        await store.run(unit)
    assert await store.run(lambda tx: inbox.unseen(tx, ["a"], 1)) == {"a"}


async def test_the_inbox_forgets_the_oldest_first_and_only_what_is_old(store: Store) -> None:
    inbox = Inbox()
    for at_us, parcel in enumerate("abcd"):
        await store.run(lambda tx, at_us=at_us, parcel=parcel: inbox.unseen(tx, [parcel], at_us))
    assert await store.run(lambda tx: inbox.forget(tx, 3, limit=2)) == 2
    assert await store.run(lambda tx: inbox.forget(tx, 3, limit=2)) == 1
    assert await store.run(lambda tx: inbox.forget(tx, 3, limit=2)) == 0
    assert await store.run(lambda tx: inbox.unseen(tx, list("abcd"), 9)) == {"a", "b", "c"}


async def test_a_lone_parcel_goes_at_once_and_what_comes_meanwhile_goes_together(store: Store) -> None:
    desk = Desk(store)
    await desk.courier.start()
    await desk.send(1)
    assert desk.carrier.take() == [["1"]]
    await desk.send(1)
    await desk.send(2)
    assert desk.carrier.take() == []
    await desk.ack("1")
    assert desk.carrier.take() == [["2", "3", "4"]]
    await desk.ack("2", "3", "4")
    assert await desk.stored() == []
    assert (desk.courier.waiting, desk.courier.offered, desk.courier.settled) == (0, 4, 4)


async def test_never_more_than_in_flight_are_in_the_air(store: Store) -> None:
    desk = Desk(store, in_flight=3)
    await desk.courier.start()
    await desk.send(20)
    seen = []
    while offers := desk.carrier.take():
        assert len(offers) == 1
        assert len(offers[0]) <= 3
        seen += offers[0]
        await desk.ack(*offers[0])
    assert seen == [str(number) for number in range(1, 21)]
    assert await desk.stored() == []


async def test_a_flight_is_bounded_in_octets_but_takes_one_parcel_of_any_size(store: Store) -> None:
    desk = Desk(store, flight_octets=4)
    await desk.courier.start()
    await desk.send(12)
    flights = []
    while offers := desk.carrier.take():
        flights += offers
        await desk.ack(*offers[0])
    assert flights == [["1", "2"], ["3", "4"], ["5", "6"], ["7", "8"], ["9"], ["10"], ["11"], ["12"]]


async def test_the_next_flight_waits_for_all_of_the_last(store: Store) -> None:
    desk = Desk(store, in_flight=3, retry_s=5)
    await desk.courier.start()
    await desk.send(5)
    await desk.ack("1", "3")
    assert desk.carrier.take() == [["1", "2", "3"]]
    desk.clock.advance(5)
    await desk.courier.tick()
    assert desk.carrier.take() == [["2"]]
    await desk.ack("2")
    assert desk.carrier.take() == [["4", "5"]]


async def test_an_unacknowledged_flight_is_repeated_ever_more_seldom(store: Store) -> None:
    desk = Desk(store, retry_s=5, retry_max_s=20)
    await desk.courier.start()
    await desk.send(2)
    desk.carrier.take()
    repeated_at = []
    for second in range(1, 80):
        desk.clock.advance(1)
        await desk.courier.tick()
        if desk.carrier.take() == [["1", "2"]]:
            repeated_at.append(second)
    assert repeated_at == [5, 15, 35, 55, 75]
    assert desk.courier.repeated == 10


async def test_an_acknowledgement_may_come_twice_and_for_strangers(store: Store) -> None:
    desk = Desk(store)
    await desk.courier.start()
    await desk.send(2)
    await desk.ack("1")
    await desk.ack("1")
    await desk.courier.on_acks(["stranger"])
    assert desk.courier.waiting == 1
    assert await desk.stored() == ["2"]


async def test_a_restart_offers_what_waits_in_order_and_by_pages(store: Store) -> None:
    desk = Desk(store)
    await desk.post(7)
    await desk.post(2, "smsd-2")
    desk.renew(in_flight=3)
    await desk.courier.start()
    assert desk.courier.waiting_by_peer() == {BRIDGE: 7, "smsd-2": 2}
    assert sorted(desk.carrier.take()) == [["1", "2", "3"], ["8", "9"]]
    await desk.send(1)
    await desk.ack("1", "2", "3")
    assert desk.carrier.take() == [["4", "5", "6"]]
    await desk.ack("4", "5", "6")
    assert desk.carrier.take() == [["7", "10"]]
    await desk.ack("7", "10", "8", "9")
    assert desk.courier.waiting == 0


async def test_parcels_told_before_the_start_wait_for_it(store: Store) -> None:
    desk = Desk(store)
    await desk.send(2)
    assert desk.carrier.take() == []
    await desk.courier.start()
    assert desk.carrier.take() == [["1", "2"]]
    assert desk.courier.waiting == 2


async def test_parcels_told_out_of_order_still_leave_in_order_where_they_are_not_in_the_air(
    store: Store,
) -> None:
    desk = Desk(store)
    await desk.courier.start()
    await desk.send(1)
    second, third = await desk.post(1), await desk.post(1)
    desk.courier.committed(third)
    desk.courier.committed(second)
    await desk.ack("1")
    assert desk.carrier.take() == [["1"], ["2", "3"]]
    assert desk.courier.waiting == 2


async def test_parcels_read_from_the_store_before_they_are_told_go_once(store: Store) -> None:
    desk = Desk(store)
    first, second = await desk.post(1), await desk.post(1)
    await desk.courier.start()
    desk.courier.committed(first)
    desk.courier.committed(second)
    assert desk.carrier.take() == [["1", "2"]]
    await desk.ack("1", "2")
    desk.courier.committed(second)
    await desk.courier.tick()
    assert desk.carrier.take() == []
    assert desk.courier.waiting == 0


async def test_where_the_store_fails_acknowledgements_are_settled_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(store)
    await desk.courier.start()
    await desk.send(2)

    async def fail(unit: object) -> None:
        raise StoreFailed(f"the disk is full: {unit}")

    with monkeypatch.context() as patch:
        patch.setattr(store, "run", fail)
        await desk.ack("1", "2")
        with pytest.raises(StoreFailed):
            await desk.courier.tick()
    assert await desk.unsettled() == ["1", "2"]
    await desk.courier.tick()
    assert await desk.stored() == []


async def test_the_running_courier_survives_a_store_that_fails_at_the_start(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(store, tick_s=0.001)
    await desk.post(2)
    real = store.run
    failures = 3
    offered = asyncio.Event()
    monkeypatch.setattr(desk.carrier, "offer", lambda posted: offered.set() if len(posted) == 2 else None)

    async def sometimes(unit: object) -> object:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise StoreFailed("locked")
        return await real(unit)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "run", sometimes)
    running = asyncio.create_task(desk.courier.run())
    await asyncio.wait_for(offered.wait(), 60)
    running.cancel()
    await asyncio.wait([running])


async def test_memory_holds_a_bounded_line_and_the_store_the_rest(store: Store) -> None:
    desk = Desk(store, in_flight=4, held_octets=3)
    await desk.courier.start()
    for _ in range(40):
        await desk.send(1)
    peer = desk.courier._peers[BRIDGE]
    assert (len(peer.flight), len(peer.line) <= 4) == (1, True)
    seen = []
    while offers := desk.carrier.take():
        seen += offers[0]
        await desk.ack(*offers[0])
        assert len(peer.line) <= 4
    assert seen == [str(number) for number in range(1, 41)]
    assert desk.courier.waiting == 0


async def test_a_running_courier_ends_though_it_is_woken_at_the_same_moment(store: Store) -> None:
    desk = Desk(store, tick_s=100)
    running = asyncio.create_task(desk.courier.run())
    while not desk.courier._started:
        await store.run(lambda _tx: None)
    for _ in range(5):
        await asyncio.sleep(0)
    running.cancel()
    desk.courier._wake.set()
    await asyncio.wait_for(asyncio.wait([running]), 60)
    assert running.cancelled()


async def test_acknowledged_parcels_are_settled_together_and_at_the_end(store: Store) -> None:
    desk = Desk(store, settle_at=3, tick_s=100)
    running = asyncio.create_task(desk.courier.run())
    while not desk.courier._started:
        await store.run(lambda _tx: None)
    await desk.send(4)
    await desk.ack("1", "2")
    assert await desk.unsettled() == ["1", "2", "3", "4"]
    await desk.ack("3")
    assert await desk.unsettled() == ["4"]
    await desk.ack("4")
    running.cancel()
    await asyncio.wait_for(asyncio.wait([running]), 60)
    assert await desk.unsettled() == []


async def test_what_a_command_posted_beside_the_program_is_found_and_goes(store: Store) -> None:
    desk = Desk(store)
    await desk.courier.start()
    await desk.post(2)
    assert desk.carrier.take() == []
    await desk.courier.look()
    assert desk.carrier.take() == [["1", "2"]]
    assert desk.courier.waiting == 2
    await desk.ack("1", "2")
    assert await desk.stored() == []
    assert desk.courier.waiting == 0


async def test_a_stranger_among_ones_own_goes_in_its_place_and_nothing_goes_twice(store: Store) -> None:
    desk = Desk(store, in_flight=1)
    await desk.courier.start()
    await desk.send(1)
    await desk.post(1)
    await desk.send(1)
    await desk.courier.look()
    offered = desk.carrier.take()
    for body in ("1", "2", "3"):
        await desk.ack(body)
        offered += desk.carrier.take()
    assert offered == [["1"], ["2"], ["3"]]
    assert await desk.stored() == []


async def test_a_look_that_finds_nothing_new_changes_nothing(store: Store) -> None:
    desk = Desk(store)
    await desk.courier.start()
    await desk.send(3)
    desk.carrier.take()
    await desk.ack("1", "2")
    await desk.courier.look()
    await desk.courier.look()
    assert desk.carrier.take() == []
    assert desk.courier.waiting == 1


async def test_before_the_start_a_look_leaves_all_to_it(store: Store) -> None:
    desk = Desk(store)
    await desk.post(1)
    await desk.courier.look()
    assert desk.carrier.take() == []
    await desk.courier.start()
    assert desk.carrier.take() == [["1"]]


async def test_a_stranger_is_found_where_memory_holds_later_ones_and_not_all(store: Store) -> None:
    desk = Desk(store, in_flight=2)
    await desk.courier.start()
    await desk.post(1)
    await desk.send(7)
    await desk.courier.look()
    await desk.post(1)
    await desk.courier.look()
    offered = desk.carrier.take()
    while await desk.unsettled():
        await desk.ack(*offered[-1])
        await desk.courier.tick()
        offered += desk.carrier.take()
    told = [body for each in offered for body in each]
    assert sorted(told) == sorted(set(told)) == [str(number) for number in range(1, 10)]
    assert desk.courier.waiting == 0
