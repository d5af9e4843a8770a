"""Our charges beside the operator's report: every difference is named, adds up, and is resolved once."""

from __future__ import annotations

import functools
import random
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playbook import KARI, NOON, OLA, HandClock, Play, operator

from foundation.clock import DAY_US, SECOND_US
from foundation.contract import ChargeSettled, GatewayParcel, Outcome, Reason
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Outbox
from foundation.store import SqliteTx, connect_sqlite, open_sqlite
from smsd.charging import worklist
from smsd.charging.reconciliation import CannotReconcile, Line, Period, Totals, apply, reconcile
from smsd.charging.report_verdicts import Bill, Kind, judge
from smsd.charging.reports import Report, ReportRow, Said
from smsd.charging.states import ChargeState, Evidence, Verdict, step
from smsd.settings import Operator
from smsd.smpp.link import AnswerKind
from smsd.store import SCHEMA
from smsd.store import statements as sql

HOUR_US = 3600 * SECOND_US
AS_IT_IS = Period()
MONTH = Period(NOON - DAY_US, NOON + DAY_US, complete=True)
S, E, K = ChargeState, Evidence, Kind
SAYS = {
    Bill.ONCE: (Said.CHARGED,),
    Bill.TWICE: (Said.CHARGED, Said.CHARGED),
    Bill.GIVEN_BACK: (Said.CHARGED, Said.REFUNDED),
    Bill.NOTHING: (Said.NOT_CHARGED,),
    Bill.ABSENT: (),
}


@functools.cache
def empty_store() -> bytes:
    """A migrated store's file; migrating takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "smsd.db"
        open_sqlite(f"sqlite:///{path}", SCHEMA).close()
        return path.read_bytes()


class Books:
    """A gateway's store with charges in it, and the operator's rows about them."""

    def __init__(self, path: Path, account: Operator | None = None) -> None:
        path.write_bytes(empty_store())
        self.connection = connect_sqlite(path)
        self.connection.execute("PRAGMA synchronous=OFF")
        self.tx = SqliteTx(self.connection)
        self.clock = HandClock(NOON + 10 * DAY_US)
        self.ids = Ids(self.clock, random.Random(1).getrandbits)
        self.account = account or operator()
        self.rows: list[ReportRow] = []

    def charge(
        self,
        state: ChargeState = S.IN_DOUBT,
        *,
        message_id: str = "",
        number: str = OLA,
        kr: int = 50,
        at_us: int = NOON,
        sent: bool = True,
        invoice: str = "",
        account: str = "telco",
    ) -> str:
        """A charge; with a message id, the SMSC's answer is known."""
        charge = self.ids.new()
        row = (charge, "c", self.ids.new(), "ORG1", invoice or charge, account, "2030", number, kr * 100)
        self.tx.run(sql.ADD_CHARGE, [(*row, state, "", 0, at_us, at_us, at_us + HOUR_US)])
        if sent:
            self.event(charge, E.START, "", at_us)
        if message_id:
            self.event(charge, E.ANSWER_ACCEPTED, f"id:{message_id}", at_us)
        if state is S.REFUSED:
            self.event(charge, E.ANSWER_REFUSED, "status:0x0000000b", at_us)
        return charge

    def event(self, charge: str, evidence: Evidence, detail: str, at_us: int) -> None:
        self.tx.run(sql.ADD_CHARGE_EVENT, [(charge, at_us, evidence, "", "", detail)])

    def row(self, said: Said = Said.CHARGED, message_id: str = "", **fields: Any) -> ReportRow:
        """The next row of the report."""
        given: dict[str, Any] = {
            "number": OLA,
            "short_code": "2030",
            "amount_ore": 5000,
            "at_us": NOON,
            **fields,
        }
        self.rows.append(ReportRow(len(self.rows) + 2, message_id, said=said, **given))
        return self.rows[-1]

    def report(self, rows: Sequence[ReportRow] | None = None, name: str = "a") -> Report:
        return Report(tuple(self.rows if rows is None else rows), name * 64)

    def compare(self, period: Period = AS_IT_IS, report: Report | None = None) -> list[Line]:
        return reconcile(self.connection, report or self.report(), self.account, period, self.clock.us)

    def apply(
        self, period: Period = AS_IT_IS, report: Report | None = None, *, refunds: bool = False
    ) -> list[Line]:
        return self.carry_out(self.compare(period, report), report, refunds=refunds)

    def carry_out(
        self, lines: Sequence[Line], report: Report | None = None, *, refunds: bool = False
    ) -> list[Line]:
        return apply(
            self.connection,
            lines,
            report or self.report(),
            who="Kari",
            refunds=refunds,
            gateway="smsd",
            clock=self.clock,
            ids=self.ids,
        )

    def state(self, charge: str) -> ChargeState:
        (state,) = self.connection.execute("SELECT state FROM charges WHERE id = ?", (charge,)).fetchone()
        return ChargeState(state)

    def states(self) -> dict[str, str]:
        return dict(self.connection.execute("SELECT id, state FROM charges"))

    def told(self) -> list[ChargeSettled]:
        """What the bridge will hear."""
        parcels = Outbox().waiting(self.tx, BRIDGE, 0, 1000)
        bodies = [msgspec.json.decode(parcel.body, type=GatewayParcel) for parcel in parcels]
        assert all(body.sender == "smsd" for body in bodies)
        return [each for body in bodies for each in body.messages if isinstance(each, ChargeSettled)]

    def dump(self) -> list[str]:
        return list(self.connection.iterdump())


@pytest.fixture(name="books")
def _books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path / "smsd.db")
    yield books
    books.connection.close()


