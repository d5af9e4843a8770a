"""The kill trials' verdict finds each kind of difference when there is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from kill_trial import Figures
from trial_verdict import CORRECTED, FAILED, PAID, Books, ChargeRow, compare

OLA, KARI = "+4790000000", "+4790000001"
TEXT = "ORG1 BETAL 50"


def phone(number: str, *answers: str) -> list[dict[str, Any]]:
    """A phone that texted, and what it got."""
    sent = {"direction": "mo", "text": TEXT, "state": "delivered"}
    return [sent, *({"direction": "mt", "text": text, "state": "received"} for text in answers)]


def billed(number: str, event: str = "billed", amount_ore: int = 5000) -> dict[str, Any]:
    return {"number": number, "event": event, "amount_ore": amount_ore}


def books() -> Books:
    """Ola was charged, Kari had no credit; nothing differs."""
    return Books(
        phones={OLA: phone(OLA, PAID), KARI: phone(KARI, FAILED)},
        ledger=[billed(OLA), billed(KARI, "not_billed")],
        charges=[
            ChargeRow("c1", "i1", OLA, 5000, "charged"),
            ChargeRow("c2", "i2", KARI, 5000, "not_charged"),
        ],
        no_answer=Counter({"restart": 1}),
        texts_in=Counter({(OLA, TEXT): 1, (KARI, TEXT): 1}),
        set_aside=0,
        listed_in_doubt=set(),
        payments={"c1": ("charged", "i1", 5000), "c2": ("not_charged", "i2", 5000)},
        standings={"i1": (5000, 5000), "i2": (5000, 0)},
        commands=Counter({OLA: 1, KARI: 1}),
        dialog_in=Counter({OLA: 1, KARI: 1}),
        refused_messages=0,
        audit={"differences": []},
        resent=0,
    )


def differences(found: Books) -> str:
    figures = Figures("gateway", 1)
    compare(found, figures)
    return "\n".join(figures.differences)


def test_books_that_agree_have_no_difference() -> None:
    assert differences(books()) == ""


def test_a_charge_in_doubt_that_is_listed_and_explained_is_no_difference() -> None:
    here = books()
    charges = [replace(here.charges[0], state="in_doubt"), here.charges[1]]
    payments = {**here.payments, "c1": ("pending", "i1", 5000)}
    doubted = replace(
        here,
        phones={**here.phones, OLA: phone(OLA)},
        charges=[*charges, ChargeRow("c3", "i3", "+4790000002", 5000, "charged")],
        payments={**payments, "c3": ("charged", "i3", 5000)},
        ledger=[*here.ledger, billed("+4790000002")],
        standings={"i1": (5000, 0), "i2": (5000, 0), "i3": (5000, 5000)},
        listed_in_doubt={"c1"},
    )
    third = {**doubted.phones, "+4790000002": phone("+4790000002", PAID)}
    one = Counter({"+4790000002": 1})
    doubted = replace(
        doubted,
        phones=third,
        texts_in=doubted.texts_in + Counter({("+4790000002", TEXT): 1}),
        commands=doubted.commands + one,
        dialog_in=doubted.dialog_in + one,
    )
    assert differences(doubted) == ""


CASES: dict[str, Callable[[Books], Books]] = {
    "has not one row": lambda b: replace(b, texts_in=b.texts_in + Counter({(OLA, TEXT): 1})),
    "not one disposition": lambda b: replace(b, commands=Counter({OLA: 2, KARI: 1})),
    "not once in the dialog": lambda b: replace(b, dialog_in=Counter({OLA: 1})),
    "never acknowledged": lambda b: replace(
        b, phones={**b.phones, OLA: [{**b.phones[OLA][0], "state": "sent"}, *b.phones[OLA][1:]]}
    ),
    "from nowhere": lambda b: replace(b, texts_in=b.texts_in + Counter({(OLA, "BETAL"): 1})),
    "I1": lambda b: replace(b, ledger=[*b.ledger, billed(OLA)]),
    "sent twice": lambda b: replace(b, ledger=[*b.ledger, billed(KARI, "not_billed")]),
    "I2": lambda b: replace(b, ledger=[billed(OLA), billed(KARI)]),
    "I3": lambda b: replace(b, ledger=[billed(KARI, "not_billed")]),
    "I5": lambda b: replace(b, ledger=[billed(OLA, amount_ore=5001), billed(KARI, "not_billed")]),
    "I6": lambda b: replace(b, listed_in_doubt={"c9"}),
    "I7": lambda b: replace(b, phones={**b.phones, OLA: phone(OLA, FAILED)}),
    "though not charged": lambda b: replace(b, phones={**b.phones, KARI: phone(KARI, FAILED, PAID)}),
    "never told so": lambda b: replace(b, phones={**b.phones, OLA: phone(OLA, FAILED, CORRECTED)}),
    "payment and charge differ": lambda b: replace(b, payments={**b.payments, "c1": ("pending", "i1", 5000)}),
    "a charge without a payment": lambda b: replace(b, payments={"c1": b.payments["c1"]}),
    "a payment without a charge": lambda b: replace(b, charges=b.charges[:1]),
    "standing is not": lambda b: replace(b, standings={"i1": (5000, 0), "i2": (5000, 0)}),
    "in part or over": lambda b: replace(b, standings={"i1": (5000, 2500), "i2": (5000, 0)}),
    "not settled": lambda b: replace(b, charges=[b.charges[0], replace(b.charges[1], state="accepted")]),
    "more in doubt": lambda b: replace(
        b,
        charges=[replace(b.charges[0], state="in_doubt"), replace(b.charges[1], state="in_doubt")],
    ),
    "audit": lambda b: replace(b, audit={"differences": ["a journal does not sum to zero"]}),
    "set aside": lambda b: replace(b, set_aside=1),
    "refused by the bridge": lambda b: replace(b, refused_messages=1),
}


@pytest.mark.parametrize("words", CASES)
def test_a_difference_is_found(words: str) -> None:
    assert words in differences(CASES[words](books()))


def test_a_trial_in_which_nothing_was_charged_proves_nothing() -> None:
    here = books()
    empty = replace(
        here,
        phones={},
        ledger=[],
        charges=[],
        texts_in=Counter(),
        payments={},
        standings={},
        dialog_in=Counter(),
    )
    assert "proves nothing" in differences(empty)
