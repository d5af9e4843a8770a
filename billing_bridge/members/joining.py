"""Who a joining text is about. Pure: the people who have the number in, one choice out (DOMAIN section 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from billing_bridge.records import Person


class NewPerson(msgspec.Struct, frozen=True):
    """Nobody has the number: create the person."""


class Known(msgspec.Struct, frozen=True):
    """This person joins; a differing name or e-mail is for a human to look at, never written over."""

    person: Person
    name_differs: bool
    email_differs: bool


class Several(msgspec.Struct, frozen=True):
    """Several persons have the number, and name and e-mail do not point out one."""


Choice: TypeAlias = NewPerson | Known | Several


def who_joins(people: Sequence[Person], name: str, email: str) -> Choice:
    """The person meant by a number, a name and an e-mail address, given the people who have the number."""
    if not people:
        return NewPerson()
    if len(people) == 1:
        return _known(people[0], name, email)
    both = [person for person in people if _same_name(person, name) and _same_email(person, email)]
    either = [person for person in people if _same_name(person, name) or _same_email(person, email)]
    for fitting in (both, either):
        if len(fitting) == 1:
            return _known(fitting[0], name, email)
    return Several()


def same_words(first: str, second: str) -> bool:
    """Whether two names read the same: letter case and white space aside."""
    return first.casefold().split() == second.casefold().split()


def _same_name(person: Person, name: str) -> bool:
    return same_words(person.name, name)


def _same_email(person: Person, email: str) -> bool:
    return bool(email) and person.email.casefold() == email.casefold()


def _known(person: Person, name: str, email: str) -> Known:
    return Known(person, not _same_name(person, name), not _same_email(person, email))
