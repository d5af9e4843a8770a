"""What goes over a link, as a pcap file that Wireshark opens and dissects as SMPP.

One packet for each PDU, in TCP segments made up for the purpose, with the real addresses and ports; of TLS
one sees what was inside. Private content is masked unless asked for. The file is bounded and rotated. A
trace never disturbs a link: where it cannot be written it is told once, and off.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from struct import Struct
from typing import Any, Final

import msgspec
import structlog

from foundation.clock import SECOND_US, Clock
from smsd.smpp.codec import HEADER_OCTETS, LIMIT_OCTETS
from smsd.smpp.connecting import Connector, LinkSettings
from smsd.smpp.constants import CommandId
from smsd.smpp.private import veiled
from smsd.smpp.wire import Wire

__all__ = ["Trace", "TraceSettings", "TracedConnection", "traced"]

log = structlog.get_logger(__name__)

PCAP_HEADER: Final = Struct("<IHHiIII").pack(0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101)
"""Little-endian, microseconds, link type 101: packets begin with their IPv4 or IPv6 header."""
_record = Struct("<IIII").pack
_ip4 = Struct(">BBHHHBBH4s4s").pack
_ip6 = Struct(">IHBB16s16s").pack
_tcp = Struct(">HHIIBBHHH").pack
_length_of = Struct(">I").unpack_from
_SEGMENT_OCTETS: Final = 60_000
_WITH_PASSWORD: Final = frozenset(
    int(each).to_bytes(4, "big")
    for each in (
        CommandId.BIND_TRANSMITTER,
        CommandId.BIND_RECEIVER,
        CommandId.BIND_TRANSCEIVER,
        CommandId.OUTBIND,
    )
)
"""A trace goes to the operator's desk or a colleague's: whoever asks for texts did not ask for passwords."""
_SYN, _FIN, _PUSH, _ACK = 2, 1, 8, 16
_WINDOW: Final = 65_535
_NOWHERE: Final = ("127.0.0.1", 0)
_MB: Final = 1_000_000


class TraceSettings(msgspec.Struct, frozen=True):
    """Where to, how large each file may grow (MB), how many files there are, and whether texts are shown."""

    path: str
    file_mb: int = 10
    files: int = 4
    private: bool = False


class Trace:
    """One file and those it was rotated to (`path.1` the newest). Shared by the links of an account."""

    def __init__(self, settings: TraceSettings, clock: Clock) -> None:
        self.settings = settings
        self.failed = False
        self._clock = clock
        self._path = Path(settings.path)
        self._file: FileIO | None = None
        self._octets = 0
        self._limit = settings.file_mb * _MB

    def connection(self) -> TracedConnection:
        """What one connection is traced by."""
        return TracedConnection(self)

    def write(self, packets: list[bytes]) -> None:
        """Add packets, all at this moment; nothing once the file could not be written."""
        if self.failed:
            return
        seconds, micros = divmod(self._clock.now_us(), SECOND_US)
        records = b"".join(
            [_record(seconds, micros, len(packet), len(packet)) + packet for packet in packets]
        )
        try:
            if self._file is None or self._octets + len(records) > self._limit:
                self._begin()
            assert self._file is not None
            self._octets += self._file.write(records)
        except OSError as error:
            self.failed = True
            self.close()
            log.error(
                "trace.failed", path=str(self._path), error=error.strerror, effect="no trace is written"
            )

    def close(self) -> None:
        """Close the file; writing opens a new one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self.close()
        last = self.settings.files - 1
        names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, last + 1))]
        for older, newer in zip(reversed(names), list(reversed(names))[1:], strict=False):
            if newer.exists():
                newer.replace(older)
        if not last:
            self._path.unlink(missing_ok=True)
        # numbers stand in it even where they are masked: for this user alone, and never through a link
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._file = FileIO(os.open(self._path, flags, 0o600), "w")
        self._octets = self._file.write(PCAP_HEADER)


def traced(connect: Connector, trace: Trace) -> Connector:
    """A connector whose connections are traced."""

    async def open_traced(factory: Callable[[], asyncio.Protocol], settings: LinkSettings) -> object:
        def make() -> asyncio.Protocol:
            protocol = factory()
            if isinstance(protocol, Wire):
                protocol.tap = trace.connection()
            return protocol

        return await connect(make, settings)

    return open_traced


