"""What every test has: `tests/support` importable, loopback without proxies, hypothesis without deadlines."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent / "support"))

# whatever the machine's way to the web is, the tests' own servers are not beyond it
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1,::1"

# how fast examples are drawn is the machine's affair
SLOW = [HealthCheck.too_slow]
settings.register_profile("ci", deadline=None, suppress_health_check=SLOW, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that a test calls in this process sets up logging; the next test is not to write there."""
    before, level = structlog.get_config(), logging.root.level
    yield
    structlog.configure(**before)
    logging.root.setLevel(level)
    for handler in [each for each in logging.root.handlers if type(each).__module__ == "foundation.logs"]:
        logging.root.removeHandler(handler)


def pytest_report_header(config: pytest.Config) -> str:
    """How to repeat the randomised tests of this run."""
    seed = config.getoption("hypothesis_seed", default=None)
    return f"hypothesis seed: {'drawn per test, printed on failure' if seed is None else seed}"
