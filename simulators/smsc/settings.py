"""What the simulated SMSC can be told: accounts, price, ids, receipts, limits, and a script file's rules.

Values only; nothing here acts.
"""

from __future__ import annotations

import json
import re
import ssl
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

DAY_S = 86_400.0


class ScriptError(ValueError):
    """A script file or an option says something it may not; the text says where and what would be right."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PriceCarrier(StrEnum):
    """Where a submit_sm carries its price (DOMAIN section 3)."""

    TLV = "tlv"
    SERVICE_TYPE = "service_type"
    BILLING_IDENTIFICATION = "billing_identification"
    USER_MESSAGE_REFERENCE = "user_message_reference"
    SOURCE_ADDR = "source_addr"
    NONE = "none"


class PriceType(StrEnum):
    """How the octets of the price are read."""

    C_OCTET = "c-octet"
    OCTET = "octet"
    INT = "int"


class PriceUnit(StrEnum):
    """What one of the carried number is worth."""

    ORE = "ore"
    KRONER = "kroner"


class IdFormat(StrEnum):
    """How a message id is written; `big` lies above 63 bits, `padded` has leading zeros."""

    DECIMAL = "decimal"
    HEX = "hex"
    HEX_UPPER = "hex-upper"
    PADDED = "padded"
    UUID = "uuid"
    BIG = "big"


class ReceiptForm(StrEnum):
    """How a receipt is written: the usual text, and the forms seen in the wild (DOMAIN section 3)."""

    STANDARD = "standard"
    SHORT = "short"
    TEXT_ONLY = "text-only"
    TLV_ONLY = "tlv-only"
    UCS2_FLAGGED = "ucs2-flagged"
    CSV = "csv"


class ReceiptState(StrEnum):
    """The `stat:` of a receipt; `none` sends no receipt (the message is delivered all the same)."""

    ENROUTE = "ENROUTE"
    DELIVRD = "DELIVRD"
    EXPIRED = "EXPIRED"
    DELETED = "DELETED"
    UNDELIV = "UNDELIV"
    ACCEPTD = "ACCEPTD"
    UNKNOWN = "UNKNOWN"
    REJECTD = "REJECTD"
    NONE = "none"


class Bill(StrEnum):
    """When a premium message is billed. `on-delivery` and `late` bill what is delivered only."""

    ON_ACCEPT = "on-accept"
    ON_DELIVERY = "on-delivery"
    LATE = "late"
    NEVER = "never"


class Alphabet(StrEnum):
    """What data_coding 0 means on this SMSC."""

    GSM7 = "gsm7"
    LATIN1 = "latin1"
    LATIN9 = "latin9"


class Fsync(StrEnum):
    """When the ledger is forced to the disk; `never` leaves it to the operating system."""

    NEVER = "never"
    BATCH = "batch"


def _number_of(value: object) -> object:
    """Accepts `"0x1403"` where a number is meant (JSON has no hexadecimal)."""
    if isinstance(value, str) and re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}", value):
        return int(value, 16)
    return value


HexInt = Annotated[int, BeforeValidator(_number_of)]


class PriceSettings(_Model):
    """The price's carrier. `max_ore` is the most one message may cost; above it the submit_sm is refused.

    `codes` maps tariff codes, where those travel, to øre; `prefix` is what stands before the price in
    billing_identification, in hexadecimal (else one octet whose top bit is set is passed over).
    """

    carrier: PriceCarrier = PriceCarrier.TLV
    tag: HexInt = Field(default=0x1403, ge=1, le=0xFFFF)
    type: PriceType = PriceType.C_OCTET
    unit: PriceUnit = PriceUnit.ORE
    max_ore: int = Field(default=100_000, ge=1)
    short_codes: tuple[str, ...] = ()
    codes: dict[str, Annotated[int, Field(ge=1)]] = {}
    prefix: str = Field(default="", pattern=r"^([0-9a-fA-F]{2})*$")


class IdSettings(_Model):
    """How ids are written in submit_sm_resp and in receipts; `first` starts the count over (ids reused)."""

    response: IdFormat = IdFormat.DECIMAL
    receipt: IdFormat | None = None
    first: int | None = Field(default=None, ge=1, lt=2**63)


class ReceiptSettings(_Model):
    """Receipts where no rule says otherwise. Dates of 10, 12 or 14 digits; `id_nul` ends the id's TLV."""

    delay_s: float = Field(default=0.1, ge=0, le=7 * DAY_S)
    form: ReceiptForm = ReceiptForm.STANDARD
    date_digits: Literal[10, 12, 14] = 10
    id_nul: bool = True


