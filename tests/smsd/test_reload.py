"""SIGHUP: what can change without a new bind does, all or nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from foundation import logs
from smsd.daemon import Daemon
from smsd.settings import load

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(name="main")
def _main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default configuration in a folder of its own, with nobody at the operator's port."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    shutil.copytree(CONFIG, tmp_path / "config")
    main = tmp_path / "config" / "smsd.toml"
    text = main.read_text()
    assert "port = 2775" in text
    main.write_text(
        text.replace("port = 2775", "port = 1").replace('listen = "127.0.0.1:9030"', 'listen = "127.0.0.1:0"')
    )
    return main


@asynccontextmanager
async def running(main: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(load(main))
    task = asyncio.create_task(daemon.run())
    await daemon.ready.wait()
    try:
        yield daemon
    finally:
        daemon.stop()
        await task


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0)


async def test_a_new_reply_and_a_new_fee_hold_after_a_reload(main: Path) -> None:
    org = main.parent / "organisations" / "org1.toml"
    async with running(main) as daemon:
        before = daemon.settings
        org.write_text(org.read_text().replace('name = "Organisasjon1"', 'name = "Nyorg"'))
        daemon.reload()
        await until(lambda: daemon.settings is not before)
        organisation = daemon.settings.organisation("ORG1")
        assert organisation is not None
        assert organisation.name == "Nyorg"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("port = 1", "port = 2", "operators[telco].port"),
        ('number = "2030"', 'number = "20', "this is not TOML"),
        ('number = "2030"', 'number = "x"', "short_codes"),
    ],
)
async def test_what_needs_a_new_bind_or_is_wrong_is_refused_whole_and_told(
    main: Path, old: str, new: str, told: str
) -> None:
    org = main.parent / "organisations" / "org1.toml"
    async with running(main) as daemon:
        before = daemon.settings
        text = main.read_text()
        assert old in text
        main.write_text(text.replace(old, new))
        org.write_text(org.read_text().replace('name = "Organisasjon1"', 'name = "Nyorg"'))
        with structlog.testing.capture_logs() as heard:
            daemon.reload()
            await until(lambda: any(line["event"].startswith("reload.") for line in heard))
        refused = [line for line in heard if line["event"] == "reload.refused"]
        assert len(refused) == 1
        assert told in str(refused[0])
        assert daemon.settings is before
