"""Operator profiles at work: how a price travels, what answers and receipts mean, what is sent back.

Everything that differs between operators is a value of the profile; no operator is named in code.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from foundation.clock import SECOND_US
from foundation.contract import MessageFate, Reason
from smsd.charging.states import Evidence
from smsd.settings_operators import Operator, status_of
from smsd.smpp.alphabet import Coding
from smsd.smpp.pdu import CommandStatus, Npi, QuerySm, QuerySmResp, SubmitSm, Tag, Tlv, Ton, find
from smsd.smpp.receipt import IdForm, Receipt, State, receipt_key, response_key
from smsd.smpp.segments import Method

Answer = Literal["accepted", "later", "refused", "unclear"]

_LATER: Final = frozenset({CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL})
_REGISTERED: Final = 1
_PER_KR: Final = 100
_AGE_OCTETS: Final = 4
_OLDEST: Final = 130

_FATES: Final[dict[State, MessageFate]] = {
    State.DELIVERED: MessageFate.DELIVERED,
    State.EXPIRED: MessageFate.EXPIRED,
    State.DELETED: MessageFate.UNDELIVERED,
    State.UNDELIVERABLE: MessageFate.UNDELIVERED,
    State.REJECTED: MessageFate.UNDELIVERED,
    State.SKIPPED: MessageFate.UNDELIVERED,
}
_FAILURES: Final[dict[State, Reason]] = {
    State.EXPIRED: Reason.EXPIRED,
    State.DELETED: Reason.REJECTED,
    State.UNDELIVERABLE: Reason.REJECTED,
    State.REJECTED: Reason.REJECTED,
    State.SKIPPED: Reason.REJECTED,
}


_ASKED: Final[dict[Evidence, Evidence]] = {
    Evidence.RECEIPT_CHARGED: Evidence.QUERY_CHARGED,
    Evidence.RECEIPT_NOT_CHARGED: Evidence.QUERY_NOT_CHARGED,
    Evidence.RECEIPT_PENDING: Evidence.QUERY_PENDING,
}


class PriceNotSendable(ValueError):
    """The profile has no way to send this price."""


class ReceiptReading(msgspec.Struct, frozen=True, gc=False):
    """A receipt in the project's words; `stat` is for metrics, `detail` for the evidence."""

    key: str
    evidence: Evidence
    fate: MessageFate
    reason: Reason
    stat: str
    detail: str


