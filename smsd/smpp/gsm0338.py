"""The character tables of 3GPP TS 23.038: the default alphabet, its extension and the national language
tables.

Data alone; how septets are read and written is `smsd.smpp.alphabet`'s. Each table is a string of 128 places
indexed by septet, so that a place can be compared with the standard's printed table by eye; those for South
Asia are in `smsd.smpp.south_asian`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from smsd.smpp import south_asian

__all__ = ["DEFAULT", "ESCAPE", "EXTENSION", "LOCKING_SHIFT", "SINGLE_SHIFT", "Language"]

ESCAPE = 0x1B


class Language(IntEnum):
    """National language identifiers (TS 23.040, 9.2.3.24.15–16, TS 23.038, 6.2.1.2.4). Others are read as
    NONE.
    """

    NONE = 0
    TURKISH = 1
    SPANISH = 2
    PORTUGUESE = 3
    BENGALI = 4
    GUJARATI = 5
    HINDI = 6
    KANNADA = 7
    MALAYALAM = 8
    ORIYA = 9
    PUNJABI = 10
    TAMIL = 11
    TELUGU = 12
    URDU = 13


_ASCII_MIDDLE = "%&'()*+,-./0123456789:;<=>?"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER = "abcdefghijklmnopqrstuvwxyz"

# 6.2.1. The place of ESCAPE holds U+001B, which no text may contain and no decoding produces.
DEFAULT = (
    '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !"#¤' + _ASCII_MIDDLE + "¡" + _UPPER + "ÄÖÑÜ§¿" + _LOWER + "äöñüà"
)

# 6.2.1.1
EXTENSION: Mapping[int, str] = MappingProxyType(
    {
        0x0A: "\f",
        0x14: "^",
        0x28: "{",
        0x29: "}",
        0x2F: "\\",
        0x3C: "[",
        0x3D: "~",
        0x3E: "]",
        0x40: "|",
        0x65: "€",
    }
)

# Annex A.3. Spanish has none of its own: the default alphabet stays.
LOCKING_SHIFT: Mapping[Language, str] = MappingProxyType(
    {
        Language.NONE: DEFAULT,
        Language.SPANISH: DEFAULT,
        Language.TURKISH: (
            "@£$¥€éùıòÇ\nĞğ\rÅå"
            "Δ_ΦΓΛΩΠΨΣΘΞ\x1bŞşßÉ"
            ' !"#¤' + _ASCII_MIDDLE + "İ" + _UPPER + "ÄÖÑÜ§"
            "ç" + _LOWER + "äöñüà"
        ),
        Language.PORTUGUESE: (
            "@£$¥êéúíóç\nÔô\rÁá"
            "Δ_ªÇÀ∞^\\€Ó|\x1bÂâÊÉ"
            ' !"#º' + _ASCII_MIDDLE + "Í" + _UPPER + "ÃÕÚÜ§"
            "~" + _LOWER + "ãõ`üà"
        ),
        **{Language(identifier): table for identifier, table in south_asian.LOCKING.items()},
    }
)

# Annex A.2. Each holds the whole of the default extension beside its own letters.
SINGLE_SHIFT: Mapping[Language, Mapping[int, str]] = MappingProxyType(
    {
        Language.NONE: EXTENSION,
        Language.TURKISH: MappingProxyType(
            {
                **EXTENSION,
                **{0x47: "Ğ", 0x49: "İ", 0x53: "Ş"},
                **{0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"},
            }
        ),
        Language.SPANISH: MappingProxyType(
            {
                **EXTENSION,
                **{0x09: "ç", 0x41: "Á", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú"},
                **{0x61: "á", 0x69: "í", 0x6F: "ó", 0x75: "ú"},
            }
        ),
        Language.PORTUGUESE: MappingProxyType(
            {
                **EXTENSION,
                **{0x05: "ê", 0x09: "ç", 0x0B: "Ô", 0x0C: "ô", 0x0E: "Á", 0x0F: "á"},
                **{0x12: "Φ", 0x13: "Γ", 0x15: "Ω", 0x16: "Π", 0x17: "Ψ", 0x18: "Σ", 0x19: "Θ", 0x1F: "Ê"},
                **{0x41: "À", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú", 0x5B: "Ã", 0x5C: "Õ"},
                **{0x61: "Â", 0x69: "í", 0x6F: "ó", 0x75: "ú", 0x7B: "ã", 0x7C: "õ", 0x7F: "â"},
            }
        ),
        **{Language(identifier): table for identifier, table in south_asian.SINGLE.items()},
    }
)
