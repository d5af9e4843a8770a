"""Text to octets and back in the alphabets an SMSC speaks, and what data_coding says about them.

Encoding refuses what the alphabet lacks; decoding never raises, what has no meaning becomes U+FFFD. GSM 03.38
is unpacked, one septet to an octet, as SMPP carries it. Nothing here knows of headers or segments.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from enum import StrEnum
from typing import Final

from smsd.smpp.gsm0338 import DEFAULT, ESCAPE, EXTENSION, LOCKING_SHIFT, SINGLE_SHIFT, Language

__all__ = [
    "Coding",
    "NotEncodable",
    "choose",
    "coding_of",
    "data_coding_of",
    "decode",
    "decode_shifted",
    "encode",
    "fits",
    "length_in_units",
    "to_gsm",
]

_UNKNOWN: Final = "\ufffd"


class Coding(StrEnum):
    """An alphabet. Its unit: septet (GSM7), octet (LATIN1, LATIN9, BINARY), 16-bit unit (UCS2)."""

    GSM7 = "gsm7"
    LATIN1 = "latin1"
    LATIN9 = "latin9"
    UCS2 = "ucs2"
    BINARY = "binary"


class NotEncodable(ValueError):
    """The alphabet lacks this character. `char` is the first one it lacks; the text itself is not told."""

    def __init__(self, char: str, coding: Coding) -> None:
        super().__init__(f"U+{ord(char):04X} is not in {coding}")
        self.char = char
        self.coding = coding


# --- GSM 03.38 ----------------------------------------------------------------------------------------------
#
# One pass of the interpreter's C charmap encoder does the work. Its fast map wants NUL at place 0, where the
# alphabet has "@": so "@" travels as 0xFF, extended characters with the top bit set, and a second step, taken
# only where such octets came out, puts the real septets in their place.

_AT = 0xFF
_HIGH = 0x80


def _encoding_places() -> str:
    places = ["\ufffe"] * 256
    places[:128] = DEFAULT
    places[0] = "\0"
    places[ESCAPE] = "\ufffe"
    places[_AT] = "@"
    for septet, char in EXTENSION.items():
        places[_HIGH | septet] = char
    return "".join(places)


_GSM_MAP: Final = codecs.charmap_build(_encoding_places())
_EXTENDED_OCTETS: Final = bytes(_HIGH | septet for septet in EXTENSION)
_EXTENDED: Final = re.compile(b"[" + re.escape(_EXTENDED_OCTETS) + b"]")
_SETTLE: Final = bytes([0 if octet == _AT else octet & 0x7F for octet in range(256)])


def _gsm_raw(text: str) -> bytes:
    try:
        raw, _ = codecs.charmap_encode(text, "strict", _GSM_MAP)
    except UnicodeEncodeError as error:
        raise NotEncodable(text[error.start], Coding.GSM7) from None
    if 0 in raw:
        raise NotEncodable("\0", Coding.GSM7)
    return raw


def _encode_gsm(text: str) -> bytes:
    raw = _gsm_raw(text)
    if raw.isascii():
        return raw
    return _EXTENDED.sub(b"\x1b\\g<0>", raw).translate(_SETTLE)


def _decoding_places(locking: Language) -> str:
    return LOCKING_SHIFT[locking] + _UNKNOWN * 128


_LANGUAGES: Final = {language.value: language for language in Language}
_DECODING: Final = {language: _decoding_places(language) for language in Language}


def _decode_septets(octets: bytes, locking: Language, single: Language) -> str:
    places = _DECODING[locking]
    if ESCAPE not in octets:
        return codecs.charmap_decode(octets, "strict", places)[0]
    shifted = SINGLE_SHIFT[single]
    first, *others = octets.split(b"\x1b")
    text = [codecs.charmap_decode(first, "strict", places)[0]]
    for piece in others:
        if not piece:  # an escape at the end, or one before another escape
            text.append(_UNKNOWN)
            continue
        # TS 23.038, 6.2.1.1: a code the shift table lacks shows the main table's character.
        text.append(shifted.get(piece[0]) or places[piece[0]])
        text.append(codecs.charmap_decode(piece[1:], "strict", places)[0])
    return "".join(text)


def decode_shifted(octets: bytes, *, locking: int = 0, single: int = 0) -> str:
    """Unpacked septets → text under national language tables (TS 23.038 annex A); unknown languages count as
    none.
    """
    return _decode_septets(octets, _language(locking), _language(single))


def _language(identifier: int) -> Language:
    return _LANGUAGES.get(identifier, Language.NONE)


# --- the others ---------------------------------------------------------------------------------------------

_CODECS: Final = {Coding.LATIN1: "latin-1", Coding.LATIN9: "iso8859-15", Coding.UCS2: "utf-16-be"}

# Some telephones and SMSCs send octets marked as data that are plain words: those stay readable, all else is
# unknown.
_BINARY_PLACES: Final = "".join(
    chr(octet) if 0x20 <= octet < 0x7F or octet in (0x0A, 0x0D) else _UNKNOWN for octet in range(256)
)


def _decode_ucs2(octets: bytes) -> str:
    if octets[:2] == b"\xff\xfe":
        return octets[2:].decode("utf-16-le", "replace")
    if octets[:2] == b"\xfe\xff":
        octets = octets[2:]
    return octets.decode("utf-16-be", "replace")


def encode(text: str, coding: Coding) -> bytes:
    """Text → octets. GSM7 gives unpacked septets, UCS2 big-endian UTF-16 with surrogate pairs.

    Raises NotEncodable for the first character the alphabet lacks; BINARY has no characters at all.
    """
    if coding is Coding.GSM7:
        return _encode_gsm(text)
    codec = _CODECS.get(coding)
    if codec is None:
        if text:
            raise NotEncodable(text[0], coding)
        return b""
    try:
        return text.encode(codec)
    except UnicodeEncodeError as error:
        raise NotEncodable(text[error.start], coding) from None


def decode(octets: bytes, coding: Coding) -> str:
    """Octets → text, never raising.

    U+FFFD stands for each octet or escape without meaning, half a surrogate pair, a last odd octet of UCS2. A
    byte order mark before UCS2 is obeyed and dropped. BINARY shows printable ASCII.
    """
    if coding is Coding.GSM7:
        return _decode_septets(octets, Language.NONE, Language.NONE)
    if coding is Coding.UCS2:
        return _decode_ucs2(octets)
    if coding is Coding.BINARY:
        return codecs.charmap_decode(octets, "strict", _BINARY_PLACES)[0]
    return octets.decode(_CODECS[coding])


def fits(text: str, coding: Coding) -> bool:
    """Whether every character of the text is in the alphabet."""
    try:
        if coding is Coding.GSM7:
            _gsm_raw(text)
        else:
            encode(text, coding)
    except NotEncodable:
        return False
    return True


def length_in_units(text: str, coding: Coding) -> int:
    """How many units the text takes: septets (two for an extended character), octets, 16-bit units.

    Raises NotEncodable as `encode` does.
    """
    if coding is Coding.GSM7:
        raw = _gsm_raw(text)
        return len(raw) if raw.isascii() else 2 * len(raw) - len(raw.translate(None, _EXTENDED_OCTETS))
    octets = len(encode(text, coding))
    return octets // 2 if coding is Coding.UCS2 else octets


def choose(text: str, default: Coding) -> Coding:
    """The coding to send the text in: the route's default where it holds every character, else UCS2."""
    return default if fits(text, default) else Coding.UCS2


