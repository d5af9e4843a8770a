"""The published description of the hand-off says what the types say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from foundation.asyncapi import EXAMPLES, document, main, to_yaml
from foundation.carriers.mqtt import SHARE
from foundation.contract import Ack, BridgeParcel, FromBridge, FromGateway, GatewayParcel

PUBLISHED = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"


def test_the_published_file_is_as_the_types_say() -> None:
    assert main(["--check", str(PUBLISHED)]) == 0
    assert yaml.safe_load(PUBLISHED.read_text(encoding="utf-8")) == document()


def test_a_file_that_differs_or_is_missing_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "asyncapi.yaml"
    assert main(["--check", str(file)]) == 1
    assert main([str(file)]) == 0
    assert main(["--check", str(file)]) == 0
    file.write_text(file.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert main(["--check", str(file)]) == 1
    assert "is not as the contract says" in capsys.readouterr().err


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return found.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value) for value in node))
    return set()


def test_every_reference_leads_somewhere() -> None:
    whole = document()
    assert references(whole)
    for reference in references(whole):
        node: Any = whole
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_every_message_has_a_schema_with_an_example_of_its_own() -> None:
    schemas = document()["components"]["schemas"]
    kinds = (*get_args(FromGateway), *get_args(FromBridge))
    assert {type(example) for example in EXAMPLES} == set(kinds)
    for kind in kinds:
        assert schemas[kind.__name__]["examples"][0]["type"] == kind.__struct_config__.tag
        assert schemas[kind.__name__]["description"]


@pytest.mark.parametrize(
    ("message", "kind"),
    [("GatewayParcels", list[GatewayParcel]), ("BridgeParcels", list[BridgeParcel]), ("Ack", Ack)],
)
def test_the_examples_of_the_messages_can_be_read(message: str, kind: Any) -> None:
    for example in document()["components"]["messages"][message]["examples"]:
        msgspec.json.decode(msgspec.json.encode(example["payload"]), type=kind)


def test_the_bridges_subscription_is_the_carriers() -> None:
    assert SHARE in document()["operations"]["bridgeTakes"]["summary"]


TEXT = st.text("abcnoyåø019-:. #|>~'\"\\\n\t[]{},&*!%@`?", max_size=12)
TREE = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(TREE)
def test_the_writers_yaml_reads_back_as_it_was(tree: Any) -> None:
    assert yaml.safe_load(to_yaml(tree)) == tree
