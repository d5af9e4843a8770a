"""Where a text may be cut; `tests/interop/test_node_graphemes.py` asks ICU."""

from __future__ import annotations

import pytest
from smpp_samples import CLUSTERS

from smsd.smpp.graphemes import is_boundary


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_cluster_has_boundaries_at_its_ends_alone(cluster: str) -> None:
    text = "a" + cluster + "b"
    inside = range(2, 1 + len(cluster))
    assert is_boundary(text, 0)
    assert is_boundary(text, 1)
    assert not any(is_boundary(text, at) for at in inside)
    assert is_boundary(text, 1 + len(cluster))
    assert is_boundary(text, len(text))


def test_flags_in_a_row_are_cut_between_flags() -> None:
    text = "🇳🇴🇸🇪🇩🇰"
    assert [at for at in range(7) if is_boundary(text, at)] == [0, 2, 4, 6]
