"""A run's Gantt chart as a self-contained SVG picture. Pure: times in, text out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct

from stoker.cli.output import cells, cut, plural, printable, seconds
from stoker.engine.view import Standing
from stoker.journal.base import AttemptRow
from stoker.plan.drawing import xml_text

_COLOURS: Final = {
    "succeeded": "#3f9b5f",
    "failed": "#cf4444",
    "timed_out": "#cf4444",
    "lost": "#9b6fb5",
    "canceled": "#b9a13c",
    "running": "#3f7fbf",
    "starting": "#3f7fbf",
}
_MAX_ROWS: Final = 1000
_PLOT: Final = 900
"""Width of the part with the bars, in pixels."""
_TOP: Final = 64
_REPEAT: Final = 40
"""The time axis is written again after so many rows."""
_LABEL: Final = 40
"""Columns of a step's id that are shown."""


class _Layout(Struct, frozen=True):
    began: float
    now: float
    left: int
    """Where the plot begins."""
    pitch: int
    """Height of a row."""
    size: int
    """Of the letters."""
    scale: float
    """Pixels per second."""

    def span(self, attempt: AttemptRow) -> tuple[float, float]:
        """When it began and ended, in seconds from the start of the run."""
        end = self.now if attempt.finished_at is None else attempt.finished_at
        return max(0.0, attempt.started_at - self.began), max(0.0, end - self.began)

    def x(self, moment: float) -> str:
        """Where a moment of the run is."""
        return f"{self.left + moment * self.scale:.1f}"


def gantt(standing: Standing, critical: Collection[str], *, now: float) -> str:
    """The picture of a run: its steps with attempts, in the order they began, of more than 1,000
    the longest. `critical` are the ids on its critical path; what still runs is drawn up to `now`
    (epoch seconds)."""
    state = standing.state
    began = state.started_at if state.started_at is not None else standing.row.created_at
    ends = [state.finished_at, *(rows[-1].finished_at for rows in standing.attempts.values())]
    elapsed = max(now if end is None else end for end in ends) - began
    steps = _longest(standing.attempts, now)
    pitch, size = (22, 12) if len(steps) <= 60 else (14, 10)
    shown = max((min(_LABEL, cells(step)) for step in steps), default=0)
    left = 24 + round(shown * size * 0.62)
    layout = _Layout(began, now, left, pitch, size, _PLOT / (elapsed or 1.0))
    ticks = _ticks(elapsed)
    body, y = [], _TOP
    for number, step in enumerate(steps):
        if number % _REPEAT == 0:
            y += 18
            body += [_tick_label(layout.x(tick), y - 5, tick) for tick in ticks]
        body.append(_row(step, standing.attempts[step], y, layout, critical=step in critical))
        y += pitch
    width, height = left + _PLOT + 90, y + 16
    lines = "".join(
        f'<line x1="{layout.x(tick)}" y1="{_TOP}" x2="{layout.x(tick)}" y2="{y}"/>'
        for tick in ticks
    )
    count = plural(len(state.steps), "step")
    subtitle = f"run {standing.row.run_id}, {state.status}, {seconds(elapsed)}, {count}"
    if left_out := len(standing.attempts) - len(steps):
        subtitle += f"; {left_out} short steps are not drawn"
    title = _text(standing.row.plan_id)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="ui-monospace, Menlo, Consolas, monospace" '
        f'font-size="{size}">\n'
        f"<title>{title}</title>\n"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="16" y="26" font-size="16" font-weight="bold" fill="#222222">{title}</text>\n'
        f'<text x="16" y="45" font-size="12" fill="#555555">{_text(subtitle)}</text>\n'
        f"{_legend(standing, width, critical)}\n"
        f'<g stroke="#e3e3e3">{lines}</g>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _longest(attempts: Mapping[str, list[AttemptRow]], now: float) -> list[str]:
    """The steps that are drawn, in the order they began."""

    def took(step: str) -> float:
        first, last = attempts[step][0], attempts[step][-1]
        return (now if last.finished_at is None else last.finished_at) - first.started_at

    chosen = sorted(attempts, key=took, reverse=True)[:_MAX_ROWS]
    return sorted(chosen, key=lambda step: attempts[step][0].started_at)


def _row(step: str, attempts: list[AttemptRow], y: int, layout: _Layout, *, critical: bool) -> str:
    middle = y + layout.pitch / 2 + layout.size * 0.35
    weight = ' font-weight="bold"' if critical else ""
    stroke = ' stroke="#222222" stroke-width="1.5"' if critical else ""
    parts = [
        f'<text x="{layout.left - 8}" y="{middle:.1f}" text-anchor="end" fill="#222222"{weight}>'
        f"{_text(cut(step, _LABEL))}</text>"
    ]
    for attempt in attempts:
        start, end = layout.span(attempt)
        about = f"{step}: {attempt.status} in {seconds(end - start)}, from {seconds(start)} on"
        about += f"; {attempt.error}" if attempt.error else ""
        parts.append(
            f'<rect x="{layout.x(start)}" y="{y + 2}" '
            f'width="{max(1.5, (end - start) * layout.scale):.1f}" height="{layout.pitch - 4}" '
            f'rx="2" fill="{_COLOURS[attempt.status]}"{stroke}><title>{_text(about)}</title></rect>'
        )
    start, end = layout.span(attempts[0])[0], layout.span(attempts[-1])[1]
    parts.append(
        f'<text x="{layout.x(end)}" dx="5" y="{middle:.1f}" fill="#777777">'
        f"{seconds(end - start)}</text>"
    )
    return "".join(parts)


def _legend(standing: Standing, width: int, critical: Collection[str]) -> str:
    present = dict.fromkeys(row.status for rows in standing.attempts.values() for row in rows)
    entries = [(str(name), _COLOURS[name], "none") for name in present]
    if critical:
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


def _tick_label(x: str, y: int, tick: float) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="middle" font-size="10" fill="#777777">'
        f"{_clock(tick)}</text>"
    )


def _clock(value: float) -> str:
    if value < 60:
        return f"{value:g} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _text(text: str) -> str:
    return xml_text(printable(text))
