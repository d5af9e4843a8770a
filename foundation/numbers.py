"""Phone numbers as E.164 (`+4799999999`), and as people may see them in logs.

A number that an operator sends is trusted to be international digits unless it is shown otherwise.
"""

from __future__ import annotations

import re

import phonenumbers

_NORWEGIAN = re.compile(r"\+?(?:00)?(47[2-9]\d{7})\Z")
_LOCAL = re.compile(r"[2-9]\d{7}\Z")
_DIGITS = re.compile(r"\+?\d{6,15}\Z")


class NotANumber(ValueError):
    """The text is not a phone number that can exist."""


def from_operator(address: str) -> str | None:
    """E.164 of an SMPP address in international form, with or without ``+`` or ``00``.

    Eight digits are taken as Norwegian. ``None`` where it is no phone number (an alphanumeric sender,
    a short code).
    """
    match = _NORWEGIAN.match(address)
    if match:
        return "+" + match[1]
    if _LOCAL.match(address):
        return "+47" + address
    if not _DIGITS.match(address):
        return None
    digits = address.lstrip("+")
    digits = digits.removeprefix("00")
    return "+" + digits if len(digits) >= 7 else None


def from_person(text: str, region: str = "NO") -> str:
    """E.164 of a number as a person writes it; spaces, brackets and dashes allowed.

    Raises:
        NotANumber: with what was given masked, and what would be right.
    """
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or not phonenumbers.is_possible_number(parsed):
        raise NotANumber(f"{mask(text)!r} is no phone number; write it as +47 and eight digits")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def mask(number: str) -> str:
    """A number as logs may show it: the first three and last two characters."""
    return number[:3] + "*" * max(0, len(number) - 5) + number[-2:] if len(number) > 5 else "*" * len(number)
