"""What went over a link: a proxy that keeps the octets, and pcap files made of them (raw IPv4)."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

_MAGIC, _LINKTYPE_RAW = 0xA1B2C3D4, 101
_MOST = 32_000
_PUSH_ACK = 0x18
_LOOPBACK = bytes((127, 0, 0, 1))
ESME_PORT, SMSC_PORT = 40_000, 2775


class Chunk(NamedTuple):
    """Octets of one read: of which connection, from the ESME or from the SMSC, when (s)."""

    connection: int
    from_esme: bool
    octets: bytes
    at_s: float = 0.0


class Proxy:
    """Listens on `port`, passes everything on to another loopback port and keeps it in `chunks`."""

    def __init__(self, to_port: int) -> None:
        self.chunks: list[Chunk] = []
        self.port = 0
        self._to_port = to_port
        self._connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self._connections
        self._connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        for one, other, from_esme in ((reader, far_writer, True), (far_reader, writer, False)):
            task = asyncio.create_task(self._pass_on(one, other, number, from_esme))
            self._tasks.add(task)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, from_esme: bool
    ) -> None:
        try:
            while octets := await reader.read(_MOST):
                self.chunks.append(Chunk(number, from_esme, octets, time.time()))
                writer.write(octets)
                await writer.drain()
        finally:
            writer.close()


def sent(chunks: Iterable[Chunk], *, from_esme: bool) -> bytes:
    """All that one side sent, connection after connection."""
    mine = sorted((each for each in chunks if each.from_esme is from_esme), key=lambda each: each.connection)
    return b"".join(each.octets for each in mine)


def write_pcap(path: Path, chunks: Iterable[Chunk]) -> None:
    """Each connection as TCP from ESME_PORT + its number to SMSC_PORT, taken up after its handshake."""
    packets: list[tuple[float, bytes]] = []
    following: dict[tuple[int, bool], int] = {}
    for chunk in chunks:
        mine, other = (chunk.connection, chunk.from_esme), (chunk.connection, not chunk.from_esme)
        for at in range(0, len(chunk.octets), _MOST):
            piece = chunk.octets[at : at + _MOST]
            packets.append((chunk.at_s, _ip(chunk, following.get(mine, 1), following.get(other, 1), piece)))
            following[mine] = following.get(mine, 1) + len(piece)
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, 65_535, _LINKTYPE_RAW))
        for at_s, packet in packets:
            second, fraction = divmod(at_s, 1)
            file.write(struct.pack("<IIII", int(second), int(fraction * 1e6), len(packet), len(packet)))
            file.write(packet)


def _ip(chunk: Chunk, seq: int, ack: int, payload: bytes) -> bytes:
    ports = (ESME_PORT + chunk.connection, SMSC_PORT)
    source, dest = ports if chunk.from_esme else ports[::-1]
    tcp = struct.pack(">HHIIBBHHH", source, dest, seq, ack, 5 << 4, _PUSH_ACK, 65_535, 0, 0)
    total = 20 + len(tcp) + len(payload)
    head = struct.pack(">BBHHHBBH", 0x45, 0, total, 0, 0, 64, 6, 0) + _LOOPBACK * 2
    return head[:10] + struct.pack(">H", _sum(head)) + head[12:] + tcp + payload


def _sum(octets: bytes) -> int:
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
