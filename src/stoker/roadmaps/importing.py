"""Which of the files that tasks name import which others of them, as the repository is now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from stoker.roadmaps.context.graph import Graph, file_of
from stoker.roadmaps.context.imports import named, specs
from stoker.roadmaps.context.languages import MAX_BYTES, is_code, language, readable
from stoker.roadmaps.context.reading import Checkout

_MANIFESTS = ("go.mod", "Cargo.toml", "package.json")


def imports(root: Path, paths: Collection[str]) -> Mapping[str, Collection[str]]:
    """Of each file the others that it imports. Reads these files and the manifests above them,
    nothing else. Raises `OSError`."""
    chosen = [path for path in dict.fromkeys(paths) if is_code(path)]
    above = {up.as_posix() for path in chosen for up in Path(path).parents}
    around = (f"{up}/{name}".removeprefix("./") for up in sorted(above) for name in _MANIFESTS)
    checkout = Checkout(root)
    graph = Graph()
    for number, path in enumerate((*chosen, *around)):
        data, kind = checkout.read(path, MAX_BYTES + 1), language(path)
        if data is None or not readable(path, len(data)):
            continue
        text = data.decode("utf-8", "replace")
        graph.add(file_of(number, path, kind, (), named(kind, text), specs(kind, text)))
    return {path: found for path in chosen if (found := graph.imports(path))}
