"""An agent's first try imports what is not there, or what imports it; it is told, and mends it."""

from __future__ import annotations

from scenario_shop import Shop, changes

TASK = "- [ ] **Taxes**: `with_tax(item)` in `{}` adds 20% to the price of an item\n"
TEST = """\
from shop.taxes import with_tax


def test_with_tax():
    assert with_tax("cup") == 10.8
"""
RIGHT = """\
from shop.prices import price


def with_tax(item):
    return round(price(item) * 1.2, 2)
"""


def taxes(text: str, **more: str) -> dict[str, str]:
    return {"shop/taxes.py": text, "tests/test_taxes.py": TEST, **more}


def test_a_module_of_the_project_that_is_not_there(shop: Shop) -> None:
    shop.begin(TASK.format("shop/taxes.py"))
    wrong = RIGHT.replace("shop.prices", "shop.pricing")
    shop.script = {"1.1.1": [changes(taxes(f'"""Taxes."""\n\n{wrong}')), changes(taxes(RIGHT))]}
    told = shop.complete()
    again = shop.retry()
    assert "import error in shop/taxes.py:3" in again
    assert "shop.pricing" in again
    assert "+from shop.pricing import price" in again
    shop.recovered("1.1.1")
    assert "shop.pricing" in told


def test_a_dependency_that_is_not_installed(shop: Shop) -> None:
    shop.begin(TASK.format("shop/taxes.py"))
    wrong = RIGHT.replace("\n\n\n", "\nfrom taxlib_nowhere import vat\n\n\n", 1)
    shop.script = {"1.1.1": [changes(taxes(wrong)), changes(taxes(RIGHT))]}
    shop.complete()
    assert "import error in shop/taxes.py:2" in shop.retry()
    assert "taxlib_nowhere" in shop.retry()
    shop.recovered("1.1.1")


def test_modules_that_import_each_other(shop: Shop) -> None:
    shop.begin(TASK.format("shop/taxes.py"))
    wrong = "from shop.rates import RATE\n" + RIGHT.replace("1.2", "RATE")
    rates = {"shop/rates.py": "from shop.taxes import with_tax\n\nRATE = 1.2\nUSED = with_tax\n"}
    shop.script = {
        "1.1.1": [
            changes(taxes(wrong, **rates)),
            changes(taxes(wrong, **{"shop/rates.py": "RATE = 1.2\n"})),
        ]
    }
    shop.complete()
    again = shop.retry()
    assert "circular" in again
    assert "shop/taxes.py" in again
    assert "shop/rates.py" in again
    shop.recovered("1.1.1")


SCRIPT_TEST = """\
import assert from "node:assert/strict";
import { test } from "node:test";
import { withTax } from "../src/taxes.js";

test("with tax", () => assert.equal(withTax("cup"), 10.8));
"""
SCRIPT = """\
import { price } from "./prices.js";

export const withTax = (item) => Math.round(price(item) * 120) / 100;
"""


def scripts(text: str) -> dict[str, str]:
    return {"src/taxes.js": text, "test/taxes.test.js": SCRIPT_TEST}


def test_a_script_that_is_not_there(shop: Shop) -> None:
    shop.begin(TASK.format("src/taxes.js"), javascript=True)
    wrong = SCRIPT.replace("./prices.js", "./pricing.js")
    shop.script = {"1.1.1": [changes(scripts(wrong)), changes(scripts(SCRIPT))]}
    shop.complete()
    assert "import error in src/taxes.js:1" in shop.retry()
    assert "./pricing.js" in shop.retry()
    shop.recovered("1.1.1")


def test_a_name_that_a_script_does_not_export(shop: Shop) -> None:
    shop.begin(TASK.format("src/taxes.js"), javascript=True)
    wrong = SCRIPT.replace("{ price }", "{ priceOf }").replace("price(item)", "priceOf(item)")
    shop.script = {"1.1.1": [changes(scripts(wrong)), changes(scripts(SCRIPT))]}
    shop.complete()
    again = shop.retry()
    assert "does not provide an export named 'priceOf'" in again
    assert "src/taxes.js:1" in again
    assert "test/taxes.test.js" in again
    shop.recovered("1.1.1")
