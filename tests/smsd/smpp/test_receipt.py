"""Receipts beyond their text: marker, TLVs, contradictions, ids, and writing them as an SMSC does."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsd.smpp.alphabet import Coding
from smsd.smpp.pdu import DataSm, DeliverSm, Tlv
from smsd.smpp.receipt import (
    IdForm,
    Receipt,
    ReceiptForm,
    State,
    format_receipt,
    is_receipt,
    network_code,
    read_date,
    read_receipt,
    receipt_key,
    receipt_tlvs,
    response_key,
)
from smsd.smpp.receipt_text import read_text

SUBMITTED = datetime(2020, 11, 19, 12, 30, 45)
DONE = datetime(2020, 11, 19, 12, 31, 1)
FAILED_TEXT = b"id:1234 stat:UNDELIV err:011 text:"

states = st.sampled_from(State)
decimal_ids = st.integers(0, 2**128).map(str)


def read(octets: bytes = b"", *tlvs: Tlv, esm_class: int = 4, data_coding: int = 0) -> Receipt:
    pdu = DeliverSm(esm_class=esm_class, data_coding=data_coding, short_message=octets, tlvs=tlvs)
    receipt = read_receipt(pdu, Coding.GSM7)
    assert receipt is not None
    return receipt


def id_tlv(value: bytes) -> Tlv:
    return Tlv(0x001E, value)


def state_tlv(value: bytes) -> Tlv:
    return Tlv(0x0427, value)


# --- the marker ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("esm_class", range(256))
def test_the_message_type_bits_alone_mark_a_receipt(esm_class: int) -> None:
    assert is_receipt(esm_class) == (esm_class & 0x3C in (0x04, 0x08, 0x20))


def test_an_mo_that_looks_like_a_receipt_is_none() -> None:
    octets = format_receipt("1234", State.DELIVERED, submitted=SUBMITTED, done=DONE)
    assert read_receipt(DeliverSm(short_message=octets), Coding.GSM7) is None
    assert read_receipt(DeliverSm(short_message=octets, tlvs=(id_tlv(b"1234"),)), Coding.GSM7) is None
    assert read_receipt(DeliverSm(short_message=octets, tlvs=(state_tlv(b"\x02"),)), Coding.GSM7) is None


def test_an_unmarked_pdu_with_both_receipt_tlvs_is_a_receipt() -> None:
    receipt = read(b"", id_tlv(b"1234\0"), state_tlv(b"\x02"), esm_class=0)
    assert (receipt.message_id, receipt.state, receipt.final) == ("1234", State.DELIVERED, True)


@pytest.mark.parametrize(
    "echo", ["ID:", "id:77 stat:DELIVRD", "Hei id:77 err:000", "stat:DELIVRD", "text: hei"]
)
def test_what_a_message_says_is_not_taken_for_its_receipt_between_commas(echo: str) -> None:
    octets = format_receipt(
        "4711",
        State.UNDELIVERABLE,
        submitted=SUBMITTED,
        done=DONE,
        form=ReceiptForm.CSV,
        err="021",
        text=echo,
    )
    receipt = read(octets)
    assert (receipt.message_id, receipt.state, receipt.err) == ("4711", State.UNDELIVERABLE, "021")
    assert receipt.echo == echo


def test_a_text_beside_receipt_tlvs_that_say_nothing_is_no_receipt() -> None:
    for named, state in ((b"", b""), (b"", b"\x02"), (b"\0", b"\x02"), (b"1234", b"")):
        pdu = DeliverSm(short_message=b"HJELP", tlvs=(id_tlv(named), state_tlv(state)))
        assert read_receipt(pdu, Coding.GSM7) is None


def test_a_marked_pdu_without_content_is_a_receipt_that_says_nothing() -> None:
    assert read() == Receipt(message_id="", state=State.UNKNOWN)


def test_a_receipt_by_data_sm_is_read() -> None:
    pdu = DataSm(esm_class=4, tlvs=receipt_tlvs("1234", State.EXPIRED))
    receipt = read_receipt(pdu, Coding.GSM7)
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == ("1234", State.EXPIRED)


def test_a_receipt_behind_a_header_is_read() -> None:
    receipt = read(b"\x03\x70\x01\x00" + FAILED_TEXT, esm_class=0x44)
    assert (receipt.message_id, receipt.state) == ("1234", State.UNDELIVERABLE)


# --- states -------------------------------------------------------------------------------------------------


def test_final_states_and_the_one_success() -> None:
    assert {state for state in State if state.final} == {
        State.DELIVERED, State.EXPIRED, State.DELETED, State.UNDELIVERABLE, State.REJECTED, State.SKIPPED,
    }  # fmt: skip
    assert [state for state in State if state.success] == [State.DELIVERED]
    assert [int(state) for state in State] == list(range(10))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("written", ["{0}", "\0{0}", "\0\0\0{0}"])
def test_message_state_is_read_as_an_integer_of_any_size(state: State, written: str) -> None:
    receipt = read(b"", state_tlv(written.format(chr(state)).encode("latin-1")))
    assert (receipt.state, receipt.final) == (state, state.final)


@pytest.mark.parametrize("state", State)
def test_message_state_as_an_ascii_digit_is_understood(state: State) -> None:
    assert read(b"", state_tlv(b"%d" % state)).state is state


@pytest.mark.parametrize("value", [b"", b"\x0a", b"\xff", b"DELIVRD", b"\x02\x02"])
def test_a_message_state_without_meaning_leaves_the_word_to_the_text(value: bytes) -> None:
    assert read(FAILED_TEXT, state_tlv(value)).state is State.UNDELIVERABLE
    assert read(b"", state_tlv(value)).state is State.UNKNOWN


# --- TLVs and text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"ab12", b"ab12\0", b"ab12\0\0", b"ab12\0rubbish"])
def test_receipted_message_id_is_read_with_its_nul_or_without(value: bytes) -> None:
    assert read(b"", id_tlv(value)).message_id == "ab12"


@pytest.mark.parametrize("value", [b"", b"\0", b" "])
def test_an_empty_receipted_message_id_leaves_the_id_to_the_text(value: bytes) -> None:
    receipt = read(FAILED_TEXT, id_tlv(value))
    assert (receipt.message_id, receipt.contradiction) == ("1234", "")


def test_tlvs_are_believed_before_the_text_and_the_contradiction_is_told() -> None:
    receipt = read(FAILED_TEXT, id_tlv(b"9999\0"), state_tlv(b"\x02"))
    assert (receipt.message_id, receipt.state, receipt.final) == ("9999", State.DELIVERED, True)
    assert receipt.contradiction == (
        "receipted_message_id says 9999, the text says id 1234; "
        "message_state says DELIVERED, the text says UNDELIV"
    )


@pytest.mark.parametrize(
    ("octets", "tlvs"),
    [
        (FAILED_TEXT, (id_tlv(b"1234"), state_tlv(b"\x05"))),
        (FAILED_TEXT, (id_tlv(b"4D2\0"),)),  # the same number, in hex
        (b"id:04d2 stat:UNDELIV", (id_tlv(b"4D2\0"),)),
        (FAILED_TEXT, (state_tlv(b"\x08"),)),  # another failure as final as this one
        (b"id:1234 stat:BUFFRED", (state_tlv(b"\x06"),)),  # neither is final
        (b"id:1234 stat:SOMETHING", (state_tlv(b"\x02"),)),  # a word nobody knows denies nothing
        (b"", receipt_tlvs("1234", State.DELIVERED)),
    ],
)
def test_spellings_of_one_thing_are_no_contradiction(octets: bytes, tlvs: tuple[Tlv, ...]) -> None:
    assert read(octets, *tlvs).contradiction == ""


@pytest.mark.parametrize(
    ("word", "value"), [(b"UNKNOWN", b"\x02"), (b"DELIVRD", b"\x07"), (b"ENROUTE", b"\x05")]
)
def test_success_or_finality_denied_is_a_contradiction(word: bytes, value: bytes) -> None:
    assert read(b"id:1 stat:" + word, state_tlv(value)).contradiction


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"\x03\x00\x21", "33"),
        (b"\x08\x24\x55", "9301"),
        (b"\x03\x00\x00", "0"),
        (b"021", "021"),
        (b"9301", "9301"),
        (b"\x00\x21", "0021"),
        (b"", ""),
    ],
)
def test_network_error_codes_are_named_in_decimal_or_as_their_digits(value: bytes, code: str) -> None:
    assert network_code(value) == code
    receipt = read(b"", Tlv(0x0423, value))
    assert (receipt.network_error, receipt.network_code) == (value, code)


@pytest.mark.parametrize("network_error", [b"", b"\x03\x00\x21", b"021"])
def test_a_network_error_never_turns_a_delivery_into_a_failure(network_error: bytes) -> None:
    receipt = read(b"id:1 stat:DELIVRD err:021", Tlv(0x0423, network_error))
    assert (receipt.state, receipt.final, receipt.err) == (State.DELIVERED, True, "021")


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(alphabet="id:stadubmern=, ;|01DELIVR\0", max_size=120).map(str.encode),
    ),
    st.integers(0, 255),
    st.integers(0, 255),
    st.lists(
        st.builds(Tlv, st.sampled_from([0x001E, 0x0427, 0x0423, 0x0424]), st.binary(max_size=80)), max_size=4
    ),
    st.sampled_from([Coding.GSM7, Coding.LATIN1, Coding.LATIN9]),
)
def test_random_receipts_never_raise(
    octets: bytes, esm_class: int, data_coding: int, tlvs: list[Tlv], default: Coding
) -> None:
    pdu = DeliverSm(esm_class=esm_class, data_coding=data_coding, short_message=octets, tlvs=tuple(tlvs))
    receipt = read_receipt(pdu, default)
    if receipt is None:
        assert not is_receipt(esm_class)
        return
    repr(receipt.contradiction + receipt.network_code).encode("utf-8")
    receipt.text.encode("utf-8")
    for form in IdForm:
        response_key(receipt.message_id, form)
        receipt_key(receipt.message_id, form)


@given(st.text(alphabet="id:statubmern =,;|x1DELIVRD\n", max_size=150))
def test_success_is_never_read_where_no_word_says_so(body: str) -> None:
    said = read_text(body)
    if said.state is State.DELIVERED:
        assert said.stat.upper() in {"DELIVRD", "DELIVERED", "DELIVERD"}
        assert said.stat in body


# --- writing ------------------------------------------------------------------------------------------------

DATES = {
    10: ("2011191230", "2011191231"),
    12: ("201119123045", "201119123101"),
    14: ("20201119123045", "20201119123101"),
}


@given(
    message_id=st.one_of(
        decimal_ids, st.from_regex(r"[0-9a-fA-F]{1,16}", fullmatch=True), st.uuids().map(str)
    ),
    state=states,
    form=st.sampled_from([ReceiptForm.STANDARD, ReceiptForm.SHORT, ReceiptForm.CSV]),
    digits=st.sampled_from([10, 12, 14]),
    err=st.sampled_from(["000", "0021", "E01", "88"]),
    text=st.text(alphabet="abcæ id:stat DELIVRD", max_size=30),
)
def test_what_the_smsc_writes_is_read_back(
    *, message_id: str, state: State, form: ReceiptForm, digits: int, err: str, text: str
) -> None:
    octets = format_receipt(
        message_id, state, submitted=SUBMITTED, done=DONE, form=form, err=err, text=text, date_digits=digits
    )
    receipt = read(octets)
    assert (receipt.message_id, receipt.state, receipt.err) == (message_id, state, err)
    assert (receipt.submit_date, receipt.done_date) == DATES[digits]
    assert receipt.final == state.final
    assert receipt.echo == text[:20].replace("æ", "?").strip()


@given(decimal_ids, states, st.booleans(), st.sampled_from([b"", b"\x03\x00\x21"]))
def test_a_receipt_of_tlvs_alone_is_read_back(
    message_id: str, state: State, nul: bool, network_error: bytes
) -> None:
    octets = format_receipt(
        message_id, state, submitted=SUBMITTED, done=DONE, form=ReceiptForm.TLV_ONLY, text="x"
    )
    assert octets == b""
    receipt = read(octets, *receipt_tlvs(message_id, state, network_error=network_error, nul=nul))
    assert (receipt.message_id, receipt.state, receipt.network_error) == (message_id, state, network_error)


def test_the_standard_form_is_the_specifications() -> None:
    octets = format_receipt(
        "0123456789", State.DELIVERED, submitted=SUBMITTED, done=DONE, text="Betalinga di er under"
    )
    assert octets == (
        b"id:0123456789 sub:001 dlvrd:001 submit date:2011191230 done date:2011191231 "
        b"stat:DELIVRD err:000 text:Betalinga di er unde"
    )


def test_a_state_word_of_the_carriers_own_can_be_written() -> None:
    octets = format_receipt("1", State.UNDELIVERABLE, submitted=SUBMITTED, done=DONE, stat="ZEROBAL")
    receipt = read(octets)
    assert (receipt.stat, receipt.state) == ("ZEROBAL", State.UNDELIVERABLE)


def test_dates_of_other_lengths_are_not_written() -> None:
    with pytest.raises(ValueError, match="11 digits"):
        format_receipt("1", State.DELIVERED, submitted=SUBMITTED, done=DONE, date_digits=11)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2011191230", datetime(2020, 11, 19, 12, 30)),
        ("201119123045", datetime(2020, 11, 19, 12, 30, 45)),
        ("20201119123045", datetime(2020, 11, 19, 12, 30, 45)),
        ("202611191230", datetime(2026, 11, 19, 12, 30)),
        ("2013991230", None),
        ("", None),
        ("201119070003912+", None),
        ("٢٠١١١٩١٢٣٠", None),
        ("20111912", None),
    ],
)
def test_dates_of_10_12_and_14_digits_are_read(text: str, date: datetime | None) -> None:
    assert read_date(text) == date
