"""Dry runs and broadcasts of what groups have come to."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Several
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from stoker.chains.broadcast import files
from stoker.chains.broadcast.artefact import Sequence
from stoker.chains.broadcast.describe import Outgoing, request
from stoker.chains.broadcast.kind import signing
from stoker.chains.broadcast.register import Register
from stoker.chains.broadcast.sending import next_nonce
from stoker.chains.errors import ChainError
from stoker.chains.evm.job import Captured, Chains, Pin, Replaying, ReplayJob
from stoker.chains.hexadecimal import quantity, text
from stoker.chains.rpc import Rpc
from stoker.chains.settings import Settings
from stoker.chains.state.remote import Remote
from stoker.engine.creation import new_run_id
from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.plan.literally import written
from stoker.plan.loader import loads

PREFIX: Final = "broadcast-"
"""What ids of broadcasts begin with."""


class Broadcaster:
    """Of one engine and one file of settings. `rpcs` and `remote`: of the settings' chains;
    `replaying`: what rehearses."""

    def __init__(
        self,
        settings: Settings,
        path: Path,
        rpcs: Mapping[int, Rpc],
        remote: Remote,
        replaying: Replaying,
    ) -> None:
        self._settings, self._path = settings, path
        self._rpcs, self._remote, self._replaying = rpcs, remote, replaying

    async def rehearse(self, groups: Several[Outgoing]) -> list[Outgoing]:
        """The same groups, with the nonces that their senders have now, once all of it has gone
        through on the chains as they are now, one after the other, and their senders can pay for
        the gas. Nothing is sent. Raises `ChainError`, which says what would not go through."""
        numbered = await self._numbered(groups)
        transactions = [one for group in numbered for one in group.transactions]
        if not transactions:
            return numbered
        pins = {
            chain_id: await self._remote.pin(chain_id)
            for chain_id in dict.fromkeys(one.chain_id for one in transactions)
        }
        chains = Chains(home=transactions[0].chain_id, pins=pins)
        job = ReplayJob(transactions=tuple(transactions), chains=chains)
        done = await self._replaying.replay(job)
        if done.error is not None:
            raise ChainError(f"it would not go through as the chains are now: {done.error}")
        await self._afford(transactions, pins)
        return numbered

    async def dry_run(self, groups: Several[Outgoing], root: Path) -> list[Path]:
        """Rehearse, and write the artefacts beneath `root`; their paths. Raises `ChainError`."""
        return [
            files.write(root, one.script, one.sequences, dry_run=True)
            for one in await self.rehearse(groups)
            if one.transactions
        ]

    async def broadcast(self, engine: Engine, groups: Several[Outgoing], root: Path) -> str:
        """Rehearse all of it, so that what is known to fail is not begun, and then begin to send
        it, in order, each transaction once those before it are in blocks; one that fails ends it.
        Returns the id of the run, a step for each transaction, which goes on after a crash as any
        other; asked for again, the same groups go on in the same run. Artefacts are written beneath
        `root` as it goes on. Raises `ChainError`, with nothing sent, also where an RPC is not one
        that signs, and where groups have been sent before."""
        groups = [group for group in groups if group.transactions]
        if not groups:
            raise ChainError("there is nothing to send")
        for chain_id in {one.chain_id for group in groups for one in group.transactions}:
            signing(self._settings.chains, chain_id)
        register = Register(engine)
        if (run_id := await register.again(groups)) is not None:
            return run_id
        steps: list[dict[str, Any]] = []
        since = {}
        for group in await self.rehearse(groups):
            path = files.write(root, group.script, group.sequences, dry_run=False)
            for one in group.transactions:
                if one.chain_id not in since:
                    since[one.chain_id] = await self._block(one.chain_id)
                steps.append(self._step(one, group, path, since[one.chain_id], len(steps)))
        run_id = PREFIX + new_run_id()
        document = msgspec.json.encode(
            {
                "plan_id": run_id,
                "description": f"Broadcast of {len(steps)} transactions",
                "steps": steps,
            }
        )
        plan = loads(document, kinds=engine.kinds).plan
        register.note(groups, run_id)
        await engine.start(
            plan, run_id=run_id, options=RunOptions(cwd=str(engine.directory)), park=False
        )
        return run_id

    def _step(
        self, one: Captured, group: Outgoing, artefact: Path, since: int, at: int
    ) -> dict[str, Any]:
        assert one.gas is not None  # noqa: S101
        definition = {
            "type": "chain-broadcast",
            "transaction": msgspec.to_builtins(request(one, one.gas)),
            "settings": str(self._path),
            "since": since,
            "artefact": str(artefact),
        }
        return {
            "id": f"tx-{at}",
            "name": f"{group.script}: {one.kind} on chain {one.chain_id}",
            "depends_on": [f"tx-{at - 1}"] if at else [],
            "on_failure": "skip_dependents",
            "step_def": written(definition),
        }

    async def _block(self, chain_id: int) -> int:
        return await self._rpcs[chain_id].ask(
            "eth_blockNumber", [], lambda told: quantity(told, 63)
        )

    async def _numbered(self, groups: Several[Outgoing]) -> list[Outgoing]:
        """Raises `ChainError` where addresses of contracts rest on nonces that have passed."""
        due: dict[tuple[int, bytes], int] = {}
        numbered = []
        for group in groups:
            transactions = []
            for one in group.transactions:
                key = (one.chain_id, one.from_)
                if key not in due:
                    due[key] = await self._due(one)
                if one.kind == "CREATE" and one.nonce != due[key]:
                    raise ChainError(
                        f"{text(one.from_)} has sent something on chain {one.chain_id} meanwhile: "
                        f"nonce {one.nonce} was to create {text(one.contract or b'')}, and the "
                        f"next is {due[key]}. Run the group again"
                    )
                transactions.append(replace(one, nonce=due[key]))
                due[key] += 1
            numbered.append(
                replace(
                    group,
                    transactions=tuple(transactions),
                    sequences=tuple(_renumbered(group.sequences, transactions)),
                )
            )
        return numbered

    async def _due(self, one: Captured) -> int:
        rpc, sender = self._rpcs[one.chain_id], text(one.from_)
        due = await next_nonce(rpc, sender, "latest")
        waiting = await next_nonce(rpc, sender, "pending") - due
        if waiting > 0:
            raise ChainError(f"{waiting} transactions of {sender} wait for a block of {rpc}")
        return due

    async def _afford(self, transactions: Several[Captured], pins: Mapping[int, Pin]) -> None:
        needed: dict[tuple[int, bytes], int] = {}
        for one in transactions:
            key = (one.chain_id, one.from_)
            needed[key] = needed.get(key, 0) + (one.gas or 0)
        for (chain_id, sender), gas in needed.items():
            price = await self._rpcs[chain_id].ask("eth_gasPrice", [], quantity)
            (account,) = await self._remote.accounts(pins[chain_id], [sender])
            if account.balance < gas * price:
                raise ChainError(
                    f"{text(sender)} has {account.balance} wei on chain {chain_id}, and its gas "
                    f"alone may cost {gas * price}"
                )


def _renumbered(sequences: Several[Sequence], transactions: Several[Captured]) -> list[Sequence]:
    numbers = iter(transactions)
    return [
        replace(
            sequence,
            transactions=tuple(
                replace(one, transaction=replace(one.transaction, nonce=hex(next(numbers).nonce)))
                for one in sequence.transactions
            ),
        )
        for sequence in sequences
    ]
