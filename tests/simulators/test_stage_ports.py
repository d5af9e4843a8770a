"""A free port is its asker's: nobody else is given it, and whoever names it may listen there."""

from __future__ import annotations

import socket

import pytest

from simulators.stage import LOOPBACK, Port, free_port, refuse_taken


def test_a_free_port_is_kept_from_others_and_refuses_connections() -> None:
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((LOOPBACK, port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port))


def test_a_server_may_listen_at_it_again_and_again() -> None:
    port = free_port()
    for _ in range(2):
        refuse_taken([Port(port, "a test", "--port")])
        with socket.create_server((LOOPBACK, port)):
            socket.create_connection((LOOPBACK, port)).close()
            with pytest.raises(OSError, match="in use"):
                socket.create_server((LOOPBACK, port))
