"""The arrows between the rooms: who may import whom (pyproject.toml, [tool.importlinter])."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")
CONTRACTS = """
[importlinter]
root_packages =
    foundation
    smsd
    billing_bridge
    simulators

[importlinter:contract:1]
name = an arrow that is not kept
type = forbidden
source_modules = smsd
forbidden_modules = foundation
"""


def lint(*more: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINTER, "--cache-dir", str(cache), *more], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def test_every_arrow_is_kept(tmp_path: Path) -> None:
    done = lint(cache=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_broken_arrow_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "contracts.ini").write_text(CONTRACTS)
    done = lint("--config", str(tmp_path / "contracts.ini"), cache=tmp_path)
    assert done.returncode != 0
    assert "smsd.settings" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("program", ["smsd", "billing_bridge", "foundation", "simulators"])
def test_no_program_imports_the_tests(program: str) -> None:
    for path in (ROOT / program).rglob("*.py"):
        text = path.read_text()
        assert "import pytest" not in text, path
        assert "from tests" not in text, path
