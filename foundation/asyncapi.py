"""Writes the hand-off down as AsyncAPI 3.0, from the types in `foundation.contract` and nothing else.

``python -m foundation.asyncapi docs/asyncapi.yaml`` writes it, ``--check`` tells whether it is as written.
The output is the same for the same types; it needs no YAML library.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, get_args

import msgspec

from foundation import contract
from foundation.contract import (
    Ack,
    BridgeParcel,
    Charge,
    ChargeEvidence,
    ChargeJournal,
    ChargeSettled,
    Direction,
    EvidenceWanted,
    FromBridge,
    FromGateway,
    GatewayParcel,
    HandoffMessage,
    Join,
    JournalSms,
    JournalStep,
    JournalTrace,
    Message,
    MessageFate,
    MessageState,
    Outcome,
    Pay,
    Purpose,
    Reason,
    Reply,
    Resolve,
    Send,
    SmsSettled,
    Status,
    Stop,
)

Node: TypeAlias = "dict[str, Any] | list[Any] | str | int | bool | None"

_AT_US = 1_767_225_600_000_000
_SENDER = "+4799999999"
_PLAIN = re.compile(r"[A-Za-z_$/][A-Za-z0-9_$/.-]*\Z")
_BLOCK = re.compile(r"(?=.*\n)(?:\S[^\0-\x1f\x7f-\xa0\u2028\u2029\ufeff]*(?:\n|\Z)|\n(?!\Z))+\Z")
_NOT_PLAIN = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"})


def _id(number: int) -> str:
    return f"019b7622-c400-7000-8000-{number:012x}"


def _common(number: int) -> dict[str, Any]:
    return {"id": _id(number), "conversation": _id(1), "at": _AT_US}


EXAMPLES: tuple[HandoffMessage, ...] = (
    Join(
        **_common(2),
        org="ORG1",
        sender=_SENDER,
        name="Ola Nordmann",
        email="ola@example.org",
        comment="Smalgåshagen 2, 3120 Sandefjord. Verva av Stian",
    ),
    Pay(**_common(3), org="ORG1", sender=_SENDER, amount=5000),
    Status(**_common(4), org="ORG1", sender=_SENDER),
    Stop(**_common(5), org="", sender=_SENDER),
    Message(
        **_common(6),
        direction=Direction.IN,
        number=_SENDER,
        short_code="2030",
        org="ORG1",
        text="ORG1 BETAL 50",
        segments=1,
        price=0,
        purpose=Purpose.MO,
        fate=MessageFate.RECEIVED,
    ),
    MessageState(**_common(7), message=_id(6), fate=MessageFate.DELIVERED),
    ChargeSettled(
        **_common(8),
        charge=_id(9),
        outcome=Outcome.NOT_CHARGED,
        reason=Reason.NO_CREDIT,
        evidence="receipt err 0021",
    ),
    SmsSettled(**_common(10), sms=_id(11), fate=MessageFate.DELIVERED),
    Reply(**_common(12), org="ORG1", recipient=_SENDER, name="paid", values={"amount": "50"}),
    Charge(
        **_common(9),
        org="ORG1",
        invoice="100001",
        recipient=_SENDER,
        amount=5000,
        expires=_AT_US + 600_000_000,
    ),
    Send(**_common(11), org="ORG1", recipient=_SENDER, text="Velkomen til årsmøtet."),
    EvidenceWanted(**_common(14), charge=_id(9)),
    ChargeEvidence(
        **_common(15),
        charge=_id(9),
        wanted=_id(14),
        journal=ChargeJournal(
            org="ORG1",
            invoice="100001",
            operator="telco",
            short_code="2030",
            number=_SENDER,
            amount=5000,
            state="charged",
            reason="",
            contradicted=False,
            created=_AT_US,
            changed=_AT_US + 2_000_000,
            expires=_AT_US + 600_000_000,
            message=_id(16),
            steps=[
                JournalStep(at=_AT_US, evidence="start", before="intended", after="sending"),
                JournalStep(
                    at=_AT_US + 2_000_000,
                    evidence="receipt_charged",
                    before="accepted",
                    after="charged",
                    detail="id:4711 stat:DELIVRD err:000 submit:2601010100 done:2601010100",
                ),
            ],
            sms=[
                JournalSms(
                    id=_id(16),
                    direction=Direction.OUT,
                    purpose=Purpose.PREMIUM,
                    number=_SENDER,
                    short_code="2030",
                    segments=1,
                    price=5000,
                    at=_AT_US,
                    fate=MessageFate.DELIVERED,
                    changed=_AT_US + 2_000_000,
                    traces=[JournalTrace(at=_AT_US + 1_000_000, what="accepted", detail="id:4711")],
                ),
            ],
        ),
    ),
    Resolve(
        **_common(13),
        charge=_id(9),
        outcome="charged",
        who="kari",
        why="The operator's report of 2 January has it.",
    ),
)

_PARCELS: tuple[tuple[type[msgspec.Struct], msgspec.Struct], ...] = (
    (GatewayParcel, GatewayParcel(id=_id(20), sender="smsd", messages=[EXAMPLES[1]])),  # type: ignore[list-item]
    (BridgeParcel, BridgeParcel(id=_id(21), sender="billing-bridge", messages=[EXAMPLES[9]])),  # type: ignore[list-item]
    (Ack, Ack(parcels=[_id(20)])),
)

_DESCRIPTION = """\
Between a premium-SMS gateway and a member system. A program stores what it hands off before it sends it,
and sends it again until the other side acknowledges it; the other side acknowledges after its own commit
and ignores a parcel whose id it has seen. So the carrier may lose, delay and repeat.

