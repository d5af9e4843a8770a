"""Text and octets: GSM 03.38 against two strangers' codecs, the others against Python's, and what data_coding
says.
"""

from __future__ import annotations

import hashlib
import unicodedata

import gsm0338
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smspdudecoder.codecs import GSM, UCS2

from smsd.smpp.alphabet import (
    Coding,
    NotEncodable,
    choose,
    coding_of,
    data_coding_of,
    decode,
    decode_shifted,
    encode,
    fits,
    length_in_units,
    to_gsm,
)
from smsd.smpp.gsm0338 import DEFAULT, EXTENSION, LOCKING_SHIFT, SINGLE_SHIFT, Language

GSM_CHARS = DEFAULT.replace("\x1b", "") + "".join(EXTENSION.values())
gsm_text = st.text(alphabet=GSM_CHARS, max_size=400)
any_text = st.text(max_size=200)
whole_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200)


def stranger() -> gsm0338.Codec:
    return gsm0338.Codec()


def packed(septets: bytes) -> bytes:
    """Septets packed as TS 23.038, 6.1.2.1 draws them; written here, as the tests' own."""
    bits = sum(septet << (7 * place) for place, septet in enumerate(septets))
    return bits.to_bytes((7 * len(septets) + 7) // 8, "little")


@given(gsm_text)
def test_gsm_text_comes_back_as_it_went(text: str) -> None:
    assert decode(encode(text, Coding.GSM7), Coding.GSM7) == text


@given(gsm_text)
def test_gsm_septets_are_those_of_a_strangers_codec(text: str) -> None:
    theirs, _ = stranger().encode(text)
    assert encode(text, Coding.GSM7) == theirs


@given(
    st.lists(
        st.sampled_from(
            [bytes((s,)) for s in range(128) if s != 0x1B] + [bytes((0x1B, e)) for e in EXTENSION]
        )
    )
)
def test_gsm_octets_read_as_a_strangers_codec_reads_them(pieces: list[bytes]) -> None:
    octets = b"".join(pieces)
    theirs, _ = stranger().decode(octets)
    assert decode(octets, Coding.GSM7) == theirs


@given(gsm_text.filter(lambda text: not text.endswith(("@", "\r"))))
def test_packed_gsm_reads_as_a_second_strangers_codec_reads_it(text: str) -> None:
    septets = encode(text, Coding.GSM7)
    theirs = GSM.decode(packed(septets).hex().upper(), strip_padding=True)
    # Seven or fewer spare bits may look like one more septet of padding to the stranger: trailing "@" and CR
    # are left out.
    assert theirs.rstrip("@") == text


@given(any_text)
def test_a_text_fits_gsm_exactly_when_the_stranger_can_encode_it(text: str) -> None:
    try:
        stranger().encode(text)
        theirs = "\x1b" not in text
    except UnicodeEncodeError:
        theirs = False
    assert fits(text, Coding.GSM7) == theirs


@given(any_text, st.sampled_from(Coding))
def test_fits_encode_and_length_agree(text: str, coding: Coding) -> None:
    if fits(text, coding):
        octets = encode(text, coding)
        assert length_in_units(text, coding) == len(octets) // (2 if coding is Coding.UCS2 else 1)
    else:
        with pytest.raises(NotEncodable):
            encode(text, coding)
        with pytest.raises(NotEncodable):
            length_in_units(text, coding)


@given(st.binary(max_size=300), st.sampled_from(Coding))
def test_decoding_random_octets_never_raises_and_gives_text_that_can_be_stored(
    octets: bytes, coding: Coding
) -> None:
    decode(octets, coding).encode("utf-8")


@given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, 255))
def test_decoding_random_octets_in_any_language_never_raises(
    octets: bytes, locking: int, single: int
) -> None:
    decode_shifted(octets, locking=locking, single=single).encode("utf-8")


@given(whole_text.filter(lambda text: text[:1] not in ("\ufeff", "\ufffe")))
def test_ucs2_comes_back_as_it_went_surrogate_pairs_too(text: str) -> None:
    assert decode(encode(text, Coding.UCS2), Coding.UCS2) == text


@given(st.text(alphabet=st.characters(max_codepoint=0xFFFD, exclude_categories=["Cs"]), max_size=60))
def test_ucs2_octets_are_those_of_a_strangers_codec(text: str) -> None:
    assert encode(text, Coding.UCS2).hex().upper() == UCS2.encode(text).upper()


