"""The script agent: what it mends, how it is told, and where it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from benches import Bench
from deploy import World
from model_script import Call, Conversation, Hang, Policy, Refuse, Reply, Say
from model_server import ModelServer
from models import PAUSED, Writer, as_group, five_groups, model_settings
from nodes import ALIASES, EVM, WALLET, Node

from stoker.agents.builtin.entries import Answer, Result
from stoker.chains.errors import NotMended, RpcError, ScriptReverted
from stoker.chains.scripting.app import ScriptApp
from stoker.chains.scripting.model import ScriptModel
from stoker.chains.scripting.session import MAX_OUTPUT
from stoker.chains.settings import RepairSettings
from stoker.chains.solidity.compiler import SolidityCompiler

FIRST = ScriptReverted("the first failure")
Set = Callable[[Bench], None]


@pytest.fixture(scope="session")
def compiler_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiler")


class Shop:
    """Has a group's script written and mended."""

    def __init__(
        self, worlds: dict[int, World], nodes: dict[int, Node], compiler_cache: Path
    ) -> None:
        self._worlds = worlds
        self._nodes = nodes
        self._cache = compiler_cache
        self.server: ModelServer
        self.bench: Bench

    def mend(
        self,
        policy: Policy,
        index: int = 0,
        *,
        own: bool = False,
        setting: Set = lambda bench: None,
        around: Callable[[Awaitable[str]], Awaitable[str]] | None = None,
        timeout: float = 30.0,
        **settings: Any,
    ) -> str:
        """`own`: the group brings the script."""

        async def main() -> str:
            model_ = model_settings(self.server, timeout=timeout)
            compiling = SolidityCompiler(project=EVM, solc=str(EVM), cache=self._cache)
            async with ScriptModel(model_, ALIASES, WALLET) as model, compiling as compiler:
                group = as_group(five_groups(self._worlds)[index])
                bench = self.bench = Bench(group, self._worlds, self._nodes, compiler, model)
                text = bench.assemble(await bench.generate_script(await bench.extract()))
                if own:
                    bench.group = msgspec.structs.replace(group, script=text)
                setting(bench)
                app = ScriptApp(model, RepairSettings(**settings))
                work = app.mend(bench, text, FIRST)
                return await (around(work) if around else work)

        with ModelServer(policy, by_schema=True) as self.server:
            return asyncio.run(main())

    @property
    def talk(self) -> Any:
        (talk,) = self.bench.talks
        return talk

    @property
    def results(self) -> list[Result]:
        return [one for one in self.talk.messages if isinstance(one, Result)]


@pytest.fixture
def shop(worlds: dict[int, World], nodes: dict[int, Node], compiler_cache: Path) -> Shop:
    return Shop(worlds, nodes, compiler_cache)


def working(*turns: tuple[Call, ...] | Say | Reply, writer: Policy | None = None) -> Policy:
    """Writes as the writer, and works with the tools turn by turn."""
    write = writer or Writer({"": "unmendable"})

    def policy(talk: Conversation) -> Reply:
        if not talk.tools:
            return write(talk)
        turn = turns[min(talk.turns, len(turns) - 1)]
        return Say(calls=turn) if isinstance(turn, tuple) else turn

    return policy


MENDING = Call("edit_script", {"old": PAUSED, "new": ""})
CHECKING = Call("execute_contract", {})


def test_a_compile_error_is_mended(shop: Shop) -> None:
    text = shop.mend(Writer({"Wrap": "compile"}))
    assert "uint256 half" not in text and ".deposit{value: 5 ether}();" in text
    assert shop.bench.checked == ["ran"]
    assert (shop.talk.rounds, shop.talk.restarted) == (3, False)
    assert "Undeclared identifier" in shop.talk.messages[0].text
    looked, edited, passed = shop.results
    assert "| " in looked.text and "uint256 half = amount / 2;" in looked.text
    # Diagnostics go back, and not whole files.
    assert "interface IWETH" not in looked.text + edited.text
    assert passed.text == "All checks have passed."
    assert shop.talk.usage.output > 0


def test_a_revert_is_mended(shop: Shop) -> None:
    text = shop.mend(Writer({"Swap": "revert"}), 1)
    assert "amounts[1] * 995 / 1000" in text
    assert shop.bench.checked == ["UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT", "ran"]
    assert "INSUFFICIENT_OUTPUT_AMOUNT" in shop.talk.messages[0].text
    assert "step 2999" in shop.results[0].text


