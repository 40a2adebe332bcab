"""A plan for reading: a summary with every step, or just its waves."""

from __future__ import annotations

from collections.abc import Iterator

from stoker.plan.drawing import action
from stoker.plan.graph import Graph
from stoker.plan.inputs import declared
from stoker.plan.lexer import shortened
from stoker.plan.model import Plan, Step
from stoker.plan.references import expressions

_WIDTH = 100
_WORDS = {"condition": "if", "skip_if": "skipped if", "foreach": "for each of"}


def waves(graph: Graph) -> str:
    """One paragraph a wave: its steps, and what each waits for."""
    lines = []
    for number, wave in enumerate(graph.waves(), start=1):
        lines.append(f"wave {number}")
        for step in wave:
            after = _after(graph, step)
            lines.append(f"  {graph.ids[step]}" + (f"  ({after})" if after else ""))
    return "\n".join(lines) + "\n"


def summary(plan: Plan, graph: Graph) -> str:
    """The whole plan: inputs, limits, and steps by wave with action and policies."""
    return "\n".join(_summary(plan, graph)) + "\n"


def _summary(plan: Plan, graph: Graph) -> Iterator[str]:
    yield f"{plan.plan_id} (version {plan.version})" + (f": {plan.name}" if plan.name else "")
    if plan.description:
        yield f"  {' '.join(plan.description.split())}"
    found = graph.waves()
    yield f"{len(plan.steps)} steps in {len(found)} waves" + _limits(plan)
    for name, item in declared(plan).items():
        default = "" if item.default is None else f" = {'***' if item.secret else item.default!r}"
        words = [word for word in ("required", "secret") if getattr(item, word)]
        about = f"  {item.description}" if item.description else ""
        yield f"input {name}{default}" + (f" ({', '.join(words)})" if words else "") + about
    for number, wave in enumerate(found, start=1):
        yield f"\nwave {number}"
        for index in wave:
            yield from _step(plan, graph, index)


def _limits(plan: Plan) -> str:
    common = plan.globals
    parts = []
    if common.max_concurrency is not None:
        parts.append(f"at most {common.max_concurrency} at once")
    if common.max_run_duration_sec is not None:
        parts.append(f"at most {common.max_run_duration_sec:g} s in all")
    return "".join(f", {part}" for part in parts)


def _step(plan: Plan, graph: Graph, index: int) -> Iterator[str]:
    step = plan.steps[index]
    yield f"  {step.id}" + (f": {step.name}" if step.name and step.name != step.id else "")
    yield f"      {shortened(action(step), _WIDTH)}"
    if after := _after(graph, index):
        yield f"      {after}"
    if policies := ", ".join(_policies(plan, step)):
        yield f"      {policies}"


def _after(graph: Graph, step: int) -> str:
    parts = [
        (word, [graph.ids[other] for other in others])
        for word, others in (
            ("after", graph.dependencies[step]),
            ("when settled:", graph.order_only[step]),
            ("in place of", graph.fallback_of.get(step, ())),
        )
        if others
    ]
    return "; ".join(f"{word} {', '.join(names)}" for word, names in parts)


def _policies(plan: Plan, step: Step) -> Iterator[str]:
    """What the step's fields say beyond the defaults."""
    for (field, *_), text in expressions(step):
        yield f"{_WORDS[str(field)]} {text}"
    if step.foreach is not None and not isinstance(step.foreach, str):
        yield f"for each of {len(step.foreach)}"
    if step.matrix is not None:
        yield f"for each of the matrix {', '.join(step.matrix)}"
    if step.approval:
        yield "needs approval"
    common = plan.globals
    timeout = common.default_timeout_sec if step.timeout_sec is None else step.timeout_sec
    if timeout is not None:
        yield f"timeout {timeout:g} s"
    if retries := common.default_retries if step.retries is None else step.retries:
        yield f"{retries} {'retry' if retries == 1 else 'retries'}"
    if step.fallback_step is not None:
        yield f"on failure: {step.fallback_step} instead"
    elif step.on_failure != "abort":
        yield f"on failure: {step.on_failure}"
    if not step.critical:
        yield "not critical"
    if step.provides:
        yield f"provides {', '.join(step.provides)}"
    if step.consumes:
        yield f"consumes {', '.join(step.consumes)}"
    if step.locks:
        yield f"locks {', '.join(step.locks)}"
    if step.resources:
        yield "needs " + ", ".join(f"{name}={amount}" for name, amount in step.resources.items())