class Direction:
    """One way of a connection: what is not yet a PDU, and the number TCP would have counted to."""

    __slots__ = ("_blind", "_waiting", "sequence")

    def __init__(self) -> None:
        self.sequence = 0
        self._waiting = bytearray()
        self._blind = False

    def pdus(self, octets: bytes) -> Iterator[tuple[bytes, bool]]:
        """Whole PDUs, each with whether it is one: what cannot be cut any more comes as it is."""
        waiting = self._waiting
        waiting += octets
        while not self._blind and len(waiting) >= 4:
            (length,) = _length_of(waiting)
            if not HEADER_OCTETS <= length <= LIMIT_OCTETS * 16:
                self._blind = True
            elif length <= len(waiting):
                yield bytes(waiting[:length]), True
                del waiting[:length]
            else:
                return
        if self._blind and waiting:
            yield bytes(waiting), False
            waiting.clear()


class TracedConnection:
    """Writes one connection's PDUs to a trace; see `smsd.smpp.wire.Tap`."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._mine = _End(*_NOWHERE)
        self._theirs = _End(*_NOWHERE)
        self._out = Direction()
        self._in = Direction()

    def opened(self, mine: Any, theirs: Any) -> None:
        """The connection is there, between these two socket addresses."""
        self._mine, self._theirs = _End.of(mine), _End.of(theirs)
        packets = [self._packet(self._out, self._in, _SYN)]
        self._out.sequence += 1
        packets.append(self._packet(self._in, self._out, _SYN | _ACK))
        self._in.sequence += 1
        packets.append(self._packet(self._out, self._in, _ACK))
        self._trace.write(packets)

    def came(self, octets: bytes) -> None:
        """These were read."""
        self._put(octets, self._in, self._out)

    def went(self, octets: bytes) -> None:
        """These were written."""
        self._put(octets, self._out, self._in)

    def gone(self) -> None:
        """The connection is over."""
        self._trace.write([self._packet(self._out, self._in, _FIN | _ACK)])

    def _put(self, octets: bytes, one: Direction, other: Direction) -> None:
        if self._trace.failed:
            return
        private = self._trace.settings.private
        packets = []
        for pdu, whole in one.pdus(octets):
            if private and pdu[4:8] not in _WITH_PASSWORD:
                shown = pdu
            else:
                shown = veiled(pdu) if whole else b"*" * len(pdu)
            for at in range(0, len(shown), _SEGMENT_OCTETS):
                piece = shown[at : at + _SEGMENT_OCTETS]
                packets.append(self._packet(one, other, _PUSH | _ACK, piece))
                one.sequence = (one.sequence + len(piece)) & 0xFFFFFFFF
        if packets:
            self._trace.write(packets)

    def _packet(self, one: Direction, other: Direction, flags: int, payload: bytes = b"") -> bytes:
        ours = one is self._out
        source, target = (self._mine, self._theirs) if ours else (self._theirs, self._mine)
        acknowledged = other.sequence if flags & _ACK else 0
        ports = (source.port, target.port, one.sequence, acknowledged, 0x50, flags, _WINDOW)
        size = 20 + len(payload)
        pseudo = source.packed + target.packed + Struct(">IHBB").pack(size, 0, 0, 6)
        segment = _tcp(*ports, _checksum(pseudo + _tcp(*ports, 0, 0) + payload), 0) + payload
        if len(source.packed) == 16:
            return _ip6(0x60000000, size, 6, 64, source.packed, target.packed) + segment
        head = (0x45, 0, 20 + size, 0, 0x4000, 64, 6)
        checksum = _checksum(_ip4(*head, 0, source.packed, target.packed))
        return _ip4(*head, checksum, source.packed, target.packed) + segment


class _End:
    """One side's address and port, as a packet carries them."""

    __slots__ = ("packed", "port")

    def __init__(self, host: str, port: int) -> None:
        self.packed = ipaddress.ip_address(host.partition("%")[0]).packed
        self.port = port

    @classmethod
    def of(cls, name: Any) -> _End:
        """From what a socket says of itself; what is no internet address is none."""
        try:
            host, port = name[:2]
            socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host.partition("%")[0])
            return cls(host, int(port))
        except (TypeError, ValueError, OSError, AttributeError):
            return cls(*_NOWHERE)


def _checksum(octets: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    total = int.from_bytes(octets + b"\0" * (len(octets) & 1), "big") % 0xFFFF
    # a sum that is a multiple of 0xFFFF folds to 0xFFFF, not 0: there is always some octet that is not 0
    return ~(total or 0xFFFF) & 0xFFFF
