"""One charge's evidence as a whole: what was asked, shown, sent, answered, booked, and what people said.

A gateway fills in what it knows, a member system adds its own; what is missing is said to be. Times are UTC
microseconds (0: none), amounts øre.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

import msgspec

from foundation.contract import ChargeJournal, JournalSms, Purpose

_FIELDS: Final = (
    "id",
    "stat",
    "err",
    "network",
    "contradiction",
    "submit",
    "done",
    "status",
    "state",
    "error",
)
_FIELD: Final = re.compile(rf"(?:^|\s)({'|'.join(_FIELDS)}):")
_SAID_BY_SMSC: Final = ("answer_", "receipt_", "query_")


class CaseSms(msgspec.Struct, frozen=True):
    """One SMS; `text` None where it is not kept here. `fate` as of `fate_us`."""

    id: str
    at_us: int
    direction: str
    purpose: str
    number: str
    short_code: str
    segments: int
    price_ore: int
    fate: str
    fate_us: int
    reason: str = ""
    text: str | None = None


class CaseStep(msgspec.Struct, frozen=True):
    """One piece of evidence and what it did to the charge."""

    at_us: int
    evidence: str
    before: str
    after: str
    detail: str


class CaseAnswer(msgspec.Struct, frozen=True):
    """What an operator said of one SMS: `answer`, `receipt` or `query`.

    `submit` and `done` are a receipt's dates, by the operator's own clock. `raw` is all of it as it was kept.
    """

    at_us: int
    sms: str
    purpose: str
    kind: str
    message_id: str = ""
    stat: str = ""
    err: str = ""
    network: str = ""
    submit: str = ""
    done: str = ""
    raw: str = ""


class CaseProposal(msgspec.Struct, frozen=True):
    """One person's word on a charge that needs two."""

    at_us: int
    outcome: str
    who: str
    why: str
    ended: str = ""
    ended_by: str = ""
    ended_why: str = ""
    ended_us: int = 0


class CaseInvoice(msgspec.Struct, frozen=True):
    """The invoice that the charge pays; dates as ISO texts."""

    id: str
    number: str
    kind: str
    person: str
    amount_ore: int
    period: str
    issued: str
    due: str
    kid: str
    account: str
    paid_ore: int
    credited_ore: int
    excess_ore: int


class CaseEntry(msgspec.Struct, frozen=True):
    """One row of the ledger; debit is positive. `ours`: booked because of this charge."""

    at_us: int
    journal: str
    kind: str
    account: str
    amount_ore: int
    ours: bool


class CaseWord(msgspec.Struct, frozen=True):
    """What the gateway told the member system of the charge's end."""

    at_us: int
    outcome: str
    reason: str
    words: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    `known_by` names who filled it in. `journal_us` is when the gateway's part was told, 0 where it was not;
    `ledger` is None where the books are not kept here.
    """

    charge: str
    conversation: str
    org: str
    org_name: str
    language: str
    made_us: int
    known_by: str
    number: str
    amount_ore: int
    state: str
    reason: str
    contradicted: bool
    asked_us: int
    settled_us: int
    invoice_id: str
    operator: str = ""
    short_code: str = ""
    journal_us: int = 0
    left_out: int = 0
    sms: tuple[CaseSms, ...] = ()
    steps: tuple[CaseStep, ...] = ()
    answers: tuple[CaseAnswer, ...] = ()
    proposals: tuple[CaseProposal, ...] = ()
    words: tuple[CaseWord, ...] = ()
    invoice: CaseInvoice | None = None
    ledger: tuple[CaseEntry, ...] | None = None


class GatewayPart(msgspec.Struct, frozen=True):
    """What a journal adds to a case."""

    sms: tuple[CaseSms, ...]
    steps: tuple[CaseStep, ...]
    answers: tuple[CaseAnswer, ...]
    proposals: tuple[CaseProposal, ...]


def part_of(journal: ChargeJournal, texts: Mapping[str, str | None]) -> GatewayPart:
    """A gateway's journal in a case's words; `texts` by SMS, from wherever they are kept."""
    steps = tuple(
        CaseStep(step.at, step.evidence, step.before, step.after, step.detail) for step in journal.steps
    )
    answers = [
        _answer(step.at_us, journal.message, Purpose.PREMIUM, step.evidence.partition("_")[0], step.detail)
        for step in steps
        if step.evidence.startswith(_SAID_BY_SMSC)
    ]
    for sms in journal.sms:
        answers += [
            _answer(trace.at, sms.id, sms.purpose, _KIND.get(trace.what, trace.what), trace.detail)
            for trace in sms.traces
        ]
    return GatewayPart(
        sms=tuple(_sms(sms, texts.get(sms.id)) for sms in journal.sms),
        steps=steps,
        answers=tuple(sorted(answers, key=lambda answer: answer.at_us)),
        proposals=tuple(
            CaseProposal(
                each.at,
                each.outcome,
                each.who,
                each.why,
                each.ended,
                each.ended_by,
                each.ended_why,
                each.ended_at,
            )
            for each in journal.proposals
        ),
    )


def read_detail(detail: str) -> dict[str, str]:
    """What the gateway kept of an answer or a receipt (``id:… stat:… err:… submit:… done:…``), by name."""
    marks = list(_FIELD.finditer(detail))
    ends = [*(mark.start() for mark in marks[1:]), len(detail)][: len(marks)]
    return {mark[1]: detail[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}


def smsc_date(digits: str) -> str:
    """A date as SMSCs write it (10, 12, 14 digits, or 16 characters of SMPP's absolute time), readable."""
    plain = digits[:12] if len(digits) == 16 else digits
    if plain.isdecimal() and plain.isascii():
        for length, form, shown in _DATES:
            if len(plain) == length:
                with suppress(ValueError):
                    return datetime.strptime(plain, form).strftime(shown)
    return digits


_DATES: Final = (
    (10, "%y%m%d%H%M", "%Y-%m-%d %H:%M"),
    (12, "%y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S"),
    (12, "%Y%m%d%H%M", "%Y-%m-%d %H:%M"),
    (14, "%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S"),
)
_KIND: Final = {"accepted": "answer"}


def _answer(at_us: int, sms: str, purpose: str, kind: str, detail: str) -> CaseAnswer:
    read = read_detail(detail)
    return CaseAnswer(
        at_us=at_us,
        sms=sms,
        purpose=purpose,
        kind=kind,
        message_id=read.get("id", ""),
        stat=read.get("stat", "") or read.get("state", "") or read.get("status", ""),
        err=read.get("err", "") or read.get("error", ""),
        network=read.get("network", ""),
        submit=smsc_date(read.get("submit", "")),
        done=smsc_date(read.get("done", "")),
        raw=detail,
    )


def _sms(sms: JournalSms, text: str | None) -> CaseSms:
    return CaseSms(
        id=sms.id,
        at_us=sms.at,
        direction=sms.direction,
        purpose=sms.purpose,
        number=sms.number,
        short_code=sms.short_code,
        segments=sms.segments,
        price_ore=sms.price,
        fate=sms.fate,
        fate_us=sms.changed,
        reason=sms.reason,
        text=text,
    )


def in_order(sms: Iterable[CaseSms]) -> tuple[CaseSms, ...]:
    """By time, an MO before what answers it."""
    return tuple(sorted(sms, key=lambda each: (each.at_us, each.id)))
