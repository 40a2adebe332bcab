"""The lists of cheatcodes, and the console's formats that forge is not asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from stoker.chains.evm.pyevm import cheats
from stoker.chains.evm.pyevm.cheats.refused import REFUSED
from stoker.chains.evm.pyevm.cheats.table import CHEATS, types_of
from stoker.chains.evm.pyevm.console import printed
from stoker.chains.evm.pyevm.interpreter import Code
from stoker.chains.evm.pyevm.journal import Journal

DOCS = Path(__file__).parents[3] / "docs" / "chains-execution.md"


def test_the_documentation_lists_every_cheatcode_there_is() -> None:
    assert cheats.accounts
    text = DOCS.read_text()
    table = text[text.index("| about |") : text.index("Chains are reached")]
    told = re.findall(r"`(\w+)`", table)
    assert sorted(told) == sorted({one.signature.partition("(")[0] for one in CHEATS.values()})


def test_no_cheatcode_is_both_allowed_and_refused() -> None:
    assert not CHEATS.keys() & REFUSED.keys()
    assert REFUSED[keccak(text="ffi(string[])")[:4]] == "ffi(string[])"
    for kind in ("string", "uint256", "bytes32", "address"):
        for signature in (f"envOr(string,{kind})", f"envOr(string,string,{kind}[])"):
            assert REFUSED[keccak(text=signature)[:4]] == signature


def test_types_are_told_apart() -> None:
    assert types_of("(uint256,(address,bytes)[],string)") == [
        "uint256",
        "(address,bytes)[]",
        "string",
    ]
    assert types_of("()") == []


@pytest.mark.parametrize(
    ("signature", "values", "text"),
    [
        ("log()", (), ""),
        ("log(uint)", (5,), "5"),
        ("log(int)", (-5,), "-5"),
        ("log(string,uint,bool)", ("%s and %s", 5, True), "5 and true"),
        ("logBytes4(bytes4)", (b"abcd",), "0x61626364"),
        ("log(string,int256)", ("%x", -16), "0x" + "f" * 63 + "0"),
        ("log(string,address)", ("%d", f"0x{5:040x}"), "NaN"),
        ("log(string,uint,uint)", ("%18e %999999e", 15 * 10**17, 7), "1.5 %999999e 7"),
        ("log(bool,address)", (True, f"0x{5:040x}"), f"true 0x{5:040x}"),
    ],
)
def test_the_console_prints(signature: str, values: tuple[object, ...], text: str) -> None:
    kinds = types_of(signature[signature.index("(") :])
    data = keccak(text=signature)[:4] + encode(
        [{"uint": "uint256", "int": "int256"}.get(kind, kind) for kind in kinds], values
    )
    assert printed(data) == text


def test_what_is_no_call_of_the_console_prints_nothing() -> None:
    assert printed(b"") is None
    assert printed(b"\1\2\3\4") is None
    assert printed(keccak(text="log(string)")[:4] + b"\xff" * 40) is None


@given(st.binary(max_size=300).map(lambda code: code.replace(b"\x5c", b"\x5b\x7f")))
def test_jumps_go_to_destinations_and_not_into_data(code: bytes) -> None:
    expected, at = set(), 0
    while at < len(code):
        if code[at] == 0x5B:
            expected.add(at)
        at += code[at] - 0x5E if 0x60 <= code[at] < 0x80 else 1
    assert Code(code).destinations == expected


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("set"), st.integers(0, 3), st.integers(0, 9)),
            st.tuples(st.sampled_from(["mark", "revert"]), st.just(0), st.just(0)),
        )
    )
)
def test_a_journal_puts_back_what_was_there(steps: list[tuple[str, int, int]]) -> None:
    journal, now = Journal(), {0: 1}
    marks: list[tuple[int, dict[int, int]]] = []
    for what, key, value in steps:
        if what == "set":
            journal.set(now, key, value)
        elif what == "mark":
            marks.append((journal.mark(), dict(now)))
        elif marks:
            mark, before = marks.pop()
            journal.revert(mark)
            assert now == before
