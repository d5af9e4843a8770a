"""Why a bind is not up, in words."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from smsd.smpp.bind_words import lost, not_bound, not_connected, refused
from smsd.smpp.constants import CommandStatus


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (CommandStatus.ESME_RINVPASWD, "password is wrong"),
        (CommandStatus.ESME_RINVSYSID, "system_id is not known"),
        (CommandStatus.ESME_RALYBND, "bound already"),
        (CommandStatus.ESME_RBINDFAIL, "not open to our address"),
        (CommandStatus.ESME_RSYSERR, "fault of its own"),
        (0x00000433, "status 0x00000433"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_the_status_for_the_operators_desk(status, words):
    told = refused(status, "orgs")
    assert told.startswith("the SMSC refused bind as orgs: ")
    assert words in told
    assert getattr(status, "name", "0x00000433") in told


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)), "nothing listens there"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no way to this host"),
        (TimeoutError(), "no answer"),
        (socket.gaierror(-2, "Name or service not known"), "the name is not known"),
        (ssl.SSLError(1, "odd"), "TLS: odd"),
        (ConnectionResetError(), "broken off at once; TLS may be needed there"),
        (FileNotFoundError(2, "No such file or directory", "ca.pem"), "ca.pem: No such file or directory"),
        (OSError(errno.EIO, "Input/output error"), "cannot connect to x: Input/output error"),
    ],
)
def test_a_connection_that_cannot_be_made_is_told_with_its_likely_cause(failure, words):
    told = not_connected("cannot connect to x", failure)
    assert told.startswith("cannot connect to x: ")
    assert words in told


def test_what_asyncio_writes_of_a_refused_connection_is_not_shown():
    failure = OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 2775)")
    told = not_connected("cannot connect to 127.0.0.1:2775", failure)
    assert told.endswith("or a firewall turns us away (Connection refused)")


@pytest.mark.parametrize(
    ("reason", "tls", "words"),
    [
        (
            "the SMSC closed the connection",
            False,
            "our address is not on the account's list; sometimes the port",
        ),
        ("the SMSC closed the connection", True, "sometimes TLS is not meant there"),
        ("the connection was lost: Connection reset by peer", False, "most often our address"),
        ("unreadable stream: x", False, "what came in answer to bind is no SMPP; the port wants TLS, or"),
        (
            "the connection was lost: TLS: no trust",
            True,
            "cannot connect to y: the connection was lost: TLS: no",
        ),
        ("not bound within 30 s", False, "not bound within 30 s"),
    ],
)
def test_a_connection_that_ends_before_the_bind_is_told_with_its_likely_cause(reason, tls, words):
    assert words in not_bound("cannot connect to y", reason, tls)


def test_a_connection_that_is_lost_is_told_with_its_cause():
    assert lost(OSError(errno.EPIPE, "Broken pipe")) == "the connection was lost: Broken pipe"
    assert lost(ConnectionResetError()) == "the connection was lost: ConnectionResetError"
    assert lost(ssl.SSLError(1, "odd")) == "the connection was lost: TLS: odd"
