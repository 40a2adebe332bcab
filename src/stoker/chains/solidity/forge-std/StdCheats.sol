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
            if (_held(target, query, slots[i - 1], value)) return;
        }
        revert("deal: no slot of the token holds that balance");
    }

    /// The slot may hold other things too, which stay: the number is some bits of it, found by trying.
    function _held(address target, bytes memory query, bytes32 slot, uint256 value) private returns (bool) {
        uint256 kept = uint256(vm.load(target, slot));
        uint256 mask = _with(target, query, slot, type(uint256).max);
        unchecked {
            for (uint256 shift = 0; mask > 0 && mask & (mask + 1) == 0 && shift < 256; shift++) {
                if (_with(target, query, slot, 1 << shift) != 1) continue;
                if (_with(target, query, slot, (kept & ~(mask << shift)) | (value << shift)) == value) return true;
                break;
            }
        }
        vm.store(target, slot, bytes32(kept));
        return false;
    }

    /// The answer with that in the slot; 0 where there is none.
    function _with(address target, bytes memory query, bytes32 slot, uint256 content) private returns (uint256) {
        vm.store(target, slot, bytes32(content));
        (bool done, bytes memory data) = target.staticcall(query);
        return done && data.length >= 32 ? abi.decode(data, (uint256)) : 0;
    }
}
