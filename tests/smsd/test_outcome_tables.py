"""What operators say of a charge, in each place where they say it, becomes one of the normalised outcomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playbook import Play, operator

from foundation.contract import ChargeSettled, MessageFate, Outcome, Reason
from smsd.charging.states import ChargeState, Evidence
from smsd.operators import OperatorProfile, ReceiptReading
from smsd.settings_operators import OUTCOMES
from smsd.smpp.alphabet import Coding
from smsd.smpp.pdu import DeliverSm, Tag, Tlv
from smsd.smpp.receipt import read_receipt

CHARGED, NOT_CHARGED, OPEN = Evidence.RECEIPT_CHARGED, Evidence.RECEIPT_NOT_CHARGED, Evidence.RECEIPT_PENDING

# operator, its words with what the profile's table says of them, and what each is to mean
WORDS: dict[str, dict[str, tuple[str, Evidence, Reason]]] = {
    "CPA": {
        "01003I": ("charged", CHARGED, Reason.NONE),
        "01004I": ("charged", CHARGED, Reason.NONE),
        "01008I": ("unknown", OPEN, Reason.NONE),
        "01001I": ("pending", OPEN, Reason.NONE),
        "01002I": ("pending", OPEN, Reason.NONE),
        "01013I": ("unknown", OPEN, Reason.NONE),
        "01014I": ("unknown", OPEN, Reason.NONE),
        "01106E": ("no_credit", NOT_CHARGED, Reason.NO_CREDIT),
        "01107E": ("no_credit", NOT_CHARGED, Reason.NO_CREDIT),
        "01112E": ("number_barred", NOT_CHARGED, Reason.NUMBER_BARRED),
        "01113E": ("premium_barred", NOT_CHARGED, Reason.PREMIUM_BARRED),
        "01115E": ("too_young", NOT_CHARGED, Reason.TOO_YOUNG),
    },
    "NetCom": {
        "9301": ("no_credit", NOT_CHARGED, Reason.NO_CREDIT),
        "9204": ("premium_barred", NOT_CHARGED, Reason.PREMIUM_BARRED),
        "9205": ("too_young", NOT_CHARGED, Reason.TOO_YOUNG),
    },
    "Telenor": {
        "200": ("charged", CHARGED, Reason.NONE),
        "210": ("pending", OPEN, Reason.NONE),
        "220": ("pending", OPEN, Reason.NONE),
        "230": ("rejected", NOT_CHARGED, Reason.REJECTED),
    },
}
EACH = [
    pytest.param(name, word, *meant, id=f"{name}-{word}")
    for name, words in WORDS.items()
    for word, meant in words.items()
]


def table(name: str, prefix: str = "") -> dict[str, str]:
    return {prefix + word: outcome for word, (outcome, _, _) in WORDS[name].items()}


def reading(outcomes: dict[str, str], text: str, *tlvs: Tlv, **settings: Any) -> ReceiptReading:
    profile = OperatorProfile(operator(outcomes=outcomes, **settings))
    pdu = DeliverSm(esm_class=4, short_message=text.encode(), tlvs=tlvs)
    receipt = read_receipt(pdu, Coding.GSM7, id_in_text=profile.id_in_text)
    assert receipt is not None
    return profile.read(receipt)


def text_of(stat: str, err: str = "000") -> str:
    return (
        "id:4711 sub:001 dlvrd:000 submit date:2611220409 done date:2611220410 "
        f"stat:{stat} err:{err} text:Betalinga"
    )


def only_final(evidence: Evidence, reason: Reason) -> tuple[Evidence, Reason]:
    """A word of failure or doubt beside a state that failed."""
    return (evidence, reason) if evidence is not OPEN else (OPEN, Reason.NONE)


@pytest.mark.parametrize(("name", "word", "outcome", "evidence", "reason"), EACH)
def test_a_word_in_err_beside_a_final_failure(
    name: str, word: str, outcome: str, evidence: Evidence, reason: Reason
) -> None:
    read = reading(table(name), text_of("UNDELIV", word))
    assert (read.evidence, read.reason) == only_final(evidence, reason)


@pytest.mark.parametrize(("name", "word", "outcome", "evidence", "reason"), EACH)
def test_a_word_in_err_beside_delivered_where_the_table_says_both(
    name: str, word: str, outcome: str, evidence: Evidence, reason: Reason
) -> None:
    read = reading(table(name, "DELIVRD:"), text_of("DELIVRD", word))
    assert (read.evidence, read.reason, read.fate) == (evidence, reason, MessageFate.DELIVERED)
    # and the bare word never takes a delivered message's charge away
    assert reading(table(name), text_of("DELIVRD", word)).evidence is CHARGED


@pytest.mark.parametrize(("name", "word", "outcome", "evidence", "reason"), EACH)
def test_a_word_in_stat(name: str, word: str, outcome: str, evidence: Evidence, reason: Reason) -> None:
    read = reading(table(name), text_of(word))
    assert (read.evidence, read.reason) == (evidence, reason)
    assert read.fate is (MessageFate.DELIVERED if evidence is CHARGED else MessageFate.ACCEPTED)


@pytest.mark.parametrize(("name", "word", "outcome", "evidence", "reason"), EACH)
def test_a_word_in_a_carriers_csv(
    name: str, word: str, outcome: str, evidence: Evidence, reason: Reason
) -> None:
    read = reading(table(name), f"4711,2611220409,2611220410,FAILED,{word},Betalinga")
    assert (read.evidence, read.reason) == only_final(evidence, reason)


@pytest.mark.parametrize(
    ("value", "code"),
    [(b"\3\x24\x55", "9301"), (b"\1\x23\xf4", "9204"), (b"230", "230"), (b"\3\0\xe6", "230")],
)
def test_a_word_in_the_network_error_code(value: bytes, code: str) -> None:
    name = "Telenor" if code == "230" else "NetCom"
    tlvs = (Tlv(Tag.NETWORK_ERROR_CODE, value), Tlv(Tag.MESSAGE_STATE, b"\5"))
    read = reading(table(name), text_of("UNDELIV"), *tlvs)
    assert (read.evidence, read.reason) == WORDS[name][code][1:]


@pytest.mark.parametrize(
    ("word", "evidence", "reason"),
    [
        ("DELIVRD", CHARGED, Reason.NONE),
        ("ZEROBAL", NOT_CHARGED, Reason.NO_CREDIT),
        ("BARRED", NOT_CHARGED, Reason.PREMIUM_BARRED),
        ("BARREDA", NOT_CHARGED, Reason.TOO_YOUNG),
        ("NULL", OPEN, Reason.NONE),
    ],
)
def test_words_of_a_kind_that_is_known_without_a_table(word: str, evidence: Evidence, reason: Reason) -> None:
    outcomes = {"ZEROBAL": "no_credit", "BARRED": "premium_barred", "BARREDA": "too_young", "NULL": "unknown"}
    read = reading(outcomes, text_of(word))
    assert (read.evidence, read.reason) == (evidence, reason)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_that_a_table_may_name_has_its_meaning(outcome: str) -> None:
    """As a status of submit_sm_resp, as an err, and as a word of the operator's own."""
    profile = OperatorProfile(operator(outcomes={"0x401": outcome, "77": outcome, "OWN": outcome}))
    if outcome in ("charged", "pending", "unknown"):
        assert profile.answer(0x401) == ("unclear", Reason.NONE)
    else:
        assert profile.answer(0x401) == ("refused", Reason(outcome))
    wanted = CHARGED if outcome == "charged" else OPEN if outcome in ("pending", "unknown") else NOT_CHARGED
    for text in (text_of("UNDELIV", "77"), text_of("OWN")):
        read = reading({"77": outcome, "OWN": outcome}, text)
        assert read.evidence is wanted
        assert read.reason == (outcome if wanted is NOT_CHARGED else Reason.NONE)


