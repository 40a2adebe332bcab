"""Chains that a script is given, by their aliases, and nothing else. A chain has one state, however
often it is selected: forge begins anew each time it is created, and so loses what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stoker.chains.errors import ScriptRefused
from stoker.chains.evm.pyevm.cheats.table import CheatFailed, cheat

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Computation
    from stoker.chains.evm.pyevm.script import Script


def _named(script: Script, alias: str) -> int:
    chain_id = script.job.chains.aliases.get(alias)
    if chain_id is None or chain_id not in script.world.chains:
        known = ", ".join(sorted(script.job.chains.aliases)) or "none"
        raise ScriptRefused(
            f"the script asks for the chain {alias!r}; those it may reach by their aliases: {known}"
        )
    return chain_id


@cheat("createFork(string)", "createFork(string,uint256)", returns="(uint256)")
def create_fork(script: Script, caller: Computation, alias: str, number: int | None = None) -> int:
    chain_id = _named(script, alias)
    pinned = script.world.chains[chain_id].pin.number
    if number is not None and number != pinned:
        raise ScriptRefused(
            f"the script asks for block {number} of {alias!r}, and its plan is on block {pinned}"
        )
    script.forks.append(chain_id)
    return len(script.forks) - 1


@cheat("selectFork(uint256)")
def select_fork(script: Script, caller: Computation, fork: int) -> None:
    if script.broadcast is not None:
        raise CheatFailed("cannot select forks during a broadcast")
    if fork >= len(script.forks):
        raise CheatFailed(f"no fork has the id {fork}")
    script.select(fork)


@cheat("createSelectFork(string)", "createSelectFork(string,uint256)", returns="(uint256)")
def create_select_fork(
    script: Script, caller: Computation, alias: str, number: int | None = None
) -> int:
    fork = create_fork(script, caller, alias, number)
    select_fork(script, caller, fork)
    return int(fork)


@cheat("activeFork()", returns="(uint256)")
def active_fork(script: Script, caller: Computation) -> int:
    return script.world.chain.fork


@cheat("rollFork(uint256)", "rollFork(uint256,uint256)")
def roll_fork(script: Script, caller: Computation, *numbers: int) -> None:
    chain = script.world.chain
    if len(numbers) == 2:
        if numbers[0] >= len(script.forks):
            raise CheatFailed(f"no fork has the id {numbers[0]}")
        chain = script.world.chains[script.forks[numbers[0]]]
    if numbers[-1] != chain.pin.number:
        raise ScriptRefused(
            f"the script asks for block {numbers[-1]}, and its plan is on block {chain.pin.number}"
        )


@cheat("rpcUrl(string)", returns="(string)")
def rpc_url(script: Script, caller: Computation, alias: str) -> str:
    """The alias itself, which is all that `createFork` takes: URLs may hold secrets."""
    _named(script, alias)
    return alias


@cheat("makePersistent(address)", "makePersistent(address,address)")
@cheat("makePersistent(address,address,address)")
def make_persistent(script: Script, caller: Computation, *accounts: bytes) -> None:
    script.persistent.update(dict.fromkeys(accounts))


@cheat("makePersistent(address[])")
def make_all_persistent(script: Script, caller: Computation, accounts: tuple[str, ...]) -> None:
    make_persistent(script, caller, *(bytes.fromhex(one[2:]) for one in accounts))


@cheat("revokePersistent(address)")
def revoke_persistent(script: Script, caller: Computation, account: bytes) -> None:
    script.persistent.pop(account, None)


@cheat("isPersistent(address)", returns="(bool)")
def is_persistent(script: Script, caller: Computation, account: bytes) -> bool:
    return account in script.persistent