# --- data_coding --------------------------------------------------------------------------------------------


def _meaning(data_coding: int) -> Coding | None:
    """SMPP 3.4, 5.2.19 and the groups of TS 23.038, 4 that SMSCs pass on; None = the route's default."""
    smpp = {0: None, 1: Coding.LATIN1, 2: Coding.BINARY, 3: Coding.LATIN1, 4: Coding.BINARY, 8: Coding.UCS2}
    if data_coding < 0x10:
        # JIS, Cyrillic, Hebrew, pictograms, KS C 5601: not spoken here, their ASCII half stays readable.
        return smpp.get(data_coding, Coding.BINARY)
    alphabet = (data_coding >> 2) & 0b11
    if data_coding < 0x40:  # general data coding with a class, 0x20 = compressed
        if data_coding & 0x20:
            return Coding.BINARY
        return (Coding.GSM7, Coding.BINARY, Coding.UCS2, None)[alphabet]
    if 0xC0 <= data_coding < 0xE0:  # message waiting, GSM text
        return Coding.GSM7
    if 0xE0 <= data_coding < 0xF0:  # message waiting, UCS2 text
        return Coding.UCS2
    if data_coding >= 0xF0:  # message class
        return Coding.BINARY if data_coding & 0b100 else Coding.GSM7
    return None


_MEANINGS: Final = tuple(_meaning(value) for value in range(256))


def coding_of(data_coding: int, default: Coding) -> Coding:
    """What a data_coding octet says; 0 and reserved values mean the route's default. 1 (ASCII) is read as
    LATIN1.
    """
    return _MEANINGS[data_coding & 0xFF] or default


def data_coding_of(coding: Coding, default: Coding) -> int:
    """The data_coding to send. GSM7 and LATIN9 have no value of their own: they go as 0 where that is their
    meaning.

    Raises ValueError where the route cannot name the coding; GSM7 is never tagged 1.
    """
    if coding is default and coding not in (Coding.UCS2, Coding.BINARY):
        return 0
    value = {Coding.LATIN1: 3, Coding.UCS2: 8, Coding.BINARY: 4}.get(coding)
    if value is None:
        raise ValueError(
            f"no data_coding says {coding} on a route whose default is {default}; send ucs2 instead"
        )
    return value


# --- look-alikes --------------------------------------------------------------------------------------------

_LOOK_ALIKES: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′ʹʼ`´", "'"),
        **dict.fromkeys("“”„‟″«»ʺ", '"'),
        **dict.fromkeys("‐‑‒–—―−⁃", "-"),
        **dict.fromkeys("\t\u00a0\u1680\u202f\u205f\u3000", " "),
        **dict.fromkeys(map(chr, range(0x2000, 0x200B)), " "),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff", ""),
        **dict.fromkeys("\u0085\u2028\u2029\u000b", "\n"),
        **dict.fromkeys("•·∙●▪", "*"),
        "…": "...",
        "‹": "<",
        "›": ">",
        "⁄": "/",
        "×": "x",
        "™": "(TM)",
        "©": "(C)",
        "®": "(R)",
        "№": "No",
        "ﬁ": "fi",
        "ﬂ": "fl",
    }
)  # fmt: skip


def to_gsm(text: str) -> str:
    """The text with typographic marks, odd spaces and split-up letters as GSM 03.38 has them.

    For replies that should stay one segment. Letters are composed (a + ring → å) but never replaced by
    others, so a name stays itself: the result may still not fit GSM7. Text that fits already comes back
    unchanged.
    """
    if fits(text, Coding.GSM7):
        return text
    return unicodedata.normalize("NFC", text).translate(_LOOK_ALIKES)
