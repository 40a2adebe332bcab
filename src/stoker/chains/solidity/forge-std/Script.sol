// SPDX-License-Identifier: MIT
pragma solidity >=0.8.13 <0.9.0;

import {console} from "./console.sol"; // if named
import {console2} from "./console2.sol"; // if named
import {StdCheats} from "./StdCheats.sol"; // if named
import {CommonBase, ScriptBase} from "./Base.sol";
import {StdCheatsSafe} from "./StdCheatsSafe.sol";
import {StdUtils} from "./StdUtils.sol";
import {Vm, VmSafe} from "./Vm.sol";

/// What a script is.
abstract contract Script is ScriptBase, StdCheatsSafe, StdUtils {
    bool public constant IS_SCRIPT = true;
}
