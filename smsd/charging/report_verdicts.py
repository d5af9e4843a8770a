"""What the rows of a billing report come to for a charge in each state: how they differ, and what that shows.

The whole judgement is the table below; what evidence then moves is `states`' alone. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, TypeAlias

from smsd.charging.desk import Overbilled
from smsd.charging.reports import ReportRow, Said
from smsd.charging.states import ChargeState, Evidence, Verdict, step


class Bill(StrEnum):
    """What all rows of one charge come to."""

    ONCE = "charged"
    TWICE = "charged more than once"
    GIVEN_BACK = "charged and given back"
    NOTHING = "not charged"
    ABSENT = "not in the report"


class Kind(StrEnum):
    """How a charge and its rows differ."""

    AGREED = "agreed"
    RESOLVED_CHARGED = "resolved_charged"  # open here, billed there
    RESOLVED_NOT_CHARGED = "resolved_not_charged"  # open here, not billed there
    CHARGED_THERE = "charged_there"  # billed there, not charged here
    NOT_CHARGED_THERE = "not_charged_there"  # charged here, not billed there
    GIVEN_BACK_THERE = "given_back_there"
    AMOUNT_DIFFERS = "amount_differs"
    BILLED_TWICE = "billed_twice"  # one message, several times
    INVOICE_BILLED_TWICE = "invoice_billed_twice"  # two messages, one invoice
    CONFIRMED = "confirmed"  # contradicted here, there as it stands
    MISSING = "missing_there"
    AMBIGUOUS = "ambiguous"  # rows fit, but not only one way
    UNDER_WAY = "under_way"  # being sent: it is too early to compare
    UNKNOWN = "unknown_here"


S, E, B, K = ChargeState, Evidence, Bill, Kind
BILLED: Final = frozenset({S.CHARGED, S.REFUND_DUE})
Judged: TypeAlias = tuple[Kind, tuple[Evidence, ...]]

_OPEN = (S.ACCEPTED, S.IN_DOUBT)
_NOT = (S.NOT_CHARGED, S.REFUSED)
_SAYS_CHARGED, _SAYS_NOT = (E.REPORT_CHARGED,), (E.REPORT_NOT_CHARGED,)

# A charge that is missing, and has no line here, is nobody's money.
_JUDGED: Final[dict[tuple[ChargeState, Bill], Judged]] = {
    (S.INTENDED, B.ONCE): (K.CHARGED_THERE, _SAYS_CHARGED),
    (S.INTENDED, B.GIVEN_BACK): (K.UNDER_WAY, ()),
    (S.INTENDED, B.NOTHING): (K.AGREED, ()),
    **{(S.SENDING, bill): (K.UNDER_WAY, ()) for bill in Bill},
    **{(open_, B.ONCE): (K.RESOLVED_CHARGED, _SAYS_CHARGED) for open_ in _OPEN},
    **{(open_, B.NOTHING): (K.RESOLVED_NOT_CHARGED, _SAYS_NOT) for open_ in _OPEN},
    # given back before anybody was told that it was charged: to the payer it was not
    **{(open_, B.GIVEN_BACK): (K.GIVEN_BACK_THERE, _SAYS_NOT) for open_ in _OPEN},
    **{(open_, B.ABSENT): (K.MISSING, _SAYS_NOT) for open_ in _OPEN},
    (S.CHARGED, B.ONCE): (K.AGREED, ()),
    (S.CHARGED, B.NOTHING): (K.NOT_CHARGED_THERE, _SAYS_NOT),
    (S.CHARGED, B.GIVEN_BACK): (K.GIVEN_BACK_THERE, (E.REFUND_OWED, E.REFUND_MADE)),
    (S.CHARGED, B.ABSENT): (K.MISSING, ()),
    **{(not_, B.ONCE): (K.CHARGED_THERE, _SAYS_CHARGED) for not_ in _NOT},
    **{(not_, B.NOTHING): (K.AGREED, ()) for not_ in _NOT},
    **{(not_, B.GIVEN_BACK): (K.AGREED, ()) for not_ in _NOT},
    (S.REFUND_DUE, B.ONCE): (K.AGREED, ()),
    (S.REFUND_DUE, B.NOTHING): (K.NOT_CHARGED_THERE, _SAYS_NOT),
    (S.REFUND_DUE, B.GIVEN_BACK): (K.GIVEN_BACK_THERE, (E.REFUND_MADE,)),
    (S.REFUND_DUE, B.ABSENT): (K.MISSING, ()),
    (S.REFUNDED, B.ONCE): (K.CHARGED_THERE, ()),
    (S.REFUNDED, B.NOTHING): (K.NOT_CHARGED_THERE, _SAYS_NOT),
    (S.REFUNDED, B.GIVEN_BACK): (K.AGREED, ()),
}

_ADVICE: Final[dict[Kind, str]] = {
    K.UNDER_WAY: "being sent: read the report again later",
    K.AMBIGUOUS: "several rows or charges fit: resolve by hand",
    K.BILLED_TWICE: "owe the payer what was too much (--refunds), and have the operator give it back",
    K.AMOUNT_DIFFERS: "ask the operator for the difference",
    K.INVOICE_BILLED_TWICE: "the invoice is paid by another charge: pay this one back",
    K.UNKNOWN: "ask the operator: it was not sent from here",
}
_ADVICE_IN: Final[dict[tuple[Kind, ChargeState], str]] = {
    (K.CHARGED_THERE, S.REFUNDED): "ask the operator: refunded here, billed there",
    (K.CHARGED_THERE, S.INTENDED): "billed before it was sent; kept as a contradiction",
    (K.NOT_CHARGED_THERE, S.REFUND_DUE): "a refund is due of what was not billed; kept as a contradiction",
    (K.NOT_CHARGED_THERE, S.REFUNDED): "refunded, yet not billed; kept as a contradiction",
    (K.MISSING, S.CHARGED): "ask the operator, or look in the next report; then resolve by hand",
    (K.MISSING, S.REFUND_DUE): "ask the operator: a refund is due of what they did not bill",
}


def advice(kind: Kind, state: ChargeState | None) -> str:
    """What a person can do about a difference that evidence alone does not end."""
    in_state = _ADVICE_IN.get((kind, state)) if state else None
    return in_state or _ADVICE.get(kind, "")


def judge(state: ChargeState, bill: Bill, *, disputed: bool = False) -> Judged | None:
    """How a charge in this state differs from its rows, and what of; None where neither side has anything.

    Of a `disputed` charge, what agrees with it is worth saying too.
    """
    once = B.ONCE if bill is B.TWICE else bill
    judged = _JUDGED.get((state, once))
    if disputed and (judged is None or judged[0] is K.AGREED):
        return K.CONFIRMED, _SAYS_CHARGED if once is B.ONCE else _SAYS_NOT
    return judged


def bill_of(rows: Sequence[ReportRow], amount_ore: int) -> tuple[Bill, int]:
    """What the rows come to, and how much of it stays billed, øre.

    Money given back without having been charged in the same report was charged before: that comes to 0.
    """
    if not rows:
        return B.ABSENT, 0
    charged = [row.amount_ore for row in rows if row.said is Said.CHARGED]
    given_back = [row.amount_ore for row in rows if row.said is Said.REFUNDED]
    net_ore = sum(charged) - sum(given_back) if charged else 0
    if not charged:
        return (B.GIVEN_BACK if given_back else B.NOTHING), 0
    if len(charged) - len(given_back) > 1 and net_ore > amount_ore:
        return B.TWICE, net_ore
    return (B.ONCE if net_ore > 0 else B.GIVEN_BACK), net_ore


def beyond(rows: Iterable[ReportRow], amount_ore: int, known: Overbilled) -> Overbilled:
    """What is known, with these rows, to be billed beyond the price and given back of that.

    Sums of reports are compared, not added: two reports may show the same row. What goes back beyond what was
    too much is the charge's own money, and none of this.
    """
    charged_ore = back_ore = 0
    for row in rows:
        charged_ore += row.amount_ore if row.said is Said.CHARGED else 0
        back_ore += row.amount_ore if row.said is Said.REFUNDED else 0
    beyond_ore = max(known.beyond_ore, charged_ore - amount_ore)
    if not charged_ore and back_ore > beyond_ore:
        return known
    return Overbilled(beyond_ore, max(known.back_ore, min(back_ore, beyond_ore)))


def walk(
    state: ChargeState, evidence: Iterable[Evidence], *, disputed: bool = False
) -> tuple[tuple[Evidence, ...], ChargeState]:
    """The evidence that says anything new, one after the other, and the state it leads to."""
    telling = []
    for each in evidence:
        result = step(state, each, contradicted=disputed)
        if result.verdict is not Verdict.KEPT:
            telling.append(each)
        state = result.state
    return tuple(telling), state