# an operator's own state words ------------------------------------------------------------------------------


def test_an_own_word_without_a_row_decides_nothing() -> None:
    assert reading({"201": "charged"}, text_of("200")).evidence is OPEN


def test_an_own_word_with_its_err_goes_before_the_word_alone() -> None:
    outcomes = {"200": "charged", "200:017": "limit_reached"}
    read = reading(outcomes, text_of("200", "017"))
    assert (read.evidence, read.reason) == (NOT_CHARGED, Reason.LIMIT_REACHED)


def test_a_bare_err_gives_an_own_word_no_meaning() -> None:
    assert reading({"017": "no_credit"}, text_of("200", "017")).evidence is OPEN


@pytest.mark.parametrize("state", [1, 6, 7])
def test_a_message_state_beside_an_own_word_goes_before_it(state: int) -> None:
    read = reading({"200": "charged"}, text_of("200"), Tlv(Tag.MESSAGE_STATE, bytes((state,))))
    assert read.evidence is OPEN


def test_an_own_word_of_a_failure_that_will_be_tried_again_is_not_final() -> None:
    assert reading({"210": "no_credit"}, "id:4711 stat:210 will retry later err:17").evidence is OPEN


def test_an_own_word_settles_a_charge(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator(outcomes={"01106E": "no_credit", "01003I": "charged"})])
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", "01001I")
    assert play.state(wish) is ChargeState.ACCEPTED
    play.receipt("1", "01106E")
    (settled,) = play.told(ChargeSettled)
    assert (settled.outcome, settled.reason) == (Outcome.NOT_CHARGED, Reason.NO_CREDIT)


