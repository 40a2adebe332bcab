// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

/// What stands behind a proxy: a number for each caller, and the ways to fail.
contract Register {
    mapping(address => uint256) public numbers;
    uint256 public total;

    event Registered(address indexed who, uint256 number);

    error TooLarge(uint256 number, uint256 most);

    function register(uint256 number) external payable {
        if (number > 1000) revert TooLarge(number, 1000);
        require(number != 13, "Register: unlucky");
        total = total - numbers[msg.sender] + number; // 0.8 panics before it goes below zero
        numbers[msg.sender] = number;
        emit Registered(msg.sender, number);
    }

    function divide(uint256 by) external view returns (uint256) {
        return total / by;
    }
}

contract Proxy is ERC1967Proxy {
    // a proxy is not to be left without a first call
    constructor(address implementation)
        ERC1967Proxy(implementation, abi.encodeCall(Register.divide, (1)))
    {}

    receive() external payable {}
}
