"""A run's Gantt chart as a self-contained SVG picture. Pure: times in, text out."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from html import escape
from typing import Final

from msgspec import Struct

from stoker.cli.cells import cells, cut
from stoker.cli.output import plural, printable, seconds
from stoker.engine.view import Standing

_COLOURS: Final = {
    "succeeded": "#3f9b5f",
    "failed": "#cf4444",
    "timed_out": "#cf4444",
    "lost": "#9b6fb5",
    "canceled": "#b9a13c",
    "running": "#3f7fbf",
    "starting": "#3f7fbf",
}
_OTHER: Final = "#888888"
_NOT_XML: Final = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""What `printable` leaves in a text and XML cannot hold."""
_MAX_ROWS: Final = 1000
_PLOT: Final = 900
"""Width of the part with the bars, in pixels."""
_TOP: Final = 64
_REPEAT: Final = 40
"""The time axis is written again after so many rows."""
_LABEL: Final = 40
"""Columns of a step's id that are shown."""


class Bar(Struct, frozen=True):
    """One attempt; times in seconds from the start of the run."""

    status: str
    start: float
    end: float
    note: str = ""


class Row(Struct, frozen=True):
    """One step."""

    id: str
    bars: list[Bar]
    critical: bool = False


class Chart(Struct, frozen=True):
    """What is drawn."""

    title: str
    subtitle: str
    rows: list[Row]
    elapsed: float
    """Seconds."""


def chart(standing: Standing, critical: Collection[str], *, now: float) -> Chart:
    """The chart of a run: steps with attempts, in the order they began. `critical` are the
    ids on its critical path; what still runs is drawn up to `now` (epoch seconds)."""
    state = standing.state
    began = state.started_at if state.started_at is not None else standing.row.created_at
    rows = []
    for step_id, attempts in standing.attempts.items():
        bars = [
            Bar(
                attempt.status,
                max(0.0, attempt.started_at - began),
                max(0.0, (now if attempt.finished_at is None else attempt.finished_at) - began),
                attempt.error or "",
            )
            for attempt in attempts
        ]
        rows.append(Row(step_id, bars, step_id in critical))
    rows.sort(key=lambda row: row.bars[0].start)
    end = state.finished_at if state.finished_at is not None else now
    elapsed = max([end - began, *(row.bars[-1].end for row in rows)])
    subtitle = (
        f"run {standing.row.run_id}, {state.status}, {seconds(elapsed)}, "
        f"{plural(len(state.steps), 'step')}"
    )
    return Chart(standing.row.plan_id, subtitle, rows, elapsed)


