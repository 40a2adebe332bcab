// SPDX-License-Identifier: MIT
pragma solidity >=0.8.13 <0.9.0;

import {CommonBase} from "./Base.sol";

/// Accounts made from names.
abstract contract StdCheatsSafe is CommonBase {
    function makeAddrAndKey(string memory name) internal virtual returns (address addr, uint256 privateKey) {
        privateKey = uint256(keccak256(abi.encodePacked(name)));
        addr = vm.addr(privateKey);
        vm.label(addr, name);
    }

    function makeAddr(string memory name) internal virtual returns (address addr) {
        (addr,) = makeAddrAndKey(name);
    }
}
