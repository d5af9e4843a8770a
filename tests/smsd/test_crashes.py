"""A conversation that pays, broken off at every boundary between commits and effects.

The operator here keeps a ledger of its own: what it took, what it billed. Memory is thrown away at each
boundary, the other sides repeat what was not acknowledged, and the ledger must agree with the store.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from enum import Enum

import pytest
from playbook import OLA, Died, Play, mo, receipt

from foundation.contract import ChargeSettled, FromBridge, Message, Outcome, Pay
from smsd.charging.states import FINAL, ChargeState
from smsd.smpp.link import AnswerKind
from smsd.work import Piece

THROTTLED, REFUSED = 0x58, 0x45


class Answering(Enum):
    """What the operator does with the premium message."""

    TAKES = "takes"
    TAKES_SILENTLY = "takes without an answer"
    TAKES_AND_DROPS_THE_LINK = "takes and drops the link"
    PUTS_OFF_FIRST = "puts off, then takes"
    REFUSES = "refuses"
    NEVER_HEARS_FIRST = "never hears the first try, then takes"


PUT_OFF = (Answering.PUTS_OFF_FIRST, Answering.NEVER_HEARS_FIRST)


class Receipts(Enum):
    """What the operator says afterwards."""

    NONE = "none"
    BILLED = "billed"
    BILLED_BEFORE_THE_ANSWER = "billed, before the answer"
    NOT_BILLED = "not billed"


class Operator:
    """The other end of the link, with a ledger."""

    def __init__(self, play: Play, answering: Answering, receipts: Receipts) -> None:
        self.play = play
        self.answering = answering
        self.receipts = receipts
        self.heard = 0
        self.taken: list[Piece] = []
        self.told = 0

    def hear(self) -> None:
        """Take what was written to the link, in order; answer each once."""
        while self.heard < len(self.play.submitted):
            piece = self.play.submitted[self.heard]
            self.heard += 1
            if piece.outgoing.charge:
                self._take(piece)

    def _take(self, piece: Piece) -> None:
        play, first = self.play, self.heard == 1
        if not any(each is piece for each in play.link.pending):
            # its link died with the process: it may be taken, but no answer can arrive
            if not (self.answering is Answering.REFUSES or (first and self.answering in PUT_OFF)):
                self.taken.append(piece)
            return
        if self.answering is Answering.REFUSES:
            play.answer(piece, status=REFUSED)
            return
        if first and self.answering is Answering.PUTS_OFF_FIRST:
            play.answer(piece, status=THROTTLED)
            play.turn()
            return
        if first and self.answering is Answering.NEVER_HEARS_FIRST:
            play.answer(piece, kind=AnswerKind.NEVER_WRITTEN)
            return
        self.taken.append(piece)
        if self.receipts is Receipts.BILLED_BEFORE_THE_ANSWER:
            self.tell("DELIVRD")
        if self.answering is Answering.TAKES_SILENTLY:
            play.answer(piece, kind=AnswerKind.TIMED_OUT)
        elif self.answering is Answering.TAKES_AND_DROPS_THE_LINK:
            play.answer(piece, kind=AnswerKind.LOST)
        else:
            play.answer(piece, message_id=self.name())

    def name(self) -> str:
        return f"id-{len(self.taken)}"

    def tell(self, stat: str) -> None:
        self.told += 1
        self.play.turn(self.play.delivered(receipt(self.name(), stat)))

    def finish(self) -> None:
        """Say what is due, again where it may not have been heard."""
        if not self.taken or self.receipts is Receipts.NONE:
            return
        self.tell("UNDELIV" if self.receipts is Receipts.NOT_BILLED else "DELIVRD")


def conversation(play: Play, smsc: Operator, parcels: dict[str, list[FromBridge]]) -> None:
    """All that happens; may be gone through again from the start, as the other sides repeat themselves."""
    if not play.rows("SELECT id FROM messages WHERE direction = 'in'"):
        play.turn(play.delivered(mo("ORG1 BETAL 50")))
    if not parcels:
        mine = play.value("SELECT id FROM messages WHERE direction = 'in'")
        parcels["parcel-1"] = [play.charge(mine, id="01a20846-fe00-7fff-8000-000000000001")]
    for name, messages in parcels.items():
        play.parcel(*messages, id=name)
    smsc.hear()
    play.tick(1)
    smsc.hear()
    smsc.finish()
    play.tick(1)


def check(play: Play, smsc: Operator, charge: str) -> None:
    assert len(smsc.taken) <= 1, "the operator took the same charge twice"
    state = play.state(charge)
    told = [each for each in play.waiting_parcels() if isinstance(each, ChargeSettled)]
    assert len(told) == (state in FINAL)
    if not smsc.taken:
        # nothing was taken: nothing may be called charged
        assert state in (ChargeState.REFUSED, ChargeState.IN_DOUBT, ChargeState.NOT_CHARGED), state
    elif smsc.receipts is Receipts.NONE:
        assert state in (ChargeState.ACCEPTED, ChargeState.IN_DOUBT)
    elif smsc.receipts is Receipts.NOT_BILLED:
        assert state is ChargeState.NOT_CHARGED
        assert told[0].outcome is Outcome.NOT_CHARGED
    else:
        assert state is ChargeState.CHARGED
        assert told[0].outcome is Outcome.CHARGED
    assert not play.value("SELECT contradicted FROM charges WHERE id = ?", charge)
    handed = play.waiting_parcels()
    assert len([each for each in handed if isinstance(each, Pay)]) == 1
    assert len([each for each in handed if isinstance(each, Message) and each.direction == "in"]) == 1
    premium = play.rows("SELECT id FROM messages WHERE price_ore > 0")
    assert len(premium) == 1


def boundaries(plays: Callable[..., Play], answering: Answering, receipts: Receipts) -> int:
    """How many there are in an undisturbed conversation, which must itself be in order."""
    play = plays()
    smsc = Operator(play, answering, receipts)
    parcels: dict[str, list[FromBridge]] = {}
    conversation(play, smsc, parcels)
    check(play, smsc, parcels["parcel-1"][0].id)
    return play.boundaries


@pytest.mark.parametrize(("answering", "receipts"), list(itertools.product(Answering, Receipts)))
def test_a_crash_at_every_boundary_never_charges_twice_and_leaves_the_truth(
    plays: Callable[..., Play], answering: Answering, receipts: Receipts
) -> None:
    for die_at in range(1, boundaries(plays, answering, receipts) + 1):
        play = plays()
        play.die_at = die_at
        smsc = Operator(play, answering, receipts)
        parcels: dict[str, list[FromBridge]] = {}
        with pytest.raises(Died):
            conversation(play, smsc, parcels)
        play.die_at = 0
        play.crash()
        conversation(play, smsc, parcels)
        check(play, smsc, parcels["parcel-1"][0].id)


@pytest.mark.parametrize("answering", [Answering.TAKES, Answering.PUTS_OFF_FIRST, Answering.TAKES_SILENTLY])
def test_two_crashes_at_every_pair_of_boundaries_never_charge_twice(
    plays: Callable[..., Play], answering: Answering
) -> None:
    total = boundaries(plays, answering, Receipts.BILLED)
    for first, second in itertools.product(range(1, total + 1, 2), range(1, total + 1, 3)):
        play = plays()
        smsc = Operator(play, answering, Receipts.BILLED)
        parcels: dict[str, list[FromBridge]] = {}
        for die_at in (first, second):
            play.boundaries, play.die_at = 0, die_at
            try:
                conversation(play, smsc, parcels)
            except Died:
                play.crash()
        play.die_at = 0
        conversation(play, smsc, parcels)
        assert len(smsc.taken) <= 1
        if smsc.taken:
            assert play.state(parcels["parcel-1"][0].id) is ChargeState.CHARGED


def test_a_crash_between_commit_and_submit_leaves_a_doubt_that_nothing_resends(play: Play) -> None:
    """The bytes never left, but nobody can know: a human or the operator's report decides."""
    wish = play.charge()
    plan = play.decide(play.parcel_came(wish))
    assert plan.submits
    play.crash()
    play.tick(60)
    assert play.submitted == []
    assert play.state(wish) is ChargeState.IN_DOUBT
    assert play.evidence(wish) == ["start", "no_answer"]


