"""What ``[limits.charges]`` may say, in the main file and in an organisation's, and ``[operators.age]``.

Amounts are whole kroner; days and months are the calendar's in Europe/Oslo.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from foundation.settings import Table
from foundation.settings_words import told

MOST_KR = 100_000_000
Ceiling = Annotated[int, Field(ge=1, le=MOST_KR)]
Bound = Annotated[int, Field(ge=0, le=MOST_KR)]

CEILINGS = ("per_charge_kr", "per_number_day_kr", "per_number_month_kr", "per_organisation_day_kr")
"""The keys that an organisation may lower for itself."""


class ChargeLimits(Table):
    """[limits.charges]: what may be charged, and of whom."""

    per_charge_kr: Bound | None = None
    """The most that one charge may be; default: `limits.amount_max_kr`; 0: no bound."""
    per_number_day_kr: Bound = 2000
    """The most that a number is charged in a day, by all organisations together; 0: no bound."""
    per_number_month_kr: Bound = 3000
    """The same in a calendar month."""
    per_organisation_day_kr: Bound = 0
    """The most that an organisation charges in a day, of all numbers together; 0: no bound."""
    confirm_above_kr: Bound = 0
    """A charge above it waits for the payer's yes; 0: none does."""
    confirm_within_s: Annotated[int, Field(ge=60, le=86_400)] = 900
    """Seconds for the yes; fewer where the charge's own time, `limits.charge_expiry_s`, ends before."""
    minimum_age: Annotated[int, Field(ge=0, le=99)] = 0
    """Years that the payer must have, where the operator reports it ([operators.age]); 0: no bound."""
    age_unknown: Literal["allow", "refuse"] = "allow"
    """What to do with a charge where `minimum_age` is given and no age is reported."""
    while_paused: Literal["refuse", "hold"] = "refuse"
    """A charge asked for while the stop switch is set: refused at once, or held until it expires."""


class OrganisationCharges(Table):
    """[limits.charges] of an organisation: never more than the main file allows."""

    per_charge_kr: Ceiling | None = None
    """The most that one charge of it may be."""
    per_number_day_kr: Ceiling | None = None
    """The most that it charges a number in a day."""
    per_number_month_kr: Ceiling | None = None
    """The same in a calendar month."""
    per_organisation_day_kr: Ceiling | None = None
    """The most that it charges in a day, of all numbers together."""
    confirm_above_kr: Ceiling | None = None
    """A charge of it above this waits for the payer's yes."""
    minimum_age: Annotated[int, Field(ge=1, le=99)] | None = None
    """Years that its payers must have, never fewer than the main file asks for."""


class OrganisationLimits(Table):
    """[limits] of an organisation."""

    charges: OrganisationCharges = OrganisationCharges()
    """[limits.charges]"""


class AgeReport(Table):
    """[operators.age]: which TLV of an MO tells the subscriber's age, and how."""

    tag: Annotated[int, Field(ge=1, le=0xFFFF, examples=[0x1510])]
    """Its tag."""
    type: Literal["int", "c-octet", "octet"] = "int"
    """`int`: big-endian number of 1 to 4 octets; `c-octet`: text, with or without a NUL; `octet`: text."""
    unit: Literal["years", "adult"] = "years"
    """`years`: the age; `adult`: a flag that says whether the subscriber is of age."""
    adult_age: Annotated[int, Field(ge=1, le=99)] = 18
    """For `adult`: the age that the flag stands for."""
    adult_values: tuple[Annotated[str, Field(min_length=1)], ...] = ("1", "Y", "yes", "true")
    """For `adult`: what the flag says of an adult, letter case aside."""
    minor_values: tuple[Annotated[str, Field(min_length=1)], ...] = ("0", "N", "no", "false")
    """For `adult`: what it says of others; anything else tells nothing."""

    @model_validator(mode="after")
    def _apart(self) -> AgeReport:
        both = {each.casefold() for each in self.adult_values} & {
            each.casefold() for each in self.minor_values
        }
        if both:
            raise told(
                f'"{min(both)}" stands in adult_values and in minor_values', "drop it from one of them"
            )
        return self
