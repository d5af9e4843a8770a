"""Links and servers over real loopback TCP and TLS, on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpp_network import BIND, PATIENCE_S, Network, SteppedClock, on_both_loops, quick
from smpp_samples import DELIVER, SUBMIT

from foundation.clock import SystemClock
from foundation.settings_tables import TlsSettings
from simulators.stage import free_port
from smsd.smpp import pdu as p
from smsd.smpp.answers import Answer, AnswerKind
from smsd.smpp.codec import UnencodablePduError, encode
from smsd.smpp.constants import CommandId, CommandStatus
from smsd.smpp.link import Link, LinkSettings, LinkState
from smsd.smpp.session import IDLE, Role, SessionSettings
from smsd.smpp.supervise import Backoff
from smsd.smpp.wire import Wire


def kinds(answers: list[Answer]) -> Counter[AnswerKind]:
    return Counter(answer.kind for answer in answers)


def by_tag(answers: list[Answer]) -> dict[object, AnswerKind]:
    assert len({answer.tag for answer in answers}) == len(answers)
    return {answer.tag: answer.kind for answer in answers}


# --- binding ---------------------------------------------------------------------------------------------


@on_both_loops
async def test_a_link_connects_and_binds():
    async with Network() as net:
        link = await net.bound()
        assert net.listener.states_seen() == [LinkState.CONNECTING, LinkState.BINDING, LinkState.BOUND]
        assert (link.can_submit, link.can_receive, link.room, link.last_error) == (True, True, 10, "")
        assert net.smsc.conn.system_id == "smsd"
        assert net.smsc.conn.bound_kind is CommandId.BIND_TRANSCEIVER


@pytest.mark.parametrize(
    ("kind", "can_submit", "can_receive"),
    [(CommandId.BIND_TRANSMITTER, True, False), (CommandId.BIND_RECEIVER, False, True)],
    ids=["transmitter", "receiver"],
)
@on_both_loops
async def test_a_link_does_only_what_its_bind_is_for(kind, can_submit, can_receive):
    async with Network() as net:
        link = await net.bound(bind=p.Bind(kind, "smsd", "secret"))
        assert (link.can_submit, link.can_receive) == (can_submit, can_receive)
        assert link.submit(SUBMIT, "tag") is can_submit


@on_both_loops
async def test_a_refused_bind_is_put_in_words_without_the_password_and_tried_again():
    async with Network() as net:
        net.smsc.bind_statuses = [CommandStatus.ESME_RINVPASWD]
        link = net.start_link()
        words = "the SMSC refused bind as smsd: the password is wrong: ESME_RINVPASWD (invalid password)"
        await net.listener.until(lambda: (LinkState.DOWN, words) in net.listener.states)
        await net.listener.until(lambda: link.state is LinkState.BOUND)
        assert link.last_error == ""
        assert "secret" not in str(net.listener.states) + repr(link.settings)


@on_both_loops
async def test_a_bind_that_is_answered_later_is_accepted():
    async with Network() as net:
        net.smsc.bind_statuses = [None]
        link = net.start_link()
        await net.smsc.until(lambda: net.smsc.conns)
        assert (link.state, link.submit(SUBMIT, "early")) == (LinkState.BINDING, False)
        assert net.smsc.conn.accept_bind()
        await net.listener.until(lambda: link.state is LinkState.BOUND)
        assert not net.smsc.conn.accept_bind()


@on_both_loops
async def test_a_bind_without_an_answer_is_given_up_and_tried_again():
    async with Network() as net:
        net.smsc.bind_statuses = [None]
        link = net.start_link(bind_timeout_s=0.03)
        await net.listener.until(lambda: link.state is LinkState.BOUND)
        (told,) = [detail for state, detail in net.listener.states if state is LinkState.DOWN]
        assert told.startswith("not bound within 0.03 s: the connection was taken, but bind is not answered")
        assert "the port wants TLS" in told


@on_both_loops
async def test_a_port_where_nobody_listens_is_told_and_tried_again():
    async with Network() as net:
        port = free_port()
        link = net.start_link(port=port)
        await net.listener.until(lambda: net.listener.states_seen().count(LinkState.DOWN) >= 3)
        assert link.last_error.startswith(f"cannot connect to 127.0.0.1:{port}: ")


@on_both_loops
async def test_connecting_is_given_up_after_its_time():
    async def never(factory, settings):
        await asyncio.Event().wait()

    async with Network() as net:
        link = net.start_link(connect=never, connect_timeout_s=0.02)
        await net.listener.until(lambda: net.listener.states_seen().count(LinkState.DOWN) >= 2)
        assert link.last_error.endswith("no connection within 0.02 s")


@on_both_loops
async def test_a_connection_that_ends_at_once_is_tried_again():
    async with Network() as net:

        async def slam(reader, writer):
            writer.close()

        server = await asyncio.start_server(slam, "127.0.0.1", 0)
        net.start_link(port=server.sockets[0].getsockname()[1])
        await net.listener.until(lambda: net.listener.states_seen().count(LinkState.DOWN) >= 2)
        server.close()


@on_both_loops
async def test_a_bind_that_does_not_fit_is_refused_before_anything_is_sent():
    with pytest.raises(UnencodablePduError, match="password"):
        Link(
            LinkSettings("x", "localhost", 1, p.Bind(CommandId.BIND_RECEIVER, "smsd", "much too long" * 3)),
            None,
            clock=SystemClock(),
            random=random.Random(1),
        )


@on_both_loops
async def test_no_delay_is_set_on_both_ends():
    async with Network() as net:
        link = await net.bound()
        for wire in (link._wire, net.smsc.conn.wire):
            sock = wire._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# --- traffic -----------------------------------------------------------------------------------------------


@on_both_loops
async def test_submits_are_answered_each_once():
    async with Network() as net:
        link = await net.bound(window=50)
        assert all(link.submit(SUBMIT, number) for number in range(50))
        assert (link.room, link.submit(SUBMIT, "too many")) == (0, False)
        await net.listener.until(lambda: len(net.listener.answers) == 50)
        assert by_tag(net.listener.answers) == dict.fromkeys(range(50), AnswerKind.ANSWERED)
        assert {answer.message_id for answer in net.listener.answers} == {f"id-{n}" for n in range(2, 52)}
        assert link.room == 50


@on_both_loops
async def test_submits_of_one_turn_go_out_in_one_write():
    async with Network() as net:
        link = await net.bound(window=20)
        batches = []
        seen = net.smsc.on_requests

        def on_requests(conn, frames):
            batches.append(len(frames))
            seen(conn, frames)

        net.smsc.on_requests = on_requests
        for number in range(20):
            link.submit(SUBMIT, number)
        await net.listener.until(lambda: len(net.listener.answers) == 20)
        assert batches == [20]


@on_both_loops
async def test_a_refusal_carries_its_status_and_tlvs():
    async with Network() as net:
        net.smsc.answering = False
        link = await net.bound()
        link.submit(SUBMIT, "tag")
        await net.smsc.until(lambda: net.smsc.frames)
        tlvs = (p.Tlv(0x1403, b"no"),)
        net.smsc.conn.respond(net.smsc.frames[0], p.SubmitSmResp("", tlvs), 0x58)
        await net.listener.until(lambda: net.listener.answers)
        assert net.listener.answers == [Answer("tag", AnswerKind.ANSWERED, 0x58, "", tlvs)]


@on_both_loops
async def test_a_deliver_sm_reaches_the_listener_and_its_answer_the_smsc():
    async with Network() as net:
        await net.bound()
        assert net.smsc.conn.room == 10
        assert net.smsc.conn.request(DELIVER, "mo")
        await net.smsc.until(lambda: net.smsc.answers)
        assert [frame.pdu for frame in net.listener.frames] == [DELIVER]
        assert net.smsc.answers == [Answer("mo", AnswerKind.ANSWERED)]


@on_both_loops
async def test_an_answer_may_refuse_a_deliver_sm_or_name_an_id_for_a_data_sm():
    async with Network() as net:
        link = await net.bound()
        net.listener.answering = False
        net.smsc.conn.request(DELIVER, "mo")
        net.smsc.conn.request(p.DataSm(), "data")
        await net.listener.until(lambda: len(net.listener.frames) == 2)
        first, second = net.listener.frames
        assert link.respond(first, CommandStatus.ESME_RX_T_APPN)
        assert not link.respond(first)
        assert link.respond(second, message_id="abc")
        await net.smsc.until(lambda: len(net.smsc.answers) == 2)
        assert net.smsc.answers == [
            Answer("mo", AnswerKind.ANSWERED, 0x64),
            Answer("data", AnswerKind.ANSWERED, 0, "abc"),
        ]


@on_both_loops
async def test_a_request_cannot_be_answered_on_the_next_connection():
    async with Network() as net:
        link = await net.bound()
        net.listener.answering = False
        net.smsc.conn.request(DELIVER, "mo")
        await net.listener.until(lambda: net.listener.frames)
        net.smsc.conn.drop()
        await net.listener.until(lambda: link.binds == 2)
        net.smsc.conn.request(DELIVER, "mo again")
        await net.listener.until(lambda: len(net.listener.frames) == 2)
        assert net.listener.frames[0] == net.listener.frames[1]
        assert not link.respond(net.listener.frames[0])
        assert link.respond(net.listener.frames[1])


@on_both_loops
async def test_what_cannot_be_encoded_raises_and_is_not_reported_later():
    async with Network() as net:
        link = await net.bound()
        with pytest.raises(UnencodablePduError):
            link.submit(p.SubmitSm(short_message=b"x" * 255), "bad")
        assert link.submit(SUBMIT, "good")
        await net.listener.until(lambda: net.listener.answers)
        assert [answer.tag for answer in net.listener.answers] == ["good"]


@on_both_loops
async def test_broken_octets_from_the_smsc_are_counted_and_answered():
    async with Network() as net:
        link = await net.bound()
        net.smsc.conn.send_octets(struct.pack(">IIII", 16, 0x111, 0, 5))
        net.smsc.conn.request(DELIVER, "mo")
        await net.smsc.until(lambda: net.smsc.answers)
        assert (link.faults, link.state) == (1, LinkState.BOUND)
        assert link.last_fault == "ESME_RINVCMDID (invalid command id): command 0x00000111 is not known"


@on_both_loops
async def test_an_unreadable_stream_ends_the_connection_and_the_link_comes_back():
    async with Network() as net:
        link = await net.bound()
        net.smsc.conn.send_octets(b"\0\0\0\1")
        await net.listener.until(lambda: link.binds == 2)
        assert any("unreadable stream" in detail for _, detail in net.listener.states)


# --- reading paused, writing paused --------------------------------------------------------------------


@on_both_loops
async def test_nothing_is_read_while_reading_is_paused():
    async with Network() as net:
        link = await net.bound()
        link.pause_reading()
        net.smsc.conn.request(DELIVER, "mo")
        # what the SMSC reads was sent after it wrote; the paused side still has not seen it
        link.submit(SUBMIT, "tag")
        await net.smsc.until(lambda: net.smsc.frames)
        assert (net.listener.frames, net.listener.answers) == ([], [])
        link.resume_reading()
        await net.listener.until(lambda: net.listener.frames and net.listener.answers)


@on_both_loops
async def test_a_long_pause_costs_neither_the_link_nor_the_answers():
    clock = SteppedClock()
    async with Network() as net:
        link = await net.bound(clock=clock)
        link.pause_reading()
        link.submit(SUBMIT, "tag")
        await net.smsc.until(lambda: net.smsc.frames)
        for _ in range(10):
            clock.step(link._wire, 60)
        assert (link.state, net.listener.answers) == (LinkState.BOUND, [])
        link.resume_reading()
        await net.listener.until(lambda: net.listener.answers)
        assert by_tag(net.listener.answers) == {"tag": AnswerKind.ANSWERED}
        assert link.binds == 1


@on_both_loops
async def test_an_answer_is_told_before_what_was_read_together_with_it():
    async with Network() as net:
        net.smsc.answering = False
        link = await net.bound()
        link.submit(SUBMIT, "tag")
        await net.smsc.until(lambda: net.smsc.frames)
        order = []
        net.listener.on_answers = lambda link, answers: order.append("answers")
        net.listener.on_requests = lambda link, frames: order.append("requests") or net.listener.changed()
        net.smsc.conn.request(DELIVER, "receipt")
        net.smsc.conn.respond(net.smsc.frames[0], p.SubmitSmResp("id"))
        await net.listener.until(lambda: "requests" in order)
        assert order == ["answers", "requests"]


@on_both_loops
async def test_a_pause_outlasts_the_connection():
    async with Network() as net:
        link = await net.bound()
        link.pause_reading()
        net.smsc.conn.drop()
        await net.smsc.until(lambda: len(net.smsc.conns) == 1)
        link.resume_reading()
        await net.listener.until(lambda: link.binds == 2)
        assert link._wire._reading


@on_both_loops
async def test_too_many_unanswered_requests_stop_the_reading_until_they_are_answered():
    async with Network(settings=quick(window=200)) as net:
        link = await net.bound(requests_limit=5)
        net.listener.answering = False
        for number in range(5):
            net.smsc.conn.request(DELIVER, number)
        await net.listener.until(lambda: len(net.listener.frames) == 5)
        link.submit(SUBMIT, "pushed out after the reading stopped")
        await net.smsc.until(lambda: net.smsc.frames)
        assert not link._wire._reading
        for frame in net.listener.frames:
            link.respond(frame)
        await net.listener.until(lambda: net.listener.answers)
        assert link._wire._reading


@on_both_loops
async def test_what_a_full_transport_was_not_given_was_never_written():
    async with Network() as net:
        net.smsc.answering = False
        link = await net.bound(window=10)
        assert link.submit(SUBMIT, "written")
        await net.smsc.until(lambda: net.smsc.frames)
        assert link.submit(SUBMIT, "held back")
        link._wire.pause_writing()
        assert (link.room, link.submit(SUBMIT, "not taken")) == (0, False)
        net.smsc.conn.drop()
        await net.listener.until(lambda: len(net.listener.answers) == 2)
        assert by_tag(net.listener.answers) == {
            "written": AnswerKind.LOST,
            "held back": AnswerKind.NEVER_WRITTEN,
        }


@on_both_loops
async def test_answers_that_the_smsc_does_not_take_stop_the_reading():
    async with Network() as net:
        link = await net.bound()
        wire = link._wire
        wire.pause_writing()
        enquiry = encode(p.EnquireLink(), 7)
        wire.data_received(enquiry * 20_000)
        await net.listener.until(lambda: link.state is LinkState.BOUND)
        await asyncio.sleep(0)
        assert (wire._reading, wire.session.waiting_octets) == (False, 320_000)
        wire.resume_writing()
        assert link.submit(SUBMIT, "tag")
        await net.listener.until(lambda: net.listener.answers)
        assert wire._reading


@on_both_loops
async def test_what_was_held_back_goes_out_when_the_transport_takes_more():
    async with Network() as net:
        link = await net.bound()
        link.submit(SUBMIT, "held back")
        link._wire.pause_writing()
        link._wire.resume_writing()
        await net.listener.until(lambda: net.listener.answers)
        assert by_tag(net.listener.answers) == {"held back": AnswerKind.ANSWERED}


@on_both_loops
async def test_an_smsc_that_does_not_read_pauses_the_link_and_nothing_is_lost():
    async with Network() as net:
        link = await net.bound(window=40, response_timeout_s=60)
        net.smsc.conn.pause_reading()
        big = p.SubmitSm(tlvs=(p.Tlv(p.Tag.MESSAGE_PAYLOAD, b"x" * 60_000),))
        taken = 0
        while taken < 40 and link.submit(big, taken):
            taken += 1
            # a turn of the loop, so that it is written
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        net.smsc.conn.resume_reading()
        await net.listener.until(lambda: len(net.listener.answers) == taken)
        assert kinds(net.listener.answers) == {AnswerKind.ANSWERED: taken}


# --- lost, timed out, late -----------------------------------------------------------------------------


@on_both_loops
async def test_a_lost_connection_ends_every_request_and_the_link_comes_back():
    async with Network() as net:
        net.smsc.answering = False
        link = await net.bound()
        for tag in ("a", "b"):
            link.submit(SUBMIT, tag)
        await net.smsc.until(lambda: len(net.smsc.frames) == 2)
        net.smsc.conn.drop()
        await net.listener.until(lambda: link.binds == 2)
        assert by_tag(net.listener.answers) == {"a": AnswerKind.LOST, "b": AnswerKind.LOST}
        assert net.listener.states_seen() == [
            LinkState.CONNECTING, LinkState.BINDING, LinkState.BOUND, LinkState.DOWN,
            LinkState.CONNECTING, LinkState.BINDING, LinkState.BOUND,
        ]  # fmt: skip


@on_both_loops
async def test_a_submit_of_the_turn_in_which_the_link_is_lost_was_never_written():
    async with Network() as net:
        link = await net.bound()
        link.submit(SUBMIT, "tag")
        link._wire.abort("cable cut")
        await net.listener.until(lambda: net.listener.answers)
        assert by_tag(net.listener.answers) == {"tag": AnswerKind.NEVER_WRITTEN}
        assert not link.submit(SUBMIT, "after")
        await net.listener.until(lambda: link.binds == 2)
        assert len(net.smsc.frames) == 0


@on_both_loops
async def test_a_request_without_an_answer_times_out_and_its_late_answer_is_told():
    async with Network() as net:
        net.smsc.answering = False
        link = await net.bound(response_timeout_s=0.03, enquire_link_s=None)
        link.submit(SUBMIT, "tag")
        await net.listener.until(lambda: net.listener.answers)
        await net.smsc.until(lambda: net.smsc.frames)
        net.smsc.conn.respond(net.smsc.frames[0], p.SubmitSmResp("late"))
        await net.listener.until(lambda: len(net.listener.answers) == 2)
        assert net.listener.answers == [
            Answer("tag", AnswerKind.TIMED_OUT),
            Answer("tag", AnswerKind.LATE, 0, "late"),
        ]


@on_both_loops
async def test_an_unbind_from_the_smsc_is_answered_and_the_link_comes_back():
    async with Network() as net:
        link = await net.bound()
        net.smsc.conn.unbind()
        await net.listener.until(lambda: link.binds == 2)
        await net.smsc.until(lambda: net.smsc.closed)
        assert net.smsc.closed == ["unbound"]
        (told,) = [detail for state, detail in net.listener.states if state is LinkState.DOWN]
        assert told.startswith("the SMSC unbound as soon as it had taken the bind: most often")


@on_both_loops
async def test_a_bind_that_lasted_is_lost_in_the_plain_words():
    clock = SteppedClock()
    async with Network() as net:
        link = await net.bound(clock=clock)
        clock.step(link._wire, 3)
        net.smsc.conn.unbind()
        await net.listener.until(lambda: link.binds == 2)
        assert (LinkState.DOWN, "the SMSC unbound") in net.listener.states


@on_both_loops
async def test_a_link_enquires_in_silence_and_stays():
    clock = SteppedClock()
    async with Network() as net:
        link = await net.bound(clock=clock)
        wire = link._wire
        for _ in range(3):
            clock.step(wire, 20)
            assert wire.session.enquiring
            link.submit(SUBMIT, "fence")
            await net.listener.until(lambda: net.listener.answers)
            assert not wire.session.enquiring
            net.listener.answers.clear()
        assert (link.state, link.binds, link.faults) == (LinkState.BOUND, 1, 0)


@on_both_loops
async def test_a_timer_fires_by_itself():
    async with Network() as net:
        link = await net.bound(inactivity_s=0.02)
        await net.listener.until(lambda: link.binds == 2)
        assert (LinkState.DOWN, IDLE) in net.listener.states


@on_both_loops
async def test_a_silent_smsc_is_found_dead_and_the_link_comes_back():
    async with Network() as net:
        link = await net.bound(enquire_link_s=0.02, response_timeout_s=0.5)
        net.smsc.conn.pause_reading()
        await net.listener.until(lambda: link.binds == 2)
        down = [detail for state, detail in net.listener.states if state is LinkState.DOWN]
        assert down[0] == "dead link: no answer to enquire_link within 0.02 s"


@on_both_loops
async def test_a_link_that_keeps_failing_waits_longer_each_time():
    first, second, third, *_, last = [Backoff(1.0, 60.0, random.Random(seed)).next_s() for seed in range(5)]
    assert len({first, second, third}) == 3
    assert 0.5 <= last <= 1.0
    backoff = Backoff(1.0, 60.0, random.Random(7))
    waits = [backoff.next_s() for _ in range(12)]
    for number, wait in enumerate(waits):
        whole = min(60.0, 2.0**number)
        assert whole / 2 <= wait <= whole
    backoff.reset()
    assert backoff.next_s() <= 1.0


# --- stopping ----------------------------------------------------------------------------------------------


@on_both_loops
async def test_stopping_awaits_the_answers_then_unbinds():
    async with Network() as net:
        net.smsc.answering = False
        link = await net.bound()
        link.submit(SUBMIT, "tag")
        await net.smsc.until(lambda: net.smsc.frames)
        stopping = asyncio.create_task(link.stop(10))
        await asyncio.sleep(0)
        assert (link.can_submit, link.submit(SUBMIT, "more"), link.state) == (False, False, LinkState.BOUND)
        net.smsc.conn.respond(net.smsc.frames[0], p.SubmitSmResp("id"))
        await stopping
        assert by_tag(net.listener.answers) == {"tag": AnswerKind.ANSWERED}
        assert net.listener.states_seen()[-2:] == [LinkState.UNBINDING, LinkState.DOWN]
        await net.smsc.until(lambda: net.smsc.closed)
        assert net.smsc.closed == ["the ESME unbound"]


@on_both_loops
async def test_stopping_waits_no_longer_than_its_grace():
    async with Network() as net:
        net.smsc.answering = False
        link = await net.bound()
        link.submit(SUBMIT, "tag")
        await net.smsc.until(lambda: net.smsc.frames)
        await link.stop(0.02)
        assert by_tag(net.listener.answers) == {"tag": AnswerKind.LOST}


@on_both_loops
async def test_stopping_still_answers_what_comes_in_meanwhile():
    async with Network() as net:
        net.smsc.answering = False
        link = await net.bound()
        link.submit(SUBMIT, "tag")
        await net.smsc.until(lambda: net.smsc.frames)
        stopping = asyncio.create_task(link.stop(10))
        net.smsc.conn.request(DELIVER, "mo")
        await net.smsc.until(lambda: net.smsc.answers)
        net.smsc.conn.respond(net.smsc.frames[0], p.SubmitSmResp("id"))
        await stopping
        assert by_tag(net.smsc.answers) == {"mo": AnswerKind.ANSWERED}


@on_both_loops
async def test_stopping_while_connecting_or_waiting_returns_at_once():
    async def never(factory, settings):
        await asyncio.Event().wait()

    async with Network() as net:
        link = net.start_link(connect=never, connect_timeout_s=3600)
        await net.listener.until(lambda: link.state is LinkState.CONNECTING)
        async with asyncio.timeout(PATIENCE_S):
            await link.stop(3600)
        waiting = net.start_link(port=free_port(), backoff_first_s=1000, backoff_max_s=1000)
        await net.listener.until(lambda: waiting.state is LinkState.DOWN and waiting.last_error)
        async with asyncio.timeout(PATIENCE_S):
            await waiting.stop(3600)


@on_both_loops
async def test_a_link_whose_task_is_cancelled_tells_what_is_lost():
    async with Network() as net:
        net.smsc.answering = False
        link = Link(
            LinkSettings("x", "127.0.0.1", net.server.port, BIND),
            net.listener,
            clock=SystemClock(),
            random=random.Random(1),
        )
        running = asyncio.create_task(link.run())
        await net.listener.until(lambda: link.state is LinkState.BOUND)
        link.submit(SUBMIT, "sent")
        await net.smsc.until(lambda: net.smsc.frames)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert by_tag(net.listener.answers) == {"sent": AnswerKind.LOST}
        assert link.state is LinkState.DOWN


@on_both_loops
async def test_the_server_stops_with_links_bound():
    net = Network()
    async with net:
        link = await net.bound()
        await net.server.stop()
        assert net.server.connections == set()
        await net.listener.until(lambda: link.state is not LinkState.BOUND)


# --- TLS ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    """A CA, a certificate for `localhost` and one for a client, made now."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA",
            "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    for name in ("localhost", "client"):
        openssl("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
                "-subj", f"/CN={name}", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-addext", f"subjectAltName=DNS:{name}",
                "-addext", "basicConstraints=critical,CA:FALSE")  # fmt: skip
    return folder


