// SPDX-License-Identifier: MIT
pragma solidity >=0.8.13 <0.9.0;

import {console} from "./console.sol"; // if named
import {console2} from "./console2.sol"; // if named
import {TestBase} from "./Base.sol";
import {StdAssertions} from "./StdAssertions.sol";
import {StdCheats} from "./StdCheats.sol";
import {StdUtils} from "./StdUtils.sol";
import {Vm, VmSafe} from "./Vm.sol";

/// Scripts that assert may be these too.
abstract contract Test is TestBase, StdAssertions, StdCheats, StdUtils {
    bool public constant IS_TEST = true;
}
