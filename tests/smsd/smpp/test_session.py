"""Playbooks of sessions in both roles: what comes in, what is told, what goes out, with time handed in."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpp_playbook import Playbook
from smpp_samples import (
    DELIVER,
    PDUS,
    RX,
    RX_RESP,
    SAMPLES,
    SUBMIT,
    TRX,
    TRX_RESP,
    TX,
    TX_RESP,
    name_of,
)

from smsd.smpp import pdu as p
from smsd.smpp.codec import UnencodablePduError, encode
from smsd.smpp.constants import RESPONSE, CommandId, CommandStatus
from smsd.smpp.events import (
    Answered,
    BindRefused,
    BindRequested,
    Bound,
    Closed,
    Faulted,
    LateAnswer,
    NotSent,
    Requested,
    TimedOut,
)
from smsd.smpp.own_requests import SEQUENCE_MAX
from smsd.smpp.session import IDLE, NotAllowedError, Role, State
from smsd.smpp.states import BOUND, NEXT, PERMITTED, Cause

F = p.Frame
NACK = p.GenericNack()
OK = p.SubmitSmResp("id")
BINDS = [(TRX, TRX_RESP), (TX, TX_RESP), (RX, RX_RESP)]
BIND_IDS = ["trx", "tx", "rx"]


def esme(bind: p.Bind = TRX, resp: p.BindResp = TRX_RESP, **settings: object) -> Playbook:
    """An ESME that is bound; its bind took sequence number 1."""
    play = Playbook(Role.ESME, **settings)
    assert play.session.bind(bind, play.now) == 1
    play.sends(F(1, 0, bind)).comes(resp, 1).tells(Bound(F(1, 0, resp)))
    return play


def smsc(bind: p.Bind = TRX, resp: p.BindResp = TRX_RESP, **settings: object) -> Playbook:
    """An SMSC with an ESME bound to it."""
    play = Playbook(Role.SMSC, **settings)
    (event,) = play.comes(bind, 1).told()
    assert event == BindRequested(F(1, 0, bind))
    assert play.session.respond(event.frame, resp)
    return play.sends(F(1, 0, resp))


def submitted(play: Playbook, *tags: str) -> list[int]:
    """Sequence numbers of submits that have gone out."""
    sequences = [play.session.submit(SUBMIT, tag, play.now) for tag in tags]
    return_frames = [F(sequence, 0, SUBMIT) for sequence in sequences]
    play.sends(*return_frames)
    return sequences


def faulted(play: Playbook, status: CommandStatus) -> None:
    (event,) = play.told()
    assert isinstance(event, Faulted)
    assert event.status == status


# --- binding ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bind", "resp"), BINDS, ids=BIND_IDS)
def test_a_bind_that_is_accepted_binds_both_sides(bind, resp):
    with esme(bind, resp) as client, smsc(bind, resp) as server:
        assert client.session.state is server.session.state
        assert client.session.state in BOUND
        assert client.session.bound_kind is server.session.bound_kind is bind.kind


@pytest.mark.parametrize(("bind", "resp"), BINDS, ids=BIND_IDS)
def test_room_is_there_only_where_the_bind_sends(bind, resp):
    with esme(bind, resp, window=7) as client, smsc(bind, resp, window=7) as server:
        assert client.session.room == (0 if bind is RX else 7)
        assert server.session.room == (0 if bind is TX else 7)


def test_a_refused_bind_is_told_with_its_status():
    with Playbook(Role.ESME) as play:
        play.session.bind(TRX, play.now)
        play.sends(F(1, 0, TRX))
        play.comes(p.BindResp(TRX_RESP.kind), 1, 0x0E).tells(BindRefused(0x0E))
        assert play.session.state is State.OPEN


@pytest.mark.parametrize("sequence", [1, 0, 99])
def test_a_generic_nack_refuses_a_bind(sequence):
    with Playbook(Role.ESME) as play:
        play.session.bind(TRX, play.now)
        play.sends(F(1, 0, TRX)).comes(NACK, sequence, 3).tells(BindRefused(3))


def test_a_bind_resp_of_another_kind_or_number_binds_nothing():
    with Playbook(Role.ESME) as play:
        play.session.bind(TRX, play.now)
        play.sends(F(1, 0, TRX))
        play.comes(RX_RESP, 1)
        faulted(play, CommandStatus.ESME_RINVCMDID)
        play.comes(TRX_RESP, 2)
        faulted(play, CommandStatus.ESME_RINVCMDID)
        assert play.session.state is State.BINDING


def test_an_unreadable_bind_resp_ends_the_session():
    with Playbook(Role.ESME) as play:
        play.session.bind(TRX, play.now)
        play.sends(F(1, 0, TRX)).comes_raw(struct.pack(">IIII", 17, TRX_RESP.kind, 0, 1) + b"x")
        fault, closed = play.told()
        assert isinstance(fault, Faulted)
        assert closed == Closed(
            "unreadable answer: ESME_RINVPARLEN (invalid parameter length): "
            "system_id has no NUL before the PDU's end"
        )


def test_the_smsc_refuses_a_bind_and_takes_another():
    with Playbook(Role.SMSC) as play:
        (event,) = play.comes(TRX, 1).told()
        assert play.session.respond(event.frame, p.BindResp(TRX_RESP.kind), 0x0E)
        play.sends(F(1, 0x0E, p.BindResp(TRX_RESP.kind)))
        (event,) = play.comes(TX, 2).told()
        assert play.session.respond(event.frame, TX_RESP)
        play.sends(F(2, 0, TX_RESP))
        assert play.session.state is State.BOUND_TX


def test_a_second_bind_is_refused_as_already_bound():
    with smsc() as play:
        play.comes(RX, 2).sends(F(2, CommandStatus.ESME_RALYBND, p.BindResp(RX_RESP.kind)))
        faulted(play, CommandStatus.ESME_RALYBND)
        assert play.session.state is State.BOUND_TRX


@pytest.mark.parametrize("pdu", [pdu for pdu in SAMPLES if not isinstance(pdu, p.Bind)], ids=name_of)
def test_an_esme_sends_nothing_before_its_bind_is_accepted(pdu):
    play = Playbook(Role.ESME)
    play.comes(pdu, 5).sends()
    if play.session.state is State.OPEN:
        play.session.bind(TRX, play.now)
        play.sends(F(1, 0, TRX)).comes(pdu, 6, 1 if p.command_of(pdu) & RESPONSE else 0).sends()
    assert play.session.state not in BOUND


@pytest.mark.parametrize("pdu", [SUBMIT, DELIVER, p.DataSm()], ids=["submit", "deliver", "data"])
@pytest.mark.parametrize("role", Role)
def test_nothing_is_submitted_before_the_bind(role, pdu):
    with Playbook(role) as play:
        assert play.session.room == 0
        with pytest.raises(NotAllowedError):
            play.session.submit(pdu, "tag", play.now)


def test_an_smsc_refuses_requests_before_the_bind():
    with Playbook(Role.SMSC) as play:
        play.comes(SUBMIT, 4).sends(F(4, CommandStatus.ESME_RINVBNDSTS, p.SubmitSmResp()))
        faulted(play, CommandStatus.ESME_RINVBNDSTS)


def test_an_outbind_is_told():
    with Playbook(Role.ESME) as play:
        play.comes(p.Outbind("SMSC", "secret"), 1).tells(Requested(F(1, 0, p.Outbind("SMSC", "secret"))))


# --- requests and answers --------------------------------------------------------------------------------


def test_an_answer_comes_back_with_the_tag_of_its_request():
    with esme() as play:
        first, second = submitted(play, "a", "b")
        assert play.session.pending == 2
        play.comes(OK, second).comes(p.SubmitSmResp(), first, 0x58)
        play.tells(Answered("b", F(second, 0, OK)), Answered("a", F(first, 0x58, p.SubmitSmResp())))
        assert play.session.pending == 0


def test_what_was_written_before_an_answered_request_has_been_read():
    with esme(window=10) as play:
        first, second = submitted(play, "one", "two")
        mark = play.session.mark
        play.comes(p.SubmitSmResp("A"), second)
        play.told()
        assert not play.session.has_read(mark)
        (third,) = submitted(play, "three")
        play.comes(p.SubmitSmResp("B"), first)
        play.told()
        assert not play.session.has_read(mark)
        play.comes(p.SubmitSmResp("C"), third)
        play.told()
        assert play.session.has_read(mark)
        assert not play.session.has_read(play.session.mark)


def test_sequence_numbers_go_up_by_one():
    with esme() as play:
        assert submitted(play, "a", "b", "c") == [2, 3, 4]


def test_sequence_numbers_wrap_and_skip_those_in_use():
    with esme(window=3) as play:
        submitted(play, "old")
        play.session._own.sequence = SEQUENCE_MAX - 1
        assert submitted(play, "a", "b") == [SEQUENCE_MAX, 1]
        play.comes(OK, SEQUENCE_MAX).comes(OK, 1)
        assert len(play.told()) == 2
        play.session._own.sequence = SEQUENCE_MAX
        # 2 is still pending
        assert submitted(play, "c", "d") == [1, 3]


def test_a_full_window_takes_nothing_until_an_answer_comes():
    with esme(window=2) as play:
        first, _ = submitted(play, "a", "b")
        assert play.session.room == 0
        with pytest.raises(NotAllowedError, match="window of 2 is full"):
            play.session.submit(SUBMIT, "c", play.now)
        play.comes(OK, first).tells(Answered("a", F(first, 0, OK)))
        assert play.session.room == 1


def test_an_answer_to_nothing_we_asked_is_a_fault_and_no_more():
    with esme() as play:
        play.comes(OK, 77)
        faulted(play, CommandStatus.ESME_RINVCMDID)


def test_an_answer_of_another_kind_leaves_the_request_pending():
    with esme() as play:
        (sequence,) = submitted(play, "a")
        play.comes(p.DataSmResp("id"), sequence)
        faulted(play, CommandStatus.ESME_RINVCMDID)
        play.comes(OK, sequence).tells(Answered("a", F(sequence, 0, OK)))


def test_the_same_answer_twice_counts_once():
    with esme() as play:
        (sequence,) = submitted(play, "a")
        play.comes(OK, sequence).comes(OK, sequence)
        first, second = play.told()
        assert first == Answered("a", F(sequence, 0, OK))
        assert isinstance(second, Faulted)


def test_an_answer_to_a_request_that_was_not_sent_yet_is_no_answer():
    with esme() as play:
        sequence = play.session.submit(SUBMIT, "a", play.now)
        play.comes(OK, sequence)
        faulted(play, CommandStatus.ESME_RINVCMDID)
        play.comes(NACK, sequence, 3)
        faulted(play, CommandStatus.ESME_RINVCMDID)
        play.sends(F(sequence, 0, SUBMIT)).comes(OK, sequence).tells(Answered("a", F(sequence, 0, OK)))


def test_what_cannot_be_encoded_takes_no_place():
    with esme() as play:
        with pytest.raises(UnencodablePduError):
            play.session.submit(p.SubmitSm(source_addr="x" * 30), "a", play.now)
        assert (play.session.pending, play.session.room) == (0, 10)


@pytest.mark.parametrize(
    ("pdu", "resp"),
    [
        (p.QuerySm("id"), p.QuerySmResp("id", "", 2, 0)),
        (p.CancelSm(message_id="id"), p.CancelSmResp()),
        (p.ReplaceSm("id"), p.ReplaceSmResp()),
        (p.DataSm(), p.DataSmResp("id")),
        (p.SubmitMulti(destinations=(p.Destination(),)), p.SubmitMultiResp("id")),
    ],
    ids=["query_sm", "cancel_sm", "replace_sm", "data_sm", "submit_multi"],
)
def test_other_requests_are_answered_the_same_way(pdu, resp):
    with esme() as client, smsc() as server:
        sequence = client.session.submit(pdu, "a", client.now)
        client.sends(F(sequence, 0, pdu))
        (event,) = server.comes(pdu, sequence).told()
        assert event == Requested(F(sequence, 0, pdu))
        assert server.session.respond(event.frame, resp)
        server.sends(F(sequence, 0, resp))
        client.comes(resp, sequence).tells(Answered("a", F(sequence, 0, resp)))


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("pdu", [*SAMPLES[:1], TRX, p.Unbind(), p.EnquireLink(), OK], ids=range(5))
def test_what_is_not_the_users_to_send_is_not_sent(role, pdu):
    with esme() if role is Role.ESME else smsc() as play:
        if pdu is SUBMIT and role is Role.ESME:
            submitted(play, "fine")
        else:
            with pytest.raises(NotAllowedError):
                play.session.submit(pdu, "tag", play.now)


# --- what is asked of us -----------------------------------------------------------------------------------


def test_a_deliver_sm_is_answered_when_the_user_says_so_and_once():
    with esme() as play:
        (event,) = play.comes(DELIVER, 9).told()
        assert event == Requested(F(9, 0, DELIVER))
        assert play.session.asked == 1
        play.sends()
        assert play.session.respond(event.frame, p.DeliverSmResp())
        assert not play.session.respond(event.frame, p.DeliverSmResp())
        play.sends(F(9, 0, p.DeliverSmResp()))
        assert play.session.asked == 0


def test_two_requests_under_one_number_are_both_told_and_both_answered():
    """Numbers are the sender's affair (SMPP 3.4 section 3.2); nothing that came may stay unanswered."""
    with esme() as play:
        first, second = play.comes(DELIVER, 9).comes(DELIVER, 9).told()
        assert play.session.asked == 2
        assert play.session.respond(second.frame, p.DeliverSmResp(), CommandStatus.ESME_RX_T_APPN)
        assert play.session.respond(first.frame, p.DeliverSmResp())
        assert not play.session.respond(first.frame, p.DeliverSmResp())
        play.sends(
            F(9, CommandStatus.ESME_RX_T_APPN, p.DeliverSmResp()),
            F(9, 0, p.DeliverSmResp()),
        )
        assert play.session.asked == 0


