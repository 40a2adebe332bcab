"""All that is known of an execution: as data for the journal and its clients, and as text for
people and models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from stoker.chains.evm.job import Capture, Captured, Chains, Replay, Replayed
from stoker.chains.report.audit import amount_text, approval_text, changes, naming
from stoker.chains.report.changes import Asset, Changes
from stoker.chains.report.compare import Difference, failure_text, transaction_title
from stoker.chains.report.registry import Registry
from stoker.chains.report.trace import Tracer
from stoker.chains.report.values import (
    account_text,
    address_text,
    arguments_json,
    hex_text,
    quoted,
)

_MAX_TEXT: Final = 60_000
"""Characters of a whole report as text."""
_MAX_SLOTS: Final = 1_000
_MAX_STEPS: Final = 400
"""Calls and logs of a transaction that are told as data."""


def registry_learned(registry: Registry, capture: Capture, replay: Replay | None) -> Registry:
    """The same registry, which now knows what was created, too."""
    registry.learn(capture.frame)
    for captured, replayed in _pairs(capture, replay):
        registry.learn(replayed.frame, captured.chain_id)
    return registry


def report(capture: Capture, replay: Replay, chains: Chains, registry: Registry) -> dict[str, Any]:
    """As JSON. Numbers that may be large are decimals, as text."""
    moved = changes(capture, replay)
    return {
        "transactions": [
            _transaction(index, captured, replayed, registry)
            for index, (captured, replayed) in enumerate(_pairs(capture, replay))
        ],
        "balances": list(_balances(moved, registry)),
        "approvals": [
            {
                "chain_id": one.chain_id,
                "token": address_text(one.token),
                "owner": address_text(one.owner),
                "spender": address_text(one.spender),
                "amount": None if one.collectible else str(one.amount),
                "token_id": None if one.token_id is None else str(one.token_id),
                "unlimited": one.unlimited,
            }
            for one in moved.approvals
        ],
        "gas": [
            {"chain_id": chain_id, "used": used, "cost": str(used * chains.pins[chain_id].base_fee)}
            for chain_id, used in gas_totals(capture, replay).items()
        ],
        "console": list(capture.console),
    }


def gas_totals(capture: Capture, replay: Replay) -> dict[int, int]:
    """Gas that the transactions of each chain use."""
    totals: dict[int, int] = {}
    for captured, replayed in _pairs(capture, replay):
        totals[captured.chain_id] = totals.get(captured.chain_id, 0) + replayed.gas_used
    return totals


def explanation(
    capture: Capture,
    replay: Replay | None,
    registry: Registry,
    differences: tuple[Difference, ...] = (),
) -> str:
    """As text: what went wrong first, then what was printed, what happened, what changed hands."""
    text = "\n".join(_lines(capture, replay, registry, differences))
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}\n… {len(text)} characters"


def _lines(
    capture: Capture,
    replay: Replay | None,
    registry: Registry,
    differences: tuple[Difference, ...],
) -> Iterator[str]:
    if capture.error is not None:
        yield f"The script fails: {capture_error(capture, registry)}"
    for one in differences:
        yield f"{'Difference' if one.fatal else 'Note'}: {one.message}"
    if capture.console:
        yield "Console:"
        yield from (f"  {quoted(line)[1:-1]}" for line in capture.console)
    if replay is None or capture.error is not None:
        yield "Trace of the script:"
        yield Tracer(registry).text(capture.frame)
    if replay is None:
        return
    for index, (captured, replayed) in enumerate(_pairs(capture, replay)):
        tracer = Tracer(registry, captured.chain_id)
        title = transaction_title(index, captured, registry)
        state = "succeeds" if replayed.succeeded else f"fails: {failure_text(replayed, tracer)}"
        yield f"{title[0].upper()}{title[1:]} {state}; gas {replayed.gas_used}"
        yield tracer.text(replayed.frame)
    moved = changes(capture, replay)
    if moved.amounts:
        yield "Balance changes, without gas:"
        for asset, accounts in moved.amounts.items():
            for who, amount in accounts.items():
                account = account_text(who, naming(registry, asset.chain_id))
                yield f"  {account}: {amount_text(asset, amount, registry)}"
    if moved.approvals:
        yield "Allowances that are left:"
        yield from (f"  {approval_text(one, registry)}" for one in moved.approvals)


def capture_error(capture: Capture, registry: Registry) -> str:
    """Why the script failed, with the errors of the contracts that are known."""
    if capture.frame.error is not None:
        return Tracer(registry).reason(capture.frame)
    return capture.error or ""


def _pairs(capture: Capture, replay: Replay | None) -> Iterator[tuple[Captured, Replayed]]:
    return zip(capture.transactions, replay.transactions if replay else (), strict=False)


def _transaction(
    index: int, captured: Captured, replayed: Replayed, registry: Registry
) -> dict[str, Any]:
    tracer = Tracer(registry, captured.chain_id)
    target = captured.to or captured.contract
    created = replayed.created or captured.contract
    shown: dict[str, Any] = {
        "index": index,
        "chain_id": captured.chain_id,
        "kind": captured.kind,
        "from": address_text(captured.from_),
        "to": address_text(captured.to) if captured.to else None,
        "created": address_text(created) if created else None,
        "contract": tracer.name(created or target or b""),
        "value": str(captured.value),
        "nonce": captured.nonce,
        "succeeded": replayed.succeeded,
        "gas_used": replayed.gas_used,
        "error": None if replayed.succeeded else failure_text(replayed, tracer),
        "logs": [tracer.log_json(log) for log in replayed.logs[:_MAX_STEPS]],
        "storage": list(_storage(captured.chain_id, replayed, registry)),
        "trace": tracer.json(replayed.frame, _MAX_STEPS),
    }
    called = registry.function(captured.to or b"", captured.data, captured.chain_id)
    if called is not None:
        shown["function"] = called[0].signature
        shown["arguments"] = arguments_json(called[0].inputs, called[1])
    return shown


def _storage(chain_id: int, replayed: Replayed, registry: Registry) -> Iterator[dict[str, Any]]:
    """Slots that changed, the first thousand of them."""
    left = _MAX_SLOTS
    for address, slots in replayed.storage.items():
        for slot, (before, after) in slots.items():
            if left <= 0:
                return
            left -= 1
            yield {
                "account": address_text(address),
                "contract": registry.name(address, chain_id),
                "slot": hex_text(slot.to_bytes(32)),
                "before": hex_text(before.to_bytes(32)),
                "after": hex_text(after.to_bytes(32)),
            }


def _balances(moved: Changes, registry: Registry) -> Iterator[dict[str, Any]]:
    for asset, accounts in moved.amounts.items():
        for who, amount in accounts.items():
            yield {
                "chain_id": asset.chain_id,
                "account": address_text(who),
                "name": registry.name(who, asset.chain_id),
                "kind": _kind(asset),
                "token": address_text(asset.token) if asset.token else None,
                "token_name": registry.name(asset.token, asset.chain_id) if asset.token else None,
                "amount": str(amount),
                "ids": [
                    str(number)
                    for number, holder in moved.ids.get(asset, {}).items()
                    if holder == who
                ],
            }


def _kind(asset: Asset) -> str:
    return "coin" if asset.token is None else "erc721" if asset.collectible else "erc20"
