"""How rules decide over one submit_sm."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from simulators.smsc.rules import ESME_RTHROTTLED, Behaviour, RuleBook
from simulators.smsc.settings import (
    DEFAULT_RULES,
    Bill,
    IdFormat,
    ReceiptForm,
    ReceiptState,
    RuleSpec,
    Script,
)

PLAIN = "4799999999"


def book(*rules: dict[str, Any], defaults: bool = False) -> RuleBook:
    script = Script.model_validate({"rules": rules})
    return RuleBook(script, DEFAULT_RULES if defaults else ())


def decide(rules: RuleBook, number: str = PLAIN, short_code: str = "2030", premium: bool = True) -> Behaviour:
    return rules.decide(number, short_code, premium)


def test_without_rules_a_message_is_delivered_and_billed_then() -> None:
    behaviour = decide(book())

    assert behaviour.refuse == 0
    assert behaviour.receipt is ReceiptState.DELIVRD
    assert behaviour.bill is Bill.ON_DELIVERY


@pytest.mark.parametrize(("number", "err"), [("4740000123", "0021"), ("4741111007", "0022")])
def test_the_default_numbers_have_no_credit_or_premium_barred(number: str, err: str) -> None:
    behaviour = decide(book(defaults=True), number)

    assert (behaviour.receipt, behaviour.err, behaviour.bill) == (ReceiptState.UNDELIV, err, Bill.NEVER)
    assert not behaviour.delivered


def test_the_default_numbers_get_what_is_free() -> None:
    assert decide(book(defaults=True), "4740000123", premium=False).delivered


@pytest.mark.parametrize(
    ("match", "hits", "misses"),
    [
        ({"number": "+47 900"}, ("4790011223", "47900"), (PLAIN, "4690011223", "14790011223")),
        ({"number_regex": r"47\d{7}7"}, ("4712345677",), ("4712345678", "14712345677", "47123456771")),
    ],
)
def test_a_rule_matches_by_prefix_or_by_whole_expression(
    match: dict[str, Any], hits: tuple[str, ...], misses: tuple[str, ...]
) -> None:
    rules = book({**match, "err": "0042"})

    assert all(decide(rules, number).err == "0042" for number in hits)
    assert all(decide(rules, number).err == "000" for number in misses)


def test_a_rule_matches_by_short_code_with_more_digits_and_by_price() -> None:
    rules = book({"short_code": "2030", "premium": True, "err": "0042"})

    assert decide(rules, short_code="203012").err == "0042"
    assert decide(rules, short_code="2020").err == "000"
    assert decide(rules, premium=False).err == "000"


def test_times_says_how_many_messages_a_rule_applies_to() -> None:
    rules = book({"receipt": "EXPIRED", "times": 2})

    states = [decide(rules).receipt for _ in range(3)]

    assert states == [ReceiptState.EXPIRED, ReceiptState.EXPIRED, ReceiptState.DELIVRD]


def test_throttle_refuses_the_next_n_and_uses_up_no_other_rule() -> None:
    rules = book({"throttle": 2}, {"receipt": "EXPIRED", "times": 1})

    statuses = [decide(rules) for _ in range(3)]

    assert [one.refuse for one in statuses] == [ESME_RTHROTTLED, ESME_RTHROTTLED, 0]
    assert statuses[2].receipt is ReceiptState.EXPIRED


def test_close_after_strikes_at_the_nth_message_and_once() -> None:
    rules = book({"close_after": 3})

    assert [decide(rules).close for _ in range(6)] == [False, False, True, False, False, False]


def test_each_kind_of_effect_is_the_first_rules_that_sets_it() -> None:
    rules = book(
        {"receipt": "UNDELIV", "err": "0033"},
        {"receipt": "DELIVRD", "bill": "never", "receipt_form": "csv"},
        {"receipt_form": "short", "id_in_receipt": "hex"},
    )

    behaviour = decide(rules)

    assert (behaviour.receipt, behaviour.err) == (ReceiptState.UNDELIV, "0033")
    assert behaviour.bill is Bill.ON_DELIVERY
    assert behaviour.receipt_form is ReceiptForm.CSV
    assert behaviour.id_in_receipt is IdFormat.HEX


def test_rules_added_later_stand_first_and_clear_takes_them_out() -> None:
    rules = book({"err": "0001"}, defaults=True)
    rules.add([RuleSpec(err="0002", times=1), RuleSpec(err="0003")])

    assert [decide(rules).err for _ in range(2)] == ["0002", "0003"]
    rules.clear()
    assert decide(rules).err == "0001"
    assert len(rules) == 3


def test_clear_counts_the_scripts_limited_rules_anew() -> None:
    rules = book({"receipt": "EXPIRED", "times": 1})
    decide(rules)
    assert decide(rules).delivered

    rules.clear()

    assert not decide(rules).delivered


def test_a_response_after_its_receipt_is_held_back_a_little() -> None:
    assert decide(book({"receipt_first": True})).response_delay_s == 0.05
    assert decide(book({"receipt_first": True, "response_delay_s": 2})).response_delay_s == 2


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "does nothing"),
        ({"number": "479"}, "does nothing"),
        ({"number": "479", "number_regex": "4.*", "err": "1"}, "not both"),
        ({"number_regex": "(", "err": "1"}, "no regular expression"),
        ({"throttle": 1, "times": 2}, "leave times and refuse out"),
        ({"receipt_first": True, "receipt_delay_s": 1}, "sends the receipt at once"),
        ({"contradict": "none"}, "no such state"),
        ({"receipt": "LOST"}, "DELIVRD"),
        ({"err": "12345"}, "pattern"),
        ({"refuse": 0}, "greater than or equal to 1"),
        ({"erorr": "0021"}, "Extra inputs"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_a_reason(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RuleSpec.model_validate(spec)
