"""Texts to many go out under the organisation's name, where it has one; all that wants an answer does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from playbook import OLA, Play, operator, organisation, receipt
from pydantic import ValidationError

import billing_bridge.settings
import smsd.settings
from foundation.contract import MessageFate, SmsSettled
from smsd.operators import OperatorProfile
from smsd.smpp.codec import decode, encode
from smsd.smpp.pdu import DeliverSm, Npi, SubmitSm, Ton

NAME = "Org One"


@pytest.fixture
def named(plays: Callable[..., Play]) -> Play:
    return plays(organisations=[organisation(sender_name=NAME)])


def sent(play: Play) -> SubmitSm:
    """The last thing that went out."""
    return play.link.submitted[-1].pdu


def sender(pdu: SubmitSm) -> tuple[int, int, str]:
    return pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr


def ask(play: Play, purpose: str) -> None:
    play.parcel(msgspec.structs.replace(play.send(), purpose=purpose))


SHORT_CODE = (3, 0, "2030")


@pytest.mark.parametrize("purpose", ["invitation", "reminder", "newsletter", "bulk"])
def test_a_text_to_many_has_the_name_for_its_sender(named: Play, purpose: str) -> None:
    ask(named, purpose)
    assert sender(sent(named)) == (Ton.ALPHANUMERIC, Npi.UNKNOWN, NAME)
    assert decode(encode(sent(named), 1)).pdu == sent(named)


@pytest.mark.parametrize("purpose", ["dialog", "code", "confirmation"])
def test_a_text_that_may_be_answered_comes_from_the_short_code(named: Play, purpose: str) -> None:
    ask(named, purpose)
    assert sender(sent(named)) == SHORT_CODE


def test_without_a_name_all_come_from_the_short_code(play: Play) -> None:
    ask(play, "invitation")
    assert sender(sent(play)) == SHORT_CODE


def test_what_follows_to_the_same_phone_comes_from_the_short_code_again(named: Play) -> None:
    ask(named, "invitation")
    ask(named, "dialog")
    assert sender(sent(named)) == SHORT_CODE
    named.start_charge()
    assert sender(sent(named)) == SHORT_CODE


def test_a_text_with_a_name_waits_over_a_restart(named: Play) -> None:
    named.link.can_submit = False
    ask(named, "invitation")
    assert named.link.submitted == []
    named.crash()
    named.tick()
    assert sender(sent(named)) == (Ton.ALPHANUMERIC, Npi.UNKNOWN, NAME)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_receipt_of_a_text_with_a_name_finds_it(named: Play, swapped: bool) -> None:
    ask(named, "invitation")
    named.answer(message_id="77")
    told = receipt("77", "DELIVRD", OLA)
    assert isinstance(told, DeliverSm)
    ends = {"source_addr": told.source_addr, "destination_addr": NAME}
    if swapped:
        ends = {"source_addr": NAME, "destination_addr": told.source_addr}
    named.turn(named.delivered(msgspec.structs.replace(told, **ends)))
    (settled,) = named.told(SmsSettled)
    assert settled.fate is MessageFate.DELIVERED


@pytest.mark.parametrize("name", ["Org", "Org 1", "A.B-C & D", "Lag 2030 Oslo"[:11]])
def test_names_that_every_network_shows_are_taken(name: str) -> None:
    assert organisation(sender_name=name).sender_name == name
    pdu = OperatorProfile(operator()).submit(
        source=name,
        number=OLA,
        short_message=b"Hei",
        esm_class=0,
        data_coding=0,
        tlvs=(),
        price_ore=0,
        asked_for=False,
    )
    assert sender(pdu) == (Ton.ALPHANUMERIC, Npi.UNKNOWN, name)


@pytest.mark.parametrize(
    "name",
    [
        *("Og", "Organisasjon", "Blåbær", "Ørland", "2030", "47900000001"),
        *(" Org", "Org ", "Org_1", "Org@1", "Org\n", ""),
    ],
)
def test_a_name_that_would_not_arrive_as_it_is_written_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is no sender name"):
        organisation(sender_name=name)


def test_a_refusal_says_what_would_be_right() -> None:
    with pytest.raises(ValidationError) as caught:
        organisation(sender_name="Blåbær")
    assert "3 to 11 of the letters A to Z" in str(caught.value)
    assert "æ ø å" in str(caught.value)


def test_the_bridge_that_reads_the_same_file_leaves_the_name_to_the_gateway(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parents[2] / "config", tmp_path / "config")
    file = tmp_path / "config" / "organisations" / "org1.toml"
    file.write_text(f'sender_name = "{NAME}"\n' + file.read_text("utf-8"), "utf-8")
    main = tmp_path / "config" / "smsd.toml"
    assert smsd.settings.load(main).organisations[0].sender_name == NAME
    billing_bridge.settings.load(main)
