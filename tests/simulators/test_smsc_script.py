"""Script files and accounts: what is wrong is told with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import simulators
from simulators.smsc.settings import (
    EFFECTS,
    IdFormat,
    PriceCarrier,
    Script,
    ScriptError,
    read_accounts,
    read_script,
)

TOML = """
alphabet = "latin1"
[price]
carrier = "tlv"
tag = 0x1502
[ids]
response = "hex"
receipt = "decimal"
[[rules]]
number = "+47 900"
receipt = "UNDELIV"
err = "0021"
"""


def test_a_toml_script_sets_price_ids_and_rules(tmp_path: Path) -> None:
    (tmp_path / "script.toml").write_text(TOML)

    script = read_script(tmp_path / "script.toml")

    assert (script.price.carrier, script.price.tag) == (PriceCarrier.TLV, 0x1502)
    assert (script.ids.response, script.ids.receipt) == (IdFormat.HEX, IdFormat.DECIMAL)
    assert script.rules[0].err == "0021"


def test_a_json_script_may_write_numbers_as_hexadecimal_text(tmp_path: Path) -> None:
    (tmp_path / "script.json").write_text('{"price": {"tag": "0x1502"}, "rules": [{"refuse": "0x58"}]}')

    script = read_script(tmp_path / "script.json")

    assert (script.price.tag, script.rules[0].refuse) == (0x1502, 0x58)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.toml", "[price]\ncarier = 'tlv'\n", "price.carier"),
        ("a.toml", "[[rules]]\nreceipt = 'GONE'\n", "rules.0.receipt"),
        ("a.toml", "price = ", "is not toml"),
        ("a.json", "{", "is not json"),
        ("a.toml", None, "cannot be read"),
    ],
)
def test_a_wrong_script_is_refused_with_file_and_place(
    tmp_path: Path, name: str, text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)

    with pytest.raises(ScriptError, match=words) as caught:
        read_script(tmp_path / name)

    assert str(tmp_path / name) in str(caught.value)


def test_an_account_is_a_system_id_and_a_password_with_colons_perhaps() -> None:
    assert read_accounts(["smsd:secret", "other:a:b"]) == {"smsd": "secret", "other": "a:b"}


@pytest.mark.parametrize("word", ["smsd", "smsd:", ":secret", "sixteencharacters:x", "smsd:ninechars"])
def test_an_account_that_smpp_cannot_carry_is_refused_without_the_password(word: str) -> None:
    with pytest.raises(ScriptError) as caught:
        read_accounts([word])

    assert "ninechars" not in str(caught.value)


def test_the_readmes_script_is_valid_and_changes_every_key_it_shows(tmp_path: Path) -> None:
    readme = (Path(simulators.__file__).parent / "README.md").read_text()
    [block] = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "script.toml").write_text(block)

    script = read_script(tmp_path / "script.toml")

    usual = Script()
    assert len(script.rules) == 1
    for table in ("price", "ids", "receipts", "limits"):
        shown, plain = getattr(script, table).model_dump(), getattr(usual, table).model_dump()
        same = {name for name, value in shown.items() if value == plain[name]}
        assert same <= {"carrier"}, f"{table} shows these as they are by default"


def test_the_readme_names_every_effect_of_a_rule() -> None:
    readme = (Path(simulators.__file__).parent / "README.md").read_text()

    assert {name for name in EFFECTS if f"`{name}`" not in readme} == set()
