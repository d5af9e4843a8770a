"""Counters added once a transaction, gauges read when scraped."""

from __future__ import annotations

import pytest
from playbook import KARI, Play
from prometheus_client import CollectorRegistry, generate_latest

from smsd.metrics import Metrics
from smsd.smpp.link import AnswerKind


def lines(metrics: Metrics) -> list[str]:
    return generate_latest(metrics.registry).decode().splitlines()


def test_counts_are_added_by_label() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.add({("mo", "telco", "Paying"): 2, ("charges_again",): 1})
    metrics.add({("mo", "telco", "Paying"): 3, ("mo", "telco", "Unknown"): 1})
    assert 'smsd_mo_total{command="Paying",operator="telco"} 5.0' in lines(metrics)
    assert 'smsd_mo_total{command="Unknown",operator="telco"} 1.0' in lines(metrics)
    assert "smsd_charges_again_total 1.0" in lines(metrics)


def test_a_count_of_no_family_is_a_fault_at_once() -> None:
    with pytest.raises(KeyError):
        Metrics(CollectorRegistry()).add({("no_such_family",): 1})


def test_a_gauge_is_read_when_scraped_and_may_have_many_labels() -> None:
    metrics, value = Metrics(CollectorRegistry()), [1.0]
    metrics.gauge("room", "Room", lambda: value[0], bind="a")
    metrics.gauge("room", "Room", lambda: 7.0, bind="b")
    value[0] = 3.0
    assert 'smsd_room{bind="a"} 3.0' in lines(metrics)
    assert 'smsd_room{bind="b"} 7.0' in lines(metrics)


def test_two_gateways_in_a_process_do_not_share_numbers() -> None:
    one, other = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.add({("parcels_again",): 1})
    assert "smsd_parcels_again_total 0.0" in lines(other)


def test_everything_that_a_gateway_counts_has_a_family(play: Play) -> None:
    """A count that nobody declared would stop the loop after its commit."""
    wish = play.charge()
    play.parcel(wish, wish, play.resolve("nobody"), id="p")
    play.parcel(wish, id="p")
    play.text("ORG1 BETAL 50")
    play.rebind()
    play.text("ORG1 BETAL 50")
    play.text("", short_message=b"\x05\x00\x03\x01\x02\x01hei", esm_class=0x40)
    play.tick(301)
    play.receipt("unknown", number=KARI)
    for kind in AnswerKind:
        play.parcel(play.reply())
        play.answer(kind=kind)
    play.answer(play.submitted[0], message_id="1")
    play.receipt("1")
    play.receipt("1", "UNDELIV")
    metrics = Metrics(CollectorRegistry())
    metrics.add(play.counts)
    counted = {key[0] for key in play.counts}
    assert counted == {
        "mo",
        "mo_again",
        "mo_incomplete",
        "receipts",
        "receipts_unmatched",
        "answers",
        "charges",
        "contradictions",
        "charges_again",
        "parcels_again",
        "set_aside",
    }


def test_no_label_holds_a_number_or_a_text(play: Play) -> None:
    play.text("ORG1 BETAL 50")
    play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", "4799999901")
    assert "99999901" not in str(play.counts)


def test_the_times_of_answers_are_a_histogram_whose_bounds_belong_to_the_bucket_below() -> None:
    metrics = Metrics(CollectorRegistry())
    meter = metrics.bind("telco", "telco-trx-1")
    for seconds in (0.005, 0.0051, 60, 61):
        meter.answered(seconds)
    assert metrics.bind("telco", "telco-trx-1") is meter

    def told(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(
            f"smsd_bind_answer_seconds_{name}", {"operator": "telco", "bind": "telco-trx-1", **labels}
        )

    assert [told("bucket", le=bound) for bound in ("0.005", "0.01", "60.0", "+Inf")] == [1, 2, 3, 4]
    assert (told("count"), told("sum")) == (4, pytest.approx(121.0101))
