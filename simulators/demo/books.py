"""What stands in everybody's books about one number, as the rows of `After`: plain SQL on the stores.

Reads only, and nothing of the programs' own reckoning but the bridge's audit.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from billing_bridge.audit import audit
from foundation.store import SqliteTx
from simulators.demo.examples import After
from simulators.smsc.ledger import Event, LedgerRow

_ORE_PER_KR = 100
_ROWS = {
    "people": "SELECT org || ' ' || name || ' <' || email || '>' FROM people WHERE number = ? ORDER BY 1",
    "comments": (
        "SELECT c.text FROM comments c JOIN people p ON p.id = c.person WHERE p.number = ? ORDER BY 1"
    ),
    "memberships": (
        "SELECT m.org || ' ' || p.name || ' ' || m.year FROM memberships m JOIN people p ON p.id = m.person "
        "JOIN conversations c ON c.id = m.conversation WHERE p.number = ? ORDER BY 1"
    ),
    "invoices": (
        "SELECT i.org || ' ' || i.kind || ' ' || (i.amount_ore / 100) || ' ' || i.period || ' ' || "
        "CASE s.paid_ore WHEN 0 THEN 'unpaid' WHEN i.amount_ore THEN 'paid' ELSE 'paid in part' END "
        "FROM invoices i JOIN standings s ON s.invoice = i.id JOIN people p ON p.id = i.person "
        "WHERE p.number = ? ORDER BY 1"
    ),
    "payments": (
        "SELECT rtrim((y.amount_ore / 100) || ' ' || i.period || ' ' || y.state || ' ' || y.reason) "
        "FROM payments y JOIN invoices i ON i.id = y.invoice WHERE y.number = ? ORDER BY y.asked_us"
    ),
    "mail": "SELECT m.kind FROM mail_due m JOIN people p ON p.id = m.person WHERE p.number = ? ORDER BY 1",
    "notes": (
        "SELECT n.kind FROM notes n JOIN conversations c ON c.id = n.conversation "
        "WHERE c.number = ? ORDER BY 1"
    ),
    "withdrawals": (
        "SELECT CASE org WHEN '' THEN 'all' ELSE org END FROM withdrawals WHERE number = ? ORDER BY 1"
    ),
}
_DIALOG = "SELECT direction, text, price_ore FROM sms WHERE number = ?"
_LOG = "SELECT direction, text, price_ore FROM messages WHERE number = ?"

Sms = tuple[str, str, int]
"""Direction (`in`, `out`), text, price in øre."""


class Books:
    """Both programs' stores and the operator's ledger, when nothing moves any more."""

    def __init__(self, gateway: Path, bridge: Path, ledger: Iterable[LedgerRow]) -> None:
        self._gateway = gateway
        self._bridge = bridge
        self._ledger = list(ledger)

    def about(self, number: str) -> After:
        """All that stands there about a number."""
        with closing(_reader(self._bridge)) as connection:
            rows = {
                name: tuple(row[0] for row in connection.execute(query, (number,)))
                for name, query in _ROWS.items()
            }
        kroner = {
            event: tuple(
                row.amount_ore // _ORE_PER_KR
                for row in self._ledger
                if row.number == number and row.event is event
            )
            for event in Event
        }
        return After(**rows, billed=kroner[Event.BILLED], not_billed=kroner[Event.NOT_BILLED])

    def dialog_differs(self, number: str, phone: Iterable[Sms]) -> list[str]:
        """Where the bridge's dialog or the gateway's log of a number is not what the phone has."""
        wanted = Counter(phone)
        found = []
        for what, store, query in (
            ("the bridge's dialog", self._bridge, _DIALOG),
            ("the gateway's log", self._gateway, _LOG),
        ):
            with closing(_reader(store)) as connection:
                shown: Counter[Sms] = Counter(
                    (direction, text, price)
                    for direction, text, price in connection.execute(query, (number,))
                )
            found += [f"{what} lacks {sms}" for sms in wanted - shown]
            found += [f"{what} has {sms}, the phone has not" for sms in shown - wanted]
        return found

    def audit(self) -> list[str]:
        """What the bridge's audit finds, and whether operator and ledger agree on the sum."""
        with closing(_reader(self._bridge)) as connection:
            found = [str(difference) for difference in audit(SqliteTx(connection)).differences]
            (booked_ore,) = connection.execute(
                "SELECT coalesce(sum(amount_ore), 0) FROM entries WHERE account = 'operator_receivable'"
            ).fetchone()
        billed_ore = sum(row.amount_ore for row in self._ledger if row.event is Event.BILLED)
        if billed_ore != booked_ore:
            found.append(f"the operator billed {billed_ore} øre, the bridge's ledger expects {booked_ore}")
        return found


_MOVING = (
    "SELECT (SELECT count(*) FROM charges WHERE state IN ('intended', 'sending', 'accepted')) "
    "+ (SELECT count(*) FROM messages WHERE fate IN ('queued', 'sending')) "
    "+ (SELECT count(*) FROM handoff_outbox)"
)
_WAITING = "SELECT count(*) FROM handoff_outbox"


def is_quiet(gateway: Path, bridge: Path) -> bool:
    """Whether both programs have done all that was to do."""
    for store, query in ((gateway, _MOVING), (bridge, _WAITING)):
        with closing(_reader(store)) as connection:
            if connection.execute(query).fetchone()[0]:
                return False
    return True


def _reader(store: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{store}?mode=ro", uri=True, isolation_level=None)
