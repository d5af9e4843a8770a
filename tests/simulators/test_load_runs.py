"""A crowd of phones: who texts when, and what is reported."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from simulators.smsc.load import Load, LoadOrder, LoadState, percentiles


def order(**changes: Any) -> LoadOrder:
    return LoadOrder.model_validate(
        {"from_prefix": "+47910", "count": 3, "to": "2030", "texts": ["ORG1 P{i}", "B"], **changes}
    )


def test_numbers_run_on_and_texts_take_turns() -> None:
    load = Load("1", order(rate=0), now=10.0)

    assert list(load.take_due(10.0, 100)) == [
        (0, "4791000000", "ORG1 P0"),
        (1, "4791000001", "B"),
        (2, "4791000002", "ORG1 P2"),
    ]


def test_the_rate_and_the_room_bound_what_goes_out() -> None:
    load = Load("1", order(count=1000, rate=100), now=10.0)

    assert len(list(load.take_due(10.0, 500))) == 1
    assert len(list(load.take_due(10.5, 500))) == 50
    assert len(list(load.take_due(15.0, 7))) == 7
    assert len(list(load.take_due(15.0, 5000))) == 443


def test_latencies_are_told_when_every_conversation_is_done() -> None:
    load = Load("1", order(count=2, rate=0, replies=2), now=0.0)
    list(load.take_due(0.0, 2))
    for place in (0, 1):
        load.on_sent(place, 1.0)
        load.on_answered(True, 1.1)
    load.on_reply("4791000000", 1.010)
    load.on_reply("4791000001", 1.030)
    load.on_reply("4791000000", 1.100)
    assert load.report(1.2)["first_reply_ms"] is None
    load.on_reply("4791000001", 2.0)

    report = load.report(9.0)

    assert report["state"] is LoadState.DONE
    assert (report["replies"], report["replied"], report["done"], report["elapsed_s"]) == (4, 2, 2, 2.0)
    assert report["first_reply_ms"]["from_sent"] == {"p50": 10.0, "p90": 30.0, "p99": 30.0, "max": 30.0}
    assert report["done_ms"]["from_sent"]["max"] == 1000.0
    assert report["done_ms"]["from_due"]["max"] == 2000.0


@pytest.mark.parametrize("digits", ["4799999999", "4791000009", "47910", "479100000", "47910000x0"])
def test_other_phones_replies_are_not_counted(digits: str) -> None:
    load = Load("1", order(count=1, rate=0), now=0.0)
    list(load.take_due(0.0, 1))
    load.on_sent(0, 0.1)

    load.on_reply(digits, 0.2)

    assert load.replies == 0


def test_a_run_ends_at_its_time_whatever_is_missing() -> None:
    load = Load("1", order(timeout_s=5), now=0.0)
    load.tick(4.9)
    assert load.state is LoadState.RUNNING

    load.tick(5.0)

    assert load.state is LoadState.TIMED_OUT
    assert load.report(7.0)["first_reply_ms"] == {"from_sent": {}, "from_due": {}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 0},
        {"count": 500_001},
        {"from_prefix": "4791000", "count": 1001},
        {"from_prefix": "abc"},
        {"texts": []},
        {"texts": [""]},
        {"timeout_s": 3601},
        {"rate": -1},
    ],
)
def test_an_order_without_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        order(**wrong)


def test_percentiles_take_the_nearest_rank() -> None:
    assert percentiles([0.001 * number for number in range(1, 102)]) == {
        "p50": 51.0,
        "p90": 91.0,
        "p99": 100.0,
        "max": 101.0,
    }
    assert percentiles([]) == {}
