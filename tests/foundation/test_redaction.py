"""Nothing that is somebody's own comes through into a log line, and what operators need does."""

from __future__ import annotations

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.redaction import DROPPED, REMOVED, redact, redact_text

UUID = "0199a7b8-1234-7abc-8def-012345678901"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+4799999999", "+47******99"),
        ("from +47 999 99 999 to 2030", "from +47*********99 to 2030"),
        ("4799999999", "********99"),
        ("tel 99 99 99 99.", "tel *********99."),
        ("99.99.99.99", "*********99"),
        ("004799999999", "**********99"),
        ("x99999999y", "x******99y"),
        ("01017012345", "*********45"),
        ("ola.nordmann@example.org", REMOVED),
        ("to <ola@example.org>: no", f"to <{REMOVED}>: no"),
        ("password=hush next", f"password={REMOVED} next"),
        ("{'password': 'a b', 'x': 1}", f"{{'password': {REMOVED}, 'x': 1}}"),
        ('"api_token": "a,b"', f'"api_token": {REMOVED}'),
        ("Authorization: Bearer abc.def", f"Authorization: {REMOVED}"),
        ("https://ola:hush@host/x", f"https://{REMOVED}@host/x"),
        ("GET /login?next=/x&code=1 HTTP", f"GET /login?{REMOVED} HTTP"),
        ("/invitations/Ab3dEf6hIjKlMnOpQrStUvWx", f"/invitations/{REMOVED}"),
    ],
)
def test_what_is_private_does_not_show(text: str, shown: str) -> None:
    assert redact_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        UUID,
        f"/charges/{UUID}",
        "2026-11-22 01:24:34",
        "2026-11-22T01:24:34.123456Z",
        "127.0.0.1:2775",
        "192.168.100.200",
        "stat:UNDELIV err:0021",
        "50 kr",
        "0x00000058",
        "1000000",
        "smsd.started",
        "short code 2030 at telco-1",
        "/usr/lib/python3.11/asyncio/base_events.py",
        "Ærleg tale 🙂",
        "",
    ],
)
def test_what_operators_need_shows(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize("key", [*sorted(DROPPED), "reply_text", "Password", "api_token", "old_secret"])
def test_keys_of_texts_and_secrets_never_show(key: str) -> None:
    assert redact(key, "hush") == REMOVED
    assert redact("nested", {key: ["hush"]}) == {"nested": 0} or redact("x", {key: "hush"}) == {key: REMOVED}


@pytest.mark.parametrize("key", ["short_code", "status_code", "event", "operator", "context"])
def test_keys_that_only_resemble_them_show(key: str) -> None:
    assert redact(key, "2030") == "2030"


class Colour(StrEnum):
    RED = "red"


class Clumsy:
    def __str__(self) -> str:
        return "reached +4799999999"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (0.5, 0.5),
        (9_999_999, 9_999_999),
        (99_999_999, "******99"),
        (4_799_999_999, "********99"),
        (Colour.RED, "red"),
        (b"hush", "[4 octets]"),
        (("a", 1, ["+4799999999"]), ["a", 1, ["+47******99"]]),
        ({"+4799999999": {"k": "ola@example.org"}}, {"+47******99": {"k": REMOVED}}),
        (Clumsy(), "reached +47******99"),
    ],
)
def test_values_of_every_kind_become_plain_ones(value: object, shown: object) -> None:
    assert redact("key", value) == shown


@pytest.mark.parametrize("key", ["at_us", "amount_ore", "body_octets", "outbox_seq"])
def test_large_numbers_with_a_unit_show(key: str) -> None:
    assert redact(key, 1_795_000_000_000_000) == 1_795_000_000_000_000


def test_nesting_and_length_are_bounded() -> None:
    deep: dict[str, object] = {}
    for _ in range(50):
        deep = {"k": deep}
    assert len(str(redact("k", deep))) < 100
    assert redact_text("a" * 30_000).endswith("… 10000 characters more")


@given(st.integers(10_000_000, 99_999_999), st.text(max_size=20), st.text(max_size=20))
def test_no_number_survives_between_any_texts(number: int, before: str, after: str) -> None:
    assert str(number) not in redact_text(f"{before} {number} {after}")
    assert str(number) not in redact_text(f"{before}+47{number}{after}")


@given(st.text())
def test_any_text_is_redacted_without_an_error_and_only_once(text: str) -> None:
    shown = redact_text(text)
    assert redact_text(shown) == shown
