"""What is told of binds: counts, times and rates, as JSON, as metrics and as a table."""

from __future__ import annotations

import asyncio
import io
import json
import random
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playbook import HandClock, operator
from prometheus_client import CollectorRegistry
from rich.console import Console
from structlog.testing import capture_logs
from test_daemon import Site
from typer.testing import CliRunner

from foundation.clock import SystemClock
from simulators.smsc.app import Simulator, running
from simulators.smsc.origination import Text
from simulators.smsc.settings import Script, SmscSettings
from smsd import binds_table
from smsd.binds import (
    BindsView,
    BindView,
    Recent,
    WatchedLink,
    account_gauges,
    bind_gauges,
    look,
    watching,
)
from smsd.cli import app
from smsd.links import BindLog, account_links
from smsd.metrics import Metrics
from smsd.queues import OperatorQueue
from smsd.settings import Limits
from smsd.smpp.constants import CommandStatus
from smsd.smpp.link import Answer, AnswerKind, Link, LinkState
from smsd.smpp.pdu import DeliverSm, Frame, SubmitSm, Tlv
from smsd.smpp.server import ServerConnection, SmppServer

VIEW = BindView(
    operator="telco",
    bind="telco-trx-1",
    state="bound",
    since="2026-11-23T12:00:00.000Z",
    since_s=3720,
    window=10,
    pending=3,
    submits=1234,
    delivers=99,
    throttled=2,
    reconnects=1,
    faults=0,
    submits_per_s=12.3,
    delivers_per_s=0.4,
    answer_ms=41.7,
    queue=5,
    last_error="[red]not markup[/red]",
    last_fault="",
)
TOLD = BindsView("smsd", "2026-11-23T13:02:00.000Z", (VIEW,))


class Heard:
    """A listener that notes what it heard."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.frames: list[Frame] = []
        self.states: list[LinkState] = []
        self.log: BindLog | None = None
        self.changed = asyncio.Event()

    def on_state(self, link: Link, state: LinkState, detail: str) -> None:
        self.states.append(state)
        if self.log is not None:
            self.log.tell(link.name, state, detail)
        self.changed.set()

    def on_requests(self, link: Link, frames: list[Frame]) -> None:
        self.frames += frames
        self.changed.set()

    def on_answers(self, link: Link, answers: list[Answer]) -> None:
        self.answers += answers
        self.changed.set()

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(60):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def link(metrics: Metrics, heard: Heard, clock: HandClock) -> WatchedLink:
    (made,) = account_links(
        operator(), Limits(), heard, clock=clock, rng=random.Random(1), make=watching("telco", metrics)
    )
    assert isinstance(made, WatchedLink)
    return made


def sample(metrics: Metrics, name: str) -> float:
    value = metrics.registry.get_sample_value(name, {"operator": "telco", "bind": "telco-trx-1"})
    assert value is not None, name
    return value


def answered(tag: object, status: int = 0, kind: AnswerKind = AnswerKind.ANSWERED) -> Answer:
    return Answer(tag, kind, status)


def test_the_time_of_each_answer_is_told_and_the_listener_hears_all_of_it(
    link: WatchedLink, heard: Heard, metrics: Metrics, clock: HandClock
) -> None:
    tags = [object() for _ in range(4)]
    for tag in tags:
        link.watch.submitted(tag)
    clock.advance(0.2)
    answers = [
        answered(tags[0]),
        answered(tags[1], CommandStatus.ESME_RTHROTTLED),
        answered(tags[2], kind=AnswerKind.TIMED_OUT),
        answered(object()),
    ]
    link.watch.on_answers(link, answers)
    assert heard.answers == answers
    assert sample(metrics, "smsd_bind_submits_total") == 4
    assert sample(metrics, "smsd_bind_throttled_total") == 1
    assert sample(metrics, "smsd_bind_answer_seconds_count") == 2
    assert sample(metrics, "smsd_bind_answer_seconds_sum") == pytest.approx(0.4)
    (seen,) = look("smsd", {"telco": [link]}, lambda _: 7, clock).binds
    assert (seen.submits, seen.throttled, seen.answer_ms, seen.queue) == (4, 1, 200.0, 7)
    assert seen.submits_per_s == pytest.approx(0.4)


class Sent:
    """As the gateway's tags: what was sent is its `pdu`."""

    def __init__(self, *tags: int) -> None:
        self.pdu = SubmitSm(tlvs=tuple(Tlv(tag, b"5000") for tag in tags))