def serving(folder: Path, *, want_client: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "localhost.pem", folder / "localhost.key")
    if want_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "ca.pem")
    return context


@on_both_loops
async def test_a_link_speaks_tls_and_verifies_the_name(certificates):
    async with Network(tls=serving(certificates)) as net:
        tls = TlsSettings(ca_file=str(certificates / "ca.pem"), server_name="localhost")
        link = await net.bound(tls=tls)
        assert link._wire._transport.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
        for number in range(10):
            link.submit(SUBMIT, number)
        await net.listener.until(lambda: len(net.listener.answers) == 10)
        assert kinds(net.listener.answers) == {AnswerKind.ANSWERED: 10}


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        ({"ca_file": "ca.pem", "server_name": "elsewhere.example"}, "mismatch"),
        ({"server_name": "localhost"}, "unable to get local issuer certificate"),
        ({"ca_file": "missing.pem", "server_name": "localhost"}, "No such file"),
    ],
    ids=["wrong name", "unknown authority", "no file"],
)
@on_both_loops
async def test_a_certificate_that_cannot_be_verified_is_not_accepted(certificates, tls, words):
    files = {key: str(certificates / value) if key == "ca_file" else value for key, value in tls.items()}
    async with Network(tls=serving(certificates)) as net:
        link = net.start_link(tls=TlsSettings(**files))
        await net.listener.until(lambda: net.listener.states_seen().count(LinkState.DOWN) >= 2)
        assert words in link.last_error
        assert net.smsc.conns == []


