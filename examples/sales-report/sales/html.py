"""A page with a table on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<h1>{title}</h1>
<table>
{rows}
</table>
</html>
"""


def page(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, links: bool = False
) -> str:
    """The page; with `links`, the first cell of a row links to the page of that name."""
    lines = [_row("th", map(escape, columns))]
    for first, *rest in rows:
        name = escape(str(first))
        cell = f'<a href="{name}.html">{name}</a>' if links else name
        lines.append(_row("td", (cell, *(escape(str(value)) for value in rest))))
    return _PAGE.format(title=escape(title), rows="\n".join(lines))


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"
