"""``make run``: a simulated operator with phones, the gateway and the bridge in one process, until Ctrl-C.

Shows every conversation as the phones have it. Takes over the example registers at the first start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
import uvloop
from rich.console import Console
from rich.markup import escape

from foundation.health import CannotListenError
from foundation.logs import configure
from foundation.settings import ConfigurationError
from foundation.store import StoreRefused, sqlite_path
from simulators.smsc.app import Simulator
from simulators.smsc.ledger import LedgerDamagedError
from simulators.smsc.phones import Direction, MessageState, PhoneMessage
from simulators.smsc.smsc import Smsc
from simulators.stage import Stage, StageError, free_port, import_register, refuse_taken, simulated
from smsd.daemon import Daemon
from smsd.settings import Settings, load

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_FAILED = 1
_WRONG = 2
_LOOK_EVERY_S = 0.1
_PHONES_SHOWN = 100
_REMEMBERED = 50_000
_STOP_S = 2.5
_ORE_PER_KR = 100
_DEFAULT = Path("config/smsd.toml")
_EXPECTED = (StageError, StoreRefused, CannotListenError, LedgerDamagedError, OSError)


class Conversation:
    """Prints what the phones send and get, each message once, and its price once that is settled."""

    def __init__(self, smsc: Smsc, console: Console) -> None:
        self._smsc = smsc
        self._console = console
        self._shown: set[str] = set()
        self._since = ""
        self._open: dict[str, PhoneMessage] = {}

    async def follow(self) -> None:
        """Look again and again until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_EVERY_S)

    def look(self) -> None:
        """Print what is new since the last look; of a crowd the phones used last."""
        fresh: list[PhoneMessage] = []
        for place, phone in enumerate(self._smsc.phones.recent()):
            if place >= _PHONES_SHOWN:
                break
            fresh += [
                message
                for message in phone.messages
                if message.at >= self._since and message.id not in self._shown
            ]
        fresh.sort(key=lambda message: message.at)
        if len(self._shown) > _REMEMBERED and fresh:
            self._since = fresh[0].at
            self._shown.clear()
        for message in fresh:
            self._shown.add(message.id)
            self._tell(message)
            if message.price_ore and message.billed is None:
                self._open[message.id] = message
        for message in [each for each in self._open.values() if each.billed is not None]:
            del self._open[message.id]
            self._tell_price(message)

    def _tell(self, message: PhoneMessage) -> None:
        text = escape(" ".join(message.text.split()))
        if message.direction is Direction.MO:
            self._console.print(f"[cyan]{message.sender} → {message.recipient}[/]  [bold]{text}[/]")
            return
        kroner = message.price_ore // _ORE_PER_KR
        price = f"[yellow]{kroner} kr[/]" if kroner else "[dim]free[/]"
        lost = "" if message.state is MessageState.RECEIVED else " [red](not delivered)[/]"
        self._console.print(f"  [green]{message.sender} → {message.recipient}[/]  {price}{lost}  {text}")
        if message.price_ore and message.billed is not None:
            self._tell_price(message)

    def _tell_price(self, message: PhoneMessage) -> None:
        kroner = message.price_ore // _ORE_PER_KR
        said = f"[yellow]{kroner} kr billed[/]" if message.billed else f"[red]{kroner} kr not billed[/]"
        self._console.print(f"  [dim]operator: {message.recipient}[/]  {said}")


def _is_new(billing: Path) -> bool:
    """Whether nobody stands in the bridge's register yet."""
    if not billing.exists():
        return True
    with contextlib.closing(sqlite3.connect(f"file:{billing}?mode=ro", uri=True)) as connection:
        try:
            return connection.execute("SELECT 1 FROM people LIMIT 1").fetchone() is None
        except sqlite3.OperationalError:
            return True


def _take_over(stage: Stage, settings: Settings, variables: Mapping[str, str], console: Console) -> None:
    assert settings.bridge is not None
    billing = sqlite_path(settings.bridge.store)
    if not _is_new(billing):
        console.print(f"going on with {settings.store.url} and {settings.bridge.store}")
        return
    for what in ("people", "invoices"):
        file = stage.config.parent / f"{what}.csv"
        if file.exists():
            said = import_register(what, file, stage.config, variables)
            console.print(f"{escape(str(file))}: {escape(said)}")