def one(lines: Sequence[Line]) -> Line:
    (line,) = lines
    return line


# every state beside every bill ---------------------------------------------------------------------------


EXPECTED: dict[tuple[ChargeState, Bill], tuple[Kind, ChargeState]] = {
    (S.IN_DOUBT, Bill.ONCE): (K.RESOLVED_CHARGED, S.CHARGED),
    (S.IN_DOUBT, Bill.TWICE): (K.BILLED_TWICE, S.CHARGED),
    (S.IN_DOUBT, Bill.GIVEN_BACK): (K.GIVEN_BACK_THERE, S.NOT_CHARGED),
    (S.IN_DOUBT, Bill.NOTHING): (K.RESOLVED_NOT_CHARGED, S.NOT_CHARGED),
    (S.IN_DOUBT, Bill.ABSENT): (K.MISSING, S.NOT_CHARGED),
    (S.ACCEPTED, Bill.ONCE): (K.RESOLVED_CHARGED, S.CHARGED),
    (S.ACCEPTED, Bill.TWICE): (K.BILLED_TWICE, S.CHARGED),
    (S.ACCEPTED, Bill.GIVEN_BACK): (K.GIVEN_BACK_THERE, S.NOT_CHARGED),
    (S.ACCEPTED, Bill.NOTHING): (K.RESOLVED_NOT_CHARGED, S.NOT_CHARGED),
    (S.ACCEPTED, Bill.ABSENT): (K.MISSING, S.NOT_CHARGED),
    (S.SENDING, Bill.ONCE): (K.UNDER_WAY, S.SENDING),
    (S.SENDING, Bill.TWICE): (K.BILLED_TWICE, S.SENDING),
    (S.SENDING, Bill.GIVEN_BACK): (K.UNDER_WAY, S.SENDING),
    (S.SENDING, Bill.NOTHING): (K.UNDER_WAY, S.SENDING),
    (S.SENDING, Bill.ABSENT): (K.UNDER_WAY, S.SENDING),
    (S.INTENDED, Bill.ONCE): (K.CHARGED_THERE, S.INTENDED),
    (S.INTENDED, Bill.TWICE): (K.BILLED_TWICE, S.INTENDED),
    (S.INTENDED, Bill.GIVEN_BACK): (K.UNDER_WAY, S.INTENDED),
    (S.INTENDED, Bill.NOTHING): (K.AGREED, S.INTENDED),
    (S.CHARGED, Bill.ONCE): (K.AGREED, S.CHARGED),
    (S.CHARGED, Bill.TWICE): (K.BILLED_TWICE, S.CHARGED),
    (S.CHARGED, Bill.GIVEN_BACK): (K.GIVEN_BACK_THERE, S.REFUNDED),
    (S.CHARGED, Bill.NOTHING): (K.NOT_CHARGED_THERE, S.NOT_CHARGED),
    (S.CHARGED, Bill.ABSENT): (K.MISSING, S.CHARGED),
    (S.NOT_CHARGED, Bill.ONCE): (K.CHARGED_THERE, S.CHARGED),
    (S.NOT_CHARGED, Bill.TWICE): (K.BILLED_TWICE, S.CHARGED),
    (S.NOT_CHARGED, Bill.GIVEN_BACK): (K.AGREED, S.NOT_CHARGED),
    (S.NOT_CHARGED, Bill.NOTHING): (K.AGREED, S.NOT_CHARGED),
    (S.REFUSED, Bill.ONCE): (K.CHARGED_THERE, S.CHARGED),
    (S.REFUSED, Bill.TWICE): (K.BILLED_TWICE, S.CHARGED),
    (S.REFUSED, Bill.GIVEN_BACK): (K.AGREED, S.REFUSED),
    (S.REFUSED, Bill.NOTHING): (K.AGREED, S.REFUSED),
    (S.REFUND_DUE, Bill.ONCE): (K.AGREED, S.REFUND_DUE),
    (S.REFUND_DUE, Bill.TWICE): (K.BILLED_TWICE, S.REFUND_DUE),
    (S.REFUND_DUE, Bill.GIVEN_BACK): (K.GIVEN_BACK_THERE, S.REFUNDED),
    (S.REFUND_DUE, Bill.NOTHING): (K.NOT_CHARGED_THERE, S.REFUND_DUE),
    (S.REFUND_DUE, Bill.ABSENT): (K.MISSING, S.REFUND_DUE),
    (S.REFUNDED, Bill.ONCE): (K.CHARGED_THERE, S.REFUNDED),
    (S.REFUNDED, Bill.TWICE): (K.BILLED_TWICE, S.REFUNDED),
    (S.REFUNDED, Bill.GIVEN_BACK): (K.AGREED, S.REFUNDED),
    (S.REFUNDED, Bill.NOTHING): (K.NOT_CHARGED_THERE, S.REFUNDED),
}


@pytest.mark.parametrize(("state", "bill"), [(state, bill) for state in ChargeState for bill in Bill])
def test_every_state_beside_every_bill(books: Books, state: ChargeState, bill: Bill) -> None:
    charge = books.charge(state, message_id="A1")
    for said in SAYS[bill]:
        books.row(said, "A1")
    # one row at least is about another charge of ours, or the report could not be complete
    other = books.charge(S.CHARGED, message_id="B1", number=KARI)
    books.row(Said.CHARGED, "B1", number=KARI)
    expected = EXPECTED.get((state, bill))
    lines = [line for line in books.apply(MONTH) if line.charge != other]
    assert [(line.kind, line.after) for line in lines] == ([expected] if expected else [])
    assert books.state(charge) is (expected[1] if expected else state)


