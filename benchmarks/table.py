"""The one table everything ends up in."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

_HEADS = ("measure", "who", "value", "x ninja", "x make", "x floor", "CPU s", "MB", "goal", "")


class Row(Struct, frozen=True, kw_only=True):
    """One measured thing of one program."""

    measure: str
    who: str = "stoker"
    value: float
    unit: str
    """`s`, `ms`, `us` or `MB`; `value` is in it."""
    ninja: float | None = None
    """Ratio to ninja in the same rounds."""
    make: float | None = None
    floor: float | None = None
    """Ratio to what the system itself takes, or to what `measure` names."""
    cpu: float | None = None
    """Seconds, of all processes."""
    peak: float | None = None
    """Megabytes; 0 if less than can be told."""
    goal: str = ""
    met: bool | None = None


def at_most(what: str, found: float, limit: float, unit: str = "") -> tuple[str, bool]:
    """A goal in words, and whether it is met."""
    return f"{what} <= {limit:g}{unit}", found <= limit


def at_least(what: str, found: float, limit: float, unit: str = "") -> tuple[str, bool]:
    """The same, the other way round."""
    return f"{what} >= {limit:g}{unit}", found >= limit


def _cells(row: Row, previous: str) -> tuple[str, ...]:
    def ratio(value: float | None) -> str:
        return "" if value is None else f"{value:.2f}"

    return (
        row.measure if row.measure != previous else "",
        row.who,
        f"{row.value:.3g} {row.unit}" if row.value < 1000 else f"{row.value:,.0f} {row.unit}",
        ratio(row.ninja),
        ratio(row.make),
        ratio(row.floor),
        ratio(row.cpu),
        f"{row.peak:.0f}" if row.peak else "",
        row.goal,
        "" if row.met is None else "met" if row.met else "MISSED",
    )


def render(rows: Iterable[Row]) -> str:
    """The table as Markdown, which reads well as plain text too."""
    lines = [_HEADS]
    previous = ""
    for row in rows:
        lines.append(_cells(row, previous))
        previous = row.measure
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    rule = tuple("-" * width for width in widths)

    def line_of(cells: tuple[str, ...]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    return "\n".join(line_of(cells) for cells in (lines[0], rule, *lines[1:]))