def _where(stage: Stage, settings: Settings, variables: Mapping[str, str]) -> str:
    """Where to look and what to try."""
    given = f" --config {shlex.quote(str(stage.config))}" if stage.config != _DEFAULT else ""
    before = ""
    if stage.var is not None:
        names = ("SMSD_STORE__URL", "BILLING_BRIDGE_BRIDGE__STORE")
        before = " ".join(f"{name}={shlex.quote(variables[name])}" for name in names) + " "
    code = settings.short_codes[0].number if settings.short_codes else "2030"
    word = settings.organisations[0].codeword if settings.organisations else "ORG1"
    example = f'{{"from": "+4742000001", "to": "{code}", "text": "{word} BETAL 50"}}'
    control = f"http://127.0.0.1:{stage.control}"
    lines = [
        f"phone        {control}/",
        f"metrics      http://127.0.0.1:{stage.metrics}/metrics",
        f"control API  {control}/ledger, /phones/+4742000001, POST /mo, POST /faults",
        "",
        f"text from the phone's page: {word} Ola Nordmann ola@example.org, or {word} BETAL 50",
        f"or:  curl -s {control}/mo -H 'content-type: application/json' -d '{example}'",
        f"then:  {before}.venv/bin/smsd dialog{given}",
        f"       {before}.venv/bin/smsd charges{given}",
        f"       {before}.venv/bin/billing-bridge invoices{given}",
        "",
        "Ctrl-C ends it.",
    ]
    return "\n".join(lines)


async def _play(stage: Stage, settings: Settings, variables: Mapping[str, str], console: Console) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    simulator = Simulator(simulated(settings, stage))
    await simulator.start()
    try:
        daemon = Daemon(settings)
        running = asyncio.create_task(daemon.run())
        waiting = asyncio.create_task(told.wait())
        conversation = Conversation(simulator.smsc, console)
        following = asyncio.create_task(conversation.follow())
        console.print(_where(stage, settings, variables), highlight=False, markup=False)
        await asyncio.wait({running, waiting, following}, return_when=asyncio.FIRST_COMPLETED)
        following.cancel()
        waiting.cancel()
        daemon.stop()
        done, _ = await asyncio.wait({running}, timeout=_STOP_S)
        if not done:
            running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        if following.done() and not following.cancelled():
            following.result()
    finally:
        await simulator.stop()
    console.print("stopped; the stores are kept, the next start goes on with them")


@app.command()
def run(
    *,
    config: Annotated[Path, typer.Option(help="The gateway's TOML file.")] = _DEFAULT,
    var: Annotated[
        Path | None, typer.Option(help="Folder of stores and ledger; default: as the configuration says.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="SMPP's port; 0 picks one.")] = None,
    control: Annotated[int, typer.Option(help="The phones' and control API's port; 0 picks one.")] = 8775,
    metrics: Annotated[int | None, typer.Option(help="The metrics' port; 0 picks one.")] = None,
    web: Annotated[int | None, typer.Option(help="The web site's port; 0 picks one.")] = None,
) -> None:
    """A simulated operator, the gateway and the bridge on this machine, until Ctrl-C."""
    try:
        plain = load(config)
        stage = Stage(
            config,
            var,
            (plain.operators[0].port if port is None else port) or free_port(),
            control or free_port(),
            (_port_of(plain.metrics.listen, 9030) if metrics is None else metrics) or free_port(),
            (_port_of(plain.web.listen, 8030) if web is None else web) or free_port(),
        )
        _run(stage)
    except ConfigurationError as error:
        _fail([error], _WRONG)
    except _EXPECTED as error:
        _fail([error])
    except KeyboardInterrupt:
        # before anything runs that would have to be stopped
        raise typer.Exit from None
    except BaseExceptionGroup as group:
        expected, others = group.split(_EXPECTED)
        if expected is None or others is not None:
            raise
        _fail(_leaves(expected))


def _run(stage: Stage) -> None:
    refuse_taken(stage.ports)
    settings, variables = stage.settle()
    if not settings.runs_bridge:
        raise StageError(
            f'{stage.config}: this start wants [bridge] and handoff.carrier = "local"; '
            "run smsd and billing-bridge apart for anything else"
        )
    os.environ.update(variables)  # the daemon reads the bridge's settings by itself
    configure("warning", "console" if sys.stderr.isatty() else settings.log.format)
    console = Console(soft_wrap=True)
    _take_over(stage, settings, variables, console)
    uvloop.run(_play(stage, settings, variables, console))


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _fail(errors: Sequence[BaseException], status: int = _FAILED) -> NoReturn:
    for error in errors:
        typer.echo(str(error), err=True)
    raise typer.Exit(status)


def _port_of(listen: str | None, otherwise: int) -> int:
    return int(listen.rpartition(":")[2]) if listen else otherwise


if __name__ == "__main__":
    app()
