"""Settings that people write: a TOML file of the state directory, which may hold secrets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


class BadFile(Exception):
    """The file at `path` cannot be read, is open to others, or makes no sense. The message
    repeats none of its values."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def read(path: Path, type_: type[T], *, secret: Callable[[T], bool]) -> T:
    """The file's content, or a `type_()` if there is none. Raises `BadFile`, also if the content
    is `secret` and others than its owner can read it."""
    try:
        with path.open("rb") as file:
            text = file.read()
            mode = os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        return type_()
    except OSError as error:
        raise BadFile(str(path), error.strerror or "cannot be read") from None
    try:
        found = msgspec.toml.decode(text, type=type_)
    except msgspec.ValidationError as error:
        raise BadFile(str(path), str(error)) from None
    except ValueError:  # the parser would quote the line, which may hold a secret
        raise BadFile(str(path), "is not TOML") from None
    if mode & 0o077 and secret(found):
        raise BadFile(str(path), "others can read the secrets in it: chmod 600 it")
    return found