class OperatorProfile:
    """One account's settings, ready for use on every message."""

    def __init__(self, settings: Operator) -> None:
        self.settings = settings
        self.name = settings.name
        self.coding = Coding(settings.data_coding_default)
        self.method = Method(settings.segments_by)
        self.ids = IdForm(settings.message_id)
        self.id_in_text = settings.receipt_id == "text"
        self.echoed = frozenset(settings.echo_tlvs)
        self.charges = settings.can_charge
        self.same_bind = settings.reply_on_same_bind
        self.same_bind_wait_us = int(settings.same_bind_wait_s * SECOND_US)
        seconds = settings.validity_s
        days, rest = divmod(seconds, 86_400)
        hours, rest = divmod(rest, 3600)
        minutes, left = divmod(rest, 60)
        # relative time of SMPP 3.4 section 7.1.1: YYMMDDhhmmsstnnR
        self._validity = f"0000{days:02d}{hours:02d}{minutes:02d}{left:02d}000R"
        self._outcomes = {code.casefold(): outcome for code, outcome in settings.outcomes.items()}
        self._statuses = {
            status: outcome
            for code, outcome in settings.outcomes.items()
            if (status := status_of(code)) is not None
        }
        self._fixed = tuple(
            _tlv(each.tag, each.type, each.value, each.octets) for each in settings.price.tlvs
        )
        self.every_receipt = settings.request_receipts == "all"
        self._adult = (
            {
                word.casefold(): years
                for words, years in (
                    (settings.age.adult_values, settings.age.adult_age),
                    (settings.age.minor_values, 0),
                )
                for word in words
            }
            if settings.age
            else {}
        )

    # what goes out

    def submit(
        self,
        *,
        source: str,
        number: str,
        short_message: bytes,
        esm_class: int,
        data_coding: int,
        tlvs: tuple[Tlv, ...],
        price_ore: int,
        asked_for: bool,
    ) -> SubmitSm:
        """One submit_sm from a short code or a sender's name to a number in E.164; premium unless `price_ore`
        is 0.

        Raises:
            PriceNotSendable: naming the price and the carrier.
        """
        settings = self.settings
        service_type = settings.service_type
        ton, npi = settings.source_ton, settings.source_npi
        if not source.isdigit():
            # a name (SMPP 3.4 sections 5.2.5, 5.2.6)
            ton, npi = Ton.ALPHANUMERIC, Npi.UNKNOWN
        if price_ore:
            carrier, word = settings.price.carrier, self._price_word(price_ore)
            if carrier == "service_type":
                service_type = word
            elif carrier == "source_addr":
                source += word
            else:
                tlvs = (*tlvs, self._price_tlv(carrier, word))
            tlvs = (*tlvs, *self._fixed)
        receipt = _REGISTERED if price_ore or asked_for or self.every_receipt else 0
        return SubmitSm(
            service_type=service_type,
            source_addr_ton=ton,
            source_addr_npi=npi,
            source_addr=source,
            dest_addr_ton=settings.dest_ton,
            dest_addr_npi=settings.dest_npi,
            destination_addr=number.removeprefix("+"),
            esm_class=esm_class,
            validity_period=self._validity,
            registered_delivery=receipt,
            data_coding=data_coding,
            short_message=short_message,
            tlvs=tlvs,
        )

    def echo(self, tlvs: tuple[Tlv, ...]) -> bytes:
        """The TLVs of an MO that its replies must repeat, in the form the store keeps."""
        if not self.echoed or not tlvs:
            return b""
        kept = [(tlv.tag, tlv.value) for tlv in tlvs if tlv.tag in self.echoed]
        return msgspec.msgpack.encode(kept) if kept else b""

    def age(self, tlvs: tuple[Tlv, ...]) -> int | None:
        """Years that the subscriber has at least, as an MO tells it; ``None`` where it does not.

        A flag tells `adult_age` of an adult and 0 of others: that somebody is fifteen it cannot say.
        """
        report = self.settings.age
        value = find(tlvs, report.tag) if report else None
        if report is None or not value:
            return None
        if report.type == "int":
            word = str(int.from_bytes(value, "big")) if len(value) <= _AGE_OCTETS else ""
        else:
            word = value.split(b"\0", 1)[0].decode("latin-1").strip()
        if report.unit == "adult":
            return self._adult.get(word.casefold())
        return int(word) if word.isascii() and word.isdecimal() and int(word[:4]) <= _OLDEST else None

    @staticmethod
    def echoes(stored: bytes) -> tuple[Tlv, ...]:
        """What `echo` kept, as TLVs again."""
        if not stored:
            return ()
        return tuple(
            Tlv(tag, value) for tag, value in msgspec.msgpack.decode(stored, type=list[tuple[int, bytes]])
        )

    # what comes back

    def answer(self, status: int) -> tuple[Answer, Reason]:
        """What the status of a submit_sm_resp says (SMPP 3.4 section 5.1.3 and the profile's table)."""
        if status == CommandStatus.ESME_ROK:
            return "accepted", Reason.NONE
        if status in _LATER:
            return "later", Reason.NONE
        outcome = self._statuses.get(status)
        if outcome in ("unknown", "pending", "charged"):
            # refused, yet not surely unbilled
            return "unclear", Reason.NONE
        if outcome is not None:
            return "refused", Reason(outcome)
        return "refused", Reason.REJECTED

    def response_key(self, message_id: str) -> str:
        """An id of a response, comparable with those of receipts."""
        return response_key(message_id, self.ids)

    def read(self, receipt: Receipt) -> ReceiptReading:
        """What a receipt says: the state decides, the table gives the reason.

        A table's row may be told apart by state (`"DELIVRD:230"`); a bare code never turns a delivered
        message into a failure (DOMAIN section 3). A state word of the operator's own means what its row says,
        and nothing without one.
        """
        state, stat = receipt.state, str(receipt.state.name)
        outcome = self._outcome(receipt)
        own = self._special(receipt) if receipt.own_word else None
        evidence, reason = Evidence.RECEIPT_PENDING, Reason.NONE
        fate = _FATES.get(state, MessageFate.ACCEPTED) if receipt.final else MessageFate.ACCEPTED
        if own == "charged":
            evidence, fate = Evidence.RECEIPT_CHARGED, MessageFate.DELIVERED
        elif own not in (None, "pending", "unknown"):
            evidence, reason = Evidence.RECEIPT_NOT_CHARGED, Reason(own)
        elif state is State.DELIVERED:
            evidence = Evidence.RECEIPT_CHARGED
            special = self._special(receipt)
            if special in ("pending", "unknown"):
                evidence = Evidence.RECEIPT_PENDING
            elif special is not None and special != "charged":
                evidence, reason = Evidence.RECEIPT_NOT_CHARGED, Reason(special)
        elif receipt.final and outcome not in ("pending", "unknown"):
            if outcome == "charged":
                evidence = Evidence.RECEIPT_CHARGED
            else:
                evidence = Evidence.RECEIPT_NOT_CHARGED
                reason = Reason(outcome) if outcome else _FAILURES[state]
        elif not receipt.final and outcome not in (None, "pending", "unknown", "charged"):
            reason = Reason(outcome)
        if receipt.contradiction:
            # it says two things at once: a human decides
            evidence = Evidence.RECEIPT_PENDING
        detail = f"stat:{stat} err:{receipt.err}"
        if receipt.network_error:
            detail += f" network:{receipt.network_code}"
        if receipt.contradiction:
            detail += f" contradiction:{receipt.contradiction}"
        if receipt.submit_date:
            detail += f" submit:{receipt.submit_date}"
        if receipt.done_date:
            detail += f" done:{receipt.done_date}"
        return ReceiptReading(
            key=receipt_key(receipt.message_id, self.ids),
            evidence=evidence,
            fate=fate,
            reason=reason,
            stat=stat,
            detail=f"id:{receipt.message_id} {detail}",
        )

    # what is asked

    def query(self, message_id: str, source: str) -> QuerySm:
        """A query_sm for a message that went out from this short code, by the id of its response."""
        settings = self.settings
        return QuerySm(message_id, settings.source_ton, settings.source_npi, source)

    def read_query(self, said: QuerySmResp) -> tuple[Evidence, MessageFate, Reason, str]:
        """What the answer to query_sm says of a charge: by the table of `queries.outcomes`, else as a receipt
        of that state would; with the message's fate, the reason, and all of it in short."""
        known = said.message_state in State.__members__.values()
        state = State(said.message_state) if known else State.UNKNOWN
        detail = f"state:{state.name} error:{said.error_code}"
        if said.final_date:
            detail += f" done:{said.final_date}"
        fate = _FATES.get(state, MessageFate.ACCEPTED)
        outcome = self.settings.queries.outcomes.get(state.name)
        if outcome == "unknown":
            return Evidence.QUERY_PENDING, fate, Reason.NONE, detail
        if outcome == "charged":
            return Evidence.QUERY_CHARGED, fate, Reason.NONE, detail
        if outcome is not None:
            return Evidence.QUERY_NOT_CHARGED, fate, Reason(outcome), detail
        err = f"{said.error_code:03d}" if said.error_code else ""
        reading = self.read(Receipt("", state, err=err, final=state.final))
        return _ASKED[reading.evidence], reading.fate, reading.reason, detail

    def _special(self, receipt: Receipt) -> str | None:
        """What the table says of this state with this code, from the text or from network_error_code."""
        for code in (receipt.err, receipt.network_code):
            outcome = self._outcomes.get(f"{_word(receipt)}:{code}".casefold()) if code else None
            if outcome is not None:
                return outcome
        return self._outcomes.get(_word(receipt).casefold())

    def _outcome(self, receipt: Receipt) -> str | None:
        stat = _word(receipt)
        for code in (f"{stat}:{receipt.err}", receipt.err, receipt.network_code, stat):
            outcome = self._outcomes.get(code.casefold()) if code else None
            if outcome is not None:
                return outcome
        return None

    def _price_word(self, price_ore: int) -> str:
        price = self.settings.price
        word = price.word(price_ore) if price.carrier != "none" else None
        if word is None or price_ore > price.max_kr * _PER_KR:
            raise PriceNotSendable(
                f"operator {self.name}: {price_ore} øre cannot be sent by carrier {price.carrier!r}, "
                f"unit {price.unit!r}, at most {price.max_kr} kr"
            )
        return word

    def _price_tlv(self, carrier: str, word: str) -> Tlv:
        price = self.settings.price
        if carrier == "user_message_reference":
            return Tlv(Tag.USER_MESSAGE_REFERENCE, int(word).to_bytes(2, "big"))
        if carrier == "billing_identification":
            tlv = _tlv(Tag.BILLING_IDENTIFICATION, price.type, word, price.width)
            return Tlv(tlv.tag, bytes.fromhex(price.prefix) + tlv.value)
        assert price.tag is not None
        return _tlv(price.tag, price.type, word, price.width)


_STATS: Final[dict[State, str]] = {
    State.DELIVERED: "DELIVRD",
    State.UNDELIVERABLE: "UNDELIV",
    State.ACCEPTED: "ACCEPTD",
    State.REJECTED: "REJECTD",
}


def _word(receipt: Receipt) -> str:
    """The state as the text says it, or as it would."""
    return receipt.stat.upper() or _STATS.get(receipt.state, receipt.state.name)


def _tlv(tag: int, kind: str, word: str, octets: int) -> Tlv:
    if kind == "int":
        return Tlv(tag, int(word).to_bytes(octets, "big"))
    return Tlv(tag, word.encode("ascii") + (b"\0" if kind == "c-octet" else b""))
