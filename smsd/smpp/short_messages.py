"""submit_sm, deliver_sm and their responses, nearly all of the traffic, read and written in straight lines.

What is wrong in them is found by the tables of `smsd.smpp.layouts`, which define the same bodies; so these
may never take what the tables refuse.
"""

from __future__ import annotations

from struct import Struct
from struct import error as struct_error
from typing import Final

from smsd.smpp import pdu as p
from smsd.smpp.constants import CommandId, CommandStatus
from smsd.smpp.layouts import (
    LAYOUTS,
    MESSAGE_ID_MAX,
    SM_FIELDS,
    BodyError,
    Layout,
    Reader,
    read_fields,
    read_tlvs,
    reader_of,
    short_message_fault,
    write_fields,
    write_short_message,
    write_tlvs,
)

_FIVE = Struct("BBBBB")
_read_five = _FIVE.unpack_from
_TLV_HEAD = Struct(">HH")
_read_tlv_head = _TLV_HEAD.unpack_from
_pack_tlv_head = _TLV_HEAD.pack
_CHARS: Final = {octet: chr(octet) for octet in range(256)}
_Tlv = p.Tlv
_ID_FIELDS: Final = LAYOUTS[CommandId.SUBMIT_SM_RESP].fields


def sm_reader(cls: type[p.SubmitSm] | type[p.DeliverSm]) -> Reader:
    """The body of submit_sm and deliver_sm in one straight line; the slow road explains what is wrong."""

    def read(octets: bytes, start: int, end: int) -> p.Pdu:
        try:
            # an octet looked at is cheaper than a search, and most messages leave these three empty
            if octets[start]:
                nul = octets.index(0, start, start + 6)
                service_type = octets[start:nul].decode("latin-1")
            else:
                nul, service_type = start, ""
            at = nul + 3
            nul = octets.index(0, at, at + 21)
            source_addr = octets[at:nul].decode("latin-1")
            source_ton = octets[at - 2]
            source_npi = octets[at - 1]
            at = nul + 3
            nul = octets.index(0, at, at + 21)
            destination_addr = octets[at:nul].decode("latin-1")
            dest_ton = octets[at - 2]
            dest_npi = octets[at - 1]
            first = nul + 1
            nul = at = nul + 4
            schedule = validity = ""
            if octets[at]:
                nul = octets.index(0, at, at + 17)
                schedule = octets[at:nul].decode("latin-1")
            nul = at = nul + 1
            if octets[at]:
                nul = octets.index(0, at, at + 17)
                validity = octets[at:nul].decode("latin-1")
            registered, replace, coding, default_id, length = _read_five(octets, nul + 1)
        except (ValueError, IndexError, struct_error):
            raise _sm_fault(octets, start, end) from None
        at = nul + 6
        stop = at + length
        if stop > end or length == 255:
            raise _sm_fault(octets, start, end)
        if stop == end:
            tlvs: tuple[p.Tlv, ...] = ()
        else:
            found = []
            tlv_at = stop
            while tlv_at < end:
                value_at = tlv_at + 4
                if value_at > end:
                    break
                tag, size = _read_tlv_head(octets, tlv_at)
                tlv_at = value_at + size
                found.append(_Tlv(tag, octets[value_at:tlv_at]))
            # where they do not end with the PDU it is padding, or wrong
            tlvs = tuple(found) if tlv_at == end else read_tlvs(octets, stop, end)
        return cls(
            service_type,
            source_ton,
            source_npi,
            source_addr,
            dest_ton,
            dest_npi,
            destination_addr,
            octets[first],
            octets[first + 1],
            octets[first + 2],
            schedule,
            validity,
            registered,
            replace,
            coding,
            default_id,
            octets[at:stop],
            tlvs,
        )

    return read


def _sm_fault(octets: bytes, start: int, end: int) -> BodyError:
    """What is wrong with the mandatory part of a submit_sm or deliver_sm."""
    try:
        _, at = read_fields(octets, start, end, SM_FIELDS)
    except BodyError as fault:
        return fault
    if at >= end:
        return BodyError(CommandStatus.ESME_RINVCMDLEN, "the PDU ends before sm_length")
    return short_message_fault(octets[at], end - at - 1)


def id_reader(cls: type[p.SubmitSmResp] | type[p.DeliverSmResp]) -> Reader:
    careful = reader_of(Layout(cls, _ID_FIELDS, tlvs=True))
    empty = cls()

    def read(octets: bytes, at: int, end: int) -> p.Pdu:
        last = end - 1
        message_id = octets[at:last]
        if octets[last] or 0 in message_id or not 0 <= last - at < MESSAGE_ID_MAX:
            return careful(octets, at, end)
        return cls(message_id.decode("latin-1")) if message_id else empty

    return read


def write_id(pdu: p.SubmitSmResp | p.DeliverSmResp) -> bytes:
    """The body of their responses."""
    message_id = pdu.message_id
    if not pdu.tlvs and len(message_id) < MESSAGE_ID_MAX and "\0" not in message_id:
        try:
            return message_id.encode("latin-1") + b"\0"
        except UnicodeEncodeError:
            pass
    return write_fields(pdu, _ID_FIELDS) + write_tlvs(pdu.tlvs)


def write_sm(pdu: p.SubmitSm | p.DeliverSm) -> bytes:
    service_type = pdu.service_type
    source_addr = pdu.source_addr
    destination_addr = pdu.destination_addr
    schedule = pdu.schedule_delivery_time
    validity = pdu.validity_period
    message = pdu.short_message
    chars = _CHARS
    if (
        len(service_type) > 5
        or len(source_addr) > 20
        or len(destination_addr) > 20
        or len(schedule) > 16
        or len(validity) > 16
        or len(message) > 254
        or "\0" in service_type
        or "\0" in source_addr
        or "\0" in destination_addr
        or "\0" in schedule
        or "\0" in validity
    ):
        return _write_sm_carefully(pdu)
    try:
        body = (
            f"{service_type}\0{chars[pdu.source_addr_ton]}{chars[pdu.source_addr_npi]}{source_addr}\0"
            f"{chars[pdu.dest_addr_ton]}{chars[pdu.dest_addr_npi]}{destination_addr}\0"
            f"{chars[pdu.esm_class]}{chars[pdu.protocol_id]}{chars[pdu.priority_flag]}{schedule}\0{validity}\0"
            f"{chars[pdu.registered_delivery]}{chars[pdu.replace_if_present_flag]}{chars[pdu.data_coding]}"
            f"{chars[pdu.sm_default_msg_id]}{chars[len(message)]}"
        ).encode("latin-1")
        if not pdu.tlvs:
            return body + message
        parts = [body, message]
        for tlv in pdu.tlvs:
            value = tlv.value
            parts.append(_pack_tlv_head(tlv.tag, len(value)))
            parts.append(value)
        return b"".join(parts)
    except (KeyError, UnicodeEncodeError, struct_error):
        return _write_sm_carefully(pdu)


def _write_sm_carefully(pdu: p.SubmitSm | p.DeliverSm) -> bytes:
    """The same by the table, which names the field that is wrong."""
    return write_fields(pdu, SM_FIELDS) + write_short_message(pdu.short_message) + write_tlvs(pdu.tlvs)
