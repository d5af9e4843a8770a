"""Which charge each row of a billing report is about. Pure: the order of rows and charges does not matter.

By the SMSC's message id and the number where the id is known here; ids are used again, so the number must
fit too. Else by number, short code, amount and time, and then only where nothing else could be meant: what
fits may depend on what was sent and answered, never on the state that a charge is in, or a report applied
twice could come to mean something else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from operator import attrgetter

import msgspec

from foundation.clock import DAY_US, SECOND_US
from smsd.charging.desk import Overbilled
from smsd.charging.reports import ReportRow
from smsd.charging.states import ChargeState

EARLY_US = 3600 * SECOND_US
"""How much earlier than we sent it a message may be billed: clocks differ, and October has an hour twice."""
LATE_US = 2 * DAY_US
"""How much later; a message is tried for a day or two."""
AHEAD_US = 2 * DAY_US
"""The same where the id says which it is: a report may have days only, or a zone that nobody told of."""
BACK_US = 45 * DAY_US
"""And some bill once a month. Beyond it, an id is another message's."""

Keys = Callable[[str], Iterable[str]]
"""The keys that a report's message id may have here."""


class Ours(msgspec.Struct, frozen=True, gc=False):
    """A charge as reconciling sees it; øre and UTC microseconds.

    `sent_us` is when its message was last sent, 0 where it never was. `keys` are the ids the SMSC gave it.
    `answered` is whether an answer came at all: without one, its id is not known. `disputed` is whether
    evidence against its state waits to be settled. `beyond` is what earlier reports showed to be billed
    beyond its price, and what of that was given back.
    """

    id: str
    invoice: str
    number: str
    short_code: str
    amount_ore: int
    state: ChargeState
    created_us: int
    sent_us: int
    keys: frozenset[str] = frozenset()
    answered: bool = False
    disputed: bool = False
    beyond: Overbilled = Overbilled()


class How(StrEnum):
    """By what rows and a charge were brought together."""

    ID = "message id"
    FIT = "number, amount and time"
    AMBIGUOUS = "several fit"
    NONE = ""


class Group(msgspec.Struct, frozen=True, gc=False):
    """The rows about one charge, or about one message that is unknown here; never both empty."""

    charge: Ours | None
    rows: tuple[ReportRow, ...]
    how: How


def match(rows: Sequence[ReportRow], pool: Sequence[Ours], keys: Keys) -> list[Group]:
    """Every row in exactly one group, every charge of the pool in exactly one; in order of time.

    A charge that several rows or charges could be confused with has no rows and is `AMBIGUOUS`.
    """
    by_key: dict[tuple[str, str], list[Ours]] = defaultdict(list)
    for charge in pool:
        for key in charge.keys:
            by_key[key, charge.number].append(charge)
    of_charge: dict[str, list[ReportRow]] = defaultdict(list)
    how: dict[str, How] = {}
    left: list[ReportRow] = []
    for row in sorted(rows, key=_row_order):
        named = _keys(row, keys)
        known = [
            charge
            for key in named
            for charge in by_key.get((key, row.number), ())
            if -AHEAD_US <= row.at_us - charge.sent_us <= BACK_US
        ]
        if known:
            meant = min((abs(each.sent_us - row.at_us), each.id) for each in known)[1]
            of_charge[meant].append(row)
            how[meant] = How.ID
        else:
            left.append(row)
    fits, strangers = _fit(left, [each for each in pool if each.id not in how])
    for charge, found, by in fits:
        of_charge[charge.id].extend(found)
        how[charge.id] = by
    groups = [
        Group(charge, tuple(of_charge.get(charge.id, ())), how.get(charge.id, How.NONE)) for charge in pool
    ]
    groups += [Group(None, found, How.NONE) for found in _by_message(strangers, keys)]
    return sorted(groups, key=_group_order)


def may_be_one_of(charge: Ours, rows: Iterable[ReportRow]) -> bool:
    """Whether rows of unknown messages could be about a charge that has none, were a clock wrong."""
    return any(
        _nameable(row, charge)
        and (row.number, row.amount_ore) == (charge.number, charge.amount_ore)
        and -AHEAD_US <= row.at_us - charge.sent_us <= BACK_US
        for row in rows
    )


