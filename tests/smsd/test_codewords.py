"""What a text asks for, beyond the corpus: clashes, settings, and what holds for every text."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from cpu import cpu_s
from hypothesis import given
from hypothesis import strategies as st

from smsd.codewords import (
    AskingHelp,
    AskingStatus,
    Codebook,
    Codeword,
    Function,
    Joining,
    Misread,
    Paying,
    Stopping,
    ToDialog,
    Unknown,
    clashes,
)

SUBCODEWORDS = {
    "BETAL": Function.PAY,
    "MEDLEM": Function.STATUS,
    "INN": Function.JOIN,
    "INNBETAL": Function.JOIN_AND_PAY,
    "SLUTT": Function.STOP,
    "HVA": Function.HELP,
    "SPØR": Function.DIALOG,
}
BOOK = Codebook(
    [Codeword("ORG1", Function.JOIN, SUBCODEWORDS), Codeword("ØRN", None, {"BETAL": Function.PAY})]
)

ANY_TEXT = st.text(st.characters(exclude_categories=[]))
LIKELY = st.lists(
    st.sampled_from(
        ("ORG1", "ОRG1", "ØRN", "STOPP", "HJELP", "BETAL", "MEDLEM", "INN", "50", "５０", "kr", ",-", "49.90")
    )
    | st.sampled_from(("Ola", "Åse", "ola@example.org", "@", ":", "🙂", "«", "»", '"', "{", "}"))
    | st.sampled_from((" ", "\u00a0", "\u200b", "\n", "\ud83d", "\x00"))
).map("".join)


def _codeword(
    org: str = "ORG1",
    join: Function | None = Function.JOIN,
    sub: Mapping[str, Function] | None = None,
    dialog: bool = True,
) -> Codeword:
    return Codeword(org, join, sub or {}, dialog)


class TestEveryText:
    @given(ANY_TEXT | LIKELY)
    def test_is_read_without_raising(self, text: str) -> None:
        BOOK.read(text)

    @given(ANY_TEXT)
    def test_after_a_codeword_is_read_without_raising(self, text: str) -> None:
        for start in ("ORG1 ", "ORG1 BETAL ", "ORG1 Ola ola@example.org", "ØRN", "STOPP "):
            BOOK.read(start + text)

    @given(ANY_TEXT | LIKELY)
    def test_means_the_same_read_again(self, text: str) -> None:
        assert BOOK.read(text) == BOOK.read(text)

    @given(ANY_TEXT | LIKELY)
    def test_charges_nobody_unless_codeword_and_pay_word_stand_there(self, text: str) -> None:
        command = BOOK.read(text.replace("BETAL", "").replace("betal", ""))
        assert not isinstance(command, Paying)

    @given(ANY_TEXT)
    def test_can_be_stored_once_read(self, text: str) -> None:
        command = BOOK.read(f"ORG1 Ola {text} ola@example.org {text}")
        if isinstance(command, Joining):
            for field in (command.name, command.email, command.comment):
                assert "\0" not in field
                assert field.encode().decode() == field

    @given(st.integers(1, 1000), st.booleans(), st.sampled_from([" ", "  ", "\u00a0", "\n", "\t ", "\u200b"]))
    def test_that_pays_says_its_amount_whatever_the_case_and_white_space(
        self, kroner: int, upper: bool, space: str
    ) -> None:
        text = space.join(["", "org1", "betal", str(kroner), ""])
        assert BOOK.read(text.upper() if upper else text) == Paying("ORG1", kroner * 100)

    @given(
        st.sampled_from(["Ola Nordmann", "Åse Ærlig", "Łukasz"]),
        st.sampled_from(["ola@example.org", "a.b+c@sub.example.org"]),
        st.sampled_from([" ", "\n", "\u00a0\u00a0", "\t"]),
        st.sampled_from(["ORG1", "org1", "Org1:", "«ORG1»", "ОRG1"]),
    )
    def test_that_joins_gives_name_and_address_whatever_is_between(
        self, name: str, email: str, space: str, codeword: str
    ) -> None:
        text = space.join([codeword, *name.split(), email, ""])
        assert BOOK.read(text) == Joining("ORG1", name, email, "", charge=False)


class TestFunctions:
    @pytest.mark.parametrize(
        ("text", "command"),
        [
            ("ORG1 BETAL 50", Paying("ORG1", 5000)),
            ("ORG1 MEDLEM", AskingStatus("ORG1")),
            ("ORG1 INN Ola ola@example.org", Joining("ORG1", "Ola", "ola@example.org", "", charge=False)),
            ("ORG1 INNBETAL Ola ola@example.org", Joining("ORG1", "Ola", "ola@example.org", "", charge=True)),
            ("ORG1 SLUTT", Stopping("ORG1")),
            ("ORG1 HVA", AskingHelp("ORG1")),
            ("ORG1 SPØR noko", ToDialog("ORG1")),
        ],
    )
    def test_each_function_can_be_bound_to_a_subcodeword(self, text: str, command: object) -> None:
        assert BOOK.read(text) == command

    @pytest.mark.parametrize(
        ("join", "dialog", "command"),
        [
            (Function.JOIN, True, Joining("A1", "Ola", "ola@example.org", "", charge=False)),
            (Function.JOIN_AND_PAY, True, Joining("A1", "Ola", "ola@example.org", "", charge=True)),
            (None, True, ToDialog("A1")),
            (None, False, Misread("A1", "not_open")),
        ],
    )
    def test_the_codewords_setting_decides_what_a_plain_text_does(
        self, join: Function | None, dialog: bool, command: object
    ) -> None:
        assert Codebook([_codeword("A1", join, dialog=dialog)]).read("A1 Ola ola@example.org") == command

    def test_the_ceiling_and_floor_are_settings(self) -> None:
        book = Codebook([_codeword(sub={"BETAL": Function.PAY})], floor_kr=10, ceiling_kr=200)
        assert book.read("ORG1 BETAL 200") == Paying("ORG1", 20000)
        limits = {"min": "10", "max": "200"}
        assert book.read("ORG1 BETAL 201") == Misread(
            "ORG1", "amount_out_of_range", {"amount": "201", **limits}
        )
        assert book.read("ORG1 BETAL 9") == Misread("ORG1", "amount_out_of_range", {"amount": "9", **limits})

    def test_a_short_code_without_codewords_still_answers_stop_and_help(self) -> None:
        book = Codebook([])
        assert [book.read(text) for text in ("STOPP", "HJELP", "ORG1 BETAL 50")] == [
            Stopping(""),
            AskingHelp(""),
            Unknown(),
        ]

    @pytest.mark.parametrize("text", ["ORG1 BETLA 50", "ORG1 BETAL50"])
    def test_a_mistyped_pay_word_is_answered_with_help_even_where_people_read_what_comes(
        self, text: str
    ) -> None:
        book = Codebook([_codeword(join=None, sub={"BETAL": Function.PAY})])
        assert book.read(text) == AskingHelp("ORG1")

    def test_a_pay_word_of_three_letters_has_no_near_misses(self) -> None:
        book = Codebook([_codeword(sub={"PAY": Function.PAY})])
        assert book.read("ORG1 PAU 50") == Misread("ORG1", "no_email")


class TestOverlap:
    BOOK = Codebook(
        [
            _codeword("ORG1", sub={"BETAL": Function.PAY}),
            _codeword("ORG10", sub={"BETAL": Function.PAY}),
            _codeword("ORG", sub={"BETAL": Function.PAY}),
            _codeword("1", sub={"BETAL": Function.PAY}),
            _codeword("RØDE-KORS", sub={"BETAL-NO": Function.PAY}),
        ]
    )

    @pytest.mark.parametrize("org", ["ORG", "ORG1", "ORG10", "1"])
    def test_a_codeword_that_begins_another_is_told_from_it(self, org: str) -> None:
        assert self.BOOK.read(f"{org} betal 7") == Paying(org, 700)

    def test_codewords_may_have_hyphens(self) -> None:
        assert self.BOOK.read("røde-kors betal-no 7") == Paying("RØDE-KORS", 700)


class TestClashes:
    def test_codewords_side_by_side_are_fine(self) -> None:
        words = [
            _codeword("ORG1", sub=SUBCODEWORDS),
            _codeword("ORG10", sub=SUBCODEWORDS),
            _codeword("ØRN"),
            _codeword("ORN"),
        ]
        assert clashes(words) == []

    @pytest.mark.parametrize(
        ("one", "other"),
        [("ORG1", "org1"), ("ORG1", "ОRG1"), ("ØRN", "ørn"), ("ORG1", "ORG１")],
    )
    def test_codewords_that_look_the_same_clash(self, one: str, other: str) -> None:
        assert clashes([_codeword(one), _codeword(other)]) == [
            f"codeword {other!r} reads the same as {one!r}; each needs one of its own"
        ]

    @pytest.mark.parametrize("word", ["STOPP", "stop", "HJELP", "Help", "INFO", "ЅТОР"])
    def test_a_codeword_may_not_be_a_word_answered_for_everybody(self, word: str) -> None:
        assert clashes([_codeword(word)]) == [f"codeword {word!r} is answered for everybody; choose another"]

    @pytest.mark.parametrize(
        ("word", "fault"),
        [
            ("", "codeword is empty; give it letters or digits"),
            (" ", "codeword is empty; give it letters or digits"),
            ("ORG 1", "codeword 'ORG 1' contains a space; write it as one word"),
            ("ORG\u00a01", "codeword 'ORG\\xa01' contains a space; write it as one word"),
            ("ORG1!", "codeword 'ORG1!' begins or ends with a mark; only letters and digits may stand there"),
            ("#ORG1", "codeword '#ORG1' begins or ends with a mark; only letters and digits may stand there"),
            (
                "A.B",
                "codeword 'A.B' contains a mark that ends a word; letters, digits and hyphens may be used",
            ),
            (
                "A@B",
                "codeword 'A@B' contains a mark that ends a word; letters, digits and hyphens may be used",
            ),
        ],
    )
    def test_a_codeword_that_could_not_be_read_is_refused(self, word: str, fault: str) -> None:
        assert clashes([_codeword(word)]) == [fault]

    def test_subcodewords_are_held_to_the_same(self) -> None:
        sub = {"BETAL": Function.PAY, "betal": Function.STATUS, "MELD INN": Function.JOIN}
        assert clashes([_codeword(sub=sub)]) == [
            "codeword 'ORG1': subcodeword 'betal' reads the same as 'BETAL'",
            "codeword 'ORG1': subcodeword 'MELD INN' contains a space; write it as one word",
        ]

    def test_stop_and_help_words_may_be_bound_to_what_they_mean_only(self) -> None:
        assert clashes([_codeword(sub={"STOPP": Function.STOP, "INFO": Function.HELP})]) == []
        assert clashes([_codeword(sub={"STOPP": Function.PAY})]) == [
            "codeword 'ORG1': subcodeword 'STOPP' always means stop, not pay"
        ]

    def test_a_codeword_itself_can_only_join(self) -> None:
        assert clashes([_codeword(join=Function.PAY)]) == [
            "codeword 'ORG1': join is <Function.PAY: 'pay'>; it can be join, join-and-pay or off"
        ]

    def test_a_codebook_with_clashes_is_never_built(self) -> None:
        with pytest.raises(ValueError, match="reads the same"):
            Codebook([_codeword("ORG1"), _codeword("org1")])


@pytest.mark.parametrize(
    "text",
    [
        "ORG1 " + "9" * 5000,
        "ORG1 BETAL " + "9" * 5000,
        "ORG1 BETAL " + "5 " * 5000,
        "ORG1 " + "a@" * 5000,
        ":" * 10000,
        "ORG1" + ":" * 10000,
        "- " * 5000 + "ORG1",
        "STOPP " + "ORG1 " * 2000,
        "ORG1 " + "Å" * 5000 + "@",
        "«" * 5000,
    ],
)
def test_a_hostile_text_is_read_in_hundredths_of_a_second(text: str) -> None:
    assert cpu_s(lambda: BOOK.read(text), 0.05) < 0.05
