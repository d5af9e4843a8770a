"""Links with several hosts, versions of SMPP, and leaving one host for another, over loopback TCP."""

from __future__ import annotations

import asyncio
import socket

import structlog
from smpp_network import BIND, PATIENCE_S, Network, Smsc, on_both_loops
from smpp_samples import SUBMIT

from simulators.stage import free_port
from smsd.links import BindLog
from smsd.smpp import pdu as p
from smsd.smpp.answers import AnswerKind
from smsd.smpp.constants import CommandId, CommandStatus, Tag
from smsd.smpp.hosts import Address
from smsd.smpp.link import LinkState
from smsd.smpp.server import SmppServer
from smsd.smpp.session import IDLE


class Standby:
    """A second SMSC beside the network's."""

    def __init__(self) -> None:
        self.smsc = Smsc()
        self.server = SmppServer(self.smsc)

    async def __aenter__(self) -> Standby:
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.server.port)


@on_both_loops
async def test_a_host_that_nobody_listens_at_is_passed_over_at_once():
    async with Network() as net:
        here = Address("127.0.0.1", net.server.port)
        link = await net.bound(port=free_port(), standby=(here,), backoff_first_s=60, backoff_max_s=60)
        assert link.state is LinkState.BOUND
        assert net.listener.states[-1][1] == f"as smsd at {here}"
        assert "nothing listens there" in net.listener.states[1][1]


@on_both_loops
async def test_a_host_that_refuses_for_a_fault_of_its_own_is_passed_over_too():
    async with Standby() as other, Network() as net:
        net.smsc.bind_statuses = [CommandStatus.ESME_RSYSERR]
        await net.bound(standby=(other.address,), backoff_first_s=60, backoff_max_s=60)
        assert len(other.smsc.conns) == 1


@on_both_loops
async def test_a_wrong_password_is_not_carried_from_host_to_host_without_a_wait():
    async with Standby() as other, Network() as net:
        net.smsc.bind_statuses = [CommandStatus.ESME_RINVPASWD]
        net.start_link(standby=(other.address,), backoff_first_s=60, backoff_max_s=60)
        await net.listener.until(lambda: LinkState.DOWN in net.listener.states_seen())
        for _ in range(20):
            await asyncio.sleep(0)
        assert other.smsc.conns == []


@on_both_loops
async def test_after_a_whole_round_without_success_a_link_waits():
    async with Network() as net:
        link = net.start_link(
            port=free_port(),
            standby=(Address("127.0.0.1", free_port()),),
            backoff_first_s=60,
            backoff_max_s=60,
        )
        await net.listener.until(lambda: net.listener.states_seen().count(LinkState.DOWN) == 2)
        assert not link.can_submit
        for _ in range(20):
            await asyncio.sleep(0)
        assert net.listener.states_seen().count(LinkState.CONNECTING) == 2


@on_both_loops
async def test_a_lost_host_is_replaced_by_the_standby_and_nothing_is_answered_twice():
    async with Standby() as other, Network() as net:
        link = await net.bound(standby=(other.address,), window=3)
        net.smsc.answering = False
        assert link.submit(SUBMIT, "in the air")
        await net.smsc.until(lambda: net.smsc.frames)
        await net.server.stop()
        await net.listener.until(lambda: other.smsc.conns and link.state is LinkState.BOUND)
        assert link.submit(SUBMIT, "after")
        await net.listener.until(lambda: len(net.listener.answers) == 2)
        assert [(each.tag, each.kind) for each in net.listener.answers] == [
            ("in the air", AnswerKind.LOST),
            ("after", AnswerKind.ANSWERED),
        ]


