"""One inotify for all drivers of a loop; a user has few of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from stoker.process.logs import LogWatch


class Watch:
    """Calls back when a file is written to."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watch = LogWatch(loop)
        self._armed: dict[Callable[[], None], set[int]] = {}
        self.users = 0

    def once(self, path: str, callback: Callable[[], None]) -> None:
        """The next time. Raises `OSError` if there are no more watches."""
        self._armed.setdefault(callback, set()).add(self._watch.once(path, callback))

    def forget_all(self, callback: Callable[[], None]) -> None:
        """Not any more, for none of its files."""
        for number in self._armed.pop(callback, ()):
            self._watch.forget(number, callback)

    def close(self) -> None:
        """Give the descriptor back."""
        self._watch.close()


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


@contextmanager
def shared_watch() -> Iterator[Watch]:
    """The running loop's, which is closed when nobody uses it any more."""
    loop = asyncio.get_running_loop()
    watch = _watches.get(loop)
    if watch is None:
        watch = _watches[loop] = Watch(loop)
    watch.users += 1
    try:
        yield watch
    finally:
        watch.users -= 1
        if not watch.users:
            del _watches[loop]
            watch.close()
