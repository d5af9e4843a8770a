"""What the bridge's settings may say: its store, the hand-off, the web site, and each organisation's billing.

Reads a file of its own or the gateway's, whose other tables it leaves alone. Knows nothing of operators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from billing_bridge.invoicing.kid import KID_MAX_DIGITS, is_account, is_organisation_number, kid_prefix
from foundation.settings import Fault, Part, Reader, Table
from foundation.settings_tables import (
    HandoffSettings,
    LogSettings,
    MetricsSettings,
    StoreUrl,
    TakeOver,
    WebAddress,
    WebSettings,
    matching,
)
from foundation.settings_words import told

OWN_TABLES = ("bridge", "handoff", "web", "organisations", "limits", "metrics", "log")
GATEWAY_TABLES = ("store", "operators", "short_codes")
"""Tables that only a gateway's file has; where one is there, unknown limits are the gateway's to judge."""
ENVIRONMENT_PREFIX = "BILLING_BRIDGE"
_KID_NUMBER_DIGITS = 6
"""Room that a KID must have for the invoice number."""
_SHARED_LIMITS = frozenset({"amount_min_kr", "amount_max_kr", "charge_expiry_s", "pay_again_s", "page_size"})
_GATEWAY_ORGANISATION_KEYS = frozenset(
    {"join", "subcodewords", "replies", "short_codes", "dialog", "sender_name", "limits"}
)
TableT = TypeVar("TableT", bound=Table)


def _account(value: str) -> str:
    if not is_account(value):
        raise told(f'"{value}" is no account number', "give its eleven digits; the last is a check digit")
    return value.replace(".", "").replace(" ", "")


def _organisation_number(value: str) -> str:
    if not is_organisation_number(value):
        raise told(f'"{value}" is no organisation number', "give its nine digits; the last is a check digit")
    return value.replace(" ", "")


class Fee(Table):
    """[[billing.fees]]: what a membership of one category costs a year."""

    category: Annotated[str, Field(min_length=1, max_length=60, examples=["Medlem"])]
    """Its name; each once."""
    amount_kr: Annotated[int, Field(ge=0, le=100_000, examples=[50])]
    """Whole kroner; 0 is a free membership."""
    active: bool = True
    """Whether it can be joined now; the first active one is joined by SMS."""


class OperatorFee(Table):
    """[[billing.operator_fees]]: what an operator keeps of the charges, for the month's statement."""

    operator: Annotated[str, Field(max_length=60, examples=["telco"])] = ""
    """Its name in [[operators]]; empty: every operator that has no fee of its own."""
    amount_kr: Annotated[int, Field(ge=0, le=100_000)] = 0
    """The tariff it is for; 0: all."""
    percent: Annotated[float, Field(ge=0, le=100)] = 0
    """Of what was billed; at most three decimals."""
    per_charge_ore: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Øre for each charge."""
    vat_percent: Annotated[float, Field(ge=0, le=100)] = 0
    """VAT on the fee."""
    returned_with_refund: bool = False
    """Whether the operator gives back its percentage of what it gives back to payers."""

    @field_validator("percent", "vat_percent")
    @classmethod
    def _decimals(cls, value: float) -> float:
        if Fraction(str(value)) * 1000 % 1:
            raise told(f"{value} has more than three decimals", "give at most three")
        return value

    @property
    def share(self) -> Fraction:
        """`percent`, exactly as it was written."""
        return Fraction(str(self.percent))

    @property
    def vat(self) -> Fraction:
        """`vat_percent`, exactly as it was written."""
        return Fraction(str(self.vat_percent))


class Billing(Table):
    """[billing] of an organisation."""

    account: Annotated[str, AfterValidator(_account), Field(examples=["12345678903"])]
    """Account number, eleven digits (mod11); points and blanks may stand in it."""
    organisation_number: Annotated[str, AfterValidator(_organisation_number), Field(examples=["999999999"])]
    """Nine digits (mod11)."""
    vat_registered: bool = False
    """Whether invoices carry `MVA` after the organisation number."""
    payment_days: Annotated[int, Field(ge=1, le=365)] = 14
    """Days from an invoice's date until it is due."""
    kid_length: Annotated[int, Field(ge=_KID_NUMBER_DIGITS + 1, le=KID_MAX_DIGITS)] = 12
    """Digits of a KID, its check digit (mod10) included."""
    series: Annotated[
        str, matching(r"[A-Z0-9-]{0,10}", "{} is no series", "give at most 10 capitals, digits and -")
    ] = ""
    """What invoice numbers begin with; numbers run without gaps within it."""
    credit_series: Annotated[
        str, matching(r"[A-Z0-9-]{1,10}", "{} is no series", "give 1 to 10 capitals, digits and -")
    ] = "K"
    """What numbers of credit notes begin with; they run without gaps within it."""
    fees: tuple[Fee, ...] = ()
    """The categories; none active: not open for joining."""
    operator_fees: tuple[OperatorFee, ...] = ()
    """What operators keep; none: nothing, and the statement says so."""

    @model_validator(mode="after")
    def _consistent(self) -> Billing:
        wanted = len(kid_prefix(self.series)) + _KID_NUMBER_DIGITS + 1
        if self.kid_length < wanted:
            raise told(
                f"kid_length {self.kid_length} has no room for the series' digits, the number and the check",
                f"give {wanted} to {KID_MAX_DIGITS}",
            )
        names = [fee.category.casefold() for fee in self.fees]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise told(f'the fee "{self.fees[place].category}" stands here twice', "keep one of them")
        kept = [(fee.operator, fee.amount_kr) for fee in self.operator_fees]
        for place, key in enumerate(kept):
            if key in kept[:place]:
                raise told(
                    f'the operator_fees of "{key[0]}" for {key[1] or "all"} kr stand here twice',
                    "keep one of them",
                )
        return self


