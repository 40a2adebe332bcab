"""What an agent waits to be allowed, as its driver has stored it last."""

from __future__ import annotations

from pathlib import Path

import msgspec

from stoker.agents.scribe import State
from stoker.agents.store import Store
from stoker.agents.stream import Put


def pending(directory: Path) -> list[Put]:
    """The approvals without an answer of the attempt that has `directory`
    (`stoker.agents.store.place`), as entries of its stream; oldest first."""
    checkpoint = Store(directory).last()
    if checkpoint is None or checkpoint.over:
        return []
    state = msgspec.msgpack.decode(checkpoint.state, type=State)
    asked = [entry for key in state.pending if (entry := state.open.get(f"approval:{key}"))]
    return [
        Put(index=entry.index, time=entry.time, content=entry.content)
        for entry in sorted(asked, key=lambda entry: entry.index)
    ]
