"""The state of real nodes at pinned blocks, directly and through a proxy that counts and spoils."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from nodes import OTHER_WALLET, WALLET, Node, calldata
from proxy import Dropped, Proxy, instead, told

from stoker.chains.errors import ChainError, RpcError
from stoker.chains.rpc import Rpc
from stoker.chains.rpc_wire import RpcLimits
from stoker.chains.state.change import Override
from stoker.chains.state.remote import Remote
from stoker.chains.state.store import RemoteAccount, StateStore

FAST = RpcLimits(pause=0.001, attempts=2)
STATE = {"eth_getBalance", "eth_getTransactionCount", "eth_getCode", "eth_getStorageAt"}


def address(text):
    return bytes.fromhex(text[2:])


WHO, OTHER, NOBODY = address(WALLET), address(OTHER_WALLET), bytes(19) + b"\xaa"


def by_hash(asked):
    """Whether it asks for the state of a block by its hash."""
    asked = asked if isinstance(asked, list) else [asked]
    return any(isinstance(one["params"][-1], dict) for one in asked if one["params"])


def using(url, work, store=None, chain_id=1):
    """What `work(remote)` comes to."""

    async def used():
        remote = Remote([Rpc("main", chain_id, url, FAST)], store)
        try:
            return await work(remote)
        finally:
            await remote.close()

    return asyncio.run(used())


def test_state_is_that_of_the_node_at_the_pinned_block_whatever_comes_after(changing, worlds):
    node, weth = changing[1], address(worlds[1]["WETH"])
    before = int(node.rpc("eth_getBalance", WALLET, "latest"), 16)
    nonce = int(node.rpc("eth_getTransactionCount", WALLET, "latest"), 16)
    block = node.rpc("eth_getBlockByNumber", "latest", False)
    code = address(node.rpc("eth_getCode", worlds[1]["WETH"], "latest"))

    async def work(remote):
        pin = await remote.pin(1)
        await asyncio.to_thread(node.send, WALLET, OTHER_WALLET, b"", 10**18)
        later = await remote.pin(1)
        return pin, later, await remote.accounts(pin, [WHO, weth, NOBODY, WHO])

    pin, later, (who, contract, nobody, again) = using(node.url, work)
    assert (who.balance, who.nonce, who.code) == (before, nonce, b"")
    assert contract.code == code and again == who
    assert (nobody.balance, nobody.nonce, nobody.code) == (0, 0, b"")
    assert later.number == pin.number + 1
    assert pin.chain_id == 1
    for field, name in [
        ("number", "number"),
        ("timestamp", "timestamp"),
        ("base_fee", "baseFeePerGas"),
        ("gas_limit", "gasLimit"),
        ("excess_blob_gas", "excessBlobGas"),
    ]:
        assert getattr(pin, field) == int(block[name], 16)
    for field, name in [("hash", "hash"), ("coinbase", "miner"), ("prevrandao", "mixHash")]:
        assert getattr(pin, field) == address(block[name])


def test_slots_and_hashes_of_blocks(nodes, worlds):
    node, token = nodes[1], worlds[1]["USDC"]

    async def work(remote):
        pin = await remote.pin(1)
        slots = [(address(token), at) for at in (0, 1, 2, 2**256 - 1)]
        hashes = [await remote.block_hash(pin, pin.number - n) for n in (0, 1, 2)]
        return pin, await remote.slots(pin, slots), hashes

    pin, slots, hashes = using(node.url, work)
    for at, value in zip((0, 1, 2, 2**256 - 1), slots, strict=True):
        assert value == int(node.rpc("eth_getStorageAt", token, hex(at), "latest"), 16)
    assert any(slots)
    for number, found in enumerate(hashes):
        block = node.rpc("eth_getBlockByNumber", hex(pin.number - number), False)
        assert found == address(block["hash"])


def test_a_block_of_its_own_choice_may_be_pinned(nodes):
    pin = using(nodes[1].url, lambda remote: remote.pin(1, 2))
    assert pin.number == 2
    with pytest.raises(RpcError, match="asked for block 0xffffffff, it has none"):
        using(nodes[1].url, lambda remote: remote.pin(1, 0xFFFFFFFF))
    with pytest.raises(ChainError, match="chain 5 is not configured: 1 are"):
        using(nodes[1].url, lambda remote: remote.pin(5))


def test_whoever_asks_first_asks_for_all(nodes):
    async def work(remote):
        pin = await remote.pin(1)
        slots = [(WHO, at) for at in range(8)]
        asks = [remote.accounts(pin, [WHO, OTHER]) for _ in range(10)]
        asks += [remote.slots(pin, slots[n : n + 2]) for n in range(7)]
        await asyncio.gather(*asks)
        await asyncio.gather(remote.accounts(pin, [OTHER]), remote.slots(pin, slots))

    with Proxy(nodes[1].url) as proxy:
        using(proxy.url, work)
        assert proxy.trips == 2
        asked = [(one["method"], str(one["params"])) for one in proxy.asked[1]]
    assert len(asked) == len(set(asked)) == 2 * 3 + 8


def test_one_that_gives_up_takes_nothing_from_those_who_wait_with_it(nodes):
    async def work(remote):
        pin = await remote.pin(1)
        first = asyncio.create_task(remote.accounts(pin, [WHO]))
        await asyncio.sleep(0)
        second = asyncio.create_task(remote.accounts(pin, [WHO]))
        await asyncio.sleep(0)
        first.cancel()
        return (await second)[0].balance

    assert using(nodes[1].url, work) > 0


def swap(worlds):
    """A call that touches a lot: a swap on Uniswap V2."""
    path = [worlds[1]["WETH"], worlds[1]["USDC"]]
    signature = "swapExactETHForTokens(uint256,address[],address,uint256)"
    data = calldata(signature, 1, path, WALLET, 2**40)
    return (WHO, address(worlds[1]["UniswapV2Router02"]), 10**18, data)


def touched(node, call):
    """What the node says that a call looks at."""
    from_, to, value, data = ("0x" + one.hex() if isinstance(one, bytes) else one for one in call)
    told = {"from": from_, "to": to, "value": hex(value), "data": data}
    found = node.rpc("eth_createAccessList", told, "latest")["accessList"]
    return [(address(one["address"]), int(at, 16)) for one in found for at in one["storageKeys"]]


@pytest.mark.parametrize("knows", ["traces", "lists", "nothing"])
def test_what_a_call_touches_is_read_ahead(knows, nodes, worlds):
    node, call = nodes[1], swap(worlds)
    unknown = {
        "traces": [],
        "lists": ["debug_traceCall"],
        "nothing": ["debug_traceCall", "eth_createAccessList"],
    }[knows]
    fault = instead(node, **dict.fromkeys(unknown, ValueError(-32601, "Method not found")))

    async def work(remote):
        pin = await remote.pin(1)
        before = remote.trips
        await remote.prefetch(pin, [call])
        ahead = remote.trips - before
        slots = touched(node, call)
        values = await remote.slots(pin, slots)
        accounts = [one for one, _ in slots]
        found = await remote.accounts(pin, [*accounts, WHO, call[1], pin.coinbase])
        missed = remote.trips - before - ahead
        await remote.prefetch(pin, [call])
        return slots, values, dict(zip(accounts, found, strict=False)), ahead, missed

    with Proxy(node.url, fault) as proxy:
        slots, values, accounts, ahead, missed = using(proxy.url, work)
    assert len(slots) > 5
    for (who, at), value in zip(slots, values, strict=True):
        assert value == int(node.rpc("eth_getStorageAt", "0x" + who.hex(), hex(at), "latest"), 16)
    for who, account in accounts.items():
        assert account.code == address(node.rpc("eth_getCode", "0x" + who.hex(), "latest"))
    expected = {"traces": (1, 0), "lists": (2, 0), "nothing": (1, 2)}
    assert (ahead, missed) == expected[knows]


def test_overrides_of_a_traced_call_are_not_taken_for_the_state(nodes, worlds):
    node = nodes[1]
    usdc, router = address(worlds[1]["USDC"]), address(worlds[1]["UniswapV2Router02"])
    call = swap(worlds)
    slot = next(at for who, at in touched(node, call) if who == usdc)
    overrides = {
        WHO: Override(balance=5 * 10**18, nonce=77),
        router: Override(code=bytes.fromhex("5f545f5f5f5f5f73") + usdc + bytes.fromhex("5af100")),
        usdc: Override(code=bytes.fromhex(f"7f{slot:064x}5400"), storage={slot: 12345}),
    }

    async def work(remote):
        pin = await remote.pin(1)
        await remote.prefetch(pin, [call], overrides)
        return await asyncio.gather(
            remote.accounts(pin, [WHO, router, usdc]), remote.slots(pin, [(usdc, slot)])
        )

    accounts, (value,) = using(node.url, work)
    assert value == int(node.rpc("eth_getStorageAt", worlds[1]["USDC"], hex(slot), "latest"), 16)
    for who, account in zip((WHO, router, usdc), accounts, strict=True):
        name = "0x" + who.hex()
        assert account.code == address(node.rpc("eth_getCode", name, "latest"))
        assert account.balance == int(node.rpc("eth_getBalance", name, "latest"), 16)
        assert account.nonce == int(node.rpc("eth_getTransactionCount", name, "latest"), 16)


@pytest.mark.parametrize(
    "prestate",
    [
        [],
        {"0x12": {}},
        {WALLET: {"balance": "much"}},
        {WALLET: {"storage": {"0x0": "0x" + "1" * 70}}},
        {WALLET: {"nonce": -1}},
        {OTHER_WALLET: {"nonce": 2**64}},
    ],
)
def test_a_trace_that_is_none_brings_nothing(prestate, nodes):
    node = nodes[1]

    refused = ValueError(-32601, "Method not found")
    fault = instead(node, debug_traceCall=prestate, eth_createAccessList=refused)

    async def work(remote):
        pin = await remote.pin(1)
        await remote.prefetch(pin, [(OTHER, OTHER, 0, b"")])
        return (await remote.accounts(pin, [WHO]))[0]

    with Proxy(node.url, fault) as proxy:
        assert using(proxy.url, work).balance == int(
            node.rpc("eth_getBalance", WALLET, "latest"), 16
        )


def test_a_node_that_is_slow_to_trace_is_read_all_the_same_and_not_asked_to_again(nodes, worlds):
    call = swap(worlds)

    def fault(asked, trip):
        if "debug_traceCall" in str(asked):
            proxy.released.wait(30)
            raise Dropped

    async def work():
        limits = RpcLimits(pause=0.001, attempts=3, attempt=0.6, deadline=3.0)
        remote = Remote([Rpc("main", 1, proxy.url, limits)])
        pin = await remote.pin(1)
        found = await asyncio.gather(remote.prefetch(pin, [call]), remote.accounts(pin, [NOBODY]))
        before = remote.trips
        await remote.prefetch(pin, [(OTHER, OTHER, 0, b"")])
        trips = remote.trips - before
        await remote.close()
        return found[1], trips

    with Proxy(nodes[1].url, fault) as proxy:
        (account,), trips = asyncio.run(work())
    assert account.balance == 0
    assert trips == 1


def test_a_read_and_what_is_read_ahead_are_one_round_trip_and_others_wait_for_it(nodes, worlds):
    call = swap(worlds)
    slots = touched(nodes[1], call)

    async def work(remote):
        pin = await remote.pin(1)
        first = asyncio.create_task(remote.accounts(pin, [NOBODY]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ahead = asyncio.create_task(remote.prefetch(pin, [call]))
        await asyncio.sleep(0)
        await asyncio.gather(first, ahead, remote.slots(pin, slots))
        return remote.trips

    assert using(nodes[1].url, work) == 2


def test_a_node_that_takes_no_hashes_is_asked_by_number_with_the_hash_checked(nodes):
    node = nodes[1]

    def fault(asked, trip):
        if by_hash(asked):
            refused = ValueError(-32602, "invalid argument 1: cannot unmarshal object")
            return told(asked, **dict.fromkeys(STATE, refused))
        return None

    async def work(remote):
        pin = await remote.pin(1)
        first = await remote.accounts(pin, [WHO])
        await remote.slots(pin, [(WHO, 1)])
        return first[0].balance

    with Proxy(node.url, fault) as proxy:
        assert using(proxy.url, work) == int(node.rpc("eth_getBalance", WALLET, "latest"), 16)
    assert proxy.methods()[2][0] == "eth_getBlockByNumber"
    assert proxy.methods()[3] == ["eth_getBlockByNumber", "eth_getStorageAt"]


@pytest.mark.parametrize("by", ["hash", "number"])
def test_a_block_that_some_of_a_urls_nodes_do_not_have_yet_is_waited_for(by, nodes):
    def fault(asked, trip):
        if by == "number" and by_hash(asked):
            return told(asked, **dict.fromkeys(STATE, ValueError(-32602, "invalid params")))
        late = ValueError(-32000, "header not found")
        return told(asked, **dict.fromkeys(STATE, late)) if 2 <= trip < 5 else None

    async def work(remote):
        return (await remote.accounts(await remote.pin(1), [WHO]))[0].balance

    with Proxy(nodes[1].url, fault) as proxy:
        assert using(proxy.url, work) > 0


@pytest.mark.parametrize("by", ["hash", "number"])
def test_a_reorganised_chain_is_told(by):
    node = Node(1)
    try:
        before = node.rpc("evm_snapshot")
        node.rpc("anvil_mine", "0x3")

        def fault(asked, trip):
            if by == "number" and by_hash(asked):
                return told(asked, **dict.fromkeys(STATE, ValueError(-32602, "invalid params")))
            return None

        async def work(remote):
            pin = await remote.pin(1)
            await remote.accounts(pin, [WHO])
            node.rpc("evm_revert", before)
            node.rpc("evm_increaseTime", 1000)
            node.rpc("anvil_mine", "0x5")
            assert (await remote.accounts(pin, [WHO]))[0].balance > 0  # it is known
            with pytest.raises(RpcError) as error:
                await remote.accounts(pin, [OTHER])
            return pin, str(error.value)

        with Proxy(node.url, fault) as proxy:
            pin, said = using(proxy.url, work)
            now = node.rpc("eth_getBlockByNumber", hex(pin.number), False)["hash"]
            assert said == (
                f"chain 'main' ({proxy.url}): the chain was reorganised: block {pin.number}, "
                f"pinned as 0x{pin.hash.hex()}, is {now} now"
            )
    finally:
        node.stop()


@pytest.mark.parametrize(
    "words",
    ["missing trie node 5f2c (path )", "header not found", "state at block #7 is pruned"],
)
def test_pruned_state_is_told(words, nodes):
    def fault(asked, trip):
        asked = asked if isinstance(asked, list) else [asked]
        if {one["method"] for one in asked} & STATE:
            return told(asked, **dict.fromkeys(STATE, ValueError(-32000, words)))
        return None

    async def work(remote):
        pin = await remote.pin(1)
        found = await asyncio.gather(
            remote.slots(pin, [(WHO, 1)]), remote.slots(pin, [(WHO, 1)]), return_exceptions=True
        )
        return pin, found

    with Proxy(nodes[1].url, fault) as proxy:
        pin, (first, second) = using(proxy.url, work)
        assert isinstance(first, RpcError) and isinstance(second, RpcError) and first is not second
        assert str(first).startswith(f"chain 'main' ({proxy.url}): eth_getStorageAt(0xf39f")
        assert f"{words}; the node has block {pin.number}, but not its state" in str(first)


def test_what_failed_is_asked_again_by_the_next(nodes):
    def fault(asked, trip):
        return (403, {}, b"") if trip == 2 else None

    async def work(remote):
        pin = await remote.pin(1)
        with pytest.raises(RpcError, match="HTTP 403"):
            await remote.accounts(pin, [WHO])
        return (await remote.accounts(pin, [WHO]))[0].balance

    with Proxy(nodes[1].url, fault) as proxy:
        assert using(proxy.url, work) > 0


@pytest.fixture
def young():
    """A node with the state of all its blocks, of which there are six."""
    node = Node(1)
    node.rpc("anvil_mine", "0x5")
    yield node
    node.stop()


def geth(node):
    """The node, as one whose blocks stay what they are."""
    return Proxy(fault=instead(node, web3_clientVersion="Geth/v1.16.7-stable"))


def test_what_a_node_for_development_holds_may_change_and_is_not_kept(young, tmp_path):
    def balance():
        async def work(remote):
            pin = await remote.pin(1)
            (account,) = await remote.accounts(pin, [WHO])
            return pin.hash, account.balance

        return using(young.url, work, StateStore(tmp_path / "chains.db"))

    before = balance()
    young.rpc("anvil_setBalance", WALLET, "0x7")
    assert balance() == (before[0], 7)


def test_what_was_read_once_is_in_the_file_for_later_runs(nodes, worlds, tmp_path):
    weth = address(worlds[1]["WETH"])
    path = tmp_path / "deep" / "chains.db"

    async def work(remote, pin=None):
        pin = pin or await remote.pin(1)
        return (
            pin,
            await remote.accounts(pin, [WHO, weth, NOBODY]),
            await remote.slots(pin, [(weth, 0), (weth, 2**256 - 1)]),
            await remote.block_hash(pin, 1),
        )

    with geth(nodes[1]) as proxy:
        first = using(proxy.url, work, StateStore(path))
    again = using("http://127.0.0.1:1", lambda remote: work(remote, first[0]), StateStore(path))
    assert again == first


def test_blocks_that_were_not_used_for_long_leave_the_file(young, tmp_path):
    path = tmp_path / "chains.db"

    async def work(remote):
        for number in (1, 2, 3):
            pin = await remote.pin(1, number)
            await remote.slots(pin, [(WHO, number)])
            await remote.accounts(pin, [WHO])

    store = StateStore(path, pins=2)
    with geth(young) as proxy:
        using(proxy.url, work, store)
    database = sqlite3.connect(path)
    for table, rows in {"pin": 2, "slot": 2, "account": 2, "code": 1}.items():
        assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)


def test_two_processes_keep_what_they_read_in_one_file(young, tmp_path):
    path = tmp_path / "chains.db"
    first, second = StateStore(path), StateStore(path, pins=1)

    async def pins(remote):
        return [await remote.pin(1, number) for number in (1, 2, 3)]

    old, new, newest = using(young.url, pins)
    account = RemoteAccount(2**256 - 1, 2**64 - 1, b"code")
    first.save(old, {WHO: account, (WHO, 2**256 - 1): 2**256 - 1, 0: bytes(32)})
    assert second.load(old, [WHO, OTHER, (WHO, 2**256 - 1), (WHO, 0), 0, 1]) == {
        WHO: account,
        (WHO, 2**256 - 1): 2**256 - 1,
        0: bytes(32),
    }
    second.save(new, {(WHO, 0): 1})  # which takes the place of the other
    first.save(old, {(WHO, 0): 2})
    second.save(newest, {(WHO, 0): 3})
    third = StateStore(path)
    assert [third.load(pin, [(WHO, 0)]) for pin in (old, new, newest)] == [{}, {}, {(WHO, 0): 3}]
    writing = sqlite3.connect(path)
    writing.execute("BEGIN IMMEDIATE")
    third.save(newest, {(WHO, 1): 4})  # not kept, and nothing else comes of it
    writing.rollback()
    third.save(newest, {(WHO, 2): 5})
    assert third.load(newest, [(WHO, 1), (WHO, 2)]) == {(WHO, 2): 5}
    for store in (first, second, third):
        store.close()


def test_memory_holds_the_blocks_used_last(young):
    async def work():
        remote = Remote([Rpc("main", 1, young.url, FAST)], blocks=2)
        for number in (1, 2, 3, 1):
            await remote.slots(await remote.pin(1, number), [(WHO, 0)])
        kept = len(remote._blocks)
        await remote.close()
        return kept

    assert asyncio.run(work()) == 2


@pytest.mark.parametrize("broken", ["garbage", "directory", "other version"])
def test_a_file_that_cannot_be_used_is_done_without(broken, nodes, tmp_path, caplog):
    path = tmp_path / "chains.db"
    if broken == "garbage":
        path.write_bytes(b"garbage" * 1000)
    elif broken == "directory":
        path.mkdir()
    else:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE account (other)")
            database.execute("PRAGMA user_version = 99")

    async def work(remote):
        return (await remote.accounts(await remote.pin(1), [WHO]))[0].balance

    assert using(nodes[1].url, work, StateStore(path)) > 0
    assert ("is not kept" in caplog.text) == (broken != "other version")
