"""A text from a phone → what it asks for. Pure: no clock, no store, no settings file.

A word that could charge somebody is never guessed: it stands there as configured, or nothing is charged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from smsd.words import (
    NO_WORDS,
    YES_WORDS,
    Reading,
    beside,
    fold,
    near,
    read_amount,
    read_answer,
    read_person,
    safe,
    unwrap,
)

__all__ = [
    "HELP_WORDS",
    "STOP_WORDS",
    "Answering",
    "AskingHelp",
    "AskingStatus",
    "Codebook",
    "Codeword",
    "Command",
    "Function",
    "Joining",
    "Misread",
    "Paying",
    "Stopping",
    "ToDialog",
    "Unknown",
    "clashes",
]

STOP_WORDS: Final = frozenset({"stopp", "stop"})
HELP_WORDS: Final = frozenset({"hjelp", "help", "info"})


class Function(StrEnum):
    """What a codeword or subcodeword is bound to."""

    JOIN = "join"
    JOIN_AND_PAY = "join-and-pay"
    PAY = "pay"
    STATUS = "status"
    STOP = "stop"
    HELP = "help"
    DIALOG = "dialog"


class Codeword(msgspec.Struct, frozen=True):
    """One organisation's words: `org` is its codeword, `join` what a text without subcodeword does."""

    org: str
    join: Function | None
    subcodewords: Mapping[str, Function] = {}
    dialog: bool = True


class Joining(msgspec.Struct, frozen=True):
    """Join; with `charge`, the fee just invoiced is to be charged. `email` is valid and normalised."""

    org: str
    name: str
    email: str
    comment: str
    charge: bool


class Paying(msgspec.Struct, frozen=True):
    """Pay the sender's invoice of exactly this amount, whole kroner in øre."""

    org: str
    amount_ore: int


class AskingStatus(msgspec.Struct, frozen=True):
    """The sender asks whether the membership is paid."""

    org: str


class Stopping(msgspec.Struct, frozen=True):
    """No more traffic from the organisation; `org` empty means from none at all."""

    org: str


class AskingHelp(msgspec.Struct, frozen=True):
    """Asks what can be done here; `org` empty means no organisation was named."""

    org: str


class ToDialog(msgspec.Struct, frozen=True):
    """A message to the organisation's people; it gets no reply from the machine."""

    org: str


class Misread(msgspec.Struct, frozen=True):
    """Understood far enough to answer straight away with the organisation's reply of this name."""

    org: str
    reply: str
    values: dict[str, str] = {}


class Unknown(msgspec.Struct, frozen=True):
    """No codeword of this short code."""


class Answering(msgspec.Struct, frozen=True):
    """A yes or a no to a payment that waits for one; where none does, the text means `otherwise`.

    `org` is empty where none was named, `amount_ore` 0 where none was.
    """

    org: str
    yes: bool
    amount_ore: int
    otherwise: Command


Command: TypeAlias = (
    Joining | Paying | AskingStatus | Stopping | AskingHelp | ToDialog | Answering | Misread | Unknown
)

_ANSWERS_UNKNOWN: Final = Unknown()
_ANSWER_WORDS: Final = YES_WORDS | NO_WORDS
_GLUED: Final = re.compile(r"[:,;.=/]")
_GLUED_DECIMAL: Final = re.compile(r"[.,]\d")
_WRITTEN_LENGTH = 20
_WORD: Final = re.compile(r"\S+")


class _Org(msgspec.Struct, frozen=True):
    codeword: Codeword
    functions: dict[str, Function]


