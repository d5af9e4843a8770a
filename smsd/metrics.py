"""The gateway's Prometheus metrics: counted once a transaction, gauges read when they are scraped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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
_ANSWER_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BATCH_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_COMMIT_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)


class BindMeter(msgspec.Struct, frozen=True):
    """The counters of one bind."""

    submits: Counter
    delivers: Counter
    throttled: Counter
    reconnects: Counter
    answer_seconds: Histogram


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
        labels = ("operator", "bind")
        self._binds = {
            name: Counter(f"smsd_bind_{name}", text, labels, registry=registry)
            for name, text in _BIND_FAMILIES.items()
        }
        self._answer_seconds = Histogram(
            "smsd_bind_answer_seconds",
            "From a submit_sm to its answer",
            labels,
            buckets=_ANSWER_BUCKETS,
            registry=registry,
        )
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
        counters = {name: family.labels(operator, bind) for name, family in self._binds.items()}
        return BindMeter(**counters, answer_seconds=self._answer_seconds.labels(operator, bind))

    def gauge(self, name: str, text: str, read: Callable[[], float], **labels: str) -> None:
        """A gauge that is read when scraped; the same name may be given with several label values."""
        key = f"smsd_{name}"
        gauge = self._gauges.get(key)
        if gauge is None:
            gauge = self._gauges[key] = Gauge(key, text, tuple(labels), registry=self.registry)
        (gauge.labels(**labels) if labels else gauge).set_function(read)
