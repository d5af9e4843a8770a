"""All that the gateway knows of one charge: a journal for the bridge, a case for people. Reads only."""

from __future__ import annotations

from foundation.contract import (
    ChargeJournal,
    Direction,
    JournalProposal,
    JournalSms,
    JournalStep,
    JournalTrace,
    MessageFate,
    Purpose,
)
from foundation.evidence.case import Case, in_order, part_of
from foundation.store import Row, Tx
from smsd.charging import proposals
from smsd.charging.states import FINAL
from smsd.settings import Settings
from smsd.store import charge_statements as sql

MOST_STEPS = 500
"""Steps that a journal tells, the newest; an SMSC may repeat a receipt without end."""


def journal_of(tx: Tx, charge: str) -> ChargeJournal | None:
    """A charge's journal, without texts; None where there is no such charge."""
    row = tx.one(sql.CHARGE_WHOLE, (charge,))
    return None if row is None else _journal(tx, row)


def case_of(tx: Tx, charge: str, settings: Settings, now_us: int) -> Case | None:
    """A charge's evidence for people, as far as the gateway knows it; None where there is no such charge."""
    row = tx.one(sql.CHARGE_WHOLE, (charge,))
    if row is None:
        return None
    journal = _journal(tx, row)
    texts = {sms[0]: sms[12] or None for sms in _sms_rows(tx, row)}
    part = part_of(journal, texts)
    organisation = settings.organisation(journal.org)
    return Case(
        charge=charge,
        conversation=row[1],
        org=journal.org,
        org_name=organisation.name if organisation else journal.org,
        language=organisation.language if organisation else "en",
        made_us=now_us,
        known_by=f"smsd ({settings.handoff.name})",
        number=journal.number,
        amount_ore=journal.amount,
        state=journal.state,
        reason=journal.reason,
        contradicted=journal.contradicted,
        asked_us=journal.created,
        settled_us=journal.changed if journal.state in FINAL else 0,
        invoice_id=journal.invoice,
        operator=journal.operator,
        short_code=journal.short_code,
        journal_us=now_us,
        left_out=journal.left_out,
        sms=in_order(part.sms),
        steps=part.steps,
        answers=part.answers,
        proposals=part.proposals,
    )


def _sms_rows(tx: Tx, charge: Row) -> list[Row]:
    return tx.all(sql.SMS_OF, (charge[7], charge[1]))


def _journal(tx: Tx, row: Row) -> ChargeJournal:
    (
        charge,
        _conversation,
        message,
        org,
        invoice,
        operator,
        short_code,
        number,
        amount_ore,
        state,
        reason,
        contradicted,
        created_us,
        changed_us,
        expires_us,
    ) = row
    steps = tx.all(sql.STEPS_OF, (charge, MOST_STEPS))
    counted = tx.one(sql.STEPS_COUNT, (charge,))
    return ChargeJournal(
        org=org,
        invoice=invoice,
        operator=operator,
        short_code=short_code,
        number=number,
        amount=amount_ore,
        state=state,
        reason=reason,
        contradicted=bool(contradicted),
        created=created_us,
        changed=changed_us,
        expires=expires_us,
        message=message,
        steps=[
            JournalStep(at=at, evidence=evidence, before=before, after=after, detail=detail)
            for at, evidence, before, after, detail in reversed(steps)
        ],
        sms=[_sms(tx, each) for each in _sms_rows(tx, row)],
        proposals=[
            JournalProposal(
                at=each.at_us,
                outcome=each.outcome,
                who=each.who,
                why=each.why,
                ended=each.ended,  # type: ignore[arg-type]  # as the store has it
                ended_by=each.ended_by,
                ended_why=each.ended_why,
                ended_at=each.ended_us,
            )
            for each in proposals.all_of(tx, charge)
        ],
        left_out=max(0, (counted[0] if counted else 0) - MOST_STEPS),
    )


def _sms(tx: Tx, row: Row) -> JournalSms:
    sms, direction, purpose, number, short_code, segments, price, at, fate, changed, reason, bind, _text = row
    return JournalSms(
        id=sms,
        direction=Direction(direction),
        purpose=Purpose(purpose),
        number=number,
        short_code=short_code,
        segments=segments,
        price=price,
        at=at,
        fate=MessageFate(fate),
        changed=changed,
        reason=reason,
        bind=bind,
        traces=[
            JournalTrace(at=at, what=what, detail=detail)
            for at, what, detail in tx.all(sql.TRACES_OF, (sms,))
        ],
    )