@on_both_loops
async def test_a_bind_at_the_standby_goes_back_once_home_answers_and_its_window_is_empty():
    async with Standby() as other, Network() as net:
        home = free_port()
        link = net.start_link(port=home, standby=(other.address,), fail_back_s=0.01)
        await net.listener.until(lambda: link.state is LinkState.BOUND)
        other.smsc.answering = False
        assert link.submit(SUBMIT, "pending")
        await other.smsc.until(lambda: other.smsc.frames)
        server = SmppServer(net.smsc)
        await server.start(port=home)
        net._stack.push_async_callback(server.stop)
        async with asyncio.timeout(PATIENCE_S):
            while link.can_submit:
                await asyncio.sleep(0)
        assert (link.state, link.room, link.submit(SUBMIT, "late")) == (LinkState.BOUND, 0, False)
        other.smsc.conn.respond(other.smsc.frames[0], p.SubmitSmResp("id"))
        await net.listener.until(lambda: link.state is LinkState.BOUND and net.smsc.conns)
        assert [each.kind for each in net.listener.answers] == [AnswerKind.ANSWERED]
        assert other.smsc.closed == ["the ESME unbound"]
        assert LinkState.UNBINDING in net.listener.states_seen()


@on_both_loops
async def test_a_home_that_listens_but_refuses_is_turned_to_ever_more_seldom_until_it_takes_us():
    async with Standby() as other, Network() as net:
        home = free_port()
        link = net.start_link(port=home, standby=(other.address,), fail_back_s=0.01)
        await net.listener.until(lambda: link.state is LinkState.BOUND)
        net.smsc.bind_statuses = [CommandStatus.ESME_RSYSERR] * 2
        server = SmppServer(net.smsc)
        await server.start(port=home)
        net._stack.push_async_callback(server.stop)
        await net.listener.until(lambda: len(other.smsc.conns) == 3)
        assert link._returns == 2
        await net.listener.until(lambda: link.binds == 4)
        assert (link._returns, link.address) == (0, Address("127.0.0.1", home))


@on_both_loops
async def test_while_home_is_silent_the_standby_stays_bound():
    looks = []

    async with Standby() as other, Network() as net:

        async def connect(factory, settings):
            if settings.port == 1:
                looks.append(settings.port)
                net.listener.changed()
                raise ConnectionRefusedError(111, "Connection refused")
            loop = asyncio.get_running_loop()
            return await loop.create_connection(factory, settings.host, settings.port)

        link = net.start_link(port=1, standby=(other.address,), fail_back_s=0.001, connect=connect)
        await net.listener.until(lambda: len(looks) >= 4)
        assert link.state is LinkState.BOUND
        assert other.smsc.closed == []
        assert len(other.smsc.conns) == 1


@on_both_loops
async def test_without_fail_back_nobody_looks():
    async with Standby() as other, Network() as net:
        link = net.start_link(port=free_port(), standby=(other.address,), fail_back_s=None)
        await net.listener.until(lambda: link.state is LinkState.BOUND)
        await link.stop(0)
        assert net.listener.states_seen().count(LinkState.CONNECTING) == 2


@on_both_loops
async def test_an_ipv6_literal_is_connected_to():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        return
    async with Network() as net:
        server = SmppServer(net.smsc)
        await server.start(host="::1")
        link = await net.bound(host="::1", port=server.port)
        assert net.listener.states[0][1] == f"[::1]:{server.port}"
        await link.stop(0)
        await server.stop()


# versions -------------------------------------------------------------------------------------------------


def answers_as(smsc: Smsc, version: bytes | None) -> None:
    """The next bind is answered with this sc_interface_version."""

    def on_bind(conn, frame):
        tlvs = () if version is None else (p.Tlv(Tag.SC_INTERFACE_VERSION, version),)
        smsc.conns.append(conn)
        conn._bind = None
        answer = p.BindResp(CommandId(frame.pdu.kind | 0x80000000), "SMSC", tlvs)
        conn.wire.respond(frame, answer)

    smsc.on_bind = on_bind


WITH_TLV = p.SubmitSm(destination_addr="4799999901", tlvs=(p.Tlv(0x1502, b"mo"),))