def test_a_request_is_answered_on_its_own_connection_only():
    with esme() as first, esme() as second:
        (event,) = first.comes(DELIVER, 9).told()
        second.comes(DELIVER, 9).tells(Requested(F(9, 0, DELIVER)))
        assert not second.session.respond(event.frame, p.DeliverSmResp())


def test_a_request_is_not_answered_after_the_end():
    with esme() as play:
        (event,) = play.comes(DELIVER, 9).told()
        play.session.receive_eof(play.now)
        assert not play.session.respond(event.frame, p.DeliverSmResp())
        play.tells(Closed("the SMSC closed the connection"))


def test_enquire_link_is_answered_by_the_session():
    for play in (esme(), smsc()):
        with play:
            play.comes(p.EnquireLink(), 44).sends(F(44, 0, p.EnquireLinkResp()))


def test_an_alert_notification_is_told_and_not_answered():
    alert = p.AlertNotification(1, 1, "4790000001", 1, 1, "2030")
    with esme() as play:
        (event,) = play.comes(alert, 9).told()
        assert event == Requested(F(9, 0, alert))
        assert not play.session.respond(event.frame, NACK)


@pytest.mark.parametrize(
    "command", [c for c in PERMITTED if c not in (CommandId.UNBIND,)], ids=lambda c: c.name
)
@pytest.mark.parametrize("role", Role)
def test_a_request_from_the_wrong_side_is_refused_as_an_unknown_command(role, command):
    if PERMITTED[command][role.peer]:
        return
    pdu = next(pdu for pdu in SAMPLES if p.command_of(pdu) is command)
    with esme() if role is Role.ESME else smsc() as play:
        play.comes(pdu, 9)
        faulted(play, CommandStatus.ESME_RINVCMDID)
        play.session.data_to_send()


