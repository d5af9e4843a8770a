"""What people do to payments, refunds and invoices by hand: each in one transaction, with who and why.

Rules of DOMAIN section 2: an invoice that is paid cannot be credited, what was paid is refunded; issued
documents never change. Nothing here talks to an operator.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from billing_bridge.invoicing import ledger
from billing_bridge.payments import refunds
from billing_bridge.payments.booking import Said, add_refund, end_refund
from billing_bridge.payments.charging import follow_refunds, take_word
from billing_bridge.records import Cause, GivenBy, Invoice, Payment, Refund, RefundState, State
from billing_bridge.settings import BridgeLimits, BridgeOrganisation, BridgeSettings
from billing_bridge.store import statements as s
from billing_bridge.turn import Turn, kroner, oslo_day
from foundation.clock import Clock
from foundation.contract import BridgeParcel, ChargeSettled, Outcome, Reason
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Outbox
from foundation.store import Tx


class CannotDo(ValueError):
    """What was asked for does not fit what is there: why, and what would; nothing changed."""


class ByHand:
    """One thing done by a person, inside a transaction. Amounts in øre.

    Every method raises `CannotDo` before it changes anything.
    """

    def __init__(self, tx: Tx, settings: BridgeSettings, ids: Ids, clock: Clock) -> None:
        self._tx = tx
        self._ids = ids
        self._organisations: Mapping[str, BridgeOrganisation] = {
            organisation.code: organisation for organisation in settings.organisations
        }
        self._limits: BridgeLimits = settings.limits
        self._now_us = clock.now_us()

    def settle(self, payment: str, outcome: Outcome, who: str, why: str) -> None:
        """A pending payment ended so; the payer is told. A later word of the gateway counts for more."""
        turn, found, _ = self._of_payment(payment)
        if found.state != State.PENDING:
            raise CannotDo(
                f"payment {payment} is {found.state}: only a pending one is settled here; "
                "what the operator made wrong is resolved at the gateway (smsd charges resolve)"
            )
        said = ChargeSettled(
            id=turn.new_id(),
            conversation=found.conversation,
            at=turn.now_us,
            charge=found.id,
            outcome=outcome,
            reason=Reason.NONE if outcome is Outcome.CHARGED else Reason.BY_HAND,
            evidence=f"by hand, {who}: {why}",
        )
        take_word(turn, said, found, who)
        self._write(turn)
        parcel = BridgeParcel(id=turn.new_id(), sender=BRIDGE, messages=turn.answers)
        if turn.answers:
            Outbox().post(self._tx, found.gateway, [(parcel.id, msgspec.json.encode(parcel))])

    def refund(
        self, payment: str, amount_ore: int | None, who: str, why: str, *, credit: bool = True
    ) -> tuple[str, str]:
        """A payer is to get back so much of a payment, by default all of it; the refund and its credit note.

        What the invoice then lacks is credited, so that it is not asked for again; unless `credit` is off.
        """
        turn, found, invoice = self._of_payment(payment)
        if not found.charged:
            raise CannotDo(f"payment {payment} is {found.state}: nothing was charged that could go back")
        before_ore = sum(
            each.amount_ore for each in turn.batch.refunds(payment) if each.state != RefundState.CANCELLED
        )
        left_ore = found.billed_ore - before_ore
        wanted_ore = left_ore if amount_ore is None else amount_ore
        if not 0 < wanted_ore <= left_ore:
            raise CannotDo(
                f"payment {payment}: {kroner(wanted_ore)} kr cannot be refunded; of it {kroner(left_ore)} kr "
                f"are left ({kroner(before_ore)} kr are refunded or to be)"
            )
        paid_ore = invoice.paid_ore
        refund = add_refund(turn, found, invoice, wanted_ore, Cause.BY_HAND, Said(who, why))
        note = ""
        if credit and paid_ore > invoice.paid_ore:
            note = self._credit(turn, invoice, paid_ore - invoice.paid_ore, who, why, refund)
        self._write(turn)
        return refund.id, note

    def refunded(self, refund: str, by: GivenBy, who: str, how: str) -> None:
        """A payer has the money of a refund that was due."""
        turn, payment, invoice, found = self._of_refund(refund)
        if found.state != RefundState.DUE:
            raise CannotDo(f"refund {refund} is {found.state}: only one that is due is given back")
        has_ore = refunds.given(turn.batch.refunds(payment.id))
        if has_ore + found.amount_ore > payment.billed_ore:
            raise CannotDo(
                f"refund {refund}: the payer has {kroner(has_ore)} kr back already of the "
                f"{kroner(payment.billed_ore)} kr that were billed; do not pay {kroner(found.amount_ore)} kr "
                f"more, but cancel it (billing-bridge refunds cancel {refund})"
            )
        end_refund(turn, payment, invoice, found, RefundState.REFUNDED, Said(who, how, by))
        self._write(turn)

    def cancel(self, refund: str, who: str, why: str) -> None:
        """A refund that was due, and that a person decided, is not to be made after all."""
        turn, payment, invoice, found = self._of_refund(refund)
        if found.state != RefundState.DUE:
            raise CannotDo(f"refund {refund} is {found.state}: only one that is due is cancelled")
        if found.cause != Cause.BY_HAND:
            raise CannotDo(
                f"refund {refund}: the gateway says that it is owed; it goes when the gateway takes that back"
            )
        others = [each for each in turn.batch.refunds(payment.id) if each.id != refund]
        # what the payer has back already is owed no more, whatever the credit note says
        has_all = refunds.given(others) + found.amount_ore > payment.billed_ore
        if not has_all and self._tx.one(s.CREDITED_BY, (refund,)):
            raise CannotDo(
                f"refund {refund}: its credit note is issued and stays, so the money stays owed; "
                "give it back, and invoice anew what is to be paid"
            )
        end_refund(turn, payment, invoice, found, RefundState.CANCELLED, Said(who, why))
        # what it took the place of may be owed by the gateway's word
        follow_refunds(turn, payment, invoice)
        self._write(turn)

    def credit(self, named: str, amount_ore: int | None, who: str, why: str) -> str:
        """Take back what is outstanding of an invoice (its id or KID), by default all; the note's number."""
        turn = self._turn()
        ids = [row[0] for row in self._tx.all(s.INVOICE_NAMED, (named, named))]
        if len(ids) != 1:
            found = "is the KID of several; give its id" if ids else "is no invoice's id or KID"
            raise CannotDo(f"{named} {found}; `billing-bridge invoices` lists them")
        turn.batch.read_invoices(ids)
        invoice = turn.batch.invoices[ids[0]]
        wanted_ore = invoice.outstanding_ore if amount_ore is None else amount_ore
        if not 0 < wanted_ore <= invoice.outstanding_ore:
            raise CannotDo(
                f"invoice {named}: {kroner(wanted_ore)} kr cannot be credited; "
                f"{kroner(invoice.outstanding_ore)} kr are outstanding. What is paid is refunded "
                "(billing-bridge refunds owe)"
            )
        number = self._credit(turn, invoice, wanted_ore, who, why, None)
        self._write(turn)
        return number

    def _credit(
        self, turn: Turn, invoice: Invoice, amount_ore: int, who: str, why: str, refund: Refund | None
    ) -> str:
        if invoice.pending is not None:
            raise CannotDo(
                f"invoice with KID {invoice.kid}: its charge {invoice.pending} is under way; wait for its end"
            )
        organisation = self._organisations.get(invoice.org)
        if organisation is None:
            raise CannotDo(f"{invoice.org} is not among the configured organisations, so it has no series")
        series = organisation.billing.credit_series
        number = turn.batch.next_credit(invoice.org, series)
        note = turn.new_id()
        turn.batch.rows["credit_notes"].append(
            (
                note,
                invoice.org,
                series,
                number,
                invoice.id,
                amount_ore,
                oslo_day(self._now_us).isoformat(),
                who,
                why,
                refund.id if refund else None,
                self._now_us,
            )
        )
        turn.batch.book(
            turn.new_id(),
            invoice,
            ledger.JournalKind.CREDITED.value,
            ledger.credit(invoice, amount_ore),
            payment=None,
            conversation="",
            at_us=self._now_us,
            credit_note=note,
        )
        turn.batch.touched(invoice)
        return f"{series}{number}"

    def _turn(self) -> Turn:
        return Turn(
            limits=self._limits,
            organisations=self._organisations,
            ids=self._ids,
            now_us=self._now_us,
            tx=self._tx,
            gateway="",
        )

    def _of_payment(self, payment: str) -> tuple[Turn, Payment, Invoice]:
        turn = self._turn()
        turn.batch.read_payments([payment])
        found = turn.batch.payments.get(payment)
        if found is None:
            raise CannotDo(f"there is no payment {payment}; `billing-bridge payments` lists them")
        return turn, found, turn.batch.invoices[found.invoice]

    def _of_refund(self, refund: str) -> tuple[Turn, Payment, Invoice, Refund]:
        row = self._tx.one(s.PAYMENT_OF_REFUND, (refund,))
        if row is None:
            raise CannotDo(f"there is no refund {refund}; `billing-bridge refunds` lists them")
        turn, payment, invoice = self._of_payment(row[0])
        found = next(each for each in turn.batch.refunds(payment.id) if each.id == refund)
        return turn, payment, invoice, found

    def _write(self, turn: Turn) -> None:
        turn.batch.write()
