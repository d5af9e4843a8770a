"""Taking over a register of people. A person who is there already (organisation, number, name) is skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from billing_bridge.batch import Batch
from billing_bridge.importing.reader import (
    Checker,
    Imported,
    Line,
    one_of,
    read_comment,
    read_email,
    read_name,
    read_number,
    read_sheet,
)
from billing_bridge.members.joining import same_words
from billing_bridge.records import Person
from billing_bridge.settings import BridgeSettings
from foundation.clock import Clock
from foundation.ids import Ids
from foundation.store import Tx

NEEDED = ("organisation", "name", "number")
OPTIONAL = ("email", "comment")
SOURCE = "import"


class PersonRow(msgspec.Struct, frozen=True):
    """One person as the file has them, checked."""

    line: Line
    org: str
    name: str
    number: str
    email: str
    comment: str


class PeopleFile(msgspec.Struct, frozen=True):
    """A file whose every row can be taken."""

    rows: tuple[PersonRow, ...]
    notices: tuple[str, ...]


def read_people(
    octets: bytes, settings: BridgeSettings, step: Callable[[int], None] = lambda _rows: None
) -> PeopleFile:
    """The people of a CSV file; `step` is told of each thousand rows read.

    Raises:
        ImportRefusedError: with every fault of every row.
    """
    sheet = read_sheet(octets, NEEDED, OPTIONAL)
    checker = Checker(sheet.faults)
    organisation = one_of([each.code for each in settings.organisations])
    rows: list[PersonRow] = []
    for place, line in enumerate(sheet.lines, 1):
        org = checker.value(line, "organisation", organisation)
        name = checker.value(line, "name", read_name)
        number = checker.value(line, "number", read_number)
        email = checker.value(line, "email", read_email)
        comment = checker.value(line, "comment", read_comment)
        if None not in (org, name, number, email, comment):
            rows.append(PersonRow(line, org or "", name or "", number or "", email or "", comment or ""))
        if place % 1000 == 0:
            step(1000)
    step(len(sheet.lines) % 1000)
    checker.refuse_if_wrong()
    return PeopleFile(tuple(rows), sheet.notices)


def write_people(tx: Tx, file: PeopleFile, ids: Ids, clock: Clock) -> Imported:
    """Add the people who are not there; in the caller's transaction.

    Raises:
        ImportRefusedError: a person is there with another e-mail address.
    """
    now_us = clock.now_us()
    conversation = ids.new()
    checker = Checker()
    batch = Batch(tx, SOURCE)
    batch.read_people({row.number for row in file.rows}, set(), set())
    added = 0
    for row in file.rows:
        known = _same(batch.people(row.org, row.number), row.name)
        if known is not None:
            if row.email and known.email and row.email.casefold() != known.email.casefold():
                checker.fault(
                    row.line,
                    "email",
                    "the person (same organisation, number and name) is there with another address",
                    "leave the address out, or correct the register",
                )
            continue
        person = Person(ids.new(), row.org, row.number, row.name, row.email)
        batch.add_person(person, SOURCE, now_us)
        if row.comment:
            batch.rows["comments"].append((ids.new(), person.id, row.comment, SOURCE, conversation, now_us))
        added += 1
    checker.refuse_if_wrong()
    batch.write()
    return Imported(added, len(file.rows) - added, file.notices)


def _same(people: Sequence[Person], name: str) -> Person | None:
    return next((person for person in people if same_words(person.name, name)), None)
