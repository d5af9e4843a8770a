"""Derives what the gateway's store says of every charge anew, and names what differs. Reads only.

A charge's state is replayed from its evidence through the table of `charging.states`; the message that
carried it, what waits for the bridge, and what waits aside are held against each other. Of people and
invoices it knows nothing: `billing-bridge audit` looks at those.
"""

# what is put together here are this module's own words; there are no values in them
# ruff: noqa: S608

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from foundation.clock import DAY_US, HOUR_US
from foundation.contract import ChargeSettled, GatewayParcel, MessageFate, Outcome, Purpose
from foundation.mailbox import BRIDGE
from smsd.charging.desk import OPEN, OUTCOMES, SETTLED
from smsd.charging.states import FINAL, LAST_WORDS, ChargeState, Evidence, Verdict, step
from smsd.store.tables import COUNTED

_PARCEL = msgspec.json.Decoder(GatewayParcel)
_STATES = frozenset(ChargeState)
_EVIDENCE = frozenset(Evidence)


class Difference(msgspec.Struct, frozen=True):
    """One thing that does not fit: what, in which row, what is kept, what it should be."""

    what: str
    where: str
    kept: str
    derived: str

    def __str__(self) -> str:
        return f"{self.what}: {self.where} has {self.kept}, the rows say {self.derived}"


class Audit(msgspec.Struct, frozen=True):
    """How much was looked at, what differs, and how much waits aside for a person."""

    messages: int
    charges: int
    evidence: int
    waiting_parcels: int
    set_aside: int
    unmatched_receipts: int
    differences: tuple[Difference, ...]


# what is wrong, and a statement that finds where, what is kept, and what it should be
_CHECKS: tuple[tuple[str, str], ...] = (
    (
        "evidence of a charge that is not there",
        "SELECT e.charge, count(*) || ' rows', 'a charge' FROM charge_events e "
        "LEFT JOIN charges c ON c.id = e.charge WHERE c.id IS NULL GROUP BY e.charge",
    ),
    (
        "a charge's message",
        "SELECT c.id, m.number || ' ' || m.price_ore || ' øre by ' || m.operator || ' for ' || m.org, "
        "c.number || ' ' || c.amount_ore || ' øre by ' || c.operator || ' for ' || c.org "
        "FROM charges c JOIN messages m ON m.id = c.message "
        "WHERE (m.number, m.price_ore, m.operator, m.org, m.short_code, m.conversation, m.purpose) "
        f"<> (c.number, c.amount_ore, c.operator, c.org, c.short_code, c.conversation, '{Purpose.PREMIUM}')",
    ),
    (
        "a charge without a message",
        # one that waits for the payer's yes has none yet, one that never began may have none
        "SELECT c.id, 'no message', 'message ' || c.message FROM charges c "
        "LEFT JOIN messages m ON m.id = c.message WHERE m.id IS NULL AND (EXISTS (SELECT 1 "
        "FROM charge_events e WHERE e.charge = c.id AND e.evidence IN ('start', 'confirmed')) OR "
        "(c.state = 'intended' AND NOT EXISTS "
        "(SELECT 1 FROM charge_events e WHERE e.charge = c.id AND e.evidence = 'asked')))",
    ),
    (
        "a premium message without a charge",
        "SELECT m.id, m.price_ore || ' øre', 'a charge' FROM messages m "
        "LEFT JOIN charges c ON c.message = m.id "
        "WHERE m.price_ore > 0 AND m.direction = 'out' AND c.id IS NULL",
    ),
    (
        "a charge that has not begun",
        "SELECT c.id, 'message ' || m.fate, 'queued, or it will never be sent' FROM charges c "
        "JOIN messages m ON m.id = c.message WHERE c.state = 'intended' AND m.fate <> 'queued'",
    ),
    (
        # by these sums an organisation's ceiling of a day is judged
        "an organisation's charges of an hour",
        "SELECT org || ' ' || strftime('%Y-%m-%d %H:00 to ', hour * 3600, 'unixepoch') || "
        "strftime('%H:00 UTC', hour * 3600 + 3600, 'unixepoch') || ' (hour ' || hour || ')', "
        "sum(kept) || ' øre', sum(derived) || ' øre' FROM "
        "(SELECT org, hour, amount_ore AS kept, 0 AS derived FROM charge_hours UNION ALL "
        f"SELECT org, created_us / {HOUR_US}, 0, amount_ore FROM charges WHERE {COUNTED}) "
        "GROUP BY org, hour HAVING sum(kept) <> sum(derived) ORDER BY org, hour",
    ),
    (
        "several undecided charges of one sender, short code and amount",
        "SELECT min(id), count(*) || ' charges', 'one' FROM charges "
        "WHERE state IN ('sending', 'accepted', 'in_doubt') "
        "GROUP BY number, short_code, amount_ore HAVING count(*) > 1",
    ),
    (
        "a message's id at its operator",
        "SELECT s.operator || ' ' || s.key, s.message, 'a message of ' || s.operator FROM submissions s "
        "LEFT JOIN messages m ON m.id = s.message WHERE m.id IS NULL OR m.operator <> s.operator",
    ),
    (
        "a receipt that waits",
        "SELECT u.id, u.evidence || ' ' || u.fate, 'evidence and fate of a receipt' "
        "FROM unmatched_receipts u WHERE u.evidence NOT LIKE 'receipt_%' AND u.evidence <> ''",
    ),
    (
        "a message's fate",
        "SELECT m.id, m.fate, 'one of the fates there are' FROM messages m WHERE m.fate NOT IN ("
        + ", ".join(f"'{fate.value}'" for fate in MessageFate)
        + ")",
    ),
)
_CHARGES = "SELECT id, state, contradicted FROM charges ORDER BY id"
_EVENTS = "SELECT charge, evidence, before, after FROM charge_events ORDER BY charge, id"
_COUNTS = (
    "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM charges), "
    "(SELECT count(*) FROM charge_events), (SELECT count(*) FROM handoff_outbox), "
    "(SELECT count(*) FROM set_aside), (SELECT count(*) FROM unmatched_receipts)"
)


