"""A plan's graph as a picture: one column a wave, arrows from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from stoker.plan.drawing import Edge, action, edges, xml_text
from stoker.plan.graph import Graph
from stoker.plan.lexer import shortened
from stoker.plan.model import Plan

_BOX = (190, 40)
_GAP = (70, 16)
_BEND = 8
"""Height of the place where an arrow passes a column."""
_MARGIN = 20
_MAX_BENDS = 5_000
"""Beyond that, arrows go straight from step to step."""
_SWEEPS = 6

_STYLE = """\
  text { font: 12px sans-serif; fill: #1f2933; }
  .action { font: 10px monospace; fill: #616e7c; }
  .box { fill: #f5f7fa; stroke: #7b8794; rx: 6px; }
  .edge { fill: none; stroke: #9aa5b1; stroke-width: 1.2; }
  .order { stroke-dasharray: 5 4; }
  .fallback { stroke: #cf6a32; stroke-dasharray: 2 3; }
"""

_Place = tuple[float, float]


def render(plan: Plan, graph: Graph) -> str:
    """A self-contained SVG document."""
    drawn = list(edges(graph))
    columns, paths = _columns(graph, drawn)
    _untangle(columns, paths)
    places, width, height = _places(columns, len(graph))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{xml_text(plan.plan_id)}</title>",
        f"<style>\n{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#7b8794"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
    ]
    for edge, path in zip(drawn, paths, strict=True):
        lines.append(_arrow(edge, [places[node] for node in path]))
    for index, step in enumerate(plan.steps):
        lines.append(_box(step.id, action(step), places[index]))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _columns(graph: Graph, drawn: Sequence[Edge]) -> tuple[list[list[int]], list[list[int]]]:
    """What stands in each column: steps by number and, numbered on from them, the bends of
    arrows that pass it; and the nodes each arrow leads through."""
    columns = graph.waves()
    column_of = {step: number for number, wave in enumerate(columns) for step in wave}
    bends = sum(abs(column_of[e.target] - column_of[e.source]) - 1 for e in drawn)
    paths = []
    node = len(graph)
    for edge in drawn:
        path = [edge.source]
        if bends <= _MAX_BENDS:
            for column in range(column_of[edge.source] + 1, column_of[edge.target]):
                columns[column].append(node)
                path.append(node)
                node += 1
        paths.append([*path, edge.target])
    return columns, paths


def _untangle(columns: list[list[int]], paths: Sequence[Sequence[int]]) -> None:
    """Sort each column by the mean height of what its nodes are joined to (barycentres)."""
    joined: dict[int, tuple[list[int], list[int]]] = {
        node: ([], []) for column in columns for node in column
    }
    for path in paths:
        for left, right in pairwise(path):
            joined[right][0].append(left)
            joined[left][1].append(right)
    height = {n: row / len(column) for column in columns for row, n in enumerate(column)}
    for sweep in range(_SWEEPS):
        side = sweep % 2
        for column in columns if side == 0 else reversed(columns):
            means = {
                node: sum(height[other] for other in others) / len(others)
                if others
                else height[node]
                for node in column
                for others in [joined[node][side]]
            }
            column.sort(key=means.__getitem__)
            height.update((node, row / len(column)) for row, node in enumerate(column))


def _places(columns: Sequence[Sequence[int]], steps: int) -> tuple[dict[int, _Place], float, float]:
    """Middle of each node's left side; width and height of the whole."""
    heights = [
        sum((_BOX[1] if node < steps else _BEND) + _GAP[1] for node in column) - _GAP[1]
        for column in columns
    ]
    tallest = max(heights, default=0)
    places: dict[int, _Place] = {}
    for number, column in enumerate(columns):
        x = _MARGIN + number * (_BOX[0] + _GAP[0])
        y = _MARGIN + (tallest - heights[number]) / 2
        for node in column:
            height = _BOX[1] if node < steps else _BEND
            places[node] = (x, y + height / 2)
            y += height + _GAP[1]
    width = 2 * _MARGIN + len(columns) * (_BOX[0] + _GAP[0]) - _GAP[0]
    return places, width, 2 * _MARGIN + tallest


def _arrow(edge: Edge, places: Sequence[_Place]) -> str:
    (x, y), *rest = places
    x += _BOX[0]
    curve = f"M{x:.0f} {y:.0f}"
    for number, (next_x, next_y) in enumerate(rest, start=1):
        middle = (x + next_x) / 2
        curve += f"C{middle:.0f} {y:.0f} {middle:.0f} {next_y:.0f} {next_x:.0f} {next_y:.0f}"
        x, y = next_x, next_y
        if number < len(rest):  # a bend: straight through the column
            x += _BOX[0]
            curve += f"H{x:.0f}"
    return f'<path class="edge {edge.relation}" d="{curve}" marker-end="url(#tip)"/>'


def _box(name: str, does: str, place: _Place) -> str:
    x, y = place
    top = y - _BOX[1] / 2
    return (
        f"<g><title>{xml_text(f'{name}: {does}')}</title>"
        f'<rect class="box" x="{x:.0f}" y="{top:.0f}" width="{_BOX[0]}" height="{_BOX[1]}"/>'
        f'<text x="{x + 8:.0f}" y="{top + 16:.0f}">{xml_text(shortened(name, 26))}</text>'
        f'<text class="action" x="{x + 8:.0f}" y="{top + 31:.0f}">'
        f"{xml_text(shortened(does, 28))}</text>"
        "</g>"
    )
