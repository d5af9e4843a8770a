"""Laws that hold whatever comes, how often and in which order."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge_world import World, the_charge
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_bridge.audit import audit
from billing_bridge.invoicing.ledger import settle
from billing_bridge.records import Invoice, State
from foundation.contract import Charge, FromGateway, Outcome, Reply

OUTCOMES = st.sampled_from(Outcome)
NUMBERS = ["+4799999901", "+4799999902", "+4799999903"]


def end_state(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """All that must not depend on the order in which a gateway's words come."""
    return {
        "balances": sorted(world.balances().items()),
        "standings": world.rows("SELECT * FROM standings ORDER BY invoice"),
        "payments": world.rows("SELECT id, state, contradicted FROM payments ORDER BY id"),
        "evidence": world.rows("SELECT id, outcome FROM evidence ORDER BY id"),
        "sms": world.rows("SELECT id, fate FROM sms ORDER BY id"),
        "conversations": world.rows("SELECT id, person, opened_us, last_us FROM conversations ORDER BY id"),
    }


def laws(world: World) -> None:
    assert audit(world.tx).differences == ()
    assert world.rows("SELECT journal FROM entries GROUP BY journal HAVING sum(amount_ore) <> 0") == []
    numbers = [number for (number,) in world.rows("SELECT number FROM invoices ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))


@given(st.lists(OUTCOMES, min_size=1, max_size=6), st.integers(1, 100_000), st.integers(0, 100_000))
def test_every_journal_of_a_settlement_sums_to_zero(
    outcomes: list[Outcome], amount_ore: int, paid_ore: int
) -> None:
    invoice = Invoice(
        id="i", org="ORG1", person="p", kind="membership_fee", amount_ore=amount_ore, period="", due="",
        kid="", account="", paid_ore=min(paid_ore, amount_ore), excess_ore=max(0, paid_ore - amount_ore),
    )  # fmt: skip
    state = State.PENDING
    order = list(State)
    for outcome in outcomes:
        after = State(outcome.value)
        if order.index(after) <= order.index(state):
            continue
        for _, lines in settle(invoice, amount_ore, state, after):
            assert sum(moved_ore for _, moved_ore in lines) == 0
            assert all(lines)
        state = after
        assert invoice.paid_ore + invoice.excess_ore >= 0
        assert 0 <= invoice.paid_ore <= amount_ore


def _two_charges(world: World) -> tuple[Charge, Charge]:
    """One invoice with two attempts, the first of which was given up."""
    world.take(world.join())
    first = the_charge(world.take(world.pay()))
    world.take(world.settled(first, Outcome.NOT_CHARGED))
    return first, the_charge(world.take(world.pay()))


@settings(max_examples=60)
@given(st.data())
def test_no_order_and_no_repetition_of_a_gateways_words_changes_the_end(data: st.DataObject) -> None:
    words = data.draw(st.lists(st.tuples(st.integers(0, 1), OUTCOMES), min_size=1, max_size=6))
    seed = data.draw(st.integers(0, 2**32))
    with tempfile.TemporaryDirectory() as folder:
        ends = []
        for run in range(2):
            shuffled = random.Random(seed + run)
            place = Path(folder) / str(run)
            place.mkdir()
            world = World(place)
            charges = _two_charges(world)
            sms = world.message()
            said: list[FromGateway] = [world.settled(charges[which], outcome) for which, outcome in words]
            said += [sms, world.state(sms, data_fate(len(words)), after_us=3)]
            if run:
                said += shuffled.choices(said, k=len(said))
                shuffled.shuffle(said)
            for part in _cut(said, shuffled if run else None):
                world.take(*part)
            laws(world)
            ends.append(end_state(world))
            world.close()
        assert ends[1] == ends[0]


def data_fate(seed: int) -> Any:
    from foundation.contract import MessageFate

    return list(MessageFate)[seed % len(MessageFate)]


def _cut(said: Sequence[FromGateway], chance: random.Random | None) -> list[Sequence[FromGateway]]:
    if chance is None:
        return [[one] for one in said]
    cuts = sorted({0, len(said), *(chance.randrange(len(said)) for _ in range(3))})
    return [said[start:end] for start, end in itertools.pairwise(cuts)]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(["join", "pay", "settle", "again"]), st.integers(0, 2), OUTCOMES),
        max_size=25,
    )
)
def test_whatever_members_do_the_books_are_in_order(steps: list[tuple[str, int, Outcome]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        charges: list[Charge] = []
        sent: list[FromGateway] = []
        for step, which, outcome in steps:
            number = NUMBERS[which]
            message: FromGateway
            if step == "join":
                message = world.join(number, f"Navn {which}", charge=outcome is Outcome.CHARGED)
            elif step == "pay":
                message = world.pay(sender=number)
            elif step == "settle" and charges:
                message = world.settled(charges[which % len(charges)], outcome)
            elif sent:
                before = world.rows("SELECT * FROM entries")
                assert world.take(sent[which % len(sent)]) == []
                assert world.rows("SELECT * FROM entries") == before
                continue
            else:
                continue
            sent.append(message)
            answers = world.take(message)
            charges += [answer for answer in answers if isinstance(answer, Charge)]
            assert len([answer for answer in answers if isinstance(answer, Reply)]) <= 1
        laws(world)
        charged = world.value("SELECT coalesce(sum(amount_ore), 0) FROM payments WHERE state = 'charged'")
        assert world.value("SELECT coalesce(sum(paid_ore + excess_ore), 0) FROM standings") == charged
        world.close()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
@settings(max_examples=15)
def test_numbers_have_no_gaps_however_joins_are_batched_and_broken_off(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        person = itertools.count(1)
        for place, size in enumerate(sizes):
            batch = [world.join(f"+479000{next(person):04d}", f"N {place}") for _ in range(size)]
            if place % 2:
                world.connection.execute("BEGIN IMMEDIATE")
                world.bridge.handle(world.tx, batch, "smsd")
                world.connection.execute("ROLLBACK")
            else:
                world.take(*batch)
        laws(world)
        world.close()
