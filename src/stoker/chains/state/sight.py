"""The state of chains, with changes over it, for whoever asks for single facts of it."""

from __future__ import annotations

from stoker.chains.address import parsed
from stoker.chains.errors import ChainError
from stoker.chains.evm.job import Captured, Chains, Limits, Replaying, ReplayJob
from stoker.chains.state.change import Delta
from stoker.chains.state.overlay import Overlay
from stoker.chains.state.remote import Remote


class Sight:
    """Of some chains. Raises `ChainError` for any other, and `RpcError`."""

    def __init__(
        self, chains: Chains, remote: Remote, engine: Replaying, sender: bytes, limits: Limits
    ) -> None:
        """`sender`: who calls."""
        self._chains = chains
        self._remote = remote
        self._engine = engine
        self._sender = sender
        self._limits = limits

    async def code(self, chain_id: int, address: str) -> bytes:
        """Empty: there is no contract."""
        (found,) = await self._overlay(chain_id).accounts([parsed(address)])
        return found.code

    async def balance(self, chain_id: int, address: str) -> int:
        """Of the chain's coin, wei."""
        (found,) = await self._overlay(chain_id).accounts([parsed(address)])
        return found.balance

    async def read_storage(self, chain_id: int, address: str, slot: int) -> int:
        """The value there."""
        return await self._overlay(chain_id).slot(parsed(address), slot)

    async def call(self, chain_id: int, to: str, data: bytes) -> bytes:
        """A read-only call. Raises `ChainError` if it reverts."""
        self._overlay(chain_id)
        asked = Captured(
            chain_id=chain_id,
            from_=self._sender,
            to=parsed(to),
            value=0,
            data=data,
            nonce=0,
            kind="CALL",
        )
        job = ReplayJob(
            transactions=(asked,), chains=self._chains, limits=self._limits, relayed=True
        )
        came = await self._engine.replay(job)
        if not came.transactions or not came.transactions[0].succeeded:
            why = came.transactions[0].error if came.transactions else came.error
            raise ChainError(f"a call of {to} on chain {chain_id} failed: {why}")
        return came.transactions[0].output

    def _overlay(self, chain_id: int) -> Overlay:
        pin = self._chains.pins.get(chain_id)
        if pin is None:
            known = ", ".join(map(str, sorted(self._chains.pins)))
            raise ChainError(f"chain {chain_id} cannot be seen from here; {known} can")
        return Overlay(self._remote, pin, self._chains.deltas.get(chain_id, Delta()))
