"""PDUs that brought other SMPP programs down, made anew by hand.

Each case names where the fault was told of and what it was, in a sentence; the octets are this project's own.
"""

from __future__ import annotations

from struct import pack
from typing import Final

from fuzz_targets import pdu_of
from hostile_pdus import ANSWER, CLOSES, REQUEST, Published, deliver, resp, tlv

from smsd.smpp.constants import CommandId, CommandStatus, Tag

RECEIPT: Final = (
    b"id:4711 sub:001 dlvrd:001 submit date:2611220109 done date:2611220110 stat:DELIVRD err:000 text:"
)
_S = CommandStatus

PUBLISHED: Final = (
    Published(
        "length-below-its-own-octets",
        "osmo-mgw, smpp_smsc.c, commit b6f01e77",
        "A command_length of 2 made the reader reserve less than it then wrote, and abort.",
        b"\0\0\0\2\0",
        CLOSES,
    ),
    Published(
        "length-below-a-header",
        "osmo-mgw, smpp_smsc.c; Net::SMPP changelog of 3.4.2002",
        "A command_length between 4 and 15 was taken and the header read past what was there.",
        pack(">IIII", 12, 5, 0, 1),
        CLOSES,
    ),
    Published(
        "length-of-nothing",
        "opentelecoms-org/jsmpp issue 5, uudashr/jsmpp issue 45",
        "A command_length of 0 stopped the reading thread without a word; the link seemed alive.",
        pack(">IIII", 0, 5, 0, 1),
        CLOSES,
    ),
    Published(
        "line-ends",
        "python-smpplib issue 22",
        "A port of another protocol answers with line ends.",
        b"\r\n\r\n",
        CLOSES,
    ),
    Published(
        "length-of-a-gigabyte",
        "farhadi/node-smpp issues 101, 109, 168",
        "A length far above any PDU ended the whole server by an error nobody caught.",
        pack(">IIII", 0x41414141, 5, 0, 1) + b"A" * 32,
        CLOSES,
    ),
    Published(
        "length-with-the-sign-bit",
        "readers with a signed length (the class of node-smpp issue 109)",
        "A length above 2^31 is negative where it is read as signed, and passes a check for the most.",
        pack(">IIII", 0x80000010, 5, 0, 1) + b"\0" * 16,
        CLOSES,
    ),
    Published(
        "a-web-server-answers",
        "farhadi/node-smpp issue 230",
        "The four letters HTTP were read as a length of 1213486160 octets.",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        CLOSES,
    ),
    Published(
        "sm-length-255",
        "OpenSIPS issue 3846, pull request 3891",
        "sm_length 255 wrote one octet past a field of 254, before any bind.",
        deliver(b"\1" * 255),
        _S.ESME_RINVMSGLEN,
    ),
    Published(
        "septets-that-grow",
        "OpenSIPS issue 3846",
        "254 septets that become two octets of UTF-8 each overran the buffer for the text.",
        deliver(b"\1" * 254),
        REQUEST,
    ),
    Published(
        "no-nul-anywhere",
        "OpenSIPS issue 3847",
        "Strings without NUL were read on through the next PDU in the buffer.",
        pdu_of(CommandId.DELIVER_SM, b"A" * 24) + deliver(sequence=2),
        _S.ESME_RINVPARLEN,
    ),
    Published(
        "body-missing",
        "OpenSIPS issue 3847 (bind and submit_sm bodies)",
        "A deliver_sm of a header alone was read from whatever followed it.",
        pdu_of(CommandId.DELIVER_SM, b"") + deliver(sequence=2),
        _S.ESME_RINVPARLEN,
    ),
    Published(
        "sm-length-past-the-end",
        "haifzhan/SMPPSim issue 1",
        "An sm_length above what the PDU holds raised from inside the reading thread.",
        deliver(b"hei", length=200),
        _S.ESME_RINVMSGLEN,
    ),
    Published(
        "sm-length-too-short",
        "twitter-archive/cloudhopper-smpp issue 64",
        "An sm_length one too small left one octet over, and the session was destroyed without an answer.",
        deliver(b"hei!", length=3),
        _S.ESME_RINVOPTPARSTREAM,
    ),
    Published(
        "nul-after-the-message",
        "praekelt/python-smpp pull request 7; vumi issue 843; cloudhopper-smpp issue 64",
        "A NUL after short_message was taken for the beginning of a TLV and its missing length for a number.",
        deliver(b"hei", rest=b"\0"),
        REQUEST,
    ),
    Published(
        "nuls-after-the-last-tlv",
        "the class of praekelt/python-smpp pull request 7",
        "A PDU filled up with NULs behind its last TLV.",
        deliver(b"hei", rest=tlv(0x1403, b"5000\0") + b"\0\0\0"),
        REQUEST,
    ),
    Published(
        "nul-within-the-message",
        "jookies/jasmin issue 218",
        "A NUL that sm_length counts, at the end of short_message, was none of its octets to the reader.",
        deliver(b"hei\0", data_coding=3),
        REQUEST,
    ),
    Published(
        "tlv-past-the-end",
        "opentelecoms-org/jsmpp issues 50 and 214",
        "A TLV longer than the PDU raised from arraycopy, and the message was lost.",
        deliver(rest=tlv(Tag.MESSAGE_PAYLOAD, b"abc", length=65535)),
        _S.ESME_RINVOPTPARSTREAM,
    ),
    Published(
        "tlv-without-its-length",
        "opentelecoms-org/jsmpp issue 214; funbox/smppex pull request 30",
        "A TLV cut after its tag stopped the client without an answer, so that it was sent again for days.",
        deliver(rest=b"\x04\x27\x00"),
        _S.ESME_RINVOPTPARSTREAM,
    ),
    Published(
        "tlv-of-no-octets",
        "readers that loop by a TLV's length alone",
        "TLVs of length 0 must still move the reader on.",
        deliver(rest=tlv(0x1403, b"") * 500),
        REQUEST,
    ),
    Published(
        "tlv-nobody-knows",
        "jookies/jasmin issue 269; kneodev/ksmppd issues 133 and 135",
        "A vendor's TLV made the PDU unparsable, or brought the whole box down.",
        deliver(rest=tlv(0x1403, b"5000\0") + tlv(0x3FFF, b"\xff" * 40)),
        REQUEST,
    ),
    Published(
        "tlv-out-of-place",
        "jookies/jasmin issues 120 and 399",
        "sc_interface_version in a deliver_sm was not allowed there, and every MO was refused.",
        deliver(rest=tlv(Tag.SC_INTERFACE_VERSION, b"\x34") + tlv(Tag.SOURCE_NETWORK_TYPE, b"\1")),
        REQUEST,
    ),
    Published(
        "tlv-value-nobody-lists",
        "jookies/jasmin issue 549",
        "A callback_num whose first octet is in no list made the MO unparsable.",
        deliver(rest=tlv(Tag.CALLBACK_NUM, b"q\1\0014799999999")),
        REQUEST,
    ),
    Published(
        "last-tlv-at-the-very-end",
        "python-smpplib issue 66",
        "The last four octets of each PDU were cut off, and with them the end of the last TLV.",
        deliver(RECEIPT, esm_class=4, rest=tlv(0x1501, b"0123456789")),
        REQUEST,
    ),
    Published(
        "odd-ton-and-npi",
        "jookies/jasmin issue 117",
        "Numbering values outside the specification's lists could not be read as enumerations.",
        deliver(ton=255, npi=77),
        REQUEST,
    ),
    Published(
        "header-flagged-message-empty",
        "osmo-gbproxy, smpp_openbsc.c, Coverity 1042373",
        "UDHI with sm_length 0 and no payload read the header's length through a null pointer.",
        deliver(b"", esm_class=0x40),
        REQUEST,
    ),
    Published(
        "header-longer-than-the-message",
        "gammu pull request 1187",
        "A header length beyond the message ran over the end of a fixed buffer.",
        deliver(b"\xff\0\3\1\2\1hei", esm_class=0x40),
        REQUEST,
    ),
    Published(
        "element-longer-than-its-header",
        "fiorix/go-smpp issues 117 and 121",
        "An element that does not end where its header ends shifted every octet after it.",
        deliver(b"\x05\0\x30\7\2\1hei", esm_class=0x40),
        REQUEST,
    ),
    Published(
        "header-in-the-payload",
        "linxGnu/gosmpp issue 55",
        "UDHI with an empty short_message was an error, although the header stood in message_payload.",
        deliver(b"", esm_class=0x40, rest=tlv(Tag.MESSAGE_PAYLOAD, b"\5\0\3\7\2\1hei")),
        REQUEST,
    ),
    Published(
        "long-payload",
        "readers with a small most length (Kannel and node-smpp have one to be set)",
        "A message_payload that the specification allows was above the reader's own limit.",
        deliver(b"", rest=tlv(Tag.MESSAGE_PAYLOAD, b"a" * 20_000)),
        REQUEST,
    ),
    Published(
        "data-coding-nobody-uses",
        "farhadi/node-smpp issues 66 and 252; CVE-2019-1747",
        "A data_coding with high bits chose no alphabet, or one that was not there.",
        deliver(b"hei\xff\xfe\x1b", data_coding=0xEE),
        REQUEST,
    ),
    Published(
        "surrogates-in-ucs2",
        "onlinecity/php-smpp issue 59",
        "A text with an emoji, a surrogate pair in UCS-2, arrived without its words.",
        deliver("Got test \U0001f618".encode("utf-16-be"), data_coding=8),
        REQUEST,
    ),
    Published(
        "half-a-unit-of-ucs2",
        "OpenSIPS pull request 3891",
        "An odd number of octets marked as UCS-2 was read two by two past its end.",
        deliver(b"\0h\0e\0i\xd8", data_coding=8),
        REQUEST,
    ),
    Published(
        "internet-mail-protocol",
        "the signature VOIP:SMPP:NOKIA-SMS-MMS-DOS",
        "A message of protocol 0x32 that begins with a long mail address stopped telephones from receiving.",
        deliver(b"a" * 33 + b"@example.org hei", protocol_id=0x32),
        REQUEST,
    ),
    Published(
        "refusal-without-a-body",
        "linxGnu/gosmpp issue 112; cloudhopper-smpp pull request 31; mozes/smpp.pdu pull request 6",
        "A submit_sm_resp with an error has no body; the missing message_id made the connection corrupt.",
        resp(b"", _S.ESME_RINVDSTADR),
        ANSWER,
    ),
    Published(
        "refusal-with-a-body",
        "funbox/smppex issue 6; jookies/jasmin issue 128",
        "A submit_sm_resp with an error and a message_id all the same crashed the connection.",
        resp(b"0A000000A3D323A1\0", _S.ESME_RINVDSTADR),
        ANSWER,
    ),
    Published(
        "status-nobody-knows",
        "jookies/jasmin issue 552",
        "A command_status that is in no list could not be read, and the answer was lost.",
        resp(b"4711\0", 0x00000022),
        ANSWER,
    ),
    Published(
        "refusal-by-a-nack",
        "praekeltfoundation/vumi issue 404",
        "A generic_nack under the request's number had no handler, and the request was never answered.",
        resp(b"", _S.ESME_RINVMSGLEN, command=CommandId.GENERIC_NACK),
        ANSWER,
    ),
    Published(
        "sequence-of-another",
        "the class of twitter-archive/cloudhopper-smpp issue 134",
        "A response under a sequence number nobody asked with must not end what another asked.",
        resp(b"4711\0", 0, sequence=0xFFFFFFFF) + resp(b"4712\0", 0),
        ANSWER,
    ),
    Published(
        "destinations-that-are-not-there",
        "the class of OpenSIPS issue 3847, in submit_multi_resp",
        "A count of 255 refused destinations over an empty list.",
        pdu_of(CommandId.SUBMIT_MULTI_RESP, b"4711\0\xff", sequence=77),
        _S.ESME_RINVCMDLEN,
    ),
    Published(
        "several-in-one-read",
        "pruiz/AberrantSMPP pull request 20",
        "Of several PDUs in one read all but the first were lost, and their requests waited for ever.",
        deliver(sequence=1) + resp(b"4711\0", 0) + deliver(sequence=3),
        ANSWER,
    ),
)
