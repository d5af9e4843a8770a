"""Charges asked for and settled, in every order a gateway may tell them."""

from __future__ import annotations

import pytest
from bridge_world import KARI, OLA, World, the_charge, the_reply
from msgspec.structs import replace
from structlog.testing import capture_logs

from billing_bridge.audit import audit
from billing_bridge.records import GivenBy
from foundation.clock import DAY_US, SECOND_US
from foundation.contract import Charge, ChargeSettled, Contradiction, Outcome, Reason, Reply


def charge(world: World) -> Charge:
    """A member who has just sent BETAL 50."""
    world.take(world.join())
    return the_charge(world.take(world.pay()))


def in_order(world: World) -> None:
    assert audit(world.tx).differences == ()


def test_a_second_betal_while_one_is_charged_says_processing_and_charges_nothing(world: World) -> None:
    charge(world)
    assert world.replies(world.pay()) == ["processing"]
    assert world.value("SELECT count(*) FROM payments") == 1


def test_two_betal_in_one_batch_make_one_charge(world: World) -> None:
    world.take(world.join())
    assert world.replies(world.pay(), world.pay()) == ["charge", "processing"]


def test_join_and_pay_in_one_batch_finds_the_invoice_just_made(world: World) -> None:
    assert world.replies(world.join(), world.pay()) == ["joined", "charge"]


def test_nobody_pays_with_a_number_that_is_unknown_here(world: World) -> None:
    world.take(world.join())
    assert world.replies(world.pay(sender=KARI)) == ["unknown_number"]


def test_nothing_outstanding_names_the_amount(world: World) -> None:
    world.take(world.join())
    reply = the_reply(world.take(world.pay(75)))
    assert (reply.name, reply.values) == ("nothing_outstanding", {"amount": "75"})


@pytest.mark.parametrize(
    ("ore", "text"),
    [(0, "amount_out_of_range"), (100_100, "amount_out_of_range"), (4990, "not_whole_number")],
)
def test_an_amount_the_gateway_should_have_refused_is_answered_logged_and_noted(
    world: World, ore: int, text: str
) -> None:
    world.take(world.join())
    with capture_logs() as lines:
        reply = the_reply(world.take(world.pay(ore=ore)))
    assert reply.name == text
    assert (reply.values["min"], reply.values["max"]) == ("1", "1000")
    assert [line["event"] for line in lines] == ["bridge.bad_value"]
    assert OLA not in str(lines)
    assert world.value("SELECT kind FROM notes") == "bad_value"


def test_the_same_pay_again_asks_for_nothing(world: World) -> None:
    world.take(world.join())
    pay = world.pay()
    assert len(world.take(pay, pay)) == 1
    assert world.take(pay) == []


def test_the_same_settlement_again_changes_nothing_and_replies_once(world: World) -> None:
    settled = world.settled(charge(world))
    assert len(world.take(settled, settled)) == 1
    before = world.rows("SELECT * FROM entries")
    assert world.take(settled) == []
    again = world.settled(settled.charge)
    assert world.take(again) == []
    assert world.rows("SELECT * FROM entries") == before
    in_order(world)


def test_charged_after_not_charged_is_booked_marked_and_told(world: World) -> None:
    asked = charge(world)
    assert world.replies(world.settled(asked, Outcome.NOT_CHARGED, Reason.EXPIRED)) == ["failed"]
    with capture_logs() as lines:
        assert world.replies(world.settled(asked)) == ["corrected"]
    assert [line["event"] for line in lines] == ["bridge.contradiction"]
    assert world.rows("SELECT state, contradicted FROM payments") == [("charged", 1)]
    assert world.balances() == {"operator_receivable": 5000, "fee_income": -5000}
    assert world.value("SELECT kind FROM notes") == "contradiction"
    in_order(world)


def test_what_may_have_been_charged_is_not_charged_again_until_that_is_settled(world: World) -> None:
    asked = charge(world)
    world.take(world.settled(asked, Outcome.NOT_CHARGED))
    with capture_logs() as lines:
        said = world.settled(asked, Outcome.NOT_CHARGED, contradiction=Contradiction.OPEN)
        assert world.take(said) == []
    assert [line["event"] for line in lines] == ["bridge.contradiction"]
    assert world.replies(world.pay()) == ["unsettled"]
    assert world.rows("SELECT state, contradicted FROM payments") == [("not_charged", 1)]
    world.take(world.settled(asked, Outcome.NOT_CHARGED, contradiction=Contradiction.SETTLED))
    assert world.replies(world.pay()) == ["charge"]
    in_order(world)


def test_what_was_charged_after_all_is_paid(world: World) -> None:
    asked = charge(world)
    world.take(
        world.settled(asked, Outcome.NOT_CHARGED),
        world.settled(asked, Outcome.NOT_CHARGED, contradiction=Contradiction.OPEN),
    )
    assert world.replies(world.pay()) == ["unsettled"]
    assert world.replies(world.settled(asked, contradiction=Contradiction.SETTLED)) == ["corrected"]
    assert world.replies(world.pay()) == ["nothing_outstanding"]
    in_order(world)


