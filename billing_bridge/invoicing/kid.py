"""Check digits: KID (mod10), account and organisation numbers (mod11). DOMAIN section 5."""

from __future__ import annotations

KID_MIN_DIGITS = 2
KID_MAX_DIGITS = 25
_ACCOUNT_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_ORGANISATION_WEIGHTS = (3, 2, 7, 6, 5, 4, 3, 2)


class KidError(ValueError):
    """The series' digits and the invoice number do not fit in the KID's length; make `kid_length` larger."""


def mod10(digits: str) -> int:
    """The check digit after `digits`: from the right, every second digit counts double (Luhn)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - place % 2)
        total += value - 9 if value > 9 else value
    return -total % 10


def kid_prefix(series: str) -> str:
    """The digits of a series' name, which begin its KIDs."""
    return "".join(letter for letter in series if letter in "0123456789")


def make_kid(series: str, number: int, length: int) -> str:
    """The KID of an invoice: the series' digits, the number filled up with zeros, the check digit.

    Raises:
        KidError: the number has outgrown `length` digits, or `length` is outside 2 to 25.
    """
    prefix = kid_prefix(series)
    room = length - 1 - len(prefix)
    body = str(number)
    if not KID_MIN_DIGITS <= length <= KID_MAX_DIGITS or len(body) > room:
        raise KidError(
            f"invoice {number} of series {series!r} does not fit in a KID of {length} digits; "
            f"give a kid_length of {len(prefix) + len(body) + 1} to {KID_MAX_DIGITS}"
        )
    digits = prefix + body.zfill(room)
    return f"{digits}{mod10(digits)}"


def is_kid(text: str) -> bool:
    """Whether a text is 2 to 25 digits with the right mod10 check digit."""
    if not (text.isascii() and text.isdigit() and KID_MIN_DIGITS <= len(text) <= KID_MAX_DIGITS):
        return False
    return mod10(text[:-1]) == int(text[-1])


def is_account(text: str) -> bool:
    """Whether a text is a Norwegian bank account: eleven digits (dots and spaces aside), mod11."""
    return _mod11(text.replace(".", "").replace(" ", ""), _ACCOUNT_WEIGHTS)


def is_organisation_number(text: str) -> bool:
    """Whether a text is a Norwegian organisation number: nine digits (spaces aside), mod11."""
    return _mod11(text.replace(" ", ""), _ORGANISATION_WEIGHTS)


def _mod11(digits: str, weights: tuple[int, ...]) -> bool:
    if not (digits.isascii() and digits.isdigit() and len(digits) == len(weights) + 1):
        return False
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False)) % 11
    # a remainder of 1 would need the check digit 10: no such number exists
    return rest != 1 and int(digits[-1]) == (11 - rest) % 11
