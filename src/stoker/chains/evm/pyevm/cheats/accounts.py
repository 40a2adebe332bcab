"""What accounts have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stoker.chains.evm.pyevm.cheats.table import CheatFailed, cheat

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Computation
    from stoker.chains.evm.pyevm.script import Script


@cheat("deal(address,uint256)")
def deal(script: Script, caller: Computation, account: bytes, balance: int) -> None:
    script.world.set_balance(account, balance)


@cheat("etch(address,bytes)")
def etch(script: Script, caller: Computation, account: bytes, code: bytes) -> None:
    script.world.set_code(account, code)


@cheat("load(address,bytes32)", returns="(bytes32)")
def load(script: Script, caller: Computation, account: bytes, slot: bytes) -> bytes:
    value = script.world.get_storage(account, int.from_bytes(slot, "big"))
    return value.to_bytes(32, "big")


@cheat("store(address,bytes32,bytes32)")
def store(script: Script, caller: Computation, account: bytes, slot: bytes, value: bytes) -> None:
    at, number = int.from_bytes(slot, "big"), int.from_bytes(value, "big")
    script.world.set_storage(account, at, number)


@cheat("getNonce(address)", returns="(uint64)")
def get_nonce(script: Script, caller: Computation, account: bytes) -> int:
    return script.world.get_nonce(account)


@cheat("setNonce(address,uint64)")
def set_nonce(script: Script, caller: Computation, account: bytes, nonce: int) -> None:
    have = script.world.get_nonce(account)
    if nonce < have:
        raise CheatFailed(
            f"new nonce ({nonce}) must be strictly equal to or higher than the "
            f"account's current nonce ({have})"
        )
    script.world.set_nonce(account, nonce)


@cheat("setNonceUnsafe(address,uint64)")
def set_nonce_unsafe(script: Script, caller: Computation, account: bytes, nonce: int) -> None:
    script.world.set_nonce(account, nonce)


@cheat("resetNonce(address)")
def reset_nonce(script: Script, caller: Computation, account: bytes) -> None:
    script.world.set_nonce(account, 1 if script.world.get_code(account) else 0)


@cheat("label(address,string)")
def label(script: Script, caller: Computation, account: bytes, name: str) -> None:
    script.labels[account] = name


@cheat("getLabel(address)", returns="(string)")
def get_label(script: Script, caller: Computation, account: bytes) -> str:
    from eth_utils.address import to_checksum_address

    return script.labels.get(account) or f"unlabeled:{to_checksum_address(account)}"


@cheat("snapshotState()", "snapshot()", returns="(uint256)")
def snapshot_state(script: Script, caller: Computation) -> int:
    return script.keep()


@cheat("revertToState(uint256)", "revertTo(uint256)", returns="(bool)")
def revert_to_state(script: Script, caller: Computation, number: int) -> bool:
    return script.put_back(number)


@cheat("revertToStateAndDelete(uint256)", "revertToAndDelete(uint256)", returns="(bool)")
def revert_to_state_and_delete(script: Script, caller: Computation, number: int) -> bool:
    done = script.put_back(number)
    script.kept.pop(number, None)
    return done


@cheat("deleteStateSnapshot(uint256)", "deleteSnapshot(uint256)", returns="(bool)")
def delete_snapshot(script: Script, caller: Computation, number: int) -> bool:
    return script.kept.pop(number, None) is not None


@cheat("deleteStateSnapshots()", "deleteSnapshots()")
def delete_snapshots(script: Script, caller: Computation) -> None:
    script.kept.clear()
