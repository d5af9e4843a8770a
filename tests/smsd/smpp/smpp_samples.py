"""PDUs for the tests: one sample of each kind, and strategies for any."""

from __future__ import annotations

from hypothesis import strategies as st

from smsd.smpp import pdu as p
from smsd.smpp.constants import CommandId

FAMILY = "👩\u200d👩\u200d👧\u200d👦"
CLUSTERS = [
    FAMILY,
    "🇳🇴",
    "👍🏽",
    "e\u0301",
    "å",
    "x",
    "각",
    "각",
    "\r\n",
    "กำ",
    "क्ष",
    "🏴\U000e0067\U000e0062\U000e007f",
]
"""What a reader sees as one character each."""

TLVS = (
    p.Tlv(p.Tag.RECEIPTED_MESSAGE_ID, b"0123456789\0"),
    p.Tlv(p.Tag.MESSAGE_STATE, b"\x02"),
    p.Tlv(0x1403, b"50"),
    p.Tlv(0x3FFF, b""),
)

_SM = {
    "service_type": "3115",
    "source_addr_ton": 1,
    "source_addr_npi": 2,
    "source_addr": "4790000001",
    "dest_addr_ton": 3,
    "dest_addr_npi": 4,
    "destination_addr": "2030",
    "esm_class": 5,
    "protocol_id": 6,
    "priority_flag": 7,
    "schedule_delivery_time": "260102030405000+",
    "validity_period": "000002000000000R",
    "registered_delivery": 8,
    "replace_if_present_flag": 9,
    "data_coding": 10,
    "sm_default_msg_id": 11,
    "short_message": b"ORG1 BETAL 50",
    "tlvs": TLVS,
}
SUBMIT = p.SubmitSm(**_SM)
DELIVER = p.DeliverSm(**_SM)
TRX = p.Bind(CommandId.BIND_TRANSCEIVER, "smsd", "secret", "type", 0x34, 1, 2, "^20")
TX = p.Bind(CommandId.BIND_TRANSMITTER, "smsd", "secret")
RX = p.Bind(CommandId.BIND_RECEIVER, "smsd", "secret")
TRX_RESP = p.BindResp(CommandId.BIND_TRANSCEIVER_RESP, "SMSC", (p.Tlv(0x0210, b"\x34"),))
TX_RESP = p.BindResp(CommandId.BIND_TRANSMITTER_RESP, "SMSC")
RX_RESP = p.BindResp(CommandId.BIND_RECEIVER_RESP, "SMSC")

SAMPLES: tuple[p.Pdu, ...] = (
    SUBMIT,
    DELIVER,
    p.SubmitSm(),
    p.DeliverSm(short_message=bytes(range(254))),
    p.SubmitSmResp("0123456789", TLVS),
    p.SubmitSmResp("x" * 64),
    p.SubmitSmResp(""),
    p.DeliverSmResp(),
    p.DeliverSmResp("a"),
    p.DataSm("CMT", 1, 1, "4" * 64, 1, 1, "5" * 64, 1, 2, 3, TLVS),
    p.DataSmResp("id", TLVS),
    TRX,
    TX,
    RX,
    TRX_RESP,
    TX_RESP,
    RX_RESP,
    p.Outbind("SMSC", "secret"),
    p.QuerySm("id", 1, 1, "2030"),
    p.QuerySmResp("id", "2601020304050000", 2, 3),
    p.CancelSm("CMT", "id", 1, 1, "2030", 1, 1, "4790000001"),
    p.CancelSmResp(),
    p.ReplaceSm("id", 1, 1, "2030", "", "", 1, 0, b"text"),
    p.ReplaceSmResp(),
    p.SubmitMulti(
        destinations=(p.Destination(1, 1, "4790000001"), p.Destination(list_name="members")),
        short_message=b"text",
        tlvs=TLVS,
    ),
    p.SubmitMultiResp("id", (p.UnsuccessSme(1, 1, "4790000001", 0x0B),), TLVS),
    p.AlertNotification(1, 1, "4790000001", 1, 1, "2030", TLVS),
    p.EnquireLink(),
    p.EnquireLinkResp(),
    p.Unbind(),
    p.UnbindResp(),
    p.GenericNack(),
)


def name_of(pdu: p.Pdu) -> str:
    return f"{SAMPLES.index(pdu)}-{p.command_of(pdu).name.lower()}"


octet = st.integers(0, 255)
tlvs = st.lists(st.builds(p.Tlv, st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=5).map(tuple)


def text(characters: int) -> st.SearchStrategy[str]:
    alphabet = st.characters(min_codepoint=1, max_codepoint=255)
    return st.text(alphabet, max_size=characters)


_sm = (
    text(5), octet, octet, text(20), octet, octet, text(20), octet, octet, octet, text(16), text(16),
    octet, octet, octet, octet, st.binary(max_size=254), tlvs,
)  # fmt: skip
_message_id = text(64)
_destination = st.one_of(
    st.builds(p.Destination, octet, octet, text(20)),
    st.builds(p.Destination, list_name=text(20).filter(bool)),
)
_multi = (
    text(5), octet, octet, text(20), st.lists(_destination, min_size=1, max_size=5).map(tuple), octet, octet,
    octet, text(16), text(16), octet, octet, octet, octet, st.binary(max_size=254), tlvs,
)  # fmt: skip
_binds = st.sampled_from([CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER])
_bind_resps = _binds.map(lambda kind: CommandId(kind | 0x80000000))
_unsuccess = st.builds(p.UnsuccessSme, octet, octet, text(20), st.integers(0, 0xFFFFFFFF))

PDUS: st.SearchStrategy[p.Pdu] = st.one_of(
    st.builds(p.SubmitSm, *_sm),
    st.builds(p.DeliverSm, *_sm),
    st.builds(p.SubmitSmResp, _message_id, tlvs),
    st.builds(p.DeliverSmResp, _message_id, tlvs),
    st.builds(p.DataSm, text(5), octet, octet, text(64), octet, octet, text(64), octet, octet, octet, tlvs),
    st.builds(p.DataSmResp, _message_id, tlvs),
    st.builds(p.Bind, _binds, text(15), text(8), text(12), octet, octet, octet, text(40)),
    st.builds(p.BindResp, _bind_resps, text(15), tlvs),
    st.builds(p.Outbind, text(15), text(8)),
    st.builds(p.QuerySm, _message_id, octet, octet, text(20)),
    st.builds(p.QuerySmResp, _message_id, text(16), octet, octet),
    st.builds(p.CancelSm, text(5), _message_id, octet, octet, text(20), octet, octet, text(20)),
    st.builds(
        p.ReplaceSm,
        _message_id,
        octet,
        octet,
        text(20),
        text(16),
        text(16),
        octet,
        octet,
        st.binary(max_size=254),
    ),
    st.builds(p.SubmitMulti, *_multi),
    st.builds(p.SubmitMultiResp, _message_id, st.lists(_unsuccess, max_size=4).map(tuple), tlvs),
    st.builds(p.AlertNotification, octet, octet, text(64), octet, octet, text(64), tlvs),
    st.sampled_from([pdu for pdu in SAMPLES if not pdu.__struct_fields__]),
)
