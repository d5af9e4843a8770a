"""What ``[[operators]]`` and the files in ``operators/`` may say: one account at one operator.

Holds values and what they allow; how an outcome is read from PDUs is `smsd.operators`'. Its price is in
`smsd.settings_price`, its billing report in `smsd.settings_report`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from foundation.contract import Reason
from foundation.settings import Table
from foundation.settings_tables import Host, Listen, Port, Tls, address, matching
from foundation.settings_words import one_of, told
from smsd.settings_limits import AgeReport
from smsd.settings_price import SERVICE_TYPE_OCTETS, Price, printable
from smsd.settings_query import Queries
from smsd.settings_report import ReportForm

OUTCOMES = ("charged", "pending", "unknown", *(reason.value for reason in Reason if reason.value))
"""Words an outcome table may use; all but the first three mean *not charged*, and why."""
BOUND_TO = frozenset(
    {
        *("name", "host", "port", "tls", "system_id", "password", "system_type", "address_range"),
        *("bind", "binds", "window", "enquire_link_s", "response_timeout_s", "bind_timeout_s"),
        *("inactivity_s",),
        *("reconnect_first_s", "reconnect_max_s", "hosts", "standby_hosts", "spread_binds", "fail_back_s"),
        *("interface_version", "outbind_listen", "outbind"),
        *("trace_file", "trace_private", "trace_file_mb", "trace_files"),
    }
)
"""An operator's keys that hold from one bind to the next; all others can change at any time."""
_PORTS = 65535


def is_host_port(text: object) -> bool:
    """Whether this is host:port with a port that can be connected to."""
    try:
        return isinstance(text, str) and 0 < address(text)[1] <= _PORTS
    except ValueError:
        return False


def status_of(code: str) -> int | None:
    """The command_status that a code of an outcome table stands for, however many zeros it has; else None."""
    match = re.fullmatch(r"0[xX]0*([0-9a-fA-F]{1,8})", code)
    return int(match[1], 16) if match else None


def _host_port(text: str) -> str:
    if not is_host_port(text):
        raise told(f'"{text}" is no host:port', 'give it as "smsc.example:2775" or "[::1]:2775"')
    return text


HostPort = Annotated[str, AfterValidator(_host_port)]


class OutbindCaller(Table):
    """[operators.outbind]: who the SMSC says it is when it calls, where that is not the account itself."""

    system_id: Annotated[str, printable(15)] = ""
    """The system_id in its outbind; default: the account's."""
    password: SecretStr | None = None
    """The password in its outbind, at most 8 octets; default: the account's. Better by ``password_file``."""


