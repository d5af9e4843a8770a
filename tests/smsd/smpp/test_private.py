"""What a trace shows of a PDU: its form and what tells of a message, never what somebody wrote or who."""

from __future__ import annotations

import pytest

from smsd.smpp import pdu as p
from smsd.smpp.codec import decode, encode
from smsd.smpp.constants import CommandId, Tag
from smsd.smpp.private import veiled, without_private

NUMBER = "4798765432"
WORDS = b"hemmeleg tekst"


def shown(pdu: p.Pdu) -> p.Pdu:
    octets = encode(pdu, 7, 0)
    after = veiled(octets)
    frame = decode(after)
    assert (frame.sequence, frame.status) == (7, 0)
    assert NUMBER.encode() not in after
    assert WORDS not in after
    return frame.pdu


def test_a_number_keeps_its_ends_and_a_short_code_stays() -> None:
    seen = shown(p.SubmitSm(source_addr="2030", destination_addr=NUMBER, short_message=WORDS))
    assert isinstance(seen, p.SubmitSm)
    assert (seen.source_addr, seen.destination_addr) == ("2030", "479*****32")
    assert seen.short_message == b"x" * len(WORDS)


def test_an_alphanumeric_sender_stays() -> None:
    assert without_private(p.DeliverSm(source_addr="HyperSys")) == p.DeliverSm(source_addr="HyperSys")


def test_a_password_shows_neither_itself_nor_its_length() -> None:
    kinds = [CommandId.BIND_TRANSCEIVER, CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER]
    for kind in kinds:
        seen = {veiled(encode(p.Bind(kind, "smsd", word), 1)) for word in ("a", "secret", "12345678")}
        assert len(seen) == 1
        frame = decode(seen.pop())
        assert frame.pdu == p.Bind(kind, "smsd", "********")
    assert without_private(p.Outbind("SMSC", "secret")) == p.Outbind("SMSC", "********")


def test_a_header_stays_so_that_parts_can_be_told_apart() -> None:
    seen = shown(p.DeliverSm(esm_class=0x40, short_message=b"\5\0\3\7\2\1" + WORDS))
    assert isinstance(seen, p.DeliverSm)
    assert seen.short_message == b"\5\0\3\7\2\1" + b"x" * len(WORDS)


def test_text_that_claims_to_be_a_header_is_hidden() -> None:
    seen = shown(p.DeliverSm(esm_class=0x40, short_message=b"\x16" + WORDS + b" kari nordmann"))
    assert isinstance(seen, p.DeliverSm)
    assert set(seen.short_message) == set(b"x")


def test_ucs2_stays_ucs2() -> None:
    seen = shown(p.DeliverSm(data_coding=8, short_message="hemmeleg".encode("utf-16-be")))
    assert isinstance(seen, p.DeliverSm)
    assert seen.short_message.decode("utf-16-be") == "x" * 8


@pytest.mark.parametrize("esm_class", [0x04, 0x08, 0x20])
def test_a_receipt_tells_of_its_message_but_not_what_was_written(esm_class: int) -> None:
    text = (
        b"id:4711 sub:001 dlvrd:001 submit date:2611220109 done date:2611220110 stat:DELIVRD err:000 text:"
        + WORDS
    )
    seen = shown(p.DeliverSm(source_addr=NUMBER, esm_class=esm_class, short_message=text))
    assert isinstance(seen, p.DeliverSm)
    told, _, echo = seen.short_message.partition(b"err:000 ")
    assert told == text.partition(b"err:000 ")[0]
    assert set(echo) == set(b"x ")


def test_a_receipt_between_commas_is_told_too() -> None:
    seen = shown(p.DeliverSm(esm_class=4, short_message=b"4711,2611220109,2611220110,DELIVRD,000," + WORDS))
    assert isinstance(seen, p.DeliverSm)
    assert seen.short_message.startswith(b"4711,2611220109,2611220110,DELIVRD,000,xxx")


def test_an_mo_marked_as_a_receipt_is_hidden_all_the_same() -> None:
    seen = shown(p.DeliverSm(esm_class=4, short_message=b"ORG1 Kari Nordmann, " + WORDS))
    assert isinstance(seen, p.DeliverSm)
    assert not set(seen.short_message) & set(b"KariNodm")


