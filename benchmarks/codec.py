"""Our codec beside smpplib's and node-smpp's on the same PDUs in the same run: medians and ratios.

    python benchmarks/codec.py [--rounds N] [--seconds S] [--json FILE] [--without-node]

A round times all sides for the same work, one after the other, so that a busy machine slows all of them. What
is taken is the CPU time of each one's process, node's helpers with it: waiting for a core does not count.
node-smpp runs in a process of its own (`make strangers` installs it) and is warmed up before it is timed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from smpplib import smpp

from smsd.smpp import pdu as p
from smsd.smpp.codec import FrameReader, decode, encode

HERE = Path(__file__).parent
NODE_PACKAGE = HERE.parent / "tests" / "interop" / "node" / "node_modules" / "smpp" / "package.json"
WARM_S = 1.0

MESSAGE = "Betalinga di er under handsaming, du vil få melding når den er fullførd.".encode("latin-1")
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
MO = p.DeliverSm(
    source_addr_ton=1,
    source_addr_npi=1,
    source_addr="4790000001",
    dest_addr_ton=3,
    destination_addr="2030",
    short_message=b"ORG1 BETAL 50",
)


class Result(msgspec.Struct, frozen=True):
    """Microseconds for one PDU, medians over the rounds; of the ratios also the lowest."""

    name: str
    ours_us: float
    smpplib_us: float
    smpplib_ratio: float
    smpplib_lowest: float
    node_us: float | None
    node_ratio: float | None
    node_lowest: float | None


class _Sequence:
    sequence = 7

    def next_sequence(self) -> int:
        return self.sequence


_CLIENT = _Sequence()


def submit_sm_ours() -> bytes:
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


def submit_sm_smpplib() -> bytes:
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


def _answer_of_smpplib(command: str, **values: str) -> bytes:
    pdu = smpp.make_pdu(command, client=_CLIENT, **values)
    pdu.sequence = 7
    octets: bytes = pdu.generate()
    return octets


OCTETS = {
    "receipt": encode(RECEIPT, 7),
    "mo": encode(MO, 7),
    "submit_sm": submit_sm_ours(),
    "submit_sm_resp": encode(p.SubmitSmResp("0123456789"), 7),
    "deliver_sm_resp": encode(p.DeliverSmResp(), 7),
    "enquire_link": encode(p.EnquireLink(), 7),
}


def _parse_ours(name: str) -> Callable[[], object]:
    octets = OCTETS[name]
    return lambda: decode(octets)


def _parse_smpplib(name: str) -> Callable[[], object]:
    octets = OCTETS[name]
    return lambda: smpp.parse_pdu(octets, client=_CLIENT, allow_unknown_opt_params=True)


_READER = FrameReader()


def stream_ours() -> object:
    """As it comes from a socket, one PDU in each read: the dearest way."""
    _READER.feed(OCTETS["receipt"])
    return list(_READER.frames())


class Case(msgspec.Struct, frozen=True):
    """One piece of work; `node` names it to node-smpp's program."""

    name: str
    node: str
    ours: Callable[[], object]
    smpplib: Callable[[], object]


def _parse(what: str, name: str) -> Case:
    return Case(f"parse {what}", f"parse {name}", _parse_ours(name), _parse_smpplib(name))


CASES = [
    _parse("deliver_sm, 4 TLVs", "receipt"),
    Case("the same out of a stream", "parse receipt", stream_ours, _parse_smpplib("receipt")),
    _parse("deliver_sm, an MO", "mo"),
    _parse("submit_sm", "submit_sm"),
    _parse("submit_sm_resp", "submit_sm_resp"),
    _parse("deliver_sm_resp", "deliver_sm_resp"),
    _parse("enquire_link", "enquire_link"),
    Case("build submit_sm", "build submit_sm", submit_sm_ours, submit_sm_smpplib),
    Case(
        "build submit_sm_resp",
        "build submit_sm_resp",
        lambda: encode(p.SubmitSmResp("0123456789"), 7),
        lambda: _answer_of_smpplib("submit_sm_resp", message_id="0123456789"),
    ),
    Case(
        "build deliver_sm_resp",
        "build deliver_sm_resp",
        lambda: encode(p.DeliverSmResp(), 7),
        lambda: _answer_of_smpplib("deliver_sm_resp"),
    ),
    Case(
        "build enquire_link",
        "build enquire_link",
        lambda: encode(p.EnquireLink(), 7),
        lambda: _answer_of_smpplib("enquire_link"),
    ),
]


