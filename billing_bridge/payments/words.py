"""What all that was said of one attempt comes to, in whatever order and how often it came. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from billing_bridge.invoicing.ledger import rank
from billing_bridge.records import State
from foundation.contract import ChargeSettled, Contradiction

_WEIGHT = {Contradiction.NONE: 0, Contradiction.OPEN: 1, Contradiction.SETTLED: 2}


class Word(msgspec.Struct, frozen=True):
    """One thing that was said of an attempt; øre."""

    sequence: int
    outcome: str
    overbilled_ore: int
    given_back_ore: int
    contradiction: str

    @property
    def order(self) -> tuple[int, int, int, int, int]:
        """The higher is the later."""
        return (
            self.sequence,
            rank(self.outcome),
            self.overbilled_ore,
            self.given_back_ore,
            _WEIGHT[Contradiction(self.contradiction)],
        )


def of_message(message: ChargeSettled) -> Word:
    """What a gateway's message says."""
    return Word(
        message.sequence,
        message.outcome.value,
        message.overbilled,
        message.given_back,
        message.contradiction.value,
    )


def latest(words: Sequence[Word]) -> Word:
    """The word that counts."""
    return max(words, key=lambda word: word.order)


def contradicted(words: Sequence[Word]) -> bool:
    """Whether the outcome is open to doubt.

    It is where the latest word says so, or says nothing of it and words of its own place in the order
    disagree on whether anything was charged. A later word corrects, and contradicts nothing.
    """
    last = latest(words)
    if last.contradiction:
        return last.contradiction == Contradiction.OPEN
    return any(
        word.sequence == last.sequence
        and (word.outcome == State.NOT_CHARGED) != (last.outcome == State.NOT_CHARGED)
        for word in words
    )
