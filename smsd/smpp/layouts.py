"""The bodies of the PDUs that are not on the hot road, as tables of fields, with their reader and writer.

Limits are SMPP 3.4 chapter 4's, in octets with the NUL. The hot PDUs (submit_sm, deliver_sm) are in `codec`.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, Final, TypeAlias

import msgspec

from smsd.smpp import pdu as p
from smsd.smpp.constants import CommandId, CommandStatus
from smsd.smpp.faults import UnencodablePduError

Reader: TypeAlias = Callable[[bytes, int, int], p.Pdu]
"""Reads a body between two positions; raises `BodyError`, or ValueError where an octet is missing."""

Writer: TypeAlias = Callable[[Any], bytes]

SHORT_MESSAGE_MAX: Final = 254
ADDRESS_MAX: Final = 21
TIME_MAX: Final = 17
MESSAGE_ID_MAX: Final = 65
PASSWORD_MAX: Final = 33
"""Of a bind: §5.2.2 has 9, but operators give longer ones and their SMSCs take them."""
DESTINATIONS_MAX: Final = 254
PADDING_MAX: Final = 3
"""NULs behind a PDU's last parameter that are passed over."""
UNSUCCESS_MAX: Final = 255
_SME, _LIST = 1, 2

_UINT32 = Struct(">I")
_TLV_HEAD = Struct(">HH")
_tlv_head = _TLV_HEAD.unpack_from
_pack_tlv_head = _TLV_HEAD.pack


class BodyError(Exception):
    """A body that breaks the specification; the codec adds the header's part."""

    def __init__(self, status: CommandStatus, what: str) -> None:
        super().__init__(what)
        self.status = status
        self.what = what


class Field(msgspec.Struct, frozen=True):
    """One mandatory parameter: a C-octet string of `octets` with its NUL, or an integer of 1 or 4 octets."""

    name: str
    octets: int
    text: bool = False


def _text(name: str, octets: int) -> Field:
    return Field(name, octets, text=True)


def _address(prefix: str, octets: int = ADDRESS_MAX, name: str | None = None) -> tuple[Field, ...]:
    return (Field(f"{prefix}_ton", 1), Field(f"{prefix}_npi", 1), _text(name or prefix, octets))


_SOURCE = _address("source_addr")
_DEST = _address("dest_addr", name="destination_addr")
_TIMES = (_text("schedule_delivery_time", TIME_MAX), _text("validity_period", TIME_MAX))
_SM_TAIL = (
    Field("registered_delivery", 1),
    Field("replace_if_present_flag", 1),
    Field("data_coding", 1),
    Field("sm_default_msg_id", 1),
)
_SM_MIDDLE = (Field("esm_class", 1), Field("protocol_id", 1), Field("priority_flag", 1), *_TIMES, *_SM_TAIL)

SM_FIELDS: Final = (_text("service_type", 6), *_SOURCE, *_DEST, *_SM_MIDDLE)
"""submit_sm and deliver_sm up to sm_length."""


class Layout(msgspec.Struct, frozen=True):
    """A body: its fields, whether TLVs may follow, whether a status that is not zero leaves it out."""

    cls: type
    fields: tuple[Field, ...] = ()
    tlvs: bool = False
    bare_when_refused: bool = False


_MESSAGE_ID = (_text("message_id", MESSAGE_ID_MAX),)

