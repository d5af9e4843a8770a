"""One charge's evidence: what the bridge has, and what the gateway told when it was asked.

The gateway's journal comes over the hand-off and is kept as it came; nothing here reads the gateway's store.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import text

from billing_bridge.settings import BridgeSettings
from billing_bridge.turn import Turn
from foundation.contract import BridgeParcel, ChargeEvidence, ChargeJournal, EvidenceWanted
from foundation.evidence.case import (
    Case,
    CaseEntry,
    CaseInvoice,
    CaseSms,
    CaseWord,
    GatewayPart,
    in_order,
    part_of,
)
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Outbox
from foundation.store import Statement, Tx

_JOURNAL = msgspec.json.Decoder(ChargeJournal)
_ENCODER = msgspec.json.Encoder()
_SETTLED = frozenset({"charged", "not_charged", "refund_due", "refunded"})
_BILLED = frozenset({"charged", "refund_due", "refunded"})


class Told(msgspec.Struct, frozen=True):
    """What a gateway last told of a charge; `journal` None where it knows no such charge."""

    gateway: str
    wanted: str
    at_us: int
    journal: ChargeJournal | None


def keep_journal(turn: Turn, message: ChargeEvidence) -> None:
    """A gateway's answer to `ask`; the newest stands."""
    body = _ENCODER.encode(message.journal) if message.journal is not None else b""
    turn.batch.rows["gateway_journals"].append(
        (message.charge, turn.gateway, message.wanted, message.at, body)
    )


def ask(tx: Tx, charge: str, ids: Ids, now_us: int) -> str | None:
    """Ask the gateway of a charge, by way of the outbox; the question's id, None for an unknown charge."""
    row = tx.one(_GATEWAY_OF, (charge,))
    if row is None:
        return None
    gateway, conversation = row
    wanted = EvidenceWanted(id=ids.new(), conversation=conversation, at=now_us, charge=charge)
    parcel = BridgeParcel(id=ids.new(), sender=BRIDGE, messages=[wanted])
    Outbox().post(tx, gateway, [(parcel.id, _ENCODER.encode(parcel))])
    return wanted.id


def told(tx: Tx, charge: str) -> Told | None:
    """What the gateway last told of a charge."""
    row = tx.one(_TOLD, (charge,))
    if row is None:
        return None
    gateway, wanted, at_us, body = row
    return Told(gateway, wanted, at_us, _JOURNAL.decode(body) if body else None)


def case_of(tx: Tx, charge: str, settings: BridgeSettings, now_us: int) -> Case | None:
    """All that is known of a charge, the gateway's part as it last told it; None for an unknown charge."""
    row = tx.one(_PAYMENT, (charge,))
    if row is None:
        return None
    invoice_id, number, amount_ore, state, reason, contradicted, conversation, asked_us, settled_us, org = row
    answer = told(tx, charge)
    journal = answer.journal if answer else None
    dialog = {sms[0]: CaseSms(*sms) for sms in tx.all(_SMS, (conversation,))}
    part = GatewayPart((), (), (), ())
    if journal is not None:
        part = part_of(journal, {sms: each.text for sms, each in dialog.items()})
    here = [sms for sms in dialog.values() if sms.id not in {each.id for each in part.sms}]
    organisation = settings.organisation(org)
    gateway_state = journal.state if journal else state
    differ = gateway_state in _BILLED and state == "not_charged"
    return Case(
        charge=charge,
        conversation=conversation,
        org=org,
        org_name=organisation.name if organisation else org,
        language=organisation.language if organisation else "en",
        made_us=now_us,
        known_by="billing-bridge" + (f", smsd ({answer.gateway})" if answer and journal else ""),
        number=number,
        amount_ore=amount_ore,
        state=state if state in _SETTLED else gateway_state,
        reason=reason or (journal.reason if journal else ""),
        contradicted=bool(contradicted) or bool(journal and journal.contradicted) or differ,
        asked_us=asked_us,
        settled_us=settled_us or 0,
        invoice_id=invoice_id,
        operator=journal.operator if journal else "",
        short_code=journal.short_code if journal else "",
        journal_us=answer.at_us if answer and journal else 0,
        left_out=journal.left_out if journal else 0,
        sms=in_order((*part.sms, *here)),
        steps=part.steps,
        answers=part.answers,
        proposals=part.proposals,
        words=tuple(CaseWord(*word) for word in tx.all(_WORDS, (charge,))),
        invoice=_invoice(tx, invoice_id),
        ledger=tuple(
            CaseEntry(at_us, journal_id, kind, account, ore, payment == charge)
            for at_us, journal_id, kind, account, ore, payment in tx.all(_LEDGER, (invoice_id,))
        ),
    )


def _invoice(tx: Tx, invoice: str) -> CaseInvoice | None:
    row = tx.one(_INVOICE, (invoice,))
    return CaseInvoice(*row) if row else None


_GATEWAY_OF = Statement(text("SELECT gateway, conversation FROM payments WHERE id = :charge"), "charge")
# of the gateway that made the charge alone: no other knows it
_TOLD = Statement(
    text(
        "SELECT j.gateway, j.wanted, j.at_us, j.body FROM gateway_journals j "
        "JOIN payments p ON p.id = j.charge AND p.gateway = j.gateway WHERE j.charge = :charge"
    ),
    "charge",
)
_PAYMENT = Statement(
    text(
        "SELECT p.invoice, p.number, p.amount_ore, p.state, p.reason, p.contradicted, p.conversation, "
        "p.asked_us, p.settled_us, i.org FROM payments p JOIN invoices i ON i.id = p.invoice "
        "WHERE p.id = :charge"
    ),
    "charge",
)
_SMS = Statement(
    text(
        "SELECT id, at_us, direction, purpose, number, short_code, segments, price_ore, fate, fate_us, "
        "reason, text FROM sms WHERE conversation = :conversation ORDER BY id"
    ),
    "conversation",
)
_WORDS = Statement(
    text("SELECT at_us, outcome, reason, words FROM evidence WHERE payment = :charge ORDER BY at_us, id"),
    "charge",
)
_INVOICE = Statement(
    text(
        "SELECT i.id, i.series || i.number, i.kind, p.name, i.amount_ore, i.period, i.issued, i.due, i.kid, "
        "i.account, s.paid_ore, s.credited_ore, s.excess_ore FROM invoices i "
        "JOIN people p ON p.id = i.person JOIN standings s ON s.invoice = i.id WHERE i.id = :invoice"
    ),
    "invoice",
)
_LEDGER = Statement(
    text(
        "SELECT j.at_us, j.id, j.kind, e.account, e.amount_ore, j.payment FROM journals j "
        "JOIN entries e ON e.journal = j.id WHERE j.invoice = :invoice ORDER BY j.at_us, j.id, e.line"
    ),
    "invoice",
)
