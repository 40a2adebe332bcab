"""Text by the columns a terminal gives it: wide letters take two, combining marks none."""

from __future__ import annotations


def cells(text: str) -> int:
    """The columns that printed text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """The text, with blanks up to so many columns."""
    return text + " " * (width - cells(text))


def cut(text: str, width: int) -> str:
    """The text, its end replaced by `…` where it takes more columns than `width`."""
    if cells(text) <= width:
        return text
    while text and cells(text) >= width:
        text = text[:-1]
    return text + "…"[:width]