def test_an_smsc_refuses_a_submit_on_a_receiver_bind():
    with smsc(RX, RX_RESP) as play:
        play.comes(SUBMIT, 4).sends(F(4, CommandStatus.ESME_RINVBNDSTS, p.SubmitSmResp()))
        faulted(play, CommandStatus.ESME_RINVBNDSTS)


def test_an_esme_leaves_a_deliver_sm_at_the_wrong_time_unanswered_so_that_it_comes_again():
    with esme(TX, TX_RESP) as play:
        play.comes(DELIVER, 4).sends()
        faulted(play, CommandStatus.ESME_RINVBNDSTS)


# --- generic_nack ------------------------------------------------------------------------------------------


def test_a_generic_nack_fails_the_request_it_names():
    with esme() as play:
        first, second = submitted(play, "a", "b")
        play.comes(NACK, second, 3).tells(Answered("b", F(second, 3, NACK)))
        play.comes(OK, first).tells(Answered("a", F(first, 0, OK)))


def test_a_generic_nack_is_never_a_success():
    with esme() as play:
        (sequence,) = submitted(play, "a")
        play.comes(NACK, sequence, 0)
        play.tells(Answered("a", F(sequence, CommandStatus.ESME_RUNKNOWNERR, NACK)))


def test_a_generic_nack_without_a_number_fails_the_only_pending_request():
    with esme() as play:
        submitted(play, "a")
        play.comes(NACK, 0, 2).tells(Answered("a", F(0, 2, NACK)))


