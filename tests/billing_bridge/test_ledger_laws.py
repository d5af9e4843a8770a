"""Laws that hold whatever comes, how often and in which order."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge_world import World, the_charge
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from billing_bridge.audit import audit
from billing_bridge.invoicing import ledger
from billing_bridge.payments.refunds import Keep, changes
from billing_bridge.records import Cause, Invoice, Refund, RefundState
from foundation.contract import Charge, Contradiction, FromGateway, Outcome, Reply

OUTCOMES = st.sampled_from(Outcome)
NUMBERS = ["+4799999901", "+4799999902", "+4799999903"]


def end_state(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """All that must not depend on the order in which a gateway's words come."""
    return {
        "balances": sorted(world.balances().items()),
        "standings": world.rows("SELECT * FROM standings ORDER BY invoice"),
        "payments": world.rows(
            "SELECT id, state, contradicted, sequence, overbilled_ore, given_back_ore "
            "FROM payments ORDER BY id"
        ),
        "refunds": world.rows(
            "SELECT payment, state, sum(amount_ore) FROM refunds WHERE state <> 'cancelled' "
            "GROUP BY 1, 2 ORDER BY 1, 2"
        ),
        "evidence": world.rows("SELECT id, outcome FROM evidence ORDER BY id"),
        "sms": world.rows("SELECT id, fate FROM sms ORDER BY id"),
        "conversations": world.rows("SELECT id, person, opened_us, last_us FROM conversations ORDER BY id"),
    }


