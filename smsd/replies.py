"""Named reply texts, rendered in the organisation's language and words. Pure.

A text is compiled once when the settings are read; a value never changes more of it than its own place, and
a premium text never leaves as more than one segment.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from foundation.contract import Reason
from smsd.codewords import Answering, AskingHelp, Command, Function, Misread, Stopping, Unknown
from smsd.reply_texts import (
    COMMON_VALUES,
    FUNCTION_WORDS,
    GATEWAYS_OWN,
    LANGUAGES,
    NOT_ALLOWED,
    PREMIUM,
    REPLIES,
    VALUES,
)
from smsd.smpp.alphabet import Coding, fits, length_in_units, to_gsm
from smsd.words import UNSEEN

__all__ = [
    "REPLIES",
    "Replies",
    "Speaking",
    "UnknownReply",
    "check",
    "gsm_value",
    "one_segment",
    "own_answer",
]

_SEPTETS: Final = 160
_UCS2_UNITS: Final = 70
_LONGEST_VALUE: Final = 100
_NAMES: Final = frozenset({"name", "organisation"})
_LONGEST: Final = MappingProxyType({"name": 40, "amount": 24})


class Speaking(Protocol):
    """What this module needs to know of an organisation's settings."""

    @property
    def name(self) -> str: ...
    @property
    def codeword(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def site(self) -> str: ...
    @property
    def join(self) -> str: ...
    @property
    def subcodewords(self) -> Mapping[str, Function]: ...
    @property
    def replies(self) -> Mapping[str, str]: ...


class UnknownReply(LookupError):
    """No text has this name. The name is told, no value."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no reply is named {name!r}; there are {', '.join(sorted(REPLIES))}")
        self.name = name


# --- one text -----------------------------------------------------------------------------------------------


class _Text:
    """A text split at its placeholders."""

    __slots__ = ("_parts", "placeholders")

    def __init__(self, text: str) -> None:
        """Raises ValueError, saying what is wrong, where braces do not pair or hold more than a name."""
        parts: list[tuple[str, str]] = []
        for literal, field, spec, conversion in string.Formatter().parse(text):
            if field is not None and (spec or conversion or not field.isidentifier()):
                raise ValueError(f"{{{field}}} is no placeholder; write a name alone between the braces")
            parts.append((literal, field or ""))
        self._parts: Final = tuple(parts)
        self.placeholders: Final = frozenset(field for _, field in parts if field)

    def fill(self, values: Mapping[str, str]) -> str:
        return "".join(
            [literal + values.get(field, "") if field else literal for literal, field in self._parts]
        )


def one_segment(text: str) -> bool:
    """Whether the text leaves as one SMS: 160 septets of GSM 03.38, else 70 units of UCS-2."""
    if fits(text, Coding.GSM7):
        return length_in_units(text, Coding.GSM7) <= _SEPTETS
    return len(text.encode("utf-16-be", "replace")) // 2 <= _UCS2_UNITS


_LETTERS: Final = str.maketrans(
    {
        "Đ": "D", "đ": "d", "Ð": "D", "ð": "d", "Ħ": "H", "ħ": "h", "ı": "i", "ĸ": "k", "Ł": "L", "ł": "l",
        "Ŋ": "N", "ŋ": "n", "Œ": "OE", "œ": "oe", "Ŧ": "T", "ŧ": "t", "Þ": "Th", "þ": "th", "ẞ": "SS",
        "Ǥ": "G", "ǥ": "g", "Ʒ": "Z", "ʒ": "z", "Ǯ": "Z", "ǯ": "z", "Ə": "E", "ə": "e",
    }
)  # fmt: skip


def gsm_value(value: str, missing: str = "") -> str:
    """The value on one line in GSM 03.38: Latin letters by their likeness, `missing` for what has none."""
    value = " ".join(value.split())
    if fits(value, Coding.GSM7):
        return value
    kept = []
    for char in to_gsm(value):
        if fits(char, Coding.GSM7):
            kept.append(char)
            continue
        parts = unicodedata.normalize("NFD", char.translate(_LETTERS))
        plain = "".join([part for part in parts if fits(part, Coding.GSM7)])
        kept.append(plain or ("" if char in UNSEEN or unicodedata.combining(char) else missing))
    return " ".join("".join(kept).split())


def _fit_value(field: str, value: str) -> str:
    """A value as its text may hold it.

    An amount is said back as it was written, with ? for what cannot be said: `½50` must not come back as
    `50`. A name without one Latin letter stays itself, whatever that costs in segments.
    """
    made = gsm_value(value, missing="?" if field == "amount" else "")
    if field in _NAMES and not any(map(str.isalpha, made)):
        made = " ".join(value.split())
    limit = _LONGEST.get(field, _LONGEST_VALUE)
    return made if len(made) <= limit else made[: limit - 3].rstrip() + "..."


def _fill_one_segment(text: _Text, values: Mapping[str, str]) -> str:
    """The text filled as one segment: values shortened as far as needed, at last the text itself."""
    plain = {name: _fit_value(name, gsm_value(value)) for name, value in values.items()}
    longest = max(map(len, plain.values()), default=0)
    for limit in (longest, 60, 40, 30, 20, 10, 5, 0):
        filled = text.fill({name: value[:limit] for name, value in plain.items()})
        if one_segment(filled):
            return filled
    while not one_segment(filled):  # a text that `check` refuses, sent all the same
        filled = filled[:-1]
    return filled


# --- all texts of a gateway ---------------------------------------------------------------------------------


class _Voice:
    """One organisation's compiled texts and the values that are always its own."""

    __slots__ = ("fixed", "language", "texts")

    def __init__(self, organisation: Speaking) -> None:
        self.language: Final = organisation.language
        self.texts: Final = {name: _Text(texts[self.language]) for name, texts in REPLIES.items()}
        for key, text in organisation.replies.items():
            name, language = _split_key(key)
            if language in ("", self.language):
                self.texts[name] = _Text(text)
        self.fixed: Final = {
            "organisation": _fit_value("organisation", organisation.name),
            "site": _fit_value("site", organisation.site),
            "codeword": organisation.codeword,
        }
        self.fixed["functions"] = self._functions(organisation)

    def _functions(self, organisation: Speaking) -> str:
        """What can be texted, as much of it as the help text has room for in one segment."""
        room = self.texts["help"]
        told = ""
        for entry in _entries(organisation, self.language):
            longer = f"{told}. {entry}" if told else entry
            if one_segment(room.fill({**self.fixed, "functions": longer})):
                told = longer
        return told

    def text(self, name: str, reason: str) -> _Text:
        text = self.texts.get(f"{name}.{reason}") if reason else None
        text = text or self.texts.get(name)
        if text is None:
            name, _, reason = name.partition(".")
            text = self.texts.get(reason if name == "failed" and reason in NOT_ALLOWED else name)
        if text is None:
            raise UnknownReply(name)
        return text


def _entries(organisation: Speaking, language: str) -> Iterable[str]:
    codeword = organisation.codeword
    if organisation.join in FUNCTION_WORDS:
        yield FUNCTION_WORDS[organisation.join][language].format(words=codeword)
    for subcodeword, function in organisation.subcodewords.items():
        if function in FUNCTION_WORDS:
            yield FUNCTION_WORDS[function][language].format(words=f"{codeword} {subcodeword}")


class Replies:
    """The texts of all organisations of a gateway."""

    def __init__(self, organisations: Iterable[Speaking], *, language: str | None = None) -> None:
        """`language` is that of the texts no organisation says; without it, the first organisation's.

        Raises ValueError where an organisation's overrides cannot be used (see `check`).
        """
        known = list(organisations)
        faults = [f"{each.codeword}: {fault}" for each in known for fault in check(each)]
        if faults:
            raise ValueError("; ".join(faults))
        self._voices = {each.codeword: _Voice(each) for each in known}
        self._language = language or (known[0].language if known else LANGUAGES[0])
        self._general = {name: _Text(REPLIES[name][self._language]) for name in REPLIES}
        self._codewords = self._told_codewords(sorted(self._voices))

    def _told_codewords(self, codewords: Iterable[str]) -> str:
        told = ""
        for codeword in codewords:
            longer = f"{told}, {codeword}" if told else codeword
            if one_segment(self._general["help_general"].fill({"codewords": longer})):
                told = longer
        return told

    def render(self, org: str, name: str, values: Mapping[str, str] = MappingProxyType({})) -> str:
        """The text of this name as the organisation (its codeword) says it; org "" where none was named.

        A name may carry a reason, after a point (`failed.no_credit`) or as the value `reason`: without a text
        of its own, the plain one is said; of `failed` with a reason in `NOT_ALLOWED`, the text of that
        name. A value the text does not name is ignored, one nobody gave is empty.

        Raises:
            UnknownReply: no text has this name.
        """
        voice = self._voices.get(org)
        if voice is None or name in GATEWAYS_OWN:
            return self._render_general(name, values)
        text = voice.text(name, values.get("reason", ""))
        if name.partition(".")[0] in PREMIUM:
            return _fill_one_segment(text, {**values, **voice.fixed})
        given = {key: _fit_value(key, value) for key, value in values.items()}
        return text.fill({**given, **voice.fixed}).strip()

    def _render_general(self, name: str, values: Mapping[str, str]) -> str:
        text = self._general.get(name.partition(".")[0])
        if text is None:
            raise UnknownReply(name)
        given = {key: _fit_value(key, value) for key, value in values.items()}
        return text.fill({"codewords": self._codewords, **given}).strip()


def own_answer(command: Command) -> tuple[str, str, Mapping[str, str]] | None:
    """Organisation, name and values of what the gateway itself answers; None where the bridge decides."""
    match command:
        case Misread(org, reply, values):
            return org, reply, values
        case AskingHelp(org):
            return org, "help" if org else "help_general", {}
        case Stopping(org):
            return org, "stopped" if org else "stopped_all", {}
        case Unknown():
            return "", "unknown_codeword", {}
        case Answering():
            return own_answer(command.otherwise)
        case _:
            return None


# --- what overrides must keep -------------------------------------------------------------------------------

_USUAL: Final = MappingProxyType(
    {
        "name": "N" * 30,
        "amount": "1000",
        "kid": "1" * 25,
        "account": "1234.56.78901",
        "min": "1",
        "max": "1000",
        "minutes": "15",
        "payments": "",
        "functions": "",
        "codewords": "",
    }
)


def _split_key(key: str) -> tuple[str, str]:
    """`name`, `name.reason`, either with `.nn`, `.nb` or `.en` → name with reason, language or ""."""
    name, _, last = key.rpartition(".")
    return (name, last) if name and last in LANGUAGES else (key, "")


def check(organisation: Speaking) -> list[str]:
    """What is wrong with an organisation's language and its own texts, in words; empty where nothing is."""
    faults = []
    if organisation.language not in LANGUAGES:
        faults.append(f"language {organisation.language!r} is not spoken; choose {', '.join(LANGUAGES)}")
    for key, text in organisation.replies.items():
        faults += [f"replies.{key}: {fault}" for fault in _faults_of(organisation, key, text)]
    return faults


def _faults_of(organisation: Speaking, key: str, source: str) -> list[str]:
    full_name, _ = _split_key(key)
    name, _, reason = full_name.partition(".")
    if name not in REPLIES:
        return [f"no reply has this name; there are {', '.join(sorted(REPLIES))}"]
    if name in GATEWAYS_OWN:
        return ["this text answers where no organisation was named, so none can word it"]
    if reason and (name != "failed" or reason not in set(Reason)):
        return [f"{reason!r} is no reason; `failed` may have {', '.join(filter(None, Reason))}"]
    if not source.strip():
        return ["the text is empty; leave the line out to say the default"]
    try:
        text = _Text(source)
    except ValueError as error:
        return [f"{error}; a brace of its own is written twice"]
    allowed = COMMON_VALUES | VALUES[name]
    faults = [
        f"{{{field}}} is not known here; there are {', '.join(sorted(allowed))}"
        for field in sorted(text.placeholders - allowed)
    ]
    usual = {
        **_USUAL,
        "organisation": organisation.name,
        "site": organisation.site,
        "codeword": organisation.codeword,
    }
    if name in PREMIUM and not one_segment(text.fill(usual)):
        faults.append(
            "the premium text is longer than one segment "
            "(160 characters, or 70 with letters outside GSM 03.38)"
        )
    return faults