def test_a_generic_nack_without_a_number_leaves_the_oldest_of_several_in_doubt():
    with esme() as play:
        first, second = submitted(play, "a", "b")
        timed_out, fault = play.comes(NACK, 0, 2).told()
        assert timed_out == TimedOut("a")
        assert isinstance(fault, Faulted)
        play.comes(OK, second).tells(Answered("b", F(second, 0, OK)))
        play.comes(OK, first).tells(LateAnswer("a", F(first, 0, OK)))


def test_a_generic_nack_of_an_unknown_number_leaves_the_oldest_in_doubt():
    with esme() as play:
        (first,) = submitted(play, "a")
        timed_out, fault = play.comes(NACK, 555, 2).told()
        assert timed_out == TimedOut("a")
        assert isinstance(fault, Faulted)
        play.comes(OK, first).tells(LateAnswer("a", F(first, 0, OK)))


def test_an_answer_after_a_guessed_refusal_is_still_evidence():
    with esme() as play:
        (first,) = submitted(play, "a")
        play.comes(NACK, 0, 2).tells(Answered("a", F(0, 2, NACK)))
        play.comes(OK, first).tells(LateAnswer("a", F(first, 0, OK)))


@pytest.mark.parametrize("sequence", [0, 555])
def test_a_generic_nack_with_nothing_pending_is_a_fault_and_no_more(sequence):
    with esme() as play:
        play.comes(NACK, sequence, 2)
        faulted(play, CommandStatus.ESME_RINVCMDID)


