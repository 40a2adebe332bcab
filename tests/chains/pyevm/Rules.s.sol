// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import "forge-std/Script.sol";
import {console} from "forge-std/console.sol";
import {StdCheats} from "forge-std/StdCheats.sol";

interface IToken {
    function deposit() external payable;
    function approve(address, uint256) external returns (bool);
    function transfer(address, uint256) external returns (bool);
    function balanceOf(address) external view returns (uint256);
}

interface IRouter {
    function swapExactTokensForTokens(uint256, uint256, address[] calldata, address, uint256)
        external
        returns (uint256[] memory);
}

contract Made {
    uint256 public x;
    address public who;
    address public immutable origin = tx.origin;
    uint256 transient seen;
    error Wrong(uint256 a, address b);

    constructor(uint256 a) payable {
        x = a;
        who = msg.sender;
    }

    receive() external payable {
        x += msg.value;
    }

    fallback(bytes calldata data) external payable returns (bytes memory) {
        return data;
    }

    function set(uint256 a) external payable {
        x = a;
        seen = a;
    }

    function last() external view returns (uint256) {
        return seen;
    }

    function caller() external view returns (address, address) {
        return (msg.sender, tx.origin);
    }

    function fail(uint256 how) external pure {
        if (how == 1) revert("made to fail");
        if (how == 2) revert Wrong(how, address(2));
    }

    function die(address payable heir) external {
        selfdestruct(heir);
    }
}

contract Maker {
    function make() external payable returns (Made m) {
        m = new Made{value: msg.value}(1);
        m.set(2);
    }
}

contract Proxy {
    address immutable target;

    constructor(address to) {
        target = to;
    }

    fallback() external payable {
        address to = target;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), to, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(done) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }
}

library Inner {
    function f(uint256 a) external pure returns (uint256) {
        return a + 1;
    }
}

library Outer {
    function g(uint256 a) external pure returns (uint256) {
        return Inner.f(a) + 1;
    }
}

abstract contract Rule is Script {
    function poke(bytes memory data) internal returns (bool done) {
        (done,) = address(0x5005).call(data);
    }
}

contract Transfers is Rule {
    function run() external {
        vm.startBroadcast();
        payable(address(0x1234)).transfer(1 ether);
        (bool done,) = address(0x55).call{value: 5, gas: 30000}("abc");
        require(done);
        vm.stopBroadcast();
    }
}

contract Swap is Rule {
    function run() external {
        vm.startBroadcast();
        IToken({WETH}).deposit{value: 1 ether}();
        IToken({WETH}).approve({UniswapV2Router02}, 1 ether);
        address[] memory path = new address[](2);
        (path[0], path[1]) = ({WETH}, {USDC});
        IRouter({UniswapV2Router02}).swapExactTokensForTokens(1 ether, 1, path, msg.sender, block.timestamp + 60);
        console.log(IToken({USDC}).balanceOf(msg.sender));
        vm.stopBroadcast();
    }
}

contract Creates is Rule {
    function run() external {
        vm.startBroadcast();
        Made m = new Made{value: 3}(7);
        m.set(9);
        console.log(address(m), m.who(), m.origin());
        Made n = new Maker().make{value: 2}();
        console.log(address(n), n.who(), n.origin());
        n.set(5);
        vm.stopBroadcast();
        new Made(1);
        console.log(address(new Made(1)));
    }
}

contract Create2 is Rule {
    function run() external {
        Made free = new Made{salt: bytes32(uint256(5))}(7);
        console.log(address(free), free.who());
        vm.startBroadcast();
        Made m = new Made{salt: bytes32(uint256(5)), value: 2}(7);
        m.set{value: 1}(9);
        console.log(address(m), m.who());
        vm.stopBroadcast();
    }
}

contract Senders is Rule {
    function run() external {
        vm.startBroadcast(address(0x77));
        poke("");
        vm.stopBroadcast();
        vm.broadcast(uint256(5));
        poke("x");
        poke("y");
        vm.broadcast();
        poke("z");
        console.log(vm.getNonce(address(0x77)), vm.getNonce(msg.sender));
    }
}

contract Pranks is Rule {
    function run() external {
        vm.prank(address(9));
        Made m = new Made(1);
        console.log(m.who(), vm.getNonce(address(9)));
        vm.startPrank(address(8), address(7));
        m = new Made(1);
        (address a, address b) = m.caller();
        console.log(m.who(), a, b);
        vm.stopPrank();
        (a, b) = m.caller();
        console.log(b, tx.origin);
        vm.broadcast();
        poke("");
    }
}