class Node:
    """node-smpp in a process of its own, ended with the block."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            [program, str(HERE / "codec_node.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def asks(self, **order: object) -> dict[str, Any]:
        """One line to it, and its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("node ended before the benchmark; its words stand above")
        return dict(msgspec.json.decode(line))

    def __enter__(self) -> Node:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def check(node: Node | None) -> None:
    """All sides must do the same work, or the figures say nothing."""
    void = "the comparison would be void"
    for case in CASES:
        if case.name.startswith("build"):
            built = {"smpplib": case.smpplib()}
            if node is not None:
                built["node-smpp"] = bytes.fromhex(node.asks(op="once", case=case.node)["hex"])
            for who, octets in built.items():
                if octets != case.ours():
                    raise SystemExit(f"{case.name}: ours and {who} build other octets; {void}")
        elif case.ours is not stream_ours:
            ours: Any = case.ours()
            theirs = {"smpplib": vars(case.smpplib())}
            if node is not None:
                theirs["node-smpp"] = node.asks(op="once", case=case.node)["pdu"]
            for field in ("source_addr", "destination_addr", "short_message", "message_id"):
                mine = _plain(getattr(ours.pdu, field, ""))
                for who, fields in theirs.items():
                    if mine and _plain(fields.get(field)) != mine:
                        raise SystemExit(f"{case.name}: ours and {who} read another {field}; {void}")
    if decode(OCTETS["receipt"]).pdu != RECEIPT:
        raise SystemExit(f"the receipt does not come back as it went; {void}")


def _plain(value: object) -> bytes:
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    return value if isinstance(value, bytes) else str(value).encode("latin-1")


def time_us(work: Callable[[], object], seconds: float) -> float:
    """Microseconds for one call, over about this many seconds of CPU."""
    count = 0
    start = time.process_time()
    end = start
    while end - start < seconds:
        for _ in range(200):
            work()
        count += 200
        end = time.process_time()
    return (end - start) / count * 1e6


def measure(case: Case, rounds: int, seconds: float, node: Node | None) -> Result:
    """One case, alternating between the sides."""
    ours, smpplib, nodes = [], [], []
    if node is not None:
        node.asks(op="time", case=case.node, seconds=WARM_S)
    for _ in range(rounds):
        ours.append(time_us(case.ours, seconds))
        smpplib.append(time_us(case.smpplib, seconds))
        if node is not None:
            nodes.append(float(node.asks(op="time", case=case.node, seconds=seconds)["us"]))
    to_smpplib = [their / our for our, their in zip(ours, smpplib, strict=True)]
    to_node = [their / our for our, their in zip(ours, nodes, strict=False)]
    return Result(
        name=case.name,
        ours_us=statistics.median(ours),
        smpplib_us=statistics.median(smpplib),
        smpplib_ratio=statistics.median(to_smpplib),
        smpplib_lowest=min(to_smpplib),
        node_us=statistics.median(nodes) if nodes else None,
        node_ratio=statistics.median(to_node) if nodes else None,
        node_lowest=min(to_node) if nodes else None,
    )


def _row(one: Result) -> str:
    row = f"{one.name:26}{one.ours_us:8.2f} µs{one.smpplib_us:9.2f} µs"
    row += f"{one.smpplib_ratio:8.1f}x{one.smpplib_lowest:8.1f}x"
    if one.node_us is None:
        return row
    return row + f"{one.node_us:9.2f} µs{one.node_ratio:8.1f}x{one.node_lowest:8.1f}x"


def run(rounds: int, seconds: float, node: Node | None) -> dict[str, Any]:
    """Print the table; the figures."""
    versions = {"python": sys.version.split()[0]}
    if node is not None:
        octets = {name: {"hex": value.hex()} for name, value in (OCTETS | {"message": MESSAGE}).items()}
        versions |= node.asks(op="given", octets=octets)
        versions["node-smpp"] = json.loads(NODE_PACKAGE.read_text("utf-8"))["version"]
    check(node)
    heads = f"{'':26}{'ours':>11}{'smpplib':>12}{'ratio':>9}{'lowest':>9}"
    print(heads + (f"{'node-smpp':>12}{'ratio':>9}{'lowest':>9}" if node is not None else ""))
    results = []
    for case in CASES:
        results.append(measure(case, rounds, seconds, node))
        print(_row(results[-1]), flush=True)
    return {**versions, "results": [msgspec.to_builtins(one) for one in results]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.15, help="for each side of each round")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--without-node", action="store_true", help="leave node-smpp out")
    options = parser.parse_args()
    program = shutil.which("node") or shutil.which("nodejs")
    if options.without_node or program is None or not NODE_PACKAGE.is_file():
        if not options.without_node:
            print("node-smpp is left out: it needs node, and: make strangers")
        figures = run(options.rounds, options.seconds, None)
    else:
        with Node(program) as node:
            figures = run(options.rounds, options.seconds, node)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
