"""What every picture of a plan shows, and the pictures that other programs draw: Graphviz's
language, and Mermaid's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Literal

from msgspec import Struct

from stoker.plan.expression import EvaluationError, ExpressionError
from stoker.plan.graph import Graph
from stoker.plan.model import Step
from stoker.plan.template import as_text, compile_template, map_strings

_DOT = {
    "dependency": "",
    "order": " [style=dashed]",
    "fallback": ' [style=dotted, label="fallback"]',
}
_MERMAID = {"dependency": "-->", "order": "-.->", "fallback": "-. fallback .->"}
_SPECIAL = re.compile(r"[^\w .:-]", re.ASCII)
_NOT_XML = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


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


def dot(plan_id: str, graph: Graph) -> str:
    """A `digraph`, left to right."""
    lines = [
        f"digraph {_quoted(plan_id)} {{",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
    ]
    lines += [f"  s{index} [label={_quoted(name)}];" for index, name in enumerate(graph.ids)]
    lines += [f"  s{e.source} -> s{e.target}{_DOT[e.relation]};" for e in edges(graph)]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    # In labels a backslash begins an escape of Graphviz's own, such as \N.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def mermaid(graph: Graph) -> str:
    """A `flowchart`, as Markdown viewers draw it. Whatever an id holds, it is only ever a label."""
    lines = ["flowchart LR"]
    for index, name in enumerate(graph.ids):
        label = _SPECIAL.sub(lambda match: f"#{ord(match[0])};", name)
        lines.append(f'  s{index}["{label}"]')
    lines += [f"  s{e.source} {_MERMAID[e.relation]} s{e.target}" for e in edges(graph)]
    return "\n".join(lines) + "\n"


def xml_text(text: str) -> str:
    """Any text as XML: escaped, with blanks for what XML cannot hold."""
    return escape(_NOT_XML.sub(" ", text))


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