def test_a_refused_tlv_is_told_in_words_once_and_then_ever_more_seldom(
    link: WatchedLink, heard: Heard, clock: HandClock
) -> None:
    with capture_logs() as logged:
        for _ in range(100):
            tag = Sent(0x1403, 0x1502)
            link.watch.submitted(tag)
            link.watch.on_answers(link, [answered(tag, CommandStatus.ESME_ROPTPARNOTALLWD)])
    told = [line for line in logged if line["event"] == "submit.refused"]
    assert [line["times"] for line in told] == [1, 2, 4, 8, 16, 32, 64]
    words = (
        "the SMSC refused a message: it does not allow one of the TLVs: "
        "ESME_ROPTPARNOTALLWD (optional parameter not allowed); sent were 0x1403, 0x1502"
    )
    assert told[0]["why"] == words
    assert "5000" not in str(told)
    assert len(heard.answers) == 100
    assert look("smsd", {"telco": [link]}, lambda _: 0, clock).binds[0].last_error == words


def test_throttled_is_no_refusal_and_another_refusal_is_told_at_once(link: WatchedLink) -> None:
    statuses = (CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RINVDSTADR, CommandStatus.ESME_RINVSRCADR)
    with capture_logs() as logged:
        for status in statuses:
            tag = Sent()
            link.watch.submitted(tag)
            link.watch.on_answers(link, [answered(tag, status)])
    assert [line["why"].split(": ")[1] for line in logged if line["event"] == "submit.refused"] == [
        "this operator does not reach the number",
        "the short code is not open to this account as sender",
    ]


def test_a_late_answer_has_no_time(link: WatchedLink, metrics: Metrics) -> None:
    tag = object()
    link.watch.submitted(tag)
    link.watch.on_answers(link, [answered(tag, kind=AnswerKind.TIMED_OUT)])
    link.watch.on_answers(link, [answered(tag, kind=AnswerKind.LATE)])
    assert sample(metrics, "smsd_bind_answer_seconds_count") == 0


def test_what_was_delivered_is_counted(link: WatchedLink, heard: Heard, metrics: Metrics) -> None:
    frames = [Frame(1, 0, DeliverSm()), Frame(2, 0, DeliverSm()), Frame(3, 0, SubmitSm())]
    link.watch.on_requests(link, frames)
    assert heard.frames == frames
    assert sample(metrics, "smsd_bind_delivers_total") == 2


def test_only_a_bind_after_the_first_is_again(link: WatchedLink, metrics: Metrics) -> None:
    for binds in (1, 2, 3):
        link.binds = binds
        link.watch.on_state(link, LinkState.BOUND, "")
        link.watch.on_state(link, LinkState.DOWN, "")
    assert sample(metrics, "smsd_bind_reconnects_total") == 2


def test_recent_forgets_after_ten_seconds() -> None:
    recent = Recent()
    for now in range(20):
        recent.add(float(now), 5, 10.0)
    assert recent.per_s(19.9) == 5
    assert recent.mean(19.9) == 2.0
    assert recent.per_s(24.0) == 2.5
    assert recent.per_s(40.0) == 0
    assert recent.mean(40.0) is None


def test_the_window_is_told(link: WatchedLink, metrics: Metrics) -> None:
    bind_gauges(metrics, "telco", link)
    assert sample(metrics, "smsd_bind_window") == 10
    assert sample(metrics, "smsd_bind_pending") == 0
    assert sample(metrics, "smsd_bind_faults") == 0


def test_how_fast_an_account_may_send_is_told(metrics: Metrics, clock: HandClock) -> None:
    queue = OperatorQueue("telco", limit=10, rate=40, pause_s=2)
    account_gauges(metrics, "telco", queue, clock)

    def rate() -> float | None:
        return metrics.registry.get_sample_value("smsd_account_rate", {"operator": "telco"})

    assert rate() == 40
    queue.pace.pause(clock.monotonic())
    assert rate() == 0
    clock.advance(2.5)
    assert 20 <= (rate() or 0) < 40
    clock.advance(60)
    assert rate() == 40


