"""What scanning a Markdown file finds: its lines, headings, boxes and fenced blocks."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from stoker.roadmaps.document import Problem

TEXT, FENCE, HTML, QUOTE, CODE, BOXED = range(6)
"""What a line is: `BOXED` has a box that counts, the others but `TEXT` have none."""


class Heading(NamedTuple):
    """A heading outside of lists and quotes."""

    line: int
    """From 0, as all lines here."""
    level: int
    text: str


class Box(Struct, frozen=True, gc=False):
    """A list item that begins with a box."""

    line: int
    column: int
    """Of its list marker, in characters from 0."""
    parent: int
    """Index of the box it is nested under, or -1."""
    group: int
    """The line of the item without a box that it is directly nested under, or -1."""
    depth: int
    """How many boxes it is nested under."""
    state: str
    """What stands between the brackets."""
    start: int
    """Where that is, in bytes of the file."""
    end: int
    text: str
    """The rest of the line."""
    star: bool
    """`[ ]*`."""


class Block(NamedTuple):
    """A fenced block: the lines of its fences, or of the first and the one behind the last."""

    line: int
    end: int
    """The line of the closing fence, or the one behind the last line if there is none."""
    language: str


class Scan(NamedTuple):
    """A scanned file."""

    lines: list[str]
    """Without their ends."""
    kinds: bytearray
    """What each line is."""
    headings: list[Heading]
    boxes: list[Box]
    ends: list[int]
    """For each box the line behind the last one that belongs to it."""
    blocks: list[Block]
    problems: list[Problem]
