"""Commit messages and their trailers, without git's help: its trailer settings name programs."""

from __future__ import annotations

import re
from collections.abc import Sequence

Trailers = Sequence[tuple[str, str]]

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_LINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*: \S.*")


def compose(message: str, trailers: Trailers = ()) -> bytes:
    """The message as git stores it. Raises ValueError: it is empty, or a trailer is malformed."""
    text = "\n".join(line.rstrip() for line in message.replace("\0", "").splitlines()).strip()
    if not text:
        raise ValueError("a commit needs a message")
    lines = []
    for key, value in trailers:
        if not _KEY.fullmatch(key):
            raise ValueError(f"trailer: {key!r} is not a name of letters, digits and '-'")
        if not value.strip() or re.search(r"[\x00-\x1f\x7f]", value):
            raise ValueError(f"trailer {key}: expected one line of text, found {value!r}")
        lines.append(f"{key}: {value.strip()}")
    if lines:
        last = text.rpartition("\n\n")
        continues = bool(last[1]) and all(map(_LINE.fullmatch, last[2].splitlines()))
        text += ("\n" if continues else "\n\n") + "\n".join(lines)
    return (text + "\n").encode("utf-8", "surrogateescape")
