"""What ``[[short_codes]]``, ``[[organisations]]``, ``[limits]`` and ``[bridge]`` may say to the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from foundation.settings import Table
from foundation.settings_tables import StoreUrl, WebAddress, matching
from foundation.settings_words import told
from smsd.codewords import Codeword, Function
from smsd.settings_limits import ChargeLimits, OrganisationLimits

_JOINING: Mapping[str, Function | None] = {
    "off": None,
    "join": Function("join"),
    "join-and-pay": Function("join-and-pay"),
}
_WORD = r"[A-Za-z0-9ÆØÅæøåÄÖäöÉéÜü]{1,20}"
_WORD_RIGHT = "give letters and digits without a blank, at most 20"

_SENDER_NAME = r"(?=.*[A-Za-z])(?! )[A-Za-z0-9 .&-]{3,11}(?<! )"
_SENDER_NAME_RIGHT = (
    "give 3 to 11 of the letters A to Z, digits, blanks, full stops, & and -, at least one of them a letter: "
    "other letters, æ ø å too, come out wrong on some networks, and more than 11 are refused"
)

Word = Annotated[str, matching(_WORD, "{} is no codeword", _WORD_RIGHT), AfterValidator(str.upper)]


class BridgeTable(Table):
    """[bridge] as the gateway sees it: that it is there. Every other key is the bridge's to check."""

    model_config = ConfigDict(extra="ignore")

    store: StoreUrl = "sqlite:///var/billing.db"
    """The bridge's own store."""


class ShortCode(Table):
    """[[short_codes]]: a number that phones write to."""

    number: Annotated[
        str, matching(r"\d{3,14}", "{} is no short code", 'give 3 to 14 digits in quotes, such as "2030"')
    ]
    """Its digits. Longer numbers that begin with it are this one with a dialogue id."""
    operators: Annotated[tuple[str, ...], Field(min_length=1, examples=[["telco"]])]
    """Names of the operators that carry it; answers to numbers not heard from go by the first."""


class Organisation(Table):
    """One organisation, in a file of its own or in the main one. `billing` is the bridge's."""

    name: Annotated[str, Field(min_length=1, max_length=100, examples=["Organisasjon1"])]
    """As people know it."""
    codeword: Annotated[Word, Field(examples=["ORG1"])]
    """The word that texts begin with; in upper case, however it is written."""
    language: Literal["nn", "nb", "en"] = "nn"
    """The language of the replies."""
    site: WebAddress
    """Where members see to their membership; stands in replies."""
    join: Literal["off", "join", "join-and-pay"] = "off"
    """What the codeword with a name and an e-mail address does."""
    subcodewords: dict[Word, Function] = Field(default_factory=dict)
    """Words after the codeword → join, join-and-pay, pay, status, stop, help or dialog."""
    replies: dict[str, str] = Field(default_factory=dict)
    """Texts in place of the defaults, by name."""
    short_codes: tuple[str, ...] = ()
    """The short codes it is reached at; default: all."""
    sender_name: (
        Annotated[
            str,
            matching(_SENDER_NAME, "{} is no sender name", _SENDER_NAME_RIGHT),
            Field(examples=["Org One"]),
        ]
        | None
    ) = None
    """What phones see as the sender of texts to many (invitations, reminders, newsletters), which nobody can
    answer; all else comes from the short code, and so do these where it is not given."""
    dialog: bool = True
    """Whether free text to the organisation is kept for a person to answer."""
    limits: OrganisationLimits = OrganisationLimits()
    """[limits.charges]: ceilings of its own."""
    billing: dict[str, Any] = Field(default_factory=dict)
    """[billing], the bridge's own."""

    @property
    def org(self) -> str:
        """What the hand-off calls it: the codeword."""
        return self.codeword

    @property
    def functions(self) -> frozenset[Function]:
        """Everything that a text to it can set off."""
        joining = _JOINING[self.join]
        return frozenset(self.subcodewords.values()) | ({joining} if joining else frozenset())

    def as_codeword(self) -> Codeword:
        """What a `Codebook` needs of it."""
        return Codeword(
            org=self.org,
            join=_JOINING[self.join],
            subcodewords=self.subcodewords,
            dialog=self.dialog,
        )


