"""SMPP's vocabulary: command ids, statuses, tags, numbering; smpplib's values and words where it has them.

Numbers it lacks are SMPP 3.4's (chapter 5), those marked 5.0 are SMPP 5.0's. Nothing here acts.
"""

from __future__ import annotations

from enum import IntEnum

from smpplib import command_codes, consts

RESPONSE = 0x80000000
"""The bit of a command id that tells a response from a request (SMPP 3.4 §5.1.2.1)."""


def _command(name: str) -> int:
    return int(command_codes.get_command_code(name))


class CommandId(IntEnum):
    """What a PDU is (SMPP 3.4 §5.1.2.1)."""

    GENERIC_NACK = _command("generic_nack")
    BIND_RECEIVER = _command("bind_receiver")
    BIND_RECEIVER_RESP = _command("bind_receiver_resp")
    BIND_TRANSMITTER = _command("bind_transmitter")
    BIND_TRANSMITTER_RESP = _command("bind_transmitter_resp")
    QUERY_SM = _command("query_sm")
    QUERY_SM_RESP = _command("query_sm_resp")
    SUBMIT_SM = _command("submit_sm")
    SUBMIT_SM_RESP = _command("submit_sm_resp")
    DELIVER_SM = _command("deliver_sm")
    DELIVER_SM_RESP = _command("deliver_sm_resp")
    UNBIND = _command("unbind")
    UNBIND_RESP = _command("unbind_resp")
    REPLACE_SM = 0x00000007
    REPLACE_SM_RESP = 0x80000007
    CANCEL_SM = 0x00000008
    CANCEL_SM_RESP = 0x80000008
    BIND_TRANSCEIVER = _command("bind_transceiver")
    BIND_TRANSCEIVER_RESP = _command("bind_transceiver_resp")
    OUTBIND = 0x0000000B
    ENQUIRE_LINK = _command("enquire_link")
    ENQUIRE_LINK_RESP = _command("enquire_link_resp")
    SUBMIT_MULTI = 0x00000021
    SUBMIT_MULTI_RESP = 0x80000021
    ALERT_NOTIFICATION = _command("alert_notification")
    DATA_SM = _command("data_sm")
    DATA_SM_RESP = _command("data_sm_resp")


class CommandStatus(IntEnum):
    """How a request fared (SMPP 3.4 §5.1.3). A frame's status is a plain int: vendors have their own."""

    ESME_ROK = consts.SMPP_ESME_ROK
    ESME_RINVMSGLEN = consts.SMPP_ESME_RINVMSGLEN
    ESME_RINVCMDLEN = consts.SMPP_ESME_RINVCMDLEN
    ESME_RINVCMDID = consts.SMPP_ESME_RINVCMDID
    ESME_RINVBNDSTS = consts.SMPP_ESME_RINVBNDSTS
    ESME_RALYBND = consts.SMPP_ESME_RALYBND
    ESME_RINVPRTFLG = consts.SMPP_ESME_RINVPRTFLG
    ESME_RINVREGDLVFLG = consts.SMPP_ESME_RINVREGDLVFLG
    ESME_RSYSERR = consts.SMPP_ESME_RSYSERR
    ESME_RINVSRCADR = consts.SMPP_ESME_RINVSRCADR
    ESME_RINVDSTADR = consts.SMPP_ESME_RINVDSTADR
    ESME_RINVMSGID = consts.SMPP_ESME_RINVMSGID
    ESME_RBINDFAIL = consts.SMPP_ESME_RBINDFAIL
    ESME_RINVPASWD = consts.SMPP_ESME_RINVPASWD
    ESME_RINVSYSID = consts.SMPP_ESME_RINVSYSID
    ESME_RCANCELFAIL = consts.SMPP_ESME_RCANCELFAIL
    ESME_RREPLACEFAIL = consts.SMPP_ESME_RREPLACEFAIL
    ESME_RMSGQFUL = consts.SMPP_ESME_RMSGQFUL
    ESME_RINVSERTYP = consts.SMPP_ESME_RINVSERTYP
    ESME_RINVNUMDESTS = consts.SMPP_ESME_RINVNUMDESTS
    ESME_RINVDLNAME = consts.SMPP_ESME_RINVDLNAME
    ESME_RINVDESTFLAG = consts.SMPP_ESME_RINVDESTFLAG
    ESME_RINVSUBREP = consts.SMPP_ESME_RINVSUBREP
    ESME_RINVESMCLASS = consts.SMPP_ESME_RINVESMCLASS
    ESME_RCNTSUBDL = consts.SMPP_ESME_RCNTSUBDL
    ESME_RSUBMITFAIL = consts.SMPP_ESME_RSUBMITFAIL
    ESME_RINVSRCTON = consts.SMPP_ESME_RINVSRCTON
    ESME_RINVSRCNPI = consts.SMPP_ESME_RINVSRCNPI
    ESME_RINVDSTTON = consts.SMPP_ESME_RINVDSTTON
    ESME_RINVDSTNPI = consts.SMPP_ESME_RINVDSTNPI
    ESME_RINVSYSTYP = consts.SMPP_ESME_RINVSYSTYP
    ESME_RINVREPFLAG = consts.SMPP_ESME_RINVREPFLAG
    ESME_RINVNUMMSGS = consts.SMPP_ESME_RINVNUMMSGS
    ESME_RTHROTTLED = consts.SMPP_ESME_RTHROTTLED
    ESME_RINVSCHED = consts.SMPP_ESME_RINVSCHED
    ESME_RINVEXPIRY = consts.SMPP_ESME_RINVEXPIRY
    ESME_RINVDFTMSGID = consts.SMPP_ESME_RINVDFTMSGID
    ESME_RX_T_APPN = consts.SMPP_ESME_RX_T_APPN
    ESME_RX_P_APPN = consts.SMPP_ESME_RX_P_APPN
    ESME_RX_R_APPN = consts.SMPP_ESME_RX_R_APPN
    ESME_RQUERYFAIL = consts.SMPP_ESME_RQUERYFAIL
    ESME_RINVOPTPARSTREAM = consts.SMPP_ESME_RINVOPTPARSTREAM
    ESME_ROPTPARNOTALLWD = consts.SMPP_ESME_ROPTPARNOTALLWD
    ESME_RINVPARLEN = consts.SMPP_ESME_RINVPARLEN
    ESME_RMISSINGOPTPARAM = consts.SMPP_ESME_RMISSINGOPTPARAM
    ESME_RINVOPTPARAMVAL = consts.SMPP_ESME_RINVOPTPARAMVAL
    ESME_RDELIVERYFAILURE = consts.SMPP_ESME_RDELIVERYFAILURE
    ESME_RUNKNOWNERR = consts.SMPP_ESME_RUNKNOWNERR