LAYOUTS: Final[dict[CommandId, Layout]] = {
    CommandId.OUTBIND: Layout(p.Outbind, (_text("system_id", 16), _text("password", 9))),
    CommandId.SUBMIT_SM_RESP: Layout(p.SubmitSmResp, _MESSAGE_ID, tlvs=True, bare_when_refused=True),
    CommandId.DELIVER_SM_RESP: Layout(p.DeliverSmResp, _MESSAGE_ID, tlvs=True),
    CommandId.DATA_SM: Layout(
        p.DataSm,
        (
            _text("service_type", 6),
            *_address("source_addr", 65),
            *_address("dest_addr", 65, "destination_addr"),
            Field("esm_class", 1),
            Field("registered_delivery", 1),
            Field("data_coding", 1),
        ),
        tlvs=True,
    ),
    CommandId.DATA_SM_RESP: Layout(p.DataSmResp, _MESSAGE_ID, tlvs=True),
    CommandId.QUERY_SM: Layout(p.QuerySm, (*_MESSAGE_ID, *_SOURCE)),
    CommandId.QUERY_SM_RESP: Layout(
        p.QuerySmResp,
        (*_MESSAGE_ID, _text("final_date", TIME_MAX), Field("message_state", 1), Field("error_code", 1)),
    ),
    CommandId.CANCEL_SM: Layout(p.CancelSm, (_text("service_type", 6), *_MESSAGE_ID, *_SOURCE, *_DEST)),
    CommandId.CANCEL_SM_RESP: Layout(p.CancelSmResp),
    CommandId.REPLACE_SM_RESP: Layout(p.ReplaceSmResp),
    CommandId.ALERT_NOTIFICATION: Layout(
        p.AlertNotification, (*_address("source_addr", 65), *_address("esme_addr", 65)), tlvs=True
    ),
    CommandId.ENQUIRE_LINK: Layout(p.EnquireLink),
    CommandId.ENQUIRE_LINK_RESP: Layout(p.EnquireLinkResp),
    CommandId.UNBIND: Layout(p.Unbind),
    CommandId.UNBIND_RESP: Layout(p.UnbindResp),
    CommandId.GENERIC_NACK: Layout(p.GenericNack),
}

_BIND = (
    _text("system_id", 16),
    _text("password", PASSWORD_MAX),
    _text("system_type", 13),
    Field("interface_version", 1),
    Field("addr_ton", 1),
    Field("addr_npi", 1),
    _text("address_range", 41),
)
_REPLACE_FIELDS = (
    *_MESSAGE_ID,
    *_SOURCE,
    *_TIMES,
    Field("registered_delivery", 1),
    Field("sm_default_msg_id", 1),
)
_MULTI_HEAD = (_text("service_type", 6), *_SOURCE)


def read_text(octets: bytes, at: int, end: int, field: Field) -> tuple[str, int]:
    """A C-octet string and the position after its NUL."""
    stop = octets.find(0, at, min(end, at + field.octets))
    if stop < 0:
        if end - at >= field.octets:
            raise BodyError(
                CommandStatus.ESME_RINVPARLEN, f"{field.name} is longer than {field.octets - 1} octets"
            )
        raise BodyError(CommandStatus.ESME_RINVPARLEN, f"{field.name} has no NUL before the PDU's end")
    return octets[at:stop].decode("latin-1"), stop + 1


def read_fields(octets: bytes, at: int, end: int, fields: tuple[Field, ...]) -> tuple[list[Any], int]:
    """The fields' values in order, and the position after them."""
    values: list[Any] = []
    for field in fields:
        if field.text:
            text, at = read_text(octets, at, end, field)
            values.append(text)
            continue
        if at + field.octets > end:
            raise BodyError(CommandStatus.ESME_RINVCMDLEN, f"the PDU ends before {field.name}")
        values.append(int.from_bytes(octets[at : at + field.octets], "big"))
        at += field.octets
    return values, at


def read_short_message(octets: bytes, at: int, end: int) -> tuple[bytes, int]:
    """sm_length and short_message."""
    if at >= end:
        raise BodyError(CommandStatus.ESME_RINVCMDLEN, "the PDU ends before sm_length")
    length = octets[at]
    at += 1
    if length > SHORT_MESSAGE_MAX or at + length > end:
        raise short_message_fault(length, end - at)
    return octets[at : at + length], at + length


def short_message_fault(length: int, left: int) -> BodyError:
    return BodyError(
        CommandStatus.ESME_RINVMSGLEN,
        f"sm_length is {length}, with {left} octets left; at most {SHORT_MESSAGE_MAX} and what is left",
    )


def read_tlvs(octets: bytes, at: int, end: int) -> tuple[p.Tlv, ...]:
    """All TLVs up to the PDU's end, in order; a few NULs behind the last one count for nothing."""
    found = []
    while at < end:
        value_at = at + 4
        if value_at > end:
            if _is_padding(octets, at, end):
                break
            raise BodyError(CommandStatus.ESME_RINVOPTPARSTREAM, f"{end - at} octets are no TLV; 4 at least")
        tag, length = _tlv_head(octets, at)
        at = value_at + length
        if at > end:
            raise BodyError(
                CommandStatus.ESME_RINVOPTPARSTREAM,
                f"TLV 0x{tag:04X} of {length} octets runs {at - end} octets over the PDU's end",
            )
        found.append(p.Tlv(tag, octets[value_at:at]))
    return tuple(found)


