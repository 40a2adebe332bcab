"""A scripted model that writes the scripts of a five-group plan, from what its prompts say.

    with ModelServer(Writer({"Swap": "revert"}), by_schema=True) as server:
        model = ScriptModel(model_settings(server), ALIASES, WALLET)

The writer knows contracts by the names they are verified under, and takes addresses and the
sender from the prompt, so that a prompt that lacks them gives a script that cannot work.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from deploy import World

sys.path.insert(0, str(Path(__file__).parents[1] / "agents"))

from model_script import Call, Conversation, Reply, Say
from model_server import ModelServer

from stoker.chains.group import Contract, OperationGroup
from stoker.chains.settings import ModelSettings

KEY = "model-key-93ab"
Fault = Literal["compile", "revert", "unmendable", "invalid", "never valid", "fenced"]
"""`compile`, `revert`: mended when the script agent asks. `unmendable`: fails, and the model says
that it cannot be done. `invalid`: the first answer of three is none. `fenced`: JSON in a text."""

_KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "WETH9": ("IWETH", ("deposit()", "approve(address,uint256)", "balanceOf(address)")),
    "Token": ("IERC20", ("approve(address spender, uint value)", "balanceOf(address)")),
    "UniswapV2Router02": (
        "IUniswapV2Router02",
        (
            "function getAmountsOut(uint256 amountIn, address[] memory path)",
            "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
            "addLiquidity",
        ),
    ),
    "Vault": ("IERC4626", ("deposit(uint256,address)", "previewDeposit(uint256)")),
}
_UNKNOWN_NAME = "uint256 half = amount / 2;"
_TOO_MUCH = "amounts[1] * 2"
_ENOUGH = "amounts[1] * 995 / 1000"
PAUSED = 'require(block.chainid == 0, "paused");'


def model_settings(server: ModelServer, **settings: Any) -> ModelSettings:
    return ModelSettings(base_url=f"{server.url}/v1", model="scripted", api_key=KEY, **settings)


def five_groups(worlds: Mapping[int, World]) -> list[dict[str, Any]]:
    """As they come in JSON: wrap; approve and swap, add liquidity after that; a deposit; a swap on
    the second chain."""

    def group(description: str, operations: list[str], after: list[int], *names: str) -> Any:
        world = worlds[10 if "Optimism" in description else 1]
        return {
            "description": description,
            "operations": operations,
            "dependencies": after,
            "contracts": [[str(world.chain_id), world[name], name] for name in names],
        }

    router = "UniswapV2Router02"
    swap = ["Approve 1 WETH for the router", "Swap 1 WETH for USDC, at most 0.5 % worse than now"]
    return [
        group("Wrap ETH", ["Wrap 5 ETH into WETH"], [], "WETH"),
        group("Swap on Uniswap V2", swap, [0], "WETH", "USDC", router),
        group(
            "Add liquidity",
            ["Approve 1 WETH and 2000 DAI", "Add them to the pool of WETH and DAI"],
            [0],
            *("WETH", "DAI", router),
        ),
        group(
            "Deposit into the vault",
            ["Approve 1000 DAI for the vault", "Deposit 1000 DAI for the sender's own account"],
            [],
            *("DAI", "Vault"),
        ),
        group("Swap on Optimism", swap, [1], "WETH", "USDC", router),
    ]


def as_group(document: Mapping[str, Any]) -> OperationGroup:
    """Without `stoker.chains.reading`."""
    contracts = tuple(Contract(int(c), address, name) for c, address, name in document["contracts"])
    return OperationGroup(
        document["description"],
        tuple(document["operations"]),
        tuple(document["dependencies"]),
        contracts,
    )


class Writer:
    """A policy of the model server: the same question gets the same answer."""

    def __init__(self, faults: Mapping[str, Fault] | None = None) -> None:
        """`faults`: of groups, by a word of their description."""
        self.faults = dict(faults or {})

    def __call__(self, talk: Conversation) -> Reply:
        asked = next(message.text for message in talk.messages if message.role == "user")
        fault = next((f for word, f in self.faults.items() if word in asked.split("\n\n")[0]), None)
        if talk.tools:
            return _mended(talk, asked)
        if "interface_name" in asked or "You prepare" in talk.messages[0].text:
            return _said(_extraction(asked))
        if fault == "never valid" or (fault == "invalid" and talk.turns == 0):
            return Say('{"codelines": [{"line": 7}]}')
        answer = _said(_script(asked, fault))
        if fault == "fenced":
            return Say(f"Here it is:\n\n```json\n{answer.text}\n```\nGood luck!")
        return answer


def _said(value: Any) -> Say:
    return Say(json.dumps(value))


def _extraction(asked: str) -> dict[str, Any]:
    found = []
    for address, name in re.findall(
        r"^## .*: (0x\w{40}) on chain .*, verified as (\w+)$", asked, re.M
    ):
        interface, functions = _KNOWN[name]
        found.append(
            {
                "address": address.lower(),
                "interface_name": interface,
                "functions": [{"signature": one, "abi": ""} for one in functions],
                "storages": [],
                "events": [],
                "description": f"a {name}",
            }
        )
    return {"contracts": found}


def _script(asked: str, fault: Fault | None) -> dict[str, Any]:
    contracts = dict(re.findall(r"^## (\w+): \w+\((0x\w{40})\)", asked, re.M))
    interfaces = {
        name: f"{interface}({address})"
        for name, interface, address in re.findall(r"^## (\w+): (\w+)\((0x\w{40})\)", asked, re.M)
    }
    sender = re.search(r"The sender is (0x\w{40})", asked)
    assert sender is not None, asked
    title = asked.split("\n\n", maxsplit=1)[0]
    lines = _lines(title, contracts, interfaces, sender[1])
    if fault == "compile":
        lines.insert(0, _UNKNOWN_NAME)
    elif fault == "unmendable" or (fault == "revert" and "Swap" not in title):
        lines.insert(0, PAUSED)
    elif fault == "revert":
        lines = [line.replace(_ENOUGH, _TOO_MUCH) for line in lines]
    named = {interface.partition("(")[0] for interface in interfaces.values()}
    codelines = []
    for line in lines:
        new = next((name for name in sorted(named) if f"{name}(" in line), None)
        named.discard(new or "")
        interface = {"name": new, "solidity_code": ""} if new else None
        codelines.append({"line": line, "import_spec": None, "interface": interface})
    return {"codelines": codelines}


def _lines(
    title: str, at: Mapping[str, str], contract: Mapping[str, str], sender: str
) -> list[str]:
    router = "UniswapV2Router02"
    rest = f"{sender}, block.timestamp + 3600"
    if "Wrap" in title:
        return [f"{contract['WETH']}.deposit{{value: 5 ether}}();"]
    if "Swap" in title:
        return [
            "address[] memory path = new address[](2);",
            f"path[0] = {at['WETH']};",
            f"path[1] = {at['USDC']};",
            f"uint256[] memory amounts = {contract[router]}.getAmountsOut(1 ether, path);",
            f"{contract['WETH']}.approve({at[router]}, 1 ether);",
            f"{contract[router]}.swapExactTokensForTokens(1 ether, {_ENOUGH}, path, {rest});",
        ]
    if "liquidity" in title:
        amounts = "1 ether, 2000 ether, 0.99 ether, 1980 ether"
        return [
            f"{contract['WETH']}.approve({at[router]}, 1 ether);",
            f"{contract['DAI']}.approve({at[router]}, 2000 ether);",
            f"{contract[router]}.addLiquidity({at['WETH']}, {at['DAI']}, {amounts}, {rest});",
        ]
    assert "vault" in title, title
    return [
        f"{contract['DAI']}.approve({at['Vault']}, 1000 ether);",
        f"{contract['Vault']}.deposit(1000 ether, {sender});",
    ]


def _mended(talk: Conversation, asked: str) -> Reply:
    """Looks, mends, and has it checked; what says that it is paused, it gives up."""
    mistakes = {_UNKNOWN_NAME: "", _TOO_MUCH: _ENOUGH}
    wrong = next((one for one in mistakes if one in asked), None)
    if wrong is None:
        return Say("It cannot be done:\nthe contract is paused.")
    look = Call("compile_session", {}) if wrong == _UNKNOWN_NAME else Call("log_analyzer", {})
    steps = (
        (look,),
        (Call("edit_script", {"old": wrong, "new": mistakes[wrong]}),),
        (Call("execute_contract", {}),),
    )
    return Say("One moment.", calls=steps[min(talk.turns, 2)])
