"""What must hold between steps: names resolve, nothing waits for itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from stoker.plan.errors import Problem, problem, show
from stoker.plan.graph import Graph
from stoker.plan.model import Step
from stoker.plan.suggest import did_you_mean

_MAX_HINTS = 100  # each costs some milliseconds in a plan of many steps

_MAX_SHOWN = 20


def check_graph(graph: Graph, steps: Sequence[Step], first: int = 0) -> Iterator[Problem]:
    """Everything that is wrong between `steps`, all that `graph` has; told only of those
    from number `first` on, the others being sound."""
    yield from _ids(graph, steps, first)
    yield from _names(graph, steps, first)
    yield from _providers(graph, steps, first)
    yield from _fallbacks(graph, steps, first)
    yield from _children(graph, steps, first)
    for cycle in graph.cycles():
        yield _cycle(graph, steps, cycle)


def _ids(graph: Graph, steps: Sequence[Step], first: int) -> Iterator[Problem]:
    if len(graph.index) == len(steps):
        return
    for number in range(first, len(steps)):
        name = steps[number].id
        if graph.index[name] != number:
            yield problem(
                ("steps", number, "id"),
                f"duplicate id {show(name)}: steps[{graph.index[name]}] has it already",
            )


def _names(graph: Graph, steps: Sequence[Step], first: int) -> Iterator[Problem]:
    hints = _MAX_HINTS
    for number in (n for n in graph.unresolved if n >= first):
        step = steps[number]
        for place, name in enumerate(step.depends_on):
            if name not in graph.index:
                hint = did_you_mean(name, graph.index) if (hints := hints - 1) >= 0 else ""
                path = ("steps", number, "depends_on", place)
                yield problem(path, f"unknown step {show(name)}{hint}", lacking="id")
        for place, name in enumerate(step.consumes):
            if name not in graph.providers:
                hint = did_you_mean(name, graph.providers) if (hints := hints - 1) >= 0 else ""
                path = ("steps", number, "consumes", place)
                yield problem(path, f"no step provides {show(name)}{hint}", lacking="provides")
    for number in range(first, len(steps)):
        fallback = steps[number].fallback_step
        if fallback is not None and fallback not in graph.index:
            hint = did_you_mean(fallback, graph.index) if (hints := hints - 1) >= 0 else ""
            message = f"unknown step {show(fallback)}{hint}"
            yield problem(("steps", number, "fallback_step"), message, lacking="id")


def _providers(graph: Graph, steps: Sequence[Step], first: int) -> Iterator[Problem]:
    stand_ins: dict[int, set[int]] = {}
    for number in range(first, len(steps)):
        for place, name in enumerate(steps[number].provides):
            provider = graph.providers[name]
            if provider == number:
                continue
            if provider not in stand_ins:
                stand_ins[provider] = _stand_ins(graph, steps, provider)
            # A fallback provides what the step it stands in for would have.
            if number not in stand_ins[provider]:
                yield problem(
                    ("steps", number, "provides", place),
                    f"{show(name)} is provided by step {show(graph.ids[provider])} already; "
                    "expected one provider for each name",
                    lacking="fallback_step",
                )


def _stand_ins(graph: Graph, steps: Sequence[Step], number: int) -> set[int]:
    """The fallback of a step, the fallback's own, and so on."""
    found: set[int] = set()
    while (name := steps[number].fallback_step) in graph.index:
        number = graph.index[name]
        if number in found:
            break
        found.add(number)
    return found


def _fallbacks(graph: Graph, steps: Sequence[Step], first: int) -> Iterator[Problem]:
    for fallback, covered in graph.fallback_of.items():
        name, stands_for = show(graph.ids[fallback]), show(graph.ids[covered[0]])
        for number in covered:
            if number >= first > fallback:
                yield problem(
                    ("steps", number, "fallback_step"),
                    f"step {name} is in the run already; expected a step of this extension",
                )
        for dependent in graph.dependents[fallback]:
            if dependent >= first and dependent not in covered:
                step = steps[dependent]
                field = "depends_on" if graph.ids[fallback] in step.depends_on else "consumes"
                yield problem(
                    ("steps", dependent, field),
                    f"step {name} is the fallback of {stands_for} and runs only in its place; "
                    f"depend on {stands_for}",
                )
        for number in covered:
            if fallback >= first and number in graph.dependencies[fallback]:
                yield problem(
                    ("steps", fallback, "depends_on"),
                    f"a fallback runs when {show(graph.ids[number])} has failed, so it cannot "
                    "depend on that",
                )


def _children(graph: Graph, steps: Sequence[Step], first: int) -> Iterator[Problem]:
    """The steps that a `foreach` or `matrix` makes have ids that no other step has."""
    alike: dict[int, list[str]] = {}  # only `build` can make a `build[linux]`
    for name in graph.index:
        if name.endswith("]") and (parent := name.rpartition("[")[0]) in graph.index:
            alike.setdefault(graph.index[parent], []).append(name)
    for number, names in alike.items():
        made = _made(steps[number])
        for name in made.keys() & names:
            other = graph.index[name]
            field = ("foreach", made[name]) if steps[number].matrix is None else ("matrix",)
            if number >= first:
                message = f"makes a step {show(name)}; steps[{other}] has that id already"
                yield problem(("steps", number, *field), message)
            elif other >= first:
                message = f"step {show(graph.ids[number])} makes a step {show(name)} already"
                yield problem(("steps", other, "id"), message)


def _made(step: Step) -> dict[str, int]:
    """The ids of the steps that `step` will make, as far as they are known; by item."""
    from stoker.plan.expand import ExpansionError, child_ids, literal_items

    try:
        ids = child_ids(step, literal_items(step) or ())
    except ExpansionError:  # `check_step` tells
        return {}
    return {name: index for index, name in enumerate(ids)}


def _cycle(graph: Graph, steps: Sequence[Step], cycle: Sequence[str]) -> Problem:
    shown = cycle if len(cycle) <= _MAX_SHOWN else [*cycle[: _MAX_SHOWN - 2], "…", cycle[-1]]
    reasons = [
        reason
        for waiting, other in pairwise(cycle[:_MAX_SHOWN])
        if (reason := _reason(graph, steps, graph.index[waiting], graph.index[other]))
    ]
    why = f" ({'; '.join(reasons)})" if reasons else ""
    number = graph.index[cycle[0]]
    field = ("depends_on",) if steps[number].depends_on else ()
    return problem(("steps", number, *field), f"cycle: {' -> '.join(shown)}{why}")


def _reason(graph: Graph, steps: Sequence[Step], waiting: int, other: int) -> str:
    """Why one step waits for another, where `depends_on` does not say so."""
    step, name = steps[waiting], graph.ids[other]
    if name in step.depends_on:
        return ""
    for consumed in step.consumes:
        if graph.providers.get(consumed) == other:
            return f"{step.id} consumes {show(consumed)}"
    if other in graph.order_only[waiting]:
        return f"{step.id} refers to prev.{name}"
    if other in graph.fallback_of.get(waiting, ()):
        return f"{step.id} is the fallback of {name}"
    return f"{step.id} waits for {name} when that stands in for what it waits for"
