"""What one bind is told of where and how to connect, and the connector that does it over TCP or TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias

import msgspec

from smsd.smpp import pdu as p
from smsd.smpp.constants import Tag
from smsd.smpp.dialing import dial
from smsd.smpp.hosts import Address
from smsd.smpp.session import SessionSettings

FIRST_WITH_TLVS: Final = 0x34
"""The interface version from which on an SMSC takes TLVs (SMPP 3.4 §5.2.4 and §5.3.2.25)."""


class Tls(Protocol):
    """TLS to the SMSC as a settings file gives it. `server_name` is checked and sent; None: the host's."""

    @property
    def server_name(self) -> str | None: ...

    def context(self) -> ssl.SSLContext:
        """Read the files; OSError (of which ssl.SSLError is one) where they cannot be used."""


class LinkSettings(msgspec.Struct, frozen=True):
    """One bind; times in seconds, see `SessionSettings` for those of the session."""

    name: str
    host: str
    port: int
    bind: p.Bind
    standby: tuple[Address, ...] = ()
    """Hosts to turn to, in this order, where the first cannot be bound to."""
    fail_back_s: float | None = 300.0
    """How often a bind at a standby looks whether the first host can be reached again; None never."""
    called: bool = False
    """The SMSC opens the connection (outbind); `host` and `port` are where we wait for it."""
    needs_tlvs: bool = False
    """Nothing of worth can be sent without TLVs: an SMSC that takes none is not bound to."""
    tls: Tls | None = None
    window: int = 10
    enquire_link_s: float | None = 20.0
    response_timeout_s: float = 60.0
    bind_timeout_s: float = 30.0
    connect_timeout_s: float = 15.0
    inactivity_s: float | None = None
    pdu_limit_octets: int = 65536
    late_answers: int = 1000
    requests_limit: int = 1000
    backoff_first_s: float = 1.0
    backoff_max_s: float = 60.0
    stable_s: float = 30.0
    """A bind that held this long makes the next back-off begin at its first wait."""

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All hosts, the preferred one first."""
        return (Address(self.host, self.port), *self.standby)

    def at(self, address: Address) -> LinkSettings:
        """The same for one host."""
        return msgspec.structs.replace(self, host=address.host, port=address.port)

    def session(self) -> SessionSettings:
        """The session's part."""
        return SessionSettings(
            window=self.window,
            enquire_link_s=self.enquire_link_s,
            response_timeout_s=self.response_timeout_s,
            bind_timeout_s=self.bind_timeout_s,
            inactivity_s=self.inactivity_s,
            late_answers=self.late_answers,
            pdu_limit_octets=self.pdu_limit_octets,
        )


Connector: TypeAlias = Callable[[Callable[[], asyncio.Protocol], LinkSettings], Awaitable[object]]
"""Opens a connection for a protocol to the settings' host; raises OSError or TimeoutError where it fails."""


async def connect_tcp(factory: Callable[[], asyncio.Protocol], settings: LinkSettings) -> object:
    """The connector used by default: TCP, with TLS where the settings say so."""
    loop = asyncio.get_running_loop()
    context = None if settings.tls is None else settings.tls.context()
    sock = await dial(settings.host, settings.port)
    try:
        if settings.tls is None:
            return await loop.create_connection(factory, sock=sock)
        return await loop.create_connection(
            factory,
            sock=sock,
            ssl=context,
            server_hostname=settings.tls.server_name or settings.host,
            ssl_handshake_timeout=settings.connect_timeout_s,
        )
    except BaseException:
        sock.close()
        raise


def takes_tlvs(bind: p.Bind, answer: p.Pdu) -> bool:
    """Whether TLVs may be sent after this bind and its answer.

    An SMSC that names no version is taken at our word for it: many that take TLVs leave it out.
    """
    said = p.find(getattr(answer, "tlvs", ()), Tag.SC_INTERFACE_VERSION)
    return bind.interface_version >= FIRST_WITH_TLVS and (not said or said[0] >= FIRST_WITH_TLVS)
