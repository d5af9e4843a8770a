"""What may still decide an unfinished charge, in plain words; the last resort is always a person. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from foundation.clock import SECOND_US, oslo
from smsd.charging.proposals import Proposal
from smsd.charging.states import ChargeState
from smsd.settings_operators import Operator

HOUR_US = 3600 * SECOND_US


class Source(StrEnum):
    """Where a decision may come from."""

    YES = "yes"  # its payer is asked, and nothing of it is sent before
    TURN = "turn"  # it is not sent yet
    ANSWER = "answer"
    RECEIPT = "receipt"
    QUERY = "query"
    REPORT = "report"
    SECOND_PERSON = "second_person"
    PERSON = "person"


class Prospect(msgspec.Struct, frozen=True):
    """One thing that may come, in words; `until_us` 0 where it has no end that is known."""

    source: Source
    words: str
    until_us: int = 0


class Known(msgspec.Struct, frozen=True):
    """What the prospects of a charge follow from. Times UTC microseconds, 0 where there is none.

    `answered_us`: when an answer named its message id. `asked`, `next_us`: queries so far, and the earliest
    next one. `yes_until_us`: until when the payer, who was asked, may say yes.
    """

    state: ChargeState
    now_us: int
    sent_us: int
    expires_us: int
    answered_us: int = 0
    asked: int = 0
    next_us: int = 0
    yes_until_us: int = 0
    proposal: Proposal | None = None


def prospects(known: Known, operator: Operator | None, receipt_wait_h: int) -> list[Prospect]:
    """What may still come, the likeliest first; never empty for a charge that is not settled."""
    state, found = known.state, []
    if state is ChargeState.INTENDED and known.yes_until_us:
        until = known.yes_until_us
        return [Prospect(Source.YES, f"the payer's yes, until {moment(until)}", until)]
    if state is ChargeState.INTENDED:
        return [
            Prospect(Source.TURN, f"its turn to be sent, until {moment(known.expires_us)}", known.expires_us)
        ]
    if state is ChargeState.SENDING:
        wait_s = operator.response_timeout_s if operator else 60
        until = known.sent_us + int(wait_s * SECOND_US)
        return [Prospect(Source.ANSWER, f"the operator's answer, until {moment(until)}", until)]
    if state not in (ChargeState.ACCEPTED, ChargeState.IN_DOUBT):
        return []
    if known.proposal is not None:
        found.append(
            Prospect(
                Source.SECOND_PERSON,
                f"a second person's word: {known.proposal.who} proposed {known.proposal.outcome}",
            )
        )
    until = known.sent_us + receipt_wait_h * HOUR_US
    if known.now_us < until:
        words = f"a receipt, until {moment(until)}"
        if not known.answered_us:
            words += " (its id is unknown: it counts if it can mean nothing else)"
        found.append(Prospect(Source.RECEIPT, words, until))
    query = _query(known, operator, receipt_wait_h)
    if query is not None:
        found.append(query)
    decided_by_itself = bool(found)
    found.append(Prospect(Source.REPORT, "the operator's billing report"))
    if not decided_by_itself:
        found.append(Prospect(Source.PERSON, "nothing more by itself: a person must decide"))
    return found


def query_ends_us(answered_us: int, receipt_wait_h: int) -> int:
    """Until when an SMSC may be asked: as long as we should know that it used the id again."""
    return answered_us + receipt_wait_h * HOUR_US


def _query(known: Known, operator: Operator | None, receipt_wait_h: int) -> Prospect | None:
    if operator is None or not operator.query or not known.answered_us:
        return None
    queries = operator.queries
    if known.state is ChargeState.ACCEPTED and not queries.overdue_s:
        return None
    left, until = queries.tries - known.asked, query_ends_us(known.answered_us, receipt_wait_h)
    due = known.next_us
    if known.state is ChargeState.ACCEPTED:
        due = max(due, known.answered_us + queries.overdue_s * SECOND_US)
    if left <= 0 or max(due, known.now_us) >= until:
        return None
    when = "now" if due <= known.now_us else f"at {moment(due)}"
    return Prospect(Source.QUERY, f"the answer to query_sm, next {when}, {left} more", until)


def moment(at_us: int) -> str:
    """A time as people in Norway read it."""
    return oslo(at_us).strftime("%Y-%m-%d %H:%M")


def age(seconds: float) -> str:
    """How long ago: ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86_400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min"
