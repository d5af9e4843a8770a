"""Receipts as they are met in the field, one row each: what was sent, and what it says."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from smsd.smpp.alphabet import Coding
from smsd.smpp.pdu import DeliverSm, Tlv
from smsd.smpp.receipt import State, read_receipt
from smsd.smpp.receipt_text import read_text

DELIVERED, EXPIRED, DELETED = State.DELIVERED, State.EXPIRED, State.DELETED
UNDELIVERABLE, ACCEPTED, UNKNOWN = State.UNDELIVERABLE, State.ACCEPTED, State.UNKNOWN
REJECTED, ENROUTE, SCHEDULED, SKIPPED = State.REJECTED, State.ENROUTE, State.SCHEDULED, State.SKIPPED


class Form(NamedTuple):
    """`body` is sent as ASCII octets where it is text; the rest is what the receipt must say."""

    body: str | bytes
    message_id: str
    state: State
    err: str = ""
    final: bool = False
    submit_date: str = ""
    done_date: str = ""
    echo: str = ""
    data_coding: int = 0


HEAD = "id:1234567890 sub:001 dlvrd:001 submit date:2011191230 done date:2011191231 "
DATES = ("2011191230", "2011191231")
UUID = "7D3E1F6C-8a4b-4c1d-9e2f-001122334455"

FORMS = [
    # the standard form, state by state
    Form(HEAD + "stat:DELIVRD err:000 text:Takk", "1234567890", DELIVERED, "000", True, *DATES, "Takk"),
    Form(HEAD + "stat:EXPIRED err:000 text:", "1234567890", EXPIRED, "000", True, *DATES),
    Form(HEAD + "stat:DELETED err:000 text:", "1234567890", DELETED, "000", True, *DATES),
    Form(HEAD + "stat:UNDELIV err:011 text:", "1234567890", UNDELIVERABLE, "011", True, *DATES),
    Form(HEAD + "stat:ACCEPTD err:000 text:", "1234567890", ACCEPTED, "000", False, *DATES),
    Form(HEAD + "stat:UNKNOWN err:000 text:", "1234567890", UNKNOWN, "000", False, *DATES),
    Form(HEAD + "stat:REJECTD err:088 text:", "1234567890", REJECTED, "088", True, *DATES),
    Form(HEAD + "stat:ENROUTE err:000 text:", "1234567890", ENROUTE, "000", False, *DATES),
    Form(HEAD + "stat:SCHEDLD err:000 text:", "1234567890", SCHEDULED, "000", False, *DATES),
    Form(HEAD + "stat:SKIPPED err:000 text:", "1234567890", SKIPPED, "000", True, *DATES),
    # words beyond the specification
    Form(HEAD + "stat:BUFFRED err:000 text:", "1234567890", ENROUTE, "000", False, *DATES),
    Form(HEAD + "stat:ACKED err:000 text:", "1234567890", ACCEPTED, "000", False, *DATES),
    Form(HEAD + "stat:FAILED err:001 text:", "1234567890", UNDELIVERABLE, "001", True, *DATES),
    Form(HEAD + "stat:DELIVERED err:000 text:", "1234567890", DELIVERED, "000", True, *DATES),
    Form(HEAD + "stat:UNDELIVERABLE err:1 text:", "1234567890", UNDELIVERABLE, "1", True, *DATES),
    Form(HEAD + "stat:REJECTED err:1 text:", "1234567890", REJECTED, "1", True, *DATES),
    Form(HEAD + "stat:ACCEPTED err:0 text:", "1234567890", ACCEPTED, "0", False, *DATES),
    Form(HEAD + "stat:ZEROBAL err:0 text:", "1234567890", UNDELIVERABLE, "0", True, *DATES),
    Form(HEAD + "stat:BARRED err:0 text:", "1234567890", UNDELIVERABLE, "0", True, *DATES),
    Form(HEAD + "stat:BARREDA err:0 text:", "1234567890", UNDELIVERABLE, "0", True, *DATES),
    Form(HEAD + "stat:NULL err:0 text:", "1234567890", UNKNOWN, "0", False, *DATES),
    Form(HEAD + "stat:WHATEVER err:0 text:", "1234567890", UNKNOWN, "0", False, *DATES),
    Form(HEAD + "stat:2 err:0 text:", "1234567890", UNKNOWN, "0", False, *DATES),
    Form(HEAD + "stat: err:0 text:", "1234567890", UNKNOWN, "0", False, *DATES),
    Form(HEAD + "err:0 text:", "1234567890", UNKNOWN, "0", False, *DATES),
    # stat decides
    Form(HEAD + "stat:DELIVRD err:021 text:", "1234567890", DELIVERED, "021", True, *DATES),
    Form(HEAD + "stat:DELIVRD err:9301 text:", "1234567890", DELIVERED, "9301", True, *DATES),
    Form(HEAD + "stat:UNDELIV err:000 text:", "1234567890", UNDELIVERABLE, "000", True, *DATES),
    # err of other sizes and letters
    Form(HEAD + "stat:UNDELIV err:0021 text:", "1234567890", UNDELIVERABLE, "0021", True, *DATES),
    Form(HEAD + "stat:UNDELIV err:E01 text:", "1234567890", UNDELIVERABLE, "E01", True, *DATES),
    Form(HEAD + "stat:UNDELIV err:0x1A text:", "1234567890", UNDELIVERABLE, "0x1A", True, *DATES),
    Form(HEAD + "stat:UNDELIV err: text:", "1234567890", UNDELIVERABLE, "", True, *DATES),
    Form(HEAD + "stat:UNDELIV text:", "1234567890", UNDELIVERABLE, "", True, *DATES),
    # the text key, and what hides behind it
    Form(HEAD + "stat:DELIVRD err:000 Text:Takk", "1234567890", DELIVERED, "000", True, *DATES, "Takk"),
    Form(HEAD + "stat:DELIVRD err:000 TEXT: Takk ", "1234567890", DELIVERED, "000", True, *DATES, "Takk"),
    Form(HEAD + "stat:DELIVRD err:000", "1234567890", DELIVERED, "000", True, *DATES),
    Form(HEAD + "stat:DELIVRD err:000 ", "1234567890", DELIVERED, "000", True, *DATES),
    Form(
        HEAD + "stat:UNDELIV err:001 text:id:99 stat:DELIVRD",
        *("1234567890", UNDELIVERABLE, "001", True, *DATES, "id:99 stat:DELIVRD"),
    ),
    Form("id:5 err:001 text:stat:DELIVRD", "5", UNKNOWN, "001", False, echo="stat:DELIVRD"),
    Form(HEAD + "stat:DELIVRD err:000 text:a\nb", "1234567890", DELIVERED, "000", True, *DATES, "a\nb"),
    # fields left out, in another order, in other letters
    Form(
        "id:77 submit date:2011191230 done date:2011191231 stat:DELIVRD err:000 text:x",
        *("77", DELIVERED, "000", True, *DATES, "x"),
    ),
    Form("id:77 sub:001 stat:DELIVRD", "77", DELIVERED, "", True),
    Form("id:77 dlvrd:000 done date:2011191231 stat:UNDELIV", "77", UNDELIVERABLE, "", True, "", DATES[1]),
    Form("id:77 stat:DELIVRD", "77", DELIVERED, "", True),
    Form("stat:DELIVRD id:77", "77", DELIVERED, "", True),
    Form("stat:DELIVRD", "", DELIVERED, "", True),
    Form("ID:77 SUB:001 DLVRD:001 STAT:DELIVRD ERR:000 TEXT:x", "77", DELIVERED, "000", True, echo="x"),
    Form("Id:77 Stat:delivrd Err:000", "77", DELIVERED, "000", True),
    Form("id: 77 stat: UNDELIV err: 001 text: x", "77", UNDELIVERABLE, "001", True, echo="x"),
    Form("id:77,stat:UNDELIV,err:001,text:x", "77", UNDELIVERABLE, "001", True, echo="x"),
    Form("id=77;stat=UNDELIV;err=001", "77", UNDELIVERABLE, "001", True),
    Form("id:77\r\nstat:UNDELIV\r\nerr:001\r\n", "77", UNDELIVERABLE, "001", True),
    Form("id:77 status:DELIVRD error:000", "77", DELIVERED, "000", True),
    Form(
        "id:77 submitdate:2011191230 donedate:2011191231 stat:DELIVRD",
        *("77", DELIVERED, "", True, *DATES),
    ),
    Form(
        "id:77 submit_date:2011191230 done_date:2011191231 stat:DELIVRD",
        *("77", DELIVERED, "", True, *DATES),
    ),
    Form("id:77 price:50 stat:DELIVRD err:000 operator:24201", "77", DELIVERED, "000", True),
    # dates of other lengths
    Form(
        "id:77 submit date:201119123045 done date:201119123101 stat:DELIVRD err:000 text:",
        *("77", DELIVERED, "000", True, "201119123045", "201119123101"),
    ),
    Form(
        "id:77 submit date:20201119123045 done date:20201119123101 stat:DELIVRD err:000 text:",
        *("77", DELIVERED, "000", True, "20201119123045", "20201119123101"),
    ),
    Form(
        "id:77 submit date:201119070003912+ done date:201119070000012+ stat:UNDELIV err:000",
        *("77", UNDELIVERABLE, "000", True, "201119070003912+", "201119070000012+"),
    ),
    Form("id:77 submit date: done date: stat:DELIVRD err:000", "77", DELIVERED, "000", True),
    # ids
    Form("id:000000004D2 stat:DELIVRD", "000000004D2", DELIVERED, "", True),
    Form("id:4d2 stat:DELIVRD", "4d2", DELIVERED, "", True),
    Form(f"id:{UUID} stat:DELIVRD err:000", UUID, DELIVERED, "000", True),
    Form("id:18446744073709551617 stat:DELIVRD err:000", "18446744073709551617", DELIVERED, "000", True),
    Form("id:a_b-c.d@e$f stat:DELIVRD err:000", "a_b-c.d@e$f", DELIVERED, "000", True),
    Form("id:YWJj== stat:DELIVRD err:000", "YWJj==", DELIVERED, "000", True),
    Form("id:abc:def stat:DELIVRD err:000", "abc:def", DELIVERED, "000", True),
    Form(b"id:a\x11b stat:DELIVRD err:000", "a_b", DELIVERED, "000", True),
    # flags that lie, and one that does not
    Form(HEAD + "stat:DELIVRD err:000 text:x", "1234567890", DELIVERED, "000", True, *DATES, "x", 8),
    Form("id:77 stat:DELIVRD err:000 ", "77", DELIVERED, "000", True, data_coding=8),
    Form("id:77 stat:DELIVRD err:00 ", "77", DELIVERED, "00", True, data_coding=8),
    Form(
        (HEAD + "stat:DELIVRD err:000 text:øя").encode("utf-16-be"),
        *("1234567890", DELIVERED, "000", True, *DATES, "øя", 8),
    ),
    Form("id:77 stat:DELIVRD".encode("utf-16-be"), "77", DELIVERED, "", True),
    Form("id:77 stat:DELIVRD".encode("utf-16-le"), "77", DELIVERED, "", True, data_coding=8),
    Form("\ufeffid:77 stat:DELIVRD".encode("utf-16-be"), "77", DELIVERED, "", True, data_coding=8),
    Form(
        "id:77 stat:DELIVRD err:000 text:æ".encode("latin-1"),
        *("77", DELIVERED, "000", True, "", "", "æ", 3),
    ),
    Form(b"id:77 stat:DELIVRD err:000 text:\x1d\x0c\x0f", "77", DELIVERED, "000", True, echo="æøå"),
    Form("id:77 stat:DELIVRD err:000 text:æ".encode("latin-1"), "77", DELIVERED, "000", True, echo="æ"),
    Form("id:77 stat:DELIVRD", "77", DELIVERED, "", True, data_coding=4),
    Form("id:77 stat:DELIVRD", "77", DELIVERED, "", True, data_coding=0xF1),
    Form("id:77 stat:DELIVRD\0", "77", DELIVERED, "", True),
    # values between commas
    Form("77,2011191230,2011191231,DELIVRD,000,Takk", "77", DELIVERED, "000", True, *DATES, "Takk"),
    Form(
        "77;20201119123045;20201119123101;UNDELIV;011;x",
        *("77", UNDELIVERABLE, "011", True, "20201119123045", "20201119123101", "x"),
    ),
    Form("77,DELIVRD", "77", DELIVERED, "", True),
    Form("77,2011191231,EXPIRED,", "77", EXPIRED, "", True, "", "2011191231"),
    Form('"77","2011191230","2011191231","FAILED","12",""', "77", UNDELIVERABLE, "12", True, *DATES),
    Form(
        "77,2011191230,2011191231,no credit,0021,will retry later",
        *("77", ENROUTE, "0021", False, *DATES, "will retry later"),
    ),
    Form(
        "77,2011191230,2011191231,UNDELIV,0021,No credit: will retry later",
        *("77", UNDELIVERABLE, "0021", False, *DATES, "No credit: will retry later"),
    ),
    Form("77,2011191230,2011191231,DELIVRD,000,REJECTED", "77", DELIVERED, "000", True, *DATES, "REJECTED"),
    Form("77,DELIVRD,000", "77", DELIVERED, "000", True, data_coding=8),
    # nothing to be read
    Form("", "", UNKNOWN),
    Form("hello there", "", UNKNOWN, echo="hello there"),
    Form("DELIVRD", "", UNKNOWN, echo="DELIVRD"),
    Form("my friend, DELIVRD, 000", "", UNKNOWN, echo="my friend, DELIVRD, 000"),
    Form("id:77", "77", UNKNOWN),
    Form("id:77,DELIVRD", "77", UNKNOWN),
    Form(",,,", "", UNKNOWN, echo=",,,"),
]


def receipt_octets(form: Form) -> bytes:
    return form.body if isinstance(form.body, bytes) else form.body.encode("ascii")


def test_there_are_enough_forms_and_none_twice() -> None:
    assert len({(receipt_octets(form), form.data_coding) for form in FORMS}) == len(FORMS) >= 60


@pytest.mark.parametrize("form", FORMS, ids=lambda form: ascii(form.body)[:60])
@pytest.mark.parametrize("esm_class", [0x04, 0x08, 0x20, 0x07])
def test_a_receipt_says_what_its_form_says(form: Form, esm_class: int) -> None:
    pdu = DeliverSm(esm_class=esm_class, data_coding=form.data_coding, short_message=receipt_octets(form))
    receipt = read_receipt(pdu, Coding.GSM7)
    assert receipt is not None
    actual = Form(
        form.body,
        receipt.message_id,
        receipt.state,
        receipt.err,
        receipt.final,
        receipt.submit_date,
        receipt.done_date,
        receipt.echo,
        form.data_coding,
    )
    assert actual == form


@pytest.mark.parametrize("form", FORMS, ids=lambda form: ascii(form.body)[:60])
def test_a_receipt_reads_the_same_from_message_payload(form: Form) -> None:
    octets = receipt_octets(form)
    plain = DeliverSm(esm_class=4, data_coding=form.data_coding, short_message=octets)
    payload = DeliverSm(esm_class=4, data_coding=form.data_coding, tlvs=(Tlv(0x0424, octets),))
    assert read_receipt(payload, Coding.GSM7) == read_receipt(plain, Coding.GSM7)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: ascii(form.body)[:60])
def test_the_short_way_and_the_long_way_read_the_same(form: Form) -> None:
    if isinstance(form.body, bytes):
        return
    # A leading space keeps a text out of the short way and changes nothing else.
    assert read_text(" " + form.body) == read_text(form.body)
