"""The state of one plan, on all its chains: pinned blocks, and what its groups have done since.

Groups run side by side, each on what it may see. One that is done is committed, on all chains at
once or on none, unless it looked at what others it did not see have changed meanwhile. So all of
them come to what they would have come to one after the other, in the order of their commits."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from stoker.chains.errors import ChainError
from stoker.chains.evm.job import Captured, Chains, Pin, Replay
from stoker.chains.settings import ChainSettings
from stoker.chains.state.change import Access, Delta
from stoker.chains.state.commits import Commits, Committed, Conflict, State, renumbered
from stoker.chains.state.conflict import conflicts
from stoker.chains.state.overlay import Overlay
from stoker.chains.state.remote import Remote
from stoker.whole_file import replace


class ExecutionBackend:
    """One plan's. Of one event loop. Groups are known by their index.

    `chains`: by alias. `remote` is shared with other plans."""

    def __init__(self, remote: Remote, chains: Mapping[str, ChainSettings]) -> None:
        self._remote = remote
        self._settings = {one.id: one for one in chains.values()}
        self._aliases = {alias: one.id for alias, one in chains.items()}
        self._pins: dict[int, Pin] = {}
        self._pinning: dict[int, asyncio.Task[Pin]] = {}
        self._commits = Commits()
        self._next = 0

    @property
    def pins(self) -> Mapping[int, Pin]:
        """The blocks that the plan begins from, by chain, as far as they are known."""
        return self._pins

    async def view(self, *, home: int, chains: Collection[int], after: Collection[int]) -> Chains:
        """What a group sees that comes after these, and after what they came after; pins are
        taken when a chain is first asked for. Raises `RpcError`, `ChainError` for a chain that
        the settings do not have."""
        wanted = list(dict.fromkeys([home, *chains]))
        pins = await asyncio.gather(*map(self._pin, wanted), return_exceptions=True)
        found: dict[int, Pin] = {}
        for chain_id, pin in zip(wanted, pins, strict=True):
            if isinstance(pin, BaseException):
                raise pin
            found[chain_id] = pin
        deltas = self._commits.merged(self._commits.closure(after))
        return Chains(
            home=home,
            pins=found,
            deltas={chain_id: deltas[chain_id] for chain_id in wanted if chain_id in deltas},
            aliases={alias: one for alias, one in self._aliases.items() if one in found},
        )

    async def commit(
        self,
        index: int,
        *,
        after: Collection[int],
        view: Chains,
        transactions: Sequence[Captured],
        replay: Replay,
        file: str,
    ) -> Committed | Conflict:
        """Make a replay's effects the plan's, at once or not at all; `file` is whole, and on the
        disk, when this returns. A second one of the same group takes the place of the first.

        `after`, `view`: as the view was asked for, and as it was. Raises `RpcError`, `OSError`,
        and `ChainError` where others have seen the first one meanwhile."""
        self.withdraw(index)
        balances = await self._balances(view, replay.accesses)
        # From here to where it is among the commits nothing is waited for: nobody comes between.
        seen = self._commits.closure(after)
        in_the_way: set[int] = set()
        unseen: set[int] = set()
        for chain_id, access in replay.accesses.items():
            own = replay.deltas.get(chain_id, Delta())
            others = self._commits.others(chain_id, access, own, seen)
            in_the_way |= conflicts(access, own, others, balances.get(chain_id, {}))
            unseen |= others.keys()
        if in_the_way:
            return Conflict(tuple(sorted(in_the_way)))
        state = State(
            index=index,
            position=self._next,
            after=tuple(sorted(after)),
            pins=view.pins,
            deltas=replay.deltas,
            transactions=renumbered(
                transactions,
                replay.accesses,
                seen=self._commits.transactions(seen),
                unseen=self._commits.transactions(unseen),
            ),
        )
        self._commits.add(state)
        self._next += 1
        content = msgspec.json.encode(state)
        try:
            await asyncio.to_thread(replace, Path(file), content, sync=True)
        except OSError:
            self.withdraw(index)
            raise
        return Committed(
            index=index,
            after=state.after,
            pins=state.pins,
            state=file,
            digest=hashlib.sha256(content).hexdigest(),
            position=state.position,
            transactions=state.transactions,
        )

    async def restore(self, settled: Sequence[Committed]) -> None:
        """After a restart: groups whose steps have settled. Raises `ChainError` if a file of
        theirs is gone or another one."""
        states = await asyncio.to_thread(lambda: [_read(one) for one in settled])
        for state in sorted(states, key=lambda state: state.position):
            self._commits.add(state)
            self._next = state.position + 1
            for chain_id, pin in state.pins.items():
                self._pins.setdefault(chain_id, pin)
        for state in states:
            if missing := [other for other in state.after if other not in self._commits]:
                raise ChainError(
                    f"group {state.index} came after group {missing[0]}, whose state is gone"
                )

    def withdraw(self, index: int) -> None:
        """It did not settle after all; nothing if it was not committed. Raises `ChainError` where
        others have seen it."""
        if index not in self._commits:
            return
        if others := [one.index for one in self._commits if index in one.after]:
            raise ChainError(f"group {index} cannot be taken back: group {others[0]} came after it")
        self._commits.remove(index)

    def snapshot(self) -> int:
        """Where the plan is, to `reset` to."""
        return self._next

    def reset(self, snapshot: int) -> None:
        """Take back what was committed since: as long as that is, whatever was before."""
        for index in self._commits.since(snapshot):
            self._commits.remove(index)
        self._next = snapshot

    async def _pin(self, chain_id: int) -> Pin:
        """Taken once, whoever asks; one that could not be taken is tried again by the next."""
        if (known := self._pins.get(chain_id)) is not None:
            return known
        task = self._pinning.get(chain_id)
        if task is None:
            task = asyncio.create_task(self._take(chain_id))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._pinning[chain_id] = task
        return await asyncio.shield(task)

    async def _take(self, chain_id: int) -> Pin:
        try:
            settings = self._settings.get(chain_id)
            pin = await self._remote.pin(chain_id, settings.block if settings else None)
        finally:
            del self._pinning[chain_id]
        return self._pins.setdefault(chain_id, pin)

    async def _balances(
        self, view: Chains, accesses: Mapping[int, Access]
    ) -> dict[int, dict[bytes, int]]:
        """What those who paid had, where they did."""
        found: dict[int, dict[bytes, int]] = {}
        for chain_id, access in accesses.items():
            overlay = Overlay(self._remote, view.pins[chain_id], view.deltas.get(chain_id, Delta()))
            payers = list(access.spent)
            accounts = await overlay.accounts(payers)
            found[chain_id] = {
                payer: one.balance for payer, one in zip(payers, accounts, strict=True)
            }
        return found


def _read(committed: Committed) -> State:
    try:
        content = Path(committed.state).read_bytes()
    except OSError as error:
        raise ChainError(f"the state of group {committed.index} cannot be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != committed.digest:
        raise ChainError(
            f"the state of group {committed.index} is not what it was: {committed.state}"
        )
    return msgspec.json.decode(content, type=State)
