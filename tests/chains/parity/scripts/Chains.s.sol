// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Script} from "forge-std/Script.sol";
import "./Parts.sol";

contract ChainsTwo is Script {
    function run() external {
        vm.createSelectFork("mainnet");
        vm.startBroadcast();
        Counter first = new Counter();
        first.set(1);
        vm.stopBroadcast();
        vm.createSelectFork("optimism");
        require(block.chainid == 10 && address(first).code.length == 0, "not elsewhere");
        vm.startBroadcast();
        Counter second = new Counter();
        second.set(2);
        vm.stopBroadcast();
    }
}

contract ChainsThereAndBack is Script {
    function run() external {
        uint256 main = vm.createFork("mainnet");
        uint256 side = vm.createFork("optimism");
        vm.selectFork(main);
        vm.startBroadcast();
        Counter counter = new Counter();
        vm.stopBroadcast();
        vm.selectFork(side);
        vm.startBroadcast();
        payable(ALICE).transfer(5);
        payable(ALICE).transfer(6);
        vm.stopBroadcast();
        vm.selectFork(main);
        require(vm.activeFork() == main && block.chainid == 1, "not back");
        vm.startBroadcast();
        counter.set(3);
        vm.stopBroadcast();
        vm.selectFork(side);
        vm.startBroadcast();
        payable(BOB).transfer(ALICE.balance);
        vm.stopBroadcast();
        vm.selectFork(main);
        require(counter.number() == 3, "not kept");
    }
}

contract ChainsOther is Script {
    function run() external {
        vm.createSelectFork("optimism");
        vm.startBroadcast(OTHER);
        new Counter{salt: bytes32(uint256(3))}();
        payable(ALICE).transfer(block.chainid);
        vm.stopBroadcast();
    }
}

contract ChainsPersistent is Script {
    function run() external {
        vm.createSelectFork("mainnet");
        Counter local = new Counter();
        local.set(4);
        vm.makePersistent(address(local));
        vm.createSelectFork("optimism");
        local.increment();
        vm.startBroadcast();
        payable(ALICE).transfer(local.number());
        vm.stopBroadcast();
    }
}