def test_a_generic_nack_fails_no_request_that_was_not_sent():
    with esme() as play:
        sequence = play.session.submit(SUBMIT, "a", play.now)
        play.comes(NACK, 0, 2)
        faulted(play, CommandStatus.ESME_RINVCMDID)
        play.sends(F(sequence, 0, SUBMIT))


# --- faults of the other side ---------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_an_unknown_command_is_answered_by_generic_nack(role):
    with esme() if role is Role.ESME else smsc() as play:
        play.comes_raw(struct.pack(">IIII", 16, 0x111, 0, 9)).sends(F(9, CommandStatus.ESME_RINVCMDID, NACK))
        faulted(play, CommandStatus.ESME_RINVCMDID)
        assert play.session.state is State.BOUND_TRX


def test_an_unknown_response_is_not_answered():
    with esme() as play:
        play.comes_raw(struct.pack(">IIII", 16, 0x80000111, 0, 9)).sends()
        faulted(play, CommandStatus.ESME_RINVCMDID)


def test_a_broken_deliver_sm_is_answered_with_its_status_and_the_session_goes_on():
    octets = encode(DELIVER, 9) + b"\x14"
    octets = struct.pack(">I", len(octets)) + octets[4:]
    with esme() as play:
        play.comes_raw(octets).sends(F(9, CommandStatus.ESME_RINVOPTPARSTREAM, p.DeliverSmResp()))
        faulted(play, CommandStatus.ESME_RINVOPTPARSTREAM)
        play.comes(DELIVER, 10).tells(Requested(F(10, 0, DELIVER)))


def test_an_unreadable_answer_leaves_its_request_in_doubt_and_nothing_is_sent_back():
    with esme() as play:
        (sequence,) = submitted(play, "a")
        play.comes_raw(struct.pack(">IIII", 17, OK_COMMAND, 0, sequence) + b"x").sends()
        fault, timed_out = play.told()
        assert isinstance(fault, Faulted)
        assert timed_out == TimedOut("a")
        play.comes(OK, sequence).tells(LateAnswer("a", F(sequence, 0, OK)))


OK_COMMAND = CommandId.SUBMIT_SM_RESP


@pytest.mark.parametrize("role", Role)
def test_an_unreadable_stream_is_nacked_and_ends_the_session(role):
    with esme() if role is Role.ESME else smsc() as play:
        play.comes_raw(struct.pack(">IIII", 3, 4, 0, 9)).sends(F(9, CommandStatus.ESME_RINVCMDLEN, NACK))
        (closed,) = play.told()
        assert closed == Closed(
            "unreadable stream: ESME_RINVCMDLEN (command length is invalid): "
            "command_length is 3; 16 to 65536 octets are taken"
        )
        play.comes(SUBMIT, 10).quiet()


def test_an_unreadable_stream_before_the_bind_is_answered_by_nothing():
    with Playbook(Role.ESME) as play:
        play.comes_raw(b"HTTP/1.1 400 Bad Request\r\n").sends()
        (closed,) = play.told()
        assert isinstance(closed, Closed)


# --- timers ------------------------------------------------------------------------------------------------


def test_no_bind_within_its_timer_ends_the_session():
    for role in Role:
        with Playbook(role, bind_timeout_s=5) as play:
            assert play.session.next_deadline() == play.now + 5
            play.after(4.9).quiet().after(0.1).tells(Closed("not bound within 5 s"))
            assert play.session.next_deadline() is None


def test_a_bind_without_an_answer_ends_the_session():
    with Playbook(Role.ESME, bind_timeout_s=5) as play:
        play.session.bind(TRX, play.now)
        play.sends(F(1, 0, TRX)).after(5).tells(Closed("not bound within 5 s"))


def test_enquire_link_is_sent_on_silence_only():
    with esme(enquire_link_s=20) as play:
        play.after(19).quiet()
        play.comes(DELIVER, 9)
        assert len(play.told()) == 1
        play.after(19).quiet()
        play.after(1).sends(F(2, 0, p.EnquireLink()))
        play.comes(p.EnquireLinkResp(), 2).quiet()
        assert play.session.next_deadline() == play.now + 20


