"""The merge policy: which class a file is of, and what settles a conflict in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from safe_merge.errors import Refused

RULES: Final = ("ours", "theirs", "union", "regenerate", "refuse")
SIDES: Final = ("ours", "theirs", "none")
_FIELDS: Final = ("paths", "detect", "on_conflict", "command", "start_from")


class FileClass(NamedTuple):
    """Files that are merged alike."""

    name: str
    paths: tuple[str, ...] = ()
    detect_binary: bool = False
    """Also files whose content is binary, whatever they are called."""
    rule: str = "refuse"
    command: str = ""
    """Writes the files anew (`regenerate`), run in the merged tree."""
    start_from: str = "theirs"
    """The side whose version is there when `command` starts."""

    def takes(self, path: str, *, binary: bool) -> bool:
        return (self.detect_binary and binary) or bool(_pattern(self.paths).fullmatch(path))


class Policy(NamedTuple):
    """Classes in the order they are tried; the last one takes every file."""

    classes: tuple[FileClass, ...]

    def classify(self, path: str, *, binary: bool = False) -> FileClass:
        return next(kind for kind in self.classes if kind.takes(path, binary=binary))


def load(path: Path) -> Policy:
    """Read a policy file. Raises `Refused` with everything that is wrong with it."""
    import yaml

    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Refused(f"the merge policy {path} cannot be read: {error}") from error
    classes = raw.get("classes") if isinstance(raw, dict) else None
    if not isinstance(classes, dict) or set(raw) != {"classes"} or not classes:
        raise Refused(f"{path}: expected a map with the one key 'classes', and in it one or more")
    problems = [p for name, entry in classes.items() for p in _problems(str(name), entry)]
    if problems:
        raise Refused("\n".join(f"{path}: classes.{problem}" for problem in problems))
    read = tuple(_class(str(name), entry) for name, entry in classes.items())
    return Policy((*read, FileClass("other", ("**",))))


def _class(name: str, entry: Mapping[str, Any]) -> FileClass:
    return FileClass(
        name=name,
        paths=tuple(entry.get("paths", ())),
        detect_binary=entry.get("detect") == "binary",
        rule=entry["on_conflict"],
        command=entry.get("command", ""),
        start_from=entry.get("start_from", "theirs"),
    )


def _problems(name: str, entry: Any) -> Iterable[str]:
    if not isinstance(entry, dict):
        yield f"{name}: expected a map of {', '.join(_FIELDS)}, found {entry!r}"
        return
    for field in entry.keys() - set(_FIELDS):
        yield f"{name}: unknown field {field!r}; expected {', '.join(_FIELDS)}"
    rule, paths = entry.get("on_conflict"), entry.get("paths", [])
    if rule not in RULES:
        yield f"{name}.on_conflict: expected one of {', '.join(RULES)}, found {rule!r}"
    if not isinstance(paths, list) or not all(isinstance(p, str) and p for p in paths):
        yield f"{name}.paths: expected a list of globs, found {paths!r}"
    if not paths and "detect" not in entry:
        yield f"{name}: expected 'paths' or 'detect: binary'"
    if entry.get("detect", "binary") != "binary":
        yield f"{name}.detect: expected binary, found {entry['detect']!r}"
    if not isinstance(entry.get("command", ""), str):
        yield f"{name}.command: expected a shell command, found {entry['command']!r}"
    if (rule == "regenerate") != bool(entry.get("command")):
        yield f"{name}: 'command' and 'on_conflict: regenerate' go together"
    start = entry.get("start_from", "theirs")
    if start not in SIDES:
        yield f"{name}.start_from: expected one of {', '.join(SIDES)}, found {start!r}"


@cache
def _pattern(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_regex, globs)) or r"(?!)")


def _regex(glob: str) -> str:
    """As in .gitignore: without a slash a glob means a name at any depth, `*` stays within a
    directory, `**` does not."""
    anchored = glob.lstrip("/")
    if "/" not in glob.rstrip("/"):
        anchored = f"**/{anchored}"
    if anchored.endswith("/"):
        anchored += "**"
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", anchored)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "(?s:" + "".join(wild.get(part) or re.escape(part) for part in parts) + ")"
