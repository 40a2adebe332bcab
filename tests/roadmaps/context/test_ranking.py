"""Personalised PageRank against the matrix it approximates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.roadmaps.context.ranking import rank

_NODES = "abcdef"
_GRAPHS = st.dictionaries(
    st.sampled_from(_NODES),
    st.dictionaries(st.sampled_from(_NODES), st.floats(0.01, 10), max_size=4),
)
_SEEDS = st.dictionaries(st.sampled_from(_NODES), st.floats(0.1, 10), min_size=1, max_size=3)


def _dense(graph, seeds, restart=0.25):
    total = sum(seeds.values())
    begin = {node: seeds.get(node, 0) / total for node in _NODES}
    now = dict(begin)
    for _ in range(300):
        after = {node: restart * begin[node] for node in _NODES}
        for node, mass in now.items():
            out = graph.get(node) or {name: weight for name, weight in begin.items() if weight}
            for other, weight in out.items():
                after[other] += (1 - restart) * mass * weight / sum(out.values())
        now = after
    return now


@given(_GRAPHS, _SEEDS)
def test_it_sums_to_one_and_is_the_walkers_share(graph, seeds):
    found = rank(lambda node: graph.get(node, {}), seeds, tolerance=1e-7, pushes=100_000)
    assert sum(found.values()) == pytest.approx(1)
    for node, share in _dense(graph, seeds).items():
        assert found.get(node, 0) == pytest.approx(share, abs=1e-4)


@given(_GRAPHS, _SEEDS, st.integers(0, 5))
def test_cut_short_it_sums_to_one_too(graph, seeds, pushes):
    found = rank(lambda node: graph.get(node, {}), seeds, pushes=pushes)
    assert sum(found.values()) == pytest.approx(1)
    assert min(found.values()) >= 0


def test_without_seeds_nothing_matters():
    assert rank(lambda node: {}, {}) == {}
