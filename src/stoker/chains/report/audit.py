"""What an execution did to the wallet, against what the group meant it to do."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from stoker.chains.address import parsed
from stoker.chains.evm.job import Capture, Replay
from stoker.chains.group import Amount, OperationGroup
from stoker.chains.report.changes import Approval, Asset, Changes, Ledger
from stoker.chains.report.registry import Registry
from stoker.chains.report.values import Naming, account_text, number_text


class Audit(Struct, frozen=True):
    problems: tuple[str, ...]
    """What the group did not mean; each fails it."""
    notes: tuple[str, ...]
    """What somebody should know: allowances that are left."""


def changes(capture: Capture, replay: Replay) -> Changes:
    """What the replayed transactions did to everybody's holdings, on all chains."""
    ledger = Ledger()
    for captured, replayed in zip(capture.transactions, replay.transactions, strict=False):
        ledger.add(captured.chain_id, replayed.frame)
    return ledger.changes()


def audit(
    group: OperationGroup, sender: bytes, capture: Capture, replay: Replay, registry: Registry
) -> Audit:
    """Of the sender and whoever else signs a transaction. A wallet may lose what the group says
    that it spends, and no more; a group that does not say is held to nothing here. Nothing may be
    left with the script itself, which is on no chain."""
    moved = changes(capture, replay)
    wallets = {sender, *(one.from_ for one in capture.transactions)}
    problems = list(_stranded(moved, capture.frame.to, registry))
    if group.spends is not None:
        problems += _overspent(moved, wallets, group.spends, registry)
    own = [one for one in moved.approvals if one.owner in wallets]
    return Audit(tuple(problems), tuple(approval_text(one, registry) for one in own))


def _stranded(moved: Changes, script: bytes, registry: Registry) -> Iterable[str]:
    for asset, accounts in moved.amounts.items():
        if accounts.get(script, 0) > 0:
            yield (
                f"{amount_text(asset, accounts[script], registry)} goes to the script's own "
                "address, where nobody can take it from: the sender's is meant"
            )


def _overspent(
    moved: Changes, wallets: set[bytes], spends: Iterable[Amount], registry: Registry
) -> Iterable[str]:
    meant: dict[tuple[int, bytes | None], int] = {}
    for one in spends:
        key = (one.chain_id, parsed(one.token) if one.token else None)
        meant[key] = meant.get(key, 0) + one.amount
    for asset, accounts in moved.amounts.items():
        loss = -sum(accounts.get(who, 0) for who in wallets)
        may = meant.get((asset.chain_id, asset.token), 0)
        if loss > may:
            said = amount_text(asset, may, registry) if may else "none of it"
            lost = amount_text(asset, loss, registry)
            yield f"the sender loses {lost}, and the group says that it spends {said}"


def naming(registry: Registry, chain_id: int) -> Naming:
    return lambda address: registry.name(address, chain_id)


def asset_text(asset: Asset, registry: Registry) -> str:
    """`wei on chain 1`, `of Token: [0x..] on chain 1`."""
    if asset.token is None:
        return f"wei on chain {asset.chain_id}"
    name = account_text(asset.token, naming(registry, asset.chain_id))
    return f"{'tokens of' if asset.collectible else 'of'} {name} on chain {asset.chain_id}"


def amount_text(asset: Asset, amount: int, registry: Registry) -> str:
    return f"{number_text(amount)} {asset_text(asset, registry)}"


def approval_text(approval: Approval, registry: Registry) -> str:
    """Who may still take what."""
    token = Asset(approval.chain_id, approval.token)
    name = naming(registry, approval.chain_id)
    if approval.collectible:
        one = approval.token_id
        amount = "every token" if one is None else f"token {one}"
    else:
        amount = "an unlimited amount" if approval.unlimited else number_text(approval.amount)
    spender, owner = account_text(approval.spender, name), account_text(approval.owner, name)
    return f"{spender} may still take {amount} {asset_text(token, registry)} from {owner}"
