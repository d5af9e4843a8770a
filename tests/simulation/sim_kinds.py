"""Every kind of fault that may fire, by name; what is counted under any other name is a slip of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "the programs die": (
        "crash: between two steps",
        "crash: before commit",
        "crash: after commit",
        "crash: before write",
        "crash: after write",
        "crash: before offer",
        "crash: after offer",
        "crash: before acknowledging",
        "crash: at a moment of its own",
        "the machine dies with its process",
        "gateway stops and starts",
    ),
    "two gateways on one store": (
        "gateway paused",
        "gateway paused right after a commit",
        "another gateway takes over",
        "gateway wakes after another took over",
    ),
    "the store": (
        "gateway's commit fails",
        "bridge's commit fails",
        "gateway commits slowly",
        "store locked",
    ),
    "the network": (
        "drop: a half-open bind swallows octets",
        "delay: octets take long",
        "cut: a connection breaks",
        "cut: half a PDU arrives",
        "send buffer full",
        "connecting hangs",
    ),
    "the hand-off": (
        "drop: a parcel is lost",
        "duplicate: a parcel comes again",
        "delay: parcels take long",
        "reorder: a parcel overtakes another",
        "the broker forgets",
    ),
    "the SMSC": (
        "operator: throttles",
        "operator: refuses",
        "operator: answers unclearly",
        "operator: answers by generic_nack",
        "operator: loses a message inside",
        "operator: never answers",
        "operator: answers late",
        "operator: drops the link instead of an answer",
        "operator restarts",
        "operator forgets a message",
        "operator restarts with ids anew",
        "an id is used again for another phone",
        "an id is used again for the same phone",
        "prepaid refusal",
    ),
    "message ids": (
        "ids: decimal",
        "ids: padded",
        "ids: hex",
        "ids: uuid",
        "ids: resp-hex",
        "ids: receipt-hex",
    ),
    "billing": ("billed on accept", "billed on delivery", "billed late"),
    "receipts": (
        "receipt before the response",
        "receipt twice",
        "receipt never",
        "receipt late",
        "receipt pending before the final one",
        "reorder: a pending receipt after the final one",
        "contradictory receipts",
    ),
    "texts": (
        "duplicate: an MO is sent again",
        "duplicate: an MO is sent again on the same bind",
        "a member texts the same again",
    ),
    "clocks": (
        "gateway's clock jumps",
        "bridge's clock jumps",
        "machine suspended",
        "summer time begins or ends between MO and receipt",
        "New Year between MO and receipt",
    ),
}
KINDS: Final = tuple(kind for kinds in GROUPS.values() for kind in kinds)
_KNOWN: Final = frozenset(KINDS)
PER_RUNS: Final = 1000
"""A kind is to fire once in so many runs at the least: a hundred times in 100 000."""


def known(kind: str) -> str:
    """This kind; a name that nobody listed is refused."""
    assert kind in _KNOWN, f"{kind!r} is no kind of fault; see sim_kinds"
    return kind


def too_rare(faults: Counter[str], runs: int) -> dict[str, tuple[int, int]]:
    """The kinds that fired less often than so many runs ask for: how often, and how often they should."""
    floor = runs // PER_RUNS
    return {kind: (faults[kind], floor) for kind in KINDS if faults[kind] < floor}
