"""A corpus of PDUs that SMPP 3.4 allows, drawn from a seed, and the same PDUs in node-smpp's words."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import Any

from smsd.smpp import pdu as p
from smsd.smpp.constants import CommandId, Tag

SEED = 20260131
_TEXT = string.ascii_letters + string.digits + "-+.^$"
_NO_TLVS_OF = (
    Tag.MESSAGE_PAYLOAD,  # would be a second content beside short_message (3.4 section 5.3.2.32)
    Tag.ALERT_ON_MESSAGE_DELIVERY,  # has no value at all in 3.4 (section 5.3.2.41), one octet in 5.0
    Tag.CALLBACK_NUM_PRES_IND,  # these three may come several times: see test_node_pdus
    Tag.CALLBACK_NUM_ATAG,
    Tag.CALLBACK_NUM,
)

# octets of the value: a number, or the most that a text, a text without NUL or an octet string has
# (SMPP 3.4 section 5.3.2)
TLV_OCTETS: dict[int, int | tuple[str, int]] = {
    Tag.DEST_ADDR_SUBUNIT: 1,
    Tag.DEST_NETWORK_TYPE: 1,
    Tag.DEST_BEARER_TYPE: 1,
    Tag.DEST_TELEMATICS_ID: 2,
    Tag.SOURCE_ADDR_SUBUNIT: 1,
    Tag.QOS_TIME_TO_LIVE: 4,
    Tag.PAYLOAD_TYPE: 1,
    Tag.ADDITIONAL_STATUS_INFO_TEXT: ("text", 255),
    Tag.RECEIPTED_MESSAGE_ID: ("text", 64),
    Tag.MS_MSG_WAIT_FACILITIES: 1,
    Tag.PRIVACY_INDICATOR: 1,
    Tag.SOURCE_SUBADDRESS: ("octets", 23),
    Tag.USER_MESSAGE_REFERENCE: 2,
    Tag.USER_RESPONSE_CODE: 1,
    Tag.SOURCE_PORT: 2,
    Tag.DESTINATION_PORT: 2,
    Tag.SAR_MSG_REF_NUM: 2,
    Tag.LANGUAGE_INDICATOR: 1,
    Tag.SAR_TOTAL_SEGMENTS: 1,
    Tag.SAR_SEGMENT_SEQNUM: 1,
    Tag.NUMBER_OF_MESSAGES: 1,
    Tag.NETWORK_ERROR_CODE: ("octets", 3),
    Tag.MORE_MESSAGES_TO_SEND: 1,
    Tag.MESSAGE_STATE: 1,
    Tag.CONGESTION_STATE: 1,
    Tag.USSD_SERVICE_OP: 1,
    Tag.BILLING_IDENTIFICATION: ("octets", 100),
    Tag.DISPLAY_TIME: 1,
    Tag.SMS_SIGNAL: 2,
    Tag.ITS_REPLY_TYPE: 1,
    Tag.ITS_SESSION_INFO: ("octets", 2),
    0x1403: ("text", 10),
    0x1502: ("bare text", 36),
    0x2150: 4,
}
assert not set(TLV_OCTETS) & set(_NO_TLVS_OF)


class Draws:
    """Values of the fields' kinds, the shortest and the longest among them."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def octet(self) -> int:
        return self._random.choice((0, 1, 3, 8, 127, 128, 255, self._random.randrange(256)))

    def size(self, most: int) -> int:
        return self._random.choice((0, 1, most, self._random.randint(0, most)))

    def text(self, most: int) -> str:
        return "".join(self._random.choices(_TEXT, k=self.size(most)))

    def octets(self, most: int) -> bytes:
        return self._random.randbytes(self.size(most))

    def time(self) -> str:
        """Absolute, relative or none (section 7.1.1)."""
        return self._random.choice(("", "260131235959932+", "260131000000048-", "000002000000000R"))

    def word32(self) -> int:
        return self._random.choice((1, 0x0B, 0x7FFFFFFF, self._random.randrange(1, 1 << 31)))

    def tlvs(self) -> p.Tlvs:
        tags = self._random.sample(sorted(TLV_OCTETS), self._random.choice((0, 1, 3, 8)))
        return tuple(self._tlv(tag) for tag in tags)

    def _tlv(self, tag: int) -> p.Tlv:
        kind = TLV_OCTETS[tag]
        if isinstance(kind, int):
            return p.Tlv(tag, self._random.randbytes(kind))
        if kind[0] == "text":
            return p.Tlv.of_text(tag, self.text(kind[1]))
        if kind[0] == "bare text":
            return p.Tlv(tag, self.text(kind[1]).encode())
        return p.Tlv(tag, self._random.randbytes(kind[1]))

    def choice(self, count: int) -> range:
        return range(self._random.randint(1, count))


def _address(d: Draws, most: int = 20) -> tuple[int, int, str]:
    return d.octet(), d.octet(), d.text(most)


