"""What must be done before what: said by the file, by its phases, and inferred.

Dependencies on what is done already, or is not in the file, hold nobody up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

from msgspec import Struct

from stoker.plan.errors import PlanError, Problem
from stoker.roadmaps.document import Phase
from stoker.roadmaps.unit import Unit, family

_MOST = 2_000_000
"""Waits in one plan."""
Edges = dict[int, set[int]]
"""Of each unit, by its index, those that come before."""


class Placed(Struct, frozen=True):
    """A unit in the order of a run, which the indices are of."""

    unit: Unit
    waits: tuple[int, ...]
    """Must be done before it."""
    follows: tuple[int, ...]
    """Must be over before it, done or not."""


def order(
    units: Sequence[Unit],
    phases: Sequence[Phase],
    *,
    infer: bool,
    one_by_one: bool = False,
    imports: Mapping[str, Collection[str]] | None = None,
) -> list[Placed]:
    """The units in an order they can be done in, and what each waits for. `infer`: also for what
    names the same files, or files that its own import (`imports`, of a file the others);
    `one_by_one`: for the one before it. Raises `PlanError` if units wait for each other, with the
    path."""
    edges = _said(units)
    sorted_units(units, edges)  # what the file says is told without what it implies
    _phases(units, phases, edges)
    _marked(units, edges)
    soft = _imported(units, edges, imports or {}) if infer else {n: set() for n in edges}
    line = sorted_units(units, {index: edges[index] | soft[index] for index in edges})
    if one_by_one:
        soft = {index: {before} for before, index in pairwise(line)}
        soft |= {index: set() for index in line[:1]}
    elif infer:
        _shared_files(units, soft, line)
    places = {index: place for place, index in enumerate(line)}

    def placed(found: set[int]) -> tuple[int, ...]:
        return tuple(sorted(places[other] for other in found))

    return [
        Placed(units[index], placed(edges[index]), placed(soft[index] - edges[index]))
        for index in line
    ]


def sorted_units(units: Sequence[Unit], edges: Mapping[int, Iterable[int]]) -> list[int]:
    """The units in an order they can be done in, that of the file where that is one. Raises
    `PlanError`."""
    left = {index: len(set(edges[index])) for index in range(len(units))}
    dependents: dict[int, list[int]] = {}
    for index, before in edges.items():
        for other in before:
            dependents.setdefault(other, []).append(index)
    ready = [index for index, count in left.items() if not count]
    heapify(ready)
    line: list[int] = []
    while ready:
        line.append(index := heappop(ready))
        for dependent in dependents.get(index, ()):
            left[dependent] -= 1
            if not left[dependent]:
                heappush(ready, dependent)
    if len(line) < len(units):
        raise PlanError([_cycle(units, edges)])
    return line


def _cycle(units: Sequence[Unit], edges: Mapping[int, Iterable[int]]) -> Problem:
    from graphlib import CycleError, TopologicalSorter

    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        found = [units[index] for index in reversed(error.args[1])]
        path = " -> ".join(unit.id for unit in found)
        task = found[0].tasks[0]
        where = f"{task.path}:{task.line}" if task.path else f"line {task.line}"
        return Problem(message=f"{where}: tasks wait for each other: {path}")
    raise AssertionError("unreachable")


def _said(units: Sequence[Unit]) -> Edges:
    home = {task.id: index for index, unit in enumerate(units) for task in family(unit.tasks)}
    edges: Edges = {}
    _check(sum(len(task.depends_on) for unit in units for task in family(unit.tasks)))
    for index, unit in enumerate(units):
        named = (name for task in family(unit.tasks) for name in task.depends_on)
        edges[index] = {home[name] for name in named if name in home} - {index}
    return edges


def _phases(units: Sequence[Unit], phases: Sequence[Phase], edges: Edges) -> None:
    members: dict[str, list[int]] = {}
    for index, unit in enumerate(units):
        members.setdefault(unit.tasks[0].phase or "", []).append(index)
    before: list[int] = []
    waiting = 0
    for phase in phases:
        own = members.get(phase.id, [])
        waits = {index for name in phase.depends_on for index in members.get(name, [])}
        if phase.barrier:
            waits.update(before)
        before = own or before
        last = waits - {other for index in waits for other in edges[index]}
        inside = set(own)
        first = [index for index in own if inside.isdisjoint(edges[index])]
        waiting += len(first) * len(last)
        _check(waiting)
        for index in first:
            edges[index] |= last
    # A gate holds up whatever follows it in its phase, and waits for what stands before it.
    for own in members.values():
        gate, since = -1, list[int]()
        for index in own:
            if units[index].gate:
                edges[index].update(since, () if gate < 0 else (gate,))
                gate, since = index, []
                continue
            if gate >= 0 and index not in edges[gate]:
                edges[index].add(gate)
            since.append(index)


def _check(waits: int) -> None:
    """Raises `PlanError` if there are too many."""
    if waits > _MOST:
        message = f"expected at most {_MOST:,} waits of tasks for others, found {waits:,}"
        raise PlanError([Problem(message=f"{message}: tasks that all wait for all")])


def _marked(units: Sequence[Unit], edges: Edges) -> None:
    """Where some tasks of a phase are marked as parallel, the others are not, unless what is said
    has it the other way round."""
    phases: dict[str | None, list[int]] = {}
    for index, unit in enumerate(units):
        phases.setdefault(unit.tasks[0].phase, []).append(index)
    if not any(unit.tasks[0].parallel for unit in units):
        return
    rank = {index: place for place, index in enumerate(sorted_units(units, edges))}

    def after(index: int, others: Iterable[int]) -> None:
        for other in others:
            if rank[other] < rank[index]:
                edges[index].add(other)
            else:  # as what is said has it
                edges[other].add(index)

    for own in phases.values():
        if not any(units[index].tasks[0].parallel for index in own):
            continue
        alone: list[int] = []
        beside: list[int] = []
        for index in own:
            if units[index].tasks[0].parallel:
                after(index, alone)
                beside.append(index)
            else:
                after(index, beside or alone)
                alone, beside = [index], []


def _imported(units: Sequence[Unit], edges: Edges, imports: Mapping[str, Collection[str]]) -> Edges:
    """Who names a file that another one's files import comes before it, but where the file says
    otherwise, or they import each other."""
    makers: dict[str, list[int]] = {}
    for index, unit in enumerate(units):
        for path in unit.files:
            makers.setdefault(path, []).append(index)
    needs = {
        index: {
            maker
            for path in unit.files
            for other in imports.get(path, ())
            for maker in makers.get(other, ())
        }
        - {index}
        for index, unit in enumerate(units)
    }
    both = {index: set(before) for index, before in edges.items()}
    soft: Edges = {index: set() for index in edges}
    for index, found in needs.items():
        wanted = {other for other in found if index not in needs[other]}
        _add(both, index, sorted(wanted))
        soft[index] = (both[index] & wanted) - edges[index]
    return soft


def _shared_files(units: Sequence[Unit], edges: Edges, line: Sequence[int]) -> None:
    last: dict[str, int] = {}
    for index in line:
        for path in units[index].files:
            if (other := last.get(path)) is not None:
                edges[index].add(other)
            last[path] = index


def _add(edges: Edges, index: int, found: Iterable[int]) -> None:
    for other in found:
        if other not in edges[index] and not _reaches(edges, other, index):
            edges[index].add(other)


def _reaches(edges: Edges, start: int, goal: int) -> bool:
    seen, pending = {start}, [start]
    while pending:
        index = pending.pop()
        if index == goal:
            return True
        new = edges[index] - seen
        seen |= new
        pending.extend(new)
    return False
