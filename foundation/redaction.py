"""What logs may not show: numbers are masked; addresses, secrets and texts are left out. Never raises.

Ids of the project (UUID), dates and addresses of machines are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAlias

from foundation.numbers import mask

Plain: TypeAlias = "str | int | float | bool | list[Any] | dict[str, Any] | None"

REMOVED = "[removed]"
DROPPED = frozenset(
    {
        *("text", "texts", "short_message", "message_payload", "payload", "body", "content", "comment"),
        *("password", "passwd", "secret", "token", "tokens", "code", "one_time_code", "otp"),
        *("email", "person", "person_name", "personal_number", "authorization", "cookie"),
    }
)
"""Keys whose value never reaches a line."""
_DROPPED_ENDS = ("_text", "_password", "_secret", "_token", "_email", "_otp", "_payload")
_PLAIN_ENDS = ("_us", "_ms", "_s", "_ore", "_kr", "_octets", "_seq")
_DEPTH = 5
_LONGEST = 20_000

_SUSPECT = re.compile(r"\d{5}|\d[ .-]\d|[@?]|://|/\S{20}|pass|secret|token|otp|authori", re.IGNORECASE)
_KEPT = (
    r"(?<![0-9a-z])0x[0-9a-f]{1,16}(?![0-9a-z])|"
    r"(?<![0-9a-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])"
    r"|(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d"
    r"(?:[T ][0-2]\d:[0-5]\d(?::[0-5]\d(?:[.,]\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?(?!\d)"
    r"|(?<![\d.])(?!\d\d(?:\.\d\d){3}(?!\d))(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?![\d.])"
)
_NUMBER = r"\+\d(?:[ .()-]{0,2}\d){4,}|\d(?:[ .-]?\d){7,}"
_KEPT_OR_NUMBER = re.compile(rf"({_KEPT})|{_NUMBER}", re.IGNORECASE)
_EMAIL = re.compile(r"[^\s@<>\"'(),;:=\[\]{}/]{1,64}@[^\s@<>\"'(),;:=\[\]{}/]{1,255}")
_SECRET = re.compile(
    r"\b(\w{0,40}(?:password|passwd|secret|token|otp|authorization))(['\"]?\s*[=:]\s*)"
    r"(?:(?:Bearer|Basic)\s+)?(?:'[^']*'|\"[^\"]*\"|[^\s,;&}'\"]+)",
    re.IGNORECASE,
)
_USER_IN_URL = re.compile(r"(\w://)[^\s/@]+@")
_QUERY = re.compile(r"(/[^\s?'\"]{0,500})\?[^\s'\"]+")
_LONG_SEGMENT = re.compile(r"(?<=/)(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9_-]{20,}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)


def redact_text(text: str) -> str:
    """A text with its numbers masked, its addresses, secrets and URLs' private parts left out."""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} … {len(text) - _LONGEST} characters more"
    if not _SUSPECT.search(text):
        return text
    text = _USER_IN_URL.sub(rf"\1{REMOVED}@", text)
    text = _SECRET.sub(rf"\1\2{REMOVED}", text)
    text = _QUERY.sub(rf"\1?{REMOVED}", text)
    text = _EMAIL.sub(_address, text)
    text = _LONG_SEGMENT.sub(_segment, text)
    return _KEPT_OR_NUMBER.sub(_number, text)


def redact(key: str, value: Any, depth: int = 0) -> Plain:
    """A value as a log line may show it under a key, made of plain values only."""
    small = key.lower()
    if small in DROPPED or small.endswith(_DROPPED_ENDS):
        return REMOVED
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        plain = -(10**7) < value < 10**7 or small.endswith(_PLAIN_ENDS)
        return int(value) if plain else redact_text(str(int(value)))
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} octets]"
    if depth >= _DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {redact_text(str(each)): redact(str(each), inner, depth + 1) for each, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(key, inner, depth + 1) for inner in value]
    return redact_text(str(value))


def _address(match: re.Match[str]) -> str:
    return match[0] if match[0].startswith(REMOVED) else REMOVED


def _segment(match: re.Match[str]) -> str:
    return match[0] if _UUID.match(match[0]) else REMOVED


def _number(match: re.Match[str]) -> str:
    if match[1]:
        return match[0]
    number = match[0]
    return mask(number) if number.startswith("+") else "*" * (len(number) - 2) + number[-2:]