def _sm(d: Draws, cls: Callable[..., p.Pdu]) -> p.Pdu:
    return cls(
        d.text(5), *_address(d), *_address(d), d.octet(), d.octet(), d.octet(), d.time(), d.time(),
        d.octet(), d.octet(), d.octet(), d.octet(), d.octets(254), d.tlvs(),
    )  # fmt: skip


def _bind(kind: CommandId) -> Callable[[Draws], p.Pdu]:
    return lambda d: p.Bind(kind, d.text(15), d.text(8), d.text(12), d.octet(), *_address(d, 40))


def _bind_resp(kind: CommandId) -> Callable[[Draws], p.Pdu]:
    return lambda d: p.BindResp(
        CommandId(kind | 0x80000000), d.text(15), (p.Tlv(Tag.SC_INTERFACE_VERSION, bytes((d.octet(),))),)
    )


def _multi(d: Draws) -> p.Pdu:
    destinations = tuple(
        p.Destination(*_address(d)) if number % 2 else p.Destination(list_name=d.text(20) or "list")
        for number in d.choice(254)
    )
    return p.SubmitMulti(
        d.text(5), *_address(d), destinations, d.octet(), d.octet(), d.octet(), d.time(), d.time(),
        d.octet(), d.octet(), d.octet(), d.octet(), d.octets(254), d.tlvs(),
    )  # fmt: skip


_BINDS = (CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER)

KINDS: tuple[Callable[[Draws], p.Pdu], ...] = (
    lambda d: _sm(d, p.SubmitSm),
    lambda d: _sm(d, p.DeliverSm),
    lambda d: p.SubmitSmResp(d.text(64)),
    lambda d: p.DeliverSmResp(d.text(64)),
    lambda d: p.DataSm(
        d.text(5), *_address(d, 64), *_address(d, 64), d.octet(), d.octet(), d.octet(), d.tlvs()
    ),
    lambda d: p.DataSmResp(d.text(64), d.tlvs()),
    *(_bind(kind) for kind in _BINDS),
    *(_bind_resp(kind) for kind in _BINDS),
    lambda d: p.Outbind(d.text(15), d.text(8)),
    lambda d: p.QuerySm(d.text(64), *_address(d)),
    lambda d: p.QuerySmResp(d.text(64), d.time(), d.octet(), d.octet()),
    lambda d: p.CancelSm(d.text(5), d.text(64), *_address(d), *_address(d)),
    lambda d: p.CancelSmResp(),
    lambda d: p.ReplaceSm(d.text(64), *_address(d), d.time(), d.time(), d.octet(), d.octet(), d.octets(254)),
    lambda d: p.ReplaceSmResp(),
    _multi,
    lambda d: p.SubmitMultiResp(
        d.text(64), tuple(p.UnsuccessSme(*_address(d), d.word32()) for _ in d.choice(255)), d.tlvs()
    ),
    lambda d: p.AlertNotification(*_address(d, 64), *_address(d, 64)),
    lambda d: p.EnquireLink(),
    lambda d: p.EnquireLinkResp(),
    lambda d: p.Unbind(),
    lambda d: p.UnbindResp(),
    lambda d: p.GenericNack(),
)


def corpus(each: int, seed: int = SEED) -> list[p.Frame]:
    """`each` PDUs of every kind, status 0, with sequence numbers of one to four octets."""
    draws = Draws(seed)
    return [p.Frame(draws.word32(), 0, make(draws)) for make in KINDS for _ in range(each)]


# --- in node-smpp's words -----------------------------------------------------------------------------------

TlvNames = dict[int, dict[str, Any]]
_RENAMED = {"destinations": "dest_address", "unsuccess": "unsuccess_sme"}
_HIDDEN = {"kind", "tlvs"}


def _plain(value: object) -> object:
    if isinstance(value, p.Destination):
        if value.list_name:
            return {"dl_name": value.list_name}
        return {name: getattr(value, name) for name in value.__struct_fields__ if name != "list_name"}
    if isinstance(value, p.UnsuccessSme):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return value


def command_name(frame: p.Frame) -> str:
    return p.command_of(frame.pdu).name.lower()


def in_node_words(frame: p.Frame, tlv_names: TlvNames) -> dict[str, Any]:
    """The fields as node-smpp names and types them."""
    pdu = frame.pdu
    words: dict[str, Any] = {
        _RENAMED.get(name, name): _plain(getattr(pdu, name))
        for name in pdu.__struct_fields__
        if name not in _HIDDEN
    }
    for tlv in getattr(pdu, "tlvs", ()):
        known = tlv_names[tlv.tag]
        words[known["name"]] = _typed(known["type"], tlv.value)
    return words


def _typed(kind: str, value: bytes) -> object:
    if kind.startswith("int"):
        return int.from_bytes(value, "big")
    if kind in ("cstring", "string"):
        return value.removesuffix(b"\0").decode("ascii")
    return value
