"""The reply texts: the source's words, one segment, values that spoil nothing, overrides that are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsd.codewords import (
    AskingHelp,
    AskingStatus,
    Command,
    Function,
    Joining,
    Misread,
    Paying,
    Stopping,
    ToDialog,
    Unknown,
)
from smsd.replies import REPLIES, Replies, UnknownReply, check, gsm_value, one_segment, own_answer
from smsd.reply_texts import COMMON_VALUES, FUNCTION_WORDS, GATEWAYS_OWN, LANGUAGES, PREMIUM, VALUES
from smsd.smpp.alphabet import Coding, fits, length_in_units


@dataclass(frozen=True)
class Organisation:
    name: str = "Organisasjon1"
    codeword: str = "ORG1"
    language: str = "nn"
    site: str = "https://org1.hypersys.no"
    join: str = "join"
    subcodewords: Mapping[str, Function] = field(
        default_factory=lambda: {"BETAL": Function.PAY, "MEDLEM": Function.STATUS}
    )
    replies: Mapping[str, str] = field(default_factory=dict)


ORG1 = Organisation()

# DOMAIN section 1, word for word.
SOURCE = {
    "joined": "Takk for din støtte! Ditt medlemskap i Organisasjon1 har blitt registrert.",
    "processing": "Betalinga di er under handsaming, du vil få melding når den er fullførd.",
    "paid": "Betalinga di er motteken, du kan handsame medlemskapet ditt på https://org1.hypersys.no "
    "med passordet du har motteke på epost.",
    "failed": "SMS-betaling var ikkje mogleg. Dette kan vere fordi du har kontantkort utan dekning, eller at "
    "abonnementet ditt er blokkert frå å ta imot overprisa meldingar.",
    "no_email": "Vi fant ikke en gyldig epostadresse i meldingen din.",
    "no_active_fee": "Organisasjon1 er ikke åpen for innmelding via SMS.",
    "already_member": "Ola Nordmann er allerede registrert som medlem av Organisasjon1",
    "unknown_number": "Fann ingen brukarar med dette telefonnummeret.",
    "several_persons": "Det finst fleire medlemmar med dette telefonnummeret.",
    "nothing_outstanding": "Ingen uteståande fakturaer på beløpet 50kr.",
    "not_whole_number": "49.90 er ikkje eit gyldig beløp.",
    "no_amount": "Ingen sum for betaling definert.",
}
SOURCE_VALUES = {"not_whole_number": {"amount": "49.90"}, "already_member": {"name": "Ola Nordmann"}}

USUAL = {
    "name": "Å" * 30,
    "amount": "1000",
    "kid": "1" * 25,
    "account": "1234.56.78901",
    "min": "1",
    "max": "1000",
    "minutes": "15",
    "payments": "ORG1 500 kr, ORG1 600 kr",
}
LARGE = replace(ORG1, name="Ø" * 30, site="https://" + "s" * 32)


def _says(organisation: Organisation, name: str, /, **values: str) -> str:
    return Replies([organisation]).render(organisation.codeword, name, values)


class TestDefaults:
    @pytest.mark.parametrize("name", SOURCE)
    def test_the_source_is_said_word_for_word(self, name: str) -> None:
        assert _says(ORG1, name, **SOURCE_VALUES.get(name, {"amount": "50"})) == SOURCE[name]

    @pytest.mark.parametrize("name", REPLIES)
    def test_every_name_is_spoken_in_every_language(self, name: str) -> None:
        assert tuple(REPLIES[name]) == LANGUAGES
        assert all(REPLIES[name].values())

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("name", REPLIES)
    def test_every_default_is_one_gsm_segment_with_usual_values(self, name: str, language: str) -> None:
        text = _says(replace(LARGE, language=language), name, **USUAL)
        assert length_in_units(text, Coding.GSM7) <= 160

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("name", sorted(REPLIES.keys() - GATEWAYS_OWN))
    def test_every_default_would_pass_as_an_override(self, name: str, language: str) -> None:
        assert check(replace(ORG1, language=language, replies={name: REPLIES[name][language]})) == []

    def test_english_texts_are_in_english(self) -> None:
        for name, texts in REPLIES.items():
            assert not set("æøå") & set(texts["en"].lower()), name

    def test_each_name_says_which_values_it_may_use(self) -> None:
        assert VALUES.keys() == REPLIES.keys()
        for name, texts in REPLIES.items():
            for text in texts.values():
                for value in VALUES[name] - {"name", "amount"}:
                    assert f"{{{value}}}" in text

    def test_every_function_but_help_can_be_told(self) -> None:
        assert FUNCTION_WORDS.keys() == set(Function) - {Function.HELP}


class TestValues:
    @pytest.mark.parametrize(
        "value", ["{site}", "{", "}", "{}", "{0}", "{name.__class__}", "{{", "%s", "$name", "\\1"]
    )
    def test_a_value_is_said_as_it_is(self, value: str) -> None:
        assert (
            _says(ORG1, "already_member", name=f"A{value}")
            == f"A{value} er allerede registrert som medlem av Organisasjon1"
        )

    def test_a_value_nobody_gave_is_empty_and_one_too_many_is_ignored(self) -> None:
        assert _says(ORG1, "already_member", kid="1") == "er allerede registrert som medlem av Organisasjon1"

    def test_a_value_cannot_take_the_organisations_place(self) -> None:
        assert _says(ORG1, "no_active_fee", organisation="Other") == SOURCE["no_active_fee"]

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("Łukasz Żółć", "Lukasz Zolc"),
            ("Áilu Čáhppe Đárjá", "Ailu Cahppe Darja"),
            ("Sean O’Brien", "Sean O'Brien"),
            ("Åse\u00a0Ærlig\n Østby", "Åse Ærlig Østby"),
            ("Ola 🙂", "Ola"),
        ],
    )
    def test_letters_outside_the_alphabet_are_said_by_their_likeness(self, name: str, said: str) -> None:
        assert (
            _says(ORG1, "already_member", name=name)
            == f"{said} er allerede registrert som medlem av Organisasjon1"
        )

    def test_a_name_without_a_latin_letter_stays_itself(self) -> None:
        assert (
            _says(ORG1, "already_member", name="أحمد")
            == "أحمد er allerede registrert som medlem av Organisasjon1"
        )

    def test_an_organisations_name_without_a_latin_letter_stays_itself_where_it_costs_nothing(self) -> None:
        abroad = replace(ORG1, name="Товариство", replies={"processing": "{organisation}: {amount} kr"})
        assert "Товариство" in _says(abroad, "joined")
        assert _says(abroad, "processing", amount="50") == ": 50 kr"

    def test_a_long_name_is_cut(self) -> None:
        assert _says(ORG1, "already_member", name="Ola " * 50).startswith("Ola " * 9 + "O... er")

    @given(st.text(max_size=40))
    def test_an_amount_said_back_never_makes_a_second_segment(self, written: str) -> None:
        text = _says(ORG1, "not_whole_number", amount=written)
        assert length_in_units(text, Coding.GSM7) <= 160

    def test_an_amount_said_back_never_reads_as_another(self) -> None:
        assert _says(ORG1, "not_whole_number", amount="½50") == "?50 er ikkje eit gyldig beløp."

    @given(st.text(st.characters(exclude_categories=[])))
    def test_a_value_in_gsm_fits_gsm(self, value: str) -> None:
        assert fits(gsm_value(value), Coding.GSM7)


class TestPremium:
    def test_the_premium_text_is_the_one_that_says_it_is_processing(self) -> None:
        assert {"processing"} == PREMIUM

    @given(st.text(max_size=300), st.text(max_size=300))
    def test_is_one_segment_whatever_the_values(self, organisation: str, amount: str) -> None:
        wordy = replace(ORG1, replies={"processing": "Du betaler {amount} kr til {organisation}. {site}"})
        replies = Replies([wordy])
        replies._voices["ORG1"].fixed["organisation"] = (
            organisation  # as if the settings had not been checked
        )
        assert one_segment(replies.render("ORG1", "processing", {"amount": amount}))

    def test_a_short_value_is_not_cut_for_a_long_ones_sake(self) -> None:
        text = (
            "Du betaler {amount} kr til {organisation} for medlemskap i inneverande år. Takk for hjelpa! "
            + "." * 40
        )
        said = _says(replace(ORG1, replies={"processing": text}), "processing", amount="50")
        assert said == text.format(amount="50", organisation="Organisasjon1")

    def test_may_have_letters_outside_the_alphabet_while_it_is_one_segment(self) -> None:
        assert check(replace(ORG1, replies={"processing": "Máksu lea jođus."})) == []

    @pytest.mark.parametrize("text", ["x" * 161, "đ" * 71, "{site} " + "x" * 140, "€" * 81])
    def test_longer_than_one_segment_is_a_fault(self, text: str) -> None:
        assert check(replace(ORG1, replies={"processing": text})) == [
            "replies.processing: the premium text is longer than one segment "
            "(160 characters, or 70 with letters outside GSM 03.38)"
        ]

    def test_free_texts_may_be_longer(self) -> None:
        assert check(replace(ORG1, replies={"paid": "x" * 400})) == []


class TestOverrides:
    def test_an_override_takes_the_defaults_place(self) -> None:
        assert (
            _says(replace(ORG1, replies={"joined": "Velkomen, {name}!"}), "joined", name="Ola")
            == "Velkomen, Ola!"
        )

    def test_an_override_for_a_language_counts_in_that_language_only(self) -> None:
        both = replace(ORG1, replies={"joined.nn": "Velkomen!", "joined.en": "Welcome!"})
        said = [_says(replace(both, language=language), "joined") for language in LANGUAGES]
        assert said == ["Velkomen!", REPLIES["joined"]["nb"].format(organisation="Organisasjon1"), "Welcome!"]

    def test_a_failure_may_be_worded_by_its_reason(self) -> None:
        worded = replace(
            ORG1, replies={"failed.no_credit": "Du manglar dekning.", "failed.too_young.nn": "For ung."}
        )
        assert _says(worded, "failed.no_credit") == "Du manglar dekning."
        assert _says(worded, "failed", reason="no_credit") == "Du manglar dekning."
        assert _says(worded, "failed.too_young") == "For ung."
        assert _says(worded, "failed.premium_barred") == SOURCE["failed"]
        assert _says(worded, "failed", reason="") == SOURCE["failed"]

    def test_doubled_braces_are_braces(self) -> None:
        assert _says(replace(ORG1, replies={"joined": "{{{name}}}"}), "joined", name="Ola") == "{Ola}"

    @pytest.mark.parametrize(
        ("key", "text", "fault"),
        [
            ("joind", "Hei", "no reply has this name; there are "),
            ("joined.no_credit", "Hei", "'no_credit' is no reason; `failed` may have no_credit, "),
            ("failed.bad_luck", "Hei", "'bad_luck' is no reason; `failed` may have no_credit, "),
            (
                "joined",
                "Hei {navn}",
                "{navn} is not known here; there are amount, codeword, name, organisation, site",
            ),
            ("no_email", "Hei {name}", "{name} is not known here; there are codeword, organisation, site"),
            ("joined", "Hei {", "a brace of its own is written twice"),
            ("joined", "Hei }", "a brace of its own is written twice"),
            ("joined", "Hei {}", "{} is no placeholder"),
            ("joined", "Hei {0}", "{0} is no placeholder"),
            ("joined", "Hei {name.__class__}", "{name.__class__} is no placeholder"),
            ("joined", "Hei {name!r}", "{name} is no placeholder"),
            ("joined", "Hei {name:>9}", "{name} is no placeholder"),
            ("joined", " ", "the text is empty"),
            ("help_general", "Hei", "this text answers where no organisation was named"),
        ],
    )
    def test_a_fault_is_told(self, key: str, text: str, fault: str) -> None:
        faults = check(replace(ORG1, replies={key: text}))
        assert len(faults) == 1
        assert faults[0].startswith(f"replies.{key}: ")
        assert fault in faults[0]

    def test_all_faults_are_told_at_once(self) -> None:
        faults = check(replace(ORG1, language="se", replies={"joined": "{a}{b}", "paid": "{"}))
        assert len(faults) == 4

    def test_texts_with_faults_are_never_used(self) -> None:
        with pytest.raises(ValueError, match=r"ORG1: replies\.joined"):
            Replies([replace(ORG1, replies={"joined": "{navn}"})])

    @pytest.mark.parametrize("value", sorted(COMMON_VALUES))
    def test_every_text_may_name_the_organisations_own_values(self, value: str) -> None:
        said = dict.fromkeys(REPLIES.keys() - GATEWAYS_OWN, f"{{{value}}}")
        assert check(replace(ORG1, replies=said)) == []


class TestHelp:
    def test_lists_what_can_be_texted(self) -> None:
        assert _says(ORG1, "help") == (
            "Organisasjon1: ORG1 namn epost = bli medlem. ORG1 BETAL beløp = betal. ORG1 MEDLEM = status. "
            "STOPP ORG1: ingen fleire meldingar."
        )

    def test_leaves_out_what_has_no_room_in_one_segment(self) -> None:
        many = {f"BETAL{number}": Function.PAY for number in range(50)}
        said = _says(replace(ORG1, subcodewords=many), "help")
        assert one_segment(said)
        assert "ORG1 BETAL0 " in said

    def test_without_joining_tells_the_rest(self) -> None:
        assert _says(replace(ORG1, join="off", language="en"), "help") == (
            "Organisasjon1: ORG1 BETAL amount = pay. ORG1 MEDLEM = status. STOP ORG1: no more messages."
        )

    def test_in_general_names_the_codewords_that_have_room(self) -> None:
        orgs = [replace(ORG1, codeword=f"ORG{number:03}") for number in range(100)]
        said = Replies(orgs).render("", "help_general")
        assert one_segment(said)
        assert "ORG000, ORG001" in said

    def test_in_general_may_be_given_the_codewords_of_one_short_code(self) -> None:
        said = Replies([ORG1]).render("", "help_general", {"codewords": "ØRN"})
        assert "Kodeord: ØRN." in said


class TestNobodyNamed:
    def test_is_answered_in_the_first_organisations_language_unless_told(self) -> None:
        english = replace(ORG1, language="en")
        assert Replies([english]).render("", "stopped_all") == REPLIES["stopped_all"]["en"]
        assert Replies([english], language="nb").render("", "stopped_all") == REPLIES["stopped_all"]["nb"]
        assert Replies([]).render("", "stopped_all") == REPLIES["stopped_all"]["nn"]

    @pytest.mark.parametrize("org", ["", "ORG1", "ORG9"])
    def test_a_name_that_is_not_there_is_an_error(self, org: str) -> None:
        with pytest.raises(UnknownReply, match="no reply is named 'welcome'"):
            Replies([ORG1]).render(org, "welcome")


class TestOwnAnswer:
    @pytest.mark.parametrize(
        ("command", "answer"),
        [
            (Misread("ORG1", "no_email"), ("ORG1", "no_email", {})),
            (
                Misread("ORG1", "not_whole_number", {"amount": "5,5"}),
                ("ORG1", "not_whole_number", {"amount": "5,5"}),
            ),
            (AskingHelp("ORG1"), ("ORG1", "help", {})),
            (AskingHelp(""), ("", "help_general", {})),
            (Stopping("ORG1"), ("ORG1", "stopped", {})),
            (Stopping(""), ("", "stopped_all", {})),
            (Unknown(), ("", "unknown_codeword", {})),
            (ToDialog("ORG1"), None),
            (Paying("ORG1", 5000), None),
            (AskingStatus("ORG1"), None),
            (Joining("ORG1", "Ola", "ola@example.org", "", charge=False), None),
        ],
    )
    def test_says_which_text_the_gateway_answers_with(self, command: Command, answer: object) -> None:
        assert own_answer(command) == answer