def test_a_judgement_never_proposes_what_the_states_would_keep_silent_about() -> None:
    for state in ChargeState:
        for bill in Bill:
            now = state
            for evidence in (judge(state, bill) or (None, ()))[1]:
                result = step(now, evidence)
                assert result.verdict is not Verdict.KEPT, (state, bill, evidence)
                now = result.state


# which row is about which charge -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "answered", "reported"),
    [
        ("opaque", "4F-a", "4F-a"),
        ("resp-hex", "1F", "31"),
        ("resp-hex", "1F", "1f"),
        ("resp-hex", "0000001F", "31"),
        ("receipt-hex", "31", "1F"),
        ("receipt-hex", "31", "0x1f"),
        ("receipt-hex", "31", "31"),
    ],
)
def test_ids_are_compared_by_the_profiles_forms(
    tmp_path: Path, form: Any, answered: str, reported: str
) -> None:
    books = Books(tmp_path / "smsd.db", operator(message_id=form))
    charge = books.charge(message_id=answered)
    books.row(Said.CHARGED, reported)
    line = one(books.compare())
    assert (line.charge, line.kind, line.how) == (charge, K.RESOLVED_CHARGED, "message id")
    books.connection.close()


def test_an_id_is_known_by_the_submissions_too(books: Books) -> None:
    charge = books.charge()
    (message,) = books.connection.execute("SELECT message FROM charges").fetchone()
    books.tx.run(sql.ADD_SUBMISSION, [("telco", "A1", message, NOON)])
    books.row(Said.CHARGED, "A1", at_us=NOON + 20 * DAY_US)
    assert one(books.compare()).charge == charge


def test_an_id_with_another_number_is_another_message(books: Books) -> None:
    books.charge(S.CHARGED, message_id="A1")
    books.row(Said.CHARGED, "A1", number=KARI)
    assert sorted(line.kind for line in books.compare()) == [K.MISSING, K.UNKNOWN]


def test_an_id_used_again_means_the_nearest_in_time(books: Books) -> None:
    first = books.charge(S.CHARGED, message_id="A1", at_us=NOON - 20 * DAY_US)
    second = books.charge(S.IN_DOUBT, message_id="A1")
    books.row(Said.CHARGED, "A1", at_us=NOON + HOUR_US)
    assert [line.charge for line in books.compare()] == [second]
    books.row(Said.CHARGED, "A1", at_us=NOON - 20 * DAY_US)
    assert [line.charge for line in books.compare()] == [first, second]


@pytest.mark.parametrize(("days", "known"), [(-3, False), (-1, True), (44, True), (46, False)])
def test_long_before_or_after_an_id_is_another_messages(books: Books, days: int, known: bool) -> None:
    charge = books.charge(message_id="A1")
    books.row(Said.CHARGED, "A1", at_us=NOON + days * DAY_US)
    # so that the charge is looked at in any case
    books.row(Said.CHARGED, "B1", number=KARI)
    assert ((2,) in {line.lines for line in books.compare() if line.charge == charge}) is known


def test_an_id_is_known_by_a_receipt_too(books: Books) -> None:
    charge = books.charge()
    books.event(charge, E.RECEIPT_PENDING, "no_credit id:A1 stat:ENROUTE err:000", NOON)
    books.row(Said.CHARGED, "A1", at_us=NOON + 20 * DAY_US)
    assert one(books.compare()).charge == charge


def test_a_charge_of_another_operator_is_not_meant(books: Books) -> None:
    books.charge(message_id="A1", account="other")
    books.row(Said.CHARGED, "A1")
    assert one(books.compare()).kind is K.UNKNOWN


@pytest.mark.parametrize("message_id", ["", "unheard-of"])
def test_a_charge_without_an_id_is_found_by_number_amount_and_time(books: Books, message_id: str) -> None:
    charge = books.charge()
    books.row(Said.CHARGED, message_id, at_us=NOON + HOUR_US)
    line = one(books.apply())
    assert (line.charge, line.how, line.after) == (charge, "number, amount and time", S.CHARGED)


@pytest.mark.parametrize(
    "fields",
    [
        {"number": KARI},
        {"amount_ore": 5001},
        {"short_code": "2031"},
        {"at_us": NOON - 2 * HOUR_US},
        {"at_us": NOON + 3 * DAY_US},
    ],
)
def test_what_does_not_fit_is_not_taken_for_it(books: Books, fields: dict[str, Any]) -> None:
    charge = books.charge()
    books.row(Said.CHARGED, **fields)
    assert one([line for line in books.apply() if not line.charge]).kind is K.UNKNOWN
    assert books.state(charge) is S.IN_DOUBT


def test_the_shown_number_may_be_longer_than_the_short_code(books: Books) -> None:
    books.charge()
    books.row(short_code="203012345")
    assert one(books.compare()).kind is K.RESOLVED_CHARGED


def test_a_row_that_tells_the_day_alone_fits_all_of_that_day(books: Books) -> None:
    charge = books.charge()
    books.row(Said.CHARGED, at_us=NOON - 13 * HOUR_US, span_us=DAY_US)
    assert one(books.compare()).charge == charge


def test_a_charge_whose_id_is_known_is_not_taken_for_another_message(books: Books) -> None:
    charge = books.charge(message_id="A1")
    books.row(Said.CHARGED, "unheard-of")
    assert {line.kind for line in books.apply()} == {K.MISSING, K.UNKNOWN}
    assert books.state(charge) is S.IN_DOUBT


