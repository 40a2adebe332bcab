"""Server-sent events, read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from msgspec import Struct


class Told(Struct, frozen=True):
    """One event."""

    name: str
    """Empty where the server gave none."""
    data: str
    place: str
    """The last id there was: where to go on from."""


async def told(lines: AsyncIterator[str], place: str = "") -> AsyncGenerator[Told, None]:
    """The events in the lines of an answer; one that is cut off is left out."""
    name, data = "", list[str]()
    async for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Told(name, "\n".join(data), place)
            name, data = "", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            place = value
