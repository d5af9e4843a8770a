"""Moves charges by evidence, inside a transaction: the one place that writes a charge's state.

Every piece of evidence is kept as a row, whether it moved the charge, said nothing new or contradicts.
"""

from __future__ import annotations

import re

import msgspec

from foundation.contract import ChargeSettled, Contradiction, Outcome, Reason
from foundation.ids import Ids
from foundation.store import Row, Tx
from smsd.charging.states import FINAL, LAST_WORDS, ChargeState, Evidence, Step, Verdict, step
from smsd.store import charge_statements as charge_sql
from smsd.store import limit_statements as limit_sql
from smsd.store import statements as sql
from smsd.store.tables import UNCOUNTED
from smsd.work import Plan

OUTCOMES = {
    ChargeState.CHARGED: Outcome.CHARGED,
    ChargeState.NOT_CHARGED: Outcome.NOT_CHARGED,
    ChargeState.REFUSED: Outcome.NOT_CHARGED,
    ChargeState.REFUND_DUE: Outcome.REFUND_DUE,
    ChargeState.REFUNDED: Outcome.REFUNDED,
}
OPEN, SETTLED = 1, 2
"""What `contradicted` holds once evidence has contradicted a charge; 0 before."""
_DISPUTE = {OPEN: Contradiction.OPEN, SETTLED: Contradiction.SETTLED}


_OVERBILLED = re.compile(r"(\d+) øre beyond the price, (\d+) øre of it given back")


class Overbilled(msgspec.Struct, frozen=True, gc=False):
    """What was billed beyond a charge's price, and how much of it was given back; sums, øre."""

    beyond_ore: int = 0
    back_ore: int = 0

    @classmethod
    def read(cls, detail: str) -> Overbilled:
        """From the detail of such evidence; nothing where it is none."""
        found = _OVERBILLED.match(detail)
        return cls(int(found[1]), int(found[2])) if found else cls()

    def __str__(self) -> str:
        return f"{self.beyond_ore} øre beyond the price, {self.back_ore} øre of it given back"


def _counts(state: ChargeState, *, disputed: bool) -> bool:
    """Whether a charge is or may be billed and so counts towards ceilings, as `ix_charges_counted` says."""
    return disputed or state not in UNCOUNTED


class ChargeRow(msgspec.Struct, frozen=True, gc=False):
    """A charge as the store has it; amounts in øre, times in UTC microseconds.

    `contradicted`: 0, or whether what contradicts its state is `OPEN` or `SETTLED`.
    """

    id: str
    conversation: str
    message: str
    org: str
    invoice: str
    operator: str
    short_code: str
    number: str
    amount_ore: int
    state: ChargeState
    expires_us: int
    contradicted: int = 0

    @classmethod
    def of(cls, row: Row) -> ChargeRow:
        """From a row of the statements that read charges."""
        (
            charge, conversation, message, org, invoice, operator, short_code, number, amount, state, expires,
            contradicted,
        ) = row  # fmt: skip
        return cls(
            charge,
            conversation,
            message,
            org,
            invoice,
            operator,
            short_code,
            number,
            amount,
            ChargeState(state),
            expires,
            contradicted,
        )


