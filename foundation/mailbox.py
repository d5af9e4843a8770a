"""Outbox and inbox of the hand-off: parcels wait in the sender's store until the other side committed them.

A parcel is posted in the transaction that produced it, offered to a carrier after the commit, offered
again until its id is acknowledged, and dropped by the receiver's inbox where it was seen before. So a
carrier may lose, delay and repeat what it is given; the effects happen once and, per sender, in order.
Nothing here reads what a parcel says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec
from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.sqlite import insert

from foundation.store import Statement, Tx

BRIDGE = "bridge"
"""The peer of a gateway's outbox. The bridge's outbox names its peers as the gateways name themselves."""

LIMIT_OCTETS = 1_000_000
"""The largest parcel an outbox takes."""


class ParcelTooLargeError(ValueError):
    """The parcel is larger than the carriers take; hand its messages off in several parcels."""

    def __init__(self, parcel: str, octets: int, limit_octets: int) -> None:
        super().__init__(
            f"parcel {parcel} has {octets} octets, the limit is {limit_octets}; "
            "hand its messages off in several parcels"
        )


class Posted(msgspec.Struct, frozen=True, gc=False):
    """One parcel in the outbox. `seq` grows with every parcel posted; `body` is the parcel as JSON."""

    seq: int
    id: str
    peer: str
    body: bytes


class Receiver(Protocol):
    """The program's end of a carrier."""

    async def on_parcels(self, bodies: list[bytes]) -> list[str]:
        """Take parcels (JSON) in the order given; the ids that are committed, now or before.

        The carrier acknowledges these ids. What is not returned comes again after a while, and so does
        everything where this raises; nothing newer from the same carrier comes before it. It must not
        wait for acknowledgements of its own parcels.
        """

    async def on_acks(self, ids: list[str]) -> None:
        """The other side committed these parcels of ours. Unknown ids are to be ignored."""


class Carrier(Protocol):
    """Brings parcels to the other side and acknowledgements back; may lose, delay and repeat both.

    What one `offer` hands over travels to one peer whole or not at all and keeps its order.
    """

    @property
    def healthy(self) -> bool:
        """Connected, and the receiver takes what comes."""

    async def run(self, receiver: Receiver) -> None:
        """Carry until cancelled; reconnects by itself."""

    def offer(self, posted: Sequence[Posted]) -> None:
        """Send these committed parcels of one peer. Returns at once; what has no room is dropped."""


def mailbox_tables(metadata: MetaData) -> None:
    """Add ``handoff_outbox`` and ``handoff_inbox`` to a program's tables.

    A migration makes them by ``mailbox_tables(fresh := MetaData()); fresh.create_all(op.get_bind())``.
    """
    _outbox_table(metadata)
    _inbox_table(metadata)


