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


async def told(content: AsyncIterator[bytes], place: str = "") -> AsyncGenerator[Told, None]:
    """The events in an answer; one that is cut off is left out."""
    name, data = "", list[str]()
    async for line in _lines(content):
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


async def _lines(content: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """Lines end at a line feed only: what else Unicode counts as an end is part of the text."""
    line = bytearray()
    async for chunk in content:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line += end
            yield line.removesuffix(b"\r").decode(errors="replace")
            line.clear()
        line += rest
