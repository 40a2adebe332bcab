"""Why something broke, for a person."""

from __future__ import annotations

import re

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def words(error: BaseException) -> str:
    """What the error says, without its class: of the system's `No such file or directory: /x`,
    of one that says nothing `read timeout`."""
    if isinstance(error, OSError) and error.strerror:
        place = error.filename2 or error.filename
        return f"{error.strerror}: {place}" if place else error.strerror
    return str(error) or _WORDS.sub(" ", type(error).__name__.removesuffix("Error")).lower()


def broke(error: Exception, kind: str | None = None) -> str:
    """Why an attempt failed by an exception that its kind let pass. Where that is neither of
    Stoker nor of the system, the kind (None: any) is at fault, and its author is told more."""
    if isinstance(error, OSError) or type(error).__module__.startswith("stoker."):
        return words(error)
    who = "a kind of step" if kind is None else f"kind {kind!r}"
    return f"{who} broke: {type(error).__name__}: {error}"
