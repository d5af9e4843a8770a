"""The national language tables of 3GPP TS 23.038 for the languages of South Asia, identifiers 4 to 13.

Nine of them are a script's Unicode block laid out by one plan, which stands here instead of nine tables.
Places that the standard leaves empty hold U+FFFD. Urdu has a layout of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["LOCKING", "SINGLE"]

_EMPTY: Final = "\ufffd"
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"

# Annex A.3.4 to A.3.12, places 0x00 to 0x5F: a character, or where in the script's block it stands.
_PLAN: Final[tuple[int | str, ...]] = (
    *(*range(0x01, 0x04), *range(0x05, 0x0C), "\n", 0x0C, 0x0D, "\r", 0x0E, 0x0F),
    *(*range(0x10, 0x1B), "\x1b", *range(0x1B, 0x1F)),
    *(" ", "!", *range(0x1F, 0x25), ")", "(", 0x25, 0x26, ",", 0x27, ".", 0x28),
    *("0123456789:;", 0x29, 0x2A, 0x2B, "?"),
    *(*range(0x2C, 0x3A), 0x3C, 0x3D),
    *range(0x3E, 0x4E),
)


def _locking(block: int, last: str, empty: str = "") -> str:
    """`last`: what stands in 0x60 and 0x7B to 0x7F; `empty`: what the plan has and the block has not."""
    absent = set(bytes.fromhex(empty))
    places = "".join(
        each if isinstance(each, str) else _EMPTY if each in absent else chr(block + each) for each in _PLAN
    )
    at_0x60, *at_0x7b = (chr(block + each) for each in bytes.fromhex(last))
    return places + at_0x60 + _LOWER + "".join(at_0x7b)


def _chars(*codes: int | Iterable[int]) -> str:
    return "".join(chr(each) if isinstance(each, int) else "".join(map(chr, each)) for each in codes)


_URDU: Final = (
    _chars(
        0x627, 0x622, 0x628, 0x67B, 0x680, 0x67E, 0x6A6, 0x62A, 0x6C2, 0x67F, 0x0A, 0x679, 0x67D, 0x0D, 0x67A
    )
    + _chars(0x67C, 0x62B, 0x62C, 0x681, 0x684, 0x683, 0x685, 0x686, 0x687, 0x62D, 0x62E, 0x62F, 0x1B, 0x68C)
    + _chars(
        range(0x688, 0x68B), 0x20, 0x21, 0x68F, 0x68D, 0x630, 0x631, 0x691, 0x693, 0x29, 0x28, 0x699, 0x632
    )
    + _chars(0x2C, 0x696, 0x2E, 0x698)
    + "0123456789:;"
    + _chars(
        0x69A, 0x633, 0x634, 0x3F, range(0x635, 0x63A), 0x641, 0x642, 0x6A9, 0x6AA, 0x6AB, 0x6AF, 0x6B3, 0x6B1
    )
    + _chars(0x644, 0x645, 0x646, 0x6BA, 0x6BB, 0x6BC, 0x648, 0x6C4, 0x6D5, 0x6C1, 0x6BE, 0x621, 0x6CC, 0x6D0)
    + _chars(0x6D2, 0x64D, 0x64F, 0x650, 0x657, 0x654)
    + _LOWER
    + _chars(0x651, 0x670, 0x655, 0x656, 0x653)
)

LOCKING: Final[Mapping[int, str]] = MappingProxyType(
    {
        4: _locking(0x0980, "4e575c5d7071", "0d0e111229313334354546494a"),
        5: _locking(0x0A80, "506061626371", "0e12293134464a"),
        6: _locking(0x0900, "50727b7c7e7f"),
        7: _locking(0x0C80, "555660616263", "010d1129344549"),
        8: _locking(0x0D00, "576061626379", "010d11293c4549"),
        9: _locking(0x0B00, "565760616263", "0d0e11122931344546494a"),
        10: _locking(0x0A00, "517071727374", "0b0c0d0e1112293134373d43444546494a"),
        11: _locking(0x0B80, "505770717279", "010b0c0d111617181b1d2021222526272b2c2d3c3d43444549"),
        12: _locking(0x0C00, "555660616263", "0d1129343c4549"),
        13: _URDU,
    }
)
"""Annex A.3.4 on: Bengali, Gujarati, Hindi, Kannada, Malayalam, Oriya, Punjabi, Tamil, Telugu, Urdu."""

# Annex A.2.4 to A.2.13: what all ten share, and the places left for the language's own.
_SHARED: Final = {
    **dict(enumerate("@£$¥¿\"¤%&'\f*+")),
    **dict(enumerate("-/<=>¡^¡_#*", 0x0E)),
    **{0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|"},
    **dict(enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 0x41)),
    0x65: "€",
}
_OWN: Final = (0x19, 0x1A, *range(0x1C, 0x28), *range(0x2A, 0x2F), *range(0x30, 0x3C), 0x3F)


def _single(*codes: int | Iterable[int], first: int = 0) -> Mapping[int, str]:
    """The language's own characters, in the order of the places from the `first` of them on."""
    own = dict(zip(_OWN[first:], _chars(*codes), strict=False))
    return MappingProxyType({**_SHARED, **own})


_DANDAS: Final = (0x0964, 0x0965)

SINGLE: Final[Mapping[int, Mapping[int, str]]] = MappingProxyType(
    {
        4: _single(range(0x9E6, 0x9F0), 0x9DF, range(0x9E0, 0x9E4), range(0x9F2, 0x9FB)),
        5: _single(_DANDAS, range(0xAE6, 0xAF0)),
        6: _single(
            _DANDAS, range(0x966, 0x970), 0x952, 0x951, 0x953, 0x954, range(0x958, 0x964), 0x970, 0x971
        ),
        7: _single(_DANDAS, range(0xCE6, 0xCF0), 0xCDE, 0xCF1, 0xCF2),
        8: _single(_DANDAS, range(0xD66, 0xD76), range(0xD7A, 0xD80)),
        9: _single(_DANDAS, range(0xB66, 0xB70), 0xB5C, 0xB5D, 0xB5F, 0xB70, 0xB71),
        10: _single(_DANDAS, range(0xA66, 0xA70), 0xA59, 0xA5A, 0xA5B, 0xA5C, 0xA5E, 0xA75),
        11: _single(_DANDAS, range(0xBE6, 0xBF0), range(0xBF3, 0xBF9), 0xBFA),
        12: _single(range(0xC66, 0xC70), 0xC58, 0xC59, range(0xC78, 0xC80), first=2),
        13: _single(
            *(0x600, 0x601, range(0x6F0, 0x6FA), range(0x60C, 0x615), 0x61B, 0x61F, 0x640, 0x652, 0x658),
            *(0x66B, 0x66C, 0x672, 0x673, 0x6CD, 0x6D4),
        ),
    }
)
"""Annex A.2.4 to A.2.13, in the same order."""
