"""Asking a model: what it is told, what is made of its answers, and what is said without one."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import jsonschema
import msgspec
import pytest
from benches import sources_of
from deploy import World
from model_script import Conversation, Garbage, Hang, Policy, Refuse, Reply, Say, in_order
from model_server import ModelServer
from models import KEY, Writer, as_group, five_groups, model_settings
from nodes import ALIASES, WALLET

from stoker.chains.address import parsed
from stoker.chains.errors import ModelFailed
from stoker.chains.group import OperationGroup
from stoker.chains.scripting.declarations import functions
from stoker.chains.scripting.formats import ExtractedContractInfo, ScriptBlock
from stoker.chains.scripting.model import ScriptModel
from stoker.chains.settings import ModelSettings

Work = Callable[[ScriptModel], Awaitable[Any]]


def asked(policy: Policy, work: Work, **settings: Any) -> tuple[Any, ModelServer]:
    with ModelServer(policy, by_schema=True) as server:

        async def main() -> Any:
            async with ScriptModel(model_settings(server, **settings), ALIASES, WALLET) as model:
                return await work(model)

        return asyncio.run(main()), server


def group_of(worlds: dict[int, World], index: int) -> OperationGroup:
    return as_group(five_groups(worlds)[index])


def both(
    worlds: dict[int, World], group: OperationGroup
) -> Callable[[ScriptModel], Awaitable[tuple[tuple[ExtractedContractInfo, ...], ScriptBlock]]]:
    async def work(model: ScriptModel) -> tuple[tuple[ExtractedContractInfo, ...], ScriptBlock]:
        infos = await model.extract(group, sources_of(worlds, group))
        return infos, await model.generate(group, infos)

    return work


def test_what_is_extracted_is_what_the_abi_says(worlds: dict[int, World]) -> None:
    group = group_of(worlds, 1)
    (infos, _), _ = asked(Writer(), both(worlds, group))
    assert [one.address for one in infos] == [one.address for one in group.contracts]
    for info, contract in zip(infos, group.contracts, strict=True):
        known = functions(worlds[1].contracts[contract.name].abi)
        assert info.functions
        for one in info.functions:
            assert json.loads(one.abi) == known[one.signature]
    # However the model wrote them.
    assert [one.signature for one in infos[1].functions] == [
        "approve(address,uint256)",
        "balanceOf(address)",
    ]


def test_lines_come_with_the_interfaces_they_need(worlds: dict[int, World]) -> None:
    (_, block), _ = asked(Writer(), both(worlds, group_of(worlds, 2)))
    given = {
        one.interface.name: one.interface.solidity_code for one in block.codelines if one.interface
    }
    assert set(given) == {"IWETH", "IERC20", "IUniswapV2Router02"}
    assert "function deposit() external payable;" in given["IWETH"]
    assert "function addLiquidity(address tokenA," in given["IUniswapV2Router02"]
    assert worlds[1]["DAI"] in block.codelines[1].line and WALLET in block.codelines[2].line


def test_the_form_of_answers_is_asked_for(worlds: dict[int, World]) -> None:
    (infos, _), server = asked(Writer(), both(worlds, group_of(worlds, 0)))
    first, second = (one.json["response_format"]["json_schema"] for one in server.requests)
    assert (first["name"], second["name"], first["strict"]) == ("extraction", "script", True)

    def strict(part: Any) -> None:
        if isinstance(part, list):
            for one in part:
                strict(one)
        if isinstance(part, dict):
            if "properties" in part:
                assert part["additionalProperties"] is False
                assert part["required"] == list(part["properties"])
            assert "default" not in part and "$ref" not in part
            for one in part.values():
                strict(one)

    line = {"line": "a;", "import_spec": None, "interface": None}
    for form, example in (
        (first["schema"], {"contracts": json.loads(msgspec.json.encode(infos))}),
        (second["schema"], {"codelines": [line]}),
    ):
        strict(form)
        jsonschema.Draft202012Validator.check_schema(form)
        jsonschema.validate(example, form)


@pytest.mark.parametrize("status", [400, 422])
def test_endpoints_without_forms_of_answers_are_asked_plainly(
    worlds: dict[int, World], status: int
) -> None:
    writer = Writer({"Wrap": "fenced"})
    with ModelServer(lambda talk: Say(), by_schema=True) as server:
        # Whether a request had a form, its record knows.
        def without_forms(talk: Conversation) -> Reply:
            if "response_format" in server.requests[talk.number].json:
                return Refuse(status, message="This response_format type is unavailable now")
            return writer(talk)

        server.policy = without_forms

        async def main() -> Any:
            async with ScriptModel(model_settings(server), ALIASES, WALLET) as model:
                return await both(worlds, group_of(worlds, 0))(model)

        _, block = asyncio.run(main())
    assert block.codelines[0].line.endswith(".deposit{value: 5 ether}();")
    assert ["response_format" in one.json for one in server.requests] == [True, False, False]
    last = server.requests[2].conversation
    assert last is not None and "JSON Schema" in last.messages[0].text


def test_what_is_wrong_is_told_and_the_model_may_answer_again(worlds: dict[int, World]) -> None:
    _, server = asked(Writer({"Wrap": "invalid"}), both(worlds, group_of(worlds, 0)))
    talk = server.requests[2].conversation
    assert talk is not None
    assert [one.role for one in talk.messages] == ["system", "user", "assistant", "user"]
    assert "Expected `str`, got `int` - at `$.codelines[0].line`" in talk.messages[-1].text
    assert len(server.requests) == 3


def test_three_attempts_and_no_more(worlds: dict[int, World]) -> None:
    with pytest.raises(ModelFailed, match=r"no valid script in 3 attempts: Expected `str`"):
        asked(Writer({"Wrap": "never valid"}), both(worlds, group_of(worlds, 0)))


def test_a_model_that_names_what_is_not_there_is_told_what_is(worlds: dict[int, World]) -> None:
    group = group_of(worlds, 0)
    weth, other = worlds[1]["WETH"], worlds[1]["DAI"]

    def answers(*contracts: tuple[str, str, list[str]]) -> Say:
        found = [
            {
                "address": address,
                "interface_name": name,
                "functions": [{"signature": one, "abi": ""} for one in signatures],
            }
            for address, name, signatures in contracts
        ]
        return Say(json.dumps({"contracts": found}))

    policy = in_order(
        answers((other, "I", []), ("0x12", "I", [])),
        answers((weth, "I WETH", ["depositt()", "burn(uint256)"]), (weth, "I", [])),
        answers((weth, "IWETH", ["deposit ( )"])),
    )

    async def work(model: ScriptModel) -> tuple[ExtractedContractInfo, ...]:
        return await model.extract(group, sources_of(worlds, group))

    infos, server = asked(policy, work)
    assert infos[0].functions[0].signature == "deposit()"
    said = [one.conversation.messages[-1].text for one in server.requests[1:] if one.conversation]
    assert f"{other} is none of the contracts listed" in said[0]
    assert "found '0x12'" in said[0] and f"the contract {weth} is missing" in said[0]
    assert "is there twice" in said[1]


def test_functions_that_are_not_there_are_answered_with_those_that_are(
    worlds: dict[int, World],
) -> None:
    def extraction(*signatures: str) -> Say:
        listed = [{"signature": one, "abi": ""} for one in signatures]
        info = {"address": worlds[1]["WETH"], "interface_name": "IWETH", "functions": listed}
        return Say(json.dumps({"contracts": [info]}))

    policy = in_order(extraction("depositt()", "burn(uint256)"), extraction("deposit()"))
    group = group_of(worlds, 0)
    _, server = asked(policy, lambda model: model.extract(group, sources_of(worlds, group)))
    assert server.requests[1].conversation is not None
    said = server.requests[1].conversation.messages[-1].text
    assert "has no function 'depositt()'; there are deposit()" in said
    assert "'burn(uint256)'" in said


def test_tokens_that_return_nothing_have_an_interface_of_their_own(
    worlds: dict[int, World],
) -> None:
    group = group_of(worlds, 2)
    weth, dai, _ = sources_of(worlds, group)
    mute = [{**one, "outputs": []} if one.get("name") == "approve" else one for one in dai.abi]
    sources = (weth, msgspec.structs.replace(dai, abi=mute))

    def extraction(*names: str) -> Say:
        listed = [{"signature": "approve(address,uint256)", "abi": ""}]
        infos = [
            {"address": one.address, "interface_name": name, "functions": listed}
            for one, name in zip(sources, names, strict=True)
        ]
        return Say(json.dumps({"contracts": infos}))

    policy = in_order(extraction("IERC20", "IERC20"), extraction("IERC20", "IMute"))
    infos, server = asked(policy, lambda model: model.extract(group, sources))
    assert [one.interface_name for one in infos] == ["IERC20", "IMute"]
    assert server.requests[1].conversation is not None
    said = server.requests[1].conversation.messages[-1].text
    assert f"approve(address,uint256) of {dai.address} and of {weth.address} return" in said


def test_the_sender_of_the_group_goes_before_that_of_the_settings(
    worlds: dict[int, World],
) -> None:
    other = worlds[1]["Vault"]
    group = msgspec.structs.replace(group_of(worlds, 3), sender=other)
    (_, block), _ = asked(Writer(), both(worlds, group))
    assert other in block.codelines[1].line and WALLET not in block.codelines[1].line


def test_groups_of_several_chains_are_told_how_to_change_them(worlds: dict[int, World]) -> None:
    one, other = group_of(worlds, 0), group_of(worlds, 4)
    group = msgspec.structs.replace(one, contracts=one.contracts + other.contracts)
    (_, _), server = asked(Writer(), both(worlds, group))
    assert server.requests[1].conversation is not None
    told = server.requests[1].conversation.asked
    assert 'on chain 10 (alias "optimism")' in told and "vm.createSelectFork" in told
    (_, _), server = asked(Writer(), both(worlds, one))
    assert server.requests[1].conversation is not None
    assert "createSelectFork" not in server.requests[1].conversation.asked


def test_large_sources_are_cut_to_what_the_operations_are_about(worlds: dict[int, World]) -> None:
    group = group_of(worlds, 3)
    dai, vault = sources_of(worlds, group)
    noise = {
        f"lib/Noise{number}.sol": f"contract Noise{number} {{\n"
        + "\n".join(
            f"    function tune{n}(uint a) external {{ a + {n} * {number}; }}" for n in range(200)
        )
        + "\n}\n"
        for number in range(50)
    }
    large = msgspec.structs.replace(vault, files={**noise, **vault.files})
    _, server = asked(Writer(), lambda model: model.extract(group, (dai, large)))
    assert server.requests[0].conversation is not None
    told = server.requests[0].conversation.asked
    assert sum(map(len, large.files.values())) > 500_000
    assert len(told) < 60_000
    # What an operation names is there with its body, and so are all the functions.
    assert "function deposit(uint256 assets, address receiver) public virtual returns" in told
    assert "previewDeposit(uint256) -- function previewDeposit(uint256 assets)" in told


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Refuse(401, message=f"wrong key {KEY}"), "HTTP 401"),
        (Refuse(500), "no answer in 3 attempts: HTTP 500"),
        (Refuse(429, retry_after=4000), "to be asked again only in 4000 s"),
        (Garbage(), "expected a stream of events"),
        (Hang(0), "no answer within 0.5 s"),
        (Hang(3), "no answer within 0.5 s"),
    ],
)
def test_a_model_that_cannot_be_asked_is_said_so(
    worlds: dict[int, World], reply: Reply, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stoker.agents.builtin.client.Client._backoff", lambda *_: 0.0)
    timeout = 0.5 if isinstance(reply, Hang) else 30.0
    with pytest.raises(ModelFailed) as raised:
        asked(lambda talk: reply, both(worlds, group_of(worlds, 0)), timeout=timeout)
    assert "the model scripted" in str(raised.value) and said in str(raised.value)
    assert KEY not in str(raised.value)


def test_a_base_url_that_is_none_is_named(worlds: dict[int, World]) -> None:
    async def main() -> None:
        async with ScriptModel(ModelSettings(base_url="localhost", model="m"), ALIASES) as model:
            await both(worlds, group_of(worlds, 0))(model)

    with pytest.raises(ModelFailed, match="base_url: 'localhost': expected a URL"):
        asyncio.run(main())


def test_all_addresses_of_contracts_are_told_with_their_checksum(
    worlds: dict[int, World],
) -> None:
    group = group_of(worlds, 2)
    _, server = asked(Writer(), both(worlds, group))
    for record in server.requests:
        assert record.conversation is not None
        head = record.conversation.asked.partition("```")[0]
        found = re.findall(r"\b0x[0-9a-fA-F]{40}\b", head)
        assert found and {parsed(one) for one in found}  # raises for a wrong checksum
    assert {one.address for one in group.contracts} <= set(found)