def test_numbers_in_an_error_are_masked(link: WatchedLink, clock: HandClock) -> None:
    link.last_error = "number +4798765432 at smsc.example"
    (seen,) = look("smsd", {"telco": [link]}, lambda _: 0, clock).binds
    assert "98765432" not in seen.last_error
    assert seen.last_error.endswith("at smsc.example")


async def test_a_link_over_tcp_tells_what_it_did(metrics: Metrics, heard: Heard) -> None:
    settings = SmscSettings(port=0, control_port=0, script=Script())
    async with running(settings) as simulator:
        (link,) = account_links(
            operator(port=simulator.port, system_id="smsd"),
            Limits(),
            heard,
            clock=SystemClock(),
            rng=random.Random(1),
            make=watching("telco", metrics),
        )
        task = asyncio.create_task(link.run())
        await heard.until(lambda: link.can_submit)
        assert link.submit(SubmitSm(source_addr="2030", destination_addr="4799999999"), "one")
        await heard.until(lambda: heard.answers)
        simulator.smsc.send_mo(Text("4799999999", "2030", "hei"))
        await heard.until(lambda: heard.frames)
        (seen,) = look("smsd", {"telco": [link]}, lambda _: 0, SystemClock()).binds
        await link.stop(0)
        await task
    assert (seen.state, seen.delivers) == ("bound", 1)
    assert seen.answer_ms is not None
    assert 0 < seen.answer_ms < 10_000


class Refusing:
    """An SMSC that knows no password."""

    def __init__(self) -> None:
        self.binds = 0

    def on_bind(self, conn: ServerConnection, frame: Frame) -> int:
        self.binds += 1
        return CommandStatus.ESME_RINVPASWD

    def on_requests(self, conn: ServerConnection, frames: list[Frame]) -> None: ...

    def on_answers(self, conn: ServerConnection, answers: list[Answer]) -> None: ...

    def on_closed(self, conn: ServerConnection, reason: str) -> None: ...


async def test_a_refused_bind_is_told_once_and_then_ever_more_seldom(heard: Heard) -> None:
    smsc = Refusing()
    server = SmppServer(smsc)
    await server.start()
    account = operator(port=server.port, reconnect_first_s=0.05, reconnect_max_s=0.1)
    settings_of = account_links(account, Limits(), heard, clock=SystemClock(), rng=random.Random(1))[
        0
    ].settings
    link = Link(
        msgspec.structs.replace(settings_of, backoff_first_s=0.001, backoff_max_s=0.001),
        heard,
        clock=SystemClock(),
        random=random.Random(1),
    )
    heard.log = BindLog()
    with capture_logs() as lines:
        task = asyncio.create_task(link.run())
        await heard.until(lambda: smsc.binds >= 40 and link.state is LinkState.DOWN)
        await link.stop(0)
        await task
    await server.stop()
    told = [line for line in lines if line["log_level"] in ("info", "warning", "error")]
    assert [line["times"] for line in told][:6] == [1, 2, 4, 8, 16, 32]
    assert len(told) <= 8
    assert all("password" in line["detail"] and "secret" not in line["detail"] for line in told)


async def test_the_gateway_s_own_log_is_no_flood_where_binds_are_refused(tmp_path: Path) -> None:
    smsc = Refusing()
    server = SmppServer(smsc)
    await server.start()
    site = Site(tmp_path, server.port)
    with capture_logs() as lines:
        await site.start()
        async with asyncio.timeout(60):
            while smsc.binds < 12:
                await asyncio.sleep(0)
        await site.stop()
    await server.stop()
    told = [line for line in lines if "link" in line and line["log_level"] != "debug"]
    # it may be refused some times more before it has stopped
    times = [line["times"] for line in told]
    assert times == [2**power for power in range(len(times))]
    assert 4 <= len(times) <= smsc.binds.bit_length()
    assert {line["event"] for line in told} == {"bind.failed"}


# --- the page and the command


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running(SmscSettings(port=0, control_port=0, script=Script())) as simulator:
        yield simulator


