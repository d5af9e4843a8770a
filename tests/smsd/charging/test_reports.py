"""An operator's billing report is understood row by row, or every fault of it is told and no row is used."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from foundation.clock import DAY_US, OSLO, SECOND_US, to_us
from foundation.contract import Reason
from smsd.charging.reports import Report, ReportRefused, ReportRow, Said, read_report
from smsd.settings_report import ReportColumns, ReportForm

HEADER = "message_id;number;amount;at;outcome;short_code"
ROW = "A1;4799999901;50,00;2026-11-23 13:00:00;charged;2030"
NOON = to_us(datetime(2026, 11, 23, 12, tzinfo=UTC))


def read(*rows: str, header: str = HEADER, **form: Any) -> Report:
    return read_report("\n".join((header, *rows)).encode(), ReportForm(**form))


def only(*rows: str, header: str = HEADER, **form: Any) -> ReportRow:
    (row,) = read(*rows, header=header, **form).rows
    return row


def faults(*rows: str, header: str = HEADER, **form: Any) -> list[tuple[int, str, str, str]]:
    with pytest.raises(ReportRefused) as refused:
        read(*rows, header=header, **form)
    return [(each.line, each.column, each.wrong, each.right) for each in refused.value.faults]


def test_a_row_is_read_with_all_its_columns() -> None:
    assert only(ROW) == ReportRow(2, "A1", "+4799999901", "2030", 5000, NOON, Said.CHARGED)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_what_the_header_has_most_of(delimiter: str) -> None:
    header, row = HEADER.replace(";", delimiter), ROW.replace("50,00", "50").replace(";", delimiter)
    assert only(row, header=header) == only(ROW)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_the_encoding_is_found(encoding: str) -> None:
    columns = ReportColumns(amount="beløp")
    text = f"{HEADER.replace('amount', 'Beløp')}\n{ROW}\n"
    assert read_report(text.encode(encoding), ReportForm(columns=columns)).rows == (only(ROW),)


def test_a_file_of_another_encoding_than_the_one_set_is_refused_by_line() -> None:
    with pytest.raises(ReportRefused, match="line 2: it is not utf-8-sig; set encoding"):
        read_report(f"{HEADER}\n{ROW}ø".encode("latin-1"), ReportForm(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "form", "ore"),
    [
        ("50", {}, 5000),
        ("50,00", {}, 5000),
        ("49,9", {}, 4990),
        ("49,90", {}, 4990),
        ("1.000,00", {}, 100_000),
        ("1 000,00", {}, 100_000),
        ("1\u00a0000", {}, 100_000),
        ("50.00", {"decimal": "."}, 5000),
        ("1,000.50", {"decimal": "."}, 100_050),
        ("5000", {"unit": "ore"}, 5000),
    ],
)
def test_amounts_are_whole_ore(text: str, form: dict[str, Any], ore: int) -> None:
    assert only(ROW.replace("50,00", text), **form).amount_ore == ore


@pytest.mark.parametrize(
    ("text", "form", "right"),
    [
        ("", {}, "give kroner, such as 50,00"),
        ("femti", {}, "give kroner, such as 50,00"),
        ("49.90", {}, 'give kroner, such as 50,00, or set decimal = "."'),
        ("49,901", {}, "give kroner, such as 50,00"),
        ("1.00,00", {}, "give kroner, such as 50,00"),
        ("٥٠", {}, "give kroner, such as 50,00"),
        ("49,90", {"decimal": "."}, 'give kroner, such as 50.00, or set decimal = ","'),
        ("50,00", {"unit": "ore"}, "give whole øre, such as 5000"),
        ("99.999.999", {}, "give kroner, such as 50,00"),
    ],
)
def test_an_amount_that_could_be_misread_is_refused(text: str, form: dict[str, Any], right: str) -> None:
    assert faults(ROW.replace("50,00", text), **form) == [(2, "amount", f"{text!r} is no amount", right)]


@given(st.integers(1, 10**9))
def test_every_amount_comes_back_to_the_ore(ore: int) -> None:
    assert only(ROW.replace("50,00", f"{ore // 100},{ore % 100:02d}")).amount_ore == ore
    assert only(ROW.replace("50,00", str(ore)), unit="ore").amount_ore == ore


@pytest.mark.parametrize("minus", ["-", "−"])
def test_an_amount_below_zero_is_given_back(minus: str) -> None:
    row = only(ROW.replace("50,00", f"{minus}50,00"))
    assert (row.said, row.amount_ore) == (Said.REFUNDED, 5000)


def test_nothing_below_zero_can_be_not_charged() -> None:
    ((_, column, wrong, _),) = faults(ROW.replace("50,00", "-50,00").replace(";charged", ";failed"))
    assert (column, wrong) == ("amount", "'-50,00' is below zero, yet not charged")


def test_a_charge_of_nothing_is_not_charged() -> None:
    assert only(ROW.replace("50,00", "0")).said is Said.NOT_CHARGED


def test_what_was_not_charged_needs_no_amount() -> None:
    assert only(ROW.replace("50,00", "").replace(";charged", ";failed")).amount_ore == 0


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("CHARGED", Said.CHARGED),
        ("Fakturert", Said.CHARGED),
        ("not billed", Said.NOT_CHARGED),
        ("kreditert", Said.REFUNDED),
    ],
)
def test_common_outcome_words_are_known(word: str, said: Said) -> None:
    assert only(ROW.replace(";charged", f";{word}")).said is said


def test_the_operators_own_words_take_the_place_of_the_common_ones_and_give_reasons() -> None:
    words = {"01004I": "charged", "01106E": "no_credit"}
    row = only(ROW.replace(";charged", ";01106e"), outcomes=words)
    assert (row.said, row.reason) == (Said.NOT_CHARGED, Reason.NO_CREDIT)
    ((_, column, wrong, right),) = faults(ROW, outcomes=words)
    assert (column, wrong) == ("outcome", "'charged' is no known outcome")
    assert right == 'one of "01004I", "01106E"; or add it to report.outcomes'


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2026-11-23 13:00:00", {}),
        ("2026-11-23T12:00:00Z", {}),
        ("2026-11-23T14:00:00+02:00", {"time_zone": "UTC"}),
        ("2026-11-23 12:00", {"time_zone": "UTC"}),
        ("23.11.2026 13:00", {"date_format": "%d.%m.%Y %H:%M"}),
        ("202611231300", {"date_format": "%Y%m%d%H%M"}),
    ],
)
def test_times_are_utc_however_they_are_written(text: str, form: dict[str, Any]) -> None:
    assert only(ROW.replace("2026-11-23 13:00:00", text), **form).at_us == NOON


def test_a_day_alone_is_as_long_as_a_day() -> None:
    row = only(ROW.replace(" 13:00:00", ""))
    assert (row.at_us, row.span_us) == (NOON - 13 * 3600 * SECOND_US, DAY_US)
    assert only(ROW).span_us == 0


def test_summer_time_is_an_hour_ahead() -> None:
    winter, summer = (ROW.replace("2026-11-23", day) for day in ("2026-11-23", "2026-06-23"))
    day = timedelta(days=(datetime(2026, 11, 23, tzinfo=OSLO) - datetime(2026, 6, 23, tzinfo=OSLO)).days)
    assert only(winter).at_us - only(summer).at_us == (day + timedelta(hours=1)) // timedelta(microseconds=1)


@pytest.mark.parametrize("text", ["", "23.11.2026 13:00", "2026-13-01", "0026-11-23", "now"])
def test_what_is_no_time_is_told_with_an_example(text: str) -> None:
    assert faults(ROW.replace("2026-11-23 13:00:00", text)) == [
        (2, "at", f"{text!r} is no date and time", "write it as 2026-11-30 18:05:00, or set date_format")
    ]


@pytest.mark.parametrize("number", ["4799999901", "+47 999 99 901", "004799999901", "99999901"])
def test_numbers_are_e164(number: str) -> None:
    assert only(ROW.replace("4799999901", number)).number == "+4799999901"


@pytest.mark.parametrize("number", ["", "Ola", "47999***01", "2030"])
def test_what_is_no_number_is_refused(number: str) -> None:
    ((line, column, _, right),) = faults(ROW.replace("4799999901", number))
    assert (line, column, right) == (2, "number", "write it as 4799999999")


def test_columns_may_have_other_names_and_stand_in_any_order_among_others() -> None:
    columns = ReportColumns(
        message_id="Ref", number="MSISDN", amount="Beløp", at="Dato", outcome="", short_code=""
    )
    header = "Dato;Tjeneste;msisdn;BELØP;ref"
    row = only("2026-11-23 13:00;14001;99999901;50;A1", header=header, columns=columns)
    assert row == ReportRow(2, "A1", "+4799999901", "", 5000, NOON, Said.CHARGED)


def test_a_report_without_outcomes_or_ids_is_told_to_be_so() -> None:
    report = read("99999901;50;2026-11-23 13:00", header="number;amount;at")
    assert report.notices == (
        "the report has no message ids: rows are matched by number, amount and time",
        "the report has no outcome column: every row counts as charged",
    )


def test_a_column_that_is_named_must_be_there() -> None:
    header, row = "number;amount;at", "99999901;50;2026-11-23 13:00"
    columns = ReportColumns(message_id="Ref")
    ((line, column, wrong, right),) = faults(row, header=header, columns=columns)
    assert (line, column, wrong) == (1, "Ref", "the column is missing")
    assert right == "name it in report.columns.message_id; the header has number, amount, at"


def test_a_column_that_stands_there_twice_is_refused() -> None:
    assert faults(f"{ROW};1", header=f"{HEADER};amount")[0][:3] == (
        1,
        "amount",
        "the column stands there twice",
    )


def test_lines_are_counted_as_the_file_has_them() -> None:
    report = read('"A\n1";99999901;50;2026-11-23 13:00;charged;2030', "", ROW)
    assert [row.line for row in report.rows] == [2, 5]


def test_every_fault_of_every_row_is_told_at_once() -> None:
    told = faults(
        "A1;47abc9901;x;y;z;--",
        ROW,
        "A2;4799999901;50,00",
        'A3;"4799999901',
    )
    assert [(line, column) for line, column, _, _ in told] == [
        (2, "amount"),
        (2, "at"),
        (2, "number"),
        (2, "outcome"),
        (2, "short_code"),
        (4, ""),
        (5, ""),
    ]


def test_a_number_in_the_wrong_column_is_masked() -> None:
    with pytest.raises(ReportRefused) as refused:
        read("A1;x;4799999901;+47 999 99 901;99999901;x")
    assert "9999990" not in str(refused.value)
    assert "999 99" not in str(refused.value)
    assert "'479*****01'" in str(refused.value)


@pytest.mark.parametrize("octets", [b"", b"\n\n", HEADER.encode(), b"\x00\x01", b"\xff\xfe\x00"])
def test_what_is_no_report_is_refused(octets: bytes) -> None:
    with pytest.raises(ReportRefused):
        read_report(octets, ReportForm())


@given(st.binary(max_size=200))
def test_no_octets_do_more_harm_than_being_refused(octets: bytes) -> None:
    for body in (octets, HEADER.encode() + b"\n" + octets):
        with contextlib.suppress(ReportRefused):
            assert read_report(body, ReportForm()).rows


def test_only_the_first_faults_are_told_but_all_are_counted() -> None:
    with pytest.raises(ReportRefused, match="… and 150 more faults") as refused:
        read(*["x"] * 250)
    assert len(refused.value.faults) == 250


def test_a_report_is_known_by_its_octets() -> None:
    assert read(ROW).sha256 == read(ROW).sha256 != read(ROW, ROW).sha256


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("outcomes", {"X": "paid"}, "which is no outcome"),
        ("time_zone", "Norway/Oslo", "is no time zone"),
        ("time_zone", "../etc/passwd", "is no time zone"),
        ("date_format", "%H:%M", "does not tell a date"),
        ("date_format", "%d.%m", "does not tell a date"),
    ],
)
def test_a_form_that_cannot_be_meant_is_refused_with_the_settings(
    key: str, value: object, words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        ReportForm.model_validate({key: value})