def test_no_enquire_link_goes_out_where_it_is_switched_off():
    with esme(enquire_link_s=None) as play:
        assert play.session.next_deadline() is None
        play.after(10_000).quiet()


def test_an_enquire_link_without_an_answer_ends_the_session_after_the_response_timer():
    with esme(enquire_link_s=20, response_timeout_s=6) as play:
        submitted(play, "a")
        play.after(6).tells(TimedOut("a"))
        (sequence,) = submitted(play, "b")
        assert sequence == 3
        play.after(6).tells(TimedOut("b"))
        play.after(8).sends(F(4, 0, p.EnquireLink()))
        submitted(play, "c")
        play.after(5.9).quiet().after(0.1)
        play.tells(TimedOut("c"), Closed("dead link: no answer to enquire_link within 6 s"))


def test_a_dead_link_is_found_within_one_more_interval():
    with esme(enquire_link_s=20, response_timeout_s=60) as play:
        (sequence,) = submitted(play, "a")
        play.after(20).sends(F(sequence + 1, 0, p.EnquireLink()))
        play.after(20).tells(Closed("dead link: no answer to enquire_link within 20 s", ("a",)))


def test_a_link_is_not_dead_while_anything_is_heard():
    with esme(enquire_link_s=20) as play:
        play.after(20).sends(F(2, 0, p.EnquireLink()))
        play.comes(DELIVER, 9)
        assert len(play.told()) == 1
        play.after(19.9).quiet().after(0.1).sends(F(3, 0, p.EnquireLink()))
        play.comes(p.EnquireLinkResp(), 3).quiet()


def test_half_a_pdu_is_no_sign_of_life():
    with esme(enquire_link_s=20) as play:
        play.after(19).comes_raw(encode(DELIVER, 9)[:30]).quiet()
        play.after(1).sends(F(2, 0, p.EnquireLink()))


def test_a_generic_nack_to_enquire_link_is_a_sign_of_life():
    with esme(enquire_link_s=20) as play:
        play.after(20).sends(F(2, 0, p.EnquireLink())).comes(NACK, 2, 3).quiet()
        play.after(19).quiet()


def test_an_enquire_link_takes_no_place_in_the_window():
    with esme(window=1, enquire_link_s=20) as play:
        play.after(20).sends(F(2, 0, p.EnquireLink()))
        assert play.session.room == 1


def test_a_request_without_an_answer_times_out_after_the_response_timer():
    with esme(response_timeout_s=60, enquire_link_s=None) as play:
        (first,) = submitted(play, "a")
        play.after(30).quiet()
        submitted(play, "b")
        assert play.session.next_deadline() == play.now + 30
        play.after(30).tells(TimedOut("a"))
        assert play.session.room == 9
        play.after(30).tells(TimedOut("b"))
        play.comes(OK, first).tells(LateAnswer("a", F(first, 0, OK)))


def test_a_late_answer_is_told_once():
    with esme(response_timeout_s=60, enquire_link_s=None) as play:
        (first,) = submitted(play, "a")
        play.after(60).tells(TimedOut("a")).comes(OK, first).tells(LateAnswer("a", F(first, 0, OK)))
        play.comes(OK, first)
        faulted(play, CommandStatus.ESME_RINVCMDID)


def test_a_late_generic_nack_is_told_as_a_late_answer():
    with esme(response_timeout_s=60, enquire_link_s=None) as play:
        (first,) = submitted(play, "a")
        play.after(60).tells(TimedOut("a")).comes(NACK, first, 8).tells(LateAnswer("a", F(first, 8, NACK)))


def test_only_so_many_late_answers_are_recognised():
    with esme(response_timeout_s=60, enquire_link_s=None, late_answers=1) as play:
        first, second = submitted(play, "a", "b")
        play.after(60).tells(TimedOut("a"), TimedOut("b")).comes(OK, first)
        faulted(play, CommandStatus.ESME_RINVCMDID)
        play.comes(OK, second).tells(LateAnswer("b", F(second, 0, OK)))


def test_a_request_that_was_never_handed_out_is_taken_back_when_its_time_is_over():
    with esme(response_timeout_s=60, enquire_link_s=None) as play:
        play.session.submit(SUBMIT, "a", play.now)
        play.after(60).tells(NotSent("a")).sends()


def test_want_of_work_unbinds():
    with esme(inactivity_s=100, enquire_link_s=60) as play:
        play.after(60).sends(F(2, 0, p.EnquireLink())).comes(p.EnquireLinkResp(), 2).quiet()
        play.after(40).sends(F(3, 0, p.Unbind())).comes(p.UnbindResp(), 3).tells(Closed(IDLE))


