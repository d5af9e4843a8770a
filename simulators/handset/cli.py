"""`handset`: a phone in the browser or on the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer
import uvicorn
from starlette.applications import Starlette

from foundation.clock import OSLO
from simulators.handset.client import Handset, PhoneError
from simulators.handset.page import phone_routes

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Control = Annotated[str, typer.Option(help="The smsc-sim's control API.")]
CONTROL = "http://127.0.0.1:8775"
_WRONG = 2


@app.command()
def web(
    control: Control = CONTROL,
    listen: Annotated[str, typer.Option(help="address:port of the page")] = "127.0.0.1:8776",
) -> None:
    """Serves the phone's page."""
    with _plain_errors():
        Handset(control)
        host, _, port = listen.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise PhoneError(f"{listen!r} is no address to listen on; write 127.0.0.1:8776")
    typer.echo(f"phone on http://{listen}/")
    page = Starlette(routes=phone_routes(control.rstrip("/")))
    uvicorn.run(page, host=host.strip("[]"), port=int(port), log_level="warning", access_log=False)


@app.command()
def send(
    sender: Annotated[str, typer.Argument(metavar="FROM", help="The phone, such as +4799999999.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="The short code, such as 2030.")],
    text: Annotated[str, typer.Argument(help="What to write.")],
    wait_s: Annotated[float, typer.Option(min=0, max=3600, help="How long to wait for replies.")] = 5.0,
    control: Control = CONTROL,
) -> None:
    """Texts from a phone, and prints the replies and what they cost."""
    with _plain_errors():
        handset = Handset(control)
        seen: dict[str, dict[str, Any]] = {}
        before = spent = 0
        for news in handset.live(sender, wait_s):
            spent = news["spent_ore"]
            if news["type"] == "phone" and not seen:
                before = spent
                handset.send(sender, to, text)
                seen = {message["id"]: message for message in news["messages"]}
            elif news["type"] == "message":
                _show_change(seen, news["message"])
        typer.echo(f"cost {kroner(spent - before)}")


@app.command()
def watch(
    number: Annotated[str, typer.Argument(help="The phone, such as +4799999999.")],
    control: Control = CONTROL,
) -> None:
    """Prints a phone's messages as they come, until interrupted."""
    with _plain_errors(), contextlib.suppress(KeyboardInterrupt):
        seen: dict[str, dict[str, Any]] = {}
        for news in Handset(control).live(number):
            for message in news["messages"] if news["type"] == "phone" else [news["message"]]:
                _show_change(seen, message)


def _show_change(seen: dict[str, dict[str, Any]], message: dict[str, Any]) -> None:
    """Prints a message that is new, has more text or another price to it."""
    last = seen.get(message["id"])
    seen[message["id"]] = message
    if last is None or any(last[name] != message[name] for name in ("text", "billed")):
        typer.echo(line_of(message))


def line_of(message: dict[str, Any]) -> str:
    """One message as a line: time in Norway, from, to, text, and what it costs."""
    time = datetime.fromisoformat(message["at"]).astimezone(OSLO).strftime("%H:%M:%S")
    line = f"{time} {message['from']} → {message['to']}: {message['text']}"
    if message["direction"] == "mo":
        return line
    price = message["price_ore"]
    if not price:
        return f"{line}  [free]"
    words = {True: "cost {}", False: "{} not charged", None: "{}, being charged"}
    return f"{line}  [{words[message['billed']].format(kroner(price))}]"


def kroner(ore: int) -> str:
    """An amount as people read it: `50 kr`, `49,50 kr`."""
    whole, rest = divmod(ore, 100)
    return f"{whole},{rest:02d} kr" if rest else f"{whole} kr"


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except PhoneError as error:
        typer.echo(f"handset: {error}", err=True)
        raise typer.Exit(_WRONG) from None


def main() -> None:
    """The command's entry."""
    app()


if __name__ == "__main__":
    main()
