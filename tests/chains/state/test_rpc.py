"""JSON-RPC with nodes that are down, slow, overloaded, broken, or not what they should be."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from proxy import Dropped, Proxy, told

from stoker.chains.errors import RpcError
from stoker.chains.hexadecimal import data, excerpt, quantity
from stoker.chains.rpc import Rpc
from stoker.chains.rpc_wire import RpcLimits

FAST = RpcLimits(pause=0.001, attempts=3, attempt=5.0, deadline=10.0)


def ask(url, method="eth_blockNumber", params=(), *, read=quantity, limits=FAST, chain_id=1):
    """The answer, or the text of the error."""

    async def asked():
        rpc = Rpc("main", chain_id, url, limits)
        try:
            return await rpc.ask(method, params, read)
        except RpcError as error:
            return str(error)
        finally:
            await rpc.close()

    return asyncio.run(asked())


def test_what_is_asked_in_one_go_is_one_round_trip_with_the_check_of_the_chain(nodes):
    async def many(url):
        rpc = Rpc("main", 1, url)
        first = await asyncio.gather(*(rpc.ask("eth_gasPrice", [], quantity) for _ in range(40)))
        await rpc.ask("eth_gasPrice", [], quantity)
        await rpc.close()
        return len(first), rpc.trips

    with Proxy(nodes[1].url) as proxy:
        assert asyncio.run(many(proxy.url)) == (40, 2)
    assert proxy.methods() == [["eth_chainId", *["eth_gasPrice"] * 40], ["eth_gasPrice"]]


def test_batches_are_bounded(nodes):
    async def many(url):
        rpc = Rpc("main", 1, url, RpcLimits(batch=10))
        await asyncio.gather(*(rpc.ask("eth_gasPrice", [], quantity) for _ in range(35)))
        await rpc.close()

    with Proxy(nodes[1].url) as proxy:
        asyncio.run(many(proxy.url))
    sizes = [methods.count("eth_gasPrice") for methods in proxy.methods()]
    assert sorted(sizes) == [5, 10, 10, 10]


def test_another_chain_is_told_and_nothing_of_it_is_used(nodes):
    said = ask(nodes[10].url)
    assert said == (
        f"chain 'main' ({nodes[10].url}): eth_blockNumber(): "
        "it is of chain 10, not of 1 as configured"
    )


@pytest.mark.parametrize("refusal", [429, 500, 502, 503, 504])
def test_an_overloaded_node_is_asked_again(refusal, nodes):
    def fault(asked, trip):
        return (refusal, {"Retry-After": "0"}, b"busy") if trip < 3 else None

    with Proxy(nodes[1].url, fault) as proxy:
        assert ask(proxy.url) > 0
    assert proxy.trips == 3


def test_a_rate_limit_of_some_requests_of_a_batch_asks_those_again(nodes):
    def fault(asked, trip):
        if trip > 1:
            return None
        answers = [
            {"jsonrpc": "2.0", "id": one["id"], "result": "0x1"}
            if one["method"] == "eth_chainId"
            else {"jsonrpc": "2.0", "id": one["id"], "error": {"code": code, "message": words}}
            for one, (code, words) in zip(
                asked,
                [(0, ""), (-32005, "limit"), (-32000, "Too Many Requests"), (3, "no")],
                strict=True,
            )
        ]
        return 200, {}, json.dumps(answers).encode()

    async def three(url):
        rpc = Rpc("main", 1, url, FAST)
        found = await asyncio.gather(
            *(rpc.ask("eth_blockNumber", [], quantity) for _ in range(3)), return_exceptions=True
        )
        await rpc.close()
        return found

    with Proxy(nodes[1].url, fault) as proxy:
        first, second, third = asyncio.run(three(proxy.url))
    assert first == second > 0
    assert isinstance(third, RpcError) and third.code == 3
    assert len(proxy.asked[1]) == 2


@pytest.mark.parametrize("why", ["down", "dropped", "slow", "limited"])
def test_a_node_that_does_not_come_back_ends_in_a_clear_error(why):
    limits = RpcLimits(pause=0.001, attempts=2, attempt=0.1 if why == "slow" else 5.0)
    with Proxy() as proxy:

        def fault(asked, trip):
            if why == "dropped":
                raise Dropped
            if why == "slow":
                proxy.released.wait(30)
            return 429, {}, b""

        proxy.fault, url = fault, proxy.url
        if why == "down":
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                url = f"http://127.0.0.1:{free.getsockname()[1]}"
        said = ask(url, limits=limits)
    reason = {
        "down": "All connection attempts failed",
        "dropped": "Server disconnected without sending a response.",
        "slow": "no answer within 0.1 s",
        "limited": "HTTP 429",
    }[why]
    assert said == f"chain 'main' ({url}): eth_blockNumber(): {reason} (2 times)"


def test_all_attempts_together_have_a_deadline():
    def fault(asked, trip):
        return 503, {}, b""

    limits = RpcLimits(pause=0.05, attempts=1000, deadline=0.3)
    with Proxy(fault=fault) as proxy:
        assert ask(proxy.url, limits=limits).endswith("no answer within 0.3 s")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>Gateway</html>", "the answer is no JSON-RPC: <html>Gateway</html>"),
        (b"[" * 100_000, "the answer is no JSON-RPC: [[["),
        (b"\xff\xfe", "the answer is no JSON-RPC: "),
        (b"[]", "the answer is no JSON-RPC: []"),
        (
            b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"of\\u0000 it\\nown"}}',
            "of  it own",
        ),
        (b"x" * 3000, "its answer has more than 2000 bytes"),
    ],
)
def test_garbage_is_told(body, reason):
    limits = RpcLimits(batch=1, answer=2000 if body[:1] == b"x" else 1 << 20)
    with Proxy(fault=lambda asked, trip: (200, {}, body)) as proxy:
        assert reason in ask(proxy.url, limits=limits)
    assert proxy.trips == 1


@pytest.mark.parametrize("result", ["0x", "12", 12, None, "0x" + "1" * 65, {}, "0xzz", "-0x1"])
def test_an_answer_of_another_kind_is_told(result):
    with Proxy(
        fault=lambda asked, _: told(asked, eth_chainId="0x1", eth_blockNumber=result)
    ) as proxy:
        said = ask(proxy.url)
    assert said.startswith(f"chain 'main' ({proxy.url}): eth_blockNumber(): no quantity")


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(
    ("code", "words"),
    [(-32600, "batches are not supported"), (-32005, "limit exceeded: batch of more than 1")],
)
def test_a_node_that_takes_no_batches_is_asked_one_by_one(listed, code, words, nodes):
    def fault(asked, trip):
        if isinstance(asked, list):
            answer = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": words}}
            return 200, {}, json.dumps([answer] if listed else answer).encode()
        return None

    async def some(url):
        rpc = Rpc("main", 1, url, FAST)
        found = await asyncio.gather(*(rpc.ask("eth_chainId", [], quantity) for _ in range(3)))
        before = rpc.trips
        await asyncio.gather(*(rpc.ask("eth_chainId", [], quantity) for _ in range(3)))
        await rpc.close()
        return found, rpc.trips - before

    with Proxy(nodes[1].url, fault) as proxy:
        assert asyncio.run(some(proxy.url)) == ([1, 1, 1], 3)


def test_too_large_a_batch_is_sent_in_halves(nodes):
    def fault(asked, trip):
        return (413, {}, b"") if isinstance(asked, list) and len(asked) > 8 else None

    async def some(url):
        rpc = Rpc("main", 1, url, FAST)
        found = await asyncio.gather(*(rpc.ask("eth_chainId", [], quantity) for _ in range(20)))
        await rpc.close()
        return found

    with Proxy(nodes[1].url, fault) as proxy:
        assert asyncio.run(some(proxy.url)) == [1] * 20
    assert proxy.trips < 10


def test_keys_in_urls_are_told_nobody(nodes):
    def fault(asked, trip):
        return 401, {}, b""

    def invalid(asked, trip):
        return told(asked, eth_chainId=ValueError(-32000, "no project of key sekret-sekret"))

    with Proxy(fault=fault) as proxy:
        url = proxy.url.replace("http://", "http://user:passwordpass@")
        said = ask(f"{url}/v3/sekret-sekret?token=abcdefghij", params=["0x1", {"a": 1}])
        assert said == f"chain 'main' ({proxy.url}): eth_blockNumber(0x1, {{\"a\":1}}): HTTP 401"
        proxy.fault = invalid
        said = ask(f"{url}/v3/sekret-sekret?token=abcdefghij")
    assert said.endswith("eth_chainId: no project of key ***")


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/", "http://[::1", "http://a b/"])
def test_what_is_no_url_is_told(url):
    assert ask(url).startswith("chain 'main' (")


def test_who_waits_when_it_is_closed_gets_an_error():
    async def closed(url, asked):
        rpc = Rpc("main", 1, url)
        waiting = asyncio.create_task(rpc.ask("eth_blockNumber", [], quantity))
        await asyncio.to_thread(asked.wait, 30)
        await rpc.close()
        for asked_for in (waiting, rpc.ask("eth_blockNumber", [], quantity)):
            with pytest.raises(RpcError, match="closed"):
                await asked_for

    asked = threading.Event()
    with Proxy() as proxy:

        def fault(_, trip):
            asked.set()
            proxy.released.wait(30)
            raise Dropped

        proxy.fault = fault
        asyncio.run(closed(proxy.url, asked))


def test_an_asker_that_gives_up_leaves_the_others_alone(nodes):
    async def cancelled(url):
        rpc = Rpc("main", 1, url)
        asks = [asyncio.create_task(rpc.ask("eth_chainId", [], quantity)) for _ in range(2)]
        await asyncio.sleep(0)
        asks[0].cancel()
        found = await asks[1]
        await rpc.close()
        return found

    assert asyncio.run(cancelled(nodes[1].url)) == 1


@given(st.binary(max_size=40))
def test_bytes_are_read_as_they_are_written(content):
    assert data(f"0x{content.hex()}") == content
    assert data(f"0x{content.hex()}", len(content)) == content
    with pytest.raises(ValueError, match="bytes instead of"):
        data(f"0x{content.hex()}", len(content) + 1)


@given(st.text(max_size=20) | st.none() | st.integers() | st.lists(st.text()))
def test_what_is_none_of_it_is_refused(value):
    for read in (quantity, data):
        try:
            read(value)
        except ValueError as error:
            assert excerpt(value)[:20] in str(error)
        else:
            assert isinstance(value, str) and value[:2].lower() == "0x"
