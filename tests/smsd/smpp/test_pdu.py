"""The vocabulary and the reading of TLVs."""

from __future__ import annotations

import pytest
from smpp_samples import SAMPLES, TLVS, name_of
from smpplib import command_codes, consts

from smsd.smpp import pdu as p
from smsd.smpp.constants import RESPONSE, CommandId, CommandStatus, Npi, Tag, Ton, describe
from smsd.smpp.layouts import LAYOUTS


@pytest.mark.parametrize("tag", list(Tag), ids=lambda tag: tag.name)
def test_a_named_tag_has_the_number_smpplib_knows_it_by(tag):
    assert consts.OPTIONAL_PARAMS.get(tag.name.lower(), int(tag)) == tag


@pytest.mark.parametrize("name", sorted(consts.OPTIONAL_PARAMS))
def test_every_tlv_that_smpplib_names_has_a_name_here(name):
    assert Tag[name.upper()] == consts.OPTIONAL_PARAMS[name]


@pytest.mark.parametrize("name", [name for name in dir(consts) if name.startswith("SMPP_ESME_")])
def test_every_status_that_smpplib_names_has_a_name_here(name):
    assert CommandStatus[name.removeprefix("SMPP_")] == getattr(consts, name)


@pytest.mark.parametrize("command", list(CommandId), ids=lambda command: command.name)
def test_a_command_has_the_number_smpplib_knows_it_by(command):
    known = {**command_codes.commands}
    assert known.get(command.name.lower(), int(command)) == command


@pytest.mark.parametrize(
    "command", [one for one in CommandId if not one & RESPONSE], ids=lambda one: one.name
)
def test_every_request_but_two_has_a_response(command):
    answered = command | RESPONSE in set(CommandId)
    assert answered == (command not in (CommandId.OUTBIND, CommandId.ALERT_NOTIFICATION))


@pytest.mark.parametrize("status", list(CommandStatus), ids=lambda status: status.name)
def test_every_named_status_has_words(status):
    words = describe(status)
    assert words.startswith(f"{status.name} (")
    assert "desc not set" not in words


def test_a_refused_password_is_described_in_words():
    assert describe(0x0E) == "ESME_RINVPASWD (invalid password)"


def test_a_vendors_status_is_described_by_number():
    assert "0x00000410" in describe(0x410)


def test_type_of_number_and_plan_are_smpplibs():
    assert (Ton.ALPHANUMERIC, Npi.ISDN) == (consts.SMPP_TON_ALNUM, consts.SMPP_NPI_ISDN)


@pytest.mark.parametrize("pdu", SAMPLES, ids=name_of)
def test_no_pdu_shows_a_password(pdu):
    assert "secret" not in repr(p.Frame(1, 0, pdu))


@pytest.mark.parametrize("command", list(LAYOUTS), ids=lambda command: command.name)
def test_a_layouts_fields_are_its_pdus_in_order(command):
    layout = LAYOUTS[command]
    names = tuple(field.name for field in layout.fields) + (("tlvs",) if layout.tlvs else ())
    assert names == layout.cls.__struct_fields__


def test_the_first_tlv_of_a_tag_is_found():
    assert p.find((p.Tlv(1, b"a"), p.Tlv(1, b"b")), 1) == b"a"


def test_a_missing_tlv_is_none():
    assert p.find(TLVS, Tag.MESSAGE_PAYLOAD) is None
    assert p.read_int(TLVS, Tag.MESSAGE_PAYLOAD) is None
    assert p.read_text(TLVS, Tag.MESSAGE_PAYLOAD) is None


def test_an_integer_tlv_is_read_whatever_its_length_up_to_four():
    assert [p.read_int((p.Tlv(9, b"\0" * n + b"\x07"),), 9) for n in range(5)] == [7, 7, 7, 7, None]
    assert p.read_int((p.Tlv(9, b""),), 9) is None


@pytest.mark.parametrize("value", [b"abc", b"abc\0", b"abc\0\0junk"])
def test_a_text_tlv_is_read_with_or_without_its_nul(value):
    assert p.read_text((p.Tlv(9, value),), 9) == "abc"


def test_tlvs_are_made_of_texts_and_integers():
    assert p.Tlv.of_text(0x1403, "50") == p.Tlv(0x1403, b"50\0")
    assert p.Tlv.of_int(Tag.USER_MESSAGE_REFERENCE, 258, 2).value == b"\x01\x02"
    with pytest.raises(OverflowError):
        p.Tlv.of_int(Tag.MESSAGE_STATE, 256, 1)


def test_a_pdu_cannot_be_changed():
    with pytest.raises(AttributeError):
        p.SubmitSm().source_addr = "1"
