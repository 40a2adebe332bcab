"""Kind `chain-broadcast`: one transaction, sent through an RPC that signs, and in a block."""

from __future__ import annotations

import os
from pathlib import Path

from stoker.chains.broadcast.artefact import Request
from stoker.chains.errors import ChainError
from stoker.chains.hexadecimal import quantity
from stoker.chains.settings import ChainSettings
from stoker.engine.kinds import Attempt, Result, Work
from stoker.plan.model import Step
from stoker.steps.kind import BaseKind, Definition
from stoker.toml_file import BadFile


class ChainBroadcast(Definition, frozen=True):
    """A transaction to send. Its nonce is decided, so that no attempt sends it twice."""

    transaction: Request
    """`from`, `to` (null: it creates a contract), `input`, and in hexadecimal `value`, `nonce`,
    `chainId` and `gas`."""
    settings: str
    """File of the settings; the RPC of the transaction's chain there must be one that signs."""
    since: int
    """Number of a block from before the first attempt."""
    artefact: str | None = None
    """Foundry's file of it and others, which is told its hash and receipt."""
    wait_sec: float = 300.0
    """For a block to have it."""


class ChainBroadcastKind(BaseKind[ChainBroadcast]):
    """An attempt that follows a crash, or a failure, finds what those before it have sent. Outputs,
    also of a transaction that has failed in its block: `hash` and `receipt`."""

    name = "chain-broadcast"
    definition = ChainBroadcast

    def check(self, step: Step, definition: ChainBroadcast) -> list[str]:
        """Numbers that are some."""
        one = definition.transaction
        problems = []
        for name in ("gas", "value", "nonce", "chain_id"):
            try:
                quantity(getattr(one, name) or "0x0")
            except ValueError as error:
                problems.append(f"transaction.{name}: {error}")
        if definition.wait_sec <= 0:
            problems.append(f"wait_sec: expected more than 0, found {definition.wait_sec}")
        return problems

    def tool(self, step: Step, definition: ChainBroadcast) -> str:
        """The chain: one that is down says nothing about another."""
        return f"chain:{definition.transaction.chain_id}"

    def start(self, step: Step, definition: ChainBroadcast, attempt: Attempt) -> Work:
        """A coroutine that ends with the receipt."""
        return _carry_out(definition, attempt)


async def _carry_out(definition: ChainBroadcast, attempt: Attempt) -> Result:
    from stoker.chains.broadcast.files import note
    from stoker.chains.broadcast.sending import Reverted, carry_out
    from stoker.chains.load import load
    from stoker.chains.rpc import Rpc

    request = definition.transaction
    try:
        loaded = load(Path(definition.settings), os.environ)
        alias, chain = signing(loaded.settings.chains, quantity(request.chain_id))
    except (BadFile, ChainError) as error:
        return Result(error=str(error))
    rpc = Rpc(alias, chain.id, chain.rpc)
    try:
        mined = await carry_out(rpc, request, since=definition.since, wait=definition.wait_sec)
        failed = None
    except Reverted as error:
        mined, failed = error.mined, str(error)
    except ChainError as error:
        return Result(error=str(error))
    finally:
        await rpc.close()
    if definition.artefact is not None:
        try:
            note(Path(definition.artefact), request, mined)
        except (OSError, ValueError) as error:  # it is sent all the same
            attempt.write(f"{definition.artefact} is not up to date: {error}\n", error=True)
    return Result(error=failed, outputs={"hash": mined.hash, "receipt": mined.receipt})


def signing(chains: dict[str, ChainSettings], chain_id: int) -> tuple[str, ChainSettings]:
    """The alias and the settings of a chain whose RPC may be sent through. Raises `ChainError`."""
    for alias, chain in chains.items():
        if chain.id == chain_id:
            if not chain.signs:
                raise ChainError(
                    f"nothing is sent through the RPC of chain {alias!r}: the settings do not say "
                    "that it signs (`signs = true`)"
                )
            return alias, chain
    raise ChainError(f"chain {chain_id} is not in the settings")


KIND = ChainBroadcastKind()
