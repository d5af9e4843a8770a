"""The control API and the phone's page: texts in; phones, ledger, faults out. For loopback, no log-in.

Refuses requests that a web page from elsewhere would make through somebody's browser.
"""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, HTTPException, Path, Query, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.websockets import WebSocketDisconnect

from simulators.handset.page import phone_routes
from simulators.smsc.identifiers import digits_of
from simulators.smsc.load import Load, LoadOrder
from simulators.smsc.origination import QueueFullError, Text
from simulators.smsc.phones import Phone, Watcher
from simulators.smsc.settings import HexInt, RuleSpec
from simulators.smsc.smsc import Smsc
from simulators.smsc.texts import MAX_PARTS, CannotCutError, Wish
from smsd.smpp.pdu import Tlv
from smsd.smpp.segments import Method

_LOOPBACK_ORIGIN = r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
_LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]
_NUMBER = r"^\+?[0-9 ]{8,20}$"
_SHORT_CODE = r"^[0-9]{2,15}$"
_POLICY_VIOLATION = 1008
_TRY_LATER = 1013

NumberPath = Annotated[str, Path(pattern=_NUMBER, description="a phone number, such as +4799999999")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlvBody(_Body):
    """One TLV of an MO: `text` (an octet string, no NUL added) or `hex`."""

    tag: HexInt = Field(ge=1, le=0xFFFF)
    text: str | None = Field(default=None, max_length=1000)
    hex: str | None = Field(default=None, pattern=r"^([0-9a-fA-F]{2})*$", max_length=2000)

    @model_validator(mode="after")
    def _one(self) -> TlvBody:
        if (self.text is None) == (self.hex is None):
            raise ValueError("give either text or hex")
        return self

    @property
    def value(self) -> bytes:
        """The octets."""
        return bytes.fromhex(self.hex) if self.hex is not None else (self.text or "").encode("utf-8")


class MoBody(_Body):
    """A text from a phone, cut as a phone does; `parts` forces so many parts, `data_coding` that value."""

    sender: str = Field(alias="from", pattern=_NUMBER)
    to: str = Field(pattern=_SHORT_CODE)
    text: str = Field(max_length=40_000)
    method: Method = Method.UDH8
    parts: int | None = Field(default=None, ge=1, le=MAX_PARTS)
    data_coding: int | None = Field(default=None, ge=0, le=255)
    tlvs: tuple[TlvBody, ...] = Field(default=(), max_length=20)


class FaultsBody(_Body):
    """Rules to put before those in force; `replace` takes out those posted before."""

    rules: tuple[RuleSpec, ...] = Field(max_length=200)
    replace: bool = False


def control_app(smsc: Smsc, *, loopback: bool = True) -> FastAPI:
    """The API of one SMSC, with the phone's page at `/`."""
    app = FastAPI(title="smsc-sim", docs_url=None, redoc_url=None)
    app.add_middleware(
        CORSMiddleware,
        allow_origin_regex=_LOOPBACK_ORIGIN,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["content-type"],
    )
    if loopback:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=_LOOPBACK)
    app.add_exception_handler(RequestValidationError, _say_what_is_wrong)
    _add_texts(app, smsc)
    _add_phones(app, smsc)
    _add_ledger(app, smsc)
    _add_faults(app, smsc)
    app.router.routes.extend(phone_routes())
    return app


def _add_texts(app: FastAPI, smsc: Smsc) -> None:
    @app.post("/mo")
    async def send(body: MoBody) -> Response:
        wish = Wish(method=body.method, parts=body.parts, data_coding=body.data_coding)
        tlvs = tuple(Tlv(one.tag, one.value) for one in body.tlvs)
        try:
            message = smsc.send_mo(Text(_digits(body.sender), body.to, body.text, wish, tlvs))
        except CannotCutError as error:
            raise HTTPException(422, f"text: {error}") from None
        except QueueFullError as error:
            raise HTTPException(503, str(error)) from None
        return _json({"id": message.id, "segments": message.segments})

    @app.post("/mo/bulk")
    async def begin(order: LoadOrder) -> Response:
        load = smsc.loads.begin(order)
        if load is None:
            raise HTTPException(409, "a run is going on; wait for it, or DELETE it")
        return _json(load.report(smsc.monotonic()))

    @app.get("/mo/bulk/{load_id}")
    async def report(load_id: str) -> Response:
        return _json(_load(smsc, load_id).report(smsc.monotonic()))

    @app.delete("/mo/bulk/{load_id}")
    async def stop(load_id: str) -> Response:
        load = _load(smsc, load_id)
        load.stop(smsc.monotonic())
        return _json(load.report(smsc.monotonic()))


