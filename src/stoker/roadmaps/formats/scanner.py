"""Where headings and boxes stand in a Markdown file, and what only looks like one.

Follows CommonMark and GFM as far as blocks go: fences, comments and other HTML, indented code,
block quotes, lists in lists, tabs, CRLF, a BOM. It knows nothing of formats and of what is in a
line beyond its box. Fifty times as fast as a Markdown parser, and it says at which byte a mark
stands, which they do not. It is more generous than GFM where people mean a task and GFM sees
none: `-[ ] text`, marks such as `[-]`, and boxes that are indented further than they need be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from msgspec import Struct

from stoker.roadmaps.document import DEEPEST
from stoker.roadmaps.findings import Findings, Severity
from stoker.roadmaps.format import NotReadable
from stoker.roadmaps.formats.blocks import (
    ANY_BOX,
    FENCE_LINE,
    HEADS,
    LISTS,
    PLAIN,
    SETEXT,
    Item,
    heading,
    html_end,
    item_of,
    plain,
    rule,
    starts_block,
)
from stoker.roadmaps.formats.scanned import (
    BOXED,
    CODE,
    FENCE,
    HTML,
    QUOTE,
    Block,
    Box,
    Heading,
    Scan,
)

_TIMES: Final = range(DEEPEST)
_NOTHING: Final = (-1, -1, 0)


class _Open(Struct, gc=False):
    """An open list item."""

    content: int
    """The column its content stands in."""
    least: int
    """A list item indented so far belongs to it: generous with `1. `, whose content is at 3."""
    box: int
    line: int
    block: int = 0
    """The column from which on a fence or HTML goes on: that of `content`, unless Markdown
    takes the item to be over because one that is generously its own stands too far left."""


def decode(data: bytes, path: str) -> list[str]:
    """The lines of a file, without a BOM and their ends. Raises `NotReadable`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotReadable(
            f"{path}:{line}: expected UTF-8, found the byte 0x{data[error.start]:02x}"
        ) from error
    if "\0" in text:
        raise NotReadable(f"{path}: expected text, found a zero byte")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.split("\n")