def test_work_puts_off_the_unbind_for_want_of_work():
    with esme(inactivity_s=100, enquire_link_s=None) as play:
        play.after(99).quiet()
        (sequence,) = submitted(play, "a")
        play.after(50).comes(OK, sequence).tells(Answered("a", F(sequence, 0, OK)))
        play.after(99).quiet()
        play.after(1).sends(F(sequence + 1, 0, p.Unbind()))


def test_who_waits_for_an_answer_is_not_unbound_for_want_of_work():
    with esme(inactivity_s=10, response_timeout_s=60, enquire_link_s=None) as play:
        (sequence,) = submitted(play, "a")
        play.after(30).quiet()
        play.after(5).comes(OK, sequence).tells(Answered("a", F(sequence, 0, OK)))
        play.after(10).sends(F(sequence + 1, 0, p.Unbind()))


def test_whose_request_waits_for_our_answer_is_not_left_for_want_of_work():
    with esme(inactivity_s=10, enquire_link_s=None) as play:
        play.comes(DELIVER, 7)
        (asked,) = play.told()
        assert isinstance(asked, Requested)
        play.after(30).quiet()
        assert play.session.respond(asked.frame, p.DeliverSmResp())
        play.sends(F(7, 0, p.DeliverSmResp()))
        play.after(10).sends(F(2, 0, p.Unbind()))


def test_the_bind_s_timer_does_not_run_while_we_do_not_listen():
    with Playbook(Role.ESME, bind_timeout_s=30) as play:
        play.session.bind(TRX, play.now)
        play.sends(F(1, 0, TRX))
        play.session.stop_listening()
        assert play.session.next_deadline() is None
        play.after(600).quiet()
        play.session.listen_again(play.now)
        play.after(4.9).quiet().after(0.1).tells(Closed("not bound within 30 s"))


def test_no_timer_runs_against_the_other_side_while_we_do_not_listen():
    with esme(enquire_link_s=20, response_timeout_s=60) as play:
        submitted(play, "a")
        play.session.stop_listening()
        play.after(20).sends(F(3, 0, p.EnquireLink()))
        assert play.session.next_deadline() is None
        play.after(600).quiet()
        play.session.listen_again(play.now)
        assert play.session.next_deadline() == play.now + 5
        play.comes(p.EnquireLinkResp(), 3).comes(OK, 2).tells(Answered("a", F(2, 0, OK)))


def test_what_was_not_said_while_we_did_not_listen_is_held_against_them_a_moment_later():
    with esme(enquire_link_s=20, response_timeout_s=60) as play:
        submitted(play, "a")
        play.session.stop_listening()
        play.after(100).sends(F(3, 0, p.EnquireLink()))
        play.session.listen_again(play.now)
        play.after(4.9).quiet().after(0.1).tells(TimedOut("a"))
        play.after(15).sends(F(4, 0, p.EnquireLink()))
        play.after(20).tells(Closed("dead link: no answer to enquire_link within 20 s"))


# --- the end ---------------------------------------------------------------------------------------


def test_a_lost_connection_tells_what_was_sent_and_what_was_not():
    with esme() as play:
        submitted(play, "a", "b")
        play.session.submit(SUBMIT, "c", play.now)
        play.session.receive_eof(play.now)
        play.tells(Closed("the SMSC closed the connection", ("a", "b"), ("c",))).sends()
        play.session.receive_eof(play.now)
        play.quiet()


def test_the_reason_of_the_end_can_be_given():
    with smsc() as play:
        play.session.receive_eof(play.now, "cable cut")
        play.tells(Closed("cable cut"))


def test_unbinding_waits_for_the_answer():
    with esme() as play:
        (sequence,) = submitted(play, "a")
        play.session.unbind(play.now)
        play.sends(F(3, 0, p.Unbind()))
        assert play.session.room == 0
        with pytest.raises(NotAllowedError):
            play.session.submit(SUBMIT, "b", play.now)
        play.comes(OK, sequence).tells(Answered("a", F(sequence, 0, OK)))
        play.comes(p.UnbindResp(), 3).tells(Closed("unbound"))
        assert play.session.state is State.CLOSED


def test_unbinding_without_an_answer_ends_after_the_response_timer():
    with esme(response_timeout_s=10) as play:
        play.session.unbind(play.now)
        play.sends(F(2, 0, p.Unbind())).after(9).quiet().after(1).tells(
            Closed("no answer to unbind within 10 s")
        )


def test_a_deliver_sm_that_crosses_our_unbind_is_left_unanswered():
    with esme() as play:
        play.session.unbind(play.now)
        play.sends(F(2, 0, p.Unbind())).comes(DELIVER, 9).sends()
        faulted(play, CommandStatus.ESME_RINVBNDSTS)


