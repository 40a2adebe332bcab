"""The leases that an engine holds: taken, renewed while their runs are driven, given back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Never

from stoker.journal.base import (
    LEASE_SECONDS,
    EngineIdentity,
    Journal,
    JournalError,
    Lease,
    LeaseLost,
)
from stoker.log import get_logger

if TYPE_CHECKING:
    from stoker.engine.handle import RunHandle

log = get_logger(__name__)

_FENCE_SEC = LEASE_SECONDS - 5
"""How long after its last renewal a lease is relied upon; what is left of it is for
processes to end in."""
_RELEASE_SEC = 5.0
"""How long giving a lease back over the network may take; it runs out by itself."""


class Leases:
    """Those of one engine, for the `driven` runs, by id."""

    def __init__(
        self, journal: Journal, identity: EngineIdentity, driven: Mapping[str, RunHandle]
    ) -> None:
        self._journal = journal
        self._identity = identity
        self._driven = driven
        self._unreleased: dict[str, Lease] = {}
        """Those that the journal could not take back when their runs ended here."""

    async def take(self, run_id: str) -> Lease:
        """Raises `UnknownRun`, `RunBusy`."""
        if unreleased := self._unreleased.get(run_id):
            await self.give_back(unreleased)
        return await self._journal.acquire(run_id, self._identity)

    async def give_back(self, lease: Lease) -> None:
        """If the journal fails, it is tried again with every renewal, and before the run's
        lease is taken again."""
        self._unreleased[lease.run_id] = lease
        try:
            async with asyncio.timeout(None if self._journal.local else _RELEASE_SEC):
                await self._journal.release(lease)
        except (JournalError, TimeoutError) as error:
            log.warning("lease not released", run_id=lease.run_id, error=str(error))
        else:
            if self._unreleased.get(lease.run_id) is lease:  # not a later one
                del self._unreleased[lease.run_id]

    async def keep(self) -> Never:
        """Renew for ever; a run whose lease is lost stops. Where others judge by the lease,
        all runs stop before it runs out unrenewed, whatever they wait for."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _FENCE_SEC
        while True:
            await asyncio.sleep(min(LEASE_SECONDS / 3, until - loop.time()))
            asked = loop.time()
            leases = [handle.run.lease for handle in self._driven.values()]
            try:
                async with asyncio.timeout_at(None if self._journal.local else until):
                    lost = await self._journal.renew(leases)
            except (JournalError, TimeoutError) as error:
                log.warning("leases not renewed", error=str(error))
            else:
                until = asked + _FENCE_SEC
                self._fence_lost(lost)
            if loop.time() >= until:
                until = loop.time() + _FENCE_SEC
                if not self._journal.local:
                    self._fence_all()
            for handle in self._driven.values():  # a notification may be lost with a connection
                handle.run.look_at_inbox()
            with suppress(TimeoutError):  # then renewing comes first
                async with asyncio.timeout_at(None if self._journal.local else until):
                    for lease in list(self._unreleased.values()):
                        await self.give_back(lease)

    def _fence_lost(self, lost: list[Lease]) -> None:
        for lease in lost:
            log.error("lease lost", run_id=lease.run_id)
            if handle := self._driven.get(lease.run_id):
                handle.run.fence(LeaseLost(f"run {lease.run_id}: another engine has taken it over"))

    def _fence_all(self) -> None:
        for run_id, handle in self._driven.items():
            handle.run.fence(unrenewed(run_id, self._journal))


def unrenewed(run_id: str, journal: Journal) -> JournalError:
    """Why a run whose lease the journal could not renew in time stops."""
    return JournalError(
        f"run {run_id}: its lease could not be renewed in time in {journal.location}; it was "
        "stopped before another engine may take it over"
    )
