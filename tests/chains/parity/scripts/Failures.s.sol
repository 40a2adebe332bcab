// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Script} from "forge-std/Script.sol";
import {StdCheats} from "forge-std/StdCheats.sol";
import "./Parts.sol";
import {USDC} from "./World.sol";

// Scripts of which nothing is to be sent.

contract FailText is Script {
    function run() external {
        vm.startBroadcast();
        Failing failing = new Failing(false);
        failing.text();
        vm.stopBroadcast();
    }
}

contract FailCustom is Script {
    function run() external {
        vm.startBroadcast();
        Failing failing = new Failing(false);
        failing.custom();
        vm.stopBroadcast();
    }
}

contract FailBare is Script {
    function run() external {
        vm.startBroadcast();
        new Failing(false).bare();
        vm.stopBroadcast();
    }
}

contract FailEmpty is Script {
    function run() external {
        vm.startBroadcast();
        new Failing(false).empty();
        vm.stopBroadcast();
    }
}

contract FailOverflow is Script {
    function run() external {
        vm.startBroadcast();
        new Failing(false).overflow(1);
        vm.stopBroadcast();
    }
}

contract FailDivision is Script {
    function run() external {
        vm.startBroadcast();
        new Failing(false).divide(0);
        vm.stopBroadcast();
    }
}

contract FailIndex is Script {
    function run() external {
        new Failing(false).index(3);
    }
}

contract FailAssert is Script {
    function run() external {
        vm.startBroadcast();
        new Failing(false).asserts();
        vm.stopBroadcast();
    }
}

contract FailConstructor is Script {
    function run() external {
        vm.startBroadcast();
        new Failing(true);
        vm.stopBroadcast();
    }
}

contract FailInScript is Script {
    function run() external {
        vm.startBroadcast();
        payable(ALICE).transfer(1);
        vm.stopBroadcast();
        revert("the script itself refuses");
    }
}

contract FailOutOfFunds is Script {
    function run() external {
        vm.startBroadcast();
        payable(ALICE).transfer(1_000_000_000 ether);
        vm.stopBroadcast();
    }
}

/// Runs to its end, and is refused when it is replayed.
contract FailWhenSent is Script {
    function run() external {
        vm.startBroadcast();
        Failing failing = new Failing(false);
        (bool done,) = address(failing).call(abi.encodeCall(Failing.custom, ()));
        vm.stopBroadcast();
        require(!done, "it should fail");
    }
}

contract FailDealtCoin is Script {
    function run() external {
        vm.deal(msg.sender, 2_000_000 ether);
        vm.startBroadcast();
        payable(ALICE).transfer(1_500_000 ether);
        vm.stopBroadcast();
    }
}

/// A script has no address that anything could rely upon.
contract FailOwnAddress is Script {
    function run() external {
        this.within();
        new Counter().set(1);
    }

    function within() external {
        vm.startBroadcast(OTHER);
        new Counter().set(2);
        vm.stopBroadcast();
    }
}

/// Calls what only the script has made.
contract FailNotThere is Script {
    function run() external {
        Counter local = new Counter();
        vm.startBroadcast();
        local.increment();
        vm.stopBroadcast();
    }
}

contract FailDealtToken is Script, StdCheats {
    function run() external {
        deal(USDC, OTHER, 5_000_000e6);
        vm.startBroadcast(OTHER);
        (bool done, bytes memory answer) =
            USDC.call(abi.encodeWithSignature("transfer(address,uint256)", ALICE, 3_000_000e6));
        require(done && abi.decode(answer, (bool)), "not sent");
        vm.stopBroadcast();
    }
}

/// What only a time that the script has set allows.
contract FailTooEarly is Script {
    function run() external {
        vm.startBroadcast();
        Locked locked = new Locked{value: 3}(365 days);
        vm.stopBroadcast();
        vm.warp(block.timestamp + 366 days);
        vm.startBroadcast();
        locked.take();
        vm.stopBroadcast();
    }
}

contract Locked {
    uint256 private immutable UNTIL;

    error TooEarly(uint256 left);

    constructor(uint256 time) payable {
        UNTIL = block.timestamp + time;
    }

    function take() external {
        if (block.timestamp < UNTIL) revert TooEarly(UNTIL - block.timestamp);
        payable(msg.sender).transfer(address(this).balance);
    }
}
