"""The hand-off's messages on the wire."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from foundation.asyncapi import EXAMPLES
from foundation.contract import (
    VERSION,
    Ack,
    BridgeParcel,
    Charge,
    FromBridge,
    FromGateway,
    GatewayParcel,
    HandoffMessage,
    Pay,
)

GATEWAY = [example for example in EXAMPLES if isinstance(example, get_args(FromGateway))]
BRIDGE = [example for example in EXAMPLES if isinstance(example, get_args(FromBridge))]


def test_a_parcel_with_every_message_survives_the_wire() -> None:
    out = GatewayParcel(id="p1", sender="smsd", messages=GATEWAY)  # type: ignore[arg-type]
    assert msgspec.json.decode(msgspec.json.encode(out), type=GatewayParcel) == out
    back = BridgeParcel(id="p2", sender="billing-bridge", messages=BRIDGE)  # type: ignore[arg-type]
    assert msgspec.json.decode(msgspec.json.encode(back), type=BridgeParcel) == back
    ack = Ack(parcels=["p1", "p2"])
    assert msgspec.json.decode(msgspec.json.encode(ack), type=Ack) == ack


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_carries_its_kind_and_what_every_message_has(message: HandoffMessage) -> None:
    plain = msgspec.to_builtins(message)
    assert plain["type"] == type(message).__struct_config__.tag
    assert {"id", "conversation", "at"} <= set(plain)


def test_a_parcel_says_its_version() -> None:
    assert msgspec.to_builtins(GatewayParcel(id="p", sender="s", messages=[]))["version"] == VERSION


def test_fields_of_a_later_version_are_ignored() -> None:
    wire = {**msgspec.to_builtins(EXAMPLES[1]), "currency": "NOK"}
    assert msgspec.convert(wire, FromGateway) == EXAMPLES[1]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"amount": -1}, "amount"),
        ({"amount": 50.5}, "amount"),
        ({"amount": "5000"}, "amount"),
        ({"type": "gift"}, "gift"),
    ],
)
def test_what_a_message_must_not_say_is_refused(changes: dict[str, object], told: str) -> None:
    pay = next(example for example in EXAMPLES if isinstance(example, Pay))
    with pytest.raises(msgspec.ValidationError, match=told):
        msgspec.convert({**msgspec.to_builtins(pay), **changes}, FromGateway)


def test_a_gateway_cannot_say_what_is_the_bridges() -> None:
    charge = next(example for example in EXAMPLES if isinstance(example, Charge))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(charge), FromGateway)


def test_a_doubtful_outcome_cannot_be_resolved_to_anything_but_charged_or_not() -> None:
    resolve = msgspec.to_builtins(EXAMPLES[-1])
    with pytest.raises(msgspec.ValidationError, match="outcome"):
        msgspec.convert({**resolve, "outcome": "refunded"}, FromBridge)


def test_messages_are_frozen() -> None:
    with pytest.raises(AttributeError):
        EXAMPLES[0].id = "another"  # type: ignore[misc]
