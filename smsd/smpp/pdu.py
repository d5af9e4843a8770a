"""SMPP 3.4's PDUs as frozen values; field names are the specification's.

Octet strings that are text in the specification are `str`, read and written as ISO-8859-1;
`short_message` and TLV values are octets. TLVs keep their order, unknown ones are kept. Nothing here
checks a length or touches the wire: that is the codec's.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from smsd.smpp.constants import CommandId, CommandStatus, Npi, Tag, Ton, describe
from smsd.smpp.tlv import Tlv, Tlvs, find, read_int, read_text

__all__ = [
    "AlertNotification",
    "Bind",
    "BindResp",
    "CancelSm",
    "CancelSmResp",
    "CommandId",
    "CommandStatus",
    "DataSm",
    "DataSmResp",
    "DeliverSm",
    "DeliverSmResp",
    "Destination",
    "EnquireLink",
    "EnquireLinkResp",
    "Frame",
    "GenericNack",
    "Npi",
    "Outbind",
    "Pdu",
    "QuerySm",
    "QuerySmResp",
    "ReplaceSm",
    "ReplaceSmResp",
    "SubmitMulti",
    "SubmitMultiResp",
    "SubmitSm",
    "SubmitSmResp",
    "Tag",
    "Tlv",
    "Tlvs",
    "Ton",
    "Unbind",
    "UnbindResp",
    "UnsuccessSme",
    "command_of",
    "describe",
    "find",
    "read_int",
    "read_text",
]


class SubmitSm(msgspec.Struct, frozen=True, gc=False):
    """submit_sm (SMPP 3.4 §4.4.1): an MT on its way to the SMSC."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: tuple[Tlv, ...] = ()


class DeliverSm(msgspec.Struct, frozen=True, gc=False):
    """deliver_sm (§4.6.1): an MO or a receipt on its way to the ESME."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: tuple[Tlv, ...] = ()


class SubmitSmResp(msgspec.Struct, frozen=True, gc=False):
    """submit_sm_resp (§4.4.2); `message_id` may be empty where the status is not zero."""

    message_id: str = ""
    tlvs: tuple[Tlv, ...] = ()


class DeliverSmResp(msgspec.Struct, frozen=True, gc=False):
    """deliver_sm_resp (§4.6.2); `message_id` is unused and empty."""

    message_id: str = ""
    tlvs: tuple[Tlv, ...] = ()


class DataSm(msgspec.Struct, frozen=True, gc=False):
    """data_sm (§4.7.1), in either direction; the content is in `message_payload`."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    tlvs: tuple[Tlv, ...] = ()


class DataSmResp(msgspec.Struct, frozen=True, gc=False):
    """data_sm_resp (§4.7.2)."""

    message_id: str = ""
    tlvs: tuple[Tlv, ...] = ()


class Bind(msgspec.Struct, frozen=True, gc=False):
    """bind_transceiver, bind_transmitter or bind_receiver (§4.1), by `kind`. The password is not shown."""

    kind: CommandId
    system_id: str = ""
    password: str = ""
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""

    def __repr__(self) -> str:
        return f"Bind({self.kind.name}, {self.system_id!r}, system_type={self.system_type!r})"


class BindResp(msgspec.Struct, frozen=True, gc=False):
    """bind_*_resp (§4.1.2); `kind` is the response's own command id."""

    kind: CommandId
    system_id: str = ""
    tlvs: tuple[Tlv, ...] = ()


class Outbind(msgspec.Struct, frozen=True, gc=False):
    """outbind (§4.1.7), from the SMSC, never answered. The password is not shown."""

    system_id: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Outbind({self.system_id!r})"


class QuerySm(msgspec.Struct, frozen=True, gc=False):
    """query_sm (§4.8.1)."""

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


class QuerySmResp(msgspec.Struct, frozen=True, gc=False):
    """query_sm_resp (§4.8.2)."""

    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


class CancelSm(msgspec.Struct, frozen=True, gc=False):
    """cancel_sm (§4.9.1)."""

    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


class CancelSmResp(msgspec.Struct, frozen=True, gc=False):
    """cancel_sm_resp (§4.9.2)."""


class ReplaceSm(msgspec.Struct, frozen=True, gc=False):
    """replace_sm (§4.10.1)."""

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