def _outbox_table(metadata: MetaData) -> Table:
    table = Table(
        "handoff_outbox",
        metadata,
        Column("seq", Integer, primary_key=True, autoincrement=True),
        Column("id", Text, nullable=False, unique=True),
        Column("peer", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    Index("handoff_outbox_peer_seq", table.c.peer, table.c.seq)
    return table


def _inbox_table(metadata: MetaData) -> Table:
    table = Table(
        "handoff_inbox",
        metadata,
        Column("id", Text, primary_key=True),
        Column("at_us", Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    Index("handoff_inbox_at", table.c.at_us)
    return table


_METADATA = MetaData()
_OUT = _outbox_table(_METADATA)
_IN = _inbox_table(_METADATA)

_POST = Statement(
    insert(_OUT).values(id=bindparam("id"), peer=bindparam("peer"), body=bindparam("body")),
    "id",
    "peer",
    "body",
)
_LAST = Statement(select(func.last_insert_rowid()))
_SETTLE = Statement(delete(_OUT).where(_OUT.c.id == bindparam("id")), "id")
_WAITING = Statement(
    select(_OUT.c.seq, _OUT.c.id, _OUT.c.peer, _OUT.c.body)
    .where(_OUT.c.peer == bindparam("peer"), _OUT.c.seq > bindparam("after"))
    .order_by(_OUT.c.seq)
    .limit(bindparam("limit")),
    "peer",
    "after",
    "limit",
)
_NEWER = Statement(
    select(_OUT.c.seq, _OUT.c.id, _OUT.c.peer)
    .where(_OUT.c.seq > bindparam("after"))
    .order_by(_OUT.c.seq)
    .limit(bindparam("limit")),
    "after",
    "limit",
)
_COUNTS = Statement(select(_OUT.c.peer, func.count(), func.max(_OUT.c.seq)).group_by(_OUT.c.peer))
_SEEN = Statement(
    insert(_IN).values(id=bindparam("id"), at_us=bindparam("at_us")).on_conflict_do_nothing(), "id", "at_us"
)
_FORGET = Statement(
    delete(_IN).where(
        _IN.c.id.in_(
            select(_IN.c.id)
            .where(_IN.c.at_us < bindparam("before"))
            .order_by(_IN.c.at_us)
            .limit(bindparam("limit"))
        )
    ),
    "before",
    "limit",
)


class Outbox:
    """Parcels that the other side has not acknowledged yet. Plain functions over a `Tx`."""

    def __init__(self, limit_octets: int = LIMIT_OCTETS) -> None:
        self._limit_octets = limit_octets

    def post(self, tx: Tx, peer: str, parcels: Sequence[tuple[str, bytes]]) -> list[Posted]:
        """Store parcels (id, body) for a peer, in this order; the courier gets the result after the commit.

        Raises:
            ParcelTooLargeError: before anything is stored.
        """
        for parcel, body in parcels:
            if len(body) > self._limit_octets:
                raise ParcelTooLargeError(parcel, len(body), self._limit_octets)
        if not parcels:
            return []
        tx.run(_POST, [(parcel, peer, body) for parcel, body in parcels])
        # one writer and AUTOINCREMENT: the rows of one statement are numbered without a gap
        last = tx.one(_LAST)
        assert last is not None
        first = last[0] - len(parcels) + 1
        return [Posted(first + place, parcel, peer, body) for place, (parcel, body) in enumerate(parcels)]

    def settle(self, tx: Tx, ids: Iterable[str]) -> int:
        """Forget acknowledged parcels; how many were waiting. Unknown ids are ignored."""
        return tx.run(_SETTLE, [(parcel,) for parcel in ids])

    def waiting(self, tx: Tx, peer: str, after_seq: int, limit: int) -> list[Posted]:
        """The oldest parcels that wait for a peer, with a `seq` above `after_seq`, in order."""
        return [Posted(*row) for row in tx.all(_WAITING, (peer, after_seq, limit))]

    def newer(self, tx: Tx, after_seq: int, limit: int) -> list[tuple[int, str, str]]:
        """`seq`, id and peer of the oldest parcels above `after_seq`, whosever they are, in order."""
        return [(seq, parcel, peer) for seq, parcel, peer in tx.all(_NEWER, (after_seq, limit))]

    def counts(self, tx: Tx) -> dict[str, tuple[int, int]]:
        """How many parcels wait and the newest one's `seq`, by peer."""
        return {peer: (count, newest) for peer, count, newest in tx.all(_COUNTS)}


class Inbox:
    """The ids of the parcels taken. Plain functions over a `Tx`."""

    def unseen(self, tx: Tx, ids: Sequence[str], at_us: int) -> set[str]:
        """Which of these ids were never seen before; they are recorded as seen with this transaction."""
        return {parcel for parcel in ids if tx.run(_SEEN, [(parcel, at_us)])}

    def forget(self, tx: Tx, before_us: int, limit: int = 10_000) -> int:
        """Forget at most `limit` ids seen before a moment, long settled by their senders; how many."""
        return tx.run(_FORGET, [(before_us, limit)])
