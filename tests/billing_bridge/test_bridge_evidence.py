"""`billing-bridge evidence`: the gateway is asked, its journal kept, and both sides' books shown as one."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from bridge_world import World, the_charge
from test_bridge_cli import run

from billing_bridge import evidence
from billing_bridge.invoicing.ledger import Account, JournalKind
from foundation.asyncapi import EXAMPLES
from foundation.contract import (
    BridgeParcel,
    Charge,
    ChargeEvidence,
    ChargeJournal,
    EvidenceWanted,
    JournalProposal,
    Message,
    Outcome,
    Pay,
)
from foundation.evidence.case import Case
from foundation.evidence.words import NAMED

(EXAMPLE,) = [each for each in EXAMPLES if isinstance(each, ChargeEvidence)]


@pytest.fixture(name="config")
def _config(tmp_path: Path, world: World) -> Path:
    file = tmp_path / "bridge.toml"
    file.write_text(
        f"""
[bridge]
store = "{world.url}"
[handoff]
carrier = "mqtt"
mqtt = {{ host = "127.0.0.1" }}
[web]
listen = "127.0.0.1:8030"
[[organisations]]
name = "Organisasjon1"
codeword = "ORG1"
site = "https://org1.example.org"
[organisations.billing]
account = "12345678903"
organisation_number = "974760673"
"""
    )
    return file


def paid(world: World) -> tuple[Charge, Message]:
    """A joining member's payment, billed, with its text."""
    world.take(world.join())
    pay: Pay = world.pay()
    sms = world.message(conversation=pay.conversation)
    charge = the_charge(world.take(sms, pay))
    world.take(world.settled(charge))
    return charge, sms


def told(
    world: World, charge: Charge, *, wanted: str = "w", after_us: int = 0, **changes: object
) -> ChargeEvidence:
    journal = msgspec.structs.replace(EXAMPLE.journal, **changes) if changes.pop("known", True) else None
    return ChargeEvidence(
        id=world.name(),
        conversation=charge.conversation,
        at=world.clock.us + after_us,
        charge=charge.id,
        wanted=wanted,
        journal=journal,
    )


def case_of(world: World, charge: Charge) -> Case:
    found = evidence.case_of(world.tx, charge.id, world.settings, world.clock.us)
    assert found is not None
    return found


def test_the_question_goes_to_the_gateway_of_the_charge(world: World) -> None:
    charge, _ = paid(world)
    wanted = evidence.ask(world.tx, charge.id, world.ids, world.clock.us)
    ((peer, body),) = world.rows("SELECT peer, body FROM handoff_outbox")
    (question,) = msgspec.json.decode(body, type=BridgeParcel).messages
    assert peer == "smsd"
    assert isinstance(question, EvidenceWanted)
    assert (question.id, question.charge, question.conversation) == (wanted, charge.id, charge.conversation)


def test_of_an_unknown_charge_nobody_is_asked(world: World) -> None:
    assert evidence.ask(world.tx, "nobody", world.ids, world.clock.us) is None
    assert world.rows("SELECT * FROM handoff_outbox") == []


def test_before_the_gateway_answers_the_bridge_tells_its_own(world: World) -> None:
    charge, sms = paid(world)
    case = case_of(world, charge)
    assert (case.journal_us, case.steps, case.answers) == (0, (), ())
    assert [each.text for each in case.sms] == [sms.text]
    assert case.invoice is not None
    assert (case.state, case.amount_ore, case.invoice.paid_ore) == ("charged", 5000, 5000)
    assert case.ledger is not None
    assert [(entry.kind, entry.amount_ore, entry.ours) for entry in case.ledger] == [
        ("issued", 5000, False),
        ("issued", -5000, False),
        ("charged", 5000, True),
        ("charged", -5000, True),
    ]
    assert [word.outcome for word in case.words] == ["charged"]


def test_the_gateways_answer_is_merged_with_the_texts_kept_here(world: World) -> None:
    charge, sms = paid(world)
    mine = msgspec.structs.replace(EXAMPLE.journal.sms[0], id=sms.id)
    assert world.take(told(world, charge, sms=[mine, EXAMPLE.journal.sms[0]])) == []
    case = case_of(world, charge)
    assert case.journal_us == world.clock.us
    assert [step.evidence for step in case.steps] == ["start", "receipt_charged"]
    assert {(each.id, each.text) for each in case.sms} == {
        (sms.id, sms.text),
        (EXAMPLE.journal.sms[0].id, None),
    }
    assert case.operator == "telco"


def test_no_text_is_stored_twice(world: World) -> None:
    charge, sms = paid(world)
    world.take(told(world, charge))
    (body,) = world.rows("SELECT body FROM gateway_journals")[0]
    assert sms.text.encode() not in body


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_newest_answer_stands_in_whatever_order_they_come(world: World, order: tuple[int, int]) -> None:
    charge, _ = paid(world)
    answers = [
        told(world, charge, wanted="1", state="accepted"),
        told(world, charge, wanted="2", after_us=5, state="charged"),
    ]
    for which in order:
        world.take(answers[which])
    known = evidence.told(world.tx, charge.id)
    assert known is not None
    assert known.journal is not None
    assert (known.wanted, known.journal.state) == ("2", "charged")


