"""The operator's own account of what was billed: one JSON line a premium message, appended, never rewritten.

Written before the answer leaves. Shares no code with the gateway's books, so that each can check the other.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import msgspec

from simulators.smsc.settings import Fsync

_INDEX_EVERY = 1000


class Event(StrEnum):
    """Whether the message's price was put on the phone's account."""

    BILLED = "billed"
    NOT_BILLED = "not_billed"


class LedgerDamagedError(RuntimeError):
    """A line is no row, the rows' count has a hole, or another process writes the file; a human must look."""


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One premium message. `at` is UTC (RFC 3339); `sequence` the submit_sm's; `length` octets of text.

    `message_id` is the one in the submit_sm_resp, written even where that was never sent; empty where the
    submit_sm was refused. `reference` is the user_message_reference, where one came.
    """

    at: str
    event: Event
    message_id: str
    number: str
    amount_ore: int
    short_code: str
    account: str
    sequence: int
    reference: int | None
    length: int
    reason: str


class LedgerRow(LedgerEntry, frozen=True, kw_only=True, gc=False):
    """An entry with its place in the ledger, counted from 1."""

    seq: int


class Total(msgspec.Struct):
    """What one number was billed: how many messages, and how much in øre."""

    billed: int = 0
    amount_ore: int = 0


class Ledger:
    """Rows added with `add` reach the file, all at once, with `flush`.

    Without a path they live in a nameless temporary file. A last line cut off by a crash was never
    answered for and is cut away on opening.

    Raises:
        LedgerDamagedError: on opening, where the file holds something else than rows counted from 1.
    """

    def __init__(self, path: Path | None, fsync: Fsync = Fsync.NEVER) -> None:
        self._file: BinaryIO
        if path is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._file.close()
                raise LedgerDamagedError(
                    f"{path}: another smsc-sim is writing it; give this one its own"
                ) from None
        self._fsync = fsync is Fsync.BATCH
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(LedgerRow)
        self._pending = bytearray()
        self._index: list[int] = []
        self._size = 0
        self.totals: dict[str, Total] = {}
        self.seq = 0
        self.billed = 0
        self.not_billed = 0
        self.amount_ore = 0
        self.cut_octets = 0
        try:
            self._read_back(path)
        except LedgerDamagedError:
            self._file.close()
            raise

    def add(self, entry: LedgerEntry) -> None:
        """Adds one row; it is not safe before `flush`."""
        row = LedgerRow(
            seq=self.seq + 1,
            at=entry.at,
            event=entry.event,
            message_id=entry.message_id,
            number=entry.number,
            amount_ore=entry.amount_ore,
            short_code=entry.short_code,
            account=entry.account,
            sequence=entry.sequence,
            reference=entry.reference,
            length=entry.length,
            reason=entry.reason,
        )
        line = self._encoder.encode(row) + b"\n"
        self._count(row, len(line))
        self._pending += line

    def flush(self) -> None:
        """Hands what was added to the operating system, and to the disk where so asked."""
        if not self._pending:
            return
        self._file.seek(0, os.SEEK_END)
        self._file.write(self._pending)
        self._file.flush()
        if self._fsync:
            os.fsync(self._file.fileno())
        self._pending.clear()

    def rows(self, after: int = 0, limit: int = 10_000, number: str | None = None) -> list[LedgerRow]:
        """At most `limit` rows with a seq above `after`, of one number where given."""
        found: list[LedgerRow] = []
        for row in self._from(after + 1):
            if number is None or row.number == number:
                found.append(row)
                if len(found) == limit:
                    break
        return found

    def spent_ore(self, number: str) -> int:
        """What a number (`+47…`) has been billed."""
        total = self.totals.get(number)
        return 0 if total is None else total.amount_ore

    def close(self) -> None:
        """Flushes and closes; the ledger is of no use afterwards."""
        self.flush()
        self._file.close()

    def _from(self, seq: int) -> Iterator[LedgerRow]:
        self.flush()
        if seq > self.seq:
            return
        slot = (max(seq, 1) - 1) // _INDEX_EVERY
        self._file.seek(self._index[slot])
        for line in self._file:
            row = self._decoder.decode(line)
            if row.seq >= seq:
                yield row

    def _count(self, row: LedgerRow, octets: int) -> None:
        if self.seq % _INDEX_EVERY == 0:
            self._index.append(self._size)
        self._size += octets
        self.seq = row.seq
        if row.event is Event.BILLED:
            total = self.totals.get(row.number)
            if total is None:
                total = self.totals[row.number] = Total()
            total.billed += 1
            total.amount_ore += row.amount_ore
            self.billed += 1
            self.amount_ore += row.amount_ore
        else:
            self.not_billed += 1

    def _read_back(self, path: Path | None) -> None:
        self._file.seek(0)
        for line in self._file:
            if not line.endswith(b"\n"):
                self.cut_octets = len(line)
                self._file.truncate(self._size)
                break
            try:
                row = self._decoder.decode(line)
            except msgspec.DecodeError as error:
                raise LedgerDamagedError(
                    f"{path}: line {self.seq + 1} is no row of a ledger ({error})"
                ) from None
            if row.seq != self.seq + 1:
                raise LedgerDamagedError(f"{path}: row {row.seq} stands where {self.seq + 1} belongs")
            self._count(row, len(line))
