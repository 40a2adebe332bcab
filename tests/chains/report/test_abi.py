"""Hostile ABIs and data."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoker.chains.report.abi import Parameter, decoded, entries
from stoker.chains.report.registry import Registry
from stoker.chains.report.values import plain, value_text
from tests.chains.report.frames import ROUTER, calldata, function, source


def test_what_cannot_be_understood_in_an_abi_is_passed_over() -> None:
    good = function("f", "uint a, uint8[2][] b", "bool")
    abi = [
        None,
        7,
        {"type": "function"} | {"inputs": [{"type": "uint7"}], "name": "odd"},
        {"type": "function", "name": "empty", "inputs": [{"type": "tuple", "components": []}]},
        {"type": "function", "name": "none", "inputs": [{"type": "uint256[0][]"}]},
        {"type": "function", "name": ["list"], "inputs": []},
        {"type": "function", "name": "library", "inputs": [{"type": "Lib.Data storage"}]},
        {"type": "fallback"},
        good,
    ]
    assert [one.signature for one in entries(abi)] == ["f(uint256,uint8[2][])"]
    assert list(entries({"not": "a list"})) == []


def test_a_tuple_in_a_tuple_has_the_type_that_its_selector_is_made_of() -> None:
    inner = {"type": "tuple[]", "name": "legs", "components": [{"type": "uint", "name": "n"}]}
    outer = {
        "type": "tuple",
        "name": "order",
        "components": [{"type": "address", "name": "to"}, inner],
    }
    (found,) = entries([{"type": "function", "name": "fill", "inputs": [outer]}])
    assert found.signature == "fill((address,(uint256)[]))"
    value = ("0x" + ROUTER.hex(), ((1,), (2,)))
    assert plain(found.inputs[0], value)["legs"] == [{"n": "1"}, {"n": "2"}]
    assert value_text(found.inputs[0], value).endswith("legs: [(n: 1), (n: 2)])")


def nested(levels: int, width: int) -> bytes:
    """`uint256[][]...` whose every array has `width` elements that are all the same array."""
    inner = (0).to_bytes(32)
    for _ in range(levels):
        # all the offsets point right behind the offsets
        offsets = (32 * width).to_bytes(32) * width
        inner = width.to_bytes(32) + offsets + inner
    return (32).to_bytes(32) + inner


def test_offsets_that_make_an_answer_exponentially_larger_end_it() -> None:
    data = nested(4, 40)  # 2.5 million arrays, from five kilobytes
    began = time.process_time()
    assert decoded([Parameter("", "uint256[][][][][]")], data) is None
    assert time.process_time() - began < 5
    small = nested(2, 2)
    assert decoded([Parameter("", "uint256[][][]")], small) == ((((), ()), ((), ())),)


@pytest.mark.parametrize(
    "data",
    [
        (1 << 255).to_bytes(32),
        (32).to_bytes(32) + ((1 << 256) - 1).to_bytes(32),
        (32).to_bytes(32) + (1 << 40).to_bytes(32) + bytes(64),
        b"",
        b"\0" * 31,
    ],
)
@pytest.mark.parametrize("kind", ["bytes", "string", "uint256[]", "(uint256,bytes)[]", "string[]"])
def test_lengths_and_offsets_that_lie(kind: str, data: bytes) -> None:
    assert decoded([Parameter("", kind)], data) is None


def test_text_that_is_no_utf8_is_none_that_can_be_decoded() -> None:
    data = (32).to_bytes(32) + (1).to_bytes(32) + b"\xff".ljust(32, b"\0")
    found = decoded([Parameter("", "string")], data)
    assert found is None or isinstance(found[0], str)


def test_values_are_cut() -> None:
    long = Parameter("", "bytes")
    assert value_text(long, bytes(100_000)).endswith("… (100000 bytes)")
    many = Parameter("", "uint256[]")
    assert len(value_text(many, tuple(range(10**6, 10**6 + 4_000)))) < 3_000
    assert len(plain(many, tuple(range(4_000)))) < 100


def test_numbers_say_their_size() -> None:
    number = Parameter("", "uint256")
    assert value_text(number, 10**18) == "1000000000000000000 [1e18]"
    assert value_text(number, 1_234_567_000_000) == "1234567000000 [1.234e12]"
    assert value_text(number, 994_014_949_154_542_728) == "994014949154542728 [9.94e17]"
    assert value_text(Parameter("", "int256"), -(10**7)) == "-10000000 [-1e7]"
    assert value_text(number, 42) == "42"


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "uint256",
                "int8",
                "bool",
                "bytes",
                "string",
                "address",
                "bytes4[]",
                "(uint8,string)[2]",
            ]
        ),
        max_size=4,
    ),
    st.binary(max_size=400),
)
def test_no_data_makes_it_fail(kinds: list[str], data: bytes) -> None:
    parameters = [
        Parameter("p", one, False, (Parameter("", "uint8"), Parameter("", "string")))
        for one in kinds
    ]
    values = decoded(parameters, data)
    for parameter, value in zip(parameters, values or (), strict=False):
        assert len(value_text(parameter, value)) < 4_000
        plain(parameter, value)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["type", "name", "inputs", "outputs", "components", "indexed"]),
                inner | st.sampled_from(["function", "event", "tuple", "tuple[]", "uint256"]),
                max_size=6,
            )
        ),
        max_leaves=20,
    )
)
def test_no_abi_makes_it_fail(abi: object) -> None:
    for one in entries(abi):
        assert one.signature


def test_the_same_selector_is_read_by_the_contract_that_is_called() -> None:
    registry = Registry(
        [source("Named", ROUTER, [function("transfer", "address receiver, uint256 howMuch")])]
    )
    data = calldata("transfer(address,uint256)", "0x" + ROUTER.hex(), 3)
    entry, values = registry.function(ROUTER, data) or pytest.fail("not decoded")
    assert [one.name for one in entry.inputs] == ["receiver", "howMuch"] and values[1] == 3
    entry, _ = registry.function(bytes(20), data, 1) or pytest.fail("not decoded")
    assert entry.name == "transfer"


def test_a_contract_of_another_chain_is_not_taken_for_this_one() -> None:
    registry = Registry([source("Router", ROUTER, [])])
    assert registry.name(ROUTER, 1) == "Router"
    assert registry.name(ROUTER, 10) is None
    assert registry.name(ROUTER) == "Router"
