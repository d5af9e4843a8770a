"""Moves charges by evidence, inside a transaction: the one place that writes a charge's state.

Every piece of evidence is kept as a row, whether it moved the charge, said nothing new or contradicts.
"""

from __future__ import annotations

import msgspec

from foundation.contract import ChargeSettled, Outcome, Reason
from foundation.ids import Ids
from foundation.store import Row, Tx
from smsd.charging.states import FINAL, ChargeState, Evidence, Step, Verdict, step
from smsd.store import statements as sql
from smsd.work import Plan

_OUTCOMES = {
    ChargeState.CHARGED: Outcome.CHARGED,
    ChargeState.NOT_CHARGED: Outcome.NOT_CHARGED,
    ChargeState.REFUSED: Outcome.NOT_CHARGED,
    ChargeState.REFUND_DUE: Outcome.REFUND_DUE,
    ChargeState.REFUNDED: Outcome.REFUNDED,
}


class ChargeRow(msgspec.Struct, frozen=True, gc=False):
    """A charge as the store has it; amounts in øre, times in UTC microseconds."""

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

    @classmethod
    def of(cls, row: Row) -> ChargeRow:
        """From a row of the statements that read charges."""
        charge, conversation, message, org, invoice, operator, short_code, number, amount, state, expires = (
            row
        )
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
        result = step(charge.state, evidence)
        self._keep(tx, plan, charge, evidence, result, reason, detail)
        if result.verdict is Verdict.MOVES:
            tx.run(sql.MOVE_CHARGE, [(result.state, reason, plan.at_us, charge.id)])
            plan.count("charges", result.state)
            if result.state in FINAL:
                plan.released.append((charge.number, charge.short_code, charge.amount_ore))
                plan.handoff.append(
                    ChargeSettled(
                        id=self._ids.new(),
                        conversation=charge.conversation,
                        at=plan.at_us,
                        charge=charge.id,
                        outcome=_OUTCOMES[result.state],
                        reason=reason,
                        evidence=f"{evidence} {detail}".rstrip(),
                    )
                )
            elif result.state is ChargeState.IN_DOUBT:
                plan.alarms.append(
                    ("charge.in_doubt", {"charge": charge.id, "conversation": charge.conversation})
                )
        elif result.verdict is Verdict.CONTRADICTS:
            tx.run(sql.CONTRADICT_CHARGE, [(plan.at_us, charge.id)])
            plan.count("contradictions", charge.state)
            plan.alarms.append(
                (
                    "charge.contradicted",
                    {
                        "charge": charge.id,
                        "conversation": charge.conversation,
                        "state": str(charge.state),
                        "evidence": str(evidence),
                    },
                )
            )
        return result

    def start(self, tx: Tx, plan: Plan, charge: str) -> bool:
        """Take a charge from `intended` to `sending`, where it may start; True where it did."""
        if tx.run(sql.START_CHARGE, [(plan.at_us, charge, plan.at_us)]) != 1:
            return False
        tx.run(
            sql.ADD_CHARGE_EVENT,
            [(charge, plan.at_us, Evidence.START, ChargeState.INTENDED, ChargeState.SENDING, "")],
        )
        plan.count("charges", ChargeState.SENDING)
        return True

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
