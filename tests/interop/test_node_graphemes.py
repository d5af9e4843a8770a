"""Cuts between the parts of a text against ICU's segmenter, in node: no grapheme cluster is ever cut."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import AsyncIterator

import pytest
from node_stranger import Node

from smsd.smpp.graphemes import is_boundary

SEED = 20261122
LIKELY = [
    *(
        "\r",
        "\n",
        "a",
        "å",
        "\u0301",
        "\ufe0f",
        "\u200c",
        "\u200d",
        "👩",
        "👧",
        "👍",
        "\U0001f3fd",
        "🇳",
        "🇴",
        "🏴",
    ),
    *(
        "\U000e0067",
        "\U000e007f",
        "\u1100",
        "\u1161",
        "\u11a8",
        "가",
        "각",
        "\u0e01",
        "\u0e33",
        "\u0903",
        "\u0915",
    ),
    *("\u094d", "\u093c", "\u0600", "\u06dd", "\uff76", "\uff9e", "\u0bcd", "\u0b95", "\u0d4e", "\u0d15"),
]
ALL = [
    char
    for char in map(chr, range(1, 0x1FB00))
    if unicodedata.category(char) not in ("Cs", "Cn")  # what is not assigned here, ICU may know already
]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node("graphemes.js") as node:
        yield node


def units(text: str) -> int:
    """Its length as JavaScript counts."""
    return len(text.encode("utf-16-le")) // 2


async def test_icu_would_cut_wherever_we_would(node: Node) -> None:
    numbers = random.Random(SEED)
    texts = [
        "".join(numbers.choice(LIKELY if numbers.random() < 0.6 else ALL) for _ in range(14))
        for _ in range(5000)
    ]
    cuts = (await node.asks(texts=texts))["cuts"]
    ours = 0
    for text, theirs in zip(texts, cuts, strict=True):
        allowed = set(theirs)
        for at in range(1, len(text)):
            if is_boundary(text, at):
                ours += 1
                assert units(text[:at]) in allowed, ascii(text[max(0, at - 4) : at + 2])
    assert ours > 10_000


async def test_we_refuse_hardly_a_cut_that_icu_allows_in_words_and_emoji(node: Node) -> None:
    """Where ours is stricter it is about stray joiners and marks, which no telephone writes."""
    texts = [
        "Takk for din støtte! 👩\u200d👩\u200d👧\u200d👦 og 🇳🇴🇸🇪 👍🏽 på e\u0301n dag",
        "Спасибо за поддержку, дякую, dziękuję, ευχαριστώ",
        "شكرا على دعمك، مع السلامة",
        "감사합니다 ありがとうございます 谢谢",
        "ขอบคุณน้ำ",
        "धन्यवाद क्षत्रिय नमस्ते",
    ]
    cuts = (await node.asks(texts=texts))["cuts"]
    for text, theirs in zip(texts, cuts, strict=True):
        assert [units(text[:at]) for at in range(1, len(text)) if is_boundary(text, at)] == theirs
