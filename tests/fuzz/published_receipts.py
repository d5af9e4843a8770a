"""Receipts that other programs could not read, and ids that they did not know again, as they were told of."""

from __future__ import annotations

from typing import Final

RECEIPTS: Final = (
    (
        "uudashr/jsmpp issue 67, cloudhopper-smpp issue 105: no sub and no dlvrd",
        b"id:0654354026 submit date:2302101454 done date:2302101454 stat:DELIVRD err:000",
        ("0654354026", "DELIVERED", "000"),
    ),
    (
        "jookies/jasmin issue 70: dates of 12 digits, an id of 32",
        b"id:a29f6845555647139e5c8f3b817f2c9a sub:001 dlvrd:001 submit date:141023215253 "
        b"done date:141023215259 stat:DELIVRD err:000 text:",
        ("a29f6845555647139e5c8f3b817f2c9a", "DELIVERED", "000"),
    ),
    (
        "jookies/jasmin issue 760: an error code beside DELIVRD",
        b"id:fa9542be-3c16-44bb-9a8c-d277ea1851ef submit date:1911211739 done date:1911211741 "
        b"stat:DELIVRD err:002",
        ("fa9542be-3c16-44bb-9a8c-d277ea1851ef", "DELIVERED", "002"),
    ),
    (
        "onlinecity/php-smpp issue 70: err of four digits, an escape in the text",
        b"id:117062714244798261 sub:001 dlvrd:001 submit date:1706271624 done date:1706271624 "
        b"stat:DELIVRD err:0000 text:H\x1bello world",
        ("117062714244798261", "DELIVERED", "0000"),
    ),
    (
        "farhadi/node-smpp issue 77: counts that are no counts, Text with a capital",
        b"id:45013692 sub:0 dlvrd:28 submit date:1908121157 "
        b"done date:1908121158 stat:UNDELIV err:21 Text:*100#",
        ("45013692", "UNDELIVERABLE", "21"),
    ),
    (
        "mozes/smpp.pdu issue 21: question marks and digits that look like fields in the text",
        b"id:939128 sub:001 dlvrd:001 submit date:1807221736 done date:1807221736 stat:UNDELIV err:255 "
        b"text:?? ???? ? AED 50.24 ? stat:DELIVRD",
        ("939128", "UNDELIVERABLE", "255"),
    ),
    (
        "onlinecity/php-smpp issue 29: a space before err, one digit",
        b"id:0654354026 sub:001 dlvrd:001 submit date:1404170910 "
        b"done date:1404170911 stat:DELIVRD err: 0 text:",
        ("0654354026", "DELIVERED", "0"),
    ),
    (
        "cloudhopper-smpp issue 40: an error code with a letter",
        b"id:0654354026 sub:001 dlvrd:000 submit date:1310090910 "
        b"done date:1310090911 stat:UNDELIV err:21b text:",
        ("0654354026", "UNDELIVERABLE", "21b"),
    ),
    (
        "jookies/jasmin issues 681 and 753: dates of 12 digits that begin with the century",
        b"id:dbd1d8e8-d2a4-4efe-b508-60761b1ae484 submit date:201906190720 done date:201906190720 "
        b"stat:EXPIRED err:030",
        ("dbd1d8e8-d2a4-4efe-b508-60761b1ae484", "EXPIRED", "030"),
    ),
    (
        "python-smpplib issue 19: dlvrd 000 beside DELIVRD, dates of 12 digits, an id of 24",
        b"id:03a37b35fb8fe9000e4527 sub:001 dlvrd:000 submit date:160330083553 done date:160330083553 "
        b"stat:DELIVRD err:000 text:",
        ("03a37b35fb8fe9000e4527", "DELIVERED", "000"),
    ),
    (
        "MikeSafonov/spring-boot-starter-smpp issue 85: no id at all",
        b"stat:DELIVRD err:000",
        ("", "DELIVERED", "000"),
    ),
    ("a receipt of nothing that can be read", b"\xff\xfe\x00\x1b\x1b", ("", "UNKNOWN", "")),
)


IDS: Final = (
    # source, the profile's message_id, the id in the response, in the receipt
    ("jookies/jasmin issue 1034", "resp-hex", "39f99dd5", "0972660181"),
    ("jookies/jasmin issue 535", "resp-hex", "10C8F40D", "281605133"),
    ("jookies/jasmin issue 535", "receipt-hex", "281605133", "10c8f40d"),
    ("jookies/jasmin issue 596", "resp-hex", "BB860", "768096"),
    ("jookies/jasmin issue 1129", "hex", "00B8BE19", "B8BE19"),
    ("jookies/jasmin issue 366", "decimal", "0012345678", "12345678"),
    ("opentelecoms-org/jsmpp issue 56", "resp-hex", "33E95179", "870928761"),
    ("opentelecoms-org/jsmpp issue 178", "resp-hex", "d2d3a04", "0221067780"),
    ("MavoCz/smscsim issue 4", "resp-hex", "0000000000000fa5", "4005"),
    ("jookies/jasmin issue 760", "opaque", *("fa9542be-3c16-44bb-9a8c-d277ea1851ef",) * 2),
)
"""Ids that other programs did not know again; of some one side is reckoned from the other."""
