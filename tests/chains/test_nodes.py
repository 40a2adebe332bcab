"""The chains that tests run on are what they say."""

from __future__ import annotations

import pytest
from deploy import USDC, WEI
from nodes import OTHER_WALLET, WALLET, RpcFailed, calldata


def test_the_wallet_has_what_is_promised_and_no_history(nodes, worlds):
    for chain_id, node in nodes.items():
        world = worlds[chain_id]
        assert int(node.rpc("eth_chainId"), 16) == chain_id
        assert int(node.rpc("eth_getTransactionCount", WALLET, "latest"), 16) == 0
        assert node.balance(WALLET) == 10_000 * WEI
        assert node.balance(WALLET, world["WETH"]) == 100 * WEI
        assert node.balance(WALLET, world["USDC"]) == 1_000_000 * USDC
        assert node.balance(WALLET, world["DAI"]) == 1_000_000 * WEI
        assert node.balance(WALLET, world["Collectible"]) == 2
        assert node.balance(OTHER_WALLET, world["USDC"]) == 1_000 * USDC
    assert not {it.address for it in worlds[1].contracts.values()} & {
        it.address for it in worlds[10].contracts.values()
    }


@pytest.mark.parametrize("chain_id", [1, 10])
def test_swaps_go_through_both_versions_of_uniswap(changing, worlds, chain_id):
    node, world = changing[chain_id], worlds[chain_id]
    path = [world["WETH"], world["USDC"]]
    swap = calldata(
        "swapExactETHForTokens(uint256,address[],address,uint256)", 0, path, WALLET, 2**40
    )
    node.send(WALLET, world["UniswapV2Router02"], swap, WEI)
    assert node.balance(WALLET, world["USDC"]) == 1_000_000 * USDC + 1_992_013_962
    swap = calldata(
        "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))",
        (*path, 3000, WALLET, 2**40, WEI, 0, 0),
    )
    node.send(WALLET, world["SwapRouter"], swap, WEI)
    assert node.balance(WALLET, world["USDC"]) > 1_000_000 * USDC + 2 * 1_992_000_000


def test_what_a_test_sends_is_undone(nodes, worlds, request):
    before = nodes[1].rpc("eth_getBlockByNumber", "latest", False)["hash"]
    changing = request.getfixturevalue("changing")
    changing[1].send(WALLET, OTHER_WALLET, value=WEI)
    after = nodes[1].rpc("eth_getBlockByNumber", "latest", False)
    assert after["hash"] != before
    assert after["parentHash"] == before


def test_the_proxy_leads_to_what_it_stands_for(changing, worlds):
    node, world = changing[1], worlds[1]
    proxy = world["RegisterProxy"]
    node.send(WALLET, proxy, calldata("register(uint256)", 7))
    assert int.from_bytes(node.call(proxy, calldata("numbers(address)", WALLET))) == 7
    assert int.from_bytes(node.call(world["Register"], calldata("total()"))) == 0
    with pytest.raises(RpcFailed, match="revert"):
        node.call(proxy, calldata("register(uint256)", 1001))


def test_contracts_come_with_all_of_their_sources(worlds):
    for world in worlds.values():
        for name, it in world.contracts.items():
            assert any(
                f"{kind}{it.contract} " in text
                for kind in ("contract ", "interface I")
                for text in it.files.values()
            ), name
            assert it.abi
    assert worlds[1].contracts["RegisterProxy"].implementation == worlds[1]["Register"]
    assert "@uniswap/lib/contracts/libraries/TransferHelper.sol" in (
        worlds[1].contracts["UniswapV2Router02"].files
    )
