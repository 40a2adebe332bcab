"""Which format a plan file is of, and reading it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Final

from stoker.roadmaps import formats as _formats
from stoker.roadmaps.document import Roadmap
from stoker.roadmaps.format import Format, NotReadable, Reading, Source

GROUP: Final = "stoker.roadmap_formats"
"""The entry point group in which other packages declare formats: `name = "module:FORMAT"`."""

_HOMES: Final = frozenset(
    (".taskmaster", ".kiro", ".cursor", ".ralph", ".specify", "openspec", "backlog", ".backlog")
)
"""Directories that tools put into a project's root."""


@cache
def registry() -> Mapping[str, Format]:
    """Every format by name: the modules of `formats` that have a `FORMAT`, then those of other
    packages; a name that is taken stays as it is. Raises `NotReadable` if a package's cannot
    be loaded."""
    from importlib.metadata import entry_points

    found: dict[str, Format] = {}
    for module in sorted(one.name for one in iter_modules(_formats.__path__)):
        one = getattr(import_module(f"{_formats.__name__}.{module}"), "FORMAT", None)
        if one is not None:
            found[one.name] = one
    for point in entry_points(group=GROUP):
        try:
            one = point.load()
            found.setdefault(one.name, one)
        except Exception as error:  # foreign code: whatever it raises, it cannot be used
            package = point.dist.name if point.dist else point.value
            raise NotReadable(
                f"format {point.name!r} of package {package} cannot be loaded: {error}"
            ) from error
    return found


def read(
    path: Path,
    *,
    root: Path | None = None,
    format: str | None = None,
    reading: Reading | None = None,
) -> Roadmap:
    """The document of a plan file or of a directory of plan files. `root`: as `Source.root`,
    by default what `root_of` finds. `format`: by default the one that is surest of it. Raises
    `NotReadable`."""
    source = source_of(path, root)
    return find(source, format).read(source, reading or Reading())


def find(source: Source, name: str | None = None) -> Format:
    """The format of a plan file, or the one that is called so. Raises `NotReadable`."""
    formats = registry()
    if name is not None:
        if name not in formats:
            from stoker.plan.suggest import did_you_mean, known

            raise NotReadable(f"no format {name!r}{did_you_mean(name, formats)}; {known(formats)}")
        return formats[name]
    sure = sorted(
        ((one.recognises(source), one) for one in formats.values()), key=lambda one: -one[0]
    )
    (first, best), (second, other) = sure[0], sure[1]
    if first == 0:
        looked = "".join(f"\n  {one.name}: {one.title}" for one in formats.values())
        raise NotReadable(
            f"{source.path}: no format fits; --format names one, --normalize-with-llm has a model "
            f"read what is none. Looked for:{looked}"
        )
    if first == second:
        raise NotReadable(f"{source.path}: may be {best.name} or {other.name}; --format says which")
    return best


def source_of(path: Path, root: Path | None = None) -> Source:
    """The source at a path. Raises `NotReadable` if there is nothing."""
    path = path.absolute()
    if not path.exists():
        raise NotReadable(f"{path}: expected a plan file or a directory of them, found nothing")
    path = Path(*path.parts) if ".." not in path.parts else path.resolve()
    return Source(root=(root or root_of(path)).absolute(), path=path)


def root_of(path: Path) -> Path:
    """The repository that a path is in; else the directory that has the tool's; else its own."""
    for directory in (path, *path.parents):
        if (directory / ".git").exists():
            return directory
    for directory in reversed((path, *path.parents)):
        if directory.name in _HOMES:
            return directory.parent
    return path if path.is_dir() else path.parent
