"""`smsd`: run, check, demo, dialog, charges, audit. Wrong input is told in words and ends with status 2."""

from __future__ import annotations

import asyncio
import getpass
import random
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from foundation.clock import SystemClock
from foundation.ids import Ids
from foundation.ownership import EXIT_LOST, exit_status
from foundation.settings import ConfigurationError, Fault
from foundation.store import StoreLost, StoreRefused
from smsd.cli_audit import audit, receipts_app, set_aside_app
from smsd.cli_charges import charges_app
from smsd.cli_words import DEFAULT, Config, Json, Org, Page, PageSize
from smsd.cli_words import fail as _fail
from smsd.cli_words import moment as _moment
from smsd.cli_words import number as _number
from smsd.cli_words import open_store as _store
from smsd.cli_words import page_rows as _rows
from smsd.cli_words import read_settings as _settings
from smsd.settings import Settings, load

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
app.add_typer(charges_app, name="charges")
app.add_typer(set_aside_app, name="set-aside")
app.add_typer(receipts_app, name="receipts")
app.command()(audit)
operators_app = typer.Typer(add_completion=False, no_args_is_help=True, help="Operators and their SMSCs.")
app.add_typer(operators_app, name="operators")

TakeOver = Annotated[
    bool,
    typer.Option("--take-over", help="Take the store from a process that hangs and cannot be ended."),
]


@app.command()
def run(config: Config = DEFAULT, *, take_over: TakeOver = False) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    Status 75: another process runs on its store; 76: another one has taken it over.
    """
    import uvloop  # noqa: PLC0415 - only a running daemon needs it

    from foundation.health import CannotListenError  # noqa: PLC0415
    from foundation.logs import configure  # noqa: PLC0415
    from smsd.daemon import Daemon, run_until_signal  # noqa: PLC0415

    settings = _settings(config)
    configure(settings.log.level, settings.log.format)

    async def main() -> None:
        await run_until_signal(Daemon(settings, take_over=take_over))

    try:
        uvloop.run(main())
    except* StoreLost:
        # it has been logged
        raise typer.Exit(EXIT_LOST) from None
    except* (StoreRefused, CannotListenError) as group:
        _fail("\n".join(str(error) for error in group.exceptions), exit_status(group, 2))


@app.command()
def check(config: Config = DEFAULT) -> None:
    """Tell every fault of a configuration at once, by file, key and cure."""
    settings: Settings | None = None
    faults: list[Fault] = []
    try:
        settings = load(config)
    except ConfigurationError as error:
        faults += error.faults
    if _has_bridge(config) if settings is None else settings.runs_bridge:
        from smsd.daemon import check_bridge  # noqa: PLC0415

        try:
            check_bridge(config)
        except ConfigurationError as error:
            told = {(fault.file, fault.key) for fault in faults}
            faults += [fault for fault in error.faults if (fault.file, fault.key) not in told]
    if settings is None or faults:
        _fail("\n".join(map(str, faults)))
    for warning in settings.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(
        f"{config}: in order ({len(settings.operators)} operators, {len(settings.short_codes)} short codes, "
        f"{len(settings.organisations)} organisations)"
    )


def _has_bridge(config: Path) -> bool:
    """Whether settings that cannot be used have a bridge beside the gateway, as far as that can be seen."""
    try:
        data = tomllib.loads(config.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    handoff = data.get("handoff")
    carrier = handoff.get("carrier", "local") if isinstance(handoff, dict) else "local"
    return "bridge" in data and carrier == "local"


@app.command()
def demo() -> None:
    """Play every example of joining and paying against the simulator, beside what was expected."""
    # a program of its own: the gateway imports no simulator
    raise typer.Exit(subprocess.run([sys.executable, "-m", "simulators.demo"], check=False).returncode)


@app.command()
def dialog(
    config: Config = DEFAULT,
    org: Org = "",
    number: Annotated[str, typer.Option(help="Only this phone number.")] = "",
    since: Annotated[str, typer.Option(help="From this date or time on, Norwegian time: 2026-01-31.")] = "",
    page: Page = 1,
    page_size: PageSize = 0,
    json: Json = False,
) -> None:
    """Every SMS in and out with its fate, oldest first."""
    from smsd import messagelog  # noqa: PLC0415

    settings = _settings(config)
    connection = _store(settings)
    which = messagelog.Filter(
        org=org.upper(),
        number=_number(number),
        since_us=_moment(since),
        page=page,
        page_size=_rows(page_size, settings, json=json),
    )
    for sms in messagelog.read(connection, which):
        typer.echo(msgspec.json.encode(sms).decode() if json else messagelog.line(sms))


@app.command()
def binds(
    config: Config = DEFAULT,
    once: Annotated[bool, typer.Option("--once", help="Show once and end.")] = False,
    every_s: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between looks.")] = 1.0,
    json: Json = False,
) -> None:
    """How the running gateway's binds fare: state, window, rates, last error, queue."""
    from smsd import binds_table  # noqa: PLC0415 - only this command shows it

    listen = _settings(config).metrics.listen
    console = Console()
    try:
        if once or json or not console.is_terminal:
            binds_table.show(console, binds_table.ask(listen), json=json)
        else:
            binds_table.watch(console, listen, binds_table.every(every_s))
    except binds_table.NotReachable as error:
        _fail(str(error), status=1)
    except KeyboardInterrupt:
        return


