"""Sources of contracts: fetched once for all who want them, in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Self

from msgspec.structs import replace

from stoker.chains.errors import RpcError, SourcesMissing
from stoker.chains.group import Contract
from stoker.chains.kept import Kept
from stoker.chains.log import log
from stoker.chains.settings import SourceSettings
from stoker.chains.sources.answer import BadAnswer, NotVerified
from stoker.chains.sources.contract_source import ContractSource
from stoker.chains.sources.explorers import Etherscan, Sourcify
from stoker.chains.sources.proxy import ChainReader, NoCode, implementation_of
from stoker.chains.sources.web import Web

_FORM: Final = "2"
"""Of what is kept: what explorers say, as they say it. Where proxies lead may change."""
_HOPS: Final = 4
_KEPT: Final = 256
_PATIENCE: Final = 5.0
"""Seconds before another explorer is asked beside one that has not answered."""
_Key = tuple[int, str]


class _Missing(Exception):
    pass


class SourceFetcher:
    """Shared by all plans; what is under way ends with its block. `reader` tells what explorers
    do not: where proxies lead, and what has no code at all."""

    def __init__(
        self,
        settings: SourceSettings,
        folder: Path,
        reader: ChainReader | None = None,
        *,
        pause: float = 0.5,
    ) -> None:
        """`folder`: of what is kept on disk. `pause`: see `Web`."""
        self._kept = Kept(folder / _FORM, ContractSource)
        self._reader = reader
        self._flights: dict[_Key, asyncio.Task[ContractSource]] = {}
        self._asked: dict[_Key, asyncio.Task[ContractSource]] = {}
        key, usual = settings.etherscan_key, SourceSettings().etherscan
        self._explorers: list[Etherscan | Sourcify] = []
        if settings.etherscan and (key or settings.etherscan != usual):
            web = Web((key,), pause=pause)
            self._explorers.append(Etherscan(web, settings.etherscan, key))
        if settings.sourcify:
            self._explorers.append(Sourcify(Web((key,), pause=pause), settings.sourcify))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything under way."""
        tasks = [*self._flights.values(), *self._asked.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._flights.clear()
        for explorer in self._explorers:
            await explorer.web.close()

    def begin(self, contracts: Iterable[Contract]) -> None:
        """Fetch in the background, what failed before and where proxies lead anew."""
        for contract in contracts:
            flight = self._flights.get((contract.chain_id, contract.address))
            if flight is not None and flight.done() and _passing(flight):
                del self._flights[contract.chain_id, contract.address]
            self._flight(contract.chain_id, contract.address)

    async def get(self, contracts: Sequence[Contract], wait: float) -> tuple[ContractSource, ...]:
        """Their sources, in this order, within `wait` seconds. Raises `SourcesMissing`; whoever
        asks after that has those fetched again that failed."""
        flights = [self._flight(one.chain_id, one.address) for one in contracts]
        if flights:
            await asyncio.wait(set(flights), timeout=wait)
        missing = {}
        for contract, flight in zip(contracts, flights, strict=True):
            key = (contract.chain_id, contract.address)
            why = f"no answer within {wait:g} s"
            if flight.done():
                try:
                    flight.result()
                    continue
                except _Missing as error:
                    why = str(error)
                    if self._flights.get(key) is flight:
                        del self._flights[key]
            place = f"{contract.address} on chain {contract.chain_id}"
            missing[key] = f"{contract.name} ({place}): {why}"
        if missing:
            raise SourcesMissing(missing)
        return tuple(flight.result() for flight in flights)

    def at_hand(self, contracts: Iterable[Contract]) -> tuple[ContractSource, ...]:
        """Those that have been fetched; nobody is asked."""
        flights = (self._flights.get((one.chain_id, one.address)) for one in contracts)
        return tuple(
            flight.result()
            for flight in flights
            if flight and flight.done() and not flight.cancelled() and not flight.exception()
        )

    def _flight(self, chain_id: int, address: str) -> asyncio.Task[ContractSource]:
        key = (chain_id, address)
        if key not in self._flights:
            if len(self._flights) >= _KEPT:
                done = [old for old, task in self._flights.items() if task.done()]
                for old in done[: _KEPT // 2]:
                    del self._flights[old]
            task = self._flights[key] = asyncio.create_task(self._resolve(chain_id, address))
            task.add_done_callback(_looked_at)
        return self._flights[key]

    async def _resolve(self, chain_id: int, address: str) -> ContractSource:
        """Follow proxies to what they stand for."""
        path = [address]
        while True:
            found: ContractSource | None = None
            why = ""
            try:
                found = await self._said(chain_id, path[-1])
            except _Missing as error:
                why = str(error)
            behind = await self._behind(chain_id, path[-1], found, why)
            if behind is None:
                break
            path.append(behind)
            if behind in path[:-1] or len(path) > _HOPS:
                raise _Missing(f"its proxies lead too far: {' -> '.join(path)}")
        if found is None:
            through = "" if len(path) == 1 else f"it is a proxy of {path[-1]}, and of that: "
            raise _Missing(f"{through}{why}")
        log.debug("sources fetched", chain=chain_id, address=address, origin=found.origin)
        end = path[-1] if len(path) > 1 else None
        return replace(found, address=address, implementation=end)

    async def _behind(
        self, chain_id: int, address: str, found: ContractSource | None, why: str
    ) -> str | None:
        """The implementation, if this is a proxy. The chain knows best; but those without a
        fallback cannot be one, and need no question."""
        said = found.implementation if found else None
        if self._reader is None or (found and not said and not _may_be_proxy(found)):
            return said
        try:
            return await implementation_of(self._reader, chain_id, address) or said
        except NoCode:
            raise _Missing("there is no contract: the account has no code") from None
        except RpcError as error:
            if found is None:
                raise _Missing(f"{why}; whether it has code is not known: {error}") from error
            return said

    async def _said(self, chain_id: int, address: str) -> ContractSource:
        """What explorers say: one question at a time for each contract."""
        key = (chain_id, address)
        if key not in self._asked:
            task = self._asked[key] = asyncio.create_task(self._ask(chain_id, address))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
            task.add_done_callback(_looked_at)
        return await asyncio.shield(self._asked[key])

    async def _ask(self, chain_id: int, address: str) -> ContractSource:
        key = f"{address[2:].lower()}-{chain_id}"
        if kept := await asyncio.to_thread(self._kept.get, key):
            return kept
        answers: dict[str, str] = {}
        waiting = list(self._explorers)
        asked: dict[asyncio.Task[ContractSource], Etherscan | Sourcify] = {}
        try:
            # The next one is asked when the one before has nothing, or takes its time.
            while waiting or asked:
                if waiting:
                    explorer = waiting.pop(0)
                    asked[asyncio.create_task(explorer.ask(chain_id, address))] = explorer
                patience = _PATIENCE if waiting else None
                done, _ = await asyncio.wait(
                    asked, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    name = asked.pop(task).name
                    try:
                        found = task.result()
                    except NotVerified as error:
                        answers[name] = f"not verified ({error})"
                    except BadAnswer as error:
                        answers[name] = str(error)
                    else:
                        await asyncio.to_thread(self._kept.put, key, found)
                        return found
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        said = (f"{name}: {why}" for name, why in sorted(answers.items()))
        raise _Missing("; ".join(said) or "no explorer is configured")


def _may_be_proxy(source: ContractSource) -> bool:
    return any(entry.get("type") == "fallback" for entry in source.abi)


def _passing(flight: asyncio.Task[ContractSource]) -> bool:
    """Whether what it came to may be different now."""
    return flight.exception() is not None or flight.result().implementation is not None


def _looked_at(flight: asyncio.Task[ContractSource]) -> None:
    """Nobody may ask for what it came to, which is no reason to complain of its failure."""
    if not flight.cancelled():
        flight.exception()
