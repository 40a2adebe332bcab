"""What explorers may say, and what is made of it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.chains.sources.answer import BadAnswer, NotVerified, abi_of, files_of, name_of, path_of
from stoker.chains.sources.explorers import read_etherscan, read_sourcify
from stoker.chains.sources.web import Busy

ADDRESS = "0x95bD8D42f30351685e96C62EDdc0d0613bf9a87A"
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("contracts/A.sol", "contracts/A.sol"),
        ("/home/somebody/a/A.sol", "home/somebody/a/A.sol"),
        ("../../etc/passwd", "etc/passwd"),
        ("a/./b//../C.sol", "a/b/C.sol"),
        ("C:\\contracts\\A.sol", "C:/contracts/A.sol"),
        ("https://github.com/a/b/A.sol", "https:/github.com/a/b/A.sol"),
        ("..", "source.sol"),
        ("a\x00b/A.sol", "a/b/A.sol"),
    ],
)
def test_paths_lead_nowhere_else(given: str, expected: str) -> None:
    assert path_of(given) == expected


@given(st.text())
def test_any_path_stays_where_it_is_put(text: str) -> None:
    path = PurePosixPath(path_of(text))
    assert not path.is_absolute() and ".." not in path.parts and path.parts
    assert not any(ord(sign) < 32 for sign in str(path))


def test_what_no_call_can_have_is_left_out_of_abis() -> None:
    def function(name: str, kind: str, parameter: str = "", **more: Any) -> dict[str, Any]:
        given = [{"type": kind, "name": parameter}]
        return {"type": "function", "name": name, "inputs": given, "outputs": [], **more}

    good = [
        function("a", "uint256[3][]", "from"),
        function("b", "bytes32"),
        {**function("c", "tuple[]"), "outputs": [{"type": "tuple", "components": []}]},
    ]
    bad = [
        function("d", "Library.Data storage"),
        function("e", "uint256 a); } contract Evil { constructor("),
        function("f", "uint256", "a); } contract Evil {"),
        {**function("g", "tuple"), "outputs": [{"type": "tuple", "components": [{"type": "!"}]}]},
    ]
    assert abi_of([*good, *bad]) == good
    with pytest.raises(BadAnswer, match="its ABI is none"):
        abi_of([function("i", "bool", gas=2**64)])  # more than can be handed on
    with pytest.raises(BadAnswer, match="its ABI is none"):
        abi_of([function("h", "bool", stateMutability="view returns (uint) {} } contract A {")])


@pytest.mark.parametrize("hostile", ["\x1b[2J\n" * 3, "x" * 100_000])
def test_what_explorers_say_is_told_in_one_short_line(hostile: str) -> None:
    for read, body in (
        (read_etherscan, {"status": "0", "message": hostile, "result": hostile}),
        (read_etherscan, _record({"ABI": f"not verified {hostile}", "SourceCode": ""})),
        (read_sourcify, {"chainId": hostile, "address": hostile}),
    ):
        with pytest.raises((BadAnswer, NotVerified)) as raised:
            read(200, body, 1, ADDRESS)
        assert str(raised.value).isprintable() and len(str(raised.value)) < 500


def test_files_whose_paths_come_to_the_same_are_both_kept() -> None:
    found = files_of({"../A.sol": {"content": "one"}, "/A.sol": {"content": "two"}})
    assert found == {"A.sol": "one", "_/A.sol": "two"}


def test_names_are_names() -> None:
    assert name_of("contracts/A.sol:Vault") == "Vault"
    assert name_of('Vault"; import') == name_of(None) == name_of("") == "Contract"


def _record(record: Any) -> Any:
    return {"status": "1", "message": "OK", "result": [record]}


@given(
    st.sampled_from([200, 404]),
    _JSON
    | st.fixed_dictionaries(
        {"ABI": _JSON | st.just("[]"), "SourceCode": st.text() | st.just("{{}}")},
        optional={"ContractName": _JSON, "Proxy": _JSON, "Implementation": _JSON},
    ).map(_record),
)
def test_no_answer_of_etherscan_breaks_anything(status: int, body: Any) -> None:
    try:
        found = read_etherscan(status, body, 1, ADDRESS)
    except (BadAnswer, NotVerified, Busy):
        return
    assert found.files and found.name.isidentifier()


@given(
    st.sampled_from([200, 404, 400]),
    _JSON
    | st.fixed_dictionaries(
        {"chainId": st.just("1"), "address": st.just(ADDRESS)},
        optional={
            "abi": _JSON | st.just([]),
            "compilation": st.just({"name": "A"}) | _JSON,
            "sources": _JSON | st.just({"A.sol": {"content": ""}}),
        },
    ),
)
def test_no_answer_of_sourcify_breaks_anything(status: int, body: Any) -> None:
    try:
        found = read_sourcify(status, body, 1, ADDRESS)
    except (BadAnswer, NotVerified):
        return
    assert found.files and found.abi == []
