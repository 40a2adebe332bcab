// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

// Contracts that scripts deploy and call.

address constant ALICE = address(0xA11ce0000000000000000000000000000000a11c);
address constant BOB = address(0xb0B0000000000000000000000000000000000B0B);
address constant OTHER = 0x70997970C51812dc3A010C7d01b50e0d17dc79C8; // has coin

contract Counter {
    uint256 public number;

    event Set(uint256 indexed number, address by);

    error TooLarge(uint256 given, uint256 most);

    function set(uint256 value) external {
        if (value > 1_000_000) revert TooLarge(value, 1_000_000);
        number = value;
        emit Set(value, msg.sender);
    }

    function increment() external returns (uint256) {
        number++;
        emit Set(number, msg.sender);
        return number;
    }
}

contract Named {
    string public name;
    uint256[] public values;
    address public immutable OWNER;
    uint256 public immutable MADE_IN;

    constructor(string memory name_, uint256[] memory values_) payable {
        name = name_;
        values = values_;
        OWNER = msg.sender;
        MADE_IN = block.chainid;
    }

    function sum() external view returns (uint256 total) {
        for (uint256 i = 0; i < values.length; i++) total += values[i];
    }
}

contract Purse {
    mapping(address => uint256) public got;
    uint256 public calls;
    bytes public last;

    event Received(address indexed from, uint256 value);
    event Fell(address indexed from, uint256 value, bytes data);

    constructor() payable {}

    receive() external payable {
        got[msg.sender] += msg.value;
        emit Received(msg.sender, msg.value);
    }

    fallback(bytes calldata data) external payable returns (bytes memory) {
        calls++;
        last = data;
        emit Fell(msg.sender, msg.value, data);
        return abi.encode(calls);
    }

    function pay(address payable to, uint256 value) external {
        (bool done,) = to.call{value: value}("");
        require(done, "not paid");
    }

    function end(address payable to) external {
        selfdestruct(to);
    }
}

contract Factory {
    event Made(address what);

    function make(uint256 count) external {
        for (uint256 i = 0; i < count; i++) {
            Counter made = new Counter();
            made.set(i + 1);
            emit Made(address(made));
        }
    }

    function make2(bytes32 salt) external returns (Counter made) {
        made = new Counter{salt: salt}();
        emit Made(address(made));
    }

    function makeAndEnd(address payable to) external payable {
        Purse made = new Purse{value: msg.value}();
        made.end(to);
        emit Made(address(made));
    }
}

contract Deepest {
    uint256 public seen;

    function descend(uint256 value) external returns (uint256) {
        return seen = value + 1;
    }
}

contract Deeper {
    Deepest public inner = new Deepest();

    function descend(uint256 value) external returns (uint256) {
        return inner.descend(value + 1);
    }
}

contract Nested {
    Deeper public inner = new Deeper();

    function descend(uint256 value) external returns (uint256) {
        return inner.descend(value + 1);
    }
}

interface ICallback {
    function called(uint256 value, bytes calldata data) external returns (bytes32);
}

contract Lender {
    event Lent(address indexed to, uint256 value);

    constructor() payable {}

    receive() external payable {}

    function lend(ICallback to, uint256 value) external {
        uint256 before = address(this).balance;
        (bool done,) = address(to).call{value: value}("");
        require(done, "not lent");
        require(to.called(value, hex"c0ffee") == keccak256("called"), "no callback");
        require(address(this).balance >= before, "not paid back");
        emit Lent(address(to), value);
    }
}

contract Borrower is ICallback {
    bytes32 public seen;

    receive() external payable {}

    function borrow(Lender from, uint256 value) external {
        from.lend(this, value);
    }

    function called(uint256 value, bytes calldata data) external returns (bytes32) {
        seen = keccak256(data);
        (bool done,) = msg.sender.call{value: value}("");
        require(done, "not given back");
        return keccak256("called");
    }
}

contract Proxy {
    bytes32 private constant SLOT = bytes32(uint256(keccak256("eip1967.proxy.implementation")) - 1);

    constructor(address target) {
        _set(target);
    }

    function upgrade(address target) external {
        _set(target);
    }

    function _set(address target) private {
        bytes32 slot = SLOT;
        assembly {
            sstore(slot, target)
        }
    }

    fallback() external payable {
        bytes32 slot = SLOT;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), sload(slot), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch done
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }

    receive() external payable {}
}

contract CounterTwo {
    uint256 public number;

    function increment() external returns (uint256) {
        number += 2;
        return number;
    }
}