_WORDS: dict[int, str] = {
    **{int(status): str(words) for status, words in consts.DESCRIPTIONS.items()},
    # smpplib has no words for this one
    int(CommandStatus.ESME_RINVREGDLVFLG): "Invalid Registered Delivery Flag",
}


def describe(status: int) -> str:
    """A status in words, such as ``ESME_RINVPASWD (invalid password)``; vendors' own by number."""
    try:
        name = CommandStatus(status).name
    except ValueError:
        return f"status 0x{status:08X} (not one of SMPP 3.4's)"
    return f"{name} ({_WORDS[status].lower().replace('esme', 'ESME')})"


class Tag(IntEnum):
    """Named TLVs (SMPP 3.4 §5.3.2; those after `BILLING_IDENTIFICATION` are 5.0's)."""

    DEST_ADDR_SUBUNIT = 0x0005
    DEST_NETWORK_TYPE = 0x0006
    DEST_BEARER_TYPE = 0x0007
    DEST_TELEMATICS_ID = 0x0008
    SOURCE_ADDR_SUBUNIT = 0x000D
    SOURCE_NETWORK_TYPE = 0x000E
    SOURCE_BEARER_TYPE = 0x000F
    SOURCE_TELEMATICS_ID = 0x0010
    QOS_TIME_TO_LIVE = 0x0017
    PAYLOAD_TYPE = 0x0019
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    MS_MSG_WAIT_FACILITIES = 0x0030
    PRIVACY_INDICATOR = 0x0201
    SOURCE_SUBADDRESS = 0x0202
    DEST_SUBADDRESS = 0x0203
    USER_MESSAGE_REFERENCE = 0x0204
    USER_RESPONSE_CODE = 0x0205
    SOURCE_PORT = 0x020A
    DESTINATION_PORT = 0x020B
    SAR_MSG_REF_NUM = 0x020C
    LANGUAGE_INDICATOR = 0x020D
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    CALLBACK_NUM_PRES_IND = 0x0302
    CALLBACK_NUM_ATAG = 0x0303
    NUMBER_OF_MESSAGES = 0x0304
    CALLBACK_NUM = 0x0381
    DPF_RESULT = 0x0420
    SET_DPF = 0x0421
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427
    CONGESTION_STATE = 0x0428
    USSD_SERVICE_OP = 0x0501
    BILLING_IDENTIFICATION = 0x060B
    SOURCE_NETWORK_ID = 0x060D
    DEST_NETWORK_ID = 0x060E
    SOURCE_NODE_ID = 0x060F
    DEST_NODE_ID = 0x0610
    DISPLAY_TIME = 0x1201
    SMS_SIGNAL = 0x1203
    MS_VALIDITY = 0x1204
    ALERT_ON_MESSAGE_DELIVERY = 0x130C
    ITS_REPLY_TYPE = 0x1380
    ITS_SESSION_INFO = 0x1383


class Ton(IntEnum):
    """Type of number (SMPP 3.4 §5.2.5)."""

    UNKNOWN = consts.SMPP_TON_UNK
    INTERNATIONAL = consts.SMPP_TON_INTL
    NATIONAL = consts.SMPP_TON_NATNL
    NETWORK_SPECIFIC = consts.SMPP_TON_NWSPEC
    SUBSCRIBER_NUMBER = consts.SMPP_TON_SBSCR
    ALPHANUMERIC = consts.SMPP_TON_ALNUM
    ABBREVIATED = consts.SMPP_TON_ABBREV


class Npi(IntEnum):
    """Numbering plan (SMPP 3.4 §5.2.6)."""

    UNKNOWN = consts.SMPP_NPI_UNK
    ISDN = consts.SMPP_NPI_ISDN
    DATA = consts.SMPP_NPI_DATA
    TELEX = consts.SMPP_NPI_TELEX
    LAND_MOBILE = consts.SMPP_NPI_LNDMBL
    NATIONAL = consts.SMPP_NPI_NATNL
    PRIVATE = consts.SMPP_NPI_PRVT
    ERMES = consts.SMPP_NPI_ERMES
    INTERNET = consts.SMPP_NPI_IP
    WAP = consts.SMPP_NPI_WAP