def test_what_cannot_be_mended_is_tried_once_more_from_scratch(shop: Shop) -> None:
    with pytest.raises(NotMended) as raised:
        shop.mend(Writer({"Wrap": "unmendable"}))
    assert str(raised.value) == (
        "the script fails: paused (not mended: the model gave up: It cannot be done: the contract "
        "is paused.; "
        "rounds: 4, with a restart)"
    )
    assert isinstance(raised.value.__cause__, ScriptReverted)
    assert shop.talk.restarted
    starts = [one.text for one in shop.talk.messages if type(one).__name__ == "Asked"]
    assert len(starts) == 2
    assert "An earlier script" not in starts[0]
    assert "It ended with: the script fails: paused" in starts[1]


def test_a_script_of_ones_own_is_not_put_aside(shop: Shop) -> None:
    with pytest.raises(NotMended, match=r"the model gave up: .* rounds: 2\)"):
        shop.mend(Writer({"Wrap": "unmendable"}), own=True)
    assert not shop.talk.restarted


def test_rounds_have_an_end(shop: Shop) -> None:
    looking = (Call("search_docs", {"query": "deposit"}),)
    with pytest.raises(NotMended, match=r"the limit of 3 rounds is reached; rounds: 6, with a"):
        shop.mend(working(looking), rounds=3)
    assert "WETH9.deposit" in shop.results[0].text


def test_time_has_an_end_and_what_was_said_is_kept(shop: Shop) -> None:
    with pytest.raises(
        NotMended, match=r"^the script fails: paused \(not mended: the 1 s for mending it are over"
    ):
        shop.mend(working((CHECKING,), Hang(0)), seconds=1.0)
    assert shop.talk.rounds == 1 and len(shop.results) == 1


def test_a_model_that_goes_away_does_not_hide_the_failure(shop: Shop) -> None:
    with pytest.raises(
        NotMended,
        match=r"^the script fails: paused "
        r"\(not mended: the model scripted could not be asked: HTTP",
    ):
        shop.mend(working((CHECKING,), Refuse(401)))
    assert shop.talk.rounds == 1


def test_a_chain_that_cannot_be_reached_ends_it(shop: Shop) -> None:
    def unreachable(bench: Bench) -> None:
        bench.unreachable = True

    with pytest.raises(RpcError, match="no answer"):
        shop.mend(working((MENDING,), (CHECKING,)), setting=unreachable)
    assert shop.talk.rounds == 0


def test_the_audit_is_a_check_as_the_others(shop: Shop) -> None:
    def audited(bench: Bench) -> None:
        found = iter([("2 WETH are still allowed to the router",), ()])
        bench.findings = lambda text: next(found)

    shop.mend(working((CHECKING,), writer=Writer()), setting=audited)
    assert "The audit finds: 2 WETH are still allowed" in shop.talk.messages[0].text


def test_a_script_may_pass_at_once(shop: Shop) -> None:
    text = shop.mend(working(Say("never asked"), writer=Writer()))
    assert text and shop.talk.rounds == 0


@pytest.mark.parametrize("last", [Say("That should do it."), (MENDING,)])
def test_a_change_is_checked_whether_the_model_asks_for_it_or_not(
    shop: Shop, last: tuple[Call, ...] | Say
) -> None:
    turns = [(MENDING,), last] if isinstance(last, Say) else [last]
    shop.mend(working(*turns), rounds=len(turns))
    assert shop.bench.checked == ["paused", "ran"]


def test_whatever_the_model_calls_it_is_told_what_is_wrong(
    shop: Shop, worlds: dict[int, World]
) -> None:
    weth = worlds[1]["WETH"]
    wrong = (
        Call("rm", {"path": "/"}),
        Call("edit_script", "{nonsense"),
        Call("edit_script", {"old": "not in there", "new": ""}),
        Call("edit_script", {"old": "", "new": "x" * 300_000}),
        Call("fetch_contract", {"chain_id": 1, "address": WALLET}),
        Call("fetch_contract", {"chain_id": 1, "address": "weth"}),
        Call("read_blockchain_state", {"chain_id": 5, "address": weth}),
        Call("read_blockchain_state", {"chain_id": 1, "address": weth, "slot": "-1"}),
    )
    more = (
        Call("read_blockchain_state", {"chain_id": 1, "address": weth, "call": "f("}),
        Call("search_docs", {"query": "x" * 2_000}),
        Call("log_analyzer", {"contains": 5, "more": 1}),
        Call("execute_contract", {"now": True}),
    )
    shop.mend(working(wrong, more, (MENDING, CHECKING)))
    refused = shop.results[: len(wrong) + len(more)]
    assert all(one.is_error and one.text.startswith("Error: ") for one in refused)
    said = [one.text for one in refused]
    assert "there is no tool 'rm'; there are compile_session," in said[0]
    assert "malformed" in said[1] and "is not in the script" in said[2]
    assert "not verified" in said[4] and "expected an address" in said[5]
    assert "does not see chain 5" in said[6] and "expected a slot" in said[7]
    assert "such as balanceOf(address)" in said[8] and "`str` of length <= 1000" in said[9]