def test_a_refused_charge_is_not_taken_for_another_message(books: Books) -> None:
    books.charge(S.REFUSED)
    charge = books.charge(S.IN_DOUBT, at_us=NOON + HOUR_US)
    books.row(Said.CHARGED, at_us=NOON + 2 * HOUR_US)
    assert [line.charge for line in books.compare()] == [charge]


def test_a_report_without_ids_is_about_charges_whose_ids_are_known_too(books: Books) -> None:
    """They were billed: nothing of them is missing, however complete the report is."""
    accepted = books.charge(S.ACCEPTED, message_id="A1", at_us=NOON - 12 * HOUR_US)
    charged = books.charge(S.CHARGED, message_id="B1", number=KARI)
    doubt = books.charge(kr=60)
    books.charge(S.REFUSED, kr=60)
    for fields in ({"at_us": NOON - 12 * HOUR_US}, {"number": KARI}, {"amount_ore": 6000}):
        books.row(**fields)
    by_charge = {
        line.charge: line.kind for line in books.apply(Period(NOON - DAY_US, NOON + 3 * DAY_US, True))
    }
    assert by_charge == {accepted: K.RESOLVED_CHARGED, charged: K.AGREED, doubt: K.RESOLVED_CHARGED}
    assert [books.state(each) for each in (accepted, charged, doubt)] == [S.CHARGED] * 3


def test_a_row_without_an_id_that_could_by_a_wrong_clock_be_a_charge_leaves_it_open(books: Books) -> None:
    accepted = books.charge(S.ACCEPTED, message_id="A1")
    books.charge(S.CHARGED, message_id="B1", number=KARI)
    books.row(number=KARI)
    books.row(at_us=NOON - 13 * HOUR_US)
    kinds = {line.kind for line in books.apply(Period(NOON - DAY_US, NOON + 3 * DAY_US, complete=True))}
    assert kinds == {K.AGREED, K.AMBIGUOUS, K.UNKNOWN}
    assert books.state(accepted) is S.ACCEPTED


def test_where_several_charges_fit_one_row_a_human_decides(books: Books) -> None:
    charges = [books.charge(S.NOT_CHARGED), books.charge(S.IN_DOUBT, at_us=NOON + HOUR_US)]
    books.row(Said.CHARGED, at_us=NOON + 2 * HOUR_US)
    before = books.states()
    lines = books.apply()
    assert [line.kind for line in lines if line.charge == charges[1]] == [K.AMBIGUOUS]
    assert books.states() == before


def test_where_each_of_several_charges_has_a_row_it_does_not_matter_which_is_whose(books: Books) -> None:
    charges = [books.charge(S.NOT_CHARGED), books.charge(S.IN_DOUBT, at_us=NOON + HOUR_US)]
    for hours in (3, 2):
        books.row(Said.CHARGED, at_us=NOON + hours * HOUR_US)
    books.apply()
    assert [books.state(charge) for charge in charges] == [S.CHARGED, S.CHARGED]


def test_where_such_rows_do_not_all_say_the_same_a_human_decides(books: Books) -> None:
    for hours in (0, 1):
        books.charge(S.NOT_CHARGED if not hours else S.IN_DOUBT, at_us=NOON + hours * HOUR_US)
    for said in (Said.CHARGED, Said.NOT_CHARGED):
        books.row(said, at_us=NOON + 2 * HOUR_US)
    before = books.states()
    assert K.AMBIGUOUS in {line.kind for line in books.apply()}
    assert books.states() == before


def test_rows_stand_beside_charges_in_order_of_time_whatever_their_order_in_the_file(books: Books) -> None:
    charges = [books.charge(S.NOT_CHARGED), books.charge(S.IN_DOUBT, at_us=NOON + 40 * HOUR_US)]
    for hours in (41, 1):
        books.row(Said.CHARGED, at_us=NOON + hours * HOUR_US)
    assert [(line.charge, line.lines) for line in books.compare()] == [(charges[0], (3,)), (charges[1], (2,))]


def test_two_rows_that_can_only_mean_one_charge_are_billed_twice(books: Books) -> None:
    charge = books.charge()
    books.row()
    books.row(at_us=NOON + SECOND_US)
    line = one(books.apply())
    assert (line.kind, line.theirs_ore, books.state(charge)) == (K.BILLED_TWICE, 10_000, S.CHARGED)


# amounts and refunds -------------------------------------------------------------------------------------


def test_another_amount_is_charged_and_shown_with_its_difference(books: Books) -> None:
    charge = books.charge(message_id="A1")
    books.row(Said.CHARGED, "A1", amount_ore=6000)
    for _ in range(2):
        line = one(books.apply())
        assert (line.kind, line.theirs_ore) == (K.AMOUNT_DIFFERS, 6000)
    assert books.state(charge) is S.CHARGED
    assert one(books.compare()).difference_ore == 1000
    assert books.told()[0].evidence.endswith("line 2, 6000 øre")


def test_parts_that_come_to_the_amount_are_one_charge(books: Books) -> None:
    books.charge(S.CHARGED, message_id="A1")
    books.row(Said.CHARGED, "A1", amount_ore=4000)
    books.row(Said.CHARGED, "A1", amount_ore=1000)
    assert one(books.compare()).kind is K.AGREED


def test_billed_twice_and_given_back_once_is_agreed(books: Books) -> None:
    books.charge(S.CHARGED, message_id="A1")
    for said in (Said.CHARGED, Said.REFUNDED, Said.CHARGED):
        books.row(said, "A1")
    assert one(books.compare()).kind is K.AGREED


