"""What a model operator keeps: its traits, the short messages it took, the texts and receipts it owes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from smsd.smpp import pdu as p

MO_TAG = 0x1502
PRICE_TAG = 0x1403
MESSAGE_ID, MESSAGE_STATE, NETWORK_ERROR = 0x001E, 0x0427, 0x0423
THROTTLED, QUEUE_FULL, SYSTEM_ERROR, BAD_NUMBER, NO_CREDIT = 0x58, 0x14, 0x08, 0x0B, 0x401
STATES = {
    "ENROUTE": 1, "DELIVRD": 2, "EXPIRED": 3, "DELETED": 4,
    "UNDELIV": 5, "ACCEPTD": 6, "UNKNOWN": 7, "REJECTD": 8,
}  # fmt: skip
TARIFFS = {"50": "3115", "100": "3120", "150": "3125"}
"""Kroner → code, where the price travels as service_type."""


@dataclass(frozen=True)
class Traits:
    """What kind of operator this is; probabilities are per message."""

    name: str = "telco"
    port: int = 2775
    ids: str = "decimal"  # decimal padded hex uuid resp-hex receipt-hex
    price: str = "tlv"  # tlv int kroner service_type
    billing: str = "delivery"  # accept delivery late
    receipts: str = "text"  # text tlv both swapped
    report: str = "all"  # all, billed (and nothing else), receipt-ids
    echo: bool = True
    throttles: float = 0.0
    refuses: float = 0.0
    unclear: float = 0.0
    nacks: float = 0.0
    swallows: float = 0.0
    silent: float = 0.0
    answers_late: float = 0.0
    drops_link: float = 0.0
    undelivered: float = 0.15
    receipt_first: float = 0.0
    receipt_twice: float = 0.0
    receipt_never: float = 0.0
    receipt_late: float = 0.0
    receipt_odd: float = 0.0
    lies: float = 0.0
    closes_on_silence: bool = True
    patience_s: float = 20.0


@dataclass
class Sm:
    """A short message the operator took, and what became of the money."""

    place: int
    number: str
    price_ore: int
    text: bytes
    mo: str
    taken_at: float
    response_id: str
    receipt_id: str
    billed_at: float | None = None
    answered: bool = False
    """Whether its id was sent as an answer; it may have been lost on its way."""
    lied_about: bool = False
    forgotten: bool = False
    final: bool = False
    told_at: float | None = None
    receipt_heard: bool = False
    """Whether the receipt that decides was acknowledged."""
    lie_heard: bool = False
    """Whether the one that contradicts it was."""
    shared_id: bool = False
    """Whether another message to the same phone has the same id."""


@dataclass
class Mo:
    """A text from a phone, on its way until it is acknowledged."""

    ref: str
    number: str
    text: str
    kind: str
    at_us: int
    operator: str
    pdus: list[p.DeliverSm]
    acked_parts: set[int] = field(default_factory=set)
    sent: int = 0
    acked_at: float | None = None
    unsure: bool = False
    conns: list[object] = field(default_factory=list)

    @property
    def acked(self) -> bool:
        return len(self.acked_parts) == len(self.pdus)


@dataclass(eq=False)
class Item:
    """Something for the ESME: a part of an MO or a receipt."""

    pdu: p.DeliverSm
    what: str
    on_acked: Callable[[], None]
    mo: Mo | None = None
    waits_until: float = 0.0
    under_way: bool = False
    done: bool = False
