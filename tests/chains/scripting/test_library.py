"""What is found in sources."""

from __future__ import annotations

from contextlib import closing

import pytest
from benches import sources_of
from deploy import World
from models import as_group, five_groups

from stoker.chains.scripting.library import Library


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("swapExactTokensForTokens", "UniswapV2Router02.swapExactTokensForTokens"),
        ("which amounts come out of a path for an amount in", "UniswapV2Library.getAmountsOut"),
        ("INSUFFICIENT_OUTPUT_AMOUNT", "UniswapV2Library.getAmountOut"),
        ("add liquidity", "UniswapV2Router02.addLiquidity"),
    ],
)
def test_what_fits_comes_first(worlds: dict[int, World], query: str, expected: str) -> None:
    with closing(Library()) as library:
        library.add(sources_of(worlds, as_group(five_groups(worlds)[1])))
        assert expected in [one.title for one in library.search(query, 6)]


@pytest.mark.parametrize(
    "query", ["", '"', "a OR (", "NEAR/3 *", "title: x", "-- ; DROP", "\0", "é" * 500]
)
def test_queries_are_words_whatever_they_say(worlds: dict[int, World], query: str) -> None:
    with closing(Library()) as library:
        library.add(sources_of(worlds, as_group(five_groups(worlds)[0])))
        assert len(library.search(query, 3)) <= 3


def test_texts_are_found_once_and_of_the_contract_asked_for(worlds: dict[int, World]) -> None:
    weth, dai, router = sources_of(worlds, as_group(five_groups(worlds)[2]))
    with closing(Library()) as library:
        library.add([dai, router])
        library.add([weth, dai])
        found = library.search("transferFrom", 50)
        assert len({one.text for one in found}) == len(found)
        assert {one.contract for one in library.search("transferFrom", 50, weth.address)} == {
            "WETH9"
        }
