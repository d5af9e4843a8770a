"""Finds the programs outside Python that some tests need."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

_ADMIN_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def need(program: str, *others: str) -> str:
    """Path of a program, the first of several names found; the running test is skipped where it is missing.

    With ``REQUIRE_REAL=1`` in the environment the test fails instead: nothing is left untested unseen.
    """
    folders = os.pathsep.join((os.environ.get("PATH", os.defpath), *_ADMIN_FOLDERS))
    found = next(filter(None, (shutil.which(name, path=folders) for name in (program, *others))), None)
    return found or leave_out(f"{' or '.join((program, *others))} is not installed")


def leave_out(reason: str) -> NoReturn:
    """Skip the running test because of what this machine lacks; with ``REQUIRE_REAL=1`` fail it."""
    if os.environ.get("REQUIRE_REAL") == "1":
        pytest.fail(f"{reason}, and REQUIRE_REAL=1 demands it", pytrace=False)
    pytest.skip(reason)
