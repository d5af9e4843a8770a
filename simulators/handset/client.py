"""A phone for programs: sends texts and reads what comes, over the simulated SMSC's control API. Blocking."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

_PATIENCE_S = 10.0


class PhoneError(RuntimeError):
    """The SMSC is not there, or did not take what was asked; the words say which."""


class Handset:
    """One control API's phones. `control` is its address, such as `http://127.0.0.1:8775`.

    Raises:
        PhoneError: the address is none, or nobody answers there.
    """

    def __init__(self, control: str) -> None:
        parts = urlsplit(control)
        if parts.scheme != "http" or not parts.hostname:
            raise PhoneError(f"{control!r} is no control API's address; write http://127.0.0.1:8775")
        self._host = parts.hostname
        self._port = parts.port or 80
        self._live = f"ws://{parts.netloc}"

    def send(self, sender: str, to: str, text: str) -> str:
        """Texts from a phone to a short code; the message's id."""
        answer = self._ask("POST", "/mo", {"from": sender, "to": to, "text": text})
        return str(answer["id"])

    def live(self, number: str, wait_s: float | None = None) -> Iterator[dict[str, Any]]:
        """First the phone as it is, then each message new or changed; ends `wait_s` seconds after the start.

        The first comes before anything that is sent after it was read.
        """
        end = None if wait_s is None else time.monotonic() + wait_s
        try:
            with connect(f"{self._live}/phones/{number}/live", open_timeout=_PATIENCE_S) as socket:
                while True:
                    left = None if end is None else end - time.monotonic()
                    if left is not None and left <= 0:
                        return
                    try:
                        yield json.loads(socket.recv(timeout=left))
                    except TimeoutError:
                        return
        except InvalidHandshake:
            raise PhoneError("that phone cannot be watched; write its number as +4799999999") from None
        except ConnectionClosed:
            raise PhoneError("the SMSC ended the connection") from None
        except OSError as error:
            raise PhoneError(f"no SMSC at {self._live} ({error.strerror or error})") from None

    def _ask(self, method: str, path: str, body: dict[str, str]) -> dict[str, Any]:
        link = http.client.HTTPConnection(self._host, self._port, timeout=_PATIENCE_S)
        try:
            link.request(method, path, json.dumps(body), {"content-type": "application/json"})
            answer = link.getresponse()
            octets = answer.read()
        except OSError as error:
            raise PhoneError(f"no SMSC at {self._live} ({error.strerror or error})") from None
        finally:
            link.close()
        try:
            read: dict[str, Any] = json.loads(octets)
        except ValueError:
            raise PhoneError(f"what answers at {self._live} is no smsc-sim") from None
        if answer.status != http.client.OK:
            raise PhoneError(str(read.get("detail", answer.reason)))
        return read