contract Failing {
    error Refused(address who, uint256 amount, string why);
    error Bare();

    uint256 public state;
    uint256[] private values;

    constructor(bool fails) {
        require(!fails, "the constructor refuses");
    }

    function text() external {
        state = 1;
        revert("no, thank you");
    }

    function custom() external {
        state = 1;
        revert Refused(msg.sender, 7, "because");
    }

    function bare() external pure {
        revert Bare();
    }

    function empty() external pure {
        assembly {
            revert(0, 0)
        }
    }

    function overflow(uint256 by) external {
        state = type(uint256).max;
        state += by;
    }

    function divide(uint256 by) external returns (uint256) {
        return state = 1 / by;
    }

    function index(uint256 place) external view returns (uint256) {
        return values[place];
    }

    function asserts() external {
        state = 2;
        assert(state == 1);
    }

    function burn() external pure {
        assembly {
            invalid()
        }
    }

    function cautious() external returns (bool caught) {
        try this.text() {}
        catch Error(string memory) {
            caught = true;
        }
        (bool done,) = address(this).call(abi.encodeCall(this.custom, ()));
        require(!done, "it should fail");
        state = 5;
    }
}

contract Transient {
    uint256 public kept;

    error Locked();

    modifier locked() {
        assembly {
            if tload(0) {
                mstore(0, shl(224, 0x0f2e5b6c))
                revert(0, 4)
            }
            tstore(0, 1)
        }
        _;
        assembly {
            tstore(0, 0)
        }
    }

    function keepFor(uint256 value) external {
        assembly {
            tstore(7, value)
        }
    }

    function keep() external returns (uint256 value) {
        assembly {
            value := tload(7)
        }
        kept = value + 1;
    }

    function both(uint256 value) external {
        this.keepFor(value);
        kept = this.keep();
    }

    function guarded(bool again) external locked {
        kept++;
        if (again) {
            (bool done,) = address(this).call(abi.encodeCall(this.guarded, (false)));
            require(!done, "the lock is open");
        }
    }
}

contract Logs {
    event Zero() anonymous;
    event Many(uint256 indexed a, bytes32 indexed b, address indexed c, string text, uint256[] numbers);

    function large(uint256 count, uint256 size) external {
        uint256[] memory numbers = new uint256[](size);
        for (uint256 i = 0; i < count; i++) {
            if (size > 0) numbers[i % size] = i;
            emit Many(i, keccak256(abi.encode(i)), address(uint160(i)), "a text that is longer than one word of memory is", numbers);
        }
    }

    function bare(bytes calldata data) external {
        emit Zero();
        assembly {
            calldatacopy(0, data.offset, data.length)
            log0(0, data.length)
            log1(0, 32, 1)
            log4(0, 0, 1, 2, 3, 4)
        }
    }
}

contract Slots {
    mapping(uint256 => uint256) public slots;
    uint256[] public list;

    function fill(uint256 count) external {
        for (uint256 i = 0; i < count; i++) {
            slots[i] = i + 1;
            list.push(i);
        }
    }

    function clear(uint256 count) external {
        for (uint256 i = 0; i < count; i++) {
            delete slots[i];
            list.pop();
        }
    }

    /// Sets what is set back before the end: dirty slots have prices of their own.
    function flicker(uint256 count) external {
        for (uint256 i = 0; i < count; i++) {
            uint256 old = slots[i];
            slots[i] = old + 1;
            slots[i] = old;
            slots[i + 1000] = 1;
            slots[i + 1000] = 0;
        }
    }
}

