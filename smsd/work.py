"""What the engine takes in, what one transaction decides, and what is then carried out.

`Plan` is made anew for every attempt at a transaction: nothing outside it changes until the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from foundation.contract import FromGateway, MessageFate
from foundation.mailbox import Posted
from foundation.store import Row
from smsd.smpp.link import Answer, Link
from smsd.smpp.pdu import Frame, QuerySm, SubmitSm

FINAL_FATES: Final = frozenset(
    {MessageFate.DELIVERED, MessageFate.UNDELIVERED, MessageFate.REFUSED, MessageFate.EXPIRED}
)


class Delivered(msgspec.Struct, frozen=True, gc=False):
    """A deliver_sm or data_sm, to be answered after the commit. `connection` names that bind's life.

    `came_s`: when, by the monotonic clock.
    """

    operator: str
    link: Link
    connection: str
    frame: Frame
    came_s: float = 0.0


class Answered(msgspec.Struct, frozen=True, gc=False):
    """What became of a submit_sm or query_sm; the answer's tag is a `Piece` or a `Query`."""

    answer: Answer


class ParcelCame(msgspec.Struct, frozen=True):
    """A parcel of the bridge; `done` gets its id after the commit."""

    body: bytes
    done: asyncio.Future[str]


class Tick(msgspec.Struct, frozen=True, gc=False):
    """Time has passed: look at what expires.

    `quiet` are live connections, each with its operator, whose last MO was so long ago that its answer must
    have arrived.
    """

    quiet: tuple[tuple[str, str], ...] = ()


Input: TypeAlias = Delivered | Answered | ParcelCame | Tick


class Outgoing(msgspec.Struct, gc=False):
    """An MT on its way, as the queue holds it. `charge` is empty for a free one, `bind` where any will do."""

    message: str
    conversation: str
    operator: str
    short_code: str
    address: str
    number: str
    text: str
    price_ore: int
    purpose: str
    at_us: int
    expires_us: int
    source: str
    echo: bytes
    charge: str = ""
    org: str = ""
    lane: int = 0
    bind: str = ""
    attempts: int = 0
    over: bool = False


class Piece(msgspec.Struct, frozen=True, gc=False):
    """One submit_sm: which part of which MT, counted from 1 to `total`."""

    outgoing: Outgoing
    part: int
    total: int
    pdu: SubmitSm


class Query(msgspec.Struct, frozen=True, gc=False):
    """One query_sm: about which charge and message, and the key of the id that is asked about."""

    charge: str
    operator: str
    message: str
    key: str
    pdu: QuerySm


Stream: TypeAlias = tuple[int, str, str]
"""Lane, organisation and bind: MTs that have these in common go in order."""

Tariff: TypeAlias = tuple[str, str, int]
"""A sender, a short code and an amount: at most one charge of these may be unfinished."""


class Plan:
    """What one transaction decided. Rows are written before the commit, the rest happens after it."""

    __slots__ = (
        "alarms",
        "alive",
        "at_us",
        "binds",
        "came",
        "congestion",
        "counts",
        "ended",
        "enqueued",
        "fates",
        "handoff",
        "heard",
        "held",
        "hours",
        "last_mo",
        "live",
        "now_s",
        "over",
        "parcels",
        "paused",
        "paying",
        "posted",
        "queries",
        "released",
        "repeats",
        "responses",
        "retaken",
        "rows",
        "spent",
        "stalled",
        "submits",
        "switched",
        "taken",
        "tardy",
        "unanswered",
        "unmatched",
    )

    def __init__(self, at_us: int, now_s: float = 0.0) -> None:
        self.at_us = at_us
        # the same moment by the monotonic clock
        self.now_s = now_s
        # rows that wait to be written together
        self.rows: list[Row] = []
        self.fates: list[Row] = []
        self.last_mo: dict[str, Row] = {}
        # by connection, the pair of links that it is of
        self.binds: dict[str, str] = {}
        self.alive: list[Row] = []
        # the connections that are open
        self.live: Container[str] = ()
        # by connection, whether the answer to an MO of a moment (UTC µs) was certainly heard
        self.heard: Mapping[str, Callable[[int], bool]] = {}
        # number, short code and text of what asks for a payment
        self.paying: set[tuple[str, str, str]] = set()
        # by connection, when the first of its MOs came, by the monotonic clock
        self.came: dict[str, float] = {}
        # connections with an MO that was answered so late a moment ago that its SMSC may send it again
        self.tardy: set[str] = set()
        # messages to which this plan gives a final fate
        self.ended: set[str] = set()
        self.handoff: list[FromGateway] = []
        # what happens after the commit
        self.posted: list[Posted] = []
        self.responses: list[tuple[Link, Frame, int]] = []
        self.parcels: list[tuple[asyncio.Future[str], str]] = []
        self.enqueued: list[Piece] = []
        self.retaken: list[Piece] = []
        self.held: list[Piece] = []
        self.released: list[Tariff] = []
        self.submits: list[tuple[Link, Piece]] = []
        self.queries: list[tuple[Link, Query]] = []
        # by queue, how many from the head of each stream
        self.taken: dict[str, dict[Stream, int]] = {}
        # by queue that was looked at: 0, or until when (UTC µs) nothing of it may go; None: not known
        self.stalled: dict[str, int | None] = {}
        # submit_sm of each organisation, counted where there is a bound
        self.spent: dict[str, int] = {}
        # by operator, the highest congestion_state that answers told
        self.congestion: dict[str, int] = {}
        self.paused: set[str] = set()
        self.over: list[Outgoing] = []
        # repeated because no answer came; each counts as one attempt
        self.unanswered: list[Outgoing] = []
        self.counts: dict[tuple[str, ...], int] = {}
        self.alarms: list[tuple[str, dict[str, Any]]] = []
        # whether any receipt waits without its message; None until looked up
        self.unmatched: bool | None = None
        # organisations whose charges are paused, "" for all; None until looked up
        self.switched: frozenset[str] | None = None
        # by organisation and hour, øre of new charges, to be written together
        self.hours: dict[tuple[str, int], int] = {}
        # by connection, whether its MOs may repeat another's
        self.repeats: dict[str, bool] = {}

    def count(self, *key: str) -> None:
        """Add one to a metric, written after the commit."""
        self.counts[key] = self.counts.get(key, 0) + 1
