"""Whole øre out of exact fractions, so that parts add up to their sum. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor


def half_up(exact: Fraction) -> int:
    """The nearest whole number; of two equally near ones the greater."""
    return floor(exact + Fraction(1, 2))


def shares(parts: Sequence[Fraction]) -> list[int]:
    """Each part as a whole number, all of them adding up to the rounded sum (largest remainder).

    Every part is rounded down, and what the sum lacks goes, one each, to the parts that lost most; of equal
    ones to the first. So no part is a whole one or more away from its exact value.
    """
    found = [floor(part) for part in parts]
    lacking = half_up(sum(parts, Fraction(0))) - sum(found)
    by_loss = sorted(range(len(parts)), key=lambda place: (found[place] - parts[place], place))
    for place in by_loss[:lacking]:
        found[place] += 1
    return found
