"""What a member's texts do to the register: join, ask for status, stop (DOMAIN section 1)."""

from __future__ import annotations

from datetime import timedelta

from billing_bridge.invoicing.issue import write_invoice
from billing_bridge.invoicing.kid import make_kid
from billing_bridge.matching import SEVERAL_PERSONS, UNKNOWN_NUMBER, first_to_pay, outstanding_fees
from billing_bridge.members.joining import Known, Several, who_joins
from billing_bridge.payments.charging import ask_charge, just_charged
from billing_bridge.records import Invoice, Kind, Person
from billing_bridge.settings import BridgeOrganisation, Fee
from billing_bridge.turn import KRONE_ORE, NoteKind, Turn, kroner, oslo_day
from foundation.contract import Join, Status, Stop

ACTIVATION = "activation"
"""The kind of mail that is due to somebody who joined."""


def join(turn: Turn, message: Join) -> None:
    """A person, a membership of the year, an invoice, and where asked for its charge."""
    organisation = turn.organisation(message)
    if organisation is None:
        return
    fee = next((fee for fee in organisation.billing.fees if fee.active), None)
    if fee is None:
        turn.reply(message, "no_active_fee")
        return
    name = " ".join(message.name.split())
    if not name:
        turn.bad_value(message, "the name is empty; the gateway should have asked for it")
        turn.reply(message, "no_name")
        return
    choice = who_joins(turn.batch.people(message.org, message.sender), name, message.email)
    if isinstance(choice, Several):
        turn.reply(message, SEVERAL_PERSONS)
        return
    year = oslo_day(message.at).year
    if isinstance(choice, Known):
        person = choice.person
        _note_differences(turn, message, choice)
        if year in person.years:
            turn.reply(message, "already_member", name=person.name)
            return
    else:
        person = Person(turn.new_id(), message.org, message.sender, name, message.email)
        turn.batch.add_person(person, "sms", turn.now_us)
    _enrol(turn, message, person, year, fee.category)
    # an address that only a text message vouches for must not open somebody's existing account
    if not isinstance(choice, Known) or not choice.email_differs:
        turn.batch.rows["mail_due"].append(
            (turn.new_id(), person.id, ACTIVATION, message.conversation, turn.now_us, None)
        )
    invoice = _issue(turn, message, organisation, person, fee) if fee.amount_kr else None
    turn.reply(message, "joined", name=person.name, amount=str(fee.amount_kr))
    if not message.charge or invoice is None:
        return
    if isinstance(choice, Known) and just_charged(turn, message, invoice.amount_ore):
        # the same text again, in the first moments of another year
        return
    if turn.limits.min_kr <= fee.amount_kr <= turn.limits.max_kr:
        ask_charge(turn, message, invoice)
    else:
        turn.bad_value(message, f"the fee of {fee.amount_kr} kr is outside what a text may pay; mend the fee")


def status(turn: Turn, message: Status) -> None:
    """Unpaid with account and KID; else paid; else no membership this year."""
    if turn.organisation(message) is None:
        return
    people = turn.batch.people(message.org, message.sender)
    if len(people) != 1:
        turn.reply(message, SEVERAL_PERSONS if people else UNKNOWN_NUMBER)
        return
    person = people[0]
    day = oslo_day(message.at)
    unpaid = outstanding_fees(person)
    if unpaid:
        invoice = first_to_pay(unpaid, day)
        turn.reply(
            message,
            "status_unpaid",
            name=person.name,
            amount=kroner(invoice.outstanding_ore),
            account=invoice.account,
            kid=invoice.kid,
        )
    elif day.year in person.years:
        turn.reply(message, "status_paid", name=person.name)
    else:
        turn.reply(message, "status_none", name=person.name)


def stop(turn: Turn, message: Stop) -> None:
    """Consent withdrawn for this number; the gateway answers the text itself."""
    if not turn.first_time(message):
        return
    turn.finish(message, "stopped")
    turn.batch.rows["withdrawals"].append(
        (message.sender, message.org, message.id, message.conversation, message.at)
    )
    if message.org and message.org not in turn.organisations:
        turn.unknown_organisation(message)


def _note_differences(turn: Turn, message: Join, choice: Known) -> None:
    person = choice.person
    for differs, kind, said, kept in (
        (choice.name_differs, NoteKind.NAME_DIFFERS, message.name, person.name),
        (choice.email_differs, NoteKind.EMAIL_DIFFERS, message.email, person.email or "nothing"),
    ):
        if differs:
            turn.note(
                kind,
                f"The text says {said}; the register says {kept}, and was left so",
                conversation=message.conversation,
                org=message.org,
                person=person.id,
            )


def _enrol(turn: Turn, message: Join, person: Person, year: int, category: str) -> None:
    person.years.add(year)
    turn.batch.rows["memberships"].append(
        (person.id, person.org, year, category, message.conversation, turn.now_us)
    )
    comment = message.comment.strip()
    if comment:
        turn.batch.rows["comments"].append(
            (turn.new_id(), person.id, comment, "sms", message.conversation, message.at)
        )
    known = turn.batch.converse(message.conversation, message.org, message.sender, message.at)
    known.person = person.id


def _issue(turn: Turn, message: Join, organisation: BridgeOrganisation, person: Person, fee: Fee) -> Invoice:
    billing = organisation.billing
    issued = oslo_day(turn.now_us)
    number = turn.batch.next_number(organisation.code, billing.series)
    invoice = Invoice(
        id=turn.new_id(),
        org=organisation.code,
        person=person.id,
        kind=Kind.MEMBERSHIP_FEE.value,
        amount_ore=fee.amount_kr * KRONE_ORE,
        period=str(oslo_day(message.at).year),
        due=(issued + timedelta(days=billing.payment_days)).isoformat(),
        kid=make_kid(billing.series, number, billing.kid_length),
        account=billing.account,
    )
    write_invoice(
        turn.batch,
        invoice,
        series=billing.series,
        number=number,
        category=fee.category,
        issued=issued,
        source="sms",
        conversation=message.conversation,
        journal=turn.new_id(),
        at_us=turn.now_us,
    )
    person.invoices.append(invoice)
    return invoice
