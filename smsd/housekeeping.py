"""What the store need not keep for ever, let go of in small steps beside the work.

Texts are blanked after their time, save those of conversations that charged somebody: these document
the amount. Evidence, charges and the messages' other facts stay.
"""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from foundation.clock import DAY_US, SECOND_US, Clock
from foundation.ids import uuid7_floor
from foundation.mailbox import Inbox
from foundation.store import Store, StoreFailed, Tx
from smsd.store import limit_statements as limit_sql
from smsd.store import statements as sql

log = structlog.get_logger(__name__)

_INBOX_DAYS = 30
_CONNECTION_DAYS = 2
_AGE_DAYS = 2


class Keeping(msgspec.Struct, frozen=True):
    """How long things are kept, and how much is looked at in one transaction."""

    text_days: int
    receipt_wait_h: int
    guidance_s: int
    set_aside_days: int = 90
    unmatched_days: int = 180
    every_s: float = 3600.0
    pause_s: float = 0.05
    rows: int = 200


class Housekeeping:
    """Works through the store once an hour, a page at a time."""

    def __init__(self, store: Store, clock: Clock, keeping: Keeping) -> None:
        self.keeping = keeping
        self._store = store
        self._clock = clock
        self._inbox = Inbox()
        self._blanked_to = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.once()
            except StoreFailed as error:
                log.warning("housekeeping.put_off", error=str(error))
            await asyncio.sleep(self.keeping.every_s)

    async def once(self) -> int:
        """One round; how many texts were blanked."""
        await self._store.run(self._forget)
        forgotten = self.keeping.rows
        while forgotten == self.keeping.rows:
            forgotten = await self._store.run(self._forget_submissions)
            await asyncio.sleep(self.keeping.pause_s)
        blanked = 0
        while (found := await self._store.run(self._blank)) is not None:
            blanked += found
            await asyncio.sleep(self.keeping.pause_s)
        return blanked

    def _forget(self, tx: Tx) -> None:
        now, keeping = self._clock.now_us(), self.keeping
        tx.run(sql.FORGET_GUIDANCE, [(now - keeping.guidance_s * SECOND_US,)])
        tx.run(sql.FORGET_FRAGMENTS, [(now - DAY_US,)])
        tx.run(sql.FORGET_CONNECTIONS, [(now - _CONNECTION_DAYS * DAY_US,)])
        tx.run(limit_sql.FORGET_AGES, [(now - _AGE_DAYS * DAY_US,)])
        self._inbox.forget(tx, now - _INBOX_DAYS * DAY_US)
        aside = tx.run(sql.FORGET_SET_ASIDE, [(now - keeping.set_aside_days * DAY_US,)])
        receipts = tx.run(sql.FORGET_UNMATCHED, [(now - keeping.unmatched_days * DAY_US,)])
        if aside or receipts:
            log.warning("housekeeping.deleted", set_aside=aside, unmatched_receipts=receipts)

    def _forget_submissions(self, tx: Tx) -> int:
        """Forget one page of what SMSCs called messages; how many."""
        # a day longer than receipts are waited for
        before = self._clock.now_us() - (self.keeping.receipt_wait_h + 24) * 3600 * SECOND_US
        return tx.run(sql.FORGET_SUBMISSIONS, [(uuid7_floor(before), before, self.keeping.rows)])

    def _blank(self, tx: Tx) -> int | None:
        """Blank one page of old texts; None where there is none left."""
        before = uuid7_floor(self._clock.now_us() - self.keeping.text_days * DAY_US)
        page = tx.all(sql.OLD_TEXTS, (self._blanked_to, before, self.keeping.rows))
        if not page:
            return None
        self._blanked_to = page[-1][0]
        due = [(message,) for message, text, charge in page if text and charge is None]
        tx.run(sql.BLANK_TEXT, due)
        return len(due)
