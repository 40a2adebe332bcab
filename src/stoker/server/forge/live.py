"""What has changed, for streams that first tell how things are and then what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from stoker.server.service import Service
from stoker.tasks.feed import Change

Op = dict[str, Any]
Touched = frozenset[tuple[str, str]]
"""Subjects of `stoker.tasks.feed` and their keys; of runs, `("runs", run_id)`."""

FINISHED: Final = '{"finished":true}'


async def changes(
    service: Service, poked: asyncio.Event | None = None
) -> AsyncIterator[Touched | None]:
    """First None, once nothing can be missed any more: look at everything; then what was touched
    since, together for who takes long. None again: some was missed, look at everything anew.
    `poked`, when set, is told as nothing touched."""
    wake = poked or asyncio.Event()
    pending: set[tuple[str, str]] = set()
    missed = False
    runs = service.hub.all()

    def catalog(some: Sequence[Change]) -> None:
        pending.update((one.subject, one.key) for one in some)
        wake.set()

    async def hub() -> None:
        nonlocal missed
        async for some in runs:
            for one in some:
                if one.event is None:
                    missed = True
                else:
                    pending.add(("runs", one.event.run_id))
            wake.set()

    with service.bulletin.heard(catalog):
        listening = asyncio.create_task(hub())
        try:
            yield None
            while True:
                await wake.wait()
                wake.clear()
                touched, everything = frozenset(pending), missed
                pending.clear()
                missed = False
                yield None if everything else touched
        finally:
            listening.cancel()
            await asyncio.wait({listening})


class Mirror:
    """What a client knows: it is told only what is otherwise now."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        """Hashes of values, by path."""
        self._begun: set[str] = set()

    def learn(self, path: str, value: Any) -> None:
        """The client was told so in some other way."""
        self._known[path] = hash(msgspec.json.encode(value))

    def tell(self, path: str, value: Any) -> list[Op]:
        """What to tell of a path whose value is this; None: there is nothing."""
        if value is None:
            if self._known.pop(path, None) is None:
                return []
            return [{"op": "remove", "path": path}]
        new = path not in self._known
        before = self._known.get(path)
        self.learn(path, value)
        if not new and before == self._known[path]:
            return []
        return [{"op": "add" if new else "replace", "path": path, "value": value}]

    def whole(self, root: str, found: Mapping[str, Any]) -> list[Op]:
        """What to tell of all that is under `root`: at first in one, then what is otherwise."""
        paths = {f"{root}/{key}": value for key, value in found.items()}
        if root in self._begun:
            ops = self.rest(f"{root}/", set(paths))
            return ops + [op for path, value in paths.items() for op in self.tell(path, value)]
        self._begun.add(root)
        for path, value in paths.items():
            self.learn(path, value)
        return [{"op": "replace", "path": root, "value": found}]

    def rest(self, root: str, present: set[str]) -> list[Op]:
        """What to tell of paths under `root` that are not among those present."""
        gone = [one for one in self._known if one.startswith(root) and one not in present]
        return [op for path in gone for op in self.tell(path, None)]


def frame(ops: list[Op], **more: Any) -> str:
    """A frame of a WebSocket."""
    return msgspec.json.encode({"JsonPatch": ops, **more}).decode()


def escaped(part: str) -> str:
    """A part of a JSON pointer."""
    return part.replace("~", "~0").replace("/", "~1")
