"""What attempts' agents are to be told next, or instead of what they were told: written down,
changed by whoever has seen the last version, queued, and gone once it is begun with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypedDict, Unpack

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from stoker.journal.base import Journal
from stoker.tasks.errors import Conflict, Invalid
from stoker.tasks.model import Draft, DraftKind
from stoker.tasks.store import DRAFTS


class Written(TypedDict, total=False):
    """What a draft is to say; what is not given stays."""

    prompt: str | None
    variant: str | UnsetType | None
    images: Sequence[str] | None
    retry_turn: int | None
    """Of a retry: the turn it is to take the place of."""
    expected_version: int | None
    """0: there is none."""


class Drafts:
    """Of all attempts in one journal: one of each kind for each."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def get(self, attempt_id: str, kind: DraftKind = "follow_up") -> Draft | None:
        """What is written down."""
        async with self._journal.snapshot() as session:
            return await DRAFTS.get(session, _key(attempt_id, kind))

    async def save(
        self,
        attempt_id: str,
        kind: DraftKind,
        *,
        add: bool = False,
        queued: bool | None = None,
        expected_queued: bool | None = None,
        **change: Unpack[Written],
    ) -> Draft:
        """Write down, or change. A queued one stays queued unless its prompt is taken away. `add`:
        prompt and images come after what is there. Raises `Conflict` if it is not as expected,
        `Invalid` for an empty one to queue."""
        key = _key(attempt_id, kind)
        prompt, images = change.get("prompt"), change.get("images")
        variant, expected_version = change.get("variant", UNSET), change.get("expected_version")
        new = Draft(
            draft_id=key, attempt_id=attempt_id, kind=kind, prompt="", version=0, updated_at=0
        )
        async with self._journal.transaction() as session:
            found = await DRAFTS.lock(session, key)
            before = found or new
            if expected_version is not None and before.version != expected_version:
                raise Conflict(f"the draft has version {before.version}, not {expected_version}")
            if expected_queued is not None and before.queued != expected_queued:
                raise Conflict(f"the draft is {'' if before.queued else 'not '}queued")
            text = before.prompt if prompt is None else prompt
            if add:
                text = "\n\n".join(filter(None, (before.prompt, prompt)))
            if queued and not text.strip():
                raise Invalid("prompt: expected text, found nothing")
            draft = replace(
                before,
                prompt=text,
                variant=before.variant if variant is UNSET else variant or None,
                images=(*(before.images if add or images is None else ()), *(images or ())),
                retry_turn=change.get("retry_turn") or before.retry_turn,
                queued=(before.queued if queued is None else queued) and bool(text.strip()),
                version=before.version + 1,
                updated_at=time.time(),
            )
            if found is None and not await DRAFTS.add(session, draft):
                raise Conflict("somebody else has just written a draft")
            await DRAFTS.put(session, draft)
        return draft

    async def unqueue(self, attempt_id: str) -> None:
        """What is queued, if anything, is to wait for a person."""
        async with self._journal.transaction() as session:
            draft = await DRAFTS.lock(session, _key(attempt_id, "follow_up"))
            if draft is not None and draft.queued:
                await DRAFTS.put(session, replace(draft, queued=False, version=draft.version + 1))

    async def remove(self, attempt_id: str, kind: DraftKind = "follow_up") -> bool:
        """Forget what is written down; False if nothing is."""
        async with self._journal.transaction() as session:
            return await DRAFTS.remove(session, _key(attempt_id, kind))


def _key(attempt_id: str, kind: DraftKind) -> str:
    return f"{attempt_id}/{kind}"