def audit(connection: sqlite3.Connection, now_us: int) -> Audit:
    """Look at every row that a charge depends on, as of one moment; `now_us` is UTC microseconds."""
    connection.execute("BEGIN")
    try:
        found = [
            *_damage(connection),
            *_replayed(connection),
            *(
                Difference(what, str(where), str(kept), str(derived))
                for what, query in _CHECKS
                for where, kept, derived in connection.execute(query)
            ),
            *_parcels(connection),
            *_inbox(connection, now_us),
        ]
        counts = connection.execute(_COUNTS).fetchone()
    finally:
        connection.execute("COMMIT")
    messages, charges, evidence, waiting, aside, receipts = counts
    return Audit(messages, charges, evidence, waiting, aside, receipts, tuple(found))


def _damage(connection: sqlite3.Connection) -> Iterator[Difference]:
    for (words,) in connection.execute("PRAGMA integrity_check(20)"):
        if words != "ok":
            yield Difference("the database itself", "sqlite", str(words), "ok")


def _replayed(connection: sqlite3.Connection) -> Iterator[Difference]:
    """Each charge's state and mark, replayed from its evidence in the order it came."""
    events = connection.execute(_EVENTS)
    event = events.fetchone()
    for charge, kept, contradicted in connection.execute(_CHARGES):
        while event is not None and event[0] < charge:
            # evidence of no charge: told by a check of its own
            event = events.fetchone()
        if kept not in _STATES:
            yield Difference("a charge's state", charge, str(kept), "one of the states there are")
            continue
        state, mark, whole = ChargeState.INTENDED, 0, True
        while event is not None and event[0] == charge:
            _, evidence, before, after = event
            event = events.fetchone()
            if not whole:
                continue
            if evidence not in _EVIDENCE:
                yield Difference("a charge's evidence", charge, str(evidence), "a kind of evidence")
                whole = False
                continue
            result = step(state, Evidence(evidence), contradicted=mark == OPEN)
            if (before, after) != (state, result.state):
                told = f"{evidence}: {before} → {after}"
                yield Difference("a charge's evidence", charge, told, f"{state} → {result.state}")
                whole = False
                continue
            if result.verdict is Verdict.CONTRADICTS:
                mark = OPEN
            elif mark == OPEN and result.verdict is not Verdict.KEPT and evidence in LAST_WORDS:
                mark = SETTLED
            state = result.state
        if not whole:
            continue
        if kept != state:
            yield Difference("a charge's state", charge, kept, state)
        if contradicted != mark:
            yield Difference("a charge's mark of contradiction", charge, str(contradicted), str(mark))


def _parcels(connection: sqlite3.Connection) -> Iterator[Difference]:
    """What waits for the bridge can be read, and says of charges what their evidence says."""
    for seq, key, peer, body in connection.execute(
        "SELECT seq, id, peer, body FROM handoff_outbox ORDER BY seq"
    ):
        where = f"parcel {seq}"
        if peer != BRIDGE:
            yield Difference("who a parcel is for", where, str(peer), BRIDGE)
        try:
            parcel = _PARCEL.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield Difference("what a parcel says", where, "something unreadable", "messages of the contract")
            continue
        if parcel.id != key:
            yield Difference("a parcel's id", where, str(key), parcel.id)
        for message in parcel.messages:
            if isinstance(message, ChargeSettled):
                yield from _settled(connection, where, message)


def _settled(connection: sqlite3.Connection, where: str, told: ChargeSettled) -> Iterator[Difference]:
    reached = {
        str(OUTCOMES[ChargeState(state)])
        for (state,) in connection.execute(
            "SELECT DISTINCT after FROM charge_events WHERE charge = ?", (told.charge,)
        )
        if state in FINAL
    }
    if told.outcome not in {Outcome(each) for each in reached}:
        words = " or ".join(sorted(reached)) or "that it has no end yet"
        yield Difference("what the bridge is told of a charge", where, f"{told.charge} {told.outcome}", words)


def _inbox(connection: sqlite3.Connection, now_us: int) -> Iterator[Difference]:
    # a clock that was put right may have run ahead by a little
    for key, at_us in connection.execute(
        "SELECT id, at_us FROM handoff_inbox WHERE id = '' OR at_us <= 0 OR at_us > ?", (now_us + DAY_US,)
    ):
        yield Difference("when a parcel was taken", f"parcel {key}", f"{at_us} µs", "a moment of the past")
