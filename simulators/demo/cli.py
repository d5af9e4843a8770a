"""``python -m simulators.demo``: plays, prints, and ends with status 1 on any difference."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from foundation.clock import SystemClock
from foundation.logs import configure
from foundation.settings import ConfigurationError
from simulators.demo.examples import ExamplesError, read_examples
from simulators.demo.play import perform
from simulators.demo.report import tell_all
from simulators.stage import Stage, StageError, free_port

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_CONFIG = Path(__file__).parent / "demo.toml"
_DIFFERS = 1
_WRONG = 2
_WIDTH = 140


@app.command()
def demo(
    config: Annotated[Path, typer.Option(help="Another configuration for the same examples.")] = _CONFIG,
    keep: Annotated[
        Path | None, typer.Option(help="Keep stores, ledger and log in this folder; it must be empty.")
    ] = None,
) -> None:
    """Play every example of joining and paying by SMS on a fresh system, beside what was expected."""
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    configure("warning")
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            typer.echo(f"{folder} is not empty; give a folder that is, or leave --keep out", err=True)
            raise typer.Exit(_WRONG)
        try:
            examples = read_examples(SystemClock().now_us())
            stage = Stage(config, folder.resolve(), free_port(), free_port(), free_port(), free_port())
            settings, variables = stage.settle()
            performance = asyncio.run(perform(examples, stage, settings, variables))
        except (ConfigurationError, ExamplesError, StageError) as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(_WRONG) from None
        differences = tell_all(performance, console)
    if differences:
        raise typer.Exit(_DIFFERS)
