"""What `[limits.charges]` cannot know alone: what an organisation may lower, bounds that nothing reaches.

Lays faults and warnings; changes nothing.
"""

from __future__ import annotations

from foundation.settings import Part, Reader
from foundation.settings_words import Loc
from smsd.settings_checks import Operators, Organisations
from smsd.settings_limits import CEILINGS, ChargeLimits
from smsd.settings_tables import Limits, Organisation
from smsd.words import NO_WORDS, YES_WORDS, fold


def check_charge_limits(
    reader: Reader, organisations: Organisations, operators: Operators, limits: Limits
) -> None:
    """Organisations lower ceilings and raise the age; no codeword is spelt like a payer's answer."""
    charges = limits.charges
    reports_age = any(operator.age is not None for _, operator in operators if operator)
    confirms = bool(charges.confirm_above_kr)
    ages = bool(charges.minimum_age)
    for part, organisation in organisations:
        if organisation is None:
            continue
        own = organisation.limits.charges
        _check_own(part, organisation, limits)
        if charges.confirm_above_kr or own.confirm_above_kr:
            confirms = True
        ages = ages or own.minimum_age is not None
    if confirms:
        for part, organisation in organisations:
            if organisation is not None:
                _check_words(part, organisation)
        if charges.confirm_within_s > limits.charge_expiry_s and _given(reader, "confirm_within_s"):
            _warn(
                reader,
                "confirm_within_s",
                f"{charges.confirm_within_s} s is longer than a charge may wait, "
                f"limits.charge_expiry_s {limits.charge_expiry_s}",
                "raise charge_expiry_s too, or give less",
            )
    if ages and not reports_age:
        refuses = charges.age_unknown == "refuse"
        _warn(
            reader,
            "minimum_age",
            "no operator reports an age, so " + ("nobody could pay" if refuses else "it holds for nobody"),
            "give [operators.age] where an operator does, or drop minimum_age",
        )
    _check_order(reader, charges, charges.per_charge_kr or limits.amount_max_kr)


def _check_own(part: Part, organisation: Organisation, limits: Limits) -> None:
    own, general = organisation.limits.charges, limits.charges
    for key in (*CEILINGS, "confirm_above_kr"):
        mine, ceiling = getattr(own, key), getattr(general, key)
        if key == "per_charge_kr" and ceiling is None:
            ceiling = limits.amount_max_kr
        if mine is not None and ceiling and mine > ceiling:
            part.fault(
                ("limits", "charges", key),
                f"{mine} is above limits.charges.{key} of all organisations, {ceiling}",
                "give less, or leave it out and take theirs",
            )
    if own.minimum_age is not None and own.minimum_age < general.minimum_age:
        part.fault(
            ("limits", "charges", "minimum_age"),
            f"{own.minimum_age} is below limits.charges.minimum_age of all, {general.minimum_age}",
            "give more, or leave it out and take theirs",
        )


def _check_words(part: Part, organisation: Organisation) -> None:
    for word, loc in (
        (organisation.codeword, ("codeword",)),
        *((word, ("subcodewords", word)) for word in organisation.subcodewords),
    ):
        if fold(word) in YES_WORDS | NO_WORDS:
            part.fault(
                loc,
                f'"{word}" is what a payer answers where a charge must be confirmed',
                "choose another word, or set no confirm_above_kr",
            )


def _check_order(reader: Reader, charges: ChargeLimits, per_charge_kr: int) -> None:
    before, name = per_charge_kr, "per_charge_kr"
    for key in ("per_number_day_kr", "per_number_month_kr"):
        ceiling = getattr(charges, key)
        if not ceiling:
            continue
        if ceiling < before:
            _warn(
                reader,
                key,
                f"{ceiling} is below {name}, {before}, which can therefore never be reached",
                f"lower {name}, or raise this",
            )
        before, name = ceiling, key


def _warn(reader: Reader, key: str, wrong: str, right: str) -> None:
    reader.table("limits").warn(_loc(key), wrong, right)


def _loc(key: str) -> Loc:
    return ("charges", key)


def _given(reader: Reader, key: str) -> bool:
    charges = reader.table("limits").data.get("charges")
    return isinstance(charges, dict) and key in charges