def test_a_contradiction_that_overtakes_the_end_it_speaks_against_is_not_forgotten(world: World) -> None:
    asked = charge(world)
    said = world.settled(asked, Outcome.NOT_CHARGED, contradiction=Contradiction.OPEN)
    assert world.replies(said) == ["failed"]
    assert world.take(world.settled(asked, Outcome.NOT_CHARGED)) == []
    assert world.replies(world.pay()) == ["unsettled"]


def test_one_text_that_comes_twice_pays_one_invoice_of_several_alike(world: World) -> None:
    world.take(world.join())
    world.clock.us += 366 * DAY_US
    world.take(world.join())
    assert world.replies(world.settled(the_charge(world.take(world.pay())))) == ["paid"]
    world.clock.us += 299 * SECOND_US
    assert world.replies(world.pay(again=True)) == ["just_paid"]
    world.clock.us += 1 * SECOND_US
    assert world.replies(world.pay(again=True)) == ["charge"]
    in_order(world)


def test_whoever_certainly_texts_a_second_time_pays_the_next_invoice_alike_at_once(world: World) -> None:
    world.take(world.join())
    world.clock.us += 366 * DAY_US
    world.take(world.join())
    assert world.replies(world.settled(the_charge(world.take(world.pay())))) == ["paid"]
    assert world.replies(world.pay()) == ["charge"]
    in_order(world)


def test_a_charge_that_failed_may_be_tried_again_at_once(world: World) -> None:
    asked = charge(world)
    world.take(world.settled(asked, Outcome.NOT_CHARGED))
    assert world.replies(world.pay()) == ["charge"]


def test_not_charged_after_charged_is_kept_and_marked_but_charged_stands(world: World) -> None:
    asked = charge(world)
    world.take(world.settled(asked))
    assert world.take(world.settled(asked, Outcome.NOT_CHARGED, Reason.NO_CREDIT)) == []
    assert world.rows("SELECT state, reason, contradicted FROM payments") == [("charged", "", 1)]
    assert world.rows("SELECT outcome FROM evidence ORDER BY outcome") == [("charged",), ("not_charged",)]
    in_order(world)


def test_a_charge_of_an_invoice_paid_otherwise_is_excess_and_listed(world: World) -> None:
    first = charge(world)
    world.take(world.settled(first, Outcome.NOT_CHARGED, Reason.EXPIRED))
    second = the_charge(world.take(world.pay()))
    assert world.replies(world.settled(second)) == ["paid"]
    assert world.replies(world.settled(first)) == ["corrected"]
    assert world.balances() == {
        "operator_receivable": 10_000,
        "excess_payments": -5000,
        "fee_income": -5000,
    }
    assert world.rows("SELECT paid_ore, excess_ore FROM standings") == [(5000, 5000)]
    assert sorted(kind for (kind,) in world.rows("SELECT kind FROM notes")) == [
        "contradiction",
        "excess_payment",
    ]
    in_order(world)


def test_giving_back_one_of_two_payments_takes_from_the_excess_first(world: World) -> None:
    first = charge(world)
    world.take(world.settled(first, Outcome.NOT_CHARGED))
    second = the_charge(world.take(world.pay()))
    world.take(world.settled(first), world.settled(second))
    world.take(world.settled(first, Outcome.REFUND_DUE))
    assert world.rows("SELECT paid_ore, excess_ore FROM standings") == [(5000, 0)]
    assert world.balances() == {"operator_receivable": 10_000, "refunds": -5000, "fee_income": -5000}
    world.take(world.settled(first, Outcome.REFUNDED))
    assert world.balances() == {"operator_receivable": 5000, "fee_income": -5000}
    in_order(world)


def test_a_refund_makes_the_invoice_outstanding_again(world: World) -> None:
    asked = charge(world)
    world.take(world.settled(asked))
    assert world.take(world.settled(asked, Outcome.REFUND_DUE)) == []
    assert world.balances() == {
        "operator_receivable": 5000,
        "receivable": 5000,
        "refunds": -5000,
        "fee_income": -5000,
    }
    world.take(world.settled(asked, Outcome.REFUNDED))
    assert world.balances() == {"receivable": 5000, "fee_income": -5000}
    assert world.replies(world.pay()) == ["charge"]
    in_order(world)


def test_a_refund_that_overtakes_the_charge_books_both(world: World) -> None:
    asked = charge(world)
    world.take(world.settled(asked, Outcome.REFUNDED))
    assert world.take(world.settled(asked, Outcome.REFUND_DUE), world.settled(asked)) == []
    assert world.value("SELECT state FROM payments") == "refunded"
    assert world.balances() == {"receivable": 5000, "fee_income": -5000}
    in_order(world)


