"""Octets to frames and back, and all the ways in which octets are wrong."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpp_samples import DELIVER, PDUS, SAMPLES, SUBMIT, TLVS, name_of

from smsd.smpp import pdu as p
from smsd.smpp.codec import (
    BARE_RESPONSES,
    FrameReader,
    PduFault,
    RecoverablePduError,
    RemotePduError,
    UnencodablePduError,
    UnrecoverablePduError,
    decode,
    encode,
)
from smsd.smpp.constants import CommandId, CommandStatus
from smsd.smpp.layouts import SM_FIELDS, BodyError, read_fields, read_short_message, read_tlvs

SEQUENCES = st.integers(0, 0xFFFFFFFF)


def whole(body: bytes, command: int, status: int = 0, sequence: int = 9, length: int | None = None) -> bytes:
    return (
        struct.pack(">IIII", 16 + len(body) if length is None else length, command, status, sequence) + body
    )


def resized(octets: bytes) -> bytes:
    """The same octets with a command_length that fits."""
    return struct.pack(">I", len(octets)) + octets[4:]


def outcomes(data: bytes, step: int | None = None, limit: int = 65536) -> list[p.Frame | PduFault]:
    reader = FrameReader(limit)
    found: list[p.Frame | PduFault] = []
    for at in range(0, len(data), step or max(1, len(data))):
        reader.feed(data[at : at + (step or len(data))])
        found.extend(reader.frames())
    return found


def refusal(octets: bytes) -> CommandStatus:
    with pytest.raises(RecoverablePduError) as caught:
        decode(octets)
    assert caught.value.sequence == struct.unpack_from(">I", octets, 12)[0]
    assert caught.value.command_id == struct.unpack_from(">I", octets, 4)[0]
    return CommandStatus(caught.value.status)


# --- there and back ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pdu", SAMPLES, ids=name_of)
def test_a_pdu_comes_back_as_it_was(pdu):
    octets = encode(pdu, 0x7FFFFFFF)
    assert decode(octets) == p.Frame(0x7FFFFFFF, 0, pdu)
    assert encode(decode(octets).pdu, 0x7FFFFFFF) == octets
    assert type(decode(octets).pdu) is type(pdu)


@given(PDUS, SEQUENCES)
def test_any_pdu_comes_back_as_it_was(pdu, sequence):
    assert decode(encode(pdu, sequence)) == p.Frame(sequence, 0, pdu)


@given(PDUS, st.integers(1, 0xFFFFFFFF))
def test_any_pdu_comes_back_with_its_status(pdu, status):
    assert decode(encode(pdu, 5, status)) == p.Frame(5, status, pdu)


@pytest.mark.parametrize("pdu", SAMPLES, ids=name_of)
def test_a_pdu_is_read_out_of_the_middle_of_octets(pdu):
    octets = encode(pdu, 3)
    assert decode(b"\xff\xff" + octets + b"\0\xff\0", 2, 2 + len(octets)).pdu == pdu


def test_the_header_of_a_submit_sm_is_as_specified():
    assert encode(p.SubmitSm(), 7)[:16] == bytes.fromhex("00000021000000040000000000000007")


def test_the_octets_of_a_submit_sm_are_as_specified():
    pdu = p.SubmitSm(
        "A", 1, 2, "3", 4, 5, "6", 7, 8, 9, "s", "v", 10, 11, 12, 13, b"xyz", (p.Tlv(0x1403, b"5"),)
    )
    assert encode(pdu, 1)[16:] == (
        b"A\0\x01\x023\0\x04\x056\0\x07\x08\x09s\0v\0\x0a\x0b\x0c\x0d\x03xyz\x14\x03\x00\x015"
    )


def test_unknown_tlvs_are_kept_in_their_order():
    tlvs = (p.Tlv(0x3FFF, b"b"), p.Tlv(0x1400, b""), p.Tlv(0x3FFF, b"a"))
    assert decode(encode(p.DeliverSm(tlvs=tlvs), 1)).pdu.tlvs == tlvs


def test_characters_are_latin_1():
    assert b"\xe6\xf8\xe5\0" in encode(p.DeliverSm(source_addr="æøå"), 1)


def test_a_message_payload_may_be_as_long_as_a_tlv_can_be():
    pdu = p.SubmitSm(tlvs=(p.Tlv(p.Tag.MESSAGE_PAYLOAD, b"x" * 0xFFFF),))
    assert decode(encode(pdu, 1)).pdu == pdu


# --- responses without a body --------------------------------------------------------------------------


@pytest.mark.parametrize("command", sorted(BARE_RESPONSES), ids=lambda command: CommandId(command).name)
def test_a_refusing_response_may_have_no_body(command):
    frame = decode(whole(b"", command, status=0x58))
    assert (frame.status, p.command_of(frame.pdu)) == (0x58, command)


@pytest.mark.parametrize(
    "command",
    [
        CommandId.SUBMIT_SM_RESP,
        CommandId.DELIVER_SM_RESP,
        CommandId.BIND_TRANSCEIVER_RESP,
        CommandId.DATA_SM_RESP,
    ],
    ids=lambda command: command.name,
)
def test_a_response_of_success_must_have_its_body(command):
    assert refusal(whole(b"", command)) is CommandStatus.ESME_RINVPARLEN


def test_a_refusing_submit_sm_resp_goes_without_a_body():
    assert len(encode(p.SubmitSmResp(), 1, 0x58)) == 16
    assert len(encode(p.BindResp(CommandId.BIND_RECEIVER_RESP), 1, 0x0E)) == 16


def test_a_refusing_response_with_something_to_say_keeps_its_body():
    pdu = p.SubmitSmResp("id", TLVS)
    assert decode(encode(pdu, 1, 0x58)) == p.Frame(1, 0x58, pdu)


def test_a_refusing_deliver_sm_resp_keeps_its_empty_message_id():
    assert encode(p.DeliverSmResp(), 1, 0x64)[16:] == b"\0"


# --- what the other side gets wrong -----------------------------------------------------------------------


def _body(service: bytes = b"\0", source: bytes = b"\0", message: bytes = b"\0", rest: bytes = b"") -> bytes:
    return service + b"\x01\x01" + source + b"\x01\x01\0" + b"\0\0\0" + b"\0\0" + b"\0\0\0\0" + message + rest


@pytest.mark.parametrize("command", [CommandId.SUBMIT_SM, CommandId.DELIVER_SM], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (_body(service=b"sixsix\0"), CommandStatus.ESME_RINVPARLEN),
        (_body(source=b"4" * 21 + b"\0"), CommandStatus.ESME_RINVPARLEN),
        (b"unterminated", CommandStatus.ESME_RINVPARLEN),
        (b"", CommandStatus.ESME_RINVPARLEN),
        (b"\0\x01", CommandStatus.ESME_RINVCMDLEN),
        (_body()[:-1], CommandStatus.ESME_RINVCMDLEN),
        (_body()[:-2], CommandStatus.ESME_RINVCMDLEN),
        (_body(message=b"\x05four"), CommandStatus.ESME_RINVMSGLEN),
        (_body(message=b"\xff" + b"x" * 255), CommandStatus.ESME_RINVMSGLEN),
        (_body(rest=b"\x14"), CommandStatus.ESME_RINVOPTPARSTREAM),
        (_body(rest=b"\x14\x03\x00"), CommandStatus.ESME_RINVOPTPARSTREAM),
        (_body(rest=b"\x14\x03\x00\x01"), CommandStatus.ESME_RINVOPTPARSTREAM),
        (_body(rest=b"\x14\x03\xff\xffabc"), CommandStatus.ESME_RINVOPTPARSTREAM),
        (_body(rest=b"\x14\x03\x00\x01a\x00\x1e"), CommandStatus.ESME_RINVOPTPARSTREAM),
    ],
)
def test_a_short_message_that_breaks_the_rules_is_refused_with_the_right_status(command, body, status):
    assert refusal(whole(body, command)) is status
    # with another PDU behind it in the buffer as well
    following = encode(SUBMIT, 8)
    first, second = outcomes(whole(body, command) + following)
    assert isinstance(first, PduFault)
    assert (first.status, first.sequence, first.recoverable) == (status, 9, True)
    assert second == p.Frame(8, 0, SUBMIT)


@pytest.mark.parametrize(
    ("pdu", "field", "longest"),
    [
        (p.SubmitSm(), "service_type", 5),
        (p.SubmitSm(), "source_addr", 20),
        (p.DeliverSm(), "destination_addr", 20),
        (p.DeliverSm(), "schedule_delivery_time", 16),
        (p.SubmitSm(), "validity_period", 16),
        (p.SubmitSmResp(), "message_id", 64),
        (p.DeliverSmResp(), "message_id", 64),
        (p.DataSmResp(), "message_id", 64),
        (p.DataSm(), "source_addr", 64),
        (p.Bind(CommandId.BIND_RECEIVER), "system_id", 15),
        (p.Bind(CommandId.BIND_RECEIVER), "password", 32),
        (p.Bind(CommandId.BIND_RECEIVER), "system_type", 12),
        (p.Bind(CommandId.BIND_RECEIVER), "address_range", 40),
        (p.BindResp(CommandId.BIND_RECEIVER_RESP), "system_id", 15),
        (p.Outbind(), "password", 8),
        (p.QuerySm(), "message_id", 64),
        (p.QuerySmResp(), "final_date", 16),
        (p.CancelSm(), "destination_addr", 20),
        (p.ReplaceSm(), "validity_period", 16),
        (p.AlertNotification(), "esme_addr", 64),
    ],
)
def test_a_text_is_taken_up_to_its_length_and_refused_beyond_it(pdu, field, longest):
    mark = "A" * longest
    octets = encode(type(pdu)(**{**_values(pdu), field: mark}), 9)
    assert getattr(decode(octets).pdu, field) == mark
    longer = resized(octets.replace(mark.encode(), mark.encode() + b"A"))
    assert refusal(longer) is CommandStatus.ESME_RINVPARLEN
    with pytest.raises(UnencodablePduError, match=f"{field} has {longest + 1} characters; at most {longest}"):
        encode(type(pdu)(**{**_values(pdu), field: mark + "A"}), 9)


def _values(pdu: p.Pdu) -> dict[str, object]:
    return {name: getattr(pdu, name) for name in pdu.__struct_fields__}


@pytest.mark.parametrize("pdu", SAMPLES, ids=name_of)
def test_a_pdu_cut_short_is_never_read_as_whole(pdu):
    octets = encode(pdu, 9)
    for length in range(len(octets)):
        cut = octets[:length]
        assert outcomes(cut) == []
        with pytest.raises(UnrecoverablePduError):
            decode(cut)


@pytest.mark.parametrize("pdu", SAMPLES, ids=name_of)
def test_a_pdu_cut_short_with_a_length_to_match_loses_whole_tlvs_at_most(pdu):
    octets = encode(pdu, 9)
    tlvs = getattr(pdu, "tlvs", ())
    shorter = [type(pdu)(**{**_values(pdu), "tlvs": tlvs[:count]}) for count in range(len(tlvs))]
    for length in range(16, len(octets)):
        cut = resized(octets[:length])
        (outcome,) = outcomes(cut)
        assert outcome.sequence == 9
        if isinstance(outcome, p.Frame):
            assert outcome.pdu in shorter
            body = encode(outcome.pdu, 9)[16:]
            assert cut[16:].startswith(body)
            # a tag's first NULs alone look like padding
            assert cut[16 + len(body) :] in (b"", b"\0", b"\0\0", b"\0\0\0")
        else:
            assert outcome.recoverable


@pytest.mark.parametrize("pdu", SAMPLES, ids=name_of)
@pytest.mark.parametrize("nuls", [1, 2, 3])
def test_a_few_nuls_behind_the_last_parameter_count_for_nothing(pdu, nuls):
    assert outcomes(resized(encode(pdu, 9) + b"\0" * nuls)) == [p.Frame(9, 0, pdu)]


@pytest.mark.parametrize("pdu", [pdu for pdu in SAMPLES if not hasattr(pdu, "tlvs")], ids=name_of)
@pytest.mark.parametrize("rest", [b"\0" * 4, b" ", b"\0\0\x01"])
def test_octets_after_the_last_parameter_are_refused(pdu, rest):
    assert refusal(resized(encode(pdu, 9) + rest)) is CommandStatus.ESME_RINVCMDLEN


@pytest.mark.parametrize("pdu", [pdu for pdu in SAMPLES if hasattr(pdu, "tlvs")], ids=name_of)
@pytest.mark.parametrize("tail", [b" ", b"\0\0\x01", b"\x14\x03", b"\x14\x03\0\x05abcd"])
def test_a_broken_tlv_at_the_end_is_refused(pdu, tail):
    assert refusal(resized(encode(pdu, 9) + tail)) is CommandStatus.ESME_RINVOPTPARSTREAM


@pytest.mark.parametrize("command", [0x0A, 0x12, 0x0111, 0x00010200, 0x80000011, 0x80010200, 0xFFFFFFFF])
def test_an_unknown_command_is_refused_as_such(command):
    assert refusal(whole(b"body", command)) is CommandStatus.ESME_RINVCMDID


@pytest.mark.parametrize(
    ("middle", "status"),
    [
        (b"\x00", CommandStatus.ESME_RINVNUMDESTS),
        (b"\xff", CommandStatus.ESME_RINVNUMDESTS),
        (b"\x01", CommandStatus.ESME_RINVNUMDESTS),
        (b"\x01\x03", CommandStatus.ESME_RINVDESTFLAG),
        (b"\x01\x02\x00", CommandStatus.ESME_RINVDLNAME),
        (b"\x02\x02list\x00", CommandStatus.ESME_RINVNUMDESTS),
        (b"", CommandStatus.ESME_RINVCMDLEN),
    ],
)
def test_submit_multi_with_impossible_destinations_is_refused(middle, status):
    assert refusal(whole(b"\0\0\0\0" + middle, CommandId.SUBMIT_MULTI)) is status


@pytest.mark.parametrize("length", [0, 1, 15, 65537, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("step", [1, 3, None])
def test_an_impossible_length_ends_the_stream_before_its_body_is_awaited(length, step):
    data = encode(SUBMIT, 1) + struct.pack(">I", length)
    frame, fault = outcomes(data, step)
    assert frame == p.Frame(1, 0, SUBMIT)
    assert isinstance(fault, PduFault)
    assert (fault.status, fault.recoverable) == (CommandStatus.ESME_RINVCMDLEN, False)


def test_a_dead_reader_takes_nothing_more():
    reader = FrameReader()
    reader.feed(struct.pack(">IIII", 5, 4, 0, 77))
    (fault,) = reader.frames()
    assert (fault.sequence, fault.command_id, reader.dead) == (77, 4, True)
    reader.feed(encode(SUBMIT, 1))
    assert list(reader.frames()) == []
    assert reader.waiting_octets == 0


def test_the_limit_is_the_largest_pdu_taken():
    octets = encode(SUBMIT, 1)
    assert outcomes(octets, limit=len(octets)) == [p.Frame(1, 0, SUBMIT)]
    (fault,) = outcomes(octets, limit=len(octets) - 1)
    assert fault.recoverable is False


def test_a_pdu_whose_length_is_not_its_own_cannot_be_decoded():
    with pytest.raises(UnrecoverablePduError, match="command_length is 17, the PDU's 16"):
        decode(whole(b"", CommandId.ENQUIRE_LINK, length=17))


def test_a_fault_says_what_is_wrong_without_the_content():
    with pytest.raises(RemotePduError) as caught:
        decode(whole(_body(source=b"4790000001" * 3 + b"\0"), CommandId.DELIVER_SM))
    assert (
        str(caught.value)
        == "ESME_RINVPARLEN (invalid parameter length): source_addr is longer than 20 octets"
    )


# --- the hot road and the tables agree -------------------------------------------------------------------


@given(PDUS, st.data())
def test_any_change_of_an_octet_is_read_or_refused_and_never_raises_otherwise(pdu, data):
    octets = bytearray(encode(pdu, 9))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(4, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        frame = decode(bytes(octets))
    except RecoverablePduError:
        return
    if frame.status == 0 or len(octets) > 16:
        again = encode(frame.pdu, frame.sequence, frame.status)
        assert decode(again).pdu == frame.pdu


@given(st.sampled_from([SUBMIT, DELIVER]), st.data())
def test_short_messages_are_read_as_the_tables_read_them(pdu, data):
    octets = bytearray(encode(pdu, 9)[16:])
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(octets) - 1))
        if data.draw(st.booleans()):
            octets[at] = data.draw(st.sampled_from([0, 1, 5, 255]))
        else:
            del octets[at:]
            octets += data.draw(st.binary(min_size=1, max_size=30))
    body = bytes(octets)
    try:
        values, at = read_fields(body, 0, len(body), SM_FIELDS)
        message, at = read_short_message(body, at, len(body))
        expected: object = type(pdu)(*values, message, read_tlvs(body, at, len(body)))
    except BodyError as error:
        expected = error.status
    try:
        found: object = decode(whole(body, p.command_of(pdu))).pdu
    except RecoverablePduError as error:
        found = error.status
    assert found == expected


# --- the stream ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pdu", SAMPLES, ids=name_of)
def test_octet_by_octet_is_the_same_as_at_once(pdu):
    data = encode(pdu, 1) * 3
    assert outcomes(data, 1) == outcomes(data) == [p.Frame(1, 0, pdu)] * 3


@given(st.lists(PDUS, max_size=6), st.integers(1, 200))
def test_pieces_of_any_size_give_the_same_frames(pdus, step):
    data = b"".join(encode(pdu, number + 1) for number, pdu in enumerate(pdus))
    assert outcomes(data, step) == [p.Frame(number + 1, 0, pdu) for number, pdu in enumerate(pdus)]


@given(st.binary(max_size=300), st.integers(1, 50))
def test_random_octets_never_raise_and_are_cut_the_same_in_pieces(data, step):
    # how much of a header was there when its length was judged depends on the pieces
    pieces = [(one.status, type(one)) for one in outcomes(data, step, limit=4096)]
    assert pieces == [(one.status, type(one)) for one in outcomes(data, 1, limit=4096)]


@given(st.integers(0, 0xFFFFFFFF), st.binary(max_size=120), st.integers(0, 3))
def test_random_bodies_never_raise(command, body, status):
    (outcome,) = outcomes(whole(body, command, status))
    assert outcome.sequence == 9


@given(st.sampled_from(list(CommandId)), st.binary(max_size=120))
def test_random_bodies_of_known_commands_never_raise(command, body):
    (outcome,) = outcomes(whole(body, command))
    assert outcome.sequence == 9


def test_what_waits_is_counted():
    reader = FrameReader()
    octets = encode(DELIVER, 1)
    reader.feed(octets + octets[:20])
    assert len(list(reader.frames())) == 1
    assert reader.waiting_octets == 20
    reader.feed(octets[20:])
    assert len(list(reader.frames())) == 1
    assert reader.waiting_octets == 0