def test_a_refund_of_what_an_earlier_report_billed_is_a_refund(books: Books) -> None:
    charge = books.charge(S.CHARGED, message_id="A1")
    books.row(Said.REFUNDED, "A1")
    line = one(books.apply())
    assert (line.theirs_ore, books.state(charge)) == (0, S.REFUNDED)
    assert [each.outcome for each in books.told()] == [Outcome.REFUND_DUE, Outcome.REFUNDED]


def test_what_is_billed_twice_is_owed_only_where_that_is_asked_for_and_the_charge_stands(
    books: Books,
) -> None:
    charge = books.charge(S.CHARGED, message_id="A1")
    books.row(Said.CHARGED, "A1")
    books.row(Said.CHARGED, "A1")
    line = one(books.apply())
    assert (line.evidence, line.refund, line.applied) == ((), (E.OVERBILLED,), ())
    assert line.difference_ore == 5000
    after = books.apply(refunds=True)
    assert books.state(charge) is S.CHARGED
    (told,) = books.told()
    assert (told.outcome, told.overbilled, told.given_back) == (Outcome.CHARGED, 5000, 0)
    assert (told.operator, told.sequence) == ("telco", 3)
    assert Totals.of(after).after_ore == 10_000
    again = one(books.apply(refunds=True))
    assert (again.applied, again.kind, again.difference_ore) == ((), K.AGREED, 0)


def test_a_second_billing_that_goes_back_leaves_the_charge_as_it_is(books: Books) -> None:
    charge = books.charge(S.CHARGED, message_id="A1")
    november = books.report([books.row(Said.CHARGED, "A1"), books.row(Said.CHARGED, "A1")], "n")
    books.apply(report=november, refunds=True)
    december = books.report([books.row(Said.REFUNDED, "A1", at_us=NOON + 10 * DAY_US)], "d")
    line = one(books.apply(report=december))
    assert (line.kind, line.applied) == (K.GIVEN_BACK_THERE, (E.OVERBILLED,))
    assert books.state(charge) is S.CHARGED
    told = books.told()[-1]
    assert (told.outcome, told.overbilled, told.given_back) == (Outcome.CHARGED, 5000, 5000)
    for report in (december, november):
        assert one(books.apply(report=report, refunds=True)).applied == ()
    assert books.state(charge) is S.CHARGED


def test_all_of_it_given_back_refunds_the_charge_too(books: Books) -> None:
    charge = books.charge(S.CHARGED, message_id="A1")
    november = books.report([books.row(Said.CHARGED, "A1"), books.row(Said.CHARGED, "A1")], "n")
    books.apply(report=november, refunds=True)
    back = [books.row(Said.REFUNDED, "A1", amount_ore=10_000, at_us=NOON + 10 * DAY_US)]
    books.apply(report=books.report(back, "d"))
    assert books.state(charge) is S.REFUNDED
    told = books.told()[-1]
    assert (told.outcome, told.overbilled) == (Outcome.REFUNDED, 5000)


def test_a_price_that_was_too_high_is_owed_like_a_second_billing(books: Books) -> None:
    books.charge(S.CHARGED, message_id="A1")
    books.row(Said.CHARGED, "A1", amount_ore=6000)
    assert one(books.compare()).kind is K.AMOUNT_DIFFERS
    books.apply(refunds=True)
    (told,) = books.told()
    assert (told.outcome, told.overbilled) == (Outcome.CHARGED, 1000)


def test_what_is_said_of_a_charge_has_an_order(books: Books) -> None:
    charge = books.charge(S.IN_DOUBT, message_id="A1")
    for place, said in enumerate((Said.CHARGED, Said.NOT_CHARGED, Said.CHARGED)):
        books.apply(report=books.report([books.row(said, "A1")], str(place)))
    order = [each.sequence for each in books.told()]
    assert order[0] == 1
    assert order == sorted(set(order))
    assert books.state(charge) is S.CHARGED


def test_the_later_charge_of_an_invoice_billed_twice_is_the_one_to_refund(books: Books) -> None:
    later = books.charge(S.NOT_CHARGED, message_id="A2", invoice="i", at_us=NOON + HOUR_US)
    first = books.charge(S.CHARGED, message_id="A1", invoice="i")
    books.row(Said.CHARGED, "A2")
    books.row(Said.CHARGED, "A1")
    lines = books.apply(refunds=True)
    assert [(line.charge, line.kind) for line in lines] == [
        (first, K.AGREED),
        (later, K.INVOICE_BILLED_TWICE),
    ]
    assert (books.state(first), books.state(later)) == (S.CHARGED, S.REFUND_DUE)
    assert {line.kind for line in books.compare()} == {K.AGREED}


def test_a_charge_that_the_report_does_not_have_does_not_make_another_one_twice(books: Books) -> None:
    books.charge(S.CHARGED, message_id="A1", invoice="i")
    second = books.charge(S.CHARGED, message_id="A2", invoice="i", at_us=NOON + HOUR_US)
    books.row(Said.CHARGED, "A2")
    assert {line.charge: line.kind for line in books.compare(MONTH)}[second] is K.AGREED


def test_a_message_billed_twice_is_told_so_even_where_its_invoice_was_too(books: Books) -> None:
    books.charge(S.CHARGED, message_id="A1", invoice="i")
    books.charge(S.CHARGED, message_id="A2", invoice="i", at_us=NOON + HOUR_US)
    for message_id in ("A1", "A2", "A2"):
        books.row(Said.CHARGED, message_id)
    assert [line.kind for line in books.compare()] == [K.AGREED, K.BILLED_TWICE]


