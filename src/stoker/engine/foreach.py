"""Steps that stand for many: how a foreach or matrix step becomes its children, and how
their ends become its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from stoker.engine.state import StepState
from stoker.plan.expand import ExpansionError, axes, expand
from stoker.plan.expression import EvaluationError, Expression, compile_expression
from stoker.plan.model import Step
from stoker.plan.template import render_value
from stoker.plan.values import described


def is_foreach(step: Step) -> bool:
    return step.foreach is not None or step.matrix is not None


def asks_each(expression: Expression) -> bool:
    """Whether an expression of a foreach step is about the single items: then it is the
    children's to answer, who have it with their item filled in."""
    return any(path[0] in ("item", "matrix", "index") for path in expression.references)


def children(step: Step, names: Mapping[str, Any], taken: Collection[str]) -> list[Step]:
    """The steps a foreach step stands for. Raises `EvaluationError`, `ExpansionError`."""
    steps = [_child(step, child) for child in expand(step, _items(step, names))]
    for child in steps:
        if child.id in taken:
            raise ExpansionError(f"foreach of {step.id!r} makes {child.id!r}, which exists already")
    return steps


def _items(step: Step, names: Mapping[str, Any]) -> Sequence[Any]:
    if step.matrix is not None:
        return axes(render_value(step.matrix, names))
    if not isinstance(step.foreach, str):
        items: Sequence[Any] = render_value(step.foreach or (), names)
        return items
    found = compile_expression(_bare(step.foreach)).evaluate(names)
    if not isinstance(found, list | tuple):
        raise EvaluationError(f"foreach: expected a list, but {step.foreach} is {described(found)}")
    return found


def _bare(expression: str) -> str:
    """`${{ x }}` and `x` mean the same where an expression is expected anyway."""
    text = expression.strip()
    return text[3:-2] if text.startswith("${{") and text.endswith("}}") else text


def _child(parent: Step, child: Step) -> Step:
    """A person is asked once, for all children; and a child's failure is the foreach step's
    to answer: only the join calls its fallback."""
    child = replace(child, approval=None)
    if parent.on_failure != "fallback_step":
        return child
    return replace(child, on_failure="skip_dependents", fallback_step=None, critical=False)


def join(ended: Sequence[StepState]) -> tuple[str | None, dict[str, list[Any]]]:
    """What settled children amount to: why the foreach step failed, or None, and its outputs
    in either case, for each name the list of what the children put out, null where one did
    not."""
    names = dict.fromkeys(name for child in ended for name in child.outputs)
    outputs = {name: [child.outputs.get(name) for child in ended] for name in names}
    failed = [child.step.id for child in ended if child.status in ("failed", "canceled")]
    if not failed:
        return None, outputs
    shown = ", ".join(failed[:3]) + (", ..." if len(failed) > 3 else "")
    return f"{len(failed)} of {len(ended)} failed: {shown}", outputs
