"""Why a call reverted, in words."""

import pytest
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from stoker.chains.report.registry import Registry
from stoker.chains.report.reverts import reason
from tests.chains.report.frames import OTHER, ROUTER, calldata, failing, selector, source


def test_the_text_of_require() -> None:
    assert reason(calldata("Error(string)", "not enough")) == "not enough"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0x01, "assertion failed"),
        (0x11, "arithmetic underflow or overflow"),
        (0x12, "division or modulo by zero"),
        (0x32, "index out of bounds"),
        (0x51, "call of a function variable that was never set"),
        (0x77, "of unknown meaning"),
    ],
)
def test_a_panic_has_a_meaning(code: int, words: str) -> None:
    assert reason(calldata("Panic(uint256)", code)) == f"panic: {words} (0x{code:02x})"


def test_a_custom_error_shows_its_arguments_by_name() -> None:
    registry = Registry(
        [source("Vault", ROUTER, [failing("TooMuch", "uint256 asked, address by")])]
    )
    data = selector("TooMuch(uint256,address)") + encode(
        ["uint256", "address"], [5, "0x" + ROUTER.hex()]
    )
    shown = reason(data, registry, ROUTER, naming=lambda one: registry.name(one, 1))
    assert shown.startswith("TooMuch(asked: 5, by: Vault: [0x")


def test_an_error_of_a_contract_that_was_called_deeper_is_found_by_its_selector() -> None:
    registry = Registry([source("Vault", ROUTER, [failing("TooMuch", "uint256 asked")])])
    assert reason(calldata("TooMuch(uint256)", 7), registry, OTHER) == "TooMuch(asked: 7)"


def test_two_contracts_with_the_same_error_are_told_apart_by_their_address() -> None:
    registry = Registry(
        [
            source("A", ROUTER, [failing("No", "uint256 of_a")]),
            source("B", OTHER, [failing("No", "uint256 of_b")]),
        ]
    )
    assert reason(calldata("No(uint256)", 7), registry, OTHER) == "No(of_b: 7)"


def test_errors_of_tokens_are_known_without_any_abi() -> None:
    data = calldata("ERC20InsufficientBalance(address,uint256,uint256)", "0x" + OTHER.hex(), 1, 2)
    assert reason(data).endswith("balance: 1, needed: 2)")


def test_what_is_unknown_is_shown_raw() -> None:
    assert reason(b"") == "reverted without a reason"
    assert reason(b"\x12\x34\x56\x78") == "custom error of unknown meaning 0x12345678"
    assert reason(b"hello") == "reverted with 0x68656c6c6f"
    wrong = selector("Error(string)") + bytes(31)  # too short for a string
    assert reason(wrong) == f"reverted with 0x{wrong.hex()}"


def test_a_reason_cannot_write_to_the_terminal() -> None:
    assert reason(calldata("Error(string)", "\x1b[2Jgone\n")) == "\\x1b[2Jgone\\n"


def test_a_reason_of_a_megabyte_is_cut() -> None:
    assert len(reason(calldata("Error(string)", "x" * 100_000))) < 2_000
    assert len(reason(calldata("Error(string)", "x" * 1_000_000))) < 2_000
    assert len(reason(b"\xff" * 10_000_001)) < 2_000


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([b"", selector("Error(string)"), selector("Panic(uint256)"), b"\1\2\3\4"]),
    st.binary(max_size=300),
)
def test_no_data_makes_it_fail(head: bytes, rest: bytes) -> None:
    assert 0 < len(reason(head + rest)) < 3_000 or (head + rest)[:4] == selector("Error(string)")
