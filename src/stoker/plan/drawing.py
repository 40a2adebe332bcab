"""What every picture of a plan shows: steps in waves, and what waits for what."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from stoker.plan.expression import EvaluationError, ExpressionError
from stoker.plan.graph import Graph
from stoker.plan.model import Step
from stoker.plan.template import as_text, compile_template, map_strings


class Edge(Struct, frozen=True):
    """An arrow between two steps, by number."""

    source: int
    target: int
    relation: Literal["dependency", "order", "fallback"]
    """`order`: the target waits for the source however it ends; `fallback`: the target
    stands in for the source."""


def edges(graph: Graph) -> Iterator[Edge]:
    """All arrows, by target."""
    for target in range(len(graph)):
        for source in graph.dependencies[target]:
            yield Edge(source, target, "dependency")
        for source in graph.order_only[target]:
            yield Edge(source, target, "order")
        for source in graph.fallback_of.get(target, ()):
            yield Edge(source, target, "fallback")


def action(step: Step, scope: Mapping[str, Any] | None = None) -> str:
    """What a step does, on one line: its command, or its kind and fields. With `scope`,
    templates that need nothing else are filled in; the others are shown as written."""
    if step.run is not None:
        text = as_text(_filled(step.run, scope))
    elif step.step_def is not None:
        fields = _filled(step.step_def, scope)
        text = " ".join(
            (
                str(step.step_def.get("type", "?")),
                *(f"{name}={shown(value)}" for name, value in fields.items() if name != "type"),
            )
        )
    else:
        words = [as_text(word) for word in _filled([step.command or "", *step.args], scope)]
        text = " ".join(words) if step.shell else shlex.join(words)
    return " ".join(text.split())


def shown(value: Any) -> str:
    """A field's value: text bare where that is clear, everything else as JSON."""
    text = as_text(value)
    return shlex.quote(text) if isinstance(value, str) else text


def _filled(value: Any, scope: Mapping[str, Any] | None) -> Any:
    if scope is None:
        return value

    def fill(text: str) -> Any:
        try:
            return compile_template(text).render(scope)
        except (EvaluationError, ExpressionError):
            return text

    return map_strings(value, fill)