def test_unbind_from_the_other_side_is_answered_and_ends_the_session():
    with esme() as play:
        submitted(play, "a")
        play.session.submit(SUBMIT, "b", play.now)
        play.comes(p.Unbind(), 9).sends(F(9, 0, p.UnbindResp()))
        play.tells(Closed("the SMSC unbound", ("a",), ("b",)))


def test_unbind_before_the_bind_is_refused_by_an_smsc():
    with Playbook(Role.SMSC) as play:
        play.comes(p.Unbind(), 1).sends(F(1, CommandStatus.ESME_RINVBNDSTS, p.UnbindResp()))
        faulted(play, CommandStatus.ESME_RINVBNDSTS)


def test_unbinding_before_the_bind_just_ends():
    with Playbook(Role.ESME) as play:
        play.session.unbind(play.now)
        play.tells(Closed("ESME ended the session before it was bound"))


def test_a_generic_nack_to_unbind_ends_the_session_too():
    with esme() as play:
        play.session.unbind(play.now)
        play.sends(F(2, 0, p.Unbind())).comes(NACK, 2, 3).tells(Closed("unbound (by a generic_nack)"))


def test_what_comes_after_the_end_is_not_read():
    with esme() as play:
        play.comes_raw(encode(p.Unbind(), 9) + encode(DELIVER, 10))
        play.sends(F(9, 0, p.UnbindResp())).tells(Closed("the SMSC unbound"))


# --- the tables, and anything at all ---------------------------------------------------------------------


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_every_state_ends(state):
    assert NEXT[state, Cause.ENDED] is State.CLOSED


def test_nothing_leads_out_of_the_end():
    assert {after for (before, _), after in NEXT.items() if before is State.CLOSED} == {State.CLOSED}


def test_every_state_is_reached_from_the_first():
    reached = {State.OPEN}
    for _ in State:
        reached |= {after for (before, _), after in NEXT.items() if before in reached}
    assert reached == set(State)


_STEPS = st.one_of(
    st.tuples(st.just("comes"), PDUS, st.integers(0, 12), st.sampled_from([0, 0, 3, 0x58])),
    st.tuples(st.just("raw"), st.binary(max_size=40)),
    st.tuples(st.just("submit")),
    st.tuples(st.just("drain")),
    st.tuples(st.just("respond")),
    st.tuples(st.just("after"), st.floats(0, 40)),
    st.tuples(st.just("unbind")),
)


@given(st.sampled_from(Role), st.booleans(), st.lists(_STEPS, max_size=30))
def test_whatever_comes_nothing_raises_and_every_request_ends_once(role, bound, steps):
    start = (esme if role is Role.ESME else smsc) if bound else lambda **given: Playbook(role, **given)
    play = start(window=3)
    session = play.session
    taken: list[str] = []
    ended: list[object] = []
    asked: list[p.Frame] = []
    late: list[object] = []

    def look() -> None:
        for event in session.events():
            match event:
                case Answered(tag, _) | TimedOut(tag) | NotSent(tag):
                    ended.append(tag)
                case LateAnswer(tag, _):
                    late.append(tag)
                case Requested(frame):
                    asked.append(frame)
                case Closed(_, unanswered, unsent):
                    ended.extend((*unanswered, *unsent))

    for step in steps:
        match step:
            case ("comes", pdu, sequence, status):
                session.receive_data(encode(pdu, sequence, status), play.now)
            case ("raw", octets):
                session.receive_data(octets, play.now)
            case ("submit",) if session.room:
                taken.append(f"tag-{len(taken)}")
                session.submit(SUBMIT if role is Role.ESME else DELIVER, taken[-1], play.now)
            case ("drain",):
                session.data_to_send()
            case ("respond",) if asked:
                frame = asked.pop()
                if isinstance(frame.pdu, p.SubmitSm | p.DeliverSm):
                    session.respond(frame, OK if role is Role.SMSC else p.DeliverSmResp())
            case ("after", seconds):
                play.after(seconds)
            case ("unbind",):
                session.unbind(play.now)
            case _:
                pass
        look()
        assert session.pending <= 3
    session.receive_eof(play.now)
    look()
    assert sorted(ended) == sorted(taken)
    assert set(late) <= set(ended)
    assert len(late) == len(set(late))


@given(st.sampled_from(Role), st.binary(max_size=200))
def test_random_octets_never_raise_out_of_a_session(role, octets):
    for play in (Playbook(role), esme() if role is Role.ESME else smsc()):
        play.comes_raw(octets)
        play.after(1000)
        assert play.session.state is State.CLOSED or play.session.data_to_send()
