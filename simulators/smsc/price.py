"""Reads what a submit_sm costs its recipient, from wherever the operator's profile puts the price.

Pure; amounts are whole øre.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from simulators.smsc.settings import PriceCarrier, PriceSettings, PriceType, PriceUnit
from smsd.smpp.pdu import DataSm, SubmitSm, Tag, find

_VENDOR_FORMAT = 0x80

Submission: TypeAlias = SubmitSm | DataSm


class BadPriceError(ValueError):
    """The price cannot be read, or lies above what the operator allows."""


class PriceReader:
    """Callable: the price of one message in øre, 0 where it carries none.

    Raises:
        BadPriceError: octets that are no price, or one above the ceiling.
    """

    def __init__(self, settings: PriceSettings) -> None:
        self._settings = settings
        self._factor = 100 if settings.unit is PriceUnit.KRONER else 1
        self._raw = _RAW[settings.carrier]

    def __call__(self, pdu: Submission) -> int:
        raw = self._raw(pdu, self._settings)
        if not raw:
            return 0
        price = self._tariff(raw) if self._settings.codes else self._number(raw) * self._factor
        if price > self._settings.max_ore:
            raise BadPriceError(f"{price} øre is more than the {self._settings.max_ore} allowed")
        return price

    def _tariff(self, raw: bytes) -> int:
        code = raw.rstrip(b"\0").decode("latin-1")
        price = self._settings.codes.get(code)
        if price is not None:
            return price
        if self._settings.carrier is PriceCarrier.SERVICE_TYPE:
            return 0
        raise BadPriceError(f"{len(raw)} octets that are no tariff code")

    def _number(self, raw: bytes) -> int:
        if self._settings.type is PriceType.INT:
            return int.from_bytes(raw, "big")
        digits = raw.rstrip(b"\0")
        if not digits:
            return 0
        if not digits.isdigit() or len(digits) > 9:
            raise BadPriceError(f"{len(raw)} octets that are no whole number")
        return int(digits)


def _from_tlv(pdu: Submission, settings: PriceSettings) -> bytes:
    return find(pdu.tlvs, settings.tag) or b""


def _from_service_type(pdu: Submission, settings: PriceSettings) -> bytes:
    name = pdu.service_type
    return name.encode("latin-1") if settings.codes or name.isdigit() else b""


def _from_billing_identification(pdu: Submission, settings: PriceSettings) -> bytes:
    raw = find(pdu.tlvs, Tag.BILLING_IDENTIFICATION) or b""
    if settings.prefix:
        return raw.removeprefix(bytes.fromhex(settings.prefix))
    return raw[1:] if raw and raw[0] & _VENDOR_FORMAT else raw


def _from_user_message_reference(pdu: Submission, settings: PriceSettings) -> bytes:
    raw = find(pdu.tlvs, Tag.USER_MESSAGE_REFERENCE) or b""
    return raw if settings.type is PriceType.INT or not raw else str(int.from_bytes(raw, "big")).encode()


def _from_source_addr(pdu: Submission, settings: PriceSettings) -> bytes:
    for short_code in settings.short_codes:
        if pdu.source_addr.startswith(short_code):
            suffix = pdu.source_addr[len(short_code) :]
            return suffix.encode() if suffix.isdigit() else b""
    return b""


def _from_nowhere(pdu: Submission, settings: PriceSettings) -> bytes:
    return b""


_RAW: dict[PriceCarrier, Callable[[Submission, PriceSettings], bytes]] = {
    PriceCarrier.TLV: _from_tlv,
    PriceCarrier.SERVICE_TYPE: _from_service_type,
    PriceCarrier.BILLING_IDENTIFICATION: _from_billing_identification,
    PriceCarrier.USER_MESSAGE_REFERENCE: _from_user_message_reference,
    PriceCarrier.SOURCE_ADDR: _from_source_addr,
    PriceCarrier.NONE: _from_nowhere,
}
