"""The commands: what they show, and that wrong input is told by what, where and right, with status 2."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from playbook import KARI, OLA, Play
from typer.testing import CliRunner

from foundation.contract import ChargeSettled
from smsd.cli import app
from smsd.smpp.link import AnswerKind

CONFIG = """
[store]
url = "sqlite:///{store}"
[handoff]
carrier = "local"
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


class Console:
    """A terminal beside a play's store."""

    def __init__(self, folder: Path, play: Play) -> None:
        self.play = play
        self.config = folder / "smsd.toml"
        store = play.url.removeprefix("sqlite:///")
        self.config.write_text(CONFIG.format(store=store, folder=folder))

    def __call__(self, *words: str, config: Path | None = None) -> Result:
        given = [*words, "--config", str(config or self.config)]
        return CliRunner().invoke(app, given, catch_exceptions=False, env={"COLUMNS": "80"})

    def change(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))


@pytest.fixture(name="smsd")
def _smsd(tmp_path: Path, play: Play) -> Console:
    return Console(tmp_path, play)


def refused(result: Result, *words: str) -> str:
    """What a refused command said, all on the error stream and without a traceback."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr
    return result.stderr


def in_doubt(play: Play) -> str:
    wish = play.start_charge()
    play.answer(kind=AnswerKind.LOST)
    return wish.id


# check ----------------------------------------------------------------------------------------------------


def test_check_says_that_all_is_in_order(smsd: Console) -> None:
    result = smsd("check")
    assert result.exit_code == 0, result.output
    assert f"{smsd.config}: in order (1 operators, 1 short codes, 1 organisations)" in result.stdout


@pytest.mark.parametrize(
    ("old", "new", "key", "right"),
    [
        ("port = 2775", "port = 99999", "operators[telco].port", "65535"),
        ("port = 2775", 'port = "2775"', "operators[telco].port", "whole number"),
        ("tag = 0x1403", "tag = 0x13", "operators[telco].price.tag", "5120"),
        ("tag = 0x1403", "", "operators[telco].price", "tag"),
        ('carrier = "tlv"', 'carrier = "tvl"', "operators[telco].price.carrier", "tlv"),
        ('operators = ["telco"]', 'operators = ["tleco"]', "short_codes[2030].operators", "telco"),
        ('BETAL = "pay"', 'BETAL = "pya"', "subcodewords.BETAL", "pay"),
        ('codeword = "ORG1"', 'codeword = "STOPP"', "organisations[Organisasjon1].codeword", "another"),
        ('system_id = "smsd"', 'system_id = "a-name-of-18-octets"', "system_id", "15"),
        ('join = "join"', 'join = "maybe"', "join", "join-and-pay"),
        ('site = "https://org1.hypersys.no"', "", "site", "site"),
        ("[web]", "[wbe]", "wbe", "web"),
        ("[store]", "[store", "", ""),
        ('carrier = "local"', 'carrier = "mqtt"', "handoff", "mqtt"),
    ],
)
def test_check_tells_what_is_wrong_where_and_what_is_right(
    smsd: Console, old: str, new: str, key: str, right: str
) -> None:
    smsd.change(old, new)
    refused(smsd("check"), smsd.config.name, key, right)


def test_check_tells_every_fault_at_once(smsd: Console) -> None:
    smsd.change("port = 2775", "port = 99999")
    smsd.change('join = "join"', 'join = "maybe"')
    smsd.change("tag = 0x1403", "tag = 5")
    refused(smsd("check"), "port", "join", "tag")


def test_check_tells_the_faults_of_gateway_and_bridge_at_once_and_each_once(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parents[2] / "config", tmp_path / "config")
    main = tmp_path / "config" / "smsd.toml"
    main.write_text(main.read_text().replace("port = 2775", "port = 99999"))
    org = main.parent / "organisations" / "org1.toml"
    org.write_text(org.read_text().replace("payment_days = 14", "payment_days = 0").replace('"nn"', '"xx"'))
    result = CliRunner().invoke(app, ["check", "--config", str(main)])
    assert result.exit_code == 2
    for key in ("operators[telco].port", "payment_days", "language"):
        assert result.stderr.count(key) == 1, result.stderr


def test_check_does_not_show_a_password(smsd: Console) -> None:
    smsd.change('password = "secret"', f'password = "{"hemmeleg" * 9}"')
    assert "hemmeleg" not in refused(smsd("check"), "password")


@pytest.mark.parametrize("command", [["check"], ["run"], ["dialog"], ["charges"], ["charges", "show", "x"]])
def test_every_command_tells_of_a_missing_file(smsd: Console, tmp_path: Path, command: list[str]) -> None:
    refused(smsd(*command, config=tmp_path / "nobody.toml"), "nobody.toml")


def test_a_folder_in_the_files_place_is_told(smsd: Console, tmp_path: Path) -> None:
    refused(smsd("check", config=tmp_path), str(tmp_path))


@pytest.mark.parametrize("command", [["dialog"], ["charges"], ["charges", "show", "x"], ["run"]])
def test_a_store_that_cannot_be_opened_is_told(smsd: Console, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "no.db").write_text("this is no database, and long enough to be taken for one" * 30)
    smsd.change(smsd.play.url, f"sqlite:///{tmp_path / 'no.db'}")
    refused(smsd(*command), "store.url", "no.db")


def test_a_store_of_another_program_is_told(smsd: Console, tmp_path: Path) -> None:
    from billing_bridge.store import SCHEMA
    from foundation.store import open_sqlite

    other = f"sqlite:///{tmp_path / 'billing.db'}"
    open_sqlite(other, SCHEMA).close()
    smsd.change(smsd.play.url, other)
    refused(smsd("dialog"), "another program")


# dialog ---------------------------------------------------------------------------------------------------


def test_dialog_shows_every_sms(smsd: Console) -> None:
    smsd.play.text("ORG1 BETAL 50")
    smsd.play.start_charge()
    out = smsd("dialog").stdout.splitlines()
    assert len(out) == 2
    assert out[0] == "2026-11-23 13:00:00  +4799999901 → 2030  received  ORG1 BETAL 50"
    assert "[50 kr]" in out[1]


def test_dialog_as_json_has_one_object_a_line(smsd: Console) -> None:
    smsd.play.text("ORG1 BETAL 50\nmed linjeskift æøå")
    found = json.loads(smsd("dialog", "--json").stdout.splitlines()[0])
    assert (found["text"], found["number"], found["org"]) == (
        "ORG1 BETAL 50\nmed linjeskift æøå",
        OLA,
        "ORG1",
    )


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--org", "org1"], 1),
        (["--org", "ORG2"], 0),
        (["--number", "99 99 99 01"], 1),
        (["--number", "+4799999902"], 2),
        (["--since", "2026-11-23"], 3),
        (["--since", "2026-11-23T13:00:01"], 0),
        (["--since", "2026-11-23T12:00:00+00:00"], 3),
        (["--page-size", "2"], 2),
        (["--page", "2", "--page-size", "2"], 1),
    ],
)
def test_dialog_shows_what_is_asked_for(smsd: Console, words: list[str], count: int) -> None:
    smsd.play.text("ORG1 BETAL 50", OLA)
    smsd.play.text("hei", KARI)
    assert len(smsd("dialog", *words).stdout.splitlines()) == count


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--number", "abc"], "--number"),
        (["--number", "1"], "--number"),
        (["--since", "i går"], "--since: 'i går' is no date or time; write 2026-01-31"),
        (["--since", "2026-13-01"], "--since"),
        (["--page", "0"], "--page"),
        (["--page", "to"], "--page"),
        (["--page-size", "-1"], "--page-size"),
        (["--colour"], "--colour"),
    ],
)
def test_dialog_refuses_what_it_cannot_read(smsd: Console, words: list[str], told: str) -> None:
    refused(smsd("dialog", *words), told)


def test_a_number_that_is_refused_is_not_shown_whole(smsd: Console) -> None:
    assert "1234567890123456789" not in refused(smsd("dialog", "--number", "1234567890123456789"))


# charges --------------------------------------------------------------------------------------------------


def test_charges_are_shown_whole_in_a_pipe(smsd: Console) -> None:
    charge = in_doubt(smsd.play)
    result = smsd("charges")
    assert result.exit_code == 0
    (line,) = [line for line in result.stdout.splitlines() if charge in line]
    assert all(word in line for word in (OLA, "in_doubt", "ORG1", "50", "2026-11-23 13:00:00"))


def test_charges_as_json_have_one_object_a_line(smsd: Console) -> None:
    charge = in_doubt(smsd.play)
    (line,) = smsd("charges", "--json", "--state", "in_doubt").stdout.splitlines()
    found = json.loads(line)
    assert (found["id"], found["amount_ore"], found["state"]) == (charge, 5000, "in_doubt")
    assert smsd("charges", "--json", "--state", "charged").stdout == ""


def test_a_contradicted_charge_is_marked(smsd: Console) -> None:
    smsd.play.start_charge()
    smsd.play.answer(message_id="1")
    smsd.play.receipt("1")
    smsd.play.receipt("1", "UNDELIV")
    assert "contradicted" in smsd("charges").stdout


def test_charges_refuse_a_state_there_is_not(smsd: Console) -> None:
    refused(smsd("charges", "--state", "lost"), "--state: 'lost' is no state", "in_doubt", "refund_due")


def test_show_tells_the_whole_evidence(smsd: Console) -> None:
    charge = in_doubt(smsd.play)
    lines = smsd("charges", "show", charge).stdout.splitlines()
    assert ["intended → sending" in lines[0], "sending → in_doubt" in lines[1]] == [True, True]


def test_show_refuses_a_charge_there_is_not(smsd: Console) -> None:
    refused(smsd("charges", "show", "nobody"), "there is no charge nobody", "smsd charges")


@pytest.mark.parametrize(("outcome", "state"), [("charged", "charged"), ("not_charged", "not_charged")])
def test_resolve_settles_a_charge(smsd: Console, outcome: str, state: str) -> None:
    charge = in_doubt(smsd.play)
    result = smsd("charges", "resolve", charge, outcome, "--why", "ringte Telco", "--who", "Kari")
    assert (result.exit_code, result.stdout.strip()) == (0, f"{charge} is {state}")
    assert smsd.play.state(charge) == state
    assert "Kari: ringte Telco" in smsd("charges", "show", charge).stdout
    assert [each.charge for each in smsd.play.waiting_parcels() if isinstance(each, ChargeSettled)] == [
        charge
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["refunded", "--why", "x"],
            "outcome: 'refunded' cannot be said by hand; give charged or not_charged",
        ),
        (["maybe", "--why", "x"], "charged or not_charged"),
        (["charged"], "--why"),
        (["charged", "--why", ""], "--why"),
        (["charged", "--why", "   "], "--why"),
    ],
)
def test_resolve_refuses_what_cannot_be_said(smsd: Console, words: list[str], told: str) -> None:
    charge = in_doubt(smsd.play)
    refused(smsd("charges", "resolve", charge, *words), told)
    assert smsd.play.state(charge) == "in_doubt"


def test_resolve_refuses_a_charge_there_is_not(smsd: Console) -> None:
    refused(smsd("charges", "resolve", "nobody", "charged", "--why", "x"), "there is no charge nobody")


def test_resolve_refuses_a_charge_that_is_under_way(smsd: Console) -> None:
    wish = smsd.play.start_charge()
    refused(smsd("charges", "resolve", wish.id, "charged", "--why", "x"), f"{wish.id} is sending", "wait")


def test_a_number_that_phones_wrote_cannot_steer_the_terminal(smsd: Console) -> None:
    smsd.play.text("ORG1 \x1b]0;eigar\x07 BETAL", source_addr="4799999901")
    assert "\x1b" not in smsd("dialog").stdout


@pytest.mark.parametrize("words", [[], ["charges", "mend"], ["no-such-command"]])
def test_a_command_there_is_not_ends_with_status_2(words: list[str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == 2


def test_help_names_every_command() -> None:
    out = CliRunner().invoke(app, ["--help"]).stdout
    assert [word for word in ("run", "check", "demo", "dialog", "charges") if word not in out] == []


def test_a_resolved_charge_lets_the_one_it_held_go(smsd: Console) -> None:
    play = smsd.play
    first, second = play.charge(), play.charge(expires_s=10**9)
    play.parcel(first, second)
    play.answer(kind=AnswerKind.LOST)
    smsd("charges", "resolve", first.id, "not_charged", "--why", "x")
    play.tick(1)
    play.tick(1)
    assert play.state(second) == "sending"
