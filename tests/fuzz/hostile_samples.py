"""The octets that fuzzing begins from: what broke others, and a PDU of each kind."""

from __future__ import annotations

from collections.abc import Iterator

from fuzz_targets import COMMANDS, pdu_of
from published_pdus import PUBLISHED, RECEIPT
from published_receipts import RECEIPTS

from smsd.smpp import pdu as p
from smsd.smpp.codec import encode
from smsd.smpp.constants import CommandId

FORMS = (
    b"4711,2611220409,2611220410,DELIVRD,000,Hei",
    b"4711;20261122040900;20261122041000;FAILED;01106E;no credit, will retry later",
    b"4711,DELIVRD",
    b"id:4711 stat:200 err:017 will retry later",
    "id:4711 stat:DELIVRD err:000".encode("utf-16-be"),
)
"""Receipts in the forms that have no published case."""


def seeds(name: str) -> Iterator[bytes]:
    """Octets that a target may begin from."""
    for case in PUBLISHED:
        octets = case.octets.ljust(16, b"\0")
        match name:
            case "pdu":
                command = int.from_bytes(octets[4:8], "big")
                place = COMMANDS.index(CommandId(command)) if command in COMMANDS else 255
                yield bytes((place, octets[11] & 127)) + octets[16:]
            case "trace":
                command = int.from_bytes(octets[4:8], "big")
                yield bytes((COMMANDS.index(CommandId(command)) if command in COMMANDS else 0,)) + octets[16:]
            case "stream":
                yield b"\7" + octets
            case "session":
                size = min(len(octets), 255)
                yield b"\3\1\2" + bytes((size | 7,)) + octets
            case _:
                yield octets[-160:]
    for text in (*(text for _, text, _ in RECEIPTS), *FORMS):
        yield b"\4\0" + bytes((len(text),)) + text if name in ("receipt", "segments") else text
    for command in COMMANDS if name in ("stream", "session") else ():
        yield b"\3" + pdu_of(command, b"\0" * 40)
    if name == "pdu":
        whole = encode(
            p.DeliverSm(
                source_addr="4799999999", destination_addr="2030", short_message=RECEIPT, esm_class=4
            ),
            1,
        )
        yield bytes((COMMANDS.index(CommandId.DELIVER_SM), 0)) + whole[16:]
