"""What ``[operators.queries]`` may say: how an SMSC is asked, by query_sm, what became of a charge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field, field_validator, model_validator

from foundation.contract import Reason
from foundation.settings import Table
from foundation.settings_words import one_of, told
from smsd.smpp.receipt_text import State

SAID: Final = ("charged", "unknown", *(reason.value for reason in Reason if reason.value))
"""What a message_state may be taken for; all but the first two mean *not charged*, and why."""
STATES: Final = tuple(state.name for state in State)


class Queries(Table):
    """[operators.queries]; counts where the operator's `query` is true."""

    overdue_s: Annotated[int, Field(ge=0, le=14 * 86_400)] = 3600
    """Seconds after its answer from which an accepted charge without a receipt is asked about; 0: never."""
    rate: Annotated[float, Field(gt=0, le=100)] = 1
    """query_sm a second, at most; they also count against the account's `rate`."""
    pause_s: Annotated[int, Field(ge=10, le=86_400)] = 300
    """Seconds until the same charge is asked about again; doubled each time."""
    pause_max_s: Annotated[int, Field(ge=10, le=7 * 86_400)] = 21_600
    """The longest such pause."""
    tries: Annotated[int, Field(ge=1, le=100)] = 8
    """How often one charge is asked about."""
    outcomes: dict[str, str] = Field(default_factory=dict)
    """message_state by its name (`DELIVERED`, `EXPIRED`…) → one of `SAID`; what is not named is read as a
    receipt of that state would be."""

    @field_validator("outcomes")
    @classmethod
    def _known(cls, outcomes: Mapping[str, str]) -> Mapping[str, str]:
        for state, outcome in outcomes.items():
            if state not in STATES:
                raise told(f'"{state}" is no message_state', one_of(STATES, state))
            if outcome not in SAID:
                raise told(f'"{state}" leads to "{outcome}", which is no outcome', one_of(SAID, outcome))
            if outcome != "unknown" and not State[state].final:
                raise told(f'"{state}" leads to "{outcome}", but it is no final state', 'give "unknown"')
        return outcomes

    @model_validator(mode="after")
    def _consistent(self) -> Queries:
        if self.pause_s > self.pause_max_s:
            raise told(
                f"pause_s {self.pause_s} is above pause_max_s {self.pause_max_s}",
                "lower the first or raise the other",
            )
        return self
