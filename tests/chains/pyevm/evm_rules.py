"""`Rules.s.sol`, and nodes as the state that its contracts run on."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from deploy import World
from nodes import ALIASES, EVM, WALLET, Node, digest

from stoker.chains.evm.job import Chains, Pin
from stoker.chains.solidity.compilation import Compilation
from stoker.chains.solidity.compiler import SolidityCompiler
from stoker.chains.solidity.imports import reach
from stoker.chains.state.told import read_pin

FILE = "Rules.s.sol"
RULES = Path(__file__).with_name("Rules.s.sol")
HOSTILE = Path(__file__).with_name("Hostile.s.sol")
WALLET_BYTES = bytes.fromhex(WALLET[2:])


class NodeState:
    """A `Source` that asks nodes at once."""

    def __init__(self, nodes: dict[int, Node]) -> None:
        self.nodes = nodes

    def want(self, pin: Pin, addresses: Sequence[bytes]) -> None:
        pass

    def account(self, pin: Pin, address: bytes) -> tuple[int, int, bytes]:
        node, who, at = self.nodes[pin.chain_id], f"0x{address.hex()}", hex(pin.number)
        code = node.rpc("eth_getCode", who, at)
        return (
            int(node.rpc("eth_getBalance", who, at), 16),
            int(node.rpc("eth_getTransactionCount", who, at), 16),
            bytes.fromhex(code[2:]),
        )

    def slot(self, pin: Pin, address: bytes, slot: int) -> int:
        node = self.nodes[pin.chain_id]
        at = hex(pin.number)
        return int(node.rpc("eth_getStorageAt", f"0x{address.hex()}", hex(slot), at), 16)

    def block_hash(self, pin: Pin, number: int) -> bytes:
        block = self.nodes[pin.chain_id].rpc("eth_getBlockByNumber", hex(number), False)
        return bytes.fromhex(block["hash"][2:])


def pinned(nodes: dict[int, Node]) -> Chains:
    """Each at its latest block."""
    pins = {}
    for chain_id, node in nodes.items():
        pin = read_pin(node.rpc("eth_getBlockByNumber", "latest", False))
        assert pin is not None
        pins[chain_id] = msgspec.structs.replace(pin, chain_id=chain_id)
    return Chains(home=1, pins=pins, aliases={name: id_ for id_, name in ALIASES.items()})


def rules(worlds: dict[int, World]) -> str:
    """`Rules.s.sol`, with the addresses of what is deployed."""
    text = RULES.read_text()
    for name in ("WETH", "USDC", "UniswapV2Router02"):
        text = text.replace(f"{{{name}}}", worlds[1][name])
    return text


async def compile_all(text: str) -> dict[str, Compilation]:
    """Every contract, by its name."""
    settings = {
        "evmVersion": "prague",
        "metadata": {"bytecodeHash": "none"},
        "outputSelection": {"*": {"*": ["abi", "evm.bytecode", "evm.deployedBytecode.object"]}},
    }
    sources = reach({FILE: text}, None)
    question = {
        "language": "Solidity",
        "sources": {name: {"content": one} for name, one in sources.items()},
        "settings": settings,
    }
    kept = EVM / "cache" / f"rules-{digest(json.dumps(question))}.json"
    if not kept.exists():
        async with SolidityCompiler(project=EVM, solc=str(EVM)) as compiler:
            answer = await compiler.ask(json.dumps(question).encode())
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(answer)
    output = json.loads(kept.read_bytes())
    wrong = [one for one in output.get("errors", ()) if one["severity"] == "error"]
    assert not wrong, wrong
    contracts = output["contracts"][FILE]
    found: dict[str, Compilation] = {}

    def one(name: str) -> Compilation:
        made = contracts[name]
        code, needed = made["evm"]["bytecode"], []
        links: dict[str, tuple[int, ...]] = {}
        for file, linked in code["linkReferences"].items():
            for library, places in linked.items():
                links[f"{file}:{library}"] = tuple(place["start"] for place in places)
                needed += [*one(library).libraries, one(library)]
        return Compilation(
            name=name,
            file=FILE,
            abi=made["abi"],
            bytecode=_hex(code["object"]),
            runtime=_hex(made["evm"]["deployedBytecode"]["object"]),
            links=links,
            libraries=tuple({library.name: library for library in needed}.values()),
        )

    for name in contracts:
        found[name] = one(name)
    return found


def _hex(code: str) -> bytes:
    """Zeros where libraries are to be linked."""
    return bytes.fromhex(re.sub(r"__\$\w{34}\$__", "0" * 40, code))
