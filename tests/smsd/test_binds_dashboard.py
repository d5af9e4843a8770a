"""The dashboard asks for metrics that there are, by labels that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from test_daemon import Site

FILE = Path(__file__).parents[2] / "config/grafana-dashboard.json"
DASHBOARD = json.loads(FILE.read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
VARIABLES = [each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
NAME = re.compile(r"\bsmsd_\w+")


@pytest.fixture
async def registry(tmp_path: Path) -> CollectorRegistry:
    """What a gateway registers once it runs."""
    site = Site(tmp_path, 1)
    await site.start()
    await site.stop()
    return site.daemon.metrics.registry


def series(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Every series there can be, with its labels' names."""
    suffixes = {
        "counter": ("_total",),
        "gauge": ("",),
        "histogram": ("_bucket", "_sum", "_count"),
    }
    found = {}
    for collector in registry._collector_to_names:
        for family in collector.describe() if hasattr(collector, "describe") else ():
            labels = set(getattr(collector, "_labelnames", ()))
            for suffix in suffixes.get(family.type, ()):
                found[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


async def test_every_metric_that_the_dashboard_asks_for_exists(registry: CollectorRegistry) -> None:
    known = series(registry)
    asked = {name for query in (*QUERIES, *VARIABLES) for name in NAME.findall(query)}
    assert len(asked) > 15
    assert asked - known.keys() == set()


async def test_labels_that_it_selects_and_groups_by_are_those_metrics_own(
    registry: CollectorRegistry,
) -> None:
    known = series(registry)
    for panel in PANELS:
        for target in panel["targets"]:
            query = target["expr"]
            names = NAME.findall(query)
            wanted = set(re.findall(r"[{,]\s*(\w+)\s*=", query))
            wanted |= {label for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(", ")}
            wanted |= set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            for name in names:
                assert wanted <= known[name], (
                    f"{panel['title']}: {name} has {known[name]}, asked for {wanted}"
                )


async def test_every_metric_of_a_bind_is_on_the_dashboard(registry: CollectorRegistry) -> None:
    asked = {name for query in QUERIES for name in NAME.findall(query)}
    binds = {name for name in series(registry) if name.startswith("smsd_bind_")}
    left_out = {"smsd_bind_room", "smsd_bind_answer_seconds_sum", "smsd_bind_answer_seconds_count"}
    assert binds - asked == left_out


def test_each_panel_says_what_it_shows_and_no_two_lie_over_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        assert place["x"] + place["w"] <= 24
    assert all(panel["description"].endswith(".") for panel in PANELS)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
