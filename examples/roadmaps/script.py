"""What the model of the demonstration says: by the task's title, the files of each try. It goes
wrong twice, as models do; each second try is what Stoker told it the first one lacked."""

from __future__ import annotations

_DISCOUNTS = """\
\"\"\"Prices that come down.\"\"\"


def discounted(price: int, percent: int) -> int:
    \"\"\"In whole cents. Raises `ValueError` unless `percent` is 0 to 100.\"\"\"
    if not 0 <= percent <= 100:
        raise ValueError(f"expected 0 to 100 percent, found {percent}")
    return round(price * (100 - percent) / 100)
"""
_DISCOUNTS_TEST = """\
import pytest

from shop.discounts import discounted


def test_whole_cents() -> None:
    assert discounted(450, 10) == 405
    assert discounted(333, 50) in (166, 167)


@pytest.mark.parametrize("percent", [-1, 101])
def test_what_no_discount_can_be(percent: int) -> None:
    with pytest.raises(ValueError):
        discounted(450, percent)
"""
_RECEIPTS = """\
\"\"\"What was bought.\"\"\"

from shop.catalogue import price


def receipt(items: list[str]) -> str:
    \"\"\"A line for each item, and the sum.\"\"\"
    lines = [f"{item:10}{price(item) / 100:8.2f}" for item in items]
    total = sum(price(item) for item in items)
    return "\\n".join([*lines, f"{'sum':10}{total / 100:8.2f}"])
"""
_RECEIPTS_TEST = """\
from shop.receipts import receipt


def test_receipt() -> None:
    assert receipt(["cup", "sencha"]).splitlines() == [
        "cup          12.00",
        "sencha        3.80",
        "sum          15.80",
    ]
"""
_PRICES = """\
export const shown = (cents) => `€ ${(cents / 100).toFixed(2)}`;
"""
_PRICES_TEST = """\
import assert from "node:assert/strict";
import { test } from "node:test";
import { shown } from "./prices.js";

test("two digits", () => assert.equal(shown(450), "€ 4.50"));
test("no cents", () => assert.equal(shown(1200), "€ 12.00"));
"""

TRIES: dict[str, list[dict[str, str]]] = {
    "Discounts": [{"shop/discounts.py": _DISCOUNTS, "tests/test_discounts.py": _DISCOUNTS_TEST}],
    "Receipts": [
        {
            "shop/receipts.py": _RECEIPTS.replace("shop.catalogue", "shop.catalog"),
            "tests/test_receipts.py": _RECEIPTS_TEST,
        },
        {"shop/receipts.py": _RECEIPTS},
    ],
    "Prices on the page": [
        {
            "web/prices.js": _PRICES.replace(".toFixed(2)", ""),
            "web/prices.test.js": _PRICES_TEST,
        },
        {"web/prices.js": _PRICES},
    ],
}
