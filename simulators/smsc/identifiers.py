"""Message ids in the forms that operators write them, and numbers in the form that phones have.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from foundation.clock import utc
from simulators.smsc.settings import IdFormat

_ABOVE_63_BITS = 1 << 64
_ODD = 0x9E3779B97F4A7C15F39CC0605CEDC835
_MASK = (1 << 128) - 1


def _uuid(number: int) -> str:
    text = f"{(number * _ODD) & _MASK:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


_WRITERS: dict[IdFormat, Callable[[int], str]] = {
    IdFormat.DECIMAL: str,
    IdFormat.HEX: "{:x}".format,
    IdFormat.HEX_UPPER: "{:X}".format,
    IdFormat.PADDED: "{:020d}".format,
    IdFormat.UUID: _uuid,
    IdFormat.BIG: lambda number: str(number + _ABOVE_63_BITS),
}


def write_id(number: int, form: IdFormat) -> str:
    """The message id of the SMSC's own count, as `form` writes it."""
    return _WRITERS[form](number)


def digits_of(address: str) -> str:
    """A phone's number as international digits without `+`; eight digits are Norwegian.

    What is no phone number (a short code, a name) comes back as it is.
    """
    if address.startswith("+"):
        return address[1:]
    if address.startswith("00"):
        return address[2:]
    if len(address) == 8 and address.isdigit() and address[0] >= "2":
        return "47" + address
    return address


@lru_cache(maxsize=8)
def rfc3339(at_us: int) -> str:
    """UTC microseconds as `2026-11-22T01:09:22.000000Z`."""
    return utc(at_us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def absolute_time(at_us: int) -> str:
    """UTC microseconds as SMPP's absolute time (SMPP 3.4 section 7.1.1): YYMMDDhhmmsstnnp."""
    moment = utc(at_us)
    return f"{moment:%y%m%d%H%M%S}{moment.microsecond // 100_000}00+"