def test_tools_tell_what_there_is(shop: Shop, worlds: dict[int, World]) -> None:
    weth, proxy = worlds[1]["WETH"], worlds[1]["RegisterProxy"]

    def read(**asked: Any) -> Call:
        return Call("read_blockchain_state", {"chain_id": 1, **asked})

    tools = (
        read(address=weth, call="balanceOf(address)", arguments=[WALLET]),
        read(address=weth, call="symbol()"),
        read(address=weth, slot="0x2"),
        read(address=WALLET),
        Call("fetch_contract", {"chain_id": 1, "address": proxy.lower()}),
        Call("search_docs", {"query": "constructor of a proxy with an implementation"}),
        MENDING,
        Call("compile_session", {}),
    )
    after = (
        Call("execute_contract", {}),
        Call("log_analyzer", {"contains": "A LINE"}),
    )

    def once(bench: Bench) -> None:
        found = iter([("one",), ()])
        bench.findings = lambda text: next(found)

    shop.mend(working(tools, after, (CHECKING,)), setting=once)
    said = [one.text for one in shop.results]
    assert not any(one.is_error for one in shop.results)
    assert said[0] == f"uint256: {100 * 10**18} [1e20]"
    assert said[1] == 'string: "WETH"'
    assert said[2].endswith(" = 18")
    assert said[3] == f"{10_000 * 10**18} wei"
    assert said[4].startswith(f"Proxy at {proxy}, verified (etherscan)\na proxy of")
    assert "ERC1967Proxy" in said[5]
    assert said[6].startswith("Now it says:") and "vm.startBroadcast" in said[6]
    assert said[7] == "It compiles."
    assert said[8].startswith("The audit finds: one\n\nWhat happened:")
    assert said[9].splitlines() == ["run()", "a line", "step 0", "step 1", "step 2"]


def test_what_tools_say_is_bounded(shop: Shop) -> None:
    def endless(bench: Bench) -> None:
        found = iter([("a finding " * 5_000,), ()])
        bench.findings = lambda text: next(found)

    many = tuple(Call("log_analyzer", {}) for _ in range(100))
    shop.mend(working(many, (CHECKING,), writer=Writer()), setting=endless)
    assert len(shop.results) == 9
    assert all(len(one.text) < MAX_OUTPUT + 100 for one in shop.results)
    (first,) = (one for one in shop.talk.messages[:2] if isinstance(one, Answer))
    assert len(first.calls) == 8 and len({one.id for one in first.calls}) == 8


def test_a_refused_script_is_told_where(shop: Shop) -> None:
    bad = {"old": "vm.stopBroadcast();", "new": "vm.ffi(x);"}
    good = {"old": "vm.ffi(x);", "new": "vm.stopBroadcast();"}
    shop.mend(
        working(
            (Call("edit_script", bad), CHECKING),
            (Call("edit_script", good), MENDING, CHECKING),
        )
    )
    said = [one.text for one in shop.results]
    assert "the cheatcode ffi is refused" in said[0] and "vm.ffi(x);" in said[0]
    assert said[1].startswith("It is refused: error:") and "vm.ffi(x);" in said[1]


def test_being_stopped_leaves_what_was_said(shop: Shop) -> None:
    reached = threading.Event()

    def policy(talk: Conversation) -> Reply:
        if talk.tools and talk.turns == 1:
            reached.set()
            return Hang(0)
        return working((CHECKING,))(talk)

    async def stopped(work: Awaitable[str]) -> str:
        task = asyncio.ensure_future(work)
        await asyncio.to_thread(reached.wait, 20)
        task.cancel()
        return await task

    with pytest.raises(asyncio.CancelledError):
        shop.mend(policy, around=stopped)
    assert shop.talk.rounds == 1
