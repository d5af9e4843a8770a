"""Plays the examples: a simulated SMSC here, the gateway as a process of its own, all phones at once.

Says what came, judges nothing.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from simulators.demo.books import Books, is_quiet
from simulators.demo.examples import Example, registers
from simulators.smsc.app import Simulator
from simulators.smsc.origination import Text
from simulators.smsc.phones import Direction, MessageState, PhoneMessage
from simulators.smsc.settings import ReceiptSettings, RuleSpec, Script
from simulators.smsc.smsc import Smsc
from simulators.stage import Stage, StageError, import_register, simulated
from smsd.settings import Settings

SHORT_CODE = "2030"
_RECEIPT_S = 0.05
_PATIENCE_S = 8.0
_START_S = 20.0
_STOP_S = 10.0
_LOOK_EVERY_S = 0.01


class Played(msgspec.Struct, frozen=True):
    """One example as it went: for each text that was sent, what came until the next one."""

    example: Example
    came: tuple[tuple[PhoneMessage, ...], ...]
    messages: tuple[PhoneMessage, ...]


class Performance(msgspec.Struct, frozen=True):
    """All examples as they went, the books afterwards, and what went wrong besides."""

    played: tuple[Played, ...]
    books: Books
    faults: tuple[str, ...]
    seconds: float


async def perform(
    examples: tuple[Example, ...], stage: Stage, settings: Settings, variables: Mapping[str, str]
) -> Performance:
    """Set up, play, wait until nothing moves, and stop.

    Raises:
        StageError: the system could not be set up, with the words of the program that could not.
    """
    started = time.monotonic()
    assert stage.var is not None
    faults: list[str] = []
    for what, rows in zip(("people", "invoices"), registers(examples), strict=True):
        file = stage.var / f"{what}.csv"
        file.write_text(rows, encoding="utf-8")
        await asyncio.to_thread(import_register, what, file, stage.config, variables)
    simulator = Simulator(simulated(settings, stage, _script(examples)))
    await simulator.start()
    try:
        smsc = simulator.smsc
        async with _gateway(stage, variables, faults) as process:
            await _until(lambda: bool(smsc.binds) or process.poll() is not None, _START_S)
            if not smsc.binds:
                raise StageError(f"smsd run did not bind:\n{_tail(stage.var / 'smsd.log')}")
            played = await asyncio.gather(*(_converse(smsc, example) for example in examples))
            gateway, bridge = stage.var / "smsd.db", stage.var / "billing.db"
            quiet = await _until(
                lambda: not smsc.deliveries.under_way and is_quiet(gateway, bridge), _PATIENCE_S
            )
            if not quiet:
                faults.append(f"something still moves after {_PATIENCE_S:g} s")
        books = Books(gateway, bridge, smsc.ledger.rows())
        finished = tuple(
            _finish(smsc, example, marks) for example, marks in zip(examples, played, strict=True)
        )
    finally:
        await simulator.stop()
    return Performance(finished, books, tuple(faults), time.monotonic() - started)


def _script(examples: tuple[Example, ...]) -> Script:
    rules = tuple(
        RuleSpec(number=example.number, receipt_delay_s=example.receipt_s)
        for example in examples
        if example.receipt_s is not None
    )
    return Script(receipts=ReceiptSettings(delay_s=_RECEIPT_S), rules=rules)


@asynccontextmanager
async def _gateway(
    stage: Stage, variables: Mapping[str, str], faults: list[str]
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """``smsd run`` until the block ends; how it ended is a fault where it was not well."""
    assert stage.var is not None
    log_file = stage.var / "smsd.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own program; starting it is quick
            [sys.executable, "-m", "smsd.cli", "run", "--config", str(stage.config)],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
        ended = process.poll()
        if ended is None:
            process.terminate()
            if not await _until(lambda: process.poll() is not None, _STOP_S):
                faults.append(f"smsd run did not stop within {_STOP_S:g} s")
            elif process.returncode:
                faults.append(f"smsd run ended with {process.returncode}:\n{_tail(log_file)}")
        else:
            faults.append(f"smsd run ended by itself with {ended}:\n{_tail(log_file)}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def _converse(smsc: Smsc, example: Example) -> tuple[int, ...]:
    """Send an example's texts, each when the last one's answers have come; how many MTs stood before each."""
    digits = example.number.removeprefix("+")
    marks: list[int] = []
    for say in example.says:
        before = len(_received(smsc, digits))
        marks.append(before)
        mo = smsc.send_mo(Text(digits, SHORT_CODE, say.text))
        wanted = before + len(say.answers)
        there = await _until(
            lambda mo=mo, wanted=wanted: (  # type: ignore[misc]
                mo.state is MessageState.DELIVERED and len(_received(smsc, digits)) >= wanted
            ),
            _PATIENCE_S,
        )
        if not there:
            break
    return tuple(marks)


def _finish(smsc: Smsc, example: Example, marks: tuple[int, ...]) -> Played:
    digits = example.number.removeprefix("+")
    received = _received(smsc, digits)
    ends = (*marks[1:], len(received))
    phone = smsc.phones.find(digits)
    return Played(
        example,
        tuple(tuple(received[start:end]) for start, end in zip(marks, ends, strict=True)),
        tuple(phone.messages) if phone is not None else (),
    )


def _received(smsc: Smsc, digits: str) -> list[PhoneMessage]:
    phone = smsc.phones.find(digits)
    return [] if phone is None else [each for each in phone.messages if each.direction is Direction.MT]


async def _until(holds: Callable[[], bool], within_s: float) -> bool:
    """Whether it came to hold in time."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_LOOK_EVERY_S)
    return True


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
