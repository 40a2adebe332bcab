"""What changes in the catalog of tasks: read once, for any number of readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from stoker.journal.base import JournalError
from stoker.log import get_logger
from stoker.tasks.feed import Change, Feed

log = get_logger(__name__)

Reader = Callable[[Sequence[Change]], None]
_AGAIN_SEC: Final = 1.0


class Bulletin:
    """Tells readers of changes; `run` does the reading."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._after = 0
        self._readers: set[Reader] = set()

    async def begin(self) -> None:
        """Learn how far the catalog has come: readers hear of what comes later."""
        self._after = await self._feed.newest()

    async def run(self) -> None:
        """Read until cancelled. A journal that fails is tried again."""
        while True:
            try:
                async for changes in self._feed.follow(self._after):
                    self._after = changes[-1].sequence
                    for reader in tuple(self._readers):
                        reader(changes)
            except JournalError as error:
                log.warning("changes of the catalog not read", error=str(error))
                await asyncio.sleep(_AGAIN_SEC)

    @contextmanager
    def heard(self, reader: Reader) -> Iterator[None]:
        """While entered, `reader` is called with every change; some may be older."""
        self._readers.add(reader)
        try:
            yield
        finally:
            self._readers.discard(reader)
