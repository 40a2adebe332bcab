// SPDX-License-Identifier: MIT
pragma solidity >=0.8.13 <0.9.0;

interface IERC165 {
    function supportsInterface(bytes4 interfaceId) external view returns (bool);
}
