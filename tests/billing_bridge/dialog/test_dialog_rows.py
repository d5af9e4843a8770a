"""Every SMS in and out with its fate, whatever the order."""

from __future__ import annotations

import pytest
from bridge_world import KARI, OLA, World
from hypothesis import given
from hypothesis import strategies as st

from billing_bridge.dialog.fates import FINAL, fate_order
from billing_bridge.importing.people import read_people, write_people
from foundation.contract import Direction, MessageFate, SmsSettled


def fate(world: World) -> tuple[str, str]:
    ((found, reason),) = world.rows("SELECT fate, reason FROM sms")
    return found, reason


def test_an_sms_is_kept_with_its_text_and_its_latest_fate(world: World) -> None:
    sms = world.message(direction=Direction.OUT, text="Takk", fate=MessageFate.QUEUED)
    world.take(sms)
    assert world.rows("SELECT direction, number, text, fate FROM sms") == [("out", OLA, "Takk", "queued")]
    world.take(world.state(sms, MessageFate.ACCEPTED, after_us=1))
    world.take(world.state(sms, MessageFate.UNDELIVERED, after_us=2, reason="absent"))
    assert fate(world) == ("undelivered", "absent")


def test_a_final_fate_is_not_replaced_by_a_later_one_that_is_not(world: World) -> None:
    sms = world.message(direction=Direction.OUT)
    world.take(sms, world.state(sms, MessageFate.DELIVERED, after_us=5))
    world.take(world.state(sms, MessageFate.ACCEPTED, after_us=9))
    assert fate(world)[0] == "delivered"


def test_an_older_fate_that_comes_late_changes_nothing(world: World) -> None:
    sms = world.message(direction=Direction.OUT)
    world.take(sms, world.state(sms, MessageFate.ACCEPTED, after_us=9))
    world.take(world.state(sms, MessageFate.SENDING, after_us=5))
    assert fate(world)[0] == "accepted"


def test_a_fate_before_its_sms_waits_for_it(world: World) -> None:
    sms = world.message(direction=Direction.OUT, fate=MessageFate.QUEUED)
    world.take(world.state(sms, MessageFate.DELIVERED, after_us=9))
    world.take(world.state(sms, MessageFate.ACCEPTED, after_us=5))
    assert world.rows("SELECT * FROM sms") == []
    world.take(sms)
    assert fate(world)[0] == "delivered"
    assert world.rows("SELECT * FROM early_fates") == []


def test_the_same_sms_again_is_one_row(world: World) -> None:
    sms = world.message()
    world.take(sms, sms)
    world.take(sms)
    assert world.value("SELECT count(*) FROM sms") == 1
    assert world.value("SELECT count(*) FROM conversations") == 1


def test_the_end_of_an_sms_the_bridge_sent_is_its_fate(world: World) -> None:
    sms = world.message(direction=Direction.OUT)
    world.take(sms)
    world.take(
        SmsSettled(
            id="x",
            conversation=sms.conversation,
            at=sms.at + 1,
            sms=sms.id,
            fate=MessageFate.EXPIRED,
            reason="late",
        )
    )
    assert fate(world) == ("expired", "late")


@pytest.mark.parametrize("together", [True, False])
def test_the_conversation_of_a_joining_text_is_the_new_persons(world: World, together: bool) -> None:
    join = world.join()
    sms = world.message(conversation=join.conversation)
    if together:
        world.take(sms, join)
    else:
        world.take(sms)
        assert world.value("SELECT person FROM conversations") is None
        world.take(join)
    assert world.value("SELECT person FROM conversations") == world.value("SELECT id FROM people")
    assert world.value("SELECT state FROM conversations") == "open"


def test_a_conversation_is_tied_where_exactly_one_person_fits(world: World) -> None:
    rows = f"organisation,name,number\nORG1,Per Hansen,{OLA}\nORG1,Anne Hansen,{OLA}\nORG1,Kari,{KARI}"
    write_people(world.tx, read_people(rows.encode(), world.settings), world.ids, world.clock)
    shared, hers, nobodys = world.message(), world.message(KARI), world.message("+4799999909")
    elsewhere = world.message(KARI, org="")
    world.take(shared, hers, nobodys, elsewhere)
    tied = dict(world.rows("SELECT c.id, p.name FROM conversations c LEFT JOIN people p ON p.id = c.person"))
    assert tied == {
        shared.conversation: None,
        hers.conversation: "Kari",
        nobodys.conversation: None,
        elsewhere.conversation: None,
    }


def test_a_conversation_done_stays_done_when_fates_come(world: World) -> None:
    sms = world.message(direction=Direction.OUT)
    world.take(sms)
    world.connection.execute("UPDATE conversations SET state = 'done'")
    world.take(world.state(sms, MessageFate.DELIVERED, after_us=1), sms)
    assert world.value("SELECT state FROM conversations") == "done"


@given(st.lists(st.tuples(st.sampled_from(MessageFate), st.integers(0, 3_500_000_000_000_000)), min_size=1))
def test_the_fate_that_stands_is_a_final_one_if_any_then_the_latest(
    fates: list[tuple[MessageFate, int]],
) -> None:
    stands = max(fates, key=lambda one: fate_order(*one))
    finals = [one for one in fates if one[0] in FINAL]
    assert not finals or stands[0] in FINAL
    assert stands[1] == max(at for _, at in (finals or fates))
    assert fate_order(*stands) < 2**63