@pytest.mark.parametrize(("coding", "codec"), [(Coding.LATIN1, "latin-1"), (Coding.LATIN9, "iso8859-15")])
def test_single_octet_codings_are_pythons(coding: Coding, codec: str) -> None:
    every = bytes(range(256))
    assert decode(every, coding) == every.decode(codec)
    assert encode(every.decode(codec), coding) == every


def test_norwegian_letters_take_one_septet_and_the_euro_two() -> None:
    assert encode("æøåÆØÅ", Coding.GSM7) == bytes((0x1D, 0x0C, 0x0F, 0x1C, 0x0B, 0x0E))
    assert encode("€", Coding.GSM7) == b"\x1b\x65"
    assert length_in_units("æøå€", Coding.GSM7) == 5


def test_every_extended_character_has_its_escape() -> None:
    text = "^{}\\[~]|€\f"
    assert (
        encode(text, Coding.GSM7)
        == b"\x1b\x14\x1b\x28\x1b\x29\x1b\x2f\x1b\x3c\x1b\x3d\x1b\x3e\x1b\x40\x1b\x65\x1b\x0a"
    )


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"A\x1b", "A\ufffd"),
        (b"\x1b\x1b\x65", "\ufffd€"),
        (b"\x1bA", "A"),
        (b"\x1b\x80B", "\ufffdB"),
        (b"A\x80\xffB", "A\ufffd\ufffdB"),
        (b"\x00", "@"),
        (b"", ""),
    ],
)
def test_gsm_octets_without_meaning_become_replacement_characters(octets: bytes, text: str) -> None:
    assert decode(octets, Coding.GSM7) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x00A\x00", "A\ufffd"),
        (b"\xd8\x3d\x00A", "\ufffdA"),
        (b"\xde\x00\x00A", "\ufffdA"),
        (b"\x00A\xd8\x3d", "A\ufffd"),
        (b"\xd8\x3d\xde\x00", "😀"),
        (b"\xfe\xff\x00A", "A"),
        (b"\xff\xfeA\x00", "A"),
        (b"A", "\ufffd"),
    ],
)
def test_broken_ucs2_is_read_as_far_as_it_goes(octets: bytes, text: str) -> None:
    assert decode(octets, Coding.UCS2) == text


def test_what_cannot_be_encoded_is_named_by_its_first_character_alone() -> None:
    with pytest.raises(NotEncodable) as caught:
        encode("hemmeleg 😀 tekst", Coding.GSM7)
    assert caught.value.char == "😀"
    assert "hemmeleg" not in str(caught.value)
    assert "U+1F600" in str(caught.value)


@pytest.mark.parametrize("char", ["\0", "\x1b", "\ufffe", "\uffff", "\ufffd", "ç", "`"])
def test_characters_that_look_like_table_marks_are_not_in_gsm(char: str) -> None:
    assert not fits(char, Coding.GSM7)
    with pytest.raises(NotEncodable):
        encode("A" + char, Coding.GSM7)


def test_half_a_surrogate_pair_cannot_be_encoded() -> None:
    with pytest.raises(NotEncodable):
        encode("\ud83d", Coding.UCS2)


def test_binary_has_no_characters_but_shows_plain_words() -> None:
    assert decode(b"ORG1 BETAL 50\x00\xff", Coding.BINARY) == "ORG1 BETAL 50\ufffd\ufffd"
    assert not fits("A", Coding.BINARY)
    assert encode("", Coding.BINARY) == b""


