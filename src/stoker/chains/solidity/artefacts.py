"""Compilations kept on disk, by what they depend on: a file each, written whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from stoker import whole_file
from stoker.chains.solidity.compilation import Compilation, CompilerSettings

_FORM: Final = 1
"""Of what is kept; another one for every change to `Compilation` or to what solc is asked."""
_BYTES: Final = 256 << 20
_RECENT: Final = 64
"""So many are at hand in memory too."""
_SWEEP: Final = 64
"""Once for so many that are written it is seen to how much there is."""


def key(
    sources: Mapping[str, str], contract: str, settings: CompilerSettings, compiler: str
) -> str:
    """Digest of all that decides what comes out."""
    whole = (_FORM, compiler, contract, settings, sorted(sources.items()))
    return sha256(msgspec.msgpack.encode(whole)).hexdigest()


class Artefacts:
    """Those in one directory, which others may use at the same time."""

    def __init__(self, directory: Path, *, limit: int = _BYTES) -> None:
        """`limit`: bytes that the files may take, past which the oldest go."""
        self._directory = directory
        self._limit = limit
        self._recent: dict[str, Compilation] = {}
        self._written = 0

    def get(self, key: str) -> Compilation | None:
        """None: there is none, or none that can be read."""
        found = self._recent.pop(key, None)
        if found is None:
            path = self._path(key)
            try:
                found = msgspec.msgpack.decode(path.read_bytes(), type=Compilation)
                os.utime(path)
            except (OSError, msgspec.DecodeError):
                return None
        self._remember(key, found)
        return found

    def put(self, key: str, compilation: Compilation) -> None:
        """Keep one; on disk only where that can be written."""
        self._remember(key, compilation)
        with suppress(OSError):
            whole_file.replace(self._path(key), msgspec.msgpack.encode(compilation))
            if self._written % _SWEEP == 0:
                self._sweep()
            self._written += 1

    def _remember(self, key: str, compilation: Compilation) -> None:
        self._recent[key] = compilation
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / f"{key}.msgpack"

    def _sweep(self) -> None:
        files = []
        for path in self._directory.glob("??/*.msgpack"):
            with suppress(FileNotFoundError):
                status = path.stat()
                files.append((status.st_mtime_ns, status.st_size, path))
        over = sum(size for _, size, _ in files) - self._limit
        for _, size, path in sorted(files):
            if over <= 0:
                return
            path.unlink(missing_ok=True)
            over -= size