class Limits(Table):
    """[limits]"""

    amount_min_kr: Annotated[int, Field(ge=1, le=100_000)] = 1
    """The lowest amount a text may pay, whole kroner."""
    amount_max_kr: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """The highest amount a text may pay, whole kroner."""
    mo_queue: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """MO that may wait for the store before links are read no more."""
    mt_queue: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    """submit_sm of an operator and lane that are kept in memory; beyond it they wait in the store."""
    rate_per_organisation: Annotated[float, Field(ge=0, le=10_000)] = 0
    """submit_sm a second of one organisation, over all operators; 0: no bound but the operators'."""
    lane_share: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """The part of what an account sends that each less urgent lane (people, then the crowd) has at least
    while it waits; 0: none, it waits until nothing more urgent does."""
    send_expiry_s: Annotated[int, Field(ge=60, le=14 * 86_400)] = 86_400
    """Seconds until a text that the bridge asked for is given up where it could not be sent."""
    answers_gather_ms: Annotated[int, Field(ge=0, le=1000)] = 25
    """Milliseconds for which acceptances of free messages gather before they are written; 0: none."""
    pdu_limit_octets: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 65_536
    """The longest PDU that is read; a longer one ends the link."""
    reassembly_expiry_s: Annotated[int, Field(ge=10, le=86_400)] = 300
    """Seconds until the parts that came of a long MO are taken as they are."""
    repeat_after_s: Annotated[float, Field(ge=0.5, le=60)] = 3
    """An MO that was not answered for this many seconds may come again on the same bind."""
    help_once_per_s: Annotated[int, Field(ge=0, le=30 * 86_400)] = 86_400
    """An unknown codeword is answered at most once in this many seconds per number."""
    pay_again_s: Annotated[int, Field(ge=0, le=86_400)] = 300
    """The bridge's: seconds within which what may be a repetition of a text pays no second invoice."""
    charge_expiry_s: Annotated[int, Field(ge=30, le=86_400)] = 600
    """Seconds after the bridge's word within which a charge may begin."""
    receipt_wait_h: Annotated[int, Field(ge=1, le=24 * 30)] = 48
    """Hours until a charge without receipt is alarmed; receipts come up to 48 hours late."""
    in_doubt_alarm_s: Annotated[
        tuple[Annotated[int, Field(ge=60, le=365 * 86_400)], ...],
        Field(max_length=8, examples=[[3600, 86_400]]),
    ] = (3600, 86_400, 172_800)
    """Ages, in seconds, at each of which a charge that is still in doubt raises a louder alarm."""
    resolve_alone_kr: Annotated[int, Field(ge=0, le=100_000)] = 500
    """The highest amount, whole kroner, of which one person alone may say what became of it; above it a
    second person must say the same."""
    text_keep_days: Annotated[int, Field(ge=1, le=3650)] = 180
    """Days until messages' texts are blanked; charges and their evidence are kept."""
    set_aside_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """Days until what could not be handled, and lies aside whole, is deleted; it may hold texts of people."""
    unmatched_receipt_days: Annotated[int, Field(ge=3, le=3650)] = 180
    """Days until a receipt that fits no message is deleted; longer than operators take for their reports."""
    stop_grace_s: Annotated[float, Field(ge=0, le=300)] = 15
    """Seconds at a stop for answers that are still on their way."""
    page_size: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Rows to a page, in lists and on the web site."""
    charges: ChargeLimits = ChargeLimits()
    """[limits.charges]: what may be charged, and of whom."""

    @model_validator(mode="after")
    def _consistent(self) -> Limits:
        if self.amount_min_kr > self.amount_max_kr:
            raise told(
                f"amount_min_kr {self.amount_min_kr} is above amount_max_kr {self.amount_max_kr}",
                "lower the first or raise the other",
            )
        return self
