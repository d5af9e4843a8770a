"""Joining, asking for status, stopping."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from bridge_world import KARI, OLA, World, bridge_settings, organisation, the_reply
from structlog.testing import capture_logs

from billing_bridge.importing.people import read_people, write_people
from foundation.clock import to_us
from foundation.contract import Outcome


def register(world: World, *rows: str) -> None:
    """People as an import makes them."""
    text = "organisation,name,number,email,comment\n" + "\n".join(rows)
    write_people(world.tx, read_people(text.encode(), world.settings), world.ids, world.clock)


@pytest.mark.parametrize(
    ("moment", "year"),
    [
        (datetime(2026, 12, 31, 22, 59, 59, 999999, UTC), 2026),
        (datetime(2026, 12, 31, 23, 0, 0, 0, UTC), 2027),
        (datetime(2026, 6, 30, 22, 30, tzinfo=UTC), 2026),
        (datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC), 2027),
        (datetime(2026, 10, 25, 1, 0, tzinfo=UTC), 2026),
    ],
)
def test_the_year_of_a_membership_is_the_year_in_oslo(world: World, moment: datetime, year: int) -> None:
    world.take(world.join(at=to_us(moment)))
    assert world.value("SELECT year FROM memberships") == year
    assert world.value("SELECT period FROM invoices") == str(year)


def test_a_text_of_new_years_eve_that_comes_in_the_new_year_joins_the_old_one(world: World) -> None:
    world.clock.us = to_us(datetime(2027, 1, 1, 9, 0, tzinfo=UTC))
    world.take(world.join(at=to_us(datetime(2026, 12, 31, 22, 0, tzinfo=UTC))))
    assert world.value("SELECT year FROM memberships") == 2026
    assert world.rows("SELECT period, issued, due FROM invoices") == [("2026", "2027-01-01", "2027-01-15")]


@pytest.mark.parametrize(
    ("day", "due"),
    [
        (datetime(2026, 3, 28, 12, tzinfo=UTC), "2026-04-11"),
        (datetime(2026, 10, 24, 22, 30, tzinfo=UTC), "2026-11-08"),
        (datetime(2028, 2, 20, 12, tzinfo=UTC), "2028-03-05"),
    ],
)
def test_the_due_day_is_counted_in_days_over_a_change_of_clocks(
    world: World, day: datetime, due: str
) -> None:
    world.clock.us = to_us(day)
    world.take(world.join())
    assert world.value("SELECT due FROM invoices") == due


def test_joining_twice_in_a_year_is_answered_with_the_registers_name(world: World) -> None:
    world.take(world.join())
    reply = the_reply(world.take(world.join(name="Ola N.")))
    assert (reply.name, reply.values["name"]) == ("already_member", "Ola Nordmann")
    assert world.value("SELECT count(*) FROM memberships") == 1
    assert world.value("SELECT count(*) FROM invoices") == 1
    assert world.value("SELECT kind FROM notes") == "name_differs"


def test_joining_again_next_year_gives_the_same_person_a_new_membership(world: World) -> None:
    world.take(world.join())
    world.clock.us = to_us(datetime(2027, 2, 1, tzinfo=UTC))
    assert world.replies(world.join()) == ["joined"]
    assert world.rows("SELECT year FROM memberships ORDER BY year") == [(2026,), (2027,)]
    assert world.value("SELECT count(*) FROM people") == 1


def test_a_known_person_keeps_the_name_and_a_differing_one_is_noted(world: World) -> None:
    register(world, f"ORG1,Ola Nordmann,{OLA},ola@example.org,")
    assert world.replies(world.join(name="Ole Normann")) == ["joined"]
    assert world.value("SELECT name FROM people") == "Ola Nordmann"
    ((kind, text, person),) = world.rows("SELECT kind, text, person FROM notes")
    assert kind == "name_differs"
    assert "Ole Normann" in text
    assert person == world.value("SELECT id FROM people")


def test_mail_to_an_address_that_only_a_text_vouches_for_is_not_due(world: World) -> None:
    register(world, f"ORG1,Ola Nordmann,{OLA},ola@example.org,", f"ORG1,Kari Nordmann,{KARI},,")
    world.take(world.join(email="tyv@example.org"), world.join(KARI, "Kari Nordmann", "kari@example.org"))
    assert world.value("SELECT count(*) FROM mail_due") == 0
    assert world.value("SELECT count(*) FROM notes WHERE kind = 'email_differs'") == 2


def test_of_several_with_the_number_the_one_named_joins(world: World) -> None:
    register(world, f"ORG1,Per Hansen,{OLA},per@example.org,", f"ORG1,Anne Hansen,{OLA},anne@example.org,")
    assert world.replies(world.join(name="Anne Hansen", email="x@example.org")) == ["joined"]
    assert world.value("SELECT p.name FROM memberships m JOIN people p ON p.id = m.person") == "Anne Hansen"
    assert world.replies(world.join(name="Ola Hansen", email="y@example.org")) == ["several_persons"]


def test_the_same_number_in_another_organisation_is_another_person(tmp_path: Path) -> None:
    two = bridge_settings(organisation(), organisation("ORG2", account="99990000014"))
    world = World(tmp_path, two)
    assert world.replies(world.join(), world.join(org="ORG2")) == ["joined", "joined"]
    assert world.rows("SELECT org FROM people ORDER BY org") == [("ORG1",), ("ORG2",)]
    assert world.rows("SELECT org, number FROM invoices ORDER BY org") == [("ORG1", 1), ("ORG2", 1)]
    world.close()


@pytest.mark.parametrize("fees", [(), (("Ordinær", 50, False),)])
def test_without_an_active_fee_nobody_joins(tmp_path: Path, fees: tuple[tuple[str, int, bool], ...]) -> None:
    world = World(tmp_path, bridge_settings(organisation(fees=fees)))
    assert world.replies(world.join(charge=True)) == ["no_active_fee"]
    assert world.value("SELECT count(*) FROM people") == 0
    world.close()


def test_the_first_active_fee_is_the_one_joined(tmp_path: Path) -> None:
    fees = (("Gammal", 10, False), ("Vaksen", 120, True), ("Barn", 60, True))
    world = World(tmp_path, bridge_settings(organisation(fees=fees)))
    world.take(world.join())
    assert world.rows("SELECT category, amount_ore FROM invoices") == [("Vaksen", 12_000)]
    world.close()


def test_a_free_membership_has_no_invoice_and_no_charge(tmp_path: Path) -> None:
    world = World(tmp_path, bridge_settings(organisation(fees=(("Gratis", 0, True),))))
    assert world.replies(world.join(charge=True)) == ["joined"]
    assert world.value("SELECT count(*) FROM invoices") == 0
    assert world.value("SELECT count(*) FROM memberships") == 1
    world.close()


def test_a_fee_beyond_what_a_text_may_pay_is_invoiced_but_not_charged(tmp_path: Path) -> None:
    world = World(tmp_path, bridge_settings(organisation(fees=(("Dyr", 1500, True),))))
    assert world.replies(world.join(charge=True)) == ["joined"]
    assert world.value("SELECT count(*) FROM payments") == 0
    assert world.value("SELECT kind FROM notes") == "bad_value"
    world.close()


def test_a_synchronised_fee_that_is_no_longer_configured_is_inactive(world: World) -> None:
    world.bridge.configure(bridge_settings(organisation(fees=(("Ny", 70, True),))))
    world.bridge.synchronise(world.tx)
    assert world.rows("SELECT category, amount_ore, active FROM fee_categories ORDER BY category") == [
        ("Ny", 7000, 1),
        ("Ordinær", 5000, 0),
    ]


def test_status_tells_unpaid_then_paid_then_none(world: World) -> None:
    assert world.replies(world.status()) == ["unknown_number"]
    answers = world.take(world.join(charge=True))
    reply = the_reply(world.take(world.status()))
    assert (reply.name, reply.values["amount"], reply.values["account"], reply.values["kid"]) == (
        "status_unpaid",
        "50",
        "12345678903",
        world.value("SELECT kid FROM invoices"),
    )
    world.take(world.settled(answers[1].id, Outcome.CHARGED))
    assert world.replies(world.status()) == ["status_paid"]
    world.clock.us = to_us(datetime(2027, 1, 2, tzinfo=UTC))
    assert world.replies(world.status()) == ["status_none"]


def test_status_of_a_shared_number_says_so(world: World) -> None:
    register(world, f"ORG1,Per Hansen,{OLA},,", f"ORG1,Anne Hansen,{OLA},,")
    assert world.replies(world.status()) == ["several_persons"]


def test_stop_is_recorded_for_number_and_organisation_once(world: World) -> None:
    stop, all_of_them = world.stop(), world.stop(org="")
    assert world.take(stop, all_of_them, stop) == []
    assert world.take(stop) == []
    assert world.rows("SELECT number, org FROM withdrawals ORDER BY org") == [(OLA, ""), (OLA, "ORG1")]


@pytest.mark.parametrize("kind", ["join", "pay", "status", "stop"])
def test_an_unknown_organisation_is_noted_and_logged_without_private_things(world: World, kind: str) -> None:
    with capture_logs() as lines:
        assert world.take(getattr(world, kind)(org="ORG9")) == []
    assert world.value("SELECT kind FROM notes") == "unknown_organisation"
    assert [line["event"] for line in lines] == ["bridge.unknown_organisation"]
    assert OLA not in str(lines)
    assert "Ola" not in str(lines)


def test_an_empty_name_is_answered_and_noted(world: World) -> None:
    assert world.replies(world.join(name="  ")) == ["no_name"]
    assert world.value("SELECT count(*) FROM people") == 0
