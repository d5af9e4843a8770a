"""A harm done to the programs on purpose, and the list of all of them.

They patch names and tables for the time of a run; the programs' files are never touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from foundation.store import Statement

Patches = Callable[[], list[Any]]


@dataclass(frozen=True)
class Sabotage:
    """One harm. `hidden` for so many seeds, as is known: the suite begins to look there."""

    name: str
    what: str
    patches: Patches
    hidden: int = 0

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Do it, and undo it at the end."""
        with contextlib.ExitStack() as stack:
            for each in self.patches():
                stack.enter_context(each)
            yield


SABOTAGES: dict[str, Sabotage] = {}


def sabotage(what: str, *, hidden: int = 0) -> Callable[[Patches], Patches]:
    """Name a harm after the function that makes its patches."""

    def keep(patches: Patches) -> Patches:
        name = patches.__name__.replace("_", "-")
        SABOTAGES[name] = Sabotage(name, what, patches, hidden)
        return patches

    return keep


def changed(statement: Statement, sql: str) -> Statement:
    """A statement with other words and the same parameters."""
    made = Statement.__new__(Statement)
    made.sql, made.names = sql, statement.names
    return made


def without(statement: Statement, condition: int) -> Statement:
    """A statement without one of its ``AND NOT (EXISTS …)``, counted from 0."""
    head, *conditions = statement.sql.split(" AND NOT (EXISTS")
    del conditions[condition]
    return changed(statement, " AND NOT (EXISTS".join([head, *conditions]))
