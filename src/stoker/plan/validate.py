"""A decoded plan is checked whole before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from stoker.plan.errors import Problem, problem, show
from stoker.plan.graph import Graph
from stoker.plan.graph_rules import check_graph
from stoker.plan.model import CircuitBreaker, Globals, Input, Plan, Step
from stoker.plan.quantity import QuantityError, quantity
from stoker.plan.references import Path, has_expression, has_template
from stoker.plan.step_rules import KindLike, Kinds, check_env, check_step, positive

__all__ = ["KindLike", "Kinds", "validate", "validate_extension"]

MAX_MADE: Final = 500_000
"""Steps that those of a plan may be expanded to, as far as the file tells."""

_INPUT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PLAN_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}")


def validate(plan: Plan, kinds: Kinds, *, graph: Graph | None = None) -> list[Problem]:
    """Every error and warning, with pointers into the plan. `kinds` are the kinds of step by
    name; `graph` is `Graph.build(plan.steps)`, if it is there already."""
    graph = graph or Graph.build(plan.steps)
    problems = []
    if not _PLAN_ID.fullmatch(plan.plan_id):
        problems.append(
            problem(("plan_id",), f"expected 1 to 200 characters, found {show(plan.plan_id)}")
        )
    if not plan.steps:
        problems.append(problem(("steps",), "a plan needs at least one step"))
    problems += _globals(plan.globals)
    problems += _inputs(plan)
    problems += _steps(plan, plan.steps, kinds)
    problems += _references(plan, plan.steps, graph)
    problems += check_graph(graph, plan.steps)
    return problems


def validate_extension(plan: Plan, new_steps: Sequence[Step], kinds: Kinds) -> list[Problem]:
    """Every error and warning in steps that are to be added to a sound plan that may be
    running (with what was added to it before). Pointers are `/steps/N`, N counted from the
    first new step."""
    known = len(plan.steps)
    graph = Graph.build(plan.steps)
    graph.extend(new_steps)
    problems = list(_steps(plan, new_steps, kinds))
    problems += _references(plan, new_steps, graph)
    if not new_steps:
        problems.append(problem(("steps",), "an extension needs at least one step"))
    for fault in check_graph(graph, (*plan.steps, *new_steps), known):
        _, _, number, *rest = fault.pointer.split("/")
        place = "/".join(("", "steps", str(int(number) - known), *rest))
        problems.append(replace(fault, pointer=place))
    return problems


def _steps(plan: Plan, steps: Sequence[Step], kinds: Kinds) -> Iterator[Problem]:
    capacities = dict(_capacities(plan.globals))
    common = plan.globals
    made = 0
    for number, step in enumerate(steps):
        path = ("steps", number)
        made += yield from check_step(step, path, kinds, common, capacities)
        if made > MAX_MADE:
            message = f"with those above expanded to {made:,} steps, at most {MAX_MADE:,} may be"
            yield problem(path, f"{message}; what follows is not checked")
            return


def _references(plan: Plan, steps: Sequence[Step], graph: Graph) -> Iterator[Problem]:
    common = {"env": plan.globals.env, "cwd": plan.globals.cwd}
    templated = [
        number for number, step in enumerate(steps) if graph.templated or has_expression(step)
    ]
    if not templated and not has_template(common):
        return
    from stoker.plan.reference_rules import Scope

    scope = Scope(graph.index, plan.inputs)
    yield from scope.check_common(common, ("globals",))
    for number in templated:
        yield from scope.check_step(steps[number], ("steps", number))


def _capacities(common: Globals) -> Iterator[tuple[str, float]]:
    for name, amount in common.resources.items():
        try:
            yield name, quantity(amount)
        except QuantityError:
            continue  # `_globals` tells


def _globals(common: Globals) -> Iterator[Problem]:
    for field in ("default_timeout_sec", "max_step_duration_sec", "max_run_duration_sec"):
        value = getattr(common, field)
        if value is not None:
            yield from positive(value, ("globals", field))
    if common.max_concurrency is not None and common.max_concurrency < 1:
        path = ("globals", "max_concurrency")
        yield problem(path, f"expected 1 or more, found {common.max_concurrency}")
    if common.default_retries < 0:
        path = ("globals", "default_retries")
        yield problem(path, f"expected 0 or more, found {common.default_retries}")
    yield from check_env(common.env, ("globals", "env"))
    for name, amount in common.resources.items():
        try:
            if quantity(amount) == 0:
                yield problem(("globals", "resources", name), "expected more than 0")
        except QuantityError as error:
            yield problem(("globals", "resources", name), str(error))
    if common.circuit_breaker is not None:
        yield from _circuit_breaker(common.circuit_breaker, ("globals", "circuit_breaker"))


def _circuit_breaker(breaker: CircuitBreaker, path: Path) -> Iterator[Problem]:
    yield from positive(breaker.reset_timeout_sec, (*path, "reset_timeout_sec"))
    if breaker.failure_threshold < 1:
        yield problem(
            (*path, "failure_threshold"), f"expected 1 or more, found {breaker.failure_threshold}"
        )


def _inputs(plan: Plan) -> Iterator[Problem]:
    for name, value in plan.inputs.items():
        if not _INPUT.fullmatch(name):
            yield problem(
                ("inputs", name),
                "expected a name of letters, digits, '_' and '-' that begins with a letter or '_'",
                on_key=True,
            )
        if isinstance(value, Input) and value.required and value.default is not None:
            yield problem(
                ("inputs", name), "required, but it has a default; expected one of the two"
            )
