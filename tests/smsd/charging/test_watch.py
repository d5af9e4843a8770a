"""Charges that wait too long are counted, aged and told."""

from __future__ import annotations

import msgspec
from playbook import KARI, Play
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from foundation.store import Store, open_sqlite, run_at_once
from smsd.charging.states import ChargeState
from smsd.charging.watch import Waiting, Watch
from smsd.metrics import Metrics
from smsd.smpp.link import AnswerKind
from smsd.store import SCHEMA


class Desk:
    """A watch over the play's store."""

    def __init__(self, play: Play, *alarm_s: int) -> None:
        self.registry = CollectorRegistry()
        self.store = Store(open_sqlite(play.url, SCHEMA), runner=run_at_once)
        self.watch = Watch(self.store, play.clock, Metrics(self.registry), 48, alarm_s or (86_400,))

    async def look(self) -> list[str]:
        with capture_logs() as heard:
            await self.watch.look()
        return [line["event"] for line in heard]


async def test_a_doubt_is_counted_aged_and_told_once_an_hour(play: Play) -> None:
    play.start_charge()
    play.answer(kind=AnswerKind.TIMED_OUT)
    play.clock.advance(90)
    desk = Desk(play)
    assert await desk.look() == ["charges.in_doubt"]
    assert desk.watch.waiting(ChargeState.IN_DOUBT) == Waiting(1, 90.0)
    told = desk.registry.get_sample_value("smsd_charges_oldest_seconds", {"state": "in_doubt"})
    assert told == 90.0
    play.clock.advance(1800)
    assert await desk.look() == []
    play.clock.advance(1800)
    assert await desk.look() == ["charges.in_doubt"]
    await desk.store.close()


async def test_an_accepted_charge_is_told_once_no_receipt_can_be_on_its_way(play: Play) -> None:
    play.start_charge()
    play.answer()
    play.clock.advance(47 * 3600)
    desk = Desk(play)
    assert await desk.look() == []
    play.clock.advance(2 * 3600)
    assert await desk.look() == ["charges.without_receipt"]
    await desk.store.close()


async def test_what_is_settled_is_neither_counted_nor_told(play: Play) -> None:
    play.start_charge()
    play.answer(message_id="one")
    play.receipt("one")
    play.clock.advance(500 * 3600)
    desk = Desk(play)
    assert await desk.look() == []
    assert desk.registry.get_sample_value("smsd_charges_open", {"state": "accepted"}) == 0
    await desk.store.close()


async def test_a_doubt_is_told_louder_at_each_age_it_reaches(play: Play) -> None:
    play.start_charge()
    play.answer(kind=AnswerKind.TIMED_OUT)
    desk = Desk(play, 3600, 7200)
    play.clock.advance(3599)
    assert await desk.look() == ["charges.in_doubt"]
    play.clock.advance(1)
    assert await desk.look() == ["charges.in_doubt_old"]
    assert await desk.look() == []
    play.clock.advance(3600)
    with capture_logs() as heard:
        await desk.watch.look()
    (old,) = [line for line in heard if line["event"] == "charges.in_doubt_old"]
    assert (old["log_level"], old["older_than_s"], old["count"], old["oldest_s"]) == ("error", 7200, 1, 7200)
    value = desk.registry.get_sample_value
    assert value("smsd_in_doubt_oldest_seconds") == 7200
    assert (value("smsd_in_doubt"), value("smsd_in_doubt_ore")) == (1, 5000)
    assert value("smsd_in_doubt_older", {"seconds": "3600"}) == 1
    await desk.store.close()


async def test_one_more_that_reaches_an_age_is_told_at_once(play: Play) -> None:
    play.start_charge()
    play.answer(kind=AnswerKind.TIMED_OUT)
    play.clock.advance(600)
    play.start_charge(number=KARI)
    play.answer(kind=AnswerKind.TIMED_OUT)
    desk = Desk(play, 3600)
    play.clock.advance(3000)
    assert "charges.in_doubt_old" in await desk.look()
    play.clock.advance(300)
    assert await desk.look() == []
    play.clock.advance(300)
    assert await desk.look() == ["charges.in_doubt_old"]
    await desk.store.close()


async def test_what_waits_for_a_second_person_is_counted_and_told(play: Play) -> None:
    charge = play.start_charge(kr=900)
    play.answer(kind=AnswerKind.TIMED_OUT)
    play.parcel(play.resolve(charge.id))
    desk = Desk(play)
    assert await desk.look() == ["charges.in_doubt", "charges.proposed"]
    assert desk.registry.get_sample_value("smsd_proposals_waiting") == 1
    play.parcel(msgspec.structs.replace(play.resolve(charge.id), who="Ola"))
    play.clock.advance(7200)
    assert await desk.look() == []
    assert desk.registry.get_sample_value("smsd_proposals_waiting") == 0
    await desk.store.close()