@operators_app.command()
def probe(
    file: Annotated[Path, typer.Argument(help="A configuration, or a profile such as operators/x.toml.")],
    name: Annotated[str, typer.Option(help="Which operator of a configuration.")] = "",
    to: Annotated[str, typer.Option(help="Send one free test message to this number.")] = "",
    source: Annotated[str, typer.Option("--from", help="The short code it comes from.")] = "",
    wait_s: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds for its receipt, or an SMSC's call.")
    ] = 30,
    host: Annotated[str, typer.Option(help="In place of the file's.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="In place of the file's.")] = 0,
    system_id: Annotated[str, typer.Option(help="In place of the file's.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="In place of the file's.")] = None,
) -> None:
    """Bind to an SMSC, look, and tell what its profile should say. Never sends a price.

    Ends with 0 where all is well, 1 where something is not, 2 where the file or the arguments are wrong.
    """
    from smsd import probe as visit  # noqa: PLC0415 - only this command needs them
    from smsd.probe_file import read_operator  # noqa: PLC0415
    from smsd.probe_words import all_well, told  # noqa: PLC0415

    number = _number(to, "--to")
    if number and not (source.isdecimal() and 3 <= len(source) <= 14):
        _fail(f"--from: {source!r} is no short code; give the one the message comes from, such as 2030")
    given: dict[str, object] = {"host": host, "port": port, "system_id": system_id}
    try:
        if password_file is not None:
            given["password"] = password_file.read_text("utf-8").rstrip("\r\n")
        operator = read_operator(file, name, {key: value for key, value in given.items() if value})
    except ConfigurationError as error:
        _fail(str(error))
    except (OSError, UnicodeDecodeError) as error:
        _fail(f"--password-file: {password_file} cannot be read ({getattr(error, 'strerror', 'not UTF-8')})")
    ask = visit.Ask(number, source, wait_s)
    seen = asyncio.run(visit.probe(operator, ask, clock=SystemClock()))
    for each in seen:
        for line in told(each, operator):
            typer.echo(line)
    if not all(all_well(each, operator) for each in seen):
        raise typer.Exit(1)


@charges_app.command()
def reconcile(
    file: Annotated[Path, typer.Argument(metavar="REPORT.csv", help="The operator's billing report.")],
    operator: Annotated[str, typer.Option(help="Whose report it is: a name in [[operators]].")],
    config: Config = DEFAULT,
    since: Annotated[str, typer.Option(help="What the report covers begins here, Norwegian time.")] = "",
    until: Annotated[str, typer.Option(help="… and ends before this date or time.")] = "",
    complete: Annotated[
        bool, typer.Option("--complete", help="All that was billed of the period is in the report.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Resolve what differs, as proposed.")] = False,
    refunds: Annotated[
        bool, typer.Option("--refunds", help="With --apply: make what was billed twice a refund due.")
    ] = False,
    who: Annotated[str, typer.Option(help="Who applies it; default: who runs this.")] = "",
    json: Json = False,
) -> None:
    """Compare charges with an operator's billing report, name every difference, resolve them with --apply."""
    from smsd.charging import reconciliation, reconciliation_text, reports  # noqa: PLC0415

    settings = _settings(config)
    account = settings.operator(operator)
    if account is None:
        names = ", ".join(each.name for each in settings.operators)
        _fail(f"--operator: there is no operator {operator!r}; give one of {names}")
    if refunds and not apply:
        _fail("--refunds: nothing is done without --apply; give both, or neither to see what is proposed")
    period = reconciliation.Period(_moment(since), _moment(until, "--until"), complete)
    if period.until_us and period.since_us >= period.until_us:
        _fail(f"--until: {until!r} is not after --since {since!r}; give a later one")
    clock = SystemClock()
    try:
        report = reports.read_report(file.read_bytes(), account.report)
    except OSError as error:
        _fail(f"{file} cannot be read ({error.strerror}); give the operator's CSV file")
    except reports.ReportRefused as error:
        _fail(f"{file}: nothing was applied\n{error}")
    store = _store(settings)
    try:
        lines = reconciliation.reconcile(store, report, account, period, clock.now_us())
    except reconciliation.CannotReconcile as error:
        _fail(f"{file}: nothing was applied; {error}")
    except sqlite3.OperationalError as error:
        _fail(f"store.url: it cannot be read now ({error}); try again")
    totals = reconciliation.Totals.of(lines)
    if apply:
        try:
            lines = reconciliation.apply(
                store,
                lines,
                report,
                who=who or getpass.getuser(),
                refunds=refunds,
                gateway=settings.handoff.name,
                clock=clock,
                ids=Ids(clock, random.SystemRandom().getrandbits),
            )
        except sqlite3.OperationalError as error:
            _fail(f"store.url: it cannot be written now ({error}); nothing was applied; try again")
    for notice in report.notices:
        typer.echo(f"note: {notice}", err=True)
    if json:
        for line in lines:
            typer.echo(reconciliation_text.as_json(line))
        typer.echo(msgspec.json.encode({"totals": reconciliation.Totals.of(lines)}).decode())
        return
    Console(width=None if sys.stdout.isatty() else 240).print(reconciliation_text.table(lines))
    for words in reconciliation_text.sums(totals):
        typer.echo(words)
    if apply:
        for words in reconciliation_text.done(totals, lines):
            typer.echo(words)


def main() -> None:
    """The console script."""
    try:
        app()
    except sqlite3.Error as error:
        # every command writes in one transaction
        typer.echo(f"store.url: it cannot be used now ({error}); nothing was changed; try again", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
