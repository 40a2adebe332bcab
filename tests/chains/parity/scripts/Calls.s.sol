// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Script} from "forge-std/Script.sol";
import {console} from "forge-std/console.sol";
import "./Parts.sol";

contract CallBack is Script {
    function run() external {
        vm.startBroadcast();
        Lender lender = new Lender{value: 50}();
        Borrower borrower = new Borrower();
        borrower.borrow(lender, 30);
        vm.stopBroadcast();
        require(borrower.seen() == keccak256(hex"c0ffee"), "not called");
    }
}

contract CallThroughProxy is Script {
    function run() external {
        vm.startBroadcast();
        Counter proxy = Counter(address(new Proxy(address(new Counter()))));
        proxy.set(10);
        Proxy(payable(address(proxy))).upgrade(address(new CounterTwo()));
        proxy.increment();
        (bool done,) = address(proxy).call{value: 4}("");
        vm.stopBroadcast();
        require(done && proxy.number() == 12, "not upgraded");
    }
}

contract CallThroughClone is Script {
    function run() external {
        address made;
        vm.startBroadcast();
        address target = address(new Counter());
        bytes memory code = abi.encodePacked(
            hex"3d602d80600a3d3981f3363d3d373d3d3d363d73", target, hex"5af43d82803e903d91602b57fd5bf3"
        );
        assembly {
            made := create(0, add(code, 32), mload(code))
        }
        Counter(made).set(8);
        vm.stopBroadcast();
        require(Counter(made).number() == 8 && Counter(target).number() == 0, "not a clone");
    }
}

contract CallViews is Script {
    function run() external {
        vm.startBroadcast();
        Counter counter = new Counter();
        counter.set(counter.number() + 1);
        (bool done,) = address(counter).staticcall(abi.encodeCall(counter.number, ()));
        require(done, "not read");
        counter.set(counter.number() + 1);
        vm.stopBroadcast();
    }
}

contract CallThatCatches is Script {
    function run() external {
        vm.startBroadcast();
        Failing failing = new Failing(false);
        require(failing.cautious(), "not caught");
        vm.stopBroadcast();
    }
}

contract Wallet {
    function spend() external {
        payable(ALICE).transfer(address(this).balance);
    }
}

/// A broadcast is of calls by whoever began it: not of what those call.
contract CallHelper is Script {
    function run() external {
        Factory helper = new Factory();
        Wallet wallet = new Wallet();
        vm.deal(address(wallet), 5);
        wallet.spend();
        vm.startBroadcast(OTHER);
        Factory made = new Factory();
        made.make(1);
        vm.stopBroadcast();
        helper.make(1);
        vm.broadcast();
        payable(BOB).transfer(ALICE.balance);
    }
}

contract CallTransient is Script {
    function run() external {
        vm.startBroadcast();
        Transient transient_ = new Transient();
        transient_.keepFor(5);
        transient_.both(6);
        transient_.guarded(true);
        transient_.guarded(false);
        vm.stopBroadcast();
        require(transient_.kept() == 8, "wrongly kept");
    }
}

/// What is transient is gone with its transaction.
contract CallTransientBetween is Script {
    function run() external {
        vm.startBroadcast();
        Transient transient_ = new Transient();
        transient_.keepFor(5);
        transient_.keep();
        payable(ALICE).transfer(transient_.kept());
        vm.stopBroadcast();
    }
}

contract CallSelfdestruct is Script {
    function run() external {
        vm.startBroadcast();
        Purse purse = new Purse{value: 33}();
        purse.end(payable(ALICE));
        (bool done,) = address(purse).call{value: 1}("");
        vm.stopBroadcast();
        require(done && ALICE.balance == 33, "not paid");
    }
}

contract CallSelfdestructAtOnce is Script {
    function run() external {
        vm.startBroadcast();
        Factory factory = new Factory();
        factory.makeAndEnd{value: 21}(payable(BOB));
        factory.makeAndEnd(payable(BOB));
        vm.stopBroadcast();
        require(BOB.balance == 21, "not paid");
    }
}