@on_both_loops
async def test_the_bind_says_the_configured_version():
    async with Network() as net:
        asked = []
        accept = net.smsc.on_bind
        net.smsc.on_bind = lambda conn, frame: asked.append(frame.pdu) or accept(conn, frame)
        await net.bound(bind=p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret", interface_version=0x50))
        assert [bind.interface_version for bind in asked] == [0x50]


@on_both_loops
async def test_an_smsc_that_names_an_old_version_gets_no_tlvs():
    async with Network() as net:
        answers_as(net.smsc, b"\x33")
        link = await net.bound()
        assert link.submit(WITH_TLV, "tag")
        await net.smsc.until(lambda: net.smsc.frames)
        assert net.smsc.frames[0].pdu.tlvs == ()
        assert net.smsc.frames[0].pdu.destination_addr == "4799999901"


@on_both_loops
async def test_an_smsc_that_names_a_new_version_or_none_gets_them():
    for version in (b"\x34", b"\x50", None, b""):
        async with Network() as net:
            answers_as(net.smsc, version)
            link = await net.bound()
            assert link.submit(WITH_TLV, "tag")
            await net.smsc.until(lambda smsc=net.smsc: smsc.frames)
            assert net.smsc.frames[0].pdu.tlvs == WITH_TLV.tlvs


@on_both_loops
async def test_a_bind_as_an_old_version_sends_no_tlvs_whatever_the_smsc_says():
    async with Network() as net:
        link = await net.bound(
            bind=p.Bind(CommandId.BIND_TRANSMITTER, "smsd", "secret", interface_version=0x33)
        )
        assert link.submit(WITH_TLV, "tag")
        await net.smsc.until(lambda: net.smsc.frames)
        assert net.smsc.frames[0].pdu.tlvs == ()


@on_both_loops
async def test_an_account_whose_price_is_a_tlv_does_not_use_an_smsc_without_them():
    async with Network() as net:
        answers_as(net.smsc, b"\x33")
        link = net.start_link(needs_tlvs=True)
        await net.listener.until(lambda: LinkState.DOWN in net.listener.states_seen())
        assert LinkState.BOUND not in net.listener.states_seen()
        assert "without TLVs" in link.last_error
        assert not link.submit(WITH_TLV, "tag")


# dead links and leave-taking ------------------------------------------------------------------------------


@on_both_loops
async def test_a_dead_link_is_found_within_two_enquire_intervals():
    async with Network() as net:
        loop = asyncio.get_running_loop()
        began = loop.time()
        link = await net.bound(enquire_link_s=0.1, response_timeout_s=3600)
        net.smsc.conn.pause_reading()
        await net.listener.until(lambda: LinkState.DOWN in net.listener.states_seen())
        # the clock is real: what is checked is that it took the two intervals, not the response timer
        assert 0.19 < loop.time() - began < 1800
        assert link.last_error.startswith("dead link")


@on_both_loops
async def test_a_link_that_hears_something_asks_nothing():
    async with Network() as net:
        link = await net.bound(enquire_link_s=3600, bind=BIND)
        before = link._wire.session._own.sequence
        for number in range(5):
            net.smsc.conn.request(p.DeliverSm(source_addr="1"), number)
        await net.smsc.until(lambda: len(net.smsc.answers) == 5)
        assert link._wire.session._own.sequence == before


@on_both_loops
async def test_a_bind_without_work_is_made_anew_and_that_is_no_failure():
    async with Network() as net:
        log = BindLog()
        told = net.listener.on_state
        with structlog.testing.capture_logs() as logged:

            def on_state(link, state, detail):
                log.tell("telco-trx-1", state, detail)
                told(link, state, detail)

            net.listener.on_state = on_state
            await net.bound(inactivity_s=0.05)
            await net.listener.until(lambda: net.listener.states_seen().count(LinkState.BOUND) == 3)
        assert (LinkState.DOWN, IDLE) in net.listener.states
        assert {line["event"] for line in logged} == {"bind.up", "bind.ended", "bind.state"}
        assert net.smsc.closed[0] == "the ESME unbound"


@on_both_loops
async def test_an_smsc_that_unbinds_is_answered_and_bound_to_again():
    async with Network() as net:
        link = await net.bound()
        net.smsc.conn.unbind()
        await net.smsc.until(lambda: net.smsc.closed)
        assert net.smsc.closed == ["unbound"]
        await net.listener.until(lambda: link.binds == 2)
