"""The bridge's settings: from its own file or the gateway's, each fault with its cure."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from billing_bridge.settings import Billing, BridgeLimits, BridgeSettings, Fee, load
from foundation.settings import ConfigurationError

CONFIG = Path(__file__).parents[2] / "config"
ORG1 = "organisations/org1.toml"
Edit = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped configuration."""
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def edited(folder: Path, old: str, new: str, file: str = "smsd.toml") -> BridgeSettings:
    text = (folder / file).read_text()
    assert old in text, f"{file} has no {old!r}"
    (folder / file).write_text(text.replace(old, new, 1))
    return load(folder / "smsd.toml", {})


@pytest.fixture
def faults(folder: Path) -> Edit:
    """Replaces a text in one of the files, and returns every fault then told, without line numbers."""

    def edit(old: str, new: str, file: str = ORG1) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            edited(folder, old, new, file)
        told = str(caught.value).replace(f"{folder}/", "").replace("organisations/", "")
        return re.sub(r"^([\w.]+):\d+: ", r"\1: ", told, flags=re.MULTILINE).splitlines()

    return edit


def test_the_gateway_s_file_serves_the_bridge_too() -> None:
    read = load(CONFIG / "smsd.toml", {})
    assert read.warnings == ()
    assert read.store == "sqlite:///var/billing.db"
    assert (read.handoff.carrier, read.web.listen, read.web.base_url) == (
        "local",
        "127.0.0.1:8030",
        "http://127.0.0.1:8030",
    )
    assert read.limits == BridgeLimits(min_kr=1, max_kr=1000, charge_expiry_s=600, page_size=50)
    assert [each.code for each in read.organisations] == ["ORG1", "ORG2", "ORG3"]
    org1 = read.organisation("ORG1")
    assert org1 is not None
    assert (org1.name, org1.language, org1.site) == ("Organisasjon1", "nn", "https://org1.hypersys.no")
    assert org1.billing == Billing(
        account="99990000014",
        organisation_number="999000010",
        fees=(Fee(category="Medlem", amount_kr=50, active=True),),
    )
    assert read.organisation("ORG9") is None


def test_the_shipped_organisations_are_open_as_the_walk_through_wants_them() -> None:
    read = load(CONFIG / "smsd.toml", {})
    active = {
        each.code: [fee.amount_kr for fee in each.billing.fees if fee.active] for each in read.organisations
    }
    assert active == {"ORG1": [50], "ORG2": [100], "ORG3": []}


def test_a_file_of_its_own_serves_the_bridge_alone(tmp_path: Path) -> None:
    (tmp_path / "mqtt.password").write_text("hush\n")
    (tmp_path / "mqtt.password").chmod(0o600)
    read = load(CONFIG / "bridge.example.toml", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert read.warnings == ()
    assert read.handoff.mqtt is not None
    assert read.handoff.mqtt.password == SecretStr("hush")
    assert read.handoff.mqtt.actual_port == 8883
    assert read.web.base_url == "https://medlem.example.org"
    assert "hush" not in repr(read)


def test_the_gateway_s_own_keys_are_left_to_the_gateway(folder: Path) -> None:
    read = edited(folder, "[[short_codes]]", "[limits]\nmo_queue = 7\namount_max_kr = 300\n\n[[short_codes]]")
    assert read.limits.max_kr == 300
    assert edited(folder, "window = 10", 'window = "many"').limits.max_kr == 300


def test_the_environment_goes_before_the_file() -> None:
    assert (
        load(CONFIG / "smsd.toml", {"BILLING_BRIDGE_WEB__LISTEN": "127.0.0.1:1"}).web.listen == "127.0.0.1:1"
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'account = "9999.00.00014"',
            'account = "9999.00.00015"',
            'org1.toml: billing.account: "9999.00.00015" is no account number; give its eleven digits',
        ),
        (
            'organisation_number = "999 000 010"',
            'organisation_number = "999 000 011"',
            'org1.toml: billing.organisation_number: "999 000 011" is no organisation number; give',
        ),
        (
            'organisation_number = "999 000 010"\n',
            "",
            "org1.toml: billing.organisation_number: is missing; give a text in quotes, such as ",
        ),
        (
            "payment_days = 14",
            "payment_days = 0",
            "org1.toml: billing.payment_days: 0 will not do; give a whole number from 1 to 365",
        ),
        (
            "payment_days = 14",
            'series = "2026-1"\nkid_length = 11',
            "org1.toml: billing: kid_length 11 has no room for the series' digits, the number and",
        ),
        (
            "payment_days = 14",
            'series = "a"',
            'org1.toml: billing.series: "a" is no series; give at most 10 capitals, digits and -',
        ),
        (
            "amount_kr = 50",
            "amount_kr = 49.5",
            "org1.toml: billing.fees[Medlem].amount_kr: 49.5 is a number with decimals; give a whole number",
        ),
        (
            "active = true",
            'active = true\n[[billing.fees]]\ncategory = "medlem"\namount_kr = 5',
            'org1.toml: billing: the fee "medlem" stands here twice; keep one of them',
        ),
        (
            "active = true",
            "actve = true",
            "org1.toml: billing.fees[Medlem].actve: there is no such key; did you mean active?",
        ),
        (
            'account = "9999.00.00014"',
            'account = "9999.00.00022"',
            "org2.toml: billing.series: its KIDs would be those of ORG1, at the same",
        ),
        (
            'codeword = "ORG1"',
            'codeword = "org2"',
            'org2.toml: codeword: "ORG2" is taken already, in org1.toml; give it another',
        ),
        (
            'language = "nn"',
            'languge = "nn"',
            "org1.toml: languge: there is no such key; did you mean language?",
        ),
    ],
)
def test_a_wrong_organisation_is_told_with_its_cure(faults: Edit, old: str, new: str, told: str) -> None:
    assert told in "\n".join(faults(old, new))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'store = "sqlite:///var/billing.db"',
            'store = "postgresql://x"',
            'smsd.toml: bridge.store: a store of kind "postgresql" is not supported; write sqlite:///folder/file.db',
        ),
        (
            'listen = "127.0.0.1:8030"',
            'adress = "https://x.no"',
            "smsd.toml: web.adress: there is no such key; did you mean address?",
        ),
        (
            "[[short_codes]]",
            "[limits]\namount_min_kr = 500\namount_max_kr = 300\n[[short_codes]]",
            "smsd.toml: limits: amount_min_kr 500 is above amount_max_kr 300",
        ),
        (
            "[[short_codes]]",
            "[limits]\namount_max_kr = 0\n[[short_codes]]",
            "smsd.toml: limits.amount_max_kr: 0 will not do; give a whole number from 1 to 100000",
        ),
    ],
)
def test_a_wrong_main_file_is_told_with_its_cure(faults: Edit, old: str, new: str, told: str) -> None:
    assert told in "\n".join(faults(old, new, "smsd.toml"))


def test_a_misspelt_limit_is_told_in_the_bridge_s_own_file(folder: Path, tmp_path: Path) -> None:
    path = folder / "bridge.example.toml"
    path.write_text(path.read_text().replace("page_size", "pagesize"))
    (tmp_path / "mqtt.password").write_text("hush")
    with pytest.raises(
        ConfigurationError, match=r"limits\.pagesize: there is no such key; did you mean page_size\?"
    ):
        load(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