class Limits(_Model):
    """What bounds the simulator's memory and its links.

    `window` deliver_sm unanswered on one bind; `unanswered` submit_sm of one bind before it is read no more;
    `rate` submit_sm a second from one account, 0 as many as come; `queue` deliver_sm and `pending` all deeds
    not done; `retry_s` until an unanswered or put-off deliver_sm goes again; `unbound` connections without a
    bind, of more the oldest is dropped; `bind_timeout_s` until one without a bind is closed; `inactivity_s`
    without any message until a bind is taken leave of, 0 never.
    """

    window: int = Field(default=10, ge=1, le=10_000)
    unanswered: int = Field(default=10_000, ge=1, le=1_000_000)
    rate: int = Field(default=0, ge=0)
    queue: int = Field(default=100_000, ge=1)
    pending: int = Field(default=200_000, ge=1)
    phones: int = Field(default=50_000, ge=1)
    messages_a_phone: int = Field(default=200, ge=1)
    listeners: int = Field(default=500, ge=1)
    rules: int = Field(default=200, ge=1)
    recent_ids: int = Field(default=20_000, ge=1)
    retry_s: float = Field(default=5.0, ge=0, le=DAY_S)
    response_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    enquire_link_s: float = Field(default=60.0, gt=0, le=3600)
    unbound: int = Field(default=500, ge=1, le=100_000)
    bind_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    inactivity_s: float = Field(default=0.0, ge=0, le=DAY_S)


class RuleSpec(_Model):
    """One rule: which submit_sm it is for, how many times, and what happens to them.

    `number` is a prefix of the destination in international digits (`+`, spaces allowed);
    `number_regex` must match those digits whole. What is left out matches all. Every kind of effect is
    decided by the first rule that sets it; receipt, stat, err, network_error, bill and bill_delay_s are one
    kind. `stat` is an operator's own word in place of the state's (`BARRED`, `ZEROBAL`).

    `close_after` closes the link instead of answering the n-th matching message. `deaf` answers the message
    and then reads that link no more: neither submit_sm nor enquire_link is answered any more.
    Both apply once where `times` is left out.
    """

    name: str = Field(default="", max_length=100)
    number: str | None = Field(default=None, pattern=r"^\+?[0-9 ]{1,20}$")
    number_regex: str | None = Field(default=None, max_length=200)
    short_code: str | None = Field(default=None, pattern=r"^[0-9]{2,15}$")
    premium: bool | None = None
    times: int | None = Field(default=None, ge=1)

    refuse: HexInt | None = Field(default=None, ge=1, le=0xFFFFFFFF)
    throttle: int | None = Field(default=None, ge=1, le=1_000_000)
    receipt: ReceiptState | None = None
    stat: str | None = Field(default=None, pattern=r"^[0-9A-Za-z_]{1,12}$")
    err: str | None = Field(default=None, pattern=r"^[0-9A-Za-z]{1,4}$")
    network_error: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{6}$")
    bill: Bill | None = None
    bill_delay_s: float | None = Field(default=None, ge=0, le=7 * DAY_S)
    receipt_delay_s: float | None = Field(default=None, ge=0, le=7 * DAY_S)
    receipt_twice: bool | None = None
    receipt_first: bool | None = None
    contradict: ReceiptState | None = None
    receipt_form: ReceiptForm | None = None
    id_in_response: IdFormat | None = None
    id_in_receipt: IdFormat | None = None
    drop_response: bool | None = None
    response_delay_s: float | None = Field(default=None, ge=0, le=3600)
    close_after: int | None = Field(default=None, ge=1, le=1_000_000)
    deaf: bool | None = None

    @model_validator(mode="after")
    def _sensible(self) -> RuleSpec:
        if self.number is not None and self.number_regex is not None:
            raise ValueError("give number (a prefix) or number_regex, not both")
        if self.number_regex is not None:
            try:
                re.compile(self.number_regex)
            except re.error as error:
                raise ValueError(f"number_regex is no regular expression: {error}") from None
        if self.throttle is not None and (self.times is not None or self.refuse is not None):
            raise ValueError("throttle = n already means: refuse the next n; leave times and refuse out")
        if self.receipt_first and self.receipt_delay_s:
            raise ValueError("receipt_first sends the receipt at once; leave receipt_delay_s out")
        if self.contradict is ReceiptState.NONE:
            raise ValueError("contradict is the state of a second receipt; 'none' is no such state")
        if not (self.model_fields_set & EFFECTS):
            raise ValueError(f"the rule does nothing; set one of {', '.join(sorted(EFFECTS))}")
        return self


