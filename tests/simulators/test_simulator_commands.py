"""`smsc-sim` and `handset` as people start them: in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from smsc_kit import PATIENCE_S, bound, eventually, free, premium

from simulators.handset.cli import kroner, line_of
from simulators.handset.client import Handset, PhoneError
from simulators.smsc.app import Simulator
from simulators.stage import free_port

Process = asyncio.subprocess.Process


async def started(module: str, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=_heeds_ctrl_c,
    )


def _heeds_ctrl_c() -> None:
    """Whoever runs the tests in the background has their children ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def said(process: Process) -> tuple[int | None, str, str]:
    """Exit code, and what it said on both outputs."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            out, error = await process.communicate()
    except TimeoutError:
        # the tests that come after it shall not find it
        process.kill()
        await process.communicate()
        raise
    return process.returncode, out.decode(), error.decode()


async def line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        return (await process.stdout.readline()).decode().strip()


@contextlib.asynccontextmanager
async def smsc_sim(*arguments: str) -> AsyncIterator[tuple[Process, int, str]]:
    """A simulator in a process of its own: the process, SMPP's port, the control API's address."""
    process = await started("simulators.smsc.cli", "--port", "0", "--control", "0", *arguments)
    try:
        smpp = re.search(r":(\d+),", await line(process))
        control = re.search(r"(http://\S+)/", await line(process))
        assert smpp is not None
        assert control is not None
        yield process, int(smpp[1]), control[1]
    finally:
        if process.returncode is None:
            process.terminate()
            await said(process)


async def test_the_simulator_stops_in_order_when_told(tmp_path: Path) -> None:
    async with smsc_sim("--ledger", str(tmp_path / "ledger.jsonl")) as (process, port, _):
        async with bound(port) as esme:
            await esme.send(premium())
            await esme.until(lambda: len(esme.receipts) == 1)
        process.send_signal(signal.SIGTERM)
        code, _, error = await said(process)

    assert (code, error) == (0, "")
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 1


async def test_a_ledger_outlives_a_killed_simulator(tmp_path: Path) -> None:
    arguments = ("--ledger", str(tmp_path / "ledger.jsonl"), "--ledger-fsync", "batch")
    async with smsc_sim(*arguments) as (process, port, _), bound(port) as esme:
        answer = await esme.send(premium())
        await esme.until(lambda: len(esme.receipts) == 1)
        process.kill()
        await said(process)

    async with (
        smsc_sim(*arguments) as (process, _, control),
        httpx.AsyncClient(base_url=control, timeout=60) as client,
    ):
        assert await line(process) == f"ledger {tmp_path}/ledger.jsonl: 1 rows, 5000 øre billed"
        [row] = (await client.get("/ledger")).json()["rows"]

    assert row["message_id"] == answer.message_id


async def test_accounts_and_script_come_from_the_options(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text('[price]\ntag = 0x1502\nunit = "kroner"\n[ids]\nresponse = "uuid"\n')
    async with (
        smsc_sim("--account", "club:word", "--account", "smsd:secret", "--script", str(script)) as (
            _,
            port,
            control,
        ),
        bound(port) as esme,
        httpx.AsyncClient(base_url=control, timeout=60) as client,
    ):
        tlv = premium().tlvs[0]
        answer = await esme.send(premium(tlvs=(type(tlv)(0x1502, b"50\0"),)))
        await esme.until(lambda: len(esme.receipts) == 1)
        ledger = (await client.get("/ledger")).json()

    assert len(answer.message_id) == 36
    assert ledger["amount_ore"] == 5000


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--account", "smsd"], 2, "an account is written system_id:password"),
        (["--script", "/nowhere/script.toml"], 2, "/nowhere/script.toml: cannot be read"),
        (["--port", "70000"], 2, "port: Input should be less than or equal to 65535"),
    ],
)
async def test_wrong_options_are_told_in_one_line(arguments: list[str], code: int, words: str) -> None:
    got, out, error = await said(await started("simulators.smsc.cli", *arguments))

    assert (got, out) == (code, "")
    assert words in error
    assert "Traceback" not in error


async def test_a_port_or_ledger_in_use_is_told(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text("no ledger\n")
    for arguments, words in (
        (["--port", str(simulator.port), "--control", "0"], "address already in use"),
        (["--port", "0", "--control", str(simulator.control_port)], "address already in use"),
        (["--port", "0", "--control", "0", "--ledger", str(tmp_path / "ledger.jsonl")], "line 1 is no row"),
    ):
        code, _, error = await said(await started("simulators.smsc.cli", *arguments))
        assert code == 1
        assert words in error.lower()
        assert "Traceback" not in error


async def test_handset_send_prints_the_replies_and_their_cost(simulator: Simulator) -> None:
    async with bound(simulator.port) as esme:
        esme.reply = lambda mo: [premium(mo.source_addr), free(mo.source_addr, short_message=b"Takk!")]
        arguments = ("+4799999999", "2030", "ORG1 BETAL 50", "--wait-s", "5")
        code, out, error = await said(
            await started("simulators.handset.cli", "send", *arguments, "--control", simulator.control_url)
        )

    assert (code, error) == (0, "")
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in out.splitlines()]
    assert lines[0] == "+4799999999 → 2030: ORG1 BETAL 50"
    assert "2030 → +4799999999: Betalinga di er under handsaming  [cost 50 kr]" in lines
    assert "2030 → +4799999999: Takk!  [free]" in lines
    assert lines[-1] == "cost 50 kr"


async def test_handset_watch_prints_until_interrupted(simulator: Simulator) -> None:
    process = await started(
        "simulators.handset.cli", "watch", "+4799999999", "--control", simulator.control_url
    )
    await eventually(lambda: asyncio.sleep(0), lambda _: bool(simulator.smsc.watched))
    async with bound(simulator.port) as esme:
        await esme.send(free(short_message=b"hei"))
        assert (await line(process)).endswith("2030 → +4799999999: hei  [free]")
    process.send_signal(signal.SIGINT)
    code, _, error = await said(process)

    assert (code, error) == (0, "")


async def test_handset_web_serves_the_page_for_that_smsc(simulator: Simulator) -> None:
    listen = f"127.0.0.1:{free_port()}"
    process = await started(
        "simulators.handset.cli", "web", "--control", simulator.control_url, "--listen", listen
    )
    assert await line(process) == f"phone on http://{listen}/"

    async def page() -> httpx.Response | None:
        async with httpx.AsyncClient(timeout=60) as client:
            try:
                return await client.get(f"http://{listen}/")
            except httpx.ConnectError:
                return None

    answer = await eventually(page, lambda got: got is not None)
    process.send_signal(signal.SIGTERM)
    await said(process)

    assert answer is not None
    assert f'content="{simulator.control_url}"' in answer.text
    assert simulator.control_url in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("send", "+4799999999", "2030", "hei", "--control", "http://127.0.0.1:9"),
            "no SMSC at ws://127.0.0.1:9",
        ),
        (("send", "+4799999999", "2030", "hei", "--control", "127.0.0.1:8775"), "no control API's address"),
        (("watch", "Ola"), "write its number as +4799999999"),
        (("send", "+4799999999", "ORG", "hei"), "to: write a short code"),
        (("web", "--listen", "8776"), "no address to listen on"),
    ],
)
async def test_what_the_handset_cannot_do_is_told_in_one_line(
    simulator: Simulator, arguments: tuple[str, ...], words: str
) -> None:
    given = arguments if "--control" in arguments else (*arguments, "--control", simulator.control_url)
    code, _, error = await said(await started("simulators.handset.cli", *given))

    assert code == 2
    assert words in error
    assert len(error.splitlines()) == 1


def test_amounts_and_lines_read_as_people_write_them() -> None:
    message = {
        "at": "2026-11-22T01:09:22.123456Z",
        "from": "2030",
        "to": "+4799999999",
        "text": "hei",
        "direction": "mt",
        "price_ore": 4950,
        "billed": None,
    }

    assert [kroner(5000), kroner(4950), kroner(5)] == ["50 kr", "49,50 kr", "0,05 kr"]
    assert line_of(message) == "02:09:22 2030 → +4799999999: hei  [49,50 kr, being charged]"
    assert line_of({**message, "billed": False}).endswith("[49,50 kr not charged]")


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(PhoneError, match="no control API's address"):
        Handset("ftp://127.0.0.1")
