from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.plan.graph import Graph
from stoker.plan.model import Step


def build(edges: Mapping[str, str], **more: Step) -> Graph:
    return Graph.build(
        [Step(id=name, depends_on=tuple(on.split())) for name, on in edges.items()]
        + list(more.values())
    )


@st.composite
def steps(draw: st.DrawFn, *, acyclic: bool) -> list[Step]:
    count = draw(st.integers(1, 8))
    found = []
    for number in range(count):
        others = st.integers(0, (number if acyclic else count) - 1)
        some = draw(st.sets(others, max_size=3)) if number or not acyclic else set()
        looks_at = draw(st.none() | others) if number or not acyclic else None
        found.append(
            Step(
                id=str(number),
                depends_on=tuple(map(str, some)),
                condition=None if looks_at is None else f"prev['{looks_at}'].exit_code == 0",
            )
        )
    return found


def waits(graph: Graph, step: int) -> set[int]:
    return {*graph.dependencies[step], *graph.order_only[step]}


def reachable(graph: Graph, step: int) -> set[int]:
    found: set[int] = set()
    pending = [step]
    while pending:
        for other in waits(graph, pending.pop()) - found:
            found.add(other)
            pending.append(other)
    return found


@given(steps(acyclic=True))
def test_an_acyclic_graph(plan: list[Step]) -> None:
    graph = Graph.build(plan)
    assert not list(graph.cycles())
    for number in range(len(graph)):
        for dependency in graph.dependencies[number]:
            assert number in graph.dependents[dependency]
        for other in graph.order_only[number]:
            assert number in graph.followers[other]
            assert other not in graph.dependencies[number]
    waves = graph.waves()
    level = {step: number for number, wave in enumerate(waves) for step in wave}
    assert len(level) == len(plan)
    durations = {name: float(int(name) + 1) for name in graph.ids}
    remaining = graph.priorities(durations)
    for number in range(len(graph)):
        assert level[number] == max((level[n] + 1 for n in waits(graph, number)), default=0)
        after = [n for n in range(len(graph)) if number in waits(graph, n)]
        assert remaining[number] == number + 1 + max((remaining[n] for n in after), default=0)


@given(steps(acyclic=False))
def test_a_cycle_is_found_if_there_is_one(plan: list[Step]) -> None:
    graph = Graph.build(plan)
    cyclic = any(number in reachable(graph, number) for number in range(len(graph)))
    cycle = next(graph.cycles(), None)
    assert (cycle is not None) == cyclic
    for names in graph.cycles():
        assert names[0] == names[-1]
        assert len(set(names)) == len(names) - 1
        for waiting, other in itertools.pairwise(names):
            assert graph.index[other] in waits(graph, graph.index[waiting])
    assert sorted(set().union(*graph.waves())) == [
        n
        for n in range(len(graph))
        if not any(m in reachable(graph, m) for m in {n} | reachable(graph, n))
    ]


@given(steps(acyclic=True), st.integers(0, 8))
def test_extending_gives_what_building_gives(plan: list[Step], cut: int) -> None:
    whole = Graph.build(plan)
    grown = Graph.build(plan[:cut])
    grown.extend(plan[cut:])
    for part in ("ids", "index", "dependencies", "dependents", "order_only", "followers"):
        assert getattr(whole, part) == getattr(grown, part)


def test_consumes_implies_the_dependency() -> None:
    graph = Graph.build(
        [
            Step(id="use", consumes=("out", "unknown"), depends_on=("make", "make", "nobody")),
            Step(id="make", provides=("out",)),
            Step(id="use too", consumes=("out",)),
        ]
    )
    assert graph.dependencies == [(1,), (), (1,)]
    assert graph.dependents == [[], [0, 2], []]


def test_references_order_without_depending() -> None:
    graph = Graph.build(
        [
            Step(id="a"),
            Step(id="b", depends_on=("a",), condition="prev.a.status == 'success'"),
            Step(id="c", args=("x ${{ prev.b.outputs.v }} ${{ prev.zzz.status }} ${{",)),
            Step(id="d", step_def={"type": "x", "deep": [{"v": "${{ prev['a'].exit_code }}"}]}),
            Step(id="each", foreach="prev.a.outputs.list"),
            Step(id="e", skip_if=("prev.d.exit_code == 1", "prev['each[1]'].exit_code == 1")),
            Step(id="list", foreach=("x", "${{ prev.d.outputs.v }}")),
            Step(id="grid", matrix={"v": [{"w": "${{ prev.d.outputs.v }}"}]}),
        ]
    )
    assert graph.order_only == [(), (), (), (0,), (0,), (3, 4), (3,), (3,)]
    assert graph.followers[0] == [3, 4]


def test_a_fallback_provides_in_the_place_of_what_it_covers() -> None:
    fallback = Step(id="f", provides=("out",))
    covered = Step(
        id="s", provides=("out",), on_failure="fallback_step", fallback_step="f", depends_on=()
    )
    for steps in ([fallback, covered], [covered, fallback]):
        graph = Graph.build([*steps, Step(id="use", consumes=("out",))])
        assert graph.ids[graph.providers["out"]] == "s"
        assert graph.dependencies[2] == (graph.index["s"],)
        assert graph.fallback_of == {graph.index["f"]: [graph.index["s"]]}
        assert graph.waves()[-1] == [min(graph.index["f"], 2), max(graph.index["f"], 2)] or (
            graph.waves() == [[graph.index["s"]], sorted([graph.index["f"], 2])]
        )


def covered(name: str, on: str, fallback: str) -> Step:
    return Step(
        id=name, depends_on=tuple(on.split()), on_failure="fallback_step", fallback_step=fallback
    )


@pytest.mark.parametrize(
    ("plan", "cycle"),
    [
        ([Step(id="a", depends_on=("a",))], ("a", "a")),
        ([covered("a", "", "b"), covered("b", "", "a")], ("a", "b", "a")),
        ([covered("a", "", "a")], ("a", "a")),
        # The fallback of `a` would wait for `b`, which waits for the fallback when `a` fails.
        ([covered("a", "", "f"), Step(id="b", depends_on=("a",)), Step(id="f", depends_on=("b",))],
         ("b", "f", "b")),
        ([covered("a", "", "f"), covered("f", "", "g"), Step(id="b", depends_on=("a",)),
          Step(id="g", depends_on=("b",))], ("f", "g", "b", "f")),
        # One fallback for a whole chain, which looks at how far the chain came.
        ([covered("a", "", "f"), covered("b", "a", "f"), Step(id="c", depends_on=("b",)),
          Step(id="f", condition="prev.b.status == 'failed'")], None),
    ],
)  # fmt: skip
def test_fallbacks_and_cycles(plan: list[Step], cycle: tuple[str, ...] | None) -> None:
    assert next(Graph.build(plan).cycles(), None) == cycle


def test_priorities_without_known_durations() -> None:
    graph = build({"a": "", "b": "a", "c": "b", "d": ""})
    assert graph.priorities() == [3, 2, 1, 1]
    assert graph.priorities({"d": 10.0}) == [30, 20, 10, 10]


def test_a_chain_is_no_recursion() -> None:
    count = 20_000
    chain = [
        Step(id=str(n), depends_on=(str(n + 1),) if n < count - 1 else ()) for n in range(count)
    ]
    graph = Graph.build(chain)
    assert not list(graph.cycles())
    assert len(graph.waves()) == count
    assert graph.priorities()[-1] == count
    graph.extend([])
    ring = Graph.build([*chain[:-1], Step(id=str(count - 1), depends_on=("0",))])
    assert len(next(ring.cycles())) == count + 1