@pytest.mark.parametrize(
    ("locking", "single", "octets", "text"),
    [
        (Language.TURKISH, 0, b"\x0b\x0c\x1c\x1d\x07\x40\x60\x04", "ĞğŞşıİç€"),
        (0, Language.TURKISH, b"\x1bG\x1bI\x1bS\x1bc\x1bg\x1bi\x1bs\x1be", "ĞİŞçğış€"),
        (0, Language.SPANISH, b"\x1b\x09\x1bA\x1bI\x1bO\x1bU\x1ba\x1bi\x1bo\x1bu", "çÁÍÓÚáíóú"),
        (Language.SPANISH, Language.SPANISH, b"ma\x7dana \x1ba", "mañana á"),
        (Language.PORTUGUESE, 0, b"\x09\x0b\x0c\x0e\x0f\x12\x7b\x7c\x7d\x60\x1a", "çÔôÁáªãõ`~|"),
        (0, Language.PORTUGUESE, b"\x1b\x05\x1b\x1f\x1ba\x1b\x7f\x1b[\x1b\\\x1b\x7b\x1b\x7c", "êÊÂâÃÕãõ"),
        (Language.TURKISH, Language.TURKISH, b"\x1bA", "A"),
        (Language.HINDI, 0, b"\x2f\x42\x24\x60 50", "नम\u0921ॐ 50"),
        (Language.HINDI, Language.HINDI, b"\x1b\x1c\x1bA\x1b\x65\x1b\x28", "०A€{"),
        (0, Language.HINDI, b"\x1b\x30\x1b\x19", "\u095b।"),
        (Language.URDU, 0, b"\x00\x03\x1c\x4a 1", "اٻڌ\u06af 1"),
        (0, Language.URDU, b"\x1b\x1c\x1b\x26\x1b\x3f", "۰،۔"),
        (Language.BENGALI, Language.BENGALI, b"\x13\x1b\x24\x0c", "ও\u09df\ufffd"),
        (Language.PUNJABI, Language.PUNJABI, b"\x47\x1b\x26", "\u0a33\u0a59"),
        (Language.TAMIL, Language.TAMIL, b"\x15\x1b\x2e", "க\u0bfa"),
        (99, 77, b"\x0b\x1b\x65", "Ø€"),
    ],
)
def test_national_language_tables_are_read(locking: int, single: int, octets: bytes, text: str) -> None:
    assert decode_shifted(octets, locking=locking, single=single) == text


@pytest.mark.parametrize("language", Language)
def test_every_table_has_128_places_and_keeps_digits_letters_and_the_extension(language: Language) -> None:
    places = LOCKING_SHIFT[language]
    assert len(places) == 128
    assert places[0x30:0x3A] == "0123456789"
    assert (places[0x0A], places[0x0D], places[0x1B]) == ("\n", "\r", "\x1b")
    assert places[0x61:0x7B].isascii()
    if language < Language.BENGALI:
        assert places[0x41:0x5B].isascii()
    assert {septet: SINGLE_SHIFT[language][septet] for septet in EXTENSION} == dict(EXTENSION)
    assert not SINGLE_SHIFT[language].keys() & {0x0D, 0x1B}


@pytest.mark.parametrize("language", [each for each in Language if each >= Language.BENGALI])
def test_a_south_asian_table_is_of_its_own_script(language: Language) -> None:
    """As Unicode names it; but for the dandas that all share, and what GSM text has too."""
    script = {Language.HINDI: "DEVANAGARI", Language.PUNJABI: "GURMUKHI", Language.URDU: "ARABIC"}.get(
        language, language.name
    )
    shared = set(DEFAULT) | {"€", "\ufffd", "\u0964", "\u0965"}
    letters = (set(LOCKING_SHIFT[language]) | set(SINGLE_SHIFT[language].values())) - shared
    assert {script in unicodedata.name(char) for char in letters if not char.isascii()} == {True}
    own = [char for char in LOCKING_SHIFT[language] if char in letters and not char.isascii()]
    assert len(own) == len(set(own))


@pytest.mark.parametrize(
    ("language", "locking", "single"),
    [
        (Language.NONE, "06e3b0e082a12f9f", "4b5ada48804b8d78"),
        (Language.TURKISH, "59b6785da8da3fde", "65cdf5a46950f81f"),
        (Language.SPANISH, "06e3b0e082a12f9f", "95fb321d98903982"),
        (Language.PORTUGUESE, "429ecce35b213973", "47b9fc95f4c72121"),
        (Language.BENGALI, "e09602dbe548f617", "c1c0cf8a15da335b"),
        (Language.GUJARATI, "6d13002765069804", "9a5b35e06a0eff3c"),
        (Language.HINDI, "4093bbbc0947eec9", "e4ab0c5bcc56e161"),
        (Language.KANNADA, "4f169b6921e6394c", "9737f6c0fda461f4"),
        (Language.MALAYALAM, "fa7aecfea13cb69b", "27fec11902dd3c8f"),
        (Language.ORIYA, "3f7a3a5df0cb87b8", "b3b0dee905e90a43"),
        (Language.PUNJABI, "74ad0527560395c1", "6e5d9f5dbe31363a"),
        (Language.TAMIL, "8c47c9394d9ed3b5", "a8cee21f6d313d6b"),
        (Language.TELUGU, "aaca745a7f302daf", "4f822ce034a4e097"),
        (Language.URDU, "d340352ed4667a96", "733d66dc34ada5e9"),
    ],
)
def test_the_tables_are_those_that_were_held_against_a_second_source(
    language: Language, locking: str, single: str
) -> None:
    """All 128 places of each equalled those of Android's GsmAlphabet, and still do while these sums hold."""
    shifted = "".join(f"{septet:02x}{char}" for septet, char in sorted(SINGLE_SHIFT[language].items()))
    assert _sum_of(LOCKING_SHIFT[language]) == locking
    assert _sum_of(shifted) == single


