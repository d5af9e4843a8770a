"""Reads words, amounts, addresses and names out of a text as people type it.

Pure, and linear in the text's length whatever is sent; what could mean two things is refused, never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, auto
from typing import Final

import email_validator
import msgspec

__all__ = [
    "NO_WORDS",
    "UNSEEN",
    "YES_WORDS",
    "Amount",
    "Person",
    "Reading",
    "beside",
    "fold",
    "near",
    "read_amount",
    "read_answer",
    "read_person",
    "safe",
    "unwrap",
]

# --- words --------------------------------------------------------------------------------------------------

_CONTROL: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
UNSEEN: Final = (
    "\u00ad\u034f\u061c\u180b\u180c\u180d\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff\ufe0e\ufe0f"
)
_WITHOUT_UNSEEN: Final = str.maketrans(dict.fromkeys(UNSEEN, ""))
# A word boundary without width: Python's own white space lacks these.
_BLANK: Final = re.compile("[\u180e\u200b\u3164\u115f\u1160\u2800]")

# Letters of other alphabets that look like a Latin one when either is a capital. Only letters: a zero
# for an O, or a one for an l, is a typing slip and is not mended here.
_CYRILLIC: Final = dict(zip("авекмнорстухіјѕԁԛԝһґ", "abekmhopctyxijsdqwhr", strict=True)) | {
    "ё": "ë",
    "ї": "ï",
}
_GREEK: Final = dict(zip("αβεζηικμνορτυχϲ", "abezhikmnoptyxc", strict=True))
_ALIKE: Final = str.maketrans(
    {
        **dict.fromkeys(UNSEEN, ""),
        **{chr(wide): chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)},
        **_CYRILLIC,
        **_GREEK,
        "ı": "i",
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("‚，", ","),
    }
)

# What may stand around a codeword and mean nothing: marks, quotes, hash, asterisk.
_EDGES: Final = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«»‹›“”„‟‘’‚´…¡¿•·§°"

_QUOTES: Final = dict(zip("«\"“”„'‘’‹[(<{*", "»\"””“'’’›])>}*", strict=True))


def safe(text: str) -> str:
    """The text in NFC without control characters and halves of surrogate pairs; line breaks and tabs stay."""
    if text.isascii():
        return _CONTROL.sub(" ", text)
    text = _BLANK.sub(" ", unicodedata.normalize("NFC", text))
    return _CONTROL.sub(lambda match: " " if match[0] < "\ud800" else "\ufffd", text)


def unwrap(text: str) -> str:
    """The text without white space around it, nor one pair of quotes or brackets around the whole of it."""
    text = text.strip()
    while len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        inner = text[1:-1]
        if text[0] in inner or text[-1] in inner:
            break
        text = inner.strip()
    return text


def fold(word: str) -> str:
    """A word as words are compared: lower case, look-alikes and any script's digits as ASCII."""
    if word.isascii():
        return word.lower()
    word = word.translate(_ALIKE).casefold().translate(_ALIKE)
    if word.isascii():
        return word
    word = unicodedata.normalize("NFC", word)
    # Decimal digits only: superscripts, fractions and circled numbers stay what they are and match nothing.
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in word)


def beside(word: str) -> str:
    """A folded word without the marks, quotes and emoji at its edges."""
    word = word.strip(_EDGES)
    if word.isalnum():
        return word
    start, end = 0, len(word)
    while start < end and not word[start].isalnum():
        start += 1
    while end > start and not word[end - 1].isalnum():
        end -= 1
    return word[start:end]


def near(word: str, target: str) -> bool:
    """Whether two folded words differ by one slip: a letter more, less, another, or two changed about.

    Words shorter than four letters are near nothing. A number glued to the target counts as a slip too.
    """
    if len(target) < 4 or word == target:
        return False
    if word.startswith(target) and any(map(str.isdecimal, word[len(target) :])):
        return True
    if abs(len(word) - len(target)) > 1:
        return False
    at = 0
    while at < min(len(word), len(target)) and word[at] == target[at]:
        at += 1
    if len(word) > len(target):
        return word[at + 1 :] == target[at:]
    if len(word) < len(target):
        return word[at:] == target[at + 1 :]
    swapped = word[at : at + 2] == target[at : at + 2][::-1] and word[at + 2 :] == target[at + 2 :]
    return swapped or word[at + 1 :] == target[at + 1 :]


# --- amounts ------------------------------------------------------------------------------------------------


class Reading(Enum):
    """What an amount's text turned out to be."""

    WHOLE = auto()
    OUT_OF_RANGE = auto()
    NOT_WHOLE = auto()
    MISSING = auto()


class Amount(msgspec.Struct, frozen=True):
    """An amount as read: its digits where it is a number, its whole kroner where it may be paid."""

    reading: Reading
    digits: str = ""
    kroner: int = 0