def _fit(
    rows: Sequence[ReportRow], charges: Sequence[Ours]
) -> tuple[list[tuple[Ours, tuple[ReportRow, ...], How]], list[ReportRow]]:
    """Rows and charges that no id brought together, where only one thing can be meant."""
    of_price: dict[tuple[str, int], list[Ours]] = defaultdict(list)
    for charge in sorted(charges, key=attrgetter("sent_us", "id")):
        of_price[charge.number, charge.amount_ore].append(charge)
    strangers: list[ReportRow] = []
    near: dict[int, list[Ours]] = {}
    for place, row in enumerate(rows):
        near[place] = [each for each in of_price.get((row.number, row.amount_ore), ()) if _fits(row, each)]
        if not near[place]:
            strangers.append(row)
    fits: list[tuple[Ours, tuple[ReportRow, ...], How]] = []
    for places, found in _components(near):
        mine = tuple(rows[place] for place in places)
        if len(found) == 1:
            fits.append((found[0], mine, How.FIT))
        elif _alike(mine, found):
            fits.extend((charge, (row,), How.FIT) for charge, row in zip(found, mine, strict=True))
        else:
            fits.extend((charge, (), How.AMBIGUOUS) for charge in found)
            strangers.extend(mine)
    return fits, strangers


def _nameable(row: ReportRow, charge: Ours) -> bool:
    """Whether ids allow that a row is about a charge that no row names by its id.

    An id that is unknown here is not that of a charge whose ids are known; a row without any may be about
    each charge but a refused one.
    """
    return not charge.answered or (not row.message_id and bool(charge.keys))


def _fits(row: ReportRow, charge: Ours) -> bool:
    if not _nameable(row, charge):
        return False
    # the number that was shown may be longer than the short code
    shown = not row.short_code or row.short_code.startswith(charge.short_code)
    return shown and row.at_us - LATE_US <= charge.sent_us <= row.at_us + row.span_us + EARLY_US


def _components(near: dict[int, list[Ours]]) -> list[tuple[list[int], list[Ours]]]:
    """Rows and charges that hang together by fitting each other; in order of time within."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for place, charges in near.items():
        for charge in charges:
            rows_of[charge.id].append(place)
    components = []
    seen: set[int] = set()
    for first, charges in near.items():
        if first in seen or not charges:
            continue
        places, found, waiting = {first}, {}, [first]
        while waiting:
            for charge in near[waiting.pop()]:
                found[charge.id] = charge
                fresh = set(rows_of[charge.id]) - places
                places |= fresh
                waiting.extend(fresh)
        seen |= places
        components.append((sorted(places), sorted(found.values(), key=attrgetter("sent_us", "id"))))
    return components


def _alike(rows: Sequence[ReportRow], charges: Sequence[Ours]) -> bool:
    """Whether each charge has one row, all say the same, and so it is all one which is whose."""
    return (
        len(rows) == len(charges)
        and len({(row.said, row.reason) for row in rows}) == 1
        and all(_fits(row, charge) for row, charge in zip(rows, charges, strict=True))
    )


def _by_message(rows: Iterable[ReportRow], keys: Keys) -> list[tuple[ReportRow, ...]]:
    """Rows of messages that are unknown here, those of one message together."""
    together: dict[tuple[str, ...], list[ReportRow]] = defaultdict(list)
    for row in rows:
        named = tuple(sorted(_keys(row, keys)))
        together[(*named, row.number) if named else ("", str(row.line))].append(row)
    return [tuple(each) for each in together.values()]


def _keys(row: ReportRow, keys: Keys) -> set[str]:
    return {key for key in keys(row.message_id) if key} if row.message_id else set()


def _row_order(row: ReportRow) -> tuple[int, str, str, int, str, int]:
    return row.at_us, row.number, row.message_id, row.amount_ore, row.said, row.line


def _group_order(group: Group) -> tuple[int, str, int]:
    if group.charge is not None:
        return group.charge.sent_us or group.charge.created_us, group.charge.id, 0
    return group.rows[0].at_us, "", group.rows[0].line
