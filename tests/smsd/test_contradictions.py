"""What an impossible profile is told: which key contradicts which, and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foundation.settings import ConfigurationError
from smsd.settings import Settings, load

HOST = 'host = "a.example"\nport = 2775\n'
TLV = 'carrier = "tlv"\ntag = 0x1403\n'
NONE = 'carrier = "none"\n'
PAIR = 'bind = "transmitter+receiver"\n'
V33 = f'interface_version = "3.3"\n{PAIR}'
OTHER = '[[operators]]\nname = "other"\nhost = "b"\nport = 1\nsystem_id = "x"\npassword = "y"\n'
CALLED = 'outbind_listen = "127.0.0.1:2780"\n'


def fixed(tag: int) -> str:
    return f'[[operators.price.tlvs]]\ntag = {tag}\nvalue = "14001"\n'


def read(folder: Path, keys: str, price: str, more: str = "", password: str = "secret") -> Settings:
    (folder / "org1.toml").write_text(
        'name = "Org"\ncodeword = "ORG1"\nsite = "https://o.example"\njoin = "off"\n'
    )
    (folder / "smsd.toml").write_text(
        f"""
[bridge]
[[operators]]
name = "telco"
{keys}
system_id = "smsd"
password = "{password}"
[operators.price]
{price}
[[short_codes]]
number = "2030"
operators = ["telco"]
[[organisations]]
file = "org1.toml"
{more}
"""
    )
    return load(folder / "smsd.toml", {})


CONTRADICTIONS: list[tuple[str, str, str, str, str]] = [
    # keys, price, at which key, what is wrong, what would be right
    (HOST, 'carrier = "tlv"', "price", 'the carrier is "tlv", but tag is missing', "give tag"),
    (HOST, 'carrier = "none"\ntag = 0x1403', "price", "tag is given, but the carrier is", "drop tag"),
    (HOST, f'{TLV}prefix = "80"', "price", "prefix is given, but the carrier is", "drop prefix"),
    (
        HOST,
        f'{TLV}type = "int"\noctets = 3',
        "price",
        "a number of 3 octets is not possible",
        "give 1, 2, 4 or 8",
    ),
    (
        HOST,
        f'{TLV}type = "int"\n[operators.price.codes]\n"50" = "A1"',
        "price",
        "a code is no number",
        "give digits",
    ),
    (HOST, f"{TLV}octets = 3", "price", '1000 kr is "100000", longer than 3 octets', "lower max_kr"),
    (HOST, f"{TLV}max_kr = 2000", "price.max_kr", "2000 is above limits.amount_max_kr", "give less"),
    (HOST, 'carrier = "user_message_reference"', "price", "1000 kr is 100000, above 65535", "lower max_kr"),
    (HOST, f'{NONE}[operators.price.codes]\n"50" = "A1"', "price.carrier", "yet codes say how", "drop codes"),
    (HOST, f"{NONE}{fixed(0x1502)}", "price.carrier", "yet tlvs say how", "drop tlvs"),
    (
        HOST,
        f"{TLV}{fixed(0x1502)}{fixed(0x1502)}",
        "price.tlvs",
        "0x1502 stands here 2 times",
        "each tag once",
    ),
    (HOST, f"{TLV}{fixed(0x1403)}", "price.tlvs", "0x1403 is the price's own", "drop it here"),
    (
        HOST,
        f'carrier = "billing_identification"\n{fixed(0x060B)}',
        "price.tlvs",
        "0x060B is the price's own",
        "drop it here",
    ),
    (HOST, f"{TLV}{fixed(0x0424)}", "price.tlvs", "0x0424 carries texts; see segments_by", "drop it"),
    (f"{HOST}echo_tlvs = [0x1403]", TLV, "echo_tlvs", "0x1403 is the price's own", "drop it here"),
    (f"{HOST}echo_tlvs = [0x020C]", TLV, "echo_tlvs", "0x020C carries texts", "drop it"),
    (f"{HOST}echo_tlvs = [0x1502, 0x1502]", TLV, "echo_tlvs", "0x1502 stands here 2 times", "each tag once"),
    (
        f"{HOST}echo_tlvs = [0x1502]",
        f"{TLV}{fixed(0x1502)}",
        "echo_tlvs",
        "0x1502 is echoed, yet price.tlvs gives it a value",
        "keep one",
    ),
    (f"{HOST}{V33}echo_tlvs = [0x1502]", NONE, "echo_tlvs", "SMPP 3.3 has no TLVs", "drop echo_tlvs"),
    (
        f"{HOST}{V33}",
        TLV,
        "",
        'SMPP 3.3 has no TLVs, but prices travel by "tlv"',
        'set interface_version = "3.4"',
    ),
    (f'{HOST}{V33}segments_by = "sar"', NONE, "", "SMPP 3.3 has no TLVs", 'set interface_version = "3.4"'),
    (f'{HOST}interface_version = "3.3"', NONE, "", "SMPP 3.3 has no transceiver", "transmitter+receiver"),
    (f"{HOST}{CALLED}tls = true", NONE, "", "a call by outbind comes in clear", "set tls = false"),
    (
        f'{HOST}{CALLED}standby_hosts = ["b:1"]',
        NONE,
        "outbind_listen",
        "yet there are several hosts to connect to",
        "name one host",
    ),
    (
        HOST,
        f'{NONE}[operators.outbind]\nsystem_id = "SMSC"',
        "outbind",
        "no outbind_listen says where",
        "give outbind_listen",
    ),
    (f'{HOST}hosts = ["b:1"]', NONE, "hosts", "both hosts and host are given", "drop host"),
    (f'{HOST}standby_hosts = ["a.example:2775"]', NONE, "", "the same host stands twice", "name each once"),
    (
        f"{HOST}reconnect_first_s = 50\nreconnect_max_s = 5",
        NONE,
        "",
        "reconnect_first_s 50 is above",
        "lower",
    ),
    (f"{HOST}validity_s = 604800", NONE, "validity_s", "longer than limits.receipt_wait_h", "give less"),
    (
        f'{HOST}tls = {{ cert_file = "smsd.toml" }}',
        NONE,
        "tls",
        "cert_file is given without key_file",
        "both",
    ),
    (
        f'{HOST}tls = {{ verify = false, server_name = "b" }}',
        NONE,
        "tls",
        "verify is false, yet ca_file or server_name",
        "drop verify",
    ),
    (f'{HOST}tls = {{ ca_file = "no.pem" }}', NONE, "tls.ca_file", "no.pem", "file"),
    (f'{HOST}tls = {{ ca_file = "smsd.toml" }}', NONE, "tls", "holds no certificate in PEM", "PEM"),
    (
        f'{HOST}tls = {{ cert_file = "smsd.toml", key_file = "smsd.toml" }}',
        NONE,
        "tls",
        "is no PEM file, or the key has a password",
        "PEM",
    ),
    (
        HOST,
        'carrier = "source_addr"\n[operators.price.codes]\n"50" = "12345678901234567"',
        "operators[0]",
        "sends short code and price as sender: 21 characters, above 20",
        "shorter codes",
    ),
    (
        HOST,
        f'{TLV}[operators.price.codes]\n"50" = "A1"\n"100" = "A1"',
        "price.codes.100",
        'the code "A1" is also that of 50 kr',
        "each amount its own code",
    ),
    (
        HOST,
        f'{TLV}type = "int"\n[operators.price.codes]\n"50" = "7"\n"100" = "007"',
        "price.codes.100",
        'the code "007" is also that of 50 kr',
        "each amount its own code",
    ),
    (
        f'{HOST}service_type = "3115"',
        'carrier = "service_type"\n[operators.price.codes]\n"50" = "3115"',
        "service_type",
        'free messages carry it, yet as a price "3115" stands for 50 kr',
        "another service_type",
    ),
    (
        f'{HOST}service_type = "100"',
        'carrier = "service_type"\nmax_kr = 100\n',
        "service_type",
        'as a price "100" stands for an amount',
        "another service_type",
    ),
    (
        HOST,
        f'{NONE}[operators.outcomes]\n"zerobal" = "no_credit"\n"ZEROBAL" = "rejected"',
        "outcomes.ZEROBAL",
        'the same code as "zerobal", which leads to "no_credit", not "rejected"',
        "keep one",
    ),
    (
        HOST,
        f'{NONE}[operators.outcomes]\n"0x45" = "no_credit"\n"0x000045" = "rejected"',
        "outcomes.0x000045",
        'the same code as "0x45"',
        "keep one",
    ),
    (
        HOST,
        f'{NONE}[operators.outcomes]\n"0xB4D1234567" = "no_credit"',
        "outcomes.0xB4D1234567",
        "is no command_status",
        "up to eight hexadecimal digits",
    ),
    (
        f"{HOST}{V33}",
        f"{NONE}[operators.age]\ntag = 0x1510",
        "age",
        "a TLV tells the age, but SMPP 3.3 has none",
        "drop [operators.age]",
    ),
    (
        f"{HOST}{CALLED}",
        f"{NONE}{OTHER}{CALLED}",
        "outbind_listen",
        "telco is called at 127.0.0.1:2780 already",
        "a port of its own",
    ),
    (
        f'{HOST}trace_file = "t.pcap"',
        f'{NONE}{OTHER}trace_file = "t.pcap"\ntrace_private = true',
        "trace_private",
        "telco writes the same trace_file with another trace_private",
        "a trace_file of its own",
    ),
]


@pytest.mark.parametrize(
    ("keys", "price", "key", "wrong", "right"), CONTRADICTIONS, ids=[each[3][:40] for each in CONTRADICTIONS]
)
def test_an_impossible_profile_is_told_which_key_contradicts_which(
    tmp_path: Path, keys: str, price: str, key: str, wrong: str, right: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, keys, price)
    found = [fault for fault in caught.value.faults if wrong in fault.wrong]
    assert found, str(caught.value)
    assert key in found[0].key
    assert right in found[0].right
    assert found[0].file.endswith("smsd.toml")


@pytest.mark.parametrize("code", ["0x00", "0x58", "0x00000058", "0x14"])
def test_an_outcome_that_is_never_looked_up_is_told(tmp_path: Path, code: str) -> None:
    with pytest.raises(ConfigurationError, match="never looked up"):
        read(tmp_path, HOST, f'{NONE}[operators.outcomes]\n"{code}" = "no_credit"')


def test_all_contradictions_of_a_profile_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, f"{HOST}echo_tlvs = [0x1403, 0x1403]\nvalidity_s = 604800", f"{TLV}{fixed(0x1502)}")
    assert len(caught.value.faults) == 3


IDLE: list[tuple[str, str, str, str]] = [
    (f"{HOST}spread_binds = true", NONE, "spread_binds", "there is one host alone"),
    (f'{HOST}spread_binds = true\nstandby_hosts = ["b:1"]', NONE, "spread_binds", "there is one bind alone"),
    (f"{HOST}fail_back_s = 60", NONE, "fail_back_s", "there is one host alone"),
    (f"{HOST}same_bind_wait_s = 60", NONE, "same_bind_wait_s", "reply_on_same_bind is not set"),
    (f"{HOST}trace_private = true", NONE, "trace_private", "there is no trace_file"),
    (f"{HOST}trace_file_mb = 5", NONE, "trace_file_mb", "there is no trace_file"),
    (f"{HOST}trace_files = 5", NONE, "trace_files", "there is no trace_file"),
    (
        HOST,
        f'{TLV}unit = "ore"\n[operators.price.codes]\n"50" = "A1"',
        "price.unit",
        "codes say what is sent",
    ),
    (HOST, 'carrier = "service_type"\nmax_kr = 100\ntype = "octet"', "price.type", "has its own form"),
    (HOST, f"{NONE}[operators.queries]\nrate = 2", "queries", "query is not set"),
    (f"{HOST}query = true", f"{TLV}[operators.queries]\noverdue_s = 172800", "overdue_s", "ever asked about"),
    (f'{HOST}{V33}receipt_id = "text"', NONE, "receipt_id", "a receipt has one id alone"),
    (
        f"{HOST}inactivity_s = 20\nenquire_link_s = 20",
        NONE,
        "enquire_link_s",
        "inactivity_s, 20, ends the bind",
    ),
    (HOST, f'{NONE}unit = "kroner"', "price.unit", 'the carrier is "none"'),
    (HOST, f'{NONE}[operators.report]\ndelimiter = ";"', "report", "this account cannot charge"),
    (HOST, f'{TLV}[operators.report]\nunit = "ore"\ndecimal = "."', "report.decimal", "have no decimals"),
    (HOST, f"{TLV}{fixed(0x1502)}octets = 2", "price.tlvs", "octets of the TLV 0x1502 does nothing"),
    (f"{HOST}window = 1000\nbinds = 32\n", NONE, "window", "is more than limits.mt_queue, 100"),
]


@pytest.mark.parametrize(("keys", "price", "key", "wrong"), IDLE)
def test_what_does_nothing_is_told_as_a_warning(
    tmp_path: Path, keys: str, price: str, key: str, wrong: str
) -> None:
    found = read(tmp_path, keys, price, "[limits]\nmt_queue = 100\n").warnings
    assert [each for each in found if key in each.key and wrong in each.wrong], found


def test_a_password_beyond_the_specification_is_taken_and_told(tmp_path: Path) -> None:
    settings: Any = read(tmp_path, HOST, NONE, password="twelve chars")
    assert [each for each in settings.warnings if "longer than the 8 octets" in each.wrong]
    assert "twelve" not in str(settings.warnings)


def test_a_usual_profile_has_nothing_to_be_told(tmp_path: Path) -> None:
    settings = read(tmp_path, HOST.replace("a.example", "127.0.0.1"), TLV)
    assert settings.warnings == ()