def laws(world: World) -> None:
    assert audit(world.tx).differences == ()
    assert world.rows("SELECT journal FROM entries GROUP BY journal HAVING sum(amount_ore) <> 0") == []
    numbers = [number for (number,) in world.rows("SELECT number FROM invoices ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))


POSTINGS = st.tuples(
    st.sampled_from(["settle", "overbill", "refund", "give back", "credit"]), st.integers(-100_000, 100_000)
)


@given(st.integers(1, 100_000), st.lists(POSTINGS, max_size=12))
def test_every_journal_sums_to_zero_and_no_invoice_is_paid_beyond_itself_unmarked(
    amount_ore: int, postings: list[tuple[str, int]]
) -> None:
    invoice = Invoice(
        id="i", org="ORG1", person="p", kind="membership_fee", amount_ore=amount_ore, period="", due="",
        kid="", account="",
    )  # fmt: skip
    balances: dict[str, int] = defaultdict(int)

    def book(lines: Sequence[tuple[str, int]]) -> None:
        assert sum(moved_ore for _, moved_ore in lines) == 0
        assert all(moved_ore for _, moved_ore in lines)
        assert len({account for account, _ in lines}) == len(lines) >= 2
        for account, moved_ore in lines:
            balances[account] += moved_ore
        assert invoice.paid_ore + invoice.credited_ore <= amount_ore
        assert min(invoice.paid_ore, invoice.excess_ore, invoice.lost_ore, invoice.credited_ore) >= 0
        assert not (invoice.excess_ore and invoice.outstanding_ore)
        assert not (invoice.lost_ore and invoice.paid_ore)
        assert balances["receivable"] == invoice.outstanding_ore
        assert balances["excess_payments"] == -invoice.excess_ore
        assert balances["refund_losses"] == invoice.lost_ore

    issued = ledger.issue(invoice.kind, amount_ore)
    book(issued)
    for kind, moved_ore in postings:
        found: list[tuple[Any, Any]] = []
        if kind == "settle":
            found = ledger.settle(invoice, moved_ore, 0)
        elif kind == "overbill":
            found = ledger.settle(invoice, 0, moved_ore)
        elif kind == "credit" and 0 < moved_ore <= amount_ore - invoice.credited_ore:
            found = [("", ledger.credit(invoice, moved_ore))]
        elif moved_ore > 0:
            state = RefundState.REFUNDED if kind == "give back" else RefundState.DUE
            found = ledger.refund(invoice, moved_ore, "", state, "bank" if moved_ore % 2 else "operator")
        for place, (_, lines) in enumerate(found):
            if place == len(found) - 1:
                book(lines)
            else:
                # the standing is as after the last of them
                assert sum(each for _, each in lines) == 0
                for account, each_ore in lines:
                    balances[account] += each_ore


@given(
    st.lists(
        st.tuples(
            st.integers(1, 60),
            st.sampled_from(list(Cause)),
            st.sampled_from([("due", ""), ("refunded", "operator"), ("refunded", "bank"), ("cancelled", "")]),
        ),
        max_size=6,
    ),
    st.integers(0, 200),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_refunds_are_brought_to_what_the_gateway_says_without_touching_what_people_made(
    rows: list[tuple[int, Cause, tuple[str, str]]], owed_ore: int, given_ore: int, more_ore: int
) -> None:
    refunds = [
        Refund(str(place), "p", ore, cause, state, by) for place, (ore, cause, (state, by)) in enumerate(rows)
    ]
    given_ore, billed_ore = min(given_ore, owed_ore), owed_ore + more_ore
    after = {each.id: (each.amount_ore, each.state) for each in refunds}
    for place, change in enumerate(changes(refunds, owed_ore, given_ore, billed_ore)):
        if isinstance(change, Keep):
            assert change.amount_ore > 0
            after[f"new {place}"] = (change.amount_ore, change.state)
        else:
            assert change.refund.cause == Cause.GATEWAY
            assert change.refund.by != "bank"
            after[change.refund.id] = (change.refund.amount_ore, change.state)
    others = {each.id for each in refunds if each.cause != Cause.GATEWAY or each.by == "bank"}
    by_bank = sum(
        each.amount_ore
        for each in refunds
        if each.cause == Cause.GATEWAY and each.by == "bank" and each.state == "refunded"
    )
    by_hand = [each for each in refunds if each.cause == Cause.BY_HAND and each.state != "cancelled"]
    mine = [value for key, value in after.items() if key not in others]
    given = sum(ore for ore, state in mine if state == "refunded")
    due = sum(ore for ore, state in mine if state == "due")
    by_operator = sum(each.amount_ore for each in by_hand if each.by == "operator")
    assert given == min(given_ore, max(billed_ore - by_operator, 0))
    left_ore = billed_ore - sum(each.amount_ore for each in by_hand)
    assert due == max(min(owed_ore, left_ore) - by_bank, given) - given
    # nothing is to be paid that was not billed, or is paid back or to be by hand
    assert not due or due + given + by_bank <= left_ore


def _two_charges(world: World) -> tuple[Charge, Charge]:
    """One invoice with two attempts, the first of which was given up."""
    world.take(world.join())
    first = the_charge(world.take(world.pay()))
    world.take(world.settled(first, Outcome.NOT_CHARGED))
    return first, the_charge(world.take(world.pay()))


WORDS = st.tuples(
    st.integers(0, 1),
    OUTCOMES,
    st.integers(0, 4),
    st.sampled_from([0, 0, 2500, 5000]),
    st.integers(0, 3),
    st.sampled_from(["", "", "", "open", "settled"]),
)
"""Which charge, what became of it, its place in the order, what was billed beyond it, how much given back,
and whether the gateway has evidence against it."""


@settings(max_examples=80)
@given(st.data())
def test_no_order_and_no_repetition_of_a_gateways_words_changes_the_end(data: st.DataObject) -> None:
    words = data.draw(st.lists(WORDS, min_size=1, max_size=7))
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
            said: list[FromGateway] = [
                replace(
                    world.settled(charges[which], outcome),
                    sequence=order,
                    overbilled=beyond,
                    given_back=beyond * given // 3,
                    operator="telco",
                    contradiction=Contradiction(doubt),
                )
                for which, outcome, order, beyond, given, doubt in words
            ]
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
        assert (
            world.value("SELECT coalesce(sum(paid_ore + excess_ore - lost_ore), 0) FROM standings") == charged
        )
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


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=12))
def test_numbers_of_credit_notes_have_no_gaps_however_they_are_broken_off(
    steps: list[tuple[int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        given_out = []
        for place, (kr, broken_off) in enumerate(steps):
            world.take(world.join(f"+479000{place:04d}", f"N {place}"))
            kid = world.value("SELECT kid FROM invoices ORDER BY number DESC LIMIT 1")
            world.connection.execute("BEGIN IMMEDIATE")
            number = world.hand().credit(kid, kr * 100, "Kari", "by mistake")
            world.connection.execute("ROLLBACK" if broken_off else "COMMIT")
            given_out += [] if broken_off else [number]
        assert given_out == [f"K{number}" for number in range(1, len(given_out) + 1)]
        laws(world)
        world.close()
