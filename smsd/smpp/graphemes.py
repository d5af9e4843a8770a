"""Where a text may be cut without breaking what a reader sees as one character: every grapheme cluster of
Unicode's UAX #29 stays whole, and a few pairs beside, where its tables would be needed to tell them apart.
Only points that are asked about are looked at; nothing here knows of lengths.
"""

from __future__ import annotations

import unicodedata

__all__ = ["is_boundary"]

_ZWJ = "\u200d"
_ZWNJ = "\u200c"
_VIRAMA = 9
"""The combining class of signs that tie two consonants of an Indic script together."""

# letters by category, marks to a reader: Thai and Lao AM, the voicing marks of half-width katakana
_MARKS = frozenset("\u0e33\u0eb3\uff9e\uff9f")

# what belongs to the character after it (Prepend): signs that span numbers, a few letters above others
_SPANNING = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd\U000111c2"
    "\U000111c3\U0001193f\U00011941\U00011a3a\U00011a84\U00011a85\U00011a86\U00011a87\U00011a88\U00011a89"
    "\U00011d46\U00011f02"
)


def is_boundary(text: str, at: int) -> bool:
    """Whether the text may be cut before index `at` (0..len): False inside a grapheme cluster."""
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if before < "\u0300" and after < "\u0300":
        return not (before == "\r" and after == "\n")
    if _extends(after) or before == _ZWJ or before in _SPANNING or _is_tied(text, at):
        return False
    if _is_regional(before) and _is_regional(after):
        return _regionals_before(text, at) % 2 == 0
    return not _joins_hangul(before, after)


def _extends(char: str) -> bool:
    return (
        unicodedata.category(char) in ("Mn", "Me", "Mc")
        or char in (_ZWJ, _ZWNJ)
        or char in _MARKS
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= char <= "\U000e007f"  # tags of subdivision flags
    )


def _is_tied(text: str, at: int) -> bool:
    """Whether a virama, other marks behind it or not, ties the letter at `at` to the one before."""
    if unicodedata.category(text[at]) != "Lo":
        return False
    at -= 1
    while at and unicodedata.combining(text[at]) not in (0, _VIRAMA):
        at -= 1
    return unicodedata.combining(text[at]) == _VIRAMA


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _regionals_before(text: str, at: int) -> int:
    start = at
    while start and _is_regional(text[start - 1]):
        start -= 1
    return at - start


def _joins_hangul(before: str, after: str) -> bool:
    first, second = _hangul(before), _hangul(after)
    return second in {"L": ("L", "V", "LV", "LVT"), "V": ("V", "T"), "T": ("T",)}.get(
        {"LV": "V", "LVT": "T"}.get(first, first), ()
    )


def _hangul(char: str) -> str:
    if "\uac00" <= char <= "\ud7a3":
        return "LV" if (ord(char) - 0xAC00) % 28 == 0 else "LVT"
    if "\u1100" <= char <= "\u115f" or "\ua960" <= char <= "\ua97c":
        return "L"
    if "\u1160" <= char <= "\u11a7" or "\ud7b0" <= char <= "\ud7c6":
        return "V"
    if "\u11a8" <= char <= "\u11ff" or "\ud7cb" <= char <= "\ud7fb":
        return "T"
    return ""
