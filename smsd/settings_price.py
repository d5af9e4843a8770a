"""What ``[operators.price]`` may say: where and how the price of a premium message travels.

Holds values and what they allow; how a price is put into PDUs is `smsd.operators`'.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from foundation.settings import Table
from foundation.settings_tables import matching
from foundation.settings_words import told

VENDOR_TAGS = range(0x1400, 0x4000)
"""TLV tags that SMPP 3.4 (section 5.3.2) leaves to vendors."""
SERVICE_TYPE_OCTETS = 5
_ORE_PER_KR = 100
_ADDRESS_OCTETS = 20
_BILLING_OCTETS = 1024
_TLV_OCTETS = 65535
_INT_OCTETS = (1, 2, 4, 8)

PriceCarrier = Literal[
    "tlv", "billing_identification", "service_type", "user_message_reference", "source_addr", "none"
]


def printable(most: int) -> AfterValidator:
    """A check for at most so many printable ASCII characters."""
    return matching(
        rf"[\x20-\x7e]{{0,{most}}}", "{} is too long or not ASCII", f"give at most {most} ASCII characters"
    )


class FixedTlv(Table):
    """[[operators.price.tlvs]]: a TLV that goes with every premium message as it stands here."""

    tag: Annotated[int, Field(ge=1, le=0xFFFF, examples=[0x1502])]
    """The TLV's tag."""
    type: Literal["c-octet", "octet", "int"] = "c-octet"
    """As for the price."""
    value: Annotated[str, Field(min_length=1)]
    """The value: text, for `int` digits."""
    octets: Literal[1, 2, 4, 8] = 4
    """For `int`: how many octets wide."""

    @model_validator(mode="after")
    def _encodable(self) -> FixedTlv:
        if self.type == "int" and not (self.value.isdecimal() and int(self.value) < 256**self.octets):
            raise told(f'"{self.value}" is no number of {self.octets} octets', "give fewer digits")
        if not self.value.isascii():
            raise told(f'"{self.value}" has a character outside ASCII', "use ASCII alone")
        return self


class Price(Table):
    """[operators.price]: where and how the price of a premium message travels (DOMAIN section 3)."""

    carrier: PriceCarrier = "tlv"
    """The field that carries the price; `none`: this account cannot charge."""
    tag: Annotated[int, Field(ge=VENDOR_TAGS.start, le=VENDOR_TAGS.stop - 1, examples=[0x1403])] | None = None
    """For `tlv`: its tag, 0x1400 to 0x3FFF."""
    type: Literal["c-octet", "octet", "int"] = "c-octet"
    """`c-octet`: text and a NUL; `octet`: text without; `int`: big-endian number."""
    octets: Annotated[int, Field(ge=1, le=_BILLING_OCTETS)] | None = None
    """The most octets of the text without NUL; for `int` the width: 1, 2, 4 or 8. Default 4 for `int`,
    else what the carrier can hold."""
    unit: Literal["ore", "kroner"] = "ore"
    """What the number counts."""
    max_kr: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """The highest price of one message, kroner; default: `limits.amount_max_kr`."""
    codes: dict[str, Annotated[str, Field(min_length=1), printable(64)]] = Field(default_factory=dict)
    """Amount in kroner → the tariff code sent for it. Empty: the number itself is sent."""
    prefix: Annotated[
        str, matching(r"(?:[0-9A-Fa-f]{2})*", "{} is not hexadecimal", 'give whole octets, such as "80"')
    ] = ""
    """Hexadecimal octets before the price in `billing_identification` (top bit 1: vendor's own form)."""
    tlvs: tuple[FixedTlv, ...] = ()
    """TLVs that go with every premium message, such as a service code."""

    def amounts_ore(self) -> list[int]:
        """The amounts that must be sendable: every one in `codes`, else the highest."""
        return [int(kr) * _ORE_PER_KR for kr in self.codes] or [self.max_kr * _ORE_PER_KR]

    def word(self, amount_ore: int) -> str | None:
        """The number or code that travels for this amount; ``None`` where it has none."""
        kroner, rest = divmod(amount_ore, _ORE_PER_KR)
        if self.codes:
            return None if rest else self.codes.get(str(kroner))
        if self.unit == "ore":
            return str(amount_ore)
        return None if rest else str(kroner)

    @property
    def width(self) -> int:
        """The most octets that the price may take, without NUL; for `int` its exact width."""
        if self.type == "int" and self.carrier in ("tlv", "billing_identification"):
            return self.octets or 4
        most = {
            "service_type": SERVICE_TYPE_OCTETS,
            "source_addr": _ADDRESS_OCTETS,
            "billing_identification": _BILLING_OCTETS - len(self.prefix) // 2,
        }.get(self.carrier, _TLV_OCTETS)
        return min(self.octets or most, most)

    @field_validator("codes")
    @classmethod
    def _codes(cls, codes: dict[str, str]) -> dict[str, str]:
        for amount in codes:
            if not re.fullmatch(r"[1-9]\d{0,5}", amount):
                raise told(f'"{amount}" is no amount', 'name codes by whole kroner, such as "50" = "3115"')
        return codes

    @model_validator(mode="after")
    def _consistent(self) -> Price:
        if (self.carrier == "tlv") != (self.tag is not None):
            raise (
                told('the carrier is "tlv", but tag is missing', "give tag, 0x1400 to 0x3FFF")
                if self.tag is None
                else told(f'tag is given, but the carrier is "{self.carrier}"', "drop tag")
            )
        if self.prefix and self.carrier != "billing_identification":
            raise told(
                f'prefix is given, but the carrier is "{self.carrier}"',
                "drop prefix; it belongs to billing_identification",
            )
        if self.type == "int" and self.octets not in (None, *_INT_OCTETS):
            raise told(f"a number of {self.octets} octets is not possible", "give 1, 2, 4 or 8")
        if self.type == "int" and self.codes and not all(code.isdecimal() for code in self.codes.values()):
            raise told("a code is no number, but type is int", "give digits, or another type")
        return self

    def too_wide(self) -> tuple[str, str] | None:
        """What is wrong and right where an amount up to `max_kr` does not fit the carrier."""
        if self.carrier == "none":
            return None
        for amount_ore in self.amounts_ore():
            kroner = amount_ore // _ORE_PER_KR
            if kroner > self.max_kr:
                return (
                    f"there is a code for {kroner} kr, above max_kr {self.max_kr}",
                    "drop it, or raise max_kr",
                )
            word = self.word(amount_ore) or ""
            if self.carrier == "user_message_reference":
                if not word.isdecimal() or int(word) > 0xFFFF:
                    return f"{kroner} kr is {word}, above 65535, the field's highest", _CURE
            elif self.type == "int" and self.carrier in ("tlv", "billing_identification"):
                if int(word) >= 256**self.width:
                    return f"{kroner} kr is {word}, too much for {self.width} octets", _CURE
            elif len(word) > self.width:
                return f'{kroner} kr is "{word}", longer than {self.width} octets', _CURE
        return None


_CURE = 'lower max_kr, widen octets, or set unit = "kroner"'
