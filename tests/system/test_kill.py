"""Killing the gateway, the bridge and the broker under load loses nothing, doubles nothing, hides nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from programs import need

TRIAL = Path(__file__).parent / "kill_trial.py"
pytestmark = pytest.mark.slow


def trial(folder: Path, victim: str, kills: int, limit_s: float) -> dict[str, Any]:
    """Run a trial; its figures. The seed is printed, and KILL_SEED gives one."""
    told = folder / "figures.json"
    seed = os.environ.get("KILL_SEED")
    done = subprocess.run(
        [
            *(sys.executable, str(TRIAL), "--victim", victim, "--kills", str(kills)),
            *("--limit-s", str(limit_s), "--figures", str(told), "--folder", str(folder / "trial")),
            *(("--seed", seed) if seed else ()),
        ],
        capture_output=True,
        text=True,
        timeout=limit_s + 900,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(told.read_text("utf-8"))
    assert figures["differences"] == []
    assert figures["kills"] == kills
    return figures


def test_a_gateway_killed_two_hundred_times_charges_each_invoice_once(tmp_path: Path) -> None:
    figures = trial(tmp_path, "gateway", 200, limit_s=1200)
    # the kills met work under way, or they prove nothing
    assert figures["found_sending"] > 100
    assert figures["mo_resent"] > 100
    assert figures["charged"] > 1000
    assert figures["not_charged"] > 100


@pytest.mark.real
def test_killed_paused_and_taken_over_from_at_random_everybodys_books_agree(tmp_path: Path) -> None:
    need("mosquitto")
    figures = trial(tmp_path, "all", 60, limit_s=1200)
    kinds = figures["kinds"]
    assert all(kinds.get(kind) for kind in ("gateway", "bridge", "broker", "takeover", "pause")), kinds
    assert kinds["takeover, the former one woke and ended"] > 0
    assert figures["found_sending"] > 30
    assert figures["charged"] > 300


@pytest.mark.real
@pytest.mark.parametrize("victim", ["bridge", "broker"])
def test_a_killed_bridge_or_broker_loses_nothing_and_doubles_nothing(tmp_path: Path, victim: str) -> None:
    need("mosquitto")
    figures = trial(tmp_path, victim, 20, limit_s=600)
    assert figures["charged"] > 100
    assert figures["not_charged"] > 30
