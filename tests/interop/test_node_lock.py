"""What npm is to fetch for these tests: pinned by version and hash, from nowhere in particular."""

from __future__ import annotations

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "node"
PACKAGES = json.loads((FOLDER / "package-lock.json").read_text())["packages"]


def test_every_package_has_its_version_and_hash_and_no_address() -> None:
    fetched = {name: package for name, package in PACKAGES.items() if name}
    assert fetched
    for name, package in fetched.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"]), name
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


def test_the_lock_fits_what_is_asked_for() -> None:
    asked = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    assert PACKAGES[""]["dependencies"] == asked
    assert {name: PACKAGES[f"node_modules/{name}"]["version"] for name in asked} == asked


def test_npm_is_told_to_leave_addresses_out() -> None:
    assert "omit-lockfile-registry-resolved=true" in (FOLDER / ".npmrc").read_text().splitlines()
