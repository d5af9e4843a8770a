"""Charges read and settled by people, on the store itself, beside a running daemon."""

from __future__ import annotations

import random

import msgspec
import pytest
from playbook import KARI, Play

from foundation.contract import ChargeSettled, GatewayParcel, MessageFate, MessageState, Outcome
from foundation.ids import Ids
from foundation.mailbox import BRIDGE, Outbox
from smsd.charging import worklist
from smsd.charging.states import ChargeState
from smsd.smpp.link import AnswerKind


def resolve(play: Play, charge: str, outcome: Outcome = Outcome.CHARGED, why: str = "phoned") -> ChargeState:
    return worklist.resolve(
        play.connection,
        charge=charge,
        outcome=outcome,
        who="kari",
        why=why,
        gateway="smsd",
        clock=play.clock,
        ids=Ids(play.clock, random.Random(5).getrandbits),
    )


def in_doubt(play: Play, **wishes: object) -> str:
    wish = play.start_charge(**wishes)
    play.answer(kind=AnswerKind.LOST)
    return wish.id


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(Outcome.CHARGED, ChargeState.CHARGED), (Outcome.NOT_CHARGED, ChargeState.NOT_CHARGED)],
)
def test_a_human_settles_a_charge_and_the_bridge_is_told(
    play: Play, outcome: Outcome, state: ChargeState
) -> None:
    charge = in_doubt(play)
    assert resolve(play, charge, outcome) is state
    assert play.state(charge) is state
    posted = Outbox().waiting(play.tx, BRIDGE, 0, 100)[-1]
    parcel = msgspec.json.decode(posted.body, type=GatewayParcel)
    assert (parcel.id, parcel.sender) == (posted.id, "smsd")
    (settled,) = parcel.messages
    assert isinstance(settled, ChargeSettled)
    assert (settled.charge, settled.outcome) == (charge, outcome)
    assert worklist.events(play.connection, charge)[-1].detail.endswith("kari: phoned")


def contradicted(play: Play, **wishes: object) -> str:
    """A charge that was not made, and was."""
    wish = play.start_charge(**wishes)
    play.answer(message_id="1")
    play.receipt("1", "UNDELIV")
    play.receipt("1", "DELIVRD")
    return wish.id


def disputes(play: Play) -> list[str]:
    return [fields["charge"] for name, fields in play.alarms if name == "charge.contradicted"]


def test_a_contradiction_is_alarmed_at_every_start_until_a_human_settles_it(play: Play) -> None:
    charge = contradicted(play)
    play.alarms.clear()
    play.crash()
    assert disputes(play) == [charge]
    assert resolve(play, charge, Outcome.NOT_CHARGED) is ChargeState.NOT_CHARGED
    play.alarms.clear()
    play.crash()
    assert disputes(play) == []
    with pytest.raises(worklist.CannotResolve, match="is not_charged"):
        resolve(play, charge, Outcome.NOT_CHARGED)


def test_nothing_of_an_invoice_is_charged_while_a_charge_of_it_is_contradicted(play: Play) -> None:
    charge = contradicted(play, invoice="i1")
    again, other = play.charge(invoice="i1"), play.charge(invoice="i2", kr=100)
    play.parcel(again)
    play.parcel(other)
    assert play.state(again.id) is ChargeState.INTENDED
    assert play.state(other.id) is ChargeState.SENDING
    resolve(play, charge, Outcome.NOT_CHARGED)
    play.tick(1)
    play.tick(1)
    assert play.state(again.id) is ChargeState.SENDING


def test_what_is_said_to_be_billed_is_not_sent_again_either(play: Play) -> None:
    wish = play.start_charge()
    play.answer(status=0x58)
    assert play.state(wish) is ChargeState.INTENDED
    play.connection.execute("UPDATE charges SET contradicted = 1")
    before = len(play.submitted)
    play.tick(60)
    assert len(play.submitted) == before
    play.tick(600)
    assert play.state(wish) is ChargeState.NOT_CHARGED
    assert [each.contradiction for each in play.told(ChargeSettled)] == ["open"]


