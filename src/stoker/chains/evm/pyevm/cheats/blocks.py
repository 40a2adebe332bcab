"""The block that code sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stoker.chains.evm.pyevm.cheats.table import CheatFailed, cheat

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.computation import Computation
    from stoker.chains.evm.pyevm.script import Script

_WORD = 2**64


def _sets(field: str, *signatures: str, below: int = 2**256) -> None:
    @cheat(*signatures)
    def change(script: Script, caller: Computation, value: Any) -> None:
        if isinstance(value, int) and value >= below:
            raise CheatFailed(f"{value} does not fit 64 bits")
        setattr(script.world.chain.block, field, value)


_sets("timestamp", "warp(uint256)")
_sets("number", "roll(uint256)")
_sets("base_fee", "fee(uint256)", below=_WORD)
_sets("chain_id", "chainId(uint256)", below=_WORD)
_sets("coinbase", "coinbase(address)")
_sets("prevrandao", "prevrandao(bytes32)")
_sets("blob_base_fee", "blobBaseFee(uint256)")


def _tells(field: str, signature: str) -> None:
    @cheat(signature, returns="(uint256)")
    def tell(script: Script, caller: Computation) -> int:
        return int(getattr(script.world, field))


_tells("blob_base_fee", "getBlobBaseFee()")
_tells("block_number", "getBlockNumber()")
_tells("timestamp", "getBlockTimestamp()")
_tells("chain_id", "getChainId()")


@cheat("prevrandao(uint256)", "difficulty(uint256)")
def prevrandao_number(script: Script, caller: Computation, value: int) -> None:
    script.world.chain.block.prevrandao = value.to_bytes(32, "big")


@cheat("txGasPrice(uint256)")
def tx_gas_price(script: Script, caller: Computation, price: int) -> None:
    if price >= _WORD:
        raise CheatFailed(f"{price} does not fit 64 bits")
    script.world.gas_price = price


@cheat("pauseGasMetering()", "resumeGasMetering()", "resetGasMetering()")
def metering(script: Script, caller: Computation) -> None:
    """Gas of a script's own work costs nothing, metered or not."""


@cheat("assume(bool)")
def assume(script: Script, caller: Computation, condition: bool) -> None:
    if not condition:
        raise CheatFailed("the input does not hold")
