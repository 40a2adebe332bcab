"""What an agent waits to be allowed, as its driver has stored it last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from stoker.agents.store import Store
from stoker.agents.stream import Approval, Put


class _Open(Struct):
    index: int
    time: float
    content: dict[str, Any]


class _State(Struct):
    """Of any adapter, as far as it matters here."""

    open: dict[str, _Open] = field(default_factory=dict)
    pending: dict[str, Any] = field(default_factory=dict)


def pending(directory: Path) -> list[Put]:
    """The approvals without an answer of the attempt that has `directory`
    (`stoker.agents.store.place`), as entries of its stream; oldest first."""
    checkpoint = Store(directory).last()
    if checkpoint is None or checkpoint.over:
        return []
    state = msgspec.msgpack.decode(checkpoint.state, type=_State)
    asked = [entry for key in state.pending if (entry := state.open.get(f"approval:{key}"))]
    return [
        Put(index=entry.index, time=entry.time, content=msgspec.convert(entry.content, Approval))
        for entry in sorted(asked, key=lambda entry: entry.index)
    ]