def _add_phones(app: FastAPI, smsc: Smsc) -> None:
    @app.get("/phones")
    async def phones(
        prefix: Annotated[str, Query(pattern=r"^\+?[0-9 ]{0,20}$")] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        found: list[Phone] = []
        more = False
        for place, phone in enumerate(smsc.phones.recent(prefix.replace(" ", "").lstrip("+"))):
            if place >= offset + limit:
                more = True
                break
            if place >= offset:
                found.append(phone)
        rows = [
            {
                "number": phone.number,
                "messages": len(phone.messages),
                "spent_ore": phone.spent_ore,
                "last": phone.messages[-1] if phone.messages else None,
            }
            for phone in found
        ]
        return _json({"phones": rows, "total": len(smsc.phones), "next": offset + limit if more else None})

    @app.get("/phones/{number}")
    async def phone(number: NumberPath) -> Response:
        return _json(_view(smsc, number))

    @app.websocket("/phones/{number}/live")
    async def live(socket: WebSocket, number: str) -> None:
        origin = socket.headers.get("origin")
        if not re.match(_NUMBER, number) or (origin is not None and not _is_friend(origin, socket)):
            await socket.close(_POLICY_VIOLATION)
            return
        if len(smsc.watched) >= smsc.settings.script.limits.listeners:
            await socket.close(_TRY_LATER)
            return
        await socket.accept()
        await _watch(smsc, socket, number)


def _add_ledger(app: FastAPI, smsc: Smsc) -> None:
    @app.get("/ledger")
    async def ledger(
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
        number: Annotated[str | None, Query(pattern=_NUMBER)] = None,
        totals: bool = True,
    ) -> Response:
        book = smsc.ledger
        whose = None if number is None else "+" + _digits(number)
        rows = book.rows(after, limit, whose)
        wanted = book.totals if whose is None else {k: v for k, v in book.totals.items() if k == whose}
        return _json(
            {
                "rows": rows,
                "totals": wanted if totals else {},
                "billed": book.billed,
                "not_billed": book.not_billed,
                "amount_ore": book.amount_ore,
                "next": rows[-1].seq if len(rows) == limit else None,
            }
        )

    @app.get("/binds")
    async def binds() -> Response:
        rows = [
            {**msgspec.to_builtins(info), "window_free": conn.room}
            for conn, info in sorted(smsc.binds.items(), key=lambda item: item[1].bound_at)
        ]
        return _json({"binds": rows})

    @app.get("/healthz")
    async def healthz() -> Response:
        deliveries = smsc.deliveries
        body = {
            "status": smsc.broken or "ok",
            "binds": len(smsc.binds),
            "submitted": smsc.submitted,
            "deliver_sm_waiting": deliveries.waiting,
            "deliver_sm_under_way": deliveries.under_way,
            "deliver_sm_resent": deliveries.resent,
            "deliver_sm_refused": deliveries.refused,
            "ledger_rows": smsc.ledger.seq,
        }
        return _json(body, 503 if smsc.broken else 200)


def _add_faults(app: FastAPI, smsc: Smsc) -> None:
    @app.get("/faults")
    async def listing() -> Response:
        return _json({"rules": [rule.listing() for rule in smsc.rules.rules()]})

    @app.post("/faults")
    async def add(body: FaultsBody) -> Response:
        if not smsc.rules.room_for(body.rules, replace=body.replace):
            raise HTTPException(
                422, f"rules: at most {smsc.settings.script.limits.rules} may stand; DELETE some"
            )
        if body.replace:
            smsc.rules.clear()
        smsc.rules.add(body.rules)
        return await listing()

    @app.delete("/faults")
    async def clear() -> Response:
        smsc.rules.clear()
        return await listing()


async def _watch(smsc: Smsc, socket: WebSocket, number: str) -> None:
    """Sends what the phone has, then every change, until the watcher leaves."""
    phone = smsc.phones.touch(_digits(number))
    watcher = Watcher()
    phone.watchers.append(watcher)
    smsc.watched.add(watcher)
    gone = asyncio.create_task(_until_gone(socket))
    try:
        await _send(socket, {"type": "phone", **_view(smsc, number)})
        while not gone.done():
            waiting = asyncio.create_task(watcher.next())
            await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                waiting.cancel()
                break
            news = waiting.result()
            if not news:
                await _send(socket, {"type": "phone", **_view(smsc, number)})
            for message in news:
                await _send(socket, {"type": "message", "message": message, "spent_ore": phone.spent_ore})
    except WebSocketDisconnect:
        pass
    finally:
        gone.cancel()
        phone.watchers.remove(watcher)
        smsc.watched.discard(watcher)


async def _until_gone(socket: WebSocket) -> None:
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        return


async def _send(socket: WebSocket, body: dict[str, Any]) -> None:
    await socket.send_text(msgspec.json.encode(body).decode())


def _view(smsc: Smsc, number: str) -> dict[str, Any]:
    digits = _digits(number)
    phone = smsc.phones.find(digits)
    return {
        "number": "+" + digits,
        "messages": list(phone.messages) if phone is not None else [],
        "spent_ore": smsc.ledger.spent_ore("+" + digits),
    }


def _load(smsc: Smsc, load_id: str) -> Load:
    load = smsc.loads.find(load_id)
    if load is None:
        raise HTTPException(404, "no run has this id; the latest 20 are kept")
    return load


def _digits(number: str) -> str:
    return digits_of(number.replace(" ", ""))


def _is_friend(origin: str, socket: WebSocket) -> bool:
    host = socket.headers.get("host", "")
    return re.fullmatch(_LOOPBACK_ORIGIN, origin) is not None or origin in {
        f"http://{host}",
        f"https://{host}",
    }


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


async def _say_what_is_wrong(request: Request, error: Exception) -> Response:
    """422 in words: which field, what is wrong. What was sent is not repeated."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    words = []
    for fault in faults:
        where = ".".join(str(step) for step in fault["loc"] if step not in {"body", "query", "path"})
        what = _IN_OUR_WORDS.get(str(fault.get("ctx", {}).get("pattern", "")), fault["msg"])
        words.append(f"{where or 'the body'}: {what.removeprefix('Value error, ')}")
    return _json({"detail": "; ".join(words)}, 422)


_IN_OUR_WORDS = {
    _NUMBER: "write a phone number with country code, such as +4799999999",
    _SHORT_CODE: "write a short code of 2 to 15 digits, such as 2030",
}
