// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Script} from "forge-std/Script.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {ALICE} from "./Parts.sol";

library Inner {
    function twice(uint256 value) internal pure returns (uint256) {
        return value * 2;
    }
}

library Outer {
    event Used(uint256 value);

    struct Box {
        uint256[] values;
    }

    function half(uint256 value) external pure returns (uint256) {
        return value / 2;
    }

    function put(Box storage box, uint256 value) external returns (uint256) {
        box.values.push(value);
        emit Used(value);
        return box.values.length;
    }
}

library Upper {
    function quarter(uint256 value) external pure returns (uint256) {
        return Outer.half(Outer.half(value));
    }
}

contract UsesOuter {
    using Outer for Outer.Box;

    Outer.Box private box;

    function put(uint256 value) external returns (uint256) {
        return box.put(Outer.half(value));
    }
}

contract UsesUpper {
    uint256 public value;

    function set(uint256 given) external {
        value = Upper.quarter(given);
    }
}

contract LibraryInternal is Script {
    using Inner for uint256;

    function run() external {
        vm.startBroadcast();
        (bool done,) = ALICE.call{value: uint256(21).twice()}(bytes(Strings.toHexString(ALICE)));
        require(done, "not sent");
        vm.stopBroadcast();
    }
}

contract LibraryExternal is Script {
    function run() external {
        vm.startBroadcast();
        UsesOuter user = new UsesOuter();
        require(user.put(10) == 1 && user.put(12) == 2, "not put");
        vm.stopBroadcast();
    }
}

contract LibraryOfLibrary is Script {
    function run() external {
        vm.startBroadcast();
        UsesUpper user = new UsesUpper();
        user.set(Outer.half(200));
        vm.stopBroadcast();
        require(user.value() == 25, "wrongly divided");
    }
}
