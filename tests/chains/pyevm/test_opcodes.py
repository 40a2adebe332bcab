"""Programs at random and precompiled contracts, run by a node and by us: the same output, gas and
error."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from eth_keys.datatypes import PrivateKey
from evm_rules import NodeState, pinned
from nodes import WALLET, Node

from stoker.chains.evm.job import Captured, Chains, ReplayJob
from stoker.chains.evm.pyevm.replay import replay
from stoker.chains.state.change import AccountChange, Delta

PROGRAMS = 150
AT = bytes.fromhex("00000000000000000000000000000000000c0de0")
OTHER = bytes.fromhex("00000000000000000000000000000000000c0de1")
GAS = 500_000
BINARY = [*range(0x01, 0x08), 0x0A, 0x0B, *range(0x10, 0x15), 0x16, 0x17, 0x18, 0x1A, 0x1B, 0x1C]
BINARY.append(0x1D)
TERNARY = [0x08, 0x09]
UNARY = [0x15, 0x19, 0x31, 0x35, 0x3B, 0x3F, 0x54, 0x5C, 0x51, 0x40, 0x49]
NULLARY = [0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3D, 0x41, 0x43, 0x45, 0x46, 0x47, 0x58, 0x59]
NULLARY += [0x5A, 0x48]
CALLS = {0xF1: 7, 0xF2: 7, 0xF4: 6, 0xFA: 6}


def number(chance: random.Random) -> int:
    kind = chance.randrange(6)
    if kind < 3:
        return chance.randrange(0, 70)
    if kind == 3:
        return 2**256 - 1 - chance.randrange(0, 70)
    if kind == 4:
        return 1 << chance.randrange(256)
    return chance.getrandbits(256)


def push(value: int) -> bytes:
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes([0x5F + size]) + value.to_bytes(size, "big")


def program(chance: random.Random, inner: bool = False) -> bytes:
    """Ends by returning what it has in memory, and the depth of its stack."""
    code = bytearray()
    for _ in range(chance.randrange(5, 40)):
        what = chance.random()
        small = chance.randrange
        if what < 0.3:
            code += push(number(chance)) + push(number(chance)) + bytes([chance.choice(BINARY)])
        elif what < 0.34:
            code += b"".join(push(number(chance)) for _ in range(3))
            code.append(chance.choice(TERNARY))
        elif what < 0.44:
            value = small(200) if chance.random() < 0.9 else number(chance)
            code += push(value) + bytes([chance.choice(UNARY)])
        elif what < 0.54:
            code.append(chance.choice(NULLARY))
        elif what < 0.6:
            code += push(small(4)) + bytes([0x80 + small(3), 0x90 + small(2), 0x50])
        elif what < 0.66:
            code += push(number(chance)) + push(small(300)) + bytes([chance.choice([0x52, 0x53])])
        elif what < 0.72:
            code += push(number(chance)) + push(small(5)) + bytes([chance.choice([0x55, 0x5D])])
        elif what < 0.76:
            code += push(small(100)) + push(small(300)) + b"\x20"
        elif what < 0.82:
            code += push(small(80)) + push(small(80)) + push(small(300))
            code.append(chance.choice([0x37, 0x39, 0x5E]))
        elif what < 0.85:
            code += push(small(40)) + push(small(40)) + push(small(300)) + b"\x3e"
        elif what < 0.88:
            topics = small(5)
            code += b"".join(push(number(chance)) for _ in range(topics))
            code += push(small(60)) + push(small(60)) + bytes([0xA0 + topics])
        elif what < 0.92:
            to = len(code) + 4  # over one that is not valid
            code += push(to)[:1] if to < 256 else b""
            code += bytes([to]) + b"\x56\xfe\x5b" if to < 256 else b"\x5b"
        elif not inner:
            kind = chance.choice([*CALLS])
            target = chance.choice([OTHER, OTHER, OTHER, AT, bytes(19) + bytes([small(1, 11)])])
            code += push(small(64)) + push(small(96)) + push(small(64)) + push(small(96))
            if CALLS[kind] == 7:
                code += push(small(2))
            code += push(int.from_bytes(target, "big")) + push(small(1, 100_000)) + bytes([kind])
    code += b"\x59\x60\x00\x52" + push(400) + b"\x5f" + bytes([chance.choice([0xF3, 0xF3, 0xFD])])
    return bytes(code)


def ours(chains: Chains, nodes: dict[int, Node], data: bytes, code: bytes, inner: bytes) -> Any:
    delta = Delta(
        {
            AT: AccountChange(code=code, balance=77, nonce=1, storage={1: 5, 2: 6}),
            OTHER: AccountChange(code=inner, balance=3, nonce=1, storage={1: 9}),
        }
    )
    sent = Captured(
        chain_id=1,
        from_=bytes.fromhex(WALLET[2:]),
        to=AT,
        value=0,
        data=data,
        nonce=0,
        kind="CALL",
        gas=GAS,
    )
    chains = msgspec.structs.replace(chains, deltas={1: delta})
    (done,) = replay(ReplayJob(transactions=(sent,), chains=chains), NodeState(nodes)).transactions
    return done


def test_programs_do_what_they_do_on_a_node(nodes: dict[int, Node]) -> None:
    chance = random.Random(7)
    chains = pinned(nodes)
    pin = chains.pins[1].following()
    block = {
        "number": hex(pin.number),
        "time": hex(pin.timestamp),
        "baseFeePerGas": hex(pin.base_fee),
        "random": f"0x{pin.prevrandao.hex()}",
    }
    wrong: list[Any] = []
    failed = 0
    for _ in range(PROGRAMS):
        code, inner = program(chance), program(chance, inner=True)
        data = chance.randbytes(chance.randrange(80))

        def word(value: int) -> str:
            return f"0x{value:064x}"

        def account(code: bytes, balance: int, slots: dict[int, int]) -> dict[str, Any]:
            return {
                "code": f"0x{code.hex()}",
                "balance": hex(balance),
                "nonce": "0x1",
                "stateDiff": {word(slot): word(value) for slot, value in slots.items()},
            }

        theirs = nodes[1].rpc(
            "debug_traceCall",
            {
                "from": WALLET,
                "to": f"0x{AT.hex()}",
                "data": f"0x{data.hex()}",
                "gas": hex(GAS),
                "gasPrice": hex(pin.base_fee),
            },
            "latest",
            {
                "tracer": "callTracer",
                "stateOverrides": {
                    f"0x{AT.hex()}": account(code, 77, {1: 5, 2: 6}),
                    f"0x{OTHER.hex()}": account(inner, 3, {1: 9}),
                },
                "blockOverrides": block,
            },
        )
        done = ours(chains, nodes, data, code, inner)
        expected = (
            theirs.get("output", "0x")[2:],
            int(theirs["gasUsed"], 16),
            theirs.get("error") is None,
        )
        failed += not expected[2]
        if (done.output.hex(), done.gas_used, done.succeeded) != expected:
            found = (done.output.hex(), done.gas_used, done.error)
            wrong.append(
                (code.hex(), inner.hex(), data.hex(), found, expected, theirs.get("error"))
            )
    assert not wrong, (len(wrong), wrong[0])
    assert PROGRAMS / 10 < failed < PROGRAMS * 9 / 10


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


G1 = words(1, 2)
FIELD = 21888242871839275222246405745257275088696311157297823662689037894645226208583
G2 = words(
    11559732032986387107991004021392285783925812861821192530917403151452391805634,
    10857046999023057135944570762232829481370756359578518086990519993285655852781,
    4082367875863433681332203403145435568316851327593401208105741076214120093531,
    8495653923123431417604973247489272438418190587263600148770280649306958101930,
)
BLAKE = bytes.fromhex(
    "0000000c48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5d182e6ad7f520e511f6c"
    "3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b616263"
).ljust(212, b"\0")
BLS = bytes(16) + bytes.fromhex(
    "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
    "00000000000000000000000000000000"
    "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
)


def precompiled() -> list[tuple[int, bytes]]:
    signed = PrivateKey(words(77)).sign_msg_hash(words(5))
    signature = words(5, signed.v + 27, signed.r, signed.s)
    blake = BLAKE + words(3)[:16] + b"\1"
    return [
        *((1, signature), (1, words(5, 29, signed.r, signed.s)), (1, b"")),
        *((2, b"abc" * 30), (3, b"abc"), (4, b"abc" * 50), (4, b"")),
        *((5, words(1, 1, 1) + b"\3\5\7"), (5, words(32, 32, 32, 3, 2**255 + 1, 2**256 - 189))),
        *(
            (5, b""),
            (5, words(1, 2**200, 1)),
            (6, G1 + G1),
            (6, words(1, 1) + G1),
            (7, G1 + words(9)),
        ),
        *((8, b""), (8, G1 + G2 + words(1, FIELD - 2) + G2), (8, G1 + G2)),
        *((9, blake), (9, blake[:-1]), (9, blake[:-1] + b"\2"), (10, b"x" * 192)),
        *(
            (11, BLS + BLS),
            (11, b""),
            (12, BLS + words(3)),
            (15, b""),
            (16, bytes(16) + b"\1" * 48),
        ),
    ]


def test_precompiled_contracts_do_what_they_do_on_a_node(nodes: dict[int, Node]) -> None:
    chains = pinned(nodes)
    for number, data in precompiled():
        to = number.to_bytes(20, "big")
        sent = Captured(
            chain_id=1,
            from_=bytes.fromhex(WALLET[2:]),
            to=to,
            value=0,
            data=data,
            nonce=0,
            kind="CALL",
            gas=GAS,
        )
        job = ReplayJob(transactions=(sent,), chains=chains)
        (done,) = replay(job, NodeState(nodes)).transactions
        call = {"from": WALLET, "to": f"0x{to.hex()}", "data": f"0x{data.hex()}", "gas": hex(GAS)}
        theirs = nodes[1].rpc("debug_traceCall", call, "latest", {"tracer": "callTracer"})
        assert (number, data, done.output.hex(), done.gas_used, done.succeeded) == (
            number,
            data,
            theirs.get("output", "0x")[2:],
            int(theirs["gasUsed"], 16),
            theirs.get("error") is None,
        )
