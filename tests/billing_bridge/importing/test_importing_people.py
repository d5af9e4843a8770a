"""Taking over a register: every fault told, all rows or none."""

from __future__ import annotations

import pytest
from bridge_world import KARI, OLA, World

from billing_bridge.importing.people import read_people, write_people
from billing_bridge.importing.reader import Imported, ImportRefusedError

HEADER = "organisation,name,number,email,comment\n"
GOOD = f"ORG1,Ola Nordmann,{OLA},ola@example.org,Verva av Stian\n"


def take(world: World, octets: bytes | str) -> Imported:
    text = octets.encode() if isinstance(octets, str) else octets
    world.connection.execute("BEGIN IMMEDIATE")
    try:
        done = write_people(world.tx, read_people(text, world.settings), world.ids, world.clock)
    finally:
        world.connection.execute("COMMIT")
    return done


def faults(world: World, text: bytes | str) -> list[tuple[int, str]]:
    with pytest.raises(ImportRefusedError) as refused:
        take(world, text)
    assert world.value("SELECT count(*) FROM people") == 0
    told = str(refused.value)
    assert all(fault.wrong and fault.right for fault in refused.value.faults), told
    return [(fault.line, fault.column) for fault in refused.value.faults]


@pytest.mark.parametrize(
    "octets",
    [
        (HEADER + GOOD).encode(),
        b"\xef\xbb\xbf" + (HEADER + GOOD).encode(),
        (HEADER + GOOD).replace(",", ";").encode(),
        (HEADER + GOOD).replace("\n", "\r\n").encode(),
        ("\n\n" + HEADER + "\n" + GOOD + ",,,,\n").replace(",", ";").encode(),
        f"Number , EMAIL,name,comment,Organisation\n{OLA},ola@example.org,Ola Nordmann,Verva av Stian,org1"
        "".encode(),
        b'organisation,name,number,email,comment\nORG1,"Ola  Nordmann","+47 999 99 901",ola@example.org,'
        b'"Verva av Stian"',
    ],
    ids=["plain", "BOM", "semicolons", "CRLF", "empty lines", "columns in another order", "quoted"],
)
def test_a_person_is_taken_over_from(world: World, octets: bytes) -> None:
    assert take(world, octets) == Imported(1, 0)
    assert world.rows("SELECT org, name, number, email, source FROM people") == [
        ("ORG1", "Ola Nordmann", OLA, "ola@example.org", "import")
    ]
    assert world.rows("SELECT text, source FROM comments") == [("Verva av Stian", "import")]


def test_latin_1_is_read_and_told(world: World) -> None:
    done = take(world, f"organisation,name,number\nORG1,Kåre Østbø,{OLA}\n".encode("latin-1"))
    assert world.value("SELECT name FROM people") == "Kåre Østbø"
    (notice,) = done.notices
    assert "Latin-1" in notice
    assert "line 2" in notice


def test_every_fault_of_every_row_is_told_by_line_and_column(world: World) -> None:
    text = HEADER + GOOD + f'ORG9,,12,ola(at)example,\n\n"ORG1","To\nlinjer",{KARI},x@y,\nORG1,Per,,,\n'
    assert faults(world, text) == [
        (3, "email"),
        (3, "name"),
        (3, "number"),
        (3, "organisation"),
        (5, "email"),
        (7, "number"),
    ]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", [(1, "")]),
        ("\n\n", [(1, "")]),
        (HEADER, [(1, "")]),
        ("name,number\nOla,1\n", [(1, "organisation")]),
        ("organisation,name,number,shoe size\n", [(1, "'shoe size'")]),
        ("organisation,name,number,name\n", [(1, "name")]),
        (HEADER + "ORG1,Ola\n", [(2, "")]),
        (HEADER + GOOD + 'ORG1,"Ola', [(3, "")]),
        (HEADER + 'ORG1,"Ola" Nordmann,1,,\n', [(2, "")]),
    ],
)
def test_a_file_of_the_wrong_form_is_refused(world: World, text: str, places: list[tuple[int, str]]) -> None:
    assert faults(world, text) == places


def test_faults_do_not_show_private_values(world: World) -> None:
    with pytest.raises(ImportRefusedError) as refused:
        take(world, HEADER + "ORG1,Ola Nordmann,+4799999901234567,olanordmann@@example.org,\n")
    told = str(refused.value)
    assert "99999901" not in told
    assert "olanordmann" not in told


def test_who_is_there_already_is_skipped_and_counted(world: World) -> None:
    take(world, HEADER + GOOD)
    again = (
        HEADER
        + GOOD
        + f"ORG1,ola nordmann,99999901,,\nORG1,Kari Nordmann,{OLA},,\nORG1,Kari Nordmann,{OLA},,\n"
    )
    assert take(world, again) == Imported(1, 3)
    assert world.value("SELECT count(*) FROM people") == 2


def test_the_same_person_with_another_address_is_refused(world: World) -> None:
    take(world, HEADER + GOOD)
    with pytest.raises(ImportRefusedError, match="another address"):
        take(world, HEADER + f"ORG1,Per,{KARI},,\nORG1,Ola Nordmann,{OLA},ny@example.org,\n")
    assert world.value("SELECT count(*) FROM people") == 1


def test_a_foreign_number_is_kept_with_its_country(world: World) -> None:
    take(world, "organisation,name,number\nORG1,Astrid,+46 70 123 45 67\n")
    assert world.value("SELECT number FROM people") == "+46701234567"
