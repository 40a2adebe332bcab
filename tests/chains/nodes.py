"""Nodes that play the public chains: real anvil processes, and how tests speak to them."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

EVM = Path(__file__).parents[2] / ".evm"
"""Made by `scripts/chains`."""
MODULES = EVM / "node_modules"
MNEMONIC = "test test test test test test test test test test test junk"
WALLET = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
"""The mnemonic's first account: whose groups are run. The nodes have its key and sign for it."""
OTHER_WALLET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
"""Its second."""
ALIASES = {1: "mainnet", 10: "optimism"}


def program(name: str) -> Path:
    """`anvil` or `forge` itself, not the script of its package, which needs a Node."""
    found = sorted(MODULES.glob(f"@foundry-rs/{name}-*/bin/{name}"))
    assert found, f"no {name} in {MODULES}: run scripts/chains"
    return found[0]


class RpcFailed(Exception):
    """A node's answer was an error; `error` is that."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        super().__init__(f"{method}: {error.get('message')}")
        self.error = error


class Node:
    """One running anvil. Ends with `stop()`, and with the thread that has made it."""

    def __init__(self, chain_id: int, *options: str | Path, program: Path | None = None) -> None:
        self.chain_id = chain_id
        self.process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", program or globals()["program"]("anvil")),
                *("--port", "0", "--chain-id", str(chain_id), "--hardfork", "prague"),
                *("--mnemonic", MNEMONIC, "--threads", "1", *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("Listening on "):
                self.url = f"http://{line.removeprefix('Listening on ').strip()}"
                break
        else:
            raise AssertionError(f"anvil did not start: {''.join(said)}")
        self._drain = threading.Thread(target=self._read, daemon=True)
        self._drain.start()
        self._client = httpx.Client(timeout=30)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for _ in self.process.stdout:
            pass

    def rpc(self, method: str, *params: object) -> Any:
        answer = self._client.post(
            self.url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        ).json()
        if "error" in answer:
            raise RpcFailed(method, answer["error"])
        return answer["result"]

    def send(
        self, from_: str, to: str | None, data: bytes | str = b"", value: int = 0
    ) -> dict[str, Any]:
        """A transaction, mined. Its receipt; a reverted one is an error of the test."""
        # an estimate is for a block before, and a second later Uniswap's oracle writes more
        call = {"from": from_, "data": _hex(data), "value": hex(value), "gas": hex(10_000_000)}
        if to is not None:
            call["to"] = to
        receipt = self.rpc("eth_sendTransactionSync", call)
        assert receipt["status"] == "0x1", receipt
        return dict(receipt)

    def call(self, to: str, data: bytes | str, from_: str = WALLET, block: str = "latest") -> bytes:
        answer = self.rpc("eth_call", {"from": from_, "to": to, "data": _hex(data)}, block)
        return bytes.fromhex(answer[2:])

    def balance(self, account: str, token: str | None = None) -> int:
        """Wei, or units of an ERC-20."""
        if token is None:
            return int(self.rpc("eth_getBalance", account, "latest"), 16)
        return int.from_bytes(self.call(token, calldata("balanceOf(address)", account)))

    def stop(self) -> None:
        self._client.close()
        self.process.kill()
        self.process.wait()
        self._drain.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


def calldata(signature: str, *arguments: object) -> bytes:
    """`transfer(address,uint256)`, called."""
    from eth_abi.abi import encode
    from eth_abi.grammar import parse
    from eth_utils.crypto import keccak

    kinds = signature[signature.index("(") :]
    types = [part.to_type_str() for part in parse(kinds).components] if kinds != "()" else []
    return keccak(text=signature)[:4] + encode(types, arguments)


def digest(*parts: Path | str) -> str:
    """Of texts and of what files hold."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        whole.update(b"\0")
    return whole.hexdigest()[:24]


def _hex(data: bytes | str) -> str:
    return data if isinstance(data, str) else f"0x{data.hex()}"


def stop_all(nodes: Sequence[Node]) -> None:
    for node in nodes:
        node.stop()
