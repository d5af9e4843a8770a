"""What brought other SMPP programs down does not disturb this one: each case against a bound session."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile_pdus import ANSWER, CLOSES, REQUEST, Published, deliver, pdu_of, resp
from published_pdus import PUBLISHED
from published_receipts import IDS, RECEIPTS

from smsd.smpp import pdu as p
from smsd.smpp.alphabet import Coding
from smsd.smpp.codec import decode, encode
from smsd.smpp.constants import CommandId, CommandStatus
from smsd.smpp.events import Answered, BindRefused, BindRequested, Bound, Closed, Event, Faulted, Requested
from smsd.smpp.receipt import IdForm, read_receipt, receipt_key, response_key
from smsd.smpp.segments import PartOf, read_content, split
from smsd.smpp.session import Role, Session, SessionSettings


def bound() -> Session:
    """An ESME's session, bound, with one submit_sm of sequence number 2 out."""
    session = Session(Role.ESME, SessionSettings(), 0.0)
    session.bind(p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret"), 0.0)
    session.data_to_send()
    session.receive_data(encode(p.BindResp(CommandId.BIND_TRANSCEIVER_RESP, "SMSC"), 1), 0.1)
    assert session.submit(p.SubmitSm(short_message=b"hei"), "charge", 0.2) == 2
    session.data_to_send()
    session.events()
    return session


def hear(session: Session, octets: bytes) -> list[Event]:
    session.receive_data(octets, 1.0)
    return session.events()


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case.name)
def test_a_published_fault_is_an_outcome(case: Published) -> None:
    session = bound()
    events = hear(session, case.octets)
    if case.then == CLOSES:
        assert isinstance(events[-1], Closed)
        # nobody knows what became of the message that was out
        assert events[-1].unanswered == ("charge",)
        return
    if case.then == REQUEST:
        assert [type(event) for event in events] == [Requested]
    elif case.then == ANSWER:
        answers = [event for event in events if isinstance(event, Answered)]
        assert [answer.tag for answer in answers] == ["charge"]
    else:
        faults = [event for event in events if isinstance(event, Faulted)]
        assert [fault.status for fault in faults] == [case.then]
    # the link goes on
    (after,) = hear(session, deliver(b"og no", sequence=99))
    assert isinstance(after, Requested)
    assert after.frame.pdu.short_message == b"og no"  # type: ignore[union-attr]


@pytest.mark.parametrize("case", [case for case in PUBLISHED if isinstance(case.then, CommandStatus)])
def test_a_broken_request_is_answered_so_that_it_is_not_sent_for_ever(case: Published) -> None:
    session = bound()
    hear(session, case.octets)
    octets = session.data_to_send()
    if int.from_bytes(case.octets[4:8], "big") & 0x80000000:
        assert octets == b""
        return
    length = int.from_bytes(octets[:4], "big")
    answer = decode(octets[:length])
    assert answer.status == case.then
    assert answer.sequence == int.from_bytes(case.octets[12:16], "big")
    assert isinstance(answer.pdu, p.DeliverSmResp)


def test_pdus_after_one_without_nul_are_read_from_their_own_beginning() -> None:
    """OpenSIPS issue 3847: the broken PDU's strings ran into the next one."""
    case = next(each for each in PUBLISHED if each.name == "no-nul-anywhere")
    fault, request = hear(bound(), case.octets)
    assert isinstance(fault, Faulted)
    assert isinstance(request, Requested)
    assert request.frame.sequence == 2


def test_several_pdus_in_one_read_all_arrive() -> None:
    case = next(each for each in PUBLISHED if each.name == "several-in-one-read")
    events = hear(bound(), case.octets)
    assert [type(event) for event in events] == [Requested, Answered, Requested]


