"""The sources that a compilation reaches: those given, Stoker's own forge-std, and npm packages of
the project. Nothing else is read from any disk, neither here nor by the compiler."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Final

from stoker.chains.errors import CompileFailed
from stoker.chains.solidity import forge_std
from stoker.chains.solidity.compilation import Diagnostic
from stoker.chains.solidity.outline import outline

_FILES: Final = 2_000
_BYTES: Final = 8 << 20
GIVEN: Final = 1 << 19
"""Characters that the sources which are handed over may have."""


class Refused(Exception):
    """An import that leads nowhere; the message says why."""


def reach(given: Mapping[str, str], project: Path | None) -> dict[str, str]:
    """Name -> text of the given sources and all they import, directly or not.

    `project`: a directory whose `node_modules`, or those of the directories above, have the npm
    packages. Raises `CompileFailed` naming every import that leads nowhere.
    """
    size = sum(map(len, given.values()))
    if size > GIVEN:
        raise CompileFailed([Diagnostic(message=too_large(size))])
    reached = dict(given)
    todo = list(given)
    library: set[str] = set()
    problems: list[Diagnostic] = []
    while todo and len(reached) <= _FILES and size <= _BYTES:
        name = todo.pop()
        text = reached[name]
        for one in outline(text).imports:
            try:
                wanted = _named(one.path, name)
                if wanted in reached or wanted in library:
                    continue
                if wanted.startswith(forge_std.PREFIX):
                    library.add(_own(wanted))
                    continue
                reached[wanted] = _find(wanted, project)
                todo.append(wanted)
                size += len(reached[wanted])
            except Refused as refused:
                problems.append(Diagnostic.at(one.at, str(refused), file=name, text=text))
    if len(reached) > _FILES or size > _BYTES:
        message = f"the sources are more than {_FILES:,} files or {_BYTES >> 20} MiB"
        problems.append(Diagnostic(message=message))
    if problems:
        raise CompileFailed(problems)
    return reached | forge_std.needed(library, reached.values())


def too_large(size: int) -> str:
    """Of what is handed over."""
    return f"the script has {size:,} characters; {GIVEN:,} is the most"


def _named(path: str, importer: str) -> str:
    """The name that solc gives to what is imported by `path`."""
    if "\\" in path or "\0" in path or "://" in path or path.startswith("/"):
        raise Refused(f"{path!r} is no relative path and no package's: it is not imported")
    if not path.startswith(("./", "../")):
        if ".." in path.split("/"):
            raise Refused(f"{path!r} leaves its package")
        return path
    parts = list(PurePosixPath(importer).parts[:-1])
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise Refused(f"{path!r} leads out of the sources")
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _own(name: str) -> str:
    if name not in forge_std.sources():
        there = ", ".join(sorted(forge_std.sources()))
        raise Refused(f"Stoker's forge-std has no {name!r}; it has {there}")
    return name


def _find(name: str, project: Path | None) -> str:
    parts = name.split("/")
    package = "/".join(parts[: 2 if name.startswith("@") else 1])
    if package == name or not name.endswith(".sol") or parts[0] in {"", "."}:
        raise Refused(f"{name!r} is not among the sources, and is no file of a package")
    home = _package(package, project)
    if home is None:
        where = f"in node_modules of {project} or above" if project else "here"
        raise Refused(
            f"{name!r} is not among the sources, and there is no package {package} {where}: "
            f"npm install {package}"
        )
    file = (home / name[len(package) + 1 :]).resolve()
    if not file.is_relative_to(home):
        raise Refused(f"{name!r} leads out of its package")
    try:
        status = file.stat()
        return _read(file, status.st_mtime_ns, status.st_size)
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{name!r} cannot be read from package {package}: {error}") from error


def _package(name: str, project: Path | None) -> Path | None:
    if project is None:
        return None
    project = project.resolve()
    for directory in (project, *project.parents):
        home = directory / "node_modules" / name
        if home.is_dir():
            return home.resolve()
    return None


@lru_cache(maxsize=2048)
def _read(file: Path, _changed: int, size: int) -> str:
    if size > _BYTES:
        raise Refused(f"{file.name} has {size:,} bytes")
    return file.read_text(encoding="utf-8")
