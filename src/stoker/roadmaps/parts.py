"""A task that is too much for one turn, in parts that are done one after the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.roadmaps.document import Task
from stoker.roadmaps.unit import Unit

FEWEST: Final = 2
MOST: Final = 5
_TITLE: Final = 200
_TEXT: Final = 4_000
_ARRAY: Final = re.compile(r"^\[.*^\]|\[\s*\{.*\}\s*\]", re.DOTALL | re.MULTILINE)


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of them."""

    title: str
    description: str = ""
    files: tuple[str, ...] = ()
    """That it makes or changes; relative to the repository."""


def parts_of(said: str) -> tuple[Part, ...]:
    """The parts that an agent has divided its task into, from its last message. Raises
    `ValueError`, which tells what was expected."""
    found = _ARRAY.findall(said)
    if not found:
        raise ValueError(f"the parts: expected a JSON array, found {said.strip()[-200:]!r}")
    try:
        parts = msgspec.json.decode(found[-1], type=tuple[Part, ...])
    except msgspec.DecodeError as error:
        raise ValueError(f"the parts: {error}") from error
    if not FEWEST <= len(parts) <= MOST:
        raise ValueError(f"the parts: expected {FEWEST} to {MOST}, found {len(parts)}")
    titles = {part.title.strip() for part in parts}
    if "" in titles or len(titles) < len(parts):
        raise ValueError("the parts: expected a title of its own for each")
    return tuple(
        Part(
            title=" ".join(part.title.split())[:_TITLE],
            description=part.description[:_TEXT],
            files=tuple(path for path in part.files if _inside(path)),
        )
        for part in parts
    )


def _inside(path: str) -> bool:
    return bool(path.strip()) and not path.startswith(("/", "~")) and ".." not in path.split("/")


def unit_of(unit: Unit, parts: Sequence[Part], number: int) -> Unit:
    """What a part, the first is 1, is verified as."""
    part, first = parts[number - 1], unit.tasks[0]
    task = Task(
        id=f"{unit.id}-part-{number}",
        title=part.title,
        line=first.line,
        column=first.column,
        path=first.path,
        description=part.description,
        files=part.files,
    )
    return replace(unit, tasks=(task,))
