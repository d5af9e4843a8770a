"""Why an SMSC refused a submit_sm, in words for a support desk. Words only, no value of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from smsd.smpp.constants import CommandStatus, describe
from smsd.smpp.tlv import Tlv

_TLVS: Final[dict[int, str]] = {
    CommandStatus.ESME_RINVOPTPARSTREAM: "it cannot read the TLVs",
    CommandStatus.ESME_ROPTPARNOTALLWD: "it does not allow one of the TLVs",
    CommandStatus.ESME_RINVPARLEN: "a field or TLV has a length that it does not take",
    CommandStatus.ESME_RMISSINGOPTPARAM: "it misses a TLV",
    CommandStatus.ESME_RINVOPTPARAMVAL: "it does not take the value of a TLV: type, unit or price is wrong",
}
_FIELDS: Final[dict[int, str]] = {
    CommandStatus.ESME_RINVMSGLEN: "the text is too long for it",
    CommandStatus.ESME_RINVCMDID: "it does not know submit_sm on this bind",
    CommandStatus.ESME_RINVBNDSTS: "this bind is not for sending",
    CommandStatus.ESME_RSYSERR: "it has a fault of its own",
    CommandStatus.ESME_RTHROTTLED: "it takes no more just now: try again later, and lower rate",
    CommandStatus.ESME_RMSGQFUL: "its queue is full: try again later",
    CommandStatus.ESME_RINVSRCADR: "the short code is not open to this account as sender",
    CommandStatus.ESME_RINVDSTADR: "this operator does not reach the number: wrong, ported or not in service",
    CommandStatus.ESME_RINVSERTYP: "it does not know the service_type",
    CommandStatus.ESME_RINVESMCLASS: "it does not take this form of long texts; see segments_by",
    CommandStatus.ESME_RSUBMITFAIL: "it took the message not, and says no more",
    CommandStatus.ESME_RINVSRCTON: "it wants another source_ton",
    CommandStatus.ESME_RINVSRCNPI: "it wants another source_npi",
    CommandStatus.ESME_RINVDSTTON: "it wants another dest_ton",
    CommandStatus.ESME_RINVDSTNPI: "it wants another dest_npi",
    CommandStatus.ESME_RINVEXPIRY: "it wants another validity_s",
    CommandStatus.ESME_RINVREGDLVFLG: "receipts are not open for this account",
}


def submit_refused(status: int, tlvs: Sequence[Tlv] = ()) -> str:
    """Why, with the status it gave; where TLVs may be to blame, also the tags of those that were sent."""
    given = describe(status)
    words = _TLVS.get(status) or _FIELDS.get(status)
    told = (
        f"the SMSC refused a message: {words}: {given}" if words else f"the SMSC refused a message: {given}"
    )
    if status not in _TLVS:
        return told
    tags = ", ".join(f"0x{tlv.tag:04X}" for tlv in tlvs)
    return f"{told}; " + (f"sent were {tags}" if tags else "none was sent")
