"""The text of SMSC delivery receipts: SMPP 3.4 appendix B and what the field has made of it (DOMAIN section
3).

Reading takes any octets and never raises; writing is for whoever plays the SMSC. Texts alone: TLVs, and which
of the two to believe, are `smsd.smpp.receipt`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from smsd.smpp.alphabet import Coding, decode

__all__ = ["ReceiptForm", "ReceiptText", "State", "format_text", "read_date", "read_text", "state_of_word"]


class State(IntEnum):
    """A message's state, numbered as message_state is (SMPP 3.4, 5.2.28; 0 and 9 from SMPP 5.0)."""

    SCHEDULED = 0
    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8
    SKIPPED = 9

    @property
    def final(self) -> bool:
        """Whether nothing can follow. ACCEPTED and UNKNOWN are not final, and never success."""
        return self in _FINAL

    @property
    def success(self) -> bool:
        """Whether the telephone has the message. What was charged is another question."""
        return self is State.DELIVERED


_FINAL: Final = frozenset(
    {State.DELIVERED, State.EXPIRED, State.DELETED, State.UNDELIVERABLE, State.REJECTED, State.SKIPPED}
)

_WORDS: Final[Mapping[str, State]] = MappingProxyType(
    {
        **dict.fromkeys(("SCHEDULED", "SCHEDLD", "SCHEDUL"), State.SCHEDULED),
        **dict.fromkeys(("ENROUTE", "BUFFRED", "BUFFERD", "BUFFERED", "QUEUED", "PENDING"), State.ENROUTE),
        **dict.fromkeys(("RETRY", "NOCREDIT", "NO_CREDIT"), State.ENROUTE),
        **dict.fromkeys(("DELIVRD", "DELIVERED", "DELIVERD"), State.DELIVERED),
        **dict.fromkeys(("EXPIRED", "EXPIRD"), State.EXPIRED),
        **dict.fromkeys(("DELETED", "CANCELED", "CANCELLED"), State.DELETED),
        **dict.fromkeys(("UNDELIV", "UNDELIVRD", "UNDELIVERED", "UNDELIVERABLE"), State.UNDELIVERABLE),
        **dict.fromkeys(("FAILED", "FAIL", "NOTDELIVRD", "NDELIVD"), State.UNDELIVERABLE),
        **dict.fromkeys(("ZEROBAL", "BARRED", "BARREDA", "BLOCKED"), State.UNDELIVERABLE),
        **dict.fromkeys(("ACCEPTD", "ACCEPTED", "ACKED", "ACK"), State.ACCEPTED),
        **dict.fromkeys(("UNKNOWN", "UNKNOWND", "UNKNOWNED", "NULL", "NONE"), State.UNKNOWN),
        **dict.fromkeys(("REJECTD", "REJECTED", "NACK", "NACKED"), State.REJECTED),
        **dict.fromkeys(("SKIPPED", "SKIPD"), State.SKIPPED),
    }
)


def state_of_word(word: str) -> State | None:
    """The state a `stat` word names, in any case; None for a word that is not known, and for numbers."""
    return _WORDS.get(word.upper())


class ReceiptText(msgspec.Struct, frozen=True, gc=False):
    """What a receipt's text says, as it says it; what it leaves out is empty.

    `state` is None where no known word stands. `will_retry` marks a failure that the SMSC means to try again.
    """

    message_id: str = ""
    stat: str = ""
    state: State | None = None
    err: str = ""
    sub: str = ""
    dlvrd: str = ""
    submit_date: str = ""
    done_date: str = ""
    text: str = ""
    will_retry: bool = False


# The key's colon may have spaces about it; a key stands at the start or after a space or separator, so that
# nothing in an id or a date is taken for one.
_KEY: Final = re.compile(
    r"(?:^|(?<=[\s,;|]))"
    r"(id|sub|dlvrd|submit[\s_-]?date|done[\s_-]?date|stat(?:us)?|err(?:or)?|text|msg)\s?[:=]",
    re.IGNORECASE,
)
_FIELDS: Final = {
    "id": "message_id",
    "submitdate": "submit_date",
    "donedate": "done_date",
    "status": "stat",
    "error": "err",
    "msg": "text",
}
_NOT_LETTERS: Final = re.compile(r"[^A-Za-z]+")
_ECHO: Final = re.compile(rb"[\s,;|](?:text|msg)\s?[:=]", re.IGNORECASE)
_SINGLE_OCTET_MARK: Final = re.compile(rb"(?:id|stat|sub|err|date)\s?[:=]|^[!-+\--~]+[,;|]", re.IGNORECASE)
_SEPARATORS: Final = " \t\r\n,;|"
_RETRY: Final = re.compile(r"\bwill (?:be )?re-?tr(?:y|ied)\b|\bretry(?:ing)? later\b", re.IGNORECASE)
# Where GSM 03.38 and ASCII differ among the characters that ids are made of.
_GSM_STRAYS: Final = str.maketrans({"\x00": "@", "\x02": "$", "\x11": "_"})