contract Libraries is Rule {
    function run() external {
        vm.startBroadcast();
        payable(address(0x2222)).transfer(Outer.g(1) + Inner.f(1));
        vm.stopBroadcast();
        console.log(vm.getNonce(msg.sender));
    }
}

contract StaticBroadcast is Rule {
    function run() external {
        vm.broadcast();
        IToken({WETH}).balanceOf(msg.sender);
    }
}

contract StaticCalls is Rule {
    function run() external {
        Made m = new Made(1);
        vm.startBroadcast(address(0x77));
        (address a, address b) = m.caller();
        console.log(a, b);
        vm.stopBroadcast();
    }
}

contract Caught is Rule {
    function run() external {
        Made m = new Made(1);
        try m.fail(1) {}
        catch Error(string memory why) {
            console.log(why);
        }
        vm.startBroadcast();
        (bool done,) = address(m).call{value: 4}("");
        require(done);
        (, bytes memory data) = address(m).call(hex"aabbccdd");
        console.logBytes(data);
        poke("after");
        vm.stopBroadcast();
    }
}

contract Reverts is Rule {
    function run() external {
        vm.startBroadcast();
        poke("before");
        require(false, "no way");
    }
}

contract RevertsInBroadcast is Rule {
    function run() external {
        Made m = new Made(1);
        vm.startBroadcast();
        m.fail(2);
    }
}

contract Panics is Rule {
    function run() external {
        uint256 zero = 0;
        console.log(uint256(1));
        console.log(1 / zero);
    }
}

contract Deals is Rule, StdCheats {
    function run() external {
        deal({USDC}, msg.sender, 1234);
        vm.deal(msg.sender, 50 ether);
        vm.startBroadcast();
        IToken({USDC}).transfer(address(0x98), 1000);
        payable(address(0x97)).transfer(4 ether);
        vm.stopBroadcast();
        console.log(IToken({USDC}).balanceOf(msg.sender), msg.sender.balance);
    }
}

contract Blocks is Rule {
    function run() external {
        console.log(block.chainid, block.coinbase, block.gaslimit, block.basefee);
        console.log(block.number, block.timestamp, block.prevrandao, block.blobbasefee);
        console.logBytes32(blockhash(block.number - 1));
        vm.warp(block.timestamp + 100);
        vm.roll(block.number + 5);
        vm.fee(7);
        vm.prevrandao(bytes32(uint256(3)));
        vm.coinbase(address(4));
        vm.chainId(99);
        console.log(block.basefee, block.prevrandao, block.chainid, block.coinbase);
        console.log(vm.getBlockNumber(), vm.getBlockTimestamp());
        vm.broadcast();
        poke("");
    }
}

contract TwoChains is Rule {
    uint256 kept = 3;

    function run() external {
        vm.broadcast();
        poke("a");
        console.log(vm.activeFork(), kept++);
        uint256 other = vm.createSelectFork("optimism");
        console.log(other, block.chainid, kept++);
        vm.startBroadcast();
        poke("b");
        poke("c");
        vm.stopBroadcast();
        console.log(vm.getNonce(msg.sender));
        vm.selectFork(0);
        console.log(vm.activeFork(), block.chainid, kept);
        vm.broadcast();
        poke("d");
    }
}

contract SetsUp is Rule {
    uint256 nonce;

    function setUp() public {
        vm.startBroadcast();
        poke("s");
        nonce = vm.getNonce(msg.sender);
        vm.warp(55);
    }

    function run() external returns (uint256) {
        poke("r");
        console.log(nonce, vm.getNonce(msg.sender), block.timestamp);
        return nonce;
    }
}

contract Helper is Rule {
    function run() external {}

    function go() external {
        vm.startBroadcast();
        poke("h");
        this.me();
        vm.stopBroadcast();
    }

    function me() external {}
}

contract Inside is Rule {
    function run() external {
        Helper h = new Helper();
        h.go();
        vm.broadcast();
        h.me();
    }
}

contract Proxies is Rule {
    function run() external {
        vm.startBroadcast();
        Made m = new Made(1);
        Made p = Made(payable(new Proxy(address(m))));
        p.set(8);
        console.log(p.x(), m.x());
        p.die(payable(address(0x3333)));
        console.log(address(p).code.length > 0);
        vm.stopBroadcast();
    }
}

contract FixedGas is Rule {
    function run() external {
        vm.startBroadcast();
        Made m = new Made(1);
        m.set{gas: 100000}(1);
        m.set(2);
        (bool done,) = address(m).call{gas: 45000, value: 1}(abi.encodeCall(Made.set, 4));
        require(done);
        vm.stopBroadcast();
    }
}

