"""An operator's billing report as rows: a CSV file, its columns and words as the profile names them.

Reads all of a file before it says anything: either every row is understood, or every fault is told by line,
column, value and cure. Knows no store, and decides nothing about charges. Faults never show a number in full.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from foundation.clock import DAY_US, to_us
from foundation.contract import Reason
from foundation.numbers import from_operator, mask
from foundation.settings_words import one_of
from smsd.settings_report import SAID, ReportForm

_DELIMITERS = (";", ",", "\t", "|")
_NEEDED = ("number", "amount", "at")
_OPTIONAL = ("message_id", "outcome", "short_code")
_BOMS = (b"\xff\xfe", b"\xfe\xff")
_TOLD_FAULTS = 100
_SHOWN = 30
_MAX_ORE = 10**9
_BLANKS = re.compile(r"[\s\u00a0\u202f]+")
_LIKE_A_NUMBER = re.compile(r"(?!\d{4}-\d\d-)\+?[\d\s()-]{8,}")
_YEARS = range(2000, 2101)
_DECIMALS = {
    # digits, in groups of three or not, then at most two decimals
    ",": re.compile(r"(\d{1,3}(?:\.\d{3})+|\d{1,9})(?:,(\d{1,2}))?"),
    ".": re.compile(r"(\d{1,3}(?:,\d{3})+|\d{1,9})(?:\.(\d{1,2}))?"),
}


class Said(StrEnum):
    """What a row says became of one message's price."""

    CHARGED = "charged"
    NOT_CHARGED = "not_charged"
    REFUNDED = "refunded"


class ReportRow(msgspec.Struct, frozen=True, gc=False):
    """One row: `line` in the file (the header is usually 1), `number` E.164, `amount_ore` never below 0.

    `message_id` and `short_code` are empty where the report does not have them. `at_us` is when, or, where
    only the day is told, when that began: then `span_us` is a day.
    """

    line: int
    message_id: str
    number: str
    short_code: str
    amount_ore: int
    at_us: int
    said: Said
    reason: Reason = Reason.NONE
    span_us: int = 0


class Report(msgspec.Struct, frozen=True):
    """A file whose every row was understood; `sha256` of its octets, in hexadecimal."""

    rows: tuple[ReportRow, ...]
    sha256: str
    notices: tuple[str, ...] = ()


class ReportFault(msgspec.Struct, frozen=True, order=True):
    """One thing wrong: where (line 0 is the whole file), with what value, and what would be right."""

    line: int
    column: str
    wrong: str
    right: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line else "the file"
        return f"{place}{f', column {self.column}' if self.column else ''}: {self.wrong}; {self.right}"


class ReportRefused(Exception):
    """The report cannot be used; `faults` has every reason, the message the first of them."""

    def __init__(self, faults: Sequence[ReportFault]) -> None:
        self.faults = tuple(sorted(faults))
        told = [str(fault) for fault in self.faults[:_TOLD_FAULTS]]
        if len(self.faults) > _TOLD_FAULTS:
            told.append(f"… and {len(self.faults) - _TOLD_FAULTS} more faults")
        super().__init__("\n".join(told))


class _Wrong(ValueError):
    """One value is wrong; told with what would be right."""

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(f"{wrong}; {right}")
        self.wrong = wrong
        self.right = right