def test_no_refund_is_proposed_where_one_is_due_already(books: Books) -> None:
    books.charge(S.REFUND_DUE, message_id="A1")
    for _ in range(2):
        books.row(Said.CHARGED, "A1")
    assert one(books.compare()).refund == ()


def test_the_reason_of_the_report_goes_to_the_bridge(books: Books) -> None:
    books.charge(message_id="A1")
    books.row(Said.NOT_CHARGED, "A1", reason=Reason.NO_CREDIT)
    books.apply()
    settled = one_settled(books)
    assert (settled.outcome, settled.reason) == (Outcome.NOT_CHARGED, Reason.NO_CREDIT)


def one_settled(books: Books) -> ChargeSettled:
    (settled,) = books.told()
    return settled


# the period ----------------------------------------------------------------------------------------------


def test_what_is_missing_in_a_report_that_may_not_be_complete_stays_open(books: Books) -> None:
    charge = books.charge()
    books.charge(S.CHARGED, message_id="B1", number=KARI)
    books.row(Said.CHARGED, "B1", number=KARI)
    books.apply(Period(NOON - DAY_US, NOON + DAY_US))
    assert books.state(charge) is S.IN_DOUBT
    books.apply(MONTH)
    assert books.state(charge) is S.NOT_CHARGED
    assert one_settled(books).evidence == f"report_not_charged Kari: report sha256:{'a' * 64} not in it"


def test_a_charge_is_not_called_missing_while_an_unknown_row_could_be_it(books: Books) -> None:
    charge = books.charge(S.IN_DOUBT)
    books.charge(S.CHARGED, message_id="78", number=KARI)
    books.row(message_id="78", number=KARI)
    books.row(message_id="99", at_us=NOON - 13 * HOUR_US)
    by_kind = {line.kind: line for line in books.compare(MONTH)}
    assert by_kind[K.AMBIGUOUS].charge == charge
    assert by_kind[K.UNKNOWN].theirs_ore == 5000
    books.apply(MONTH)
    assert books.state(charge) is S.IN_DOUBT


@pytest.mark.parametrize(
    ("state", "said", "evidence"),
    [
        (S.CHARGED, Said.CHARGED, E.REPORT_CHARGED),
        (S.NOT_CHARGED, Said.NOT_CHARGED, E.REPORT_NOT_CHARGED),
        (S.REFUSED, None, E.REPORT_NOT_CHARGED),
    ],
)
def test_what_was_contradicted_is_settled_by_a_report_that_confirms_it(
    books: Books, state: ChargeState, said: Said | None, evidence: Evidence
) -> None:
    charge = books.charge(state, message_id="77")
    books.charge(S.CHARGED, message_id="78", number=KARI)
    books.tx.run(sql.CONTRADICT_CHARGE, [(1, NOON, charge)])
    if said:
        books.row(said, message_id="77")
    books.row(message_id="78", number=KARI)
    line = next(line for line in books.compare(MONTH) if line.charge == charge)
    assert (line.kind, line.evidence) == (K.CONFIRMED, (evidence,))
    books.apply(MONTH)
    assert books.state(charge) is state
    assert books.tx.connection.execute(
        "SELECT contradicted FROM charges WHERE id = ?", (charge,)
    ).fetchone() == (2,)
    assert [(each.charge, each.contradiction) for each in books.told()] == [(charge, "settled")]
    assert [line.kind for line in books.compare(MONTH)].count(K.CONFIRMED) == 0


@pytest.mark.parametrize(
    ("offset_us", "listed"), [(-1, False), (0, True), (DAY_US - 1, True), (DAY_US, False)]
)
def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(
    books: Books, offset_us: int, listed: bool
) -> None:
    charge = books.charge(S.CHARGED, message_id="A1", at_us=NOON + offset_us)
    books.charge(S.CHARGED, message_id="B1", number=KARI)
    books.row(Said.CHARGED, "B1", number=KARI)
    lines = books.compare(Period(NOON, NOON + DAY_US, complete=True))
    assert (charge in {line.charge for line in lines}) is listed


def test_what_could_be_delivered_after_the_period_belongs_to_the_next_report(books: Books) -> None:
    charge = books.charge(S.ACCEPTED, message_id="A1", at_us=NOON + HOUR_US)
    books.charge(S.CHARGED, message_id="B1", number=KARI)
    books.row(Said.CHARGED, "B1", number=KARI)
    books.apply(Period(NOON - DAY_US, NOON + DAY_US, complete=True))
    assert books.state(charge) is S.ACCEPTED
    books.apply(Period(NOON - DAY_US, NOON + 2 * DAY_US, complete=True))
    assert books.state(charge) is S.NOT_CHARGED


@pytest.mark.parametrize(
    "period",
    [
        Period(complete=True),
        Period(NOON, 0, complete=True),
        Period(0, NOON, complete=True),
        Period(NOON, NOON, complete=True),
        Period(NOON, NOON + 11 * DAY_US, complete=True),
    ],
)
def test_a_report_is_complete_only_for_a_period_that_is_over(books: Books, period: Period) -> None:
    books.row()
    with pytest.raises(CannotReconcile, match="give --since and a later --until"):
        books.compare(period)


def test_a_report_about_none_of_our_charges_is_not_complete(books: Books) -> None:
    charge = books.charge(message_id="A1")
    books.row(Said.CHARGED, "X1", number=KARI)
    with pytest.raises(CannotReconcile, match="no row of the report is about a charge at operator telco"):
        books.apply(MONTH)
    assert books.state(charge) is S.IN_DOUBT


