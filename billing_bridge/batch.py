"""A batch's working set: the rows it needs read at once, changed in memory, what it makes written at once.

Knows tables and rows; decides nothing about what they mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from billing_bridge.dialog.fates import fate_order
from billing_bridge.payments.words import Word
from billing_bridge.records import Invoice, Payment, Person, Refund, State
from billing_bridge.store import statements as s
from foundation.contract import Direction, Message, MessageFate
from foundation.store import Row, Statement, Tx

_WRITES: tuple[tuple[str, Statement], ...] = (
    # parents before children; a charge must end before the next one of its invoice begins
    ("people", s.INSERT_PERSON),
    ("comments", s.INSERT_COMMENT),
    ("memberships", s.INSERT_MEMBERSHIP),
    ("invoices", s.INSERT_INVOICE),
    ("standings", s.INSERT_STANDING),
    ("settled", s.SETTLE_PAYMENT),
    ("payments", s.INSERT_PAYMENT),
    ("evidence", s.INSERT_EVIDENCE),
    ("refunds", s.INSERT_REFUND),
    ("refund_changes", s.END_REFUND),
    ("credit_notes", s.INSERT_CREDIT_NOTE),
    ("entries", s.INSERT_ENTRY),
    ("journals", s.INSERT_JOURNAL),
    ("standing_changes", s.UPDATE_STANDING),
    ("conversations", s.KEEP_CONVERSATION),
    ("sms", s.INSERT_SMS),
    ("fates", s.UPDATE_FATE),
    ("early", s.KEEP_EARLY_FATE),
    ("late", s.DROP_EARLY_FATE),
    ("notes", s.INSERT_NOTE),
    ("mail_due", s.INSERT_MAIL_DUE),
    ("withdrawals", s.INSERT_WITHDRAWAL),
    ("commands", s.INSERT_COMMAND),
    ("gateway_journals", s.KEEP_GATEWAY_JOURNAL),
    ("refused", s.KEEP_REFUSED),
)


class Conversation:
    """What this batch learned of one conversation."""

    __slots__ = ("first_us", "last_us", "number", "org", "person")

    def __init__(self, org: str, number: str, at_us: int) -> None:
        self.org = org
        self.number = number
        self.person: str | None = None
        self.first_us = at_us
        self.last_us = at_us


class Batch:
    """Rows read and rows to write of one transaction. Call `write` once, last."""

    def __init__(self, tx: Tx, gateway: str) -> None:
        self._tx = tx
        self._gateway = gateway
        self._people: dict[tuple[str, str], list[Person]] = defaultdict(list)
        self._by_id: dict[str, Person] = {}
        self._last_numbers: dict[tuple[str, str], int] = {}
        self._last_credits: dict[tuple[str, str], int] = {}
        self._refunds: dict[str, list[Refund]] = {}
        self._words: dict[str, list[Word]] = {}
        self._dirty: set[str] = set()
        self._conversations: dict[str, Conversation] = {}
        self._messages: dict[str, Message] = {}
        self._fates: dict[str, tuple[int, MessageFate, str, int]] = {}
        self.invoices: dict[str, Invoice] = {}
        self.payments: dict[str, Payment] = {}
        self.rows: dict[str, list[Row]] = {name: [] for name, _ in _WRITES}

    # reading

    def seen(self, commands: Iterable[str], evidence: Iterable[str]) -> set[str]:
        """Which of these messages' ids were taken by an earlier transaction."""
        found: list[Row] = []
        for statement, ids in ((s.COMMANDS_SEEN, list(commands)), (s.EVIDENCE_SEEN, list(evidence))):
            if ids:
                found += self._tx.all(statement, (s.keys(ids),))
        return {row[0] for row in found}

    def read_people(self, numbers: Iterable[str], with_money: set[str], with_years: set[str]) -> None:
        """The people who have these numbers; of some their invoices, of some their memberships too."""
        wanted = set(numbers)
        if not wanted:
            return
        owing: list[str] = []
        joining: list[str] = []
        for row in self._tx.all(s.PEOPLE_BY_NUMBER, (s.keys(wanted),)):
            person = Person(*row)
            self._remember(person)
            if person.number in with_money:
                owing.append(person.id)
            if person.number in with_years:
                joining.append(person.id)
        if owing:
            for row in self._tx.all(s.INVOICES_OF_PEOPLE, (s.keys(owing),)):
                invoice = Invoice(*row)
                self.invoices[invoice.id] = invoice
                self._by_id[invoice.person].invoices.append(invoice)
        if joining:
            for person_id, year in self._tx.all(s.YEARS, (s.keys(joining),)):
                self._by_id[person_id].years.add(year)

    def read_payments(self, charges: Sequence[str]) -> None:
        """These payment attempts and their invoices. Call after `read_people`: an invoice is read once."""
        if not charges:
            return
        for row in self._tx.all(s.PAYMENTS, (s.keys(charges),)):
            self.payments[row[0]] = Payment(*row)
        self.read_invoices(payment.invoice for payment in self.payments.values())

    def read_invoices(self, invoices: Iterable[str]) -> None:
        """These invoices; one that was read before stays as it is here."""
        missing = set(invoices) - self.invoices.keys()
        if missing:
            for row in self._tx.all(s.INVOICES, (s.keys(missing),)):
                self.invoices[row[0]] = Invoice(*row)

    def refunds(self, payment: str) -> list[Refund]:
        """All refunds of a payment, oldest first, those made in this batch too."""
        if payment not in self._refunds:
            self._refunds[payment] = [Refund(*row) for row in self._tx.all(s.REFUNDS_OF, (payment,))]
        return self._refunds[payment]

    def words(self, payment: Payment) -> list[Word]:
        """All that was said of a payment before, in no order; what is said in this batch is to be added."""
        if payment.id not in self._words:
            # of a pending one nothing was said
            known = [] if payment.state == State.PENDING else self._tx.all(s.WORDS_OF, (payment.id,))
            self._words[payment.id] = [Word(*row) for row in known]
        return self._words[payment.id]

    def refused_before(self, message: str) -> bool:
        """Whether a message was put aside by an earlier transaction."""
        return self._tx.one(s.REFUSED_SEEN, (message,)) is not None

    def last_charged(self, org: str, number: str, amount_ore: int) -> Row | None:
        """The last payment of an amount that is charged or under way: its id, and when it was asked for."""
        return self._tx.one(s.LAST_CHARGED, (number, amount_ore, org))

    def people(self, org: str, number: str) -> Sequence[Person]:
        """The people of an organisation who have a number, those made in this batch too."""
        return self._people.get((org, number), ())

    # making

    def add_person(self, person: Person, source: str, at_us: int) -> None:
        """A new person, without invoices or memberships."""
        self._remember(person)
        self.rows["people"].append(
            (person.id, person.org, person.name, person.email, person.number, source, at_us)
        )

    def next_number(self, org: str, series: str) -> int:
        """The next invoice number of an organisation's series; taken with the transaction."""
        key = (org, series)
        if key not in self._last_numbers:
            found = self._tx.one(s.LAST_NUMBER, key)
            self._last_numbers[key] = found[0] if found else 0
        self._last_numbers[key] += 1
        return self._last_numbers[key]

    def next_credit(self, org: str, series: str) -> int:
        """The next number of an organisation's series of credit notes; taken with the transaction."""
        key = (org, series)
        if key not in self._last_credits:
            found = self._tx.one(s.LAST_CREDIT, key)
            self._last_credits[key] = found[0] if found else 0
        self._last_credits[key] += 1
        return self._last_credits[key]

    def touched(self, invoice: Invoice) -> None:
        """The invoice's standing changed in memory."""
        self._dirty.add(invoice.id)

    def book(
        self,
        journal: str,
        invoice: Invoice,
        kind: str,
        lines: Sequence[tuple[str, int]],
        *,
        payment: str | None,
        conversation: str,
        at_us: int,
        refund: str | None = None,
        credit_note: str | None = None,
    ) -> None:
        """One journal with its entries; the store refuses it where they do not sum to zero."""
        self.rows["entries"] += [
            (journal, line, account, amount_ore) for line, (account, amount_ore) in enumerate(lines, 1)
        ]
        self.rows["journals"].append(
            (journal, invoice.org, kind, invoice.id, payment, conversation, at_us, refund, credit_note)
        )

    def converse(self, conversation: str, org: str, number: str, at_us: int) -> Conversation:
        """What is known of a conversation, first heard of or heard of again."""
        found = self._conversations.get(conversation)
        if found is None:
            found = self._conversations[conversation] = Conversation(org, number, at_us)
        elif at_us < found.first_us:
            found.first_us = at_us
        elif at_us > found.last_us:
            found.last_us = at_us
        return found

    def add_message(self, message: Message) -> None:
        """One SMS of the dialog."""
        self.converse(message.conversation, message.org, message.number, message.at)
        self._messages.setdefault(message.id, message)
        self.add_fate(message.id, message.fate, "", message.at)

    def add_fate(self, sms: str, fate: MessageFate, reason: str, at_us: int) -> None:
        """One fate of an SMS; the highest order stands, here and in the store."""
        order = fate_order(fate, at_us)
        found = self._fates.get(sms)
        if found is None or order > found[0]:
            self._fates[sms] = (order, fate, reason, at_us)

    # writing

    def write(self) -> None:
        """All rows, in one statement per kind."""
        rows = self.rows
        for invoice_id in self._dirty:
            invoice = self.invoices[invoice_id]
            rows["standing_changes"].append(
                (
                    invoice.paid_ore,
                    invoice.credited_ore,
                    invoice.excess_ore,
                    invoice.lost_ore,
                    invoice.id,
                )
            )
        for conversation, known in self._conversations.items():
            person = known.person
            if person is None:
                fitting = self.people(known.org, known.number)
                person = fitting[0].id if len(fitting) == 1 else None
            rows["conversations"].append(
                (
                    conversation,
                    self._gateway,
                    known.org,
                    known.number,
                    person,
                    "open",
                    known.first_us,
                    known.last_us,
                )
            )
        if self._fates:
            self._write_dialog()
        for name, statement in _WRITES:
            if rows[name]:
                self._tx.run(statement, rows[name])

    def _remember(self, person: Person) -> None:
        self._by_id[person.id] = person
        self._people[(person.org, person.number)].append(person)

    def _write_dialog(self) -> None:
        rows, fates = self.rows, self._fates
        known: dict[str, int] = dict(self._tx.all(s.SMS_KNOWN, (s.keys(fates),)))
        fresh = [sms for sms in self._messages if sms not in known]
        if fresh:
            for sms, fate, reason, fate_us, order in self._tx.all(s.EARLY_FATES, (s.keys(fresh),)):
                if order > fates[sms][0]:
                    fates[sms] = (order, MessageFate(fate), reason, fate_us)
                rows["late"].append((sms,))
        for sms, (order, fate, reason, fate_us) in fates.items():
            if sms in known:
                if order > known[sms]:
                    rows["fates"].append((fate.value, reason, fate_us, order, sms))
            elif sms in self._messages:
                rows["sms"].append(_sms_row(self._messages[sms], order, fate, reason, fate_us))
            else:
                rows["early"].append((sms, fate.value, reason, fate_us, order))


def _sms_row(message: Message, order: int, fate: MessageFate, reason: str, fate_us: int) -> tuple[Any, ...]:
    return (
        message.id,
        message.conversation,
        "in" if message.direction is Direction.IN else "out",
        message.org,
        message.number,
        message.short_code,
        message.text,
        message.segments,
        message.price,
        message.purpose.value,
        message.at,
        fate.value,
        reason,
        fate_us,
        order,
    )