@pytest.mark.parametrize("body", [b"", b"\0", b"SMSC\0", b"\0\x02\x10\x00\x01\x34"])
def test_a_refused_bind_is_refused_with_any_body(body: bytes) -> None:
    """jookies/jasmin issue 124, mozes/smpp.pdu pull request 6: no body, or a lone NUL, broke the client."""
    session = Session(Role.ESME, SessionSettings(), 0.0)
    session.bind(p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret"), 0.0)
    session.data_to_send()
    octets = pdu_of(CommandId.BIND_TRANSCEIVER_RESP, body, status=CommandStatus.ESME_RINVSYSTYP)
    assert hear(session, octets) == [BindRefused(CommandStatus.ESME_RINVSYSTYP)]


def test_the_shortest_bind_resp_binds() -> None:
    """linxGnu/gosmpp pull request 192: 17 octets were too few for what was read first."""
    session = Session(Role.ESME, SessionSettings(), 0.0)
    session.bind(p.Bind(CommandId.BIND_RECEIVER, "smsd", "secret"), 0.0)
    session.data_to_send()
    (event,) = hear(session, pdu_of(CommandId.BIND_RECEIVER_RESP, b"\0"))
    assert isinstance(event, Bound)


def test_nothing_is_answered_before_the_bind() -> None:
    """mozes/smpp.pdu issue 7: enquire_link went to and fro before the bind was accepted."""
    session = Session(Role.ESME, SessionSettings(), 0.0)
    session.bind(p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret"), 0.0)
    session.data_to_send()
    hear(session, pdu_of(CommandId.ENQUIRE_LINK, b""))
    assert session.data_to_send() == b""


def test_a_refusal_keeps_its_status_with_and_without_a_body() -> None:
    for body in (b"", b"\0", b"0A000000A3D323A1\0"):
        (event,) = hear(bound(), resp(body, CommandStatus.ESME_RINVDSTADR))
        assert isinstance(event, Answered)
        assert event.frame.status == CommandStatus.ESME_RINVDSTADR


@pytest.mark.parametrize(("source", "text", "expected"), RECEIPTS, ids=[source for source, _, _ in RECEIPTS])
def test_receipts_that_others_could_not_read_are_read(
    source: str, text: bytes, expected: tuple[str, str, str]
) -> None:
    receipt = read_receipt(p.DeliverSm(esm_class=4, short_message=text), Coding.GSM7)
    assert receipt is not None
    assert (receipt.message_id, receipt.state.name, receipt.err) == expected


def test_an_id_without_its_nul_keeps_its_last_character() -> None:
    """python-smpplib issue 66 and its reading of receipted_message_id."""
    for value in (b"4711", b"4711\0"):
        tlvs = (p.Tlv(p.Tag.RECEIPTED_MESSAGE_ID, value), p.Tlv(p.Tag.MESSAGE_STATE, b"\2"))
        receipt = read_receipt(p.DeliverSm(esm_class=4, tlvs=tlvs), Coding.GSM7)
        assert receipt is not None
        assert receipt.message_id == "4711"


@pytest.mark.parametrize(("source", "form", "response", "receipt"), IDS)
def test_ids_that_others_did_not_know_again_are_known(
    source: str, form: str, response: str, receipt: str
) -> None:
    assert response_key(response, IdForm(form)) == receipt_key(receipt, IdForm(form)), source


@pytest.mark.parametrize("body", [b"691615750357727586\0", b"0\0", b"\0", b"\0\0\0"])
def test_a_deliver_sm_resp_with_an_id_is_an_answer(body: bytes) -> None:
    """jookies/jasmin issues 681 and 1124: an id where the specification wants none ended the connection."""
    session = Session(Role.SMSC, SessionSettings(), 0.0)
    (asked,) = hear(session, encode(p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret"), 1))
    assert isinstance(asked, BindRequested)
    session.respond(asked.frame, p.BindResp(CommandId.BIND_TRANSCEIVER_RESP, "SMSC"))
    sequence = session.submit(p.DeliverSm(short_message=b"hei"), "mo", 0.2)
    session.data_to_send()
    octets = pdu_of(CommandId.DELIVER_SM_RESP, body, sequence=sequence)
    (event,) = hear(session, octets)
    assert isinstance(event, Answered)
    assert (event.tag, event.frame.status) == ("mo", 0)


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("header-in-the-payload", "hei", PartOf(7, 2, 1)),
        ("header-flagged-message-empty", "", None),
        ("element-longer-than-its-header", "hei", None),
        ("septets-that-grow", "£" * 254, None),
        ("surrogates-in-ucs2", "Got test \U0001f618", None),
        ("half-a-unit-of-ucs2", "hei\ufffd", None),
        ("nul-after-the-message", "hei", None),
        ("nuls-after-the-last-tlv", "hei", None),
    ],
)
def test_the_content_of_such_messages_is_what_can_be_had(name: str, text: str, part: PartOf | None) -> None:
    case = next(each for each in PUBLISHED if each.name == name)
    (event,) = hear(bound(), case.octets)
    assert isinstance(event, Requested)
    content = read_content(event.frame.pdu, Coding.GSM7)  # type: ignore[arg-type]
    assert (content.text, content.part) == (text, part)


def test_the_documentation_names_every_case_and_where_it_was_heard_of() -> None:
    said = (Path(__file__).parents[2] / "docs/hostile-input.md").read_text("utf-8")
    for case in PUBLISHED:
        assert f"| `{case.name}` | {case.source} | {case.fault} |" in said


@pytest.mark.parametrize("text", ["€" * 96, "a" * 200, "€" * 5000])
def test_long_runs_of_characters_split(text: str) -> None:
    """futomi/node-sms-pdu issues 5 and 9: 96 euro signs, or 200 letters, went past a buffer."""
    parts = split(text, reference=1)
    assert all(len(part.short_message) <= 160 for part in parts)
    assert len(parts) > 1
