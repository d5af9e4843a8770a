"""What is let go of, and what documents a charge and is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playbook import OLA, HandClock, Play

from foundation.clock import DAY_US
from foundation.store import Store, open_sqlite, run_at_once
from smsd.housekeeping import Housekeeping, Keeping
from smsd.settings import ChargeLimits
from smsd.store import SCHEMA

KEEPING = Keeping(text_days=30, receipt_wait_h=48, guidance_s=86_400, pause_s=0, rows=2)


async def tidy(folder: Path, clock: HandClock) -> int:
    store = Store(open_sqlite(f"sqlite:///{folder}/smsd.db", SCHEMA), runner=run_at_once)
    try:
        return await Housekeeping(store, clock, KEEPING).once()
    finally:
        await store.close()


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, play: Play) -> Path:
    assert play.url.endswith("smsd.db")
    return tmp_path


async def test_old_texts_are_blanked_a_page_at_a_time_and_young_ones_stay(play: Play, folder: Path) -> None:
    for place in range(5):
        play.text(f"ORG1 hei {place}", number=f"+479000000{place}")
    before = len(play.texts())
    play.clock.advance(31 * DAY_US / 1_000_000)
    play.text("ORG1 hei igjen", number="+4790000009")
    await tidy(folder, play.clock)
    left = [text for (text,) in play.rows("SELECT text FROM messages") if text]
    assert before > 0
    assert "ORG1 hei igjen" in left
    assert not any("hei 0" in text for text in left)
    assert play.value("SELECT count(*) FROM messages WHERE text = ''") >= 5


async def test_the_texts_of_a_conversation_that_charged_are_kept(play: Play, folder: Path) -> None:
    play.text("ORG1 BETAL 50", number=OLA)
    conversation = play.value("SELECT conversation FROM messages WHERE direction = 'in'")
    play.start_charge(conversation=conversation)
    play.clock.advance(400 * DAY_US / 1_000_000)
    await tidy(folder, play.clock)
    kept = [text for (text,) in play.rows("SELECT text FROM messages WHERE conversation = ?", conversation)]
    assert len(kept) == 2
    assert all(kept)


async def test_an_id_is_forgotten_once_no_receipt_can_come_but_not_while_its_charge_is_open(
    play: Play, folder: Path
) -> None:
    play.start_charge()
    play.answer(message_id="id-open")
    play.clock.advance(10 * 86_400)
    await tidy(folder, play.clock)
    assert play.value("SELECT count(*) FROM submissions WHERE key = 'id-open'") == 1
    play.receipt("id-open")
    await tidy(folder, play.clock)
    assert play.value("SELECT count(*) FROM submissions WHERE key = 'id-open'") == 0


async def test_all_old_ids_are_forgotten_page_by_page_and_young_ones_stay(play: Play, folder: Path) -> None:
    for place in range(5):
        play.parcel(play.send(f"nr {place}", number=f"+479000000{place}"))
        play.answer(message_id=f"old-{place}")
    play.clock.advance(10 * 86_400)
    play.parcel(play.send("ny", number=OLA))
    play.answer(message_id="young")
    await tidy(folder, play.clock)
    assert play.rows("SELECT key FROM submissions") == [("young",)]


async def test_a_reported_age_is_forgotten_once_its_charge_can_no_more_begin(
    play: Play, folder: Path
) -> None:
    play.rows("INSERT INTO reported_ages VALUES ('c', 17, ?)", play.clock.us)
    play.clock.advance(DAY_US / 1_000_000)
    await tidy(folder, play.clock)
    assert play.value("SELECT age FROM reported_ages") == 17
    play.clock.advance(DAY_US / 1_000_000 + 1)
    await tidy(folder, play.clock)
    assert play.rows("SELECT age FROM reported_ages") == []


async def test_the_text_of_a_payer_s_yes_is_kept_with_its_charge(plays: Callable[..., Play]) -> None:
    play = plays(charges=ChargeLimits(confirm_above_kr=10))
    play.parcel(play.charge())
    play.text("ORG1 JA")
    play.clock.advance(400 * DAY_US / 1_000_000)
    await tidy(Path(play.url.removeprefix("sqlite:///")).parent, play.clock)
    assert play.value("SELECT text FROM messages WHERE direction = 'in'") == "ORG1 JA"


async def test_what_lies_aside_and_receipts_of_nothing_go_after_their_time(play: Play, folder: Path) -> None:
    day_us = DAY_US
    for place, days in enumerate((91, 89)):
        play.connection.execute(
            "INSERT INTO set_aside VALUES (?, 'Resolve', 'x', x'00', ?)",
            (str(place), play.clock.us - days * day_us),
        )
    for place, days in enumerate((181, 179)):
        play.connection.execute(
            "INSERT INTO unmatched_receipts VALUES (?, 'telco', 'k', '+47', '2030', 'receipt_charged', "
            "'delivered', '', '', ?, 0)",
            (str(place), play.clock.us - days * day_us),
        )
    await tidy(folder, play.clock)
    assert play.rows("SELECT id FROM set_aside") == [("1",)]
    assert play.rows("SELECT id FROM unmatched_receipts") == [("1",)]
