"""Undoing changes at the cost of what is undone."""

from __future__ import annotations

from typing import Any

_ABSENT: Any = object()


class Journal:
    """What was there before each change, over the mappings of all chains, in one order."""

    __slots__ = ("_undo",)

    def __init__(self) -> None:
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    def set(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        """`mapping[key] = value`, until it is undone."""
        self._undo.append((mapping, key, mapping.get(key, _ABSENT)))
        mapping[key] = value

    def mark(self) -> int:
        """To revert to."""
        return len(self._undo)

    def revert(self, mark: int) -> None:
        """Undo what was set since. A mark that was undone itself: nothing."""
        undo = self._undo
        while len(undo) > mark:
            mapping, key, before = undo.pop()
            if before is _ABSENT:
                mapping.pop(key, None)
            else:
                mapping[key] = before
