"""The systemd units are hardened, start what there is, and stop in time."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from programs import need

from smsd.settings import Limits

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "systemd").glob("*.service"))
MOST_EXPOSED = 1.5

each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def settings_of(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in unit.read_text().splitlines():
        key, mark, value = line.partition("=")
        if mark and not line.startswith("#"):
            found[key].append(value)
    return found


def test_there_is_a_unit_for_each_program() -> None:
    assert [unit.stem for unit in UNITS] == ["billing-bridge", "smsd"]


@pytest.mark.real
@each_unit
def test_a_unit_is_hardly_exposed(unit: Path) -> None:
    done = subprocess.run(
        [need("systemd-analyze"), "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert level, done.stdout + done.stderr
    assert float(level[1]) <= MOST_EXPOSED, done.stdout


@pytest.mark.real
@each_unit
def test_a_unit_has_nothing_that_systemd_does_not_know(unit: Path, tmp_path: Path) -> None:
    # the program is not installed where the unit will look for it
    copy = tmp_path / unit.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.M))
    done = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    mine = [line for line in done.stderr.splitlines() if unit.name in line or str(tmp_path) in line]
    assert mine == []


@each_unit
def test_a_unit_starts_a_program_that_there_is(unit: Path) -> None:
    (start,) = settings_of(unit)["ExecStart"]
    program, *arguments = start.split()
    assert f'\n{Path(program).name} = "' in (ROOT / "pyproject.toml").read_text()
    assert arguments[:2] == ["run", "--config"]


@each_unit
def test_a_unit_is_notified_watched_restarted_and_reloaded(unit: Path) -> None:
    found = settings_of(unit)
    assert found["Type"] == ["notify"]
    assert int(found["WatchdogSec"][0]) > 0
    assert found["Restart"] == ["on-failure"]
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert found["StateDirectory"] == [unit.stem]
    assert found["WorkingDirectory"] == [f"/var/lib/{unit.stem}"]


@each_unit
def test_a_stop_has_time_for_answers_on_their_way(unit: Path) -> None:
    assert int(settings_of(unit)["TimeoutStopSec"][0]) >= Limits().stop_grace_s + 10


@each_unit
def test_every_credential_of_the_example_is_loaded(unit: Path) -> None:
    example = {"smsd": "production.example.toml", "billing-bridge": "bridge.example.toml"}[unit.stem]
    text = "\n".join(
        line for line in (ROOT / "config" / example).read_text().splitlines() if not line.startswith("#")
    )
    wanted = set(re.findall(r"\$\{CREDENTIALS_DIRECTORY\}/([\w.]+)", text))
    loaded = {credential.partition(":")[0] for credential in settings_of(unit)["LoadCredential"]}
    assert wanted
    assert loaded == wanted
