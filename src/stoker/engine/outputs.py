"""What a step hands on: the file named by `$STOKER_OUTPUT`.

Either a JSON object, or lines `name=value`; a value of several lines is written as
`name<<END`, the lines, and a line `END`. Sizes are bounded: a step's outputs to 16 MiB,
and a value over 64 KiB travels as a file artefact, which the journal only names.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from stoker import whole_file

MAX_FILE: Final = 16 * 1024 * 1024
MAX_INLINE: Final = 64 * 1024

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ARTEFACT = re.compile(r"/[^/]+/artefacts/[0-9a-f]{64}")


class OutputError(Exception):
    """The step wrote something that is not outputs; the message says where and what."""


def read(path: str, redact: Callable[[str], str] = str) -> dict[str, Any]:
    """The outputs a step wrote; empty if it wrote none. Raises `OutputError`, whose text has
    been through `redact`; the outputs have not."""
    content = whole(path, "$STOKER_OUTPUT")
    return {} if content is None else parse(content, redact)


def whole(path: str, name: str) -> bytes | None:
    """Like `content_of`, but `OutputError` for more than `MAX_FILE`."""
    content = content_of(path, name)
    if content is not None and len(content) > MAX_FILE:
        raise OutputError(f"{name} has more than {MAX_FILE} bytes: what is large travels as a file")
    return content


def content_of(path: str, name: str) -> bytes | None:
    """Up to a byte more than `MAX_FILE` of what a step wrote to the file it knows as `name`;
    None if there is no such file. Raises `OutputError` for anything but a plain file."""
    try:
        # Not to wait for a FIFO's writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"{name}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OutputError(f"{name} is not a plain file any more")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_FILE + 1)
    except OSError as error:
        raise OutputError(f"{name}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def replace(path: str, content: bytes) -> None:
    """Write a file anew, all or nothing. Raises `OutputError`."""
    try:
        whole_file.replace(Path(path), content)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error


def parse(content: bytes, redact: Callable[[str], str] = str) -> dict[str, Any]:
    """Outputs from the file's content. Raises `OutputError`; see `read`."""
    text = content.lstrip()
    if text.startswith(b"{"):
        try:
            decoded = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise OutputError(f"$STOKER_OUTPUT starts like a JSON object, but {error}") from error
        for name in decoded:
            _check(name, "$STOKER_OUTPUT", redact)
        return dict(decoded)
    return _lines(content.decode("utf-8", errors="replace").splitlines(), redact)


def _lines(lines: list[str], redact: Callable[[str], str]) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        if not line.strip():
            continue
        place = f"$STOKER_OUTPUT line {number}"
        name, equals, value = line.partition("=")
        heredoc, mark, end = line.partition("<<")
        if mark and (not equals or len(heredoc) < len(name)):
            collected: list[str] = []
            for _, following in numbered:
                if following == end:
                    break
                collected.append(following)
            else:
                error = f"{place}: no line {end!r} ends the value of {heredoc!r}"
                raise OutputError(redact(error))
            name, value = heredoc, "\n".join(collected)
        elif not equals:
            raise OutputError(f"{place}: expected name=value, found {redact(line)[:80]!r}")
        _check(name, place, redact)
        outputs[name] = value
    return outputs


def _check(name: str, place: str, redact: Callable[[str], str]) -> None:
    if not _NAME.fullmatch(name):
        found = redact(name)[:80]
        raise OutputError(f"{place}: {found!r} is not a name (letters, digits, '_', '.', '-')")


def settle(outputs: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Move large values into files under `directory`; what is left is small enough to journal.

    A moved value becomes `{"$file": path, "sha256": hex, "bytes": size}`.
    """
    settled: dict[str, Any] = {}
    for name, value in outputs.items():
        encoded = value.encode() if isinstance(value, str) else msgspec.json.encode(value)
        if len(encoded) <= MAX_INLINE:
            settled[name] = value
            continue
        digest = hashlib.sha256(encoded).hexdigest()
        path = directory / digest
        whole_file.replace(path, encoded)
        settled[name] = {"$file": str(path), "sha256": digest, "bytes": len(encoded)}
    return settled


def refuse_references(outputs: Mapping[str, Any], runs: Path | None = None) -> None:
    """Only the engine makes values of the form `settle` gives: its readers open what they name.

    `runs`, the directory of all runs: references to the artefacts in it are let through, as
    a nested plan hands them on. Raises `OutputError` for any other.
    """
    for name, value in outputs.items():
        for path in _references(value):
            if runs is None or not _is_artefact(path, os.path.realpath(runs)):
                raise OutputError(f"output {name!r}: '$file' is for the engine to write")


def _is_artefact(path: str, runs: str) -> bool:
    real = os.path.realpath(path)
    return real.startswith(runs) and _ARTEFACT.fullmatch(real, len(runs)) is not None


def _references(value: Any) -> Iterator[str]:
    """The paths of all artefacts a value names, however deep."""
    if (path := artefact(value)) is not None:
        yield path
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _references(item)


def artefact(value: Any) -> str | None:
    """The path of a value that travels as a file, or None."""
    if isinstance(value, dict) and isinstance(path := value.get("$file"), str):
        return path
    return None
