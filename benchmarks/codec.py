"""Our codec beside smpplib's on the same PDUs in the same run: medians and ratios.

    python benchmarks/codec.py [--rounds N] [--seconds S] [--json FILE]

A round times both sides for the same work, one after the other, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from smpplib import smpp

from smsd.smpp import pdu as p
from smsd.smpp.codec import FrameReader, decode, encode


class Result(msgspec.Struct, frozen=True):
    """Microseconds for one PDU, medians over the rounds; `ratio` is the median of the rounds' ratios."""

    name: str
    ours_us: float
    smpplib_us: float
    ratio: float
    lowest_ratio: float


class _Sequence:
    sequence = 7

    def next_sequence(self) -> int:
        return self.sequence


_CLIENT = _Sequence()

RECEIPT_TEXT = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:2601021200 done date:2601021201 stat:DELIVRD err:000 text:"
)
RECEIPT = p.DeliverSm(
    source_addr_ton=1,
    source_addr_npi=1,
    source_addr="4790000001",
    dest_addr_ton=3,
    destination_addr="2030",
    esm_class=4,
    short_message=RECEIPT_TEXT,
    tlvs=(
        p.Tlv.of_text(p.Tag.RECEIPTED_MESSAGE_ID, "0123456789"),
        p.Tlv.of_int(p.Tag.MESSAGE_STATE, 2, 1),
        p.Tlv(p.Tag.NETWORK_ERROR_CODE, b"\x03\x00\x00"),
        p.Tlv.of_int(p.Tag.USER_MESSAGE_REFERENCE, 77, 2),
    ),
)
MESSAGE = "Betalinga di er under handsaming, du vil få melding når den er fullførd.".encode("latin-1")
RESPONSE = encode(p.SubmitSmResp("0123456789"), 7)
RECEIPT_OCTETS = encode(RECEIPT, 7)


def build_ours() -> bytes:
    """A premium submit_sm, from the values to the octets."""
    return encode(
        p.SubmitSm(
            source_addr_ton=3,
            source_addr="2030",
            dest_addr_ton=1,
            dest_addr_npi=1,
            destination_addr="4790000001",
            registered_delivery=1,
            short_message=MESSAGE,
            tlvs=(p.Tlv(p.Tag.USER_MESSAGE_REFERENCE, b"\x00\x4d"),),
        ),
        7,
    )


def build_theirs() -> bytes:
    """The same by smpplib, which has no way to send a vendor's TLV."""
    octets: bytes = smpp.make_pdu(
        "submit_sm",
        client=_CLIENT,
        source_addr_ton=3,
        source_addr="2030",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="4790000001",
        registered_delivery=1,
        short_message=MESSAGE,
        user_message_reference=77,
    ).generate()
    return octets


def build_resp_ours() -> bytes:
    return encode(p.DeliverSmResp(), 7)


def build_resp_theirs() -> bytes:
    pdu = smpp.make_pdu("deliver_sm_resp", client=_CLIENT)
    pdu.sequence = 7
    octets: bytes = pdu.generate()
    return octets


def parse_theirs(octets: bytes) -> object:
    pdu: object = smpp.parse_pdu(octets, client=_CLIENT, allow_unknown_opt_params=True)
    return pdu


_READER = FrameReader()


def stream_ours() -> object:
    """As it comes from a socket, one PDU in each read: the dearest way."""
    _READER.feed(RECEIPT_OCTETS)
    return list(_READER.frames())


Case = tuple[str, Callable[[], object], Callable[[], object]]

CASES: list[Case] = [
    ("parse deliver_sm, 4 TLVs", lambda: decode(RECEIPT_OCTETS), lambda: parse_theirs(RECEIPT_OCTETS)),
    ("the same out of a stream", stream_ours, lambda: parse_theirs(RECEIPT_OCTETS)),
    ("parse submit_sm_resp", lambda: decode(RESPONSE), lambda: parse_theirs(RESPONSE)),
    ("build submit_sm", build_ours, build_theirs),
    ("build deliver_sm_resp", build_resp_ours, build_resp_theirs),
]


def check() -> None:
    """Both sides must do the same work, or the figures say nothing."""
    if build_ours() != build_theirs() or build_resp_ours() != build_resp_theirs():
        raise SystemExit("the two codecs do not build the same octets; the comparison would be void")
    theirs = parse_theirs(RECEIPT_OCTETS)
    if decode(RECEIPT_OCTETS).pdu != RECEIPT or getattr(theirs, "short_message", b"") != RECEIPT_TEXT:
        raise SystemExit("the two codecs do not read the same content; the comparison would be void")


def time_us(work: Callable[[], object], seconds: float) -> float:
    """Microseconds for one call, over about this many seconds."""
    count = 0
    start = time.perf_counter()
    end = start
    while end - start < seconds:
        for _ in range(200):
            work()
        count += 200
        end = time.perf_counter()
    return (end - start) / count * 1e6


def measure(case: Case, rounds: int, seconds: float) -> Result:
    """One case, alternating between the two."""
    name, ours, theirs = case
    pairs = [(time_us(ours, seconds), time_us(theirs, seconds)) for _ in range(rounds)]
    ratios = [their / our for our, their in pairs]
    return Result(
        name,
        statistics.median(our for our, _ in pairs),
        statistics.median(their for _, their in pairs),
        statistics.median(ratios),
        min(ratios),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.15, help="for each side of each round")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    check()
    results = [measure(case, options.rounds, options.seconds) for case in CASES]
    print(f"{'':28}{'ours':>10}{'smpplib':>12}{'ratio':>9}{'lowest':>9}")
    for one in results:
        print(
            f"{one.name:28}{one.ours_us:8.2f} µs{one.smpplib_us:9.2f} µs"
            f"{one.ratio:8.1f}x{one.lowest_ratio:8.1f}x"
        )
    if options.json:
        figures = {"python": sys.version.split()[0], "results": [msgspec.to_builtins(one) for one in results]}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
