"""The block that code sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stoker.chains.evm.pyevm.cheats.table import CheatFailed, cheat

if TYPE_CHECKING:
    from stoker.chains.evm.pyevm.chain import Block
    from stoker.chains.evm.pyevm.computation import Computation
    from stoker.chains.evm.pyevm.script import Script


def _block(script: Script) -> Block:
    return script.world.chain.block


def _word(value: int) -> int:
    if value >= 2**64:
        raise CheatFailed(f"{value} does not fit 64 bits")
    return value


@cheat("warp(uint256)")
def warp(script: Script, caller: Computation, timestamp: int) -> None:
    _block(script).timestamp = timestamp


@cheat("roll(uint256)")
def roll(script: Script, caller: Computation, number: int) -> None:
    _block(script).number = number


@cheat("fee(uint256)")
def fee(script: Script, caller: Computation, base_fee: int) -> None:
    _block(script).base_fee = _word(base_fee)


@cheat("chainId(uint256)")
def chain_id(script: Script, caller: Computation, number: int) -> None:
    _block(script).chain_id = _word(number)


@cheat("coinbase(address)")
def coinbase(script: Script, caller: Computation, account: bytes) -> None:
    _block(script).coinbase = account


@cheat("prevrandao(bytes32)")
def prevrandao(script: Script, caller: Computation, value: bytes) -> None:
    _block(script).prevrandao = value


@cheat("prevrandao(uint256)", "difficulty(uint256)")
def prevrandao_number(script: Script, caller: Computation, value: int) -> None:
    _block(script).prevrandao = value.to_bytes(32, "big")


@cheat("blobBaseFee(uint256)")
def blob_base_fee(script: Script, caller: Computation, value: int) -> None:
    _block(script).blob_base_fee = value


@cheat("getBlobBaseFee()", returns="(uint256)")
def get_blob_base_fee(script: Script, caller: Computation) -> int:
    return script.world.blob_base_fee


@cheat("txGasPrice(uint256)")
def tx_gas_price(script: Script, caller: Computation, price: int) -> None:
    script.world.gas_price = _word(price)


@cheat("getBlockNumber()", returns="(uint256)")
def get_block_number(script: Script, caller: Computation) -> int:
    return _block(script).number


@cheat("getBlockTimestamp()", returns="(uint256)")
def get_block_timestamp(script: Script, caller: Computation) -> int:
    return _block(script).timestamp


@cheat("getChainId()", returns="(uint256)")
def get_chain_id(script: Script, caller: Computation) -> int:
    return _block(script).chain_id


@cheat("pauseGasMetering()", "resumeGasMetering()", "resetGasMetering()")
def metering(script: Script, caller: Computation) -> None:
    """Gas of a script's own work costs nothing, metered or not."""


@cheat("assume(bool)")
def assume(script: Script, caller: Computation, condition: bool) -> None:
    if not condition:
        raise CheatFailed("the input does not hold")
