"""What an agent's first try breaks or misses beside its imports; it is told, and mends it."""

from __future__ import annotations

from scenario_shop import Shop, changes

CURRENCY = (
    "- [ ] **Currencies**: `price(item, currency)` in `shop/prices.py` knows `EUR` and `USD`\n"
)
BILL = "from shop.prices import price\n\n\ndef bill(item):\n    return f'{item}: {price(item)}'\n"
BILL_TEST = "from shop.bill import bill\n\n\ndef test_bill():\n    assert bill('tea') == 'tea: 4'\n"
PRICES = 'PRICES = {"tea": 4, "cup": 9}\nRATES = {"EUR": 1, "USD": 2}\n\n\n'
WRONG = f"{PRICES}def price(item, currency):\n    return PRICES[item] * RATES[currency]\n"
RIGHT = WRONG.replace("currency)", 'currency="EUR")')
PRICES_TEST = (
    'from shop.prices import price\n\n\ndef test_dollars():\n    assert price("tea", "USD") == 8\n'
)


def test_a_change_that_breaks_files_elsewhere(shop: Shop) -> None:
    shop.begin(CURRENCY, more={"shop/bill.py": BILL, "tests/test_bill.py": BILL_TEST})
    test = {"tests/test_prices.py": PRICES_TEST}
    shop.script = {
        "1.1.1": [changes({"shop/prices.py": WRONG, **test}), changes({"shop/prices.py": RIGHT})]
    }
    told = shop.complete()
    again = shop.retry()
    for broken in ("tests/test_cart.py::test_total", "tests/test_bill.py::test_bill"):
        assert f"{broken} passed before and fails now" in again
    for place in ("shop/bill.py:5", "shop/cart.py:5", "missing 1 required positional argument"):
        assert place in again
    shop.recovered("1.1.1")
    assert "1.1.1 try 1 failed: regression: tests/test_bill.py::test_bill passed before" in told


def test_the_plan_names_a_path_that_is_not(shop: Shop) -> None:
    shop.begin("- [ ] **Currencies**: `price(item, currency)`\n  **File**: `src/shop/prices.py`\n")
    test = {"tests/test_prices.py": PRICES_TEST}
    shop.script = {
        "1.1.1": [
            changes({"src/shop/prices.py": RIGHT, **test}),
            changes({"shop/prices.py": RIGHT}, remove="-r src"),
        ]
    }
    shop.complete()
    first = shop.prompts[0][2]
    assert "src/shop/prices.py" in first
    again = shop.retry()
    assert "tests/test_prices.py::test_dollars" in again
    assert "src/shop/prices.py is new, and shop/prices.py was there before" in again
    shop.recovered("1.1.1")
    evidence = shop.evidence()["1.1.1"]["evidence"]
    assert "src/shop/prices.py" not in evidence["files"]
    assert any("shop/prices.py was changed in its place" in note for note in evidence["notes"])


def test_a_syntax_error_left_by_an_earlier_task(shop: Shop) -> None:
    stock = '"""Of an earlier task."""\n\n\ndef left(item)\n    return 3\n'
    shop.begin(
        "- [x] **Stock**: `left(item)` in `shop/stock.py`\n"
        "- [ ] **Offers**: `offer(item)` in `shop/offers.py` says how many are left\n",
        more={"shop/stock.py": stock},
    )
    files = {
        "shop/offers.py": "from shop.stock import left\n\n\n"
        "def offer(item):\n    return f'{left(item)} left'\n",
        "tests/test_offers.py": "from shop.offers import offer\n\n\n"
        "def test_offer():\n    assert offer('tea') == '3 left'\n",
    }
    mended = {"shop/stock.py": stock.replace("(item)", "(item):")}
    shop.script = {"1.1.2": [changes(files), changes(mended)]}
    shop.complete()
    again = shop.retry("1.1.2")
    assert "shop/stock.py" in again
    assert "line 4" in again or "shop/stock.py:4" in again
    assert "expected ':'" in again
    shop.recovered("1.1.2")


def test_a_group_of_tasks_that_are_alike_of_which_one_was_left_out(shop: Shop) -> None:
    shop.begin(
        "- [ ] **VAT**: `vat(price)` in `shop/vat.py` is 20% of the price\n"
        "- [ ] **Gross**: `gross(price)` in `shop/vat.py` and `shop/gross.py` adds `vat` to it\n"
        "- [ ] **Greeting**: `hello()` in `shop/hello.py`\n"
    )
    vat = "def vat(price):\n    return price / 5\n"
    gross = "from shop.vat import vat\n\n\ndef gross(price):\n    return price + vat(price)\n"
    hello = {
        "shop/hello.py": "def hello():\n    return 'hello'\n",
        "tests/test_hello.py": "from shop.hello import hello\n\n\n"
        "def test_hello():\n    assert hello() == 'hello'\n",
    }
    test = "from shop.gross import gross\n\n\ndef test_gross():\n    assert gross(5) == 6\n"
    shop.script = {
        "1.1.1": [
            changes({"shop/vat.py": vat, "tests/test_gross.py": test}),
            changes({"shop/gross.py": gross}),
        ],
        "1.1.3": [changes(hello)],
    }
    boxes: list[tuple[str, int, int]] = []

    def look(task: str, number: int) -> None:
        boxes.append((task, number, (shop.root / shop.plan).read_text().count("[x]")))

    shop.on_request = look
    told = shop.complete("--grouping", "smart")
    assert "1.1.1 VAT and 1 more" in told
    again = next(text for task, number, text in shop.prompts if (task, number) == ("1.1.1", 2))
    assert "# Your tasks, in this order" in again
    for needed in ("## 1.1.1: VAT", "## 1.1.2: Gross", "`gross(price)` in `shop/vat.py`"):
        assert needed in again
    wrong = again.partition("# What was tried before")[2]
    assert "shop/gross.py was promised and is not there" in wrong
    assert "no module named 'shop.gross'" in wrong
    assert "+    return price / 5" in wrong  # what the group has of it already
    # Both boxes of the group together, and not before it is verified whole.
    assert boxes == [("1.1.1", 1, 0), ("1.1.1", 2, 0), ("1.1.3", 1, 2)]
    shop.recovered("1.1.1", "1.1.2")
    assert shop.evidence()["1.1.3"]["tries"] == 1
