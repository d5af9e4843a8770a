"""A calm run leaves nothing in doubt, a lost link at most a window: the benchmark made small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CALM = Path(__file__).parents[2] / "benchmarks" / "calm.py"


@pytest.mark.slow
def test_a_calm_run_and_a_lost_link_leave_what_they_may(tmp_path: Path) -> None:
    told = tmp_path / "calm.json"
    words = [
        "--payments",
        "400",
        "--losses",
        "1",
        "--loss-round",
        "400",
        "--window",
        "10",
        "--json",
        str(told),
    ]
    done = subprocess.run([sys.executable, str(CALM), *words], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = json.loads(told.read_text())
    assert found["faults"] == []
    assert (found["calm"]["paid"], found["calm"]["in_doubt"]) == (400, 0)
    assert found["calm"]["states"] == {"charged": 400}
    (loss,) = found["losses"]
    # windows were full when the operator died
    assert 0 < loss["in_doubt"] <= loss["at_most"] == 10