contract Snapshots is Rule {
    function run() external {
        Made m = new Made(1);
        uint256 id = vm.snapshotState();
        m.set(5);
        console.log(m.x(), id, vm.revertToState(id), m.x());
        m.set(6);
        console.log(vm.revertToState(id), m.x(), vm.snapshotState(), vm.revertToState(77));
    }
}

contract Keys is Rule {
    function run() external {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(uint256(77), keccak256("a"));
        console.log(v);
        console.logBytes32(r);
        console.logBytes32(s);
        console.log(ecrecover(keccak256("a"), v, r, s), vm.addr(77));
        console.log(vm.computeCreateAddress(address(5), 3));
        console.log(vm.computeCreate2Address(bytes32(uint256(1)), keccak256("x")));
    }
}

contract Texts is Rule {
    function run() external {
        console.log(vm.toString(address(5)), vm.toString(int256(-3)), vm.toString(true));
        console.log(vm.toString(abi.encode(true)), vm.toString(bytes32(uint256(1))), vm.toString(type(uint256).max));
        console.log(vm.getLabel(address(6)));
        vm.label(address(6), "six");
        console.log(vm.getLabel(address(6)));
    }
}

contract Formats is Rule {
    function run() external {
        console.log("%s|%d|%x|%e|%o", "a", uint256(255), uint256(4096));
        console.log("%i %% x", true);
        console.log(uint256(1), "%s", true);
        console.log(int256(-5));
        console.logBytes(hex"1234");
        console.log("%e %18e", uint256(1500000), uint256(1.5 ether));
        console.log("%5e %0e", uint256(123456789), uint256(12));
        console.log("%s");
        console.log("%z a %X %5 %.2f", uint256(1));
        console.log("%x %o", address(5), "q");
        console.log("%d %i", true, "q");
        console.log("100%");
        console.log("%", uint256(1));
        console.log("%s", "%s", uint256(3));
        console.log("%e %e", uint256(0), uint256(7));
        console.log("%o %x", uint256(4), true);
        console.log("%d", address(3));
    }
}

contract Callers is Rule {
    function run() external {
        show();
        vm.startBroadcast(address(5));
        show();
        vm.stopBroadcast();
        vm.startPrank(address(6));
        show();
    }

    function show() internal view {
        (VmSafe.CallerMode mode, address sender, address origin) = vm.readCallers();
        console.log(uint8(mode), sender, origin);
    }
}

contract OwnAddress is Rule {
    function run() external view {
        console.log(address(this));
    }
}

contract StopsNothing is Rule {
    function run() external {
        vm.stopBroadcast();
    }
}

contract Transient is Rule {
    function run() external {
        vm.startBroadcast();
        Made m = new Made(1);
        m.set(5);
        console.log(m.last());
        vm.stopBroadcast();
    }
}

contract Funds is Rule {
    function run() external {
        vm.broadcast(address(0x4444));
        poke("");
        vm.broadcast(address(0x4444));
        (bool done,) = address(0x5005).call{value: 1}("");
        console.log(done);
    }
}

interface More {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function assertEq(uint256, uint256) external pure;
    function assertEq(uint256[] calldata, uint256[] calldata, string calldata) external pure;
    function assertEq(string calldata, string calldata) external pure;
    function assertNotEq(address, address) external pure;
    function assertLt(int256, int256, string calldata) external pure;
    function assertGe(uint256, uint256) external pure;
    function assertTrue(bool) external pure;
    function assertFalse(bool, string calldata) external pure;
    function snapshot() external returns (uint256);
    function revertTo(uint256) external returns (bool);
    function deleteStateSnapshot(uint256) external returns (bool);
    function rememberKey(uint256) external returns (address);
}

abstract contract MoreRule is Rule {
    More constant more = More(VM_ADDRESS);

    function tried(bytes memory call) internal {
        (bool done, bytes memory data) = VM_ADDRESS.call(call);
        console.log(done, data.length);
        if (!done) {
            assembly {
                data := add(data, 4)
            }
            console.log(abi.decode(data, (string)));
        }
    }
}

contract Emitter {
    event Told(uint256 indexed a, address indexed b, uint256 c);

    function tell(uint256 a, uint256 c) external {
        emit Told(a, msg.sender, c);
        emit Told(a + 1, msg.sender, c);
    }
}

