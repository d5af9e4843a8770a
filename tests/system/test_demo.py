"""The demo as people start it: it agrees with the source's tables, and says so when something does not."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from foundation.clock import SystemClock
from simulators.demo.examples import EXAMPLES, read_examples

CONFIG = EXAMPLES.parent / "demo.toml"
TWELVE = {
    "joined",
    "processing",
    "paid",
    "failed",
    "no_email",
    "no_active_fee",
    "already_member",
    "unknown_number",
    "several_persons",
    "nothing_outstanding",
    "not_whole_number",
    "no_amount",
}


def play(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    return subprocess.run(
        [sys.executable, "-m", "simulators.demo", *arguments], capture_output=True, text=True, timeout=600
    )


@pytest.mark.slow
def test_every_example_goes_as_the_source_says() -> None:
    done = play()
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "no difference" in done.stdout
    assert "✗" not in done.stdout


@pytest.mark.slow
def test_a_changed_reply_is_a_difference_and_the_status_is_1(tmp_path: Path) -> None:
    config = tmp_path / "smsd.toml"
    words = CONFIG.read_text("utf-8")
    changed = words.replace(
        "[organisations.subcodewords]",
        '[organisations.replies]\npaid = "Takk for pengane!"\n\n[organisations.subcodewords]',
    )
    assert changed != words
    config.write_text(changed, "utf-8")
    done = play("--config", str(config))
    assert done.returncode == 1, done.stdout[-4000:] + done.stderr
    assert "Takk for pengane!" in done.stdout
    assert "✗ Paying: the invoice of exactly that amount is charged" in done.stdout
    assert re.search(r"examples, \d+ SMS, [1-9]\d* differences", done.stdout)


@pytest.mark.slow
def test_a_price_that_the_operator_does_not_see_is_a_difference(tmp_path: Path) -> None:
    config = tmp_path / "smsd.toml"
    words = CONFIG.read_text("utf-8")
    changed = words.replace("amount_kr = 100", "amount_kr = 99")
    assert changed != words
    config.write_text(changed, "utf-8")
    done = play("--config", str(config))
    assert done.returncode == 1, done.stdout[-4000:] + done.stderr
    assert "✗ Join-and-pay: one text joins and is charged for the fee just invoiced" in done.stdout


def test_a_configuration_that_cannot_be_used_is_told_with_status_2(tmp_path: Path) -> None:
    config = tmp_path / "smsd.toml"
    config.write_text(CONFIG.read_text("utf-8").replace('join = "join"', 'join = "perhaps"'), "utf-8")
    done = play("--config", str(config))
    assert done.returncode == 2
    assert "perhaps" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_examples_show_all_twelve_replies_of_the_source() -> None:
    raw = tomllib.loads(EXAMPLES.read_text("utf-8"))
    used = {
        answer.get("reply")
        for example in raw["example"]
        for say in example["says"]
        for answer in say["answers"]
    }
    assert set(raw["replies"]) == TWELVE
    assert used >= TWELVE


def test_expected_texts_keep_to_the_source_where_an_organisation_has_its_own_name() -> None:
    examples = read_examples(SystemClock().now_us())
    (both,) = [each for each in examples if each.number == "+4799100004"]
    assert both.says[0].answers[0].text == (
        "Takk for din støtte! Ditt medlemskap i Organisasjon2 har blitt registrert."
    )
