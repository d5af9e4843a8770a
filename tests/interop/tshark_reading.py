"""tshark's SMPP dissector: a capture file in, what it read of each PDU out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from capture import SMSC_PORT, Chunk, write_pcap
from programs import need

PATIENCE_S = 120.0
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONCATENATION = ("msg_id", "msg_parts", "msg_part")
_COMPLAINTS = ("_ws.malformed", "_ws.expert", "_ws.unreassembled", "_ws.short")


class Dissected:
    """One PDU as tshark sees it."""

    def __init__(self, element: ElementTree.Element) -> None:
        self._element = element

    def octets(self, name: str) -> list[bytes]:
        """The octets of every field of this name, in order; of a field of bits, the octet they lie in."""
        found = [field for field in self._element.iter("field") if field.get("name") == name]
        values = (field.get("unmaskedvalue", field.get("value")) for field in found)
        return [bytes.fromhex(value) for value in values if value is not None]

    def number(self, name: str) -> int | None:
        """A number field, of the bits it has; None where the PDU has none."""
        for field in self._element.iter("field"):
            value = field.get("value")
            if field.get("name") == name and value is not None:
                return int(value, 16)
        return None

    def text(self, name: str) -> str | None:
        """A text field without its NUL."""
        found = self.octets(name)
        return found[0].rstrip(b"\0").decode("latin-1") if found else None

    def shown(self, name: str) -> list[str]:
        """Every field of this name in tshark's own words."""
        return [field.get("show", "") for field in self._element.iter("field") if field.get("name") == name]


class Reading:
    """All PDUs of a capture in order, the concatenation headers (reference, total, number) in their texts,
    and every complaint of tshark's, whatever layer it is of."""

    def __init__(self, root: ElementTree.Element) -> None:
        self.pdus = [Dissected(element) for element in _protos(root, "smpp")]
        parts = [Dissected(element) for element in _protos(root, "gsm_sms_ud")]
        self.headers = [
            tuple(part.number(f"gsm_sms.udh.mm.{name}") for name in _CONCATENATION) for part in parts
        ]
        self.complaints = [
            f"packet {number}: {name}: {element.get('showname', '')} {element.get('show', '')}"
            for number, packet in enumerate(root.iter("packet"), 1)
            for element in packet.iter()
            if (name := str(element.get("name", ""))).startswith(_COMPLAINTS)
        ]


def _protos(root: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (element for element in root.iter("proto") if element.get("name") == name)


async def read(folder: Path, chunks: list[Chunk]) -> Reading:
    """What tshark makes of these octets."""
    file = folder / "link.pcap"
    write_pcap(file, chunks)
    process = await asyncio.create_subprocess_exec(
        *(need("tshark"), "-n", "-r", str(file), "-d", f"tcp.port=={SMSC_PORT},smpp", "-T", "pdml"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            out, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
    # texts are shown with their control characters, which XML does not allow
    return Reading(ElementTree.fromstring(_NOT_IN_XML.sub("\ufffd", out.decode("utf-8", "replace"))))