class Codebook:
    """The codewords of one short code."""

    def __init__(self, words: Sequence[Codeword], *, floor_kr: int = 1, ceiling_kr: int = 1000) -> None:
        """Raises ValueError where codewords clash (see `clashes`): no text may reach another organisation."""
        faults = clashes(words)
        if faults:
            raise ValueError("; ".join(faults))
        self._floor_kr, self._ceiling_kr = floor_kr, ceiling_kr
        self._orgs = {
            fold(word.org): _Org(word, {fold(sub): function for sub, function in word.subcodewords.items()})
            for word in words
        }

    def read(self, text: str) -> Command:
        """What the text asks for. Never raises, whatever the text.

        STOPP and HJELP go before any codeword. STOPP with other words after it is still a stop: of the one
        organisation named next, else of all. HJELP or INFO with other words asks for help. A yes or a no
        is one only where a payment waits for it; a codeword or subcodeword that is spelt so stays what it is.
        """
        text = unwrap(safe(text))
        head, rest = _first_word(text)
        word, rest, _ = _look_up(head, rest, self._orgs, STOP_WORDS, HELP_WORDS)
        if word in STOP_WORDS:
            return Stopping(self._only_org_named(rest))
        if word in HELP_WORDS:
            return AskingHelp(self._org_named_next(rest))
        org = self._orgs.get(word)
        if org is None:
            return self._answer(word, text, rest)
        return self._read_for(org, rest)

    def _read_for(self, org: _Org, text: str) -> Command:
        name = org.codeword.org
        head, after = _first_word(text)
        if not head:
            return AskingHelp(name)
        word, after, glue = _look_up(head, after, org.functions, STOP_WORDS, HELP_WORDS)
        if word in STOP_WORDS:
            return Stopping(name)
        if word in HELP_WORDS:
            return AskingHelp(name)
        function = org.functions.get(word)
        if function is not None:
            # "BETAL,50" may mean a half: the mark stays with the number, which is then refused.
            return self._do(function, name, glue + after if _GLUED_DECIMAL.match(glue + after) else after)
        otherwise = self._without_subcodeword(org, word, text)
        return _answering(name, text, otherwise) if word in _ANSWER_WORDS else otherwise

    def _without_subcodeword(self, org: _Org, word: str, text: str) -> Command:
        name = org.codeword.org
        default = org.codeword.join
        if "@" not in text and _is_slip(org, word, text):
            return AskingHelp(name)
        if default is not None:
            return self._do(default, name, text)
        return ToDialog(name) if org.codeword.dialog else Misread(name, "not_open")

    def _do(self, function: Function, org: str, text: str) -> Command:
        match function:
            case Function.PAY:
                return self._pay(org, text)
            case Function.JOIN:
                return _join(org, text, charge=False)
            case Function.JOIN_AND_PAY:
                return _join(org, text, charge=True)
            case Function.STATUS:
                return AskingStatus(org)
            case Function.STOP:
                return Stopping(org)
            case Function.HELP:
                return AskingHelp(org)
            case Function.DIALOG:
                return ToDialog(org)

    def _pay(self, org: str, text: str) -> Command:
        amount = read_amount(text, self._floor_kr, self._ceiling_kr)
        match amount.reading:
            case Reading.WHOLE:
                return Paying(org, amount.kroner * 100)
            case Reading.MISSING:
                return Misread(org, "no_amount")
            case Reading.NOT_WHOLE:
                return Misread(org, "not_whole_number", {"amount": _as_written(text)})
            case Reading.OUT_OF_RANGE:
                limits = {"min": str(self._floor_kr), "max": str(self._ceiling_kr)}
                return Misread(org, "amount_out_of_range", {"amount": _short(amount.digits), **limits})

    def _answer(self, word: str, text: str, rest: str) -> Command:
        """A text without a codeword before it: `JA`, or `JA ORG1`, or nothing that is known here."""
        if word not in _ANSWER_WORDS:
            return _ANSWERS_UNKNOWN
        org = self._org_named_next(rest)
        if org:
            text = f"{word} {_first_word(rest)[1]}".strip()
        return _answering(org, text, _ANSWERS_UNKNOWN)

    def _org_named_next(self, text: str) -> str:
        head, rest = _first_word(text)
        word, _, _ = _look_up(head, rest, self._orgs)
        org = self._orgs.get(word)
        return org.codeword.org if org else ""

    def _only_org_named(self, text: str) -> str:
        named = {org.codeword.org for word in _words(text) if (org := self._orgs.get(word))}
        first = self._org_named_next(text)
        return first if first and named <= {first} else ""


def _answering(org: str, text: str, otherwise: Command) -> Command:
    answer = read_answer(text)
    return otherwise if answer is None else Answering(org, answer[0], answer[1] * 100, otherwise)


