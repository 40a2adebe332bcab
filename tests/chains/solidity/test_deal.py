"""Balances out of nothing, of tokens that keep them in all sorts of places, here and in forge."""

from __future__ import annotations

import asyncio
import os

import solc_program

from stoker.chains.evm.job import CaptureJob, Chains, Pin

SCRIPT = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
import "forge-std/Script.sol";
import {StdCheats} from "forge-std/StdCheats.sol";

contract Plain {
    uint256 public totalSupply = 7;
    mapping(address => uint256) public balanceOf;
}
contract Flagged {
    uint256 public totalSupply = 7;
    bool paused;
    mapping(address => uint256) states;
    constructor(address of_) { states[of_] = (1 << 255) | 9; }
    function flag(address of_) external view returns (bool) { return states[of_] >> 255 == 1; }
    function balanceOf(address of_) external view returns (uint256) {
        require(!paused, "paused");
        return states[of_] & ((1 << 255) - 1);
    }
}
contract Packed {
    struct State { uint64 since; uint128 balance; uint64 until; }
    uint256 public totalSupply = 7;
    mapping(address => State) public states;
    constructor(address of_) { states[of_] = State(11, 12, 13); }
    function balanceOf(address of_) external view returns (uint256) { return states[of_].balance; }
}
contract Proxy {
    uint256 public totalSupply = 7;
    mapping(address => uint256) balances;
    address target;
    constructor(address to) { target = to; }
    fallback() external payable {
        (bool done, bytes memory data) = target.delegatecall(msg.data);
        require(done);
        assembly { return(add(data, 32), mload(data)) }
    }
}
contract Twice {
    function balanceOf(address) external view returns (uint256 a) {
        assembly { a := mul(2, sload(0)) }
    }
}
contract Giver is StdCheats {
    function give(address token, address to, uint256 amount) external { deal(token, to, amount); }
}
contract S is Script, StdCheats {
    function run() external {
        Plain plain = new Plain();
        deal(address(plain), msg.sender, type(uint256).max);
        console.log(plain.balanceOf(msg.sender));
        deal(address(plain), msg.sender, 5);
        deal(address(plain), msg.sender, 8, true);
        console.log(plain.balanceOf(msg.sender), plain.totalSupply());
        Flagged flagged = new Flagged(msg.sender);
        deal(address(flagged), msg.sender, 10);
        console.log(flagged.balanceOf(msg.sender), flagged.flag(msg.sender));
        Packed packed = new Packed(msg.sender);
        deal(address(packed), msg.sender, 10);
        (uint64 since, uint128 balance, uint64 until) = packed.states(msg.sender);
        console.log(since, balance, until);
        Plain proxy = Plain(address(new Proxy(address(plain))));
        deal(address(proxy), msg.sender, 10);
        console.log(proxy.balanceOf(msg.sender), plain.balanceOf(msg.sender));
        Giver giver = new Giver();
        try giver.give(address(new Twice()), msg.sender, 3) { console.log("dealt"); }
        catch Error(string memory why) { console.log(why); }
        try giver.give(address(packed), msg.sender, 1 << 130) { console.log("dealt"); }
        catch Error(string memory why) { console.log(why); }
        console.log(packed.balanceOf(msg.sender));
        deal(msg.sender, 3 ether);
        console.log(msg.sender.balance);
    }
}
"""
SAID = [
    "115792089237316195423570985008687907853269984665640564039457584007913129639935",
    "8 10",
    "10 true",
    "11 10 13",
    "10 8",
    "deal: no slot of the token holds that balance",
    "deal: no slot of the token holds that balance",
    "10",
    "3000000000000000000",
]
PIN = Pin(
    chain_id=31337,
    number=1,
    hash=bytes(32),
    timestamp=1,
    base_fee=0,
    gas_limit=1 << 40,
    coinbase=bytes(20),
    prevrandao=bytes(32),
)


class Nothing:
    """A chain with nobody on it."""

    def want(self, pin, addresses):
        """There is nothing to read ahead."""

    def account(self, pin, address):
        return 0, 0, b""

    def slot(self, pin, address, slot):
        return 0

    def block_hash(self, pin, number):
        return bytes(32)


def test_our_engine_deals(compiled):
    from stoker.chains.evm.pyevm.capture import capture

    chains = Chains(home=31337, pins={31337: PIN})
    done = capture(CaptureJob(script=compiled(SCRIPT), chains=chains, sender=b"\1" * 20), Nothing())
    assert done.error is None
    assert list(done.console) == SAID


def test_forge_deals(tmp_path, packages, shared):
    solc_program.write_forge_std(tmp_path)
    (tmp_path / "a.s.sol").write_text(SCRIPT)
    (tmp_path / "foundry.toml").write_text(
        '[profile.default]\nsrc = "."\nscript = "."\nevm_version = "prague"\nlibs = ["lib"]\n'
        'remappings = ["forge-std/=lib/forge-std/"]\n'
    )
    (forge,) = packages.glob("node_modules/@foundry-rs/forge-*/bin/forge")

    async def use(compiler):
        async with solc_program.serving(compiler) as solc:
            process = await asyncio.create_subprocess_exec(
                *(forge, "script", "--offline", "--use", solc, "a.s.sol:S"),
                stdout=-1,
                stderr=-1,
                cwd=tmp_path,
                env={**os.environ, "HOME": str(tmp_path)},
            )
            said, complained = await process.communicate()
            return said.decode(), complained.decode()

    said, complained = shared(use)
    assert "== Logs ==" in said, said + complained
    logs = said.partition("== Logs ==\n")[2].splitlines()
    assert [line.strip() for line in logs if line.strip()][: len(SAID)] == SAID
