"""In whose name the calls of a script are made: broadcast, or only pretended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from stoker.chains.evm.pyevm.cheats.keys import address_of_key
from stoker.chains.evm.pyevm.cheats.table import CheatFailed, cheat

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Computation
    from stoker.chains.evm.pyevm.script import Script


class Broadcast(Struct):
    """Calls that `caller` makes at `depth` are transactions of `sender`."""

    sender: bytes
    caller: bytes
    origin: bytes
    """As it was before."""
    depth: int
    once: bool


class Prank(Struct):
    """Calls that `caller` makes at `depth` come from `sender`."""

    sender: bytes
    new_origin: bytes | None
    caller: bytes
    origin: bytes
    depth: int
    once: bool
    used: bool = False


def _broadcast(script: Script, caller: Computation, sender: bytes | None, once: bool) -> None:
    if script.prank_at(caller.msg.depth) is not None:
        raise CheatFailed("you have an active prank; broadcasting and pranks are not compatible")
    if script.broadcast is not None:
        raise CheatFailed("a broadcast is active already")
    here = caller.msg
    script.broadcast = Broadcast(
        sender=sender or script.sender,
        caller=here.storage_address,
        origin=script.world.origin,
        depth=here.depth,
        once=once,
    )


@cheat("broadcast()", "broadcast(address)")
def broadcast(script: Script, caller: Computation, sender: bytes | None = None) -> None:
    _broadcast(script, caller, sender, True)


@cheat("broadcast(uint256)")
def broadcast_key(script: Script, caller: Computation, key: int) -> None:
    _broadcast(script, caller, address_of_key(key), True)


@cheat("startBroadcast()", "startBroadcast(address)")
def start_broadcast(script: Script, caller: Computation, sender: bytes | None = None) -> None:
    _broadcast(script, caller, sender, False)


@cheat("startBroadcast(uint256)")
def start_broadcast_key(script: Script, caller: Computation, key: int) -> None:
    _broadcast(script, caller, address_of_key(key), False)


@cheat("stopBroadcast()")
def stop_broadcast(script: Script, caller: Computation) -> None:
    if script.broadcast is None:
        raise CheatFailed("no broadcast in progress to stop")
    script.broadcast = None


def _prank(
    script: Script, caller: Computation, sender: bytes, origin: bytes | None, once: bool
) -> None:
    here = caller.msg
    active = script.prank_at(here.depth)
    if active is not None:
        if not active.used:
            raise CheatFailed("cannot overwrite a prank until it is applied at least once")
        if active.once != once:
            raise CheatFailed(
                "cannot override an ongoing prank with a single vm.prank; "
                "use vm.startPrank to override the current prank"
            )
    if script.broadcast is not None:
        raise CheatFailed(
            "cannot `prank` for a broadcasted transaction; "
            "pass the desired `tx.origin` into the `broadcast` cheatcode call"
        )
    script.pranks[here.depth] = Prank(
        sender=sender,
        new_origin=origin,
        caller=here.storage_address,
        origin=script.world.origin,
        depth=here.depth,
        once=once,
    )


@cheat("prank(address)", "prank(address,address)")
def prank(script: Script, caller: Computation, sender: bytes, origin: bytes | None = None) -> None:
    _prank(script, caller, sender, origin, True)


@cheat("startPrank(address)", "startPrank(address,address)")
def start_prank(
    script: Script, caller: Computation, sender: bytes, origin: bytes | None = None
) -> None:
    _prank(script, caller, sender, origin, False)


@cheat("stopPrank()")
def stop_prank(script: Script, caller: Computation) -> None:
    script.pranks.pop(caller.msg.depth, None)


@cheat("readCallers()", returns="(uint8,address,address)")
def read_callers(script: Script, caller: Computation) -> tuple[int, bytes, bytes]:
    active = script.prank_at(caller.msg.depth)
    if active is not None:
        mode = 3 if active.once else 4
        return mode, active.sender, active.new_origin or script.world.origin
    if script.broadcast is not None:
        mode = 1 if script.broadcast.once else 2
        return mode, script.broadcast.sender, script.broadcast.sender
    return 0, script.world.origin, script.world.origin
