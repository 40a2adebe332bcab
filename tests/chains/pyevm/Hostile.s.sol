// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Vm} from "forge-std/Vm.sol";

interface Refused {
    function ffi(string[] calldata) external returns (bytes memory);
    function envUint(string calldata) external returns (uint256);
    function readFile(string calldata) external returns (string memory);
    function unheardOf() external;
}

abstract contract Bad {
    address constant VM = 0x7109709ECfa91a80626fF3989D68f67F5b1DD12D;
    Vm constant vm = Vm(VM);
}

contract Loops is Bad {
    function run() external {
        vm.startBroadcast();
        while (true) {}
    }
}

contract TakesMemory is Bad {
    /// Many calls within each other, each with as much memory as a little gas buys.
    function run() external {
        new Bomb().go(900);
    }
}

contract Bomb {
    function go(uint256 left) external {
        assembly {
            mstore(mul(1024, 1024), 1)
        }
        if (left > 0) this.go(left - 1);
    }

    function fill() external pure {
        assembly {
            return(0, mul(1024, 1024))
        }
    }

    function deep(uint256 left) external returns (uint256) {
        return left == 0 ? 0 : this.deep(left - 1) + 1;
    }
}

contract Remembers is Bad {
    /// Data of calls are told, and add up.
    function run() external {
        Bomb bomb = new Bomb();
        bytes memory asked = abi.encodeCall(Bomb.fill, ());
        for (uint256 i = 0; i < 1000; i++) {
            assembly {
                if iszero(call(gas(), bomb, 0, add(asked, 32), mload(asked), 0, 0)) { revert(0, 0) }
            }
        }
    }
}

contract Nests is Bad {
    function run() external returns (uint256) {
        return new Bomb().deep(500);
    }
}

contract NestsForever is Bad {
    function run() external {
        (bool done,) = address(new Bomb()).call(abi.encodeCall(Bomb.deep, (5000)));
        require(!done);
    }
}

contract Ffi is Bad {
    function run() external {
        string[] memory command = new string[](1);
        command[0] = "id";
        Refused(VM).ffi(command);
    }
}

contract Environment is Bad {
    function run() external {
        try Refused(VM).envUint("HOME") {} catch {}
    }
}

contract Reads is Bad {
    function run() external {
        Refused(VM).readFile("/etc/passwd");
    }
}

contract Unknown is Bad {
    function run() external {
        Refused(VM).unheardOf();
    }
}

contract OtherChain is Bad {
    function run() external {
        vm.createSelectFork("http://127.0.0.1:1");
    }
}

contract OtherBlock is Bad {
    function run() external {
        vm.createSelectFork("mainnet", 3);
    }
}

contract Fine is Bad {
    function run() external {
        vm.startBroadcast();
        payable(address(0x1234)).transfer(1);
    }
}