class Operator(Table):
    """[[operators]]: one account. A ``file = "operators/x.toml"`` gives what is not given here."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=40, examples=["telco"]),
        matching(r"[A-Za-z0-9_-]+", "{} is no name", "give letters, digits, - and _"),
    ]
    """What logs, metrics and [[short_codes]] call it."""
    host: Host
    """The SMSC's host."""
    port: Port
    """The SMSC's port."""
    hosts: tuple[HostPort, ...] = ()
    """In place of `host` and `port`: ``["a:2775", "b:2775"]``, the preferred one first."""
    standby_hosts: tuple[HostPort, ...] = ()
    """Hosts that a bind turns to, in this order, where `host` refuses or is not reached."""
    spread_binds: bool = False
    """Whether binds prefer different hosts, in turn; otherwise all prefer the first."""
    fail_back_s: Annotated[float, Field(ge=0, le=86_400)] = 300
    """How often a bind at another host than its preferred one looks whether it can go back, seconds; more
    seldom while the preferred one listens but refuses the bind. 0: never."""
    tls: Tls = None
    """``true``, ``false`` or a table."""
    system_id: Annotated[str, Field(min_length=1), printable(15)]
    """At most 15 octets (SMPP 3.4 section 5.2.1)."""
    password: SecretStr
    """SMPP 3.4 section 5.2.2 allows 8 octets; up to 32 are sent. Better by ``password_file``."""
    system_type: Annotated[str, printable(12)] = ""
    """At most 12 octets."""
    address_range: Annotated[str, printable(40)] = ""
    """What the account receives for, where the operator asks for it at bind."""
    bind: Literal["transceiver", "transmitter+receiver"] = "transceiver"
    """One link for both ways, or one for each."""
    binds: Annotated[int, Field(ge=1, le=32)] = 1
    """How many such binds are held at once."""
    interface_version: Literal["3.3", "3.4", "5.0"] = "3.4"
    """What the bind says it speaks. 3.3 has neither TLVs nor transceivers."""
    outbind_listen: Listen | None = None
    """Where the SMSC calls us (outbind, SMPP 3.4 section 2.2.1): receivers and transceivers then wait for
    its call there and bind on that connection; transmitters connect as ever."""
    outbind: OutbindCaller = OutbindCaller()
    """[operators.outbind]; who it says it is."""
    window: Annotated[int, Field(ge=1, le=1000)] = 10
    """Unanswered submit_sm on one bind."""
    rate: Annotated[float, Field(gt=0, le=10_000)] = 100
    """submit_sm a second, the whole account's."""
    enquire_link_s: Annotated[float, Field(ge=1, le=600)] = 20
    """Seconds of silence until enquire_link."""
    response_timeout_s: Annotated[float, Field(ge=1, le=600)] = 60
    """Seconds until a request counts as unanswered."""
    bind_timeout_s: Annotated[float, Field(ge=1, le=300)] = 30
    """Seconds from connecting to a bind's answer."""
    inactivity_s: Annotated[float, Field(ge=0, le=86_400)] = 0
    """Seconds without any message, after which a bind is made anew (the inactivity timer of SMPP 3.4 section
    7.2); 0: never."""
    reconnect_first_s: Annotated[float, Field(ge=0.05, le=60)] = 1
    """Seconds until the first new try after a lost link; doubled at each failure, with jitter."""
    reconnect_max_s: Annotated[float, Field(ge=0.1, le=3600)] = 60
    """The longest wait between tries."""
    throttle_pause_s: Annotated[float, Field(ge=0.05, le=600)] = 1
    """Seconds the whole account rests after throttled or queue-full; doubled while that goes on."""
    throttle_recover_s: Annotated[float, Field(ge=0.1, le=3600)] = 20
    """Seconds from half of what it sent before a rest back to the whole `rate`, in even steps."""
    data_coding_default: Literal["gsm7", "latin1", "latin9"] = "gsm7"
    """What data_coding 0 means on this route."""
    segments_by: Literal["udh8", "udh16", "sar", "payload"] = "udh8"
    """How a long text travels."""
    message_id: Literal["opaque", "resp-hex", "receipt-hex", "decimal", "hex"] = "opaque"
    """How a receipt's id relates to the response's: the same text, one of the two hexadecimal, or both one
    number whose leading zeros or letter case differ."""
    receipt_id: Literal["tlv", "text"] = "tlv"
    """Which id of a receipt is meant where receipted_message_id and the text spell it differently."""
    source_ton: Annotated[int, Field(ge=0, le=7)] = 3
    """Type of number of the short code as sender: 0, 1 or 3 by operator."""
    source_npi: Annotated[int, Field(ge=0, le=18)] = 0
    """Numbering plan of the short code as sender."""
    dest_ton: Annotated[int, Field(ge=0, le=7)] = 1
    """Type of number of recipients."""
    dest_npi: Annotated[int, Field(ge=0, le=18)] = 1
    """Numbering plan of recipients."""
    service_type: Annotated[str, printable(SERVICE_TYPE_OCTETS)] = ""
    """service_type of free messages, and of premium ones unless it carries the price."""
    validity_s: Annotated[int, Field(ge=60, le=14 * 86_400)] = 86_400
    """How long the operator may try to deliver a message, seconds."""
    request_receipts: Literal["all", "premium"] = "all"
    """Which messages ask for a delivery receipt; premium ones always do."""
    query: bool = False
    """Whether the SMSC is asked, by query_sm, about charges that nothing else has settled."""
    queries: Queries = Queries()
    """[operators.queries]; about which charges, how often, and what its answers mean."""
    echo_tlvs: tuple[Annotated[int, Field(ge=1, le=0xFFFF)], ...] = ()
    """Tags of an MO's TLVs that go back with the messages that answer it."""
    reply_on_same_bind: bool = False
    """Whether answers must go down the bind that their MO came on; of a pair, down its transmitter."""
    same_bind_wait_s: Annotated[float, Field(ge=0, le=86_400)] = 60
    """Seconds such an answer waits for its bind where that is down; after that any bind will do."""
    trace_file: Annotated[str, Field(min_length=1, examples=["var/telco.pcap"])] | None = None
    """A pcap file of every PDU, for Wireshark; from the working directory. Not given: no trace."""
    trace_private: bool = False
    """Whether texts and whole numbers stand in the trace."""
    trace_file_mb: Annotated[int, Field(ge=1, le=1000)] = 10
    """How large a trace's file grows before the next is begun."""
    trace_files: Annotated[int, Field(ge=1, le=100)] = 4
    """How many files of a trace there are: the one written, and older ones as `.1`, `.2` and so on."""
    price: Price = Price(carrier="none")
    """[operators.price]; without it the account sends free messages alone."""
    outcomes: dict[Annotated[str, Field(min_length=1), printable(40)], str] = Field(default_factory=dict)
    """Receipt err, stat, or command_status → one of `OUTCOMES`."""
    report: ReportForm = ReportForm()
    """[operators.report]; how `smsd charges reconcile` reads this operator's billing report."""
    age: AgeReport | None = None
    """[operators.age]; not given: this operator reports no age."""

    @field_validator("outcomes")
    @classmethod
    def _known_outcomes(cls, outcomes: Mapping[str, str]) -> Mapping[str, str]:
        for code, outcome in outcomes.items():
            if outcome not in OUTCOMES:
                raise told(f'"{code}" leads to "{outcome}", which is no outcome', one_of(OUTCOMES, outcome))
        return outcomes

    @field_validator("password")
    @classmethod
    def _password_fits(cls, password: SecretStr) -> SecretStr:
        text = password.get_secret_value()
        if not text.isascii() or not text.isprintable() or len(text) > 32:
            raise told("the secret does not fit a bind", "give at most 32 printable ASCII characters")
        return password

    @model_validator(mode="after")
    def _consistent(self) -> Operator:
        if self.interface_version == "3.3" and self.bind == "transceiver":
            raise told(
                'SMPP 3.3 has no transceiver, but interface_version is "3.3"',
                'set bind = "transmitter+receiver", or interface_version = "3.4"',
            )
        if self.interface_version == "3.3" and self.needs_tlvs:
            raise told(
                f'SMPP 3.3 has no TLVs, but prices travel by "{self.price.carrier}" '
                f'and long texts by "{self.segments_by}"',
                'set interface_version = "3.4", or a carrier and segments_by without TLVs',
            )
        if self.outbind_listen and self.tls is not None:
            raise told(
                "outbind_listen is given, but tls too: a call by outbind comes in clear",
                "set tls = false and let a tunnel stand before outbind_listen",
            )
        addresses = self.addresses
        if len(set(addresses)) < len(addresses):
            raise told("the same host stands twice among hosts or standby_hosts", "name each once")
        if self.reconnect_first_s > self.reconnect_max_s:
            raise told(
                f"reconnect_first_s {self.reconnect_first_s:g} is above "
                f"reconnect_max_s {self.reconnect_max_s:g}",
                "lower the first or raise the other",
            )
        return self

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """All hosts with their ports, the preferred one first."""
        return ((self.host, self.port), *(address(each) for each in self.standby_hosts))

    @property
    def needs_tlvs(self) -> bool:
        """Whether what this account sends is not itself without TLVs."""
        by_tlv = self.price.carrier in ("tlv", "billing_identification", "user_message_reference")
        return by_tlv or bool(self.price.tlvs) or self.segments_by in ("sar", "payload")

    @property
    def can_charge(self) -> bool:
        """Whether a price can travel at all."""
        return self.price.carrier != "none"
