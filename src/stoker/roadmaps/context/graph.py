"""What files of a repository have to do with each other: imports, both ways, and names."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from typing import Final

from msgspec import Struct

from stoker.roadmaps.context.imports import Candidate, Import, provides, requires
from stoker.roadmaps.context.languages import is_test

_ROOTS: Final = frozenset(("src", "lib", "python", "app", "backend", "server"))
"""Directories that Python modules may be found in from anywhere."""
_MANIFESTS: Final = frozenset(("go.mod", "cargo", "npm"))
_SCRIPT_PLACES: Final = ("", "/src", "/lib", "/src/main", "/src/index", "/main")
_IMPORT: Final = 1.0
_IMPORTER: Final = 0.3
_NAME: Final = 0.1
_NAMES: Final = 0.5
"""What all name matches of a file come to at most: an import outweighs them."""
_MANY: Final = 30
_AMBIGUOUS: Final = 4
"""A name that more files define tells nothing."""


class File(Struct, frozen=True):
    """What the graph knows of a file."""

    id: int
    path: str
    language: str
    names: tuple[str, ...]
    """That it defines."""
    provides: tuple[str, ...]
    requires: tuple[Import, ...]


class Graph:
    """Kept up file by file; edges are found when they are asked for."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self._providers: defaultdict[str, list[str]] = defaultdict(list)  # smaller than sets
        self._needers: defaultdict[str, list[str]] = defaultdict(list)
        self._definers: defaultdict[str, list[str]] = defaultdict(list)
        self._folders: defaultdict[str, list[str]] = defaultdict(list)
        """Manifests by the directory they stand in."""
        self._imports: dict[str, tuple[str, ...]] = {}
        self._importers: defaultdict[str, set[str]] = defaultdict(set)
        self._unsettled: set[str] = set()

    def add(self, file: File) -> None:
        """Take a file in, in place of what stood at its path."""
        before = self._drop(file.path)
        self.files[file.path] = file
        for index, key in self._entries(file):
            index[key].append(file.path)
        self._unsettled.add(file.path)
        if before is None or before.provides != file.provides:
            self._unsettle(file)
            if before is not None:
                self._unsettle(before)

    def remove(self, path: str) -> None:
        """Forget a file, if it is there."""
        file = self._drop(path)
        if file is not None:
            self._unsettle(file)

    def _drop(self, path: str) -> File | None:
        file = self.files.pop(path, None)
        for index, key in self._entries(file) if file else ():
            index[key].remove(path)
            if not index[key]:
                del index[key]
        return file

    def _entries(self, file: File) -> Iterable[tuple[defaultdict[str, list[str]], str]]:
        yield from ((self._providers, key) for key in file.provides)
        yield from ((self._needers, key) for key in _keys(file))
        yield from ((self._definers, name) for name in file.names)
        if file.language in _MANIFESTS:
            yield self._folders, posixpath.dirname(file.path)

    def definers(self, name: str) -> tuple[str, ...]:
        """The files that define a name."""
        return tuple(sorted(self._definers.get(name, ())))

    def imports(self, path: str) -> tuple[str, ...]:
        """The files of the repository that `path` imports."""
        self.settle()
        return self._imports.get(path, ())

    def importers(self, path: str) -> tuple[str, ...]:
        """The files that import `path`."""
        self.settle()
        return tuple(sorted(self._importers.get(path, ())))

    def settle(self) -> None:
        """Find the imports again that may have changed; else done when they are asked for."""
        for path in self._unsettled:
            for target in self._imports.pop(path, ()):
                self._importers[target].discard(path)
            file = self.files.get(path)
            if file is not None:
                found = {target for one in file.requires for target in self._resolve(path, one)}
                self._imports[path] = tuple(sorted(found - {path}))
                for target in self._imports[path]:
                    self._importers[target].add(path)
        self._unsettled.clear()

    def _unsettle(self, file: File) -> None:
        """With a file come or gone, imports that may mean it may mean something else."""
        self._unsettled.add(file.path)
        if file.path.endswith("/__init__.py") or file.language in _MANIFESTS:
            self._unsettled.update(self.files)  # they decide where others are looked for
            return
        keys = set(file.provides)
        folder = posixpath.dirname(file.path)
        while True:
            for manifest in self._folders.get(folder, ()):
                keys.update(self.files[manifest].provides)
            if not folder:
                break
            folder = posixpath.dirname(folder)
        for key in keys:
            self._unsettled.update(self._needers.get(key, ()))

    def impact(self, paths: Iterable[str], *, limit: int = 500) -> dict[str, int]:
        """The files that a change of `paths` may reach, by imports backwards, with how many
        steps away each is; the nearest `limit`."""
        found = {path: 0 for path in paths if path in self.files}
        ring = sorted(found)
        begin = len(found)
        while ring and len(found) - begin < limit:
            reached = sorted(
                {other for path in ring for other in self.importers(path)} - set(found)
            )
            found.update((path, found[ring[0]] + 1) for path in reached)
            ring = reached
        return dict(list(found.items())[begin : begin + limit])

    def related(self, path: str, words: Set[str]) -> Mapping[str, float]:
        """Where attention goes on from `path`: to what it imports, less to what imports it,
        little to files that define names it mentions (`words`)."""
        found: defaultdict[str, float] = defaultdict(float)
        for other in self.imports(path):
            found[other] += _IMPORT
        importers = self.importers(path)
        for other in importers[:_MANY]:
            found[other] += _IMPORTER * (0.3 if is_test(other) else 1.0)
        names: defaultdict[str, float] = defaultdict(float)
        for word in sorted(self._definers.keys() & words):
            definers = self._definers[word]
            if len(definers) <= _AMBIGUOUS and len(word) > 3:
                for other in sorted(definers):
                    if other != path:
                        names[other] += _NAME / len(definers)
        scale = min(1.0, _NAMES / (sum(names.values()) or 1.0))
        for other, weight in names.items():
            found[other] += weight * scale
        return dict(sorted(found.items()))

    def _resolve(self, importer: str, wanted: Import) -> tuple[str, ...]:
        for candidate in wanted:
            if found := self._targets(importer, candidate):
                return found
        return ()

    def _targets(self, importer: str, candidate: Candidate) -> tuple[str, ...]:
        key, below = candidate
        found = self._providers.get(key)
        if not found:
            return ()
        kind = key.partition(":")[0]
        if kind == "py":
            return self._modules(importer, key, found, exact=below == ".")
        if kind in _MANIFESTS:
            manifest = min(found)
            return self._beneath(kind, posixpath.dirname(manifest), below)
        return tuple(sorted(found))

    def _modules(
        self, importer: str, key: str, found: list[str], *, exact: bool
    ) -> tuple[str, ...]:
        depth = key.count(".") + 1
        best: tuple[tuple[int, str], str] | None = None
        for path in found:
            parts = path.rpartition(".")[0].removesuffix("/__init__").split("/")
            root = "/".join(parts[:-depth])
            if root and (exact or not self._is_root(root, importer)):
                continue
            # The nearest root to the importer is meant.
            order = (-len(root) if f"{importer}".startswith(f"{root}/") else 0, path)
            if best is None or order < best[0]:
                best = (order, path)
        return (best[1],) if best else ()

    def _is_root(self, root: str, importer: str) -> bool:
        if f"{root}/__init__.py" in self.files:
            return False
        return root.rpartition("/")[2] in _ROOTS or importer.startswith(f"{root}/")

    def _beneath(self, kind: str, folder: str, below: str) -> tuple[str, ...]:
        def joined(*parts: str) -> str:
            return "/".join(filter(None, parts))

        if kind == "go.mod":
            keys = [f"go:{joined(folder, below)}"]
        elif kind == "cargo":
            parts = below.split("/") if below else []
            base = joined(folder, "src")
            keys = [f"rs:{joined(base, *parts[:n])}" for n in range(len(parts), -1, -1)]
        else:
            keys = [
                f"js:{joined(folder, place.lstrip('/'), below)}"
                if below or not place
                else f"js:{joined(folder, place.lstrip('/'))}"
                for place in _SCRIPT_PLACES
            ]
        for key in keys:
            if found := self._providers.get(key):
                return tuple(sorted(found))
        return ()


def _keys(file: File) -> set[str]:
    return {key for one in file.requires for key, _ in one}


def file_of(
    number: int, path: str, language: str, names: tuple[str, ...], name: str, specs: Iterable[str]
) -> File:
    """A file from what is stored of it."""
    wanted = tuple(filter(None, (requires(path, language, spec) for spec in specs)))
    return File(number, path, language, names, provides(path, language, name), wanted)
