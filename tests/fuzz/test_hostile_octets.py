"""Every target of the fuzzing programs over what hypothesis finds, and over what once broke others."""

from __future__ import annotations

import random
import time
import tracemalloc
from pathlib import Path
from struct import pack

import pytest
from fuzz_targets import COMMANDS, TARGETS, pdu_of
from hostile_pdus import CLOSES, REQUEST, deliver, tlv
from hostile_samples import seeds
from hypothesis import given
from hypothesis import strategies as st
from published_pdus import PUBLISHED

from smsd.smpp import pdu as p
from smsd.smpp.codec import FrameReader
from smsd.smpp.constants import CommandId, Tag
from smsd.smpp.faults import PduFault
from smsd.smpp.session import Role, Session, SessionSettings

MOST_S = 5.0
"""What one parse may take on a loaded machine; a hang takes for ever."""

each_target = pytest.mark.parametrize("name", sorted(TARGETS))


@each_target
def test_every_promise_holds_over_the_seeds_and_their_mutations(name: str) -> None:
    numbers = random.Random(name)
    for seed in seeds(name):
        TARGETS[name](seed)
        for _ in range(20):
            octets = bytearray(seed)
            for _ in range(numbers.randrange(1, 5)):
                at = numbers.randrange(len(octets) + 1)
                octets[at : at + numbers.randrange(3)] = numbers.randbytes(numbers.randrange(3))
            TARGETS[name](bytes(octets))


@each_target
@given(data=st.binary(max_size=600))
def test_every_promise_holds_over_any_octets(name: str, data: bytes) -> None:
    TARGETS[name](data)


@given(
    command=st.sampled_from(COMMANDS),
    fields=st.lists(
        st.one_of(
            st.binary(max_size=70), st.sampled_from((b"\0", b"\0" * 9, b"\xff", b"4799999999\0", b"\4\x24"))
        ),
        max_size=12,
    ),
)
def test_bodies_made_of_likely_pieces_are_read_or_refused(command: CommandId, fields: list[bytes]) -> None:
    TARGETS["pdu"](bytes((COMMANDS.index(command), 0)) + b"".join(fields))
    TARGETS["stream"](b"\5" + pdu_of(command, b"".join(fields)))


@pytest.mark.parametrize("length", [17, 65_536, 65_537, 1 << 20, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_nothing_is_allocated_for_a_length_that_was_only_claimed(length: int) -> None:
    reader = FrameReader()
    header = pack(">IIII", length, 5, 0, 1)
    tracemalloc.start()
    try:
        reader.feed(header)
        found = list(reader.frames())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16_384
    assert reader.dead is (length > 65_536)
    assert len(found) == reader.dead


@pytest.mark.parametrize(
    "body",
    [
        deliver(b"hei", length=254)[16:],
        deliver(rest=tlv(Tag.MESSAGE_PAYLOAD, b"", length=0xFFFF))[16:],
        pdu_of(CommandId.SUBMIT_MULTI_RESP, b"\0\xff")[16:],
    ],
    ids=["sm_length", "TLV length", "no_unsuccess"],
)
def test_nothing_is_allocated_for_an_inner_length_that_was_only_claimed(body: bytes) -> None:
    for command in COMMANDS:
        reader = FrameReader()
        tracemalloc.start()
        try:
            reader.feed(pdu_of(command, body))
            list(reader.frames())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 65_536, command.name


def test_a_whole_pdu_of_the_most_octets_is_read_from_single_octets_in_linear_time() -> None:
    octets = deliver(b"", rest=tlv(Tag.MESSAGE_PAYLOAD, b"a" * 65_400))
    reader = FrameReader()
    began = time.process_time()
    for octet in octets:
        reader.feed(bytes((octet,)))
        for item in reader.frames():
            assert isinstance(item, p.Frame)
            assert isinstance(item.pdu, p.DeliverSm)
    assert reader.waiting_octets == 0
    assert time.process_time() - began < MOST_S


@pytest.mark.parametrize("name", ["receipt", "segments", "text", "command"])
@pytest.mark.parametrize(
    "piece",
    [b"id:", b"a", b" ", b",", b"\x1b", b"stat:DELIVRD ", b"\xd8\x3d", b"0", b"BETAL 1 ", b"(", b".@"],
)
def test_long_repetitions_take_no_more_than_a_moment(name: str, piece: bytes) -> None:
    """Patterns that go back over what they read would take minutes here."""
    long = (piece * 65_000)[:65_000]
    wrapped = b"\4\0\0" + b"\3\xff" + long[:255]
    began = time.process_time()
    if name in ("receipt", "segments"):
        TARGETS[name](wrapped)
        _read_payload(long)
    else:
        TARGETS[name](long[:4000])
    assert time.process_time() - began < MOST_S


def _read_payload(long: bytes) -> None:
    from smsd.smpp.alphabet import Coding
    from smsd.smpp.receipt import read_receipt

    for esm_class in (0x04, 0x44):
        message = p.DeliverSm(esm_class=esm_class, tlvs=(p.Tlv(Tag.MESSAGE_PAYLOAD, long),))
        assert read_receipt(message, Coding.GSM7) is not None


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case.name)
def test_cutting_a_pdu_anywhere_changes_nothing(case: object) -> None:
    octets = next(each.octets for each in PUBLISHED if each is case)[:400]
    whole = FrameReader()
    whole.feed(octets)
    expected = [_kind(item) for item in whole.frames()]
    for at in range(1, min(len(octets), 120)):
        reader = FrameReader()
        reader.feed(octets[:at])
        found = [_kind(item) for item in reader.frames()]
        reader.feed(octets[at:])
        assert found + [_kind(item) for item in reader.frames()] == expected


def _kind(item: object) -> object:
    return (item.status, item.recoverable) if isinstance(item, PduFault) else item


def test_a_pdu_cut_by_the_end_of_the_connection_is_nobody_s() -> None:
    session = Session(Role.ESME, SessionSettings(), 0.0)
    session.receive_data(deliver()[:-1], 1.0)
    session.receive_eof(2.0)
    assert [type(event).__name__ for event in session.events()] == ["Closed"]


def test_each_target_has_its_program_and_make_runs_it() -> None:
    here = Path(__file__).parent
    programs = {path.stem.removeprefix("fuzz_") for path in here.glob("fuzz_*.py")} - {"targets"}
    assert programs == set(TARGETS)
    (line,) = [
        line for line in (here.parents[1] / "Makefile").read_text().splitlines() if line.startswith("ONLY")
    ]
    assert set(line.partition("?=")[2].split()) == programs


def test_the_cases_tell_where_they_were_heard_of() -> None:
    assert len({case.name for case in PUBLISHED}) == len(PUBLISHED)
    assert all(case.source and case.fault.endswith(".") for case in PUBLISHED)
    assert {CLOSES, REQUEST} <= {case.then for case in PUBLISHED}