A gateway hands over its parcels in order: it publishes the oldest ones that are not acknowledged, together,
and publishes newer ones only when all of these are. A receiver takes the parcels of one publish in the
order given and acknowledges a parcel only after those before it.

A publish is a JSON array of parcels, QoS 1, content type application/json. A receiver acknowledges it to the
broker after its commit. Unknown fields are to be ignored. A parcel that cannot be read must not be
acknowledged; it stays in its sender's outbox and in sight of whoever watches it.

Times are UTC microseconds since 1970, amounts whole øre, numbers E.164, ids UUIDv7.
"""


def document() -> dict[str, Any]:
    """The whole AsyncAPI document as plain values."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Hand-off between a premium-SMS gateway and a member system",
            "version": f"{contract.VERSION}.0.0",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, *channel) for name, channel in _CHANNELS.items()},
        "operations": {name: _operation(*operation) for name, operation in _OPERATIONS.items()},
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


_CHANNELS: Mapping[str, tuple[str, str, str]] = {
    "parcels": ("parcels", "GatewayParcels", "What a gateway hands to the bridge."),
    "replies": ("replies", "BridgeParcels", "What the bridge hands to a gateway."),
    "parcelAcks": ("acks/parcels", "Ack", "The bridge has committed these parcels of the gateway."),
    "replyAcks": ("acks/replies", "Ack", "The gateway has committed these parcels of the bridge."),
}

_OPERATIONS: Mapping[str, tuple[str, str, str]] = {
    "gatewayHandsOff": ("send", "parcels", "A gateway publishes its parcels."),
    "bridgeTakes": (
        "receive",
        "parcels",
        "A bridge subscribes to $share/bridge/{prefix}/gateways/+/parcels; bridges of one store share it.",
    ),
    "bridgeAcknowledges": ("send", "parcelAcks", "A bridge publishes the ids after its commit."),
    "gatewaySettles": ("receive", "parcelAcks", "A gateway drops them from its outbox."),
    "bridgeHandsOff": ("send", "replies", "The bridge publishes its parcels for one gateway."),
    "gatewayTakes": ("receive", "replies", "A gateway takes what the bridge asks of it."),
    "gatewayAcknowledges": ("send", "replyAcks", "A gateway publishes the ids after its commit."),
    "bridgeSettles": ("receive", "replyAcks", "Every bridge subscribes to these, unshared."),
}


def _channel(name: str, tail: str, message: str, description: str) -> dict[str, Any]:
    return {
        "address": "{prefix}/gateways/{gateway}/" + tail,
        "title": name,
        "description": description,
        "parameters": {
            "prefix": {
                "description": "The installation's, by default premium-sms.",
                "default": "premium-sms",
            },
            "gateway": {
                "description": "The gateway's name, its parcels' sender.",
                "examples": ["smsd"],
            },
        },
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {"mqtt": {"bindingVersion": "0.2.0"}},
    }


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "bindings": {"mqtt": {"qos": 1, "retain": False, "bindingVersion": "0.2.0"}},
    }


def _messages() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, example in _PARCELS:
        whole = kind is Ack
        name = kind.__name__ if whole else f"{kind.__name__}s"
        ref = {"$ref": f"#/components/schemas/{kind.__name__}"}
        value = msgspec.to_builtins(example)
        found[name] = {
            "name": name,
            "summary": _summary(kind),
            "payload": ref if whole else {"type": "array", "items": ref, "minItems": 1},
            "examples": [{"payload": value if whole else [value]}],
        }
    return found


def _schemas() -> dict[str, Any]:
    kinds = [kind for kind, _ in _PARCELS]
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    examples = {type(example).__name__: msgspec.to_builtins(example) for example in EXAMPLES}
    missing = {kind.__name__ for kind in (*get_args(FromGateway), *get_args(FromBridge))} - set(examples)
    if missing:
        raise TypeError(f"messages without an example: {sorted(missing)}")
    for name, example in examples.items():
        components[name]["examples"] = [example]
    return {name: components[name] for name in sorted(components)}


def _summary(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def to_yaml(node: Node) -> str:
    """Block-style YAML of plain values, keys in their own order."""
    return "\n".join(_lines(node)) + "\n"


def _lines(node: Node) -> Iterator[str]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _entry(f"{_scalar(str(key))}:", value)
    elif isinstance(node, list) and node:
        for value in node:
            yield from _entry("-", value)
    else:
        yield _scalar(node)


def _entry(head: str, value: Node) -> Iterator[str]:
    if isinstance(value, str) and _BLOCK.match(value):
        yield f"{head} |" if value.endswith("\n") else f"{head} |-"
        for line in value.splitlines():
            yield f"  {line}" if line else ""
    elif isinstance(value, dict | list) and value:
        lines = list(_lines(value))
        if head == "-":
            yield f"- {lines[0]}"
            lines = lines[1:]
        else:
            yield head
        yield from (f"  {line}" if line else "" for line in lines)
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: Node) -> str:
    if isinstance(value, str) and _PLAIN.match(value) and value.lower() not in _NOT_PLAIN:
        return value
    # every other scalar, and empty brackets, are the same in JSON and YAML
    return json.dumps(value, ensure_ascii=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the file; 1 where the check finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m foundation.asyncapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where the file differs")
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    file: Path = options.file
    text = "# Written by python -m foundation.asyncapi; change foundation/contract.py instead.\n" + to_yaml(
        document()
    )
    if not options.check:
        file.write_text(text, encoding="utf-8")
        return 0
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"{file} is not as the contract says; run python -m foundation.asyncapi {file}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