def body_of(octets: bytes, coding: Coding) -> str:
    """The receipt as text, whatever it is flagged as: UCS2 that is ASCII, ASCII that is UCS2.

    Keys and ids are ASCII in every receipt, so single octets are read as ISO-8859-1: `_` in an id stays what
    the response had, although GSM 03.38 reads that octet as `§`.
    """
    octets = octets.rstrip(b"\0") if len(octets) % 2 else octets
    if b"\0" not in octets[:16]:
        if coding is not Coding.UCS2 or _SINGLE_OCTET_MARK.search(octets):
            return _single_octets(octets, coding)
    elif octets[:8:2].count(0) == len(octets[:8:2]):
        return decode(octets, Coding.UCS2)
    elif octets[1:8:2].count(0) == len(octets[1:8:2]):
        return octets.decode("utf-16-le", "replace")
    return decode(octets, Coding.UCS2) if coding is Coding.UCS2 else _single_octets(octets, coding)


def _single_octets(octets: bytes, coding: Coding) -> str:
    octets = octets.rstrip(b"\0")
    text = octets.decode("latin-1")
    if coding is not Coding.GSM7 or text.isprintable():
        return text
    echo = _ECHO.search(octets)
    end = echo.end() if echo and octets[echo.end() :].isascii() else len(octets)
    return text[:end].translate(_GSM_STRAYS) + decode(octets[end:], Coding.GSM7)


# What nearly every receipt looks like, in one match; anything else goes the long way, to the same result.
_USUAL: Final = re.compile(
    r"id:([A-Za-z0-9._@-]+) (?:sub:([0-9]+) dlvrd:([0-9]+) )?submit date:([0-9]+) done date:([0-9]+) "
    r"stat:([A-Za-z_]+) err:([A-Za-z0-9]+)(?: [Tt]ext:(.*))?",
    re.DOTALL,
)


def read_text(body: str) -> ReceiptText:
    """Read any known form: keys with values in any order, case and completeness, or values between commas.

    What follows `text:` is the message's own beginning and is never searched for keys. Never raises.
    """
    usual = _USUAL.fullmatch(body)
    if usual:
        message_id, sub, dlvrd, submit_date, done_date, stat, err, text = usual.groups("")
        return ReceiptText(
            message_id, stat, state_of_word(stat), err, sub, dlvrd, submit_date, done_date, text.strip()
        )
    return _read_keys(body)


def _read_keys(body: str) -> ReceiptText:
    found: dict[str, str] = {}
    key, start = "", 0
    first = _KEY.search(body)
    if first is not None and first.start():
        # values between commas, whose echo of the message looks like keys
        values = _from_values(body[: first.start()])
        if values.state is not None:
            echo = (values.text, body[first.start() :].strip())
            return msgspec.structs.replace(values, text=" ".join(filter(None, echo)))
    for match in _KEY.finditer(body):
        if key:
            found.setdefault(key, body[start : match.start()])
        name = _NOT_LETTERS.sub("", match[1]).lower()
        key, start = _FIELDS.get(name, name), match.end()
        if key == "text":
            break
    if key:
        found.setdefault(key, body[start:])
    if "stat" in found or "message_id" in found:
        return _from_fields(found)
    return _from_values(body)


def _from_fields(found: Mapping[str, str]) -> ReceiptText:
    stat = _word(found.get("stat", ""))
    text = found.get("text", "")
    return ReceiptText(
        message_id=_word(found.get("message_id", "")),
        stat=stat,
        state=state_of_word(stat),
        err=_word(found.get("err", "")),
        sub=_word(found.get("sub", "")),
        dlvrd=_word(found.get("dlvrd", "")),
        submit_date=found.get("submit_date", "").strip(_SEPARATORS),
        done_date=found.get("done_date", "").strip(_SEPARATORS),
        text=text.strip(),
        will_retry=_RETRY.search(found.get("stat", "") + " " + found.get("err", "")) is not None,
    )


def _word(value: str) -> str:
    words = value.replace(",", " ").replace(";", " ").split(None, 1)
    return words[0].strip("\"'|") if words else ""


