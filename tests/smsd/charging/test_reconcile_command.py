"""`smsd charges reconcile`: what it shows and does, and that wrong input is told and changes nothing."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from playbook import KARI, NOON, OLA, HandClock, Play
from typer.testing import CliRunner

from foundation.clock import DAY_US
from smsd.charging.states import ChargeState
from smsd.cli import app
from smsd.smpp.link import AnswerKind

CONFIG = """
[store]
url = "sqlite:///{store}"
[handoff]
carrier = "local"
name = "smsd-7"
[bridge]
store = "sqlite:///{folder}/billing.db"
[web]
listen = "127.0.0.1:8030"
[[operators]]
name = "telco"
host = "127.0.0.1"
port = 2775
system_id = "smsd"
password = "secret"
[operators.price]
carrier = "tlv"
tag = 0x1403
[operators.report]
unit = "ore"
date_format = "%d.%m.%Y %H:%M:%S"
[operators.report.columns]
message_id = "Ref"
at = "Tid"
[operators.report.outcomes]
OK = "charged"
"NO MONEY" = "no_credit"
[[short_codes]]
number = "2030"
operators = ["telco"]
[[organisations]]
name = "Organisasjon1"
codeword = "ORG1"
site = "https://org1.hypersys.no"
join = "join"
[organisations.subcodewords]
BETAL = "pay"
[organisations.billing]
account = "9999.00.00014"
organisation_number = "999 000 010"
[[organisations.billing.fees]]
category = "Medlem"
amount_kr = 50
"""
HEADER = "Ref;Number;Amount;Tid;Outcome"
CHARGED = f"1;{OLA[1:]};5000;23.11.2026 13:00:00;OK"
COMPLETE = ("--complete", "--since", "2026-11-23", "--until", "2026-11-24")


class Desk:
    """A terminal beside a gateway's store, on a day after all this happened."""

    def __init__(self, folder: Path, play: Play) -> None:
        self.play = play
        self.config = folder / "smsd.toml"
        self.file = folder / "report.csv"
        store = play.url.removeprefix("sqlite:///")
        self.config.write_text(CONFIG.format(store=store, folder=folder))
        self.write(CHARGED)

    def write(self, *rows: str) -> None:
        self.file.write_text("\n".join((HEADER, *rows)))

    def __call__(self, *words: str, operator: str = "telco") -> Result:
        given = ["charges", "reconcile", str(self.file), "--operator", operator, "--config", str(self.config)]
        return CliRunner().invoke(app, [*given, *words], catch_exceptions=False)

    def refused(self, *words: str, **options: Any) -> str:
        """What was said; nothing may have changed."""
        before = list(self.play.connection.iterdump())
        result = self(*words, **options)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert list(self.play.connection.iterdump()) == before
        return result.stderr


