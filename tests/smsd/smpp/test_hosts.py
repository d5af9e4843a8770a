"""Which host a bind tries next."""

from __future__ import annotations

import pytest

from smsd.smpp.hosts import Address, Hosts

A, B, C = Address("a.example", 2775), Address("b.example", 2775), Address("::1", 2776)


def test_an_address_reads_as_people_write_it():
    assert [str(each) for each in (A, C)] == ["a.example:2775", "[::1]:2776"]


def test_no_host_at_all_is_refused():
    with pytest.raises(ValueError, match="no host"):
        Hosts([])


def test_a_round_tries_every_host_once_and_then_it_is_time_to_wait():
    hosts, tried = Hosts([A, B, C]), []
    for _ in range(6):
        tried.append((hosts.now, hosts.failed()))
    assert tried == [(A, True), (B, True), (C, False)] * 2


def test_a_single_host_always_waits():
    hosts = Hosts([A])
    assert [hosts.failed(), hosts.failed()] == [False, False]
    assert hosts.at_home


def test_after_a_bind_that_held_the_round_begins_at_home():
    hosts = Hosts([A, B])
    hosts.failed()
    assert (hosts.now, hosts.at_home) == (B, False)
    hosts.ended(held=True)
    assert (hosts.now, hosts.at_home) == (A, True)
    assert hosts.failed()


def test_after_a_bind_that_did_not_hold_the_next_host_has_its_turn():
    hosts = Hosts([A, B])
    hosts.ended(held=False)
    assert hosts.now == B
    hosts.ended(held=False)
    assert hosts.now == A


def test_going_home_begins_a_whole_round():
    hosts = Hosts([A, B])
    hosts.failed()
    hosts.go_home()
    assert (hosts.now, hosts.failed(), hosts.failed()) == (A, True, False)
