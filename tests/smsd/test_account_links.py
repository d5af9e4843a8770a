"""How an account's settings become binds, and what a support desk reads of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from playbook import HandClock, operator
from structlog.testing import capture_logs

from foundation.settings import ConfigurationError
from smsd.links import BindLog, Seldom, account_links, pair_of
from smsd.settings import Limits, Price, load
from smsd.smpp.hosts import Address
from smsd.smpp.link import Link, LinkState
from smsd.smpp.pdu import CommandId

A, B, C = Address("a.example", 2775), Address("b.example", 2776), Address("::1", 2777)


def links_of(**settings: Any) -> list[Link]:
    given = {"host": "a.example", "standby_hosts": ("b.example:2776", "[::1]:2777"), **settings}
    return account_links(
        operator(**given),
        Limits(),
        None,
        clock=HandClock(),
        rng=random.Random(1),  # type: ignore[arg-type]
    )


def hosts(links: list[Link]) -> list[tuple[Address, ...]]:
    return [link.settings.addresses for link in links]


def test_every_bind_prefers_the_first_host_unless_told_to_spread() -> None:
    assert hosts(links_of(binds=2)) == [(A, B, C)] * 2


def test_spread_binds_prefer_hosts_in_turn_and_a_pair_the_same_one() -> None:
    links = links_of(binds=4, spread_binds=True, bind="transmitter+receiver")
    assert [link.name for link in links[:4]] == ["telco-tx-1", "telco-rx-1", "telco-tx-2", "telco-rx-2"]
    assert [each[0] for each in hosts(links)] == [A, A, B, B, C, C, A, A]
    assert hosts(links)[2] == (B, C, A)


def test_the_links_of_a_pair_are_known_by_what_they_share() -> None:
    names = ["telco-tx-2", "telco-rx-2", "telco-trx-2", "my-telco-trx-11"]
    assert [pair_of(name) for name in names] == ["telco-2", "telco-2", "telco-2", "my-telco-11"]


@pytest.mark.parametrize(("version", "number"), [("3.4", 0x34), ("5.0", 0x50)])
def test_the_bind_names_the_version(version: str, number: int) -> None:
    assert links_of(interface_version=version)[0].settings.bind.interface_version == number


def test_an_account_that_pays_by_tlv_needs_them_a_receiver_does_not() -> None:
    by_tlv = links_of(bind="transmitter+receiver")
    assert [link.settings.needs_tlvs for link in by_tlv] == [True, False]
    free = links_of(price=Price(carrier="service_type", codes={"50": "3115"}, max_kr=50))
    assert [link.settings.needs_tlvs for link in free] == [False]
    assert links_of(price=Price(carrier="none"), segments_by="payload")[0].settings.needs_tlvs


def test_receivers_and_transceivers_wait_for_a_call_where_the_operator_calls_transmitters_connect() -> None:
    pair = links_of(outbind_listen="0.0.0.0:2780", bind="transmitter+receiver")
    assert [(link.settings.called, link.settings.addresses[0]) for link in pair] == [
        (False, A),
        (True, Address("0.0.0.0", 2780)),
    ]
    (both,) = links_of(outbind_listen="[::]:2780")
    assert (both.settings.called, both.settings.addresses) == (True, (Address("::", 2780),))


def test_no_fail_back_is_said_by_zero() -> None:
    assert links_of(fail_back_s=0)[0].settings.fail_back_s is None
    assert links_of()[0].settings.fail_back_s == 300


# settings -------------------------------------------------------------------------------------------------

MAIN = """
[store]
url = "sqlite:///x.db"
[handoff]
carrier = "local"
[bridge]
store = "sqlite:///y.db"
[web]
[[operators]]
name = "telco"
{keys}
system_id = "smsd"
password = "secret"
[operators.price]
{price}
[[short_codes]]
number = "2030"
operators = ["telco"]
[[organisations]]
file = "org1.toml"
"""
ORG = 'name = "Org"\ncodeword = "ORG1"\nsite = "https://o.example"\njoin = "off"\n'


def read(folder: Path, keys: str, price: str = 'carrier = "none"') -> Any:
    (folder / "org1.toml").write_text(ORG)
    (folder / "smsd.toml").write_text(MAIN.format(keys=keys, price=price))
    return load(folder / "smsd.toml", {}).operators[0]


def test_hosts_stands_in_place_of_host_and_port(tmp_path: Path) -> None:
    account = read(tmp_path, 'hosts = ["a.example:2775", "[::1]:2777"]')
    assert account.addresses == (("a.example", 2775), ("::1", 2777))


def test_host_may_have_standbys(tmp_path: Path) -> None:
    account = read(tmp_path, 'host = "a.example"\nport = 2775\nstandby_hosts = ["b.example:2776"]')
    assert account.addresses == (("a.example", 2775), ("b.example", 2776))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('hosts = ["a:1"]\nhost = "b"\nport = 2', "both hosts and host are given; drop host"),
        ('hosts = ["a:1", "b"]', '"b" is no host:port'),
        ('hosts = ["a:1", "a:1"]', "the same host stands twice"),
        ('host = "a"\nport = 1\nstandby_hosts = ["a:0"]', '"a:0" is no host:port'),
        (
            'host = "a"\nport = 1\ninterface_version = "3.3"',
            'SMPP 3.3 has no transceiver, but interface_version is "3.3"',
        ),
        (
            'host = "a"\nport = 1\ninterface_version = "3.3"\nbind = "transmitter+receiver"\n'
            'segments_by = "sar"',
            "SMPP 3.3 has no TLVs",
        ),
        ('host = "a"\nport = 1\noutbind_listen = "0.0.0.0:2780"\ntls = true', "comes in clear"),
    ],
)
def test_what_cannot_be_is_told_with_its_cure(tmp_path: Path, keys: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, keys)
    assert told in str(caught.value)


def test_a_price_in_a_tlv_cannot_travel_by_the_oldest_version(tmp_path: Path) -> None:
    keys = 'host = "a"\nport = 1\ninterface_version = "3.3"\nbind = "transmitter+receiver"'
    with pytest.raises(ConfigurationError, match='prices travel by "tlv"'):
        read(tmp_path, keys, 'carrier = "tlv"\ntag = 0x1403')


# what is told ---------------------------------------------------------------------------------------------


def test_the_same_words_are_told_ever_more_seldom() -> None:
    words = Seldom()
    assert [words.tell("refused") for _ in range(9)] == [1, 2, 0, 4, 0, 0, 0, 8, 0]
    assert words.tell("another") == 1
    words.forget()
    assert words.tell("refused") == 1


def test_words_without_end_do_not_fill_the_memory() -> None:
    words = Seldom()
    for number in range(1000):
        words.tell(str(number))
    assert len(words._times) <= 32


def test_a_bind_that_fails_for_hours_is_told_a_few_times_and_its_return_at_once() -> None:
    clock = HandClock()
    told = BindLog(clock)
    with capture_logs() as lines:
        for _ in range(1000):
            told.tell("telco-trx-1", LinkState.CONNECTING, "a:1")
            told.tell("telco-trx-1", LinkState.DOWN, "nothing listens there")
        told.tell("telco-trx-1", LinkState.CONNECTING, "a:1")
        told.tell("telco-trx-1", LinkState.BINDING, "as smsd")
        told.tell("telco-trx-1", LinkState.BOUND, "as smsd at a:1")
        clock.advance(60)
        told.tell("telco-trx-1", LinkState.DOWN, "the connection was lost")
        told.tell("telco-trx-1", LinkState.DOWN, "nothing listens there")
    loud = [line for line in lines if line["log_level"] != "debug"]
    failed = [line for line in loud if line["event"] == "bind.failed"]
    assert [line["times"] for line in failed] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1]
    assert [line["event"] for line in loud[10:]] == ["bind.up", "bind.lost", "bind.failed"]
    assert len(lines) == 2005, "each change is an event, quiet or loud"


def test_an_smsc_that_takes_binds_and_drops_them_at_once_is_told_of_ever_more_seldom() -> None:
    clock = HandClock()
    told = BindLog(clock)
    with capture_logs() as lines:
        for _ in range(1000):
            told.tell("telco-trx-1", LinkState.BOUND, "as smsd at a:1")
            told.look()
            clock.advance(1)
            told.tell("telco-trx-1", LinkState.DOWN, "the SMSC unbound")
            clock.advance(60)
    loud = [line for line in lines if line["log_level"] != "debug"]
    lost = [line["times"] for line in loud if line["event"] == "bind.lost"]
    assert lost == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert [line["times"] for line in loud if line["event"] == "bind.up"] == lost
    assert len(lines) == 2000, "each change is an event, quiet or loud"


def test_a_bind_that_came_back_quietly_and_holds_is_told_of() -> None:
    clock = HandClock()
    told = BindLog(clock)
    for _ in range(6):
        told.tell("telco-trx-1", LinkState.BOUND, "as smsd at a:1")
        told.tell("telco-trx-1", LinkState.DOWN, "the SMSC unbound")
    with capture_logs() as lines:
        told.tell("telco-trx-1", LinkState.BOUND, "as smsd at a:1")
        told.look()
        assert [line["log_level"] for line in lines] == ["debug"]
        clock.advance(30)
        told.look()
        told.look()
        told.tell("telco-trx-1", LinkState.DOWN, "the SMSC unbound")
    loud = [line["event"] for line in lines if line["log_level"] != "debug"]
    assert loud == ["bind.up", "bind.lost"]


def test_leaving_in_order_is_no_loss() -> None:
    told = BindLog()
    with capture_logs() as lines:
        for state in (LinkState.BOUND, LinkState.UNBINDING, LinkState.DOWN):
            told.tell("telco-trx-1", state, "words")
    assert [line["event"] for line in lines if line["log_level"] != "debug"] == ["bind.up", "bind.ended"]


def test_the_kinds_of_bind_are_the_settings() -> None:
    assert [link.settings.bind.kind for link in links_of(bind="transmitter+receiver")] == [
        CommandId.BIND_TRANSMITTER,
        CommandId.BIND_RECEIVER,
    ]