contract Asserts is MoreRule {
    function run() external {
        more.assertEq(uint256(1), uint256(1));
        uint256[] memory one = new uint256[](2);
        uint256[] memory two = new uint256[](1);
        tried(abi.encodeWithSignature("assertEq(uint256,uint256)", 1, 2));
        tried(abi.encodeWithSignature("assertEq(uint256[],uint256[],string)", one, two, "lists"));
        tried(abi.encodeWithSignature("assertEq(string,string)", "a", "b"));
        tried(abi.encodeWithSignature("assertNotEq(address,address)", address(1), address(1)));
        tried(abi.encodeWithSignature("assertLt(int256,int256,string)", int256(-1), int256(-2), "low"));
        tried(abi.encodeWithSignature("assertGe(uint256,uint256)", 1, 2));
        tried(abi.encodeWithSignature("assertTrue(bool)", false));
        tried(abi.encodeWithSignature("assertFalse(bool,string)", true, "why"));
        tried(abi.encodeWithSignature("assertEq(bytes,bytes)", hex"12", hex""));
        tried(abi.encodeWithSignature("assertEq(bytes32,bytes32)", bytes32(0), bytes32(uint256(1))));
    }
}

contract Failures is MoreRule {
    function run() external {
        tried(abi.encodeCall(vm.setNonce, (address(0x99), 5)));
        tried(abi.encodeCall(vm.setNonce, (address(0x99), 3)));
        tried(abi.encodeWithSignature("addr(uint256)", 0));
        tried(abi.encodeWithSignature("prank(address)", address(3)));
        tried(abi.encodeWithSignature("prank(address)", address(4)));
        tried(abi.encodeWithSignature("startBroadcast()"));
        vm.stopPrank();
        tried(abi.encodeWithSignature("startBroadcast()"));
        tried(abi.encodeWithSignature("broadcast()"));
        tried(abi.encodeWithSignature("prank(address)", address(4)));
        tried(abi.encodeWithSignature("selectFork(uint256)", 0));
        vm.stopBroadcast();
        vm.startPrank(address(9));
        tried(abi.encodeWithSignature("prank(address)", address(4)));
        vm.stopPrank();
    }
}

contract Records is MoreRule {
    function run() external {
        Made m = new Made(1);
        vm.record();
        vm.recordLogs();
        m.set(m.x() + 1);
        (bytes32[] memory reads, bytes32[] memory writes) = vm.accesses(address(m));
        for (uint256 i = 0; i < reads.length; i++) console.logBytes32(reads[i]);
        for (uint256 i = 0; i < writes.length; i++) console.logBytes32(writes[i]);
        new Emitter().tell(3, 4);
        VmSafe.Log[] memory logs = vm.getRecordedLogs();
        console.log(logs.length, vm.getRecordedLogs().length, logs[0].emitter);
        console.logBytes32(logs[1].topics[1]);
        console.logBytes(logs[1].data);
        console.logBytes32(vm.load(address(m), bytes32(0)));
        vm.store(address(m), bytes32(0), bytes32(uint256(44)));
        console.log(m.x());
        vm.etch(address(0x7777), address(m).code);
        console.log(Made(payable(address(0x7777))).x(), address(0x7777).code.length);
    }
}

contract Olds is MoreRule {
    function run() external {
        Made m = new Made(1);
        uint256 id = more.snapshot();
        m.set(4);
        console.log(more.revertTo(id), m.x(), more.deleteStateSnapshot(id), more.revertTo(id));
        console.log(more.rememberKey(77));
    }
}

contract Forks is MoreRule {
    function run() external {
        Made m = new Made(1);
        console.log(vm.isPersistent(address(m)), vm.isPersistent(msg.sender));
        vm.makePersistent(address(m));
        m.set(6);
        uint256 other = vm.createFork("optimism");
        console.log(other, vm.activeFork());
        vm.selectFork(other);
        console.log(m.x(), vm.activeFork(), vm.getNonce(address(m)));
        m.set(7);
        vm.selectFork(0);
        console.log(m.x(), address(m).code.length > 0);
    }
}

contract RevertsDeep is MoreRule {
    function inner(uint256 a) external {
        vm.broadcast();
        poke("inner");
        if (a > 1) revert("rolled back");
    }

    function run() external {
        Made m = new Made(1);
        (bool done,) = address(m).call(abi.encodeCall(Made.fail, (1)));
        console.log(done, vm.getNonce(msg.sender));
        vm.startBroadcast();
        (done,) = address(m).call{value: 1}(abi.encodeCall(Made.fail, (1)));
        console.log(done, vm.getNonce(msg.sender));
        (done,) = address(m).call{value: 1}("");
        vm.stopBroadcast();
        console.log(m.x());
    }
}
