"""Nobody is to be paid back what they have back already, whether a person or the gateway said it first."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from bridge_world import World, the_charge
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from billing_bridge.audit import audit
from billing_bridge.cli_tools import in_one_transaction
from billing_bridge.payments.by_hand import ByHand, CannotDo
from billing_bridge.records import GivenBy
from foundation.contract import Charge, Outcome

T = TypeVar("T")


def by_hand(world: World, act: Callable[[ByHand], T]) -> T:
    return in_one_transaction(
        world.connection, lambda tx: act(ByHand(tx, world.settings, world.ids, world.clock))
    )


def owed(world: World, charge: Charge, amount_ore: int | None = None, *, credit: bool = True) -> str:
    return by_hand(world, lambda hand: hand.refund(charge.id, amount_ore, "Kari", "left", credit=credit))[0]


def made(world: World, refund: str, by: GivenBy = GivenBy.BANK) -> None:
    by_hand(world, lambda hand: hand.refunded(refund, by, "Kari", "reference 17"))


def cancel(world: World, refund: str) -> None:
    by_hand(world, lambda hand: hand.cancel(refund, "Kari", "they have it"))


def say(world: World, charge: Charge, outcome: Outcome, sequence: int, **fields: Any) -> None:
    """What the gateway says of a charge, later than all before."""
    word = replace(world.settled(charge, outcome), id=f"w{sequence}", sequence=sequence, operator="telco")
    world.take(replace(word, **fields))


def refunds(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT cause, state, by, amount_ore FROM refunds ORDER BY id")


def in_order(world: World) -> bool:
    return audit(world.tx).differences == ()


@pytest.fixture(name="paid")
def _paid(world: World) -> Charge:
    """A charge of 50 kr."""
    world.take(world.join())
    charge = the_charge(world.take(world.pay()))
    say(world, charge, Outcome.CHARGED, 1)
    return charge


def test_what_the_bank_paid_back_is_not_due_again_by_the_gateways_word(world: World, paid: Charge) -> None:
    made(world, owed(world, paid))
    say(world, paid, Outcome.REFUND_DUE, 2)
    assert refunds(world) == [("by_hand", "refunded", "bank", 5000)]
    assert in_order(world)


def test_what_a_person_owes_in_part_leaves_the_gateway_the_rest(world: World, paid: Charge) -> None:
    part = owed(world, paid, 2000, credit=False)
    say(world, paid, Outcome.REFUND_DUE, 2)
    assert refunds(world) == [("by_hand", "due", "", 2000), ("gateway", "due", "", 3000)]
    assert in_order(world)
    cancel(world, part)
    assert [row for row in refunds(world) if row[1] == "due"] == [
        ("gateway", "due", "", 3000),
        ("gateway", "due", "", 2000),
    ]
    assert in_order(world)


def test_what_the_operator_gave_back_meanwhile_cannot_be_paid_again_and_is_cancelled(
    world: World, paid: Charge
) -> None:
    refund = owed(world, paid)
    say(world, paid, Outcome.REFUNDED, 2)
    assert "50 kr more than was billed are paid back or to be" in str(world.rows("SELECT text FROM notes"))
    for by in GivenBy:
        with pytest.raises(
            CannotDo, match="has 50 kr back already of the 50 kr that were billed; do not pay 50"
        ):
            made(world, refund, by)
    cancel(world, refund)
    assert [row for row in refunds(world) if row[1] != "cancelled"] == [
        ("gateway", "refunded", "operator", 5000)
    ]
    assert world.balances() == {}
    assert in_order(world)


def test_what_a_person_said_that_the_operator_gave_back_is_not_counted_twice(
    world: World, paid: Charge
) -> None:
    made(world, owed(world, paid, 2000, credit=False), GivenBy.OPERATOR)
    say(world, paid, Outcome.REFUNDED, 2)
    assert refunds(world) == [
        ("by_hand", "refunded", "operator", 2000),
        ("gateway", "refunded", "operator", 3000),
    ]
    assert world.value("SELECT lost_ore FROM standings") == 0
    assert in_order(world)


def test_what_was_never_charged_after_all_is_not_paid_back(world: World, paid: Charge) -> None:
    refund = owed(world, paid, credit=False)
    say(world, paid, Outcome.NOT_CHARGED, 2)
    with pytest.raises(CannotDo, match="has 0 kr back already of the 0 kr that were billed"):
        made(world, refund)
    cancel(world, refund)
    assert in_order(world)


def test_a_second_billing_is_owed_beside_what_a_person_owes_of_the_price(world: World, paid: Charge) -> None:
    owed(world, paid)
    say(world, paid, Outcome.CHARGED, 2, overbilled=5000, given_back=5000)
    assert refunds(world) == [("by_hand", "due", "", 5000), ("gateway", "refunded", "operator", 5000)]
    assert in_order(world)


STEPS = st.one_of(
    st.tuples(st.just("owe"), st.integers(1, 5000), st.booleans()),
    st.tuples(st.just("made"), st.integers(0, 5), st.sampled_from(list(GivenBy))),
    st.tuples(st.just("cancel"), st.integers(0, 5), st.none()),
    st.tuples(st.just("say"), st.sampled_from(list(Outcome)), st.sampled_from([0, 2500, 5000])),
)


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=9))
def test_whatever_people_and_the_gateway_say_nothing_is_due_that_is_paid_back(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.take(world.join())
        charge = the_charge(world.take(world.pay()))
        say(world, charge, Outcome.CHARGED, 1)
        for place, (what, first, second) in enumerate(steps, 2):
            ids = [row[0] for row in world.rows("SELECT id FROM refunds ORDER BY id")]
            try:
                if what == "owe":
                    owed(world, charge, first, credit=second)
                elif what == "say":
                    say(world, charge, first, place, overbilled=second, given_back=second // 2)
                elif ids and what == "made":
                    made(world, ids[first % len(ids)], second)
                elif ids:
                    cancel(world, ids[first % len(ids)])
            except CannotDo:
                pass
            assert audit(world.tx).differences == ()
            gateways_due = "cause = 'gateway' AND state = 'due'"
            (due,) = world.rows(f"SELECT coalesce(sum(amount_ore), 0) FROM refunds WHERE {gateways_due}")[0]
            (live,) = world.rows("SELECT sum(amount_ore) FROM refunds WHERE state <> 'cancelled'")[0]
            (billed,) = world.rows(
                "SELECT CASE WHEN state IN ('charged', 'refund_due', 'refunded') "
                "THEN amount_ore + overbilled_ore ELSE 0 END FROM payments"
            )[0]
            assert not due or live <= billed
        world.close()
