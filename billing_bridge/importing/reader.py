"""A CSV file as rows, and everything that is wrong with them. Reads all of it before it says anything.

Header names may come in any order; the separator is ``,`` or ``;``, the encoding UTF-8 (with or without
BOM) or else Latin-1. Faults never show a name, a number or an address in full.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TypeVar

import msgspec
from email_validator import EmailNotValidError, validate_email

from billing_bridge.invoicing.period import PeriodError, bounds
from billing_bridge.records import Kind
from foundation.numbers import NotANumber, from_person, mask

T = TypeVar("T")
_NORWEGIAN = re.compile(r"(?:\+47|0047)?([2-9]\d{7})\Z")
_MAX_NAME = 200
_MAX_COMMENT = 4000
_MAX_KR = 1_000_000
_SHOWN = 30


class RowFault(msgspec.Struct, frozen=True, order=True):
    """One thing wrong: where (line 1 is the header), with what value, and what would be right."""

    line: int
    column: str
    wrong: str
    right: str

    def __str__(self) -> str:
        place = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return f"{place}: {self.wrong}; {self.right}"


class ImportRefusedError(Exception):
    """Nothing was imported; `faults` has every reason."""

    def __init__(self, faults: Sequence[RowFault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class ValueFaultError(ValueError):
    """One value is wrong; `wrong` says how without showing private things, `right` what would do."""

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(f"{wrong}; {right}")
        self.wrong = wrong
        self.right = right


class Imported(msgspec.Struct, frozen=True):
    """What an import did: rows added, rows that were there already, and what people should know."""

    added: int
    skipped: int
    notices: tuple[str, ...] = ()


class Line(msgspec.Struct, frozen=True):
    """One row of the file: where it begins, and its values by column."""

    number: int
    values: Mapping[str, str]


class Sheet(msgspec.Struct, frozen=True):
    """A file read: its rows, and the faults of its form."""

    lines: tuple[Line, ...]
    faults: tuple[RowFault, ...]
    notices: tuple[str, ...]


def read_sheet(octets: bytes, needed: Sequence[str], optional: Sequence[str] = ()) -> Sheet:
    """The rows of a CSV file with these columns.

    Raises:
        ImportRefusedError: the header does not fit, so that no row can be read.
    """
    notices: list[str] = []
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = octets.decode("latin-1")
        line = octets.count(b"\n", 0, error.start) + 1
        notices.append(f"the file is not UTF-8 (line {line}); it was read as Latin-1")
    header = next((line for line in text.splitlines() if line.strip()), "")
    separator = ";" if header.count(";") > header.count(",") else ","
    records = _records(text, separator)
    first = next(records, None)
    names = [name.strip().casefold() for name in first[1]] if first and isinstance(first[1], list) else []
    faults = _header_faults(names, needed, optional)
    if faults:
        raise ImportRefusedError(faults)
    lines: list[Line] = []
    wrong: list[RowFault] = []
    for number, record in records:
        if isinstance(record, str):
            wrong.append(RowFault(number, "", record, "mend the quotation marks"))
        elif len(record) != len(names):
            wrong.append(
                RowFault(
                    number,
                    "",
                    f"it has {len(record)} values",
                    f"give {len(names)}, separated by {separator!r}, as the header has",
                )
            )
        else:
            lines.append(Line(number, dict(zip(names, (value.strip() for value in record), strict=True))))
    if not lines and not wrong:
        wrong.append(RowFault(1, "", "no rows follow the header", "give at least one"))
    return Sheet(tuple(lines), tuple(wrong), tuple(notices))


def read_file(path: Path) -> bytes:
    """A file's octets.

    Raises:
        ImportRefusedError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImportRefusedError(
            [RowFault(0, "", f"{path} cannot be read ({error.strerror})", "give a CSV file")]
        ) from error


