"""What the oracle asks of texts and answers: I4, every text once, and I7, the truth to every payer."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from sim_books import COMMANDS, Books
from sim_message import Mo
from sim_world import World

from foundation.clock import SECOND_US, oslo_year

_STORE_AWAY = ("gateway's commit fails", "gateway commits slowly", "store locked")


def texts(world: World, books: Books) -> None:
    """I4: every acknowledged MO has exactly one disposition."""

    def found(what: str) -> None:
        world.find("I4", what)

    here: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for row in books.messages:
        if row[2] == "in":
            here[row[3], row[4]].append(row)
    sent: dict[tuple[str, str], list[Mo]] = defaultdict(list)
    for mo in world.mos:
        sent[mo.number, mo.text].append(mo)
        if not mo.acked:
            found(f"{mo.ref} {mo.text!r} was never acknowledged")
    # by a clock that jumped nobody knows how long ago something came, be it repeated or a part of a text
    jumped = world.faults["gateway's clock jumps"] or world.faults["machine suspended"]
    in_pieces: set[str] = set()
    for key, rows in here.items():
        if key in sent:
            continue
        # a segment again on the bind that brought it: the rest of it is waited for in vain
        whole = [
            mo for mo in world.mos if mo.number == key[0] and key[1] in mo.text and (mo.unsure or jumped)
        ]
        in_pieces.update(mo.ref for mo in whole)
        if not whole:
            found(f"{key} came from nowhere, {len(rows)} times")
    for key, mos in sent.items():
        rows = here[key]
        least = 1 if len(mos) > 1 and _may_be_one(world, mos) else len(mos)
        least -= sum(mo.ref in in_pieces for mo in mos)
        most = sum(mo.sent if mo.unsure or jumped else 1 for mo in mos)
        if not least <= len(rows) <= most:
            found(f"{key} was sent {len(mos)} times and is here {len(rows)} times")
        kind = mos[0].kind
        for row in rows:
            asked = [command for command, _ in books.commands.get(row[0], ())]
            if asked != ([kind] if kind in COMMANDS else []):
                found(f"{key} came to {asked} at the bridge")
            if books.dialog[row[0]] != 1:
                found(f"{key} is in the dialog {books.dialog[row[0]]} times")
    if books.set_aside:
        found(f"{books.set_aside} inputs were set aside")
    if books.refused:
        found(f"the bridge refused {books.refused} messages")
    _memberships(world, books)


def _may_be_one(world: World, mos: list[Mo]) -> bool:
    """Whether nobody could tell several texts of the same words from one that its SMSC repeats.

    One that came again, or by another bind, may be a repetition; so may one that came while the store was
    away, when an SMSC grows impatient. Each once, all by one bind that lives: that is a person who texts
    again.
    """
    again = any(mo.sent > len(mo.pdus) for mo in mos)
    binds = {id(conn) for mo in mos for conn in mo.conns}
    return again or len(binds) > 1 or any(world.faults[kind] for kind in _STORE_AWAY)


def _memberships(world: World, books: Books) -> None:
    """A membership is of the year in which the text came, by a clock of that time."""
    known = {row[0]: row for row in books.messages if row[2] == "in"}
    for org, year, conversation in books.memberships:
        if conversation not in known:
            continue
        mo = next((mo for mo in world.mos if (mo.number, mo.text) == known[conversation][3:5]), None)
        if mo is None:
            # what came of a long text, whose own rule is above
            continue
        years = {
            oslo_year(mo.at_us + ahead_us + late_s * SECOND_US)
            for ahead_us in world.clocks["gateway"].ever_ahead_us
            for late_s in (0, 120)
        }
        if year not in years:
            world.find("I4", f"membership of {org} for {year}, though the text came in {years}")


def words(world: World, books: Books) -> None:
    """I7: nobody is told *failed* while billed, without a correction; whoever is charged is told so."""
    said: dict[str, list[str]] = defaultdict(list)
    fates: dict[str, str] = {}
    for row in sorted(books.messages):
        if row[2] == "out" and row[5] == "reply":
            said[row[1]].append(row[4].split(" ")[0])
            fates[row[1]] = row[6]
    for conversation, heard in said.items():
        twice = [
            word for word, count in Counter(heard).items() if count > 1 and word in ("PAID", "FAILED", "Takk")
        ]
        if twice:
            world.find("hand-off", f"{conversation[-6:]} is answered {heard}")
    for charge in books.charges:
        told = [word for word in said[charge.conversation] if word in ("PAID", "FAILED", "CORRECTED")]
        name = f"{charge.number[-2:]}, charge {charge.id[-6:]}, {charge.state}"
        last = told[-1] if told else ""
        if charge.billed and last not in ("PAID", "CORRECTED"):
            world.find("I7", f"{name}: billed, told {told}")
        lied = any(sm.lied_about for sm in charge.taken)
        if not charge.billed and last in ("PAID", "CORRECTED") and not lied:
            world.find("I7", f"{name}: not billed, told {told}")
        if charge.mo and charge.billed:
            read = [
                text.decode("latin-1").split(" ")[0]
                for _, mo, text in world.phones[charge.number].told
                if mo == charge.mo and text.startswith((b"PAID", b"FAILED", b"CORRECTED"))
            ]
            if read and read[-1] == "FAILED" and fates[charge.conversation] in ("delivered",):
                world.find("I7", f"{name}: billed, the phone heard {read}")
