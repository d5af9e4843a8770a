"""`[limits.charges]` and `[operators.age]`: defaults, what organisations may change, faults and cures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from foundation.clock import SECOND_US
from foundation.settings import ConfigurationError
from smsd.assembly import make_rules
from smsd.charging.limits import Rules
from smsd.settings import Settings, load

CONFIG = Path(__file__).parents[2] / "config"
MAIN, ORG1 = "smsd.toml", "organisations/org1.toml"
AGE = "[operators.age]\ntag = 0x1510\n"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A copy of the shipped configuration."""
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def read(folder: Path, main: str = "", org1: str = "", age: bool = False) -> Settings:
    text = (folder / MAIN).read_text()
    if age:
        text = text.replace("[operators.price]", f"{AGE}[operators.price]", 1)
    (folder / MAIN).write_text(f"{text}\n{main}\n")
    with (folder / ORG1).open("a") as file:
        file.write(f"\n{org1}\n")
    return load(folder / MAIN, {})


def told(folder: Path, main: str = "", org1: str = "", age: bool = False) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(folder, main, org1, age)
    return str(caught.value)


def test_by_default_an_amount_a_day_and_a_month_are_bounded_and_nothing_else(folder: Path) -> None:
    rules = make_rules(read(folder))
    assert (
        rules["ORG1"]
        == rules[""]
        == Rules(
            per_charge_ore=100_000,
            per_number_day_ore=200_000,
            per_number_month_ore=300_000,
            confirm_within_us=900 * SECOND_US,
        )
    )


def test_the_most_of_one_charge_is_the_most_of_a_text_unless_it_is_given(folder: Path) -> None:
    limits = "[limits]\namount_max_kr = 400\n"
    assert make_rules(read(folder, limits))[""].per_charge_ore == 40_000
    (folder / MAIN).write_text(
        (folder / MAIN).read_text().replace(limits, f"{limits}charges.per_charge_kr = 0\n")
    )
    assert make_rules(load(folder / MAIN, {}))[""].per_charge_ore == 0


def test_an_organisation_lowers_its_ceilings_and_raises_the_age(folder: Path) -> None:
    main = (
        "[limits.charges]\nminimum_age = 15\nage_unknown = 'refuse'\nwhile_paused = 'hold'\n"
        "per_organisation_day_kr = 9000\n"
    )
    own = (
        "[limits.charges]\nper_charge_kr = 100\nper_number_day_kr = 200\nper_number_month_kr = 300\n"
        "per_organisation_day_kr = 400\nconfirm_above_kr = 50\nminimum_age = 18\n"
    )
    rules = make_rules(read(folder, main, own, age=True))
    assert rules["ORG1"] == Rules(
        per_charge_ore=10_000,
        per_number_day_ore=200_000,
        per_number_month_ore=300_000,
        own_number_day_ore=20_000,
        own_number_month_ore=30_000,
        per_organisation_day_ore=40_000,
        confirm_above_ore=5_000,
        confirm_within_us=900 * SECOND_US,
        minimum_age=18,
        unknown_age_may_pay=False,
        hold_while_paused=True,
    )
    assert rules["ORG2"].per_organisation_day_ore == 900_000
    assert rules["ORG2"].minimum_age == 15


@pytest.mark.parametrize(
    ("main", "own", "words"),
    [
        ("", "per_charge_kr = 1001", "limits.charges.per_charge_kr: 1001 is above"),
        ("", "per_number_day_kr = 2001", "limits.charges.per_number_day_kr: 2001 is above"),
        ("", "per_number_month_kr = 3001", "limits.charges.per_number_month_kr: 3001 is above"),
        ("per_organisation_day_kr = 5", "per_organisation_day_kr = 6", "per_organisation_day_kr: 6 is above"),
        ("confirm_above_kr = 100", "confirm_above_kr = 101", "confirm_above_kr: 101 is above"),
        ("minimum_age = 15", "minimum_age = 14", "minimum_age: 14 is below"),
        ("", "per_number_day_kr = 0", "limits.charges.per_number_day_kr"),
        ("", "while_paused = 'hold'", "while_paused"),
        ("confirm_within_s = 59", "", "limits.charges.confirm_within_s"),
        ("per_number_day_kr = -1", "", "limits.charges.per_number_day_kr"),
        ("age_unknown = 'maybe'", "", "limits.charges.age_unknown"),
        ("per_numer_day_kr = 1", "", "per_numer_day_kr"),
    ],
)
def test_what_cannot_be_is_told_with_file_key_and_cure(folder: Path, main: str, own: str, words: str) -> None:
    fault = told(folder, f"[limits.charges]\n{main}", f"[limits.charges]\n{own}", age=True)
    assert words in fault
    assert ("org1.toml" in fault) == bool(own)
    assert ";" in fault


def test_a_ceiling_at_the_general_one_is_allowed(folder: Path) -> None:
    own = "[limits.charges]\nper_charge_kr = 1000\nper_number_day_kr = 2000\nper_number_month_kr = 3000"
    assert read(folder, "", own).warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('codeword = "ORG1"', 'codeword = "JA"', "codeword"),
        ('BETAL = "pay"', 'NEI = "pay"', "subcodewords.NEI"),
        ('BETAL = "pay"', 'Yes = "status"', "subcodewords"),
    ],
)
def test_where_payments_are_confirmed_no_word_is_spelt_like_an_answer(
    folder: Path, old: str, new: str, key: str
) -> None:
    text = (folder / ORG1).read_text()
    assert old in text
    (folder / ORG1).write_text(text.replace(old, new, 1))
    assert load(folder / MAIN, {})
    fault = told(folder, "[limits.charges]\nconfirm_above_kr = 100")
    assert "is what a payer answers" in fault
    assert key in fault


@pytest.mark.parametrize(
    ("main", "warning"),
    [
        ("minimum_age = 15", "it holds for nobody"),
        ("minimum_age = 15\nage_unknown = 'refuse'", "nobody could pay"),
        ("per_number_day_kr = 999", "999 is below per_charge_kr, 1000"),
        ("per_number_month_kr = 1999", "1999 is below per_number_day_kr, 2000"),
        ("confirm_above_kr = 100\nconfirm_within_s = 601", "longer than a charge may wait"),
    ],
)
def test_what_is_allowed_but_unwise_is_warned_of(folder: Path, main: str, warning: str) -> None:
    (found,) = read(folder, f"[limits.charges]\n{main}").warnings
    assert warning in str(found)


def test_an_age_that_an_operator_reports_needs_no_warning(folder: Path) -> None:
    assert read(folder, "[limits.charges]\nminimum_age = 15", age=True).warnings == ()


def test_an_age_flag_s_words_are_kept_apart(folder: Path) -> None:
    text = (folder / MAIN).read_text()
    age = f"{AGE}unit = 'adult'\nadult_values = ['1']\nminor_values = ['0', '1']\n"
    (folder / MAIN).write_text(text.replace("[operators.price]", f"{age}[operators.price]", 1))
    assert "stands in adult_values and in minor_values" in told(folder)


def test_the_bridge_leaves_the_gateway_s_limits_alone(folder: Path) -> None:
    from billing_bridge.settings import load as load_bridge

    read(folder, "[limits.charges]\nconfirm_above_kr = 100", "[limits.charges]\nper_charge_kr = 100")
    assert load_bridge(folder / MAIN, {}).warnings == ()


def test_limits_can_change_at_any_time(folder: Path) -> None:
    before = load(folder / MAIN, {})
    assert before.only_at_start(read(folder, "[limits.charges]\nconfirm_above_kr = 100", age=True)) == []
