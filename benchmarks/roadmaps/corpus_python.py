"""Tasks in Python."""

from __future__ import annotations

from benchmarks.roadmaps.item import Item, Part


def _stub(signature: str, words: str) -> str:
    return f'{signature}\n    """{words}"""\n    raise NotImplementedError\n'


ITEMS = (
    Item(
        name="words",
        level=1,
        language="python",
        title="Count words and vowels",
        text="`count_words(text)` counts the words that white space separates, and "
        "`count_vowels(text)` the letters a, e, i, o, u of either case.",
        parts=(
            Part(
                _stub("def count_words(text):", "How many words."),
                "def count_words(text):\n    return len(text.split())\n",
            ),
            Part(
                _stub("def count_vowels(text):", "How many vowels."),
                'def count_vowels(text):\n    return sum(c in "aeiou" for c in text.lower())\n',
            ),
        ),
        visible="""
from workshop.words import count_vowels, count_words

def test_words():
    assert count_words("one two  three") == 3

def test_vowels():
    assert count_vowels("Audio") == 4
""",
        hidden="""
from workshop.words import count_vowels, count_words

def test_words():
    assert count_words("") == 0 and count_words("\\t a\\nb ") == 2

def test_vowels():
    assert count_vowels("xyz") == 0 and count_vowels("EERIE oak") == 6
""",
    ),
    Item(
        name="temperature",
        level=1,
        language="python",
        title="Convert temperatures",
        text="`to_fahrenheit(celsius)` and `to_celsius(fahrenheit)` convert, as floats.",
        parts=(
            Part(
                _stub("def to_fahrenheit(celsius):", "Degrees Fahrenheit."),
                "def to_fahrenheit(celsius):\n    return celsius * 9 / 5 + 32\n",
            ),
            Part(
                _stub("def to_celsius(fahrenheit):", "Degrees Celsius."),
                "def to_celsius(fahrenheit):\n    return (fahrenheit - 32) * 5 / 9\n",
            ),
        ),
        visible="""
from workshop.temperature import to_celsius, to_fahrenheit

def test_fahrenheit():
    assert to_fahrenheit(100) == 212

def test_celsius():
    assert to_celsius(32) == 0
""",
        hidden="""
from workshop.temperature import to_celsius, to_fahrenheit

def test_both():
    assert to_fahrenheit(-40) == -40 and to_celsius(-40) == -40

def test_there_and_back():
    assert abs(to_celsius(to_fahrenheit(21.5)) - 21.5) < 1e-9
""",
    ),
    Item(
        name="initials",
        level=1,
        language="python",
        title="Initials and slugs",
        text="`initials(name)` gives the first letter of each word in capitals; `slug(title)` "
        "lower-case words joined by hyphens, everything but letters and digits left out.",
        header="import re\n",
        parts=(
            Part(
                _stub("def initials(name):", "Capital letters."),
                'def initials(name):\n    return "".join(w[0].upper() for w in name.split())\n',
            ),
            Part(
                _stub("def slug(title):", "For an address."),
                'def slug(title):\n    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))\n',
            ),
        ),
        visible="""
from workshop.initials import initials, slug

def test_initials():
    assert initials("ada king lovelace") == "AKL"

def test_slug():
    assert slug("Hello, World!") == "hello-world"
""",
        hidden="""
from workshop.initials import initials, slug

def test_initials():
    assert initials("  grace   hopper ") == "GH" and initials("") == ""

def test_slug():
    assert slug("--A  1: b--") == "a-1-b" and slug("!") == ""
""",
    ),
    Item(
        name="roman",
        level=2,
        language="python",
        title="Roman numerals",
        text="`to_roman(number)` for 1 to 3999, else ValueError; `from_roman(text)` is its "
        "inverse and raises ValueError for anything that to_roman would not write.",
        header='_DIGITS = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"),\n'
        '           (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"),\n'
        '           (4, "IV"), (1, "I"))\n',
        parts=(
            Part(
                _stub("def to_roman(number):", "Its numeral."),
                """
def to_roman(number):
    if not 1 <= number <= 3999:
        raise ValueError(f"expected 1 to 3999, found {number}")
    text = ""
    for value, digit in _DIGITS:
        count, number = divmod(number, value)
        text += digit * count
    return text
""",
            ),
            Part(
                _stub("def from_roman(text):", "Its value."),
                """
def from_roman(text):
    rest, number = text, 0
    for value, digit in _DIGITS:
        while rest.startswith(digit):
            number, rest = number + value, rest[len(digit):]
    if rest or not 1 <= number <= 3999 or to_roman(number) != text:
        raise ValueError(f"not a Roman numeral: {text!r}")
    return number
""",
            ),
        ),
        visible="""
import pytest
from workshop.roman import from_roman, to_roman

def test_to():
    assert to_roman(1994) == "MCMXCIV"

def test_to_refuses():
    with pytest.raises(ValueError):
        to_roman(0)

def test_from():
    assert from_roman("XIV") == 14

def test_from_refuses():
    with pytest.raises(ValueError):
        from_roman("IIII")
""",
        hidden="""
import pytest
from workshop.roman import from_roman, to_roman

def test_all():
    assert all(from_roman(to_roman(n)) == n for n in range(1, 4000))

@pytest.mark.parametrize("text", ["", "VX", "IC", "abc", "MMMM", "IXI"])
def test_refused(text):
    with pytest.raises(ValueError):
        from_roman(text)

def test_high():
    with pytest.raises(ValueError):
        to_roman(4000)
""",
    ),
    Item(
        name="ranges",
        level=2,
        language="python",
        title="Merge and print ranges",
        text="`merge(ranges)` joins pairs (low, high) of integers, both ends included, that "
        "overlap or touch, in order; a pair the wrong way round is a ValueError. "
        '`show(ranges)` writes merged ranges as "1-3,5".',
        parts=(
            Part(
                _stub("def merge(ranges):", "Fewest ranges."),
                """
def merge(ranges):
    merged = []
    for low, high in sorted(ranges):
        if low > high:
            raise ValueError(f"{low} is above {high}")
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged
""",
            ),
            Part(
                _stub("def show(ranges):", "As people write them."),
                """
def show(ranges):
    return ",".join(
        str(low) if low == high else f"{low}-{high}" for low, high in merge(ranges)
    )
""",
            ),
        ),
        visible="""
import pytest
from workshop.ranges import merge, show

def test_merge():
    assert merge([(5, 7), (1, 3), (4, 4)]) == [(1, 7)]

def test_refused():
    with pytest.raises(ValueError):
        merge([(3, 1)])

def test_show():
    assert show([(5, 5), (1, 3)]) == "1-3,5"
""",
        hidden="""
from workshop.ranges import merge, show

def test_inside():
    assert merge([(1, 10), (2, 3), (12, 13)]) == [(1, 10), (12, 13)]

def test_none():
    assert merge([]) == [] and show([]) == ""

def test_show_merges():
    assert show([(1, 2), (3, 3), (9, 9)]) == "1-3,9"
""",
    ),
    Item(
        name="duration",
        level=2,
        language="python",
        title="Parse and print durations",
        text='`parse(text)` reads "1h30m", "45s" or "2d" into seconds; units d, h, m, s, each at '
        "most once and in that order; anything else is a ValueError. `show(seconds)` is "
        'its inverse; 0 is "0s".',
        header='import re\n\n_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))\n',
        parts=(
            Part(
                _stub("def parse(text):", "Seconds."),
                """
def parse(text):
    found = re.fullmatch(r"(?:(\\d+)d)?(?:(\\d+)h)?(?:(\\d+)m)?(?:(\\d+)s)?", text)
    if not text or found is None:
        raise ValueError(f"not a duration: {text!r}")
    return sum(int(n or 0) * size for n, (_, size) in zip(found.groups(), _UNITS))
""",
            ),
            Part(
                _stub("def show(seconds):", "As parse reads it."),
                """
def show(seconds):
    text = ""
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
""",
            ),
        ),
        visible="""
import pytest
from workshop.duration import parse, show

def test_parse():
    assert parse("1h30m") == 5400

def test_refused():
    with pytest.raises(ValueError):
        parse("30m1h")

def test_show():
    assert show(5400) == "1h30m" and show(0) == "0s"
""",
        hidden="""
import pytest
from workshop.duration import parse, show

def test_both_ways():
    assert all(parse(show(n)) == n for n in range(0, 200000, 371))

@pytest.mark.parametrize("text", ["", "1", "h", "1h1h", "-1s", "1h 2m"])
def test_refused(text):
    with pytest.raises(ValueError):
        parse(text)
""",
    ),
    Item(
        name="invoice",
        level=3,
        language="python",
        title="Invoices with tax",
        text="`net(lines)` adds quantity times price of lines (quantity, cents); "
        "`gross(lines, rate)` adds tax by `tax(cents, rate)`, which belongs into a new module "
        "`workshop/tax.py` and rounds half up to whole cents.",
        header="from workshop import tax as _tax\n",
        also={
            "tax": (
                "",
                "def tax(cents, rate):\n    return (cents * rate * 2 + 100) // 200\n",
            ),
        },
        parts=(
            Part(
                _stub("def net(lines):", "Cents."),
                "def net(lines):\n    return sum(count * price for count, price in lines)\n",
            ),
            Part(
                _stub("def gross(lines, rate):", "Cents; rate in percent."),
                "def gross(lines, rate):\n    total = net(lines)\n"
                "    return total + _tax.tax(total, rate)\n",
            ),
        ),
        visible="""
from workshop.invoice import gross, net
from workshop.tax import tax

def test_net():
    assert net([(2, 150), (1, 99)]) == 399

def test_gross():
    assert gross([(1, 1000)], 19) == 1190

def test_tax():
    assert tax(250, 19) == 48
""",
        hidden="""
from workshop.invoice import gross, net
from workshop.tax import tax

def test_half_up():
    assert tax(50, 1) == 1 and tax(49, 1) == 0 and tax(150, 1) == 2

def test_empty():
    assert net([]) == 0 and gross([], 19) == 0

def test_whole():
    assert gross([(3, 333)], 7) == 999 + 70
""",
    ),
    Item(
        name="routes",
        level=3,
        language="python",
        title="Match routes",
        text="`compile_route(pattern)` turns `/users/{id}` into a matcher; `match(routes, path)` "
        "gives (name, parameters) of the first of {name: pattern} that fits, or None. Text is "
        "percent-decoded by `decode(text)` of a new module `workshop/percent.py`.",
        header="import re\n\nfrom workshop import percent\n",
        also={
            "percent": (
                "",
                "from urllib.parse import unquote\n\n\ndef decode(text):\n"
                "    return unquote(text)\n",
            ),
        },
        parts=(
            Part(
                _stub("def compile_route(pattern):", "A compiled regular expression."),
                """
def compile_route(pattern):
    pieces = re.split(r"\\{(\\w+)\\}", pattern)
    text = "".join(
        f"(?P<{piece}>[^/]+)" if i % 2 else re.escape(piece) for i, piece in enumerate(pieces)
    )
    return re.compile(text)
""",
            ),
            Part(
                _stub("def match(routes, path):", "Name and parameters, or None."),
                """
def match(routes, path):
    for name, pattern in routes.items():
        found = compile_route(pattern).fullmatch(path)
        if found:
            return name, {k: percent.decode(v) for k, v in found.groupdict().items()}
    return None
""",
            ),
        ),
        visible="""
from workshop.percent import decode
from workshop.routes import compile_route, match

def test_compile():
    assert compile_route("/users/{id}").fullmatch("/users/7")["id"] == "7"

def test_match():
    routes = {"list": "/users", "one": "/users/{id}"}
    assert match(routes, "/users/a%20b") == ("one", {"id": "a b"})

def test_decode():
    assert decode("a%2Fb") == "a/b"
""",
        hidden="""
from workshop.routes import compile_route, match

def test_dots_are_dots():
    assert compile_route("/a.b").fullmatch("/axb") is None

def test_none():
    assert match({"a": "/a/{b}"}, "/a/b/c") is None

def test_slash_stays_inside():
    assert match({"a": "/f/{p}"}, "/f/x%2Fy") == ("a", {"p": "x/y"})
""",
    ),
    Item(
        name="orders",
        level=4,
        language="python",
        title="Orders become values",
        text="Orders are dicts today. Make `Order` a frozen dataclass (sku, count, cents) with a "
        "property `total`, have `load(text)` read lines `sku,count,cents` into Orders, and "
        "let `workshop/stock.py` take Orders: `reserve(stock, order)` lowers the count in the "
        "dict, KeyError for an unknown sku, ValueError if there are too few.",
        header="from dataclasses import dataclass\n",
        also={
            "stock": (
                'def reserve(stock, order):\n    stock[order["sku"]] -= order["count"]\n',
                """
def reserve(stock, order):
    if stock[order.sku] < order.count:
        raise ValueError(f"{order.sku}: {stock[order.sku]} left, {order.count} ordered")
    stock[order.sku] -= order.count
""".lstrip(),
            ),
        },
        parts=(
            Part(
                "def Order(sku, count, cents):\n"
                '    return {"sku": sku, "count": count, "cents": cents}\n',
                """
@dataclass(frozen=True)
class Order:
    sku: str
    count: int
    cents: int

    @property
    def total(self):
        return self.count * self.cents
""",
            ),
            Part(
                _stub("def load(text):", "A list of orders."),
                """
def load(text):
    rows = (line.split(",") for line in text.splitlines() if line.strip())
    return [Order(sku.strip(), int(count), int(cents)) for sku, count, cents in rows]
""",
            ),
        ),
        visible="""
import pytest
from workshop.orders import Order, load
from workshop.stock import reserve

def test_total():
    assert Order("a", 2, 150).total == 300

def test_load():
    assert load("a,2,150\\n") == [Order("a", 2, 150)]

def test_reserve():
    stock = {"a": 3}
    reserve(stock, Order("a", 2, 1))
    assert stock == {"a": 1}

def test_too_few():
    with pytest.raises(ValueError):
        reserve({"a": 1}, Order("a", 2, 1))
""",
        hidden="""
import dataclasses
import pytest
from workshop.orders import Order, load
from workshop.stock import reserve

def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Order("a", 1, 1).count = 2

def test_blank_lines():
    assert [o.sku for o in load("\\n a ,1,2\\n\\nb,1,2")] == ["a", "b"]

def test_unknown():
    with pytest.raises(KeyError):
        reserve({}, Order("x", 1, 1))

def test_refused_changes_nothing():
    stock = {"a": 1}
    with pytest.raises(ValueError):
        reserve(stock, Order("a", 2, 1))
    assert stock == {"a": 1}
""",
    ),
    Item(
        name="units",
        level=4,
        language="python",
        title="Lengths with units",
        text="Give `Length(value, unit)` (m, cm, km; anything else ValueError) an equality and a "
        "sum that do not depend on the unit, and `parse(text)` for `12.5 cm`. "
        "`workshop/route_length.py` has `total(texts)`, which adds floats today: it is to "
        "give the metres of such texts.",
        also={
            "route_length": (
                "def total(texts):\n    return sum(float(text) for text in texts)\n",
                "from workshop import units\n\n\ndef total(texts):\n"
                "    return sum((units.parse(text).metres for text in texts), 0.0)\n",
            ),
        },
        header='_METRES = {"m": 1.0, "cm": 0.01, "km": 1000.0}\n',
        parts=(
            Part(
                "class Length:\n    def __init__(self, value, unit):\n"
                "        self.value, self.unit = value, unit\n",
                """
class Length:
    def __init__(self, value, unit):
        if unit not in _METRES:
            raise ValueError(f"unknown unit {unit!r}")
        self.value, self.unit = value, unit

    @property
    def metres(self):
        return self.value * _METRES[self.unit]

    def __eq__(self, other):
        return isinstance(other, Length) and abs(self.metres - other.metres) < 1e-9

    def __hash__(self):
        return hash(round(self.metres, 6))

    def __add__(self, other):
        return Length(self.metres + other.metres, "m")
""",
            ),
            Part(
                _stub("def parse(text):", "A Length."),
                """
def parse(text):
    value, _, unit = text.strip().partition(" ")
    return Length(float(value), unit.strip())
""",
            ),
        ),
        visible="""
import pytest
from workshop.route_length import total
from workshop.units import Length, parse

def test_equal():
    assert Length(100, "cm") == Length(1, "m")

def test_sum():
    assert Length(1, "km") + Length(1, "m") == Length(1001, "m")

def test_unknown():
    with pytest.raises(ValueError):
        Length(1, "mile")

def test_parse():
    assert parse("12.5 cm") == Length(0.125, "m")

def test_total():
    assert total(["1 km", "50 cm"]) == 1000.5
""",
        hidden="""
import pytest
from workshop.route_length import total
from workshop.units import Length, parse

def test_not_equal():
    assert Length(1, "m") != Length(1, "km") and Length(1, "m") != "1 m"

def test_parse_refuses():
    with pytest.raises(ValueError):
        parse("12")

def test_total_of_none():
    assert total([]) == 0
""",
    ),
    Item(
        name="cache",
        level=5,
        language="python",
        title="A cache that forgets",
        text="`Cache(size, seconds, now)` keeps at most `size` values, drops the one used longest "
        "ago, and values older than `seconds` by the clock `now()`: `get(key, default=None)`, "
        "`put(key, value)`, `len()`. `cached(cache)` is a decorator over it, by positional "
        "arguments; a cached None counts. Time comes from `Clock` in a new module "
        "`workshop/clock.py`: `Clock(start)` is callable and has `advance(seconds)`.",
        header="from collections import OrderedDict\nfrom functools import wraps\n\n_NONE = object()\n",
        also={
            "clock": (
                "",
                """
class Clock:
    def __init__(self, start=0.0):
        self._time = start

    def __call__(self):
        return self._time

    def advance(self, seconds):
        self._time += seconds
""".lstrip(),
            ),
        },
        parts=(
            Part(
                "class Cache:\n    def __init__(self, size, seconds, now):\n"
                "        raise NotImplementedError\n",
                """
class Cache:
    def __init__(self, size, seconds, now):
        self._size, self._seconds, self._now = size, seconds, now
        self._items = OrderedDict()

    def _drop_old(self):
        now = self._now()
        for key in [k for k, (at, _) in self._items.items() if now - at > self._seconds]:
            del self._items[key]

    def __len__(self):
        self._drop_old()
        return len(self._items)

    def get(self, key, default=None):
        self._drop_old()
        if key not in self._items:
            return default
        self._items.move_to_end(key)
        return self._items[key][1]

    def put(self, key, value):
        self._drop_old()
        self._items[key] = (self._now(), value)
        self._items.move_to_end(key)
        while len(self._items) > self._size:
            self._items.popitem(last=False)
""",
            ),
            Part(
                _stub("def cached(cache):", "A decorator."),
                """
def cached(cache):
    def decorate(function):
        @wraps(function)
        def call(*arguments):
            value = cache.get(arguments, _NONE)
            if value is _NONE:
                value = function(*arguments)
                cache.put(arguments, value)
            return value

        return call

    return decorate
""",
            ),
        ),
        visible="""
from workshop.cache import Cache, cached
from workshop.clock import Clock

def test_size():
    cache = Cache(2, 60, Clock())
    cache.put("a", 1); cache.put("b", 2); cache.get("a"); cache.put("c", 3)
    assert cache.get("b") is None and cache.get("a") == 1 and len(cache) == 2

def test_age():
    clock = Clock()
    cache = Cache(2, 60, clock)
    cache.put("a", 1); clock.advance(61)
    assert cache.get("a") is None

def test_cached():
    calls = []
    @cached(Cache(9, 60, Clock()))
    def double(n):
        calls.append(n)
        return 2 * n
    assert double(2) == double(2) == 4 and calls == [2]
""",
        hidden="""
from workshop.cache import Cache, cached
from workshop.clock import Clock

def test_none_is_a_value():
    calls = []
    @cached(Cache(9, 60, Clock()))
    def nothing(n):
        calls.append(n)
    nothing(1); nothing(1)
    assert calls == [1]

def test_put_again_renews():
    clock = Clock(100.0)
    cache = Cache(1, 10, clock)
    cache.put("a", 1); clock.advance(8); cache.put("a", 2); clock.advance(8)
    assert cache.get("a") == 2 and len(cache) == 1

def test_default():
    assert Cache(1, 1, Clock()).get("x", 5) == 5
""",
    ),
    Item(
        name="ledger",
        level=5,
        language="python",
        title="A ledger that balances",
        text="`Ledger()` has `post(*entries)` of (account, cents): refused with `Unbalanced` (a "
        "ValueError, in a new module `workshop/ledger_errors.py`) unless they add up to 0 and "
        "there are at least two, and then nothing of it is kept; `balance(account)`. "
        "`statement(ledger, account)` gives the running balances.",
        header="from workshop.ledger_errors import Unbalanced\n",
        also={
            "ledger_errors": ("", "class Unbalanced(ValueError):\n    pass\n"),
        },
        parts=(
            Part(
                "class Ledger:\n    def post(self, *entries):\n        raise NotImplementedError\n",
                """
class Ledger:
    def __init__(self):
        self.entries = []

    def post(self, *entries):
        if len(entries) < 2 or sum(cents for _, cents in entries):
            raise Unbalanced(entries)
        self.entries.extend(entries)

    def balance(self, account):
        return sum(cents for name, cents in self.entries if name == account)
""",
            ),
            Part(
                _stub("def statement(ledger, account):", "Running balances."),
                """
def statement(ledger, account):
    balances, total = [], 0
    for name, cents in ledger.entries:
        if name == account:
            total += cents
            balances.append(total)
    return balances
""",
            ),
        ),
        visible="""
import pytest
from workshop.ledger import Ledger, statement
from workshop.ledger_errors import Unbalanced

def test_post():
    ledger = Ledger()
    ledger.post(("cash", -500), ("food", 500))
    assert ledger.balance("cash") == -500

def test_refused():
    ledger = Ledger()
    with pytest.raises(Unbalanced):
        ledger.post(("cash", -1), ("food", 2))
    assert ledger.balance("cash") == 0

def test_statement():
    ledger = Ledger()
    ledger.post(("a", 5), ("b", -5)); ledger.post(("a", 2), ("b", -2))
    assert statement(ledger, "a") == [5, 7]
""",
        hidden="""
import pytest
from workshop.ledger import Ledger, statement
from workshop.ledger_errors import Unbalanced

def test_alone():
    with pytest.raises(Unbalanced):
        Ledger().post(("a", 0))

def test_is_value_error():
    assert issubclass(Unbalanced, ValueError)

def test_unknown():
    assert Ledger().balance("x") == 0 and statement(Ledger(), "x") == []

def test_two_ledgers():
    one, two = Ledger(), Ledger()
    one.post(("a", 1), ("b", -1))
    assert two.balance("a") == 0
""",
    ),
)