def no_rest(octets: bytes, at: int, end: int) -> None:
    """Nothing may be left, but for a few NULs."""
    if at != end and not _is_padding(octets, at, end):
        raise BodyError(CommandStatus.ESME_RINVCMDLEN, f"{end - at} octets too many after the last parameter")


def _is_padding(octets: bytes, at: int, end: int) -> bool:
    """Some SMSCs close a PDU with a NUL, or fill it up; what is too short for a TLV cannot be one."""
    return end - at <= PADDING_MAX and not any(octets[at:end])


def write_fields(pdu: Any, fields: tuple[Field, ...]) -> bytes:
    """The fields' octets.

    Raises:
        UnencodablePduError: naming the field and its limit, never its value.
    """
    parts = []
    for field in fields:
        value = getattr(pdu, field.name)
        if not field.text:
            if not 0 <= value < 1 << 8 * field.octets:
                raise UnencodablePduError(f"{field.name} is {value}; it has {field.octets} octet(s)")
            parts.append(int(value).to_bytes(field.octets, "big"))
            continue
        if len(value) >= field.octets:
            raise UnencodablePduError(
                f"{field.name} has {len(value)} characters; at most {field.octets - 1} fit"
            )
        if "\0" in value:
            raise UnencodablePduError(f"{field.name} holds a NUL, which ends it")
        try:
            parts.append(value.encode("latin-1") + b"\0")
        except UnicodeEncodeError:
            raise UnencodablePduError(f"{field.name} holds a character outside ISO-8859-1") from None
    return b"".join(parts)


def write_short_message(message: bytes) -> bytes:
    if len(message) > SHORT_MESSAGE_MAX:
        raise UnencodablePduError(
            f"short_message has {len(message)} octets; at most {SHORT_MESSAGE_MAX} fit, "
            "more go in message_payload"
        )
    return bytes((len(message),)) + message


def write_tlvs(tlvs: tuple[p.Tlv, ...]) -> bytes:
    parts = []
    for tlv in tlvs:
        value = tlv.value
        if not 0 <= tlv.tag <= 0xFFFF or len(value) > 0xFFFF:
            raise UnencodablePduError(
                f"TLV 0x{tlv.tag:X} has {len(value)} octets; tag and length are at most 65535"
            )
        parts.append(_pack_tlv_head(tlv.tag, len(value)))
        parts.append(value)
    return b"".join(parts)


def reader_of(layout: Layout) -> Reader:
    cls, fields, tlvs = layout.cls, layout.fields, layout.tlvs

    def read(octets: bytes, at: int, end: int) -> p.Pdu:
        values, at = read_fields(octets, at, end, fields)
        if tlvs:
            values.append(read_tlvs(octets, at, end))
        else:
            no_rest(octets, at, end)
        made: p.Pdu = cls(*values)
        return made

    return read


def writer_of(layout: Layout) -> Writer:
    fields, tlvs = layout.fields, layout.tlvs

    def write(pdu: Any) -> bytes:
        body = write_fields(pdu, fields)
        return body + write_tlvs(pdu.tlvs) if tlvs and pdu.tlvs else body

    return write


def bind_reader(kind: CommandId) -> Reader:
    def read(octets: bytes, at: int, end: int) -> p.Pdu:
        values, at = read_fields(octets, at, end, _BIND)
        no_rest(octets, at, end)
        return p.Bind(kind, *values)

    return read


def write_bind(pdu: p.Bind) -> bytes:
    return write_fields(pdu, _BIND)


def bind_resp_reader(kind: CommandId) -> Reader:
    def read(octets: bytes, at: int, end: int) -> p.Pdu:
        system_id, at = read_text(octets, at, end, _BIND[0])
        return p.BindResp(kind, system_id, read_tlvs(octets, at, end))

    return read


def write_bind_resp(pdu: p.BindResp) -> bytes:
    return write_fields(pdu, _BIND[:1]) + write_tlvs(pdu.tlvs)


