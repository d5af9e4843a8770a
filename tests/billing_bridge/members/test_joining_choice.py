"""Who a joining text is about."""

from __future__ import annotations

import pytest

from billing_bridge.members.joining import Known, NewPerson, Several, who_joins
from billing_bridge.records import Person


def person(name: str, email: str = "") -> Person:
    return Person(id=name, org="ORG1", number="+4799999901", name=name, email=email)


OLA = person("Ola Nordmann", "ola@example.org")
KARI = person("Kari Nordmann", "kari@example.org")
FATHER_AND_SON = [person("Ola Nordmann", "far@example.org"), person("Ola Nordmann", "son@example.org")]


@pytest.mark.parametrize(
    ("people", "name", "email", "expected"),
    [
        ([], "Ola Nordmann", "ola@example.org", "new"),
        ([OLA], "ola  NORDMANN", "OLA@example.org", "Ola Nordmann"),
        ([OLA], "Per Hansen", "per@example.org", "Ola Nordmann, another name, another address"),
        ([OLA, KARI], "Kari Nordmann", "ny@example.org", "Kari Nordmann, another address"),
        ([OLA, KARI], "K. Nordmann", "kari@example.org", "Kari Nordmann, another name"),
        ([OLA, KARI], "Per Hansen", "per@example.org", "several"),
        ([OLA, KARI], "Ola Nordmann", "kari@example.org", "several"),
        (FATHER_AND_SON, "Ola Nordmann", "x@example.org", "several"),
        (FATHER_AND_SON, "Ola Nordmann", "son@example.org", "Ola Nordmann"),
        ([OLA, person("Ola Nordmann", "ola@example.org")], "Ola Nordmann", "ola@example.org", "several"),
        ([person("A"), person("B")], "C", "", "several"),
    ],
)
def test_the_person_meant(people: list[Person], name: str, email: str, expected: str) -> None:
    choice = who_joins(people, name, email)
    if isinstance(choice, Known):
        told = choice.person.name
        told += ", another name" if choice.name_differs else ""
        told += ", another address" if choice.email_differs else ""
        assert told == expected
    elif isinstance(choice, Several):
        assert expected == "several"
    else:
        assert isinstance(choice, NewPerson)
        assert expected == "new"
