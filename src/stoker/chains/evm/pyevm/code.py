"""Code to be run, and what is worked out about it once."""

from __future__ import annotations

import re
from functools import lru_cache

_JUMPDEST = 0x5B
_PUSHES = b"|".join(
    b"\\x%02x(?s:.){%d}" % (0x5F + size, size) for size in (1, 2, 4, 20, 32, *range(3, 32))
)
_DESTINATION = re.compile(b"(?:[^\\x5b\\x60-\\x7f]|" + _PUSHES + b")*+(?:\\x5b|\\Z)")
"""Instructions up to a JUMPDEST or the end, the data of a PUSH being none."""


class Code:
    """`padded`: with zeros after its end, so that whatever is read of it is there."""

    __slots__ = ("destinations", "padded", "pushes", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.padded = raw + bytes(33)
        self.destinations = {
            found.end() - 1
            for found in _DESTINATION.finditer(self.padded)
            if found.end() <= len(raw)
        }
        self.pushes: dict[int, int] = {}
        """Place of a PUSH's data -> its value, as they are met."""

    def __len__(self) -> int:
        return len(self.raw)


@lru_cache(maxsize=512)
def code_of(raw: bytes) -> Code:
    return Code(raw)