class Checker:
    """Reads the values of a row and gathers what is wrong with them."""

    def __init__(self, faults: Sequence[RowFault] = ()) -> None:
        self.faults = list(faults)

    def value(self, line: Line, column: str, read: Callable[[str], T]) -> T | None:
        """One value, or `None` with a fault laid."""
        try:
            return read(line.values.get(column, ""))
        except ValueFaultError as error:
            self.fault(line, column, error.wrong, error.right)
            return None

    def fault(self, line: Line, column: str, wrong: str, right: str) -> None:
        """Lay a fault."""
        self.faults.append(RowFault(line.number, column, wrong, right))

    def refuse_if_wrong(self) -> None:
        """Raises ImportRefusedError where any fault was laid."""
        if self.faults:
            raise ImportRefusedError(self.faults)


def read_name(text: str) -> str:
    """A person's name, white space put right."""
    name = " ".join(text.split())
    if not name:
        raise ValueFaultError("the name is empty", "give first name and last name")
    if len(name) > _MAX_NAME or not name.isprintable():
        raise ValueFaultError(
            f"the name has {len(name)} characters or unprintable ones",
            f"give at most {_MAX_NAME} printable characters",
        )
    return name


def read_number(text: str) -> str:
    """A phone number as E.164."""
    if not text:
        raise ValueFaultError("the number is empty", "give the person's mobile number")
    compact = "".join(text.split())
    match = _NORWEGIAN.match(compact)
    if match and compact.isascii():
        return "+47" + match[1]
    try:
        return from_person(text)
    except NotANumber:
        raise ValueFaultError(
            f"{mask(text)!r} is no phone number", "write +47 and eight digits, or another country's code"
        ) from None


def read_email(text: str) -> str:
    """An e-mail address, or empty."""
    if not text:
        return ""
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        raise ValueFaultError(
            f"{text[:1]}…({len(text)} characters) is no e-mail address",
            "write name@domain, or leave it empty",
        ) from None


def read_comment(text: str) -> str:
    """A comment, or empty."""
    if len(text) > _MAX_COMMENT:
        raise ValueFaultError(f"the comment has {len(text)} characters", f"give at most {_MAX_COMMENT}")
    return text


def read_kind(text: str) -> str:
    """What an invoice is for."""
    kind = text.casefold()
    if kind not in tuple(Kind):
        raise ValueFaultError(f"{_shown(text)} is no kind", f"write {' or '.join(Kind)}")
    return kind


def read_kroner(text: str) -> int:
    """Whole kroner."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= _MAX_KR):
        raise ValueFaultError(
            f"{_shown(text)} is no amount in whole kroner", f"write digits alone, 1 to {_MAX_KR}"
        )
    return int(text)


def read_period(text: str) -> str:
    """What time an invoice is for."""
    try:
        bounds(text.upper())
    except PeriodError as error:
        raise ValueFaultError(f"{_shown(text)} is no period", str(error)) from None
    return text.upper()


def read_date(text: str) -> str:
    """A date as ISO writes it."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text or not 1900 <= found.year <= 2200:
        raise ValueFaultError(f"{_shown(text)} is no date", "write year-month-day, as 2026-12-31")
    return text


def one_of(codes: Sequence[str]) -> Callable[[str], str]:
    """A reader of organisations' codewords, letter case aside."""
    known = {code.casefold(): code for code in codes}

    def read(text: str) -> str:
        found = known.get(text.casefold())
        if found is None:
            raise ValueFaultError(
                f"{_shown(text)} is no organisation here", f"write its codeword: {', '.join(codes)}"
            )
        return found

    return read


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each record with the line it begins on; a text where it cannot be read. Skips empty lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, f"it cannot be read as CSV ({error})"
            continue
        if any(value.strip() for value in record):
            yield number, record


def _header_faults(names: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> list[RowFault]:
    wanted = ", ".join((*needed, *optional))
    if not any(names):
        return [RowFault(1, "", "the file has no header", f"begin it with {wanted}")]
    faults = [
        RowFault(1, name, "the column is missing", f"the header needs {', '.join(needed)}")
        for name in needed
        if name not in names
    ]
    known = {*needed, *optional}
    for place, name in enumerate(names):
        if name not in known:
            faults.append(RowFault(1, _shown(name), "there is no such column", f"the columns are {wanted}"))
        elif name in names[:place]:
            faults.append(RowFault(1, name, "the column stands there twice", "take one out"))
    return faults