# which id of a receipt is meant -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"message_id": "opaque"}, "1267"),
        ({"message_id": "hex"}, str(0x1267)),
        ({"message_id": "opaque", "receipt_id": "text"}, "4711"),
        ({"message_id": "resp-hex", "receipt_id": "text"}, "4711"),
    ],
)
def test_the_profile_says_which_spelling_of_an_id_is_meant(settings: dict[str, str], key: str) -> None:
    read = reading({}, text_of("DELIVRD"), Tlv.of_text(Tag.RECEIPTED_MESSAGE_ID, "1267"), **settings)
    assert read.key == key
    assert read.evidence is CHARGED


@pytest.mark.parametrize("where", ["tlv", "text"])
def test_the_other_id_serves_where_the_one_that_is_meant_is_missing(where: str) -> None:
    in_tlv = reading({}, "stat:DELIVRD", Tlv.of_text(Tag.RECEIPTED_MESSAGE_ID, "12"), receipt_id=where)
    in_text = reading({}, "id:12 stat:DELIVRD", receipt_id=where)
    assert in_tlv.key == in_text.key == "12"


@pytest.mark.parametrize("where", ["tlv", "text"])
def test_ids_that_cannot_be_one_are_a_contradiction_whichever_is_meant(where: str) -> None:
    read = reading({}, text_of("DELIVRD"), Tlv.of_text(Tag.RECEIPTED_MESSAGE_ID, "12"), receipt_id=where)
    assert read.evidence is OPEN
    assert "contradiction" in read.detail


@pytest.mark.parametrize(
    ("form", "response", "said"),
    [("decimal", "0012345678", "12345678"), ("hex", "00B8BE19", "b8be19"), ("hex", "0xB8BE19", "B8BE19")],
)
def test_numbers_with_other_zeros_or_case_are_one_id_where_the_profile_says_so(
    plays: Callable[..., Play], form: str, response: str, said: str
) -> None:
    play = plays(operators=[operator(message_id=form)])
    wish = play.start_charge()
    play.answer(message_id=response)
    play.receipt(said)
    assert play.state(wish) is ChargeState.CHARGED
