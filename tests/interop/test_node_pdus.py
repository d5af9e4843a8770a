"""node-smpp's encoder and decoder against ours, PDU by PDU, octet by octet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from node_stranger import Node, as_json
from pdu_corpus import SEED, TlvNames, command_name, corpus, in_node_words

from smsd.smpp import pdu as p
from smsd.smpp.alphabet import Coding
from smsd.smpp.codec import decode, encode
from smsd.smpp.constants import CommandStatus, Tag
from smsd.smpp.gsm0338 import DEFAULT, EXTENSION
from smsd.smpp.segments import Method, assemble, read_content, split

pytestmark = pytest.mark.real
EACH = 12


@pytest.fixture
async def raw() -> AsyncIterator[Node]:
    """node-smpp without its reading of texts and times."""
    async with Node("pdus.js", "--raw") as node:
        yield node


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node("pdus.js") as node:
        yield node


async def names_of(node: Node) -> TlvNames:
    return {tlv["id"]: tlv for tlv in (await node.asks(op="tlvs"))["tlvs"]}


async def test_both_write_the_same_octets_for_every_kind_of_pdu(raw: Node) -> None:
    names = await names_of(raw)
    frames = corpus(EACH)
    for frame in frames:
        options = {**in_node_words(frame, names), "sequence_number": frame.sequence}
        theirs = await raw.asks(op="encode", command=command_name(frame), options=options)
        ours = encode(frame.pdu, frame.sequence)
        assert theirs == {"hex": ours.hex()}, f"{command_name(frame)}, seed {SEED}"


async def test_each_reads_what_the_other_wrote(raw: Node) -> None:
    names = await names_of(raw)
    for frame in corpus(EACH, SEED + 1):
        wanted = in_node_words(frame, names)
        name = command_name(frame)
        options = {**wanted, "sequence_number": frame.sequence}
        theirs = bytes.fromhex((await raw.asks(op="encode", command=name, options=options))["hex"])
        assert decode(theirs) == frame, f"{name}, seed {SEED + 1}"

        read = (await raw.asks(op="decode", octets=encode(frame.pdu, frame.sequence)))["pdu"]
        assert (read["command"], read["sequence_number"], read["command_status"]) == (name, frame.sequence, 0)
        assert {key: read[key] for key in wanted} == as_json(wanted), f"{name}, seed {SEED + 1}"
        assert (await raw.asks(op="again", octets=encode(frame.pdu, frame.sequence))) == {"hex": theirs.hex()}


async def test_refusals_are_read_both_ways_with_a_body_or_without(raw: Node) -> None:
    errors = (await raw.asks(op="errors"))["errors"]
    responses = [frame for frame in corpus(1) if p.command_of(frame.pdu) & 0x80000000]
    assert len(responses) > 10
    for frame in responses:
        for status in (errors["ESME_RTHROTTLED"], errors["ESME_RINVPASWD"], 0x0400):
            options = {"sequence_number": frame.sequence, "command_status": status}
            theirs = bytes.fromhex(
                (await raw.asks(op="encode", command=command_name(frame), options=options))["hex"]
            )
            assert len(theirs) == 16
            read = decode(theirs)
            assert (read.sequence, read.status, p.command_of(read.pdu)) == (
                frame.sequence,
                status,
                p.command_of(frame.pdu),
            )
            back = (await raw.asks(op="decode", octets=encode(frame.pdu, frame.sequence, status)))["pdu"]
            assert (back["command"], back["command_status"]) == (command_name(frame), status)


async def test_statuses_have_the_same_numbers(raw: Node) -> None:
    """SMPP 5.0 renamed those about TLVs; the numbers stayed."""
    renamed = {
        "ESME_RINVTLVSTREAM": "ESME_RINVOPTPARSTREAM",
        "ESME_RTLVNOTALLWD": "ESME_ROPTPARNOTALLWD",
        "ESME_RINVTLVLEN": "ESME_RINVPARLEN",
        "ESME_RMISSINGTLV": "ESME_RMISSINGOPTPARAM",
        "ESME_RINVTLVVAL": "ESME_RINVOPTPARAMVAL",
    }
    errors = (await raw.asks(op="errors"))["errors"]
    of_3_4 = {renamed.get(name, name): number for name, number in errors.items() if number < 0x100}
    assert of_3_4 == {status.name: status.value for status in CommandStatus}


async def test_tags_have_the_same_names(raw: Node) -> None:
    renamed = {"dest_port": "destination_port"}
    names = {tag: renamed.get(tlv["name"], tlv["name"]) for tag, tlv in (await names_of(raw)).items()}
    assert {tag.name.lower() for tag in Tag} - set(names.values()) == set()
    assert {tag: name for tag, name in names.items() if tag in set(Tag)} == {
        tag.value: tag.name.lower() for tag in Tag
    }


async def test_tlvs_that_come_several_times_stay_several(raw: Node) -> None:
    numbers = (b"\x01\x01\x014790000001", b"\x01\x01\x014790000002")
    octets = encode(p.SubmitSm(tlvs=tuple(p.Tlv(Tag.CALLBACK_NUM, number) for number in numbers)), 7)
    read = (await raw.asks(op="decode", octets=octets))["pdu"]
    assert read["callback_num"] == [as_json(number) for number in numbers]
    assert decode(bytes.fromhex((await raw.asks(op="again", octets=octets))["hex"])) == decode(octets)


async def test_a_tlv_that_nobody_named_is_passed_over(raw: Node) -> None:
    octets = encode(
        p.SubmitSm(short_message=b"hei", tlvs=(p.Tlv(0x3ABC, b"\0\xff"), p.Tlv.of_int(0x2150, 7, 4))), 7
    )
    read = (await raw.asks(op="decode", octets=octets))["pdu"]
    assert (read[str(0x3ABC)], read["operator"]) == ({"hex": "00ff"}, 7)


@pytest.mark.parametrize("nuls", [1, 2, 3])
async def test_both_pass_over_a_few_nuls_behind_a_pdu(raw: Node, nuls: int) -> None:
    written = encode(p.DeliverSm(source_addr="4742000001", short_message=b"hei"), 7)
    octets = (len(written) + nuls).to_bytes(4, "big") + written[4:] + bytes(nuls)
    read = (await raw.asks(op="decode", octets=octets))["pdu"]
    assert (read["source_addr"], read["short_message"]) == ("4742000001", as_json(b"hei"))
    assert decode(octets) == decode(written)


async def test_node_smpp_reads_seven_bits_of_a_text_where_we_read_eight(raw: Node) -> None:
    """SMPP 3.4 section 3.1 says ASCII; a letter above it is written alike by both and read by us alone."""
    written = await raw.asks(
        op="encode", command="outbind", options={"system_id": "Ås", "sequence_number": 1}
    )
    assert written == {"hex": encode(p.Outbind("Ås"), 1).hex()}
    assert decode(bytes.fromhex(written["hex"])).pdu == p.Outbind("Ås")
    read = (await raw.asks(op="decode", octets=encode(p.Outbind("Ås"), 1)))["pdu"]
    assert read["system_id"] == "Es"


# --- texts and times as node-smpp understands them ----------------------------------------------------------

TEXTS = {
    "gsm": "Betalinga di på 50 kr er motteken. ÆØÅ æøå",
    "escapes": "{[~]} ^|\\ €",
    "ucs2": "Grátás дякую 你好",
    "pairs": "takk 🎉🎉",
}


async def read_text(node: Node, pdu: p.SubmitSm) -> Any:
    return (await node.asks(op="decode", octets=encode(pdu, 1)))["pdu"]["short_message"]


def submits(text: str, method: Method = Method.UDH8) -> list[p.SubmitSm]:
    return [
        p.SubmitSm(
            short_message=part.short_message,
            esm_class=part.esm_class,
            data_coding=part.data_coding,
            tlvs=part.tlvs,
        )
        for part in split(text, method=method, reference=77)
    ]


@pytest.mark.parametrize("name", TEXTS)
async def test_node_smpp_reads_the_texts_we_write(node: Node, name: str) -> None:
    [pdu] = submits(TEXTS[name])
    assert (await read_text(node, pdu))["message"] == TEXTS[name]


async def test_every_gsm_character_is_the_same_to_both(node: Node) -> None:
    unlike = []
    for char in sorted({*DEFAULT, *EXTENSION.values()} - {"\x1b", "\ufffd"}):
        [pdu] = submits(char)
        theirs = (await read_text(node, pdu))["message"]
        written = await node.asks(
            op="encode", command="submit_sm", options={"data_coding": 0, "short_message": {"message": char}}
        )
        ours = read_content(decode(bytes.fromhex(written["hex"])).pdu, Coding.GSM7).text  # type: ignore[arg-type]
        if (theirs, ours) != (char, char):
            unlike.append((char, theirs, ours))
    assert unlike == []


@pytest.mark.parametrize("name", TEXTS)
async def test_we_read_the_texts_that_node_smpp_writes(node: Node, name: str) -> None:
    data_coding = 0 if name in ("gsm", "escapes") else 8
    options = {"data_coding": data_coding, "short_message": {"message": TEXTS[name]}}
    written = await node.asks(op="encode", command="deliver_sm", options=options)
    pdu = decode(bytes.fromhex(written["hex"])).pdu
    assert isinstance(pdu, p.DeliverSm)
    assert read_content(pdu, Coding.GSM7).text == TEXTS[name]


@pytest.mark.parametrize(
    ("method", "text"),
    [(method, TEXTS[name] * 9) for method in (Method.UDH8, Method.UDH16) for name in TEXTS],
)
async def test_node_smpp_reads_the_parts_of_a_long_text(node: Node, method: Method, text: str) -> None:
    parts = submits(text, method)
    assert len(parts) > 1
    read = [await read_text(node, part) for part in parts]
    assert "".join(part["message"] for part in read) == text
    element = "00034d" if method is Method.UDH8 else "0804004d"
    for number, part in enumerate(read, 1):
        assert part["udh"] == [{"hex": f"{element}{len(parts):02x}{number:02x}"}]


async def test_we_put_together_the_parts_that_node_smpp_writes(node: Node) -> None:
    text = TEXTS["gsm"] * 6
    pieces = [text[at : at + 150] for at in range(0, len(text), 150)]
    parts = {}
    for number, piece in enumerate(pieces, 1):
        header = bytes((5, 0, 3, 0x4D, len(pieces), number))
        options = {"data_coding": 0, "short_message": {"udh": header, "message": piece}}
        written = await node.asks(op="encode", command="deliver_sm", options=options)
        pdu = decode(bytes.fromhex(written["hex"])).pdu
        assert isinstance(pdu, p.DeliverSm)
        assert pdu.esm_class == 0x40, "the indicator is node-smpp's to set"
        content = read_content(pdu, Coding.GSM7)
        assert content.part is not None
        assert (content.part.reference, content.part.total) == (0x4D, len(pieces))
        parts[content.part.number] = content.payload
    assert assemble(parts, Coding.GSM7) == text


async def test_node_smpp_s_own_choice_of_coding_tags_gsm_03_38_as_ia5(node: Node) -> None:
    """data_coding 1 is IA5 (SMPP 3.4 section 5.2.19) and is read as such.

    Letters and digits are alike in both alphabets, the Norwegian letters are not.
    """
    read = {}
    for text in ("ORG1 BETAL 50", "Verva av Pål"):
        written = await node.asks(op="encode", command="deliver_sm", options={"short_message": text})
        pdu = decode(bytes.fromhex(written["hex"])).pdu
        assert isinstance(pdu, p.DeliverSm)
        assert pdu.data_coding == 1
        assert pdu.short_message == split(text, reference=1)[0].short_message
        read[text] = read_content(pdu, Coding.GSM7).text
    assert read == {"ORG1 BETAL 50": "ORG1 BETAL 50", "Verva av Pål": "Verva av P\x0fl"}


async def test_times_mean_the_same(node: Node) -> None:
    """SMPP 3.4 section 7.1.1: a quarter of an hour is the unit of the offset, `+` lies ahead of UTC."""
    pdu = p.SubmitSm(schedule_delivery_time="260131120000004+", validity_period="260131120000108-")
    read = (await node.asks(op="decode", octets=encode(pdu, 1)))["pdu"]
    assert read["schedule_delivery_time"] == {"date": "2026-01-31T11:00:00.000Z"}
    assert read["validity_period"] == {"date": "2026-01-31T14:00:00.100Z"}
