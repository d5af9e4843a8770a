"""A charge above an amount waits for the payer's yes: asked once, started once, and never by a guess."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playbook import KARI, OLA, Play, mo, operator, organisation

from foundation.contract import Charge, ChargeSettled, MessageState, Outcome, Reason
from smsd.audit import audit
from smsd.charging import worklist
from smsd.charging.prospects import Source
from smsd.charging.states import ChargeState
from smsd.codewords import Function
from smsd.settings import ChargeLimits
from smsd.smpp.pdu import Tlv

QUESTION = (
    "Svar ORG1 JA innan 9 minutt for å betale 500 kr til Organisasjon ORG1. Svar ORG1 NEI for å la vere."
)
PROCESSING = "Betalinga di er under handsaming, du vil få melding når den er fullførd."
GUIDANCE = "Vi kjenner ikkje kodeordet"


def asking(**charges: Any) -> dict[str, Any]:
    none = {"per_charge_kr": 0, "per_number_day_kr": 0, "per_number_month_kr": 0}
    return {"charges": ChargeLimits(**{**none, "confirm_above_kr": 100, **charges})}


@pytest.fixture(name="asks")
def _asks(plays: Callable[..., Play]) -> Play:
    """Two organisations that ask above 100 kr."""
    return plays(organisations=(organisation("ORG1"), organisation("ORG2")), **asking())


def ask(play: Play, kr: int = 500, number: str = OLA, **wishes: Any) -> Charge:
    """A charge whose payer has just been asked."""
    wish = play.charge(kr=kr, number=number, **wishes)
    before = len(play.texts())
    play.parcel(wish)
    assert len(play.texts()) == before + 1
    assert play.texts()[-1].startswith("Svar ")
    assert play.state(wish) is ChargeState.INTENDED
    return wish


def premium(play: Play) -> list[str]:
    """The charges whose premium SMS was submitted, in order."""
    return [piece.outgoing.charge for piece in play.submitted if piece.outgoing.price_ore]


def ended(play: Play) -> list[tuple[str, Outcome, Reason]]:
    return [(each.charge, each.outcome, each.reason) for each in play.told(ChargeSettled)]


def by_command(play: Play, charge: str, outcome: str) -> None:
    """A person says on the command line what became of a charge."""
    worklist.resolve(
        play.connection,
        charge=charge,
        outcome=Outcome(outcome),
        who="kari",
        why="phoned",
        gateway="smsd",
        clock=play.clock,
        ids=play.ids,
    )


# asking ---------------------------------------------------------------------------------------------------


def test_above_the_amount_a_free_question_goes_out_and_nothing_else(asks: Play) -> None:
    wish = ask(asks)
    assert asks.texts() == [QUESTION]
    (piece,) = asks.submitted
    assert (piece.outgoing.price_ore, piece.outgoing.charge, piece.pdu.tlvs) == (0, "", ())
    assert asks.evidence(wish) == ["asked"]
    assert piece.outgoing.conversation == wish.conversation


def test_up_to_the_amount_nothing_is_asked(asks: Play) -> None:
    wish = asks.charge(kr=100)
    asks.parcel(wish)
    assert premium(asks) == [wish.id]


def test_what_waits_for_a_yes_counts_towards_ceilings(plays: Callable[..., Play]) -> None:
    play = plays(**asking(per_number_day_kr=600))
    ask(play)
    second = play.charge(kr=101)
    play.parcel(second)
    assert ended(play) == [(second.id, Outcome.NOT_CHARGED, Reason.LIMIT_DAY)]


def test_a_charge_that_comes_too_late_for_any_answer_is_not_asked_about(asks: Play) -> None:
    wish = asks.charge(kr=500, expires_s=114)
    asks.parcel(wish)
    assert asks.texts() == []
    assert ended(asks) == [(wish.id, Outcome.NOT_CHARGED, Reason.EXPIRED)]
    assert ask(asks, expires_s=115)


# yes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "yes", ["JA", "ORG1 JA", "ja takk!", "Yes", "org1 ja 500 kr", "JA ORG1", "jau", "JA 500"]
)
def test_a_yes_starts_the_charge(asks: Play, yes: str) -> None:
    wish = ask(asks)
    asks.text(yes)
    assert premium(asks) == [wish.id]
    assert asks.state(wish) is ChargeState.SENDING
    assert asks.texts()[1:] == [PROCESSING]
    assert asks.evidence(wish) == ["asked", "confirmed", "start"]
    asks.answer(message_id="1")
    asks.receipt("1")
    assert ended(asks) == [(wish.id, Outcome.CHARGED, Reason.NONE)]


def test_the_premium_goes_back_the_way_of_the_first_text(plays: Callable[..., Play]) -> None:
    play = plays(**asking(), operators=[operator(echo_tlvs=(0x1501,))])
    play.text("ORG1 BETAL 500", to="203077", tlvs=(Tlv(0x1501, b"first"),))
    (conversation,) = play.rows("SELECT id FROM messages")[0]
    ask(play, conversation=conversation)
    play.text("JA", to="203077", tlvs=(Tlv(0x1501, b"second"),))
    pdu = play.submitted[-1].pdu
    assert pdu.source_addr == "203077"
    assert Tlv(0x1501, b"first") in pdu.tlvs


@pytest.mark.parametrize("rebinds", [False, True])
def test_a_yes_that_the_smsc_repeats_starts_it_once(asks: Play, rebinds: bool) -> None:
    wish = ask(asks)
    yes = mo("JA")
    asks.turn(asks.delivered(yes), asks.delivered(yes))
    if rebinds:
        asks.rebind()
        asks.turn(asks.delivered(yes))
    assert premium(asks) == [wish.id]
    assert asks.evidence(wish) == ["asked", "confirmed", "start"]


def test_a_yes_twice_is_told_that_it_is_under_way(asks: Play) -> None:
    wish = ask(asks)
    asks.text("JA")
    asks.clock.advance(100)
    asks.text("JA")
    assert premium(asks) == [wish.id]
    assert asks.texts()[1:] == [PROCESSING, PROCESSING]
    assert asks.submitted[-1].outgoing.price_ore == 0
    asks.answer(asks.submitted[1], message_id="1")
    asks.receipt("1")
    asks.clock.advance(100)
    asks.text("JA")
    assert asks.texts()[-1].startswith(GUIDANCE)


def test_the_answer_survives_a_restart_before_and_after_it(asks: Play) -> None:
    wish = ask(asks)
    asks.crash()
    assert premium(asks) == []
    asks.decide(asks.delivered(mo("JA")))  # the process dies before anything was written
    assert asks.state(wish) is ChargeState.SENDING
    asks.crash()
    assert asks.state(wish) is ChargeState.IN_DOUBT
    asks.text("JA")
    asks.tick(1000)
    assert premium(asks) == []
    assert asks.evidence(wish) == ["asked", "confirmed", "start", "no_answer"]


def test_a_yes_without_a_bind_to_send_by_survives_a_restart(asks: Play) -> None:
    wish = ask(asks)
    asks.link.can_submit = False
    asks.text("JA")
    assert asks.state(wish) is ChargeState.INTENDED
    asks.crash()
    asks.turn()
    assert premium(asks) == [wish.id]


# no, and silence ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("no", ["NEI", "ORG1 nei takk", "no", "AVBRYT"])
def test_a_no_ends_it_uncharged(asks: Play, no: str) -> None:
    wish = ask(asks)
    asks.text(no)
    assert ended(asks) == [(wish.id, Outcome.NOT_CHARGED, Reason.DECLINED)]
    asks.parcel(asks.reply(wish.conversation, "failed", amount="500", reason="declined"))
    assert asks.texts()[1:] == ["Betalinga på 500 kr til Organisasjon ORG1 er avbroten. Du er ikkje belasta."]
    asks.text("JA")
    assert premium(asks) == []


def test_silence_ends_it_uncharged_in_time(asks: Play) -> None:
    wish = ask(asks)
    asks.tick(539)
    assert ended(asks) == []
    asks.tick(1)
    assert ended(asks) == [(wish.id, Outcome.NOT_CHARGED, Reason.NOT_CONFIRMED)]
    asks.parcel(asks.reply(wish.conversation, "failed", amount="500", reason="not_confirmed"))
    assert asks.texts()[-1].startswith("Vi fekk ikkje svar i tide")
    asks.text("JA")
    assert premium(asks) == []
    assert asks.texts()[-1].startswith(GUIDANCE)
    assert asks.value("SELECT count(*) FROM messages WHERE purpose = 'premium'") == 0


def test_silence_over_a_restart_ends_it_too(asks: Play) -> None:
    wish = ask(asks)
    asks.clock.advance(3600)
    asks.crash()
    asks.tick()
    assert ended(asks) == [(wish.id, Outcome.NOT_CHARGED, Reason.NOT_CONFIRMED)]


def test_the_last_moment_for_a_yes_leaves_time_to_start(asks: Play) -> None:
    wish = ask(asks)
    asks.clock.advance(539.999_999)
    asks.text("JA")
    assert premium(asks) == [wish.id]


def test_who_says_stopp_is_charged_nothing_and_told_once(asks: Play) -> None:
    first, second = ask(asks), ask(asks, org="ORG2")
    asks.text("STOPP ORG1")
    assert ended(asks) == [(first.id, Outcome.NOT_CHARGED, Reason.STOPPED)]
    said = len(asks.texts())
    asks.parcel(asks.reply(first.conversation, "failed", amount="500", reason="stopped"))
    assert len(asks.texts()) == said
    asks.text("ORG1 JA")
    assert premium(asks) == []
    asks.text("STOPP")
    assert asks.state(second) is ChargeState.NOT_CHARGED


def test_a_human_who_ends_it_first_is_obeyed(asks: Play) -> None:
    wish = ask(asks)
    asks.parcel(asks.resolve(wish.id, "not_charged"))
    asks.text("JA")
    assert premium(asks) == []
    assert [each.reason for each in asks.told(ChargeSettled)] == [Reason.BY_HAND]
    asks.tick(700)
    assert len(asks.told(ChargeSettled)) == 1


@pytest.mark.parametrize("beside", [False, True], ids=["over the hand-off", "by a command"])
def test_who_ends_what_waits_for_a_yes_tells_of_no_sms_and_ends_the_question(
    asks: Play, beside: bool
) -> None:
    wish = ask(asks)
    asks.clock.advance(60)
    if beside:
        by_command(asks, wish.id, "not_charged")
    else:
        asks.parcel(asks.resolve(wish.id, "not_charged"))
    (settled,) = [each for each in asks.waiting_parcels() if isinstance(each, ChargeSettled)]
    assert (settled.outcome, settled.reason) == (Outcome.NOT_CHARGED, Reason.BY_HAND)
    known = {row[0] for row in asks.rows("SELECT id FROM messages")}
    told = [each for each in asks.waiting_parcels() if isinstance(each, MessageState)]
    assert {each.message for each in told} <= known
    assert asks.rows("SELECT answer FROM confirmations") == [("by_hand",)]
    assert audit(asks.connection, asks.clock.now_us()).differences == ()
    asks.text("JA")
    assert premium(asks) == []
    assert asks.texts()[-1].startswith(GUIDANCE)


def test_what_waits_for_a_yes_cannot_be_called_charged_by_a_command(asks: Play) -> None:
    wish = ask(asks)
    with pytest.raises(worklist.CannotResolve, match="give not_charged to call it off"):
        by_command(asks, wish.id, "charged")
    assert asks.evidence(wish) == ["asked"]
    asks.text("JA")
    assert premium(asks) == [wish.id]


def test_the_worklist_tells_that_the_payer_s_yes_may_come(asks: Play) -> None:
    wish = ask(asks)
    now_us = asks.clock.now_us()
    (listed,) = worklist.listed(asks.connection, state="intended")
    still_open = worklist.opened(asks.connection, listed, asks.settings(), now_us)
    assert still_open is not None
    assert [each.source for each in still_open.may_come] == [Source.YES]
    asks.text("NEI")
    assert asks.state(wish) is ChargeState.NOT_CHARGED


# which one ------------------------------------------------------------------------------------------------


def test_a_bare_yes_to_two_organisations_starts_neither(asks: Play) -> None:
    first, second = ask(asks), ask(asks, 600, org="ORG2")
    asks.text("JA")
    assert premium(asks) == []
    assert asks.texts()[-1] == (
        "Fleire betalingar ventar på svar: ORG1 500 kr, ORG2 600 kr. Skriv kva for ei, til dømes ORG2 JA 600."
    )
    asks.text("ORG2 JA")
    assert premium(asks) == [second.id]
    asks.clock.advance(100)
    asks.text("JA")
    assert premium(asks) == [second.id, first.id]


def test_an_amount_tells_two_of_one_organisation_apart(asks: Play) -> None:
    first, second = ask(asks), ask(asks, 600)
    asks.text("ORG1 JA")
    assert premium(asks) == []
    asks.text("ORG1 JA 500")
    assert premium(asks) == [first.id]
    assert asks.state(second) is ChargeState.INTENDED


def test_of_two_alike_a_yes_starts_the_first_alone(asks: Play) -> None:
    first, second = ask(asks), ask(asks)
    asks.text("JA")
    assert premium(asks) == [first.id]
    assert asks.state(second) is ChargeState.INTENDED
    asks.answer(message_id="1")
    asks.receipt("1")
    asks.clock.advance(100)
    asks.text("JA")
    assert premium(asks) == [first.id, second.id]


def test_a_yes_to_another_amount_is_asked_again(asks: Play) -> None:
    ask(asks)
    asks.clock.advance(60)
    asks.text("JA 50")
    assert premium(asks) == []
    assert asks.texts()[-1] == QUESTION.replace("9 minutt", "8 minutt")


def test_a_no_to_two_ends_both(asks: Play) -> None:
    ask(asks)
    ask(asks, 600, org="ORG2")
    asks.text("NEI")
    assert [reason for _, _, reason in ended(asks)] == [Reason.DECLINED, Reason.DECLINED]


def test_a_yes_from_another_phone_or_to_another_code_starts_nothing(plays: Callable[..., Play]) -> None:
    play = plays(**asking(), short_codes={"2030": ("telco",), "1999": ("telco",)})
    wish = ask(play)
    play.text("JA", number=KARI)
    play.text("JA", to="1999")
    assert premium(play) == []
    assert play.state(wish) is ChargeState.INTENDED


@pytest.mark.parametrize("text", ["JA", "NEI", "ORG2 JA"])
def test_where_nothing_waits_an_answer_is_what_it_always_was(asks: Play, text: str) -> None:
    asks.text(text)
    if text == "ORG2 JA":
        assert asks.texts() == ["Vi fant ikke en gyldig epostadresse i meldingen din."]
    else:
        assert asks.texts()[0].startswith(GUIDANCE)


@pytest.mark.parametrize("text", ["ja?", "ja men ikkje no", "jada", "ORG1 JAN JOHANSEN", "ok"])
def test_what_is_no_plain_yes_starts_nothing(asks: Play, text: str) -> None:
    wish = ask(asks)
    asks.text(text)
    assert premium(asks) == []
    assert asks.state(wish) is ChargeState.INTENDED


def test_a_word_of_an_organisation_s_own_stays_what_it_is(plays: Callable[..., Play]) -> None:
    worded = organisation("ORG1", subcodewords={"BETAL": Function.PAY, "NEI": Function.STATUS})
    play = plays(**asking(), organisations=[worded])
    wish = ask(play)
    play.text("ORG1 NEI")
    assert play.state(wish) is ChargeState.INTENDED


def test_where_the_bridge_says_processing_of_what_still_waits_the_question_is_asked_again(asks: Play) -> None:
    wish = ask(asks)
    asks.parcel(asks.reply(wish.conversation, "processing"))
    assert asks.texts() == [QUESTION, QUESTION]
    asks.text("JA")
    asks.parcel(asks.reply(wish.conversation, "processing"))
    assert asks.texts()[-1] == PROCESSING


def test_the_yes_is_evidence(asks: Play) -> None:
    wish = ask(asks)
    asks.text("ORG1 JA")
    assert {row[0] for row in asks.rows("SELECT conversation FROM messages")} == {wish.conversation}
    assert {each.conversation for each in asks.handed} == {wish.conversation}
    (answer, mo_id) = asks.rows("SELECT answer, mo FROM confirmations WHERE charge = ?", wish.id)[0]
    assert answer == "yes"
    assert asks.value("SELECT text FROM messages WHERE id = ?", mo_id) == "ORG1 JA"
    assert asks.value("SELECT org FROM messages WHERE id = ?", mo_id) == "ORG1"
    assert {key: number for key, number in asks.counts.items() if key[0] == "confirmations"} == {
        ("confirmations", "asked"): 1,
        ("confirmations", "yes"): 1,
    }
