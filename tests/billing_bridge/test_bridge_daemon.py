"""The bridge as a running program: committed before acknowledged, and never stopped by one message."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from bridge_world import OLA, World, bridge_settings, organisation, the_charge
from msgspec.structs import replace

from billing_bridge.audit import audit
from billing_bridge.daemon import BridgeDaemon
from billing_bridge.program import CannotRunError, checks, registry, serve
from billing_bridge.settings import BridgeSettings
from foundation.carriers.local import LocalCarrier
from foundation.clock import DAY_US
from foundation.contract import BridgeParcel, Charge, FromGateway, GatewayParcel, Join, Outcome, Reply
from foundation.ids import Ids
from foundation.mailbox import Posted
from foundation.settings import ConfigurationError
from foundation.store import Store, StoreFailed


class Road:
    """A carrier that only remembers what it was given."""

    healthy = True

    def __init__(self) -> None:
        self.offered: list[Posted] = []

    async def run(self, receiver: object) -> None:
        await asyncio.Event().wait()

    def offer(self, posted: Sequence[Posted]) -> None:
        self.offered += posted


class Program(World):
    """A daemon over a world's store. Reads go by the world's own connection."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from billing_bridge.store import SCHEMA
        from foundation.store import open_sqlite

        self.writing = open_sqlite(self.url, SCHEMA)
        self.store = Store(self.writing)
        self.road = Road()
        self.daemon = BridgeDaemon(self.settings, self.store, self.road, self.clock, Ids(self.clock))

    def parcel(self, *messages: FromGateway, sender: str = "smsd") -> bytes:
        return msgspec.json.encode(GatewayParcel(id=self.ids.new(), sender=sender, messages=list(messages)))

    def posted(self) -> list[tuple[str, list[str]]]:
        """What waits in the outbox: peer, and the names of what is in each parcel."""
        told = []
        for peer, body in self.rows("SELECT peer, body FROM handoff_outbox ORDER BY seq"):
            messages = msgspec.json.decode(body, type=BridgeParcel).messages
            told.append(
                (peer, [one.name if isinstance(one, Reply) else type(one).__name__ for one in messages])
            )
        return told


@pytest.fixture
async def program(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Program(tmp_path)
    yield made
    await made.store.close()
    made.close()


def id_of(body: bytes) -> str:
    return str(msgspec.json.decode(body)["id"])


async def test_parcels_are_taken_in_one_transaction_and_answered_by_one_parcel(program: Program) -> None:
    bodies = [program.parcel(program.join()), program.parcel(program.pay())]
    assert await program.daemon.on_parcels(bodies) == [id_of(body) for body in bodies]
    assert program.posted() == [("smsd", ["joined", "Charge"])]
    assert program.store.commits == 1


async def test_each_gateway_gets_its_own_answers(program: Program) -> None:
    await program.daemon.on_parcels(
        [
            program.parcel(program.join(), sender="one"),
            program.parcel(program.pay(sender="+4799999908"), sender="two"),
            program.parcel(program.pay(), sender="one"),
        ]
    )
    assert program.posted() == [("one", ["joined"]), ("two", ["unknown_number"]), ("one", ["Charge"])]


async def test_a_parcel_seen_before_is_acknowledged_and_does_nothing(program: Program) -> None:
    body = program.parcel(program.join(charge=True))
    first = await program.daemon.on_parcels([body, body])
    assert first == await program.daemon.on_parcels([body]) == [id_of(body)]
    assert program.posted() == [("smsd", ["joined", "Charge"])]


async def test_where_the_store_fails_nothing_is_taken_and_it_comes_again(program: Program) -> None:
    body = program.parcel(program.join())
    program.writing.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreFailed):
        await program.daemon.on_parcels([body])
    assert not program.daemon.healthy
    program.writing.execute("PRAGMA query_only = OFF")
    assert await program.daemon.on_parcels([body]) == [id_of(body)]
    assert program.daemon.healthy
    assert program.posted() == [("smsd", ["joined"])]


async def test_a_poisonous_message_is_put_aside_and_its_neighbours_go_on(program: Program) -> None:
    poison = program.join(name="Eve", sender="+4799999907", at=2**70)
    bodies = [
        program.parcel(program.join(), poison, program.pay()),
        program.parcel(program.pay(sender="+4799999908")),
    ]
    assert await program.daemon.on_parcels(bodies) == [id_of(body) for body in bodies]
    assert [names for _, names in program.posted()] == [["joined"], ["Charge"], ["unknown_number"]]
    ((told, gateway, error, body),) = program.rows("SELECT id, gateway, error, body FROM refused_messages")
    assert (told, gateway) == (poison.id, "smsd")
    assert error in ("OverflowError", "ValueError")
    assert msgspec.json.decode(body, type=Join).name == "Eve"
    assert program.daemon.refused == 1
    assert await program.daemon.on_parcels(bodies) == [id_of(body) for body in bodies]
    assert program.value("SELECT count(*) FROM refused_messages") == 1


