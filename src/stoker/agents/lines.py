"""Lines of a log that grows."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from stoker.process.tail import read_chunk

LONGEST: Final = 32 << 20
"""Bytes of a line."""


class Heard(Struct, frozen=True):
    """What has come."""

    lost: int
    """Bytes before it that are not there any more."""
    lines: list[bytes]
    """Without their ends."""
    too_long: bool
    """What follows is skipped, up to the end of its line."""


class Lines:
    """From `offset` on, where a line begins."""

    def __init__(self, offset: int) -> None:
        self._position = offset
        self._rest = bytearray()
        """The beginning of a line."""
        self._skipping = False
        """What comes up to the next line's beginning is of no use."""

    @property
    def offset(self) -> int:
        """Where the lines that were read end."""
        return self._position - len(self._rest)

    def read(self, descriptor: int) -> Heard | None:
        """What has come since; None: nothing."""
        chunk = read_chunk(descriptor, self._position)
        if chunk is None:
            return None
        self._position = chunk.next_offset
        lines: list[bytes] = []
        if chunk.dropped:
            self._rest.clear()
            self._skipping = True
        whole, newline, rest = chunk.data.rpartition(b"\n")
        if newline:
            lines = bytes(self._rest + whole).split(b"\n")
            self._rest[:] = rest
            if self._skipping:
                self._skipping = False
                del lines[0]
        else:
            self._rest += rest
        too_long = len(self._rest) > LONGEST
        if self._skipping or too_long:
            self._rest.clear()
            self._skipping = True
        return Heard(chunk.dropped, lines, too_long)

    def end(self) -> bytes:
        """What came after the last line's end; nothing more will."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest
