"""Fetching sources: from whom, how often, what is kept, and what is said if there are none."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from deploy import World
from explorers import KEY, Cut, Explorers, Garbage, Limited, Slow, Status
from msgspec.structs import replace

from stoker.chains.errors import SourcesMissing
from stoker.chains.group import Contract
from stoker.chains.settings import SourceSettings
from stoker.chains.sources.contract_source import ContractSource
from stoker.chains.sources.fetcher import SourceFetcher

Run = Callable[[Callable[[SourceFetcher], Awaitable[Any]]], Any]


@pytest.fixture
def explorers(worlds: dict[int, World]) -> Any:
    with Explorers(worlds.values()) as running:
        yield running


@pytest.fixture
def run(explorers: Explorers, tmp_path: Path) -> Run:
    """Do something with a new fetcher, as a process would that starts anew."""

    def with_fetcher(work: Callable[[SourceFetcher], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            async with SourceFetcher(explorers.settings, tmp_path, pause=0.001) as fetcher:
                return await work(fetcher)

        return asyncio.run(main())

    return with_fetcher


def contract(world: World, name: str) -> Contract:
    return Contract(world.chain_id, world[name], name)


def get(*contracts: Contract, wait: float = 20) -> Callable[[SourceFetcher], Awaitable[Any]]:
    return lambda fetcher: fetcher.get(contracts, wait)


@pytest.mark.parametrize("style", ["flat", "json", "double"])
def test_etherscan_writes_sources_in_three_ways(
    worlds: dict[int, World], explorers: Explorers, run: Run, style: Any
) -> None:
    explorers.styles["UniswapV2Router02"] = style
    (found,) = run(get(contract(worlds[1], "UniswapV2Router02")))
    router = worlds[1].contracts["UniswapV2Router02"]
    assert (found.name, found.abi, found.compiler) == (router.contract, router.abi, router.compiler)
    assert (found.origin, found.address) == ("etherscan", router.address)
    if style == "flat":
        assert list(found.files) == ["UniswapV2Router02.sol"]
        assert all(text in found.files["UniswapV2Router02.sol"] for text in router.files.values())
    else:
        assert found.files == router.files


def test_what_etherscan_does_not_know_is_sourcifys(
    worlds: dict[int, World], explorers: Explorers, run: Run
) -> None:
    vault = worlds[10].contracts["Vault"]
    explorers.unverify("etherscan", vault.address)
    (found,) = run(get(contract(worlds[10], "Vault")))
    assert found == ContractSource(
        chain_id=10,
        address=vault.address,
        name="Vault",
        abi=vault.abi,
        files=vault.files,
        compiler=vault.compiler.removeprefix("v"),
        origin="sourcify",
    )
    assert [one.explorer for one in explorers.asked] == ["etherscan", "sourcify"]


def test_without_a_key_etherscan_is_not_asked(worlds: dict[int, World], tmp_path: Path) -> None:
    with Explorers(worlds.values()) as explorers:

        async def main() -> tuple[ContractSource, ...]:
            settings = SourceSettings(sourcify=explorers.url)
            async with SourceFetcher(settings, tmp_path) as fetcher:
                return await fetcher.get([contract(worlds[1], "WETH")], 20)

        assert asyncio.run(main())[0].origin == "sourcify"


def test_one_question_for_all_who_want_a_contract(
    worlds: dict[int, World], explorers: Explorers, run: Run
) -> None:
    slow = Slow()
    explorers.next("etherscan", slow)
    weth = contract(worlds[1], "WETH")

    async def many(fetcher: SourceFetcher) -> list[tuple[ContractSource, ...]]:
        fetcher.begin([weth])
        await asyncio.to_thread(explorers.wait_asked, 1)
        wanting = [asyncio.create_task(fetcher.get([weth, weth], 20)) for _ in range(20)]
        fetcher.begin([weth])
        await asyncio.sleep(0)
        slow.go.set()
        return await asyncio.gather(*wanting)

    found = run(many)
    assert len({id(one) for pair in found for one in pair}) == 1
    assert len(explorers.asked) == 1


def test_whoever_waits_may_go_and_others_still_get_it(
    worlds: dict[int, World], explorers: Explorers, run: Run
) -> None:
    slow = Slow()
    explorers.next("etherscan", slow)
    weth = contract(worlds[1], "WETH")

    async def leave(fetcher: SourceFetcher) -> tuple[ContractSource, ...]:
        first = asyncio.create_task(fetcher.get([weth], 20))
        await asyncio.to_thread(explorers.wait_asked, 1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        slow.go.set()
        return await fetcher.get([weth], 20)

    assert run(leave)[0].name == "WETH9"
    assert len(explorers.asked) == 1


def test_verified_sources_are_kept_and_failures_are_not(
    worlds: dict[int, World], explorers: Explorers, run: Run, tmp_path: Path
) -> None:
    weth, dai = contract(worlds[1], "WETH"), contract(worlds[1], "DAI")
    explorers.unverify("etherscan", dai.address)
    explorers.unverify("sourcify", dai.address)
    with pytest.raises(SourcesMissing):
        run(get(weth, dai))
    first = run(get(weth))
    assert [one.address for one in explorers.asked].count(weth.address) == 1
    explorers._hidden.clear()
    assert run(get(dai, weth))[0].name == "Token"
    # What is on the disk is no more to be trusted than what has come over the wire.
    for path in tmp_path.rglob("*.msgpack"):
        path.write_bytes(path.read_bytes()[:100])
    assert run(get(weth)) == first
    assert [one.address for one in explorers.asked].count(weth.address) == 2
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"]


def test_failures_are_told_once_and_then_tried_anew(
    worlds: dict[int, World], explorers: Explorers, run: Run
) -> None:
    weth = contract(worlds[1], "WETH")

    async def twice(fetcher: SourceFetcher) -> tuple[ContractSource, ...]:
        explorers.next("etherscan", Garbage())
        explorers.next("sourcify", Garbage())
        fetcher.begin([weth])
        with pytest.raises(SourcesMissing):
            await fetcher.get([weth], 20)
        return await fetcher.get([weth], 20)

    assert run(twice)[0].name == "WETH9"


def test_rate_limits_and_passing_faults_are_waited_for(
    worlds: dict[int, World], explorers: Explorers, run: Run
) -> None:
    explorers.next("etherscan", Limited(), Status(429, "0"), Cut(), Status(503, body=b"<html>"))
    (found,) = run(get(contract(worlds[1], "WETH")))
    assert found.origin == "etherscan"
    assert len(explorers.asked) == 5


def test_what_does_not_pass_is_not_asked_again(
    worlds: dict[int, World], explorers: Explorers, run: Run
) -> None:
    explorers.next("etherscan", Limited("Max daily rate limit reached. 100000 (100%)"))
    assert run(get(contract(worlds[1], "WETH")))[0].origin == "sourcify"
    explorers.next("etherscan", Status(429, "3600"))
    assert run(get(contract(worlds[1], "USDC")))[0].origin == "sourcify"
    assert [one.explorer for one in explorers.asked] == ["etherscan", "sourcify"] * 2


def test_what_both_said_is_in_the_error(
    worlds: dict[int, World], explorers: Explorers, run: Run
) -> None:
    vault, dai = contract(worlds[1], "Vault"), contract(worlds[1], "DAI")
    explorers.unverify("etherscan", vault.address)
    explorers.unverify("sourcify", vault.address)
    with pytest.raises(SourcesMissing) as raised:
        run(get(vault, dai))
    assert set(raised.value.missing) == {(1, vault.address)}
    assert str(raised.value) == (
        f"Vault ({vault.address} on chain 1): Etherscan: not verified (Contract source code not "
        "verified); Sourcify: not verified (it is not known there)"
    )
    explorers.always("etherscan", Limited())
    explorers.always("sourcify", Status(500))
    with pytest.raises(SourcesMissing) as raised:
        run(get(vault))
    assert "Etherscan: no answer in 5 attempts: NOTOK: Max calls per sec" in str(raised.value)
    assert "Sourcify: no answer in 5 attempts: HTTP 500" in str(raised.value)


def test_explorers_that_are_down_are_named(worlds: dict[int, World], tmp_path: Path) -> None:
    with Explorers(worlds.values()) as explorers:
        settings = explorers.settings

    async def main() -> None:
        async with SourceFetcher(settings, tmp_path, pause=0.001) as fetcher:
            await fetcher.get([contract(worlds[1], "WETH")], 20)

    with pytest.raises(SourcesMissing, match=r"Etherscan: .*ConnectError.*; Sourcify: .*Connect"):
        asyncio.run(main())


def test_a_wait_has_an_end_and_says_for_what(
    worlds: dict[int, World], explorers: Explorers, run: Run
) -> None:
    explorers.next("etherscan", Slow())
    weth, dai = contract(worlds[1], "WETH"), contract(worlds[10], "DAI")

    async def wait(fetcher: SourceFetcher) -> None:
        fetcher.begin([weth])
        await asyncio.to_thread(explorers.wait_asked, 1)
        await fetcher.get([dai, weth], 0.3)

    with pytest.raises(SourcesMissing) as raised:
        run(wait)
    assert raised.value.missing == {
        (1, weth.address): f"WETH ({weth.address} on chain 1): no answer within 0.3 s"
    }


def test_another_explorer_is_asked_beside_one_that_takes_its_time(
    worlds: dict[int, World], explorers: Explorers, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stoker.chains.sources.fetcher._PATIENCE", 0.05)
    explorers.always("etherscan", Slow())
    names = ("WETH", "DAI", "USDC", "Vault", "Register", "UniswapV2Router02")
    found = run(get(*(contract(worlds[1], name) for name in names)))
    assert {one.origin for one in found} == {"sourcify"}


def test_an_answer_that_does_not_come_is_asked_for_again_and_not_for_ever(
    worlds: dict[int, World], explorers: Explorers, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stoker.chains.sources.web._LONGEST", 0.05)
    explorers.always("etherscan", Slow())
    explorers.unverify("sourcify", worlds[1]["WETH"])
    with pytest.raises(SourcesMissing, match=r"no answer in 5 attempts: no answer within 0.05 s"):
        run(get(contract(worlds[1], "WETH")))


def test_few_are_asked_for_at_once(
    worlds: dict[int, World], explorers: Explorers, run: Run
) -> None:
    slow = Slow()
    explorers.next("etherscan", *[slow] * 4)
    several = [contract(worlds[c], n) for c in (1, 10) for n in ("WETH", "DAI", "USDC", "Vault")]

    async def many(fetcher: SourceFetcher) -> int:
        fetcher.begin(several)
        await asyncio.to_thread(explorers.wait_asked, 4)
        with pytest.raises(SourcesMissing):
            await fetcher.get(several[4:], 0.2)
        before = len(explorers.asked)
        slow.go.set()
        await fetcher.get(several, 20)
        return before

    assert run(many) == 4
    assert len(explorers.asked) == 8


def test_failures_that_nobody_asks_for_are_not_complained_of(
    worlds: dict[int, World],
    explorers: Explorers,
    run: Run,
    caplog: pytest.LogCaptureFixture,
) -> None:
    weth = contract(worlds[1], "WETH")
    explorers.always("etherscan", Garbage())
    explorers.always("sourcify", Garbage())

    async def leave(fetcher: SourceFetcher) -> None:
        fetcher.begin([weth])
        await asyncio.wait(set(fetcher._flights.values()))
        fetcher._flights.clear()
        gc.collect()

    run(leave)
    assert not [one for one in caplog.records if one.name == "asyncio"]


def test_the_key_is_neither_logged_nor_in_errors(
    worlds: dict[int, World],
    explorers: Explorers,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    explorers.always("sourcify", Garbage(f"<html>{KEY}".encode()))
    explorers.always("etherscan", Limited(f"Invalid API Key {KEY}"))

    async def ask(settings: SourceSettings) -> None:
        async with SourceFetcher(settings, tmp_path, pause=0.001) as fetcher:
            await fetcher.get([contract(worlds[1], "WETH")], 20)

    with pytest.raises(SourcesMissing) as raised:
        asyncio.run(ask(explorers.settings))
    assert KEY not in str(raised.value) and "***" in str(raised.value)
    unknown = {"ABI": f"Contract source code not verified for {KEY}", "SourceCode": ""}
    body = json.dumps({"status": "1", "result": [unknown]}).encode()
    explorers.always("etherscan", Garbage(body))
    with pytest.raises(SourcesMissing, match="not verified") as raised:
        asyncio.run(ask(explorers.settings))
    assert KEY not in str(raised.value)
    with pytest.raises(SourcesMissing) as raised:
        asyncio.run(ask(replace(explorers.settings, etherscan="http://127.0.0.1:1")))
    assert KEY not in str(raised.value)
    assert all(KEY not in record.getMessage() for record in caplog.records)
    assert any("apikey=***" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>portal</html>", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "HTTP 200"),
        (b'{"status": "1", "message": "OK", "result": "what?"}', "expected a list"),
        (b'{"status": "1", "result": [{"ABI": 1, "SourceCode": 2}]}', "as texts"),
        (b'{"status": "1", "result": [{"ABI": "{", "SourceCode": "contract A {}"}]}', "ABI"),
        (b'{"status": "1", "result": [{"ABI": "[{}]", "SourceCode": "contract A {}"}]}', "ABI"),
        (b'{"status": "1", "result": [{"ABI": "[]", "SourceCode": "{{nonsense}}"}]}', "JSON"),
        (b'{"status": "1", "result": [{"ABI": "[]", "SourceCode": "{{}}"}]}', "no sources"),
        (
            b'{"status": "1", "result": [{"ABI": "[]", "SourceCode": "a", "Proxy": "1", '
            b'"Implementation": "0x12"}]}',
            "implementation",
        ),
        (
            json.dumps(
                {"status": "1", "result": [{"ABI": f"[{'[' * 9000}", "SourceCode": "a"}]}
            ).encode(),
            "ABI",
        ),
    ],
)
def test_answers_are_not_believed(
    worlds: dict[int, World], explorers: Explorers, run: Run, body: bytes, said: str
) -> None:
    explorers.always("etherscan", Garbage(body))
    explorers.unverify("sourcify", worlds[1]["WETH"])
    with pytest.raises(SourcesMissing, match=f"Etherscan: .*{said}"):
        run(get(contract(worlds[1], "WETH")))


def test_an_answer_for_another_contract_is_refused(
    worlds: dict[int, World], explorers: Explorers, run: Run
) -> None:
    explorers.unverify("etherscan", worlds[1]["WETH"])
    other = json.dumps({"chainId": "1", "address": worlds[1]["DAI"], "abi": []}).encode()
    explorers.always("sourcify", Garbage(other))
    with pytest.raises(SourcesMissing, match=f"it answered for {worlds[1]['DAI'].lower()}"):
        run(get(contract(worlds[1], "WETH")))


def test_too_large_an_answer_is_not_read_to_its_end(
    worlds: dict[int, World], explorers: Explorers, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stoker.chains.sources.web._MAX_BODY", 1000)
    with pytest.raises(SourcesMissing, match="more than 1000 bytes"):
        run(get(contract(worlds[1], "WETH")))


def test_nothing_goes_on_after_close(
    worlds: dict[int, World], explorers: Explorers, tmp_path: Path
) -> None:
    explorers.always("etherscan", Slow())

    async def main() -> set[asyncio.Task[Any]]:
        async with SourceFetcher(explorers.settings, tmp_path) as fetcher:
            fetcher.begin([contract(worlds[1], name) for name in ("WETH", "DAI", "Vault")])
            await asyncio.to_thread(explorers.wait_asked, 3)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(main()) == set()
