"""Reading the stream of an attempt while it is written."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from stoker.agents.store import STREAM
from stoker.agents.stream import Record, decode
from stoker.process.logs import LogWatch
from stoker.process.tail import tail


async def batches(
    directory: str | os.PathLike[str],
    *,
    finished: asyncio.Future[Any] | None = None,
    watch: LogWatch | None = None,
) -> AsyncIterator[Sequence[Record]]:
    """The records of the attempt with that `directory` (`stoker.agents.store.place`); what is
    there at once together.

    Without `finished` it ends at the end of what is there; with it, it waits for more until
    that is done. The directory must exist then. Close it (`contextlib.aclosing`) when
    leaving it early. `watch` as for `stoker.process.tail.tail`.
    """
    rest = b""
    reading = tail(str(Path(directory, STREAM)), finished=finished, watch=watch)
    async with aclosing(reading) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            *lines, rest = (rest + chunk.data).split(b"\n")
            if lines:
                yield [decode(line) for line in lines]
