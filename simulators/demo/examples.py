"""The examples as their file has them: what phones text, what must come back, what must stand in the books.

Reads the file and fills in years; knows nothing of the programs that are to fulfil it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from foundation.clock import oslo_year

EXAMPLES = Path(__file__).parent / "examples.toml"


class ExamplesError(Exception):
    """The file of examples cannot be used; the words say why."""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text that must come: `reply` names it whole, or it has all the words of `has`.

    `kr` is its price, `billed` whether the operator put that on the account; None for a free one.
    """

    reply: str = ""
    has: tuple[str, ...] = ()
    kr: int = 0
    billed: bool | None = None
    text: str = ""

    def fits(self, text: str) -> bool:
        """Whether a text is what was expected, price aside."""
        return text == self.text if self.text else all(word in text for word in self.has)

    @property
    def words(self) -> str:
        """What was expected, for people."""
        return self.text or "a text with " + " and ".join(f"“{word}”" for word in self.has)


class Say(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text from the phone, and what must come of it, in order."""

    text: str
    answers: tuple[Answer, ...]


class After(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must stand in the books about a number when all is quiet, each row in words.

    Rows are sorted but for `payments`, which stand in the order they were asked for. `memberships` are those
    that came of a text; `billed` and `not_billed` are kroner in the operator's ledger.
    """

    people: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    memberships: tuple[str, ...] = ()
    invoices: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    withdrawals: tuple[str, ...] = ()
    billed: tuple[int, ...] = ()
    not_billed: tuple[int, ...] = ()


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One phone's conversation."""

    title: str
    number: str
    says: tuple[Say, ...]
    people: tuple[str, ...] = ()
    invoices: tuple[str, ...] = ()
    swap: dict[str, str] = {}
    receipt_s: float | None = None
    after: After = After()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    replies: dict[str, str]
    example: tuple[Example, ...]


def read_examples(now_us: int, path: Path = EXAMPLES) -> tuple[Example, ...]:
    """Every example, its texts filled in for the time that is now.

    Raises:
        ExamplesError: the file is not as described.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        file = msgspec.convert(_with_years(raw, oslo_year(now_us)), _File)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ExamplesError(f"{path}: {error}") from error
    numbers = [example.number for example in file.example]
    for number in numbers:
        if numbers.count(number) > 1:
            raise ExamplesError(f"{path}: two examples have the number {number}; give each its own")
    return tuple(_filled(example, file.replies, path) for example in file.example)


def registers(examples: tuple[Example, ...]) -> tuple[str, str]:
    """Who stands in the register beforehand and what they owe, as the two CSV files of an import."""
    people, invoices = ["organisation;name;number;email"], ["organisation;number;kind;amount_kr;period;due"]
    for example in examples:
        for each in example.people:
            org, _, rest = each.partition(" ")
            name, _, email = rest.rstrip(">").partition(" <")
            people.append(f"{org};{name};{example.number};{email}")
        for each in example.invoices:
            org, kind, amount_kr, period, due = each.split()
            invoices.append(";".join((org, example.number, kind, amount_kr, period, due)))
    return "\n".join(people) + "\n", "\n".join(invoices) + "\n"


def _with_years(value: Any, year: int) -> Any:
    if isinstance(value, dict):
        return {key: _with_years(each, year) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_years(each, year) for each in value]
    if isinstance(value, str):
        for name, number in (("{year}", year), ("{last_year}", year - 1), ("{before_last}", year - 2)):
            value = value.replace(name, str(number))
    return value


def _filled(example: Example, replies: dict[str, str], path: Path) -> Example:
    def text_of(answer: Answer) -> Answer:
        if bool(answer.reply) == bool(answer.has):
            raise ExamplesError(f"{path}: {example.title}: an answer has either reply or has")
        if not answer.reply:
            return answer
        if answer.reply not in replies:
            raise ExamplesError(f"{path}: {example.title}: there is no reply {answer.reply!r}")
        text = replies[answer.reply]
        for word, other in example.swap.items():
            text = text.replace(word, other)
        return msgspec.structs.replace(answer, text=text)

    says = tuple(
        msgspec.structs.replace(say, answers=tuple(map(text_of, say.answers))) for say in example.says
    )
    return msgspec.structs.replace(example, says=says)