contract Machine {
    bytes32 public seen;
    uint256 public number;

    function hashes(bytes calldata data) external {
        (, bytes memory copied) = address(4).staticcall(data);
        seen = keccak256(abi.encode(sha256(data), ripemd160(data), keccak256(copied)));
    }

    function recover(bytes32 digest, uint8 v, bytes32 r, bytes32 s) external {
        number = uint160(ecrecover(digest, v, r, s));
    }

    function power(uint256 base, uint256 exponent, uint256 modulus) external {
        (bool done, bytes memory answer) =
            address(5).staticcall(abi.encode(uint256(32), uint256(32), uint256(32), base, exponent, modulus));
        require(done, "no modexp");
        number = abi.decode(answer, (uint256));
    }

    function curve() external {
        (bool added, bytes memory sum) = address(6).staticcall(abi.encode(uint256(1), uint256(2), uint256(1), uint256(2)));
        require(added, "no ecadd");
        (uint256 x, uint256 y) = abi.decode(sum, (uint256, uint256));
        (bool multiplied, bytes memory product) = address(7).staticcall(abi.encode(x, y, uint256(9)));
        require(multiplied, "no ecmul");
        (bool paired,) = address(8).staticcall("");
        require(paired, "no pairing");
        seen = keccak256(product);
    }

    function blake() external {
        (bool done, bytes memory answer) = address(9).staticcall(
            abi.encodePacked(
                uint32(12),
                hex"48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5",
                hex"d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b",
                bytes32("abc"), new bytes(96), hex"03000000000000000000000000000000", hex"01"
            )
        );
        require(done, "no blake2f");
        seen = keccak256(answer);
    }

    function look(address[] calldata places) external {
        for (uint256 i = 0; i < places.length; i++) {
            number += places[i].balance + places[i].code.length;
            seen = keccak256(abi.encode(seen, places[i].codehash));
        }
    }

    function copy(uint256 size) external {
        bytes memory data = new bytes(size);
        assembly {
            mcopy(add(data, 32), add(data, 33), sub(size, 1))
        }
        seen = keccak256(data);
    }

    function block_() external {
        seen = keccak256(abi.encode(block.chainid, tx.origin, msg.sender, address(this)));
        number = block.basefee > 0 ? block.number : 1;
    }

    function limited(Counter counter, uint256 gas_) external {
        counter.set{gas: gas_}(3);
    }

    function starve(Counter counter) external {
        (bool done,) = address(counter).call{gas: 2_000}(abi.encodeCall(counter.set, (4)));
        number = done ? 1 : 2;
    }

    function bomb(uint256 size) external pure {
        assembly {
            return(0, size)
        }
    }

    function bombed(uint256 size) external {
        (bool done, bytes memory data) = address(this).call(abi.encodeCall(this.bomb, (size)));
        require(done, "no bomb");
        number = data.length;
    }
}

/// What machines are often wrong about.
contract Edges {
    uint256 public number;
    mapping(uint256 => uint256) public slots;

    function deep(uint256 levels) external returns (uint256) {
        if (levels > 0) return this.deep(levels - 1) + 1;
        number++;
        return 0;
    }

    /// Codes that may not be left: it takes all gas that it was given.
    function badCreate() external {
        address made;
        assembly {
            mstore(0, shl(216, 0x60ef5f5360)) // PUSH1 ef, PUSH0, MSTORE8, PUSH1 01, PUSH0, RETURN
            mstore(5, shl(232, 0x015ff3))
            made := create(0, 0, 8)
        }
        require(made == address(0), "it was created");
        number = 1;
    }

    function largeCreate(uint256 size) external {
        address made;
        assembly {
            made := create(0, mload(64), size)
        }
        number = made == address(0) ? 1 : 2;
    }

    function undone(uint256 count) external {
        for (uint256 i = 0; i < count; i++) slots[i] = i + 1;
        try this.clearAndFail(count) {
            revert("it should fail");
        } catch {}
        for (uint256 i = 0; i < count; i += 2) delete slots[i];
    }

    function clearAndFail(uint256 count) external {
        for (uint256 i = 0; i < count; i++) delete slots[i];
        revert();
    }

    function around() external {
        number = block.coinbase.balance > type(uint128).max ? 1 : 2;
        slots[1] = uint256(blockhash(block.number - 1)) | 1;
        slots[2] = address(this).balance + tx.gasprice / type(uint256).max + block.gaslimit / block.gaslimit;
        bytes memory code;
        address self = address(this);
        assembly {
            code := mload(64)
            let size := extcodesize(self)
            mstore(code, size)
            extcodecopy(self, add(code, 32), 0, size)
            mstore(64, add(code, add(size, 64)))
        }
        slots[3] = uint256(keccak256(code));
    }

    function curves() external {
        (bool added, bytes memory sum) = address(0x0b).staticcall(new bytes(256));
        require(added && sum.length == 128, "no BLS12-381");
        (bool mapped, bytes memory point) = address(0x10).staticcall(new bytes(64));
        require(mapped && point.length == 128, "no map to G1");
        (bool wrong,) = address(6).call{gas: 1_000}(abi.encode(uint256(1), uint256(1)));
        number = wrong ? 1 : uint256(keccak256(point));
    }

    function toEmpty(address payable to) external payable {
        (bool none,) = to.call{value: 0}("");
        (bool some,) = to.call{value: msg.value}("");
        (bool much,) = to.call{value: 1 ether}("");
        number = (none ? 1 : 0) + (some ? 2 : 0) + (much ? 4 : 0);
    }
}