class Desk:
    """Applies evidence to charges."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def apply(
        self,
        tx: Tx,
        plan: Plan,
        charge: ChargeRow,
        evidence: Evidence,
        *,
        reason: Reason = Reason.NONE,
        detail: str = "",
    ) -> Step:
        """Write what this evidence does to the charge, and tell the bridge where it ended one."""
        disputed = charge.contradicted == OPEN
        result = step(charge.state, evidence, contradicted=disputed)
        self._keep(tx, plan, charge, evidence, result, reason, detail)
        settles = result.verdict in (Verdict.MOVES, Verdict.SETTLES) and evidence in LAST_WORDS
        if disputed and settles:
            tx.run(sql.CONTRADICT_CHARGE, [(SETTLED, plan.at_us, charge.id)])
        words = f"{evidence} {detail}".rstrip()
        if result.verdict is Verdict.MOVES:
            tx.run(sql.MOVE_CHARGE, [(result.state, reason, plan.at_us, charge.id)])
            plan.count("charges", result.state)
            if result.state in FINAL:
                plan.released.append((charge.number, charge.short_code, charge.amount_ore))
                of = Contradiction.SETTLED if settles else Contradiction.OPEN
                told = of if disputed else Contradiction.NONE
                self._tell(tx, plan, charge, result.state, words, reason, told)
            elif result.state is ChargeState.IN_DOUBT:
                plan.alarms.append(
                    ("charge.in_doubt", {"charge": charge.id, "conversation": charge.conversation})
                )
        elif result.verdict is Verdict.SETTLES:
            self._tell(tx, plan, charge, charge.state, words, Reason.NONE, Contradiction.SETTLED)
        elif result.verdict is Verdict.CONTRADICTS:
            tx.run(sql.CONTRADICT_CHARGE, [(OPEN, plan.at_us, charge.id)])
            plan.count("contradictions", charge.state)
            if charge.state in FINAL:
                self._tell(tx, plan, charge, charge.state, words, Reason.NONE, Contradiction.OPEN)
            plan.alarms.append(self.contradiction(charge, evidence))
        open_after = result.verdict is Verdict.CONTRADICTS or (disputed and not settles)
        counts = _counts(result.state, disputed=open_after)
        if counts != _counts(charge.state, disputed=disputed):
            tx.run(limit_sql.COUNT_AGAIN, [(1 if counts else -1, charge.id)])
        return result

    @staticmethod
    def contradiction(charge: ChargeRow, evidence: str) -> tuple[str, dict[str, str]]:
        """The alarm that evidence contradicts a charge's state."""
        fields = {"charge": charge.id, "conversation": charge.conversation, "state": str(charge.state)}
        return "charge.contradicted", {**fields, "evidence": str(evidence)}

    def overbilled(self, tx: Tx, plan: Plan, charge: ChargeRow, found: Overbilled, detail: str) -> None:
        """Keep that a message was billed beyond its charge's price; the bridge owes the payer so much."""
        evidence = Evidence.OVERBILLED
        words = f"{found}; {detail}"
        self._keep(tx, plan, charge, evidence, step(charge.state, evidence), Reason.NONE, words)
        told = _DISPUTE.get(charge.contradicted, Contradiction.NONE)
        self._tell(tx, plan, charge, charge.state, f"{evidence} {words}", Reason.NONE, told)

    def _tell(
        self,
        tx: Tx,
        plan: Plan,
        charge: ChargeRow,
        state: ChargeState,
        words: str,
        reason: Reason,
        contradiction: Contradiction,
    ) -> None:
        """The bridge hears of a charge's end; `charge` is as it was before."""
        sequence, beyond = 1, Overbilled()
        if charge.state in FINAL:
            # every piece of evidence is a row, this one too: so it grows, and is above the first word's 1
            counted = tx.one(sql.COUNT_CHARGE_EVENTS, (charge.id,))
            sequence = max(2, counted[0]) if counted else 2
            last = tx.one(sql.LAST_OVERBILLED, (charge.id,))
            beyond = Overbilled.read(last[0]) if last else beyond
        plan.handoff.append(
            ChargeSettled(
                id=self._ids.new(),
                conversation=charge.conversation,
                at=plan.at_us,
                charge=charge.id,
                outcome=OUTCOMES[state],
                reason=reason,
                evidence=words,
                contradiction=contradiction,
                sequence=sequence,
                operator=charge.operator,
                overbilled=beyond.beyond_ore,
                given_back=beyond.back_ore,
            )
        )

    def start(self, tx: Tx, plan: Plan, charge: str) -> bool:
        """Take a charge from `intended` to `sending`, where it may start; True where it did.

        It may not while another charge of its tariff is undecided, nor while evidence contradicts what is
        known of a charge of the same invoice, be it this one.
        """
        if tx.run(sql.START_CHARGE, [(plan.at_us, charge, plan.at_us)]) != 1:
            return False
        tx.run(
            sql.ADD_CHARGE_EVENT,
            [(charge, plan.at_us, Evidence.START, ChargeState.INTENDED, ChargeState.SENDING, "")],
        )
        plan.count("charges", ChargeState.SENDING)
        return True

    @staticmethod
    def started(tx: Tx, charge: str) -> int:
        """The event that last took a charge to `sending`; 0 where none did."""
        row = tx.one(charge_sql.STARTED, (charge,))
        return row[0] if row else 0

    def find(self, tx: Tx, charge: str) -> ChargeRow | None:
        """The charge with this id."""
        row = tx.one(sql.CHARGE_BY_ID, (charge,))
        return ChargeRow.of(row) if row else None

    def of_message(self, tx: Tx, message: str) -> ChargeRow | None:
        """The charge that this premium MT carries."""
        row = tx.one(sql.CHARGE_BY_MESSAGE, (message,))
        return ChargeRow.of(row) if row else None

    def in_state(self, tx: Tx, state: ChargeState) -> list[ChargeRow]:
        """All charges in a state, oldest first; made for unfinished states, of which there are few."""
        return [ChargeRow.of(row) for row in tx.all(sql.CHARGES_IN_STATE, (state,))]

    def disputed(self, tx: Tx) -> list[ChargeRow]:
        """All charges whose state is contradicted and not settled since, oldest first."""
        return [ChargeRow.of(row) for row in tx.all(sql.DISPUTED_CHARGES)]

    def overdue(self, tx: Tx, now_us: int) -> list[ChargeRow]:
        """Charges that did not start in time."""
        return [ChargeRow.of(row) for row in tx.all(sql.OVERDUE, (now_us,))]

    def _keep(
        self,
        tx: Tx,
        plan: Plan,
        charge: ChargeRow,
        evidence: Evidence,
        result: Step,
        reason: Reason,
        detail: str,
    ) -> None:
        words = f"{reason} {detail}".strip()
        tx.run(
            sql.ADD_CHARGE_EVENT,
            [(charge.id, plan.at_us, evidence, charge.state, result.state, words)],
        )