@pytest.mark.parametrize("esm_class", [0x00, 0x40])
def test_what_looks_like_a_receipt_in_an_mo_is_hidden(esm_class: int) -> None:
    seen = shown(p.DeliverSm(esm_class=esm_class, short_message=b"id:4711 stat:DELIVRD text:" + WORDS))
    assert isinstance(seen, p.DeliverSm)
    assert b"4711" not in seen.short_message


def test_tlvs_keep_prices_and_ids_but_no_texts_and_numbers() -> None:
    tlvs = (
        p.Tlv(Tag.MESSAGE_PAYLOAD, WORDS),
        p.Tlv(Tag.CALLBACK_NUM, NUMBER.encode()),
        p.Tlv(Tag.RECEIPTED_MESSAGE_ID, b"47110000001234\0"),
        p.Tlv(0x1403, b"5000\0"),
        p.Tlv(0x1502, b"018f3c2e-7d1a-7c3b-9a2f-12345678abcd"),
        p.Tlv(0x1505, NUMBER.encode() + b"\0"),
    )
    seen = shown(p.SubmitSm(tlvs=tlvs))
    assert isinstance(seen, p.SubmitSm)
    assert [tlv.value for tlv in seen.tlvs] == [
        b"x" * len(WORDS),
        b"479*****32",
        b"47110000001234\0",
        b"5000\0",
        b"018f3c2e-7d1a-7c3b-9a2f-12345678abcd",
        b"479*****32\0",
    ]


@pytest.mark.parametrize(
    "pdu",
    [
        p.DataSm(source_addr=NUMBER, destination_addr=NUMBER),
        p.QuerySm("4711", source_addr=NUMBER),
        p.CancelSm("", "4711", source_addr=NUMBER, destination_addr=NUMBER),
        p.ReplaceSm("4711", source_addr=NUMBER, short_message=WORDS),
        p.SubmitMulti(destinations=(p.Destination(destination_addr=NUMBER),), short_message=WORDS),
        p.SubmitMultiResp("4711", (p.UnsuccessSme(destination_addr=NUMBER),)),
        p.AlertNotification(source_addr=NUMBER, esme_addr=NUMBER),
    ],
    ids=lambda pdu: type(pdu).__name__,
)
def test_every_kind_of_pdu_that_has_a_number_hides_it(pdu: p.Pdu) -> None:
    assert type(shown(pdu)) is type(pdu)


def test_of_a_pdu_that_cannot_be_read_the_header_is_shown_alone() -> None:
    broken = encode(p.SubmitSm(destination_addr=NUMBER, short_message=WORDS), 7)
    broken = broken[:3] + bytes((broken[3] - 1,)) + broken[4:-1]
    after = veiled(broken)
    assert after == broken[:16] + b"*" * (len(broken) - 16)


@pytest.mark.parametrize("nuls", [1, 2, 3])
def test_nuls_behind_a_pdu_are_shown_where_they_came(nuls: int) -> None:
    octets = encode(p.DeliverSm(source_addr=NUMBER, short_message=WORDS), 7)
    padded = (len(octets) + nuls).to_bytes(4, "big") + octets[4:] + b"\0" * nuls
    after = veiled(padded)
    assert (len(after), after[:4], after[-nuls:]) == (len(padded), padded[:4], b"\0" * nuls)
    assert decode(after).pdu == without_private(decode(octets).pdu)


def test_an_operators_own_state_word_is_told() -> None:
    seen = shown(p.DeliverSm(esm_class=4, short_message=b"id:1 stat:01106E err:017 text:hemmeleg tekst"))
    assert isinstance(seen, p.DeliverSm)
    assert seen.short_message.startswith(b"id:1 stat:01106E err:017 ")


def test_what_holds_nothing_private_is_left_as_it_is() -> None:
    for octets in (
        encode(p.EnquireLink(), 3),
        encode(p.SubmitSmResp("4711"), 3),
        encode(p.SubmitSmResp(), 3, 0x58),
    ):
        assert veiled(octets) is octets
