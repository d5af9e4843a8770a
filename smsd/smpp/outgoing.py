"""Octets on their way to the transport, and which requests among them it has not been given yet."""

from __future__ import annotations


class Outgoing:
    """PDUs in order, `octets` of them. A request stays ours to take back until `drain` gave it out."""

    __slots__ = ("_held", "_parts", "octets")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.octets = 0
        # requests in _parts, by sequence number: where
        self._held: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, octets: bytes) -> None:
        """Anything but a request that is in the window."""
        self._parts.append(octets)
        self.octets += len(octets)

    def add_request(self, sequence: int, octets: bytes) -> None:
        """A request that is in the window."""
        self._held[sequence] = len(self._parts)
        self._parts.append(octets)
        self.octets += len(octets)

    def holds(self, sequence: int) -> bool:
        """Whether no octet of this request was given out."""
        return sequence in self._held

    @property
    def held(self) -> int:
        """Requests not given out."""
        return len(self._held)

    def take_back(self, sequence: int) -> bool:
        """Drop a request that was not given out; False where it was, or is none."""
        place = self._held.pop(sequence, None)
        if place is None:
            return False
        self.octets -= len(self._parts[place])
        self._parts[place] = b""
        return True

    def drain(self) -> bytes:
        """All octets; from now on they count as sent."""
        data = b"".join(self._parts)
        self._parts.clear()
        self._held.clear()
        self.octets = 0
        return data
