"""A plan's graph for Mermaid, as Markdown viewers draw it."""

from __future__ import annotations

import re

from stoker.plan.drawing import edges
from stoker.plan.graph import Graph

_ARROWS = {"dependency": "-->", "order": "-.->", "fallback": "-. fallback .->"}
_SPECIAL = re.compile(r"[^\w .:-]", re.ASCII)


def render(graph: Graph) -> str:
    """A `flowchart`. Whatever an id holds, it is only ever a label."""
    lines = ["flowchart LR"]
    lines += [f'  s{index}["{_escape(name)}"]' for index, name in enumerate(graph.ids)]
    lines += [f"  s{e.source} {_ARROWS[e.relation]} s{e.target}" for e in edges(graph)]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda match: f"#{ord(match[0])};", text)