def test_a_restart_alarms_every_charge_it_finds_sending(play: Play) -> None:
    wish = play.start_charge()
    plan = play.crash()
    assert [name for name, _ in plan.alarms] == ["charge.in_doubt"]
    assert play.state(wish) is ChargeState.IN_DOUBT


def test_a_restart_leaves_every_other_state_alone(play: Play) -> None:
    accepted = play.start_charge(kr=50)
    play.answer(message_id="1")
    charged = play.start_charge(kr=100)
    play.answer(message_id="2")
    play.receipt("2")
    play.link.can_submit = False
    intended = play.charge(kr=200)
    play.parcel(intended)
    play.crash()
    assert play.state(accepted) is ChargeState.ACCEPTED
    assert play.state(charged) is ChargeState.CHARGED
    assert play.state(intended) is ChargeState.INTENDED
    play.turn()
    assert play.state(intended) is ChargeState.SENDING


def test_a_free_message_is_repeated_after_a_crash(play: Play) -> None:
    play.parcel(play.reply())
    play.crash()
    play.turn()
    assert len(play.submitted) == 2
    assert play.submitted[0].pdu == play.submitted[1].pdu


def test_a_free_message_answered_before_the_crash_is_not_repeated(play: Play) -> None:
    play.parcel(play.reply())
    play.answer()
    play.crash()
    play.turn()
    assert len(play.submitted) == 1


def test_what_waits_keeps_its_order_over_a_crash(play: Play) -> None:
    play.link.can_submit = False
    for number in range(5):
        play.parcel(play.send(f"nummer {number}"))
    play.crash()
    play.turn()
    assert [piece.outgoing.text for piece in play.submitted] == [f"nummer {number}" for number in range(5)]


def test_an_mo_not_answered_before_the_crash_comes_again_and_is_taken_once(play: Play) -> None:
    item = play.delivered(mo("ORG1 BETAL 50"))
    play.decide(item)
    play.crash()
    play.text("ORG1 BETAL 50")
    pays = [each for each in play.waiting_parcels() if isinstance(each, Pay)]
    assert [each.sender for each in pays] == [OLA]
    assert len(play.link.responses) == 1


def test_crashing_again_and_again_changes_nothing(play: Play) -> None:
    wish = play.start_charge()
    play.crash()
    before = play.rows("SELECT * FROM charges"), play.rows("SELECT * FROM messages")
    for _ in range(5):
        play.crash()
    assert (play.rows("SELECT * FROM charges"), play.rows("SELECT * FROM messages")) == before
    assert play.state(wish) is ChargeState.IN_DOUBT