class BridgeOrganisation(Table):
    """One organisation, as the bridge sees it."""

    name: Annotated[str, Field(min_length=1, max_length=100, examples=["Organisasjon1"])]
    """As people know it."""
    codeword: Annotated[
        str,
        Field(examples=["ORG1"]),
        matching(r"\w{1,20}", "{} is no codeword", "give letters and digits, at most 20"),
    ]
    """As the gateway has it."""
    site: WebAddress
    """Where members see to their membership."""
    language: Literal["nn", "nb", "en"] = "nn"
    """The language of what it writes."""
    billing: Billing
    """[billing]"""

    @property
    def code(self) -> str:
        """What the hand-off calls it: the codeword in upper case."""
        return self.codeword.upper()


class BridgeLimits(Table):
    """[limits], as far as the bridge goes by them."""

    model_config = ConfigDict(populate_by_name=True)

    min_kr: Annotated[int, Field(ge=1, le=100_000, validation_alias="amount_min_kr")] = 1
    """``amount_min_kr``: the lowest amount a text may pay, whole kroner."""
    max_kr: Annotated[int, Field(ge=1, le=100_000, validation_alias="amount_max_kr")] = 1000
    """``amount_max_kr``: the highest."""
    charge_expiry_s: Annotated[int, Field(ge=30, le=86_400)] = 600
    """Seconds within which the gateway may begin a charge."""
    pay_again_s: Annotated[int, Field(ge=0, le=86_400)] = 300
    """Seconds within which what may be an SMSC's repetition of a text pays no second invoice."""
    page_size: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Rows to a page."""

    @model_validator(mode="after")
    def _consistent(self) -> BridgeLimits:
        if self.min_kr > self.max_kr:
            raise told(
                f"amount_min_kr {self.min_kr} is above amount_max_kr {self.max_kr}",
                "lower the first or raise the other",
            )
        return self


class BridgeSettings(Table):
    """All of it, checked."""

    path: Annotated[Path, Field(strict=False)]
    """The file all was read from."""
    store: str
    """``bridge.store``: ``sqlite:///path`` from the working directory."""
    take_over_s: float = 30.0
    """``bridge.take_over_s``: seconds of silence after which an owner on another machine counts as gone."""
    refused_days: int = 90
    """``bridge.refused_days``: days until a message that could not be taken is deleted."""
    organisations: tuple[BridgeOrganisation, ...]
    limits: BridgeLimits
    handoff: HandoffSettings
    web: WebSettings
    metrics: MetricsSettings
    log: LogSettings
    warnings: tuple[Fault, ...] = ()
    """What is allowed but unwise."""

    _organisations: dict[str, BridgeOrganisation] = PrivateAttr(default_factory=dict)

    def model_post_init(self, _context: Any) -> None:
        self._organisations.update((each.code, each) for each in self.organisations)

    def organisation(self, code: str) -> BridgeOrganisation | None:
        """The organisation of this codeword in upper case."""
        return self._organisations.get(code)


