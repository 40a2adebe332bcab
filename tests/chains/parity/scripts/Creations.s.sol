// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Script} from "forge-std/Script.sol";
import "./Parts.sol";

contract CreateOne is Script {
    function run() external {
        vm.startBroadcast();
        new Counter();
        vm.stopBroadcast();
    }
}

contract CreateAndCall is Script {
    function run() external {
        vm.startBroadcast();
        Counter counter = new Counter();
        counter.set(42);
        counter.increment();
        vm.stopBroadcast();
        require(counter.number() == 43, "not counted");
    }
}

contract CreateWithArguments is Script {
    function run() external {
        uint256[] memory values = new uint256[](3);
        (values[0], values[1], values[2]) = (1, 2, 3);
        vm.startBroadcast();
        Named named = new Named("a name that takes more than thirty-two bytes", values);
        vm.stopBroadcast();
        require(named.sum() == 6 && named.OWNER() == msg.sender, "wrongly made");
    }
}

contract CreateWithValue is Script {
    function run() external {
        vm.startBroadcast();
        Named named = new Named{value: 1 gwei}("", new uint256[](0));
        vm.stopBroadcast();
        require(address(named).balance == 1 gwei, "not paid");
    }
}

contract CreateMany is Script {
    function run() external {
        vm.startBroadcast();
        for (uint256 i = 0; i < 5; i++) {
            Counter made = new Counter();
            require(address(made) == vm.computeCreateAddress(msg.sender, vm.getNonce(msg.sender) - 1), "elsewhere");
        }
        vm.stopBroadcast();
    }
}

contract CreateTwo is Script {
    function run() external {
        vm.startBroadcast();
        Counter made = new Counter{salt: bytes32(uint256(1))}();
        made.set(9);
        vm.stopBroadcast();
        address foretold = vm.computeCreate2Address(bytes32(uint256(1)), keccak256(type(Counter).creationCode));
        require(address(made) == foretold, "elsewhere");
    }
}

contract CreateTwoWithValue is Script {
    function run() external {
        vm.startBroadcast();
        new Purse{salt: keccak256("purse"), value: 12}();
        vm.stopBroadcast();
    }
}

contract CreateTwoTwice is Script {
    function run() external {
        uint256[] memory values = new uint256[](1);
        vm.startBroadcast();
        new Named{salt: bytes32(uint256(7))}("first", values);
        new Named{salt: bytes32(uint256(7))}("second", values);
        vm.stopBroadcast();
    }
}

contract CreateByFactory is Script {
    function run() external {
        vm.startBroadcast();
        Factory factory = new Factory();
        factory.make(3);
        Counter made = factory.make2(bytes32(uint256(5)));
        made.set(1);
        vm.stopBroadcast();
    }
}

contract CreateNested is Script {
    function run() external {
        vm.startBroadcast();
        Nested nested = new Nested();
        nested.descend(1);
        vm.stopBroadcast();
    }
}

contract CreateByAssembly is Script {
    function run() external {
        bytes memory code = abi.encodePacked(type(Counter).creationCode);
        address made;
        vm.startBroadcast();
        assembly {
            made := create(0, add(code, 32), mload(code))
        }
        Counter(made).set(2);
        vm.stopBroadcast();
    }
}

contract CreateTwoByAssembly is Script {
    function run() external {
        bytes memory code = abi.encodePacked(type(Purse).creationCode);
        address made;
        vm.startBroadcast();
        assembly {
            made := create2(9, add(code, 32), mload(code), 0x123)
        }
        (bool done,) = made.call{value: 1}("");
        vm.stopBroadcast();
        require(done && made.balance == 10, "not made");
    }
}

contract CreateEmpty is Script {
    function run() external {
        address made;
        vm.startBroadcast();
        assembly {
            made := create(0, 0, 0)
        }
        (bool done,) = made.call{value: 1}(hex"00");
        vm.stopBroadcast();
        require(done && made.code.length == 0, "not empty");
    }
}

contract CreateThroughDeployer is Script {
    function run() external {
        vm.startBroadcast();
        (bool done, bytes memory answer) =
            CREATE2_FACTORY.call(abi.encodePacked(bytes32(uint256(77)), type(Counter).creationCode));
        require(done, "not made");
        Counter(address(bytes20(answer))).set(6);
        vm.stopBroadcast();
    }
}

contract CreateOutside is Script {
    Counter private own = new Counter();

    function run() external {
        Counter local = new Counter();
        local.set(own.increment());
        vm.startBroadcast();
        Counter made = new Counter();
        made.set(local.number() + own.number());
        vm.stopBroadcast();
    }
}