def scan(data: bytes, path: str, *, include_fenced: bool = False) -> Scan:  # noqa: PLR0915
    """Scan a file; `path` is for messages. Raises `NotReadable` if it is no text."""
    lines = decode(data, path)
    begins = starts(data)
    count = len(lines)
    kinds = bytearray(count)
    headings: list[Heading] = []
    boxes: list[Box] = []
    ends: list[int] = []
    blocks: list[Block] = []
    hidden: list[int] = []
    deep: list[int] = []
    problems = Findings(path)
    stack: list[_Open] = []
    paragraph = -1  # the line an open paragraph begins in
    fence = ""  # the open one
    fence_line = fence_content = fence_indent = 0
    html: re.Pattern[str] | str | None = None  # what ends the open HTML block; "": a blank line
    html_content = 0

    def close(to: int, number: int) -> None:
        while len(stack) > to:
            item = stack.pop()
            if item.box >= 0:
                ends[item.box] = number

    def nest(indent: int, number: int) -> None:
        """Make the innermost list item that one so far indented belongs to the last open one."""
        to = len(stack)
        while to and indent < stack[to - 1].least:
            to -= 1
        if to < len(stack):
            close(to, number)
        if stack and indent < stack[-1].block:
            stack[-1].block = stack[-2].block if to > 1 else 0
        if to > DEEPEST:
            close(DEEPEST, number)
            deep.append(number)

    def above() -> tuple[int, int, int]:
        """Of a box in the innermost open item: `parent`, `group` and `depth`."""
        if not stack:
            return _NOTHING
        group = -1
        if (parent := stack[-1].box) < 0:
            group = stack[-1].line
            parent = next((outer.box for outer in reversed(stack) if outer.box >= 0), -1)
        return parent, group, boxes[parent].depth + 1 if parent >= 0 else 0

    def add(number: int, line: str, at: int, item: Item) -> int:
        parent, group, depth = above()
        state, mark, text = item.state, at + item.at, line[at + item.text :].strip()
        start = begins[number] + (mark if line.isascii() else len(line[:mark].encode()))
        end = start + (1 if state.isascii() else len(state.encode()))
        boxes.append(Box(number, at, parent, group, depth, state, start, end, text, item.star))
        ends.append(count)
        kinds[number] = BOXED
        return len(boxes) - 1

    first, wrapped, last = _frame(lines, kinds)
    number = first - 1
    while (number := number + 1) < last:
        line = lines[number]
        rest = line.lstrip(" \t")
        if not rest:
            paragraph = -1
            if fence:
                kinds[number] = FENCE
            elif html == "":
                html = None
            elif html is not None:
                kinds[number] = HTML
            continue
        if paragraph >= 0 and rest[0] not in HEADS:
            continue
        at = len(line) - len(rest)
        indent = at if not at or "\t" not in line[:at] else len(line[:at].expandtabs(4))
        if (
            plain(line, at)
            and (paragraph >= 0 or not at)
            and (stack or indent < 4)
            and not (fence or html is not None)
        ):  # Nearly all boxes. What is below comes to the same, in several times the time.
            if stack:
                nest(indent, number)
            parent, group, depth = above()
            lead, mark, after, box = line[:at], at + 3, at + 6, len(boxes)
            while True:  # with more of the same list
                begin, end = begins[number] + mark, number + 1
                boxes.append(
                    Box(
                        number, at, parent, group, depth, line[mark],
                        begin, begin + 1, line[after:].strip(), False,
                    )
                )  # fmt: skip
                ends.append(end)
                kinds[number] = BOXED
                if not (
                    end < last
                    and (line := lines[end])[at:after] in PLAIN
                    and " " < line[after : after + 1] < "\x7f"
                    and line[:at] == lead
                ):
                    break
                number = end
            ends[-1] = count
            paragraph = number
            stack.append(_Open(indent + 2, indent + 2, len(boxes) - 1, number, indent + 2))
            continue
        if fence:
            if indent >= fence_content:
                kinds[number] = FENCE
                if (
                    rest.startswith(fence)
                    and indent - fence_content < 4
                    and not rest.strip(fence[0] + " \t")
                    and " " not in rest.rstrip()
                ):
                    blocks.append(_block(lines, fence_line, number))
                    fence = ""
                    continue
                inner = FENCE_LINE.match(rest)
                if inner and (inner[2] or inner[4] or "").strip() and inner[0][:3] == fence[:3]:
                    place, said = (number + 1, at + 1), f"the one of line {fence_line + 1}"
                    problems.tell(place, _UNBALANCED, f"a fence is opened inside {said}", "warning")
                if ANY_BOX.match(rest):
                    item = item_of(rest)
                    if include_fenced and item and item.state:
                        while stack and stack[-1].line > fence_line and indent < stack[-1].least:
                            close(len(stack) - 1, number)
                        if len(stack) > DEEPEST:
                            close(DEEPEST, number)
                            deep.append(number)
                        box = add(number, line, at, item)
                        stack.append(_Open(indent + 2, indent + 2, box, number))
                    else:
                        hidden.append(number)
                continue
            blocks.append(_block(lines, fence_line, number))
            fence = ""
        if html is not None:
            if indent >= html_content:
                kinds[number] = HTML
                if ANY_BOX.match(rest):
                    hidden.append(number)
                if html and (html in rest if isinstance(html, str) else html.search(rest)):
                    html = None
                continue
            html = None
        for _ in _TIMES:  # more than once if a list marker is followed by another block
            head = rest[0]
            if head not in HEADS:
                if paragraph < 0:
                    if stack and indent < stack[-1].content:
                        close(_depth(stack, indent), number)
                    if indent - (stack[-1].content if stack else 0) >= 4:
                        kinds[number] = CODE
                    else:
                        paragraph = number
                break
            content = stack[-1].content if stack else 0
            if (
                paragraph >= 0
                and head in "=-"
                and content <= indent < content + 4
                and kinds[paragraph] != QUOTE
                and (under := SETEXT.match(rest))
            ):
                if not stack:
                    text = " ".join(part.strip() for part in lines[paragraph:number])
                    headings.append(Heading(paragraph, 1 if under[1][0] == "=" else 2, text))
                paragraph = -1
                break
            if head in LISTS and (item := item_of(rest)):
                if (
                    paragraph >= 0
                    and (not stack or indent >= stack[-1].least)
                    and (
                        (item.number not in ("", "1") and kinds[paragraph] != QUOTE)
                        or (not stack and indent >= 4)
                    )
                ):
                    break  # goes on with the paragraph
                depth = len(stack)
                while depth and indent < stack[depth - 1].least:
                    depth -= 1
                base = stack[depth - 1].content if depth else 0
                if paragraph < 0 and indent - base >= 4:
                    close(depth, number)
                    kinds[number] = CODE
                    if ANY_BOX.match(rest):
                        hidden.append(number)
                    break
                nest(indent, number)
                paragraph = -1
                begin, space = indent + item.marker, len(item.blank)
                if "\t" in item.blank:
                    space = len((" " * begin + item.blank).expandtabs(4)) - begin
                inside = begin + (space if 0 < space < 5 else 1)
                if item.state and space < 5:
                    box = add(number, line, at, item)
                    stack.append(_Open(inside, indent + 2, box, number, inside))
                    paragraph = number
                    break
                stack.append(_Open(inside, indent + 2, -1, number, inside))
                width = item.marker + len(item.blank)
                rest = rest[width:].lstrip(" \t")
                if not rest or space > 4:
                    break
                at += width
                indent = inside
                continue
            if paragraph >= 0 and stack and indent < stack[-1].content:
                # Only plain text goes on with a paragraph from outside of its item.
                if head in "#>`~<-*_" and starts_block(rest):
                    close(0 if not indent else _depth(stack, indent), number)
                    paragraph = -1
            elif paragraph < 0 and stack and indent < stack[-1].content:
                close(_depth(stack, indent), number)
            content = stack[-1].content if stack else 0
            if indent - content >= 4 and paragraph < 0:
                kinds[number] = CODE
                break
            if indent - content >= 4:
                break  # goes on with the paragraph
            if head == "#" and (title := heading(rest)):
                paragraph = -1
                if not stack:
                    headings.append(Heading(number, *title))
                break
            if head in "`~" and (opened := FENCE_LINE.match(rest)):
                paragraph = -1
                fence = opened[1] or opened[3]
                fence_line, fence_indent = number, indent
                fence_content = stack[-1].block if stack else 0
                kinds[number] = FENCE
                break
            if head == "<" and (ended := html_end(rest, paragraph)) is not None:
                kinds[number] = HTML
                paragraph = -1
                html, html_content = ended, stack[-1].block if stack else 0
                if html and (html in rest[4:] if isinstance(html, str) else html.search(rest)):
                    html = None
                break
            if head == ">":
                kinds[number] = QUOTE
                quoted = rest.lstrip("> \t")
                paragraph = number if quoted and not starts_block(quoted) else -1
                if ANY_BOX.match(rest):
                    hidden.append(number)
                break
            if head in "-*_" and rule(rest):
                close(_depth(stack, indent), number)
                paragraph = -1
                break
            if paragraph < 0:
                paragraph = number
            break
        else:
            deep.append(number)
    close(0, last)
    if fence:
        blocks.append(_block(lines, fence_line, last))
        place, said = (fence_line + 1, fence_indent + 1), "this fence is never closed"
        problems.tell(place, _UNBALANCED, f"{said}: nothing below it is read", "warning")
    if wrapped:
        kinds[first - 1] = FENCE
    if deep:
        message = f"lists nest deeper than {DEEPEST} levels: taken as of that level"
        problems.tell((deep[0] + 1, 1), "deep-nesting", message, "warning")
    _report(hidden, kinds, problems)
    return Scan(lines, kinds, headings, boxes, ends, blocks, problems)


