"""Words, amounts, addresses and names, read out of texts."""

from __future__ import annotations

import unicodedata

import email_validator
import pytest
from cpu import cpu_s
from hypothesis import example, given
from hypothesis import strategies as st

from smsd.words import (
    Reading,
    beside,
    fold,
    near,
    read_amount,
    read_person,
    safe,
    unwrap,
    valid_address,
)


class TestSafe:
    def test_composes_letters_typed_as_letter_and_accent(self) -> None:
        assert safe("A\u030ase") == "Åse"

    def test_keeps_line_breaks_and_drops_other_control_characters(self) -> None:
        assert safe("a\nb\tc\x00d\x1be") == "a\nb\tc d e"

    def test_replaces_half_a_surrogate_pair_so_that_the_text_can_be_stored(self) -> None:
        assert safe("å\ud83d!").encode() == "å\ufffd!".encode()

    def test_keeps_joined_emoji_whole(self) -> None:
        assert safe("👨‍👩‍👧") == "👨‍👩‍👧"

    @given(st.text(st.characters(exclude_categories=[])))
    def test_can_always_be_encoded(self, text: str) -> None:
        assert "\0" not in safe(text).encode().decode()


class TestUnwrap:
    @pytest.mark.parametrize(
        "text", ["«a b»", '"a b"', "'a b'", "“a b”", "„a b“", "(a b)", "  « a b » ", '«"a b"»']
    )
    def test_takes_quotes_off_the_whole_text(self, text: str) -> None:
        assert unwrap(text) == "a b"

    @pytest.mark.parametrize("text", ["«a» b", '"a" and "b"', "a »", "(", "«", '"a" "b"'])
    def test_leaves_quotes_that_are_not_around_the_whole(self, text: str) -> None:
        assert unwrap(text) == text


class TestFold:
    @pytest.mark.parametrize(
        ("word", "folded"),
        [
            ("ORG1", "org1"),
            ("ØRN", "ørn"),
            ("ÆØÅ", "æøå"),
            ("\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425", "abekmhopctyx"),
            (
                "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
                "abezhikmnoptyx",
            ),
            ("ＯＲＧ１", "org1"),
            ("\u0661\u0662\u0663", "123"),
            ("\u200eORG1\u200f", "org1"),
            ("\u212a", "k"),
        ],
    )
    def test_makes_look_alikes_the_same(self, word: str, folded: str) -> None:
        assert fold(word) == folded

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("ORG1", "0RG1"),
            ("ORG1", "ORGl"),
            ("ØRN", "ORN"),
            ("ØRN", "ÖRN"),
            ("Å", "A"),
            ("5²", "52"),
            ("①", "1"),
            ("½", "12"),
        ],
    )
    def test_keeps_apart_what_is_another_letter_or_number(self, one: str, other: str) -> None:
        assert fold(one) != fold(other)

    @given(st.text())
    def test_folding_twice_changes_nothing_more(self, word: str) -> None:
        assert fold(fold(word)) == fold(word)


class TestBeside:
    @pytest.mark.parametrize(
        "word", ["org1", "«org1»", '"org1"', "#org1", "*org1*", "org1:", "org1...", "🙂org1🙂", "--org1--"]
    )
    def test_takes_marks_off_both_edges(self, word: str) -> None:
        assert beside(word) == "org1"

    def test_leaves_marks_inside(self) -> None:
        assert beside("røde-kors") == "røde-kors"

    def test_leaves_nothing_of_marks_alone(self) -> None:
        assert beside("-🙂-") == ""


class TestNear:
    @pytest.mark.parametrize(
        "word", ["betla", "beta", "betall", "betsl", "ebtal", "etal", "betal50", "betal-50", "betale"]
    )
    def test_one_slip_is_near(self, word: str) -> None:
        assert near(word, "betal")

    @pytest.mark.parametrize("word", ["betal", "", "b", "btl", "betaling", "metall", "hotel", "latab"])
    def test_the_word_itself_and_two_slips_are_not(self, word: str) -> None:
        assert not near(word, "betal")

    def test_short_words_are_near_nothing(self) -> None:
        assert not near("pau", "pay")


class TestAmount:
    @given(
        st.integers(1, 1000),
        st.integers(0, 4),
        st.sampled_from(
            ["{}", "{} kr", "{},-", "{}.-", "kr {}", "kr. {}", "NOK {}", "{} kroner", "{}kr.", "  {}  "]
        ),
    )
    def test_every_whole_amount_reads_as_itself_in_every_form(
        self, kroner: int, zeros: int, form: str
    ) -> None:
        amount = read_amount(form.format("0" * zeros + str(kroner)), 1, 1000)
        assert (amount.reading, amount.kroner) == (Reading.WHOLE, kroner)

    @given(st.integers(1001, 10**30))
    def test_every_number_above_the_ceiling_is_out_of_range(self, kroner: int) -> None:
        assert read_amount(str(kroner), 1, 1000).reading is Reading.OUT_OF_RANGE

    @given(st.integers(0, 2000), st.integers(0, 99), st.sampled_from(".,"))
    def test_no_decimal_part_is_ever_charged(self, kroner: int, ore: int, mark: str) -> None:
        assert read_amount(f"{kroner}{mark}{ore:02}", 1, 1000).reading is Reading.NOT_WHOLE

    @given(
        st.integers(0, 2000),
        st.integers(0, 2000),
        st.sampled_from([" ", "\n", "-", "/", " og ", "+", "\u00a0", "\u200b", ".", ","]),
    )
    def test_two_numbers_are_never_charged(self, one: int, other: int, between: str) -> None:
        assert read_amount(safe(f"{one}{between}{other}"), 1, 1000).reading is Reading.NOT_WHOLE

    @given(st.text(), st.integers(1, 1000))
    @example("9" * 5000, 1000)
    @example("٣", 1000)
    def test_what_is_charged_stands_in_the_text_digit_by_digit(self, text: str, ceiling_kr: int) -> None:
        amount = read_amount(text, 1, ceiling_kr)
        if amount.reading is Reading.WHOLE:
            digits = "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())
            assert int(digits) == amount.kroner <= ceiling_kr

    @pytest.mark.parametrize(("floor_kr", "reading"), [(50, Reading.WHOLE), (51, Reading.OUT_OF_RANGE)])
    def test_the_floor_counts_too(self, floor_kr: int, reading: Reading) -> None:
        assert read_amount("50", floor_kr, 1000).reading is reading


_LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
_ADDRESS = st.builds(
    lambda local, labels, last: f"{local}@{'.'.join(labels)}.{last}",
    st.from_regex(r"[A-Za-z0-9_+-]{1,8}(\.[A-Za-z0-9_+-]{1,8}){0,3}", fullmatch=True),
    st.lists(_LABEL, min_size=1, max_size=4),
    st.from_regex(r"[A-Za-z]{1,10}", fullmatch=True),
)


def _asked(address: str) -> str:
    try:
        return email_validator.validate_email(
            address, check_deliverability=False, test_environment=True, strict=True
        ).normalized
    except email_validator.EmailNotValidError:
        return ""


class TestAddress:
    @given(_ADDRESS)
    @example("ola@example.org")
    @example("OLA@EXAMPLE.ORG")
    @example("ola@mail.local")
    @example("ola@example.test")
    @example("ola@ab--cd.no")
    @example("ola@xn--blbr-roah.no")
    @example("ola@ſ.no")
    @example(f"{'a' * 65}@example.org")
    @example(f"a@{'b' * 64}.org")
    @example(f"a@{'.'.join(['b' * 50] * 4)}.{'c' * 24}")
    @example(f"{'a' * 64}@{'.'.join(['b' * 50] * 3)}.{'c' * 24}")
    @example("ola@example.o-g")
    def test_the_short_way_answers_as_email_validator_does(self, address: str) -> None:
        assert valid_address(address) == _asked(address)

    @given(st.text(st.characters(exclude_categories=[])))
    def test_any_text_is_answered(self, text: str) -> None:
        assert isinstance(valid_address(text), str)

    def test_a_local_part_too_long_is_not_cut_to_another_persons(self) -> None:
        assert read_person(f"Ola {'a' * 80}@example.org").email == ""

    def test_the_first_valid_of_several_counts_but_not_after_endless_others(self) -> None:
        assert read_person("Ola a@b ola@example.org").email == "ola@example.org"
        assert read_person("Ola " + "a@b " * 50 + "ola@example.org").email == ""


class TestName:
    def test_a_very_long_name_is_cut_between_words(self) -> None:
        person = read_person("Ola " * 100 + "ola@example.org")
        assert person.name == " ".join(["Ola"] * 25)

    def test_a_very_long_word_is_cut_too(self) -> None:
        assert len(read_person("å" * 500 + " ola@example.org").name) == 100

    def test_what_is_no_name_goes_before_the_comment(self) -> None:
        person = read_person("Ola Nordmann, Smalgåshagen 2, ola@example.org Verva av Stian")
        assert (person.name, person.comment) == ("Ola Nordmann", "Smalgåshagen 2 Verva av Stian")

    @given(st.text(st.characters(categories=["Lu", "Ll"], include_characters="'- ")))
    def test_letters_are_kept_as_they_are(self, text: str) -> None:
        text = safe(text)
        kept = [char for char in read_person(f"{text[:90]} a@example.org").name if char.isalpha()]
        assert kept == [char for char in text[:90] if char.isalpha()]


HOSTILE = {
    "at": "@" * 20_000,
    "a@": "a@" * 10_000,
    "a@b.": "a@b." * 5_000,
    "addresses": "a@b.c " * 4_000,
    "dots": "a@" + "b." * 10_000,
    "hyphens": "a@" + "b-" * 10_000 + ".org",
    "labels": "ola@" + "a" * 60 + "-" * 20_000 + ".org",
    "spaces": "Ola" + " " * 20_000 + "x@",
    "label words": "Ola " + "epost " * 4_000 + "a@example.org",
    "zeros": "0" * 20_000,
    "digits": "9" * 20_000,
    "kr": "kr" * 10_000,
    "kr 5": "kr 5 " * 5_000,
    "marks": "- " * 10_000,
    "quotes": '«"' * 5_000 + '"»' * 5_000,
    "emoji": "🙂" * 10_000,
    "accents": "a" + "\u0301" * 20_000,
    "commas": "," * 20_000 + " 1 a@example.org",
    "colons": "ORG1" + ":" * 20_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_reading_takes_no_more_than_the_length_deserves(text: str) -> None:
    """Twenty thousand characters, ten times what a phone can send, in a tenth of a second of CPU."""

    def read() -> None:
        for shape in (text, f"Ola {text}", f"{text} ola@example.org"):
            tidy = unwrap(safe(shape))
            read_person(tidy)
            read_amount(tidy, 1, 1000)
            beside(fold(tidy))

    assert cpu_s(read, 0.1) < 0.1