class _BridgeTable(Table):
    """[bridge]"""

    store: StoreUrl = "sqlite:///var/billing.db"
    """Where all is kept."""
    take_over_s: TakeOver = 30.0
    """Seconds without a sign of life after which an owner on another machine counts as gone."""
    refused_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """Days until a message that could not be taken, and lies aside whole, is deleted; it may hold texts."""


def load(path: Path | str, environment: Mapping[str, str] | None = None) -> BridgeSettings:
    """Read and check the settings, from the bridge's own file or the gateway's.

    Args:
        path: the file.
        environment: variables that lie over it (``BILLING_BRIDGE_WEB__LISTEN``); default: the process's.

    Raises:
        ConfigurationError: with every fault of every file.
    """
    reader = Reader(
        Path(path), (*OWN_TABLES, *GATEWAY_TABLES), prefix=ENVIRONMENT_PREFIX, environment=environment
    )
    gateways = any(table in reader.main.data for table in GATEWAY_TABLES)
    bridge = reader.table("bridge").read(_BridgeTable)
    handoff = reader.table("handoff").read(HandoffSettings)
    web = reader.table("web").read(WebSettings)
    metrics = reader.table("metrics").read(MetricsSettings)
    log = reader.table("log").read(LogSettings)
    limits_part = reader.table("limits")
    if gateways:
        _leave(limits_part, set(limits_part.data) - _SHARED_LIMITS)
    limits = limits_part.read(BridgeLimits)
    organisations = [(part, _organisation(part)) for part in reader.array("organisations")]
    _each_once(organisations)
    warnings = reader.finish()
    return BridgeSettings(
        path=Path(path),
        store=_sure(bridge).store,
        take_over_s=_sure(bridge).take_over_s,
        refused_days=_sure(bridge).refused_days,
        organisations=tuple(_sure(organisation) for _, organisation in organisations),
        limits=_sure(limits),
        handoff=_sure(handoff),
        web=_sure(web),
        metrics=_sure(metrics),
        log=_sure(log),
        warnings=warnings,
    )


def _sure(table: TableT | None) -> TableT:
    assert table is not None, "a table that could not be read has laid a fault"
    return table


def _leave(part: Part, keys: Iterable[str]) -> None:
    part.data = {key: value for key, value in part.data.items() if key not in keys}


def _organisation(part: Part) -> BridgeOrganisation | None:
    _leave(part, _GATEWAY_ORGANISATION_KEYS)
    return part.read(BridgeOrganisation)


def _each_once(organisations: Sequence[tuple[Part, BridgeOrganisation | None]]) -> None:
    for key in ("name", "codeword"):
        seen: dict[str, str] = {}
        for part, _ in organisations:
            value = part.data.get(key)
            if not isinstance(value, str):
                continue
            file = part.layer((key,)).document.name
            if value.casefold() in seen:
                wrong = f'"{value}" is taken already, in {seen[value.casefold()]}'
                part.fault((key,), wrong, "give it another")
            seen.setdefault(value.casefold(), file)
    kids: dict[tuple[str, str], str] = {}
    for part, organisation in organisations:
        if organisation is None:
            continue
        billing = organisation.billing
        kid = (billing.account, kid_prefix(billing.series))
        if kid in kids:
            wrong = f"its KIDs would be those of {kids[kid]}, at the same account"
            part.fault(("billing", "series"), wrong, "give it a series with other digits, or another account")
        kids.setdefault(kid, organisation.code)
