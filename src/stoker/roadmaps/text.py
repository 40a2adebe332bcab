"""The text of a plan file, and where its characters are: in bytes, lines and columns."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from stoker.roadmaps.document import Mark
from stoker.roadmaps.format import NotReadable

_BLOCK = 4096


class Text:
    """UTF-8 with any line ends. Offsets count characters of `text`, a byte-order mark included,
    so that they lead back to the bytes of the file."""

    def __init__(self, data: bytes, path: str) -> None:
        """`path`: as documents name it. Raises `NotReadable`."""
        self.path = path
        try:
            self.text = data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise NotReadable(
                f"{path}:{line}: expected text in UTF-8, found the byte 0x{data[error.start]:02x}"
            ) from error
        self._ascii = len(self.text) == len(data)

    def byte(self, offset: int) -> int:
        """How many bytes stand before a character."""
        if self._ascii:
            return offset
        block, rest = divmod(offset, _BLOCK)
        start = block * _BLOCK
        return self._bytes[block] + len(self.text[start : start + rest].encode())

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, from 1."""
        line = bisect_right(self._lines, offset)
        start = self._lines[line - 1]
        return line, offset - start + (1 if start or not self.text.startswith("\ufeff") else 0)

    def mark(self, start: int, end: int) -> Mark:
        """The characters between two offsets as a `Mark`."""
        first = self.byte(start)
        found = self.text[start:end]
        return Mark(path=self.path, start=first, end=first + len(found.encode()), text=found)

    @cached_property
    def _bytes(self) -> list[int]:
        """How many bytes stand before each block of characters."""
        found = [0]
        for start in range(0, len(self.text), _BLOCK):
            found.append(found[-1] + len(self.text[start : start + _BLOCK].encode()))
        return found

    @cached_property
    def _lines(self) -> list[int]:
        found, at = [0], 0
        while (at := self.text.find("\n", at) + 1) > 0:
            found.append(at)
        return found