# The whole list of forms (DOMAIN section 1: "50 kr", "50,-", "50.-", "kr 50", "050"). Everything else is
# refused: a decimal part, also ",00"; a sign; a space or point between digits ("1 000" may mean one
# or a thousand); a second number; a range; a question.
_AMOUNT: Final = re.compile(
    r"(?:(?:kr|nok|kroner?)[.:]? ?)?([0-9]+)(?: ?[,.;:]-)?(?: ?(?:kr|nok|kroner?))?(?: ?[.,!]{1,3})?"
    r"(?:,? ?(?:tusen takk|takk|takker|thanks|thank you|please|(?:vær|ver) så snill)[.!]{0,3})?"
)
_ONE_NUMBER: Final = re.compile(r"0*([1-9][0-9]{0,8})")
_ONLY_CURRENCY: Final = re.compile(r"(?:kr|nok|kroner?)?[^\w]*")
# Pictures that may follow an amount, in any colour of skin, as nobody can take them for a number or a no.
_FRIENDLY: Final = " 🙂😀😃😄😁😊😉😎😘😍🥰🤗🥳☺👍👌🙏👏💪🤝✌✅🎉🎊🌹🌸🌞❤♥🧡💛💚💙💜💖💕🏻🏼🏽🏾🏿"
_NUMBER_PICTURES: Final = frozenset("💯🔟🔢")


def read_amount(text: str, floor_kr: int, ceiling_kr: int) -> Amount:
    """Whole kroner from floor to ceiling, out of what follows a pay word. Thanks and smiles are no part."""
    plain = _ONE_NUMBER.fullmatch(text)
    if plain is None:
        words = " ".join(fold(text).split()).strip("«»\"“”„'‘’ ").rstrip(_FRIENDLY)
        if _ONLY_CURRENCY.fullmatch(words) and not any(char in _NUMBER_PICTURES for char in words):
            return Amount(Reading.MISSING)
        form = _AMOUNT.fullmatch(words)
        if form is None:
            return Amount(Reading.NOT_WHOLE)
        plain = _ONE_NUMBER.fullmatch(form[1])
        if plain is None:
            return Amount(Reading.OUT_OF_RANGE, form[1])
    kroner = int(plain[1])
    reading = Reading.WHOLE if floor_kr <= kroner <= ceiling_kr else Reading.OUT_OF_RANGE
    return Amount(reading, plain[1], kroner)


# --- a yes or a no ------------------------------------------------------------------------------------------

YES_WORDS: Final = frozenset({"ja", "jau", "yes", "bekreft", "stadfest", "confirm"})
NO_WORDS: Final = frozenset({"nei", "no", "avbryt", "cancel"})
_ANSWER: Final = re.compile(
    rf"({'|'.join(sorted(YES_WORDS | NO_WORDS))})"
    r"(?:[,.:]? (?:(?:kr|nok)[.:]? ?)?([0-9]{1,6})(?: ?,-)?(?: ?(?:kr|nok|kroner))?)?"
    r"(?:,? ?(?:tusen takk|takk|thanks|thank you|please))?[.,!]{0,3}"
)
_LONGEST_ANSWER: Final = 60


def read_answer(text: str) -> tuple[bool, int] | None:
    """Whether a text is a yes, and of how many kroner (0: it names none); ``None`` where it is no answer
    at all.

    The whole text must be the answer: who writes more may mean something else.
    """
    if len(text) > _LONGEST_ANSWER:
        return None
    words = " ".join(fold(text).split()).strip("«»\"“”„'‘’ ").rstrip(_FRIENDLY)
    form = _ANSWER.fullmatch(words)
    return (form[1] in YES_WORDS, int(form[2] or 0)) if form else None


# --- people -------------------------------------------------------------------------------------------------


class Person(msgspec.Struct, frozen=True):
    """Who wants to join. `name` may be empty; `email` is empty where no valid address was found."""

    name: str
    email: str
    comment: str


_NO_PERSON: Final = Person("", "", "")
_TRIES = 8  # so many addresses of one text are looked at
_LONGEST_NAME = 100

_APART: Final = r"\s<>()\[\]{},;:\"«»“”„‹›|/=\\@"
_BEFORE_AT: Final = re.compile(rf"[^{_APART}]{{1,65}}")  # read from the @ leftwards
_AFTER_AT: Final = re.compile(rf"[^{_APART}]{{1,255}}")
# The everyday address, which email-validator takes as it is (a test holds the two together).
_EVERYDAY: Final = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9]|-(?!-)){0,50}(?<!-)\.){1,4}[a-z]{2,24}",
    re.IGNORECASE | re.ASCII,
)
_RESERVED: Final = tuple(name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name != "test")
_LABEL_AT_END: Final = re.compile(
    r"(?:[\s<(\[,;:/]|\A)(?:(?:min|my)\s{1,3})?(?:e-?post(?:adresse|adressa|en|a)?|e-?mail|mail|mailto)"
    r"(?:\s{1,3}(?:er|is))?\Z",
    re.IGNORECASE,
)
_LABEL_AT_START: Final = re.compile(r"\s{0,9}(?:fullt )?(?:navn|namn|name)(?: ?[:=]|(?=\s))", re.IGNORECASE)
_NOT_NAME_ASCII: Final = re.compile(r"[^A-Za-z'. -]+")
_NAME_END: Final = ",;:<([{\"'«“„|/=-\u200e\u200f"
_NAME_MARKS: Final = frozenset("'’ʼ‘`´-‐‑.·\u00b7\u30fb ")
_JOINERS: Final = "\u200c\u200d"  # part of Persian and Indic spelling
_COMMENT_EDGE: Final = " \t\r\n,.;:>)]}»”\"'|/=-–—"


