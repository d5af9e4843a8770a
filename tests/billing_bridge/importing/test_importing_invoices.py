"""Taking over outstanding invoices."""

from __future__ import annotations

import pytest
from bridge_world import KARI, OLA, World, the_charge

from billing_bridge.audit import audit
from billing_bridge.importing.invoices import read_invoices, write_invoices
from billing_bridge.importing.people import read_people, write_people
from billing_bridge.importing.reader import Imported, ImportRefusedError
from foundation.clock import SECOND_US

HEADER = "organisation,number,kind,amount_kr,period,due\n"
GOOD = f"ORG1,{OLA},membership_fee,50,2026,2026-12-31\n"


@pytest.fixture
def register(world: World) -> World:
    """Ola alone with his number; Per and Anne sharing one."""
    rows = f"organisation,name,number\nORG1,Ola,{OLA}\nORG1,Per,{KARI}\nORG1,Anne,{KARI}\n"
    write_people(world.tx, read_people(rows.encode(), world.settings), world.ids, world.clock)
    return world


def take(world: World, text: str) -> Imported:
    file = read_invoices(text.encode(), world.settings)
    world.connection.execute("BEGIN IMMEDIATE")
    try:
        done = write_invoices(world.tx, file, world.settings, world.ids, world.clock)
    except ImportRefusedError:
        world.connection.execute("ROLLBACK")
        raise
    world.connection.execute("COMMIT")
    return done


def test_an_invoice_gets_number_kid_and_its_place_in_the_ledger(register: World) -> None:
    assert take(register, HEADER + GOOD + f"org1,{OLA},Donation,200,2025,2025-06-30\n") == Imported(2, 0)
    assert register.rows(
        "SELECT number, kid, kind, amount_ore, period, issued, due FROM invoices ORDER BY number"
    ) == [
        (1, "100000000016", "membership_fee", 5000, "2026", "2026-11-23", "2026-12-31"),
        (2, "100000000024", "donation", 20_000, "2025", "2026-11-23", "2025-06-30"),
    ]
    assert register.balances() == {
        "receivable": 25_000,
        "fee_income": -5000,
        "donation_income": -20_000,
    }
    assert audit(register.tx).differences == ()


def test_whoever_is_invoiced_a_fee_is_a_member_of_that_period(register: World) -> None:
    fees = (
        f"ORG1,{OLA},membership_fee,50,2025-H2,2025-12-31\nORG1,{OLA},membership_fee,60,2025-H1,2025-06-30\n"
    )
    take(register, HEADER + GOOD + fees + f"ORG1,{OLA},donation,50,2024,2024-12-31\n")
    assert register.rows("SELECT year FROM memberships ORDER BY year") == [(2025,), (2026,)]
    assert register.replies(register.join(name="Ola")) == ["already_member"]
    assert register.replies(register.status()) == ["status_unpaid"]
    for kr in (50, 50, 60):
        register.take(register.settled(the_charge(register.take(register.pay(kr)))))
        register.clock.us += 300 * SECOND_US
    assert register.replies(register.status()) == ["status_paid"]


def test_an_imported_invoice_is_paid_by_betal(register: World) -> None:
    take(register, HEADER + GOOD)
    assert the_charge(register.take(register.pay())).amount == 5000


def test_invoices_that_are_there_already_are_skipped_and_numbers_stay_gapless(register: World) -> None:
    take(register, HEADER + GOOD)
    more = HEADER + GOOD + f"ORG1,{OLA},membership_fee,50,2025,2025-12-31\n"
    assert take(register, more) == Imported(1, 1)
    assert register.rows("SELECT number FROM invoices ORDER BY number") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (f"ORG9,{OLA},membership_fee,50,2026,2026-12-31", "organisation"),
        ("ORG1,+4799999977,membership_fee,50,2026,2026-12-31", "number"),
        (f"ORG1,{KARI},membership_fee,50,2026,2026-12-31", "number"),
        ("ORG1,12,membership_fee,50,2026,2026-12-31", "number"),
        (f"ORG1,{OLA},gift,50,2026,2026-12-31", "kind"),
        (f"ORG1,{OLA},membership_fee,0,2026,2026-12-31", "amount_kr"),
        (f"ORG1,{OLA},membership_fee,-5,2026,2026-12-31", "amount_kr"),
        (f"ORG1,{OLA},membership_fee,49.90,2026,2026-12-31", "amount_kr"),
        (f"ORG1,{OLA},membership_fee,５０,2026,2026-12-31", "amount_kr"),
        (f"ORG1,{OLA},membership_fee,9999999999,2026,2026-12-31", "amount_kr"),
        (f"ORG1,{OLA},membership_fee,,2026,2026-12-31", "amount_kr"),
        (f"ORG1,{OLA},membership_fee,50,next year,2026-12-31", "period"),
        (f"ORG1,{OLA},membership_fee,50,2026,31.12.2026", "due"),
        (f"ORG1,{OLA},membership_fee,50,2026,20261231", "due"),
        (f"ORG1,{OLA},membership_fee,50,2026,2026-02-30", "due"),
    ],
)
def test_a_wrong_row_is_told_and_nothing_is_taken(register: World, row: str, column: str) -> None:
    with pytest.raises(ImportRefusedError) as refused:
        take(register, HEADER + GOOD + row + "\n")
    assert [(fault.line, fault.column) for fault in refused.value.faults] == [(3, column)]
    assert register.value("SELECT count(*) FROM invoices") == 0


def test_the_same_invoice_twice_in_a_file_is_refused(register: World) -> None:
    with pytest.raises(ImportRefusedError, match="the same invoice stands in line 2"):
        take(register, HEADER + GOOD + GOOD)


def test_a_shared_number_is_refused_with_advice_and_masked(register: World) -> None:
    with pytest.raises(ImportRefusedError) as refused:
        take(register, HEADER + f"ORG1,{KARI},donation,50,2026,2026-12-31\n")
    assert "2 persons of ORG1 share" in str(refused.value)
    assert "a number of their own" in str(refused.value)
    assert KARI not in str(refused.value)