class ReplaceSmResp(msgspec.Struct, frozen=True, gc=False):
    """replace_sm_resp (§4.10.2)."""


class Destination(msgspec.Struct, frozen=True, gc=False):
    """One dest_address of submit_multi (§4.5.1.1): an SME address, or a list where `list_name` is set."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    list_name: str = ""


class SubmitMulti(msgspec.Struct, frozen=True, gc=False):
    """submit_multi (§4.5.1), to 1..254 destinations."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    destinations: tuple[Destination, ...] = ()
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: tuple[Tlv, ...] = ()


class UnsuccessSme(msgspec.Struct, frozen=True, gc=False):
    """One destination that submit_multi could not take (§4.5.2.1)."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    error_status_code: int = 0


class SubmitMultiResp(msgspec.Struct, frozen=True, gc=False):
    """submit_multi_resp (§4.5.2)."""

    message_id: str = ""
    unsuccess: tuple[UnsuccessSme, ...] = ()
    tlvs: tuple[Tlv, ...] = ()


class AlertNotification(msgspec.Struct, frozen=True, gc=False):
    """alert_notification (§4.12.1), from the SMSC, never answered."""

    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""
    tlvs: tuple[Tlv, ...] = ()


class EnquireLink(msgspec.Struct, frozen=True, gc=False):
    """enquire_link (§4.11.1)."""


class EnquireLinkResp(msgspec.Struct, frozen=True, gc=False):
    """enquire_link_resp (§4.11.2)."""


class Unbind(msgspec.Struct, frozen=True, gc=False):
    """unbind (§4.2.1)."""


class UnbindResp(msgspec.Struct, frozen=True, gc=False):
    """unbind_resp (§4.2.2)."""


class GenericNack(msgspec.Struct, frozen=True, gc=False):
    """generic_nack (§4.3): the other side could not read a PDU; the frame's status tells why."""


Pdu: TypeAlias = (
    SubmitSm
    | SubmitSmResp
    | DeliverSm
    | DeliverSmResp
    | DataSm
    | DataSmResp
    | Bind
    | BindResp
    | Outbind
    | QuerySm
    | QuerySmResp
    | CancelSm
    | CancelSmResp
    | ReplaceSm
    | ReplaceSmResp
    | SubmitMulti
    | SubmitMultiResp
    | AlertNotification
    | EnquireLink
    | EnquireLinkResp
    | Unbind
    | UnbindResp
    | GenericNack
)

_COMMANDS: dict[type, CommandId] = {
    SubmitSm: CommandId.SUBMIT_SM,
    SubmitSmResp: CommandId.SUBMIT_SM_RESP,
    DeliverSm: CommandId.DELIVER_SM,
    DeliverSmResp: CommandId.DELIVER_SM_RESP,
    DataSm: CommandId.DATA_SM,
    DataSmResp: CommandId.DATA_SM_RESP,
    Outbind: CommandId.OUTBIND,
    QuerySm: CommandId.QUERY_SM,
    QuerySmResp: CommandId.QUERY_SM_RESP,
    CancelSm: CommandId.CANCEL_SM,
    CancelSmResp: CommandId.CANCEL_SM_RESP,
    ReplaceSm: CommandId.REPLACE_SM,
    ReplaceSmResp: CommandId.REPLACE_SM_RESP,
    SubmitMulti: CommandId.SUBMIT_MULTI,
    SubmitMultiResp: CommandId.SUBMIT_MULTI_RESP,
    AlertNotification: CommandId.ALERT_NOTIFICATION,
    EnquireLink: CommandId.ENQUIRE_LINK,
    EnquireLinkResp: CommandId.ENQUIRE_LINK_RESP,
    Unbind: CommandId.UNBIND,
    UnbindResp: CommandId.UNBIND_RESP,
    GenericNack: CommandId.GENERIC_NACK,
}


def command_of(pdu: Pdu) -> CommandId:
    """The command id that a PDU goes by on the wire."""
    if isinstance(pdu, Bind | BindResp):
        return pdu.kind
    return _COMMANDS[type(pdu)]


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A PDU with its header: `sequence` 1..0x7FFFFFFF as a rule, `status` 0 in requests."""

    sequence: int
    status: int
    pdu: Pdu
