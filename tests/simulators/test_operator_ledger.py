"""The operator's ledger: appended, read back, never rewritten."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from simulators.smsc.ledger import Event, Ledger, LedgerDamagedError, LedgerEntry
from simulators.smsc.settings import Fsync


def entry(number: str = "+4799999999", amount_ore: int = 5000, event: Event = Event.BILLED) -> LedgerEntry:
    return LedgerEntry(
        event=event,
        at="2026-11-22T01:00:00.000000Z",
        message_id="7",
        number=number,
        amount_ore=amount_ore,
        short_code="2030",
        account="smsd",
        sequence=3,
        reference=None,
        length=20,
        reason="on delivery",
    )


def filled(path: Path | None, *entries: LedgerEntry) -> Ledger:
    ledger = Ledger(path)
    for one in entries:
        ledger.add(one)
    ledger.flush()
    return ledger


def test_a_row_is_one_json_line_with_every_fact_of_the_message(tmp_path: Path) -> None:
    filled(tmp_path / "ledger.jsonl", entry()).close()

    assert json.loads((tmp_path / "ledger.jsonl").read_text()) == {
        "seq": 1,
        "at": "2026-11-22T01:00:00.000000Z",
        "event": "billed",
        "message_id": "7",
        "number": "+4799999999",
        "amount_ore": 5000,
        "short_code": "2030",
        "account": "smsd",
        "sequence": 3,
        "reference": None,
        "length": 20,
        "reason": "on delivery",
    }


def test_a_restart_goes_on_counting_and_knows_the_totals(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    filled(path, entry(), entry(amount_ore=100), entry("+4741111001", event=Event.NOT_BILLED)).close()

    again = Ledger(path)

    assert (again.seq, again.billed, again.not_billed, again.amount_ore) == (3, 2, 1, 5100)
    assert again.spent_ore("+4799999999") == 5100
    assert again.spent_ore("+4741111001") == 0
    again.add(entry())
    assert [row.seq for row in again.rows()] == [1, 2, 3, 4]
    again.close()


def test_rows_already_written_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    filled(path, entry()).close()
    before = path.read_bytes()

    ledger = filled(path, entry("+4798765432"))
    ledger.rows()
    ledger.add(entry())
    ledger.close()

    assert path.read_bytes().startswith(before)
    assert path.read_bytes().count(b"\n") == 3


def test_nothing_is_in_the_file_before_flush(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.add(entry())
    assert path.read_bytes() == b""

    ledger.flush()

    assert path.read_bytes().count(b"\n") == 1
    ledger.close()


def test_a_last_row_cut_off_by_a_crash_is_cut_away(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    filled(path, entry()).close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])

    ledger = Ledger(path)

    assert (ledger.seq, ledger.cut_octets) == (1, 40)
    ledger.add(entry())
    assert [row.seq for row in ledger.rows()] == [1, 2]
    ledger.close()
    assert path.read_bytes() == whole + whole.replace(b'"seq":1', b'"seq":2')


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: "not a row\n" + text, "line 1 is no row"),
        (lambda text: text.replace('"seq":1', '"seq":5'), "row 5 stands where 1 belongs"),
        (lambda text: text.replace("billed", "perhaps"), "line 1 is no row"),
    ],
)
def test_a_damaged_ledger_is_refused_with_the_place(tmp_path: Path, damage: object, words: str) -> None:
    path = tmp_path / "ledger.jsonl"
    filled(path, entry()).close()
    assert callable(damage)
    path.write_text(damage(path.read_text()))

    with pytest.raises(LedgerDamagedError, match=words):
        Ledger(path)


def test_two_simulators_cannot_write_one_ledger(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")

    with pytest.raises(LedgerDamagedError, match="another smsc-sim"):
        Ledger(tmp_path / "ledger.jsonl")

    ledger.close()
    Ledger(tmp_path / "ledger.jsonl").close()


def test_rows_are_found_by_number_and_page_by_page() -> None:
    ledger = filled(None, *(entry(f"+47900000{place % 2:02d}", place) for place in range(2500)))

    page = ledger.rows(after=1999, limit=3)
    mine = ledger.rows(number="+4790000001", limit=10_000)

    assert [row.seq for row in page] == [2000, 2001, 2002]
    assert len(mine) == 1250
    assert mine[-1].amount_ore == 2499
    assert ledger.rows(after=2500) == []
    ledger.close()


def test_fsync_batch_forces_each_flush_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forced: list[int] = []
    monkeypatch.setattr(os, "fsync", forced.append)
    for policy, times in ((Fsync.BATCH, 1), (Fsync.NEVER, 0)):
        forced.clear()
        ledger = Ledger(tmp_path / policy, policy)
        ledger.add(entry())
        ledger.add(entry())
        ledger.flush()
        assert len(forced) == times
        ledger.close()
