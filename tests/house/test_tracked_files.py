"""What stands in the project's files: no package registries, no secrets, no machine's own paths."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from programs import need

ROOT = Path(__file__).parents[2]
# written in pieces, so that this file does not hold what it looks for
REGISTRIES = re.compile(
    "|".join(
        re.escape(f"{host}.{domain}")
        for host, domain in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("registry.npmjs", "org"),
            ("registry.yarnpkg", "com"),
            ("static.crates", "io"),
            ("index.crates", "io"),
            ("proxy.golang", "org"),
            ("rubygems", "org"),
        )
    )
)
PRIVATE_KEY = re.compile("-----BEGIN (?:[A-Z]+ )?PRIVATE" + " KEY-----")
OWN_PATH = re.compile(r"(?<![\w.])/(?:root|home|work|Users)/\w+")
MOST_OCTETS = 1_000_000


def tracked() -> list[Path]:
    git = need("git")
    done = subprocess.run(
        [git, "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def found(pattern: re.Pattern[str]) -> list[str]:
    hits = []
    for path in tracked():
        text = path.read_bytes().decode(errors="replace")
        hits += [f"{path.relative_to(ROOT)}: {match[0]}" for match in pattern.finditer(text)]
    return hits


def test_there_are_files_to_look_at() -> None:
    names = {path.name for path in tracked()}
    assert {"Makefile", "pyproject.toml", "dev.lock", Path(__file__).name} <= names


def test_no_file_names_a_package_registry() -> None:
    assert found(REGISTRIES) == []


def test_no_file_holds_a_private_key() -> None:
    assert found(PRIVATE_KEY) == []


def test_no_file_names_a_path_of_somebody_s_machine() -> None:
    assert found(OWN_PATH) == []


def test_no_file_is_large() -> None:
    large = [path.name for path in tracked() if path.stat().st_size > MOST_OCTETS]
    assert large == []


def test_no_store_cache_or_environment_is_tracked() -> None:
    parts = {part for path in tracked() for part in path.relative_to(ROOT).parts}
    assert not parts & {".venv", "__pycache__", ".mypy_cache", ".hypothesis", "var", "node_modules"}
    assert not [path.name for path in tracked() if path.suffix in (".db", ".pyc", ".log")]


@pytest.mark.parametrize("name", [".ci/run"])
def test_what_is_run_may_be_run(name: str) -> None:
    assert (ROOT / name).stat().st_mode & 0o111
    assert (ROOT / name).read_text().startswith("#!/usr/bin/env bash\n")
