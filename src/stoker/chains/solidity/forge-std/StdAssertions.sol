// SPDX-License-Identifier: MIT
pragma solidity >=0.8.13 <0.9.0;

import {CommonBase} from "./Base.sol";

/// What must hold, else the script ends.
abstract contract StdAssertions is CommonBase {
    function assertTrue(bool data) internal pure virtual {
        require(data, "assertion failed");
    }

    function assertTrue(bool data, string memory err) internal pure virtual {
        require(data, err);
    }

    function assertFalse(bool data) internal pure virtual {
        require(!data, "assertion failed");
    }

    function assertFalse(bool data, string memory err) internal pure virtual {
        require(!data, err);
    }

    function assertEq(bool a, bool b) internal pure virtual {
        _compared(a == b, vm.toString(a), " != ", vm.toString(b), "");
    }

    function assertEq(bool a, bool b, string memory err) internal pure virtual {
        _compared(a == b, vm.toString(a), " != ", vm.toString(b), err);
    }

    function assertNotEq(bool a, bool b) internal pure virtual {
        _compared(a != b, vm.toString(a), " == ", vm.toString(b), "");
    }

    function assertNotEq(bool a, bool b, string memory err) internal pure virtual {
        _compared(a != b, vm.toString(a), " == ", vm.toString(b), err);
    }

    function assertEq(uint256 a, uint256 b) internal pure virtual {
        _compared(a == b, vm.toString(a), " != ", vm.toString(b), "");
    }

    function assertEq(uint256 a, uint256 b, string memory err) internal pure virtual {
        _compared(a == b, vm.toString(a), " != ", vm.toString(b), err);
    }

    function assertNotEq(uint256 a, uint256 b) internal pure virtual {
        _compared(a != b, vm.toString(a), " == ", vm.toString(b), "");
    }

    function assertNotEq(uint256 a, uint256 b, string memory err) internal pure virtual {
        _compared(a != b, vm.toString(a), " == ", vm.toString(b), err);
    }

    function assertEq(int256 a, int256 b) internal pure virtual {
        _compared(a == b, vm.toString(a), " != ", vm.toString(b), "");
    }

    function assertEq(int256 a, int256 b, string memory err) internal pure virtual {
        _compared(a == b, vm.toString(a), " != ", vm.toString(b), err);
    }

    function assertNotEq(int256 a, int256 b) internal pure virtual {
        _compared(a != b, vm.toString(a), " == ", vm.toString(b), "");
    }

    function assertNotEq(int256 a, int256 b, string memory err) internal pure virtual {
        _compared(a != b, vm.toString(a), " == ", vm.toString(b), err);
    }

    function assertEq(address a, address b) internal pure virtual {
        _compared(a == b, vm.toString(a), " != ", vm.toString(b), "");
    }

    function assertEq(address a, address b, string memory err) internal pure virtual {
        _compared(a == b, vm.toString(a), " != ", vm.toString(b), err);
    }

    function assertNotEq(address a, address b) internal pure virtual {
        _compared(a != b, vm.toString(a), " == ", vm.toString(b), "");
    }

    function assertNotEq(address a, address b, string memory err) internal pure virtual {
        _compared(a != b, vm.toString(a), " == ", vm.toString(b), err);
    }

    function assertEq(bytes32 a, bytes32 b) internal pure virtual {
        _compared(a == b, vm.toString(a), " != ", vm.toString(b), "");
    }

    function assertEq(bytes32 a, bytes32 b, string memory err) internal pure virtual {
        _compared(a == b, vm.toString(a), " != ", vm.toString(b), err);
    }

    function assertNotEq(bytes32 a, bytes32 b) internal pure virtual {
        _compared(a != b, vm.toString(a), " == ", vm.toString(b), "");
    }

    function assertNotEq(bytes32 a, bytes32 b, string memory err) internal pure virtual {
        _compared(a != b, vm.toString(a), " == ", vm.toString(b), err);
    }

    function assertEq(string memory a, string memory b) internal pure virtual {
        _compared(keccak256(bytes(a)) == keccak256(bytes(b)), a, " != ", b, "");
    }

    function assertEq(string memory a, string memory b, string memory err) internal pure virtual {
        _compared(keccak256(bytes(a)) == keccak256(bytes(b)), a, " != ", b, err);
    }

    function assertNotEq(string memory a, string memory b) internal pure virtual {
        _compared(keccak256(bytes(a)) != keccak256(bytes(b)), a, " == ", b, "");
    }

    function assertNotEq(string memory a, string memory b, string memory err) internal pure virtual {
        _compared(keccak256(bytes(a)) != keccak256(bytes(b)), a, " == ", b, err);
    }

    function assertEq(bytes memory a, bytes memory b) internal pure virtual {
        _compared(keccak256(a) == keccak256(b), vm.toString(a), " != ", vm.toString(b), "");
    }

    function assertEq(bytes memory a, bytes memory b, string memory err) internal pure virtual {
        _compared(keccak256(a) == keccak256(b), vm.toString(a), " != ", vm.toString(b), err);
    }

    function assertNotEq(bytes memory a, bytes memory b) internal pure virtual {
        _compared(keccak256(a) != keccak256(b), vm.toString(a), " == ", vm.toString(b), "");
    }

    function assertNotEq(bytes memory a, bytes memory b, string memory err) internal pure virtual {
        _compared(keccak256(a) != keccak256(b), vm.toString(a), " == ", vm.toString(b), err);
    }

    function assertLt(uint256 a, uint256 b) internal pure virtual {
        _compared(a < b, vm.toString(a), " >= ", vm.toString(b), "");
    }

    function assertLt(uint256 a, uint256 b, string memory err) internal pure virtual {
        _compared(a < b, vm.toString(a), " >= ", vm.toString(b), err);
    }

    function assertGt(uint256 a, uint256 b) internal pure virtual {
        _compared(a > b, vm.toString(a), " <= ", vm.toString(b), "");
    }

    function assertGt(uint256 a, uint256 b, string memory err) internal pure virtual {
        _compared(a > b, vm.toString(a), " <= ", vm.toString(b), err);
    }

    function assertLe(uint256 a, uint256 b) internal pure virtual {
        _compared(a <= b, vm.toString(a), " > ", vm.toString(b), "");
    }

    function assertLe(uint256 a, uint256 b, string memory err) internal pure virtual {
        _compared(a <= b, vm.toString(a), " > ", vm.toString(b), err);
    }

    function assertGe(uint256 a, uint256 b) internal pure virtual {
        _compared(a >= b, vm.toString(a), " < ", vm.toString(b), "");
    }

    function assertGe(uint256 a, uint256 b, string memory err) internal pure virtual {
        _compared(a >= b, vm.toString(a), " < ", vm.toString(b), err);
    }

    function assertLt(int256 a, int256 b) internal pure virtual {
        _compared(a < b, vm.toString(a), " >= ", vm.toString(b), "");
    }

    function assertLt(int256 a, int256 b, string memory err) internal pure virtual {
        _compared(a < b, vm.toString(a), " >= ", vm.toString(b), err);
    }

    function assertGt(int256 a, int256 b) internal pure virtual {
        _compared(a > b, vm.toString(a), " <= ", vm.toString(b), "");
    }

    function assertGt(int256 a, int256 b, string memory err) internal pure virtual {
        _compared(a > b, vm.toString(a), " <= ", vm.toString(b), err);
    }

    function assertLe(int256 a, int256 b) internal pure virtual {
        _compared(a <= b, vm.toString(a), " > ", vm.toString(b), "");
    }

    function assertLe(int256 a, int256 b, string memory err) internal pure virtual {
        _compared(a <= b, vm.toString(a), " > ", vm.toString(b), err);
    }

    function assertGe(int256 a, int256 b) internal pure virtual {
        _compared(a >= b, vm.toString(a), " < ", vm.toString(b), "");
    }

    function assertGe(int256 a, int256 b, string memory err) internal pure virtual {
        _compared(a >= b, vm.toString(a), " < ", vm.toString(b), err);
    }

    function fail(string memory err) internal pure virtual {
        revert(err);
    }

    function _compared(bool holds, string memory a, string memory sign, string memory b, string memory err)
        private
        pure
    {
        if (holds) return;
        string memory failed = string.concat("assertion failed: ", a, sign, b);
        revert(bytes(err).length == 0 ? failed : string.concat(err, ": ", failed));
    }
}