def gantt(chart: Chart) -> str:
    """The picture. Of more than 1,000 steps the longest are drawn."""
    rows = _longest(chart.rows)
    pitch = 22 if len(rows) <= 60 else 14
    size = 12 if pitch == 22 else 10
    shown = max((min(_LABEL, cells(row.id)) for row in rows), default=0)
    left = 24 + round(shown * size * 0.62)
    width, scale = left + _PLOT + 90, _PLOT / (chart.elapsed or 1.0)
    layout = _Layout(left, pitch, size, scale)
    ticks = _ticks(chart.elapsed)
    left_out = len(chart.rows) - len(rows)
    subtitle = chart.subtitle + (f"; {left_out} short steps are not drawn" if left_out else "")
    body, y = [], _TOP
    for number, row in enumerate(rows):
        if number % _REPEAT == 0:
            y += 18
            body += [_tick_label(left + tick * scale, y - 5, tick) for tick in ticks]
        body.append(_row(row, y, layout))
        y += pitch
    height = y + 16
    lines = "".join(
        f'<line x1="{left + tick * scale:.1f}" y1="{_TOP}" x2="{left + tick * scale:.1f}" '
        f'y2="{y}"/>'
        for tick in ticks
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="ui-monospace, Menlo, Consolas, monospace" '
        f'font-size="{size}">\n'
        f"<title>{_text(chart.title)}</title>\n"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="16" y="26" font-size="16" font-weight="bold" fill="#222222">'
        f"{_text(chart.title)}</text>\n"
        f'<text x="16" y="45" font-size="12" fill="#555555">{_text(subtitle)}</text>\n'
        f"{_legend(chart.rows, width)}\n"
        f'<g stroke="#e3e3e3">{lines}</g>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _longest(rows: Sequence[Row]) -> Sequence[Row]:
    if len(rows) <= _MAX_ROWS:
        return rows
    ranked = sorted(rows, key=lambda row: row.bars[0].start - row.bars[-1].end)
    chosen = {id(row) for row in ranked[:_MAX_ROWS]}
    return [row for row in rows if id(row) in chosen]


class _Layout(Struct, frozen=True):
    left: int
    """Where the plot begins."""
    pitch: int
    """Height of a row."""
    size: int
    """Of the letters."""
    scale: float
    """Pixels per second."""


def _row(row: Row, y: int, layout: _Layout) -> str:
    left, pitch, size, scale = layout.left, layout.pitch, layout.size, layout.scale
    middle = y + pitch / 2 + size * 0.35
    label = cut(row.id, _LABEL)
    weight = ' font-weight="bold"' if row.critical else ""
    parts = [
        f'<text x="{left - 8}" y="{middle:.1f}" text-anchor="end" fill="#222222"{weight}>'
        f"{_text(label)}</text>"
    ]
    for bar in row.bars:
        stroke = ' stroke="#222222" stroke-width="1.5"' if row.critical else ""
        parts.append(
            f'<rect x="{left + bar.start * scale:.1f}" y="{y + 2}" '
            f'width="{max(1.5, (bar.end - bar.start) * scale):.1f}" height="{pitch - 4}" rx="2" '
            f'fill="{_COLOURS.get(bar.status, _OTHER)}"{stroke}>'
            f"<title>{_text(_tooltip(row, bar))}</title></rect>"
        )
    last = row.bars[-1]
    parts.append(
        f'<text x="{left + last.end * scale + 5:.1f}" y="{middle:.1f}" fill="#777777">'
        f"{seconds(last.end - row.bars[0].start)}</text>"
    )
    return "".join(parts)


def _tooltip(row: Row, bar: Bar) -> str:
    text = f"{row.id}: {bar.status} in {seconds(bar.end - bar.start)}, from {seconds(bar.start)} on"
    return f"{text}\n{bar.note}" if bar.note else text


def _legend(rows: Sequence[Row], width: int) -> str:
    present = dict.fromkeys(bar.status for row in rows for bar in row.bars)
    entries = [(name, _COLOURS.get(name, _OTHER), "none") for name in present]
    if any(row.critical for row in rows):
        entries.append(("critical path", "#ffffff", "#222222"))
    x, parts = width - 16, []
    for name, fill, stroke in reversed(entries):
        x -= 12 * 7 if len(name) <= 9 else 14 * 8 + 8
        parts.append(
            f'<rect x="{x}" y="18" width="11" height="11" rx="2" fill="{fill}" stroke="{stroke}"/>'
            f'<text x="{x + 15}" y="28" font-size="11" fill="#555555">{_text(name)}</text>'
        )
    return "".join(parts)


def _ticks(elapsed: float) -> list[float]:
    """Round times, about eight of them."""
    rough = max(elapsed, 0.001) / 8
    steps = [10.0**power * base for power in range(-4, 2) for base in (1, 2, 5)]
    steps += [minutes * 60.0 for minutes in (1, 2, 5, 10, 20, 30, 60, 120, 240, 480, 1440)]
    step = next((step for step in sorted(steps) if step >= rough), rough)
    return [number * step for number in range(int(elapsed / step) + 1)]


def _tick_label(x: float, y: int, tick: float) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" text-anchor="middle" font-size="10" fill="#777777">'
        f"{_clock(tick)}</text>"
    )


def _clock(value: float) -> str:
    if value < 60:
        return f"{value:g} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _text(text: str) -> str:
    """Any text as XML: without the control characters XML cannot hold, and escaped."""
    return escape(_NOT_XML.sub("\ufffd", printable(text)))
