"""Script files and accounts: what is wrong is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.smsc.settings import IdFormat, PriceCarrier, ScriptError, read_accounts, read_script

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
