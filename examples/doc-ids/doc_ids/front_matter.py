"""The `id:` line in a document's front matter, on bytes: whatever else is there stays."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FRONT = re.compile(
    rb"\A(?:\xef\xbb\xbf)?---[ \t]*(?P<eol>\r?\n)(?P<body>.*?)^(?:---|\.\.\.)[ \t]*\r?$",
    re.DOTALL | re.MULTILINE,
)
_LINE = re.compile(rb"^id[ \t]*:(?P<value>(?:[ \t][^\r\n]*)?)(?=\r?$)", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s)#.*")
_PLAIN = re.compile(r""""([^"\\]*)"|'([^']*)'|([^"'&*!|>%@`{}\[\],].*)?""")
_NULL = ("", "~", "null", "Null", "NULL")


class NoPlace(Exception):
    """The document cannot hold the id; the message says why."""


@dataclass(frozen=True)
class FrontMatter:
    """Where things are in a document that has front matter."""

    id: str | None
    """None: there is no id line, or an empty one."""
    line: bytes | None
    """The id line as it stands, without its end."""
    span: tuple[int, int]
    """What an id line replaces; empty where it is to be inserted."""
    eol: bytes
    """How the document ends its lines."""


def read(content: bytes) -> FrontMatter | None:
    """The front matter; None if the document has none. Raises `NoPlace` for an id that is
    no plain word, or is there twice."""
    front = _FRONT.match(content)
    if front is None:
        return None
    lines = list(_LINE.finditer(content, front.start("body"), front.end("body")))
    if len(lines) > 1:
        raise NoPlace(f"has {len(lines)} id lines")
    if not lines:
        start = front.start("body")
        return FrontMatter(None, None, (start, start), front["eol"])
    line = lines[0]
    text = _COMMENT.sub("", line["value"].decode("utf-8", errors="replace")).strip()
    plain = _PLAIN.fullmatch(text)
    if plain is None:
        raise NoPlace(f"has an id that is no plain value: {text!r}")
    value = next(filter(None, plain.groups()), "").strip()
    return FrontMatter(None if value in _NULL else value, line[0], line.span(), front["eol"])


def with_line(content: bytes, line: bytes) -> bytes:
    """The document with `line` for its id line, and not another byte changed.
    Raises `NoPlace`."""
    front = read(content)
    if front is None:
        raise NoPlace("has no front matter to hold it")
    start, end = front.span
    inserted = line if front.line is not None else line + front.eol
    return content[:start] + inserted + content[end:]
