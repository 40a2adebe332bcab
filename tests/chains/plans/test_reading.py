"""Operation groups from JSON."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.chains.address import checksummed
from stoker.chains.errors import BadGroups
from stoker.chains.group import (
    Contract,
    Done,
    Failed,
    GroupResult,
    Inner,
    OperationGroup,
    TransactionData,
)
from stoker.chains.reading import extend, loads, read

WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"


def group(*, dependencies: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "description": "wrap",
        "operations": ["wrap 1 ETH"],
        "dependencies": dependencies or [],
        "contracts": [],
        **more,
    }


def problems(raw: Any, before: tuple[OperationGroup, ...] = ()) -> tuple[str, ...]:
    with pytest.raises(BadGroups) as caught:
        extend(before, raw)
    return caught.value.told


@pytest.mark.parametrize(
    "contract",
    [
        [1, WETH, "WETH9"],
        ["1", WETH, "WETH9"],
        ["0x1", WETH.lower(), "WETH9"],
        {"chain_id": "1", "address": "0x" + WETH[2:].upper(), "name": "WETH9"},
        {"chain_id": 1, "address": WETH, "name": "WETH9"},
    ],
)
def test_both_spellings_of_contracts_are_the_same(contract: Any) -> None:
    (found,) = read({"groups": [group(contracts=[contract])]})
    assert found.contracts == (Contract(1, WETH, "WETH9"),)


def test_a_bare_list_and_text_are_taken() -> None:
    assert read([group()]) == read({"groups": [group()]}) == loads(json.dumps([group()]))


def test_all_known_addresses_of_eip55_have_their_checksum() -> None:
    for address in (
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    ):
        assert checksummed(bytes.fromhex(address[2:])) == address


def test_a_wrong_checksum_is_told_with_the_right_one() -> None:
    wrong = WETH.replace("aaA", "aAA")
    (told,) = problems([group(contracts=[[1, wrong, "WETH9"]])])
    assert told.startswith("/0/contracts/0/1: the checksum of")
    assert f"expected {WETH}" in told


def test_all_problems_are_told_at_once_with_pointers() -> None:
    told = problems(
        {
            "groups": [
                group(contracts=[["mainnet", "0x12", 5], [1, WETH]], dependances=[0]),
                {"operations": []},
                group(dependencies=[9, 2, "0"], contracts=[{"chain_id": 0, "address": WETH}]),
                5,
            ],
            "group": 1,
        }
    )
    pointers = [text.partition(": ")[0] for text in told]
    assert pointers == [
        "/group",
        "/groups/0/contracts/0/0",
        "/groups/0/contracts/0/1",
        "/groups/0/contracts/0/2",
        "/groups/0/contracts/1",
        "/groups/0/dependances",
        "/groups/1",
        "/groups/2/contracts/0/chain_id",
        "/groups/2/dependencies/2",
        "/groups/2/contracts/0",
        "/groups/3",
        "/groups/2/dependencies/0",
        "/groups/2/dependencies/1",
    ]
    assert "did you mean 'dependencies'?" in "\n".join(told)
    assert "did you mean 'groups'?" in told[0]


@pytest.mark.parametrize("raw", [[], {"groups": []}, {}, 5, None, {"groups": {}}, "x"])
def test_no_groups_is_a_problem(raw: Any) -> None:
    assert problems(raw)


@pytest.mark.parametrize(
    "text",
    ["", "[", b"\xff", "[" * 5000 + "]" * 5000, "[NaN]", "{} x", '{"groups": [], "groups": []}'],
)
def test_text_that_is_no_json_is_told(text: str | bytes) -> None:
    with pytest.raises(BadGroups):
        loads(text)


def test_values_nested_without_end_are_refused_and_do_not_overflow() -> None:
    deep: Any = []
    for _ in range(900):
        deep = {"locked": deep}
    assert problems([group(description=deep)])
    assert problems([group(bridges=[{"locked": 1}], funds=[[]])])


def test_what_groups_have_of_stokers_own() -> None:
    (found,) = read(
        [
            group(
                sender=WETH.lower(),
                funds=[{"chain_id": "10", "amount": "0xde0b6b3a7640000", "token": WETH.lower()}],
                bridges=[
                    {
                        "locked": {"chain_id": 1, "amount": "1000"},
                        "lockbox": WETH,
                        "minted": {"chain_id": 10, "amount": 2**255},
                        "recipient": WETH,
                    }
                ],
                assertions=[{"chain_id": 1, "account": WETH, "at_least": "5"}],
            )
        ]
    )
    assert found.sender == WETH
    assert found.funds[0].amount == 10**18
    assert found.funds[0].token == WETH
    assert found.bridges[0].minted.amount == 2**255
    assert found.assertions[0].at_least == 5


def test_what_makes_no_sense_is_told() -> None:
    amount = {"chain_id": 1, "amount": 1}
    told = problems(
        [
            group(
                operations=[],
                bridges=[{"locked": amount, "minted": amount, "lockbox": WETH, "recipient": WETH}],
                assertions=[{"chain_id": 1, "account": WETH, "slot": "0x0", "token": WETH}],
            ),
            group(assertions=[{"chain_id": 1, "account": WETH, "slot": "5", "equals": -1}]),
        ]
    )
    assert [text.partition(": ")[0] for text in told] == [
        "/0/operations",
        "/0/bridges/0",
        "/0/assertions/0",
        "/0/assertions/0",
        "/1/assertions/0/slot",
        "/1/assertions/0/equals",
    ]


def test_cycles_are_told_as_paths() -> None:
    told = problems(
        [group(dependencies=[2]), group(dependencies=[0]), group(dependencies=[1]), group()]
    )
    assert told == ("/0/dependencies: groups wait for each other: 0 -> 2 -> 1 -> 0",)


def test_added_groups_may_wait_for_earlier_ones_and_for_each_other() -> None:
    before = read([group(), group(dependencies=[0])])
    added = extend(before, [group(dependencies=[1, 3, 1]), group(dependencies=[0])])
    assert [one.dependencies for one in added] == [(1, 3), (0,)]
    assert problems([group(dependencies=[2])], before) == (
        "/0/dependencies/0: group 2 waits for itself",
    )
    assert problems([group(dependencies=[3]), group(dependencies=[2])], before) == (
        "/0/dependencies: groups wait for each other: 2 -> 3 -> 2",
    )
    assert problems([group(dependencies=[7])], before) == (
        "/0/dependencies/0: there is no group 7; expected 0 to 2",
    )


@st.composite
def _graphs(draw: st.DrawFn) -> list[list[int]]:
    count = draw(st.integers(1, 8))
    return [draw(st.lists(st.integers(-1, count), max_size=4, unique=True)) for _ in range(count)]


@given(_graphs())
def test_groups_are_read_exactly_if_all_can_run_some_time(waits: list[list[int]]) -> None:
    done: set[int] = set()
    for _ in waits:
        done |= {index for index, others in enumerate(waits) if done.issuperset(others)}
    raw = [group(dependencies=others) for others in waits]
    if len(done) == len(waits):
        assert [list(one.dependencies) for one in read(raw)] == waits
    else:
        for told in problems(raw):
            if "wait for each other" in told:
                path = [
                    int(one)
                    for one in told.partition(": groups wait for each other: ")[2].split(" -> ")
                ]
                assert path[0] == path[-1]
                assert all(other in waits[one] for one, other in pairwise(path))


@given(st.binary(min_size=20, max_size=20))
def test_addresses_come_out_as_they_went_in(address: bytes) -> None:
    text = checksummed(address)
    for spelt in (text, text.lower(), "0x" + text[2:].upper()):
        (found,) = read([group(contracts=[[1, spelt, "X"]])])
        assert found.contracts[0].address == text


def test_results_are_externally_tagged() -> None:
    sent = TransactionData(value="0x0", data="0x", rpc_url="http://x", from_=WETH)
    done = GroupResult(0, "wrap", ("wrap 1 ETH",), Inner(done=Done((sent,), "contract C {}")))
    assert json.loads(msgspec.json.encode(done)) == {
        "group_index": 0,
        "description": "wrap",
        "operations": ["wrap 1 ETH"],
        "inner": {
            "Done": {
                "transactions": [
                    {"value": "0x0", "data": "0x", "rpc_url": "http://x", "from": WETH}
                ],
                "generated_code": "contract C {}",
            }
        },
    }
    failed = GroupResult(1, "swap", (), Inner(failed=Failed("reverted", "", ())))
    assert json.loads(msgspec.json.encode(failed))["inner"] == {
        "Failed": {"error": "reverted", "generated_code": "", "transactions": []}
    }
    for one in (done, failed):
        assert msgspec.json.decode(msgspec.json.encode(one), type=GroupResult) == one
