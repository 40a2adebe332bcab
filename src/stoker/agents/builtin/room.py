"""Room in the model's context: made before it is needed, and when the provider says that it is.

There are three ways, each harder than the one before: a summary of all but the last steps (0);
dropping outputs of tools, those of the last step only if there are no others (1); dropping
all but the last step (2).
"""

from __future__ import annotations

from typing import Final

from stoker.agents.builtin import compaction
from stoker.agents.builtin.assembler import ModelError
from stoker.agents.builtin.client import Client
from stoker.agents.builtin.entries import Compacted, Dropped, Usage
from stoker.agents.builtin.ledger import Ledger
from stoker.agents.builtin.prices import cost, price_of
from stoker.agents.builtin.settings import Settings

LEVELS: Final = 3


class Room:
    """Of one conversation. `overhead`: characters of what is sent beside it."""

    def __init__(self, ledger: Ledger, model: Client, settings: Settings, overhead: int) -> None:
        self._ledger = ledger
        self._history = ledger.history
        self._model = model
        self._settings = settings
        self._overhead = overhead

    async def make(self) -> None:
        """Make room, if it is nearly used up by our own count."""
        for level in range(LEVELS):
            size = compaction.estimate(self._history, self._overhead)
            if size < self._settings.context_limit * self._settings.compact_at:
                return
            await self._compact(level)

    async def force(self, last: int) -> int:
        """Make room, for the provider counts otherwise, by a harder way than `last` (-1: by
        any). Returns the one that was gone, `LEVELS` if there was none left."""
        for level in range(last + 1, LEVELS):
            if await self._compact(level):
                return level
        return LEVELS

    async def _compact(self, level: int) -> bool:
        """False if there was nothing to be taken away."""
        messages = self._history.messages
        if level == 1:
            for count in (compaction.cut(messages, 0), len(messages)):
                if compaction.droppable(messages[:count]):
                    self._ledger.record(Dropped(count))
                    return True
            return False
        keep = int(self._settings.context_limit * compaction.KEPT_SHARE) if level == 0 else 0
        count = compaction.cut(messages, keep)
        if count < 2:
            return False
        old = messages[:count]
        text, usage, price = "", Usage(), 0.0
        if level == 0:
            try:
                question = compaction.question(old, self._settings.context_limit)
                answer = await self._model.ask(question, lambda kind, piece: None)
            except ModelError:
                return False
            text, usage = answer.text.strip(), answer.usage
            price = cost(usage, price_of(self._settings))
            if not text:
                return False
        summary = compaction.summary(old, text)
        self._ledger.record(Compacted(messages=count, summary=summary, usage=usage, cost=price))
        return True