MATCHERS = frozenset({"name", "number", "number_regex", "short_code", "premium", "times"})
EFFECTS = frozenset(RuleSpec.model_fields) - MATCHERS

NO_CREDIT = RuleSpec(
    name="default: +47 4000 0xxx has no credit",
    number="+4740000",
    premium=True,
    receipt=ReceiptState.UNDELIV,
    err="0021",
    bill=Bill.NEVER,
)
PREMIUM_BARRED = RuleSpec(
    name="default: +47 4111 1xxx has premium barred",
    number="+4741111",
    premium=True,
    receipt=ReceiptState.UNDELIV,
    err="0022",
    bill=Bill.NEVER,
)
DEFAULT_RULES = (NO_CREDIT, PREMIUM_BARRED)


class Script(_Model):
    """A script file, TOML or JSON, everything optional; `default_rules = false` leaves those out."""

    alphabet: Alphabet = Alphabet.GSM7
    default_rules: bool = True
    price: PriceSettings = PriceSettings()
    ids: IdSettings = IdSettings()
    receipts: ReceiptSettings = ReceiptSettings()
    limits: Limits = Limits()
    rules: tuple[RuleSpec, ...] = ()


class InterfaceVersion(StrEnum):
    """What the SMSC says it speaks."""

    V3_3 = "3.3"
    V3_4 = "3.4"
    V5_0 = "5.0"

    @property
    def number(self) -> int:
        """As it stands in PDUs (SMPP 3.4 section 5.2.4)."""
        whole, _, rest = self.value.partition(".")
        return int(whole) << 4 | int(rest)


class Tls(_Model):
    """TLS 1.2 or newer at the SMPP port: our certificate and its key in PEM. With `client_ca` every ESME must
    show a certificate by that authority."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Read the files; OSError (of which ssl.SSLError is one) where they cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        if self.client_ca is not None:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class SmscSettings(_Model):
    """All of one simulated SMSC. `accounts` maps system_id to password; port 0 picks a free one."""

    host: str = "127.0.0.1"
    port: int = Field(default=2775, ge=0, le=65535)
    control_host: str = "127.0.0.1"
    control_port: int = Field(default=8775, ge=0, le=65535)
    accounts: dict[str, str] = {"smsd": "secret"}
    ledger: Path | None = None
    ledger_fsync: Fsync = Fsync.NEVER
    script: Script = Script()
    tls: Tls | None = None
    interface_version: InterfaceVersion = InterfaceVersion.V3_4


def in_words(error: ValidationError) -> str:
    """What pydantic found, one fault a line: where, what is wrong."""
    lines = []
    for fault in error.errors():
        where = ".".join(str(step) for step in fault["loc"]) or "the whole"
        lines.append(f"{where}: {fault['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def read_script(path: Path) -> Script:
    """Reads a script file, `.toml` or `.json`.

    Raises:
        ScriptError: it cannot be read or says something it may not.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return Script.model_validate(raw)
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScriptError(f"{path}: is not {path.suffix.lstrip('.') or 'TOML'}: {error}") from None
    except ValidationError as error:
        raise ScriptError(f"{path}:\n{in_words(error)}") from None


def read_accounts(pairs: list[str]) -> dict[str, str]:
    """Accounts from `system_id:password` words.

    Raises:
        ScriptError: a word without a colon, an empty part, or one longer than SMPP allows.
    """
    accounts: dict[str, str] = {}
    for pair in pairs:
        system_id, colon, password = pair.partition(":")
        if not colon or not system_id or not password:
            raise ScriptError("an account is written system_id:password, for example smsd:secret")
        if len(system_id) > 15 or len(password) > 8:
            raise ScriptError("SMPP allows a system_id of 15 characters and a password of 8 at most")
        accounts[system_id] = password
    return accounts
