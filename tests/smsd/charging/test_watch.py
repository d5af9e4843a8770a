"""Charges that wait too long are counted, aged and told."""

from __future__ import annotations

from playbook import Play
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

    def __init__(self, play: Play) -> None:
        self.registry = CollectorRegistry()
        self.store = Store(open_sqlite(play.url, SCHEMA), runner=run_at_once)
        self.watch = Watch(self.store, play.clock, Metrics(self.registry), receipt_wait_h=48)

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