@pytest.fixture(name="desk")
def _desk(tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr("smsd.cli.SystemClock", lambda: HandClock(NOON + 3 * DAY_US))
    return Desk(tmp_path, play)


def in_doubt(play: Play, **wishes: Any) -> str:
    charge = play.start_charge(**wishes)
    play.answer(kind=AnswerKind.LOST)
    return charge.id


def test_without_apply_it_shows_what_it_would_do_and_changes_nothing(desk: Desk) -> None:
    charge = in_doubt(desk.play)
    before = list(desk.play.connection.iterdump())
    result = desk()
    assert result.exit_code == 0
    for words in (
        charge,
        OLA,
        "in_doubt",
        "open here, charged there",
        "report_charged",
        "2026-11-23 13:00:00",
    ):
        assert words in result.stdout
    assert "1 rows, 1 charges: 1 open here, charged there" in result.stdout
    assert "theirs 5000 øre, ours 0 øre, difference 5000 øre" in result.stdout
    assert list(desk.play.connection.iterdump()) == before


def test_with_apply_the_charge_moves_and_a_second_time_there_is_nothing_to_do(desk: Desk) -> None:
    charge = in_doubt(desk.play)
    result = desk("--apply", "--who", "Kari")
    assert (
        "applied: 1 charges told, 1 moved; ours 0 → 5000 øre, difference now 0 øre, 0 still" in result.stdout
    )
    assert desk.play.state(charge) is ChargeState.CHARGED
    ((detail,),) = desk.play.rows("SELECT detail FROM charge_events WHERE evidence = 'report_charged'")
    assert detail.startswith("Kari: report sha256:")
    assert detail.endswith(" line 2")
    ((body,),) = desk.play.rows("SELECT body FROM handoff_outbox ORDER BY seq DESC LIMIT 1")
    assert (json.loads(body)["sender"], json.loads(body)["messages"][0]["charge"]) == ("smsd-7", charge)
    before = list(desk.play.connection.iterdump())
    assert "applied: 0 charges told, 0 moved; ours 5000 → 5000 øre" in desk("--apply").stdout
    assert list(desk.play.connection.iterdump()) == before


def test_after_a_complete_report_nothing_of_its_period_is_in_doubt(desk: Desk) -> None:
    billed, not_billed = in_doubt(desk.play), in_doubt(desk.play, number=KARI)
    assert "0 still in doubt" in desk(*COMPLETE, "--apply").stdout
    assert (desk.play.state(billed), desk.play.state(not_billed)) == (
        ChargeState.CHARGED,
        ChargeState.NOT_CHARGED,
    )


def test_json_has_every_line_and_the_totals(desk: Desk) -> None:
    charge = in_doubt(desk.play)
    desk.write(CHARGED, f";{KARI[1:]};6000;23.11.2026 13:00:00;OK")
    *lines, totals = [json.loads(line) for line in desk("--json").stdout.splitlines()]
    assert sorted(
        (line["kind"], line["charge"], line["lines"], line["difference_ore"]) for line in lines
    ) == [
        ("resolved_charged", charge, [2], 5000),
        ("unknown_here", "", [3], 6000),
    ]
    assert totals["totals"]["difference_ore"] == totals["totals"]["theirs_ore"] == 11_000


def test_a_report_with_one_broken_row_applies_nothing(desk: Desk) -> None:
    in_doubt(desk.play)
    desk.write(CHARGED, f"2;{OLA[1:]};50,00;24.11.26;PAID", "3;4799")
    assert desk.refused("--apply").splitlines() == [
        f"{desk.file}: nothing was applied",
        "line 3, column Tid: '24.11.26' is no date and time; write it as 30.11.2026 18:05:00, "
        "or set date_format",
        "line 3, column amount: '50,00' is no amount; give whole øre, such as 5000",
        'line 3, column outcome: \'PAID\' is no known outcome; one of "OK", "NO MONEY"; or add it to '
        "report.outcomes",
        "line 4: it has 2 values; give 5, as the header has",
    ]


def test_numbers_of_broken_rows_are_masked(desk: Desk) -> None:
    desk.write("1;479999990x;5000;23.11.2026 13:00:00;OK", "1;5000;4799999901;23.11.2026 13:00:00;4799999901")
    assert "999990" not in desk.refused()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--until", "tomorrow"), "--until: 'tomorrow' is no date or time; write 2026-01-31"),
        (("--since", "2026-13-01"), "--since: '2026-13-01' is no date or time"),
        (("--since", "2026-11-24", "--until", "2026-11-24"), "--until: '2026-11-24' is not after --since"),
        (("--refunds",), "--refunds: nothing is done without --apply"),
        (("--complete", "--apply"), "give --since and a later --until, not after now"),
        (("--complete", "--since", "2026-11-23", "--until", "2026-12-01"), "not after now"),
    ],
)
def test_wrong_options_are_told_and_change_nothing(desk: Desk, words: tuple[str, ...], told: str) -> None:
    in_doubt(desk.play)
    assert told in desk.refused(*words)


def test_an_unknown_operator_is_told_with_those_there_are(desk: Desk) -> None:
    assert desk.refused(operator="telko") == "--operator: there is no operator 'telko'; give one of telco\n"


def test_a_file_that_is_not_there_is_told(desk: Desk) -> None:
    desk.file.unlink()
    assert "cannot be read (No such file or directory); give the operator's CSV file" in desk.refused()


def test_the_report_of_another_operator_is_not_taken_as_complete(desk: Desk) -> None:
    charge = in_doubt(desk.play, number=KARI)
    assert "no row of the report is about a charge at operator telco" in desk.refused(*COMPLETE, "--apply")
    assert desk.play.state(charge) is ChargeState.IN_DOUBT


def test_a_store_that_is_held_by_another_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    in_doubt(desk.play)

    def held(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("smsd.charging.reconciliation.apply", held)
    assert "database is locked); nothing was applied; try again" in desk.refused("--apply")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('unit = "ore"', 'unit = "øre"', "operators[telco].report.unit"),
        ('at = "Tid"', 'tid = "Tid"', "operators[telco].report.columns.tid"),
        ('OK = "charged"', 'OK = "paid"', '"OK" leads to "paid", which is no outcome'),
        ("%d.%m.%Y %H:%M:%S", "%d.%m.", "does not tell a date"),
    ],
)
def test_a_wrong_report_table_stops_at_the_settings(desk: Desk, old: str, new: str, told: str) -> None:
    text = desk.config.read_text()
    assert old in text
    desk.config.write_text(text.replace(old, new))
    assert told in desk.refused()
