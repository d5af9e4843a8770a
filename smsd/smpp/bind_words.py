"""Why a bind is not up, in words that a support desk can act on or read out to the operator's.

Words only; no password, and nothing is decided here.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import Final

from smsd.smpp.constants import CommandStatus, describe
from smsd.smpp.tls_words import tls_words

_REFUSED: Final[dict[int, str]] = {
    CommandStatus.ESME_RINVPASWD: "the password is wrong",
    CommandStatus.ESME_RINVSYSID: "the system_id is not known there",
    CommandStatus.ESME_RINVSYSTYP: "the system_type is wrong",
    CommandStatus.ESME_RALYBND: (
        "the account is bound already: by another program, by more binds than it may have, "
        "or the SMSC has not noticed yet that an earlier bind ended"
    ),
    CommandStatus.ESME_RBINDFAIL: (
        "the account may not bind: it is closed, not open to our address, or not for this kind of bind"
    ),
    CommandStatus.ESME_RINVCMDID: "this kind of bind is not offered there; another `bind` may be",
    CommandStatus.ESME_RSYSERR: "the SMSC has a fault of its own",
    CommandStatus.ESME_RTHROTTLED: "there were too many tries in too short a time",
}

CREDENTIALS: Final = frozenset(
    {
        CommandStatus.ESME_RINVPASWD,
        CommandStatus.ESME_RINVSYSID,
        CommandStatus.ESME_RINVSYSTYP,
        CommandStatus.ESME_RTHROTTLED,
    }
)
"""Refusals that another host of the same operator would repeat: tried again only after a wait."""

_NOT_REACHED: Final[dict[int, str]] = {
    errno.ECONNREFUSED: "nothing listens there, or a firewall turns us away",
    errno.ETIMEDOUT: "no answer: the address is wrong, or a firewall in between drops us",
    errno.EHOSTUNREACH: "there is no way to this host from here",
    errno.ENETUNREACH: "there is no way to this network from here",
    errno.ECONNRESET: "the connection was broken off at once; TLS may be needed there, or not be spoken",
    errno.EADDRINUSE: "another program listens there",
    errno.EACCES: "this program may not do so",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def refused(status: int, system_id: str) -> str:
    """Why the SMSC refused a bind, with the status it gave."""
    words = _REFUSED.get(status)
    given = describe(status)
    return f"the SMSC refused bind as {system_id}: " + (f"{words}: {given}" if words else given)


def not_connected(where: str, failure: OSError) -> str:
    """Why there is no connection; `where` begins the sentence."""
    if isinstance(failure, ssl.SSLError):
        return f"{where}: TLS: {tls_words(failure)}"
    if isinstance(failure, socket.gaierror):
        return f"{where}: the name is not known: {failure.strerror or failure}"
    if isinstance(failure, TimeoutError):
        return f"{where}: {_NOT_REACHED[errno.ETIMEDOUT]}"
    if failure.filename:
        return f"{where}: {failure.filename}: {failure.strerror}"
    number = failure.errno or (errno.ECONNRESET if isinstance(failure, ConnectionError) else 0)
    if words := _NOT_REACHED.get(number):
        # asyncio writes words of its own there, with the address once more
        return f"{where}: {words} ({os.strerror(number)})"
    return f"{where}: {failure.strerror or os.strerror(number)}"


def lost(failure: Exception) -> str:
    """Why a connection that was there is gone."""
    if isinstance(failure, ssl.SSLError):
        return f"the connection was lost: TLS: {tls_words(failure)}"
    said = getattr(failure, "strerror", "") or str(failure) or type(failure).__name__
    return f"the connection was lost: {said}"


def soon_lost(reason: str) -> str:
    """Why a bind that was just taken is gone again."""
    if not reason.startswith(("the SMSC unbound", "the SMSC closed", "the connection was lost")):
        return reason
    return (
        f"{reason} as soon as it had taken the bind: most often the account is in use elsewhere or has more "
        "binds than it may have, our address is not on its list, or it is closed"
    )


_ENDED_BY_THEM: Final = ("the SMSC closed", "the connection was lost", "unreadable stream")


def not_bound(where: str, reason: str, tls: bool) -> str:
    """Why no bind came about where the connection ended with this reason before the bind was answered."""
    if "TLS: " in reason:
        # TLS 1.3 ends its handshake before the SMSC has judged our certificate
        return f"{where}: {reason}"
    other = "TLS is not meant there" if tls else "the port wants TLS"
    if reason.startswith("not bound within"):
        return (
            f"{reason}: the connection was taken, but bind is not answered; {other}, it is another "
            "service's port, or the SMSC hangs"
        )
    if not reason.startswith(_ENDED_BY_THEM):
        return reason
    if reason.startswith("unreadable"):
        return f"what came in answer to bind is no SMPP; {other}, or it is another service's port: {reason}"
    return (
        f"{reason} when asked to bind, without a word: most often our address is not on the account's list; "
        f"sometimes {other}"
    )