@on_both_loops
async def test_a_client_shows_its_certificate_where_the_smsc_wants_one(certificates):
    async with Network(tls=serving(certificates, want_client=True)) as net:
        await net.bound(
            tls=TlsSettings(
                ca_file=str(certificates / "ca.pem"),
                cert_file=str(certificates / "client.pem"),
                key_file=str(certificates / "client.key"),
                server_name="localhost",
            )
        )


def test_tls_older_than_1_2_is_not_spoken():
    assert TlsSettings().context().minimum_version is ssl.TLSVersion.TLSv1_2
    assert TlsSettings().context().verify_mode is ssl.CERT_REQUIRED
    assert TlsSettings().context().check_hostname


# --- anything at all ---------------------------------------------------------------------------------------


class _Nobody:
    def on_wire_made(self, wire):
        pass

    def on_wire_events(self, wire, events):
        pass

    def on_wire_gone(self, wire):
        pass


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_random_octets_never_raise_out_of_a_wire(pieces):
    async def feed() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            loop = asyncio.get_running_loop()
            _, wire = await loop.create_connection(
                lambda: Wire(Role.SMSC, SessionSettings(), SystemClock(), _Nobody()), sock=ours
            )
            for piece in pieces:
                wire.data_received(piece)
            wire.data_received(encode(p.EnquireLink(), 1))
            wire.abort("done")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert wire.gone

    asyncio.run(feed())
