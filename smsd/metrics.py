"""The gateway's Prometheus metrics: counted once a transaction, gauges read when they are scraped."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_FAMILIES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "mo": ("MOs taken, by what they were read as", ("operator", "command")),
    "mo_again": ("MOs that an SMSC repeated", ("operator",)),
    "mo_incomplete": ("Long MOs handed on without all their parts", ("operator",)),
    "receipts": ("Delivery receipts, by state", ("operator", "stat")),
    "receipts_unmatched": ("Receipts whose message was not known", ("operator",)),
    "receipts_unclear": ("Receipts whose id one phone had for several messages", ("operator",)),
    "answers": ("What became of submit_sm", ("operator", "verdict")),
    "charges": ("Charges that came into a state", ("state",)),
    "queries": ("What became of query_sm", ("operator", "verdict")),
    "contradictions": ("Evidence against a charge's final state", ("state",)),
    "charges_not_allowed": ("Charges that a limit, a stop switch or the payer ended", ("reason",)),
    "confirmations": ("Charges whose payer was asked for a yes, and what came of it", ("answer",)),
    "replies_withheld": ("Replies not sent to numbers that had just said STOPP", ()),
    "charges_again": ("Charges asked for that were known already", ()),
    "parcels_again": ("Parcels of the bridge that were known already", ()),
    "set_aside": ("Inputs that could not be handled and were kept", ("kind",)),
}
_BIND_FAMILIES: Final = {
    "submits": "submit_sm written",
    "delivers": "deliver_sm taken",
    "throttled": "Answers of throttled or queue full",
    "reconnects": "Times it was bound again",
}
_BIND_LABELS: Final = ("operator", "bind")
_ANSWER_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BATCH_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_COMMIT_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)


class BindMeter(msgspec.Struct):
    """What one bind did since the program began: plain numbers, read when they are scraped."""

    submits: int = 0
    delivers: int = 0
    throttled: int = 0
    reconnects: int = 0
    answers_s: float = 0.0
    answers: list[int] = msgspec.field(default_factory=lambda: [0] * (len(_ANSWER_BUCKETS) + 1))
    """How many answers took up to each bound of the histogram and longer than the one before."""

    def answered(self, seconds: float) -> None:
        """A submit_sm was answered after this time."""
        self.answers[bisect_left(_ANSWER_BUCKETS, seconds)] += 1
        self.answers_s += seconds


class _BindMeters(Collector):
    """The meters of all binds as metrics."""

    # as prometheus_client names it in its own
    _labelnames = _BIND_LABELS

    def __init__(self) -> None:
        self.meters: dict[tuple[str, str], BindMeter] = {}

    def describe(self) -> Iterator[Metric]:
        """What there will be, for the registry to find names that are taken."""
        return _BindMeters().collect()

    def collect(self) -> Iterator[Metric]:
        for name, text in _BIND_FAMILIES.items():
            family = CounterMetricFamily(f"smsd_bind_{name}", text, labels=_BIND_LABELS)
            for labels, meter in self.meters.items():
                family.add_metric(labels, getattr(meter, name))
            yield family
        times = HistogramMetricFamily(
            "smsd_bind_answer_seconds", "From a submit_sm to its answer", labels=_BIND_LABELS
        )
        bounds = [*(str(float(bound)) for bound in _ANSWER_BUCKETS), "+Inf"]
        for labels, meter in self.meters.items():
            buckets = list(zip(bounds, accumulate(meter.answers), strict=True))
            times.add_metric(labels, buckets, meter.answers_s)
        yield times


class Metrics:
    """One registry, handed in, so that two gateways in a process do not share numbers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._counters = {
            name: Counter(f"smsd_{name}", text, labels, registry=registry)
            for name, (text, labels) in _FAMILIES.items()
        }
        self._children: dict[tuple[str, ...], Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._binds = _BindMeters()
        registry.register(self._binds)
        self.batch = Histogram(
            "smsd_batch_inputs", "Inputs in one transaction", buckets=_BATCH_BUCKETS, registry=registry
        )
        self.commit = Histogram(
            "smsd_commit_seconds",
            "From taking a batch to its commit",
            buckets=_COMMIT_BUCKETS,
            registry=registry,
        )
        self.store_failures = Counter(
            "smsd_store_failures", "Transactions that did not commit", registry=registry
        )

    def add(self, counts: Mapping[tuple[str, ...], int]) -> None:
        """Add what one transaction counted."""
        for key, amount in counts.items():
            child = self._children.get(key)
            if child is None:
                family = self._counters[key[0]]
                child = self._children[key] = family.labels(*key[1:]) if len(key) > 1 else family
            child.inc(amount)

    def bind(self, operator: str, bind: str) -> BindMeter:
        """The counters of a bind, there from now on."""
        return self._binds.meters.setdefault((operator, bind), BindMeter())

    def gauge(self, name: str, text: str, read: Callable[[], float], **labels: str) -> None:
        """A gauge that is read when scraped; the same name may be given with several label values."""
        key = f"smsd_{name}"
        gauge = self._gauges.get(key)
        if gauge is None:
            gauge = self._gauges[key] = Gauge(key, text, tuple(labels), registry=self.registry)
        (gauge.labels(**labels) if labels else gauge).set_function(read)
