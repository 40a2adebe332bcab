// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Script} from "forge-std/Script.sol";
import {StdCheats} from "forge-std/StdCheats.sol";
import {Vm} from "forge-std/Vm.sol";
import "./Parts.sol";
import {WETH, USDC, DAI} from "./World.sol";

interface IToken {
    function balanceOf(address who) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

contract CheatPrank is Script {
    function run() external {
        Purse purse = new Purse{value: 0}();
        vm.deal(ALICE, 5);
        vm.prank(ALICE);
        (bool done,) = address(purse).call{value: 5}("");
        require(done && purse.got(ALICE) == 5, "not from Alice");
        vm.startPrank(BOB, ALICE);
        Machine machine = new Machine();
        machine.block_();
        vm.stopPrank();
        require(machine.seen() == keccak256(abi.encode(block.chainid, ALICE, BOB, address(machine))), "not Bob");
        vm.startBroadcast();
        new Purse{value: purse.got(ALICE)}();
        vm.stopBroadcast();
    }
}

contract CheatDeal is Script {
    function run() external {
        vm.deal(msg.sender, 1_000_000 ether);
        vm.startBroadcast();
        payable(ALICE).transfer(3 ether);
        vm.stopBroadcast();
        require(msg.sender.balance == 999_997 ether, "not dealt");
    }
}

contract CheatDealOther is Script {
    function run() external {
        vm.deal(ALICE, 77);
        vm.startBroadcast();
        payable(BOB).transfer(ALICE.balance);
        vm.stopBroadcast();
    }
}

contract CheatDealToken is Script, StdCheats {
    function run() external {
        deal(DAI, msg.sender, 9_000_000 ether);
        require(IToken(DAI).balanceOf(msg.sender) == 9_000_000 ether, "not dealt");
        vm.startBroadcast();
        IToken(DAI).transfer(ALICE, 500 ether);
        vm.stopBroadcast();
    }
}

contract CheatWarp is Script {
    function run() external {
        vm.warp(2_000_000_000);
        vm.roll(123_456_789);
        vm.fee(7);
        vm.coinbase(ALICE);
        vm.prevrandao(bytes32(uint256(5)));
        vm.startBroadcast();
        Counter counter = new Counter();
        counter.set(block.timestamp % 1_000_000 + block.number % 1_000 + block.basefee);
        counter.set(uint160(address(block.coinbase)) % 1_000 + block.prevrandao);
        vm.stopBroadcast();
    }
}

contract CheatStore is Script {
    function run() external {
        Counter local = new Counter();
        vm.store(address(local), 0, bytes32(uint256(41)));
        require(uint256(vm.load(address(local), 0)) == 41, "not stored");
        vm.etch(ALICE, address(local).code);
        Counter(ALICE).set(8);
        uint256 next = local.increment();
        vm.startBroadcast();
        Counter counter = new Counter();
        counter.set(next);
        vm.stopBroadcast();
        require(Counter(ALICE).number() == 8, "not etched");
    }
}

contract CheatNonce is Script {
    function run() external {
        uint64 before = vm.getNonce(msg.sender);
        vm.startBroadcast();
        payable(ALICE).transfer(1);
        new Counter();
        vm.stopBroadcast();
        require(vm.getNonce(msg.sender) == before + 2, "wrongly counted");
        vm.setNonce(ALICE, 50);
        require(vm.computeCreateAddress(ALICE, 50) != address(0) && vm.getNonce(ALICE) == 50, "not set");
    }
}

contract CheatSnapshot is Script {
    function run() external {
        Counter local = new Counter();
        local.set(5);
        uint256 taken = vm.snapshotState();
        local.set(6);
        require(vm.revertToState(taken) && local.number() == 5, "not put back");
        vm.startBroadcast();
        Counter counter = new Counter();
        counter.set(local.number());
        vm.stopBroadcast();
    }
}

contract CheatRecord is Script {
    function run() external {
        Counter local = new Counter();
        vm.record();
        local.increment();
        (bytes32[] memory reads, bytes32[] memory writes) = vm.accesses(address(local));
        vm.recordLogs();
        local.set(3);
        local.set(4);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.startBroadcast();
        payable(ALICE).transfer(reads.length * 100 + writes.length * 10 + logs.length);
        vm.stopBroadcast();
    }
}

contract CheatTexts is Script {
    function run() external {
        string memory text = string.concat(
            vm.toString(uint256(12)), vm.toString(int256(-3)), vm.toString(true), vm.toString(ALICE),
            vm.toString(abi.encodePacked(uint16(258))), vm.toString(bytes32(uint256(255)))
        );
        vm.label(ALICE, "Alice");
        vm.startBroadcast();
        (bool done,) = ALICE.call(bytes(text));
        require(done && keccak256(bytes(vm.getLabel(ALICE))) == keccak256("Alice"), "not sent");
        vm.stopBroadcast();
    }
}

contract CheatConstructed is Script {
    uint256 private immutable FIRST = 5;
    uint256 private second;
    uint256 private third = 7;

    function setUp() external {
        second = FIRST + third;
    }

    function run() external {
        vm.startBroadcast();
        payable(ALICE).transfer(second);
        vm.stopBroadcast();
    }
}

contract CheatReads is Script {
    function run() external {
        vm.startBroadcast();
        uint256 before = msg.sender.balance;
        payable(ALICE).transfer(1 ether);
        uint256 after_ = msg.sender.balance;
        payable(BOB).transfer(before - after_);
        (bool done,) = BOB.call(abi.encode(block.chainid, msg.sender.code.length, address(this).balance));
        require(done, "not sent");
        vm.stopBroadcast();
    }
}
