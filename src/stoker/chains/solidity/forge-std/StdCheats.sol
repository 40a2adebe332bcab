// SPDX-License-Identifier: MIT
pragma solidity >=0.8.13 <0.9.0;

import {StdCheatsSafe} from "./StdCheatsSafe.sol";

/// Balances out of nothing, and calls in the name of others.
abstract contract StdCheats is StdCheatsSafe {
    function deal(address to, uint256 give) internal virtual {
        vm.deal(to, give);
    }

    function deal(address token, address to, uint256 give) internal virtual {
        deal(token, to, give, false);
    }

    /// `adjust`: the total supply changes by as much.
    function deal(address token, address to, uint256 give, bool adjust) internal virtual {
        bytes memory balanceOf = abi.encodeWithSignature("balanceOf(address)", to);
        uint256 before = _ask(token, balanceOf);
        _answer(token, balanceOf, give);
        if (adjust) {
            bytes memory totalSupply = abi.encodeWithSignature("totalSupply()");
            _answer(token, totalSupply, _ask(token, totalSupply) - before + give);
        }
    }

    function hoax(address msgSender, uint256 give) internal virtual {
        vm.deal(msgSender, give);
        vm.prank(msgSender);
    }

    function startHoax(address msgSender, uint256 give) internal virtual {
        vm.deal(msgSender, give);
        vm.startPrank(msgSender);
    }

    function skip(uint256 time) internal virtual {
        vm.warp(vm.getBlockTimestamp() + time);
    }

    function rewind(uint256 time) internal virtual {
        vm.warp(vm.getBlockTimestamp() - time);
    }

    function _ask(address target, bytes memory query) private view returns (uint256) {
        (bool done, bytes memory data) = target.staticcall(query);
        require(done && data.length >= 32, "deal: the token does not tell its balances");
        return abi.decode(data, (uint256));
    }

    /// Have a query answered by a number, through the one slot, of those read for it, that makes it so.
    function _answer(address target, bytes memory query, uint256 value) private {
        vm.record();
        uint256 old = _ask(target, query);
        (bytes32[] memory slots,) = vm.accesses(target);
        vm.stopRecord();
        if (old == value) return;
        for (uint256 i = slots.length; i > 0; i--) {
            bytes32 kept = vm.load(target, slots[i - 1]);
            vm.store(target, slots[i - 1], bytes32(value));
            (bool done, bytes memory data) = target.staticcall(query);
            if (done && data.length >= 32 && abi.decode(data, (uint256)) == value) return;
            vm.store(target, slots[i - 1], kept);
        }
        revert("deal: no slot of the token holds that balance");
    }
}
