"""`smsc-sim`: runs a simulated SMSC until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from pydantic import ValidationError

from simulators.smsc.app import running
from simulators.smsc.ledger import LedgerDamagedError
from simulators.smsc.settings import (
    Fsync,
    InterfaceVersion,
    Script,
    ScriptError,
    SmscSettings,
    Tls,
    in_words,
    read_accounts,
    read_script,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_WRONG = 2
_FAILED = 1


@app.command()
def run(
    *,
    host: Annotated[str, typer.Option(help="Where SMPP listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="SMPP's port; 0 picks a free one.")] = 2775,
    control: Annotated[
        int, typer.Option(help="The control API's and phone page's port; 0 picks one.")
    ] = 8775,
    control_host: Annotated[
        str, typer.Option(help="Where the control API listens. It has no log-in.")
    ] = "127.0.0.1",
    ledger: Annotated[
        Path | None, typer.Option(help="The ledger's file; without it the ledger ends with us.")
    ] = None,
    ledger_fsync: Annotated[
        Fsync, typer.Option(help="batch: on the disk before a submit_sm is answered.")
    ] = Fsync.NEVER,
    script: Annotated[
        Path | None, typer.Option(help="Rules, price, ids, receipts, limits: TOML or JSON.")
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="system_id:password; may come several times.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="SMPP over TLS: the SMSC's certificate, PEM. With --tls-key.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's private key, PEM.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="Every ESME must show a certificate by this authority, PEM.")
    ] = None,
    interface_version: Annotated[
        InterfaceVersion, typer.Option(help="What SMPP the SMSC says it speaks.")
    ] = InterfaceVersion.V3_4,
    quiet: Annotated[bool, typer.Option(help="Say nothing but what is wrong.")] = False,
) -> None:
    """An operator's SMSC: binds with any ESME, bills in a ledger of its own, misbehaves when asked to."""
    try:
        settings = SmscSettings(
            host=host,
            port=port,
            control_host=control_host,
            control_port=control,
            accounts=read_accounts(account or ["smsd:secret"]),
            ledger=ledger,
            ledger_fsync=ledger_fsync,
            script=read_script(script) if script is not None else Script(),
            tls=_tls(tls_cert, tls_key, tls_client_ca),
            interface_version=interface_version,
        )
    except (ScriptError, ValidationError) as error:
        typer.echo(in_words(error) if isinstance(error, ValidationError) else str(error), err=True)
        raise typer.Exit(_WRONG) from None
    try:
        uvloop.run(_serve(settings, quiet))
    except (LedgerDamagedError, OSError) as error:
        typer.echo(f"smsc-sim: {error}", err=True)
        raise typer.Exit(_FAILED) from None


def _tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> Tls | None:
    if cert is not None and key is not None:
        return Tls(cert=cert, key=key, client_ca=client_ca)
    if (cert, key, client_ca) != (None, None, None):
        raise ScriptError("TLS needs --tls-cert and --tls-key; --tls-client-ca goes with both")
    return None


async def _serve(settings: SmscSettings, quiet: bool) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    async with running(settings) as simulator:
        # many small things wait here without cycles; looking for cycles often shows in latencies
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)
        if not quiet:
            ledger = simulator.smsc.ledger
            over = " over TLS" if settings.tls is not None else ""
            typer.echo(
                f"SMPP{over} on {settings.host}:{simulator.port}, accounts {', '.join(settings.accounts)}"
            )
            typer.echo(f"phone and control API on {simulator.control_url}/")
            where = settings.ledger or "in memory only"
            typer.echo(f"ledger {where}: {ledger.seq} rows, {ledger.amount_ore} øre billed")
            if ledger.cut_octets:
                typer.echo(
                    f"a last row half written ({ledger.cut_octets} octets, never answered for) is cut away"
                )
        await told.wait()


def main() -> None:
    """The command's entry."""
    app()


if __name__ == "__main__":
    main()