def _sum_of(table: str) -> str:
    return hashlib.sha256(table.encode("utf-8")).hexdigest()[:16]


def test_the_spanish_single_shift_table_is_the_strangers() -> None:
    theirs = gsm0338.Codec(single_shift_decode_map=gsm0338.SINGLE_SHIFT_CHARACTER_SET_SPANISH)
    for septet in SINGLE_SHIFT[Language.SPANISH]:
        octets = bytes((0x1B, septet))
        assert decode_shifted(octets, single=Language.SPANISH) == theirs.decode(octets)[0]


@pytest.mark.parametrize(
    ("data_coding", "coding"),
    [
        (0, None),
        (1, Coding.LATIN1),
        (2, Coding.BINARY),
        (3, Coding.LATIN1),
        (4, Coding.BINARY),
        (8, Coding.UCS2),
        (0x10, Coding.GSM7),
        (0x14, Coding.BINARY),
        (0x18, Coding.UCS2),
        (0x20, Coding.BINARY),
        (0x80, None),
        (0xC0, Coding.GSM7),
        (0xD8, Coding.GSM7),
        (0xE8, Coding.UCS2),
        (0xF0, Coding.GSM7),
        (0xF1, Coding.GSM7),
        (0xF4, Coding.BINARY),
        (0xF7, Coding.BINARY),
        (0x100, None),
    ],
)
@pytest.mark.parametrize("default", [Coding.GSM7, Coding.LATIN1, Coding.LATIN9])
def test_data_coding_is_read_by_the_specification_and_zero_by_the_route(
    data_coding: int, coding: Coding | None, default: Coding
) -> None:
    assert coding_of(data_coding, default) is (coding or default)


@pytest.mark.parametrize("default", [Coding.GSM7, Coding.LATIN1, Coding.LATIN9])
@given(text=any_text)
def test_what_is_chosen_can_be_named_and_means_the_same_at_the_other_end(default: Coding, text: str) -> None:
    coding = choose(text, default)
    assert coding_of(data_coding_of(coding, default), default) is coding
    assert coding is (default if fits(text, default) else Coding.UCS2)


def test_gsm_is_never_tagged_as_ascii() -> None:
    assert data_coding_of(Coding.GSM7, Coding.GSM7) == 0
    with pytest.raises(ValueError, match="gsm7"):
        data_coding_of(Coding.GSM7, Coding.LATIN1)
    assert data_coding_of(Coding.UCS2, Coding.GSM7) == 8
    assert data_coding_of(Coding.LATIN1, Coding.GSM7) == 3


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("“Hei” – sa ho…", '"Hei" - sa ho...'),
        ("det’s\u00a0fint\u2009no", "det's fint no"),
        ("Smalga\u030asen", "Smalgåsen"),
        ("A\u200bB\ufeffC", "ABC"),
        ("«Hei»", '"Hei"'),
        ("a\u2028b", "a\nb"),
        ("Łódź", "Łódź"),
        ("rein GSM @€", "rein GSM @€"),
    ],
)
def test_look_alikes_become_gsm_characters_and_letters_stay(written: str, sent: str) -> None:
    assert to_gsm(written) == sent


@given(any_text)
def test_replacing_look_alikes_twice_changes_nothing_more(text: str) -> None:
    assert to_gsm(to_gsm(text)) == to_gsm(text)


@given(gsm_text)
def test_gsm_text_is_not_touched_by_the_replacement(text: str) -> None:
    assert to_gsm(text) is text
