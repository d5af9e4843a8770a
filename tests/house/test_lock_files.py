"""The lock files pin everything by version and hash, name no place to fetch from, and fit pyproject.toml."""

from __future__ import annotations

import itertools
import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?: ;[^\\]*)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")

each_lock = pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)


def pins(lock: Path) -> dict[str, Version]:
    found = {}
    for line in lock.read_text().splitlines():
        match = PIN.match(line)
        if match:
            found[canonicalize_name(match[1])] = Version(match[2])
    return found


def test_there_is_a_lock_for_running_and_one_for_building() -> None:
    assert [lock.name for lock in LOCKS] == ["dev.lock", "runtime.lock"]


@each_lock
def test_every_line_is_a_pin_a_hash_or_a_comment(lock: Path) -> None:
    for line in lock.read_text().splitlines():
        assert PIN.match(line) or HASH.match(line) or not line or line.lstrip().startswith("#"), line
    assert pins(lock)


@each_lock
def test_every_pin_has_a_hash(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    for line, following in itertools.pairwise(lines):
        if PIN.match(line):
            assert HASH.match(following), line


@each_lock
def test_a_lock_names_no_address_and_no_path(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"--(?:index-url|extra-index-url|find-links|trusted-host)|file:/|(?:^|\s)/\w", text)


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        ("runtime", PROJECT["project"]["dependencies"]),
        ("dev", PROJECT["project"]["dependencies"]),
        ("dev", PROJECT["project"]["optional-dependencies"]["dev"]),
        ("runtime", PROJECT["build-system"]["requires"]),
        ("dev", PROJECT["build-system"]["requires"]),
    ],
)
def test_what_the_project_asks_for_is_pinned_within_its_bounds(lock: str, requirements: list[str]) -> None:
    pinned = pins(ROOT / "requirements" / f"{lock}.lock")
    for each in map(Requirement, requirements):
        name = canonicalize_name(each.name)
        assert name in pinned, f"{name} is not in {lock}.lock; run: make lock"
        assert pinned[name] in each.specifier, f"{each} is pinned to {pinned[name]}; run: make lock"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_what_pinned_packages_need_is_pinned(lock: Path) -> None:
    pinned = pins(lock)
    for name, version in pinned.items():
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue
        for text in installed.requires or () if Version(installed.version) == version else ():
            each = Requirement(text)
            if each.marker is None or each.marker.evaluate({"extra": ""}):
                assert canonicalize_name(each.name) in pinned, f"{name} needs {each}; run: make lock"


def test_both_locks_agree() -> None:
    running, building = (pins(ROOT / "requirements" / f"{name}.lock") for name in ("runtime", "dev"))
    assert {name: building.get(name) for name in running} == running
