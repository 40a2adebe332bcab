"""What is costly to make or to fetch, kept on disk: a file each, written whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from stoker import whole_file
from stoker.chains.log import log

T = TypeVar("T")
_BYTES: Final = 256 << 20
_SWEEP: Final = 64
"""Once for so many that are written it is seen to how much there is."""


class Kept(Generic[T]):
    """Values of one type in one directory, which others may use at the same time. With nothing at
    hand in memory it may be asked from any thread."""

    def __init__(
        self, directory: Path, kind: type[T], *, recent: int = 0, limit: int = _BYTES
    ) -> None:
        """`recent`: so many are at hand in memory too; `limit`: bytes that the files may take, past
        which the oldest go."""
        self._directory = directory
        self._kind = kind
        self._limit = limit
        self._most = recent
        self._recent: dict[str, T] = {}
        self._written = 0

    def get(self, key: str) -> T | None:
        """None: there is none, or none that can be read."""
        found = self._recent.pop(key, None)
        if found is None:
            path = self._path(key)
            try:
                found = msgspec.msgpack.decode(path.read_bytes(), type=self._kind)
                os.utime(path)
            except (OSError, msgspec.DecodeError, RecursionError):
                return None
        self._remember(key, found)
        return found

    def put(self, key: str, value: T) -> None:
        """Keep one; on disk only where that can be written."""
        self._remember(key, value)
        try:
            whole_file.replace(self._path(key), msgspec.msgpack.encode(value))
            if self._written % _SWEEP == 0:
                self._sweep()
            self._written += 1
        except OSError as error:
            log.warning("not kept on disk", path=error.filename, reason=error.strerror)

    def _remember(self, key: str, value: T) -> None:
        if self._most:
            self._recent[key] = value
        if len(self._recent) > self._most:
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