def starts(data: bytes) -> list[int]:
    """At which byte each line begins."""
    bom = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    sizes = map(len, data[bom:].splitlines(keepends=True))
    return list(accumulate(sizes, initial=bom))


def _frame(lines: list[str], kinds: bytearray) -> tuple[int, bool, int]:
    """The lines of the document proper: without YAML in front, and without a fence around all of
    it, as Codex writes its plans."""
    first, last = 0, len(lines)
    if lines[0].rstrip() == "---" and last > 1 and re.match(r"[\w-]+[ \t]*:", lines[1]):
        closing = next((n for n in range(1, last) if lines[n].rstrip() in ("---", "...")), -1)
        first = closing + 1
        kinds[:first] = bytes([CODE]) * first
    filled = [n for n in (*range(first, min(last, first + 50)),) if lines[n].strip()]
    if filled and re.fullmatch(r"(`{3,}|~{3,})[ \t]*(md|markdown)[ \t]*", lines[filled[0]]):
        fence = lines[filled[0]].rstrip()[:3]
        end = last
        while not lines[end - 1].strip():
            end -= 1
        if lines[end - 1].startswith(fence) and not lines[end - 1].strip(fence[0] + " \t"):
            kinds[end - 1] = FENCE
            return filled[0] + 1, True, end - 1
    return first, False, last


def _block(lines: list[str], line: int, end: int) -> Block:
    info = lines[line].lstrip("-*+0123456789.) \t").lstrip("`~").split()
    return Block(line, end, info[0] if info else "")


def _depth(stack: list[_Open], indent: int) -> int:
    depth = len(stack)
    while depth and indent < stack[depth - 1].content:
        depth -= 1
    return depth


_UNBALANCED = "unbalanced-fence"
_WHY: dict[int, tuple[Severity, str, str]] = {
    FENCE: ("warning", "fenced-boxes", "in fenced code"),
    HTML: ("note", "commented-boxes", "in comments or HTML"),
    QUOTE: ("note", "quoted-boxes", "in block quotes"),
    CODE: ("note", "indented-boxes", "in indented code"),
}


def _report(hidden: Iterable[int], kinds: bytearray, problems: Findings) -> None:
    """Tell how many boxes do not count, and where: one problem for each reason."""
    found: dict[int, list[int]] = {}
    for line in hidden:
        found.setdefault(kinds[line], []).append(line + 1)
    for kind, places in sorted(found.items()):
        severity, code, where = _WHY[kind]
        named = ", ".join(map(str, places[:10])) + (", ..." if len(places) > 10 else "")
        boxes = "1 box" if len(places) == 1 else f"{len(places)} boxes"
        message = f"{boxes} {where} not taken as tasks: line {named}"
        problems.tell((places[0], 1), code, message, severity)