def test_the_report_of_another_month_is_not_complete_for_this_one(books: Books) -> None:
    """Its rows are about charges of ours, only of others: none of the period's may pass for missing."""
    books.charge(S.CHARGED, message_id="A1", number=KARI, at_us=NOON - 30 * DAY_US)
    doubt = books.charge(S.IN_DOUBT)
    books.row(message_id="A1", number=KARI, at_us=NOON - 30 * DAY_US)
    with pytest.raises(CannotReconcile, match=r"about charges of 2026-10-24\): it cannot be complete for it"):
        books.apply(MONTH)
    assert books.state(doubt) is S.IN_DOUBT
    books.apply()
    assert books.state(doubt) is S.IN_DOUBT


# applying ------------------------------------------------------------------------------------------------


def test_the_evidence_keeps_who_and_the_files_hash_and_line(books: Books) -> None:
    charge = books.charge(message_id="A1")
    books.row(Said.NOT_CHARGED, number=KARI)
    books.row(Said.CHARGED, "A1")
    books.apply()
    event = worklist.events(books.connection, charge)[-1]
    assert (event.evidence, event.before, event.after) == (E.REPORT_CHARGED, S.IN_DOUBT, S.CHARGED)
    assert (event.at_us, event.detail) == (books.clock.us, f"Kari: report sha256:{'a' * 64} line 3")
    assert one_settled(books).charge == charge


def test_what_a_person_says_after_a_report_stands_against_that_report(books: Books) -> None:
    charge = books.charge(message_id="A1")
    books.row(Said.CHARGED, "A1")
    books.apply()
    worklist.resolve(
        books.connection,
        charge=charge,
        outcome=Outcome.NOT_CHARGED,
        who="Ola",
        why="the operator wrote so",
        gateway="smsd",
        clock=books.clock,
        ids=books.ids,
    )
    line = one(books.apply())
    assert (line.kind, line.evidence, books.state(charge)) == (K.CHARGED_THERE, (), S.NOT_CHARGED)
    assert "said so before" in line.advice
    # another report may say it anew
    assert one(books.apply(report=books.report(name="b"))).applied == (E.REPORT_CHARGED,)


def test_a_charge_that_moved_since_the_comparison_is_judged_anew(books: Books) -> None:
    moved, settled = books.charge(message_id="A1"), books.charge(number=KARI)
    answered = books.charge(kr=60)
    books.row(Said.CHARGED, "A1")
    lines = books.compare(MONTH)
    for charge, state in ((moved, S.NOT_CHARGED), (settled, S.CHARGED), (answered, S.ACCEPTED)):
        books.connection.execute("UPDATE charges SET state = ? WHERE id = ?", (state, charge))
    books.carry_out(lines)
    # billed is billed; of what has been heard of meanwhile, the report's silence says nothing
    assert [books.state(each) for each in (moved, settled, answered)] == [S.CHARGED, S.CHARGED, S.ACCEPTED]


def test_two_people_may_apply_what_they_compared_at_once(books: Books) -> None:
    books.charge(S.INTENDED, message_id="A1")
    books.charge(message_id="B1", number=KARI)
    books.row(Said.CHARGED, "A1")
    books.row(Said.CHARGED, "B1", number=KARI)
    lines = books.compare()
    assert len([line for line in books.carry_out(lines) if line.applied]) == 2
    before = books.dump()
    assert not any(line.applied for line in books.carry_out(lines))
    assert books.dump() == before


def test_a_fault_while_applying_leaves_everything_as_it_was(books: Books) -> None:
    books.charge(message_id="A1")
    books.charge(message_id="A2", kr=60)
    books.row(Said.CHARGED, "A1")
    books.row(Said.CHARGED, "A2", amount_ore=6000)
    lines = books.compare()
    books.connection.execute(
        "CREATE TRIGGER broken BEFORE INSERT ON handoff_outbox BEGIN SELECT raise(ABORT, 'broken'); END"
    )
    before = books.dump()
    with pytest.raises(sqlite3.IntegrityError, match="broken"):
        books.carry_out(lines)
    assert books.dump() == before


def test_many_charges_go_to_the_bridge_in_parcels_that_carriers_take(books: Books) -> None:
    charges = [books.charge(message_id=f"A{place}", number=f"+47{90000000 + place}") for place in range(1203)]
    for place in range(len(charges)):
        books.row(Said.CHARGED, f"A{place}", number=f"+47{90000000 + place}")
    books.apply()
    assert [each.charge for each in books.told()] == charges
    assert len(Outbox().waiting(books.tx, BRIDGE, 0, 10)) == 3


def test_a_gateways_own_doubt_is_resolved_beside_it(play: Play) -> None:
    """The whole way: a lost answer, the report, and the gateway's next charge of the same tariff starts."""
    wish = play.start_charge()
    play.answer(kind=AnswerKind.LOST)
    assert play.state(wish) is S.IN_DOUBT
    waits = play.charge()
    play.parcel(waits)
    assert play.state(waits) is S.INTENDED
    sent_us = play.clock.us
    play.clock.advance(60)
    report = Report((ReportRow(2, "77", OLA, "2030", 5000, sent_us, Said.CHARGED),), "c" * 64)
    with connect_sqlite(Path(play.url.removeprefix("sqlite:///"))) as beside:
        lines = reconcile(beside, report, play.operators[0], Period(), play.clock.us)
        apply(
            beside, lines, report, who="Kari", refunds=False, gateway="smsd", clock=play.clock, ids=play.ids
        )
    beside.close()
    assert play.state(wish) is S.CHARGED
    play.tick(1)
    play.tick(1)
    assert play.state(waits) is S.SENDING


# whatever the books and the report say -------------------------------------------------------------------