# --- values between commas ----------------------------------------------------------------------------------

# of more than four characters only with a digit, or the first word of a text would be taken for one
_ERROR: Final = re.compile(r"[0-9A-Za-z]{1,4}|(?=[A-Za-z]*[0-9])[0-9A-Za-z]{5,8}")


def _from_values(body: str) -> ReceiptText:
    """`id,submit date,done date,stat,err,text`, any of them but id and stat left out, commas or semicolons.

    The state word is what fixes the rest: id is the first value, dates stand before it, the error code right
    after. Without a known word nothing is believed but the words themselves, which are kept as `text`.
    """
    separator = max(",;|", key=body.count)
    values = [value.strip().strip("\"'") for value in body.split(separator)]
    at = next((i for i, value in enumerate(values) if i and _csv_state(value) is not None), 0)
    if not at or not values[0] or any(char.isspace() for char in values[0]):
        return ReceiptText(text=body.strip())
    stat = values[at]
    after = values[at + 1 :]
    dates = [value for value in values[1:] if read_date(value) is not None]
    has_error = bool(after) and _ERROR.fullmatch(after[0]) is not None
    rest = [value for value in after[has_error:] if value not in dates]
    return ReceiptText(
        message_id=values[0],
        stat=stat,
        state=_csv_state(stat),
        err=after[0] if has_error else "",
        submit_date=dates[0] if len(dates) > 1 else "",
        done_date=dates[-1] if dates else "",
        text=separator.join(rest),
        will_retry=_RETRY.search(separator.join(after)) is not None,
    )


def _csv_state(value: str) -> State | None:
    return state_of_word(value.replace(" ", ""))


# --- dates --------------------------------------------------------------------------------------------------

_DATE_FORMATS: Final = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}


def read_date(text: str) -> datetime | None:
    """A receipt's date, naive: in what zone the SMSC's clock runs is the operator's secret. None where it is
    not one.

    10 digits YYMMDDhhmm, 12 YYMMDDhhmmss, 14 YYYYMMDDhhmmss, or 12 digits YYYYMMDDhhmm where only that makes
    a date.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    formats = [_DATE_FORMATS[len(text)]] if len(text) in _DATE_FORMATS else []
    if len(text) == 12 and text.startswith("20"):
        formats.append("%Y%m%d%H%M")
    for form in formats:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None


# --- writing ------------------------------------------------------------------------------------------------


class ReceiptForm(StrEnum):
    """The forms an SMSC writes receipts in; SHORT lacks sub and dlvrd, TLV_ONLY has no text at all."""

    STANDARD = "standard"
    SHORT = "short"
    CSV = "csv"
    TLV_ONLY = "tlv-only"


_STAT_WORDS: Final = {
    State.SCHEDULED: "SCHEDLD",
    State.ENROUTE: "ENROUTE",
    State.DELIVERED: "DELIVRD",
    State.EXPIRED: "EXPIRED",
    State.DELETED: "DELETED",
    State.UNDELIVERABLE: "UNDELIV",
    State.ACCEPTED: "ACCEPTD",
    State.UNKNOWN: "UNKNOWN",
    State.REJECTED: "REJECTD",
    State.SKIPPED: "SKIPPED",
}


def format_text(
    message_id: str,
    state: State,
    *,
    submitted: datetime,
    done: datetime,
    form: ReceiptForm = ReceiptForm.STANDARD,
    err: str = "000",
    text: str = "",
    date_digits: int = 10,
    stat: str = "",
) -> str:
    """A receipt's text, as an SMSC writes it; `stat` replaces the state's own word, `text` is cut to 20
    characters.

    Raises ValueError where `date_digits` is not 10, 12 or 14.
    """
    if date_digits not in _DATE_FORMATS:
        raise ValueError(f"dates of {date_digits} digits: 10, 12 or 14 are written")
    if form is ReceiptForm.TLV_ONLY:
        return ""
    word = stat or _STAT_WORDS[state]
    submit_date = submitted.strftime(_DATE_FORMATS[date_digits])
    done_date = done.strftime(_DATE_FORMATS[date_digits])
    echo = text[:20]
    if form is ReceiptForm.CSV:
        return ",".join((message_id, submit_date, done_date, word, err, echo.replace(",", " ")))
    counts = f"sub:001 dlvrd:{1 if state.success else 0:03d} " if form is ReceiptForm.STANDARD else ""
    return (
        f"id:{message_id} {counts}submit date:{submit_date} done date:{done_date} "
        f"stat:{word} err:{err} text:{echo}"
    )
