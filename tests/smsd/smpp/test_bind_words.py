"""Why a bind is not up, in words."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from smsd.smpp.bind_words import not_connected, refused
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
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "TLS: "),
        (OSError(errno.EIO, "Input/output error"), "cannot connect to x: Input/output error"),
    ],
)
def test_a_connection_that_cannot_be_made_is_told_with_its_likely_cause(failure, words):
    told = not_connected("cannot connect to x", failure)
    assert told.startswith("cannot connect to x: ")
    assert words in told
