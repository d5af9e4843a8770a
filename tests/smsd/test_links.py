"""The binds of an account, as its settings describe them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from playbook import HandClock, operator

from smsd.links import account_links
from smsd.settings import Limits
from smsd.smpp.link import Link
from smsd.smpp.pdu import CommandId


class Nobody:
    """A listener that nothing is told."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called before the link runs")


def links(**settings: Any) -> list[Link]:
    return account_links(
        operator(**settings), Limits(pdu_limit_octets=2048), Nobody(), clock=HandClock(), rng=random.Random(1)
    )


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["telco-trx-1"]),
        ({"binds": 3}, ["telco-trx-1", "telco-trx-2", "telco-trx-3"]),
        ({"bind": "transmitter+receiver"}, ["telco-tx-1", "telco-rx-1"]),
        (
            {"bind": "transmitter+receiver", "binds": 2},
            ["telco-tx-1", "telco-rx-1", "telco-tx-2", "telco-rx-2"],
        ),
    ],
)
def test_an_account_has_as_many_binds_as_its_settings_say(settings: dict[str, Any], names: list[str]) -> None:
    assert [link.name for link in links(**settings)] == names


def test_one_link_for_each_way_where_the_operator_wants_it() -> None:
    assert [link.settings.bind.kind for link in links(bind="transmitter+receiver")] == [
        CommandId.BIND_TRANSMITTER,
        CommandId.BIND_RECEIVER,
    ]


def test_every_value_of_the_account_reaches_its_link() -> None:
    (link,) = links(
        host="smsc.example",
        port=3550,
        system_id="orgs",
        password="s3cret",
        system_type="VMA",
        address_range="2030",
        window=25,
        enquire_link_s=15.0,
        response_timeout_s=45.0,
        bind_timeout_s=12.0,
        inactivity_s=900.0,
        reconnect_first_s=0.5,
        reconnect_max_s=30.0,
    )
    made = link.settings
    assert (made.host, made.port, made.window, made.pdu_limit_octets) == ("smsc.example", 3550, 25, 2048)
    assert (made.enquire_link_s, made.response_timeout_s, made.bind_timeout_s) == (15.0, 45.0, 12.0)
    assert made.inactivity_s == 900.0
    assert (made.backoff_first_s, made.backoff_max_s) == (0.5, 30.0)
    bind = made.bind
    assert (bind.system_id, bind.password, bind.system_type, bind.address_range) == (
        "orgs",
        "s3cret",
        "VMA",
        "2030",
    )


def test_a_link_begins_down() -> None:
    (link,) = links()
    assert not link.can_submit
    assert not link.can_receive
    assert link.room == 0
