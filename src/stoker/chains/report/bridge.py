"""Bridges: what is locked on one chain comes out on another, relayed by the plan. The one side is
what the group's transactions did; the other is simulated here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs

from stoker.chains.address import parsed
from stoker.chains.evm.job import Captured, Chains, Limits, Replay, Replaying, ReplayJob
from stoker.chains.group import Amount, Bridge
from stoker.chains.report.changes import Asset, Changes, Ledger
from stoker.chains.report.compare import failure_text
from stoker.chains.report.registry import Registry
from stoker.chains.report.trace import Tracer
from stoker.chains.state.change import AccountChange, Delta
from stoker.chains.state.overlay import merge

_MINT: Final = bytes.fromhex("40c10f19")
_TRANSFER: Final = bytes.fromhex("a9059cbb")


class Relayed(Struct, frozen=True, kw_only=True):
    """What came of the other sides. The replay's deltas and accesses are to be added to the
    group's own, after them; where there are problems the group has failed."""

    problems: tuple[str, ...]
    evidence: tuple[str, ...]
    replay: Replay


def asset_of(amount: Amount) -> Asset:
    return Asset(amount.chain_id, parsed(amount.token) if amount.token else None)


def unlocked(bridges: Sequence[Bridge], moved: Changes) -> tuple[str, ...]:
    """What should have come to the lockboxes, and has not."""
    due: dict[tuple[Asset, str], int] = {}
    for one in bridges:
        key = (asset_of(one.locked), one.lockbox)
        due[key] = due.get(key, 0) + one.locked.amount
    return tuple(
        f"the lockbox {lockbox} on chain {asset.chain_id} was to get {amount} "
        f"{'of ' + '0x' + asset.token.hex() if asset.token else 'wei'}, and got {got}"
        for (asset, lockbox), amount in due.items()
        if (got := moved.of(parsed(lockbox), asset)) < amount
    )


def mints(bridges: Sequence[Bridge]) -> tuple[tuple[Captured, ...], dict[int, Delta]]:
    """What is to be done on the other chains: transactions that others make, and coin that is
    credited."""
    made: list[Captured] = []
    credits: dict[int, dict[bytes, int]] = {}
    for one in bridges:
        chain_id, amount, recipient = one.minted.chain_id, one.minted.amount, parsed(one.recipient)
        if one.minted.token is None:
            accounts = credits.setdefault(chain_id, {})
            accounts[recipient] = accounts.get(recipient, 0) + amount
            continue
        selector = _TRANSFER if one.minter is None else _MINT
        made.append(
            Captured(
                chain_id=chain_id,
                from_=parsed(one.minter or one.lockbox),
                to=parsed(one.minted.token),
                value=0,
                data=selector + recipient.rjust(32, b"\0") + amount.to_bytes(32),
                nonce=0,
                kind="CALL",
            )
        )
    deltas = {
        chain_id: Delta({who: AccountChange(balance=sum_) for who, sum_ in accounts.items()})
        for chain_id, accounts in credits.items()
    }
    return tuple(made), deltas


async def relay(
    bridges: Sequence[Bridge],
    moved: Changes,
    chains: Chains,
    engine: Replaying,
    registry: Registry,
    limits: Limits | None = None,
) -> Relayed:
    """Verify what the group locked (`moved`: by its replayed transactions), and simulate what
    comes of it, on `chains`, which has the group's own effects. Nothing is simulated where too
    little was locked. Raises what the engine raises."""
    nothing = Replay(transactions=(), deltas={}, accesses={})
    short = unlocked(bridges, moved)
    if short:
        return Relayed(problems=short, evidence=(), replay=nothing)
    transactions, credits = mints(bridges)
    replay = nothing
    if transactions:
        job = ReplayJob(
            transactions=transactions, chains=chains, limits=limits or Limits(), relayed=True
        )
        replay = await engine.replay(job)
    problems = _failed(transactions, replay, registry)
    ledger = Ledger()
    for captured, replayed in zip(transactions, replay.transactions, strict=False):
        ledger.add(captured.chain_id, replayed.frame)
    if not problems:
        problems = _unminted(bridges, ledger.changes())
    deltas = {chain: _without_nonces(delta, transactions) for chain, delta in replay.deltas.items()}
    for chain, delta in credits.items():
        deltas[chain] = merge([deltas.get(chain, Delta()), delta])
    evidence = () if problems else tuple(_said(one) for one in bridges)
    return Relayed(
        problems=problems, evidence=evidence, replay=structs.replace(replay, deltas=deltas)
    )


def _failed(made: Sequence[Captured], replay: Replay, registry: Registry) -> tuple[str, ...]:
    found = []
    for index, captured in enumerate(made):
        where = f"of token 0x{(captured.to or b'').hex()} on chain {captured.chain_id}"
        if index >= len(replay.transactions):
            found.append(f"the bridge's other side {where} was not tried: {replay.error}")
        elif not replay.transactions[index].succeeded:
            why = failure_text(replay.transactions[index], Tracer(registry, captured.chain_id))
            found.append(f"the bridge's other side {where} fails: {why}")
    return tuple(found)


def _unminted(bridges: Sequence[Bridge], moved: Changes) -> tuple[str, ...]:
    due: dict[tuple[Asset, str], int] = {}
    for one in bridges:
        if one.minted.token is not None:
            key = (asset_of(one.minted), one.recipient)
            due[key] = due.get(key, 0) + one.minted.amount
    return tuple(
        f"{recipient} was to get {amount} of 0x{(asset.token or b'').hex()} on chain "
        f"{asset.chain_id} from the bridge, and got {got}"
        for (asset, recipient), amount in due.items()
        if (got := moved.of(parsed(recipient), asset)) != amount
    )


def _said(bridge: Bridge) -> str:
    locked, minted = bridge.locked, bridge.minted
    return (
        f"bridged: {locked.amount} {locked.token or 'wei'} of chain {locked.chain_id} to "
        f"{bridge.lockbox}, {minted.amount} {minted.token or 'wei'} of chain {minted.chain_id} to "
        f"{bridge.recipient}"
    )


def _without_nonces(delta: Delta, made: Sequence[Captured]) -> Delta:
    """Who was made to mint has sent nothing: only what came of it is a fact of the plan."""
    senders = {one.from_ for one in made}
    return Delta(
        {
            who: structs.replace(change, nonce=0) if who in senders else change
            for who, change in delta.accounts.items()
        }
    )
