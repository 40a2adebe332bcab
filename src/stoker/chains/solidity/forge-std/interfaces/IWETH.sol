// SPDX-License-Identifier: MIT
pragma solidity >=0.8.13 <0.9.0;

import {IERC20} from "./IERC20.sol";

interface IWETH is IERC20 {
    event Deposit(address indexed to, uint256 amount);
    event Withdrawal(address indexed from, uint256 amount);

    function deposit() external payable;
    function withdraw(uint256 amount) external;
}