def read_report(octets: bytes, form: ReportForm) -> Report:
    """The rows of a report.

    Raises:
        ReportRefused: with every fault of every row; then no row is to be used.
    """
    text = _decode(octets, form)
    records = _records(text, _delimiter(text, form))
    header = next(records, None)
    if header is None or isinstance(header[1], str):
        wrong = header[1] if header else "it is empty"
        raise ReportRefused([ReportFault(header[0] if header else 0, "", str(wrong), "give a CSV file")])
    places, notices = _places(header[0], [name.strip().casefold() for name in header[1]], form)
    reader = _RowReader(form, places)
    rows: list[ReportRow] = []
    faults: list[ReportFault] = []
    for line, record in records:
        if isinstance(record, str):
            faults.append(ReportFault(line, "", record, "mend the quotation marks"))
        elif len(record) != len(header[1]):
            right = f"give {len(header[1])}, as the header has"
            faults.append(ReportFault(line, "", f"it has {len(record)} values", right))
        else:
            row = reader.read(line, record, faults)
            if row is not None:
                rows.append(row)
    if not rows and not faults:
        faults.append(ReportFault(0, "", "no rows follow the header", "give a report with at least one"))
    if faults:
        raise ReportRefused(faults)
    return Report(tuple(rows), hashlib.sha256(octets).hexdigest(), tuple(notices))


class _RowReader:
    """Reads the values of a row, each by its own rule."""

    def __init__(self, form: ReportForm, places: Mapping[str, int]) -> None:
        self._form = form
        self._places = places
        self._zone = ZoneInfo(form.time_zone)
        self._words = {word.casefold(): outcome for word, outcome in form.outcomes.items()}

    def read(self, line: int, record: Sequence[str], faults: list[ReportFault]) -> ReportRow | None:
        """The row, or None with its faults laid."""
        before = len(faults)

        def value(column: str) -> str:
            place = self._places.get(column)
            return "" if place is None else record[place].strip()

        def fault(column: str, error: _Wrong) -> None:
            name = getattr(self._form.columns, column)
            faults.append(ReportFault(line, name, error.wrong, error.right))

        said, reason, amount_ore, number, at_us, span_us = Said.CHARGED, Reason.NONE, 0, "", 0, 0
        try:
            said, reason = self._said(value("outcome"))
        except _Wrong as error:
            fault("outcome", error)
        try:
            amount_ore = self._amount(value("amount"), said)
        except _Wrong as error:
            fault("amount", error)
        try:
            number = _number(value("number"))
        except _Wrong as error:
            fault("number", error)
        try:
            at_us, span_us = self._moment(value("at"))
        except _Wrong as error:
            fault("at", error)
        short_code = value("short_code")
        if short_code and not re.fullmatch(r"\+?\d{3,20}", short_code):
            fault("short_code", _Wrong(f"{_shown(short_code)} is no short code", "give digits, such as 2030"))
        if len(faults) > before:
            return None
        if amount_ore < 0:
            said, amount_ore = Said.REFUNDED, -amount_ore
        elif amount_ore == 0 and said is Said.CHARGED:
            # nothing is what it was billed
            said = Said.NOT_CHARGED
        return ReportRow(
            line=line,
            message_id=value("message_id"),
            number=number,
            short_code=short_code.lstrip("+"),
            amount_ore=amount_ore,
            at_us=at_us,
            said=said,
            reason=reason,
            span_us=span_us,
        )

    def _said(self, word: str) -> tuple[Said, Reason]:
        if "outcome" not in self._places:
            return Said.CHARGED, Reason.NONE
        outcome = self._words.get(word.casefold())
        if outcome is None:
            known = one_of(self._form.outcomes, word)
            raise _Wrong(f"{_shown(word)} is no known outcome", f"{known}; or add it to report.outcomes")
        return (Said(outcome), Reason.NONE) if outcome in SAID else (Said.NOT_CHARGED, Reason(outcome))

    def _amount(self, text: str, said: Said) -> int:
        compact = _BLANKS.sub("", text).replace("−", "-")
        if not compact and said is Said.NOT_CHARGED:
            return 0
        sign = -1 if compact.startswith("-") else 1
        digits = compact.removeprefix("-")
        if self._form.unit == "ore":
            found = int(digits) if re.fullmatch(r"[0-9]{1,12}", digits) else None
            right = "give whole øre, such as 5000"
        else:
            match = _DECIMALS[self._form.decimal].fullmatch(digits) if digits.isascii() else None
            kroner = re.sub(r"\D", "", match[1]) if match else ""
            found = int(kroner) * 100 + int((match[2] or "0").ljust(2, "0")) if match else None
            right = f"give kroner, such as 50{self._form.decimal}00"
            other = "." if self._form.decimal == "," else ","
            if re.fullmatch(rf"[0-9]+[{other}][0-9]{{2}}", digits):
                right += f', or set decimal = "{other}"'
        if found is None or found > _MAX_ORE:
            raise _Wrong(f"{_shown(text)} is no amount", right)
        if sign < 0 and said is Said.NOT_CHARGED:
            raise _Wrong(f"{_shown(text)} is below zero, yet not charged", "give the amount itself")
        if found == 0 and said is Said.REFUNDED:
            raise _Wrong("nothing was refunded", "give the amount that was")
        return sign * found

    def _moment(self, text: str) -> tuple[int, int]:
        form = self._form.date_format
        try:
            found = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
        except ValueError:
            found = None
        if found is None or found.year not in _YEARS:
            example = datetime(2026, 11, 30, 18, 5, tzinfo=self._zone)
            right = example.strftime(form) if form else "2026-11-30 18:05:00"
            raise _Wrong(f"{_shown(text)} is no date and time", f"write it as {right}, or set date_format")
        at_us = to_us(found if found.tzinfo else found.replace(tzinfo=self._zone))
        return at_us, DAY_US if found.time() == time() else 0


