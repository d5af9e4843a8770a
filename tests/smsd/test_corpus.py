"""Each text of the corpus means what its data file says, and is answered so."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from smsd import codewords
from smsd.codewords import Codebook, Codeword, Function
from smsd.replies import REPLIES, Replies, one_segment, own_answer

CORPUS = tomllib.loads((Path(__file__).parents[1] / "data" / "messages.toml").read_text(encoding="utf-8"))

# What the bridge says in the ordinary case; the gateway's own answers are compared in full.
ORDINARY = {"Joining": "joined", "Paying": "processing", "AskingStatus": "status_paid", "ToDialog": ""}


class Organisation(NamedTuple):
    name: str
    codeword: str
    language: str
    site: str
    join: str
    subcodewords: Mapping[str, Function]
    replies: Mapping[str, str]
    dialog: bool


class Expected(NamedTuple):
    text: str
    command: msgspec.Struct
    reply: str
    says: str | None


def _organisation(table: Mapping[str, Any]) -> Organisation:
    subcodewords = {word: Function(function) for word, function in table["subcodewords"].items()}
    fields = {"dialog": True, "replies": {}, **table, "subcodewords": subcodewords}
    return Organisation(**fields)


ORGANISATIONS = [_organisation(table) for table in CORPUS["organisations"]]


def _codeword(organisation: Organisation) -> Codeword:
    join = None if organisation.join == "off" else Function(organisation.join)
    return Codeword(organisation.codeword, join, organisation.subcodewords, organisation.dialog)


def _expected(told: dict[str, Any]) -> Expected:
    text, reply, says = told.pop("text"), told.pop("reply"), told.pop("says", None)
    return Expected(text, _command(told, reply), reply, says)


def _command(told: Mapping[str, Any], reply: str) -> msgspec.Struct:
    fields = dict(told)
    kind = getattr(codewords, fields.pop("command"))
    if "amount_kr" in fields:
        fields["amount_ore"] = fields.pop("amount_kr") * 100
    if kind is codewords.Misread:
        fields["reply"] = reply
    if "otherwise" in fields:
        fields["otherwise"] = _command(fields["otherwise"], reply)
    made: msgspec.Struct = kind(**fields)
    return made


def _corpus() -> Iterator[Expected]:
    for group in CORPUS["groups"]:
        messages = group.get("messages") or [{"text": text} for text in group["texts"]]
        for message in messages:
            yield _expected({**group["expect"], **message})


MESSAGES = list(_corpus())
BOOK = Codebook([_codeword(each) for each in ORGANISATIONS], ceiling_kr=CORPUS["ceiling_kr"])
SPOKEN = Replies(ORGANISATIONS)

each_message = pytest.mark.parametrize("message", MESSAGES, ids=[ascii(each.text)[1:60] for each in MESSAGES])


@each_message
def test_a_text_means_what_the_corpus_says(message: Expected) -> None:
    assert BOOK.read(message.text) == message.command


@each_message
def test_a_text_is_answered_as_the_corpus_says(message: Expected) -> None:
    answer = own_answer(BOOK.read(message.text))
    if message.says is None:
        assert answer is None
        command = getattr(message.command, "otherwise", message.command)
        assert ORDINARY[type(command).__name__] == message.reply
    else:
        assert answer is not None
        org, name, values = answer
        assert name == message.reply
        assert SPOKEN.render(org, name, values) == message.says


def test_every_answer_of_the_corpus_is_one_segment() -> None:
    told = {each.says for each in MESSAGES if each.says is not None}
    assert [text for text in told if not one_segment(text)] == []


def test_the_corpus_is_large_and_names_no_text_twice() -> None:
    texts = [each.text for each in MESSAGES]
    assert len(texts) >= 330
    assert sorted({text for text in texts if texts.count(text) > 1}) == []


def test_the_corpus_knows_every_command_and_every_answer_of_the_gateway() -> None:
    commands = {type(each.command).__name__ for each in MESSAGES}
    assert commands == {
        "Joining",
        "Paying",
        "AskingStatus",
        "Stopping",
        "AskingHelp",
        "Answering",
        "ToDialog",
        "Misread",
        "Unknown",
    }
    own = {each.reply for each in MESSAGES if each.says is not None}
    assert own == {
        "amount_out_of_range", "help", "help_general", "no_amount", "no_email", "no_name", "not_open",
        "not_whole_number", "stopped", "stopped_all", "unknown_codeword",
    }  # fmt: skip
    assert own | set(ORDINARY.values()) - {""} <= set(REPLIES)


@each_message
@pytest.mark.parametrize(
    "change",
    [str.lower, str.upper, lambda text: f" \t{text}\n", lambda text: text.replace(" ", " \u00a0 ")],
    ids=["lower case", "upper case", "around", "between"],
)
def test_case_and_white_space_never_change_which_command_it_is(message: Expected, change: Any) -> None:
    changed = BOOK.read(change(message.text))
    assert type(changed) is type(message.command)
    assert getattr(changed, "org", "") == getattr(message.command, "org", "")
    assert getattr(changed, "amount_ore", 0) == getattr(message.command, "amount_ore", 0)
