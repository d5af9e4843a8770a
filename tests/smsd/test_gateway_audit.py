"""`smsd audit`: what is in order is told so, and every kind of damage is named with its row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import Result
from playbook import KARI, Play
from typer.testing import CliRunner

from foundation.contract import ChargeSettled, GatewayParcel, Outcome
from smsd.audit import audit
from smsd.charging.states import ChargeState
from smsd.cli import app
from smsd.settings import ChargeLimits
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
[organisations.billing]
account = "9999.00.00014"
organisation_number = "999 000 010"
"""


@pytest.fixture(name="busy")
def _busy(play: Play) -> Play:
    """A charge of each fate: charged and contradicted, in doubt, accepted, not yet begun; a stray receipt."""
    play.start_charge()
    play.answer(message_id="A1")
    play.receipt("A1")
    play.receipt("A1", "UNDELIV")
    play.start_charge(number=KARI)
    play.answer(kind=AnswerKind.LOST)
    play.receipt("nobody", number="+4799999907")
    play.start_charge(number="+4799999905")
    play.answer(message_id="A2")
    play.text("ORG1 MEDLEM")
    play.raw_parcel(b"")
    return play


def unguarded(play: Play) -> sqlite3.Connection:
    """The store without what refuses such damage."""
    for (name,) in play.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        play.connection.execute(f"DROP TRIGGER {name}")
    return play.connection


def found(play: Play) -> set[str]:
    return {difference.what for difference in audit(play.connection, play.clock.now_us()).differences}


def test_a_store_that_was_worked_with_is_in_order(busy: Play) -> None:
    seen = audit(busy.connection, busy.clock.now_us())
    assert seen.differences == ()
    assert seen.charges == 3
    assert seen.evidence > 6
    assert seen.unmatched_receipts == 1


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("UPDATE charges SET state = 'refunded' WHERE state = 'charged'", "a charge's state"),
        ("UPDATE charges SET state = 'lost' WHERE state = 'charged'", "a charge's state"),
        ("UPDATE charges SET contradicted = 0", "a charge's mark of contradiction"),
        ("UPDATE charges SET contradicted = 1", "a charge's mark of contradiction"),
        ("UPDATE charge_events SET after = 'charged' WHERE evidence = 'start'", "a charge's evidence"),
        ("UPDATE charge_events SET evidence = 'hearsay' WHERE evidence = 'start'", "a charge's evidence"),
        ("DELETE FROM charge_events WHERE evidence = 'start'", "a charge's evidence"),
        ("DELETE FROM charge_events WHERE evidence = 'receipt_charged'", "a charge's evidence"),
        ("UPDATE charge_events SET charge = 'nobody' WHERE id = 1", "evidence of a charge that is not there"),
        ("UPDATE charges SET amount_ore = amount_ore + 100", "a charge's message"),
        ("UPDATE messages SET number = '+4799999999' WHERE price_ore > 0", "a charge's message"),
        ("UPDATE messages SET org = 'ORG2' WHERE price_ore > 0", "a charge's message"),
        ("DELETE FROM messages WHERE price_ore > 0", "a charge without a message"),
        ("DELETE FROM charges WHERE state = 'charged'", "a premium message without a charge"),
        (
            "DROP INDEX ix_charges_one_at_a_time; UPDATE charges SET number = '+4799999905' "
            "WHERE state IN ('in_doubt', 'accepted')",
            "several undecided charges of one sender, short code and amount",
        ),
        ("UPDATE submissions SET operator = 'other'", "a message's id at its operator"),
        ("UPDATE unmatched_receipts SET evidence = 'hearsay'", "a receipt that waits"),
        ("UPDATE messages SET fate = 'lost'", "a message's fate"),
        ("UPDATE handoff_outbox SET body = x'7b'", "what a parcel says"),
        ("UPDATE handoff_outbox SET peer = 'nobody'", "who a parcel is for"),
        ("UPDATE handoff_outbox SET id = 'x' || seq", "a parcel's id"),
        ("UPDATE charge_hours SET amount_ore = amount_ore + 100", "an organisation's charges of an hour"),
        ("DELETE FROM charge_hours", "an organisation's charges of an hour"),
        (
            "INSERT INTO charge_hours VALUES ('ORG9', 1, 5000), ('ORG1', 1, -5000)",
            "an organisation's charges of an hour",
        ),
        (f"INSERT INTO handoff_inbox VALUES ('x', {2**60})", "when a parcel was taken"),
    ],
)
def test_each_damage_is_named(busy: Play, damage: str, what: str) -> None:
    assert found(busy) == set()
    unguarded(busy).executescript(damage)
    assert what in found(busy)


def test_a_charge_that_waits_with_a_message_that_does_not_is_named(play: Play) -> None:
    play.parcel(play.charge())
    unguarded(play).execute("UPDATE charges SET state = 'intended'")
    play.connection.execute("DELETE FROM charge_events")
    play.connection.execute("UPDATE messages SET fate = 'expired' WHERE price_ore > 0")
    assert found(play) == {"a charge that has not begun"}


