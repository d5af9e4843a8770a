"""Which keys of one operator's profile contradict each other, and which do nothing beside others.

Pure: `contradictions` are refused by `smsd check`, `idle` are told as warnings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from foundation.settings_words import Loc
from smsd.settings_operators import Operator, status_of
from smsd.smpp.constants import Tag


class Contradiction(NamedTuple):
    """The key to look at, what is wrong with it beside which other, what would be right."""

    loc: Loc
    wrong: str
    right: str


_OF_LONG_TEXTS: Final = frozenset(
    {
        *(Tag.MESSAGE_PAYLOAD, Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM),
    }
)
_OF_CARRIERS: Final = {
    "billing_identification": Tag.BILLING_IDENTIFICATION,
    "user_message_reference": Tag.USER_MESSAGE_REFERENCE,
}
_NEVER_LOOKED_UP: Final = {
    0x00: "a message that was accepted",
    0x14: "queue full, after which the same message goes again",
    0x58: "throttled, after which the same message goes again",
}
_TEXT_CARRIERS: Final = ("service_type", "user_message_reference", "source_addr")
_SPECIFIED_PASSWORD: Final = 8


def contradictions(operator: Operator) -> Iterator[Contradiction]:
    """What cannot be meant."""
    yield from _of_price(operator)
    yield from _of_tlvs(operator)
    yield from _of_hosts(operator)
    yield from _of_outcomes(operator)
    if operator.age is not None and operator.interface_version == "3.3":
        yield Contradiction(
            ("age",),
            'a TLV tells the age, but SMPP 3.3 has none, and interface_version is "3.3"',
            'drop [operators.age], or set interface_version = "3.4"',
        )


def _of_outcomes(operator: Operator) -> Iterator[Contradiction]:
    known: dict[str, str] = {}
    for code, outcome in operator.outcomes.items():
        status = status_of(code)
        loc: Loc = ("outcomes", code)
        if status in _NEVER_LOOKED_UP:
            yield Contradiction(
                loc, f"it stands for {_NEVER_LOOKED_UP[status]}", "drop it; it is never looked up"
            )
        elif status is None and code.casefold().startswith("0x"):
            yield Contradiction(
                loc, f'"{code}" is no command_status', 'give 0x and up to eight hexadecimal digits, as "0x45"'
            )
        same = known.setdefault(f"{status:#x}" if status is not None else code.casefold(), code)
        if same != code and operator.outcomes[same] != outcome:
            yield Contradiction(
                loc,
                f'it is the same code as "{same}", which leads to "{operator.outcomes[same]}", '
                f'not "{outcome}"',
                "keep one of the two",
            )


def _of_price(operator: Operator) -> Iterator[Contradiction]:
    price = operator.price
    if price.carrier == "none":
        given = sorted(key for key in ("codes", "prefix", "tlvs") if getattr(price, key))
        if given:
            yield Contradiction(
                ("price", "carrier"),
                f'the carrier is "none", yet {" and ".join(given)} say how a price travels',
                f"drop {' and '.join(given)}, or name a carrier",
            )
        return
    amounts: dict[str, str] = {}
    number = price.carrier == "user_message_reference" or (
        price.type == "int" and price.carrier in ("tlv", "billing_identification")
    )
    for kroner, code in price.codes.items():
        same = amounts.setdefault(code.lstrip("0") if number else code, kroner)
        if same != kroner:
            yield Contradiction(
                ("price", "codes", kroner),
                f'the code "{code}" is also that of {same} kr, and an operator bills one amount for a code',
                "give each amount its own code",
            )
    free = operator.service_type
    if price.carrier == "service_type" and free and (free in amounts or (not amounts and free.isdecimal())):
        yield Contradiction(
            ("service_type",),
            f'free messages carry it, yet as a price "{free}" stands for '
            + (f"{amounts[free]} kr" if amounts else "an amount"),
            "give free messages another service_type, or none",
        )


def _of_tlvs(operator: Operator) -> Iterator[Contradiction]:
    price = operator.price
    own = price.tag if price.carrier == "tlv" else _OF_CARRIERS.get(price.carrier)
    fixed = [each.tag for each in price.tlvs]
    places: tuple[tuple[Loc, list[int]], ...] = (
        (("price", "tlvs"), fixed),
        (("echo_tlvs",), list(operator.echo_tlvs)),
    )
    for loc, tags in places:
        for tag, times in Counter(tags).items():
            if times > 1:
                yield Contradiction(
                    loc, f"the tag 0x{tag:04X} stands here {times} times", "name each tag once"
                )
            if tag == own:
                yield Contradiction(
                    loc, f"the tag 0x{tag:04X} is the price's own", "drop it here; the price goes by itself"
                )
            if tag in _OF_LONG_TEXTS:
                yield Contradiction(
                    loc, f"the tag 0x{tag:04X} carries texts; see segments_by", "drop it; texts see to it"
                )
    for tag in sorted(set(fixed) & set(operator.echo_tlvs)):
        yield Contradiction(
            ("echo_tlvs",),
            f"the tag 0x{tag:04X} is echoed, yet price.tlvs gives it a value of its own",
            "keep one of the two",
        )
    if operator.echo_tlvs and operator.interface_version == "3.3":
        yield Contradiction(
            ("echo_tlvs",),
            'SMPP 3.3 has no TLVs, but interface_version is "3.3"',
            'drop echo_tlvs, or set interface_version = "3.4"',
        )


def _of_hosts(operator: Operator) -> Iterator[Contradiction]:
    if operator.outbind_listen is None:
        if operator.outbind.model_fields_set:
            yield Contradiction(
                ("outbind",),
                "it says who calls, but no outbind_listen says where",
                "give outbind_listen, or drop it",
            )
    elif operator.bind == "transceiver" and operator.standby_hosts:
        yield Contradiction(
            ("outbind_listen",),
            "the SMSC opens every connection of a transceiver, yet there are several hosts to connect to",
            'name one host, or set bind = "transmitter+receiver"',
        )


def idle(operator: Operator) -> Iterator[Contradiction]:
    """What is allowed and does nothing, or is beyond the specification."""
    given, price = operator.model_fields_set, operator.price
    hosts = len(operator.addresses)
    conditions = (
        ("spread_binds", hosts < 2, "there is one host alone", "give standby_hosts, or drop it"),
        (
            "spread_binds",
            hosts > 1 and operator.binds < 2,
            "there is one bind alone",
            "raise binds, or drop it",
        ),
        ("fail_back_s", hosts < 2, "there is one host alone", "give standby_hosts, or drop it"),
        (
            "same_bind_wait_s",
            not operator.reply_on_same_bind,
            "reply_on_same_bind is not set",
            "set it, or drop this",
        ),
        ("trace_private", operator.trace_file is None, "there is no trace_file", "give one, or drop this"),
        ("trace_file_mb", operator.trace_file is None, "there is no trace_file", "give one, or drop this"),
        ("trace_files", operator.trace_file is None, "there is no trace_file", "give one, or drop this"),
        ("queries", not operator.query, "query is not set", "set query = true, or drop it"),
        (
            "receipt_id",
            operator.interface_version == "3.3",
            "SMPP 3.3 has no TLVs, so a receipt has one id alone",
            "drop it",
        ),
        (
            "enquire_link_s",
            0 < operator.inactivity_s <= operator.enquire_link_s,
            f"inactivity_s, {operator.inactivity_s:g}, ends the bind first",
            "lower it, or raise inactivity_s",
        ),
    )
    for key, is_idle, wrong, right in conditions:
        if key in given and is_idle:
            yield Contradiction((key,), f"it does nothing: {wrong}", right)
    yield from _idle_tables(operator)
    if price.codes and "unit" in price.model_fields_set:
        yield Contradiction(("price", "unit"), "it does nothing: codes say what is sent", "drop it")
    if price.carrier in _TEXT_CARRIERS:
        for key in sorted({"type", "octets"} & price.model_fields_set):
            if key == "type" or price.carrier == "user_message_reference":
                yield Contradiction(
                    ("price", key),
                    f'it does nothing: the carrier "{price.carrier}" has its own form',
                    "drop it",
                )
    if len(operator.password.get_secret_value()) > _SPECIFIED_PASSWORD:
        yield Contradiction(
            ("password",),
            f"it is longer than the {_SPECIFIED_PASSWORD} octets of SMPP 3.4 section 5.2.2",
            "ask the operator whether all of it is meant; many SMSCs take it",
        )


def _idle_tables(operator: Operator) -> Iterator[Contradiction]:
    price, report = operator.price, operator.report
    if price.carrier == "none":
        for key in sorted({"type", "octets", "unit"} & price.model_fields_set):
            yield Contradiction(("price", key), 'it does nothing: the carrier is "none"', "drop it")
        if report.model_fields_set:
            yield Contradiction(
                ("report",),
                "it does nothing: this account cannot charge",
                "give [operators.price], or drop it",
            )
    elif report.unit == "ore" and "decimal" in report.model_fields_set:
        yield Contradiction(
            ("report", "decimal"), "it does nothing: whole øre have no decimals", "drop it, or unit"
        )
    for tlv in price.tlvs:
        if tlv.type != "int" and "octets" in tlv.model_fields_set:
            yield Contradiction(
                ("price", "tlvs"),
                f"octets of the TLV 0x{tlv.tag:04X} does nothing: its type is {tlv.type}, no number",
                "drop it",
            )