def read_replace_sm(octets: bytes, at: int, end: int) -> p.Pdu:
    values, at = read_fields(octets, at, end, _REPLACE_FIELDS)
    message, at = read_short_message(octets, at, end)
    no_rest(octets, at, end)
    values.append(message)
    return p.ReplaceSm(*values)


def write_replace_sm(pdu: p.ReplaceSm) -> bytes:
    return write_fields(pdu, _REPLACE_FIELDS) + write_short_message(pdu.short_message)


def read_submit_multi(octets: bytes, at: int, end: int) -> p.Pdu:
    head, at = read_fields(octets, at, end, _MULTI_HEAD)
    if at >= end:
        raise BodyError(CommandStatus.ESME_RINVCMDLEN, "the PDU ends before number_of_dests")
    count = octets[at]
    at += 1
    if not 1 <= count <= DESTINATIONS_MAX:
        raise BodyError(
            CommandStatus.ESME_RINVNUMDESTS, f"number_of_dests is {count}; 1 to {DESTINATIONS_MAX}"
        )
    destinations = []
    for _ in range(count):
        flag = octets[at] if at < end else None
        if flag == _SME:
            (ton, npi, address), at = read_fields(octets, at + 1, end, _DEST)
            destinations.append(p.Destination(ton, npi, address))
        elif flag == _LIST:
            name, at = read_text(octets, at + 1, end, _text("dl_name", ADDRESS_MAX))
            if not name:
                raise BodyError(CommandStatus.ESME_RINVDLNAME, "dl_name is empty")
            destinations.append(p.Destination(list_name=name))
        elif flag is None:
            raise BodyError(CommandStatus.ESME_RINVNUMDESTS, "the PDU ends within its destinations")
        else:
            raise BodyError(CommandStatus.ESME_RINVDESTFLAG, f"dest_flag is {flag}; 1 or 2")
    middle, at = read_fields(octets, at, end, _SM_MIDDLE)
    message, at = read_short_message(octets, at, end)
    tlvs = read_tlvs(octets, at, end)
    return p.SubmitMulti(*[*head, tuple(destinations), *middle, message, tlvs])


def write_submit_multi(pdu: p.SubmitMulti) -> bytes:
    count = len(pdu.destinations)
    if not 1 <= count <= DESTINATIONS_MAX:
        raise UnencodablePduError(f"submit_multi has {count} destinations; 1 to {DESTINATIONS_MAX}")
    parts = [write_fields(pdu, _MULTI_HEAD), bytes((count,))]
    for destination in pdu.destinations:
        if destination.list_name:
            parts.append(bytes((_LIST,)) + write_fields(destination, (_text("list_name", ADDRESS_MAX),)))
        else:
            parts.append(bytes((_SME,)) + write_fields(destination, _DEST))
    parts.append(write_fields(pdu, _SM_MIDDLE))
    parts.append(write_short_message(pdu.short_message))
    parts.append(write_tlvs(pdu.tlvs))
    return b"".join(parts)


def read_submit_multi_resp(octets: bytes, at: int, end: int) -> p.Pdu:
    message_id, at = read_text(octets, at, end, _MESSAGE_ID[0])
    if at >= end:
        raise BodyError(CommandStatus.ESME_RINVCMDLEN, "the PDU ends before no_unsuccess")
    count = octets[at]
    at += 1
    unsuccess = []
    for _ in range(count):
        values, at = read_fields(octets, at, end, (*_DEST, Field("error_status_code", 4)))
        unsuccess.append(p.UnsuccessSme(*values))
    return p.SubmitMultiResp(message_id, tuple(unsuccess), read_tlvs(octets, at, end))


def write_submit_multi_resp(pdu: p.SubmitMultiResp) -> bytes:
    count = len(pdu.unsuccess)
    if count > UNSUCCESS_MAX:
        raise UnencodablePduError(f"submit_multi_resp has {count} unsuccess_sme; at most {UNSUCCESS_MAX}")
    parts = [write_fields(pdu, _MESSAGE_ID), bytes((count,))]
    parts.extend(write_fields(one, (*_DEST, Field("error_status_code", 4))) for one in pdu.unsuccess)
    parts.append(write_tlvs(pdu.tlvs))
    return b"".join(parts)
