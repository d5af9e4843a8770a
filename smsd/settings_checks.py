"""What no table of the settings can know alone: names that meet, texts that clash, prices that do not fit.

Lays faults; changes nothing. Looks at what could be read and leaves out what has faults of its own.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from foundation.settings import Part, Reader
from foundation.settings_tables import LOOPBACK, HandoffSettings, address
from foundation.settings_words import Loc, one_of
from smsd.codewords import Function, clashes
from smsd.replies import check
from smsd.settings_contradictions import contradictions, idle
from smsd.settings_operators import Operator, is_host_port
from smsd.settings_tables import Limits, Organisation, ShortCode
from smsd.smpp.tls_words import tls_words

Operators: TypeAlias = "Sequence[tuple[Part, Operator | None]]"
ShortCodes: TypeAlias = "Sequence[tuple[Part, ShortCode | None]]"
Organisations: TypeAlias = "Sequence[tuple[Part, Organisation | None]]"
_TLS_FILES = ("ca_file", "cert_file", "key_file")
_OF_TRACES = ("trace_private", "trace_file_mb", "trace_files")
_SENDER = 20
_OTHER_WORD = "give it another word, or other short_codes"
_CHARGING = frozenset({Function("pay"), Function("join-and-pay")})


def check_handoff(reader: Reader, handoff: HandoffSettings | None, *, has_bridge: bool) -> None:
    """The local hand-off needs the bridge in the same process."""
    if handoff and handoff.carrier == "local" and not has_bridge:
        reader.table("handoff").fault(
            ("carrier",),
            'the carrier is "local", but there is no [bridge] to hand over to',
            'add [bridge], or set carrier = "mqtt" with [handoff.mqtt]',
        )


def fill_hosts(part: Part) -> None:
    """Of `hosts`, where it is given, the first is `host` and `port` and the others are `standby_hosts`."""
    hosts = part.data.get("hosts")
    if not hosts:
        return
    twice = [key for key in ("host", "port", "standby_hosts") if key in part.data]
    if twice:
        part.fault(
            ("hosts",), f"both hosts and {twice[0]} are given", f"drop {twice[0]}; hosts names all of them"
        )
    elif isinstance(hosts, list) and is_host_port(hosts[0]):
        host, port = address(hosts[0])
        part.data.update(host=host, port=port, standby_hosts=hosts[1:])


def check_operators(reader: Reader, operators: Operators, limits: Limits) -> None:
    """Names, accounts, prices and waits."""
    _some(reader, "operators", operators)
    _each_once(operators, "name")
    accounts: dict[tuple[str, int, str], str] = {}
    for part, operator in operators:
        for loc in part.secrets_in_plain:
            host = operator.host if operator else part.data.get("host")
            if host not in LOOPBACK:
                part.warn(loc, "the secret stands in the settings", f"use {loc[-1]}_file, or the environment")
        if operator is None:
            continue
        keys = [(host.lower(), port, operator.system_id) for host, port in operator.addresses]
        same = next((accounts[key] for key in keys if key in accounts), "")
        if same:
            part.fault(
                ("system_id",),
                f"this is the same account as {same}'s",
                "use binds for more links of one account",
            )
        for key in keys:
            accounts.setdefault(key, operator.name)
        _check_price(part, operator, limits)
        _check_tls(part, operator)
        for each in contradictions(operator):
            part.fault(*each)
        for each in idle(operator):
            part.warn(*each)
        if operator.window * operator.binds > limits.mt_queue:
            part.warn(
                ("window",),
                f"{operator.window} on each of {operator.binds} binds is more than limits.mt_queue, "
                f"{limits.mt_queue}, keeps in memory",
                "raise the limit, or lower window or binds",
            )
        if operator.query and operator.queries.overdue_s >= limits.receipt_wait_h * 3600:
            part.warn(
                ("queries", "overdue_s"),
                f"{operator.queries.overdue_s} s is not below limits.receipt_wait_h, "
                f"{limits.receipt_wait_h} h, so that no accepted charge is ever asked about",
                "give less, or 0 where that is meant",
            )
        if operator.validity_s > limits.receipt_wait_h * 3600:
            part.fault(
                ("validity_s",),
                f"{operator.validity_s} s is longer than limits.receipt_wait_h, {limits.receipt_wait_h} h",
                "give less, so that a receipt can come before its wait ends",
            )
    _check_shared(operators)


def _check_shared(operators: Operators) -> None:
    """What two operators cannot both have: a place to be called at, a trace kept in two ways."""
    doors: dict[tuple[str, int], str] = {}
    traces: dict[str, Operator] = {}
    for part, operator in operators:
        if operator is None:
            continue
        if operator.outbind_listen is not None:
            other = doors.setdefault(address(operator.outbind_listen), operator.name)
            if other != operator.name:
                part.fault(
                    ("outbind_listen",),
                    f"{other} is called at {operator.outbind_listen} already",
                    "give each account a port of its own",
                )
        if operator.trace_file is not None:
            first = traces.setdefault(operator.trace_file, operator)
            for key in _OF_TRACES:
                if getattr(first, key) != getattr(operator, key):
                    part.fault(
                        (key,),
                        f"{first.name} writes the same trace_file with another {key}",
                        "give both the same, or a trace_file of its own",
                    )


def _check_tls(part: Part, operator: Operator) -> None:
    if operator.tls is None:
        return
    try:
        operator.tls.context()
    except ssl.SSLError as error:
        part.fault(("tls",), tls_words(error), "give files in PEM, the key without a password")
    except OSError as error:
        key = next((key for key in _TLS_FILES if getattr(operator.tls, key) == error.filename), "ca_file")
        part.fault(("tls", key), f"{error.filename} cannot be read: {error.strerror}", "give a file in PEM")


def _check_price(part: Part, operator: Operator, limits: Limits) -> None:
    price = operator.price
    loc: Loc = ("price", "max_kr")
    if operator.can_charge and price.max_kr > limits.amount_max_kr:
        part.fault(
            loc,
            f"{price.max_kr} is above limits.amount_max_kr, {limits.amount_max_kr}",
            "give less, or raise the limit",
        )
    elif wide := price.too_wide():
        part.fault(loc if part.layer(loc).find(loc)[0] else ("price",), *wide)


def check_short_codes(reader: Reader, short_codes: ShortCodes, operators: Operators) -> None:
    """Short codes are told apart by their beginnings, and each has operators that exist."""
    _some(reader, "short_codes", short_codes)
    _each_once(short_codes, "number")
    names = [part.data["name"] for part, _ in operators if isinstance(part.data.get("name"), str)]
    numbers = [code.number for _, code in short_codes if code]
    by_name = {operator.name: operator for _, operator in operators if operator}
    for part, code in short_codes:
        if code is None:
            continue
        for place, name in enumerate(code.operators):
            if name not in names:
                part.fault(("operators", place), f'no operator is named "{name}"', one_of(names, name))
            elif name in code.operators[:place]:
                part.fault(("operators", place), f'"{name}" stands here twice', "name each operator once")
            elif name in by_name and (longest := _longest_source(by_name[name], code.number)) > _SENDER:
                part.fault(
                    ("operators", place),
                    f'"{name}" sends short code and price as sender: {longest} characters, above {_SENDER}',
                    "give it shorter codes, a lower max_kr, or another carrier",
                )
        for other in numbers:
            if other != code.number and code.number.startswith(other):
                part.fault(
                    ("number",),
                    f"{code.number} begins with the short code {other}, so texts to it could be either's",
                    "keep one of the two",
                )


def _longest_source(operator: Operator, number: str) -> int:
    price = operator.price
    if price.carrier != "source_addr":
        return 0
    return len(number) + max(len(price.word(amount) or "") for amount in price.amounts_ore())


def check_organisations(
    reader: Reader, organisations: Organisations, short_codes: ShortCodes, operators: Operators
) -> None:
    """Every organisation can be reached, told apart, charged for, and answers in one segment."""
    _some(reader, "organisations", organisations)
    _each_once(organisations, "name")
    codes = {code.number: code for _, code in short_codes if code}
    numbers = [part.data["number"] for part, _ in short_codes if isinstance(part.data.get("number"), str)]
    by_name = {operator.name: operator for _, operator in operators if operator}
    for part, organisation in organisations:
        if organisation is None:
            continue
        for place, number in enumerate(organisation.short_codes):
            if number not in numbers:
                right = one_of(numbers, number) if numbers else "add it as [[short_codes]]"
                part.fault(("short_codes", place), f'there is no short code "{number}"', right)
        for wrong in check(organisation):
            key, _, what = wrong.removeprefix("replies.").partition(": ")
            loc: Loc = ("replies", key) if key in organisation.replies else ("replies",)
            part.fault(loc, what, "mend the text, or drop it and take the default")
        _check_subcodewords(part, organisation)
        _check_chargeable(part, organisation, codes, by_name)
    _check_clashes(reader, organisations, codes)


def _check_subcodewords(part: Part, organisation: Organisation) -> None:
    seen: dict[str, str] = {}
    for word in part.data.get("subcodewords", {}):
        if word.upper() in seen:
            part.fault(
                ("subcodewords", word),
                f'"{word}" and "{seen[word.upper()]}" are the same word',
                "drop one; upper and lower case are the same",
            )
        seen.setdefault(word.upper(), word)


def _check_chargeable(
    part: Part, organisation: Organisation, codes: Mapping[str, ShortCode], by_name: Mapping[str, Operator]
) -> None:
    if not organisation.functions & _CHARGING:
        return
    for number in organisation.short_codes or tuple(codes):
        carriers = codes[number].operators if number in codes else ()
        known = [by_name[name] for name in carriers if name in by_name]
        barren = [operator.name for operator in known if not operator.can_charge]
        if barren and len(barren) == len(known):
            part.fault(
                ("codeword",),
                f"it takes payment at {number}, but no operator of {number} can charge",
                "give one of them [operators.price]",
            )
        elif barren:
            part.warn(
                ("codeword",),
                f"it takes payment at {number}, but {', '.join(barren)} cannot charge",
                "give it [operators.price]",
            )


def _check_clashes(reader: Reader, organisations: Organisations, codes: Mapping[str, ShortCode]) -> None:
    for number in codes or ("",):
        words = [
            each.as_codeword()
            for _, each in organisations
            if each and (not each.short_codes or number in each.short_codes)
        ]
        for clash in clashes(words):
            wrong, _, right = clash.partition("; ")
            owners = [part for part, each in organisations if each and repr(each.org) in clash]
            if owners:
                owners[-1].fault(("codeword",), wrong, right or _OTHER_WORD)
            else:
                reader.fault(("organisations",), wrong, right or _OTHER_WORD)


def _some(reader: Reader, key: str, parts: Sequence[object]) -> None:
    if not parts and key not in reader.main.data:
        reader.fault((key,), "there is none", f"add at least one [[{key}]]")


def _each_once(entries: Sequence[tuple[Part, object]], key: str) -> None:
    seen: dict[str, Part] = {}
    for part, _ in entries:
        value = part.data.get(key)
        if not isinstance(value, str):
            continue
        if value.casefold() in seen:
            first = seen[value.casefold()].layer((key,)).document.name
            part.fault((key,), f'"{value}" is taken already, in {first}', "give it another")
        seen.setdefault(value.casefold(), part)
