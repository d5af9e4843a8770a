"""Why a submit_sm was refused, in words."""

from __future__ import annotations

import pytest

from smsd.smpp.constants import CommandStatus
from smsd.smpp.submit_words import submit_refused
from smsd.smpp.tlv import Tlv


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (CommandStatus.ESME_RINVSRCADR, "the short code is not open to this account as sender"),
        (CommandStatus.ESME_RINVDSTADR, "wrong, ported or not in service"),
        (CommandStatus.ESME_RINVSRCTON, "it wants another source_ton"),
        (CommandStatus.ESME_RMISSINGOPTPARAM, "it misses a TLV"),
        (0x0401, "status 0x00000401"),
    ],
)
def test_a_refusal_says_what_to_look_at_and_the_status(status, words):
    told = submit_refused(status)
    assert told.startswith("the SMSC refused a message: ")
    assert words in told
    assert getattr(status, "name", "0x00000401") in told


def test_tags_are_told_where_tlvs_may_be_to_blame_and_no_value_ever():
    tlvs = (Tlv(0x1403, b"5000"), Tlv(0x0204, b"\0\1"))
    told = submit_refused(CommandStatus.ESME_RINVOPTPARAMVAL, tlvs)
    assert told.endswith("; sent were 0x1403, 0x0204")
    assert "5000" not in told
    assert submit_refused(CommandStatus.ESME_RMISSINGOPTPARAM).endswith("; none was sent")
    assert "0x1403" not in submit_refused(CommandStatus.ESME_RINVDSTADR, tlvs)