contract CallLogs is Script {
    function run() external {
        vm.startBroadcast();
        Logs logs = new Logs();
        logs.large(60, 40);
        logs.large(3, 0);
        logs.bare(hex"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0011");
        vm.stopBroadcast();
    }
}

contract CallSlots is Script {
    function run() external {
        vm.startBroadcast();
        Slots slots = new Slots();
        slots.fill(20);
        slots.clear(15);
        slots.flicker(10);
        slots.fill(3);
        vm.stopBroadcast();
    }
}

contract CallLargeData is Script {
    function run() external {
        bytes memory data = new bytes(9_000);
        for (uint256 i = 0; i < data.length; i += 7) data[i] = bytes1(uint8(i));
        vm.startBroadcast();
        Purse purse = new Purse();
        (bool done,) = address(purse).call(data);
        require(done, "not called");
        (done,) = ALICE.call(data);
        vm.stopBroadcast();
        require(done, "not sent");
    }
}

contract CallPrecompiles is Script {
    function run() external {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(0xA11CE, keccak256("signed"));
        vm.startBroadcast();
        Machine machine = new Machine();
        machine.hashes("a text to be hashed in several ways");
        machine.recover(keccak256("signed"), v, r, s);
        require(machine.number() == uint160(vm.addr(0xA11CE)), "another signer");
        machine.power(3, 65537, 1_000_000_007);
        machine.curve();
        machine.blake();
        vm.stopBroadcast();
    }
}

contract CallLooks is Script {
    function run() external {
        vm.startBroadcast();
        Machine machine = new Machine();
        address[] memory places = new address[](5);
        (places[0], places[1], places[2], places[3], places[4]) = (ALICE, address(machine), CREATE2_FACTORY, address(machine), address(3));
        machine.look(places);
        machine.look(places);
        machine.copy(5_000);
        machine.block_();
        vm.stopBroadcast();
    }
}

contract CallWithLittleGas is Script {
    function run() external {
        vm.startBroadcast();
        Machine machine = new Machine();
        Counter counter = new Counter();
        machine.limited(counter, 60_000);
        machine.starve(counter);
        vm.stopBroadcast();
        require(counter.number() == 3 && machine.number() == 2, "too much gas");
    }
}

contract CallReturnBomb is Script {
    function run() external {
        vm.startBroadcast();
        Machine machine = new Machine();
        machine.bombed(60_000);
        vm.stopBroadcast();
    }
}

contract CallPrinting is Script {
    function run() external {
        vm.startBroadcast();
        Counter counter = new Counter();
        console.log("counter", address(counter));
        counter.set(1);
        console.log("number %s", counter.number());
        vm.stopBroadcast();
    }
}

contract CallSeesItself is Script {
    function run() external {
        require(msg.sender == tx.origin, "not the sender");
        vm.startBroadcast();
        Machine machine = new Machine();
        machine.block_();
        vm.stopBroadcast();
        bytes32 seen = keccak256(abi.encode(block.chainid, msg.sender, msg.sender, address(machine)));
        require(machine.seen() == seen, "sees another");
    }
}

contract CallDeep is Script {
    function run() external {
        vm.startBroadcast();
        Edges edges = new Edges();
        require(edges.deep(150) == 150, "not deep");
        vm.stopBroadcast();
    }
}

contract CallThatCreatesWrongly is Script {
    function run() external {
        vm.startBroadcast();
        Edges edges = new Edges();
        edges.badCreate{gas: 2_000_000}();
        edges.largeCreate(49_152);
        vm.stopBroadcast();
    }
}

contract CallUndone is Script {
    function run() external {
        vm.startBroadcast();
        Edges edges = new Edges();
        edges.undone(8);
        edges.undone(9);
        vm.stopBroadcast();
    }
}

contract CallAround is Script {
    function run() external {
        vm.startBroadcast();
        Edges edges = new Edges();
        edges.around();
        edges.curves();
        edges.toEmpty{value: 5}(payable(address(0xE33)));
        edges.toEmpty(payable(address(0xE34)));
        vm.stopBroadcast();
        require(edges.number() == 3, "wrongly sent");
    }
}