def read_person(text: str) -> Person:
    """Name, address and comment of a text that joins; the first valid address counts."""
    at = text.find("@")
    if at < 0:
        if "＠" not in text:
            return _NO_PERSON
        text = text.replace("＠", "@")
        at = text.find("@")
    for _ in range(_TRIES):
        found = _address_around(text, at)
        if found is not None:
            start, end, email = found
            name, rest = _name(text[:start])
            comment = text[end:].lstrip(_COMMENT_EDGE).rstrip()
            return Person(name, email, f"{rest} {comment}".strip() if rest else comment)
        at = text.find("@", at + 1)
        if at < 0:
            break
    return _NO_PERSON


def _address_around(text: str, at: int) -> tuple[int, int, str] | None:
    before = _BEFORE_AT.match(text[max(0, at - 65) : at][::-1])
    after = _AFTER_AT.match(text, at + 1)
    if before is None or after is None:
        return None
    start, end = at - before.end(), after.end()
    if text[start - 1 : start] == "@" or text[end : end + 1] == "@":
        return None
    local, domain = text[start:at], after[0]
    if not (local.isascii() and domain.isascii()):
        local, domain = local.translate(_WITHOUT_UNSEEN), domain.translate(_WITHOUT_UNSEEN)
    # Marks and emoji that stick to the address are none of it.
    first, last = 0, len(domain)
    while first < len(local) and not (local[first].isalnum() or local[first] == "_"):
        first += 1
    while last and not domain[last - 1].isalnum():
        last -= 1
    email = valid_address(f"{local[first:]}@{domain[:last]}")
    return (start, end, email) if email else None


def valid_address(address: str) -> str:
    """The address with its domain in lower case, or empty where it is no valid one. Looks up nothing."""
    local, _, domain = address.partition("@")
    if len(address) > 254 or len(local) > 64 or "." not in domain:
        return ""
    domain = domain.lower()
    if _EVERYDAY.fullmatch(address) and not domain.endswith(_RESERVED):
        return f"{local}@{domain}"
    try:
        return email_validator.validate_email(
            address, check_deliverability=False, test_environment=True, strict=True
        ).normalized
    except email_validator.EmailNotValidError:
        return ""


def _name(text: str) -> tuple[str, str]:
    """The name out of what stands before the address, and what of that is no name (a street, a year)."""
    label = _LABEL_AT_START.match(text)
    if label:
        text = text[label.end() :]
    text = _without_end(text)
    label = _LABEL_AT_END.search(text[-40:])
    if label:
        text = text[: len(text) - len(text[-40:]) + label.start()]
    rest = ""
    if any(map(str.isdecimal, text)):
        text, rest = _cut_at_number(text)
    if "@" in text:
        text = " ".join(word for word in text.split() if "@" not in word)
    name = " ".join(_only_name(text).split()).strip(" '‘’`´.·-‐‑")
    if not any(map(str.isalpha, name)):
        return "", rest
    if len(name) > _LONGEST_NAME:
        name = name[: _LONGEST_NAME + 1].rpartition(" ")[0] or name[:_LONGEST_NAME]
    return name, rest


def _without_end(text: str) -> str:
    end = len(text)
    while end and (text[end - 1].isspace() or text[end - 1] in _NAME_END):
        end -= 1
    return text[:end]


def _cut_at_number(text: str) -> tuple[str, str]:
    """Cuts before the first word with a digit, or at the comma or line break before it."""
    number = next(place for place, char in enumerate(text) if char.isdecimal())
    start = number
    while start and not text[start - 1].isspace() and text[start - 1] not in ",;":
        start -= 1
    comma = max(text.rfind(mark, 0, start) for mark in ",;\n")
    if comma > 0 and any(map(str.isalpha, text[:comma])):
        start = comma
    return text[:start], text[start:].strip(" ,;\r\n\t")


def _only_name(text: str) -> str:
    if text.isascii():
        return _NOT_NAME_ASCII.sub(" ", text)
    kept = [" "]
    for place, char in enumerate(text):
        if char.isalpha() or char in _NAME_MARKS:
            kept.append(char)
        elif char in UNSEEN:
            if char in _JOINERS and kept[-1] != " " and text[place + 1 : place + 2].isalpha():
                kept.append(char)
        elif kept[-1] != " " and unicodedata.category(char) in ("Mn", "Mc"):
            kept.append(char)
        else:
            kept.append(" ")
    return "".join(kept)
