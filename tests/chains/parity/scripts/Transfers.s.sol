// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Script} from "forge-std/Script.sol";
import "./Parts.sol";

contract SendValue is Script {
    function run() external {
        vm.startBroadcast();
        payable(ALICE).transfer(1 ether);
        vm.stopBroadcast();
    }
}

contract SendWithData is Script {
    function run() external {
        vm.startBroadcast();
        (bool done,) = ALICE.call{value: 5}(hex"deadbeef00ff");
        require(done, "not sent");
        vm.stopBroadcast();
    }
}

contract SendNothing is Script {
    function run() external {
        vm.startBroadcast();
        (bool done,) = ALICE.call("");
        require(done, "not sent");
        vm.stopBroadcast();
    }
}

contract SendToSelf is Script {
    function run() external {
        vm.startBroadcast();
        (bool done,) = msg.sender.call{value: 3 ether}("");
        require(done, "not sent");
        vm.stopBroadcast();
    }
}

contract SendMany is Script {
    function run() external {
        vm.startBroadcast();
        for (uint160 i = 0; i < 12; i++) {
            payable(address(0x1000 + i)).transfer(i + 1);
        }
        vm.stopBroadcast();
    }
}

contract SendOnce is Script {
    function run() external {
        Counter only = new Counter();
        vm.broadcast();
        payable(ALICE).transfer(1);
        only.set(3); // of the script's own
        vm.broadcast();
        payable(BOB).transfer(2);
    }
}

contract SendFromChosen is Script {
    function run() external {
        vm.startBroadcast(OTHER);
        payable(ALICE).transfer(1);
        vm.stopBroadcast();
    }
}

contract SendFromTwo is Script {
    function run() external {
        vm.startBroadcast();
        payable(ALICE).transfer(1);
        vm.stopBroadcast();
        vm.startBroadcast(OTHER);
        payable(ALICE).transfer(2);
        Counter made = new Counter();
        vm.stopBroadcast();
        vm.startBroadcast(msg.sender);
        made.set(4);
        vm.stopBroadcast();
        vm.broadcast(OTHER);
        made.set(5);
    }
}

contract SendAndStopTwice is Script {
    function run() external {
        vm.startBroadcast();
        payable(ALICE).transfer(1);
        vm.stopBroadcast();
        payable(BOB).transfer(0);
        vm.startBroadcast();
        payable(ALICE).transfer(2);
        vm.stopBroadcast();
    }
}

contract SendToReceive is Script {
    function run() external {
        vm.startBroadcast();
        Purse purse = new Purse();
        (bool done,) = address(purse).call{value: 7}("");
        require(done && purse.got(msg.sender) == 7, "not got");
        vm.stopBroadcast();
    }
}

contract SendToFallback is Script {
    function run() external {
        vm.startBroadcast();
        Purse purse = new Purse();
        (bool done, bytes memory answer) = address(purse).call{value: 7}(hex"0102030405");
        require(done && abi.decode(abi.decode(abi.encode(answer), (bytes)), (uint256)) == 1, "no answer");
        (done,) = address(purse).call(hex"01");
        require(done, "too short");
        vm.stopBroadcast();
    }
}

contract SendOnward is Script {
    function run() external {
        vm.startBroadcast();
        Purse purse = new Purse{value: 100}();
        Purse second = new Purse();
        purse.pay(payable(address(second)), 60);
        purse.pay(payable(ALICE), 40);
        vm.stopBroadcast();
        require(address(purse).balance == 0 && ALICE.balance == 40, "not paid");
    }
}

contract SendAll is Script {
    function run() external {
        uint256 half = OTHER.balance / 2;
        vm.startBroadcast(OTHER);
        payable(ALICE).transfer(half);
        vm.stopBroadcast();
        require(OTHER.balance >= half, "too little is left");
    }
}
