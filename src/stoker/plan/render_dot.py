"""A plan's graph in Graphviz's language."""

from __future__ import annotations

from stoker.plan.drawing import edges
from stoker.plan.graph import Graph

_STYLES = {
    "dependency": "",
    "order": " [style=dashed]",
    "fallback": ' [style=dotted, label="fallback"]',
}


def render(plan_id: str, graph: Graph) -> str:
    """A `digraph`, left to right."""
    lines = [
        f"digraph {_quoted(plan_id)} {{",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
    ]
    lines += [f"  s{index} [label={_quoted(name)}];" for index, name in enumerate(graph.ids)]
    lines += [f"  s{e.source} -> s{e.target}{_STYLES[e.relation]};" for e in edges(graph)]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    # In labels a backslash begins an escape of Graphviz's own, such as \N.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
