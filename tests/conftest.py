"""What every test has: `tests/support` importable, and hypothesis without a deadline, its seed on failure."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent / "support"))

settings.register_profile("ci", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_report_header(config: pytest.Config) -> str:
    """How to repeat the randomised tests of this run."""
    seed = config.getoption("hypothesis_seed", default=None)
    return f"hypothesis seed: {'drawn per test, printed on failure' if seed is None else seed}"