def _join(org: str, text: str, *, charge: bool) -> Command:
    person = read_person(text)
    if not person.email:
        return Misread(org, "no_email")
    if not person.name:
        return Misread(org, "no_name")
    return Joining(org, person.name, person.email, person.comment, charge)


def _is_slip(org: _Org, word: str, text: str) -> bool:
    """Whether a subcodeword was meant and mistyped. Where people read, only for a payment."""
    for_people = org.codeword.join is None and org.codeword.dialog
    if for_people and not any(map(str.isdecimal, text)):
        return False
    return any(
        near(word, subcodeword)
        for subcodeword, function in org.functions.items()
        if function is Function.PAY or not for_people
    )


def _first_word(text: str) -> tuple[str, str]:
    """The first word that is more than marks, as typed, and what follows it; empty where there is none."""
    for match in _WORD.finditer(text):
        head = match[0]
        if head.isalnum() or beside(fold(head)):
            return head, text[match.end() :].lstrip()
    return "", ""


def _look_up(head: str, rest: str, *known: Mapping[str, object] | frozenset[str]) -> tuple[str, str, str]:
    """The folded word of `head`, what follows it, and the mark that glued the two where no space did."""
    word = fold(head)
    if any(word in words for words in known):
        return word, rest, ""
    bare = beside(word)
    if any(bare in words for words in known):
        return bare, rest, ""
    for glue in _GLUED.finditer(head, 0, 64):
        left = beside(fold(head[: glue.start()]))
        if left and any(left in words for words in known):
            right = head[glue.end() :]
            return left, f"{right} {rest}".strip(), glue[0]
    return bare, rest, ""


def _words(text: str) -> Iterator[str]:
    for word in text.split():
        yield beside(fold(word))


def _as_written(text: str) -> str:
    """What was written, on one line and short enough to be said back."""
    return _short(" ".join(text.split()))


def _short(written: str) -> str:
    return written if len(written) <= _WRITTEN_LENGTH else written[: _WRITTEN_LENGTH - 3].rstrip() + "..."


# --- what a set of codewords must keep ---


def clashes(words: Sequence[Codeword]) -> list[str]:
    """What is wrong with these codewords side by side on one short code, in words; empty where nothing is."""
    faults: list[str] = []
    seen: dict[str, str] = {}
    for word in words:
        faults += _faults_of(word.org, "codeword")
        folded = fold(word.org)
        if folded in seen:
            faults.append(
                f"codeword {word.org!r} reads the same as {seen[folded]!r}; each needs one of its own"
            )
        seen.setdefault(folded, word.org)
        if folded in STOP_WORDS | HELP_WORDS:
            faults.append(f"codeword {word.org!r} is answered for everybody; choose another")
        faults += _clashes_within(word)
    return faults


def _clashes_within(word: Codeword) -> list[str]:
    faults: list[str] = []
    seen: dict[str, str] = {}
    reserved = dict.fromkeys(STOP_WORDS, Function.STOP) | dict.fromkeys(HELP_WORDS, Function.HELP)
    if word.join not in (None, Function.JOIN, Function.JOIN_AND_PAY):
        faults.append(f"codeword {word.org!r}: join is {word.join!r}; it can be join, join-and-pay or off")
    for sub, function in word.subcodewords.items():
        faults += _faults_of(sub, f"codeword {word.org!r}: subcodeword")
        folded = fold(sub)
        if folded in seen:
            faults.append(f"codeword {word.org!r}: subcodeword {sub!r} reads the same as {seen[folded]!r}")
        seen.setdefault(folded, sub)
        if reserved.get(folded, function) is not function:
            faults.append(
                f"codeword {word.org!r}: subcodeword {sub!r} always means {reserved[folded]}, not {function}"
            )
    return faults


def _faults_of(word: str, what: str) -> list[str]:
    if not word or word.isspace():
        return [f"{what} is empty; give it letters or digits"]
    if any(map(str.isspace, word)):
        return [f"{what} {word!r} contains a space; write it as one word"]
    if beside(fold(word)) != fold(word):
        return [f"{what} {word!r} begins or ends with a mark; only letters and digits may stand there"]
    if _GLUED.search(word) or "@" in word:
        return [f"{what} {word!r} contains a mark that ends a word; letters, digits and hyphens may be used"]
    return []
