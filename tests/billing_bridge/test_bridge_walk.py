"""A member joins, pays, and is told so."""

from __future__ import annotations

from bridge_world import OLA, World, the_charge, the_reply

from foundation.clock import SECOND_US
from foundation.contract import Outcome, Reason


def test_joining_makes_a_person_a_membership_and_an_invoice(world: World) -> None:
    reply = the_reply(world.take(world.join(comment="Smalgåshagen 2. Verva av Stian")))
    assert reply.name == "joined"
    assert reply.recipient == OLA
    assert world.rows("SELECT name, email, number FROM people") == [("Ola Nordmann", "ola@example.org", OLA)]
    assert world.rows("SELECT org, year, category FROM memberships") == [("ORG1", 2026, "Ordinær")]
    assert world.rows("SELECT number, kid, amount_ore, period, issued, due FROM invoices") == [
        (1, "100000000016", 5000, "2026", "2026-11-23", "2026-12-07")
    ]
    assert world.rows("SELECT text, source FROM comments") == [("Smalgåshagen 2. Verva av Stian", "sms")]
    assert world.rows("SELECT kind, sent_us FROM mail_due") == [("activation", None)]
    assert world.balances() == {"receivable": 5000, "fee_income": -5000}


def test_paying_asks_for_one_charge_and_a_settled_charge_pays_the_invoice(world: World) -> None:
    world.take(world.join())
    pay = world.pay()
    charge = the_charge(world.take(pay))
    assert charge.amount == 5000
    assert charge.expires == pay.at + 600 * SECOND_US
    assert charge.invoice == world.value("SELECT id FROM invoices")
    reply = the_reply(world.take(world.settled(charge)))
    assert (reply.name, reply.conversation) == ("paid", pay.conversation)
    assert world.balances() == {"operator_receivable": 5000, "fee_income": -5000}
    assert world.rows("SELECT state, evidence FROM payments") == [("charged", "DELIVRD")]
    assert world.replies(world.pay()) == ["nothing_outstanding"]


def test_a_failed_charge_leaves_the_invoice_to_be_paid_again(world: World) -> None:
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    reply = the_reply(world.take(world.settled(charge, Outcome.NOT_CHARGED, Reason.NO_CREDIT)))
    assert (reply.name, reply.values["reason"]) == ("failed", "no_credit")
    assert world.balances() == {"receivable": 5000, "fee_income": -5000}
    assert world.replies(world.pay()) == ["charge"]


def test_join_and_pay_charges_the_invoice_just_made(world: World) -> None:
    answers = world.take(world.join(charge=True))
    assert the_reply(answers).name == "joined"
    assert the_charge(answers).invoice == world.value("SELECT id FROM invoices")
    assert answers.index(the_reply(answers)) < answers.index(the_charge(answers))
