"""Our charges beside an operator's billing report: every difference named, and resolved where that is said.

Theory of operation. Rows are brought to charges (`report_matching`); what the rows of one charge come to is
a `Bill`; state and bill together name the difference and the evidence that the report is (`judge`). Only
`states` says what that evidence moves. A report is known by its SHA-256: for a charge it says a thing once,
so that reading it again changes nothing, not even what a person has said since.

Works beside a running daemon: nothing is locked while comparing; applying judges each charge anew by the
state it has then, in one short transaction, with the hand-off's parcels in the outbox.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from foundation.clock import SECOND_US, Clock, oslo
from foundation.contract import GatewayParcel, Reason
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Outbox
from foundation.store import SqliteTx
from smsd.charging.desk import OPEN, Desk, Overbilled
from smsd.charging.report_charges import keys_of, read_charges, spoken, spoken_of
from smsd.charging.report_matching import Group, How, Ours, match, may_be_one_of
from smsd.charging.report_verdicts import BILLED, Bill, Kind, advice, beyond, bill_of, judge, walk
from smsd.charging.reports import Report, Said
from smsd.charging.states import ChargeState, Evidence, Verdict, step
from smsd.settings_operators import Operator
from smsd.work import Plan

_PER_PARCEL = 500
_MAX_WHO = 100


class CannotReconcile(ValueError):
    """What was asked for would be unsafe; nothing changed."""


class Period(msgspec.Struct, frozen=True):
    """The time the report covers, UTC microseconds, `until_us` not in it. 0: as its rows have it.

    `complete`: every message billed of those sent then is in the report.
    """

    since_us: int = 0
    until_us: int = 0
    complete: bool = False


class Line(msgspec.Struct, frozen=True):
    """One charge, or one message unknown here, on both sides. Øre; `at_us` UTC microseconds.

    `amount_ore` is what the charge asks for;
    `ours_ore` and `theirs_ore` are what was billed and not given back. `known` is what was known to be billed
    beyond the price, `beyond` what is so with this report. `evidence` is what applying says of
    the charge, `refund` what applying with refunds adds; `applied` what was said, `after` the state then.
    """

    kind: Kind
    bill: Bill
    charge: str
    number: str
    short_code: str
    at_us: int
    state: ChargeState | None
    amount_ore: int
    ours_ore: int
    theirs_ore: int
    how: How
    lines: tuple[int, ...]
    evidence: tuple[Evidence, ...] = ()
    refund: tuple[Evidence, ...] = ()
    reason: Reason = Reason.NONE
    advice: str = ""
    applied: tuple[Evidence, ...] = ()
    after: ChargeState | None = None
    known: Overbilled = Overbilled()
    beyond: Overbilled = Overbilled()

    @property
    def difference_ore(self) -> int:
        """Theirs less ours."""
        return self.theirs_ore - self.ours_ore


class Totals(msgspec.Struct, frozen=True):
    """The sums of all lines, øre. `after_ore` is ours after applying, `in_doubt` what then is so still."""

    rows: int
    charges: int
    theirs_ore: int
    ours_ore: int
    difference_ore: int
    after_ore: int
    in_doubt: int
    kinds: dict[str, int]

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Totals:
        """Add up."""
        all_lines = list(lines)
        kinds: dict[str, int] = defaultdict(int)
        for line in all_lines:
            kinds[line.kind] += 1
        return cls(
            rows=sum(len(line.lines) for line in all_lines),
            charges=sum(bool(line.charge) for line in all_lines),
            theirs_ore=sum(line.theirs_ore for line in all_lines),
            ours_ore=sum(line.ours_ore for line in all_lines),
            difference_ore=sum(line.difference_ore for line in all_lines),
            after_ore=sum(_after_ore(line) for line in all_lines),
            in_doubt=sum(line.after is ChargeState.IN_DOUBT for line in all_lines),
            kinds=dict(kinds),
        )


S, E, B, K = ChargeState, Evidence, Bill, Kind


def reconcile(
    connection: sqlite3.Connection, report: Report, operator: Operator, period: Period, now_us: int
) -> list[Line]:
    """Every charge and row compared, in order of time; nothing is changed.

    Raises:
        CannotReconcile: the report cannot be complete for the period.
    """
    if period.complete and not (0 < period.since_us < period.until_us <= now_us):
        raise CannotReconcile(
            "a report is complete for a period that is over: give --since and a later --until, not after now"
        )
    first = min(row.at_us for row in report.rows)
    last = max(row.at_us for row in report.rows)
    period = Period(period.since_us or first, period.until_us or last + 1, period.complete)
    first, last = min(first, period.since_us), max(last, period.until_us)
    # a transaction, so that all is read as of one moment
    connection.execute("BEGIN")
    try:
        pool = read_charges(connection, operator, report.rows, first_us=first, last_us=last)
        before = spoken(connection, operator, _mark(report), first_us=first, last_us=last)
    finally:
        connection.execute("COMMIT")
    groups = match(report.rows, pool, lambda message_id: keys_of(message_id, operator))
    if period.complete and all(group.how in (How.NONE, How.AMBIGUOUS) for group in groups):
        raise CannotReconcile(
            f"no row of the report is about a charge at operator {operator.name}: it cannot be complete; "
            "check the operator, the period and [operators.report]"
        )
    named = [group.charge for group in groups if group.charge and group.rows]
    if period.complete and not any(period.since_us <= each.sent_us < period.until_us for each in named):
        raise CannotReconcile(
            f"no row of the report is about a charge that was sent in the period ({_days(named)}): "
            "it cannot be complete for it; is it another month's? Check --since and --until"
        )
    deliverable_us = period.until_us - operator.validity_s * SECOND_US
    lines = []
    unknown = [group.rows[0] for group in groups if group.charge is None]
    for group in groups:
        charge = group.charge
        if charge is not None and not group.rows and may_be_one_of(charge, unknown):
            # a message billed there and unknown here could be this one, by a clock that was wrong
            group = Group(charge, (), How.AMBIGUOUS)  # noqa: PLW2901
        if charge is None:
            lines.append(_stranger(group))
        elif group.rows or group.how is How.AMBIGUOUS or period.since_us <= charge.sent_us < period.until_us:
            may_come = not period.complete or (charge.state is S.ACCEPTED and charge.sent_us > deliverable_us)
            line = _line(charge, group, before.get(charge.id, frozenset()), may_come=may_come)
            if line is not None:
                lines.append(line)
    return _invoices_once(lines, pool)


def apply(
    connection: sqlite3.Connection,
    lines: Sequence[Line],
    report: Report,
    *,
    who: str,
    refunds: bool,
    gateway: str,
    clock: Clock,
    ids: Ids,
) -> list[Line]:
    """Say of every charge what its line proposes, in one transaction; the lines with what was done.

    A charge that moved since the comparison is judged by the state it is in now.
    """
    tx = SqliteTx(connection)
    plan = Plan(clock.now_us())
    desk = Desk(ids)
    done = []
    connection.execute("BEGIN IMMEDIATE")
    try:
        for line in lines:
            wanted = line.evidence + (line.refund if refunds else ())
            row = desk.find(tx, line.charge) if wanted else None
            if row is None:
                done.append(line)
                continue
            if row.state is not line.state:
                judged = judge(row.state, line.bill, disputed=row.contradicted == OPEN)
                wanted = judged[1] if judged and line.evidence and line.bill is not B.ABSENT else ()
            before = spoken_of(connection, line.charge, _mark(report))
            applied: list[Evidence] = []
            for evidence in wanted:
                if evidence in before:
                    continue
                if evidence is E.OVERBILLED:
                    if row.state is S.CHARGED:
                        desk.overbilled(tx, plan, row, line.beyond, _detail(line, report, who))
                        applied.append(evidence)
                    continue
                result = step(row.state, evidence, contradicted=row.contradicted == OPEN)
                if result.verdict is Verdict.KEPT:
                    continue
                reason = line.reason if evidence is E.REPORT_NOT_CHARGED else Reason.NONE
                desk.apply(tx, plan, row, evidence, reason=reason, detail=_detail(line, report, who))
                applied.append(evidence)
                row = msgspec.structs.replace(row, state=result.state)
            done.append(msgspec.structs.replace(line, applied=tuple(applied), after=row.state))
        parcels = []
        for start in range(0, len(plan.handoff), _PER_PARCEL):
            parcel = GatewayParcel(
                id=ids.new(), sender=gateway, messages=plan.handoff[start : start + _PER_PARCEL]
            )
            parcels.append((parcel.id, msgspec.json.encode(parcel)))
        Outbox().post(tx, BRIDGE, parcels)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return done


def _days(charges: Sequence[Ours]) -> str:
    """The Norwegian days on which charges were sent, in words."""
    first, last = (oslo(pick(each.sent_us for each in charges)).date() for pick in (min, max))
    return f"its rows are about charges of {first}" + (f" to {last}" if last != first else "")


def _mark(report: Report) -> str:
    """By what a report is known in the evidence."""
    return f"report sha256:{report.sha256}"


def _detail(line: Line, report: Report, who: str) -> str:
    where = f"line {', '.join(map(str, line.lines))}" if line.lines else "not in it"
    if line.kind is K.AMOUNT_DIFFERS:
        where += f", {line.theirs_ore} øre"
    return f"{' '.join(who.split())[:_MAX_WHO]}: {_mark(report)} {where}"


# comparing -----------------------------------------------------------------------------------------------


def _line(charge: Ours, group: Group, spoken: frozenset[str], *, may_come: bool) -> Line | None:
    bill, theirs_ore = bill_of(group.rows, charge.amount_ore)
    judged = judge(charge.state, bill, disputed=charge.disputed)
    if judged is None:
        return None
    kind, evidence = judged
    refund: tuple[Evidence, ...] = ()
    found = beyond(group.rows, charge.amount_ore, charge.beyond)
    if group.how is How.AMBIGUOUS:
        kind, evidence, found = K.AMBIGUOUS, (), charge.beyond
    elif bill is B.GIVEN_BACK and _of_what_was_too_much(group, charge, found, spoken):
        # what went back is what was billed beyond the price; the charge itself stands
        evidence = (E.OVERBILLED,) if found != charge.beyond else ()
    elif theirs_ore > charge.amount_ore:
        kind = K.BILLED_TWICE if bill is B.TWICE else K.AMOUNT_DIFFERS
        refund = (E.OVERBILLED,) if found != charge.beyond else ()
        if charge.state is S.CHARGED and theirs_ore == charge.amount_ore + _open_ore(charge.beyond):
            kind = K.AGREED
    elif bill in (B.ONCE, B.GIVEN_BACK) and theirs_ore != (charge.amount_ore if bill is B.ONCE else 0):
        kind = K.AMOUNT_DIFFERS
    elif found.back_ore > charge.beyond.back_ore and found.beyond_ore == charge.beyond.beyond_ore:
        evidence = (*evidence, E.OVERBILLED)
    told = advice(kind, charge.state)
    if bill is B.ABSENT and evidence and may_come:
        evidence, told = (), "open: it may be in the next report, or this one is complete (--complete)"
    if spoken & set(evidence):
        told = "this report said so before; what came since stands"
    evidence = tuple(each for each in evidence if each not in spoken)
    refund = tuple(each for each in refund if each not in spoken)
    evidence, after = _walk(charge.state, evidence, disputed=charge.disputed)
    refund = _walk(after, refund)[0]
    ours_ore = charge.amount_ore + _open_ore(charge.beyond) if charge.state in BILLED else 0
    return Line(
        kind=kind,
        bill=bill,
        charge=charge.id,
        number=charge.number,
        short_code=charge.short_code,
        at_us=charge.sent_us or charge.created_us,
        state=charge.state,
        amount_ore=charge.amount_ore,
        ours_ore=ours_ore,
        theirs_ore=theirs_ore,
        how=group.how,
        lines=tuple(sorted(row.line for row in group.rows)),
        evidence=evidence,
        refund=refund,
        reason=next((row.reason for row in reversed(group.rows) if row.reason), Reason.NONE),
        advice=told,
        after=charge.state,
        known=charge.beyond,
        beyond=found,
    )


def _of_what_was_too_much(group: Group, charge: Ours, found: Overbilled, spoken: frozenset[str]) -> bool:
    """Whether rows that give money back give back what was known to be billed beyond the price."""
    if charge.state is not S.CHARGED or any(row.said is Said.CHARGED for row in group.rows):
        return False
    return E.OVERBILLED in spoken or _open_ore(found) < _open_ore(charge.beyond)


def _walk(
    state: ChargeState, evidence: Sequence[Evidence], *, disputed: bool = False
) -> tuple[tuple[Evidence, ...], ChargeState]:
    """As `walk`; what was billed beyond the price is told of a charge that is charged by then."""
    telling, after = walk(state, evidence, disputed=disputed)
    if E.OVERBILLED in evidence and after is S.CHARGED:
        telling = (*telling, E.OVERBILLED)
    return telling, after


def _open_ore(beyond: Overbilled) -> int:
    return beyond.beyond_ore - beyond.back_ore


def _stranger(group: Group) -> Line:
    rows = group.rows
    bill, theirs_ore = bill_of(rows, rows[0].amount_ore)
    return Line(
        kind=K.UNKNOWN,
        bill=bill,
        charge="",
        number=rows[0].number,
        short_code=rows[0].short_code,
        at_us=rows[0].at_us,
        state=None,
        amount_ore=0,
        ours_ore=0,
        theirs_ore=theirs_ore,
        how=group.how,
        lines=tuple(sorted(row.line for row in rows)),
        advice=advice(K.UNKNOWN, None) if theirs_ore else "",
    )


def _invoices_once(lines: list[Line], pool: Sequence[Ours]) -> list[Line]:
    """Name the later ones of several charges of one invoice that are, or will be, charged."""
    by_charge = {line.charge: line for line in lines if line.charge}
    paid: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for charge in pool:
        line = by_charge.get(charge.id)
        after = walk(charge.state, line.evidence)[1] if line else charge.state
        if charge.invoice and after is S.CHARGED and not (line and line.bill is B.ABSENT):
            paid[charge.invoice].append((charge.sent_us, charge.id))
    later = {charge for each in paid.values() for _, charge in sorted(each)[1:]}
    return [
        msgspec.structs.replace(
            line,
            kind=K.INVOICE_BILLED_TWICE,
            refund=(E.REFUND_OWED,),
            advice=advice(K.INVOICE_BILLED_TWICE, line.state),
        )
        if line.charge in later and line.kind is not K.BILLED_TWICE
        else line
        for line in lines
    ]


def _after_ore(line: Line) -> int:
    beyond = line.beyond if E.OVERBILLED in line.applied else line.known
    return line.amount_ore + _open_ore(beyond) if line.after in BILLED else 0