async def test_a_message_of_an_unknown_kind_is_put_aside_and_the_rest_is_taken(program: Program) -> None:
    parcel = msgspec.json.decode(program.parcel(program.join()))
    parcel["messages"].insert(0, {"type": "teleport", "id": "m-x", "conversation": "c", "at": 1})
    parcel["messages"].append({"type": "pay", "id": "m-y", "conversation": "c", "at": 1, "amount": "much"})
    body = msgspec.json.encode(parcel)
    assert await program.daemon.on_parcels([body]) == [parcel["id"]]
    assert program.posted() == [("smsd", ["joined"])]
    assert program.rows("SELECT id, error FROM refused_messages ORDER BY id") == [
        ("m-x", "ValidationError"),
        ("m-y", "ValidationError"),
    ]


@pytest.mark.parametrize("body", [b'{"id":"p-1","messages":7}', b'{"id":"p-1","sender":"\xff"}'])
async def test_an_unreadable_parcel_is_put_aside_and_acknowledged(program: Program, body: bytes) -> None:
    assert await program.daemon.on_parcels([body]) == ["p-1"] or b"\xff" in body
    assert program.rows("SELECT body FROM refused_messages") == [(body,)]


async def test_it_runs_over_a_carrier_and_answers_after_the_commit(tmp_path: Path) -> None:
    program = Program(tmp_path)
    gateway, bridge = LocalCarrier.pair()
    daemon = BridgeDaemon(program.settings, program.store, bridge, program.clock, Ids(program.clock))
    program.connection.execute("INSERT INTO handoff_inbox VALUES ('of last year', 1)")
    arrived, settled = asyncio.Event(), asyncio.Event()
    heard: list[object] = []
    acknowledged: list[str] = []

    class Gateway:
        async def on_parcels(self, bodies: list[bytes]) -> list[str]:
            parcels = [msgspec.json.decode(body, type=BridgeParcel) for body in bodies]
            heard.extend(message for parcel in parcels for message in parcel.messages)
            arrived.set()
            return [parcel.id for parcel in parcels]

        async def on_acks(self, ids: list[str]) -> None:
            acknowledged.extend(ids)
            settled.set()

    tasks = [asyncio.create_task(daemon.run()), asyncio.create_task(gateway.run(Gateway()))]
    body = program.parcel(program.join(charge=True))
    gateway.offer([Posted(1, id_of(body), "bridge", body)])
    await asyncio.wait_for(arrived.wait(), 60)
    await asyncio.wait_for(settled.wait(), 60)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(message) for message in heard] == [Reply, Charge]
    assert acknowledged == [id_of(body)]
    assert program.rows("SELECT id FROM handoff_inbox") == [(id_of(body),)]
    assert program.value("SELECT amount_ore FROM fee_categories") == 5000
    await program.store.close()
    program.close()


async def test_new_settings_hold_from_the_next_batch_on(program: Program) -> None:
    await program.daemon.reconfigure(bridge_settings(organisation(fees=(("Ny", 75, True),))))
    await program.daemon.on_parcels([program.parcel(program.join())])
    assert program.value("SELECT amount_ore FROM invoices") == 7500


async def test_new_settings_that_cannot_be_stored_do_not_hold(program: Program) -> None:
    program.writing.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreFailed):
        await program.daemon.reconfigure(bridge_settings(organisation(fees=(("Ny", 75, True),))))
    program.writing.execute("PRAGMA query_only = OFF")
    await program.daemon.on_parcels([program.parcel(program.join())])
    assert program.value("SELECT amount_ore FROM invoices") == 5000


