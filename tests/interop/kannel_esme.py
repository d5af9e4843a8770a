"""Kannel's bearerbox and smsbox as an ESME: configured in a folder, on loopback ports, ended by their ids.

A small HTTP server stands for the application behind Kannel: it takes the texts and receipts that arrive.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import httpx
from gateway_process import die_with_parent
from programs import need

from simulators.stage import free_port

PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.02
_CONFIG = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = {secret}
smsbox-port = {smsbox}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
dlr-storage = internal
sms-incoming-queue-limit = 1000
sms-resend-freq = 1
log-file = "{folder}/bearerbox.log"
log-level = 0

{operators}
group = smpp-tlv
name = price
tag = 0x1403
type = nulterminated
length = 10
smsc-id = operator

group = smpp-tlv
name = operator
tag = 0x2150
type = integer
length = 4
smsc-id = operator

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {smsbox}
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-file = "{folder}/smsbox.log"
log-level = 0

group = sendsms-user
username = tester
password = {secret}
max-messages = 20
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "http://127.0.0.1:{http}/mo?from=%p&to=%P&text=%b&charset=%C&coding=%c&udh=%u&meta=%D"
"""
_OPERATOR = """
group = smsc
smsc = smpp
smsc-id = operator
host = 127.0.0.1
{mode}
smsc-username = smsd
smsc-password = secret
system-type = ""
interface-version = 34
enquire-link-interval = 1
reconnect-delay = 1
source-addr-autodetect = true
"""
_DLR = "http://127.0.0.1:{http}/dlr?tag={tag}&mask=%d&from=%p&to=%P&answer=%A&id=%F"
TRANSCEIVER = ("port = {smpp}\ntransceiver-mode = true",)
TX_AND_RX = ("port = {smpp}", "receive-port = {smpp}")


class Kannel:
    """Both boxes and the application behind them. `mode` is the lines of each of its binds."""

    def __init__(self, folder: Path, smpp_port: int, *, mode: tuple[str, ...] = TRANSCEIVER) -> None:
        self._bearerbox, self._smsbox = need("bearerbox"), need("smsbox")
        self._folder = folder
        self._operators = "\n".join(_OPERATOR.format(mode=lines.format(smpp=smpp_port)) for lines in mode)
        self.texts: list[dict[str, Any]] = []
        self.receipts: list[dict[str, str]] = []
        self._changed = asyncio.Event()
        self._running: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Kannel:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._end)
            self._http = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self._http_port = self._http.sockets[0].getsockname()[1]
            smsbox, self._sendsms, admin = free_port(), free_port(), free_port()
            config = self._folder / "kannel.conf"
            config.write_text(
                _CONFIG.format(
                    admin=admin, smsbox=smsbox, sendsms=self._sendsms, http=self._http_port,
                    operators=self._operators, folder=self._folder, secret="loopback",
                )
            )  # fmt: skip
            await self._start(self._bearerbox, config, smsbox)
            await self._start(self._smsbox, config, self._sendsms)
            stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def _start(self, program: str, config: Path, port: int) -> None:
        process = await asyncio.create_subprocess_exec(
            *(program, "-v", "4", str(config)),
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        self._running.append(process)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                assert process.returncode is None, self.log()
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                await asyncio.sleep(_LOOK_EVERY_S)

    def ask_to_end(self) -> None:
        """As an administrator would; the bearerbox takes leave of the operator, then lingers for 10 s."""
        for process in reversed(self._running):
            process.send_signal(signal.SIGTERM)

    async def _end(self) -> None:
        for process in reversed(self._running):
            if process.returncode is None:
                process.kill()
                await process.wait()
        self._running.clear()
        self._http.close()
        await self._http.wait_closed()

    async def logs(self, words: str) -> None:
        """Wait until one of the boxes writes this down."""
        async with asyncio.timeout(PATIENCE_S):
            while words not in self.log():
                await asyncio.sleep(_LOOK_EVERY_S)

    def log(self) -> str:
        """What the boxes wrote down."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self._folder.glob("*box.log")))

    # --- the application ----------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        target = request.split(b" ", 2)[1].decode("ascii")
        url = urlsplit(target)
        if url.path == "/mo":
            self.texts.append(_text(url.query))
        else:
            self.receipts.append(dict(parse_qsl(url.query, keep_blank_values=True)))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        await writer.drain()
        writer.close()
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that the application gets."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(self.log()) from None

    async def send(self, text: str, *, to: str = "4799999999", coding: int = 0, **more: str) -> str:
        """One message from 2030, through the sendsms interface; what it answered."""
        given = {
            "username": "tester",
            "password": "loopback",
            "from": "2030",
            "to": to,
            "text": text,
            "charset": "UTF-8",
            "coding": str(coding),
            "dlr-mask": "31",
            "dlr-url": _DLR.format(http=self._http_port, tag=more.pop("tag", "")),
            **more,
        }
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            answer = await client.get(f"http://127.0.0.1:{self._sendsms}/cgi-bin/sendsms", params=given)
        assert answer.status_code == 202, answer.text
        return answer.text


def _text(query: str) -> dict[str, Any]:
    raw = dict(pair.partition("=")[::2] for pair in query.split("&"))
    octets = unquote_to_bytes(raw["text"].replace("+", " "))
    told = {key: unquote_to_bytes(value.replace("+", " ")).decode("latin-1") for key, value in raw.items()}
    return {**told, "text": octets.decode(told["charset"]), "octets": octets}