def test_a_charge_that_waits_for_the_payers_yes_is_in_order(plays: Callable[..., Play]) -> None:
    play = plays(charges=ChargeLimits(confirm_above_kr=10))
    play.parcel(play.charge())
    assert play.value("SELECT count(*) FROM messages WHERE price_ore > 0") == 0
    assert found(play) == set()
    play.text("ORG1 JA")
    assert play.value("SELECT count(*) FROM messages WHERE price_ore > 0") == 1
    assert found(play) == set()


def test_the_sums_that_limits_go_by_follow_what_is_not_made_and_what_is_contradicted(busy: Play) -> None:
    refused = busy.start_charge(number="+4799999906", kr=70)
    busy.answer(status=0x45)
    assert busy.state(refused) is ChargeState.REFUSED
    assert found(busy) == set()
    (hour, kept) = busy.rows("SELECT hour, amount_ore FROM charge_hours")[0]
    busy.connection.execute("UPDATE charge_hours SET amount_ore = amount_ore + 7000")
    (difference,) = audit(busy.connection, busy.clock.now_us()).differences
    assert difference.where == f"ORG1 2026-11-23 12:00 to 13:00 UTC (hour {hour})"
    assert (difference.kept, difference.derived) == (f"{kept + 7000} øre", f"{kept} øre")


def test_a_word_to_the_bridge_that_the_evidence_does_not_have_is_named(busy: Play) -> None:
    charge = busy.value("SELECT id FROM charges WHERE state = 'in_doubt'")
    settled = ChargeSettled(id="m", conversation="c", at=1, charge=charge, outcome=Outcome.CHARGED)
    body = msgspec.json.encode(GatewayParcel(id="p", sender="smsd", messages=[settled]))
    busy.connection.execute("INSERT INTO handoff_outbox (id, peer, body) VALUES ('p', 'bridge', ?)", (body,))
    (difference,) = audit(busy.connection, busy.clock.now_us()).differences
    assert difference.what == "what the bridge is told of a charge"
    assert charge in str(difference)
    assert "no end yet" in str(difference)


# the commands ----------------------------------------------------------------------------------------------


class Console:
    """A terminal beside a play's store."""

    def __init__(self, folder: Path, play: Play) -> None:
        self.config = folder / "smsd.toml"
        store = play.url.removeprefix("sqlite:///")
        self.config.write_text(CONFIG.format(store=store, folder=folder))

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--config", str(self.config)], catch_exceptions=False)


@pytest.fixture(name="smsd")
def _smsd(tmp_path: Path, busy: Play, monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setattr("smsd.cli_audit.SystemClock", lambda: busy.clock)
    return Console(tmp_path, busy)


def test_the_command_ends_with_0_where_all_is_in_order_and_with_1_where_not(
    smsd: Console, busy: Play
) -> None:
    good = smsd("audit")
    assert good.exit_code == 0
    assert "3 charges" in good.stdout
    assert "all in order" in good.stdout
    busy.connection.execute("UPDATE charges SET contradicted = 0")
    bad = smsd("audit")
    assert bad.exit_code == 1
    assert "a charge's mark of contradiction" in bad.stdout
    told = json.loads(smsd("audit", "--json").stdout)
    assert [each["what"] for each in told["differences"]] == ["a charge's mark of contradiction"]


def test_what_was_set_aside_is_listed_and_shown_whole(smsd: Console, busy: Play) -> None:
    busy.connection.execute(
        "INSERT INTO set_aside VALUES ('a', 'Resolve', 'no such charge', ?, ?)",
        (b'{"charge": "x"}', busy.clock.us),
    )
    busy.connection.execute(
        "INSERT INTO set_aside VALUES ('b', 'Delivered', 'KeyError', ?, ?)", (b"\x00\xff", busy.clock.us)
    )
    first, second = (json.loads(line) for line in smsd("set-aside", "--json").stdout.splitlines())
    assert (first["id"], first["kind"], first["fault"], second["octets"]) == (
        "a",
        "Resolve",
        "no such charge",
        2,
    )
    assert first["kept_until"] > first["at"]
    assert "no such charge" in smsd("set-aside").stdout
    assert '{"charge": "x"}' in smsd("set-aside", "show", "a").stdout
    assert "00 ff" in smsd("set-aside", "show", "b").stdout
    missing = smsd("set-aside", "show", "c")
    assert missing.exit_code == 2
    assert "smsd set-aside" in missing.stderr


def test_receipts_that_fit_no_message_are_listed(smsd: Console) -> None:
    (line,) = smsd("receipts", "--json").stdout.splitlines()
    assert json.loads(line)["message_id"] == "nobody"
    assert "nobody" in smsd("receipts").stdout
