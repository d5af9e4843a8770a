"""What people say of a charge: one alone up to an amount, above it two different ones who say the same.

The first one's word is kept as a proposal and moves nothing. Whoever says the same as the second moves the
charge; a proposal may be withdrawn, and is overtaken where the charge has moved otherwise meanwhile.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum

import msgspec

from foundation.contract import Outcome, Reason
from foundation.ids import Ids
from foundation.store import Tx
from smsd.charging.desk import OPEN, ChargeRow, Desk
from smsd.charging.states import ChargeState, Evidence, Verdict, step
from smsd.store import charge_statements as sql
from smsd.store import limit_statements as limit_sql
from smsd.work import Plan

ALONE_ORE = 500_00
"""Up to which amount one person is enough, where the settings say nothing else."""
WHO_LENGTH = 100
WHY_LENGTH = 1000


class Proposal(msgspec.Struct, frozen=True):
    """One person's word. `state` is what the charge was in then; `ended` is empty while it waits."""

    id: str
    charge: str
    state: str
    outcome: str
    who: str
    why: str
    via: str
    at_us: int
    ended: str = ""
    ended_by: str = ""
    ended_why: str = ""
    ended_us: int = 0


class Came(StrEnum):
    """What a person's word came to."""

    MOVED = "moved"
    CONFIRMED = "confirmed"  # moved, by the second of two
    PROPOSED = "proposed"  # waits for a second person
    SAID_BEFORE = "said_before"  # the same person again
    DISAGREES = "disagrees"  # another's proposal says otherwise
    NOTHING = "nothing"  # the charge's state does not let a person say that


class Said(msgspec.Struct, frozen=True):
    """The outcome of one person's word: what it came to, the charge's state, whose proposal stands."""

    came: Came
    state: ChargeState
    proposal: Proposal | None = None


class Person(msgspec.Struct, frozen=True):
    """Who says it, why, and by which way it came (a command, the hand-off)."""

    who: str
    why: str
    via: str


class Proposals:
    """People's words on charges, inside a transaction. `alone_ore`: up to which amount one is enough."""

    def __init__(self, desk: Desk, ids: Ids, alone_ore: int) -> None:
        self._desk = desk
        self._ids = ids
        self._alone_ore = alone_ore

    def say(self, tx: Tx, plan: Plan, charge: ChargeRow, outcome: Outcome, person: Person) -> Said:
        """A person says that it was charged, or not; what says nothing new is kept as evidence too."""
        evidence = _EVIDENCE[outcome]
        who, why = tidy(person.who, WHO_LENGTH), tidy(person.why, WHY_LENGTH)
        verdict = step(charge.state, evidence, contradicted=charge.contradicted == OPEN).verdict
        if verdict not in (Verdict.MOVES, Verdict.SETTLES):
            self._apply(tx, plan, charge, evidence, f"{who}: {why}")
            return Said(Came.NOTHING, charge.state)
        standing = self._standing(tx, plan, charge)
        if charge.amount_ore <= self._alone_ore:
            if standing:
                end(tx, standing, "overtaken", Person(who, why, person.via), plan.at_us)
            state = self._apply(tx, plan, charge, evidence, f"{who}: {why}")
            return Said(Came.MOVED, state)
        if standing is None:
            made = Proposal(
                self._ids.new(), charge.id, charge.state, outcome, who, why, person.via, plan.at_us
            )
            tx.run(sql.ADD_PROPOSAL, [msgspec.structs.astuple(made)[:8]])
            plan.alarms.append(
                (
                    "charge.proposed",
                    {"charge": charge.id, "conversation": charge.conversation, "outcome": str(outcome)},
                )
            )
            return Said(Came.PROPOSED, charge.state, made)
        if same_person(standing.who, who):
            return Said(Came.SAID_BEFORE, charge.state, standing)
        if standing.outcome != outcome:
            plan.alarms.append(
                ("charge.proposals_differ", {"charge": charge.id, "conversation": charge.conversation})
            )
            return Said(Came.DISAGREES, charge.state, standing)
        end(tx, standing, "confirmed", Person(who, why, person.via), plan.at_us)
        both = f"{standing.who}: {standing.why}; confirmed by {who}: {why}"
        return Said(Came.CONFIRMED, self._apply(tx, plan, charge, evidence, both), standing)

    def _apply(self, tx: Tx, plan: Plan, charge: ChargeRow, evidence: Evidence, detail: str) -> ChargeState:
        reason = Reason.NONE if evidence is Evidence.HUMAN_CHARGED else Reason.BY_HAND
        state = self._desk.apply(tx, plan, charge, evidence, reason=reason, detail=detail).state
        if charge.state is ChargeState.INTENDED and state is not charge.state:
            # its payer may have been asked for a yes, which nobody waits for any more
            tx.run(limit_sql.SET_ANSWER, [(Reason.BY_HAND, plan.at_us, "", charge.id)])
        return state

    @staticmethod
    def _standing(tx: Tx, plan: Plan, charge: ChargeRow) -> Proposal | None:
        """The proposal that waits; one made when the charge was in another state no longer counts."""
        found = waiting(tx, charge.id)
        if found is not None and found.state != charge.state:
            end(tx, found, "overtaken", Person("", f"the charge became {charge.state}", ""), plan.at_us)
            return None
        return found


def waiting(tx: Tx, charge: str) -> Proposal | None:
    """The proposal about a charge that nobody has confirmed or withdrawn."""
    row = tx.one(sql.OPEN_PROPOSAL, (charge,))
    return Proposal(*row) if row else None


def all_of(tx: Tx, charge: str) -> list[Proposal]:
    """Every proposal that was ever made about a charge, oldest first."""
    return [Proposal(*row) for row in tx.all(sql.PROPOSALS_OF, (charge,))]


def end(tx: Tx, proposal: Proposal, how: str, person: Person, at_us: int) -> None:
    """A proposal waits no more."""
    who, why = tidy(person.who, WHO_LENGTH), tidy(person.why, WHY_LENGTH)
    tx.run(sql.END_PROPOSAL, [(how, who, why, at_us, proposal.id)])


def same_person(one: str, other: str) -> bool:
    """Whether two names are meant to be one person's: letter case, blanks and how letters are coded aside."""
    return _meant(one) == _meant(other)


def _meant(name: str) -> str:
    return unicodedata.normalize("NFKC", tidy(name, WHO_LENGTH)).casefold()


def tidy(text: str, most: int) -> str:
    """A person's words on one line, no longer than this, without what steers a terminal or is not seen."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:most]


_EVIDENCE = {Outcome.CHARGED: Evidence.HUMAN_CHARGED, Outcome.NOT_CHARGED: Evidence.HUMAN_NOT_CHARGED}
