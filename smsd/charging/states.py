"""The states of a charge and what may move one: the whole machine is the table below.

Theory of operation. A charge is a fact about somebody's money at an operator that answers late, twice
or never. Two columns decide everything: the state it is in and the evidence that came. `sending` is
committed before a byte leaves, so a charge found `sending` at start may have been sent: it is in doubt,
and from doubt nothing is ever sent again. Only an answer that says "later" or the certainty that no
octet was written lead back to `intended`. Receipts, and answers to query_sm, never move a charge out
of a final state: they are kept and raise an alarm. The operator's report and a named human may correct
one, and settle what evidence contradicted; until then nothing starts that would charge the same thing
again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class ChargeState(StrEnum):
    """DESIGN, "The charge"."""

    INTENDED = "intended"
    SENDING = "sending"
    ACCEPTED = "accepted"
    IN_DOUBT = "in_doubt"
    REFUSED = "refused"
    CHARGED = "charged"
    NOT_CHARGED = "not_charged"
    REFUND_DUE = "refund_due"
    REFUNDED = "refunded"


class Evidence(StrEnum):
    """What is learnt about a charge, and from whom."""

    START = "start"  # the gateway is about to send
    ANSWER_ACCEPTED = "answer_accepted"
    ANSWER_REFUSED = "answer_refused"
    ANSWER_LATER = "answer_later"  # throttled, queue full: the same attempt, later
    ANSWER_UNCLEAR = "answer_unclear"  # a negative answer that the profile does not trust
    NOT_WRITTEN = "not_written"  # no octet of it reached the network
    NO_ANSWER = "no_answer"  # timed out, link lost, or a restart found it `sending`
    RECEIPT_CHARGED = "receipt_charged"
    RECEIPT_NOT_CHARGED = "receipt_not_charged"
    RECEIPT_PENDING = "receipt_pending"
    QUERY_CHARGED = "query_charged"  # the SMSC's answer to query_sm, read as the profile says
    QUERY_NOT_CHARGED = "query_not_charged"
    QUERY_PENDING = "query_pending"
    REPORT_CHARGED = "report_charged"
    REPORT_NOT_CHARGED = "report_not_charged"
    HUMAN_CHARGED = "human_charged"
    HUMAN_NOT_CHARGED = "human_not_charged"
    TOO_LATE = "too_late"  # its time to start was over
    NOT_ALLOWED = "not_allowed"  # a limit, a stop switch or the payer's own no, before it started
    ASKED = "asked"  # the payer is asked whether to go on
    CONFIRMED = "confirmed"  # the payer said yes
    REFUND_OWED = "refund_owed"
    REFUND_MADE = "refund_made"
    OVERBILLED = "overbilled"  # billed beyond the price, so much is owed to the payer; the charge stands


class Verdict(StrEnum):
    """What evidence does to a charge."""

    MOVES = "moves"
    KEPT = "kept"  # says nothing new
    CONTRADICTS = "contradicts"  # kept, and a human must look
    SETTLES = "settles"  # confirms a state that other evidence contradicted


class Step(msgspec.Struct, frozen=True):
    """The outcome of one piece of evidence: the state after it, and whether it moved or contradicts."""

    verdict: Verdict
    state: ChargeState


S = ChargeState
E = Evidence

UNFINISHED: Final = frozenset({S.INTENDED, S.SENDING, S.ACCEPTED, S.IN_DOUBT})
MAY_BE_BILLED: Final = frozenset({S.SENDING, S.ACCEPTED, S.IN_DOUBT})
FINAL: Final = frozenset({S.REFUSED, S.CHARGED, S.NOT_CHARGED, S.REFUND_DUE, S.REFUNDED})

_SAYS_CHARGED = (E.RECEIPT_CHARGED, E.QUERY_CHARGED, E.REPORT_CHARGED, E.HUMAN_CHARGED)
_SAYS_NOT = (E.RECEIPT_NOT_CHARGED, E.QUERY_NOT_CHARGED, E.REPORT_NOT_CHARGED, E.HUMAN_NOT_CHARGED)

MOVES: Final[dict[tuple[ChargeState, Evidence], ChargeState]] = {
    (S.INTENDED, E.START): S.SENDING,
    (S.INTENDED, E.TOO_LATE): S.NOT_CHARGED,
    (S.INTENDED, E.NOT_ALLOWED): S.NOT_CHARGED,
    (S.INTENDED, E.HUMAN_NOT_CHARGED): S.NOT_CHARGED,
    (S.INTENDED, E.ANSWER_ACCEPTED): S.ACCEPTED,  # told "later" by a stray nack, yet the SMSC has it
    (S.SENDING, E.ANSWER_ACCEPTED): S.ACCEPTED,
    (S.SENDING, E.ANSWER_REFUSED): S.REFUSED,
    (S.SENDING, E.ANSWER_LATER): S.INTENDED,
    (S.SENDING, E.ANSWER_UNCLEAR): S.IN_DOUBT,
    (S.SENDING, E.NOT_WRITTEN): S.INTENDED,
    (S.SENDING, E.NO_ANSWER): S.IN_DOUBT,
    (S.IN_DOUBT, E.ANSWER_ACCEPTED): S.ACCEPTED,  # a late answer: the SMSC has it
    (S.IN_DOUBT, E.ANSWER_REFUSED): S.NOT_CHARGED,
    **{(S.ACCEPTED, says): S.CHARGED for says in _SAYS_CHARGED},
    **{(S.ACCEPTED, says): S.NOT_CHARGED for says in _SAYS_NOT},
    **{(S.IN_DOUBT, says): S.CHARGED for says in _SAYS_CHARGED},
    **{(S.IN_DOUBT, says): S.NOT_CHARGED for says in _SAYS_NOT},
    # a report or a human corrects what a receipt or an answer got wrong
    (S.NOT_CHARGED, E.REPORT_CHARGED): S.CHARGED,
    (S.NOT_CHARGED, E.HUMAN_CHARGED): S.CHARGED,
    (S.REFUSED, E.REPORT_CHARGED): S.CHARGED,
    (S.REFUSED, E.HUMAN_CHARGED): S.CHARGED,
    (S.CHARGED, E.REPORT_NOT_CHARGED): S.NOT_CHARGED,
    (S.CHARGED, E.HUMAN_NOT_CHARGED): S.NOT_CHARGED,
    (S.CHARGED, E.REFUND_OWED): S.REFUND_DUE,
    (S.REFUND_DUE, E.REFUND_MADE): S.REFUNDED,
}

CONTRADICTIONS: Final[frozenset[tuple[ChargeState, Evidence]]] = frozenset(
    {
        (S.CHARGED, E.RECEIPT_NOT_CHARGED),
        (S.CHARGED, E.ANSWER_REFUSED),
        (S.NOT_CHARGED, E.RECEIPT_CHARGED),
        (S.NOT_CHARGED, E.ANSWER_ACCEPTED),
        (S.REFUSED, E.RECEIPT_CHARGED),
        (S.REFUSED, E.ANSWER_ACCEPTED),
        (S.ACCEPTED, E.ANSWER_ACCEPTED),  # two messages of one charge were accepted
        *((state, says) for state in (S.REFUND_DUE, S.REFUNDED) for says in _SAYS_NOT),
        (S.INTENDED, E.RECEIPT_CHARGED),
        (S.CHARGED, E.QUERY_NOT_CHARGED),
        (S.NOT_CHARGED, E.QUERY_CHARGED),
        (S.REFUSED, E.QUERY_CHARGED),
        (S.INTENDED, E.QUERY_CHARGED),
        (S.INTENDED, E.REPORT_CHARGED),
        (S.INTENDED, E.HUMAN_CHARGED),
    }
)

LAST_WORDS: Final = frozenset(
    {E.REPORT_CHARGED, E.REPORT_NOT_CHARGED, E.HUMAN_CHARGED, E.HUMAN_NOT_CHARGED, E.REFUND_OWED}
)
"""What settles a contradiction, where it moves the charge or confirms its state."""
_CONFIRMS: Final[frozenset[tuple[ChargeState, Evidence]]] = frozenset(
    {
        *((state, says) for state in (S.CHARGED, S.REFUND_DUE, S.REFUNDED) for says in _SAYS_CHARGED),
        *((state, says) for state in (S.NOT_CHARGED, S.REFUSED) for says in _SAYS_NOT),
    }
)


def step(state: ChargeState, evidence: Evidence, *, contradicted: bool = False) -> Step:
    """What this evidence does to a charge in this state; total over both enums.

    `contradicted`: evidence against the state waits to be settled.
    """
    after = MOVES.get((state, evidence))
    if after is not None:
        return Step(Verdict.MOVES, after)
    if (state, evidence) in CONTRADICTIONS:
        return Step(Verdict.CONTRADICTS, state)
    if contradicted and evidence in LAST_WORDS and (state, evidence) in _CONFIRMS:
        return Step(Verdict.SETTLES, state)
    return Step(Verdict.KEPT, state)