def _number(text: str) -> str:
    compact = re.sub(r"[\s\u00a0()-]", "", text)
    found = from_operator(compact) if compact.isascii() else None
    if found is None:
        wrong = f"{mask(text)!r} is no phone number" if text else "the number is empty"
        raise _Wrong(wrong, "write it as 4799999999")
    return found


def _shown(text: str) -> str:
    """A value as a fault may show it: shortened, and masked where it may be a phone number."""
    if _LIKE_A_NUMBER.fullmatch(text):
        return repr(mask(text))
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _decode(octets: bytes, form: ReportForm) -> str:
    encoding: str = form.encoding
    if encoding == "auto":
        if octets.startswith(_BOMS):
            encoding = "utf-16"
        else:
            try:
                return octets.decode("utf-8-sig")
            except UnicodeDecodeError:
                encoding = "cp1252"
    elif encoding == "utf-8":
        encoding = "utf-8-sig"
    try:
        return octets.decode(encoding)
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        fault = ReportFault(line, "", f"it is not {encoding}", "set encoding to what the operator writes")
        raise ReportRefused([fault]) from None


def _delimiter(text: str, form: ReportForm) -> str:
    if form.delimiter != "auto":
        return form.delimiter
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=header.count)


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each record with the line it begins on; a text where it cannot be read. Skips empty lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"it cannot be read as CSV ({error})"
            continue
        if any(value.strip() for value in record):
            yield line, record


def _places(line: int, names: Sequence[str], form: ReportForm) -> tuple[dict[str, int], list[str]]:
    """Where each column stands, and what people should know of those that are missing."""
    places: dict[str, int] = {}
    faults: list[ReportFault] = []
    notices: list[str] = []
    for column in (*_NEEDED, *_OPTIONAL):
        wanted: str = getattr(form.columns, column)
        count = names.count(wanted.casefold())
        named = column in form.columns.model_fields_set and wanted
        if count == 1:
            places[column] = names.index(wanted.casefold())
        elif count:
            faults.append(ReportFault(line, wanted, "the column stands there twice", "take one out"))
        elif column in _NEEDED or named:
            here = ", ".join(name[:_SHOWN] for name in names if name)
            right = f"name it in report.columns.{column}; the header has {here}"
            faults.append(ReportFault(line, wanted, "the column is missing", right))
        elif column == "outcome":
            notices.append("the report has no outcome column: every row counts as charged")
        elif column == "message_id":
            notices.append("the report has no message ids: rows are matched by number, amount and time")
    if faults:
        raise ReportRefused(faults)
    return places, notices
