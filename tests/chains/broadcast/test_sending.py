"""One transaction is sent once, through nodes that lose answers, know little, or take time."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest
from nodes import OTHER_WALLET, WALLET, calldata

from stoker.chains.broadcast.artefact import Request
from stoker.chains.broadcast.sending import NotSent, Reverted, carry_out
from stoker.chains.errors import RpcError
from stoker.chains.rpc import Rpc
from stoker.chains.rpc_wire import RpcLimits

LIMITS = RpcLimits(pause=0.01, attempts=3)


@asynccontextmanager
async def through(node, *, lose=(), without=()):
    """A node before the node, which loses the answer to the next of each method in `lose`, and does
    not know those in `without`. Yields its URL, and the methods that it passed on."""
    lost, passed = list(lose), []

    async def serve(reader, writer):
        try:
            async with httpx.AsyncClient() as client:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    length = int(head.lower().split("content-length:")[1].split("\r\n")[0])
                    asked = json.loads(await reader.readexactly(length))
                    answers, gone = [], False
                    for one in asked if isinstance(asked, list) else [asked]:
                        error = {"code": -32601, "message": "no such method"}
                        if one["method"] in without:
                            answers.append({"jsonrpc": "2.0", "id": one["id"], "error": error})
                            continue
                        passed.append(one["method"])
                        answers.append((await client.post(node.url, json=one)).json())
                        if one["method"] in lost:
                            lost.remove(one["method"])
                            gone = True
                    if gone:
                        return
                    body = json.dumps(answers if isinstance(asked, list) else answers[0]).encode()
                    writer.write(
                        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                    )
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", passed


def _request(nonce=0, to=OTHER_WALLET, value=5, payload="0x", gas=200_000):
    return Request(
        from_=WALLET.lower(),
        to=to.lower(),
        gas=hex(gas),
        value=hex(value),
        input=payload,
        nonce=hex(nonce),
        chain_id="0x1",
    )


def _run(node, request, *, wait=30.0, then=None, **faults):
    async def main():
        async with through(node, **faults) as (url, passed):
            rpc = Rpc("mainnet", 1, url, LIMITS)
            try:
                since = int(node.rpc("eth_blockNumber"), 16)
                done = await carry_out(rpc, request, since=since, wait=wait)
                if then is not None:
                    again = await carry_out(rpc, request, since=since, wait=wait)
                    assert again == done
                return done, passed
            finally:
                await rpc.close()

    return asyncio.run(main())


def _mined(node):
    return int(node.rpc("eth_getTransactionCount", WALLET, "latest"), 16)


@pytest.mark.parametrize("without", [(), ("eth_getTransactionBySenderAndNonce",)])
def test_an_answer_that_is_lost_is_not_asked_for_twice(changing, without):
    before = changing[1].balance(OTHER_WALLET)
    done, passed = _run(changing[1], _request(), lose=["eth_sendTransaction"], without=without)
    assert done.receipt["status"] == "0x1"
    assert passed.count("eth_sendTransaction") <= 2  # a second is refused by the node
    assert changing[1].balance(OTHER_WALLET) == before + 5
    assert _mined(changing[1]) == 1


@pytest.mark.parametrize("without", [(), ("eth_getTransactionBySenderAndNonce",)])
def test_what_was_sent_before_is_found_again(changing, without):
    done, passed = _run(changing[1], _request(), then="again", without=without)
    assert passed.count("eth_sendTransaction") == 1
    assert done.hash == done.receipt["transactionHash"]
    assert _mined(changing[1]) == 1


@pytest.mark.parametrize("without", [(), ("eth_getTransactionBySenderAndNonce",)])
def test_what_waits_for_a_block_is_waited_for_again(changing, without):
    node = changing[1]
    node.rpc("evm_setAutomine", False)
    try:
        with pytest.raises(NotSent, match=r"it may come yet"):
            _run(node, _request(), wait=0.5, without=without)
        assert _mined(node) == 0

        async def main():
            async with through(node, without=without) as (url, _):
                rpc = Rpc("mainnet", 1, url, LIMITS)
                async with asyncio.TaskGroup() as group:
                    again = group.create_task(carry_out(rpc, _request(), since=0, wait=30))
                    await asyncio.sleep(0)
                    node.rpc("evm_mine")
                await rpc.close()
                return again.result()

        assert asyncio.run(main()).receipt["status"] == "0x1"
    finally:
        node.rpc("evm_setAutomine", True)
    assert _mined(node) == 1
    assert node.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}


def test_one_that_reverts_is_mined_and_told(changing, worlds):
    payload = f"0x{calldata('register(uint256)', 1001).hex()}"
    request = _request(to=worlds[1]["RegisterProxy"], payload=payload)
    with pytest.raises(Reverted, match=r"failed in block \d+") as caught:
        _run(changing[1], request)
    assert caught.value.mined.receipt["status"] == "0x0"
    with pytest.raises(Reverted):
        _run(changing[1], request)
    assert _mined(changing[1]) == 1


def test_a_nonce_that_is_not_due_is_not_sent(changing):
    with pytest.raises(NotSent, match=r"the next nonce of .* is 0, and not 3"):
        _run(changing[1], _request(nonce=3))
    assert changing[1].rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}


def test_a_node_that_does_not_sign_for_the_sender_says_so(changing):
    request = _request()
    stranger = f"0x{'77' * 20}"
    changing[1].rpc("anvil_setBalance", stranger, hex(10**18))
    from msgspec.structs import replace

    with pytest.raises(RpcError, match="eth_sendTransaction"):
        _run(changing[1], replace(request, from_=stranger))


def test_a_node_of_another_chain_is_sent_nothing(changing):
    async def main():
        async with through(changing[10]) as (url, passed):
            rpc = Rpc("mainnet", 1, url, LIMITS)
            try:
                with pytest.raises(RpcError, match="of chain 10, not of 1"):
                    await carry_out(rpc, _request(), since=0, wait=5)
            finally:
                await rpc.close()
            return passed

    assert "eth_sendTransaction" not in asyncio.run(main())
