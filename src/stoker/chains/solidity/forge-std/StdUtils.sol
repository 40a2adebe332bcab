// SPDX-License-Identifier: MIT
pragma solidity >=0.8.13 <0.9.0;

import {CommonBase} from "./Base.sol";

/// Addresses of what is going to be created, and numbers within bounds.
abstract contract StdUtils is CommonBase {
    function bound(uint256 x, uint256 min, uint256 max) internal pure virtual returns (uint256) {
        require(min <= max, "StdUtils bound(uint256,uint256,uint256): Max is less than min.");
        if (x >= min && x <= max) return x;
        uint256 size = max - min + 1;
        return size == 0 ? x : min + x % size;
    }

    function computeCreateAddress(address deployer, uint256 nonce) internal pure virtual returns (address) {
        return vm.computeCreateAddress(deployer, nonce);
    }

    function computeCreate2Address(bytes32 salt, bytes32 initCodeHash, address deployer)
        internal
        pure
        virtual
        returns (address)
    {
        return vm.computeCreate2Address(salt, initCodeHash, deployer);
    }

    function computeCreate2Address(bytes32 salt, bytes32 initCodeHash) internal pure virtual returns (address) {
        return vm.computeCreate2Address(salt, initCodeHash);
    }

    function hashInitCode(bytes memory creationCode, bytes memory args) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(creationCode, args));
    }
}