def test_an_unknown_charge_is_put_aside_whole_once_and_stops_nothing(world: World) -> None:
    asked = charge(world)
    stray = world.settled("nobody-knows")
    answers = world.take(stray, world.settled(asked))
    assert [answer.name for answer in answers if isinstance(answer, Reply)] == ["paid"]
    world.take(stray)
    assert world.rows("SELECT id, error FROM refused_messages") == [(stray.id, "unknown_charge")]
    assert world.value("SELECT count(*) FROM notes") == 1


def test_the_reply_goes_to_the_payer_in_the_payments_conversation(world: World) -> None:
    asked = charge(world)
    reply = the_reply(world.take(world.settled(asked.id)))
    assert (reply.recipient, reply.conversation, reply.org) == (OLA, asked.conversation, "ORG1")


def later(world: World, asked: Charge, outcome: Outcome, sequence: int, **more: int) -> ChargeSettled:
    return replace(world.settled(asked, outcome, Reason.BY_HAND), sequence=sequence, **more)


def test_not_charged_said_later_takes_a_payment_back_and_the_payer_is_told(world: World) -> None:
    asked = charge(world)
    assert world.replies(later(world, asked, Outcome.CHARGED, 1)) == ["paid"]
    assert world.replies(later(world, asked, Outcome.NOT_CHARGED, 4)) == ["reversed"]
    assert world.balances() == {"receivable": 5000, "fee_income": -5000}
    assert [kind for (kind,) in world.rows("SELECT kind FROM journals ORDER BY id")] == [
        "issued",
        "charged",
        "reversed",
    ]
    assert world.rows("SELECT state, contradicted FROM payments") == [("not_charged", 0)]
    assert world.replies(world.pay()) == ["charge"]
    in_order(world)


def test_a_word_that_comes_after_a_later_one_is_kept_and_changes_nothing(world: World) -> None:
    asked = charge(world)
    assert world.replies(later(world, asked, Outcome.NOT_CHARGED, 4)) == ["failed"]
    assert world.take(later(world, asked, Outcome.CHARGED, 1)) == []
    assert world.balances() == {"receivable": 5000, "fee_income": -5000}
    assert world.value("SELECT count(*) FROM evidence") == 2
    in_order(world)


def test_what_was_billed_beyond_the_price_is_owed_and_leaves_the_invoice_paid(world: World) -> None:
    asked = charge(world)
    world.take(later(world, asked, Outcome.CHARGED, 1))
    assert world.take(later(world, asked, Outcome.CHARGED, 2, overbilled=5000)) == []
    assert world.balances() == {"operator_receivable": 10_000, "refunds": -5000, "fee_income": -5000}
    assert world.rows("SELECT paid_ore, excess_ore FROM standings") == [(5000, 0)]
    assert world.rows("SELECT amount_ore, cause, state FROM refunds") == [(5000, "gateway", "due")]
    in_order(world)
    world.take(later(world, asked, Outcome.CHARGED, 3, overbilled=5000, given_back=5000))
    assert world.balances() == {"operator_receivable": 5000, "fee_income": -5000}
    assert world.rows("SELECT state, by FROM refunds") == [("refunded", "operator")]
    in_order(world)


def test_a_part_of_what_is_owed_that_was_given_back_is_a_row_of_its_own(world: World) -> None:
    asked = charge(world)
    world.take(later(world, asked, Outcome.REFUND_DUE, 1))
    world.take(later(world, asked, Outcome.REFUND_DUE, 2, given_back=2000))
    assert sorted(world.rows("SELECT amount_ore, state FROM refunds")) == [
        (2000, "refunded"),
        (3000, "due"),
        (5000, "cancelled"),
    ]
    assert world.balances() == {
        "receivable": 5000,
        "fee_income": -5000,
        "operator_receivable": 3000,
        "refunds": -3000,
    }
    in_order(world)


def test_what_the_bank_gave_back_for_a_charge_that_never_was_is_told_as_lost(world: World) -> None:
    asked = charge(world)
    world.take(later(world, asked, Outcome.CHARGED, 1))
    refund = world.by_hand(lambda hand: hand.refund(asked.id, None, "Kari", "left", credit=False))[0]
    world.by_hand(lambda hand: hand.refunded(refund, GivenBy.BANK, "Kari", "reference 17"))
    world.take(later(world, asked, Outcome.NOT_CHARGED, 2))
    assert world.balances() == {
        "receivable": 5000,
        "fee_income": -5000,
        "bank": -5000,
        "refund_losses": 5000,
    }
    in_order(world)


def test_a_refund_paid_by_the_bank_is_not_owed_again_when_more_was_billed(world: World) -> None:
    asked = charge(world)
    world.take(later(world, asked, Outcome.REFUND_DUE, 1))
    (refund,) = world.rows("SELECT id FROM refunds")
    world.by_hand(lambda hand: hand.refunded(refund[0], GivenBy.BANK, "Kari", "reference 17"))
    world.take(later(world, asked, Outcome.REFUND_DUE, 2, overbilled=1000))
    assert world.rows("SELECT sum(amount_ore) FROM refunds WHERE state = 'due'") == [(1000,)]
    in_order(world)