def test_a_gateway_may_know_no_such_charge(world: World) -> None:
    charge, _ = paid(world)
    world.take(told(world, charge, known=False))
    known = evidence.told(world.tx, charge.id)
    assert known is not None
    assert known.journal is None
    assert case_of(world, charge).journal_us == 0


def test_while_it_is_open_the_gateways_state_is_told(world: World) -> None:
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    assert case_of(world, charge).state == "pending"
    world.take(told(world, charge, state="in_doubt"))
    assert case_of(world, charge).state == "in_doubt"


def test_books_that_differ_contradict(world: World) -> None:
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    world.take(world.settled(charge, Outcome.NOT_CHARGED))
    assert not case_of(world, charge).contradicted
    world.take(told(world, charge, state="charged"))
    assert case_of(world, charge).contradicted


def test_refunds_stand_in_the_ledger(world: World) -> None:
    charge, _ = paid(world)
    world.take(world.settled(charge, Outcome.REFUND_DUE))
    world.take(world.settled(charge, Outcome.REFUNDED))
    case = case_of(world, charge)
    assert case.ledger is not None
    assert {entry.kind for entry in case.ledger if entry.ours} == {"charged", "refund_due", "refunded"}
    assert sum(entry.amount_ore for entry in case.ledger) == 0
    assert case.state == "refunded"


def test_the_command_says_that_the_gateway_has_not_answered(world: World, config: Path) -> None:
    charge, sms = paid(world)
    out = run("evidence", charge.id, "--wait", 0, "--config", config)
    assert "the gateway has not answered yet" in out
    assert sms.text in out
    assert "invoice 11: 50 kr, paid 50" in out
    assert len(world.rows("SELECT * FROM handoff_outbox")) == 1


def test_the_command_need_not_ask(world: World, config: Path) -> None:
    charge, _ = paid(world)
    run("evidence", charge.id, "--no-ask", "--config", config)
    assert world.rows("SELECT * FROM handoff_outbox") == []


def test_the_command_waits_for_the_answer_to_its_own_question(
    world: World, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge, _ = paid(world)
    world.take(told(world, charge, wanted="0", state="accepted"))
    looks: list[float] = []

    def answer(seconds: float) -> None:
        looks.append(seconds)
        ((body,),) = world.rows("SELECT body FROM handoff_outbox")
        (question,) = msgspec.json.decode(body, type=BridgeParcel).messages
        world.take(told(world, charge, wanted=question.id, after_us=1))

    monkeypatch.setattr("billing_bridge.cli_evidence.time.sleep", answer)
    out = run("evidence", charge.id, "--wait", 60, "--config", config)
    assert len(looks) == 1
    assert "The operator's receipt: delivered and billed" in out
    assert "has not answered" not in out


def test_the_command_tells_it_as_json_and_as_a_page(world: World, config: Path, tmp_path: Path) -> None:
    charge, sms = paid(world)
    proposal = JournalProposal(at=world.clock.us, outcome="charged", who="Kari", why="ringte")
    world.take(told(world, charge, proposals=[proposal]))
    out = run("evidence", charge.id, "--no-ask", "--json", "--config", config)
    found = json.loads(out.splitlines()[0])
    assert (found["charge"], found["proposals"][0]["who"]) == (charge.id, "Kari")
    assert found["ledger"][0]["account"] == "receivable"
    page = tmp_path / "page.html"
    run("evidence", charge.id, "--no-ask", "--html", page, "--config", config)
    text = page.read_text("utf-8")
    assert '<html lang="nn">' in text
    assert sms.text in text
    run("evidence", charge.id, "--no-ask", "--html", page, "--language", "en", "--config", config)
    assert '<html lang="en">' in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "status", "told_words"),
    [
        (["nobody", "--wait", "0"], 1, "there is no charge nobody"),
        (["nobody", "--language", "fr"], 2, "--language"),
        (["nobody", "--wait", "-1"], 2, "--wait"),
    ],
)
def test_the_command_refuses_in_words(
    world: World, config: Path, words: list[str], status: int, told_words: str
) -> None:
    assert told_words in run("evidence", *words, "--config", config, status=status)


def test_a_page_that_cannot_be_written_is_told(world: World, config: Path, tmp_path: Path) -> None:
    charge, _ = paid(world)
    target = tmp_path / "nowhere" / "page.html"
    out = run("evidence", charge.id, "--no-ask", "--html", target, "--config", config, status=2)
    assert "--html" in out


def test_a_journal_is_what_the_contract_says(world: World) -> None:
    charge, _ = paid(world)
    world.take(told(world, charge))
    (body,) = world.rows("SELECT body FROM gateway_journals")[0]
    assert msgspec.json.decode(body, type=ChargeJournal) == EXAMPLE.journal


def test_another_gateways_word_on_a_charge_does_not_count(world: World) -> None:
    charge, _ = paid(world)
    world.take(told(world, charge), gateway="another")
    assert evidence.told(world.tx, charge.id) is None
    assert case_of(world, charge).journal_us == 0


def test_all_that_the_ledger_books_has_words_for_people() -> None:
    assert {*map(str, Account), *map(str, JournalKind)} <= NAMED