async def test_an_import_works_while_the_bridge_is_at_work(program: Program) -> None:
    from billing_bridge.importing.people import read_people, write_people

    other = sqlite3.connect(program.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("PRAGMA busy_timeout=20000")
    rows = f"organisation,name,number\nORG1,Ola Nordmann,{OLA}\n".encode()
    file = read_people(rows, program.settings)
    other.execute("BEGIN IMMEDIATE")
    from foundation.store import SqliteTx

    write_people(SqliteTx(other), file, program.ids, program.clock)
    waiting = asyncio.create_task(program.daemon.on_parcels([program.parcel(program.pay())]))
    while program.store.units == 0 and not waiting.done():
        await asyncio.sleep(0)
        if other.in_transaction:
            other.execute("COMMIT")
    await waiting
    other.close()
    assert program.posted() == [("smsd", ["nothing_outstanding"])]


async def test_health_and_metrics_tell_of_the_parts(program: Program) -> None:
    await program.daemon.on_parcels([program.parcel(program.join())])
    told = {name: check() for name, check in checks(program.daemon, program.store, program.road).items()}
    assert told["store"].ok
    assert told["handoff"].ok
    found = registry(program.daemon, program.store)
    assert found.get_sample_value("bridge_messages_taken") == 1
    assert found.get_sample_value("bridge_healthy") == 1


async def test_a_program_of_its_own_reloads_on_sighup_and_ends_on_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.close()
    settings = bridge_settings(organisation(), store=world.url)
    monkeypatch.setattr("billing_bridge.program._carrier", lambda *_: Road())
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    answers = iter([ConfigurationError([]), settings])

    def reload() -> BridgeSettings:
        loop.call_soon_threadsafe(asked.set)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    serving = asyncio.create_task(serve(settings, reload))
    # until its handlers stand, a SIGHUP would end this very process
    await asyncio.wait_for(_handled(signal.SIGHUP), 60)
    for _ in range(2):
        asked.clear()
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(asked.wait(), 60)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 60)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.remove_signal_handler(number)


async def _handled(number: signal.Signals) -> None:
    while signal.getsignal(number) is signal.SIG_DFL:
        await asyncio.sleep(0)


def test_without_a_broker_there_is_no_program_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="run smsd"):
        asyncio.run(serve(bridge_settings(store=f"sqlite:///{tmp_path / 'b.db'}"), bridge_settings))


async def test_answers_are_offered_though_the_connection_was_lost_while_they_were_committed(
    program: Program,
) -> None:
    running = asyncio.create_task(program.daemon.run())
    while program.store.commits < 2:
        await asyncio.sleep(0)
    body = program.parcel(program.join())
    writer, commits = program.store._runner, list[Callable[[], None]]()
    program.store._runner = commits.append
    bringing = asyncio.create_task(program.daemon.on_parcels([body]))
    async with asyncio.timeout(60):
        while not commits:
            await asyncio.sleep(0)
    bringing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bringing
    program.store._runner = writer
    for commit in commits:
        writer(commit)
    async with asyncio.timeout(60):
        while not program.road.offered:
            await asyncio.sleep(0)
    assert [posted.peer for posted in program.road.offered] == ["smsd"]
    # by the next connection it comes again, and is known
    assert await program.daemon.on_parcels([body]) == [id_of(body)]
    assert program.posted() == [("smsd", ["joined"])]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_was_refused_long_ago_is_forgotten(program: Program) -> None:
    for place, days in enumerate((91, 89)):
        program.connection.execute(
            "INSERT INTO refused_messages VALUES (?, 'smsd', 'KeyError', x'00', ?)",
            (str(place), program.clock.us - days * DAY_US),
        )
    await program.store.run(program.daemon.forget)
    assert program.rows("SELECT id FROM refused_messages") == [("1",)]


@pytest.mark.parametrize("seed", range(8))
async def test_parcels_of_a_payment_in_any_order_and_number_end_in_the_same_books(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    ends = []
    for run in range(2):
        folder = tmp_path / str(run)
        folder.mkdir()
        program = Program(folder)
        program.take(program.join())
        charge = the_charge(program.take(program.pay()))
        said = [
            replace(program.settled(charge, outcome), sequence=place, overbilled=beyond, given_back=back)
            for place, (outcome, beyond, back) in enumerate(
                [
                    (Outcome.NOT_CHARGED, 0, 0),
                    (Outcome.CHARGED, 0, 0),
                    (Outcome.CHARGED, 5000, 0),
                    (Outcome.CHARGED, 5000, 2000),
                    (Outcome.REFUND_DUE, 5000, 5000),
                    *([(Outcome.REFUNDED, 5000, 5000)] if seed % 2 else []),
                ],
                start=1,
            )
        ]
        parcels = [program.parcel(each) for each in said]
        if run:
            parcels += chance.choices(parcels, k=4)
            chance.shuffle(parcels)
        while parcels:
            size = chance.randint(1, 3) if run else len(parcels)
            await program.daemon.on_parcels(parcels[:size])
            parcels = parcels[size:]
        assert audit(program.tx).differences == ()
        ends.append(
            (
                program.balances(),
                program.rows("SELECT paid_ore, credited_ore, excess_ore, lost_ore FROM standings"),
                program.rows("SELECT state, contradicted, sequence, overbilled_ore FROM payments"),
                program.rows(
                    "SELECT state, sum(amount_ore) FROM refunds WHERE state <> 'cancelled' GROUP BY 1"
                ),
                program.value("SELECT count(*) FROM evidence"),
            )
        )
        await program.store.close()
        program.close()
    assert ends[1] == ends[0]