def test_the_bridge_is_told_when_a_contradiction_is_settled(play: Play) -> None:
    charge = contradicted(play)
    resolve(play, charge, Outcome.NOT_CHARGED)
    posted = Outbox().waiting(play.tx, BRIDGE, 0, 100)[-1]
    (settled,) = msgspec.json.decode(posted.body, type=GatewayParcel).messages
    assert isinstance(settled, ChargeSettled)
    assert (settled.outcome, settled.contradiction) == (Outcome.NOT_CHARGED, "settled")


def test_an_unknown_charge_cannot_be_resolved(play: Play) -> None:
    with pytest.raises(worklist.CannotResolve, match="there is no charge nobody"):
        resolve(play, "nobody")


@pytest.mark.parametrize("outcome", [Outcome.CHARGED, Outcome.NOT_CHARGED])
def test_a_charge_that_is_being_sent_cannot_be_resolved_yet(play: Play, outcome: Outcome) -> None:
    wish = play.start_charge()
    with pytest.raises(worklist.CannotResolve, match=f"{wish.id} is sending"):
        resolve(play, wish.id, outcome)
    assert play.state(wish) is ChargeState.SENDING
    assert not play.connection.in_transaction


def test_saying_the_same_again_is_refused_and_leaves_nothing(play: Play) -> None:
    charge = in_doubt(play)
    resolve(play, charge)
    events, waiting = len(worklist.events(play.connection, charge)), len(play.waiting_parcels())
    with pytest.raises(worklist.CannotResolve, match="is charged"):
        resolve(play, charge)
    assert len(worklist.events(play.connection, charge)) == events
    assert len(play.waiting_parcels()) == waiting


def test_a_charge_never_sent_can_be_called_off_and_its_message_ends(play: Play) -> None:
    play.link.can_submit = False
    wish = play.charge()
    play.parcel(wish)
    resolve(play, wish.id, Outcome.NOT_CHARGED)
    play.link.can_submit = True
    play.tick()
    assert play.submitted == []
    assert play.rows("SELECT fate FROM messages") == [(MessageFate.REFUSED,)]
    states = [each for each in play.waiting_parcels() if isinstance(each, MessageState)]
    assert [each.fate for each in states] == [MessageFate.REFUSED]


def test_charges_are_listed_newest_first_a_page_at_a_time(play: Play) -> None:
    made = [play.charge(number=f"+479000000{number}") for number in range(5)]
    for wish in made:
        play.parcel(wish)
    ids = [wish.id for wish in reversed(made)]
    assert [each.id for each in worklist.listed(play.connection)] == ids
    assert [each.id for each in worklist.listed(play.connection, page=2, page_size=2)] == ids[2:4]
    assert worklist.listed(play.connection, page=9) == []


def test_charges_are_listed_by_state_and_organisation(play: Play) -> None:
    doubtful = in_doubt(play)
    sending = play.start_charge(number=KARI)
    assert [each.id for each in worklist.listed(play.connection, state="in_doubt")] == [doubtful]
    assert [each.id for each in worklist.listed(play.connection, state="sending")] == [sending.id]
    assert len(worklist.listed(play.connection, org="ORG1")) == 2
    assert worklist.listed(play.connection, org="ORG2") == []


def test_words_given_are_values_never_sql(play: Play) -> None:
    in_doubt(play)
    assert worklist.listed(play.connection, org="ORG1' OR '1'='1") == []


def test_the_events_of_a_charge_are_told_in_order(play: Play) -> None:
    charge = in_doubt(play)
    play.clock.advance(60)
    play.receipt("unknown")
    events = worklist.events(play.connection, charge)
    assert [each.evidence for each in events] == ["start", "no_answer", "receipt_charged"]
    assert [(each.before, each.after) for each in events] == [
        ("intended", "sending"),
        ("sending", "in_doubt"),
        ("in_doubt", "charged"),
    ]
    assert events[2].at_us - events[0].at_us == 60_000_000
