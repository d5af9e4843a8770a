"""Lines are written once, redacted, in the form wanted, and never stop the work."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from foundation import logs

CONVERSATION = "0199a7b8-1234-7abc-8def-012345678901"


@pytest.fixture
def out() -> Iterator[io.BytesIO]:
    """Where lines go while a test runs; the process's own logging is set back after it."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, sys.excepthook, threading.excepthook)
    stream = io.BytesIO()
    logs.configure("info", "json", stream)
    yield stream
    for handler in [each for each in root.handlers if each not in before[0]]:
        root.removeHandler(handler)
    root.setLevel(before[1])
    sys.excepthook, threading.excepthook = before[2], before[3]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(out: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_line_of_json(out: io.BytesIO) -> None:
    structlog.get_logger("smsd.links").info("link.bound", operator="telco", binds=2)
    (line,) = lines(out)
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "smsd.links",
        "event": "link.bound",
        "operator": "telco",
        "binds": 2,
    }
    assert out.getvalue().count(b"\n") == 1


def test_what_is_private_is_redacted_wherever_it_stands(out: io.BytesIO) -> None:
    structlog.get_logger().warning(
        "seen +4799999999",
        number="4799999999",
        text="hush",
        deep={"password": "hush", "to": ["a@example.org"]},
    )
    written = out.getvalue()
    assert b"99999999" not in written
    assert b"hush" not in written
    assert b"example.org" not in written


def test_an_exception_is_rendered_redacted_and_without_locals(out: io.BytesIO) -> None:
    log = structlog.get_logger()
    local = "a local secret value"
    try:
        raise ValueError("no such number: +4799999999")
    except ValueError:
        log.exception("failed", number=len(local))
    (line,) = lines(out)
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no such number: +47******99")
    assert local not in line["exception"].replace(f'"{local}"', "")


def test_an_exception_may_be_handed_over(out: io.BytesIO) -> None:
    structlog.get_logger().error("failed", exc_info=OSError("gone"))
    assert lines(out)[0]["exception"] == "OSError: gone"


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_only_lines_of_the_level_and_graver_are_written(out: io.BytesIO, level: Any) -> None:
    logs.configure(level, "json", out)
    log = structlog.get_logger()
    for each in ("debug", "info", "warning", "error"):
        getattr(log, each)(each)
        logging.getLogger("library").log(getattr(logging, each.upper()), each)
    order = ["debug", "info", "warning", "error"]
    wanted = order[order.index(level) :]
    assert [line["event"] for line in lines(out)] == [each for each in wanted for _ in "12"]


def test_a_new_level_holds_for_loggers_in_use(out: io.BytesIO) -> None:
    log = structlog.get_logger()
    log.debug("before")
    logs.configure("debug", "json", out)
    log.debug("after")
    assert [line["event"] for line in lines(out)] == ["after"]


def test_a_bound_logger_keeps_what_it_was_bound_to(out: io.BytesIO) -> None:
    structlog.get_logger().bind(operator="telco").info("said", more=1)
    assert lines(out)[0]["operator"] == "telco"


def test_other_libraries_lines_go_the_same_way(out: io.BytesIO) -> None:
    logging.getLogger("uvicorn.access").info('%s "GET %s"', "127.0.0.1:4000", "/x?token=hush")
    logging.getLogger("mqtt").warning("lost %s", "+4799999999")
    first, second = lines(out)
    assert (first["logger"], first["event"]) == ("uvicorn.access", '127.0.0.1:4000 "GET /x?[removed]"')
    assert (second["level"], second["event"]) == ("warning", "lost +47******99")


def test_a_library_s_exception_is_written_too(out: io.BytesIO) -> None:
    try:
        raise ValueError("x")
    except ValueError:
        logging.getLogger("library").exception("failed")
    assert lines(out)[0]["exception"].endswith("ValueError: x")


def test_a_library_s_wrong_arguments_cost_only_the_arguments(out: io.BytesIO) -> None:
    (handler,) = [each for each in logging.getLogger().handlers if type(each).__module__ == logs.__name__]
    handler.emit(logging.LogRecord("library", logging.INFO, "", 0, "%d", ("not a number",), None))
    assert lines(out)[0]["event"] == "%d"


def test_python_s_warnings_are_lines(out: io.BytesIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    assert "old ways" in lines(out)[0]["event"]


async def test_the_conversation_s_id_is_on_every_line_within_its_task_alone(out: io.BytesIO) -> None:
    log = structlog.get_logger()

    async def converse(conversation: str, mine: asyncio.Event, other: asyncio.Event) -> None:
        with logs.conversation(conversation, org="ORG1"):
            mine.set()
            await other.wait()
            log.info(conversation)
        log.info("after")

    one, two = asyncio.Event(), asyncio.Event()
    await asyncio.gather(converse(CONVERSATION, one, two), converse("other", two, one))
    for line in lines(out):
        expected = None if line["event"] == "after" else line["event"]
        assert line.get("conversation") == expected
    assert len(lines(out)) == 4


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_a_line_that_cannot_be_made_is_written_poorer(out: io.BytesIO) -> None:
    structlog.get_logger().info("said", value=Hostile())
    (line,) = lines(out)
    assert (line["event"], line["why"]) == ("a line could not be written", "RuntimeError")


def test_a_stream_that_is_gone_stops_nothing(out: io.BytesIO) -> None:
    gone = io.BytesIO()
    logs.configure("info", "json", gone)
    gone.close()
    structlog.get_logger().info("said")
    logging.getLogger("library").info("said")


def test_for_people_a_line_is_for_people(out: io.BytesIO) -> None:
    logs.configure("info", "console", out)
    structlog.get_logger("smsd").info("link.bound", operator="telco", number="+4799999999")
    written = out.getvalue().decode()
    assert "link.bound" in written
    assert "operator=telco" in written
    assert "number=+47******99" in written
    assert "\x1b" not in written


def test_auto_is_json_where_nobody_looks(out: io.BytesIO) -> None:
    logs.configure("info", "auto", out)
    structlog.get_logger().info("said")
    assert lines(out)[0]["event"] == "said"


def test_an_error_that_ends_the_program_is_a_redacted_line(out: io.BytesIO) -> None:
    error = RuntimeError("lost +4799999999")
    sys.excepthook(RuntimeError, error, None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    (line,) = lines(out)
    assert (line["logger"], line["exception"]) == ("uncaught", "RuntimeError: lost +47******99")


def test_an_error_that_ends_a_thread_is_a_redacted_line(out: io.BytesIO) -> None:
    def fail() -> None:
        raise RuntimeError("lost +4799999999")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert lines(out)[0]["exception"].endswith("RuntimeError: lost +47******99")


def test_configuring_twice_writes_once(out: io.BytesIO) -> None:
    logs.configure("info", "json", out)
    logging.getLogger("library").info("said")
    structlog.get_logger().info("said")
    assert len(lines(out)) == 2
