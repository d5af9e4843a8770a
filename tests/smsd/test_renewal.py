"""After a reload what waits leaves as the new settings say; what has begun to leave stays as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playbook import Play, operator, settings_of
from test_engine import Bench
from test_flow import send

from smsd.assembly import make_gateway
from smsd.settings import Price
from smsd.smpp.pdu import find

LONG = "æ" * 200


@pytest.fixture(name="bench")
async def _bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(Play(tmp_path), window=1)
    await bench.start()
    yield bench
    await bench.stop()
    bench.play.close()


def reload(bench: Bench, **profile: Any) -> None:
    play = bench.play
    new = settings_of(play.url, [operator(**profile)], play.organisations, play.short_codes)
    bench.engine.use(make_gateway(new, bench.queues, ids=bench.ids, clock=bench.clock))


async def test_a_charge_that_waits_carries_its_price_as_the_new_profile_says(bench: Bench) -> None:
    await bench.parcel(send(bench.play, "fyrst", "code"), bench.play.charge(kr=50))
    reload(bench, price=Price(carrier="tlv", tag=0x1500, unit="kroner"))
    await bench.answer(0)
    pdu = bench.link.submitted[-1].pdu
    assert (find(pdu.tlvs, 0x1500), find(pdu.tlvs, 0x1403)) == (b"50\0", None)


async def test_a_charge_kept_aside_is_written_anew_too(bench: Bench) -> None:
    await bench.parcel(bench.play.charge(invoice="a"), bench.play.charge(invoice="b"))
    await bench.answer(0)
    assert bench.queues["telco"].held
    reload(bench, price=Price(carrier="tlv", tag=0x1500))
    await bench.tick()
    (held,) = bench.queues["telco"].held.values()
    assert [bool(find(piece.pdu.tlvs, 0x1500)) for piece in held] == [True]


async def test_a_long_text_that_waits_is_cut_anew_and_counted(bench: Bench) -> None:
    await bench.parcel(
        send(bench.play, "fyrst", "code"), send(bench.play, LONG, "code"), send(bench.play, "sist", "code")
    )
    assert len(bench.queues["telco"]) == 3
    reload(bench, segments_by="payload")
    await bench.answer(0)
    assert len(bench.queues["telco"]) == 1
    await bench.answer(1)
    assert [piece.total for piece in bench.link.submitted] == [1, 1, 1]
    assert bench.link.submitted[-1].outgoing.text == "sist"


async def test_a_long_text_of_which_a_part_has_left_stays_as_it_was_begun(bench: Bench) -> None:
    await bench.parcel(send(bench.play, LONG))
    reload(bench, segments_by="udh16")
    await bench.answer(0)
    first, second = bench.link.submitted
    assert first.pdu.short_message[:4] == second.pdu.short_message[:4]
    assert (first.part, second.part, len(bench.queues["telco"])) == (1, 2, 0)


async def test_what_the_new_profile_cannot_send_is_not_lost(bench: Bench) -> None:
    await bench.parcel(send(bench.play, "fyrst", "code"), bench.play.charge(kr=500))
    reload(bench, price=Price(carrier="tlv", tag=0x1403, max_kr=100))
    await bench.answer(0)
    assert bench.link.submitted[-1].outgoing.price_ore == 50_000


async def test_where_the_profile_is_the_same_nothing_is_written_anew(bench: Bench) -> None:
    await bench.parcel(send(bench.play, "fyrst", "code"), send(bench.play, "andre", "code"))
    waiting = next(iter(bench.queues["telco"]._lanes[0].streams.values()))
    before = [id(piece) for piece in waiting]
    reload(bench)
    await bench.tick()
    waiting = next(iter(bench.queues["telco"]._lanes[0].streams.values()))
    assert before
    assert [id(piece) for piece in waiting] == before
