"""Operator profiles: the octets of every price carrier, and what answers and receipts mean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playbook import operator

from foundation.contract import MessageFate, Reason
from smsd.charging.states import Evidence
from smsd.operators import OperatorProfile, PriceNotSendable
from smsd.settings import FixedTlv, Price
from smsd.smpp.codec import decode, encode
from smsd.smpp.pdu import CommandStatus, SubmitSm, Tlv
from smsd.smpp.receipt import Receipt, State


def profile(price: Price | None = None, **settings: Any) -> OperatorProfile:
    return OperatorProfile(operator(price=price, **settings))


def submit(made: OperatorProfile, price_ore: int = 5000, **fields: Any) -> SubmitSm:
    usual: dict[str, Any] = {
        "source": "2030",
        "number": "+4799999901",
        "short_message": b"Hei",
        "esm_class": 0,
        "data_coding": 0,
        "tlvs": (),
        "asked_for": False,
    }
    return made.submit(price_ore=price_ore, **{**usual, **fields})


def read(made: OperatorProfile, stat: str, state: State, err: str = "", **fields: Any) -> Any:
    final = fields.pop("final", state.final)
    return made.read(Receipt(message_id="1", state=state, stat=stat, err=err, final=final, **fields))


# the price, octet by octet --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "amount_ore", "octets"),
    [
        (Price(carrier="tlv", tag=0x1403), 5000, b"5000\0"),
        (Price(carrier="tlv", tag=0x1403), 100, b"100\0"),
        (Price(carrier="tlv", tag=0x1403), 100_000, b"100000\0"),
        (Price(carrier="tlv", tag=0x1403, type="octet"), 5000, b"5000"),
        (Price(carrier="tlv", tag=0x1403, unit="kroner"), 5000, b"50\0"),
        (Price(carrier="tlv", tag=0x1403, unit="kroner", type="octet"), 100, b"1"),
        (Price(carrier="tlv", tag=0x1403, type="int"), 5000, bytes.fromhex("00001388")),
        (Price(carrier="tlv", tag=0x1403, type="int", octets=2), 5000, bytes.fromhex("1388")),
        (Price(carrier="tlv", tag=0x1403, type="int", octets=8), 5000, bytes.fromhex("0000000000001388")),
        (Price(carrier="tlv", tag=0x1403, type="int", octets=1, unit="kroner", max_kr=255), 5000, b"\x32"),
        (Price(carrier="tlv", tag=0x1403, codes={"50": "T50"}), 5000, b"T50\0"),
        (Price(carrier="tlv", tag=0x3FFF, type="octet", codes={"50": "T50"}), 5000, b"T50"),
    ],
)
def test_a_price_travels_in_a_vendor_tlv(price: Price, amount_ore: int, octets: bytes) -> None:
    pdu = submit(profile(price), amount_ore)
    assert price.tag is not None
    assert pdu.tlvs == (Tlv(price.tag, octets),)
    wire = encode(pdu, 1)
    assert wire.endswith(price.tag.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets)


@pytest.mark.parametrize(
    ("price", "octets"),
    [
        (Price(carrier="billing_identification"), b"5000\0"),
        (Price(carrier="billing_identification", type="octet", unit="kroner"), b"50"),
        (Price(carrier="billing_identification", type="octet", prefix="81"), b"\x815000"),
        (Price(carrier="billing_identification", type="int", prefix="80"), b"\x80\x00\x00\x13\x88"),
        (Price(carrier="billing_identification", type="octet", prefix="81", codes={"50": "A"}), b"\x81A"),
    ],
)
def test_a_price_travels_in_billing_identification(price: Price, octets: bytes) -> None:
    pdu = submit(profile(price))
    assert pdu.tlvs == (Tlv(0x060B, octets),)
    assert encode(pdu, 1).endswith(bytes.fromhex("060b") + len(octets).to_bytes(2, "big") + octets)


@pytest.mark.parametrize(
    ("price", "service_type"),
    [
        (Price(carrier="service_type", codes={"50": "3115"}), "3115"),
        (Price(carrier="service_type", unit="kroner"), "50"),
        (Price(carrier="service_type", max_kr=999), "5000"),
    ],
)
def test_a_price_travels_as_service_type(price: Price, service_type: str) -> None:
    made = profile(price, service_type="FREE")
    pdu = submit(made)
    assert (pdu.service_type, pdu.tlvs, pdu.source_addr) == (service_type, (), "2030")
    assert encode(pdu, 1)[16:].startswith(service_type.encode() + b"\0")
    assert submit(made, 0).service_type == "FREE"


@pytest.mark.parametrize(
    ("price", "octets"),
    [
        (Price(carrier="user_message_reference", unit="kroner"), b"\x00\x32"),
        (Price(carrier="user_message_reference", max_kr=655), b"\x13\x88"),
        (Price(carrier="user_message_reference", codes={"50": "14001"}), b"\x36\xb1"),
    ],
)
def test_a_price_travels_as_user_message_reference(price: Price, octets: bytes) -> None:
    pdu = submit(profile(price))
    assert pdu.tlvs == (Tlv(0x0204, octets),)
    assert encode(pdu, 1).endswith(bytes.fromhex("02040002") + octets)


@pytest.mark.parametrize(
    ("price", "sender"),
    [
        (Price(carrier="source_addr", unit="kroner"), "203050"),
        (Price(carrier="source_addr"), "20305000"),
        (Price(carrier="source_addr", codes={"50": "07"}), "203007"),
    ],
)
def test_a_price_travels_behind_the_sender(price: Price, sender: str) -> None:
    made = profile(price)
    assert (submit(made).source_addr, submit(made).tlvs) == (sender, ())
    assert submit(made, 0).source_addr == "2030"


def test_a_free_message_carries_nothing_of_a_price() -> None:
    made = profile(
        Price(carrier="tlv", tag=0x1403, tlvs=(FixedTlv(tag=0x1502, value="14001"),)), service_type="CMT"
    )
    pdu = submit(made, 0)
    assert (pdu.service_type, pdu.tlvs) == ("CMT", ())


@pytest.mark.parametrize(
    ("fixed", "octets"),
    [
        (FixedTlv(tag=0x1502, value="14001"), b"14001\0"),
        (FixedTlv(tag=0x1502, value="14001", type="octet"), b"14001"),
        (FixedTlv(tag=0x1502, value="14001", type="int", octets=2), b"\x36\xb1"),
        (FixedTlv(tag=0x1502, value="14001", type="int"), b"\x00\x00\x36\xb1"),
    ],
)
def test_fixed_tlvs_follow_the_price(fixed: FixedTlv, octets: bytes) -> None:
    pdu = submit(profile(Price(carrier="tlv", tag=0x1403, tlvs=(fixed,))), tlvs=(Tlv(0x1519, b"s"),))
    assert pdu.tlvs == (Tlv(0x1519, b"s"), Tlv(0x1403, b"5000\0"), Tlv(0x1502, octets))


def test_a_whole_premium_submit_sm_octet_by_octet() -> None:
    made = profile(Price(carrier="tlv", tag=0x1403), source_ton=3, service_type="CMT")
    body = (
        b"CMT\0"  # service_type
        b"\x03\x002030\0"  # source: network specific
        b"\x01\x014799999901\0"  # destination: international, E.164
        b"\x00\x00\x00"  # esm_class, protocol_id, priority_flag
        b"\0"  # schedule_delivery_time
        b"000001000000000R\0"  # validity_period: a day
        b"\x01\x00\x00\x00"  # registered_delivery, replace_if_present, data_coding, sm_default_msg_id
        b"\x03Hei"
        b"\x14\x03\x00\x055000\0"
    )
    header = (len(body) + 16).to_bytes(4, "big") + bytes.fromhex("00000004 00000000 00000007")
    assert encode(submit(made), 7) == header + body
    assert decode(header + body).pdu == submit(made)


@pytest.mark.parametrize(
    ("price", "amount_ore"),
    [
        (Price(carrier="none"), 5000),
        (Price(carrier="tlv", tag=0x1403, max_kr=100), 10_100),
        (Price(carrier="tlv", tag=0x1403, unit="kroner"), 4950),
        (Price(carrier="tlv", tag=0x1403, codes={"50": "T"}), 10_000),
        (Price(carrier="tlv", tag=0x1403, codes={"50": "T"}), 5001),
        (Price(carrier="source_addr", codes={"50": "50"}), 4999),
    ],
)
def test_a_price_that_the_carrier_has_no_word_for_is_refused_by_name(price: Price, amount_ore: int) -> None:
    with pytest.raises(
        PriceNotSendable, match=f"telco: {amount_ore} øre cannot be sent by carrier '{price.carrier}'"
    ):
        submit(profile(price), amount_ore)


@given(
    kroner=st.integers(1, 1000),
    price=st.sampled_from(
        [
            Price(carrier="tlv", tag=0x1403),
            Price(carrier="tlv", tag=0x1403, unit="kroner"),
            Price(carrier="tlv", tag=0x1403, type="octet"),
            Price(carrier="tlv", tag=0x1403, type="int"),
            Price(carrier="tlv", tag=0x1403, type="int", octets=2, unit="kroner"),
        ]
    ),
)
def test_no_two_amounts_look_alike_on_the_wire(kroner: int, price: Price) -> None:
    value = submit(profile(price), kroner * 100).tlvs[0].value
    number = int.from_bytes(value, "big") if price.type == "int" else int(value.rstrip(b"\0"))
    assert number == (kroner * 100 if price.unit == "ore" else kroner)


# the rest of a submit_sm ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "validity"),
    [
        (60, "000000000100000R"),
        (3600, "000000010000000R"),
        (86_400, "000001000000000R"),
        (14 * 86_400, "000014000000000R"),
        (90_061, "000001010101000R"),
    ],
)
def test_the_validity_is_a_relative_time(seconds: int, validity: str) -> None:
    assert submit(profile(validity_s=seconds)).validity_period == validity


def test_types_of_number_are_the_profiles() -> None:
    pdu = submit(profile(source_ton=0, source_npi=1, dest_ton=2, dest_npi=8))
    assert (pdu.source_addr_ton, pdu.source_addr_npi, pdu.dest_addr_ton, pdu.dest_addr_npi) == (0, 1, 2, 8)


@pytest.mark.parametrize(
    ("receipts", "price", "asked_for", "registered"),
    [
        ("all", 0, False, 1),
        ("all", 5000, False, 1),
        ("premium", 0, False, 0),
        ("premium", 5000, False, 1),
        ("premium", 0, True, 1),
    ],
)
def test_a_premium_message_always_asks_for_a_receipt(
    receipts: str, price: int, asked_for: bool, registered: int
) -> None:
    made = profile(request_receipts=receipts)
    assert submit(made, price, asked_for=asked_for).registered_delivery == registered


@given(st.lists(st.builds(Tlv, st.integers(1, 0xFFFF), st.binary(max_size=40)), max_size=5).map(tuple))
def test_tlvs_to_be_repeated_survive_the_store(tlvs: tuple[Tlv, ...]) -> None:
    tags = tuple({tlv.tag for tlv in tlvs})
    made = profile(echo_tlvs=tags)
    assert made.echoes(made.echo(tlvs)) == tlvs


def test_only_the_tags_of_the_profile_are_repeated() -> None:
    made = profile(echo_tlvs=(0x1519,))
    assert made.echoes(made.echo((Tlv(0x1502, b"a"), Tlv(0x1519, b"b")))) == (Tlv(0x1519, b"b"),)
    assert made.echo((Tlv(0x1502, b"a"),)) == b""


# answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL])
def test_throttled_and_queue_full_mean_later_whatever_the_table_says(status: int) -> None:
    made = profile(outcomes={"0x58": "no_credit", "0x00000014": "unknown"})
    assert made.answer(status) == ("later", Reason.NONE)


@pytest.mark.parametrize("key", ["0x0000040b", "0x0000040B", "0X040b", "0x40B", "0x040b", "0x00040b"])
def test_a_status_is_found_however_it_is_written(key: str) -> None:
    assert profile(outcomes={key: "premium_barred"}).answer(0x40B) == ("refused", Reason.PREMIUM_BARRED)


@pytest.mark.parametrize("outcome", ["unknown", "pending"])
def test_a_status_that_the_table_calls_unknown_is_unclear(outcome: str) -> None:
    assert profile(outcomes={"0x08": outcome}).answer(0x08) == ("unclear", Reason.NONE)


def test_a_status_that_the_table_calls_charged_is_no_refusal() -> None:
    """An operator that says so of a refused message contradicts itself: a human decides."""
    assert profile(outcomes={"0x0410": "charged"}).answer(0x410) == ("unclear", Reason.NONE)


@given(st.integers(1, 0xFFFFFFFF))
def test_every_other_status_is_a_refusal(status: int) -> None:
    expected = "later" if status in (0x58, 0x14) else "refused"
    assert profile(outcomes={}).answer(status)[0] == expected


# receipts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.ACCEPTED, State.UNKNOWN, State.ENROUTE, State.SCHEDULED])
@pytest.mark.parametrize("outcome", ["", "charged", "no_credit", "pending", "unknown"])
def test_what_is_not_final_decides_nothing_whatever_the_table_says(state: State, outcome: str) -> None:
    made = profile(outcomes={"007": outcome} if outcome else {})
    reading = read(made, state.name, state, "007")
    assert reading.evidence is Evidence.RECEIPT_PENDING
    assert reading.fate is MessageFate.ACCEPTED


@pytest.mark.parametrize("outcome", ["no_credit", "pending", "unknown", "charged"])
def test_a_bare_code_changes_nothing_about_a_delivered_message(outcome: str) -> None:
    assert (
        read(profile(outcomes={"230": outcome}), "DELIVRD", State.DELIVERED, "230").evidence
        is Evidence.RECEIPT_CHARGED
    )


@pytest.mark.parametrize(
    ("outcome", "evidence"),
    [
        ("pending", Evidence.RECEIPT_PENDING),
        ("unknown", Evidence.RECEIPT_PENDING),
        ("no_credit", Evidence.RECEIPT_NOT_CHARGED),
        ("charged", Evidence.RECEIPT_CHARGED),
    ],
)
@pytest.mark.parametrize("key", ["DELIVRD:230", "delivrd:230"])
def test_a_code_with_its_state_may_say_delivered_and_not_billed(
    key: str, outcome: str, evidence: Evidence
) -> None:
    reading = read(profile(outcomes={key: outcome}), "DELIVRD", State.DELIVERED, "230")
    assert reading.evidence is evidence
    assert reading.fate is MessageFate.DELIVERED


@pytest.mark.parametrize(
    ("stat", "state", "reason"),
    [
        ("ZEROBAL", State.UNDELIVERABLE, Reason.NO_CREDIT),
        ("BARRED", State.UNDELIVERABLE, Reason.PREMIUM_BARRED),
        ("BARREDA", State.UNDELIVERABLE, Reason.TOO_YOUNG),
    ],
)
def test_a_stat_of_the_table_gives_the_reason(stat: str, state: State, reason: Reason) -> None:
    made = profile(outcomes={"ZEROBAL": "no_credit", "BARRED": "premium_barred", "BARREDA": "too_young"})
    reading = read(made, stat, state)
    assert (reading.evidence, reading.reason) == (Evidence.RECEIPT_NOT_CHARGED, reason)


def test_a_network_error_of_the_table_gives_the_reason() -> None:
    made = profile(outcomes={"113": "premium_barred"})
    reading = read(made, "UNDELIV", State.UNDELIVERABLE, network_error=b"\x03\x00\x71")
    assert reading.reason is Reason.PREMIUM_BARRED
    assert "network:113" in reading.detail


@pytest.mark.parametrize("outcome", ["pending", "unknown"])
def test_a_final_failure_that_the_table_does_not_trust_decides_nothing(outcome: str) -> None:
    reading = read(profile(outcomes={"013": outcome}), "UNDELIV", State.UNDELIVERABLE, "013")
    assert reading.evidence is Evidence.RECEIPT_PENDING


def test_undelivered_and_billed_all_the_same_is_charged_where_the_table_says_so() -> None:
    reading = read(profile(outcomes={"210": "charged"}), "UNDELIV", State.UNDELIVERABLE, "210")
    assert reading.evidence is Evidence.RECEIPT_CHARGED
    assert reading.fate is MessageFate.UNDELIVERED


def test_a_failure_that_will_be_retried_is_not_final() -> None:
    reading = read(profile(outcomes={"021": "no_credit"}), "UNDELIV", State.UNDELIVERABLE, "021", final=False)
    assert reading.evidence is Evidence.RECEIPT_PENDING


def test_a_contradiction_in_one_receipt_decides_nothing() -> None:
    reading = read(profile(), "DELIVRD", State.DELIVERED, contradiction="message_state says UNDELIVERABLE")
    assert reading.evidence is Evidence.RECEIPT_PENDING
    assert "contradiction" in reading.detail


@given(
    state=st.sampled_from(State),
    err=st.text(max_size=4),
    outcomes=st.dictionaries(
        st.sampled_from(["000", "021", "DELIVRD", "DELIVRD:000", "UNDELIV", "EXPIRED:021", "UNKNOWN"]),
        st.sampled_from(["charged", "pending", "unknown", "no_credit", "expired"]),
    ),
    final=st.booleans(),
)
def test_reading_a_receipt_never_raises_and_success_needs_a_final_state(
    state: State, err: str, outcomes: dict[str, str], final: bool
) -> None:
    reading = read(profile(outcomes=outcomes), state.name, state, err, final=final and state.final)
    if reading.evidence is Evidence.RECEIPT_CHARGED:
        assert state.final
        assert state in (State.DELIVERED,) or "charged" in outcomes.values()
    if reading.fate is MessageFate.DELIVERED:
        assert state is State.DELIVERED