NUMBERS = (OLA, KARI)
IDS = ("", "A1", "A2", "B1", "B2")
states = st.sampled_from(list(ChargeState))
hours = st.integers(-30, 30)
ours = st.lists(
    st.tuples(
        states,
        st.sampled_from(IDS),
        st.sampled_from(NUMBERS),
        st.sampled_from((50, 60)),
        hours,
        st.booleans(),
    ),
    max_size=7,
)
theirs = st.lists(
    st.tuples(
        st.sampled_from(list(Said)),
        st.sampled_from((*IDS, "X")),
        st.sampled_from(NUMBERS),
        st.sampled_from((5000, 6000)),
        hours,
    ),
    min_size=1,
    max_size=9,
)
periods = st.sampled_from((Period(), Period(NOON - DAY_US, NOON + DAY_US), MONTH))
UNDECIDED = (S.SENDING, S.ACCEPTED, S.IN_DOUBT)


def fill(books: Books, charges: list[Any], rows: list[Any]) -> None:
    """Charges as the database allows them, one unfinished a tariff; invoices are shared by some."""
    open_tariffs = set()
    for state, message_id, number, kr, hour, shared in charges:
        if state in UNDECIDED:
            if (number, kr) in open_tariffs:
                continue
            open_tariffs.add((number, kr))
        sent = state is not S.INTENDED
        books.charge(
            state,
            message_id=message_id if sent else "",
            number=number,
            kr=kr,
            at_us=NOON + hour * HOUR_US,
            sent=sent,
            invoice=f"i{number}" if shared else "",
        )
    for said, message_id, number, amount_ore, hour in rows:
        books.row(said, message_id, number=number, amount_ore=amount_ore, at_us=NOON + hour * HOUR_US)


def settled(books: Books, *reports: Report, period: Period, refunds: bool) -> dict[str, str]:
    """The states after applying, on the books as they are now; the books stay as they are."""
    copy = Books.__new__(Books)
    copy.__dict__.update(books.__dict__)
    copy.connection = sqlite3.connect(":memory:", isolation_level=None)
    books.connection.backup(copy.connection)
    copy.tx = SqliteTx(copy.connection)
    for report in reports:
        copy.apply(period, report, refunds=refunds)
    states = copy.states()
    copy.connection.close()
    return states


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("books")


@given(charges=ours, rows=theirs, period=periods, refunds=st.booleans(), seed=st.integers(0, 99))
def test_totals_add_up_and_applying_is_done_once_in_any_order(
    folder: Path, charges: list[Any], rows: list[Any], period: Period, refunds: bool, seed: int
) -> None:
    books = Books(folder / "smsd.db")
    try:
        fill(books, charges, rows)
        try:
            lines = books.compare(period)
        except CannotReconcile:
            period = Period()
            lines = books.compare(period)

        # every row and every charge is in one line, and the sums are those of rows and charges
        assert sorted(number for line in lines for number in line.lines) == [row.line for row in books.rows]
        named = [line.charge for line in lines if line.charge]
        assert len(named) == len(set(named))
        totals = Totals.of(lines)
        assert totals.theirs_ore - totals.ours_ore == totals.difference_ore
        by_line = {row.line: row for row in books.rows}
        for line in lines:
            its = [by_line[number] for number in line.lines]
            if any(row.said is Said.CHARGED for row in its):
                signs = {Said.CHARGED: 1, Said.REFUNDED: -1, Said.NOT_CHARGED: 0}
                assert line.theirs_ore == sum(signs[row.said] * row.amount_ore for row in its)
            else:
                assert line.theirs_ore == 0
        billed = books.connection.execute(
            "SELECT id, amount_ore FROM charges WHERE state IN ('charged', 'refund_due')"
        )
        assert totals.ours_ore == sum(ore for charge, ore in billed if charge in named)

        # in any order of the rows, and of two reports about different numbers, the same comes of it
        shuffled = list(books.rows)
        random.Random(seed).shuffle(shuffled)
        whole = settled(books, books.report(), period=period, refunds=refunds)
        assert settled(books, books.report(shuffled), period=period, refunds=refunds) == whole
        parts = [
            books.report([row for row in books.rows if row.number == number], name)
            for number, name in zip(NUMBERS, "bc", strict=True)
        ]
        parts = [part for part in parts if part.rows]
        open_end = Period(period.since_us, period.until_us)
        forth = settled(books, *parts, period=open_end, refunds=refunds)
        assert settled(books, *parts[::-1], period=open_end, refunds=refunds) == forth

        # once applied, it says nothing more; the second time nothing at all is written
        applied = books.apply(period, refunds=refunds)
        assert books.states() == whole
        beyond = {each.charge: each.overbilled - each.given_back for each in books.told() if each.overbilled}
        assert Totals.of(applied).after_ore == sum(
            line.amount_ore + beyond.get(line.charge, 0)
            for line in applied
            if line.charge and books.state(line.charge) in (S.CHARGED, S.REFUND_DUE)
        )
        before = books.dump()
        again = books.apply(period, refunds=refunds)
        assert books.dump() == before
        assert all(not line.evidence and not line.applied for line in again)
        if period.complete:
            doubts = [line for line in again if line.after is S.IN_DOUBT]
            assert all(line.kind is K.AMBIGUOUS for line in doubts)
            open_ids = {line.charge for line in doubts}
            in_doubt = books.connection.execute(
                "SELECT id FROM charges WHERE state = 'in_doubt' AND created_us BETWEEN ? AND ?",
                (period.since_us, period.until_us - 1),
            )
            assert {charge for (charge,) in in_doubt} <= open_ids
    finally:
        books.connection.close()
