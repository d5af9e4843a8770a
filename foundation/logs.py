"""Logging: structlog, one line an event, JSON or for people; every line redacted before it is written.

Lines of other libraries and tracebacks go the same way. Nothing here raises: a line that cannot be
written as wanted is written poorer. What is redacted is `foundation.redaction`'s to know.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, BinaryIO, Literal

import msgspec
import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.typing import EventDict, ExcInfo, WrappedLogger

from foundation.redaction import redact, redact_text

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]
Renderer = Callable[[EventDict], bytes]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_WHEN = ("at", "level", "logger", "event")


def configure(level: Level = "info", form: Format = "auto", stream: BinaryIO | None = None) -> None:
    """Set up logging for the whole process; may be called again, as after a reload.

    Args:
        level: the least grave kind of line that is written; anything below costs nearly nothing.
        form: `auto` is for people where the stream is a terminal, JSON elsewhere.
        stream: where lines go, standard error by default.
    """
    out = stream if stream is not None else sys.stderr.buffer
    terminal = out.isatty()
    people = form == "console" or (form == "auto" and terminal)
    sink = _Sink(out, _console(colours=terminal) if people else _json)
    structlog.configure(
        processors=[merge_contextvars, sink.process],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=_Logger.make,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(handler)
    root.addHandler(_Handler(sink))
    root.setLevel(_LEVELS[level])
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def conversation(conversation_id: str, **more: str) -> AbstractContextManager[None]:
    """Every line within, in this task, carries the conversation's id (and what else is given)."""
    return bound_contextvars(conversation=conversation_id, **more)


class _Logger:
    """What structlog wraps: knows its name; lines are written by the sink that processes them."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def make(cls, *names: Any) -> _Logger:
        return cls(str(names[0]) if names else "")

    def _written(self, *_: object) -> None:
        """The line is out already."""

    debug = info = warning = warn = error = critical = fatal = exception = msg = log = _written


class _Sink:
    """Turns an event into one redacted line, and writes it."""

    def __init__(self, out: BinaryIO, render: Renderer) -> None:
        self._out = out
        self._render = render

    def process(
        self, logger: WrappedLogger, method: str, event: EventDict
    ) -> tuple[tuple[()], dict[str, Any]]:
        """structlog's last processor."""
        level = "error" if method == "exception" else method
        self.write(level, getattr(logger, "name", ""), event)
        return (), {}

    def write(self, level: str, name: str, event: EventDict) -> None:
        """Write one event; whatever goes wrong, a line goes out where one can."""
        try:
            line = self._render(_finished(level, name, event))
        except Exception as error:  # noqa: BLE001 - a log line must never stop the work
            line = _json(
                {
                    "at": _now(),
                    "level": level,
                    "event": "a line could not be written",
                    "why": type(error).__name__,
                }
            )
        try:
            self._out.write(line)
            self._out.flush()
        except (OSError, ValueError):
            # the stream is gone: there is nowhere left to say so
            return


class _Handler(logging.Handler):
    """Takes the standard library's records, and so every other library's."""

    def __init__(self, sink: _Sink) -> None:
        super().__init__()
        self.sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = record.getMessage()
        except Exception:  # noqa: BLE001 - the arguments do not fit the text
            said = str(record.msg)
        event: EventDict = {"event": said}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        self.sink.write(record.levelname.lower(), record.name, event)


def _finished(level: str, name: str, event: EventDict) -> EventDict:
    exc_info = event.pop("exc_info", None)
    line: EventDict = {"at": _now(), "level": level}
    if name:
        line["logger"] = name
    line["event"] = redact_text(str(event.pop("event", "")))
    for key, value in event.items():
        if key not in _WHEN:
            line[key] = redact(key, value)
    if exc_info:
        line["exception"] = _exception(exc_info)
    return line


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _exception(given: ExcInfo | BaseException | bool) -> str:
    error = given if isinstance(given, BaseException) else sys.exc_info()[1]
    if isinstance(given, tuple):
        error = given[1]
    if error is None:
        return ""
    return redact_text("".join(traceback.format_exception(error)).rstrip())


def _json(line: EventDict) -> bytes:
    return msgspec.json.encode(line, enc_hook=str) + b"\n"


def _console(*, colours: bool) -> Renderer:
    renderer = structlog.dev.ConsoleRenderer(colors=colours, timestamp_key="at")

    def render(line: EventDict) -> bytes:
        line["at"] = line["at"][11:23]
        return f"{renderer(None, '', line)}\n".encode()

    return render


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("uncaught").error("the program ended by an error", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