async def test_the_running_gateway_tells_of_its_binds(tmp_path: Path, simulator: Simulator) -> None:
    site = Site(tmp_path, simulator.port)
    await site.start()
    try:
        async with asyncio.timeout(60):
            while True:
                told = msgspec.json.decode((await site.get("/binds"))[1], type=BindsView)
                if told.binds[0].state == "bound":
                    break
        assert [each.bind for each in told.binds] == ["telco-trx-1"]
        assert told.gateway == "smsd"
        listen = f"127.0.0.1:{site.metrics}"
        assert (await asyncio.to_thread(binds_table.ask, listen)).binds[0].window == 10
        command = ["binds", "--json", "--config", str(site.config)]
        shown = await asyncio.to_thread(CliRunner().invoke, app, command)
        assert shown.exit_code == 0
        assert json.loads(shown.stdout)["bind"] == "telco-trx-1"
        _, metrics = await site.get("/metrics")
        assert 'smsd_bind_window{bind="telco-trx-1",operator="telco"} 10.0' in metrics
    finally:
        await site.stop()


def console(width: int = 140) -> Console:
    return Console(file=io.StringIO(), width=width)


def test_the_table_says_how_each_bind_fares() -> None:
    terminal = console(80)
    binds_table.show(terminal, TOLD, json=False)
    shown = terminal.file.getvalue()  # type: ignore[attr-defined]
    for word in (
        "telco-trx-1",
        "bound",
        "1 h 2 min",
        "3/10",
        "12.3",
        "42 ms",
        "[red]not markup[/red]",
        "smsd, 2026",
    ):
        assert word in shown


def test_json_is_one_object_a_line() -> None:
    terminal = console()
    binds_table.show(terminal, TOLD, json=True)
    (line,) = terminal.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert msgspec.json.decode(line, type=BindView) == VIEW


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h 0 min"), (90_000, "1 d 1 h")],
)
def test_durations_are_short(seconds: int, words: str) -> None:
    assert binds_table.duration(seconds) == words


@contextmanager
def server_that_says(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, b"no", "answers 404 to /binds"),
        (200, b"<html>", "another program listens there"),
        (200, b'{"gateway": 1}', "another program listens there"),
    ],
)
def test_another_program_at_the_address_is_told(status: int, body: bytes, words: str) -> None:
    with server_that_says(status, body) as listen, pytest.raises(binds_table.NotReachable, match=words):
        binds_table.ask(listen)


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        (None, "has no metrics address"),
        ("127.0.0.1:0", "port 0"),
        ("127.0.0.1:1", "smsd does not run, or runs with another configuration"),
    ],
)
def test_a_gateway_that_cannot_be_reached_is_told(listen: str | None, words: str) -> None:
    with pytest.raises(binds_table.NotReachable, match=words):
        binds_table.ask(listen)


def test_a_gateway_that_hangs_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binds_table, "TIMEOUT_S", 0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        pytest.raises(binds_table.NotReachable, match="did not answer"),
    ):
        binds_table.ask(f"127.0.0.1:{listening.getsockname()[1]}")


def test_the_live_table_outlives_a_gateway_that_is_away() -> None:
    terminal = console()
    with server_that_says(200, msgspec.json.encode(TOLD)) as listen:
        binds_table.watch(terminal, listen, iter((None, None)))
    assert "telco-trx-1" in terminal.file.getvalue()  # type: ignore[attr-defined]
    terminal = console()
    binds_table.watch(terminal, "127.0.0.1:1", iter((None,)))
    assert "smsd does not run" in terminal.file.getvalue()  # type: ignore[attr-defined]


def test_a_turn_comes_at_once_and_after_each_wait() -> None:
    waits: list[float] = []
    turns = binds_table.every(2.0, waits.append)
    for _ in range(3):
        next(turns)
    assert waits == [2.0, 2.0]


def test_the_command_ends_with_one_where_nobody_answers(tmp_path: Path) -> None:
    site = Site(tmp_path, 1)
    shown = CliRunner().invoke(app, ["binds", "--once", "--config", str(site.config)])
    assert shown.exit_code == 1
    assert "smsd does not run" in shown.stderr
