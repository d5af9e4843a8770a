"""A gateway's store as it looks after years: so many messages, written at once and not by the gateway."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

from foundation.ids import Ids
from foundation.store import SqliteTx, open_sqlite
from smsd.store import SCHEMA
from smsd.store import statements as sql

_YEAR_US = 365 * 86_400 * 1_000_000
_RECEIPTS_US = 3 * 86_400 * 1_000_000


class _HandClock:
    us = 0

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return 0.0


def filled(path: Path, rows: int) -> None:
    """Make the store at this path, unless it is there: a year of texts and their answers, up to an hour ago,
    from a million numbers; the ids of the last three days.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_name(path.name + ".making")
    making.unlink(missing_ok=True)
    connection = open_sqlite(f"sqlite:///{making}", SCHEMA)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-300000"):
        connection.execute(f"PRAGMA {pragma}")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'messages' AND sql > ''"
    ).fetchall()
    connection.execute("BEGIN")
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    connection.executemany(sql.ADD_MESSAGE.sql, _messages(rows))
    for _, statement in indexes:
        connection.execute(statement)
    newest = connection.execute("SELECT max(at_us) FROM messages").fetchone()[0] or 0
    tx = SqliteTx(connection)
    tx.run(
        sql.ADD_SUBMISSION,
        [
            ("telco", f"k{message}", message, at_us)
            for message, at_us in connection.execute(
                "SELECT id, at_us FROM messages WHERE direction = 'out' AND at_us > ?",
                (newest - _RECEIPTS_US,),
            )
        ],
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    making.rename(path)


def _messages(rows: int) -> Iterator[tuple[object, ...]]:
    drawn = random.Random(7)
    clock = _HandClock()
    ids = Ids(clock, drawn.getrandbits)
    end_us = time.time_ns() // 1000 - 3_600_000_000
    for place in range(rows // 2):
        at_us = clock.us = end_us - _YEAR_US + int(place * 2 * _YEAR_US / rows)
        number = f"+479{drawn.randrange(1_000_000):07d}"
        text = ("telco", "2030", "2030", number, "ORG1")
        mo, reply = ids.new(), ids.new()
        yield (
            mo,
            mo,
            "in",
            *text,
            "ORG1 HJELP",
            1,
            0,
            "mo",
            "received",
            "",
            at_us,
            at_us,
            0,
            "",
            "c",
            b"",
            "",
            0,
        )
        said = "Hei! Dette er eit svar om kva du kan skrive."
        yield (
            *(reply, mo, "out", *text, said, 1, 0, "reply", "accepted", "", at_us, at_us, at_us),
            *("", "", b"", "", 0),
        )
