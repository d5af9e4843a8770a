"""`smsd charges`: the worklist, people's verdicts, one charge's evidence."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from playbook import KARI, OLA, Play
from test_cli import Console, refused

from foundation.clock import SECOND_US, SystemClock
from smsd.cli import main
from smsd.smpp.link import AnswerKind


@pytest.fixture(name="smsd")
def _smsd(tmp_path: Path, play: Play) -> Console:
    # commands go by the machine's own clock
    play.clock.us = SystemClock().now_us() - 3 * 3600 * SECOND_US
    return Console(tmp_path, play)


def in_doubt(play: Play, kr: int = 50, number: str = OLA) -> str:
    wish = play.start_charge(kr=kr, number=number)
    play.answer(kind=AnswerKind.LOST)
    return wish.id


def row(smsd: Console, *words: str) -> dict[str, object]:
    (line,) = smsd("charges", "--json", *words).stdout.splitlines()
    found: dict[str, object] = json.loads(line)
    return found


def ids(smsd: Console, *words: str) -> list[str]:
    return [json.loads(line)["id"] for line in smsd("charges", "--json", *words).stdout.splitlines()]


def test_the_worklist_tells_age_evidence_and_what_may_come(smsd: Console) -> None:
    charge = in_doubt(smsd.play)
    out = smsd("charges", "--state", "in_doubt").stdout
    (line,) = [line for line in out.splitlines() if charge in line]
    assert "3 h 0 min" in line
    # a cell may take several lines
    assert {"The", "operator", "did", "not", "lost)", "receipt,", "until", "billing", "report"} <= set(
        out.split()
    )


def test_the_worklist_as_json_has_it_in_fields(smsd: Console) -> None:
    in_doubt(smsd.play)
    found = row(smsd, "--state", "in_doubt")
    assert found["age_s"] in range(3 * 3600, 3 * 3600 + 60)
    assert found["known"] == [
        "The premium SMS goes to the operator",
        "The operator did not answer (the link was lost)",
    ]
    assert [each["source"] for each in found["may_come"]] == ["receipt", "report"]  # type: ignore[attr-defined]
    assert found["proposal"] is None


def test_the_worklist_begins_with_the_oldest(smsd: Console) -> None:
    first = in_doubt(smsd.play)
    smsd.play.clock.advance(60)
    second = in_doubt(smsd.play, number=KARI)
    assert ids(smsd, "--state", "in_doubt") == [first, second]
    assert ids(smsd, "--state", "in_doubt", "--page-size", "1", "--page", "2") == [second]
    assert ids(smsd) == [second, first]


def test_charges_are_filtered_by_amount_age_number_and_operator(smsd: Console) -> None:
    small = in_doubt(smsd.play)
    smsd.play.clock.advance(2.5 * 3600)
    large = in_doubt(smsd.play, 900, KARI)
    assert ids(smsd, "--min-kr", "51") == [large]
    assert ids(smsd, "--older-h", "1") == [small]
    assert ids(smsd, "--number", "99 99 99 02") == [large]
    assert len(ids(smsd, "--operator", "telco")) == 2
    refused(smsd("charges", "--operator", "tleco"), "--operator", "telco")


@pytest.mark.parametrize(
    "words",
    [
        ("--older-h", "inf"),
        ("--older-h", "1e300"),
        ("--min-kr", "9" * 20),
        ("--page", "9" * 20),
        ("--page", str(2**63 - 1)),
    ],
)
def test_a_number_beyond_all_reason_is_refused(smsd: Console, words: tuple[str, ...]) -> None:
    in_doubt(smsd.play)
    refused(smsd("charges", *words), f"Invalid value for '{words[0]}'")


@pytest.mark.parametrize(
    "words",
    [("charges",), ("charges", "--state", "in_doubt"), ("audit",), ("dialog",), ("charges", "pauses")],
    ids=" ".join,
)
def test_a_store_that_is_not_there_is_told_and_not_made(smsd: Console, words: tuple[str, ...]) -> None:
    """From another folder, a list of an empty store would say that nothing is in doubt."""
    place = smsd.config.parent / "elsewhere" / "smsd.db"
    smsd.change(smsd.play.url, f"sqlite:///{place}")
    refused(smsd(*words), f"store.url: there is no store {place}", "the folder that smsd runs in")
    assert not place.parent.exists()


def test_a_store_that_is_held_is_told_and_nothing_changed(
    smsd: Console, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    charge = in_doubt(smsd.play)
    path = smsd.play.url.removeprefix("sqlite:///")
    monkeypatch.setattr("foundation.database.connect_sqlite.__kwdefaults__", {"busy_timeout_s": 0.01})
    words = ["charges", "resolve", charge, "charged", "--why", "x", "--config", str(smsd.config)]
    monkeypatch.setattr("sys.argv", ["smsd", *words])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told == "store.url: it cannot be used now (database is locked); nothing was changed; try again\n"
    other.execute("ROLLBACK")
    other.close()
    assert smsd.play.state(charge) == "in_doubt"


def test_an_organisation_that_is_not_there_is_told_unless_it_has_charges(smsd: Console) -> None:
    in_doubt(smsd.play)
    told = "--org: there is no organisation 'org9', and no charge of it; give one of ORG1"
    refused(smsd("charges", "--org", "org9"), told)
    smsd.play.connection.execute("UPDATE charges SET org = 'ORG9'")
    assert smsd("charges", "--org", "org9").exit_code == 0
    assert smsd("charges", "--org", "ORG1").exit_code == 0


def test_what_waits_for_a_second_person_is_listed_and_settled_by_one(smsd: Console) -> None:
    charge = in_doubt(smsd.play, 900)
    first = smsd("charges", "resolve", charge, "charged", "--why", "ringte", "--who", "Kari")
    assert first.exit_code == 0
    assert f"{charge} is in_doubt: Kari proposes charged" in first.stdout
    found = row(smsd, "--proposed")
    assert found["id"] == charge
    assert found["proposal"]["who"] == "Kari"  # type: ignore[index]
    assert "a second person's word: Kari proposed charged" in " ".join(
        smsd("charges", "--proposed").stdout.split()
    )
    refused(
        smsd("charges", "resolve", charge, "charged", "--why", "x", "--who", "kari"), "somebody else must say"
    )
    second = smsd("charges", "resolve", charge, "charged", "--why", "rapporten", "--who", "Ola")
    assert second.stdout.strip() == f"{charge} is charged"
    assert ids(smsd, "--proposed") == []


def test_a_proposal_is_withdrawn(smsd: Console) -> None:
    charge = in_doubt(smsd.play, 900)
    smsd("charges", "resolve", charge, "charged", "--why", "ringte", "--who", "Kari")
    done = smsd("charges", "withdraw", charge, "--why", "feil", "--who", "Ola")
    assert done.stdout.strip() == f"{charge}: Kari's proposal, charged, is withdrawn"
    refused(smsd("charges", "withdraw", charge, "--why", "feil"), "nothing is proposed")
    refused(smsd("charges", "withdraw", charge, "--why", "  "), "--why")


def test_the_amount_is_a_setting(smsd: Console) -> None:
    charge = in_doubt(smsd.play, 900)
    smsd.change("[web]", "[limits]\nresolve_alone_kr = 1000\n[web]")
    assert (
        smsd("charges", "resolve", charge, "charged", "--why", "x").stdout.strip() == f"{charge} is charged"
    )


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("[web]", "[limits]\nresolve_alone_kr = -1\n[web]", "limits.resolve_alone_kr"),
        ("[web]", "[limits]\nin_doubt_alarm_s = [10]\n[web]", "limits.in_doubt_alarm_s"),
        ("[operators.price]", "query = 1\n[operators.price]", "operators[telco].query"),
        (
            "[operators.price]",
            "[operators.queries]\npause_s = 600\npause_max_s = 60\n[operators.price]",
            "pause_max_s",
        ),
        (
            "[operators.price]",
            '[operators.queries.outcomes]\nDELIVRD = "charged"\n[operators.price]',
            "DELIVERED",
        ),
        (
            "[operators.price]",
            '[operators.queries.outcomes]\nUNKNOWN = "charged"\n[operators.price]',
            "no final state",
        ),
        (
            "[operators.price]",
            '[operators.queries.outcomes]\nEXPIRED = "gone"\n[operators.price]',
            "no_credit",
        ),
    ],
)
def test_check_tells_what_is_wrong_with_them(smsd: Console, old: str, new: str, key: str) -> None:
    smsd.change(old, new)
    refused(smsd("check"), key)


def paid(smsd: Console) -> str:
    """A whole payment: its MO, its premium SMS, its receipt, and the reply with its own."""
    play = smsd.play
    play.text("ORG1 BETAL 50")
    conversation = play.value("SELECT id FROM messages")
    wish = play.start_charge(conversation=conversation)
    play.answer(message_id="m1")
    play.clock.advance(2)
    play.receipt("m1")
    play.parcel(play.reply(conversation, "paid"))
    play.answer(message_id="m2")
    play.receipt("m2")
    return wish.id


def test_show_as_json_has_the_mo_the_price_the_times_and_both_receipts(smsd: Console) -> None:
    charge = paid(smsd)
    case = json.loads(smsd("charges", "show", charge, "--json").stdout)
    assert [(each["purpose"], each["price_ore"], each["fate"]) for each in case["sms"]] == [
        ("mo", 0, "received"),
        ("premium", 5000, "delivered"),
        ("reply", 0, "delivered"),
    ]
    assert case["sms"][0]["text"] == "ORG1 BETAL 50"
    assert [each["evidence"] for each in case["steps"]] == ["start", "answer_accepted", "receipt_charged"]
    assert case["steps"][0]["at_us"] <= case["steps"][1]["at_us"] < case["steps"][2]["at_us"]
    told = [(each["purpose"], each["kind"], each["message_id"], each["stat"]) for each in case["answers"]]
    assert told == [
        ("premium", "answer", "m1", ""),
        ("premium", "receipt", "m1", "DELIVERED"),
        ("reply", "answer", "m2", ""),
        ("reply", "receipt", "m2", "DELIVERED"),
    ]
    assert (case["answers"][1]["submit"], case["answers"][1]["done"]) == (
        "2026-11-23 12:00",
        "2026-11-23 12:01",
    )
    assert (case["ledger"], case["state"], case["org_name"]) == (None, "charged", "Organisasjon1")


@pytest.mark.parametrize(("words", "heading"), [([], "Meldingane"), (["--language", "en"], "The messages")])
def test_show_writes_a_page(smsd: Console, tmp_path: Path, words: list[str], heading: str) -> None:
    page = tmp_path / "page.html"
    result = smsd("charges", "show", paid(smsd), "--html", str(page), *words)
    assert (result.exit_code, result.stdout) == (0, "")
    text = page.read_text("utf-8")
    assert heading in text
    assert "ORG1 BETAL 50" in text


def test_show_refuses_what_it_cannot_do(smsd: Console, tmp_path: Path) -> None:
    charge = in_doubt(smsd.play)
    refused(smsd("charges", "show", charge, "--language", "fr"), "--language", "nb")
    refused(smsd("charges", "show", charge, "--html", str(tmp_path / "no" / "page.html")), "--html", "folder")
    refused(smsd("charges", "show", "nobody", "--json"), "there is no charge nobody")
