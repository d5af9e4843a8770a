"""`smsd binds`: asks the running gateway how its binds fare, and shows it as a table that goes on changing.

Reads ``/binds`` at the configuration's metrics address; touches neither store nor SMSC.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from foundation.settings_tables import address
from smsd.binds import BindsView, BindView

__all__ = ["NotReachable", "ask", "duration", "every", "show", "view", "watch"]

TIMEOUT_S: Final = 5.0
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what to ask where it listens so
_COLOURS: Final = {"bound": "green", "down": "bold red"}


class NotReachable(Exception):
    """The gateway does not tell; the text says why and what would help."""


def ask(listen: str | None) -> BindsView:
    """What the gateway with this `metrics.listen` says.

    Raises:
        NotReachable: in words.
    """
    if listen is None:
        raise NotReachable(
            'the configuration has no metrics address; give [metrics] listen = "127.0.0.1:9030", restart smsd'
        )
    host, port = address(listen)
    if port == 0:
        raise NotReachable("metrics.listen has port 0, so nobody can know where smsd listens; give a port")
    connection = http.client.HTTPConnection(_EVERYWHERE.get(host, host), port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/binds", headers={"Host": listen})
        answer = connection.getresponse()
        body = answer.read()
    except TimeoutError:
        raise NotReachable(
            f"smsd at {listen} did not answer within {TIMEOUT_S:g} s; it is stuck or busy"
        ) from None
    except ConnectionRefusedError:
        raise NotReachable(
            f"nothing listens at {listen}: smsd does not run, or runs with another configuration"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise NotReachable(f"smsd at {listen} cannot be asked: {error or type(error).__name__}") from None
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise NotReachable(
            f"{listen} answers {answer.status} to /binds: it is another program, or an older smsd"
        )
    try:
        return msgspec.json.decode(body, type=BindsView)
    except msgspec.DecodeError:
        raise NotReachable(f"what {listen} answers is not smsd's; another program listens there") from None


def view(told: BindsView) -> Group:
    """The binds, one a line, and below them what last went wrong, which may be long."""
    made = Table(box=None, pad_edge=False)
    for name, justify in (
        *(("bind", "left"), ("state", "left"), ("since", "right"), ("window", "right")),
        *(("out/s", "right"), ("in/s", "right"), ("answer", "right"), ("throttled", "right")),
        *(("again", "right"), ("queue", "right")),
    ):
        made.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for bind in told.binds:
        made.add_row(*_cells(bind))
    # what an SMSC said is text, never markup
    errors = [
        Text(f"{bind.bind}: {said}", style="red")
        for bind in told.binds
        for said in (bind.last_error, bind.last_fault)
        if said
    ]
    return Group(made, *errors, Text(f"{told.gateway}, {told.at}", style="dim"))


def _cells(bind: BindView) -> tuple[str | Text, ...]:
    return (
        Text(bind.bind),
        Text(bind.state, style=_COLOURS.get(bind.state, "yellow")),
        duration(bind.since_s),
        f"{bind.pending}/{bind.window}",
        f"{bind.submits_per_s:.1f}",
        f"{bind.delivers_per_s:.1f}",
        "" if bind.answer_ms is None else f"{bind.answer_ms:.0f} ms",
        str(bind.throttled),
        str(bind.reconnects),
        str(bind.queue),
    )


def duration(seconds: int) -> str:
    """`42 s`, `12 min`, `5 h 3 min`, `3 d 4 h`."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def show(console: Console, told: BindsView, *, json: bool) -> None:
    """Once: a table, or one JSON object a line."""
    if not json:
        console.print(view(told), soft_wrap=True)
        return
    for bind in told.binds:
        console.file.write(msgspec.json.encode(bind).decode() + "\n")


def watch(console: Console, listen: str | None, turns: Iterator[None]) -> None:
    """Show until the turns end; a gateway that cannot be reached is told in the table's place."""
    with Live(console=console, auto_refresh=False) as live:
        for _ in turns:
            try:
                live.update(view(ask(listen)), refresh=True)
            except NotReachable as error:
                live.update(Text(str(error), style="red"), refresh=True)


def every(seconds: float, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """A turn at once, and then after each wait, until interrupted."""
    while True:
        yield
        sleep(seconds)
